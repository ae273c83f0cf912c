/*
 * runner.h: many sequences through one model on a team of threads.
 *
 * The engine, the command and the benchmarks all compute through a Runner.  It owns the workspaces
 * of the team's members, which grow when a larger model comes and are reused otherwise.  With
 * plenty of sequences, members take groups of them (some hundred tokens) and never wait for each
 * other; with little work the whole team computes one group together.  Results do not depend on it.
 */
#ifndef TASK_RUNNER_H
#define TASK_RUNNER_H

#include "task/embed.h"

typedef struct Runner Runner;

typedef struct RunItem
{
	const int32_t *ids;		 /* (n_tokens) */
	const int32_t *type_ids; /* (n_tokens) or NULL: zeros */
	int			   n_tokens;
	Pooling		   pooling;
	int			   dimensions;
	bool		   normalize;
	float		  *out; /* (dimensions) */
} RunItem;

/* The team stays the caller's and must outlive the runner.  NULL on error. */
extern Runner *runner_create(Team *team, Error *error);
extern void	   runner_free(Runner *runner);

/* Makes the workspaces large enough for this model, so that later runs allocate nothing; only
 * sequences of more than 4096 tokens get their memory when they come. */
extern bool runner_reserve(Runner *runner, const Model *model, Error *error);

/* Embeds every item; items must have passed model_check's rules (the runner checks them again and
 * names the first that has not).  Between blocks *cancel is looked at: ERR_CANCELLED then. */
extern bool runner_embed(Runner *runner, const Model *model, const RunItem *items, int n_items,
						 atomic_bool *cancel, Error *error);

#endif
