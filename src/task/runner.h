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

/*
 * What an item gives.  Rows are those of the head's logits: one where it is on sequences; where it is on
 * tokens those that the item lists, or one for each token.
 */
typedef enum RunResult
{
	RUN_VECTOR,		   /* out (dimensions): the pooled vector */
	RUN_LOGITS,		   /* out (rows, head_outputs) */
	RUN_TARGETS,	   /* out (rows): ln softmax(row)[targets[row]] */
	RUN_PROBABILITIES, /* out (rows, n_targets): softmax(row)[targets] */
	RUN_TOP, /* out (rows, 2, n_targets): that many of the largest of softmax(row), largest first,
						* and behind them their indices as int32 */
	RUN_RESULTS
} RunResult;

typedef struct RunItem
{
	const int32_t *ids;							  /* (n_tokens) */
	const int32_t *type_ids;					  /* (n_tokens) or NULL: zeros */
	const int32_t *shape_ids, *pronunciation_ids; /* (n_tokens), RoCBert; or NULL */
	int			   n_tokens;
	int		  n_padding; /* the last so many are masked; a head may look at them all the same */
	RunResult result;
	bool	  urgent;  /* to be computed before others */
	Pooling	  pooling; /* RUN_VECTOR */
	int		  dimensions;
	bool	  normalize;
	int		  n_rows;	 /* listed; 0: all tokens' */
	const int32_t *rows; /* (n_rows) tokens of the sequence */
	int			   n_targets;
	const int32_t *targets; /* (rows) or (n_targets): classes */
	float		  *out;
	atomic_int	  *left; /* lowered when out is there; or NULL */
} RunItem;

/* How a run may be disturbed; all may be NULL. */
typedef struct RunControl
{
	const atomic_bool *cancel; /* looked at between blocks */
	/* Called on the leader's thread between two groups, while the others may be computing.  It may call
	 * runner_run_beside. */
	void (*between)(void *argument);
	void *argument;
} RunControl;

/* The team stays the caller's and must outlive the runner.  NULL on error. */
extern Runner *runner_create(Team *team, Error *error);
extern void	   runner_free(Runner *runner);

/* Makes the workspaces large enough for this model, so that later runs allocate nothing; only
 * sequences of more than 4096 tokens get their memory when they come, and large vocabularies' logits. */
extern bool runner_reserve(Runner *runner, const Model *model, Error *error);

/* Numbers that an item's out has room for. */
extern size_t run_item_results(const Model *model, const RunItem *item);

/* Whether the model can compute what an item wants: model_check's rules, and those of its result. */
extern bool run_item_check(const Model *model, const RunItem *item, Error *error);

/* Computes every item; items must have passed model_check's rules (the runner checks them again and
 * names the first that has not).  ERR_CANCELLED when control said so.  control may be NULL. */
extern bool runner_run(Runner *runner, const Model *model, const RunItem *items, int n_items,
					   const RunControl *control, Error *error);

/* The same in the middle of another run, from its control's between(), for a few items of any model. */
extern bool runner_run_beside(Runner *runner, const Model *model, const RunItem *items, int n_items,
							  const atomic_bool *cancel, Error *error);

#endif
