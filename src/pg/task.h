/*
 * task.h: SQL functions over texts, in two steps.
 *
 * The first makes items of a function's arguments, the second makes its result of what an engine made of them.
 * Apart, because somebody who sees rows coming can prepare many calls and send their items together.
 */
#ifndef PG_TASK_H
#define PG_TASK_H

#include "funcapi.h"

#include "pg/work.h"

/* A call under way; functions that need more have a struct that begins with it. */
typedef struct TaskCall
{
	Work work;
} TaskCall;

typedef struct Task
{
	bool returns_set;

	/* Checks the arguments and adds the items; all in the current memory context.  NULL: the result is NULL, or
	 * no rows. */
	TaskCall *(*prepare)(FunctionCallInfo fcinfo);

	/* The result, when all items are finished; a set is put into the materialized one. */
	Datum (*finish)(FunctionCallInfo fcinfo, TaskCall *call);
} Task;

/* A call from its arguments to its result. */
extern Datum task_run(const Task *task, FunctionCallInfo fcinfo);

/* Adds a row to the result of a task that returns a set. */
extern void task_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

/* ---- arguments ---- */

/* Whether one of the first n arguments is NULL. */
extern bool task_null(FunctionCallInfo fcinfo, int n);

/* The model, the first argument; an ERROR unless it serves the function that is called. */
extern ModelHandle *task_model(FunctionCallInfo fcinfo);

/* Whole texts with special tokens, as long as the model takes; argument number n says what to do with longer ones, -1:
 * there is none. */
extern EncodeOptions task_options(const ModelHandle *handle, FunctionCallInfo fcinfo, int n);

/* A text argument, NULL when it is NULL or not there. */
extern text *task_text(FunctionCallInfo fcinfo, int n);
extern char *task_string(FunctionCallInfo fcinfo, int n);

/* top_k: most where it is NULL, at most that; less than 1 is an ERROR. */
extern int task_top_k(FunctionCallInfo fcinfo, int n, int most);

/* The elements of a text[] argument called name, at least one and none of them NULL. */
extern text **task_texts(FunctionCallInfo fcinfo, int n, const char *name, int *count);

/* One item of a text or pair (pair NULL: single). */
extern void task_add(Work *work, const text *input, const text *pair, EncodeOptions *options);

/* The name of a class. */
extern Datum task_label(const ModelHandle *handle, int i);

#endif
