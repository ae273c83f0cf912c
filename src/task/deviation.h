/*
 * deviation.h: how far the numbers of a reduced precision are from those of fp32.
 *
 * Both models compute the golden input: the last hidden states of every token, and the logits where the class
 * has a head.  Differences are sums in double, so they are the same on every machine.
 */
#ifndef TASK_DEVIATION_H
#define TASK_DEVIATION_H

#include "task/golden.h"

typedef struct Difference
{
	double relative; /* |a - b| / |b|, lengths of all numbers together */
	double largest;	 /* of one number */
	double cosine;	 /* least of two rows */
} Difference;

typedef struct Deviation
{
	int		   n_tokens;
	Difference hidden_states; /* rows are tokens */
	bool	   has_logits;
	Difference logits; /* rows are sequences, or tokens where the head is on them */
} Deviation;

/* What a model computes of the golden input. */
typedef struct Sample
{
	int	   n_tokens, width; /* of the hidden states */
	float *hidden_states;	/* (n_tokens, width) */
	int	   n_rows, n_outputs;
	float *logits; /* (n_rows, n_outputs); NULL: the class has no head */
} Sample;

/* Computes on this thread; on failure there is nothing to free. */
extern bool sample_compute(Sample *sample, const Model *model, const Golden *golden, Error *error);
extern void sample_free(Sample *sample);

/* Both are samples of one model, in two precisions. */
extern Deviation sample_compare(const Sample *sample, const Sample *exact);

#endif
