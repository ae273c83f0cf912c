/*
 * text.c: the functions over texts and tokens: tokenize, encode, decode, count_tokens, chunks, vocab.
 *
 * They run in the backend, over the tables of the model's image; nothing is sent to the engine.  Positions are
 * 1-based characters here, 0-based in the core.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/pg_infer.h"
#include "task/chunks.h"

/* ---- arguments that all of them share ---- */

/* Arguments input, pair, add_special_tokens; the backend's arena is ready. */
typedef struct TextArguments
{
	const char *input, *pair; /* UTF-8; pair may be NULL */
	size_t		length, pair_length;
} TextArguments;

static TextArguments
text_arguments(FunctionCallInfo fcinfo, const ModelHandle *handle, EncodeOptions *options)
{
	TextArguments texts = {NULL};

	require_tokenizer(handle);
	texts.input = text_to_utf8(PG_GETARG_TEXT_PP(1), &texts.length);
	if (!PG_ARGISNULL(2))
		texts.pair = text_to_utf8(PG_GETARG_TEXT_PP(2), &texts.pair_length);
	options->add_special_tokens = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);
	options->interrupted = interrupt_pending;
	arena_reset(backend_arena());
	return texts;
}

/* Throws what stopped the tokenizer, but for an interrupt, which is the server's own to report. */
static void
report_stop(const Error *error, const ModelHandle *handle)
{
	CHECK_FOR_INTERRUPTS();
	report_error(error, handle->name);
}

/* The token of an id as text, or as it shows; false for an id without token. */
static bool
token_text(const ModelHandle *handle, int32 id, TokenText shown, Datum *token)
{
	if (shown.bytes == NULL)
		shown.bytes = tokenizer_token(&handle->tokenizer, id, &shown.length);
	if (shown.bytes == NULL)
		return false;
	*token = PointerGetDatum(text_from_utf8(shown.bytes, shown.length));
	return true;
}

/* ---- tokenize, count_tokens ---- */

typedef struct TokenRows
{
	ReturnSetInfo	  *result;
	const ModelHandle *handle;
	int64			   ord;
} TokenRows;

static bool
add_tokens(void *argument, const Encoding *part, Error *error)
{
	TokenRows *rows = argument;

	for (int i = 0; i < part->n; i++)
	{
		bool  special = part->sequence[i] == 0;
		Datum values[8];
		bool  nulls[8] = {false};

		CHECK_FOR_INTERRUPTS();
		if (rows->ord == PG_INT32_MAX)
			return error_set(error, ERR_LIMIT, "text has more than %d tokens", PG_INT32_MAX);
		values[0] = Int32GetDatum(++rows->ord);
		values[1] = Int32GetDatum(part->ids[i]);
		nulls[2] = !token_text(rows->handle, part->ids[i], part->texts[i], &values[2]);
		values[3] = Int32GetDatum(part->type_ids[i]);
		nulls[4] = nulls[5] = nulls[6] = special;
		values[4] = Int32GetDatum(part->sequence[i]);
		values[5] = Int32GetDatum(part->pos[i] + 1);
		values[6] = Int32GetDatum(part->len[i]);
		values[7] = BoolGetDatum(special);
		tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
		if (!nulls[2])
			pfree(DatumGetPointer(values[2]));
	}
	return true;
}

PG_FUNCTION_INFO_V1(infer_tokenize);
Datum
infer_tokenize(PG_FUNCTION_ARGS)
{
	TokenRows	  rows = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	EncodeOptions options = {.wants_texts = true};
	TextArguments texts;
	Error		  error;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	rows.handle = model_handle(PG_GETARG_INFER_MODEL(0));
	texts = text_arguments(fcinfo, rows.handle, &options);
	if (!tokenizer_stream(&rows.handle->tokenizer, backend_arena(), texts.input, texts.length,
						  texts.pair, texts.pair_length, &options, add_tokens, &rows, &error))
		report_stop(&error, rows.handle);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_count_tokens);
Datum
infer_count_tokens(PG_FUNCTION_ARGS)
{
	EncodeOptions	   options = {0};
	const ModelHandle *handle;
	TextArguments	   texts;
	size_t			   n;
	Error			   error;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	texts = text_arguments(fcinfo, handle, &options);
	if (!tokenizer_count(&handle->tokenizer, backend_arena(), texts.input, texts.length, texts.pair,
						 texts.pair_length, &options, &n, &error))
		report_stop(&error, handle);
	if (n > PG_INT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("text has more than %d tokens", PG_INT32_MAX)));
	PG_RETURN_INT32(n);
}

/* ---- encode, decode ---- */

/* An int[] of n values plus offset, NULL where skip (may be NULL) is 0. */
static Datum
int_array(const int32 *values, int n, int32 offset, const int8 *skip)
{
	Datum *elements = palloc(sizeof(Datum) * Max(n, 1));
	bool  *nulls = palloc0(Max(n, 1));
	int	   lower = 1;

	for (int i = 0; i < n; i++)
	{
		elements[i] = Int32GetDatum(values[i] + offset);
		nulls[i] = skip && skip[i] == 0;
	}
	return PointerGetDatum(construct_md_array(elements, nulls, n > 0 ? 1 : 0, &n, &lower, INT4OID,
											  sizeof(int32), true, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(infer_encode);
Datum
infer_encode(PG_FUNCTION_ARGS)
{
	EncodeOptions options = {.max_length = 0};
	TextArguments texts;
	Encoding	  encoding;
	ModelHandle	 *handle;
	TupleDesc	  descriptor;
	int32		 *ones, *special;
	Datum		  values[8];
	bool		  nulls[8] = {false};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	options.truncate =
		truncate_from_arg(handle, PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	options.max_length = handle->max_length;
	if (!PG_ARGISNULL(5))
	{
		options.max_length = PG_GETARG_INT32(5);
		if (options.max_length < 1)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("max_length must be at least 1, not %d", options.max_length)));
	}
	texts = text_arguments(fcinfo, handle, &options);
	handle_encode(handle, texts.input, texts.length, texts.pair, texts.pair_length, &options,
				  &encoding);

	ones = palloc(sizeof(int32) * Max(encoding.n, 1));
	special = palloc(sizeof(int32) * Max(encoding.n, 1));
	for (int i = 0; i < encoding.n; i++)
	{
		ones[i] = 1;
		special[i] = encoding.sequence[i] == 0;
	}
	values[0] = int_array(encoding.ids, encoding.n, 0, NULL);
	values[1] = int_array(encoding.type_ids, encoding.n, 0, NULL);
	values[2] = int_array(ones, encoding.n, 0, NULL);
	values[3] = int_array(special, encoding.n, 0, NULL);
	values[4] = int_array(encoding.pos, encoding.n, 1, encoding.sequence);
	values[5] = int_array(encoding.len, encoding.n, 0, encoding.sequence);
	nulls[6] = encoding.shape_ids == NULL;
	if (encoding.shape_ids)
		values[6] = int_array(encoding.shape_ids, encoding.n, 0, NULL);
	nulls[7] = encoding.pronunciation_ids == NULL;
	if (encoding.pronunciation_ids)
		values[7] = int_array(encoding.pronunciation_ids, encoding.n, 0, NULL);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

PG_FUNCTION_INFO_V1(infer_decode);
Datum
infer_decode(PG_FUNCTION_ARGS)
{
	const EncodeOptions options = {.interrupted = interrupt_pending};
	ModelHandle		   *handle;
	ArrayType		   *ids;
	char			   *decoded;
	size_t				length;
	Error				error;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_tokenizer(handle);
	ids = PG_GETARG_ARRAYTYPE_P(1);
	if (ARR_NDIM(ids) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("ids must have one dimension, not %d", ARR_NDIM(ids))));
	if (array_contains_nulls(ids))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("ids must not contain nulls")));
	arena_reset(backend_arena());
	if (!tokenizer_decode_long(
			&handle->tokenizer, backend_arena(), (const int32 *) ARR_DATA_PTR(ids),
			ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids)), !PG_ARGISNULL(2) && PG_GETARG_BOOL(2),
			&options, &decoded, &length, &error))
		report_stop(&error, handle);
	PG_RETURN_TEXT_P(text_from_utf8(decoded, length));
}

/* ---- vocab ---- */

PG_FUNCTION_INFO_V1(infer_vocab);
Datum
infer_vocab(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ModelHandle	  *handle;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_tokenizer(handle);
	for (int id = 0; id < handle->tokenizer.n_vocab; id++)
	{
		Datum values[3];
		bool  nulls[3] = {false};

		CHECK_FOR_INTERRUPTS();
		if (!token_text(handle, id, (TokenText){0}, &values[1]))
			continue;
		values[0] = Int32GetDatum(id);
		values[2] = BoolGetDatum(tokenizer_is_special(&handle->tokenizer, id));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
	}
	return (Datum) 0;
}

/* ---- chunks ---- */

typedef struct ChunkRows
{
	ReturnSetInfo *result;
	const char	  *text; /* UTF-8 */
	int			   ord;
} ChunkRows;

static bool
add_chunk(void *argument, const Chunk *chunk, Error *error)
{
	ChunkRows *rows = argument;
	Datum	   values[5];
	bool	   nulls[5] = {false};

	CHECK_FOR_INTERRUPTS();
	values[0] = Int32GetDatum(++rows->ord);
	values[1] =
		PointerGetDatum(text_from_utf8(rows->text + chunk->begin, chunk->end - chunk->begin));
	values[2] = Int32GetDatum(chunk->pos + 1);
	values[3] = Int32GetDatum(chunk->len);
	values[4] = Int32GetDatum(chunk->n_tokens);
	tuplestore_putvalues(rows->result->setResult, rows->result->setDesc, values, nulls);
	pfree(DatumGetPointer(values[1]));
	return true;
}

PG_FUNCTION_INFO_V1(infer_chunks);
Datum
infer_chunks(PG_FUNCTION_ARGS)
{
	ChunkRows	 rows = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	ChunkOptions options = {.interrupted = interrupt_pending};
	int			 max_tokens, overlap;
	ModelHandle *handle;
	Chunker		*chunker;
	size_t		 length;
	Error		 error;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_tokenizer(handle);
	rows.text = text_to_utf8(PG_GETARG_TEXT_PP(1), &length);
	if (PG_ARGISNULL(2) && handle->max_length == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("model \"%s\" has no maximum length", handle->name),
						errhint("Pass max_tokens.")));
	max_tokens = PG_ARGISNULL(2) ? handle->max_length : PG_GETARG_INT32(2);
	overlap = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);
	if (max_tokens < 1 || overlap < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be at least %d, not %d", max_tokens < 1 ? "max_tokens" : "overlap",
						max_tokens < 1, max_tokens < 1 ? max_tokens : overlap)));
	options.max_tokens = max_tokens;
	options.overlap = overlap;
	chunker = chunker_create(&handle->tokenizer, &options, &error);
	if (chunker == NULL)
		report_error(&error, handle->name);
	PG_TRY();
	{
		arena_reset(backend_arena());
		if (!chunker_run(chunker, backend_arena(), rows.text, length, add_chunk, &rows, &error))
			report_stop(&error, handle);
	}
	PG_FINALLY();
	{
		chunker_free(chunker);
	}
	PG_END_TRY();
	return (Datum) 0;
}
