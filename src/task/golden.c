/*
 * golden.c: making, storing and replaying the golden input.
 *
 * Sections: golden.ids is i32 n_sequences, offsets[n_sequences + 1], ids; golden.output is fp32
 * (n_sequences, hidden_size).
 */
#include "task/golden.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OPENBLAS_TOLERANCE 1e-4f

void
golden_make(Golden *golden, const Model *model)
{
	static const int lengths[GOLDEN_SEQUENCES] = {3, 17, GOLDEN_MAX_TOKENS};
	uint64_t		 state = 1;

	*golden = (Golden){.n_sequences = GOLDEN_SEQUENCES};
	for (int i = 0; i < GOLDEN_SEQUENCES; i++)
	{
		int length = lengths[i] < model->max_tokens ? lengths[i] : model->max_tokens;

		golden->offsets[i + 1] = golden->offsets[i] + length;
		for (int j = golden->offsets[i]; j < golden->offsets[i + 1]; j++)
		{
			/* Knuth's MMIX generator */
			state = state * 6364136223846793005u + 1442695040888963407u;
			golden->ids[j] = (int32_t) ((state >> 33) % (uint64_t) model->vocab_size);
		}
	}
}

bool
golden_run(const Golden *golden, Runner *runner, const Model *model, float *out, Error *error)
{
	RunItem items[GOLDEN_SEQUENCES];

	for (int i = 0; i < golden->n_sequences; i++)
		items[i] = (RunItem){.ids = golden->ids + golden->offsets[i],
							 .n_tokens = golden->offsets[i + 1] - golden->offsets[i],
							 .pooling = POOLING_MEAN,
							 .dimensions = model->hidden_size,
							 .out = out + (size_t) i * (size_t) model->hidden_size};
	return runner_run(runner, model, items, golden->n_sequences, NULL, error);
}

bool
golden_write(ImageWriter *writer, const Golden *golden, const float *output, int hidden_size,
			 Error *error)
{
	int32_t words[1 + GOLDEN_SEQUENCES + 1 + GOLDEN_SEQUENCES * GOLDEN_MAX_TOKENS];
	size_t	n_offsets = (size_t) golden->n_sequences + 1;
	size_t	n_ids = (size_t) golden->offsets[golden->n_sequences];
	size_t	n_values = (size_t) golden->n_sequences * (size_t) hidden_size;

	words[0] = golden->n_sequences;
	memcpy(words + 1, golden->offsets, n_offsets * sizeof *words);
	memcpy(words + 1 + n_offsets, golden->ids, n_ids * sizeof *words);
	return image_write_bytes(writer, SECTION_GOLDEN, "golden.ids", words,
							 (1 + n_offsets + n_ids) * sizeof *words, error) &&
		   image_write_bytes(writer, SECTION_GOLDEN, "golden.output", output,
							 n_values * sizeof *output, error);
}

/* The stored input, and where the stored output lies. */
static bool
golden_read(Golden *golden, const Model *model, const float **output, Error *error)
{
	const Section *ids = image_find(model->image, SECTION_GOLDEN, "golden.ids");
	const Section *values = image_find(model->image, SECTION_GOLDEN, "golden.output");
	const int32_t *words;
	size_t		   n_words;
	bool		   valid;

	if (ids == NULL || values == NULL)
		return error_set(error, ERR_NOT_FOUND, "the image has no golden input and output");
	words = (const int32_t *) ids->data;
	n_words = ids->size / sizeof *words;
	*golden = (Golden){.n_sequences = n_words > 0 ? words[0] : 0};
	valid = golden->n_sequences >= 1 && golden->n_sequences <= GOLDEN_SEQUENCES &&
			n_words > (size_t) golden->n_sequences + 2 && words[1] == 0;
	for (int i = 0; valid && i < golden->n_sequences; i++)
	{
		int32_t begin = words[1 + i], end = words[2 + i];

		valid = end > begin && end - (int64_t) begin <= GOLDEN_MAX_TOKENS;
		golden->offsets[i + 1] = end;
	}
	valid = valid &&
			n_words ==
				(size_t) golden->n_sequences + 2 + (size_t) golden->offsets[golden->n_sequences] &&
			values->size ==
				(size_t) golden->n_sequences * (size_t) model->hidden_size * sizeof **output;
	if (!valid)
		return error_set(error, ERR_CORRUPT, "the image's golden input or output is damaged");
	memcpy(golden->ids, words + golden->n_sequences + 2,
		   (size_t) golden->offsets[golden->n_sequences] * sizeof *words);
	*output = (const float *) values->data;
	return true;
}

/* The largest difference; numbers that can't be compared count as infinitely far apart. */
static float
largest_deviation(const float *a, const float *b, size_t n)
{
	float largest = 0.0f;

	for (size_t i = 0; i < n; i++)
	{
		float difference = fabsf(a[i] - b[i]);

		if (memcmp(a + i, b + i, sizeof *a) == 0)
			continue;
		if (!(difference <= FLT_MAX))
			return INFINITY;
		if (difference < FLT_TRUE_MIN)
			difference = FLT_TRUE_MIN;
		if (difference > largest)
			largest = difference;
	}
	return largest;
}

bool
golden_replay(Runner *runner, const Model *model, int *n_values, float *deviation, Error *error)
{
	Golden		 golden;
	const float *expected = NULL;
	float		*out;
	bool		 ok;

	if (!golden_read(&golden, model, &expected, error))
		return false;
	*n_values = golden.n_sequences * model->hidden_size;
	out = malloc((size_t) *n_values * sizeof *out);
	if (out == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d golden numbers", *n_values);
	ok = golden_run(&golden, runner, model, out, error);
	if (ok)
		*deviation = largest_deviation(out, expected, (size_t) *n_values);
	free(out);
	return ok;
}

float
golden_tolerance(const Kernels *kernels)
{
	return strcmp(kernels->name, isa_name(ISA_OPENBLAS)) == 0 ? OPENBLAS_TOLERANCE : 0.0f;
}
