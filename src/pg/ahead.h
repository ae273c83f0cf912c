/*
 * ahead.h: works that are computed before the calls that want them.
 *
 * Whoever knows which calls are coming (lookahead.c) has their functions run up to the point where they would
 * send a work.  The work's items are collected instead, sent together with those of other calls, and remembered
 * by what they are: when the function is called in earnest, its work finds the results.  Functions know
 * nothing of it, and what was not foreseen is computed as ever.
 *
 * All of it belongs to one backend.
 */
#ifndef PG_AHEAD_H
#define PG_AHEAD_H

#include "pg/generation_request.h"
#include "pg/work.h"

/* What is computed ahead for some rows. */
typedef struct AheadBatch AheadBatch;

/* Since ahead_create of the first batch with these; for EXPLAIN. */
typedef struct AheadStats
{
	int64 batches, items, tokens; /* sent; generations are items of their prompts' tokens */
	int64 shared;				  /* items that were the same as others under way */
	int64 engine_ns;			  /* that engines have computed for items sent */
	int64 wait_us;				  /* that calls have waited */
} AheadStats;

/* Lives in parent, a query's memory context; stats lives as long. */
extern AheadBatch *ahead_create(MemoryContext parent, AheadStats *stats);
extern void		   ahead_drop(AheadBatch *batch);

/* Whether any of what was collected has been asked for; nothing was collected, that is so, too. */
extern bool ahead_was_used(const AheadBatch *batch);

/* Runs a function up to its first work and collects that.  What it throws because of its arguments is left to the
 * call itself.  The current memory context is the caller's to reset. */
extern void ahead_collect(AheadBatch *batch, FunctionCallInfo fcinfo);

/* Brings the stats' engine_ns up to date with what nobody has asked for yet. */
extern void ahead_count(AheadBatch *batch);

/* Sends what has been collected, as far as there is room; the rest waits until somebody asks for it. */
extern void ahead_send(AheadBatch *batch);

/* Waits for all that a query, by its memory context, has under way, and copies it out of shared memory: before a
 * session leaves it for a while. */
extern void ahead_settle(MemoryContext parent);

/* ---- for work.c ---- */

/* Takes a work in place of computing it, when a function is run by ahead_collect: then it doesn't return. */
extern void ahead_take(const Work *work);

/* Copies the results of all items of a work that were computed ahead; false: not all were. */
extern bool ahead_give(Work *work);

/* ---- for generation_request.c: the same for generations ---- */

extern void ahead_take_generation(ModelHandle *handle, const GenerationPayload *inputs);

/* Copies the outputs to a payload with the same inputs. */
extern bool ahead_give_generation(ModelHandle *handle, GenerationPayload *payload);

#endif
