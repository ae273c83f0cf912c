/*
 * lookahead.c: the executor's side of looking ahead.
 *
 * The node takes rows from its child in batches of 1, 2, 4 and so on, up to pg_infer.prefetch_rows, evaluates the
 * arguments of the calls that its parents will make for them, and has those computed (ahead.h).  From some
 * size on the next batch is sent before the rows of this one are handed up, so that engines have something to do
 * while the session consumes.  Rows come out as they went in.
 *
 * Nothing a query could notice happens early: arguments are expressions that may be evaluated at any time, and what
 * fails is left to the call itself.  An error of the child's, met on the way to a row that nobody has asked for yet, is
 * kept until somebody does (attempt.h); then the child is run no more.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "pg/ahead.h"
#include "pg/attempt.h"
#include "pg/compat.h"
#include "pg/lookahead.h"
#include "pg/lookahead_calls.h"
#include "pg/lookahead_stats.h"

#define NODE_NAME "InferLookahead"
#define MOST_USELESS 4 /* batches of which nothing was asked for, before a doubtful node gives up */
#define MOST_REPLACED 64 /* children that failed, before a node takes no row that isn't asked for */
#define OVERLAP_ROWS 8	 /* of a batch, for the next one to be sent before its rows are handed up */

/* A call that is looked ahead for. */
typedef struct Call
{
	FmgrInfo		 function;
	FunctionCallInfo info;
	ExprState		*condition; /* of its being made; NULL: it always is */
	ExprState	   **arguments; /* (info->nargs) */
	bool			 simple;	/* nothing in these can fail */
	bool			 known;		/* it can still be computed ahead; if not, there is nothing else */
	List			*params;	/* of the executor that they have */
	ReturnSetInfo	*result;	/* of functions that return sets */
} Call;

/* Rows that have been taken from the child. */
typedef struct RowBatch
{
	MemoryContext context;
	MinimalTuple *rows; /* (room) */
	ItemPointerData
				   *tids; /* (room) of the rows' sources; NULL: there is no scan that they are of */
	int				room, n, next;
	Size			bytes;
	TupleTableSlot *last;  /* where the last row is, which is large; NULL: in rows */
	AheadBatch	   *ahead; /* NULL: nothing was collected */
} RowBatch;

typedef struct Lookahead
{
	CustomScanState css;
	int				n_calls;
	Call		   *calls;
	RowBatch		batches[2];
	int				current;
	int				size;		/* of the next batch */
	int64			n_taken;	/* the child's place: rows up to the last one that it gave */
	int64			bound;		/* no more than this are wanted; 0: unknown */
	bool			exhausted;	/* the child has no more rows, */
	bool			ended;		/* and whoever reads knows that */
	ScanState	   *source;		/* the scan whose rows the child's are, one for one; NULL: none */
	int				eflags;		/* that it was made with */
	bool			attempts;	/* it may be attempted (attempt.h), */
	bool			repeats;	/* and made anew */
	int				n_replaced; /* children that have failed */
	ErrorData	   *failure;	/* of the row behind those taken; NULL: none */
	TupleTableSlot *row;		/* for reading rows */
	OldRowsPlace	old_place;	/* relations NIL: calls have no columns of old rows */
	OldRows		   *old_rows;	/* NULL: none was needed yet */
	bool			alone;		/* reads WITH queries alone */
	bool			doubtful;	/* what is ahead may not be asked for */
	int				n_useless;	/* batches of which nothing was, one behind the other */
	MemoryContext	call_context;
	LookaheadStats	stats;
} Lookahead;

static Node *create_state(CustomScan *scan);

static CustomScanMethods scan_methods = {.CustomName = NODE_NAME,
										 .CreateCustomScanState = create_state};

/* ---- the plan node ---- */

Plan *
lookahead_make(Plan *child, List *calls, List *targetlist, List *quals)
{
	CustomScan *scan = makeNode(CustomScan);
	List	   *columns = NIL, *identity = NIL;
	ListCell   *cell;

	foreach(cell, child->targetlist)
	{
		TargetEntry *entry = lfirst(cell);
		Node		*expression = (Node *) entry->expr;
		Oid			 type = exprType(expression), collation = exprCollation(expression);
		int32		 typmod = exprTypmod(expression);
		TargetEntry *column, *own;

		column =
			makeTargetEntry((Expr *) makeVar(OUTER_VAR, entry->resno, type, typmod, collation, 0),
							entry->resno, entry->resname, entry->resjunk);
		own = flatCopyTargetEntry(entry);
		own->expr = (Expr *) makeVar(INDEX_VAR, entry->resno, type, typmod, collation, 0);
		columns = lappend(columns, column);
		identity = lappend(identity, own);
	}
	scan->methods = &scan_methods;
	scan->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	if (ExecSupportsBackwardScan(child))
		scan->flags |= CUSTOMPATH_SUPPORT_BACKWARD_SCAN;
	scan->scan.plan.startup_cost = child->startup_cost;
	scan->scan.plan.total_cost = child->total_cost;
	scan->scan.plan.plan_rows = child->plan_rows;
	scan->scan.plan.plan_width = child->plan_width;
	scan->scan.plan.parallel_safe = child->parallel_safe;
	scan->scan.plan.extParam = bms_copy(child->extParam);
	scan->scan.plan.allParam = bms_copy(child->allParam);
	scan->scan.plan.targetlist = targetlist != NIL ? targetlist : identity;
	scan->scan.plan.qual = quals;
	scan->scan.plan.lefttree = child;
	scan->custom_scan_tlist = columns;
	scan->custom_exprs = calls;
	scan->custom_private = list_make4(makeInteger(0), NIL, makeBoolean(false), makeBoolean(false));
	return &scan->scan.plan;
}

bool
lookahead_is(const Plan *plan)
{
	return IsA(plan, CustomScan) && ((const CustomScan *) plan)->methods == &scan_methods;
}

void
lookahead_bound(Plan *plan, int bound)
{
	linitial(((CustomScan *) plan)->custom_private) = makeInteger(bound);
}

void
lookahead_old_rows(Plan *plan, const OldRowsPlace *place)
{
	lsecond(((CustomScan *) plan)->custom_private) = old_rows_list(place);
}

void
lookahead_reads_alone(Plan *plan)
{
	lfourth(((CustomScan *) plan)->custom_private) = makeBoolean(true);
}

void
lookahead_doubtful(Plan *plan)
{
	lthird(((CustomScan *) plan)->custom_private) = makeBoolean(true);
}

/* ---- arguments that can't fail ---- */

/* Functions that have a result for whatever they are given: leakproof ones, and some of text. */
static bool
never_fails(Oid function)
{
	static const char *const names[] = {
		"textcat",		"text_concat_ws", "text_concat", "lower",		 "upper",
		"btrim",		"btrim1",		  "ltrim",		 "ltrim1",		 "rtrim",
		"rtrim1",		"text_left",	  "text_right",	 "replace_text", "md5_text",
		"text_reverse", "rtrim1",		  "text_name",	 "name_text",	 "textlen"};
	HeapTuple tuple;
	bool	  known = false;

	if (function >= FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (HeapTupleIsValid(tuple))
	{
		bool  null;
		Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &null);

		if (((Form_pg_proc) GETSTRUCT(tuple))->proleakproof)
			known = true;
		else if (!null)
		{
			char *symbol = TextDatumGetCString(source);

			for (int i = 0; i < lengthof(names) && !known; i++)
				known = strcmp(symbol, names[i]) == 0;
		}
		ReleaseSysCache(tuple);
	}
	return known;
}

static bool
may_fail(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_RelabelType:
		case T_CoalesceExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_BoolExpr:
		case T_List:
		case T_FieldSelect:
		case T_Param:
			break;
		case T_FuncExpr:
			if (!never_fails(((FuncExpr *) node)->funcid))
				return true;
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			set_opfuncid((OpExpr *) node);
			if (!never_fails(((OpExpr *) node)->opfuncid))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			set_sa_opfuncid((ScalarArrayOpExpr *) node);
			if (!never_fails(((ScalarArrayOpExpr *) node)->opfuncid))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, may_fail, context);
}

static bool
find_params(Node *node, void *context)
{
	List **params = context;

	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		*params = list_append_unique_int(*params, ((Param *) node)->paramid);
	return expression_tree_walker(node, find_params, context);
}

/* ---- functions that may be called ---- */

static bool
cannot_execute(Oid function, void *context)
{
	return !SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)) ||
		   compat_function_aclcheck(function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK;
}

/* Whether an expression has functions that are gone since it was planned, or that the user has no right to: the
 * statement need not come to where it calls them. */
static bool
has_others_functions(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, cannot_execute, context) ||
		   expression_tree_walker(node, has_others_functions, context);
}

/* ---- beginning and end ---- */

static void
init_call(Lookahead *state, Call *call, Node *expected)
{
	PlanState *plan = &state->css.ss.ps;
	FuncExpr  *expression = expected_call(expected);
	Node	  *condition = expected_condition(expected);
	int		   n = list_length(expression->args), i = 0;
	ListCell  *cell;

	call->known = computable_ahead(expression->funcid) && !has_others_functions(expected, NULL);
	if (!call->known)
		return;
	fmgr_info(expression->funcid, &call->function);
	fmgr_info_set_expr((Node *) expression, &call->function);
	call->function.fn_mcxt = state->call_context;
	call->arguments = palloc(sizeof(ExprState *) * Max(1, n));
	call->simple = !may_fail((Node *) expression->args, NULL) && !may_fail(condition, NULL);
	(void) find_params((Node *) expression->args, &call->params);
	(void) find_params(condition, &call->params);
	call->condition = ExecInitExpr((Expr *) condition, plan);
	foreach(cell, expression->args) call->arguments[i++] = ExecInitExpr(lfirst(cell), plan);
	call->info = palloc0(SizeForFunctionCallInfo(n));
	if (expression->funcretset)
	{
		ExprContext *context = makeNode(ExprContext);
		TupleDesc	 tuple;

		context->ecxt_per_query_memory = context->ecxt_per_tuple_memory = state->call_context;
		call->result = makeNode(ReturnSetInfo);
		call->result->econtext = context;
		call->result->allowedModes = SFRM_ValuePerCall | SFRM_Materialize;
		if (get_expr_result_type((Node *) expression, NULL, &tuple) == TYPEFUNC_COMPOSITE)
			call->result->expectedDesc = tuple;
	}
	InitFunctionCallInfoData(*call->info, &call->function, n, expression->inputcollid, NULL,
							 (fmNodePtr) call->result);
}

/* The scan of a table that has a plan's current row, in the same cases as WHERE CURRENT OF finds one. */
static ScanState *
find_source(PlanState *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
		case T_TidScanState:
		case T_TidRangeScanState:
		case T_CustomScanState:
			return ((ScanState *) plan)->ss_currentRelation != NULL ? (ScanState *) plan : NULL;
		case T_ResultState:
		case T_LimitState:
			return outerPlanState(plan) != NULL ? find_source(outerPlanState(plan)) : NULL;
		case T_SubqueryScanState:
			return find_source(((SubqueryScanState *) plan)->subplan);
		default:
			return NULL;
	}
}

static ItemPointerData
source_tid(const ScanState *source)
{
	if (IsA(source, IndexOnlyScanState))
		return ((const IndexOnlyScanState *) source)->ioss_ScanDesc->xs_heaptid;
	return source->ss_ScanTupleSlot->tts_tid;
}

/* What the node knows of its child.  With a relation, WHERE CURRENT OF takes the node for a scan of it. */
static void
meet_child(Lookahead *state)
{
	PlanState *child = outerPlanState(state);

	state->attempts = attempt_allowed(child, state->alone);
	state->repeats = attempt_repeatable(child);
	state->source = find_source(child);
	state->css.ss.ss_currentRelation = state->source ? state->source->ss_currentRelation : NULL;
	if (state->bound > 0)
		ExecSetTupleBound(state->bound, child);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	Lookahead  *state = (Lookahead *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	ListCell   *cell;

	lookahead_stats_init(&state->stats);
	outerPlanState(node) = attempt_init(outerPlan(scan), estate, eflags);
	state->eflags = eflags;
	state->row = ExecInitExtraTupleSlot(estate, ExecGetResultType(outerPlanState(node)),
										&TTSOpsMinimalTuple);
	state->call_context =
		AllocSetContextCreate(CurrentMemoryContext, "pg_infer call", ALLOCSET_DEFAULT_SIZES);
	state->calls = palloc0(sizeof(Call) * list_length(scan->custom_exprs));
	foreach(cell, scan->custom_exprs)
		init_call(state, &state->calls[state->n_calls++], lfirst(cell));
	for (int i = 0; i < 2; i++)
		state->batches[i].context =
			AllocSetContextCreate(CurrentMemoryContext, "pg_infer rows", ALLOCSET_DEFAULT_SIZES);
	state->size = 1;
	state->bound = intVal(linitial(scan->custom_private));
	state->alone = boolVal(lfourth(scan->custom_private));
	meet_child(state);
	if (lsecond(scan->custom_private) != NIL)
		state->old_place = old_rows_place(lsecond(scan->custom_private));
	state->doubtful = boolVal(lthird(scan->custom_private));
}

static void
clear_batch(Lookahead *state, RowBatch *batch)
{
	if (batch->ahead != NULL)
		ahead_drop(batch->ahead);
	ExecClearTuple(state->row);
	MemoryContextReset(batch->context);
	*batch = (RowBatch){.context = batch->context};
}

static void
end_scan(CustomScanState *node)
{
	Lookahead *state = (Lookahead *) node;

	for (int i = 0; i < 2; i++)
		clear_batch(state, &state->batches[i]);
	ExecEndNode(outerPlanState(node));
}

/* After a failure: an error that can't be undone is one of every row to come. */
static void
replace_child(Lookahead *state)
{
	PlanState	 *plan = &state->css.ss.ps;
	MemoryContext old;

	if (!state->repeats)
		ThrowErrorData(state->failure);
	FreeErrorData(state->failure);
	state->failure = NULL;
	state->n_replaced++;
	old = MemoryContextSwitchTo(plan->state->es_query_cxt);
	ExecEndNode(outerPlanState(plan));
	outerPlanState(plan) = attempt_init(outerPlan(plan->plan), plan->state, state->eflags);
	meet_child(state);
	MemoryContextSwitchTo(old);
}

static void
rescan(CustomScanState *node)
{
	Lookahead *state = (Lookahead *) node;

	for (int i = 0; i < 2; i++)
		clear_batch(state, &state->batches[i]);
	/* who has read all rows before will do so again */
	state->size = state->exhausted ? (int) Max(1, Min(state->n_taken, infer_prefetch_rows)) : 1;
	state->exhausted = state->ended = false;
	state->n_taken = 0;
	ExecScanReScan(&node->ss);
	if (state->failure != NULL)
		replace_child(state);
	else if (outerPlanState(node)->chgParam == NULL)
		ExecReScan(outerPlanState(node));
}

/* ---- batches ---- */

/* The arguments of a call for the row in the expression context; false: it will not be made. */
static bool
evaluate_arguments(Lookahead *state, Call *call)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;

	if (call->condition != NULL)
	{
		bool  null;
		Datum holds = ExecEvalExpr(call->condition, context, &null);

		if (null || !DatumGetBool(holds))
			return false;
	}
	for (int i = 0; i < call->info->nargs; i++)
		call->info->args[i].value =
			ExecEvalExpr(call->arguments[i], context, &call->info->args[i].isnull);
	return true;
}

/* A call whose arguments are evaluated. */
typedef struct Evaluation
{
	Lookahead *state;
	Call	  *call;
	bool	   made;
} Evaluation;

static void
evaluate(void *argument)
{
	Evaluation *evaluation = argument;

	evaluation->made = evaluate_arguments(evaluation->state, evaluation->call);
}

/* As evaluate_arguments; false, too, when it fails. */
static bool
try_arguments(Lookahead *state, Call *call)
{
	Evaluation evaluation = {.state = state, .call = call};

	return attempt(evaluate, &evaluation) == NULL && evaluation.made;
}

/* Whether an argument has to run a subquery first: that is the call's own business. */
static bool
has_pending_param(Lookahead *state, const Call *call)
{
	ListCell *cell;

	foreach(
		cell,
		call->params) if (state->css.ss.ps.state->es_param_exec_vals[lfirst_int(cell)].execPlan !=
						  NULL) return true;
	return false;
}

static bool
has_null_argument(const Call *call)
{
	for (int i = 0; i < call->info->nargs; i++)
		if (call->info->args[i].isnull)
			return true;
	return false;
}

/* Makes a row the scan's tuple. */
static TupleTableSlot *
store_row(Lookahead *state, TupleTableSlot *row)
{
	TupleTableSlot *slot = state->css.ss.ss_ScanTupleSlot;

	slot_getallattrs(row);
	ExecClearTuple(slot);
	memcpy(slot->tts_values, row->tts_values, sizeof(Datum) * slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_isnull, row->tts_isnull, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	return ExecStoreVirtualTuple(slot);
}

/* Collects a call for the row in the expression context. */
static void
collect_call(Lookahead *state, Call *call, AheadBatch *ahead)
{
	if (!call->known || has_pending_param(state, call) || (!call->simple && IsInParallelMode()) ||
		!(call->simple ? evaluate_arguments(state, call) : try_arguments(state, call)) ||
		(call->function.fn_strict && has_null_argument(call)))
		return;
	call->info->isnull = false;
	call->function.fn_extra = NULL;
	if (call->result != NULL)
	{
		call->result->isDone = ExprSingleResult;
		call->result->returnMode = SFRM_ValuePerCall;
		call->result->setResult = NULL;
		call->result->setDesc = NULL;
		call->result->econtext->ecxt_callbacks = NULL;
	}
	ahead_collect(ahead, call->info);
}

/* The row that a modified one was, which is the scan's tuple now; NULL: calls need none. */
static TupleTableSlot *
old_row(Lookahead *state)
{
	EState *estate = state->css.ss.ps.state;

	if (state->old_place.relations == NIL)
		return NULL;
	if (state->old_rows == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

		state->old_rows = old_rows_create(estate, &state->old_place);
		MemoryContextSwitchTo(old);
	}
	return old_rows_fetch(state->old_rows, state->css.ss.ss_ScanTupleSlot);
}

/* Collects the calls for a row. */
static void
collect_row(Lookahead *state, TupleTableSlot *row, AheadBatch *ahead)
{
	ExprContext	 *context = state->css.ss.ps.ps_ExprContext;
	MemoryContext old = MemoryContextSwitchTo(state->call_context);

	context->ecxt_scantuple = store_row(state, row);
	context->ecxt_innertuple = old_row(state);
	for (int i = 0; i < state->n_calls; i++)
	{
		CHECK_FOR_INTERRUPTS();
		collect_call(state, &state->calls[i], ahead);
		MemoryContextReset(state->call_context);
	}
	MemoryContextSwitchTo(old);
}

/* Rows on their way into a batch. */
typedef struct Taking
{
	Lookahead *state;
	RowBatch  *batch;
} Taking;

/* Before the last row: two batches, and the last row of each, fit into work_mem. */
static Size
most_bytes(void)
{
	return (Size) work_mem * 1024 / 4;
}

static bool
has_room(const RowBatch *batch)
{
	return batch->n < batch->room && batch->bytes < most_bytes() && batch->last == NULL;
}

/* One more row.  Of a large one there is no copy: the child has it until it is called again. */
static void
take_row(Lookahead *state, RowBatch *batch)
{
	TupleTableSlot *slot = ExecProcNode(outerPlanState(state));
	MemoryContext	old;
	Size			size;

	if (TupIsNull(slot))
	{
		state->exhausted = true;
		return;
	}
	if (state->source != NULL)
		batch->tids[batch->n] = source_tid(state->source);
	slot_getallattrs(slot);
	size = heap_compute_data_size(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	batch->bytes = add_size(batch->bytes, size);
	if (size >= most_bytes())
		batch->last = slot;
	else
	{
		old = MemoryContextSwitchTo(batch->context);
		batch->rows[batch->n] = ExecCopySlotMinimalTuple(slot);
		MemoryContextSwitchTo(old);
	}
	batch->n++;
}

static void
take_more_rows(void *argument)
{
	Taking *taking = argument;

	while (has_room(taking->batch) && !taking->state->exhausted)
		take_row(taking->state, taking->batch);
}

static void
take_rows(Lookahead *state, RowBatch *batch, bool wanted)
{
	Taking	   taking = {.state = state, .batch = batch};
	PlanState *child = outerPlanState(state);

	/* children that are replaced leave memory behind until the query ends */
	batch->room = state->n_replaced < MOST_REPLACED ? state->size : 1;
	if (state->bound > 0)
		batch->room = Max(1, Min(batch->room, state->bound - state->n_taken));
	batch->rows = MemoryContextAlloc(batch->context, sizeof(MinimalTuple) * batch->room);
	if (state->source != NULL)
		batch->tids = MemoryContextAlloc(batch->context, sizeof(ItemPointerData) * batch->room);
	if (wanted)
		take_row(state, batch);
	if (!state->attempts || !attempt_possible(child))
		take_more_rows(&taking);
	else if (has_room(batch) && !state->exhausted)
	{
		MemoryContext old = MemoryContextSwitchTo(state->css.ss.ps.state->es_query_cxt);

		state->failure = attempt_plan(child, take_more_rows, &taking);
		MemoryContextSwitchTo(old);
	}
	state->n_taken += batch->n;
	state->size = Min(state->size * 2, infer_prefetch_rows);
}

/* A row of a batch, valid until the next one is read. */
static TupleTableSlot *
read_row(Lookahead *state, const RowBatch *batch, int row)
{
	if (batch->last != NULL && row == batch->n - 1)
		return batch->last;
	return ExecStoreMinimalTuple(batch->rows[row], state->row, false);
}

/* wanted: its first row is asked for already. */
static void
fill_batch(Lookahead *state, RowBatch *batch, bool wanted)
{
	ExprContext *context = state->css.ss.ps.ps_ExprContext;

	clear_batch(state, batch);
	if (state->exhausted || state->failure != NULL)
		return;
	take_rows(state, batch, wanted);
	if (batch->n == 0 || state->n_useless >= MOST_USELESS)
		return;
	batch->ahead = ahead_create(state->css.ss.ps.state->es_query_cxt, state->stats.mine);
	for (int i = 0; i < batch->n; i++)
	{
		collect_row(state, read_row(state, batch, i), batch->ahead);
		ResetExprContext(context);
	}
	if (state->old_rows != NULL)
		old_rows_release(state->old_rows);
	ahead_send(batch->ahead);
}

/* ---- rows ---- */

/* The row that is asked for now is the one that has failed. */
static void
throw_failure(const Lookahead *state)
{
	if (state->failure != NULL)
		ThrowErrorData(state->failure);
}

/* Hands a row up; tid: where it is from. */
static TupleTableSlot *
hand_up(Lookahead *state, TupleTableSlot *row, const ItemPointerData *tid)
{
	TupleTableSlot *slot = store_row(state, row);

	if (tid != NULL)
	{
		slot->tts_tid = *tid;
		slot->tts_tableOid = RelationGetRelid(state->css.ss.ss_currentRelation);
	}
	return slot;
}

static TupleTableSlot *
hand_up_of_child(Lookahead *state, TupleTableSlot *row)
{
	ItemPointerData tid;

	if (state->source == NULL)
		return hand_up(state, row, NULL);
	tid = source_tid(state->source);
	return hand_up(state, row, &tid);
}

static TupleTableSlot *
end_of_rows(Lookahead *state)
{
	state->ended = true;
	return ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
}

/* After a failure: a new child at the same place. */
static void
catch_up(Lookahead *state, int64 place)
{
	EState		 *estate = state->css.ss.ps.state;
	ScanDirection direction = estate->es_direction;

	replace_child(state);
	estate->es_direction = ForwardScanDirection;
	for (state->n_taken = 0; state->n_taken < place; state->n_taken++)
		(void) ExecProcNode(outerPlanState(state));
	estate->es_direction = direction;
}

/* The row before the one that was handed up last, computed when its calls are made: the child goes back over what it
 * is ahead. */
static TupleTableSlot *
previous_row(Lookahead *state)
{
	RowBatch	   *batch = &state->batches[state->current];
	int64			n_ahead = batch->n - batch->next + state->batches[1 - state->current].n;
	int64			n_back = n_ahead + 1;
	TupleTableSlot *row = NULL;

	for (int i = 0; i < 2; i++)
		clear_batch(state, &state->batches[i]);
	if (state->failure != NULL)
	{
		catch_up(state, state->n_taken - n_ahead);
		n_back = 1;
	}
	else if (state->exhausted)
	{
		n_back = state->ended ? 1 : n_ahead + 2;
		state->n_taken++; /* it is behind the last one */
	}
	while (n_back-- > 0)
	{
		row = ExecProcNode(outerPlanState(state));
		state->n_taken--;
		if (TupIsNull(row))
			break;
	}
	state->exhausted = state->ended = false;
	state->size = 1;
	if (!TupIsNull(row))
		return hand_up_of_child(state, row);
	state->n_taken = 0;
	return ExecClearTuple(state->css.ss.ss_ScanTupleSlot);
}

/* Without looking ahead. */
static TupleTableSlot *
plain_row(Lookahead *state)
{
	TupleTableSlot *row = state->exhausted ? NULL : ExecProcNode(outerPlanState(state));

	if (TupIsNull(row))
	{
		state->exhausted = true;
		return end_of_rows(state);
	}
	state->n_taken++;
	return hand_up_of_child(state, row);
}

/* All rows of a batch have been handed up. */
static void
finish_batch(Lookahead *state, RowBatch *batch)
{
	if (state->doubtful && batch->ahead != NULL)
		state->n_useless = ahead_was_used(batch->ahead) ? 0 : state->n_useless + 1;
	clear_batch(state, batch);
}

static TupleTableSlot *
next_row(ScanState *node)
{
	Lookahead *state = (Lookahead *) node;
	RowBatch  *batch = &state->batches[state->current];
	int		   row;

	if (ScanDirectionIsBackward(node->ps.state->es_direction))
		return previous_row(state);
	if (batch->next == batch->n)
	{
		bool more = state->batches[1 - state->current].n > 0;

		if (!more)
			throw_failure(state);
		if (!more && !infer_prefetch)
			return plain_row(state);
		finish_batch(state, batch);
		state->current = 1 - state->current;
		batch = &state->batches[state->current];
		if (!more)
			fill_batch(state, batch, true);
		if (batch->n == 0)
			return end_of_rows(state);
		if (batch->n >= OVERLAP_ROWS && batch->last == NULL)
			fill_batch(state, &state->batches[1 - state->current], false);
	}
	row = batch->next++;
	return hand_up(state, read_row(state, batch, row), batch->tids ? &batch->tids[row] : NULL);
}

/* While the executor checks again a row that somebody has changed, there is one row and nothing ahead. */
static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	TupleTableSlot *row = ExecProcNode(outerPlanState(node));

	if (TupIsNull(row))
		return false;
	store_row((Lookahead *) node, row);
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

/* ---- EXPLAIN ---- */

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	Lookahead  *state = (Lookahead *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, scan->custom_exprs)
	{
		Oid	  function = expected_call(lfirst(cell))->funcid;
		char *name = quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
												get_func_name(function));

		names = lappend(names, name);
	}
	ExplainPropertyList("Ahead Of", names, es);
	if (!es->analyze)
		return;
	for (int i = 0; i < 2; i++)
		if (state->batches[i].ahead != NULL)
			ahead_count(state->batches[i].ahead);
	lookahead_stats_explain(&state->stats, es);
}

/* ---- parallel workers ---- */

static Size
estimate_shared(CustomScanState *node, ParallelContext *parallel)
{
	return lookahead_stats_size(parallel);
}

static void
init_shared(CustomScanState *node, ParallelContext *parallel, void *shared)
{
	lookahead_stats_share(&((Lookahead *) node)->stats, parallel, shared);
}

static void
attach_shared(CustomScanState *node, shm_toc *toc, void *shared)
{
	lookahead_stats_attach(&((Lookahead *) node)->stats, shared);
}

static CustomExecMethods exec_methods = {
	.CustomName = NODE_NAME,
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_shared,
	.InitializeDSMCustomScan = init_shared,
	.InitializeWorkerCustomScan = attach_shared,
	.ExplainCustomScan = explain_scan,
};

static Node *
create_state(CustomScan *scan)
{
	Lookahead *state = palloc0(sizeof(Lookahead));

	NodeSetTag(state, T_CustomScanState);
	state->css.methods = &exec_methods;
	return (Node *) state;
}

/* ---- hooks ---- */

static ExecutorRun_hook_type previous_run_hook;

/* A session that has fetched some rows may come back for more in an hour: what it has under way must not fill
 * shared memory until then. */
static void
run_query(COMPAT_RUN_PARAMETERS)
{
	if (previous_run_hook)
		previous_run_hook(COMPAT_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(COMPAT_RUN_ARGUMENTS);
	if (count > 0)
		ahead_settle(query->estate->es_query_cxt);
}

void
lookahead_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	previous_run_hook = ExecutorRun_hook;
	ExecutorRun_hook = run_query;
	attempt_register();
	lookahead_plan_init();
}
