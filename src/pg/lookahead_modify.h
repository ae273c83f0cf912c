/*
 * lookahead_modify.h: the calls that a ModifyTable makes for the rows of its input.
 */
#ifndef PG_LOOKAHEAD_MODIFY_H
#define PG_LOOKAHEAD_MODIFY_H

#include "pg/pg_infer.h"

#include "nodes/plannodes.h"

/*
 * Expected calls (lookahead_calls.h) of a finished ModifyTable: in the actions of MERGE, in RETURNING, and in what a
 * table computes of the rows that are written: generated columns, constraints, checks of views and policies, and
 * expressions of indexes.  Their Vars are INDEX_VARs of the input's columns and INNER_VARs of the row as it was before,
 * with the columns of the table that the statement names.
 *
 * Of INSERT … ON CONFLICT DO UPDATE that is the row with which a row conflicts.  arbiter: an index that leads to it, and
 * keys: columns of the input that the index is on; InvalidOid and NIL where there is none.
 */
extern List *modify_calls(const ModifyTable *modify, List *range_table, List *subplans,
						  Oid *arbiter, List **keys);

/* Tells a node that looks ahead over the input, and has the keys as columns, where the rows before are. */
extern void modify_show_old_rows(const ModifyTable *modify, Oid arbiter, List *keys, Plan *node);

#endif
