/*
 * attempt.c: subtransactions around what may fail too early.
 *
 * While a plan is attempted, resources are its query's, and only within the functions that its expressions call the
 * subtransaction's: an executor that runs inside a function never comes to its end after an error.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "jit/jit.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "pg/attempt.h"
#include "pg/lookahead.h"

/* A function that may be called within an attempted plan: what its call has found. */
typedef struct Entered
{
	bool		  switches;
	int			  depth; /* of calls through the same FmgrInfo: the outermost one switches */
	ResourceOwner owner, function_owner;
	Datum		  of_previous_hook;
} Entered;

static ResourceOwner
	function_owner;			/* of functions that an attempted plan calls; NULL: none is attempted */
static EState *initialized; /* whose plan attempt_init makes; NULL: none */

bool
error_may_wait(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('0', '8', '0', '0', '0'): /* connections */
		case MAKE_SQLSTATE('2', '5', '0', '0', '0'): /* state of the transaction */
		case MAKE_SQLSTATE('2', 'D', '0', '0', '0'): /* its end */
		case MAKE_SQLSTATE('3', 'B', '0', '0', '0'): /* savepoints */
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'): /* rollback: serialization, deadlocks */
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'): /* resources: memory, disks */
		case MAKE_SQLSTATE('5', '5', '0', '0', '0'): /* state of objects: locks */
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'): /* cancel, shutdown, recovery */
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'): /* system, files */
		case MAKE_SQLSTATE('7', '2', '0', '0', '0'): /* snapshots */
		case MAKE_SQLSTATE('F', '0', '0', '0', '0'): /* configuration files */
		case MAKE_SQLSTATE('H', 'V', '0', '0', '0'): /* foreign data */
		case MAKE_SQLSTATE('X', 'X', '0', '0', '0'): /* internal, corruption */
			return false;
		default:
			return true;
	}
}

/* ---- subtransactions ---- */

static ErrorData *
run(void (*body)(void *), void *argument, bool of_plan)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner, outer_function_owner = function_owner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		ResourceOwner own = CurrentResourceOwner;

		function_owner = of_plan ? own : NULL;
		if (of_plan)
			CurrentResourceOwner = owner;
		error_context_stack = NULL; /* whoever throws the error says where */
		body(argument);
		CurrentResourceOwner = own;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	function_owner = outer_function_owner;
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && !error_may_wait(error->sqlerrcode))
		ThrowErrorData(error);
	return error;
}

ErrorData *
attempt(void (*body)(void *), void *argument)
{
	return run(body, argument, false);
}

/* An error has left the clocks of EXPLAIN ANALYZE running. */
static bool
stop_clocks(PlanState *plan, void *context)
{
	if (plan == NULL)
		return false;
	if (plan->instrument != NULL && plan->instrument->need_timer &&
		!INSTR_TIME_IS_ZERO(plan->instrument->starttime))
		InstrStopNode(plan->instrument, 0);
	if (IsA(plan, CteScanState))
		(void) stop_clocks(((CteScanState *) plan)->cteplanstate, context);
	return planstate_tree_walker(plan, stop_clocks, context);
}

ErrorData *
attempt_plan(PlanState *plan, void (*body)(void *), void *argument)
{
	ErrorData *error = run(body, argument, true);

	if (error != NULL)
		(void) stop_clocks(plan, NULL);
	return error;
}

/* ---- functions within attempted plans ---- */

static needs_fmgr_hook_type previous_needs_hook;
static fmgr_hook_type		previous_hook;

/* A function that may run queries of its own, and holds nothing from one call to the next. */
static bool
leaves_nothing(Oid function)
{
	HeapTuple	 tuple;
	Form_pg_proc form;
	bool		 leaves;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	leaves = form->proretset || form->prorettype == INTERNALOID;
	for (int i = 0; i < form->pronargs; i++)
		leaves = leaves || form->proargtypes.values[i] == INTERNALOID;
	ReleaseSysCache(tuple);
	return !leaves;
}

static bool
needs_hook(Oid function)
{
	if (previous_needs_hook && previous_needs_hook(function))
		return true;
	if (initialized == NULL || function < FirstNormalObjectId || !leaves_nothing(function))
		return false;
	initialized->es_jit_flags = PGJIT_NONE; /* compiled expressions call functions without hooks */
	return true;
}

bool
is_hooked(Oid function)
{
	EState *outer = initialized;
	bool	hooked;

	initialized = NULL;
	hooked = FmgrHookIsNeeded(function);
	initialized = outer;
	return hooked;
}

static void
enter_function(FmgrHookEventType event, FmgrInfo *function, Datum *private)
{
	Entered *entered = (Entered *) DatumGetPointer(*private);

	if (entered == NULL)
	{
		entered = MemoryContextAllocZero(function->fn_mcxt, sizeof(Entered));
		entered->switches = leaves_nothing(function->fn_oid);
		*private = PointerGetDatum(entered);
	}
	if (previous_hook)
		previous_hook(event, function, &entered->of_previous_hook);
	if (!entered->switches)
		return;
	if (event == FHET_START)
	{
		if (entered->depth++ > 0)
			return;
		entered->owner = CurrentResourceOwner;
		entered->function_owner = function_owner;
		if (function_owner != NULL)
			CurrentResourceOwner = function_owner;
		function_owner = NULL;
	}
	else if (--entered->depth == 0)
	{
		CurrentResourceOwner = entered->owner;
		function_owner = entered->function_owner;
	}
}

PlanState *
attempt_init(Plan *plan, EState *estate, int eflags)
{
	EState	  *outer = initialized;
	int		   jit_flags = estate->es_jit_flags;
	PlanState *state;

	PG_TRY();
	{
		initialized = estate;
		state = ExecInitNode(plan, estate, eflags);
	}
	PG_FINALLY();
	{
		initialized = outer;
		estate->es_jit_flags = jit_flags;
	}
	PG_END_TRY();
	return state;
}

/* ---- plans that can be attempted ---- */

/* Whether a function may run queries of its own without the hook, which would stay open after an error: one that
 * returns sets or, of early plans, any.  Those are subqueries, which the executor makes before all else. */
static bool
may_stay_open(Oid function, void *context)
{
	const bool *early = context;
	HeapTuple	tuple;
	bool		may = false;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

		may = (*early || form->proretset) && (form->prolang != ClanguageId ||
											  getExtensionOfObject(ProcedureRelationId, function) !=
												  get_extension_oid("pg_infer", true));
		ReleaseSysCache(tuple);
	}
	return may;
}

static bool
calls_what_may_stay_open(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblFunction))
		return calls_what_may_stay_open(((RangeTblFunction *) node)->funcexpr, context);
	return check_functions_in_node(node, may_stay_open, context) ||
		   expression_tree_walker(node, calls_what_may_stay_open, context);
}

static bool
is_not_allowed_early(PlanState *plan, void *context)
{
	bool  early = true;
	List *expressions;

	if (plan == NULL)
		return false;
	expressions = list_make2(plan->plan->targetlist, plan->plan->qual);
	if (IsA(plan, NestLoopState) || IsA(plan, HashJoinState) || IsA(plan, MergeJoinState))
		expressions = lappend(expressions, ((Join *) plan->plan)->joinqual);
	if (IsA(plan, FunctionScanState))
		expressions = lappend(expressions, ((FunctionScan *) plan->plan)->functions);
	return calls_what_may_stay_open((Node *) expressions, &early) ||
		   planstate_tree_walker(plan, is_not_allowed_early, context);
}

static bool
is_not_allowed(PlanState *plan, void *context)
{
	const bool *alone = context;
	List	   *functions = NIL;
	ListCell   *cell;
	bool		early = false;

	if (plan == NULL)
		return false;
	switch (nodeTag(plan))
	{
		case T_ForeignScanState: /* another server's transaction would have failed */
		case T_ModifyTableState:
			return true;
		case T_CteScanState: /* others go on with a shared one */
			if (!*alone || is_not_allowed_early(((CteScanState *) plan)->cteplanstate, NULL) ||
				is_not_allowed(((CteScanState *) plan)->cteplanstate, context))
				return true;
			break;
		case T_CustomScanState:
			/* on a standby, a conflict with recovery ends a session that waits in a subtransaction */
			if (!lookahead_is(plan->plan) || RecoveryInProgress())
				return true;
			break;
		case T_FunctionScanState:
			functions = ((FunctionScan *) plan->plan)->functions;
			break;
		case T_ProjectSetState:
			functions = plan->plan->targetlist;
			break;
		default:
			break;
	}
	foreach(cell, list_concat_copy(plan->initPlan, plan->subPlan))
	{
		if (is_not_allowed_early(((SubPlanState *) lfirst(cell))->planstate, NULL))
			return true;
	}
	if (calls_what_may_stay_open((Node *) functions, &early))
		return true;
	return planstate_tree_walker(plan, is_not_allowed, context);
}

bool
attempt_allowed(PlanState *plan, bool alone)
{
	return !is_not_allowed(plan, &alone);
}

bool
attempt_possible(PlanState *plan)
{
	const Bitmapset *params = plan->plan->allParam;

	if (IsInParallelMode())
		return false;
	for (int i = -1; (i = bms_next_member(params, i)) >= 0;)
		if (plan->state->es_param_exec_vals[i].execPlan != NULL)
			return false;
	return true;
}

static bool
is_not_repeatable(PlanState *plan, void *context)
{
	if (plan == NULL)
		return false;
	return plan->initPlan != NIL || plan->subPlan != NIL || IsA(plan, CteScanState) ||
		   planstate_tree_walker(plan, is_not_repeatable, context);
}

bool
attempt_repeatable(PlanState *plan)
{
	return !is_not_repeatable(plan, NULL);
}

void
attempt_register(void)
{
	previous_needs_hook = needs_fmgr_hook;
	needs_fmgr_hook = needs_hook;
	previous_hook = fmgr_hook;
	fmgr_hook = enter_function;
}
