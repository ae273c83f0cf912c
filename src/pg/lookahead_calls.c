/*
 * lookahead_calls.c: finding the calls that an expression makes, and what decides whether it makes them.
 *
 * A branch of CASE, an argument of COALESCE and an operand of AND and OR are evaluated only after others have had some
 * result.  What these others are makes a condition, which can be evaluated for a row before the expression is: then a
 * call in the branch is known to be made or not.
 */
#include "postgres.h"

#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "pg/attempt.h"
#include "pg/lookahead.h"
#include "pg/lookahead_calls.h"

/* Branches of CASE and operands that are searched: each has those before it in its condition. */
#define MOST_CONDITIONS 64

/* ---- functions that can be computed ahead ---- */

/* C functions that send one work or generation (work.h, generation_request.h) and do nothing else that could be
 * noticed.  Not those that PostgreSQL runs with other rights or settings: it takes these back only when they return. */
static const char *const ahead_functions[] = {
	"infer_embed",			 "infer_similarity",	  "infer_classify",
	"infer_classify_scores", "infer_classify_labels", "infer_score",
	"infer_zero_shot",		 "infer_rerank",		  "infer_tag",
	"infer_answer",			 "infer_answers",		  "infer_fill_mask",
	"infer_choose",			 "infer_choose_scores",	  "infer_log_likelihood",
	"infer_perplexity",		 "infer_token_logprobs",  "infer_generate",
	"infer_generate_many",	 "infer_generate_ids",	  "infer_generate_ids_many",
	"infer_generate_enum",	 "infer_generate_row"};

typedef struct Known
{
	Oid	 function;
	bool ahead;
} Known;

static HTAB *known_functions; /* what has been looked up; NULL: nothing */

static void
forget_functions(Datum argument, int cache, uint32 hash)
{
	if (known_functions != NULL)
		hash_destroy(known_functions);
	known_functions = NULL;
}

static bool
look_up(Oid function)
{
	HeapTuple	 tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	bool		 found = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prolang == ClanguageId && form->provolatile != PROVOLATILE_VOLATILE &&
		!form->prosecdef && heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL) &&
		!is_hooked(function))
	{
		bool  no_source, no_library;
		Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &no_source);
		Datum library = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &no_library);

		if (!no_source && !no_library)
		{
			char *symbol = TextDatumGetCString(source), *path = TextDatumGetCString(library);
			char *name = last_dir_separator(path);

			name = name != NULL ? name + 1 : path;
			for (int i = 0; i < lengthof(ahead_functions) && !found; i++)
				found = strcmp(symbol, ahead_functions[i]) == 0 &&
						strncmp(name, "pg_infer", strlen("pg_infer")) == 0;
		}
	}
	ReleaseSysCache(tuple);
	return found;
}

bool
computable_ahead(Oid function)
{
	HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(Known)};
	Known  *known;
	bool	found, ahead;

	if (function < FirstNormalObjectId)
		return false;
	if (known_functions != NULL &&
		(known = hash_search(known_functions, &function, HASH_FIND, NULL)) != NULL)
		return known->ahead;
	ahead = look_up(function); /* may forget them all */
	if (known_functions == NULL)
		known_functions = hash_create("pg_infer functions", 64, &control, HASH_ELEM | HASH_BLOBS);
	known = hash_search(known_functions, &function, HASH_ENTER, &found);
	known->ahead = ahead;
	return ahead;
}

/* ---- what can be known ahead ---- */

static bool
has_subquery(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		   expression_tree_walker(node, has_subquery, context);
}

/* Values that only an expression around this one has, and parameters that have none yet. */
static bool
depends_on_place(Node *node, void *context)
{
	CallSearch *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomainValue))
		return true;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		return list_member_int(search->outputs, ((Param *) node)->paramid);
	return expression_tree_walker(node, depends_on_place, context);
}

/* CASE has its own argument at hand. */
static bool
has_open_case(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CaseTestExpr))
		return true;
	if (IsA(node, CaseExpr) && ((CaseExpr *) node)->arg != NULL)
	{
		CaseExpr *expression = (CaseExpr *) node;
		ListCell *cell;

		foreach(cell,
				expression->args) if (has_open_case((Node *) lfirst_node(CaseWhen, cell)->result,
													context)) return true;
		return has_open_case((Node *) expression->arg, context) ||
			   has_open_case((Node *) expression->defresult, context);
	}
	if (IsA(node, ArrayCoerceExpr))
		return has_open_case((Node *) ((ArrayCoerceExpr *) node)->arg, context);
	return expression_tree_walker(node, has_open_case, context);
}

static bool
has_known_call(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && computable_ahead(((FuncExpr *) node)->funcid))
		return true;
	return expression_tree_walker(node, has_known_call, context);
}

/* Whether an expression can be evaluated for a row before it is asked for. */
static bool
can_evaluate(CallSearch *search, Node *expression)
{
	return !contain_volatile_functions(expression) && !has_subquery(expression, NULL) &&
		   !depends_on_place(expression, search) && !has_open_case(expression, NULL) &&
		   !expression_returns_set(expression);
}

/* ---- expected calls ---- */

FuncExpr *
expected_call(Node *expected)
{
	if (IsA(expected, FuncExpr))
		return (FuncExpr *) expected;
	return castNode(FuncExpr, linitial_node(CaseWhen, castNode(CaseExpr, expected)->args)->result);
}

Node *
expected_condition(Node *expected)
{
	if (IsA(expected, FuncExpr))
		return NULL;
	return (Node *) linitial_node(CaseWhen, castNode(CaseExpr, expected)->args)->expr;
}

static Node *
case_when(Node *condition, Node *result, Node *otherwise)
{
	CaseExpr *expression = makeNode(CaseExpr);
	CaseWhen *when = makeNode(CaseWhen);

	when->expr = (Expr *) condition;
	when->result = (Expr *) result;
	when->location = expression->location = -1;
	expression->casetype = exprType(result);
	expression->casecollid = exprCollation(result);
	expression->args = list_make1(when);
	expression->defresult = (Expr *) otherwise;
	return (Node *) expression;
}

static Node *
make_expected(FuncExpr *call, Node *condition)
{
	if (condition == NULL)
		return (Node *) call;
	return case_when(condition, (Node *) call,
					 (Node *) makeNullConst(call->funcresulttype, -1, call->funccollid));
}

/* Alternatives side by side, as far as copying them is cheap: nested deeply, they would need much stack. */
static Node *
either(Node *alternatives, Node *condition)
{
	BoolExpr *expression = (BoolExpr *) alternatives;

	if (IsA(alternatives, BoolExpr) && expression->boolop == OR_EXPR &&
		list_length(expression->args) < MOST_CONDITIONS)
		return (Node *) makeBoolExpr(OR_EXPR, lappend(list_copy(expression->args), condition), -1);
	return (Node *) makeBoolExpr(OR_EXPR, list_make2(alternatives, condition), -1);
}

/* A call that is found twice is made if either condition holds. */
static List *
with_expected(List *calls, FuncExpr *call, Node *condition)
{
	ListCell *cell;

	foreach(cell, calls)
	{
		Node *other = lfirst(cell), *other_condition;

		if (!equal(expected_call(other), call))
			continue;
		other_condition = expected_condition(other);
		if (condition == NULL || other_condition == NULL)
			lfirst(cell) = call;
		else if (!equal(condition, other_condition))
			lfirst(cell) = make_expected(call, either(other_condition, condition));
		return calls;
	}
	return lappend(calls, make_expected(call, condition));
}

/* The condition of the place that the search is at. */
static Node *
condition_here(const CallSearch *search)
{
	if (list_length(search->conditions) < 2)
		return search->conditions != NIL ? linitial(search->conditions) : NULL;
	return (Node *) makeBoolExpr(AND_EXPR, list_copy(search->conditions), -1);
}

/* ---- searching ---- */

static bool find(Node *node, void *context);

static void
find_under(CallSearch *search, Node *node, Node *condition)
{
	List *outer = search->conditions;

	search->conditions = lappend(list_copy(outer), condition);
	(void) find(node, search);
	search->conditions = outer;
}

static void
add_call(CallSearch *search, FuncExpr *call)
{
	CallSearch inner = {.subplans = search->subplans, .sets = search->sets};
	ListCell  *cell;

	inner.conditions = search->conditions;
	inner.outputs = search->outputs;
	(void) find((Node *) call->args, &inner);
	if (inner.calls != NIL)
	{
		search->nested = true;
		foreach(cell, inner.calls) search->calls = with_expected(
			search->calls, expected_call(lfirst(cell)), expected_condition(lfirst(cell)));
		search->places = list_concat(search->places, inner.places);
		return;
	}
	if (!can_evaluate(search, (Node *) search->conditions) ||
		has_known_call((Node *) call->args, NULL))
		return;
	if (has_known_call((Node *) search->conditions, NULL))
		search->nested = true;
	else
	{
		search->calls = with_expected(search->calls, call, condition_here(search));
		search->places = lappend(search->places, call);
	}
}

/* Whether the first n conditions of CASE are not true and, when more is set, the next one is. */
static Node *
reaches(const CaseExpr *expression, int n, bool more)
{
	CaseExpr *reached = makeNode(CaseExpr);

	reached->casetype = BOOLOID;
	reached->arg = expression->arg;
	reached->location = -1;
	for (int i = 0; i < n + more; i++)
	{
		CaseWhen *when = makeNode(CaseWhen);

		when->expr = list_nth_node(CaseWhen, expression->args, i)->expr;
		when->result = (Expr *) makeBoolConst(i == n, false);
		when->location = -1;
		reached->args = lappend(reached->args, when);
	}
	reached->defresult = (Expr *) makeBoolConst(!more, false);
	return (Node *) reached;
}

static void
find_in_case(CallSearch *search, const CaseExpr *expression)
{
	int		  n = 0;
	ListCell *cell;

	(void) find((Node *) expression->arg, search);
	foreach(cell, expression->args)
	{
		CaseWhen *when = lfirst_node(CaseWhen, cell);

		if (n == MOST_CONDITIONS)
			return;
		if (n == 0)
			(void) find((Node *) when->expr, search);
		else
			find_under(search, (Node *) when->expr, reaches(expression, n, false));
		find_under(search, (Node *) when->result, reaches(expression, n, true));
		n++;
	}
	find_under(search, (Node *) expression->defresult, reaches(expression, n, false));
}

Node *
null_test(Node *argument, NullTestType type)
{
	NullTest *test = makeNode(NullTest);

	test->arg = (Expr *) argument;
	test->nulltesttype = type;
	test->location = -1;
	return (Node *) test;
}

static Node *
is_truth(Node *argument, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = (Expr *) argument;
	test->booltesttype = type;
	test->location = -1;
	return (Node *) test;
}

/* Each of them is evaluated if all before it were NULL, for COALESCE, not false, for AND, or not true, for OR. */
static void
find_in_sequence(CallSearch *search, Node *expression, List *arguments)
{
	List	 *outer = search->conditions;
	ListCell *cell;

	foreach(cell, arguments)
	{
		Node *argument = lfirst(cell), *test;

		if (foreach_current_index(cell) == MOST_CONDITIONS)
			break;
		(void) find(argument, search);
		if (IsA(expression, CoalesceExpr))
			test = null_test(argument, IS_NULL);
		else
			test = is_truth(argument, ((BoolExpr *) expression)->boolop == AND_EXPR ? IS_NOT_FALSE
																					: IS_NOT_TRUE);
		search->conditions = lappend(list_copy(search->conditions), test);
	}
	search->conditions = outer;
}

/* A subquery's calls, and the expression that is compared with its rows, if that is evaluated once. */
static void
find_in_subquery(CallSearch *search, const SubPlan *query)
{
	List	  *outputs = search->outputs;
	CallSearch inner = {.subplans = search->subplans};
	ListCell  *cell;

	(void) find((Node *) query->args, search);
	if (query->useHashTable)
	{
		search->outputs = list_concat_copy(outputs, query->paramIds);
		(void) find(query->testexpr, search);
		search->outputs = outputs;
	}
	if (!can_evaluate(search, (Node *) search->conditions) ||
		has_known_call((Node *) search->conditions, NULL))
		return;
	find_plan_calls(&inner, list_nth(search->subplans, query->plan_id - 1), query->parParam,
					query->args);
	foreach(cell, inner.calls)
	{
		List *conditions = search->conditions;
		Node *condition = expected_condition(lfirst(cell));

		if (condition != NULL)
			search->conditions = lappend(list_copy(conditions), condition);
		search->of_queries =
			with_expected(search->of_queries, expected_call(lfirst(cell)), condition_here(search));
		search->conditions = conditions;
	}
}

static bool
find(Node *node, void *context)
{
	CallSearch *search = context;

	if (node == NULL)
		return false;
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_CaseExpr:
			find_in_case(search, (CaseExpr *) node);
			return false;
		case T_CoalesceExpr:
			find_in_sequence(search, node, ((CoalesceExpr *) node)->args);
			return false;
		case T_BoolExpr:
			if (((BoolExpr *) node)->boolop == NOT_EXPR)
				break;
			find_in_sequence(search, node, ((BoolExpr *) node)->args);
			return false;
		case T_RowCompareExpr:
			/* it ends with the first pair that differs */
			(void) find(linitial(((RowCompareExpr *) node)->largs), context);
			(void) find(linitial(((RowCompareExpr *) node)->rargs), context);
			return false;
#if PG_VERSION_NUM >= 170000
		case T_JsonExpr:
			/* its defaults are for errors */
			return find(((JsonExpr *) node)->formatted_expr, context);
#endif
		case T_ArrayCoerceExpr:
			return find((Node *) ((ArrayCoerceExpr *) node)->arg, context);
		case T_SubPlan:
			find_in_subquery(search, (SubPlan *) node);
			return false;
		case T_AlternativeSubPlan:
		case T_Aggref:
		case T_WindowFunc:
			return false;
		case T_FuncExpr:
		{
			FuncExpr *call = (FuncExpr *) node;

			if (!computable_ahead(call->funcid) || (call->funcretset && !search->sets) ||
				contain_volatile_functions((Node *) call->args) ||
				has_subquery((Node *) call->args, NULL) ||
				depends_on_place((Node *) call->args, search) ||
				has_open_case((Node *) call->args, NULL))
				break;
			add_call(search, call);
			return false;
		}
		default:
			break;
	}
	return expression_tree_walker(node, find, context);
}

void
find_calls(CallSearch *search, Node *expression)
{
	(void) find(expression, search);
}

bool
has_calls(List *subplans, Node *expression)
{
	CallSearch search = {.subplans = subplans};

	(void) find(expression, &search);
	return search.calls != NIL || search.of_queries != NIL;
}

/* ---- aggregates and window functions ---- */

static void
find_filtered(CallSearch *search, Node *arguments, Expr *filter)
{
	if (filter != NULL)
		find_under(search, arguments, (Node *) filter);
	else
		(void) find(arguments, search);
}

static bool
find_in_arguments(Node *node, void *context)
{
	CallSearch *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref *aggregate = (Aggref *) node;

		if (DO_AGGSPLIT_COMBINE(aggregate->aggsplit))
			return false;
		(void) find((Node *) aggregate->aggdirectargs, search);
		(void) find((Node *) aggregate->aggfilter, search);
		find_filtered(search, (Node *) aggregate->args, aggregate->aggfilter);
		return false;
	}
	if (IsA(node, WindowFunc))
	{
		WindowFunc *function = (WindowFunc *) node;

		(void) find((Node *) function->aggfilter, search);
		find_filtered(search, (Node *) function->args, function->aggfilter);
		return false;
	}
	return expression_tree_walker(node, find_in_arguments, context);
}

void
find_argument_calls(CallSearch *search, Node *expression)
{
	(void) find_in_arguments(expression, search);
}

/* ---- functions of plans ---- */

/* Parameters and what they stand for. */
typedef struct Bindings
{
	List *params, *values;
	bool  unbound; /* one was met that is none of these */
	bool  bound;   /* one was met that is */
} Bindings;

static Node *
bind(Node *node, void *context)
{
	Bindings *bindings = context;
	ListCell *param, *value;

	if (node == NULL)
		return NULL;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
	{
		forboth(param, bindings->params, value, bindings->values)
		{
			if (lfirst_int(param) != ((Param *) node)->paramid)
				continue;
			bindings->bound = true;
			return copyObject(lfirst(value));
		}
		bindings->unbound = true;
	}
	return expression_tree_mutator(node, bind, context);
}

/* Those of an expression that depend on parameters, all of which are bound. */
static void
find_bound(CallSearch *search, Node *expression, List *params, List *values)
{
	CallSearch inner = {.subplans = search->subplans, .sets = true};
	ListCell  *cell;

	(void) find(expression, &inner);
	foreach(cell, inner.calls)
	{
		Bindings bindings = {.params = params, .values = values};
		Node	*expected = bind(lfirst(cell), &bindings);

		Node *arguments = (Node *) expected_call(expected)->args;

		if (bindings.bound && !bindings.unbound && can_evaluate(search, arguments) &&
			can_evaluate(search, expected_condition(expected)) &&
			!has_known_call(arguments, NULL) && !has_known_call(expected_condition(expected), NULL))
			search->calls =
				with_expected(search->calls, expected_call(expected), expected_condition(expected));
	}
}

void
find_plan_calls(CallSearch *search, Plan *plan, List *params, List *values)
{
	ListCell *cell;

	if (plan == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_FunctionScan:
			foreach(cell, ((FunctionScan *) plan)->functions)
				find_bound(search, lfirst_node(RangeTblFunction, cell)->funcexpr, params, values);
			break;
		case T_SubqueryScan:
			find_plan_calls(search, ((SubqueryScan *) plan)->subplan, params, values);
			break;
		case T_Result:
			if (((Result *) plan)->resconstantqual != NULL)
				break;
			if (plan->lefttree == NULL)
				find_bound(search, (Node *) plan->targetlist, params, values);
			find_plan_calls(search, plan->lefttree, params, values);
			break;
		case T_ProjectSet:
		case T_Material:
		case T_Memoize:
		case T_Sort:
		case T_IncrementalSort:
		case T_Agg:
		case T_WindowAgg:
		case T_Group:
		case T_Unique:
		case T_Limit:
		case T_NestLoop:
			/* of a nested loop the outer side runs in any case */
			find_plan_calls(search, plan->lefttree, params, values);
			break;
		default:
			break;
	}
}

/* ---- callbacks ---- */

void
lookahead_calls_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, forget_functions, (Datum) 0);
}
