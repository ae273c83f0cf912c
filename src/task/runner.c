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

#include "task/probabilities.h"

#define GROUP_TOKENS 512	 /* of a group, which reads all weights once */
#define GROUP_TOKENS_MIN 32	 /* with fewer, reading them takes longer than computing */
#define TOGETHER_PERCENT 105 /* a team's time for a group, a lone member's being 100 / size */
#define RESERVE_TOKENS 4096	 /* longer sequences get their memory when they come */
#define LENGTH_CLASSES 32
#define ORDER_CLASSES (3 * LENGTH_CLASSES)
#define LOGITS (1 << 22)  /* that a member keeps at a time, but */
#define LOGIT_ROWS_MIN 16 /* at least so many rows, which read the head's weights once */
#define WORKSPACE_ALIGN 64

typedef struct Member
{
	Workspace workspace;
	int		  max_tokens; /* that the workspace and the arrays have room for */
	long	  load;		  /* tokens, while planning */

	/* of the group under way; (max_tokens) each, offsets one more */
	int32_t *offsets, *ids, *type_ids, *shape_ids, *pronunciation_ids;
	int32_t *logit_tokens; /* which rows of a head on tokens are wanted, */
	int32_t *row_items;	   /* which of the group's items wants each row of logits, */
	int32_t *row_indices;  /* and which of the item's rows it is */
	float	*mask;

	float *logits; /* (logit_rows, head_outputs) */
	size_t logits_room;
} Member;

typedef struct Plan
{
	const Model	  *model;
	const RunItem *items;
	int			  *order;  /* (n_items) indices of items */
	int			  *groups; /* (n_groups + 1) where each begins in order */
	int			   n_items, n_groups, capacity;
	int			   logit_rows; /* kept at a time */
	size_t		   outputs;	   /* of the head */
	bool		   by_token;   /* the head is */
	Crew		   alone;	   /* of a member that computes a group by itself */
	atomic_int	   next;	   /* the first group that no member has taken */
	atomic_bool	   cancelled;
} Plan;

struct Runner
{
	Team			 *team;
	Plan			  plan, beside;
	const RunControl *control;
	Crew			  between;	 /* who computes between two groups */
	Member			  members[]; /* team_size() */
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
	free(member->offsets);
	free(member->logits);
	*member = (Member){0};
}

static void
plan_free(Plan *plan)
{
	free(plan->order);
	free(plan->groups);
}

void
runner_free(Runner *runner)
{
	if (runner == NULL)
		return;
	for (int i = 0; i < team_size(runner->team); i++)
		member_free(&runner->members[i]);
	plan_free(&runner->plan);
	plan_free(&runner->beside);
	free(runner);
}

static bool
member_arrays(Member *member, size_t tokens)
{
	/* one piece of memory: the arrays lie one behind the other */
	int32_t **arrays[] = {
		&member->ids,		   &member->type_ids,  &member->shape_ids,	&member->pronunciation_ids,
		&member->logit_tokens, &member->row_items, &member->row_indices};
	size_t	 n = sizeof arrays / sizeof *arrays;
	int32_t *next = malloc((tokens + 1) * sizeof(int32_t) + tokens * n * sizeof(int32_t) +
						   tokens * sizeof(float));

	member->offsets = next;
	if (next == NULL)
		return false;
	next += tokens + 1;
	for (size_t i = 0; i < n; i++, next += tokens)
		*arrays[i] = next;
	member->mask = (float *) next;
	return true;
}

/* Room for groups of so many tokens and a workspace of at least so many bytes. */
static bool
member_reserve(Member *member, const Model *model, int max_tokens, size_t least, int threads,
			   Error *error)
{
	static float any;
	Batch		 largest = {.n_tokens = max_tokens,
							.n_seqs = max_tokens,
							.logits = model->head != HEAD_BASE ? &any : NULL};
	size_t		 size = model->family->workspace(model, &largest, threads);
	size_t		 tokens = (size_t) max_tokens;

	if (size < least)
		size = least;
	if (size <= member->workspace.size && max_tokens <= member->max_tokens)
		return true;
	if (size < member->workspace.size)
		size = member->workspace.size;
	if (max_tokens < member->max_tokens)
		tokens = (size_t) member->max_tokens;
	member_free(member);
	size = (size + WORKSPACE_ALIGN - 1) / WORKSPACE_ALIGN * WORKSPACE_ALIGN;
	member->workspace.base = aligned_alloc(WORKSPACE_ALIGN, size);
	if (member->workspace.base == NULL || !member_arrays(member, tokens))
	{
		member_free(member);
		return error_set(error, ERR_MEMORY, "out of memory for a workspace of %zu bytes", size);
	}
	member->workspace.size = size;
	member->max_tokens = (int) tokens;
	return true;
}

static bool
member_reserve_logits(Member *member, const Plan *plan, Error *error)
{
	size_t room = (size_t) plan->logit_rows * plan->outputs;

	if (room <= member->logits_room)
		return true;
	free(member->logits);
	member->logits_room = 0;
	member->logits = malloc(room * sizeof(float));
	if (member->logits == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d rows of %zu logits",
						 plan->logit_rows, plan->outputs);
	member->logits_room = room;
	return true;
}

/* Tokens that a member's arrays have room for, with sequences of up to this many. */
static int
most_tokens(int longest)
{
	return longest > GROUP_TOKENS ? longest : GROUP_TOKENS;
}

bool
runner_reserve(Runner *runner, const Model *model, Error *error)
{
	int longest = model->max_tokens < RESERVE_TOKENS ? model->max_tokens : RESERVE_TOKENS;
	int size = team_size(runner->team);

	for (int i = 0; i < size; i++)
		if (!member_reserve(&runner->members[i], model, most_tokens(longest), 0, i == 0 ? size : 1,
							error))
			return false;
	return true;
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

/* ---- items ---- */

/* Rows of logits that an item wants. */
static int
item_rows(const Model *model, const RunItem *item)
{
	if (item->result == RUN_VECTOR)
		return 0;
	if (!head_is_by_token(model->head))
		return 1;
	return item->n_rows > 0 ? item->n_rows : item->n_tokens;
}

/* Numbers for each row. */
static size_t
row_results(const Model *model, const RunItem *item)
{
	switch (item->result)
	{
		case RUN_LOGITS:
			return (size_t) head_outputs(model);
		case RUN_TARGETS:
			return 1;
		case RUN_PROBABILITIES:
			return (size_t) item->n_targets;
		case RUN_TOP:
			return 2 * (size_t) item->n_targets;
		default:
			return 0;
	}
}

size_t
run_item_results(const Model *model, const RunItem *item)
{
	if (item->result == RUN_VECTOR)
		return (size_t) item->dimensions;
	return (size_t) item_rows(model, item) * row_results(model, item);
}

static bool
check_vector(const Model *model, const RunItem *item, Error *error)
{
	if (item->dimensions < 1 || item->dimensions > model->hidden_size)
		return error_set(error, ERR_ARGUMENT, "%d dimensions are not between 1 and %d",
						 item->dimensions, model->hidden_size);
	if (item->pooling < POOLING_MEAN || item->pooling > POOLING_POOLER)
		return error_set(error, ERR_ARGUMENT, "there is no pooling of number %d",
						 (int) item->pooling);
	if (item->pooling == POOLING_POOLER && !model->has_pooler)
		return error_set(error, ERR_UNSUPPORTED,
						 "pooling \"%s\" is not supported by a model without pooler",
						 pooling_name(item->pooling));
	return item->n_padding == 0 ||
		   error_set(error, ERR_ARGUMENT, "a vector of %d padding tokens is not possible",
					 item->n_padding);
}

static bool
check_indices(const char *what, const int32_t *values, int n, int bound, Error *error)
{
	for (int i = 0; i < n; i++)
		if (values[i] < 0 || values[i] >= bound)
			return error_set(error, ERR_ARGUMENT, "%s %d is not between 0 and %d", what, values[i],
							 bound - 1);
	return true;
}

static bool
check_head(const Model *model, const RunItem *item, Error *error)
{
	int outputs = head_outputs(model), n = item->n_targets, rows = item_rows(model, item);

	if (outputs == 0)
		return error_set(error, ERR_UNSUPPORTED, "%s has no head", model->architecture);
	if (item->n_rows < 0 || item->n_rows > item->n_tokens)
		return error_set(error, ERR_ARGUMENT, "%d rows of %d tokens are not possible", item->n_rows,
						 item->n_tokens);
	if (!check_indices("row", item->rows, item->n_rows, item->n_tokens, error))
		return false;
	if (item->result == RUN_TARGETS && n != rows)
		return error_set(error, ERR_ARGUMENT, "%d targets are not those of %d rows", n, rows);
	if (item->result == RUN_TOP)
		return (n >= 1 && n <= outputs) ||
			   error_set(error, ERR_ARGUMENT, "the first %d of %d are not possible", n, outputs);
	return item->result == RUN_LOGITS || check_indices("target", item->targets, n, outputs, error);
}

/* What an item wants; its ids are left to model_check. */
static bool
check_wishes(const Model *model, const RunItem *item, Error *error)
{
	if (item->n_padding < 0 || item->n_padding >= item->n_tokens)
		return error_set(error, ERR_ARGUMENT, "%d of %d tokens can't be padding", item->n_padding,
						 item->n_tokens);
	if ((item->shape_ids != NULL || item->pronunciation_ids != NULL) &&
		model->shape_vocab_size == 0)
		return error_set(error, ERR_ARGUMENT,
						 "a model of type \"%s\" takes no shape and pronunciation ids",
						 model->family->model_type);
	if (item->result == RUN_VECTOR)
		return check_vector(model, item, error);
	return check_head(model, item, error);
}

/* Some families have no types; their tokenizers give zeros all the same. */
static bool
takes_types(const Model *model)
{
	return model->type_vocab_size > 0;
}

bool
run_item_check(const Model *model, const RunItem *item, Error *error)
{
	int32_t offsets[2] = {0, item->n_tokens};
	Batch	batch = {.n_seqs = 1,
					 .n_tokens = item->n_tokens,
					 .offsets = offsets,
					 .input_ids = item->ids,
					 .token_type_ids = takes_types(model) ? item->type_ids : NULL,
					 .shape_ids = item->shape_ids,
					 .pronunciation_ids = item->pronunciation_ids};

	return check_wishes(model, item, error) && model_check(model, &batch, error);
}

/* Checks all items; the length of the longest, or 0. */
static int
check_items(const Model *model, const RunItem *items, int n_items, Error *error)
{
	int longest = 0;

	for (int i = 0; i < n_items; i++)
	{
		if (!run_item_check(model, &items[i], error))
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

/* ---- planning ---- */

/* What is urgent comes first, what has padding last; among their like long sequences first, so that the
 * last groups can be small ones. */
static int
order_class(const RunItem *item)
{
	int kind = item->urgent ? 0 : item->n_padding > 0 ? 2 : 1;

	return kind * LENGTH_CLASSES + __builtin_clz((unsigned) item->n_tokens);
}

/* Else the items' order. */
static void
plan_order(Plan *plan)
{
	int begin[ORDER_CLASSES] = {0}, at = 0;

	for (int i = 0; i < plan->n_items; i++)
		begin[order_class(&plan->items[i])]++;
	for (int class = 0; class < ORDER_CLASSES; class ++)
	{
		int count = begin[class];

		begin[class] = at;
		at += count;
	}
	for (int i = 0; i < plan->n_items; i++)
		plan->order[begin[order_class(&plan->items[i])]++] = i;
}

static const RunItem *
item_at(const Plan *plan, int place)
{
	return &plan->items[plan->order[place]];
}

/* Whether an item may be in the group of the one before it.  A batch with a mask has sequences of one
 * length; what a text does not have, none of a batch has. */
static bool
may_join(const RunItem *previous, const RunItem *item)
{
	bool padded = previous->n_padding > 0;

	return previous->urgent == item->urgent && padded == (item->n_padding > 0) &&
		   (!padded || previous->n_tokens == item->n_tokens) &&
		   (previous->shape_ids == NULL) == (item->shape_ids == NULL) &&
		   (previous->pronunciation_ids == NULL) == (item->pronunciation_ids == NULL);
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
			group += item_at(plan, at++)->n_tokens;
		while (at < plan->n_items && may_join(item_at(plan, at - 1), item_at(plan, at)) &&
			   group + item_at(plan, at)->n_tokens <= target);
		left -= group;
	}
	plan->groups[plan->n_groups] = at;
}

static long
group_tokens(const Plan *plan, int group)
{
	long tokens = 0;

	for (int i = plan->groups[group]; i < plan->groups[group + 1]; i++)
		tokens += item_at(plan, i)->n_tokens;
	return tokens;
}

/* The largest workspace that a group with padding needs. */
static size_t
padded_workspace(const Plan *plan, int threads)
{
	static float any;
	size_t		 most = 0;

	for (int group = 0; group < plan->n_groups; group++)
	{
		const RunItem *first = item_at(plan, plan->groups[group]);
		Batch		   batch = {.n_seqs = plan->groups[group + 1] - plan->groups[group],
								.n_tokens = (int) group_tokens(plan, group),
								.attention_mask = &any,
								.mask_rows = 1,
								.max_keys = first->n_tokens,
								.logits = &any};
		size_t		   size;

		if (first->n_padding == 0)
			continue;
		size = plan->model->family->workspace(plan->model, &batch, threads);
		most = size > most ? size : most;
	}
	return most;
}

/* Plans a run of items for so many members; the tokens, or 0 with an error. */
static long
plan_run(Plan *plan, const Model *model, const RunItem *items, int n_items, int members,
		 int *longest, Error *error)
{
	long tokens = 0;

	*longest = check_items(model, items, n_items, error);
	if (*longest == 0 || !plan_reserve(plan, n_items, error))
		return 0;
	plan->model = model;
	plan->items = items;
	plan->n_items = n_items;
	plan->outputs = (size_t) head_outputs(model);
	plan->by_token = head_is_by_token(model->head);
	plan->logit_rows = 0;
	for (int i = 0; i < n_items; i++)
	{
		tokens += items[i].n_tokens;
		if (items[i].result != RUN_VECTOR)
			plan->logit_rows = LOGITS / head_outputs(model);
	}
	if (plan->logit_rows > 0 && plan->logit_rows < LOGIT_ROWS_MIN)
		plan->logit_rows = LOGIT_ROWS_MIN;
	if (plan->logit_rows > most_tokens(*longest))
		plan->logit_rows = most_tokens(*longest);
	plan_order(plan);
	plan_groups(plan, tokens, members);
	return tokens;
}

/* What a member needs for any of a plan's groups. */
static bool
reserve(Member *member, const Plan *plan, int longest, int threads, Error *error)
{
	return member_reserve(member, plan->model, most_tokens(longest),
						  padded_workspace(plan, threads), threads, error) &&
		   member_reserve_logits(member, plan, error);
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
		least->load += group_tokens(plan, group);
		if (least->load > most)
			most = least->load;
	}
	return most * members * 100 <= tokens * TOGETHER_PERCENT;
}

/* ---- computing ---- */

/* One of an item's arrays behind what a member has; zeros where the item has none. */
static void
append(int32_t *array, int at, const int32_t *values, int n)
{
	if (values != NULL)
		memcpy(array + at, values, (size_t) n * sizeof(int32_t));
	else
		memset(array + at, 0, (size_t) n * sizeof(int32_t));
}

/* The same for those that no item of the group may have. */
static const int32_t *
append_optional(int32_t *array, int at, const int32_t *values, int n)
{
	if (values == NULL)
		return NULL;
	append(array, at, values, n);
	return array;
}

/* Notes which rows of logits an item of the group wants. */
static void
append_rows(const Plan *plan, Member *member, const RunItem *item, int sequence, int first_token,
			Batch *batch)
{
	int rows = item_rows(plan->model, item);

	if (!plan->by_token)
	{
		/* a row for each sequence, wanted or not */
		member->row_items[sequence] = sequence;
		member->row_indices[sequence] = 0;
		batch->logits = rows > 0 ? member->logits : batch->logits;
		return;
	}
	for (int i = 0; i < rows; i++)
	{
		int at = batch->n_logit_tokens++;

		member->logit_tokens[at] = first_token + (item->n_rows > 0 ? item->rows[i] : i);
		member->row_items[at] = sequence;
		member->row_indices[at] = i;
		batch->logits = member->logits;
	}
}

/* Lays a group's sequences end to end in a member's arrays. */
static Batch
gather(const Plan *plan, int group, Member *member)
{
	Batch batch = {.offsets = member->offsets,
				   .input_ids = member->ids,
				   .token_type_ids = takes_types(plan->model) ? member->type_ids : NULL,
				   .logit_tokens = member->logit_tokens};

	for (int i = plan->groups[group]; i < plan->groups[group + 1]; i++)
	{
		const RunItem *item = item_at(plan, i);
		int			   n = item->n_tokens, at = batch.n_tokens;

		append(member->ids, at, item->ids, n);
		append(member->type_ids, at, item->type_ids, n);
		batch.shape_ids = append_optional(member->shape_ids, at, item->shape_ids, n);
		batch.pronunciation_ids =
			append_optional(member->pronunciation_ids, at, item->pronunciation_ids, n);
		if (item->n_padding > 0)
		{
			for (int token = 0; token < n; token++)
				member->mask[at + token] = token < n - item->n_padding ? 1.0f : 0.0f;
			batch.attention_mask = member->mask;
			batch.mask_rows = 1;
			batch.max_keys = n;
		}
		append_rows(plan, member, item, batch.n_seqs, at, &batch);
		member->offsets[batch.n_seqs++] = at;
		batch.n_tokens += n;
		batch.pooler |= item->result == RUN_VECTOR && item->pooling == POOLING_POOLER;
	}
	member->offsets[batch.n_seqs] = batch.n_tokens;
	return batch;
}

/* A group under way, and what becomes of its sequences and rows of logits. */
typedef struct GroupStep
{
	LogitsTaker	  taker; /* the first: head.c gives its address back */
	const Plan	 *plan;
	int			  group;
	Member		 *member;
	const Batch	 *batch;
	const Output *output;
	int			  first_row; /* of those that are there */
} GroupStep;

static const RunItem *
step_item(const GroupStep *step, int sequence)
{
	return item_at(step->plan, step->plan->groups[step->group] + sequence);
}

static void
take_row(void *argument, int row, int rank)
{
	const GroupStep *step = argument;
	const Plan		*plan = step->plan;
	const Kernels	*kernels = plan->model->kernels;
	const RunItem	*item = step_item(step, step->member->row_items[step->first_row + row]);
	int				 index = step->member->row_indices[step->first_row + row];
	int				 n = (int) plan->outputs, n_targets = item->n_targets;
	float			*z = step->member->logits + (size_t) row * plan->outputs;
	float			*out = item->out + (size_t) index * row_results(plan->model, item);

	(void) rank;
	switch (item->result)
	{
		case RUN_LOGITS:
			memcpy(out, z, (size_t) n * sizeof(float));
			break;
		case RUN_TARGETS:
			*out = log_probability(kernels, z, n, item->targets[index]);
			break;
		case RUN_PROBABILITIES:
			kernels->softmax(z, n, 1, n);
			for (int i = 0; i < n_targets; i++)
				out[i] = z[item->targets[i]];
			break;
		case RUN_TOP:
			probabilities_top(kernels, z, n, n_targets, out, (int32_t *) (out + n_targets));
			break;
		default: /* not wanted */
			break;
	}
}

static void
take_logits(LogitsTaker *taker, const Crew *crew, int first, int n)
{
	GroupStep *step = (GroupStep *) taker;

	step->first_row = first;
	crew_each(crew, n, take_row, step);
}

static void
finish_item(void *argument, int sequence, int rank)
{
	const GroupStep *step = argument;
	const RunItem	*item = step_item(step, sequence);

	(void) rank;
	if (item->result == RUN_VECTOR)
		embed_pool(step->plan->model, step->batch, step->output, sequence, item->pooling,
				   item->dimensions, item->normalize, item->out);
	if (item->left != NULL)
		atomic_fetch_sub(item->left, 1);
}

/* One group by one crew; false when cancelled. */
static bool
run_group(const Plan *plan, int group, Member *member, const Crew *crew)
{
	Batch	  batch = gather(plan, group, member);
	Output	  output;
	GroupStep step = {.taker = {.rows_at_once = plan->logit_rows, .take = take_logits},
					  .plan = plan,
					  .group = group,
					  .member = member,
					  .batch = &batch,
					  .output = &output};

	batch.logits_taker = &step.taker;
	if (!model_forward(plan->model, &batch, &member->workspace, crew, &output))
		return false;
	crew_each(crew, batch.n_seqs, finish_item, &step);
	return true;
}

/* On the leader, which has just finished a group. */
static void
between_groups(const Runner *runner)
{
	const RunControl *control = runner->control;

	if (control != NULL && control->between != NULL)
		control->between(control->argument);
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
	{
		if (!run_group(plan, group, &runner->members[rank], &plan->alone))
		{
			atomic_store(&plan->cancelled, true);
			return;
		}
		if (rank == 0)
			between_groups(runner);
	}
}

static bool
cancelled(Error *error)
{
	return error_set(error, ERR_CANCELLED, "the computation was cancelled");
}

/* Each member takes groups by itself. */
static bool
run_apart(Runner *runner, const Crew *crew)
{
	Plan *plan = &runner->plan;

	plan->alone = crew_alone(crew->cancel);
	runner->between = plan->alone;
	atomic_store(&plan->next, 0);
	atomic_store(&plan->cancelled, false);
	crew_each(crew, crew->size, member_item, runner);
	return !atomic_load(&plan->cancelled);
}

/* All members compute one group after the other. */
static bool
run_together(Runner *runner, const Crew *crew)
{
	Plan *plan = &runner->plan;

	runner->between = *crew;
	for (int group = 0; group < plan->n_groups; group++)
	{
		if (!run_group(plan, group, &runner->members[0], crew))
			return false;
		between_groups(runner);
	}
	return true;
}

bool
runner_run(Runner *runner, const Model *model, const RunItem *items, int n_items,
		   const RunControl *control, Error *error)
{
	Plan *plan = &runner->plan;
	Crew  crew = crew_of_team(runner->team, control != NULL ? control->cancel : NULL);
	bool  apart;
	long  tokens;
	int	  longest;

	if (n_items < 1)
		return true;
	tokens = plan_run(plan, model, items, n_items, crew.size, &longest, error);
	if (tokens == 0)
		return false;
	apart = crew.size > 1 && better_apart(runner, tokens);
	if (crew.size > 1 && !apart)
		plan_groups(plan, tokens, 1);
	for (int i = 0; i < (apart ? crew.size : 1); i++)
		if (!reserve(&runner->members[i], plan, longest, i == 0 ? crew.size : 1, error))
			return false;
	runner->control = control;
	return (apart ? run_apart(runner, &crew) : run_together(runner, &crew)) || cancelled(error);
}

bool
runner_run_beside(Runner *runner, const Model *model, const RunItem *items, int n_items,
				  const atomic_bool *cancel, Error *error)
{
	Plan   *plan = &runner->beside;
	Member *member = &runner->members[0];
	Crew	crew = runner->between;
	int		longest;

	crew.cancel = cancel;
	if (plan_run(plan, model, items, n_items, 1, &longest, error) == 0 ||
		!reserve(member, plan, longest, team_size(runner->team), error))
		return false;
	for (int group = 0; group < plan->n_groups; group++)
		if (!run_group(plan, group, member, &crew))
			return cancelled(error);
	return true;
}
