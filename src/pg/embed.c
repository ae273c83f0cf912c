/*
 * embed.c: texts to vectors: embed, embed_many, similarity.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/portions.h"
#include "pg/task.h"

/* How a call wants its texts embedded: its arguments, or the model's defaults where they are NULL. */
typedef struct EmbedCall
{
	ModelHandle	 *handle;
	const char	 *prompt; /* UTF-8, put before every text; may be NULL */
	size_t		  prompt_length;
	int			  dimensions;
	Pooling		  pooling;
	bool		  normalize;
	EncodeOptions options;
} EmbedCall;

/* ---- arguments ---- */

/* The stored prompt of that name, or NULL.  Strings of section "prompts" are name, text, name, text, ... */
static const char *
stored_prompt(const ModelHandle *handle, const char *name)
{
	int n = image_strings(&handle->image, "prompts");

	for (int i = 0; i + 1 < n; i += 2)
		if (strcmp(image_string(&handle->image, "prompts", i), name) == 0)
			return image_string(&handle->image, "prompts", i + 1);
	return NULL;
}

/* The name of a prompt that the model has, else a prompt itself; NULL: the model's default prompt. */
static void
set_prompt(EmbedCall *call, const text *argument)
{
	const char *name = NULL;
	Error		error;

	if (argument)
	{
		const char *given = text_to_utf8(argument, &call->prompt_length);
		char	   *terminated = pnstrdup(given, call->prompt_length);

		call->prompt = stored_prompt(call->handle, terminated);
		if (call->prompt == NULL)
			call->prompt = terminated;
	}
	else
	{
		if (!params_string(&call->handle->image.model, "default_prompt", NULL, &name, &error))
			report_error(&error, call->handle->name);
		call->prompt = name ? stored_prompt(call->handle, name) : NULL;
	}
	call->prompt_length = call->prompt ? strlen(call->prompt) : 0;
}

static void
init_call(EmbedCall *call, ModelHandle *handle)
{
	*call = (EmbedCall){
		.handle = handle,
		.dimensions = handle->hidden_size,
		.pooling = handle->pooling,
		.normalize = handle->normalize,
		.options = {.add_special_tokens = true,
					.max_length = handle->max_length,
					.truncate = handle->truncate},
	};
	require_weights(handle);
	require_tokenizer(handle);
}

/* Arguments prompt, dimensions, pooling, normalize, truncate, from the third on. */
static void
call_arguments(EmbedCall *call, FunctionCallInfo fcinfo)
{
	init_call(call, model_handle(PG_GETARG_INFER_MODEL(0)));
	set_prompt(call, PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2));
	if (!PG_ARGISNULL(3))
	{
		call->dimensions = PG_GETARG_INT32(3);
		if (call->dimensions < 1 || call->dimensions > call->handle->hidden_size)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("dimensions must be between 1 and %d for model \"%s\", not %d",
							call->handle->hidden_size, call->handle->name, call->dimensions)));
	}
	if (!PG_ARGISNULL(4))
	{
		char *name = text_to_cstring(PG_GETARG_TEXT_PP(4));

		if (!pooling_from_name(name, &call->pooling))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("invalid value for pooling: \"%s\"", name),
							errhint("Valid values are: mean, cls, max, last, pooler.")));
	}
	if (!PG_ARGISNULL(5))
		call->normalize = PG_GETARG_BOOL(5);
	if (!PG_ARGISNULL(6))
		call->options.truncate =
			truncate_from_arg(call->handle, text_to_cstring(PG_GETARG_TEXT_PP(6)));
}

/* ---- texts ---- */

static WorkKind
work_kind(const EmbedCall *call)
{
	return (WorkKind){.result = RUN_VECTOR,
					  .pooling = call->pooling,
					  .dimensions = call->dimensions,
					  .normalize = call->normalize};
}

static void
add_text(void *argument, Work *work, text *input)
{
	EmbedCall  *call = argument;
	size_t		length;
	const char *utf8 = text_to_utf8(input, &length);
	char	   *converted = utf8 == VARDATA_ANY(input) ? NULL : (char *) utf8;
	char	   *prompted = NULL;

	if (call->prompt_length > 0)
	{
		prompted = palloc(call->prompt_length + length + 1);
		memcpy(prompted, call->prompt, call->prompt_length);
		memcpy(prompted + call->prompt_length, utf8, length);
		utf8 = prompted;
		length += call->prompt_length;
	}
	if (call->handle->strips)
		embed_strip(&utf8, &length);
	work_add_text(work, utf8, length, NULL, 0, &call->options, NULL);
	if (prompted)
		pfree(prompted);
	if (converted)
		pfree(converted);
}

static ArrayType *
make_vector(const float4 *numbers, int n)
{
	ArrayType *vector = vector_make(n);

	memcpy(ARR_DATA_PTR(vector), numbers, sizeof(float4) * n);
	return vector;
}

static TaskCall *
start_call(EmbedCall *call)
{
	TaskCall *task = palloc(sizeof(TaskCall));
	WorkKind  kind = work_kind(call);

	work_init(&task->work, call->handle, &kind);
	return task;
}

static TaskCall *
embed_prepare(FunctionCallInfo fcinfo)
{
	EmbedCall call;
	TaskCall *task;

	if (task_null(fcinfo, 2))
		return NULL;
	call_arguments(&call, fcinfo);
	task = start_call(&call);
	add_text(&call, &task->work, PG_GETARG_TEXT_PP(1));
	return task;
}

static Datum
embed_finish(FunctionCallInfo fcinfo, TaskCall *call)
{
	return PointerGetDatum(make_vector(work_result(&call->work, 0), call->work.counts.dimensions));
}

static const Task embed = {.prepare = embed_prepare, .finish = embed_finish};

PG_FUNCTION_INFO_V1(infer_embed);
Datum
infer_embed(PG_FUNCTION_ARGS)
{
	return task_run(&embed, fcinfo);
}

static TaskCall *
similarity_prepare(FunctionCallInfo fcinfo)
{
	EmbedCall call;
	TaskCall *task;

	if (task_null(fcinfo, 3))
		return NULL;
	init_call(&call, model_handle(PG_GETARG_INFER_MODEL(0)));
	set_prompt(&call, NULL);
	task = start_call(&call);
	add_text(&call, &task->work, PG_GETARG_TEXT_PP(1));
	add_text(&call, &task->work, PG_GETARG_TEXT_PP(2));
	return task;
}

static Datum
similarity_finish(FunctionCallInfo fcinfo, TaskCall *call)
{
	const Work *work = &call->work;

	return Float4GetDatum(
		vector_cosine(work_result(work, 0), work_result(work, 1), work->counts.dimensions));
}

static const Task similarity = {.prepare = similarity_prepare, .finish = similarity_finish};

PG_FUNCTION_INFO_V1(infer_similarity);
Datum
infer_similarity(PG_FUNCTION_ARGS)
{
	return task_run(&similarity, fcinfo);
}

/* ---- embed_many ---- */

/* A call of embed_many, from row to row. */
typedef struct EmbedMany
{
	EmbedCall call;
	Portions  portions;
} EmbedMany;

static EmbedMany *
start_many(FunctionCallInfo fcinfo)
{
	EmbedMany *many = palloc0(sizeof(EmbedMany));
	ArrayType *inputs = PG_GETARG_ARRAYTYPE_P_COPY(1);
	WorkKind   kind;

	call_arguments(&many->call, fcinfo);
	kind = work_kind(&many->call);
	portions_init(&many->portions, many->call.handle, &kind, inputs, "inputs", add_text,
				  &many->call);
	return many;
}

PG_FUNCTION_INFO_V1(infer_embed_many);
Datum
infer_embed_many(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	EmbedMany		*many;
	const float4	*results;
	Datum			 values[2];
	bool			 nulls[2] = {false, false};
	int				 input;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		context = SRF_FIRSTCALL_INIT();
		if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
			SRF_RETURN_DONE(context);
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &context->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		context->tuple_desc = BlessTupleDesc(context->tuple_desc);
		context->user_fctx = start_many(fcinfo);
		MemoryContextSwitchTo(old);
	}
	context = SRF_PERCALL_SETUP();
	many = context->user_fctx;
	if (!portions_next(&many->portions, &input, &results))
		SRF_RETURN_DONE(context);
	values[0] = Int64GetDatum(input + 1);
	nulls[1] = results == NULL;
	values[1] =
		results == NULL ? (Datum) 0 : PointerGetDatum(make_vector(results, many->call.dimensions));
	SRF_RETURN_NEXT(context,
					HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, values, nulls)));
}
