/*
 * attempt.h: running a part of a query that may fail before anybody has asked for it.
 *
 * It runs in a subtransaction, as an exception block of PL/pgSQL would, and hands back the error instead of
 * throwing it.  A plan's nodes keep what they hold of buffers, relations and files from one row to the next, whether
 * a subtransaction has ended meanwhile or not; what a function holds while it is called, and would never give
 * back after an error, goes with the subtransaction.
 *
 * All of it belongs to one backend.
 */
#ifndef PG_ATTEMPT_H
#define PG_ATTEMPT_H

#include "pg/pg_infer.h"

struct EState;
struct Plan;
struct PlanState;

/* Whether an error says something about data or about the statement, so that it means nothing before they are asked
 * for.  Those of the system, of the transaction or of other servers are for the whole session, at once. */
extern bool error_may_wait(int sqlerrcode);

/* Runs an expression's evaluation.  NULL: it went well; otherwise its error, in the current memory context.  Throws
 * what may not wait.  Not in parallel mode. */
extern ErrorData *attempt(void (*body)(void *), void *argument);

/* The same for a plan's nodes, made by attempt_init.  A plan that has failed may be ended, and nothing else. */
extern ErrorData *attempt_plan(struct PlanState *plan, void (*body)(void *), void *argument);

/* As ExecInitNode, for a plan that will be run by attempt_plan. */
extern struct PlanState *attempt_init(struct Plan *plan, struct EState *estate, int eflags);

/* Whether a plan can be left after an error that isn't thrown: it shares nothing with other parts of the query that
 * would be left half done, and holds nothing that would be lost.  alone: WITH queries that it reads are read by it only. */
extern bool attempt_allowed(struct PlanState *plan, bool alone);

/* Whether one that is allowed can be attempted now: not in parallel mode, nor while a subquery that it has to run first
 * is one of the whole query's. */
extern bool attempt_possible(struct PlanState *plan);

/* Whether it can then be replaced by a new one of attempt_init. */
extern bool attempt_repeatable(struct PlanState *plan);

/* Whether others than attempt_init have a function called with a hook. */
extern bool is_hooked(Oid function);

/* In _PG_init of a library that is preloaded. */
extern void attempt_register(void);

#endif
