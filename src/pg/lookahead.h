/*
 * lookahead.h: the plan node that has calls of pg_infer's functions computed for rows to come.
 */
#ifndef PG_LOOKAHEAD_H
#define PG_LOOKAHEAD_H

#include "pg/pg_infer.h"

#include "nodes/plannodes.h"

#include "pg/old_rows.h"

/* A node above a finished plan that looks ahead over its rows for expected calls (lookahead_calls.h), whose Vars are
 * INDEX_VARs of the plan's columns, and then filters and projects as any scan does.  targetlist NIL: the plan's own columns. */
extern Plan *lookahead_make(Plan *child, List *calls, List *targetlist, List *quals);

extern bool lookahead_is(const Plan *plan);

/* No more rows than this are wanted of such a node. */
extern void lookahead_bound(Plan *plan, int bound);

/* Calls of such a node have INNER_VARs, too: columns of the old rows that its rows lead to. */
extern void lookahead_old_rows(Plan *plan, const OldRowsPlace *place);

/* Such a node gives up when nothing of what it looks ahead for is asked for. */
extern void lookahead_doubtful(Plan *plan);

/* No WITH query that is read below such a node is read in another place, too. */
extern void lookahead_reads_alone(Plan *plan);

/* Hooks and callbacks; in _PG_init of a library that is preloaded. */
extern void lookahead_init(void);
extern void lookahead_plan_init(void);

#endif
