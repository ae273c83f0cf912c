/*
 * probabilities.h: what is wanted of a row of logits.
 *
 * Softmax is that of the kernels; everything has the same bits wherever it is computed.
 */
#ifndef TASK_PROBABILITIES_H
#define TASK_PROBABILITIES_H

#include "math/kernels.h"

/* ln softmax(z)[target] of n logits, which become their softmax. */
extern float log_probability(const Kernels *kernels, float *z, int n, int32_t target);

/* The k largest of n probabilities, softmax(z), largest first, and where they are; of equal logits the first
 * counts as larger.  z becomes its softmax.  1 <= k <= n. */
extern void probabilities_top(const Kernels *kernels, float *z, int n, int k, float *probabilities,
							  int32_t *ids);

/* The indices of the k largest of n numbers, largest first; of equal ones the first.  1 <= k <= n. */
extern void largest(const float *x, int n, int k, int32_t *indices);

#endif
