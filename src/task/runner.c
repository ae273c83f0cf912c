/*
 * runner.c: items into groups, groups to threads.
 *
 * A run is planned by the leader before the team starts: items are put in order, the order is cut
 * into groups of whole sequences, and then nobody writes the plan.  Members have a workspace each;
 * the first one's is large enough for the whole team and serves it when it computes a group
 * together.
 */
#include "task/runner.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_TOKENS 512	 /* of a group, which reads all weights once */
#define GROUP_TOKENS_MIN 32	 /* with fewer, reading them takes longer than computing */
#define TOGETHER_PERCENT 105 /* a team's time for a group, a lone member's being 100 / size */
#define RESERVE_TOKENS 4096	 /* longer sequences get their memory when they come */
#define LENGTH_CLASSES 32
#define WORKSPACE_ALIGN 64

typedef struct Member
{
	Workspace workspace;
	int		  max_tokens; /* that the workspace and the arrays have room for */
	long	  load;		  /* tokens, while planning */
	int32_t	 *ids;		  /* (max_tokens) of the group under way */
	int32_t	 *type_ids;	  /* (max_tokens) */
	int32_t	 *offsets;	  /* (max_tokens + 1) */
} Member;

typedef struct Plan
{
	const Model	  *model;
	const RunItem *items;
	int			  *order;  /* (n_items) indices of items */
	int			  *groups; /* (n_groups + 1) where each begins in order */
	int			   n_items, n_groups, capacity;
	Crew		   alone; /* of a member that computes a group by itself */
	atomic_int	   next;  /* the first group that no member has taken */
	atomic_bool	   cancelled;
} Plan;

struct Runner
{
	Team  *team;
	Plan   plan;
	Member members[]; /* team_size() */
};

/* ---- memory ---- */

Runner *
runner_create(Team *team, Error *error)
{
	size_t	members = (size_t) team_size(team);
	Runner *runner = calloc(1, sizeof(Runner) + members * sizeof(Member));

	if (runner == NULL)
		error_set(error, ERR_MEMORY, "out of memory for a runner of %zu threads", members);
	else
		runner->team = team;
	return runner;
}

static void
member_free(Member *member)
{
	free(member->workspace.base);
	free(member->ids);
	free(member->type_ids);
	free(member->offsets);
	*member = (Member){0};
}

void
runner_free(Runner *runner)
{
	if (runner == NULL)
		return;
	for (int i = 0; i < team_size(runner->team); i++)
		member_free(&runner->members[i]);
	free(runner->plan.order);
	free(runner->plan.groups);
	free(runner);
}

static bool
member_reserve(Member *member, const Model *model, int max_tokens, int threads, Error *error)
{
	size_t size = model_workspace(model, max_tokens, max_tokens, threads);
	size_t tokens = (size_t) max_tokens;

	if (size <= member->workspace.size && max_tokens <= member->max_tokens)
		return true;
	if (size < member->workspace.size)
		size = member->workspace.size;
	if (max_tokens < member->max_tokens)
		tokens = (size_t) member->max_tokens;
	member_free(member);
	size = (size + WORKSPACE_ALIGN - 1) / WORKSPACE_ALIGN * WORKSPACE_ALIGN;
	member->workspace.base = aligned_alloc(WORKSPACE_ALIGN, size);
	member->ids = malloc(tokens * sizeof(int32_t));
	member->type_ids = malloc(tokens * sizeof(int32_t));
	member->offsets = malloc((tokens + 1) * sizeof(int32_t));
	if (member->workspace.base == NULL || member->ids == NULL || member->type_ids == NULL ||
		member->offsets == NULL)
	{
		member_free(member);
		return error_set(error, ERR_MEMORY, "out of memory for a workspace of %zu bytes", size);
	}
	member->workspace.size = size;
	member->max_tokens = (int) tokens;
	return true;
}

/* Room for groups with sequences of up to this many tokens. */
static bool
reserve(Runner *runner, const Model *model, int longest, Error *error)
{
	int max_tokens = longest > GROUP_TOKENS ? longest : GROUP_TOKENS;
	int size = team_size(runner->team);

	for (int i = 0; i < size; i++)
		if (!member_reserve(&runner->members[i], model, max_tokens, i == 0 ? size : 1, error))
			return false;
	return true;
}

bool
runner_reserve(Runner *runner, const Model *model, Error *error)
{
	int longest = model->max_tokens < RESERVE_TOKENS ? model->max_tokens : RESERVE_TOKENS;

	return reserve(runner, model, longest, error);
}

static bool
plan_reserve(Plan *plan, int n_items, Error *error)
{
	int *order, *groups;

	if (n_items <= plan->capacity)
		return true;
	order = realloc(plan->order, (size_t) n_items * sizeof(int));
	if (order != NULL)
		plan->order = order;
	groups = realloc(plan->groups, ((size_t) n_items + 1) * sizeof(int));
	if (groups != NULL)
		plan->groups = groups;
	if (order == NULL || groups == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a plan of %d sequences", n_items);
	plan->capacity = n_items;
	return true;
}

/* ---- planning ---- */

static bool
check_item(const Model *model, const RunItem *item, Error *error)
{
	int32_t offsets[2] = {0, item->n_tokens};
	Batch	batch = {.n_seqs = 1,
					 .n_tokens = item->n_tokens,
					 .offsets = offsets,
					 .input_ids = item->ids,
					 .token_type_ids = item->type_ids};

	if (item->dimensions < 1 || item->dimensions > model->hidden_size)
		return error_set(error, ERR_ARGUMENT, "%d dimensions are not between 1 and %d",
						 item->dimensions, model->hidden_size);
	if (item->pooling == POOLING_POOLER && !model->has_pooler)
		return error_set(error, ERR_UNSUPPORTED,
						 "pooling \"%s\" is not supported by a model without pooler",
						 pooling_name(item->pooling));
	return model_check(model, &batch, error);
}

/* Checks all items; the length of the longest, or 0. */
static int
check_items(const Model *model, const RunItem *items, int n_items, Error *error)
{
	int longest = 0;

	for (int i = 0; i < n_items; i++)
	{
		if (!check_item(model, &items[i], error))
		{
			Error reason = *error;

			error_detail(error, "This is item %d of %d, counted from 0.%s%.400s", i, n_items,
						 reason.detail[0] ? " " : "", reason.detail);
			return 0;
		}
		if (items[i].n_tokens > longest)
			longest = items[i].n_tokens;
	}
	return longest;
}

static int
length_class(int n_tokens)
{
	return 31 - __builtin_clz((unsigned) n_tokens);
}

/* Long sequences first, so that the last groups can be small ones; else in the items' order. */
static void
plan_order(Plan *plan)
{
	int begin[LENGTH_CLASSES] = {0}, at = 0;

	for (int i = 0; i < plan->n_items; i++)
		begin[length_class(plan->items[i].n_tokens)]++;
	for (int class = LENGTH_CLASSES - 1; class >= 0; class --)
	{
		int count = begin[class];

		begin[class] = at;
		at += count;
	}
	for (int i = 0; i < plan->n_items; i++)
		plan->order[begin[length_class(plan->items[i].n_tokens)]++] = i;
}

/* Cuts the order into groups.  Members that work apart take smaller ones towards the end, so that
 * none waits long for the last. */
static void
plan_groups(Plan *plan, long tokens, int members)
{
	long left = tokens;
	int	 at = 0;

	plan->n_groups = 0;
	while (at < plan->n_items)
	{
		long target = left / (2 * members), group = 0;

		if (members == 1 || target > GROUP_TOKENS)
			target = GROUP_TOKENS;
		else if (target < GROUP_TOKENS_MIN)
			target = GROUP_TOKENS_MIN;
		plan->groups[plan->n_groups++] = at;
		do
			group += plan->items[plan->order[at++]].n_tokens;
		while (at < plan->n_items && group + plan->items[plan->order[at]].n_tokens <= target);
		left -= group;
	}
	plan->groups[plan->n_groups] = at;
}

/* True when members that take these groups, each the next one when it is through with the last, are
 * done before a team that computes them together. */
static bool
better_apart(Runner *runner, long tokens)
{
	const Plan *plan = &runner->plan;
	int			members = team_size(runner->team);
	long		most = 0;

	for (int i = 0; i < members; i++)
		runner->members[i].load = 0;
	for (int group = 0; group < plan->n_groups; group++)
	{
		Member *least = &runner->members[0];

		for (int i = 1; i < members; i++)
			if (runner->members[i].load < least->load)
				least = &runner->members[i];
		for (int i = plan->groups[group]; i < plan->groups[group + 1]; i++)
			least->load += plan->items[plan->order[i]].n_tokens;
		if (least->load > most)
			most = least->load;
	}
	return most * members * 100 <= tokens * TOGETHER_PERCENT;
}

/* ---- computing ---- */

/* Lays a group's sequences end to end in a member's arrays. */
static Batch
gather(const Plan *plan, int group, Member *member)
{
	Batch batch = {
		.offsets = member->offsets, .input_ids = member->ids, .token_type_ids = member->type_ids};

	for (int i = plan->groups[group]; i < plan->groups[group + 1]; i++)
	{
		const RunItem *item = &plan->items[plan->order[i]];
		size_t		   bytes = (size_t) item->n_tokens * sizeof(int32_t);

		memcpy(member->ids + batch.n_tokens, item->ids, bytes);
		if (item->type_ids != NULL)
			memcpy(member->type_ids + batch.n_tokens, item->type_ids, bytes);
		else
			memset(member->type_ids + batch.n_tokens, 0, bytes);
		member->offsets[batch.n_seqs++] = batch.n_tokens;
		batch.n_tokens += item->n_tokens;
		batch.pooler |= item->pooling == POOLING_POOLER;
	}
	member->offsets[batch.n_seqs] = batch.n_tokens;
	return batch;
}

/* What becomes of a group's sequences: each item is one. */
typedef struct PoolStep
{
	const Plan	 *plan;
	int			  group;
	const Batch	 *batch;
	const Output *output;
} PoolStep;

static void
pool_item(void *argument, int sequence, int rank)
{
	const PoolStep *step = argument;
	const Plan	   *plan = step->plan;
	const RunItem  *item = &plan->items[plan->order[plan->groups[step->group] + sequence]];

	(void) rank;
	embed_pool(plan->model, step->batch, step->output, sequence, item->pooling, item->dimensions,
			   item->normalize, item->out);
}

/* One group by one crew; false when cancelled. */
static bool
run_group(const Plan *plan, int group, Member *member, const Crew *crew)
{
	Batch	 batch = gather(plan, group, member);
	Output	 output;
	PoolStep step = {.plan = plan, .group = group, .batch = &batch, .output = &output};

	if (!model_forward(plan->model, &batch, &member->workspace, crew, &output))
		return false;
	crew_each(crew, batch.n_seqs, pool_item, &step);
	return true;
}

/* A member's work: one group after the other, as long as there are. */
static void
member_item(void *argument, int item, int rank)
{
	Runner *runner = argument;
	Plan   *plan = &runner->plan;
	int		group;

	(void) item;
	while ((group = atomic_fetch_add(&plan->next, 1)) < plan->n_groups)
		if (!run_group(plan, group, &runner->members[rank], &plan->alone))
		{
			atomic_store(&plan->cancelled, true);
			return;
		}
}

bool
runner_embed(Runner *runner, const Model *model, const RunItem *items, int n_items,
			 atomic_bool *cancel, Error *error)
{
	Plan *plan = &runner->plan;
	Crew  crew = crew_of_team(runner->team, cancel);
	long  tokens = 0;
	bool  apart, done = true;
	int	  longest;

	if (n_items < 1)
		return true;
	longest = check_items(model, items, n_items, error);
	if (longest == 0 || !reserve(runner, model, longest, error) ||
		!plan_reserve(plan, n_items, error))
		return false;
	plan->model = model;
	plan->items = items;
	plan->n_items = n_items;
	for (int i = 0; i < n_items; i++)
		tokens += items[i].n_tokens;
	plan_order(plan);
	plan_groups(plan, tokens, crew.size);
	apart = crew.size > 1 && better_apart(runner, tokens);
	if (crew.size > 1 && !apart)
		plan_groups(plan, tokens, 1);
	if (apart)
	{
		plan->alone = crew_alone(cancel);
		atomic_store(&plan->next, 0);
		atomic_store(&plan->cancelled, false);
		crew_each(&crew, crew.size, member_item, runner);
		done = !atomic_load(&plan->cancelled);
	}
	else
		for (int group = 0; group < plan->n_groups && done; group++)
			done = run_group(plan, group, &runner->members[0], &crew);
	return done || error_set(error, ERR_CANCELLED, "the computation was cancelled");
}
