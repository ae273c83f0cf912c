/*
 * task.c: what the functions over texts have in common.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "pg/service.h"
#include "pg/task.h"

/* ---- running ---- */

Datum
task_run(const Task *task, FunctionCallInfo fcinfo)
{
	TaskCall *call = task->prepare(fcinfo);

	if (call != NULL)
		work_run(&call->work);
	if (task->returns_set)
		InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (call != NULL)
		return task->finish(fcinfo, call);
	fcinfo->isnull = !task->returns_set;
	return (Datum) 0;
}

void
task_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* ---- models ---- */

ModelHandle *
task_model(FunctionCallInfo fcinfo)
{
	ModelHandle *handle = model_handle(PG_GETARG_INFER_MODEL(0));

	require_service(handle, get_func_name(fcinfo->flinfo->fn_oid));
	return handle;
}

Datum
task_label(const ModelHandle *handle, int i)
{
	const char *label = service_label(handle, i);

	return PointerGetDatum(text_from_utf8(label, strlen(label)));
}

/* ---- arguments ---- */

bool
task_null(FunctionCallInfo fcinfo, int n)
{
	for (int i = 0; i < n; i++)
		if (PG_ARGISNULL(i))
			return true;
	return false;
}

text *
task_text(FunctionCallInfo fcinfo, int n)
{
	return n < 0 || PG_ARGISNULL(n) ? NULL : PG_GETARG_TEXT_PP(n);
}

char *
task_string(FunctionCallInfo fcinfo, int n)
{
	text *value = task_text(fcinfo, n);

	return value == NULL ? NULL : text_to_cstring(value);
}

EncodeOptions
task_options(const ModelHandle *handle, FunctionCallInfo fcinfo, int n)
{
	return (EncodeOptions){.add_special_tokens = true,
						   .max_length = handle->max_length,
						   .truncate = truncate_from_arg(handle, task_string(fcinfo, n))};
}

int
task_top_k(FunctionCallInfo fcinfo, int n, int most)
{
	int top_k = PG_ARGISNULL(n) ? most : PG_GETARG_INT32(n);

	if (top_k < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("top_k must be at least 1, not %d", top_k)));
	return Min(top_k, most);
}

text **
task_texts(FunctionCallInfo fcinfo, int n, const char *name, int *count)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(n);
	Datum	  *values;
	bool	  *nulls;
	text	 **texts;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, count);
	if (*count == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must have at least one element", name)));
	texts = palloc(sizeof(text *) * *count);
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not contain NULL elements", name)));
		texts[i] = DatumGetTextPP(values[i]);
	}
	return texts;
}

void
task_add(Work *work, const text *input, const text *pair, EncodeOptions *options)
{
	size_t		length, pair_length = 0;
	const char *utf8 = text_to_utf8(input, &length);
	const char *pair_utf8 = pair == NULL ? NULL : text_to_utf8(pair, &pair_length);

	CHECK_FOR_INTERRUPTS();
	work_add_text(work, utf8, length, pair_utf8, pair_length, options, NULL);
	if (utf8 != VARDATA_ANY(input))
		pfree((char *) utf8);
	if (pair != NULL && pair_utf8 != VARDATA_ANY(pair))
		pfree((char *) pair_utf8);
}
