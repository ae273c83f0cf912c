/*
 * lookahead_modify.c: the calls that a ModifyTable makes for the rows of its input.
 *
 * What it evaluates are expressions over columns of its input, over a row as it was before, and over the row that is
 * written.  The written row's columns are themselves expressions over the other two, so in the end all are.  Of MERGE
 * the action that will be taken is known from the row's ctid and the actions' conditions.
 *
 * A guess that proves wrong, because a trigger has changed a row or another session has, costs computing only: results are
 * found by what they are of.  Views and foreign tables are left alone, and what is evaluated only where a row conflicts.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "pg/lookahead.h"
#include "pg/lookahead_calls.h"
#include "pg/lookahead_modify.h"

/* What is modified. */
typedef struct Target
{
	const ModifyTable *modify;
	Relation		   relation; /* that the statement names */
	Index			   varno; /* of the first relation that is modified: the expressions are its */
	AttrNumber		  *columns; /* of relation, by that one's columns; NULL: the same */
	int				   n_columns;
	AttrNumber		   ctid;	/* column of the input; 0: there is none */
	Oid				   arbiter; /* a unique index that leads to the row that conflicts */
} Target;

/* A row that is written: an expression for each column of the relation, NULL where it isn't known. */
typedef Node **Row;

/* ---- expressions ---- */

/* Vars of a target become what they are of a row, and those of the input INDEX_VARs. */
typedef struct Rewriting
{
	const Target *target;
	Index		  varno;	/* of Vars of the target */
	bool		  mapped;	/* their columns are those of the first relation that is modified */
	Row			  row;		/* NULL: it is the one before */
	Row			  excluded; /* what INNER_VARs are of; NULL: of the input */
} Rewriting;

static Node *
old_column(const Target *target, AttrNumber column)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(target->relation), column - 1);

	if ((target->ctid == 0 && !OidIsValid(target->arbiter)) || attribute->attisdropped)
		return NULL;
	return (Node *) makeVar(INNER_VAR, column, attribute->atttypid, attribute->atttypmod,
							attribute->attcollation, 0);
}

static AttrNumber
column_of_relation(const Target *target, AttrNumber column)
{
	if (column <= 0 || target->columns == NULL)
		return column;
	return column <= target->n_columns ? target->columns[column - 1] : 0;
}

/* What a Var of the target is; NULL: unknown. */
static Node *
column_of_row(const Rewriting *rewriting, const Var *var)
{
	const Target *target = rewriting->target;
	AttrNumber	  column = var->varattno;
	Row			  row = rewriting->row;

	if (rewriting->mapped)
		column = column_of_relation(target, column);
	if (column <= 0 || column > RelationGetNumberOfAttributes(target->relation))
		return NULL;
#if PG_VERSION_NUM >= 180000
	if (row == NULL && var->varreturningtype == VAR_RETURNING_NEW)
		return NULL;
	if (var->varreturningtype == VAR_RETURNING_OLD)
		row = NULL;
#endif
	return row != NULL ? copyObject(row[column - 1]) : old_column(target, column);
}

/* What a Var of the row that was to be inserted is. */
static Node *
excluded_column(const Rewriting *rewriting, const Var *var)
{
	Row	  row = rewriting->excluded;
	Node *column = NULL;

	if (var->varattno > 0 &&
		var->varattno <= RelationGetNumberOfAttributes(rewriting->target->relation))
		column = row[var->varattno - 1];
	return column != NULL ? copyObject(column)
						  : (Node *) makeNullConst(var->vartype, -1, var->varcollid);
}

static Node *
over_rows(Node *node, void *context)
{
	const Rewriting *rewriting = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var	 *var = (Var *) copyObject(node);
		Node *column;

		if (var->varno == INNER_VAR && rewriting->excluded != NULL)
			return excluded_column(rewriting, var);
		if (var->varno == OUTER_VAR || var->varno == INNER_VAR)
			var->varno = INDEX_VAR;
		else if (var->varno == rewriting->varno && (column = column_of_row(rewriting, var)) != NULL)
			return column;
		return (Node *) var;
	}
	return expression_tree_mutator(node, over_rows, context);
}

/* An expression of the plan, over a row that is written or, row being NULL, the one before. */
static Node *
of_plan(const Target *target, void *expression, Row row)
{
	Rewriting rewriting = {.target = target, .varno = target->varno, .mapped = true, .row = row};

	return over_rows(expression, &rewriting);
}

/* An expression of the catalogs, over a row that is written. */
static Node *
of_catalog(const Target *target, void *expression, Row row)
{
	Rewriting rewriting = {.target = target, .varno = 1, .row = row};

	return over_rows(expression, &rewriting);
}

/* An expression of ON CONFLICT DO UPDATE, over the row that conflicts. */
static Node *
of_conflict(const Target *target, void *expression, Row excluded)
{
	Rewriting rewriting = {.target = target, .varno = target->varno, .excluded = excluded};

	return over_rows(expression, &rewriting);
}

/* Whether nothing but columns of the input and of the row before has remained in an expression. */
static bool
is_unknown(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var *var = (Var *) node;

		return (var->varno != INDEX_VAR && var->varno != INNER_VAR) || var->varattno <= 0;
	}
#if PG_VERSION_NUM >= 170000
	if (IsA(node, MergeSupportFunc))
		return true;
#endif
#if PG_VERSION_NUM >= 180000
	if (IsA(node, ReturningExpr))
		return true;
#endif
	return expression_tree_walker(node, is_unknown, context);
}

/* Expressions as one. */
static Node *
together(List *expressions)
{
	RowExpr *row = makeNode(RowExpr);

	row->args = expressions;
	row->row_typeid = RECORDOID;
	row->row_format = COERCE_IMPLICIT_CAST;
	row->location = -1;
	return (Node *) row;
}

static CaseWhen *
when(Node *condition, Node *result)
{
	CaseWhen *branch = makeNode(CaseWhen);

	branch->expr = (Expr *) condition;
	branch->result = (Expr *) result;
	branch->location = -1;
	return branch;
}

static Node *
case_of(List *branches, Node *otherwise)
{
	CaseExpr *expression = makeNode(CaseExpr);

	if (branches == NIL)
		return otherwise;
	expression->casetype = RECORDOID;
	expression->args = branches;
	expression->defresult = (Expr *) otherwise;
	expression->location = -1;
	return (Node *) expression;
}

static bool
has_users_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid >= FirstNormalObjectId)
		return true;
	return expression_tree_walker(node, has_users_function, context);
}

/* An expression of the catalogs as the executor will have it; NULL: it has no calls. */
static Node *
planned(Node *expression)
{
	if (!has_users_function(expression, NULL))
		return NULL;
	return (Node *) expression_planner((Expr *) copyObject(expression));
}

/* ---- rows that are written ---- */

static Row
row_before(const Target *target)
{
	int n = RelationGetNumberOfAttributes(target->relation);
	Row row = palloc0(sizeof(Node *) * Max(1, n));

	for (int i = 0; i < n; i++)
		row[i] = old_column(target, i + 1);
	return row;
}

/* The input's columns, as what is inserted. */
static Row
row_of_input(const Target *target)
{
	int		  n = RelationGetNumberOfAttributes(target->relation);
	Row		  row = palloc0(sizeof(Node *) * Max(1, n));
	ListCell *cell;

	foreach(cell, outerPlan(target->modify)->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && entry->resno <= n)
			row[entry->resno - 1] = (Node *) makeVarFromTargetEntry(INDEX_VAR, entry);
	}
	return row;
}

/* The values that a MERGE's action inserts. */
static Row
row_of_values(const Target *target, const MergeAction *action)
{
	int		  n = RelationGetNumberOfAttributes(target->relation);
	Row		  row = palloc0(sizeof(Node *) * Max(1, n));
	ListCell *cell;

	foreach(cell, action->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && entry->resno <= n)
			row[entry->resno - 1] = of_plan(target, entry->expr, NULL);
	}
	return row;
}

static void
assign(const Target *target, Row row, int child_column, Node *value)
{
	AttrNumber column = column_of_relation(target, child_column);

	if (column > 0 && column <= RelationGetNumberOfAttributes(target->relation))
		row[column - 1] = value;
}

/* The row before, with the input's columns assigned. */
static Row
row_updated(const Target *target)
{
	Row		  row = row_before(target);
	ListCell *column, *entry;

	forboth(column, (List *) linitial(target->modify->updateColnosLists), entry,
			outerPlan(target->modify)->targetlist)
		assign(target, row, lfirst_int(column),
			   (Node *) makeVarFromTargetEntry(INDEX_VAR, lfirst_node(TargetEntry, entry)));
	return row;
}

/* The row before, with the values of a MERGE's action assigned. */
static Row
row_of_assignments(const Target *target, const MergeAction *action)
{
	Row		  row = row_before(target);
	ListCell *column, *entry;

	forboth(column, action->updateColnos, entry, action->targetList)
		assign(target, row, lfirst_int(column),
			   of_plan(target, lfirst_node(TargetEntry, entry)->expr, NULL));
	return row;
}

/* Columns that the statement assigns to, of any row. */
static Bitmapset *
assigned_columns(const Target *target)
{
	Bitmapset *columns = NULL;
	List	  *lists = NIL;
	ListCell  *list, *cell;

	if (target->modify->operation == CMD_UPDATE)
		lists = list_make1(linitial(target->modify->updateColnosLists));
	else if (target->modify->operation == CMD_INSERT)
		lists = list_make1(target->modify->onConflictCols);
	else
		foreach(cell, (List *) linitial(target->modify->mergeActionLists)) lists =
			lappend(lists, lfirst_node(MergeAction, cell)->updateColnos);
	foreach(list, lists) foreach(cell, (List *) lfirst(list)) columns = bms_add_member(
		columns, column_of_relation(target, lfirst_int(cell)) - FirstLowInvalidHeapAttributeNumber);
	return columns;
}

/* ---- what is computed of a written row ---- */

/* Fills the row's generated columns that are computed, and returns those with functions. */
static List *
generated_columns(const Target *target, Row row, bool update)
{
	TupleDesc	 columns = RelationGetDescr(target->relation);
	TriggerDesc *triggers = target->relation->trigdesc;
	Bitmapset	*assigned = NULL;
	List		*computed = NIL;

	if (columns->constr == NULL || !columns->constr->has_generated_stored)
		return NIL;
	/* a trigger may change others */
	if (update && !(triggers != NULL && triggers->trig_update_before_row) &&
		(target->modify->operation != CMD_INSERT || PG_VERSION_NUM >= 160000))
		assigned = assigned_columns(target);
	for (int i = 0; i < columns->natts; i++)
	{
		Node	  *expression;
		Bitmapset *used = NULL;

		if (TupleDescAttr(columns, i)->attgenerated != ATTRIBUTE_GENERATED_STORED)
			continue;
		expression = build_column_default(target->relation, i + 1);
		pull_varattnos(expression, 1, &used);
		if (assigned != NULL && !bms_overlap(assigned, used))
			continue;
		row[i] = of_catalog(target, planned(expression), row);
		if (row[i] != NULL)
			computed = lappend(computed, row[i]);
	}
	return computed;
}

static List *
constraints(const Target *target, Row row)
{
	TupleConstr *all = RelationGetDescr(target->relation)->constr;
	List		*computed = NIL;

	for (int i = 0; all != NULL && i < all->num_check; i++)
	{
		Node *expression;

#if PG_VERSION_NUM >= 180000
		if (!all->check[i].ccenforced)
			continue;
#endif
		/* most have no functions: there is no need to read them */
		if (strstr(all->check[i].ccbin, "{FUNCEXPR") == NULL)
			continue;
		expression = planned(stringToNode(all->check[i].ccbin));
		if (expression != NULL)
			computed = lappend(computed, of_catalog(target, expression, row));
	}
	return computed;
}

/* Conditions of views and policies that a written row has to meet. */
static List *
checks(const Target *target, Row row, WCOKind policies)
{
	List	 *computed = NIL;
	ListCell *cell;

	if (target->modify->withCheckOptionLists == NIL)
		return NIL;
	foreach(cell, (List *) linitial(target->modify->withCheckOptionLists))
	{
		WithCheckOption *check = lfirst_node(WithCheckOption, cell);

		if (check->kind == policies || check->kind == WCO_VIEW_CHECK)
			computed =
				lappend(computed, make_ands_explicit((List *) of_plan(target, check->qual, row)));
	}
	return computed;
}

static Node *
of_index(HeapTuple index, AttrNumber attribute)
{
	bool  null;
	Datum source = SysCacheGetAttr(INDEXRELID, index, attribute, &null);

	return null ? NULL : stringToNode(TextDatumGetCString(source));
}

/* What indexes have of an inserted row, if it meets their conditions. */
static List *
index_expressions(const Target *target, Row row)
{
	List	 *computed = NIL;
	ListCell *cell;

	foreach(cell, RelationGetIndexList(target->relation))
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Node	 *expressions, *condition;

		if (!HeapTupleIsValid(tuple))
			continue;
		expressions = planned(of_index(tuple, Anum_pg_index_indexprs));
		condition = of_index(tuple, Anum_pg_index_indpred);
		if (((Form_pg_index) GETSTRUCT(tuple))->indisready && expressions != NULL)
		{
			expressions = of_catalog(target, together((List *) expressions), row);
			condition = condition != NULL
							? of_catalog(target, expression_planner((Expr *) condition), row)
							: makeBoolConst(true, false);
			computed = lappend(computed, case_of(list_make1(when(condition, expressions)), NULL));
		}
		ReleaseSysCache(tuple);
	}
	return computed;
}

static List *
returned(const Target *target, Row row)
{
	if (target->modify->returningLists == NIL)
		return NIL;
	return (List *) of_plan(target, linitial(target->modify->returningLists), row);
}

/* Before a row is inserted. */
static List *
of_new(const Target *target, Row row)
{
	List *computed = generated_columns(target, row, false);

	computed = list_concat(computed, checks(target, row, WCO_RLS_INSERT_CHECK));
	return list_concat(computed, constraints(target, row));
}

static List *
of_inserted(const Target *target, Row row)
{
	List *computed = of_new(target, row);

	computed = list_concat(computed, index_expressions(target, row));
	return list_concat(computed, returned(target, row));
}

static List *
of_updated(const Target *target, Row row)
{
	List *computed = generated_columns(target, row, true);

	computed = list_concat(computed, checks(target, row, WCO_RLS_UPDATE_CHECK));
	computed = list_concat(computed, constraints(target, row));
	return list_concat(computed, returned(target, row));
}

/* ---- ON CONFLICT ---- */

static bool
is_btree(Oid index)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(index));
	bool	  btree;

	if (!HeapTupleIsValid(tuple))
		return false;
	btree = ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;
	ReleaseSysCache(tuple);
	return btree;
}

/* Whether an index finds the row that has the same columns of the table, in one way. */
static bool
finds_one_row(HeapTuple tuple)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

	return index->indisunique && index->indisvalid && index->indimmediate &&
		   !index->indnullsnotdistinct && index->indnkeyatts > 0 &&
		   heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
		   heap_attisnull(tuple, Anum_pg_index_indpred, NULL) && is_btree(index->indexrelid);
}

/* The columns that an index is on. */
static List *
indexed_columns(Oid index)
{
	HeapTuple	  tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	List		 *columns = NIL;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", index);
	form = (Form_pg_index) GETSTRUCT(tuple);
	for (int i = 0; i < form->indnkeyatts; i++)
		columns = lappend_int(columns, form->indkey.values[i]);
	ReleaseSysCache(tuple);
	return columns;
}

static bool
has_policies(const ModifyTable *modify)
{
	ListCell *cell;

	if (modify->withCheckOptionLists == NIL)
		return false;
	foreach(cell, (List *) linitial(
					  modify->withCheckOptionLists)) if (lfirst_node(WithCheckOption, cell)->kind ==
														 WCO_RLS_CONFLICT_CHECK) return true;
	return false;
}

/* Whether columns of the input can be known ahead. */
static bool
are_known(const ModifyTable *modify, List *subplans, List *columns)
{
	ListCell *cell;

	foreach(cell, columns)
	{
		TargetEntry *entry =
			list_nth_node(TargetEntry, outerPlan(modify)->targetlist, lfirst_int(cell) - 1);
		Node *value = (Node *) entry->expr;

		if (contain_volatile_functions(value) || contain_subplans(value) ||
			has_calls(subplans, value))
			return false;
	}
	return true;
}

/* An index that leads to the row that conflicts, if that can be known ahead and the statement may see it. */
static Oid
arbiter_of(const ModifyTable *modify, Relation relation, List *subplans)
{
	ListCell *cell;

	if (modify->onConflictAction == ONCONFLICT_NONE || has_policies(modify) ||
		relation->rd_rel->relkind != RELKIND_RELATION)
		return InvalidOid;
	foreach(cell, modify->arbiterIndexes)
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		bool	  suitable = HeapTupleIsValid(tuple) && finds_one_row(tuple);

		if (HeapTupleIsValid(tuple))
			ReleaseSysCache(tuple);
		if (suitable && are_known(modify, subplans, indexed_columns(lfirst_oid(cell))))
			return lfirst_oid(cell);
	}
	return InvalidOid;
}

static List *
of_conflicting(const Target *target, Row excluded)
{
	const ModifyTable *modify = target->modify;
	List			  *values = (List *) of_conflict(target, modify->onConflictSet, excluded);
	Row				   row = row_before(target);
	ListCell		  *column, *value;

	forboth(column, modify->onConflictCols, value, values)
		assign(target, row, lfirst_int(column), (Node *) lfirst_node(TargetEntry, value)->expr);
	return list_concat(values, of_updated(target, row));
}

/* A row is updated, or nothing done, if one is found, and inserted otherwise. */
static List *
of_insert_or_not(const Target *target, Row row)
{
	const ModifyTable *modify = target->modify;
	List			  *computed = of_new(target, row);
	Node			  *conflicting = together(NIL), *found;
	CaseWhen		  *updated;

	if (!OidIsValid(target->arbiter))
		return computed;
	found =
		null_test(old_column(target, linitial_int(indexed_columns(target->arbiter))), IS_NOT_NULL);
	if (modify->onConflictAction == ONCONFLICT_UPDATE)
	{
		Node *condition = of_conflict(target, modify->onConflictWhere, row);

		updated = when((Node *) make_ands_explicit((List *) condition),
					   together(of_conflicting(target, row)));
		conflicting = case_of(list_make1(updated), conflicting);
	}
	return lappend(computed, case_of(list_make1(when(found, conflicting)),
									 together(list_concat(index_expressions(target, row),
														  returned(target, row)))));
}

/* ---- MERGE ---- */

typedef enum
{
	MATCHED,
	NOT_MATCHED_BY_SOURCE,
	NOT_MATCHED
} MatchKind;

static MatchKind
match_kind(const MergeAction *action)
{
#if PG_VERSION_NUM >= 170000
	if (action->matchKind == MERGE_WHEN_NOT_MATCHED_BY_SOURCE)
		return NOT_MATCHED_BY_SOURCE;
	return action->matchKind == MERGE_WHEN_MATCHED ? MATCHED : NOT_MATCHED;
#else
	return action->matched ? MATCHED : NOT_MATCHED;
#endif
}

/* What tells matched rows from those that are not matched by the source; NULL: all are matched. */
static Node *
join_condition(const Target *target)
{
#if PG_VERSION_NUM >= 170000
	List *conditions = target->modify->mergeJoinConditions;

	if (conditions != NIL && linitial(conditions) != NULL)
		return of_plan(target, make_ands_explicit((List *) linitial(conditions)), NULL);
#endif
	return NULL;
}

static List *
of_action(const Target *target, const MergeAction *action)
{
	List *values = (List *) of_plan(target, action->targetList, NULL);

	switch (action->commandType)
	{
		case CMD_INSERT:
			return list_concat(values, of_inserted(target, row_of_values(target, action)));
		case CMD_UPDATE:
			return list_concat(values, of_updated(target, row_of_assignments(target, action)));
		case CMD_DELETE:
			return returned(target, NULL);
		default:
			return NIL;
	}
}

/* The first action of a kind whose condition holds is the one that is taken. */
static Node *
actions_of_kind(const Target *target, MatchKind kind)
{
	List	 *branches = NIL;
	ListCell *cell;

	foreach(cell, (List *) linitial(target->modify->mergeActionLists))
	{
		MergeAction *action = lfirst_node(MergeAction, cell);
		Node		*condition;

		if (match_kind(action) != kind)
			continue;
		condition = (Node *) make_ands_explicit((List *) of_plan(target, action->qual, NULL));
		branches = lappend(branches, when(condition, together(of_action(target, action))));
	}
	return case_of(branches, together(NIL));
}

static Node *
of_merge(const Target *target)
{
	Node *ctid = (Node *) makeVar(INDEX_VAR, target->ctid, TIDOID, -1, InvalidOid, 0);
	Node *matched = actions_of_kind(target, MATCHED), *condition = join_condition(target);

	if (condition != NULL)
		matched = case_of(list_make1(when(condition, matched)),
						  actions_of_kind(target, NOT_MATCHED_BY_SOURCE));
	return case_of(list_make1(when(null_test(ctid, IS_NOT_NULL), matched)),
				   actions_of_kind(target, NOT_MATCHED));
}

/* ---- the target ---- */

static bool
is_junk(const TargetEntry *entry, const char *name)
{
	return entry->resjunk && entry->resname != NULL && strcmp(entry->resname, name) == 0;
}

/* A plan's junk column; NULL: it has none of that name. */
static TargetEntry *
junk_column(const Plan *plan, const char *name)
{
	ListCell *cell;

	foreach(cell, plan->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (is_junk(entry, name))
			return entry;
	}
	return NULL;
}

/* Whether all that is modified are tables of this server. */
static bool
are_tables(List *relations, List *range_table)
{
	ListCell *cell;

	foreach(cell, relations)
	{
		char kind = rt_fetch(lfirst_int(cell), range_table)->relkind;

		if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
			return false;
	}
	return true;
}

/* Columns of one relation by those of another that inherits them; NULL: they are the same relation. */
static AttrNumber *
inherited_columns(Relation relation, Oid child, int *n_columns)
{
	Relation	opened;
	AttrNumber *columns;

	if (child == RelationGetRelid(relation))
		return NULL;
	opened = table_open(child, NoLock);
	*n_columns = RelationGetNumberOfAttributes(opened);
	columns = palloc0(sizeof(AttrNumber) * Max(1, *n_columns));
	for (int i = 0; i < *n_columns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(opened), i);

		if (!attribute->attisdropped)
			columns[i] = get_attnum(RelationGetRelid(relation), NameStr(attribute->attname));
	}
	table_close(opened, NoLock);
	return columns;
}

/* The column of the input that leads to the rows before; 0: none does. */
static AttrNumber
row_column(const ModifyTable *modify)
{
	TargetEntry *ctid = junk_column(outerPlan(modify), "ctid");
	TargetEntry *tableoid = junk_column(outerPlan(modify), "tableoid");

	if (ctid == NULL || !IsA(ctid->expr, Var) ||
		(list_length(modify->resultRelations) > 1 &&
		 (tableoid == NULL || !IsA(tableoid->expr, Var))))
		return 0;
	return ctid->resno;
}

static Index
named_relation(const ModifyTable *modify)
{
	return modify->rootRelation != 0 ? modify->rootRelation : linitial_int(modify->resultRelations);
}

/* ---- calls ---- */

static List *
evaluated(const Target *target)
{
	switch (target->modify->operation)
	{
		case CMD_INSERT:
			if (target->modify->onConflictAction == ONCONFLICT_NONE)
				return of_inserted(target, row_of_input(target));
			return of_insert_or_not(target, row_of_input(target));
		case CMD_UPDATE:
			return target->ctid != 0 ? of_updated(target, row_updated(target)) : NIL;
		case CMD_DELETE:
			return target->ctid != 0 ? returned(target, NULL) : NIL;
		case CMD_MERGE:
			return target->ctid != 0 ? list_make1(of_merge(target)) : NIL;
		default:
			return NIL;
	}
}

static bool
has_triggers_before(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;

	return triggers != NULL &&
		   (triggers->trig_insert_before_row || triggers->trig_update_before_row);
}

ModifyCalls
modify_calls(const ModifyTable *modify, List *range_table, List *subplans)
{
	CallSearch	search = {.subplans = subplans};
	Target		target = {.modify = modify};
	ModifyCalls found = {0};
	Plan	   *input = outerPlan(modify);
	ListCell   *cell;

	/* one row is a batch by itself */
	if ((IsA(input, Result) && outerPlan(input) == NULL) ||
		!are_tables(modify->resultRelations, range_table))
		return found;
	target.ctid = row_column(modify);
	target.varno = linitial_int(modify->resultRelations);
	target.relation = table_open(rt_fetch(named_relation(modify), range_table)->relid, NoLock);
	target.arbiter = arbiter_of(modify, target.relation, subplans);
	target.columns = inherited_columns(target.relation, rt_fetch(target.varno, range_table)->relid,
									   &target.n_columns);
	find_calls(&search, (Node *) evaluated(&target));
	foreach(cell, list_concat(search.calls, search.of_queries)) if (!is_unknown(lfirst(cell), NULL))
		found.calls = lappend(found.calls, copyObject(lfirst(cell)));
	found.arbiter = target.arbiter;
	if (OidIsValid(found.arbiter))
		found.keys = indexed_columns(found.arbiter);
	found.doubtful = has_triggers_before(target.relation);
	table_close(target.relation, NoLock);
	return found;
}

static bool
has_old_columns(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == INNER_VAR)
		return true;
	return expression_tree_walker(node, has_old_columns, context);
}

/* The column of the rows that a node looks ahead over, of one that it hands up. */
static AttrNumber
scanned_column(const TargetEntry *entry)
{
	if (entry == NULL || !IsA(entry->expr, Var))
		elog(ERROR, "a column that leads to the row before is missing");
	return ((Var *) entry->expr)->varattno;
}

static void
describe_old_rows(const ModifyTable *modify, const ModifyCalls *calls, Plan *node)
{
	OldRowsPlace place = {.index = calls->arbiter,
						  .layout = named_relation(modify),
						  .relations = modify->resultRelations};
	ListCell	*cell;

	foreach(cell, calls->keys)
	{
		TargetEntry *entry = list_nth_node(TargetEntry, node->targetlist, lfirst_int(cell) - 1);

		place.keys = lappend_int(place.keys, scanned_column(entry));
	}
	if (!OidIsValid(place.index))
		place.ctid = scanned_column(junk_column(node, "ctid"));
	if (list_length(modify->resultRelations) > 1)
		place.tableoid = scanned_column(junk_column(node, "tableoid"));
	lookahead_old_rows(node, &place);
}

void
modify_describe(const ModifyTable *modify, const ModifyCalls *calls, Plan *node)
{
	if (!lookahead_is(node))
		return;
	if (has_old_columns((Node *) ((CustomScan *) node)->custom_exprs, NULL))
		describe_old_rows(modify, calls, node);
	if (calls->doubtful)
		lookahead_doubtful(node);
}
