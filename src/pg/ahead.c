/*
 * ahead.c: a table of items that are computed ahead.
 *
 * Items of one model and kind that are sent together make a group.  A group lives in a memory context of its
 * own as long as some batch of rows refers to it; the context's callback takes its items out of the table, so
 * that an aborted query leaves nothing behind.  A generation is a request by itself, and lives in the same way.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "pg/ahead.h"
#include "pg/attempt.h"

#define BUCKETS 16384 /* a power of 2 */
#define GROUP_TOKENS 16384
#define MOST_CALL_ITEMS 64	/* a call with more is a batch by itself */
#define MOST_GENERATIONS 32 /* of a batch */

typedef struct Group
{
	dlist_node			  node; /* in groups */
	MemoryContext		  context, parent;
	MemoryContextCallback callback;
	dlist_head			  entries;
	Work				  work;
	AheadStats			 *stats;
	int64				  counted_ns; /* of engines, in stats */
	int					  users;	  /* batches that refer to it */
	bool				  sent, done, failed;
	bool				  used; /* a call had its last item from it */
} Group;

/* An item in the table; in its group's context. */
typedef struct Entry
{
	dlist_node node;	   /* in its bucket */
	dlist_node group_node; /* in its group */
	uint32	   hash;
	Group	  *group;
	int		   item;
} Entry;

/* A generation under way, or over. */
typedef struct Generated
{
	dlist_node			  node; /* in generations */
	MemoryContext		  context, parent;
	MemoryContextCallback callback;
	ModelHandle			 *handle;
	GenerationPayload	 *payload; /* a copy of its own */
	Request				 *request; /* NULL: none */
	AheadStats			 *stats;
	int64				  counted_ns; /* of engines, in stats */
	int					  users;	  /* batches that refer to it */
	bool				  done, failed, used;
} Generated;

struct AheadBatch
{
	MemoryContext parent, context;
	AheadStats	 *stats;
	List		 *groups; /* that it refers to */
	List		 *generations;
};

/* A function that is run for its work. */
typedef struct Collecting
{
	AheadBatch *batch;
	bool		taken;
} Collecting;

static dlist_head  buckets[BUCKETS];
static int		   n_entries;
static dlist_head  groups = DLIST_STATIC_INIT(groups);
static dlist_head  generations = DLIST_STATIC_INIT(generations);
static Collecting *collecting; /* NULL: functions run in earnest */

/* ---- items ---- */

static uint32
hash_ids(uint32 hash, const int32 *ids, int n)
{
	if (ids == NULL || n == 0)
		return hash;
	return hash_combine(hash, hash_bytes((const unsigned char *) ids, n * sizeof(int32)));
}

/* Numbers that item i has listed: none when a target count is all that is wanted. */
static int
listed_targets(const Work *work, int i)
{
	return work->counts.result == RUN_TOP ? 0 : work->items[i].n_targets;
}

static uint32
hash_item(const Work *work, int i)
{
	const TextsItem *item = &work->items[i];
	uint32			 hash = hash_bytes(work->handle->digest, sizeof(uint64));

	hash = hash_combine(hash, (uint32) work->counts.result * 1000003 + item->n_targets);
	hash = hash_ids(hash, work->ids + item->token, item->n_tokens);
	hash = hash_ids(hash, work->rows + item->row, item->n_rows);
	return hash_ids(hash, work->targets + item->target, listed_targets(work, i));
}

static bool
same_ids(const int32 *a, const int32 *b, int n)
{
	return n == 0 || memcmp(a, b, n * sizeof(int32)) == 0;
}

/* Whether items of two works are the same computation. */
static bool
same_kind(const Work *a, const Work *b)
{
	return a->handle == b->handle && a->counts.result == b->counts.result &&
		   a->counts.pooling == b->counts.pooling && a->counts.dimensions == b->counts.dimensions &&
		   a->counts.normalize == b->counts.normalize;
}

static bool
same_item(const Work *a, int i, const Work *b, int j)
{
	const TextsItem *left = &a->items[i], *right = &b->items[j];

	if (!same_kind(a, b) || left->n_tokens != right->n_tokens ||
		left->n_padding != right->n_padding || left->n_rows != right->n_rows ||
		left->n_targets != right->n_targets || a->counts.has_shapes != b->counts.has_shapes)
		return false;
	if (a->counts.has_shapes &&
		(!same_ids(a->shape_ids + left->token, b->shape_ids + right->token, left->n_tokens) ||
		 !same_ids(a->pronunciation_ids + left->token, b->pronunciation_ids + right->token,
				   left->n_tokens)))
		return false;
	return same_ids(a->ids + left->token, b->ids + right->token, left->n_tokens) &&
		   same_ids(a->type_ids + left->token, b->type_ids + right->token, left->n_tokens) &&
		   same_ids(a->rows + left->row, b->rows + right->row, left->n_rows) &&
		   same_ids(a->targets + left->target, b->targets + right->target, listed_targets(a, i));
}

/* An item that is the same, of a group of this query or, with parent NULL, of any; NULL: none is. */
static Entry *
find_item(const Work *work, int i, MemoryContext parent)
{
	uint32	   hash;
	dlist_iter iter;

	if (n_entries == 0)
		return NULL;
	hash = hash_item(work, i);
	dlist_foreach(iter, &buckets[hash & (BUCKETS - 1)])
	{
		Entry *entry = dlist_container(Entry, node, iter.cur);

		if (entry->hash == hash && !entry->group->failed &&
			(parent == NULL || entry->group->parent == parent) &&
			same_item(work, i, &entry->group->work, entry->item))
			return entry;
	}
	return NULL;
}

/* ---- groups ---- */

/* The group's context goes. */
static void
forget_group(void *argument)
{
	Group	  *group = argument;
	dlist_iter iter;

	dlist_foreach(iter, &group->entries)
	{
		dlist_delete(&dlist_container(Entry, group_node, iter.cur)->node);
		n_entries--;
	}
	dlist_delete(&group->node);
}

static void
refer_to(AheadBatch *batch, Group *group)
{
	MemoryContext old;

	if (list_member_ptr(batch->groups, group))
		return;
	old = MemoryContextSwitchTo(batch->context);
	batch->groups = lappend(batch->groups, group);
	MemoryContextSwitchTo(old);
	group->users++;
}

static Group *
new_group(AheadBatch *batch, const Work *like)
{
	MemoryContext context =
		AllocSetContextCreate(batch->parent, "pg_infer group", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Group		 *group = palloc0(sizeof(Group));
	WorkKind	  kind = {.result = (RunResult) like->counts.result,
						  .pooling = (Pooling) like->counts.pooling,
						  .dimensions = like->counts.dimensions,
						  .normalize = like->counts.normalize};

	group->context = context;
	group->parent = batch->parent;
	group->stats = batch->stats;
	dlist_init(&group->entries);
	work_init(&group->work, like->handle, &kind);
	MemoryContextSwitchTo(old);
	dlist_push_tail(&groups, &group->node);
	group->callback = (MemoryContextCallback){.func = forget_group, .arg = group};
	MemoryContextRegisterResetCallback(context, &group->callback);
	refer_to(batch, group);
	return group;
}

/* The batch's group for one more item: the last that has room, for those before are full mostly. */
static Group *
group_for(AheadBatch *batch, const Work *work, int i)
{
	for (int g = list_length(batch->groups) - 1; g >= 0; g--)
	{
		Group *group = list_nth(batch->groups, g);

		if (!group->sent && !group->done && !group->failed && group->parent == batch->parent &&
			same_kind(&group->work, work) &&
			group->work.counts.n_tokens + work->items[i].n_tokens <= GROUP_TOKENS &&
			work_size(&group->work) + work_size(work) <= request_payload_share())
			return group;
	}
	return new_group(batch, work);
}

static void
count_sent(Group *group)
{
	group->stats->batches++;
	group->stats->items += group->work.counts.n_items;
	group->stats->tokens += group->work.counts.n_tokens;
}

static void
count_engine(AheadStats *stats, int64 *counted_ns, int64 ns)
{
	stats->engine_ns += ns - *counted_ns;
	*counted_ns = ns;
}

/* Makes the last item of a group's work findable. */
static void
remember_last(Group *group)
{
	Entry *entry = MemoryContextAlloc(group->context, sizeof(Entry));

	entry->group = group;
	entry->item = group->work.counts.n_items - 1;
	entry->hash = hash_item(&group->work, entry->item);
	dlist_push_head(&buckets[entry->hash & (BUCKETS - 1)], &entry->node);
	dlist_push_head(&group->entries, &entry->group_node);
	n_entries++;
}

/* ---- generations ---- */

static void
forget_generation(void *argument)
{
	dlist_delete(&((Generated *) argument)->node);
}

static Generated *
find_generation(ModelHandle *handle, const GenerationPayload *inputs, MemoryContext parent)
{
	dlist_iter iter;

	dlist_foreach(iter, &generations)
	{
		Generated *generated = dlist_container(Generated, node, iter.cur);

		if (generated->handle == handle && !generated->failed &&
			(parent == NULL || generated->parent == parent) &&
			generation_inputs_equal(generated->payload, inputs))
			return generated;
	}
	return NULL;
}

static Generated *
new_generation(AheadBatch *batch, ModelHandle *handle, const GenerationPayload *inputs)
{
	MemoryContext context =
		AllocSetContextCreate(batch->parent, "pg_infer generation", ALLOCSET_SMALL_SIZES);
	Generated *generated = MemoryContextAllocZero(context, sizeof(Generated));

	generated->context = context;
	generated->parent = batch->parent;
	generated->handle = handle;
	generated->stats = batch->stats;
	generated->payload = MemoryContextAlloc(context, generation_payload_size(inputs));
	generation_payload_fill(generated->payload, inputs);
	dlist_push_tail(&generations, &generated->node);
	generated->callback = (MemoryContextCallback){.func = forget_generation, .arg = generated};
	MemoryContextRegisterResetCallback(context, &generated->callback);
	return generated;
}

/* As long as there is a request: of what is over, all is counted. */
static void
count_generation(Generated *generated)
{
	if (generated->request != NULL)
		count_engine(generated->stats, &generated->counted_ns,
					 request_engine_ns(generated->request));
}

static void
end_generation(Generated *generated)
{
	count_generation(generated);
	if (generated->request != NULL)
		request_end(generated->request);
	generated->request = NULL;
}

/* Waits for a generation and copies it out of shared memory. */
static void
collect_generation(void *argument)
{
	Generated *generated = argument;
	Error	   error;

	generated->failed = !request_outcome(generated->request, &error);
	if (!generated->failed)
		generation_copy_outputs(generated->payload, request_payload(generated->request));
	generated->done = !generated->failed;
	end_generation(generated);
}

static void
send_generation(Generated *generated)
{
	Request *request;

	if (generated->request != NULL || generated->done || generated->failed)
		return;
	request = request_try_begin(generated->handle, REQUEST_GENERATE,
								generation_payload_size(generated->payload));
	if (request == NULL)
		return;
	generation_payload_fill(request_payload(request), generated->payload);
	generated->request = request;
	request_submit(request);
	request_on_settle(request, collect_generation, generated);
	generated->stats->batches++;
	generated->stats->items++;
	generated->stats->tokens += generated->payload->n_prompt;
}

static void
drop_generation(Generated *generated)
{
	if (--generated->users > 0)
		return;
	end_generation(generated);
	MemoryContextDelete(generated->context);
}

static void
count_wait(AheadStats *stats, instr_time start)
{
	instr_time end;

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	stats->wait_us += INSTR_TIME_GET_MICROSEC(end);
}

static bool
finish_generation(Generated *generated)
{
	instr_time start;

	INSTR_TIME_SET_CURRENT(start);
	if (generated->request != NULL)
		collect_generation(generated);
	count_wait(generated->stats, start);
	return generated->done;
}

/* ---- batches ---- */

AheadBatch *
ahead_create(MemoryContext parent, AheadStats *stats)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_infer batch", ALLOCSET_SMALL_SIZES);
	AheadBatch	 *batch = MemoryContextAllocZero(context, sizeof(AheadBatch));

	batch->parent = parent;
	batch->context = context;
	batch->stats = stats;
	return batch;
}

void
ahead_drop(AheadBatch *batch)
{
	ListCell *cell;

	foreach(cell, batch->groups)
	{
		Group *group = lfirst(cell);

		if (--group->users > 0)
			continue;
		count_engine(group->stats, &group->counted_ns, work_engine_ns(&group->work));
		work_cancel(&group->work);
		MemoryContextDelete(group->context);
	}
	foreach(cell, batch->generations) drop_generation(lfirst(cell));
	MemoryContextDelete(batch->context);
}

void
ahead_count(AheadBatch *batch)
{
	ListCell *cell;

	foreach(cell, batch->groups)
	{
		Group *group = lfirst(cell);

		count_engine(group->stats, &group->counted_ns, work_engine_ns(&group->work));
	}
	foreach(cell, batch->generations) count_generation(lfirst(cell));
}

bool
ahead_was_used(const AheadBatch *batch)
{
	ListCell *cell;

	foreach(cell, batch->groups) if (((Group *) lfirst(cell))->used) return true;
	foreach(cell, batch->generations) if (((Generated *) lfirst(cell))->used) return true;
	return batch->groups == NIL && batch->generations == NIL;
}

void
ahead_send(AheadBatch *batch)
{
	ListCell *cell;

	foreach(cell, batch->groups)
	{
		Group *group = lfirst(cell);

		if (group->sent || group->done || !work_try_submit(&group->work))
			continue;
		group->sent = true;
		count_sent(group);
	}
	foreach(cell, batch->generations) send_generation(lfirst(cell));
}

/* ---- collecting ---- */

static void
take_item(AheadBatch *batch, const Work *work, int i)
{
	Entry *entry = find_item(work, i, batch->parent);
	Group *group;

	if (entry != NULL)
	{
		refer_to(batch, entry->group);
		batch->stats->shared++;
		return;
	}
	group = group_for(batch, work, i);
	work_add_item(&group->work, work, i);
	remember_last(group);
}

void
ahead_take(const Work *work)
{
	Collecting *taker = collecting;
	AheadBatch *batch;

	if (taker == NULL)
		return;
	batch = taker->batch;
	taker->taken = true;
	if (work->counts.n_items <= MOST_CALL_ITEMS && work_size(work) <= request_payload_share())
		for (int i = 0; i < work->counts.n_items; i++)
			take_item(batch, work, i);
	PG_RE_THROW();
}

void
ahead_take_generation(ModelHandle *handle, const GenerationPayload *inputs)
{
	Collecting *taker = collecting;
	Generated  *generated;
	AheadBatch *batch;

	if (taker == NULL)
		return;
	batch = taker->batch;
	taker->taken = true;
	generated = find_generation(handle, inputs, batch->parent);
	if (generated != NULL)
		batch->stats->shared++;
	else if (list_length(batch->generations) < MOST_GENERATIONS)
		generated = new_generation(batch, handle, inputs);
	if (generated != NULL && !list_member_ptr(batch->generations, generated))
	{
		MemoryContext old = MemoryContextSwitchTo(batch->context);

		batch->generations = lappend(batch->generations, generated);
		MemoryContextSwitchTo(old);
		generated->users++;
	}
	PG_RE_THROW();
}

void
ahead_collect(AheadBatch *batch, FunctionCallInfo fcinfo)
{
	Collecting	  taker = {.batch = batch}, *outer = collecting;
	MemoryContext context = CurrentMemoryContext;
	volatile bool failed = false;

	PG_TRY();
	{
		collecting = &taker;
		(void) FunctionCallInvoke(fcinfo);
		collecting = outer;
	}
	PG_CATCH();
	{
		collecting = outer;
		failed = !taker.taken;
		MemoryContextSwitchTo(context);
		if (failed)
		{
			ErrorData *error = CopyErrorData();

			/* a function holds nothing that an abort would have to release before it has its work */
			if (!error_may_wait(error->sqlerrcode))
				PG_RE_THROW();
			FlushErrorState();
		}
	}
	PG_END_TRY();
}

/* ---- giving ---- */

/* Waits for a group's results; false: it has none. */
static bool
finish_group(Group *group)
{
	Error	   error;
	instr_time start, end;

	if (!group->done && !group->failed)
	{
		INSTR_TIME_SET_CURRENT(start);
		if (!group->sent)
			count_sent(group);
		group->failed =
			!(group->sent ? work_settle(&group->work, &error) : work_compute(&group->work, &error));
		count_engine(group->stats, &group->counted_ns, work_engine_ns(&group->work));
		group->done = !group->failed;
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, start);
		group->stats->wait_us += INSTR_TIME_GET_MICROSEC(end);
	}
	return group->done;
}

bool
ahead_give(Work *work)
{
	if (n_entries == 0 || work->counts.n_items == 0)
		return false;
	for (int i = 0; i < work->counts.n_items; i++)
	{
		Entry *entry = find_item(work, i, NULL);

		if (entry == NULL || !finish_group(entry->group))
			return false;
		if (i == work->counts.n_items - 1)
			entry->group->used = true;
		work_set_result(work, i, &entry->group->work, entry->item);
	}
	return true;
}

bool
ahead_give_generation(ModelHandle *handle, GenerationPayload *payload)
{
	Generated *generated = find_generation(handle, payload, NULL);

	if (generated == NULL || !finish_generation(generated))
		return false;
	generated->used = true;
	generation_copy_outputs(payload, generated->payload);
	return true;
}

void
ahead_settle(MemoryContext parent)
{
	dlist_iter iter;

	dlist_foreach(iter, &generations)
	{
		Generated *generated = dlist_container(Generated, node, iter.cur);

		if (generated->parent == parent)
			(void) finish_generation(generated);
	}
	dlist_foreach(iter, &groups)
	{
		Group *group = dlist_container(Group, node, iter.cur);

		if (group->parent == parent && group->sent)
			(void) finish_group(group);
	}
}
