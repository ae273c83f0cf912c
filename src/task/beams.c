/*
 * beams.c: hypotheses and candidates.
 */
#include "task/beams.h"

#include <math.h>
#include <string.h>

#include "math/precise.h"

/* ---- hypotheses ---- */

/* length ^ penalty, length > 0; exact where the penalty is a small whole number. */
static double
length_power(int length, double penalty)
{
	double power = 1.0;

	if (penalty != floor(penalty) || fabs(penalty) > 16.0)
		return precise_exp(penalty * precise_log((double) length));
	for (int i = 0; i < (int) fabs(penalty); i++)
		power *= (double) length;
	return penalty < 0.0 ? 1.0 / power : power;
}

static double
score_of(const Hypotheses *hypotheses, double sum, int length)
{
	return sum / length_power(length, (double) hypotheses->options->length_penalty);
}

/* The one with the lowest score; of equal ones the first that was added. */
static int
worst_of(const Hypotheses *hypotheses)
{
	int worst = 0;

	for (int i = 1; i < hypotheses->n; i++)
	{
		const Hypothesis *a = &hypotheses->items[i], *b = &hypotheses->items[worst];

		if (a->score < b->score || (a->score == b->score && a->order < b->order))
			worst = i;
	}
	return worst;
}

void
hypotheses_add(Hypotheses *hypotheses, double sum, int length, const int32_t *ids, int n,
			   int32_t last)
{
	Hypothesis *item;
	double		score = score_of(hypotheses, sum, length);

	if (hypotheses->n < hypotheses->options->num_beams)
		item = &hypotheses->items[hypotheses->n++];
	else if (score > hypotheses->worst)
		item = &hypotheses->items[worst_of(hypotheses)];
	else
		return;
	item->score = score;
	item->order = hypotheses->added++;
	item->n = n;
	memcpy(item->ids, ids, (size_t) n * sizeof(int32_t));
	if (last >= 0)
		item->ids[item->n++] = last;
	hypotheses->worst = hypotheses->items[worst_of(hypotheses)].score;
}

bool
hypotheses_done(const Hypotheses *hypotheses, double best_sum, int length)
{
	const GenerationOptions *options = hypotheses->options;

	if (hypotheses->n < options->num_beams)
		return false;
	if (options->early_stopping == EARLY_STOPPING_TRUE)
		return true;
	if (options->early_stopping == EARLY_STOPPING_NEVER && options->length_penalty > 0.0f)
		length = options->max_new_tokens;
	return hypotheses->worst >= score_of(hypotheses, best_sum, length);
}

static bool
hypothesis_before(const Hypothesis *a, const Hypothesis *b)
{
	return a->score > b->score || (a->score == b->score && a->order > b->order);
}

void
hypotheses_sort(Hypotheses *hypotheses)
{
	Hypothesis *items = hypotheses->items;

	for (int i = 1; i < hypotheses->n; i++)
		for (int j = i; j > 0 && hypothesis_before(&items[j], &items[j - 1]); j--)
		{
			Hypothesis item = items[j];

			items[j] = items[j - 1];
			items[j - 1] = item;
		}
}

/* ---- candidates ---- */

static bool
candidate_before(const Candidate *a, const Candidate *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->beam < b->beam || (a->beam == b->beam && a->token < b->token);
}

/* Puts an item into the heap of the first n at its top, or below what comes after it. */
static void
sink(Candidate *items, int n, Candidate item)
{
	int at = 0;

	for (int child = 1; child < n; child = 2 * at + 1)
	{
		if (child + 1 < n && candidate_before(&items[child], &items[child + 1]))
			child++;
		if (!candidate_before(&item, &items[child]))
			break;
		items[at] = items[child];
		at = child;
	}
	items[at] = item;
}

static void
rise(Candidate *items, int at, Candidate item)
{
	for (int parent = (at - 1) / 2; at > 0 && candidate_before(&items[parent], &item);
		 parent = (at - 1) / 2)
	{
		items[at] = items[parent];
		at = parent;
	}
	items[at] = item;
}

void
candidates_add(Candidates *candidates, Candidate candidate)
{
	if (candidates->n < candidates->capacity)
		rise(candidates->items, candidates->n++, candidate);
	else if (candidate_before(&candidate, &candidates->items[0]))
		sink(candidates->items, candidates->n, candidate);
}

void
candidates_offer(Candidates *candidates, int beam, float beam_score, const float *scores,
				 int n_vocab)
{
	for (int i = 0; i < n_vocab; i++)
	{
		float score = scores[i] + beam_score;

		/* most are worse than all that there are */
		if (candidates->n == candidates->capacity && score < candidates->items[0].score)
			continue;
		if (score > -INFINITY)
			candidates_add(candidates, (Candidate){score, beam, i});
	}
}

void
candidates_sort(Candidates *candidates)
{
	for (int n = candidates->n - 1; n > 0; n--)
	{
		Candidate worst = candidates->items[0];

		sink(candidates->items, n, candidates->items[n]);
		candidates->items[n] = worst;
	}
}
