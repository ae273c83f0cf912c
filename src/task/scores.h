/*
 * scores.h: from a row of logits to scores, as Transformers' pipelines make them.
 *
 * Computed in double precision, from functions of our own, and rounded once.
 */
#ifndef TASK_SCORES_H
#define TASK_SCORES_H

#include "model/model.h"

typedef enum ScoreFunction
{
	SCORE_SOFTMAX,
	SCORE_SIGMOID, /* 1 / (1 + e^-z), each by itself */
	SCORE_NONE	   /* the logits */
} ScoreFunction;

/* "softmax", "sigmoid", "none", in any case. */
extern bool score_function_from_name(const char *name, ScoreFunction *function);

/* What the text classification pipeline applies: a sigmoid to several independent labels, or a single one; else a
 * softmax. */
extern ScoreFunction score_function_of(const Model *model);

/* What sentence-transformers' CrossEncoder applies: config.json's sbert_ce_default_activation_function, else a sigmoid
 * for a single label; here nothing where config.json says that it is a regression.  ERR_UNSUPPORTED for another. */
extern bool score_function_of_pairs(const Model *model, ScoreFunction *function, Error *error);

/* scores (n) of logits (n), which may be the same. */
extern void scores_apply(ScoreFunction function, const float *logits, int n, float *scores);

/* Indices (n) in the order of their scores, the largest first; of equal ones the first, or the last where last_first. */
extern void scores_order(const float *scores, int n, bool last_first, int32_t *order);

/* The index of the largest, the first of equal ones. */
extern int scores_best(const float *scores, int n);

#endif
