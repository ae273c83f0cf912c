/*
 * safetensors.c: the format of model.safetensors.
 *
 * u64 length of the header, little-endian; the header, a JSON object of {dtype, shape, data_offsets: [begin, end]}
 * by name, offsets counted from its end; then the tensors, row-major, without gaps or overlaps.  The entry
 * __metadata__ may tell in its "format" which framework named them: pt, tf or flax.
 */
#include <stdlib.h>
#include <string.h>

#include "import/checkpoint.h"
#include "import/json.h"

#define MAX_HEADER ((size_t) 32 << 20)

typedef struct Extent
{
	int64_t		begin, end;
	const char *name;
} Extent;

static bool
wrong(const CheckpointFile *file, const char *name, const char *what, Error *error)
{
	return error_set(error, ERR_DATA, "\"%s\" is damaged: tensor \"%.200s\" %s", file->path, name,
					 what);
}

/* One entry of the header to a tensor and its extent. */
static bool
parse_tensor(Checkpoint *checkpoint, CheckpointFile *file, const char *name, const json_t *entry,
			 Extent *extent, Error *error)
{
	const json_t	*shape = json_object_get(entry, "shape");
	const json_t	*offsets = json_object_get(entry, "data_offsets");
	const char		*dtype = json_string_value(json_object_get(entry, "dtype"));
	CheckpointTensor tensor = {.name = name};
	int64_t			 bytes;

	if (dtype == NULL || !json_is_array(shape) || !json_is_array(offsets))
		return wrong(file, name, "lacks dtype, shape or data_offsets", error);
	if (!dtype_from_safetensors(dtype, &tensor.dtype))
		return error_set(error, ERR_UNSUPPORTED, "tensor \"%.200s\" has dtype %.20s", name, dtype);
	if (json_array_size(offsets) != 2 || !json_whole(json_array_get(offsets, 0), &extent->begin) ||
		!json_whole(json_array_get(offsets, 1), &extent->end) || extent->begin > extent->end)
		return wrong(file, name, "has impossible data_offsets", error);
	if (json_array_size(shape) > TENSOR_MAX_RANK)
		return wrong(file, name, "has too many dimensions", error);
	tensor.rank = (int) json_array_size(shape);
	for (int i = 0; i < tensor.rank; i++)
		if (!json_whole(json_array_get(shape, (size_t) i), &tensor.shape[i]))
			return wrong(file, name, "has an impossible shape", error);
	if (!shape_count(tensor.shape, tensor.rank, &tensor.numbers) ||
		__builtin_mul_overflow(tensor.numbers, (int64_t) dtype_size(tensor.dtype), &bytes) ||
		bytes != extent->end - extent->begin)
		return wrong(file, name, "has data_offsets that do not fit its shape", error);
	extent->name = name;
	tensor.storage = (size_t) extent->begin;
	return checkpoint_add(checkpoint, file, tensor, true, error);
}

static int
compare_extents(const void *a, const void *b)
{
	const Extent *x = a;
	const Extent *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

/* The tensors' extents cover the data exactly. */
static bool
check_extents(const CheckpointFile *file, Extent *extents, size_t n, size_t size, Error *error)
{
	int64_t at = 0;

	qsort(extents, n, sizeof *extents, compare_extents);
	for (size_t i = 0; i < n; i++)
	{
		if (extents[i].begin != at)
			return wrong(file, extents[i].name,
						 extents[i].begin < at ? "overlaps another" : "leaves a gap before it",
						 error);
		at = extents[i].end;
	}
	if ((uint64_t) at != size)
		return error_set(error, ERR_DATA, "\"%s\" has %zu bytes of tensors instead of %lld",
						 file->path, size, (long long) at);
	return true;
}

static bool
read_framework(CheckpointFile *file, const json_t *header, Error *error)
{
	const json_t *metadata = json_object_get(header, "__metadata__");
	const char	 *format = json_string_value(json_object_get(metadata, "format"));

	if (format == NULL || strcmp(format, "pt") == 0)
		file->naming = NAMING_TORCH;
	else if (strcmp(format, "tf") == 0)
		file->naming = NAMING_KERAS;
	else if (strcmp(format, "flax") == 0)
		file->naming = NAMING_FLAX;
	else
		return error_set(
			error, ERR_UNSUPPORTED,
			"\"%s\" holds weights of framework \"%.20s\", but must hold those of pt, tf "
			"or flax",
			file->path, format);
	return true;
}

static bool
parse_header(Checkpoint *checkpoint, CheckpointFile *file, const json_t *header, size_t data_size,
			 Error *error)
{
	size_t		n = 0;
	Extent	   *extents = calloc(json_object_size(header) + 1, sizeof *extents);
	const char *name;
	json_t	   *entry;
	bool		ok = true;

	if (extents == NULL)
		return error_set(error, ERR_MEMORY, "out of memory reading \"%s\"", file->path);
	json_object_foreach((json_t *) header, name, entry)
	{
		if (strcmp(name, "__metadata__") != 0)
			ok = parse_tensor(checkpoint, file, name, entry, &extents[n++], error);
		if (!ok)
			break;
	}
	ok = ok && check_extents(file, extents, n, data_size, error);
	free(extents);
	return ok;
}

static bool
safetensors_open(Checkpoint *checkpoint, CheckpointFile *file, Error *error)
{
	uint64_t	 length;
	json_error_t reason;
	json_t		*header;
	bool		 ok;

	if (file->map.size < sizeof length)
		return error_set(error, ERR_DATA, "\"%s\" is damaged: it has %zu bytes", file->path,
						 file->map.size);
	memcpy(&length, file->map.data, sizeof length);
	if (length > MAX_HEADER || length > file->map.size - sizeof length)
		return error_set(error, ERR_DATA, "\"%s\" is damaged: its header has %llu bytes",
						 file->path, (unsigned long long) length);
	header = json_loadb((const char *) file->map.data + sizeof length, length,
						JSON_REJECT_DUPLICATES, &reason);
	if (header == NULL || !json_is_object(header))
	{
		error_set(error, ERR_DATA, "\"%s\" is damaged: its header is not a JSON object",
				  file->path);
		if (header == NULL)
			error_detail(error, "Line %d, column %d: %s.", reason.line, reason.column, reason.text);
		json_decref(header);
		return false;
	}
	ok = read_framework(file, header, error) &&
		 parse_header(checkpoint, file, header, file->map.size - sizeof length - length, error);
	json_decref(header);
	return ok;
}

static bool
safetensors_read(CheckpointFile *file, const CheckpointTensor *tensor, size_t offset, size_t size,
				 void *buffer, Error *error)
{
	uint64_t length;

	memcpy(&length, file->map.data, sizeof length);
	memcpy(buffer, file->map.data + sizeof length + length + tensor->storage + offset, size);
	return true;
}

const CheckpointFormat safetensors_format = {
	.single = "model.safetensors",
	.index = "model.safetensors.index.json",
	.open = safetensors_open,
	.read = safetensors_read,
};
