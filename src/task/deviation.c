/*
 * deviation.c: the outputs of a model for the golden input, and their distance.
 *
 * A sample owns its arrays; everything else lives for one call.
 */
#include "task/deviation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE 8 /* encoder positions, where there is cross-attention */

/* ---- computing ---- */

/* Encoder states in [-1, 1), the same for every precision; NULL: no memory. */
static float *
make_source(const Model *model, Batch *batch)
{
	size_t	 n;
	float	*states;
	uint64_t state = 1;

	batch->source = SOURCE < model->max_tokens ? SOURCE : model->max_tokens;
	n = (size_t) batch->n_seqs * (size_t) batch->source * (size_t) model->layer_size;
	states = malloc(n * sizeof *states);
	for (size_t i = 0; states != NULL && i < n; i++)
	{
		state = state * 6364136223846793005u + 1442695040888963407u;
		states[i] = (float) (int32_t) (state >> 32) / 2147483648.0f;
	}
	batch->encoder_states = states;
	return states;
}

static bool
run(Sample *sample, const Model *model, const Batch *batch, Error *error)
{
	Crew	  crew = crew_alone(NULL);
	Workspace workspace = {.size = model->family->workspace(model, batch, 1)};
	Output	  output;
	bool	  ok;

	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	if (workspace.base == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a workspace of %zu bytes",
						 workspace.size);
	ok = model_check(model, batch, error) &&
		 (model_forward(model, batch, &workspace, &crew, &output) ||
		  error_set(error, ERR_CANCELLED, "cancelled"));
	for (int i = 0; ok && i < sample->n_tokens; i++)
		memcpy(sample->hidden_states + (size_t) i * (size_t) sample->width,
			   output.hidden_states + i * output.ld, (size_t) sample->width * sizeof(float));
	free(workspace.base);
	return ok;
}

bool
sample_compute(Sample *sample, const Model *model, const Golden *golden, Error *error)
{
	Batch  batch = {.n_seqs = golden->n_sequences,
					.n_tokens = golden->offsets[golden->n_sequences],
					.offsets = golden->offsets,
					.input_ids = golden->ids};
	bool   head = model->head != HEAD_BASE, ok = true;
	float *source = NULL;

	*sample = (Sample){.n_tokens = batch.n_tokens, .width = model->hidden_size};
	sample->hidden_states =
		malloc((size_t) sample->n_tokens * (size_t) sample->width * sizeof(float));
	if (head)
	{
		sample->n_rows = head_is_by_token(model->head) ? batch.n_tokens : batch.n_seqs;
		sample->n_outputs = head_outputs(model);
		sample->logits =
			malloc((size_t) sample->n_rows * (size_t) sample->n_outputs * sizeof(float));
		batch.logits = sample->logits;
	}
	if (model->has_cross_attention)
		ok = (source = make_source(model, &batch)) != NULL;
	if (!ok || sample->hidden_states == NULL || (head && sample->logits == NULL))
		ok = error_set(error, ERR_MEMORY, "out of memory for the outputs of %d tokens",
					   sample->n_tokens);
	ok = ok && run(sample, model, &batch, error);
	free(source);
	if (!ok)
		sample_free(sample);
	return ok;
}

void
sample_free(Sample *sample)
{
	free(sample->hidden_states);
	free(sample->logits);
	*sample = (Sample){0};
}

/* ---- comparing ---- */

static Difference
compare(const float *a, const float *b, int rows, int columns)
{
	Difference difference = {.cosine = 1.0};
	double	   squares = 0, exact_squares = 0;

	for (int i = 0; i < rows; i++, a += columns, b += columns)
	{
		double ab = 0, aa = 0, bb = 0, cosine;

		for (int j = 0; j < columns; j++)
		{
			double distance = fabs((double) a[j] - (double) b[j]);

			ab += (double) a[j] * (double) b[j];
			aa += (double) a[j] * (double) a[j];
			bb += (double) b[j] * (double) b[j];
			squares += distance * distance;
			if (distance > difference.largest)
				difference.largest = distance;
		}
		exact_squares += bb;
		cosine = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : (double) (aa == bb);
		if (cosine < difference.cosine)
			difference.cosine = cosine;
	}
	difference.relative = squares > 0 ? sqrt(squares / exact_squares) : 0;
	return difference;
}

Deviation
sample_compare(const Sample *sample, const Sample *exact)
{
	Deviation deviation = {.n_tokens = exact->n_tokens, .has_logits = exact->logits != NULL};

	deviation.hidden_states =
		compare(sample->hidden_states, exact->hidden_states, exact->n_tokens, exact->width);
	if (deviation.has_logits)
		deviation.logits = compare(sample->logits, exact->logits, exact->n_rows, exact->n_outputs);
	return deviation;
}
