/*
 * lookahead_calls.h: the calls of pg_infer's functions that an expression will make.
 */
#ifndef PG_LOOKAHEAD_CALLS_H
#define PG_LOOKAHEAD_CALLS_H

#include "pg/pg_infer.h"

#include "nodes/plannodes.h"

/*
 * A call that will be made for a row is its FuncExpr or, where a condition decides whether it is made, the expression
 * CASE WHEN condition THEN call END.  Conditions have no calls themselves.
 */

/* Whether a function's calls can be computed ahead. */
extern bool computable_ahead(Oid function);

/* The call itself. */
extern FuncExpr *expected_call(Node *expected);

/* What decides whether it is made; NULL: it always is. */
extern Node *expected_condition(Node *expected);

/* argument IS NULL or IS NOT NULL. */
extern Node *null_test(Node *argument, NullTestType type);

/* What is found in expressions. */
typedef struct CallSearch
{
	List *subplans; /* those of the statement */
	bool  sets;		/* functions that return sets count, too */
	List *calls;	/* expected innermost ones: none of their arguments or conditions has another */
	List *places;	/* the FuncExprs that these are in the expression */
	List *of_queries; /* the same of subqueries that stand in the expression */
	bool  nested;	  /* some call has another one in its arguments or condition */
	List *conditions; /* of the place that the search is at */
	List *outputs;	  /* numbers of parameters that have no value there */
} CallSearch;

/* Adds the calls that an expression makes whenever it is evaluated or, conditions known, sometimes. */
extern void find_calls(CallSearch *search, Node *expression);

/* Adds those in the arguments of the aggregates and window functions in an expression. */
extern void find_argument_calls(CallSearch *search, Node *expression);

/* Adds those that a plan makes in its functions whenever it runs to its end: as expressions over what its parameters
 * stand for, numbers being params and the expressions values. */
extern void find_plan_calls(CallSearch *search, Plan *plan, List *params, List *values);

/* Whether any is found. */
extern bool has_calls(List *subplans, Node *expression);

/* Callbacks; in _PG_init of a library that is preloaded. */
extern void lookahead_calls_init(void);

#endif
