/*
 * image_writer.c: writing an image, section by section.
 *
 * An ImageWriter belongs to one thread.  It owns the open file and the directory so far; the file
 * counts only after image_writer_finish, and whoever gives up calls image_writer_abort, which
 * removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "image/layout.h"
#include "math/pack.h"

#define MAX_SECTIONS (1 << 20)

struct ImageWriter
{
	_Alignas(64) XXH3_state_t hash; /* of the section being written */
	char	   *path;
	int			fd;
	uint64_t	position; /* bytes written */
	uint64_t	start;	  /* of the section being written */
	ImageEntry *entries;  /* name: index into names */
	char	  **names;
	int			n, capacity;
};

static void
writer_free(ImageWriter *writer)
{
	for (int i = 0; i < writer->n; i++)
		free(writer->names[i]);
	free(writer->names);
	free(writer->entries);
	free(writer->path);
	if (writer->fd >= 0)
		close(writer->fd);
	free(writer);
}

static ImageWriter *
writer_open(const char *path, int flags, Error *error)
{
	ImageWriter *writer = aligned_alloc(_Alignof(ImageWriter), sizeof *writer);

	if (writer == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for writing \"%s\"", path);
		return NULL;
	}
	*writer = (ImageWriter){.fd = -1, .position = sizeof(ImageHeader)};
	writer->path = strdup(path);
	if (writer->path == NULL)
		error_set(error, ERR_MEMORY, "out of memory for writing \"%s\"", path);
	else
	{
		writer->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0666);
		if (writer->fd >= 0)
			return writer;
		error_errno(error, "could not open \"%s\" for writing", path);
	}
	writer_free(writer);
	return NULL;
}

ImageWriter *
image_writer_create(const char *path, Error *error)
{
	return writer_open(path, O_CREAT | O_EXCL, error);
}

static bool
write_at(ImageWriter *writer, const void *data, size_t size, uint64_t at, Error *error)
{
	const char *bytes = data;

	while (size > 0)
	{
		ssize_t written = pwrite(writer->fd, bytes, size < INT_MAX ? size : INT_MAX, (off_t) at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return error_errno(error, "could not write \"%s\"", writer->path);
		bytes += written;
		at += (uint64_t) written;
		size -= (size_t) written;
	}
	return true;
}

static bool
pad_to(ImageWriter *writer, uint64_t align, Error *error)
{
	static const char zeros[IMAGE_PAGE];
	uint64_t		  size = (align - writer->position % align) % align;

	if (!write_at(writer, zeros, size, writer->position, error))
		return false;
	writer->position += size;
	return true;
}

static bool
section_begin(ImageWriter *writer, uint64_t align, Error *error)
{
	if (!pad_to(writer, align, error))
		return false;
	writer->start = writer->position;
	XXH3_64bits_reset(&writer->hash);
	return true;
}

static bool
section_put(ImageWriter *writer, const void *data, size_t size, Error *error)
{
	if (!write_at(writer, data, size, writer->position, error))
		return false;
	XXH3_64bits_update(&writer->hash, data, size);
	writer->position += size;
	return true;
}

/* Adds an entry of which only type and the tensor's numbers are given; name is copied. */
static bool
add_entry(ImageWriter *writer, ImageEntry entry, const char *name, Error *error)
{
	if (writer->n == writer->capacity)
	{
		int			capacity = writer->capacity == 0 ? 256 : writer->capacity * 2;
		ImageEntry *entries = NULL;
		char	  **names = NULL;

		if (capacity <= MAX_SECTIONS)
		{
			entries = realloc(writer->entries, (size_t) capacity * sizeof *entries);
			writer->entries = entries != NULL ? entries : writer->entries;
			names = realloc(writer->names, (size_t) capacity * sizeof *names);
			writer->names = names != NULL ? names : writer->names;
		}
		if (entries == NULL || names == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d sections", writer->n);
		writer->capacity = capacity;
	}
	entry.name = (uint32_t) writer->n;
	writer->names[writer->n] = strdup(name);
	if (writer->names[writer->n] == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for section \"%s\"", name);
	writer->entries[writer->n++] = entry;
	return true;
}

static bool
section_end(ImageWriter *writer, ImageEntry entry, const char *name, Error *error)
{
	entry.offset = writer->start;
	entry.size = writer->position - writer->start;
	entry.checksum = XXH3_64bits_digest(&writer->hash);
	return add_entry(writer, entry, name, error);
}

ImageWriter *
image_writer_append(const char *path, Error *error)
{
	ImageWriter *writer;
	Image		 image;
	bool		 ok = true;

	if (!image_open(&image, path, error))
		return NULL;
	writer = writer_open(path, 0, error);
	for (int i = 0; writer != NULL && ok && i < image.n_sections; i++)
	{
		const Section *section = &image.sections[i];
		ImageEntry	   entry = {.type = section->type,
								.offset = (uint64_t) (section->data - image.map.data),
								.size = section->size + (section->type == SECTION_TEXT ? 1 : 0),
								.checksum = section->checksum,
								.precision = section->precision,
								.n = (uint32_t) section->n,
								.k = (uint32_t) section->k,
								.has_bias = section->has_bias};

		ok = add_entry(writer, entry, section->name, error);
		if (entry.offset + entry.size > writer->position)
			writer->position = entry.offset + entry.size;
	}
	image_close(&image);
	if (ok)
		return writer;
	writer_free(writer);
	return NULL;
}

bool
image_write_params(ImageWriter *writer, const char *name, const Params *params, Error *error)
{
	size_t	 size = params_size(params);
	uint8_t *bytes = size > 0 ? malloc(size) : NULL;
	bool	 ok;

	if (bytes == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d named values", params->n);
	params_serialize(params, bytes);
	ok = image_write_bytes(writer, SECTION_PARAMS, name, bytes, size, error);
	free(bytes);
	return ok;
}

bool
image_write_bytes(ImageWriter *writer, SectionType type, const char *name, const void *data,
				  size_t size, Error *error)
{
	return section_begin(writer, IMAGE_ALIGN, error) && section_put(writer, data, size, error) &&
		   (type != SECTION_TEXT || section_put(writer, "", 1, error)) &&
		   section_end(writer, (ImageEntry){.type = type}, name, error);
}

bool
image_write_strings(ImageWriter *writer, const char *name, const char *const *strings, int n,
					Error *error)
{
	size_t	  size = ((size_t) n + 2) * sizeof(uint32_t);
	uint32_t *words;
	bool	  ok;

	for (int i = 0; i < n; i++)
		size += strlen(strings[i]) + 1;
	words = size <= UINT32_MAX ? malloc(size) : NULL;
	if (words == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d strings", n);
	words[0] = (uint32_t) n;
	words[1] = (uint32_t) (((size_t) n + 2) * sizeof *words);
	for (int i = 0; i < n; i++)
	{
		size_t length = strlen(strings[i]) + 1;

		memcpy((char *) words + words[i + 1], strings[i], length);
		words[i + 2] = words[i + 1] + (uint32_t) length;
	}
	ok = image_write_bytes(writer, SECTION_STRINGS, name, words, size, error);
	free(words);
	return ok;
}

bool
image_write_matrix(ImageWriter *writer, const char *name, Precision precision, const float *w,
				   const float *bias, int n, int k, Error *error)
{
	ImageEntry entry = {.type = SECTION_MATRIX,
						.precision = precision,
						.n = (uint32_t) n,
						.k = (uint32_t) k,
						.has_bias = bias != NULL};
	size_t	   row, panels, size;
	void	  *packed;
	float	  *rows; /* (3, PANEL_UP(n)): bias, scale, sum */
	bool	   ok;

	if (!matrix_section_size(precision, n, k, bias != NULL, &size))
		return error_set(error, ERR_LIMIT, "a matrix of %d by %d is too large", n, k);
	row = (size_t) PANEL_UP(n);
	panels = pack_size(precision, n, k);
	packed = aligned_alloc(IMAGE_ALIGN, (panels + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN);
	rows = calloc(3 * row, sizeof *rows);
	if (packed == NULL || rows == NULL)
	{
		free(packed);
		free(rows);
		return error_set(error, ERR_MEMORY, "out of memory for a matrix of %d by %d", n, k);
	}
	pack_matrix(precision, w, n, k, packed, rows + row, (int32_t *) (rows + 2 * row));
	if (bias != NULL)
		memcpy(rows, bias, (size_t) n * sizeof *bias);
	ok = section_begin(writer, IMAGE_PAGE, error) && section_put(writer, packed, panels, error) &&
		 (bias == NULL || section_put(writer, rows, row * sizeof *rows, error)) &&
		 (precision != PRECISION_INT8 ||
		  section_put(writer, rows + row, 2 * row * sizeof *rows, error)) &&
		 section_end(writer, entry, name, error);
	free(packed);
	free(rows);
	return ok;
}

bool
image_write_table(ImageWriter *writer, const char *name, Precision precision, const float *w,
				  int rows, int columns, Error *error)
{
	ImageEntry entry = {.type = SECTION_TABLE,
						.precision = precision,
						.n = (uint32_t) rows,
						.k = (uint32_t) columns};
	size_t	   size;
	void	  *packed = NULL;
	bool	   ok;

	if (!table_section_size(precision, rows, columns, &size))
		return error_set(error, ERR_LIMIT, "a table of %d by %d is too large", rows, columns);
	if (precision != PRECISION_FP32)
	{
		packed = malloc(size);
		if (packed == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for a table of %d by %d", rows,
							 columns);
		pack_table(precision, w, (size_t) rows * (size_t) columns, packed);
	}
	ok = section_begin(writer, IMAGE_PAGE, error) &&
		 section_put(writer, packed != NULL ? packed : w, size, error) &&
		 section_end(writer, entry, name, error);
	free(packed);
	return ok;
}

bool
image_write_vector(ImageWriter *writer, const char *name, const float *w, int n, Error *error)
{
	ImageEntry entry = {.type = SECTION_VECTOR, .n = (uint32_t) n};
	size_t	   size;

	if (!vector_section_size(n, &size))
		return error_set(error, ERR_LIMIT, "a vector of %d is impossible", n);
	return section_begin(writer, IMAGE_ALIGN, error) && section_put(writer, w, size, error) &&
		   section_end(writer, entry, name, error);
}

/* ---- directory and header ---- */

typedef struct NamedEntry
{
	ImageEntry	entry;
	const char *name;
} NamedEntry;

static int
compare_entries(const void *a, const void *b)
{
	const NamedEntry *x = a;
	const NamedEntry *y = b;

	if (x->entry.type != y->entry.type)
		return x->entry.type < y->entry.type ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The directory's bytes, malloc'd; NULL on error. */
static uint8_t *
build_directory(const ImageWriter *writer, size_t *size, Error *error)
{
	size_t		names = (size_t) writer->n * sizeof(ImageEntry);
	NamedEntry *sorted = calloc((size_t) writer->n + 1, sizeof *sorted);
	uint8_t	   *bytes;

	*size = names;
	for (int i = 0; i < writer->n; i++)
		*size += strlen(writer->names[i]) + 1;
	bytes = malloc(*size + 1);
	if (sorted == NULL || bytes == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for %d sections", writer->n);
		free(sorted);
		free(bytes);
		return NULL;
	}
	for (int i = 0; i < writer->n; i++)
		sorted[i] = (NamedEntry){writer->entries[i], writer->names[i]};
	qsort(sorted, (size_t) writer->n, sizeof *sorted, compare_entries);
	for (int i = 0; i < writer->n; i++)
	{
		size_t length = strlen(sorted[i].name) + 1;

		if (i > 0 && compare_entries(&sorted[i - 1], &sorted[i]) == 0)
		{
			error_set(error, ERR_ARGUMENT, "section \"%s\" is written twice", sorted[i].name);
			free(sorted);
			free(bytes);
			return NULL;
		}
		sorted[i].entry.name = (uint32_t) names;
		memcpy(bytes + (size_t) i * sizeof(ImageEntry), &sorted[i].entry, sizeof(ImageEntry));
		memcpy(bytes + names, sorted[i].name, length);
		names += length;
	}
	free(sorted);
	return bytes;
}

static bool
write_directory(ImageWriter *writer, Error *error)
{
	ImageHeader header = {.magic = IMAGE_MAGIC, .version = IMAGE_VERSION};
	size_t		size;
	uint8_t	   *directory = build_directory(writer, &size, error);
	bool		ok;

	if (directory == NULL)
		return false;
	ok = pad_to(writer, IMAGE_ALIGN, error) &&
		 write_at(writer, directory, size, writer->position, error);
	header.n_sections = (uint32_t) writer->n;
	header.file_size = writer->position + size;
	header.directory_offset = writer->position;
	header.directory_size = size;
	header.directory_checksum = XXH3_64bits(directory, size);
	header.header_checksum = XXH3_64bits(&header, offsetof(ImageHeader, header_checksum));
	free(directory);
	if (!ok || !write_at(writer, &header, sizeof header, 0, error))
		return false;
	if (ftruncate(writer->fd, (off_t) header.file_size) != 0 || fsync(writer->fd) != 0)
		return error_errno(error, "could not write \"%s\"", writer->path);
	return true;
}

bool
image_writer_finish(ImageWriter *writer, Error *error)
{
	if (!write_directory(writer, error))
	{
		image_writer_abort(writer);
		return false;
	}
	writer_free(writer);
	return true;
}

void
image_writer_abort(ImageWriter *writer)
{
	unlink(writer->path);
	writer_free(writer);
}
