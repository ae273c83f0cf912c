/*
 * scores.c: softmax, sigmoid, and the order of scores.
 */
#include "task/scores.h"

#include <string.h>
#include <strings.h>

#include "math/precise.h"
#include "task/probabilities.h"

static const char *const names[] = {
	[SCORE_SOFTMAX] = "softmax", [SCORE_SIGMOID] = "sigmoid", [SCORE_NONE] = "none"};

bool
score_function_from_name(const char *name, ScoreFunction *function)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcasecmp(name, names[i]) == 0)
		{
			*function = (ScoreFunction) i;
			return true;
		}
	return false;
}

ScoreFunction
score_function_of(const Model *model)
{
	return model->problem_type == PROBLEM_MULTI_LABEL || model->n_labels == 1 ? SCORE_SIGMOID
																			  : SCORE_SOFTMAX;
}

/* Whether a dotted name ends with a class's. */
static bool
is_class(const char *path, const char *name)
{
	const char *last = strrchr(path, '.');

	return strcmp(last == NULL ? path : last + 1, name) == 0;
}

bool
score_function_of_pairs(const Model *model, ScoreFunction *function, Error *error)
{
	const char *path;

	if (!params_string(&model->image->config, "sbert_ce_default_activation_function", NULL, &path,
					   error))
		return false;
	if (path == NULL)
		*function = model->problem_type == PROBLEM_REGRESSION ? SCORE_NONE : SCORE_SIGMOID;
	else if (is_class(path, "Identity"))
		*function = SCORE_NONE;
	else if (is_class(path, "Sigmoid"))
		*function = SCORE_SIGMOID;
	else
		return error_set(error, ERR_UNSUPPORTED,
						 "sbert_ce_default_activation_function \"%s\" is not supported", path);
	return true;
}

static void
softmax(const float *logits, int n, float *scores)
{
	double top = (double) logits[scores_best(logits, n)], sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += precise_exp((double) logits[i] - top);
	for (int i = 0; i < n; i++)
		scores[i] = (float) (precise_exp((double) logits[i] - top) / sum);
}

void
scores_apply(ScoreFunction function, const float *logits, int n, float *scores)
{
	switch (function)
	{
		case SCORE_SOFTMAX:
			softmax(logits, n, scores);
			break;
		case SCORE_SIGMOID:
			for (int i = 0; i < n; i++)
				scores[i] = (float) (1.0 / (1.0 + precise_exp(-(double) logits[i])));
			break;
		case SCORE_NONE:
			memmove(scores, logits, (size_t) n * sizeof(float));
			break;
	}
}

void
scores_order(const float *scores, int n, bool last_first, int32_t *order)
{
	int end;

	largest(scores, n, n, order);
	for (int begin = 0; last_first && begin < n; begin = end)
	{
		for (end = begin + 1; end < n && scores[order[end]] == scores[order[begin]];)
			end++;
		for (int i = begin, j = end - 1; i < j; i++, j--)
		{
			int32_t first = order[i];

			order[i] = order[j];
			order[j] = first;
		}
	}
}

int
scores_best(const float *scores, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (scores[i] > scores[best])
			best = i;
	return best;
}
