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

#include "base/utf8.h"
#include "pg/pg_infer.h"

/* ---- arguments that all of them share ---- */

/* Arguments input, pair, add_special_tokens, encoded into the backend's arena. */
static void
encode_arguments(FunctionCallInfo fcinfo, ModelHandle *handle, EncodeOptions *options,
				 Encoding *encoding)
{
	size_t		length, pair_length = 0;
	const char *input = text_to_utf8(PG_GETARG_TEXT_PP(1), &length);
	const char *pair = PG_ARGISNULL(2) ? NULL : text_to_utf8(PG_GETARG_TEXT_PP(2), &pair_length);

	arena_reset(backend_arena());
	options->add_special_tokens = PG_ARGISNULL(3) || PG_GETARG_BOOL(3);
	handle_encode(handle, input, length, pair, pair_length, options, encoding);
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

PG_FUNCTION_INFO_V1(infer_tokenize);
Datum
infer_tokenize(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EncodeOptions  options = {.wants_texts = true};
	Encoding	   encoding;
	ModelHandle	  *handle;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	encode_arguments(fcinfo, handle, &options, &encoding);
	for (int i = 0; i < encoding.n; i++)
	{
		bool  special = encoding.sequence[i] == 0;
		Datum values[8];
		bool  nulls[8] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(i + 1);
		values[1] = Int32GetDatum(encoding.ids[i]);
		nulls[2] = !token_text(handle, encoding.ids[i], encoding.texts[i], &values[2]);
		values[3] = Int32GetDatum(encoding.type_ids[i]);
		nulls[4] = nulls[5] = nulls[6] = special;
		values[4] = Int32GetDatum(encoding.sequence[i]);
		values[5] = Int32GetDatum(encoding.pos[i] + 1);
		values[6] = Int32GetDatum(encoding.len[i]);
		values[7] = BoolGetDatum(special);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (!nulls[2])
			pfree(DatumGetPointer(values[2]));
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_count_tokens);
Datum
infer_count_tokens(PG_FUNCTION_ARGS)
{
	EncodeOptions options = {.max_length = 0};
	Encoding	  encoding;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	encode_arguments(fcinfo, model_handle(PG_GETARG_INFER_MODEL(0)), &options, &encoding);
	PG_RETURN_INT32(encoding.n);
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
	encode_arguments(fcinfo, handle, &options, &encoding);

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
	ModelHandle *handle;
	ArrayType	*ids;
	char		*decoded;
	size_t		 length;
	Error		 error;

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
	if (!tokenizer_decode(&handle->tokenizer, backend_arena(), (const int32 *) ARR_DATA_PTR(ids),
						  ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids)),
						  !PG_ARGISNULL(2) && PG_GETARG_BOOL(2), &decoded, &length, &error))
		report_error(&error, handle->name);
	PG_RETURN_TEXT_P(text_from_utf8(decoded, length));
}

/* ---- vocab ---- */

PG_FUNCTION_INFO_V1(infer_vocab);
Datum
infer_vocab(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ModelHandle	  *handle;

	InitMaterializedSRF(fcinfo, 0);
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

/* A text cut at tokens: what chunks() walks.  Arrays are palloc'd: the arena is used for every piece. */
typedef struct Pieces
{
	ModelHandle *handle;
	const char	*text;	/* UTF-8 */
	int			 n;		/* tokens of the whole text, without special ones */
	int			*first; /* (n) byte where a token begins */
	int			*last;	/* (n) byte behind it */
	int			*pos;	/* (n) its first character */
	int			*end;	/* (n) the character behind it */
	int			 room;	/* tokens of a piece, without special ones */
	int			 limit; /* and with them */
} Pieces;

static void
cut_text(Pieces *pieces, const char *text, size_t length)
{
	EncodeOptions options = {.add_special_tokens = false};
	Encoding	  encoding;
	int			  character = 0; /* where the last token began */
	size_t		  byte = 0;

	arena_reset(backend_arena());
	handle_encode(pieces->handle, text, length, NULL, 0, &options, &encoding);
	pieces->text = text;
	pieces->n = encoding.n;
	pieces->first = palloc(sizeof(int) * (encoding.n + 1));
	pieces->last = palloc(sizeof(int) * (encoding.n + 1));
	pieces->pos = palloc(sizeof(int) * (encoding.n + 1));
	pieces->end = palloc(sizeof(int) * (encoding.n + 1));
	for (int i = 0; i < encoding.n; i++)
	{
		size_t behind;

		CHECK_FOR_INTERRUPTS();
		pieces->pos[i] = encoding.pos[i];
		pieces->end[i] = encoding.pos[i] + encoding.len[i];
		if (pieces->pos[i] < character)
			character = byte = 0;
		for (; character < pieces->pos[i]; character++)
			(void) utf8_next(text, length, &byte);
		behind = byte;
		for (int at = character; at < pieces->end[i]; at++)
			(void) utf8_next(text, length, &behind);
		pieces->first[i] = byte;
		pieces->last[i] = behind;
	}
}

/* Whether something that is no token, as a space, lies before token i. */
static bool
at_gap(const Pieces *pieces, int i)
{
	return i == 0 || i == pieces->n || pieces->pos[i] > pieces->end[i - 1];
}

/* The tokens of a piece that stands alone, special ones included. */
static int
piece_tokens(const Pieces *pieces, int from, int to)
{
	EncodeOptions options = {.add_special_tokens = true};
	Encoding	  encoding;

	arena_reset(backend_arena());
	handle_encode(pieces->handle, pieces->text + pieces->first[from],
				  pieces->last[to - 1] - pieces->first[from], NULL, 0, &options, &encoding);
	return encoding.n;
}

/* Where a piece that begins at token from ends: as far as fits, at a gap if the piece's second half has one. */
static int
piece_end(const Pieces *pieces, int from, int *tokens)
{
	int room = pieces->room;

	for (;;)
	{
		int to = Min(pieces->n - from, room) + from;
		int gap = to;

		while (gap > from + room / 2 && !at_gap(pieces, gap))
			gap--;
		if (gap > from && at_gap(pieces, gap))
			to = gap;
		/* never through a character that is several tokens, unless nothing else is left */
		while (to > from + 1 && to < pieces->n && pieces->pos[to] < pieces->end[to - 1])
			to--;
		CHECK_FOR_INTERRUPTS();
		*tokens = piece_tokens(pieces, from, to);
		if (*tokens <= pieces->limit || to == from + 1)
			return to;
		room = Max(1, Min(room, to - from) - (*tokens - pieces->limit));
	}
}

/* Where the next piece begins: overlap tokens before the end of this one, or less to begin at a gap. */
static int
next_piece(const Pieces *pieces, int from, int to, int overlap)
{
	int next = Max(from + 1, to - overlap);

	for (int i = next; i <= to; i++)
		if (at_gap(pieces, i))
			return i;
	return next;
}

PG_FUNCTION_INFO_V1(infer_chunks);
Datum
infer_chunks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Pieces		   pieces;
	const char	  *input;
	size_t		   length;
	int			   special, overlap, ord = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	pieces.handle = model_handle(PG_GETARG_INFER_MODEL(0));
	require_tokenizer(pieces.handle);
	input = text_to_utf8(PG_GETARG_TEXT_PP(1), &length);
	special = tokenizer_template_size(&pieces.handle->tokenizer, false);
	pieces.limit = PG_ARGISNULL(2) ? pieces.handle->max_length : PG_GETARG_INT32(2);
	overlap = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3);
	if (pieces.limit <= special)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_tokens must be at least %d for model \"%s\", not %d",
							   special + 1, pieces.handle->name, pieces.limit),
						errdetail("The model adds %d special tokens to every text.", special)));
	pieces.room = pieces.limit - special;
	if (overlap < 0 || overlap >= pieces.room)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("overlap must be between 0 and %d, not %d", pieces.room - 1, overlap),
			 errdetail("A chunk has at most %d tokens besides the special ones.", pieces.room)));
	cut_text(&pieces, input, length);
	for (int from = 0, to; from < pieces.n; from = next_piece(&pieces, from, to, overlap))
	{
		Datum values[5];
		bool  nulls[5] = {false};
		int	  tokens;

		CHECK_FOR_INTERRUPTS();
		to = piece_end(&pieces, from, &tokens);
		values[0] = Int32GetDatum(++ord);
		values[1] = PointerGetDatum(text_from_utf8(pieces.text + pieces.first[from],
												   pieces.last[to - 1] - pieces.first[from]));
		values[2] = Int32GetDatum(pieces.pos[from] + 1);
		values[3] = Int32GetDatum(pieces.end[to - 1] - pieces.pos[from]);
		values[4] = Int32GetDatum(tokens);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		pfree(DatumGetPointer(values[1]));
		if (to == pieces.n)
			break;
	}
	return (Datum) 0;
}
