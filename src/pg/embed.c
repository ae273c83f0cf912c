/*
 * embed.c: texts to vectors: embed, embed_many, similarity.
 *
 * Texts are tokenized here and computed by an engine.  A backend holds one request at a time, and none while it
 * returns rows; embed_many tokenizes the next request's texts while an engine computes the last one's.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/pg_infer.h"

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

/* Texts as tokens, one behind the other. */
typedef struct Tokens
{
	int	   n_items, n_tokens;
	int	   item_capacity, token_capacity;
	int32 *offsets;	 /* (item_capacity + 1) */
	int32 *ids;		 /* (token_capacity) */
	int32 *type_ids; /* (token_capacity) */
} Tokens;

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

/* ---- tokens ---- */

/* Room for one more item and n tokens; memory comes from the current context at first. */
static void
reserve_tokens(Tokens *tokens, int n)
{
	int64 needed = (int64) tokens->n_tokens + n;

	if (tokens->n_items >= tokens->item_capacity)
	{
		tokens->item_capacity = Max(8, tokens->item_capacity * 2);
		if (tokens->offsets == NULL)
			tokens->offsets = palloc0(sizeof(int32) * (tokens->item_capacity + 1));
		else
			tokens->offsets =
				repalloc(tokens->offsets, sizeof(int32) * (tokens->item_capacity + 1));
	}
	if (needed > tokens->token_capacity)
	{
		Size bytes;

		if (needed > MaxAllocSize / (2 * sizeof(int32)))
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("a request of " INT64_FORMAT " tokens is too large", needed)));
		tokens->token_capacity = Max(64, needed * 2);
		bytes = sizeof(int32) * tokens->token_capacity;
		tokens->ids = tokens->ids ? repalloc(tokens->ids, bytes) : palloc(bytes);
		tokens->type_ids = tokens->type_ids ? repalloc(tokens->type_ids, bytes) : palloc(bytes);
	}
}

static void
add_text(Tokens *tokens, EmbedCall *call, const text *input)
{
	size_t		length;
	const char *utf8 = text_to_utf8(input, &length);
	char	   *converted = utf8 == VARDATA_ANY(input) ? NULL : (char *) utf8;
	char	   *prompted = NULL;
	Encoding	encoding;

	if (call->prompt_length > 0)
	{
		prompted = palloc(call->prompt_length + length + 1);
		memcpy(prompted, call->prompt, call->prompt_length);
		memcpy(prompted + call->prompt_length, utf8, length);
		utf8 = prompted;
		length += call->prompt_length;
	}
	arena_reset(backend_arena());
	handle_encode(call->handle, utf8, length, NULL, 0, &call->options, &encoding);
	reserve_tokens(tokens, encoding.n);
	memcpy(tokens->ids + tokens->n_tokens, encoding.ids, sizeof(int32) * encoding.n);
	memcpy(tokens->type_ids + tokens->n_tokens, encoding.type_ids, sizeof(int32) * encoding.n);
	tokens->n_tokens += encoding.n;
	tokens->offsets[++tokens->n_items] = tokens->n_tokens;
	if (prompted)
		pfree(prompted);
	if (converted)
		pfree(converted);
}

/* ---- requests ---- */

static Request *
submit(const EmbedCall *call, const Tokens *tokens)
{
	Request *request =
		request_begin(call->handle, REQUEST_EMBED,
					  embed_payload_size(tokens->n_items, tokens->n_tokens, call->dimensions));
	EmbedPayload *payload = request_payload(request);

	payload->n_items = tokens->n_items;
	payload->n_tokens = tokens->n_tokens;
	payload->dimensions = call->dimensions;
	payload->pooling = call->pooling;
	payload->normalize = call->normalize;
	memcpy(embed_payload_offsets(payload), tokens->offsets, sizeof(int32) * (tokens->n_items + 1));
	memcpy(embed_payload_ids(payload), tokens->ids, sizeof(int32) * tokens->n_tokens);
	memcpy(embed_payload_type_ids(payload), tokens->type_ids, sizeof(int32) * tokens->n_tokens);
	request_submit(request);
	return request;
}

/* Waits, and copies the vectors out: (n_items, dimensions). */
static void
finish(const EmbedCall *call, Request *request, int n_items, float4 *vectors)
{
	request_wait(request);
	memcpy(vectors, embed_payload_results(request_payload(request)),
		   sizeof(float4) * n_items * call->dimensions);
	request_end(request);
}

PG_FUNCTION_INFO_V1(infer_embed);
Datum
infer_embed(PG_FUNCTION_ARGS)
{
	EmbedCall  call;
	Tokens	   tokens = {0};
	ArrayType *vector;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	call_arguments(&call, fcinfo);
	add_text(&tokens, &call, PG_GETARG_TEXT_PP(1));
	vector = vector_make(call.dimensions);
	finish(&call, submit(&call, &tokens), 1, (float4 *) ARR_DATA_PTR(vector));
	PG_RETURN_ARRAYTYPE_P(vector);
}

PG_FUNCTION_INFO_V1(infer_similarity);
Datum
infer_similarity(PG_FUNCTION_ARGS)
{
	EmbedCall call;
	Tokens	  tokens = {0};
	float4	 *vectors;

	init_call(&call, model_handle(PG_GETARG_INFER_MODEL(0)));
	set_prompt(&call, NULL);
	add_text(&tokens, &call, PG_GETARG_TEXT_PP(1));
	add_text(&tokens, &call, PG_GETARG_TEXT_PP(2));
	vectors = palloc(sizeof(float4) * 2 * call.dimensions);
	finish(&call, submit(&call, &tokens), 2, vectors);
	PG_RETURN_FLOAT4(vector_cosine(vectors, vectors + call.dimensions, call.dimensions));
}

/* ---- embed_many ---- */

#define FIRST_ITEMS 32
#define MOST_ITEMS 256
#define MOST_TOKENS 16384

/* A call of embed_many, from row to row. */
typedef struct EmbedMany
{
	EmbedCall call;
	int		  n_inputs;
	Datum	 *inputs;
	bool	 *nulls;
	Size	  most_bytes; /* of a request */
	int		  most_items; /* doubled with every request: whoever wants one row waits for few */

	Tokens	next;		   /* tokenized, not sent */
	int		first, last;   /* its inputs: first .. last - 1 */
	int		row, rows_end; /* inputs whose vectors are there: row .. rows_end - 1 */
	float4 *vectors;	   /* theirs, without those of NULLs */
	float4 *vector;		   /* of row, unless that is NULL */
} EmbedMany;

static void
name_input(void *argument)
{
	errcontext("element %d of inputs", *(int *) argument + 1);
}

/* Tokenizes inputs from many->last on, up to the bounds of a request; at least one that is not NULL. */
static void
prepare(EmbedMany *many)
{
	EmbedCall			*call = &many->call;
	Tokens				*tokens = &many->next;
	ErrorContextCallback context = {
		.previous = error_context_stack, .callback = name_input, .arg = &many->last};

	error_context_stack = &context;
	tokens->n_items = tokens->n_tokens = 0;
	many->first = many->last;
	for (; many->last < many->n_inputs; many->last++)
	{
		text *input;

		CHECK_FOR_INTERRUPTS();
		if (many->nulls[many->last])
			continue;
		if (tokens->n_items >= many->most_items || tokens->n_tokens >= MOST_TOKENS ||
			embed_payload_size(tokens->n_items, tokens->n_tokens, call->dimensions) >=
				many->most_bytes)
			break;
		input = DatumGetTextPP(many->inputs[many->last]);
		add_text(tokens, call, input);
		if ((Pointer) input != DatumGetPointer(many->inputs[many->last]))
			pfree(input);
	}
	many->most_items = Min(MOST_ITEMS, many->most_items * 2);
	error_context_stack = context.previous;
}

/* Computes what is tokenized, and tokenizes on meanwhile. */
static void
compute(EmbedMany *many)
{
	int		 n_items = many->next.n_items;
	Request *request = NULL;

	many->row = many->first;
	many->rows_end = many->last;
	if (many->vectors)
		pfree(many->vectors);
	many->vector = many->vectors =
		palloc(sizeof(float4) * Max(1, (Size) n_items * many->call.dimensions));
	if (n_items > 0)
		request = submit(&many->call, &many->next);
	prepare(many);
	if (request)
		finish(&many->call, request, n_items, many->vectors);
}

static EmbedMany *
start_many(FunctionCallInfo fcinfo)
{
	EmbedMany *many = palloc0(sizeof(EmbedMany));
	ArrayType *inputs = PG_GETARG_ARRAYTYPE_P_COPY(1);

	call_arguments(&many->call, fcinfo);
	deconstruct_array(inputs, TEXTOID, -1, false, TYPALIGN_INT, &many->inputs, &many->nulls,
					  &many->n_inputs);
	many->most_items = FIRST_ITEMS;
	many->most_bytes = request_payload_share();
	prepare(many);
	return many;
}

PG_FUNCTION_INFO_V1(infer_embed_many);
Datum
infer_embed_many(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	EmbedMany		*many;
	MemoryContext	 old;
	Datum			 values[2];
	bool			 nulls[2] = {false, true};

	if (SRF_IS_FIRSTCALL())
	{
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
	if (many->row == many->n_inputs)
		SRF_RETURN_DONE(context);
	if (many->row == many->rows_end)
	{
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		compute(many);
		MemoryContextSwitchTo(old);
	}
	values[0] = Int64GetDatum(many->row + 1);
	if (!many->nulls[many->row])
	{
		ArrayType *vector = vector_make(many->call.dimensions);

		memcpy(ARR_DATA_PTR(vector), many->vector, sizeof(float4) * many->call.dimensions);
		many->vector += many->call.dimensions;
		values[1] = PointerGetDatum(vector);
		nulls[1] = false;
	}
	many->row++;
	SRF_RETURN_NEXT(context,
					HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, values, nulls)));
}
