/*
 * lookahead_stats.h: what EXPLAIN ANALYZE says of a node that looks ahead, in all processes that run it.
 */
#ifndef PG_LOOKAHEAD_STATS_H
#define PG_LOOKAHEAD_STATS_H

#include "pg/ahead.h"
#include "pg/compat.h"

#include "access/parallel.h"
#include "commands/explain.h"

/* A place for each worker, in the memory that they share with their leader. */
typedef struct SharedStats SharedStats;

typedef struct LookaheadStats
{
	AheadStats	*mine; /* where this process counts: own, or its place in what is shared */
	AheadStats	 own;
	SharedStats *shared; /* of workers that may still run; NULL: there are none */

	/* Of those that have ended, by their numbers; in context. */
	MemoryContext context;
	int			  n_workers;
	AheadStats	 *workers;
} LookaheadStats;

/* In the query's memory context. */
extern void lookahead_stats_init(LookaheadStats *stats);

/* For the callbacks of a node that workers run, too: in the leader before they begin, and in each of them.  Workers that are
 * begun again go on counting where their predecessors stopped. */
extern Size lookahead_stats_size(const ParallelContext *parallel);
extern void lookahead_stats_share(LookaheadStats *stats, ParallelContext *parallel, void *shared);
extern void lookahead_stats_attach(LookaheadStats *stats, void *shared);

/* The properties; with VERBOSE those of each worker, too. */
extern void lookahead_stats_explain(const LookaheadStats *stats, ExplainState *es);

#endif
