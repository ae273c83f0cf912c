/*
 * generate.c: generate, generate_many, generate_enum, generate_row, generate_ids, generate_ids_many,
 * generate_stream.
 *
 * Prompts are tokenized and options checked here, so that a bad call never reaches an engine; what an engine
 * generates comes back as ids, which become text here.  A stream holds its request from row to row, until it
 * is finished or nobody wants its rows any more.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "pg/generation_request.h"
#include "pg/grammars.h"
#include "pg/service.h"

#include "task/continuation.h"
#include "task/generation_defaults.h"

/* The arguments that all of the functions have, and behind them their own. */
enum
{
	ARG_MODEL,
	ARG_PROMPT, /* text, or ids */
	ARG_MAX_NEW_TOKENS,
	ARG_MIN_NEW_TOKENS,
	ARG_TEMPERATURE,
	ARG_TOP_K,
	ARG_TOP_P,
	ARG_TYPICAL_P,
	ARG_REPETITION_PENALTY,
	ARG_NO_REPEAT_NGRAM_SIZE,
	ARG_NUM_BEAMS,
	ARG_LENGTH_PENALTY,
	ARG_EARLY_STOPPING,
	ARG_STOP,
	ARG_BAD_WORDS,
	ARG_CHOICES,
	ARG_JSON_SCHEMA,
	ARG_SEED,
	ARG_OWN,

	/* of the functions over texts */
	ARG_ADD_SPECIAL_TOKENS = ARG_OWN,
	ARG_TRUNCATE,
	ARG_TEXT_NUM_RETURN_SEQUENCES, /* generate_many */

	/* of those over ids */
	ARG_BAD_WORDS_IDS = ARG_OWN,
	ARG_SUPPRESS_TOKENS,
	ARG_EOS_TOKEN_ID,
	ARG_PAD_TOKEN_ID,
	ARG_FORCED_EOS_TOKEN_ID,
	ARG_INPUT_SHAPE_IDS,
	ARG_INPUT_PRONUNCIATION_IDS,
	ARG_IDS_NUM_RETURN_SEQUENCES /* generate_ids_many */
};

/* A call: what an engine is asked for, and what is needed to read its answer. */
typedef struct GenerateCall
{
	ModelHandle		 *handle;
	GenerationPayload inputs;
	int				  pad_token_id;
	const int32		 *ids; /* (n_padding + inputs.n_prompt) the prompt as it was given */
	int				  n_padding;
	Choices			  choices; /* of which the output is one */
} GenerateCall;

/* ---- lists ---- */

/* The elements of an int[] that was given. */
static const int32 *
ids_argument(FunctionCallInfo fcinfo, int argument, const char *name, int *n)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("%s must have one dimension, not %d", name, ARR_NDIM(array))));
	if (array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not contain NULL elements", name)));
	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	return (const int32 *) ARR_DATA_PTR(array);
}

static text **
texts_argument(FunctionCallInfo fcinfo, int argument, const char *name, int *n)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(argument);
	Datum	  *values;
	bool	  *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, n);
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("%s must not contain NULL elements", name)));
		values[i] = PointerGetDatum(DatumGetTextPP(values[i]));
	}
	return (text **) values;
}

static void
read_stop(GenerateCall *call, FunctionCallInfo fcinfo)
{
	GenerationOptions *options = &call->inputs.options;
	StringInfoData	   bytes;
	int				   n;
	text			 **texts = texts_argument(fcinfo, ARG_STOP, "stop", &n);
	int32			  *offsets = palloc0(sizeof(int32) * (n + 1));

	if (n == 0)
		return;
	require_tokenizer(call->handle);
	initStringInfo(&bytes);
	for (int i = 0; i < n; i++)
	{
		size_t		length;
		const char *utf8 = text_to_utf8(texts[i], &length);

		appendBinaryStringInfo(&bytes, utf8, (int) length);
		offsets[i + 1] = bytes.len;
	}
	options->n_stop = n;
	options->stop_offsets = offsets;
	options->stop_bytes = bytes.data;
}

/* ---- bad words ---- */

/* Bad words in the making: lists of ids behind each other. */
typedef struct Words
{
	StringInfoData ids, ends; /* of int32 */
} Words;

static void
words_add(Words *words, const int32 *ids, int n)
{
	int32 end;

	appendBinaryStringInfo(&words->ids, (const char *) ids, (int) (sizeof(int32) * n));
	end = words->ids.len / (int) sizeof(int32);
	appendBinaryStringInfo(&words->ends, (const char *) &end, sizeof end);
}

/* The tokens of a word; one that is not in the vocabulary would forbid the unknown token instead. */
static void
add_spelling(GenerateCall *call, Words *words, const char *word, const char *utf8, size_t length)
{
	const Tokenizer *tokenizer = &call->handle->tokenizer;
	EncodeOptions	 options = {.add_special_tokens = false};
	Encoding		 encoding;

	handle_encode(call->handle, utf8, length, NULL, 0, &options, &encoding);
	for (int i = 0; i < encoding.n; i++)
		if (encoding.ids[i] == tokenizer->unk_id)
		{
			size_t		n;
			const char *unknown = tokenizer_token(tokenizer, tokenizer->unk_id, &n);

			if (unknown != NULL && strlen(word) == n && memcmp(word, unknown, n) == 0)
				continue;
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("bad_words has \"%s\", which is not in the vocabulary of model "
								   "\"%s\"",
								   word, call->handle->name)));
		}
	words_add(words, encoding.ids, encoding.n);
}

/* Words, and what they are behind a space, where that has other tokens; beside the lists of ids that the options
 * have. */
static void
read_bad_words(GenerateCall *call, FunctionCallInfo fcinfo)
{
	GenerationOptions *options = &call->inputs.options;
	int				   n;
	text			 **texts = texts_argument(fcinfo, ARG_BAD_WORDS, "bad_words", &n);
	Words			   words;

	require_tokenizer(call->handle);
	initStringInfo(&words.ids);
	initStringInfo(&words.ends);
	appendBinaryStringInfo(&words.ends, (const char *) &(int32){0}, sizeof(int32));
	for (int i = 0; i < options->n_bad_words; i++)
		words_add(&words, options->bad_words_ids + options->bad_words_offsets[i],
				  options->bad_words_offsets[i + 1] - options->bad_words_offsets[i]);
	for (int i = 0; i < n; i++)
	{
		size_t		length;
		const char *utf8 = text_to_utf8(texts[i], &length);
		char	   *spaced = palloc(length + 2), *word = text_to_cstring(texts[i]);

		CHECK_FOR_INTERRUPTS();
		if (length == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("element %d of bad_words is empty", i + 1)));
		spaced[0] = ' ';
		memcpy(spaced + 1, utf8, length);
		add_spelling(call, &words, word, utf8, length);
		add_spelling(call, &words, word, spaced, length + 1);
	}
	options->n_bad_words = words.ends.len / (int) sizeof(int32) - 1;
	options->bad_words_ids = (const int32 *) words.ids.data;
	options->bad_words_offsets = (const int32 *) words.ends.data;
}

static void
read_bad_words_ids(GenerateCall *call, FunctionCallInfo fcinfo)
{
	GenerationOptions *options = &call->inputs.options;
	Jsonb			  *json = PG_GETARG_JSONB_P(ARG_BAD_WORDS_IDS);
	Error			   error;

	if (!id_lists_read(JsonbToCString(NULL, &json->root, (int) VARSIZE(json)), "bad_words_ids",
					   backend_arena(), &options->bad_words_ids, &options->bad_words_offsets,
					   &options->n_bad_words, &error))
	{
		error.code = ERR_ARGUMENT;
		report_error(&error, call->handle->name);
	}
}

/* ---- constraints ---- */

/* The output is to be what a grammar has. */
static void
set_grammar(GenerateCall *call, const Grammar *grammar)
{
	require_tokenizer(call->handle);
	call->inputs.grammar = grammar;
	call->inputs.grammar_size = grammar->size;
}

static void
set_choices(GenerateCall *call, Choices choices)
{
	call->choices = choices;
	set_grammar(call, grammar_from_choices(call->handle, &call->choices));
}

static void
read_constraints(GenerateCall *call, FunctionCallInfo fcinfo)
{
	bool choices = !PG_ARGISNULL(ARG_CHOICES), schema = !PG_ARGISNULL(ARG_JSON_SCHEMA);

	if (choices && schema)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("choices and json_schema are both given")));
	if ((choices || schema) && call->inputs.options.n_stop > 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("stop and %s are both given", choices ? "choices" : "json_schema"),
						errdetail("A stop string would cut what has to be complete.")));
	if (choices)
		set_choices(call, choices_from_array(PG_GETARG_ARRAYTYPE_P(ARG_CHOICES)));
	if (schema)
		set_grammar(call, grammar_from_schema(PG_GETARG_JSONB_P(ARG_JSON_SCHEMA)));
}

/* ---- arguments ---- */

static void
read_int(FunctionCallInfo fcinfo, int argument, int *value)
{
	if (!PG_ARGISNULL(argument))
		*value = PG_GETARG_INT32(argument);
}

static void
read_real(FunctionCallInfo fcinfo, int argument, float *value)
{
	if (!PG_ARGISNULL(argument))
		*value = PG_GETARG_FLOAT4(argument);
}

/* What a model that can't generate is asked instead. */
static void
require_decoder(const GenerateCall *call)
{
	const Model *model = handle_model(call->handle);

	if (model->head != HEAD_CAUSAL_LM)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("model \"%s\" does not generate: %s has no causal language model's "
							   "head",
							   call->handle->name, model->architecture),
						errdetail("It serves %s.", services_of(model))));
	if (!model->is_decoder)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" does not generate: is_decoder is false", call->handle->name),
				 errhint("Its tokens see those that follow them.  The option config of "
						 "infer.create_model sets is_decoder.")));
}

/* Options that all functions have; NULL stands for an option that is not given. */
static void
read_options(GenerateCall *call, FunctionCallInfo fcinfo)
{
	GenerationOptions *options = &call->inputs.options;

	read_int(fcinfo, ARG_MAX_NEW_TOKENS, &options->max_new_tokens);
	read_int(fcinfo, ARG_MIN_NEW_TOKENS, &options->min_new_tokens);
	read_real(fcinfo, ARG_TEMPERATURE, &options->temperature);
	read_int(fcinfo, ARG_TOP_K, &options->top_k);
	read_real(fcinfo, ARG_TOP_P, &options->top_p);
	read_real(fcinfo, ARG_TYPICAL_P, &options->typical_p);
	read_real(fcinfo, ARG_REPETITION_PENALTY, &options->repetition_penalty);
	read_int(fcinfo, ARG_NO_REPEAT_NGRAM_SIZE, &options->no_repeat_ngram_size);
	read_int(fcinfo, ARG_NUM_BEAMS, &options->num_beams);
	read_real(fcinfo, ARG_LENGTH_PENALTY, &options->length_penalty);
	if (!PG_ARGISNULL(ARG_EARLY_STOPPING))
	{
		char *name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_EARLY_STOPPING));

		if (!early_stopping_from_name(name, &options->early_stopping))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("invalid value for early_stopping: \"%s\"", name),
							errhint("Valid values are: false, true, never.")));
	}
	if (!PG_ARGISNULL(ARG_STOP))
		read_stop(call, fcinfo);
	if (!PG_ARGISNULL(ARG_BAD_WORDS))
		read_bad_words(call, fcinfo);
	read_constraints(call, fcinfo);
	if (!PG_ARGISNULL(ARG_SEED))
		options->seed = (uint64) PG_GETARG_INT64(ARG_SEED);
}

/* A model's files may name ends of text that its vocabulary does not have: those never come. */
static void
drop_foreign_eos(GenerateCall *call)
{
	GenerationOptions *options = &call->inputs.options;
	int				   n_vocab = head_outputs(handle_model(call->handle)), n = 0;
	int32			  *ids = palloc(sizeof(int32) * Max(options->n_eos, 1));

	for (int i = 0; i < options->n_eos; i++)
		if (options->eos_token_ids[i] < n_vocab)
			ids[n++] = options->eos_token_ids[i];
	options->eos_token_ids = ids;
	options->n_eos = n;
}

static void
init_call(GenerateCall *call, FunctionCallInfo fcinfo)
{
	GenerationOptions *options = &call->inputs.options;
	Error			   error;

	*call = (GenerateCall){.handle = model_handle(PG_GETARG_INFER_MODEL(ARG_MODEL))};
	require_weights(call->handle);
	require_decoder(call);
	arena_reset(backend_arena());
	generation_options_init(options);
	if (!generation_defaults(&call->handle->image, backend_arena(), options, &call->pad_token_id,
							 &error))
		report_error(&error, call->handle->name);
	drop_foreign_eos(call);
}

/* Checks what has been read; the arena still has some of it. */
static void
check_call(const GenerateCall *call)
{
	Error error;

	if (!generation_options_check(&call->inputs.options, head_outputs(handle_model(call->handle)),
								  &error))
		report_error(&error, call->handle->name);
}

/* Tokens that a prompt may have, so that all new ones but the last find a position behind it. */
static int
most_prompt(const GenerateCall *call)
{
	int positions = handle_model(call->handle)->max_tokens;
	int most = positions - (call->inputs.options.max_new_tokens - 1);

	if (most < 1)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("max_new_tokens is %d, but model \"%s\" has %d positions",
							   call->inputs.options.max_new_tokens, call->handle->name, positions),
						errhint("Pass a smaller max_new_tokens.")));
	return most;
}

static void
check_prompt(const GenerateCall *call, int n_prompt, int most)
{
	if (n_prompt > most)
		ereport(
			ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a prompt of %d tokens is too long for model \"%s\": with max_new_tokens %d "
					"it may have %d",
					n_prompt, call->handle->name, call->inputs.options.max_new_tokens, most),
			 errhint(
				 "Pass a smaller max_new_tokens or a shorter prompt; truncate => 'start' leaves "
				 "out the beginning of a text.")));
}

static const int32 *
copy_ids(const int32 *ids, int n)
{
	int32 *copy = palloc(sizeof(int32) * Max(n, 1));

	memcpy(copy, ids, sizeof(int32) * n);
	return copy;
}

/* Lists that lie in the arena come to lie in this context. */
static void
keep_lists(GenerationOptions *options)
{
	Size  size = generation_options_size(options);
	void *copy = palloc(size);

	generation_options_pack(options, copy, options);
}

/* Tokens of a prompt that is a text. */
static void
read_text(GenerateCall *call, FunctionCallInfo fcinfo)
{
	EncodeOptions options = {.add_special_tokens = true};
	Encoding	  encoding;
	size_t		  length;
	const char	 *utf8 = text_to_utf8(PG_GETARG_TEXT_PP(ARG_PROMPT), &length);
	int			  most = Min(most_prompt(call), call->handle->max_length);

	if (!PG_ARGISNULL(ARG_ADD_SPECIAL_TOKENS))
		options.add_special_tokens = PG_GETARG_BOOL(ARG_ADD_SPECIAL_TOKENS);
	options.truncate = truncate_from_arg(
		call->handle,
		PG_ARGISNULL(ARG_TRUNCATE) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_TRUNCATE)));
	if (options.truncate != TRUNCATE_ERROR)
		options.max_length = most;
	arena_reset(backend_arena());
	handle_encode(call->handle, utf8, length, NULL, 0, &options, &encoding);
	if (encoding.n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the prompt has no tokens for model \"%s\"", call->handle->name)));
	check_prompt(call, encoding.n, most);
	call->ids = call->inputs.prompt = copy_ids(encoding.ids, encoding.n);
	call->inputs.n_prompt = encoding.n;
	if (encoding.shape_ids != NULL)
		call->inputs.shape_ids = copy_ids(encoding.shape_ids, encoding.n);
	if (encoding.pronunciation_ids != NULL)
		call->inputs.pronunciation_ids = copy_ids(encoding.pronunciation_ids, encoding.n);
}

/* Arguments of a function over texts.  False: NULL is the result. */
static bool
text_arguments(GenerateCall *call, FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(ARG_MODEL) || PG_ARGISNULL(ARG_PROMPT))
		return false;
	init_call(call, fcinfo);
	require_tokenizer(call->handle);
	read_options(call, fcinfo);
	if (PG_NARGS() > ARG_TEXT_NUM_RETURN_SEQUENCES)
		read_int(fcinfo, ARG_TEXT_NUM_RETURN_SEQUENCES, &call->inputs.options.num_return_sequences);
	check_call(call);
	keep_lists(&call->inputs.options);
	read_text(call, fcinfo);
	return true;
}

/* Ids that stand beside those of the prompt. */
static const int32 *
ids_beside(const GenerateCall *call, FunctionCallInfo fcinfo, int argument, const char *name,
		   int n_ids)
{
	int			 n;
	const int32 *ids;

	if (PG_ARGISNULL(argument))
		return NULL;
	ids = ids_argument(fcinfo, argument, name, &n);
	if (n != n_ids)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("%s has %d elements, but input_ids has %d", name, n, n_ids)));
	return ids + call->n_padding;
}

/* Ids of a prompt, less the padding before them. */
static void
read_prompt(GenerateCall *call, FunctionCallInfo fcinfo)
{
	const Model *model = handle_model(call->handle);
	int			 n;

	call->ids = ids_argument(fcinfo, ARG_PROMPT, "input_ids", &n);
	if (n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("input_ids is empty")));
	for (int i = 0; i < n; i++)
		if (call->ids[i] < 0 || call->ids[i] >= model->vocab_size)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("input_ids has token id %d, but model \"%s\" has %d tokens",
								   call->ids[i], call->handle->name, model->vocab_size)));
	call->n_padding = generation_padding(&call->inputs.options, call->pad_token_id, call->ids, n);
	call->inputs.prompt = call->ids + call->n_padding;
	call->inputs.n_prompt = n - call->n_padding;
	check_prompt(call, call->inputs.n_prompt, most_prompt(call));
	call->inputs.shape_ids = ids_beside(call, fcinfo, ARG_INPUT_SHAPE_IDS, "input_shape_ids", n);
	call->inputs.pronunciation_ids =
		ids_beside(call, fcinfo, ARG_INPUT_PRONUNCIATION_IDS, "input_pronunciation_ids", n);
}

/* Arguments of a function over ids.  False: NULL is the result. */
static bool
ids_arguments(GenerateCall *call, FunctionCallInfo fcinfo)
{
	GenerationOptions *options = &call->inputs.options;

	if (PG_ARGISNULL(ARG_MODEL) || PG_ARGISNULL(ARG_PROMPT))
		return false;
	init_call(call, fcinfo);
	if (!PG_ARGISNULL(ARG_BAD_WORDS_IDS))
		read_bad_words_ids(call, fcinfo);
	if (!PG_ARGISNULL(ARG_SUPPRESS_TOKENS))
		options->suppress_tokens =
			ids_argument(fcinfo, ARG_SUPPRESS_TOKENS, "suppress_tokens", &options->n_suppress);
	if (!PG_ARGISNULL(ARG_EOS_TOKEN_ID))
		options->eos_token_ids =
			ids_argument(fcinfo, ARG_EOS_TOKEN_ID, "eos_token_id", &options->n_eos);
	read_int(fcinfo, ARG_PAD_TOKEN_ID, &call->pad_token_id);
	read_int(fcinfo, ARG_FORCED_EOS_TOKEN_ID, &options->forced_eos_token_id);
	read_options(call, fcinfo);
	if (PG_NARGS() > ARG_IDS_NUM_RETURN_SEQUENCES)
		read_int(fcinfo, ARG_IDS_NUM_RETURN_SEQUENCES, &options->num_return_sequences);
	check_call(call);
	keep_lists(options);
	read_prompt(call, fcinfo);
	return true;
}

/* ---- requests and answers ---- */

/* The ids of the prompt as it was given, and of an output behind them. */
static ArrayType *
join_ids(const GenerateCall *call, GenerationOutput *output)
{
	int		   n_prompt = call->n_padding + call->inputs.n_prompt;
	int		   n = generation_output_count(output), total = n_prompt + n;
	Size	   size = ARR_OVERHEAD_NONULLS(1) + sizeof(int32) * total;
	ArrayType *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = INT4OID;
	ARR_DIMS(array)[0] = total;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), call->ids, sizeof(int32) * n_prompt);
	memcpy((int32 *) ARR_DATA_PTR(array) + n_prompt, output->ids, sizeof(int32) * n);
	return array;
}

static StopList
stop_list(const GenerateCall *call)
{
	const GenerationOptions *options = &call->inputs.options;

	return (StopList){options->n_stop, options->stop_offsets, options->stop_bytes};
}

static bool
strips_space(const GenerateCall *call)
{
	const Grammar *grammar = call->inputs.grammar;

	return grammar != NULL && grammar->strips_space;
}

/* The choice that an output of tokens is. */
static const char *
chosen(const GenerateCall *call, const GenerationOutput *output, int n)
{
	const char *choice = choices_find(&call->choices, &call->handle->tokenizer, output->ids, n);

	if (choice == NULL)
		elog(ERROR, "%d generated tokens are none of the choices", n);
	return choice;
}

/* The text of an output, cut before the first stop string. */
static text *
output_text(const GenerateCall *call, GenerationOutput *output)
{
	ArrayType *ids;
	StopList   stops = stop_list(call);
	char	  *utf8;
	size_t	   length;
	Error	   error;

	if (call->choices.ids != NULL)
	{
		const char *choice = chosen(call, output, generation_output_count(output));

		return text_from_utf8(choice, strlen(choice));
	}
	ids = join_ids(call, output);
	arena_reset(backend_arena());
	if (!(call->inputs.grammar != NULL
			  ? continuation_spelled(&call->handle->tokenizer, backend_arena(), output->ids,
									 generation_output_count(output), strips_space(call), &utf8,
									 &length, &error)
			  : continuation_text(&call->handle->tokenizer, backend_arena(),
								  (const int32 *) ARR_DATA_PTR(ids), call->inputs.n_prompt,
								  ARR_DIMS(ids)[0], &utf8, &length, &error)))
		report_error(&error, call->handle->name);
	return text_from_utf8(utf8, stop_find(&stops, utf8, length));
}

PG_FUNCTION_INFO_V1(infer_generate);
Datum
infer_generate(PG_FUNCTION_ARGS)
{
	GenerateCall call;

	if (!text_arguments(&call, fcinfo))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(output_text(&call, generation_run(call.handle, &call.inputs)->outputs));
}

PG_FUNCTION_INFO_V1(infer_generate_ids);
Datum
infer_generate_ids(PG_FUNCTION_ARGS)
{
	GenerateCall call;

	if (!ids_arguments(&call, fcinfo))
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(join_ids(&call, generation_run(call.handle, &call.inputs)->outputs));
}

/* One row for each sequence that there is: ord, output or output_ids, score. */
static Datum
generate_rows(FunctionCallInfo fcinfo, bool ids)
{
	ReturnSetInfo	  *result = (ReturnSetInfo *) fcinfo->resultinfo;
	GenerateCall	   call;
	GenerationPayload *payload;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (!(ids ? ids_arguments(&call, fcinfo) : text_arguments(&call, fcinfo)))
		return (Datum) 0;
	payload = generation_run(call.handle, &call.inputs);
	for (int i = 0; i < payload->options.num_return_sequences; i++)
	{
		GenerationOutput *output = &payload->outputs[i];
		Datum			  values[3];
		bool			  nulls[3] = {false};

		if (generation_output_count(output) == 0) /* fewer hypotheses than were asked for */
			break;
		values[0] = Int32GetDatum(i + 1);
		values[1] = PointerGetDatum(ids ? (void *) join_ids(&call, output)
										: (void *) output_text(&call, output));
		values[2] = Float4GetDatum(output->score);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_generate_many);
Datum
infer_generate_many(PG_FUNCTION_ARGS)
{
	return generate_rows(fcinfo, false);
}

PG_FUNCTION_INFO_V1(infer_generate_ids_many);
Datum
infer_generate_ids_many(PG_FUNCTION_ARGS)
{
	return generate_rows(fcinfo, true);
}

/* ---- values of a type ---- */

/* The arguments of generate_enum and generate_row, which have no others' place for stop, choices and json_schema. */
enum
{
	ARG_TYPE = ARG_PROMPT + 1, /* a NULL that has it */
	ARG_TYPED_OPTIONS,		   /* from max_new_tokens on */
	ARG_TYPED_BAD_WORDS = ARG_TYPED_OPTIONS + ARG_STOP - ARG_MAX_NEW_TOKENS,
	ARG_TYPED_SEED,
	ARG_TYPED_ADD_SPECIAL_TOKENS,
	ARG_TYPED_TRUNCATE
};

/* The text of a value of the third argument's type: of a grammar, or one of some choices.  NULL is the result where
 * it is NULL. */
static char *
typed_output(FunctionCallInfo fcinfo, const Grammar *grammar, Choices choices)
{
	LOCAL_FCINFO(inner, ARG_TRUNCATE + 1);
	GenerateCall call;

	InitFunctionCallInfoData(*inner, fcinfo->flinfo, ARG_TRUNCATE + 1, fcinfo->fncollation, NULL,
							 NULL);
	for (int i = 0; i <= ARG_TRUNCATE; i++)
		inner->args[i] = (NullableDatum){.isnull = true};
	for (int i = ARG_MODEL; i <= ARG_PROMPT; i++)
		inner->args[i] = fcinfo->args[i];
	for (int i = ARG_MAX_NEW_TOKENS; i < ARG_STOP; i++)
		inner->args[i] = fcinfo->args[ARG_TYPED_OPTIONS + i - ARG_MAX_NEW_TOKENS];
	inner->args[ARG_BAD_WORDS] = fcinfo->args[ARG_TYPED_BAD_WORDS];
	inner->args[ARG_SEED] = fcinfo->args[ARG_TYPED_SEED];
	inner->args[ARG_ADD_SPECIAL_TOKENS] = fcinfo->args[ARG_TYPED_ADD_SPECIAL_TOKENS];
	inner->args[ARG_TRUNCATE] = fcinfo->args[ARG_TYPED_TRUNCATE];
	if (!text_arguments(&call, inner))
		return NULL;
	if (grammar != NULL)
		set_grammar(&call, grammar);
	else
		set_choices(&call, choices);
	return text_to_cstring(output_text(&call, generation_run(call.handle, &call.inputs)->outputs));
}

PG_FUNCTION_INFO_V1(infer_generate_enum);
Datum
infer_generate_enum(PG_FUNCTION_ARGS)
{
	Oid	  type = get_fn_expr_argtype(fcinfo->flinfo, ARG_TYPE), input, parameter;
	char *label = typed_output(fcinfo, NULL, choices_from_enum(type));

	if (label == NULL)
		PG_RETURN_NULL();
	getTypeInputInfo(type, &input, &parameter);
	PG_RETURN_DATUM(OidInputFunctionCall(input, label, parameter, -1));
}

PG_FUNCTION_INFO_V1(infer_generate_row);
Datum
infer_generate_row(PG_FUNCTION_ARGS)
{
	Oid		 type = get_fn_expr_argtype(fcinfo->flinfo, ARG_TYPE);
	char	*json = typed_output(fcinfo, grammar_from_row(type, -1), (Choices){0});
	FmgrInfo populate;
	List	*arguments;
	LOCAL_FCINFO(inner, 2);

	if (json == NULL)
		PG_RETURN_NULL();
	arguments = list_make2(makeNullConst(type, -1, InvalidOid),
						   makeNullConst(JSONBOID, -1, InvalidOid)); /* for their types */
	fmgr_info(F_JSONB_POPULATE_RECORD, &populate);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, type, arguments, InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &populate);
	InitFunctionCallInfoData(*inner, &populate, 2, InvalidOid, NULL, NULL);
	inner->args[0] = (NullableDatum){.isnull = true};
	inner->args[1] = (NullableDatum){.value = DirectFunctionCall1(jsonb_in, CStringGetDatum(json))};
	PG_RETURN_DATUM(FunctionCallInvoke(inner));
}

/* ---- streams ---- */

/* A call of generate_stream, from row to row. */
typedef struct Stream
{
	GenerateCall	   call;
	ContinuationStream text;
	ExprContext		  *econtext; /* whose end is the stream's */
	Request			  *request;	 /* NULL: it is over */
	GenerationOutput  *output;
	int32			  *ids; /* (n_prompt + max_new_tokens) */
	int				   n;	/* tokens that have been returned */
} Stream;

static void
end_stream(Datum argument)
{
	Stream *stream = (Stream *) DatumGetPointer(argument);

	if (stream->request != NULL)
		request_end(stream->request);
	stream->request = NULL;
}

static Stream *
start_stream(FunctionCallInfo fcinfo)
{
	Stream					*stream = palloc0(sizeof(Stream));
	GenerateCall			*call = &stream->call;
	const GenerationOptions *options = &call->inputs.options;
	Size					 n_prompt;

	if (!text_arguments(call, fcinfo))
		return NULL;
	if (options->num_beams > 1)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("num_beams is %d, but beams can't be streamed", options->num_beams),
						errhint("Which of them is the best is known at the end: use generate().")));
	n_prompt = call->inputs.n_prompt;
	stream->text = (ContinuationStream){.tokenizer = &call->handle->tokenizer,
										.stops = stop_list(call),
										.spelled = call->inputs.grammar != NULL,
										.strips_space = strips_space(call)};
	stream->ids = palloc(sizeof(int32) * (n_prompt + options->max_new_tokens));
	memcpy(stream->ids, call->ids, sizeof(int32) * n_prompt);
	call->inputs.streams = true;
	stream->econtext = ((ReturnSetInfo *) fcinfo->resultinfo)->econtext;
	stream->request = generation_submit(call->handle, &call->inputs);
	stream->output = ((GenerationPayload *) request_payload(stream->request))->outputs;
	RegisterExprContextCallback(stream->econtext, end_stream, PointerGetDatum(stream));
	return stream;
}

static bool
has_token(void *argument)
{
	const Stream *stream = argument;

	return generation_output_count(stream->output) > stream->n;
}

/* Columns ord, token, token_id, logprob of the next token; false: there is none. */
static bool
next_row(Stream *stream, Datum *values)
{
	GenerateCall *call = &stream->call;
	int			  n_prompt = call->inputs.n_prompt, n;
	bool		  last;
	const char	 *piece;
	size_t		  length;
	Error		  error;

	request_wait_for(stream->request, has_token, stream);
	if (!has_token(stream))
	{
		request_wait(stream->request);
		return false;
	}
	n = stream->n++;
	last = generation_output_ends(stream->output, stream->n);
	stream->ids[n_prompt + n] = stream->output->ids[n];
	arena_reset(backend_arena());
	if (call->choices.ids != NULL)
	{
		/* which one it is, only the last token tells */
		piece = last ? chosen(call, stream->output, stream->n) : "";
		length = strlen(piece);
	}
	else if (!continuation_next(&stream->text, backend_arena(), stream->ids, n_prompt,
								n_prompt + stream->n, last, &piece, &length, &error))
		report_error(&error, call->handle->name);
	values[0] = Int32GetDatum(stream->n);
	values[1] = PointerGetDatum(text_from_utf8(piece, length));
	values[2] = Int32GetDatum(stream->ids[n_prompt + n]);
	values[3] = Float4GetDatum(stream->output->logprobs[n]);
	return true;
}

PG_FUNCTION_INFO_V1(infer_generate_stream);
Datum
infer_generate_stream(PG_FUNCTION_ARGS)
{
	FuncCallContext *context;
	Stream			*stream;
	MemoryContext	 old;
	Datum			 values[4];
	bool			 nulls[4] = {false};

	if (SRF_IS_FIRSTCALL())
	{
		context = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(context->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &context->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		context->tuple_desc = BlessTupleDesc(context->tuple_desc);
		context->user_fctx = start_stream(fcinfo);
		MemoryContextSwitchTo(old);
	}
	context = SRF_PERCALL_SETUP();
	stream = context->user_fctx;
	if (stream == NULL || stream->request == NULL || !next_row(stream, values))
	{
		if (stream != NULL)
		{
			end_stream(PointerGetDatum(stream));
			UnregisterExprContextCallback(stream->econtext, end_stream, PointerGetDatum(stream));
		}
		SRF_RETURN_DONE(context);
	}
	SRF_RETURN_NEXT(context,
					HeapTupleGetDatum(heap_form_tuple(context->tuple_desc, values, nulls)));
}
