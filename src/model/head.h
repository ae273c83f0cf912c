/*
 * head.h: what classes put on top of a model's hidden states.
 *
 * A head writes to the batch's logits, and does nothing when they are not wanted.
 */
#ifndef MODEL_HEAD_H
#define MODEL_HEAD_H

#include "model/block.h"

/* Whether a head gives logits over the vocabulary. */
extern bool head_is_language_model(Head head);

/* Rows of logits that a batch wants from a head on tokens. */
extern int logit_rows(const Batch *batch);

/* The rows of x that a head on tokens is wanted for: x itself when that is all of them, else they are
 * copied to chosen (logit_rows, x->n). */
extern const Activations *head_rows(const Batch *batch, const Activations *x, Activations *chosen);

/* logits (rows, n) = x Wᵀ + b.  x has a row for each row of logits; those of the batch go to its taker
 * if it has one. */
extern bool head_linear(Pass *pass, const Matrix *w, const Activations *x, float *logits);

/* The same for a head on tokens; chosen (logit_rows, x->n) is scratch for those that are wanted. */
extern bool head_tokens(Pass *pass, const Matrix *w, const Activations *x, Activations *chosen);

/* logits = LN(act(x Tᵀ + t)) Dᵀ + d: a language model's head with a transform in front.  chosen and
 * transformed (logit_rows, n) are scratch. */
typedef struct TransformHead
{
	Matrix	   transform;
	Norm	   norm;
	Matrix	   decoder; /* (vocab, n) */
	Activation act;
	float	   epsilon;
} TransformHead;

extern bool head_transform(Pass *pass, const TransformHead *head, const Activations *x,
						   Activations *chosen, Activations *transformed);

/* logits (n_seqs, n) = Wo act(Wd first + bd) + bo: first (n_seqs, hidden), e.g. of gather_first; inner
 * (n_seqs, hidden) is scratch. */
extern bool head_two_layers(Pass *pass, const Matrix *dense, Activation act, const Matrix *out,
							const Activations *first, Activations *inner);

#endif
