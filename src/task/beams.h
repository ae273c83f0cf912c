/*
 * beams.h: what beam search has found: the best hypotheses so far, and the candidates of a step.
 *
 * As BeamHypotheses and BeamSearchScorer of Transformers 4.37.  Memory is the caller's.
 */
#ifndef TASK_BEAMS_H
#define TASK_BEAMS_H

#include "task/generation.h"

/* A sequence that is over. */
typedef struct Hypothesis
{
	double	 score;
	int		 n;
	int		 order; /* how many were added before */
	int32_t *ids;	/* (max_new_tokens) generated ones */
} Hypothesis;

/* The num_beams best. */
typedef struct Hypotheses
{
	const GenerationOptions *options;
	int						 n, added;
	double					 worst;
	Hypothesis				*items; /* (num_beams), unordered */
} Hypotheses;

/* Adds a sequence whose log-probabilities sum up to sum, and of whose length (its end of sequence
 * included, were there one) the score is made; last >= 0 comes behind its ids.  Kept when it is among
 * the best. */
extern void hypotheses_add(Hypotheses *hypotheses, double sum, int length, const int32_t *ids,
						   int n, int32_t last);

/* Whether a live beam can become better no more; best_sum: the best of the live ones, which will have
 * length tokens. */
extern bool hypotheses_done(const Hypotheses *hypotheses, double best_sum, int length);

/* Puts the best first; of equal ones the one added last. */
extern void hypotheses_sort(Hypotheses *hypotheses);

/* A token that a beam may go on with. */
typedef struct Candidate
{
	float	score;
	int		beam;
	int32_t token;
} Candidate;

/* The best of a step, the worst of them on top while they are collected. */
typedef struct Candidates
{
	int		   n, capacity;
	Candidate *items; /* (capacity) */
} Candidates;

/* Takes one of a step where there is room, or in the place of the worst. */
extern void candidates_add(Candidates *candidates, Candidate candidate);

/* Offers all tokens that can come: a beam's scores plus the beam's own. */
extern void candidates_offer(Candidates *candidates, int beam, float beam_score,
							 const float *scores, int n_vocab);

/* Puts the best first; of equal ones the lower beam, then the lower token. */
extern void candidates_sort(Candidates *candidates);

#endif
