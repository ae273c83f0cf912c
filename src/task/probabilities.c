/*
 * probabilities.c: log-probabilities and the largest of many.
 */
#include "task/probabilities.h"

#include "math/precise.h"

/* Whether x[a] comes behind x[b]. */
static bool
behind(const float *x, int32_t a, int32_t b)
{
	return x[a] < x[b] || (x[a] == x[b] && a > b);
}

/* Lets the index at a place of a heap, whose top is the last of all, sink to where it belongs. */
static void
sink(const float *x, int32_t *heap, int n, int at)
{
	int32_t moved = heap[at];

	for (;;)
	{
		int child = 2 * at + 1;

		if (child + 1 < n && behind(x, heap[child + 1], heap[child]))
			child++;
		if (child >= n || !behind(x, heap[child], moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

void
largest(const float *x, int n, int k, int32_t *indices)
{
	for (int i = 0; i < k; i++)
		indices[i] = i;
	for (int i = k / 2 - 1; i >= 0; i--)
		sink(x, indices, k, i);
	for (int i = k; i < n; i++)
		if (x[i] > x[indices[0]])
		{
			indices[0] = i;
			sink(x, indices, k, 0);
		}
	for (int left = k - 1; left > 0; left--)
	{
		int32_t last = indices[0];

		indices[0] = indices[left];
		indices[left] = last;
		sink(x, indices, left, 0);
	}
}

float
log_probability(const Kernels *kernels, float *z, int n, int32_t target)
{
	float wanted = z[target], top = z[0];
	int	  top_at = 0;

	for (int i = 1; i < n; i++)
		if (z[i] > top)
		{
			top = z[i];
			top_at = i;
		}
	kernels->softmax(z, n, 1, n);
	/* the largest probability is one over the sum, and never small */
	return (float) ((double) wanted - (double) top + precise_log((double) z[top_at]));
}

void
probabilities_top(const Kernels *kernels, float *z, int n, int k, float *probabilities,
				  int32_t *ids)
{
	largest(z, n, k, ids);
	kernels->softmax(z, n, 1, n);
	for (int i = 0; i < k; i++)
		probabilities[i] = z[ids[i]];
}
