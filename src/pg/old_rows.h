/*
 * old_rows.h: rows of a table that is modified, as they are before that.
 */
#ifndef PG_OLD_ROWS_H
#define PG_OLD_ROWS_H

#include "pg/pg_infer.h"

#include "nodes/execnodes.h"

/* Where they are, of a row that leads to them; a list of integers, for plans. */
typedef struct OldRowsPlace
{
	AttrNumber ctid, tableoid; /* columns; tableoid 0: there is one relation only */
	Index	   layout;		   /* the relation whose columns they get */
	List	  *relations;	   /* all of them, as the range table counts */
} OldRowsPlace;

extern List		   *old_rows_list(const OldRowsPlace *place);
extern OldRowsPlace old_rows_place(List *list);

typedef struct OldRows OldRows;

/* Lives as long as the query; its relations are open in it. */
extern OldRows *old_rows_create(EState *estate, const OldRowsPlace *place);

/* The row that another one leads to, or one of NULLs where it leads to none.  Valid until the next one. */
extern TupleTableSlot *old_rows_fetch(OldRows *rows, TupleTableSlot *leading);

/* Lets go of the page that the last row was on. */
extern void old_rows_release(OldRows *rows);

#endif
