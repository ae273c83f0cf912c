/*
 * image.c: the checked reader of images.
 *
 * An Image owns its map and the parsed directory; nothing is written after image_open, so any
 * number of threads may read it.  Every number that comes from the file is checked before it is
 * used as an offset.
 */
#include "image/image.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "image/layout.h"
#include "math/pack.h"

#define VERIFY_STEP ((size_t) 4 << 20) /* bytes between two questions to cancel */
#define MAX_DIRECTORY ((size_t) 1 << 30)

bool
matrix_section_size(Precision precision, int n, int k, bool has_bias, size_t *size)
{
	size_t panels = n > 0 && k > 0 && n <= INT_MAX - PANEL ? pack_size(precision, n, k) : 0;
	size_t vectors = (has_bias ? 1 : 0) + (precision == PRECISION_INT8 ? 2 : 0);

	return panels > 0 &&
		   !__builtin_add_overflow(panels, vectors * (size_t) PANEL_UP(n) * sizeof(float), size);
}

bool
table_section_size(Precision precision, int rows, int columns, size_t *size)
{
	size_t width = precision == PRECISION_BF16 ? 2 : sizeof(float);

	return rows > 0 && columns > 0 && precision != PRECISION_INT8 &&
		   !__builtin_mul_overflow((size_t) rows * (size_t) columns, width, size);
}

bool
vector_section_size(int n, size_t *size)
{
	*size = n > 0 ? (size_t) n * sizeof(float) : 0;
	return n > 0;
}

/* By type, then name. */
static int
compare_sections(const void *a, const void *b)
{
	const Section *x = a;
	const Section *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Checks a strings section, so that image_string needs no checks. */
static bool
strings_valid(const uint8_t *data, size_t size)
{
	const uint32_t *words = (const uint32_t *) data;
	uint32_t		n;

	if (size < 2 * sizeof *words)
		return false;
	n = words[0];
	if (n > INT_MAX || n > size / sizeof *words - 2 || words[1] != (n + 2) * sizeof *words)
		return false;
	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t end = words[i + 2];

		if (end <= words[i + 1] || end > size || data[end - 1] != '\0')
			return false;
	}
	return true;
}

/* The size that a tensor's numbers ask for is the section's. */
static bool
tensor_valid(const Section *section)
{
	size_t size;
	bool   fits;

	if (section->type == SECTION_MATRIX)
		fits = matrix_section_size(section->precision, section->n, section->k, section->has_bias,
								   &size);
	else if (section->type == SECTION_TABLE)
		fits = table_section_size(section->precision, section->n, section->k, &size);
	else if (section->type == SECTION_VECTOR)
		fits = vector_section_size(section->n, &size);
	else
		return true;
	return fits && size == section->size;
}

static bool
parse_entry(Section *section, const ImageEntry *entry, const uint8_t *file,
			const ImageHeader *header, size_t names, Error *error)
{
	const char *directory = (const char *) file + header->directory_offset;

	if (entry->type < SECTION_PARAMS || entry->type > SECTION_GOLDEN || entry->name < names ||
		entry->name >= header->directory_size)
		return error_set(error, ERR_CORRUPT, "a section has type %u and its name at %u",
						 entry->type, entry->name);
	if (entry->offset % IMAGE_ALIGN != 0 || entry->offset < sizeof *header ||
		entry->offset > header->directory_offset ||
		entry->size > header->directory_offset - entry->offset)
		return error_set(error, ERR_CORRUPT, "section \"%.100s\" lies outside the file",
						 directory + entry->name);
	*section = (Section){.type = (SectionType) entry->type,
						 .name = directory + entry->name,
						 .data = file + entry->offset,
						 .size = entry->size,
						 .checksum = entry->checksum,
						 .precision = (Precision) entry->precision,
						 .n = (int) entry->n,
						 .k = (int) entry->k,
						 .has_bias = entry->has_bias != 0};
	if (entry->precision > PRECISION_INT8 || entry->n > INT_MAX || entry->k > INT_MAX ||
		entry->has_bias > 1 || !tensor_valid(section))
		return error_set(error, ERR_CORRUPT, "section \"%.100s\" has an impossible shape",
						 section->name);
	if (section->type == SECTION_TEXT)
	{
		if (section->size == 0 || section->data[section->size - 1] != '\0')
			return error_set(error, ERR_CORRUPT, "text \"%.100s\" does not end in a NUL",
							 section->name);
		section->size--;
	}
	if (section->type == SECTION_STRINGS && !strings_valid(section->data, section->size))
		return error_set(error, ERR_CORRUPT, "section \"%.100s\" is not a list of strings",
						 section->name);
	return true;
}

static bool
parse_directory(Image *image, const ImageHeader *header, Error *error)
{
	const uint8_t	 *directory = image->map.data + header->directory_offset;
	const ImageEntry *entries = (const ImageEntry *) directory;
	size_t			  names = header->n_sections * sizeof *entries;
	Section			 *sections;

	sections = arena_alloc(&image->arena, header->n_sections, sizeof *sections);
	if (sections == NULL && header->n_sections > 0)
		return error_set(error, ERR_MEMORY, "out of memory for %u sections", header->n_sections);
	for (uint32_t i = 0; i < header->n_sections; i++)
	{
		if (!parse_entry(&sections[i], &entries[i], image->map.data, header, names, error))
			return false;
		if (i > 0 && compare_sections(&sections[i - 1], &sections[i]) >= 0)
			return error_set(error, ERR_CORRUPT, "section \"%.100s\" is out of order",
							 sections[i].name);
	}
	image->sections = sections;
	image->n_sections = (int) header->n_sections;
	return true;
}

static bool
parse_header(Image *image, Error *error)
{
	const uint8_t *file = image->map.data;
	size_t		   size = image->map.size;
	ImageHeader	   header;

	if (size < sizeof header || memcmp(file, IMAGE_MAGIC, sizeof header.magic) != 0)
		return error_set(error, ERR_CORRUPT, "the file does not begin as an image does");
	memcpy(&header, file, sizeof header);
	if (header.version != IMAGE_VERSION)
		return error_set(error, ERR_UNSUPPORTED, "the image has version %u, this is version %d",
						 header.version, IMAGE_VERSION);
	if (header.header_checksum != XXH3_64bits(file, offsetof(ImageHeader, header_checksum)))
		return error_set(error, ERR_CORRUPT, "the checksum of the header is wrong");
	if (header.file_size != size)
		return error_set(error, ERR_CORRUPT, "the file has %zu bytes instead of %llu", size,
						 (unsigned long long) header.file_size);
	if (header.directory_offset % IMAGE_ALIGN != 0 || header.directory_offset < sizeof header ||
		header.directory_offset > size || header.directory_size != size - header.directory_offset ||
		header.directory_size > MAX_DIRECTORY ||
		header.n_sections > header.directory_size / (sizeof(ImageEntry) + 1) ||
		(header.n_sections > 0 && file[size - 1] != '\0'))
		return error_set(error, ERR_CORRUPT, "the directory lies outside the file");
	if (header.directory_checksum !=
		XXH3_64bits(file + header.directory_offset, header.directory_size))
		return error_set(error, ERR_CORRUPT, "the checksum of the directory is wrong");
	image->checksum = header.header_checksum;
	return parse_directory(image, &header, error);
}

static bool
parse_params(Image *image, const char *name, Params *params, Error *error)
{
	const Section *section = image_find(image, SECTION_PARAMS, name);

	return section == NULL ||
		   params_parse(params, &image->arena, section->data, section->size, error);
}

bool
image_refused(const char *path, const Error *reason, Error *error)
{
	if (reason->code == ERR_CORRUPT)
		error_set(error, ERR_CORRUPT, "image \"%s\" is damaged", path);
	else
		error_set(error, reason->code, "could not use image \"%s\"", path);
	return error_detail(error, "Reason: %s.", reason->message);
}

bool
image_open(Image *image, const char *path, Error *error)
{
	Error reason;

	*image = (Image){0};
	arena_init(&image->arena, 0);
	if (!file_map(&image->map, path, error))
		return false;
	if (parse_header(image, &reason) && parse_params(image, "config", &image->config, &reason) &&
		parse_params(image, "generation", &image->generation, &reason) &&
		parse_params(image, "model", &image->model, &reason))
		return true;
	image_close(image);
	return image_refused(path, &reason, error);
}

void
image_close(Image *image)
{
	file_unmap(&image->map);
	arena_free(&image->arena);
	*image = (Image){0};
}

static bool
verify_section(const Section *section, bool (*cancel)(void *), void *argument, Error *error)
{
	size_t		 size = section->size + (section->type == SECTION_TEXT ? 1 : 0);
	XXH3_state_t state;

	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	for (size_t at = 0; at < size; at += VERIFY_STEP)
	{
		if (cancel != NULL && cancel(argument))
			return error_set(error, ERR_CANCELLED, "verification was cancelled");
		XXH3_64bits_update(&state, section->data + at,
						   size - at < VERIFY_STEP ? size - at : VERIFY_STEP);
	}
	return XXH3_64bits_digest(&state) == section->checksum ||
		   error_set(error, ERR_CORRUPT, "the checksum of section \"%s\" is wrong", section->name);
}

bool
image_verify(const Image *image, bool (*cancel)(void *), void *argument, Error *error)
{
	for (int i = 0; i < image->n_sections; i++)
		if (!verify_section(&image->sections[i], cancel, argument, error))
			return false;
	return true;
}

bool
image_verify_texts(const Image *image, Error *error)
{
	for (int i = 0; i < image->n_sections; i++)
	{
		const Section *section = &image->sections[i];
		bool		   tensor = section->type == SECTION_MATRIX || section->type == SECTION_TABLE ||
					  section->type == SECTION_VECTOR;

		if (!tensor && !verify_section(section, NULL, NULL, error))
			return false;
	}
	return true;
}

const Section *
image_find(const Image *image, SectionType type, const char *name)
{
	Section wanted = {.type = type, .name = name};

	if (image->n_sections == 0)
		return NULL;
	return bsearch(&wanted, image->sections, (size_t) image->n_sections, sizeof wanted,
				   compare_sections);
}

/* The section, or NULL with the error. */
static const Section *
find_tensor(const Image *image, SectionType type, const char *name, Error *error)
{
	const Section *section = image_find(image, type, name);

	if (section == NULL)
		error_set(error, ERR_NOT_FOUND, "the image has no tensor \"%s\"", name);
	return section;
}

bool
image_matrix(const Image *image, const char *name, Matrix *matrix, Error *error)
{
	const Section *section = find_tensor(image, SECTION_MATRIX, name, error);
	const uint8_t *next;
	size_t		   row;

	if (section == NULL)
		return false;
	*matrix = (Matrix){
		.precision = section->precision, .n = section->n, .k = section->k, .panels = section->data};
	next = section->data + pack_size(section->precision, section->n, section->k);
	row = (size_t) PANEL_UP(section->n) * sizeof(float);
	if (section->has_bias)
	{
		matrix->bias = (const float *) next;
		next += row;
	}
	if (section->precision == PRECISION_INT8)
	{
		matrix->scale = (const float *) next;
		matrix->sum = (const int32_t *) (next + row);
	}
	return true;
}

bool
image_table(const Image *image, const char *name, Table *table, Error *error)
{
	const Section *section = find_tensor(image, SECTION_TABLE, name, error);

	if (section == NULL)
		return false;
	*table = (Table){.precision = section->precision,
					 .rows = section->n,
					 .columns = section->k,
					 .data = section->data};
	return true;
}

bool
image_vector(const Image *image, const char *name, const float **vector, int *n, Error *error)
{
	const Section *section = find_tensor(image, SECTION_VECTOR, name, error);

	if (section == NULL)
		return false;
	*vector = (const float *) section->data;
	*n = section->n;
	return true;
}

int
image_strings(const Image *image, const char *name)
{
	const Section *section = image_find(image, SECTION_STRINGS, name);

	return section != NULL ? (int) *(const uint32_t *) section->data : 0;
}

const char *
image_string(const Image *image, const char *name, int index)
{
	const Section  *section = image_find(image, SECTION_STRINGS, name);
	const uint32_t *words;

	if (section == NULL)
		return NULL;
	words = (const uint32_t *) section->data;
	if (index < 0 || (uint32_t) index >= words[0])
		return NULL;
	return (const char *) section->data + words[1 + index];
}
