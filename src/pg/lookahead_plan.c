/*
 * lookahead_plan.c: finished plans get nodes that look ahead, where they call pg_infer's functions.
 *
 * Where a node of the plan filters or projects with such calls, it is split: it keeps what comes before the
 * first of them and hands up the columns that are needed; nodes above it look ahead for one stage of calls
 * each, then filter by them or project.  So a call is looked ahead for only where it will be made:
 *
 *	 - not before a filter that comes first in the plan's order, which has security barriers first;
 *	 - behind CASE, COALESCE, AND, OR and FILTER, where the conditions that lead there hold (lookahead_calls.h);
 *	 - not with volatile arguments, and not over rows whose making has effects of its own.
 *
 * Where a node evaluates calls for all rows of its input (aggregates, window functions, functions that return
 * sets, lateral function scans), a node below it looks ahead and changes nothing.
 *
 * Plans without such calls are left as they are.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "pg/lookahead.h"
#include "pg/lookahead_calls.h"
#include "pg/lookahead_modify.h"

static List *subplans, *range_table; /* of the statement that is planned */

/* ---- columns ---- */

/* Expressions over a node's input become expressions over columns that it hands up. */
typedef struct Columns
{
	List *entries; /* TargetEntries of the node below */
	List *from;	   /* expected calls that have become columns, */
	List *to;	   /* and their Vars */
	List *places;  /* where such calls are replaced; calls that are always made, anywhere */
} Columns;

static Var *
column_of(Columns *columns, Node *expression)
{
	TargetEntry *entry = tlist_member((Expr *) expression, columns->entries);

	if (entry == NULL)
	{
		entry = makeTargetEntry((Expr *) copyObject(expression), list_length(columns->entries) + 1,
								NULL, false);
		columns->entries = lappend(columns->entries, entry);
	}
	return makeVar(INDEX_VAR, entry->resno, exprType(expression), exprTypmod(expression),
				   exprCollation(expression), 0);
}

static Node *
over_columns(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc))
		return (Node *) column_of(context, node);
	return expression_tree_mutator(node, over_columns, context);
}

/* A window's run condition knows the window functions by their places in the target list, which are others
 * now. */
typedef struct Moved
{
	List	*targetlist; /* as it was */
	Columns *columns;	 /* as it is */
} Moved;

static Node *
over_moved(Node *node, void *context)
{
	Moved *moved = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var			*var = (Var *) copyObject(node);
		TargetEntry *entry = list_nth_node(TargetEntry, moved->targetlist, var->varattno - 1);

		var->varattno = column_of(moved->columns, (Node *) entry->expr)->varattno;
		return (Node *) var;
	}
	return expression_tree_mutator(node, over_moved, context);
}

static Node *
replace_results(Node *node, void *context)
{
	Columns	 *columns = context;
	ListCell *call, *column;

	if (node == NULL)
		return NULL;
	if (IsA(node, FuncExpr))
		forboth(call, columns->from, column, columns->to)
		{
			if ((IsA(lfirst(call), FuncExpr) || list_member_ptr(columns->places, node)) &&
				equal(expected_call(lfirst(call)), node))
				return copyObject(lfirst(column));
		}
	return expression_tree_mutator(node, replace_results, context);
}

/* Calls that a lower stage has computed, by its columns.  A call that was computed for some rows only is replaced
 * only where its conditions were known, in expressions that it was searched for in. */
static Node *
over_results(Node *node, Columns *columns, bool searched)
{
	CallSearch search = {.subplans = subplans};

	if (searched)
		find_calls(&search, node);
	columns->places = search.places;
	return replace_results(node, columns);
}

/* Vars of a node's one input, as columns of that input. */
static Node *
over_input(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = (Var *) copyObject(node);

		if (var->varno != OUTER_VAR)
			*(bool *) context = false;
		var->varno = INDEX_VAR;
		return (Node *) var;
	}
	return expression_tree_mutator(node, over_input, context);
}

/* ---- what must not happen early ---- */

static bool plan_has_effects(Plan *plan);

static bool
has_effectful_subplan(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && plan_has_effects(list_nth(subplans, ((SubPlan *) node)->plan_id - 1)))
		return true;
	return expression_tree_walker(node, has_effectful_subplan, context);
}

/* Whether an expression does more than to give a value. */
static bool
has_effects(void *expression)
{
	return contain_volatile_functions(expression) || has_effectful_subplan(expression, NULL);
}

static bool
plans_have_effects(List *plans)
{
	ListCell *cell;

	foreach(cell, plans) if (plan_has_effects(lfirst(cell))) return true;
	return false;
}

/* As plan_has_effects, for what only nodes of its type do. */
static bool
node_has_effects(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_LockRows:
		case T_ModifyTable:
			return true;
		case T_Append:
			return plans_have_effects(((Append *) plan)->appendplans);
		case T_MergeAppend:
			return plans_have_effects(((MergeAppend *) plan)->mergeplans);
		case T_SubqueryScan:
			return plan_has_effects(((SubqueryScan *) plan)->subplan);
		case T_FunctionScan:
			return has_effects(((FunctionScan *) plan)->functions);
		case T_TableFuncScan:
			return has_effects(((TableFuncScan *) plan)->tablefunc);
		case T_ValuesScan:
			return has_effects(((ValuesScan *) plan)->values_lists);
		case T_Result:
			return has_effects(((Result *) plan)->resconstantqual);
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			return has_effects(((Join *) plan)->joinqual);
		case T_CteScan:
		{
			Plan *cte = list_nth(subplans, ((CteScan *) plan)->ctePlanId - 1);

			/* what modifies tables does so for all rows, whoever takes how many */
			return !IsA(cte, ModifyTable) && plan_has_effects(cte);
		}
		case T_CustomScan:
			return plans_have_effects(((CustomScan *) plan)->custom_plans);
		case T_ForeignScan:
			return ((ForeignScan *) plan)->operation != CMD_SELECT;
		default:
			return false;
	}
}

/* Whether making a plan's rows does more than to make them, so that nobody may take more than are wanted. */
static bool
plan_has_effects(Plan *plan)
{
	if (plan == NULL)
		return false;
	if (has_effects(plan->targetlist) || has_effects(plan->qual) ||
		plan_has_effects(plan->lefttree) || plan_has_effects(plan->righttree))
		return true;
	return node_has_effects(plan);
}

/* ---- splitting a node ---- */

static Node *
with_varno(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var *var = (Var *) copyObject(node);

		var->varno = *(int *) context;
		return (Node *) var;
	}
	return expression_tree_mutator(node, with_varno, context);
}

/* Expected calls over a plan's rows become columns behind its own, looked ahead for.  Their Vars are of varno;
 * *columns: each call, and its column as a Var of varno. */
static Plan *
calls_as_columns(Plan *plan, List *calls, int varno, Columns *columns)
{
	int		  index_var = INDEX_VAR, n = list_length(plan->targetlist);
	List	 *own = (List *) with_varno((Node *) calls, &index_var);
	Plan	 *node = lookahead_make(plan, own, NIL, NIL);
	ListCell *cell, *call;

	forboth(cell, own, call, calls)
	{
		FuncExpr *expression = expected_call(lfirst(cell));

		node->targetlist =
			lappend(node->targetlist, makeTargetEntry(copyObject(lfirst(cell)), ++n, NULL, false));
		columns->from = lappend(columns->from, lfirst(call));
		columns->to = lappend(columns->to, makeVar(varno, n, expression->funcresulttype, -1,
												   expression->funccollid, 0));
	}
	return node;
}

#define MOST_STAGES 8 /* inside each other */

/* A stage for each nesting of the calls in expressions over the columns of *plan: inner ones are looked ahead for
 * and become columns.  Returns the outermost calls, which the caller's own node looks ahead for; expressions
 * (a List *, in place) are rewritten. */
static List *
inner_stages(Plan **plan, List **expressions, List **others)
{
	for (int stage = 0;; stage++)
	{
		CallSearch search = {.subplans = subplans};
		Columns	   columns = {0};

		find_calls(&search, (Node *) *expressions);
		if (!search.nested || search.calls == NIL || stage == MOST_STAGES)
			return list_concat(search.calls, search.of_queries);
		*plan = calls_as_columns(*plan, search.calls, INDEX_VAR, &columns);
		*expressions = (List *) over_results((Node *) *expressions, &columns, true);
		if (others != NULL)
			*others = (List *) over_results((Node *) *others, &columns, false);
	}
}

/* Quals from the first one with a call on; NIL: none has.  *kept: those before. */
static List *
quals_from_first_call(List *quals, List **kept)
{
	ListCell *cell;
	int		  n = 0;

	foreach(cell, quals)
	{
		if (has_calls(subplans, lfirst(cell)))
		{
			*kept = list_copy_head(quals, n);
			return list_copy_tail(quals, n);
		}
		n++;
	}
	*kept = quals;
	return NIL;
}

/* The quals that the first of these stands before: up to the next one with a call. */
static List *
next_stage(List **quals)
{
	List *stage = list_make1(linitial(*quals));
	int	  n = 1;

	while (n < list_length(*quals) && !has_calls(subplans, list_nth(*quals, n)))
		stage = lappend(stage, list_nth(*quals, n++));
	*quals = list_copy_tail(*quals, n);
	return stage;
}

/* The row that a cursor is on is known to scans alone. */
static bool
is_of_cursor(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, CurrentOfExpr) || expression_tree_walker(node, is_of_cursor, context);
}

/* Joins whose own condition is a filter of their rows. */
static Join *
inner_join(Plan *plan)
{
	if ((IsA(plan, NestLoop) || IsA(plan, HashJoin) || IsA(plan, MergeJoin)) &&
		((Join *) plan)->jointype == JOIN_INNER)
		return (Join *) plan;
	return NULL;
}

/* Whether a row is projected, with effects, that only says that there are no more. */
static bool
ends_with_row(Plan *plan)
{
	return IsA(plan, WindowAgg) && ((WindowAgg *) plan)->runCondition != NIL &&
		   has_effects(plan->targetlist);
}

static void
move_run_condition(Plan *plan, Columns *columns)
{
	Moved moved = {.targetlist = plan->targetlist, .columns = columns};

	if (IsA(plan, WindowAgg))
		((WindowAgg *) plan)->runCondition =
			(List *) over_moved((Node *) ((WindowAgg *) plan)->runCondition, &moved);
}

/* ---- calls of the node above ---- */

typedef struct Wanted
{
	List *calls; /* expected ones of the node above, over the plan's columns and INNER_VARs */
	List *keys;	 /* columns that a node that looks ahead for these has to have as such */
} Wanted;

static bool
assigns_rows(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && ((SubPlan *) node)->subLinkType == MULTIEXPR_SUBLINK)
		return true;
	return expression_tree_walker(node, assigns_rows, context);
}

static bool
find_columns(Node *node, void *context)
{
	Bitmapset **found = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno == INDEX_VAR)
		*found = bms_add_member(*found, ((Var *) node)->varattno);
	return expression_tree_walker(node, find_columns, context);
}

/* A subquery that makes a column which such calls need is run below, once; keys are made there, too.  columns and the
 * target list that is over them are changed. */
static void
compute_below(const Plan *plan, const Wanted *above, List *targetlist, Columns *columns)
{
	Bitmapset *needed = NULL;
	ListCell  *was, *is;

	(void) find_columns((Node *) above->calls, &needed);
	forboth(was, plan->targetlist, is, targetlist)
	{
		Node		*expression = (Node *) lfirst_node(TargetEntry, was)->expr;
		TargetEntry *entry = lfirst_node(TargetEntry, is);

		if (((bms_is_member(entry->resno, needed) && contain_subplans(expression)) ||
			 list_member_int(above->keys, entry->resno)) &&
			!has_effects(expression) && !has_calls(subplans, expression))
			entry->expr = (Expr *) column_of(columns, expression);
	}
}

/* Columns of a target list, as what they are there. */
static Node *
over_targets(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varno == INDEX_VAR)
	{
		Var *var = (Var *) node;

		return copyObject(
			(Node *) list_nth_node(TargetEntry, (List *) context, var->varattno - 1)->expr);
	}
	return expression_tree_mutator(node, over_targets, context);
}

/* A node above *plan that has a target list and looks ahead for its calls and for those of a node above, too.  What
 * the latter need of the former is computed below. */
static Plan *
project_for(Plan *node, List *targetlist, List *above)
{
	List	  *calls = inner_stages(&node, &targetlist, &above);
	CallSearch search = {.subplans = subplans}, own = {.subplans = subplans};

	if (above == NIL)
		return lookahead_make(node, copyObject(calls), targetlist, NIL);
	find_calls(&search, (Node *) list_make2(targetlist, above));
	if (search.nested)
	{
		Columns columns = {0};

		find_calls(&own, (Node *) targetlist);
		node = calls_as_columns(node, own.calls, INDEX_VAR, &columns);
		targetlist = (List *) over_results((Node *) targetlist, &columns, true);
		above = (List *) over_results((Node *) above, &columns, true);
		search = (CallSearch){.subplans = subplans};
		find_calls(&search, (Node *) list_make2(targetlist, above));
	}
	calls = list_concat(search.calls, search.of_queries);
	return lookahead_make(node, copyObject(calls), targetlist, NIL);
}

/* above->calls: NIL when they are looked ahead for. */
static Plan *
split(Plan *plan, Wanted *above)
{
	Join	  *join = inner_join(plan);
	Columns	   columns = {0};
	List	  *moved, *kept, *join_kept = NIL, *targetlist, *calls, *wanted = above->calls;
	bool	   projects = has_calls(subplans, (Node *) plan->targetlist);
	Plan	  *node = plan;
	Bitmapset *ext_param = plan->extParam, *all_param = plan->allParam;

	moved = join != NULL ? quals_from_first_call(join->joinqual, &join_kept) : NIL;
	if (moved != NIL)
	{
		moved = list_concat(moved, plan->qual);
		kept = NIL;
	}
	else
		moved = quals_from_first_call(plan->qual, &kept);
	if (has_effects(moved) || assigns_rows((Node *) plan->targetlist, NULL))
		wanted = NIL;
	projects |= wanted != NIL;
	if ((moved == NIL && !projects) || is_of_cursor((Node *) moved, NULL) || ends_with_row(plan) ||
		has_effects(kept) || has_effects(join_kept) || plan_has_effects(plan->lefttree) ||
		plan_has_effects(plan->righttree) || node_has_effects(plan))
		return plan;

	moved = (List *) over_columns((Node *) moved, &columns);
	targetlist = (List *) over_columns((Node *) plan->targetlist, &columns);
	if (wanted != NIL)
	{
		compute_below(plan, above, targetlist, &columns);
		wanted = (List *) over_targets((Node *) wanted, targetlist);
		above->calls = NIL;
	}
	if (columns.entries == NIL)
		return plan; /* nothing depends on its rows */
	if (join != NULL && list_length(join_kept) < list_length(join->joinqual))
	{
		join->joinqual = join_kept;
		join->inner_unique = false; /* the first match may be one that a later stage takes out */
	}
	move_run_condition(plan, &columns);
	plan->targetlist = columns.entries;
	plan->qual = kept;
	while (moved != NIL)
	{
		List *stage = next_stage(&moved);
		List *others = list_make3(moved, targetlist, wanted);

		calls = inner_stages(&node, &stage, &others);
		moved = linitial(others);
		targetlist = lsecond(others);
		wanted = lthird(others);
		node = lookahead_make(node, copyObject(calls), moved == NIL && !projects ? targetlist : NIL,
							  stage);
	}
	if (projects)
		node = project_for(node, targetlist, wanted);
	for (Plan *made = node; made != plan; made = made->lefttree)
	{
		made->extParam = bms_copy(ext_param);
		made->allParam = bms_copy(all_param);
	}
	return node;
}

/* ---- looking ahead below a node ---- */

/* Puts a node above an input that looks ahead for calls over its rows. */
static Plan *
look_ahead_over(Plan *input, List *calls)
{
	bool	  of_input = true;
	List	 *suitable = NIL;
	ListCell *cell;

	if (input == NULL || calls == NIL || plan_has_effects(input))
		return input;
	foreach(cell, calls)
	{
		Node *call;

		of_input = true;
		call = over_input(lfirst(cell), &of_input);
		if (of_input)
			suitable = lappend(suitable, call);
	}
	return suitable != NIL ? lookahead_make(input, suitable, NIL, NIL) : input;
}

/* ---- keys of hash joins ---- */

/* Calls over one side of a join, whose Vars are of varno. */
typedef struct Side
{
	int	 varno;
	bool only; /* nothing has been of the other side */
} Side;

static bool
is_of_side(Node *node, void *context)
{
	Side *side = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varno != side->varno)
		side->only = false;
	return expression_tree_walker(node, is_of_side, context);
}

/* The keys of one side. */
static List *
keys_of(const HashJoin *join, int varno)
{
	List	 *keys = NIL;
	ListCell *cell;

	foreach(cell, join->hashclauses) keys =
		lappend(keys, list_nth(lfirst_node(OpExpr, cell)->args, varno == OUTER_VAR ? 0 : 1));
	return keys;
}

/* A key is made where none before it is NULL. */
static void
find_key_calls(CallSearch *search, const HashJoin *join, List *keys)
{
	ListCell *cell, *key;

	forboth(cell, join->hashclauses, key, keys)
	{
		find_calls(search, lfirst(key));
		if (!op_strict(lfirst_node(OpExpr, cell)->opno))
			break;
		search->conditions = lappend(search->conditions, null_test(lfirst(key), IS_NOT_NULL));
	}
}

static List *
calls_of_keys(const HashJoin *join, int varno)
{
	CallSearch search = {.subplans = subplans};
	List	  *calls = NIL;
	ListCell  *cell;

	find_key_calls(&search, join, keys_of(join, varno));
	foreach(cell, search.calls)
	{
		Side side = {.varno = varno, .only = true};

		(void) is_of_side(lfirst(cell), &side);
		if (side.only)
			calls = lappend(calls, lfirst(cell));
	}
	return calls;
}

/* Keys, or the clauses that these are of, with such calls as columns. */
static List *
over_key_results(const HashJoin *join, List *keys, List *changed, Columns *columns)
{
	CallSearch search = {.subplans = subplans};

	find_key_calls(&search, join, keys);
	columns->places = search.places;
	return (List *) replace_results((Node *) changed, columns);
}

/* A hash join makes its keys of every row of both sides, and once more when they meet: calls in them become columns
 * of the sides. */
static void
look_ahead_for_keys(HashJoin *join)
{
	Plan   *outer = join->join.plan.lefttree;
	Hash   *hash = (Hash *) join->join.plan.righttree;
	Columns outer_columns = {0}, inner_columns = {0}, hash_columns = {0};
	List   *outer_calls = calls_of_keys(join, OUTER_VAR);
	List   *inner_calls = calls_of_keys(join, INNER_VAR);
	int		outer_var = OUTER_VAR;

	if (outer_calls != NIL && !plan_has_effects(outer) && !outer->async_capable)
	{
		join->join.plan.lefttree = calls_as_columns(outer, outer_calls, OUTER_VAR, &outer_columns);
		join->hashclauses =
			over_key_results(join, keys_of(join, OUTER_VAR), join->hashclauses, &outer_columns);
		join->hashkeys = over_key_results(join, join->hashkeys, join->hashkeys, &outer_columns);
	}
	if (inner_calls != NIL && !plan_has_effects(hash->plan.lefttree))
	{
		ListCell *call, *column;

		hash->plan.lefttree =
			calls_as_columns(hash->plan.lefttree, inner_calls, INNER_VAR, &inner_columns);
		forboth(call, inner_columns.from, column, inner_columns.to)
		{
			Var *var = (Var *) with_varno(lfirst(column), &outer_var);

			hash->plan.targetlist = lappend(
				hash->plan.targetlist,
				makeTargetEntry((Expr *) var, list_length(hash->plan.targetlist) + 1, NULL, false));
			hash_columns.from = lappend(hash_columns.from, with_varno(lfirst(call), &outer_var));
			hash_columns.to = lappend(hash_columns.to, var);
		}
		hash->hashkeys = over_key_results(join, hash->hashkeys, hash->hashkeys, &hash_columns);
		join->hashclauses =
			over_key_results(join, keys_of(join, INNER_VAR), join->hashclauses, &inner_columns);
	}
}

static void
look_ahead_below(Plan *plan)
{
	CallSearch search = {.subplans = subplans};

	switch (nodeTag(plan))
	{
		case T_Agg:
		case T_WindowAgg:
			find_argument_calls(&search, (Node *) plan->targetlist);
			find_argument_calls(&search, (Node *) plan->qual);
			break;
		case T_ProjectSet:
			search.sets = true;
			find_calls(&search, (Node *) plan->targetlist);
			break;
		case T_NestLoop:
		{
			List	 *params = NIL, *values = NIL;
			ListCell *cell;

			foreach(cell, ((NestLoop *) plan)->nestParams)
			{
				NestLoopParam *param = lfirst_node(NestLoopParam, cell);

				params = lappend_int(params, param->paramno);
				values = lappend(values, param->paramval);
			}
			find_plan_calls(&search, plan->righttree, params, values);
			break;
		}
		default:
			break;
	}
	plan->lefttree = look_ahead_over(plan->lefttree, list_concat(search.calls, search.of_queries));
}

/* ---- walking the plan ---- */

static Plan *transform(Plan *plan);
static Plan *transform_below(Plan *plan, Wanted *above);

/* The rows that a limit wants, of nodes that hand up every one of theirs. */
static void
push_bound(const Limit *limit)
{
	Const *count = (Const *) limit->limitCount, *offset = (Const *) limit->limitOffset;
	int64  bound;

	if (limit->limitOption != LIMIT_OPTION_COUNT || count == NULL || !IsA(count, Const) ||
		count->constisnull || (offset != NULL && (!IsA(offset, Const) || offset->constisnull)))
		return;
	bound = DatumGetInt64(count->constvalue);
	if (bound > PG_INT32_MAX / 2 ||
		(offset != NULL && DatumGetInt64(offset->constvalue) > PG_INT32_MAX / 2))
		return;
	bound += offset != NULL ? DatumGetInt64(offset->constvalue) : 0;
	for (Plan *plan = limit->plan.lefttree; bound > 0 && plan != NULL; plan = plan->lefttree)
	{
		if (lookahead_is(plan) && plan->qual == NIL)
			lookahead_bound(plan, (int) bound);
		else if (!IsA(plan, Result) || ((Result *) plan)->resconstantqual != NULL ||
				 plan->qual != NIL)
			break;
	}
}

static void
transform_list(List *plans)
{
	ListCell *cell;

	foreach(cell, plans)
	{
		Plan *plan = lfirst(cell);

		/* who waits for several children at a time has to know them */
		if (!plan->async_capable)
			lfirst(cell) = transform(plan);
	}
}

/* Keeps a plan's rows to come back to. */
static Plan *
materialize(Plan *plan)
{
	Plan	 *node = materialize_finished_plan(plan);
	List	 *columns = NIL;
	ListCell *cell;

	foreach(cell, plan->targetlist)
	{
		TargetEntry *entry = flatCopyTargetEntry(lfirst(cell));

		entry->expr = (Expr *) makeVarFromTargetEntry(OUTER_VAR, entry);
		columns = lappend(columns, entry);
	}
	node->targetlist = columns;
	return node;
}

/* Whether a cursor may be read backwards: one that says nothing of it may where its plan can. */
static bool
may_go_back(Plan *plan, int options)
{
	if (options & CURSOR_OPT_SCROLL)
		return true;
	return (options & CURSOR_OPT_FAST_PLAN) != 0 && (options & CURSOR_OPT_NO_SCROLL) == 0 &&
		   ExecSupportsBackwardScan(plan);
}

/* Whether a merge join's inner side has lost the ability to come back to a row. */
static bool
cannot_go_back(const Plan *plan)
{
	while (IsA(plan, Result) && plan->lefttree != NULL)
		plan = plan->lefttree;
	return lookahead_is(plan);
}

/* The calls that a ModifyTable itself will make are looked ahead for over its input. */
static void
transform_input(ModifyTable *modify)
{
	Plan	   *input = outerPlan(modify);
	ModifyCalls found = modify_calls(modify, range_table, subplans);
	Wanted		above = {.calls = found.calls, .keys = found.keys};

	input = transform_below(input, &above);
	if (above.calls != NIL && !plan_has_effects(input))
		input = lookahead_make(input, above.calls, NIL, NIL);
	modify_describe(modify, &found, input);
	outerPlan(modify) = input;
}

static Plan *
transform(Plan *plan)
{
	Wanted none = {0};

	return transform_below(plan, &none);
}

/* As transform; above is split's. */
static Plan *
transform_below(Plan *plan, Wanted *above)
{
	if (plan == NULL)
		return NULL;
	check_stack_depth();
	if (IsA(plan, ModifyTable))
	{
		transform_input((ModifyTable *) plan);
		return plan;
	}
	plan->lefttree = transform(plan->lefttree);
	plan->righttree = transform(plan->righttree);
	/* a merge join goes back in its inner side */
	if (IsA(plan, MergeJoin) && cannot_go_back(plan->righttree))
		plan->righttree = materialize(plan->righttree);
	switch (nodeTag(plan))
	{
		case T_Append:
			transform_list(((Append *) plan)->appendplans);
			return plan;
		case T_MergeAppend:
			transform_list(((MergeAppend *) plan)->mergeplans);
			return plan;
		case T_SubqueryScan:
			((SubqueryScan *) plan)->subplan = transform(((SubqueryScan *) plan)->subplan);
			return split(plan, above);
		case T_ForeignScan:
			return ((ForeignScan *) plan)->operation == CMD_SELECT ? split(plan, above) : plan;
		case T_Agg:
		case T_WindowAgg:
		case T_NestLoop:
			look_ahead_below(plan);
			return split(plan, above);
		case T_HashJoin:
			look_ahead_for_keys((HashJoin *) plan);
			return split(plan, above);
		case T_ProjectSet:
			look_ahead_below(plan);
			return plan;
		case T_Limit:
			push_bound((Limit *) plan);
			return plan;
		case T_Result:
			return plan->lefttree != NULL ? split(plan, above) : plan;
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_ValuesScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_MergeJoin:
		case T_Group:
		case T_Gather:
		case T_GatherMerge:
			return split(plan, above);
		default:
			return plan;
	}
}

/* ---- what is known of the finished plan only ---- */

typedef void (*PlanVisitor)(Plan *plan, void *context);

static void
visit_list(List *plans, PlanVisitor visit, void *context)
{
	ListCell *cell;

	foreach(cell, plans) if (lfirst(cell) != NULL) visit(lfirst(cell), context);
}

static void
visit_children(Plan *plan, PlanVisitor visit, void *context)
{
	if (plan->lefttree != NULL)
		visit(plan->lefttree, context);
	if (plan->righttree != NULL)
		visit(plan->righttree, context);
	switch (nodeTag(plan))
	{
		case T_Append:
			visit_list(((Append *) plan)->appendplans, visit, context);
			break;
		case T_MergeAppend:
			visit_list(((MergeAppend *) plan)->mergeplans, visit, context);
			break;
		case T_BitmapAnd:
			visit_list(((BitmapAnd *) plan)->bitmapplans, visit, context);
			break;
		case T_BitmapOr:
			visit_list(((BitmapOr *) plan)->bitmapplans, visit, context);
			break;
		case T_SubqueryScan:
			visit(((SubqueryScan *) plan)->subplan, context);
			break;
		case T_CustomScan:
			visit_list(((CustomScan *) plan)->custom_plans, visit, context);
			break;
		default:
			break;
	}
}

static void
find_largest(Plan *plan, void *context)
{
	int *largest = context;

	*largest = Max(*largest, plan->plan_node_id);
	visit_children(plan, find_largest, context);
}

/* Gives nodes that have no number one behind all others.  (That of a statement's first node is 0.) */
static void
number_plan(Plan *plan, void *context)
{
	int *largest = context;

	if (plan->plan_node_id == 0)
		plan->plan_node_id = ++*largest;
	visit_children(plan, number_plan, context);
}

static void share_stats(Plan *plan, void *context);

static bool
share_stats_of_subplans(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan))
		share_stats(list_nth(subplans, ((SubPlan *) node)->plan_id - 1), context);
	return expression_tree_walker(node, share_stats_of_subplans, context);
}

/* Nodes that workers run share their counters with the leader: PostgreSQL asks only those for shared memory that are
 * called aware of it. */
static void
share_stats(Plan *plan, void *context)
{
	if (lookahead_is(plan))
		plan->parallel_aware = true;
	(void) share_stats_of_subplans((Node *) plan->targetlist, context);
	(void) share_stats_of_subplans((Node *) plan->qual, context);
	if (IsA(plan, NestLoop) || IsA(plan, HashJoin) || IsA(plan, MergeJoin))
		(void) share_stats_of_subplans((Node *) ((Join *) plan)->joinqual, context);
	visit_children(plan, share_stats, context);
}

static void
share_stats_below_gather(Plan *plan, void *context)
{
	visit_children(
		plan, IsA(plan, Gather) || IsA(plan, GatherMerge) ? share_stats : share_stats_below_gather,
		context);
}

/* Numbers of the plans of WITH queries. */
typedef struct Readers
{
	Bitmapset *read;
	bool	   shared; /* some are read in several places */
} Readers;

static void
find_readers(Plan *plan, void *context)
{
	Readers *readers = context;

	if (IsA(plan, CteScan))
	{
		int id = ((CteScan *) plan)->ctePlanId;

		readers->shared = readers->shared || bms_is_member(id, readers->read);
		readers->read = bms_add_member(readers->read, id);
	}
	visit_children(plan, find_readers, context);
}

static void
read_alone(Plan *plan, void *context)
{
	if (lookahead_is(plan))
		lookahead_reads_alone(plan);
	visit_children(plan, read_alone, context);
}

static void
settle_readers(PlannedStmt *statement)
{
	Readers readers = {0};

	find_readers(statement->planTree, &readers);
	visit_list(statement->subplans, find_readers, &readers);
	if (readers.shared)
		return;
	read_alone(statement->planTree, NULL);
	visit_list(statement->subplans, read_alone, NULL);
}

/* What a plan costs the session itself: its nodes that make no calls, and have none below them that do. */
typedef struct OwnCost
{
	Cost cost;
	bool calls; /* some node makes them */
} OwnCost;

static bool
makes_calls(Plan *plan)
{
	CallSearch search = {.subplans = subplans, .sets = true};

	find_calls(&search, (Node *) plan->targetlist);
	find_calls(&search, (Node *) plan->qual);
	find_argument_calls(&search, (Node *) plan->targetlist);
	find_argument_calls(&search, (Node *) plan->qual);
	if (IsA(plan, NestLoop) || IsA(plan, HashJoin) || IsA(plan, MergeJoin))
		find_calls(&search, (Node *) ((Join *) plan)->joinqual);
	if (IsA(plan, FunctionScan))
		find_calls(&search, (Node *) ((FunctionScan *) plan)->functions);
	return search.calls != NIL || search.of_queries != NIL;
}

static void
add_own_cost(Plan *plan, void *context)
{
	OwnCost *sum = context, below = {0};

	visit_children(plan, add_own_cost, &below);
	below.calls = below.calls || makes_calls(plan);
	sum->calls = sum->calls || below.calls;
	sum->cost += below.calls ? below.cost : plan->total_cost;
}

/* PostgreSQL compiles the expressions of plans that cost much, and takes a tenth of a second for it.  What engines
 * compute is no reason to. */
static void
limit_compiling(PlannedStmt *statement)
{
	OwnCost own = {0};

	if (statement->jitFlags == PGJIT_NONE)
		return;
	add_own_cost(statement->planTree, &own);
	visit_list(statement->subplans, add_own_cost, &own);
	if (own.calls && own.cost <= jit_above_cost)
		statement->jitFlags = PGJIT_NONE;
	if (own.calls && own.cost <= jit_optimize_above_cost)
		statement->jitFlags &= ~PGJIT_OPT3;
	if (own.calls && own.cost <= jit_inline_above_cost)
		statement->jitFlags &= ~PGJIT_INLINE;
}

static planner_hook_type previous_planner_hook;

static PlannedStmt *
plan_query(Query *query, const char *text, int options, ParamListInfo params)
{
	PlannedStmt *statement;
	Plan		*first, *plan;
	ListCell	*cell;
	bool		 goes_back;
	int			 largest = 0;

	if (previous_planner_hook)
		statement = previous_planner_hook(query, text, options, params);
	else
		statement = standard_planner(query, text, options, params);
	if (!infer_prefetch || statement->commandType == CMD_UTILITY)
		return statement;
	subplans = statement->subplans;
	range_table = statement->rtable;
	limit_compiling(statement);
	first = statement->planTree;
	goes_back = may_go_back(first, options);
	plan = transform(first);
	if (goes_back && !ExecSupportsBackwardScan(plan))
		plan = materialize(plan);
	statement->planTree = plan;
	foreach(cell, statement->subplans) lfirst(cell) = transform(lfirst(cell));
	find_largest(plan, &largest);
	visit_list(statement->subplans, find_largest, &largest);
	number_plan(plan, &largest);
	visit_list(statement->subplans, number_plan, &largest);
	first->plan_node_id = 0;
	settle_readers(statement);
	if (statement->parallelModeNeeded)
	{
		share_stats_below_gather(plan, NULL);
		visit_list(statement->subplans, share_stats_below_gather, NULL);
	}
	subplans = range_table = NIL;
	return statement;
}

void
lookahead_plan_init(void)
{
	lookahead_calls_init();
	previous_planner_hook = planner_hook;
	planner_hook = plan_query;
}
