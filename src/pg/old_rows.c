/*
 * old_rows.c: fetches rows of a table that is modified, as they are before that.
 *
 * A ModifyTable's input has the ctid of each row, and of inherited tables the tableoid, but not its columns.  Rows of
 * children are given the columns of the table that the statement names.  For ON CONFLICT the row is the one that has the
 * same key in a unique index.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
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
	Oid				index;
	List		   *keys;
	Relation		opened; /* the index; NULL: not now */
	IndexScanDesc	scan;
	Relation		layout;
	TupleTableSlot *converted; /* with the layout's columns */
	int				n_relations, last;
	OldRelation	   *relations; /* (n_relations) */
};

/* ---- places as lists ---- */

#define FIXED_MEMBERS 5

List *
old_rows_list(const OldRowsPlace *place)
{
	List *list = list_make5_int(place->ctid, place->tableoid, (int) place->index, place->layout,
								list_length(place->keys));

	return list_concat(list_concat(list, place->keys), place->relations);
}

OldRowsPlace
old_rows_place(List *list)
{
	int			 n_keys = list_nth_int(list, FIXED_MEMBERS - 1);
	OldRowsPlace place = {.ctid = linitial_int(list),
						  .tableoid = lsecond_int(list),
						  .index = (Oid) lthird_int(list),
						  .layout = lfourth_int(list)};

	place.relations = list_copy_tail(list, FIXED_MEMBERS + n_keys);
	place.keys =
		list_copy_tail(list_truncate(list_copy(list), FIXED_MEMBERS + n_keys), FIXED_MEMBERS);
	return place;
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
	rows->index = place->index;
	rows->keys = place->keys;
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

/* ---- by ctid ---- */

static TupleTableSlot *
fetch_by_ctid(OldRows *rows, TupleTableSlot *leading)
{
	OldRelation *relation = &rows->relations[0];
	bool		 null;
	Datum		 ctid = slot_getattr(leading, rows->ctid, &null);

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

/* ---- by a key ---- */

/* A scan key for equality with one of the index's columns. */
static void
init_key(ScanKey key, Relation index, int column, Datum value)
{
	Oid type = index->rd_opcintype[column];
	Oid equal = get_opfamily_member(index->rd_opfamily[column], type, type, BTEqualStrategyNumber);

	if (!OidIsValid(equal))
		elog(ERROR, "no equality of type %u in the operator family %u", type,
			 index->rd_opfamily[column]);
	ScanKeyEntryInitialize(key, 0, column + 1, BTEqualStrategyNumber, InvalidOid,
						   index->rd_indcollation[column], get_opcode(equal), value);
}

static TupleTableSlot *
fetch_by_key(OldRows *rows, TupleTableSlot *leading)
{
	OldRelation	 *relation = &rows->relations[0];
	ScanKeyData	  keys[INDEX_MAX_KEYS];
	MemoryContext old;
	ListCell	 *cell;
	bool		  found;

	/* a read for serializable transactions to be noticed by others */
	if (IsolationIsSerializable())
		return no_row(rows);
	if (relation->relation == NULL)
		open_relation(rows, relation);
	old = MemoryContextSwitchTo(rows->estate->es_query_cxt);
	if (rows->opened == NULL)
	{
		rows->opened = index_open(rows->index, AccessShareLock);
		rows->scan = compat_index_beginscan(relation->relation, rows->opened,
											rows->estate->es_snapshot, list_length(rows->keys));
	}
	foreach(cell, rows->keys)
	{
		int	  i = foreach_current_index(cell);
		bool  null;
		Datum value = slot_getattr(leading, lfirst_int(cell), &null);

		if (null)
		{
			MemoryContextSwitchTo(old);
			return no_row(rows);
		}
		init_key(&keys[i], rows->opened, i, value);
	}
	index_rescan(rows->scan, keys, list_length(rows->keys), NULL, 0);
	found = index_getnext_slot(rows->scan, ForwardScanDirection, relation->slot);
	MemoryContextSwitchTo(old);
	return found ? relation->slot : no_row(rows);
}

/* ---- both ---- */

TupleTableSlot *
old_rows_fetch(OldRows *rows, TupleTableSlot *leading)
{
	ExecClearTuple(rows->converted);
	return rows->ctid != 0 ? fetch_by_ctid(rows, leading) : fetch_by_key(rows, leading);
}

void
old_rows_release(OldRows *rows)
{
	ExecClearTuple(rows->converted);
	for (int i = 0; i < rows->n_relations; i++)
		if (rows->relations[i].slot != NULL)
			ExecClearTuple(rows->relations[i].slot);
	if (rows->opened == NULL)
		return;
	index_endscan(rows->scan);
	index_close(rows->opened, NoLock);
	rows->opened = NULL;
}
