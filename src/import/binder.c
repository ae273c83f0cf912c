/*
 * binder.c: the importer's binder.
 *
 * It looks names up with and without the family's base prefix, under the names that LayerNorm's weights had
 * before 2019 (gamma, beta), and without a head's name where Keras leaves that out.  One tensor after the other is read, packed and written.
 */
#include "import/binder.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 1280
#define MAX_BF16 3.3895314e38f /* the largest finite bf16 */

typedef struct IndexEntry
{
	const char			   *name; /* without the base prefix */
	const CheckpointTensor *tensor;
	bool					used;
} IndexEntry;

typedef struct ImportBinder
{
	Binder			   binder;
	const char		  *prefix;
	const char		  *architecture;
	IndexEntry		  *index; /* sorted by name */
	int				   n;
	ImageWriter		  *writer;
	const BindOptions *options;
	int64_t			   parameters;
	bool			   halved; /* a moving average was taken by half */
} ImportBinder;

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const IndexEntry *) a)->name, ((const IndexEntry *) b)->name);
}

static const char *
without_prefix(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(name, prefix, length) == 0 && name[length] != '\0' ? name + length : name;
}

/* Whether name ends in suffix. */
static bool
has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), wanted = strlen(suffix);

	return length >= wanted && strcmp(name + length - wanted, suffix) == 0;
}

/* name with its suffix replaced; false when it is too long. */
static bool
replace_suffix(char *out, const char *name, const char *suffix, const char *replacement)
{
	size_t stem = strlen(name) - strlen(suffix);

	if (stem + strlen(replacement) >= MAX_NAME)
		return false;
	memcpy(out, name, stem);
	strcpy(out + stem, replacement);
	return true;
}

static IndexEntry *
find_name(const ImportBinder *self, const char *name)
{
	IndexEntry wanted = {.name = name};

	return self->n > 0
			   ? bsearch(&wanted, self->index, (size_t) self->n, sizeof wanted, compare_entries)
			   : NULL;
}

/* The tensor of a name without its first component, if a Keras file holds it. */
static IndexEntry *
find_rootless(const ImportBinder *self, const char *name)
{
	const char *dot = strchr(name, '.');
	IndexEntry *entry = dot != NULL ? find_name(self, dot + 1) : NULL;

	return entry != NULL && entry->tensor->file->naming == NAMING_KERAS ? entry : NULL;
}

/* The checkpoint's tensor for a part's name, or NULL: also under the old names of LayerNorm, and as Keras's
 * safetensors and shards name the weights of a head. */
static IndexEntry *
find_part(const ImportBinder *self, const char *part)
{
	const char *name = without_prefix(part, self->prefix);
	IndexEntry *entry = find_name(self, name);
	char		old[MAX_NAME];

	if (entry == NULL && has_suffix(name, "LayerNorm.weight") &&
		replace_suffix(old, name, "weight", "gamma"))
		entry = find_name(self, old);
	if (entry == NULL && has_suffix(name, "LayerNorm.bias") &&
		replace_suffix(old, name, "bias", "beta"))
		entry = find_name(self, old);
	if (entry == NULL)
		entry = find_rootless(self, name);
	return entry;
}

/* Dimensions of 1 behind the others are nothing. */
static bool
check_shape(const CheckpointTensor *tensor, const int64_t *shape, int rank, Error *error)
{
	char found[200], expected[200];
	int	 found_rank = tensor->rank;

	while (found_rank > rank && tensor->shape[found_rank - 1] == 1)
		found_rank--;
	if (found_rank == rank && memcmp(tensor->shape, shape, (size_t) rank * sizeof *shape) == 0)
		return true;
	shape_print(found, sizeof found, tensor->shape, tensor->rank);
	shape_print(expected, sizeof expected, shape, rank);
	return error_set(error, ERR_DATA, "tensor \"%s\" has shape %s, but the config asks for %s",
					 tensor->name, found, expected);
}

/* Every number can be stored. */
static bool
check_numbers(const ImportBinder *self, const CheckpointTensor *tensor, const float *values)
{
	float limit = self->options->precision == PRECISION_FP32 ? FLT_MAX : MAX_BF16;

	for (size_t i = 0; i < tensor->count; i++)
		if (!(fabsf(values[i]) <= limit))
		{
			error_set(self->binder.error, ERR_DATA,
					  "tensor \"%s\" has a number that is not finite or too large", tensor->name);
			return error_detail(self->binder.error, "Number %zu is %g.", i, (double) values[i]);
		}
	return true;
}

/* Reads one part, which must be there under its name or the other one, if any, into out. */
static bool
read_part(ImportBinder *self, const char *part, const char *otherwise, const int64_t *shape,
		  int rank, float *out)
{
	Error	   *error = self->binder.error;
	IndexEntry *entry = find_part(self, part);

	if (entry == NULL && otherwise != NULL)
		entry = find_part(self, otherwise);
	if (entry == NULL)
	{
		error_set(error, ERR_NOT_FOUND, "the checkpoint has no tensor \"%s\"", part);
		return error_detail(error, "%s needs it.", self->architecture);
	}
	if (!check_shape(entry->tensor, shape, rank, error) ||
		!checkpoint_read(entry->tensor, out, error) || !check_numbers(self, entry->tensor, out))
		return false;
	if (!entry->used)
		self->parameters += (int64_t) entry->tensor->count;
	entry->used = true;
	return true;
}

/* Whether a spec's vector is there with both directions, and one is asked for. */
static bool
is_half(const ImportBinder *self, const TensorSpec *spec)
{
	IndexEntry *entry = find_part(self, spec->parts[0]);

	return self->options->forward_ema && spec->directed && entry != NULL &&
		   entry->tensor->rank > 0 && entry->tensor->shape[0] == 2 * (int64_t) spec->rows[0];
}

/* Reads a vector with both directions, of which the first counts. */
static bool
read_half(ImportBinder *self, const TensorSpec *spec, int rank, float *out)
{
	int64_t shape[2] = {2 * (int64_t) spec->rows[0], spec->columns};
	size_t	n = (size_t) spec->rows[0] * (size_t) spec->columns;
	float  *both = n <= SIZE_MAX / 2 / sizeof *both ? malloc(2 * n * sizeof *both) : NULL;
	bool	ok;

	if (both == NULL)
		return error_set(self->binder.error, ERR_MEMORY, "out of memory for tensor \"%s\"",
						 spec->name);
	ok = read_part(self, spec->parts[0], NULL, shape, rank, both);
	if (ok)
	{
		memcpy(out, both, n * sizeof *both);
		self->parameters -= (int64_t) n;
		self->halved = true;
	}
	free(both);
	return ok;
}

/* Reads the parts of a spec one below the other: weights (rows, columns) and bias (rows). */
static bool
read_parts(ImportBinder *self, const TensorSpec *spec, float *weights, float *bias)
{
	int rank = spec->type == SECTION_VECTOR && spec->columns == 1 ? 1 : 2;

	if (spec->compute != NULL && find_part(self, spec->parts[0]) == NULL)
	{
		spec->compute(weights, spec->rows[0], spec->columns);
		self->parameters += (int64_t) spec->rows[0] * spec->columns;
		return true;
	}
	if (is_half(self, spec))
		return read_half(self, spec, rank, weights);
	for (int i = 0; i < spec->n_parts; i++)
	{
		int64_t shape[2] = {spec->rows[i], spec->columns};
		char	name[MAX_NAME];

		if (!read_part(self, spec->parts[i], spec->otherwise, shape, rank, weights))
			return false;
		weights += (size_t) spec->rows[i] * (size_t) spec->columns;
		if (!spec->bias)
			continue;
		if (!has_suffix(spec->parts[i], ".weight") ||
			!replace_suffix(name, spec->parts[i], ".weight", ".bias"))
			return error_set(self->binder.error, ERR_DATA, "tensor \"%s\" has no name for its bias",
							 spec->parts[i]);
		if (self->options->forward_ema && spec->bias_name != NULL &&
			find_part(self, spec->bias_name) == NULL)
			memset(bias, 0, (size_t) spec->rows[i] * sizeof *bias);
		else if (!read_part(self, spec->bias_name != NULL ? spec->bias_name : name,
							spec->bias_otherwise, shape, 1, bias))
			return false;
		bias += spec->rows[i];
	}
	return true;
}

static bool
write_tensor(ImportBinder *self, const TensorSpec *spec, const float *weights, const float *bias,
			 int rows)
{
	Error *error = self->binder.error;
	bool   exact = self->options->precision == PRECISION_FP32 || spec->compute != NULL;

	switch (spec->type)
	{
		case SECTION_MATRIX:
			return image_write_matrix(self->writer, spec->name, self->options->precision, weights,
									  bias, rows, spec->columns, error);
		case SECTION_TABLE:
			return image_write_table(self->writer, spec->name,
									 exact ? PRECISION_FP32 : PRECISION_BF16, weights, rows,
									 spec->columns, error);
		default:
			return image_write_vector(self->writer, spec->name, weights, rows * spec->columns,
									  error);
	}
}

/* No part of an optional spec is there. */
static bool
is_absent(const ImportBinder *self, const TensorSpec *spec)
{
	for (int i = 0; i < spec->n_parts; i++)
		if (find_part(self, spec->parts[i]) != NULL)
			return false;
	return spec->optional;
}

static bool
import_tensor(Binder *binder, const TensorSpec *spec, void *destination)
{
	ImportBinder *self = (ImportBinder *) binder;
	int			  rows = 0;
	size_t		  weight_size, bias_size;
	float		 *weights, *bias;
	bool		  ok = true;

	if (is_absent(self, spec))
		return true;
	for (int i = 0; ok && i < spec->n_parts; i++)
		ok = spec->rows[i] > 0 && !__builtin_add_overflow(rows, spec->rows[i], &rows);
	if (!ok || spec->columns <= 0 ||
		(spec->type == SECTION_VECTOR && spec->columns > INT_MAX / rows) ||
		__builtin_mul_overflow((size_t) rows * sizeof *weights, (size_t) spec->columns,
							   &weight_size))
		return error_set(binder->error, ERR_LIMIT, "tensor \"%s\" is too large", spec->name);
	bias_size = spec->bias ? (size_t) rows * sizeof *bias : 0;
	weights = malloc(weight_size);
	bias = malloc(bias_size + 1);
	if (weights == NULL || bias == NULL)
		ok = error_set(binder->error, ERR_MEMORY, "out of memory for tensor \"%s\" of %zu bytes",
					   spec->name, weight_size + bias_size);
	ok = ok && read_parts(self, spec, weights, bias) &&
		 write_tensor(self, spec, weights, spec->bias ? bias : NULL, rows);
	free(weights);
	free(bias);
	return ok;
}

/* All tensors under their names without prefix; two of one name can't be told apart. */
static bool
build_index(ImportBinder *self, const Checkpoint *checkpoint, Arena *arena, Error *error)
{
	self->n = checkpoint->n;
	self->index = arena_alloc(arena, (size_t) checkpoint->n + 1, sizeof *self->index);
	if (self->index == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d tensors", checkpoint->n);
	for (int i = 0; i < self->n; i++)
		self->index[i] = (IndexEntry){
			.name = without_prefix(checkpoint->tensors[i].name, self->prefix),
			.tensor = &checkpoint->tensors[i],
		};
	qsort(self->index, (size_t) self->n, sizeof *self->index, compare_entries);
	for (int i = 1; i < self->n; i++)
		if (compare_entries(&self->index[i - 1], &self->index[i]) == 0)
			return error_set(error, ERR_DATA, "the checkpoint has both \"%s\" and \"%s\"",
							 self->index[i - 1].tensor->name, self->index[i].tensor->name);
	return true;
}

/* Buffers that hold no weights, as every checkpoint may have them. */
static bool
is_buffer(const char *name)
{
	static const char *const suffixes[] = {"position_ids", "token_type_ids", "num_batches_tracked",
										   "_float_tensor"};

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
		if (has_suffix(name, suffixes[i]))
			return true;
	return false;
}

static bool
list_unused(const ImportBinder *self, Arena *arena, BindReport *report, Error *error)
{
	report->unused = arena_alloc(arena, (size_t) self->n + 1, sizeof *report->unused);
	if (report->unused == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d tensors", self->n);
	for (int i = 0; i < self->n; i++)
	{
		const char *name = self->index[i].tensor->name;

		if (self->index[i].used || is_buffer(name))
			continue;
		report->unused[report->n_unused] = arena_strndup(arena, name, strlen(name));
		if (report->unused[report->n_unused++] == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d tensors", self->n);
	}
	return true;
}

bool
import_bind(Model *model, const Checkpoint *checkpoint, ImageWriter *writer,
			const BindOptions *options, Arena *arena, BindReport *report, Error *error)
{
	ImportBinder self = {.binder = {.tensor = import_tensor, .error = error},
						 .prefix = model->family->base_prefix,
						 .architecture = model->architecture,
						 .writer = writer,
						 .options = options};

	*report = (BindReport){0};
	if (!build_index(&self, checkpoint, arena, error) || !model_bind(model, &self.binder))
		return false;
	if (options->forward_ema && !self.halved)
		return error_set(
			error, ERR_ARGUMENT,
			"option forward_ema is true, but %s has no moving average of one direction "
			"that the checkpoint has in both",
			model->architecture);
	report->parameters = self.parameters;
	return list_unused(&self, arena, report, error);
}
