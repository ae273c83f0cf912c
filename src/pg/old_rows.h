/*
 * old_rows.h: rows of a table that is modified, as they are before that.
 */
#ifndef PG_OLD_ROWS_H
#define PG_OLD_ROWS_H

#include "pg/pg_infer.h"

#include "nodes/execnodes.h"

/* Where they are, of a row that leads to them, by columns of its; a list of integers, for plans. */
typedef struct OldRowsPlace
{
	AttrNumber ctid;	  /* 0: they are found by keys */
	AttrNumber tableoid;  /* 0: there is one relation only */
	Oid		   index;	  /* a unique one of that relation */
	List	  *keys;	  /* columns for the index's */
	Index	   layout;	  /* the relation whose columns they get */
	List	  *relations; /* all of them, as the range table counts */
} OldRowsPlace;

extern List		   *old_rows_list(const OldRowsPlace *place);
extern OldRowsPlace old_rows_place(List *list);

typedef struct OldRows OldRows;

/* Lives as long as the query; its relations are open in it. */
extern OldRows *old_rows_create(EState *estate, const OldRowsPlace *place);

/* The row that another one leads to, as the statement's snapshot sees it, or one of NULLs where it leads to none.
 * Valid until the next one. */
extern TupleTableSlot *old_rows_fetch(OldRows *rows, TupleTableSlot *leading);

/* Lets go of pages and of the index. */
extern void old_rows_release(OldRows *rows);

#endif
