/*
 * test_models.h: small models for tests, with random weights, through a real image.
 */
#ifndef TEST_MODELS_H
#define TEST_MODELS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/model.h"

/* A pseudo-random number in [-1, 1), the same everywhere (xorshift64*). */
static inline float
test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (float) (int32_t) ((*state * 2685821657736338717u) >> 32) / 2147483648.0f;
}

typedef struct TestModel
{
	Image image;
	Model model;
} TestModel;

/* Writes random weights for every spec that a family names. */
typedef struct RandomBinder
{
	Binder		 binder;
	ImageWriter *writer;
	Precision	 precision;
	bool		 optional; /* write what may be absent */
	uint64_t	 random;
} RandomBinder;

static inline bool
test_random_tensor(Binder *binder, const TensorSpec *spec, void *destination)
{
	RandomBinder *own = (RandomBinder *) binder;
	size_t		  rows = 0, count;
	float		 *w, *bias;
	bool		  done = false;

	(void) destination;
	if (spec->optional && !own->optional)
		return true;
	for (int i = 0; i < spec->n_parts; i++)
		rows += (size_t) spec->rows[i];
	count = rows * (size_t) spec->columns;
	w = malloc(count * sizeof(float));
	bias = malloc(rows * sizeof(float));
	for (size_t i = 0; i < count; i++)
		w[i] = test_random(&own->random) * 0.6f +
			   (spec->type == SECTION_VECTOR && strstr(spec->name, "weight") ? 1.0f : 0.0f);
	for (size_t i = 0; i < rows; i++)
		bias[i] = test_random(&own->random);
	switch (spec->type)
	{
		case SECTION_MATRIX:
			done = image_write_matrix(own->writer, spec->name, own->precision, w,
									  spec->bias ? bias : NULL, (int) rows, spec->columns,
									  binder->error);
			break;
		case SECTION_TABLE:
			done = image_write_table(own->writer, spec->name,
									 own->precision == PRECISION_BF16 && spec->compute == NULL
										 ? PRECISION_BF16
										 : PRECISION_FP32,
									 w, (int) rows, spec->columns, binder->error);
			break;
		case SECTION_VECTOR:
			done = image_write_vector(own->writer, spec->name, w, (int) count, binder->error);
			break;
		default:
			error_set(binder->error, ERR_UNSUPPORTED, "section type %d", (int) spec->type);
	}
	free(w);
	free(bias);
	return done;
}

#define TEST_MUST(call, error)                                                                     \
	do                                                                                             \
	{                                                                                              \
		if (!(call))                                                                               \
			fail_msg("%s: %s", #call, (error).message);                                            \
	} while (0)

/* Opens a model with random weights for a config (items sorted by key), computed with kernels. */
static inline void
test_model_open(TestModel *test, const ConfigParam *config, int n, Precision precision,
				bool optional, const Kernels *kernels)
{
	char		 path[] = "/tmp/test_model.XXXXXX";
	Params		 params = {config, n}, none = {NULL, 0};
	RandomBinder binder = {.binder = {.tensor = test_random_tensor},
						   .precision = precision,
						   .optional = optional,
						   .random = 88172645463325252u};
	Error		 error;
	Model		 model;
	int			 file = mkstemp(path);

	if (file < 0)
		fail_msg("no temporary file");
	close(file);
	unlink(path);
	binder.binder.error = &error;
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	binder.writer = image_writer_create(path, &error);
	TEST_MUST(binder.writer != NULL, error);
	TEST_MUST(image_write_params(binder.writer, "config", &params, &error), error);
	TEST_MUST(image_write_params(binder.writer, "model", &none, &error), error);
	TEST_MUST(model_bind(&model, &binder.binder), error);
	TEST_MUST(image_writer_finish(binder.writer, &error), error);
	model_close(&model);
	TEST_MUST(image_open(&test->image, path, &error), error);
	unlink(path);
	TEST_MUST(model_open(&test->model, &test->image, kernels, &error), error);
}

static inline void
test_model_close(TestModel *test)
{
	model_close(&test->model);
	image_close(&test->image);
}

#endif
