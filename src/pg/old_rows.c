/*
 * old_rows.c: fetches rows of a table that is modified, as they are before that.
 *
 * A ModifyTable's input has the ctid of each row, and of inherited tables the tableoid, but not its columns.  Rows of
 * children are given the columns of the table that the statement names.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/tupconvert.h"
#include "executor/executor.h"
#include "parser/parsetree.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "pg/compat.h"
#include "pg/old_rows.h"

/* One of the relations, once a row of it has been asked for. */
typedef struct OldRelation
{
	Oid				oid;
	Index			index;
	Relation		relation; /* NULL: not yet */
	TupleTableSlot *slot;
	AttrMap		   *map; /* NULL: it has the layout's columns */
} OldRelation;

struct OldRows
{
	EState		   *estate;
	AttrNumber		ctid, tableoid;
	Relation		layout;
	TupleTableSlot *converted; /* with the layout's columns */
	int				n_relations, last;
	OldRelation	   *relations; /* (n_relations) */
};

/* ---- places as lists ---- */

List *
old_rows_list(const OldRowsPlace *place)
{
	return list_concat(list_make3_int(place->ctid, place->tableoid, place->layout),
					   place->relations);
}

OldRowsPlace
old_rows_place(List *list)
{
	return (OldRowsPlace){.ctid = linitial_int(list),
						  .tableoid = lsecond_int(list),
						  .layout = lthird_int(list),
						  .relations = list_copy_tail(list, 3)};
}

/* ---- fetching ---- */

OldRows *
old_rows_create(EState *estate, const OldRowsPlace *place)
{
	OldRows	 *rows = palloc0(sizeof(OldRows));
	ListCell *cell;

	rows->estate = estate;
	rows->ctid = place->ctid;
	rows->tableoid = place->tableoid;
	rows->layout = compat_result_relation(estate, place->layout);
	rows->converted =
		ExecInitExtraTupleSlot(estate, RelationGetDescr(rows->layout), &TTSOpsVirtual);
	rows->relations = palloc0(sizeof(OldRelation) * list_length(place->relations));
	foreach(cell, place->relations)
	{
		OldRelation *relation = &rows->relations[rows->n_relations++];

		relation->index = lfirst_int(cell);
		relation->oid = exec_rt_fetch(relation->index, estate)->relid;
	}
	return rows;
}

static OldRelation *
find_relation(OldRows *rows, Oid oid)
{
	for (int i = 0; i < rows->n_relations; i++)
	{
		int at = (rows->last + i) % rows->n_relations;

		if (rows->relations[at].oid == oid)
		{
			rows->last = at;
			return &rows->relations[at];
		}
	}
	return NULL;
}

static void
open_relation(OldRows *rows, OldRelation *relation)
{
	MemoryContext		old = MemoryContextSwitchTo(rows->estate->es_query_cxt);
	Relation			opened = compat_result_relation(rows->estate, relation->index);
	TupleConversionMap *map = NULL;

	if (opened != rows->layout)
		map = convert_tuples_by_name(RelationGetDescr(opened), RelationGetDescr(rows->layout));
	relation->slot = table_slot_create(opened, &rows->estate->es_tupleTable);
	relation->map = map != NULL ? map->attrMap : NULL;
	relation->relation = opened;
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
no_row(OldRows *rows)
{
	return ExecStoreAllNullTuple(rows->converted);
}

TupleTableSlot *
old_rows_fetch(OldRows *rows, TupleTableSlot *leading)
{
	OldRelation *relation = &rows->relations[0];
	bool		 null;
	Datum		 ctid = slot_getattr(leading, rows->ctid, &null);

	old_rows_release(rows);
	if (null)
		return no_row(rows);
	if (rows->tableoid != 0)
	{
		Datum oid = slot_getattr(leading, rows->tableoid, &null);

		relation = null ? NULL : find_relation(rows, DatumGetObjectId(oid));
		if (relation == NULL)
			return no_row(rows);
	}
	if (relation->relation == NULL)
		open_relation(rows, relation);
	/* as ModifyTable will: a version that was there for the scan is there */
	if (!table_tuple_fetch_row_version(relation->relation, (ItemPointer) DatumGetPointer(ctid),
									   SnapshotAny, relation->slot))
		return no_row(rows);
	return relation->map != NULL
			   ? execute_attr_map_slot(relation->map, relation->slot, rows->converted)
			   : relation->slot;
}

void
old_rows_release(OldRows *rows)
{
	ExecClearTuple(rows->converted);
	if (rows->relations[rows->last].slot != NULL)
		ExecClearTuple(rows->relations[rows->last].slot);
}
