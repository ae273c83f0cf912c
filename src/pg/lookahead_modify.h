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
 */
extern List *modify_calls(const ModifyTable *modify, List *range_table, List *subplans);

/* Tells a node that looks ahead over the input where the rows before are. */
extern void modify_show_old_rows(const ModifyTable *modify, Plan *node);

#endif
