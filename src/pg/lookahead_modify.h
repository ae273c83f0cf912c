/*
 * lookahead_modify.h: the calls that a ModifyTable makes for the rows of its input.
 */
#ifndef PG_LOOKAHEAD_MODIFY_H
#define PG_LOOKAHEAD_MODIFY_H

#include "pg/pg_infer.h"

#include "nodes/plannodes.h"

/*
 * What a ModifyTable will evaluate for a row of its input: in the actions of MERGE, in RETURNING, in ON CONFLICT DO
 * UPDATE, and of rows that are written their generated columns, constraints, checks of views and policies, and
 * expressions of indexes.
 */
typedef struct ModifyCalls
{
	/* Expected calls (lookahead_calls.h).  Their Vars are INDEX_VARs of the input's columns, and INNER_VARs of the row as
	 * it was before, or with which the input's conflicts, with the columns of the table that the statement names. */
	List *calls;
	Oid arbiter; /* a unique index that leads to the row with which one conflicts; InvalidOid: none does */
	List *keys;		/* columns of the input for that index's */
	bool  doubtful; /* triggers may change rows */
} ModifyCalls;

extern ModifyCalls modify_calls(const ModifyTable *modify, List *range_table, List *subplans);

/* Tells a node that looks ahead over the input, and has the keys as columns, what it has to know. */
extern void modify_describe(const ModifyTable *modify, const ModifyCalls *calls, Plan *node);

#endif
