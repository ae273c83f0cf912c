/*
 * embed.c: pooling.  Every number is one chain over the tokens of its own sequence, in their order.
 */
#include "task/embed.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/text.h"

static const char *const names[] = {
	[POOLING_MEAN] = "mean", [POOLING_CLS] = "cls",		  [POOLING_MAX] = "max",
	[POOLING_LAST] = "last", [POOLING_POOLER] = "pooler",
};

bool
pooling_from_name(const char *name, Pooling *pooling)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
		{
			*pooling = (Pooling) i;
			return true;
		}
	return false;
}

const char *
pooling_name(Pooling pooling)
{
	return names[pooling];
}

void
embed_strip(const char **text, size_t *length)
{
	size_t begin = *length, end = *length, at = 0;

	while (at < *length)
	{
		size_t from = at;

		if (is_python_space(utf8_next(*text, *length, &at)))
			continue;
		if (begin == *length)
			begin = from;
		end = at;
	}
	*text += begin;
	*length = end - begin;
}

static void
divide(float *x, float divisor, int n)
{
	for (int i = 0; i < n; i++)
		x[i] /= divisor;
}

static void
pool_mean(const Kernels *kernels, const float *rows, long ld, int m, int n, float *out)
{
	memcpy(out, rows, (size_t) n * sizeof(float));
	for (int i = 1; i < m; i++)
		kernels->add(out, rows + i * ld, out, n);
	divide(out, (float) m, n);
}

static void
pool_max(const float *rows, long ld, int m, int n, float *out)
{
	memcpy(out, rows, (size_t) n * sizeof(float));
	for (int i = 1; i < m; i++)
		for (int j = 0; j < n; j++)
			if (rows[i * ld + j] > out[j])
				out[j] = rows[i * ld + j];
}

void
embed_pool(const Model *model, const Batch *batch, const Output *output, int sequence,
		   Pooling pooling, int dimensions, bool normalize, float *out)
{
	const Kernels *kernels = model->kernels;
	int			   begin = batch->offsets[sequence];
	int			   m = batch->offsets[sequence + 1] - begin; /* rows (m, hidden_size), stride ld */
	const float	  *rows = output->hidden_states + begin * output->ld;
	size_t		   bytes = (size_t) dimensions * sizeof(float);

	switch (pooling)
	{
		case POOLING_MEAN:
			pool_mean(kernels, rows, output->ld, m, dimensions, out);
			break;
		case POOLING_CLS:
			memcpy(out, rows, bytes);
			break;
		case POOLING_MAX:
			pool_max(rows, output->ld, m, dimensions, out);
			break;
		case POOLING_LAST:
			memcpy(out, rows + (m - 1) * output->ld, bytes);
			break;
		case POOLING_POOLER:
			memcpy(out, output->pooled + sequence * output->ld, bytes);
			break;
	}
	if (normalize)
	{
		float norm = sqrtf(kernels->dot(out, out, dimensions));

		divide(out, norm > 1e-12f ? norm : 1e-12f, dimensions);
	}
}
