/*
 * checkpoint.c: finding a folder's weight files, and reading their tensors as float32.
 */
#include "import/checkpoint.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/json.h"

#define MAX_PATH 4096
#define MAX_FILES 4096
#define MAX_TENSORS (1 << 20)
#define MAX_NAME 1024 /* bytes of a tensor's name */
#define INDEX_LIMIT ((size_t) 64 << 20)
#define ARENA_LIMIT ((size_t) 1 << 30)
#define CHUNK ((size_t) 1 << 20) /* bytes converted at a time */
#define STRIP 16				 /* rows transposed at a time */

/* In order of preference. */
static const CheckpointFormat *const formats[] = {&safetensors_format, &torch_format, &hdf5_format,
												  &msgpack_format};

#define N_FORMATS (sizeof formats / sizeof formats[0])

bool
shape_count(const int64_t *shape, int rank, int64_t *count)
{
	bool empty = false;

	*count = 1;
	for (int i = 0; i < rank; i++)
	{
		if (shape[i] < 0)
			return false;
		empty = empty || shape[i] == 0;
		if (shape[i] > 0 && __builtin_mul_overflow(*count, shape[i], count))
			return false;
	}
	if (empty)
		*count = 0;
	return true;
}

void
shape_print(char *text, size_t size, const int64_t *shape, int rank)
{
	int at = snprintf(text, size, "[");

	for (int i = 0; i < rank && at > 0 && (size_t) at < size; i++)
		at += snprintf(text + at, size - (size_t) at, "%s%lld", i > 0 ? ", " : "",
					   (long long) shape[i]);
	if (at > 0 && (size_t) at < size)
		snprintf(text + at, size - (size_t) at, "]");
}

/* ---- the list of tensors ---- */

/* The storage's numbers that the view reaches: [offset, *end). */
static bool
view_end(const CheckpointTensor *tensor, int64_t *end)
{
	int64_t last = tensor->offset;

	for (int i = 0; tensor->count > 0 && i < tensor->rank; i++)
	{
		int64_t reach;

		if (tensor->strides[i] < 0 ||
			__builtin_mul_overflow(tensor->shape[i] - 1, tensor->strides[i], &reach) ||
			__builtin_add_overflow(last, reach, &last))
			return false;
	}
	*end = last;
	return tensor->offset >= 0 && (tensor->count == 0 || !__builtin_add_overflow(last, 1, end));
}

/* The view of a matrix with rows and columns exchanged. */
static void
transpose(CheckpointTensor *tensor)
{
	int64_t rows = tensor->shape[0], stride = tensor->strides[0];

	tensor->shape[0] = tensor->shape[1];
	tensor->strides[0] = tensor->strides[1];
	tensor->shape[1] = rows;
	tensor->strides[1] = stride;
}

bool
checkpoint_add(Checkpoint *checkpoint, CheckpointFile *file, CheckpointTensor tensor,
			   bool contiguous, Error *error)
{
	char	name[MAX_NAME + 1];
	bool	kernel;
	int64_t count, end, bytes;

	if (!name_convert(file->naming, tensor.name, name, sizeof name, &kernel) || *name == '\0')
		return error_set(error, ERR_DATA, "\"%s\" has a tensor whose name has %zu bytes",
						 file->path, strlen(tensor.name));
	if (tensor.rank > TENSOR_MAX_RANK)
		return error_set(error, ERR_UNSUPPORTED, "tensor \"%s\" has %d dimensions, more than %d",
						 tensor.name, tensor.rank, TENSOR_MAX_RANK);
	if (!shape_count(tensor.shape, tensor.rank, &count) || tensor.numbers < 0 ||
		__builtin_mul_overflow(tensor.numbers, (int64_t) sizeof(double), &bytes) ||
		bytes > PTRDIFF_MAX)
		return error_set(error, ERR_DATA, "tensor \"%s\" has an impossible shape", tensor.name);
	tensor.count = (size_t) count;
	if (contiguous)
	{
		int64_t stride = 1;

		for (int i = tensor.rank - 1; i >= 0; i--)
		{
			tensor.strides[i] = stride;
			stride *= tensor.shape[i] > 0 ? tensor.shape[i] : 1;
		}
		if (kernel && tensor.rank == 2)
			transpose(&tensor);
	}
	if (!view_end(&tensor, &end) || end > tensor.numbers)
		return error_set(error, ERR_DATA, "tensor \"%s\" lies outside its storage of %lld numbers",
						 tensor.name, (long long) tensor.numbers);
	if (count > tensor.numbers)
		return error_set(error, ERR_UNSUPPORTED, "tensor \"%s\" repeats numbers of its storage",
						 tensor.name);

	if (checkpoint->n == checkpoint->capacity)
	{
		int				  capacity = checkpoint->capacity == 0 ? 1024 : checkpoint->capacity * 2;
		CheckpointTensor *tensors;

		if (capacity > MAX_TENSORS)
			return error_set(error, ERR_LIMIT, "the checkpoint has more than %d tensors",
							 checkpoint->n);
		tensors = realloc(checkpoint->tensors, (size_t) capacity * sizeof *tensors);
		if (tensors == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d tensors", capacity);
		checkpoint->tensors = tensors;
		checkpoint->capacity = capacity;
	}
	tensor.file = file;
	tensor.name = arena_strndup(&checkpoint->arena, name, strlen(name));
	if (tensor.name == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d tensors", checkpoint->n);
	checkpoint->tensors[checkpoint->n++] = tensor;
	return true;
}

static int
compare_tensors(const void *a, const void *b)
{
	return strcmp(((const CheckpointTensor *) a)->name, ((const CheckpointTensor *) b)->name);
}

static bool
sort_tensors(Checkpoint *checkpoint, Error *error)
{
	CheckpointTensor *tensors = checkpoint->tensors;

	if (checkpoint->n > 1)
		qsort(tensors, (size_t) checkpoint->n, sizeof *tensors, compare_tensors);
	for (int i = 1; i < checkpoint->n; i++)
		if (strcmp(tensors[i - 1].name, tensors[i].name) == 0)
		{
			error_set(error, ERR_DATA, "the checkpoint has tensor \"%s\" twice", tensors[i].name);
			return error_detail(error, "It is in \"%s\" and in \"%s\".", tensors[i - 1].file->path,
								tensors[i].file->path);
		}
	return true;
}

/* ---- the files ---- */

static bool
open_file(Checkpoint *checkpoint, const CheckpointFormat *format, const char *directory,
		  const char *name, bool shard, Error *error)
{
	CheckpointFile *file = &checkpoint->files[checkpoint->n_files];
	char			path[MAX_PATH];

	if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int) sizeof path)
		return error_set(error, ERR_LIMIT, "the path \"%.100s...\" is too long", path);
	*file = (CheckpointFile){.format = format, .shard = shard};
	file->path = arena_strndup(&checkpoint->arena, path, strlen(path));
	if (file->path == NULL)
		return error_set(error, ERR_MEMORY, "out of memory opening \"%s\"", path);
	if (!file_map(&file->map, path, error))
		return false;
	checkpoint->n_files++;
	return format->open(checkpoint, file, error);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Whether a shard's name is the name of a file in the same directory. */
static bool
plain_name(const char *name)
{
	return *name != '\0' && *name != '.' && strchr(name, '/') == NULL && strlen(name) < 256;
}

/* The distinct files of a weight_map, sorted, into names (room for one each tensor). */
static bool
shard_names(const json_t *weight_map, const char *path, const char **names, size_t *n, Error *error)
{
	const char *tensor;
	json_t	   *value;
	size_t		unique = 0;

	*n = 0;
	json_object_foreach((json_t *) weight_map, tensor, value)
	{
		const char *name = json_string_value(value);

		if (name == NULL || !plain_name(name))
			return error_set(error, ERR_DATA, "\"%s\" names no file for tensor \"%.100s\"", path,
							 tensor);
		names[(*n)++] = name;
	}
	qsort(names, *n, sizeof *names, compare_names);
	for (size_t i = 0; i < *n; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			names[unique++] = names[i];
	*n = unique;
	if (unique == 0 || unique > MAX_FILES)
		return error_set(error, ERR_DATA, "\"%s\" names %zu files, but must name 1 to %d", path,
						 unique, MAX_FILES);
	return true;
}

/* Whether a file of the checkpoint has a tensor that the weight_map calls name.  Keras's shards and safetensors
 * lack the first component of the names in the weight_map. */
static bool
file_has(const Checkpoint *checkpoint, const CheckpointFile *file, const char *name)
{
	char					converted[MAX_NAME + 1];
	bool					kernel;
	CheckpointTensor		wanted = {.name = converted};
	const CheckpointTensor *tensor;

	if (file->naming == NAMING_KERAS)
		name = name_without_root(name);
	if (checkpoint->n == 0 ||
		!name_convert(file->naming, name, converted, sizeof converted, &kernel))
		return false;
	tensor = bsearch(&wanted, checkpoint->tensors, (size_t) checkpoint->n, sizeof wanted,
					 compare_tensors);
	return tensor != NULL && tensor->file == file;
}

static int
compare_file(const void *name, const void *file)
{
	return strcmp(name, strrchr(((const CheckpointFile *) file)->path, '/') + 1);
}

/* Every tensor of the weight_map was found in the file that it names.  The files are sorted by name. */
static bool
check_weight_map(const Checkpoint *checkpoint, const json_t *weight_map, Error *error)
{
	const char *name;
	json_t	   *value;

	json_object_foreach((json_t *) weight_map, name, value)
	{
		const char			 *wanted = json_string_value(value);
		const CheckpointFile *file = bsearch(
			wanted, checkpoint->files, (size_t) checkpoint->n_files, sizeof *file, compare_file);

		if (file == NULL || !file_has(checkpoint, file, name))
			return error_set(error, ERR_NOT_FOUND, "tensor \"%s\" is not in \"%s\"", name, wanted);
	}
	return true;
}

static bool
open_shards(Checkpoint *checkpoint, const CheckpointFormat *format, const char *directory,
			const char *path, Error *error)
{
	json_t		 *index = json_read_object(path, INDEX_LIMIT, error);
	const json_t *weight_map = index != NULL ? json_object_get(index, "weight_map") : NULL;
	const char	**names = NULL;
	size_t		  n;
	bool		  ok = false;

	if (index == NULL)
		return false;
	if (!json_is_object(weight_map))
		error_set(error, ERR_DATA, "\"%s\" has no \"weight_map\"", path);
	else if ((names = calloc(json_object_size(weight_map) + 1, sizeof *names)) == NULL)
		error_set(error, ERR_MEMORY, "out of memory reading \"%s\"", path);
	else
		ok = shard_names(weight_map, path, names, &n, error);
	if (ok && (checkpoint->files = calloc(n, sizeof *checkpoint->files)) == NULL)
		ok = error_set(error, ERR_MEMORY, "out of memory for %zu files", n);
	for (size_t i = 0; ok && i < n; i++)
		ok = open_file(checkpoint, format, directory, names[i], true, error);
	ok = ok && sort_tensors(checkpoint, error) && check_weight_map(checkpoint, weight_map, error);
	free(names);
	json_decref(index);
	return ok;
}

/* Whether the directory has a file of this name; path is filled in.  Anything but its absence counts as yes, so
 * that opening it tells what is wrong. */
static bool
has_file(const char *directory, const char *name, char *path)
{
	if (snprintf(path, MAX_PATH, "%s/%s", directory, name) >= MAX_PATH)
		return false;
	return access(path, F_OK) == 0 || errno != ENOENT;
}

static bool
open_any(Checkpoint *checkpoint, const char *directory, bool *found, Error *error)
{
	char path[MAX_PATH];

	*found = true;
	for (size_t i = 0; i < N_FORMATS; i++)
	{
		const CheckpointFormat *format = formats[i];

		if (has_file(directory, format->single, path))
		{
			checkpoint->files = calloc(1, sizeof *checkpoint->files);
			if (checkpoint->files == NULL)
				return error_set(error, ERR_MEMORY, "out of memory opening \"%s\"", path);
			return open_file(checkpoint, format, directory, format->single, false, error) &&
				   sort_tensors(checkpoint, error);
		}
		if (has_file(directory, format->index, path))
			return open_shards(checkpoint, format, directory, path, error);
	}
	*found = false;
	return true;
}

bool
checkpoint_open(Checkpoint *checkpoint, const char *directory, bool *found, Error *error)
{
	*checkpoint = (Checkpoint){0};
	arena_init(&checkpoint->arena, ARENA_LIMIT);
	if (open_any(checkpoint, directory, found, error))
		return true;
	checkpoint_close(checkpoint);
	return false;
}

void
checkpoint_close(Checkpoint *checkpoint)
{
	for (int i = 0; i < checkpoint->n_files; i++)
	{
		CheckpointFile *file = &checkpoint->files[i];

		if (file->format->close != NULL)
			file->format->close(file);
		file_unmap(&file->map);
	}
	free(checkpoint->files);
	free(checkpoint->tensors);
	arena_free(&checkpoint->arena);
	*checkpoint = (Checkpoint){0};
}

/* ---- reading ---- */

static bool
is_contiguous(const CheckpointTensor *tensor)
{
	int64_t stride = 1;

	for (int i = tensor->rank - 1; i >= 0; i--)
	{
		if (tensor->shape[i] > 1 && tensor->strides[i] != stride)
			return false;
		stride *= tensor->shape[i] > 0 ? tensor->shape[i] : 1;
	}
	return true;
}

static bool
read_contiguous(const CheckpointTensor *tensor, float *out, Error *error)
{
	size_t	 width = dtype_size(tensor->dtype);
	size_t	 step = CHUNK / width;
	uint8_t *chunk = malloc(CHUNK);
	bool	 ok = chunk != NULL;

	if (!ok)
		error_set(error, ERR_MEMORY, "out of memory for tensor \"%s\"", tensor->name);
	for (size_t done = 0; ok && done < tensor->count; done += step)
	{
		size_t n = tensor->count - done < step ? tensor->count - done : step;

		ok = tensor->file->format->read(tensor->file, tensor,
										((size_t) tensor->offset + done) * width, n * width, chunk,
										error);
		if (ok)
			dtype_convert(tensor->dtype, chunk, n, out + done);
	}
	free(chunk);
	return ok;
}

/* A matrix whose columns follow one another: STRIP of them are read, and become STRIP numbers of each row. */
static bool
read_transposed(const CheckpointTensor *tensor, float *out, Error *error)
{
	size_t	 width = dtype_size(tensor->dtype);
	size_t	 rows = (size_t) tensor->shape[0], columns = (size_t) tensor->shape[1];
	uint8_t *bytes = malloc(STRIP * rows * width);
	float	*strip = malloc(STRIP * rows * sizeof *strip);
	bool	 ok = bytes != NULL && strip != NULL;

	if (!ok)
		error_set(error, ERR_MEMORY, "out of memory for tensor \"%s\" of %zu numbers", tensor->name,
				  tensor->count);
	for (size_t done = 0; ok && done < columns; done += STRIP)
	{
		size_t n = columns - done < STRIP ? columns - done : STRIP;

		ok = tensor->file->format->read(tensor->file, tensor,
										((size_t) tensor->offset + done * rows) * width,
										n * rows * width, bytes, error);
		if (!ok)
			break;
		dtype_convert(tensor->dtype, bytes, n * rows, strip);
		for (size_t r = 0; r < rows; r++)
			for (size_t c = 0; c < n; c++)
				out[r * columns + done + c] = strip[c * rows + r];
	}
	free(bytes);
	free(strip);
	return ok;
}

/* Gathers a view from span, the storage's bytes from tensor->offset on. */
static void
gather(const CheckpointTensor *tensor, const uint8_t *span, float *out)
{
	size_t	width = dtype_size(tensor->dtype);
	int64_t index[TENSOR_MAX_RANK] = {0};
	int64_t at = 0;

	for (size_t i = 0; i < tensor->count; i++)
	{
		dtype_convert(tensor->dtype, span + (size_t) at * width, 1, out + i);
		for (int d = tensor->rank - 1; d >= 0; d--)
		{
			at += tensor->strides[d];
			if (++index[d] < tensor->shape[d])
				break;
			at -= tensor->strides[d] * tensor->shape[d];
			index[d] = 0;
		}
	}
}

/* Any other view: the storage from its first number to its last. */
static bool
read_view(const CheckpointTensor *tensor, int64_t end, float *out, Error *error)
{
	size_t	 width = dtype_size(tensor->dtype);
	size_t	 size = (size_t) (end - tensor->offset) * width;
	uint8_t *span = malloc(size);
	bool	 ok;

	if (span == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for tensor \"%s\" of %zu bytes",
						 tensor->name, size);
	ok = tensor->file->format->read(tensor->file, tensor, (size_t) tensor->offset * width, size,
									span, error);
	if (ok)
		gather(tensor, span, out);
	free(span);
	return ok;
}

bool
checkpoint_read(const CheckpointTensor *tensor, float *out, Error *error)
{
	int64_t end;

	if (tensor->count == 0 || !view_end(tensor, &end))
		return true;
	if (is_contiguous(tensor))
		return read_contiguous(tensor, out, error);
	if (tensor->rank == 2 && tensor->strides[0] == 1 && tensor->strides[1] == tensor->shape[0])
		return read_transposed(tensor, out, error);
	return read_view(tensor, end, out, error);
}
