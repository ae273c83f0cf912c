/*
 * bind.c: the names of tensors, and finding them in an image.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/model.h"

#define NAME_MAX_BYTES 256

static bool name_format(Binder *binder, char *name, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Writes a name, or sets the error when it is too long. */
__attribute__((format(printf, 3, 0))) static bool
name_format(Binder *binder, char *name, const char *format, va_list args)
{
	int length = vsnprintf(name, NAME_MAX_BYTES, format, args);

	if (length < 0 || length >= NAME_MAX_BYTES)
		return error_set(binder->error, ERR_LIMIT,
						 "a tensor's name has %d bytes, but at most %d are allowed", length,
						 NAME_MAX_BYTES - 1);
	return true;
}

/* Joins two pieces of a name. */
static bool
name_join(Binder *binder, char *name, const char *left, const char *right)
{
	int length = snprintf(name, NAME_MAX_BYTES, "%s.%s", left, right);

	if (length < 0 || length >= NAME_MAX_BYTES)
		return error_set(binder->error, ERR_LIMIT,
						 "a tensor's name has %d bytes, but at most %d are allowed", length,
						 NAME_MAX_BYTES - 1);
	return true;
}

/* A tensor that is one part of the checkpoint: <name>.<suffix>, called image_name in the image. */
static bool
bind_single(Binder *binder, SectionType type, const char *image_name, const char *name,
			const char *suffix, int rows, int columns, bool bias, bool optional, void *destination)
{
	char	   part[NAME_MAX_BYTES];
	TensorSpec spec = {.type = type,
					   .name = image_name,
					   .n_parts = 1,
					   .parts = {part},
					   .rows = {rows},
					   .columns = columns,
					   .bias = bias,
					   .optional = optional};

	return name_join(binder, part, name, suffix) && binder->tensor(binder, &spec, destination);
}

bool
bind_matrix(Binder *binder, Matrix *matrix, int n, int k, bool bias, const char *format, ...)
{
	char	name[NAME_MAX_BYTES];
	va_list args;
	bool	named;

	va_start(args, format);
	named = name_format(binder, name, format, args);
	va_end(args);
	return named &&
		   bind_single(binder, SECTION_MATRIX, name, name, "weight", n, k, bias, false, matrix);
}

bool
bind_optional_matrix(Binder *binder, Matrix *matrix, int n, int k, bool bias, const char *format,
					 ...)
{
	char	name[NAME_MAX_BYTES];
	va_list args;
	bool	named;

	va_start(args, format);
	named = name_format(binder, name, format, args);
	va_end(args);
	return named &&
		   bind_single(binder, SECTION_MATRIX, name, name, "weight", n, k, bias, true, matrix);
}

bool
bind_table(Binder *binder, Table *table, int rows, int columns, const char *format, ...)
{
	char	name[NAME_MAX_BYTES];
	va_list args;
	bool	named;

	va_start(args, format);
	named = name_format(binder, name, format, args);
	va_end(args);
	return named && bind_single(binder, SECTION_TABLE, name, name, "weight", rows, columns, false,
								false, table);
}

bool
bind_computed_table(Binder *binder, Table *table, int rows, int columns,
					void (*compute)(float *table, int rows, int columns), const char *name)
{
	char	   part[NAME_MAX_BYTES];
	TensorSpec spec = {.type = SECTION_TABLE,
					   .name = name,
					   .n_parts = 1,
					   .parts = {part},
					   .rows = {rows},
					   .columns = columns,
					   .compute = compute};

	return name_join(binder, part, name, "weight") && binder->tensor(binder, &spec, table);
}

__attribute__((format(printf, 6, 0))) static bool
vector_named(Binder *binder, const float **vector, int rows, int columns, bool directed,
			 const char *format, va_list args)
{
	char	   name[NAME_MAX_BYTES];
	TensorSpec spec = {.type = SECTION_VECTOR,
					   .name = name,
					   .n_parts = 1,
					   .parts = {name},
					   .rows = {rows},
					   .columns = columns,
					   .directed = directed};

	return name_format(binder, name, format, args) && binder->tensor(binder, &spec, vector);
}

bool
bind_vector(Binder *binder, const float **vector, int rows, int columns, const char *format, ...)
{
	va_list args;
	bool	ok;

	va_start(args, format);
	ok = vector_named(binder, vector, rows, columns, false, format, args);
	va_end(args);
	return ok;
}

bool
bind_directed_vector(Binder *binder, const float **vector, int rows, int columns,
					 const char *format, ...)
{
	va_list args;
	bool	ok;

	va_start(args, format);
	ok = vector_named(binder, vector, rows, columns, true, format, args);
	va_end(args);
	return ok;
}

bool
bind_norm(Binder *binder, const float **weight, const float **bias, int n, const char *format, ...)
{
	char	name[NAME_MAX_BYTES], full[NAME_MAX_BYTES];
	va_list args;
	bool	named;

	va_start(args, format);
	named = name_format(binder, name, format, args);
	va_end(args);
	if (!named || !name_join(binder, full, name, "weight") ||
		!bind_single(binder, SECTION_VECTOR, full, name, "weight", n, 1, false, false, weight))
		return false;
	return bias == NULL ||
		   (name_join(binder, full, name, "bias") &&
			bind_single(binder, SECTION_VECTOR, full, name, "bias", n, 1, false, false, bias));
}

bool
bind_stacked(Binder *binder, Matrix *matrix, int n, int k, bool bias, const char *name,
			 const char *const *parts, int n_parts, const char *format, ...)
{
	char	   prefix[NAME_MAX_BYTES], whole[NAME_MAX_BYTES], layer[NAME_MAX_BYTES];
	char	   full[BINDER_MAX_PARTS][NAME_MAX_BYTES];
	TensorSpec spec = {.type = SECTION_MATRIX, .name = whole, .columns = k, .bias = bias};
	va_list	   args;
	bool	   named;

	va_start(args, format);
	named = name_format(binder, prefix, format, args);
	va_end(args);
	if (!named || !name_join(binder, whole, prefix, name))
		return false;
	for (int i = 0; i < n_parts && i < BINDER_MAX_PARTS; i++)
	{
		if (!name_join(binder, layer, prefix, parts[i]) ||
			!name_join(binder, full[i], layer, "weight"))
			return false;
		spec.parts[i] = full[i];
		spec.rows[i] = n;
		spec.n_parts++;
	}
	return binder->tensor(binder, &spec, matrix);
}

bool
bind_words_and_output(Binder *binder, Table *words, Matrix *output, int n, int k, bool tied,
					  const char *words_name, const char *output_name, const char *bias,
					  const char *bias_otherwise)
{
	char	   words_part[NAME_MAX_BYTES], output_part[NAME_MAX_BYTES];
	TensorSpec table = {.type = SECTION_TABLE, .name = words_name, .n_parts = 1};
	TensorSpec matrix = {.type = SECTION_MATRIX, .name = output_name, .n_parts = 1};

	if (!name_join(binder, words_part, words_name, "weight") ||
		!name_join(binder, output_part, output_name, "weight"))
		return false;
	table.parts[0] = tied ? output_part : words_part;
	table.otherwise = tied ? words_part : NULL;
	matrix.parts[0] = output_part;
	matrix.otherwise = tied ? words_part : NULL;
	table.rows[0] = matrix.rows[0] = n;
	table.columns = matrix.columns = k;
	matrix.bias = bias != NULL;
	matrix.bias_name = bias;
	matrix.bias_otherwise = bias_otherwise;
	return binder->tensor(binder, &table, words) && binder->tensor(binder, &matrix, output);
}

/* ---- the image's binder ---- */

static bool
wrong_size(Error *error, const TensorSpec *spec, int n, int k, int rows)
{
	return error_set(error, ERR_DATA, "tensor \"%s\" is %d x %d, but %d x %d is needed", spec->name,
					 n, k, rows, spec->columns);
}

static bool
image_tensor(Binder *binder, const TensorSpec *spec, void *destination)
{
	const Image *image = ((ImageBinder *) binder)->image;
	Error		*error = binder->error;
	Matrix		*matrix = destination;
	Table		*table = destination;
	int			 rows = 0, n;

	for (int i = 0; i < spec->n_parts; i++)
		rows += spec->rows[i];
	if (spec->optional && image_find(image, spec->type, spec->name) == NULL)
		return true;
	switch (spec->type)
	{
		case SECTION_MATRIX:
			if (!image_matrix(image, spec->name, matrix, error))
				return false;
			if (matrix->n != rows || matrix->k != spec->columns)
				return wrong_size(error, spec, matrix->n, matrix->k, rows);
			if ((matrix->bias != NULL) != spec->bias)
				return error_set(error, ERR_DATA, "tensor \"%s\" has %s, but %s needed", spec->name,
								 spec->bias ? "no bias" : "a bias",
								 spec->bias ? "one is" : "none is");
			return true;
		case SECTION_TABLE:
			if (!image_table(image, spec->name, table, error))
				return false;
			if (table->rows != rows || table->columns != spec->columns)
				return wrong_size(error, spec, table->rows, table->columns, rows);
			return spec->compute == NULL || table->precision == PRECISION_FP32 ||
				   error_set(error, ERR_DATA, "tensor \"%s\" is not in fp32", spec->name);
		case SECTION_VECTOR:
			if (!image_vector(image, spec->name, destination, &n, error))
				return false;
			return (int64_t) n == (int64_t) rows * spec->columns ||
				   wrong_size(error, spec, n, 1, rows);
		default:
			return error_set(error, ERR_UNSUPPORTED,
							 "tensor \"%s\" is of section type %d, which is no tensor", spec->name,
							 (int) spec->type);
	}
}

void
image_binder_init(ImageBinder *binder, const Image *image, Error *error)
{
	*binder = (ImageBinder){.binder = {.tensor = image_tensor, .error = error}, .image = image};
}
