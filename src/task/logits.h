/*
 * logits.h: one row of scores over the vocabulary, changed and drawn from as Transformers' logits processors
 * and warpers do.
 *
 * Scores are logits of a step, or log-probabilities with beams.  -INFINITY is a token that can't come.
 * Sums run over the vocabulary in its order and in double precision.
 */
#ifndef TASK_LOGITS_H
#define TASK_LOGITS_H

#include "math/kernels.h"
#include "task/generation.h"

/* What a thread needs beside a row. */
typedef struct LogitsScratch
{
	float	 *probabilities; /* (rows, n_vocab): of each row that is looked at together */
	float	 *keys;			 /* (n_vocab) */
	int32_t	 *order;		 /* (n_vocab) */
	uint32_t *bits;			 /* ((n_vocab + 31) / 32) */
} LogitsScratch;

/* The logarithm of the sum of the exponentials, and the softmax of the scores that are not -INFINITY. */
extern double logits_softmax(const Kernels *kernels, const float *scores, int n_vocab,
							 float *probabilities);

/* Repetition penalty, n-grams, bad words, the least number of tokens, a constraint, the forced end and
 * suppressed tokens, in this order.  ids (n_ids): the sequence, its prompt included; n_new are
 * generated.  allowed: a bit for each token, or NULL. */
extern void logits_process(const GenerationOptions *options, const int32_t *ids, int n_ids,
						   int n_new, const uint32_t *allowed, int n_vocab, uint32_t *bits,
						   float *scores);

/* Temperature, top_k, top_p and typical_p, in this order, each on what the one before has left; keep:
 * tokens that are left at least. */
extern void logits_warp(const GenerationOptions *options, const Kernels *kernels, int keep,
						int n_vocab, LogitsScratch *scratch, float *scores);

/* The first of the best tokens; -1: all are -INFINITY. */
extern int32_t logits_best(const float *scores, int n_vocab);

/* The sum of weights, none negative; and the index that the share u of it, 0 <= u < 1, falls on. */
extern double weights_sum(const float *weights, int n);
extern int	  weights_pick(const float *weights, int n, double sum, double u);

#endif
