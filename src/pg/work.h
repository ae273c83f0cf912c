/*
 * work.h: sequences of tokens on their way to an engine, and what comes back.
 *
 * A Work collects items of one model that want the same kind of result, sends them, and keeps the results.  It
 * belongs to one backend and lives in the memory context that work_init was called in.
 */
#ifndef PG_WORK_H
#define PG_WORK_H

#include "pg/texts.h"

/* What all items of a work want: the fields of RunItem. */
typedef struct WorkKind
{
	RunResult result;
	Pooling	  pooling; /* RUN_VECTOR */
	int		  dimensions;
	bool	  normalize;
} WorkKind;

typedef struct Work
{
	ModelHandle	 *handle;
	MemoryContext context;
	TextsPayload  counts; /* and the kind */
	int			  item_room, token_room, row_room, target_room;
	TextsItem	 *items;
	int32		 *ids, *type_ids, *shape_ids, *pronunciation_ids, *rows, *targets;
	int			  first, last; /* the items under way */
	Request		 *request;	   /* of them; NULL: none */
	Size		  result_room;
	float4		 *results;	 /* (n_results), valid for items that have been finished */
	int64		  engine_ns; /* of requests that are over */
	Error		  error;	 /* of a request that failed, until somebody asks for its results */
} Work;

/* One sequence; the fields of RunItem.  Unset ones are zeros. */
typedef struct WorkItem
{
	int			 n_tokens, n_padding, n_rows, n_targets;
	const int32 *ids, *type_ids, *shape_ids, *pronunciation_ids, *rows, *targets;
} WorkItem;

extern void work_init(Work *work, ModelHandle *handle, const WorkKind *kind);

/* Without items and results again; memory is kept. */
extern void work_clear(Work *work);

extern void work_add(Work *work, const WorkItem *item);

/* Encodes a text, or text and pair (pair NULL: single), UTF-8, as one item.  The encoding, which lives in
 * backend_arena() until its next reset, for who wants more of it; may be NULL. */
extern void work_add_text(Work *work, const char *text, size_t length, const char *pair,
						  size_t pair_length, EncodeOptions *options, Encoding *encoding);

/* Adds item i of another work of the same model and kind. */
extern void work_add_item(Work *work, const Work *other, int i);

/* Bytes of a request for all items. */
extern Size work_size(const Work *work);

/* Sends all items in one request; work_try_submit only if there is room at once.  Before other code waits for
 * room, the results are waited for and copied. */
extern void work_submit(Work *work);
extern bool work_try_submit(Work *work);

/* Waits for what was sent, copies the results, throws the request's error. */
extern void work_finish(Work *work);

/* Gives up what is under way. */
extern void work_cancel(Work *work);

/* Nanoseconds that engines have computed for it so far. */
extern int64 work_engine_ns(const Work *work);

/* All items, in as many requests as it takes, or from what was computed ahead (ahead.h). */
extern void work_run(Work *work);

/* As work_finish, and as work_run without ahead; both throw nothing but the cancel. */
extern bool work_settle(Work *work, Error *error);
extern bool work_compute(Work *work, Error *error);

/* Makes the results of item i those of item j of another work of the same kind. */
extern void work_set_result(Work *work, int i, const Work *other, int j);

static inline const float4 *
work_result(const Work *work, int item)
{
	return work->results + work->items[item].result;
}

#endif
