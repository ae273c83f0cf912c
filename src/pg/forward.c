/*
 * forward.c: infer.forward, a model called with arrays as Transformers' classes are.
 *
 * The arrays are checked here, against each other and the model, so that a bad call never reaches an engine; then
 * they are copied into the request's payload, which has room for every output too.  The payload is main shared
 * memory, mapped at the same address in all processes: the ForwardInputs and ForwardOutputs in it hold
 * plain pointers.
 */
#include "postgres.h"

#include <sys/mman.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/forward.h"
#include "pg/json_array.h"

/* IntArray, FloatArray and DoubleArray alike. */
typedef struct AnyArray
{
	const void *data;
	int			rank, dims[FORWARD_MAX_RANK];
} AnyArray;

StaticAssertDecl(sizeof(AnyArray) == sizeof(IntArray) && sizeof(AnyArray) == sizeof(FloatArray) &&
					 sizeof(AnyArray) == sizeof(DoubleArray),
				 "the arrays of a forward call differ in their element only");

typedef struct Argument
{
	const char *name;
	size_t		offset; /* in ForwardInputs */
	Oid			element;
} Argument;

#define ARGUMENT(field, element)                                                                   \
	{                                                                                              \
#field, offsetof(ForwardInputs, field), element                                            \
	}

/* infer.forward's arrays, in its order. */
static const Argument arguments[] = {
	ARGUMENT(input_ids, INT4OID),
	ARGUMENT(attention_mask, FLOAT4OID),
	ARGUMENT(token_type_ids, INT4OID),
	ARGUMENT(position_ids, INT4OID),
	ARGUMENT(head_mask, FLOAT4OID),
	ARGUMENT(inputs_embeds, FLOAT4OID),
	ARGUMENT(encoder_hidden_states, FLOAT4OID),
	ARGUMENT(encoder_attention_mask, FLOAT4OID),
	ARGUMENT(input_shape_ids, INT4OID),
	ARGUMENT(input_pronunciation_ids, INT4OID),
	ARGUMENT(labels, FLOAT8OID),
	ARGUMENT(start_positions, INT4OID),
	ARGUMENT(end_positions, INT4OID),
	ARGUMENT(next_sentence_label, INT4OID),
	ARGUMENT(labels_input_ids, INT4OID),
	ARGUMENT(labels_attention_mask, FLOAT4OID),
	ARGUMENT(labels_token_type_ids, INT4OID),
	ARGUMENT(labels_input_shape_ids, INT4OID),
	ARGUMENT(labels_input_pronunciation_ids, INT4OID),
	ARGUMENT(attack_input_ids, INT4OID),
	ARGUMENT(attack_attention_mask, FLOAT4OID),
	ARGUMENT(attack_token_type_ids, INT4OID),
	ARGUMENT(attack_input_shape_ids, INT4OID),
	ARGUMENT(attack_input_pronunciation_ids, INT4OID),
	ARGUMENT(cross_attn_head_mask, FLOAT4OID),
};

/* infer.forward's arguments; its last array came later. */
enum
{
	FIRST_ARRAY = 1,
	N_FIRST_ARRAYS = lengthof(arguments) - 1,
	PAST = FIRST_ARRAY + N_FIRST_ARRAYS,
	USE_CACHE,
	OUTPUT_HIDDEN_STATES,
	OUTPUT_ATTENTIONS,
	LAST_ARRAY
};

/* The arrays of infer.output, in its order. */
static const size_t outputs_order[] = {
	offsetof(ForwardOutputs, logits),
	offsetof(ForwardOutputs, start_logits),
	offsetof(ForwardOutputs, end_logits),
	offsetof(ForwardOutputs, last_hidden_state),
	offsetof(ForwardOutputs, pooler_output),
	offsetof(ForwardOutputs, hidden_states),
	offsetof(ForwardOutputs, attentions),
	offsetof(ForwardOutputs, cross_attentions),
	offsetof(ForwardOutputs, seq_relationship_logits),
};

/* Columns of infer.output: the loss, eight arrays, the past, and the array that no other class returns. */
enum
{
	COLUMN_LOSS,
	COLUMN_ARRAYS,
	COLUMN_PAST = COLUMN_ARRAYS + 8,
	COLUMN_PAIR,
	N_COLUMNS
};

enum
{
	LARGE_PAGE = 2 * 1024 * 1024
};

static AnyArray *
input_array(ForwardInputs *inputs, const Argument *argument)
{
	return (AnyArray *) ((char *) inputs + argument->offset);
}

static OutputArray *
output_array(ForwardOutputs *outputs, int index)
{
	return (OutputArray *) ((char *) outputs + outputs_order[index]);
}

/* How many numbers an array has; its dimensions are those of a PostgreSQL array, so the product is small. */
static Size
array_count(const AnyArray *array)
{
	Size n = 1;

	for (int i = 0; i < array->rank; i++)
		n *= array->dims[i];
	return n;
}

/* ---- arguments ---- */

static void
read_array(AnyArray *array, const Argument *argument, ArrayType *value)
{
	if (ARR_ELEMTYPE(value) != argument->element)
		elog(ERROR, "argument %s has elements of type %u, not %u", argument->name,
			 ARR_ELEMTYPE(value), argument->element);
	if (array_contains_nulls(value))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not contain NULL elements", argument->name)));
	array->data = ARR_DATA_PTR(value);
	array->rank = Max(ARR_NDIM(value), 1);
	memset(array->dims, 0, sizeof array->dims);
	memcpy(array->dims, ARR_DIMS(value), sizeof(int) * ARR_NDIM(value));
}

static void
read_past(ForwardInputs *inputs, bytea *past)
{
	inputs->past = (const uint8_t *) VARDATA(past);
	inputs->past_size = VARSIZE(past) - VARHDRSZ;
}

/* An argument that may be left to the model's config. */
static int
read_switch(FunctionCallInfo fcinfo, int at)
{
	return PG_ARGISNULL(at) ? -1 : PG_GETARG_BOOL(at);
}

static void
read_arguments(ForwardInputs *inputs, FunctionCallInfo fcinfo)
{
	*inputs = (ForwardInputs){0};
	for (int i = 0; i < lengthof(arguments); i++)
	{
		int at = i < N_FIRST_ARRAYS ? FIRST_ARRAY + i : LAST_ARRAY;

		if (!PG_ARGISNULL(at))
			read_array(input_array(inputs, &arguments[i]), &arguments[i],
					   PG_GETARG_ARRAYTYPE_P(at));
	}
	if (!PG_ARGISNULL(PAST))
		read_past(inputs, PG_GETARG_BYTEA_P(PAST));
	inputs->use_cache = read_switch(fcinfo, USE_CACHE);
	inputs->output_hidden_states = read_switch(fcinfo, OUTPUT_HIDDEN_STATES);
	inputs->output_attentions = read_switch(fcinfo, OUTPUT_ATTENTIONS);
}

/* One argument out of an object that has them by name. */
static void
read_json_argument(ForwardInputs *inputs, const char *name, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return;
	for (int i = 0; i < lengthof(arguments); i++)
		if (strcmp(arguments[i].name, name) == 0)
		{
			read_array(input_array(inputs, &arguments[i]), &arguments[i],
					   json_array(name, value, arguments[i].element));
			return;
		}
	if (strcmp(name, "past") == 0)
		read_past(inputs, json_bytea(name, value));
	else if (strcmp(name, "use_cache") == 0)
		inputs->use_cache = json_boolean(name, value);
	else if (strcmp(name, "output_hidden_states") == 0)
		inputs->output_hidden_states = json_boolean(name, value);
	else if (strcmp(name, "output_attentions") == 0)
		inputs->output_attentions = json_boolean(name, value);
	else
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_PARAMETER), errmsg("unrecognized argument \"%s\"", name),
				 errhint("The arguments are those of infer.forward, by name.")));
}

static void
read_json_arguments(ForwardInputs *inputs, Jsonb *object)
{
	JsonbIterator	  *iterator = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue		   key, value;

	*inputs = (ForwardInputs){.use_cache = -1, .output_hidden_states = -1, .output_attentions = -1};
	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("arguments must be a JSON object, but are %s",
							   JB_ROOT_IS_SCALAR(object) ? "a single value" : "an array")));
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		if (token == WJB_KEY)
		{
			JsonbIteratorNext(&iterator, &value, true);
			read_json_argument(inputs, pnstrdup(key.val.string.val, key.val.string.len), &value);
		}
}

/* ---- the payload ---- */

/* The next n bytes of a payload, which begins at base; over a NULL base they are only counted. */
static void *
take(char *base, Size *used, Size n)
{
	void *piece = base ? base + *used : NULL;

	*used = add_size(*used, TYPEALIGN(64, n));
	return piece;
}

/* Lays out a payload; with a base, copies the inputs into it and points the outputs at their room. */
static Size
lay_out(char *base, const ForwardInputs *inputs, const ForwardOutputs *outputs)
{
	Size			used = 0;
	ForwardPayload *payload = take(base, &used, sizeof(ForwardPayload));
	ForwardPayload	counting;

	if (base == NULL)
		payload = &counting;
	payload->inputs = *inputs;
	payload->outputs = *outputs;
	for (int i = 0; i < lengthof(arguments); i++)
	{
		AnyArray *array = input_array(&payload->inputs, &arguments[i]);
		Size	  bytes = array_count(array) * get_typlen(arguments[i].element);
		void	 *copy;

		if (array->data == NULL)
			continue;
		copy = take(base, &used, bytes);
		if (base)
			array->data = memcpy(copy, array->data, bytes);
	}
	if (inputs->past)
	{
		void *copy = take(base, &used, inputs->past_size);

		if (base)
			payload->inputs.past = memcpy(copy, inputs->past, inputs->past_size);
	}
	for (int i = 0; i < lengthof(outputs_order); i++)
	{
		OutputArray *array = output_array(&payload->outputs, i);

		if (array->rank == 0)
			continue;
		take(base, &used, ARR_OVERHEAD_NONULLS(array->rank)); /* see make_array */
		array->data = take(base, &used, mul_size(array->n, sizeof(float4)));
	}
	if (outputs->past_size > 0)
	{
		take(base, &used, VARHDRSZ);
		payload->outputs.past = take(base, &used, outputs->past_size);
	}
	return used;
}

void
forward_payload_count(const ForwardPayload *payload, int32 *n_items, int32 *n_tokens)
{
	const IntArray	 *ids = &payload->inputs.input_ids;
	const FloatArray *embeds = &payload->inputs.inputs_embeds;
	AnyArray		  tokens = {NULL, ids->rank, {0}};

	memcpy(tokens.dims, ids->dims, sizeof tokens.dims);
	if (ids->data == NULL)
	{
		tokens.rank = embeds->rank - 1; /* the last dimension is a token's vector */
		memcpy(tokens.dims, embeds->dims, sizeof tokens.dims);
	}
	*n_tokens = array_count(&tokens);
	*n_items = tokens.rank > 1 ? *n_tokens / Max(tokens.dims[tokens.rank - 1], 1) : 1;
}

/* ---- the answer ---- */

/* Makes an array of an output where it lies, with its header in the room that lay_out left in front of it: the row's
 * own copy is then the only one. */
static Datum
make_array(const OutputArray *output)
{
	Size	   overhead = ARR_OVERHEAD_NONULLS(output->rank);
	Size	   size = add_size(overhead, mul_size(output->n, sizeof(float4)));
	ArrayType *array = (ArrayType *) ((char *) output->data - overhead);

	if (!AllocSizeIsValid(size))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("an output of %zu bytes exceeds the %zu that an array may have",
							   size, (Size) MaxAllocSize)));
	SET_VARSIZE(array, size);
	array->ndim = output->rank;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	for (int i = 0; i < output->rank; i++)
	{
		ARR_DIMS(array)[i] = output->dims[i];
		ARR_LBOUND(array)[i] = 1;
	}
	return PointerGetDatum(array);
}

static Datum
make_past(const ForwardOutputs *outputs)
{
	Size   size = add_size(outputs->past_size, VARHDRSZ);
	bytea *past = (bytea *) (outputs->past - VARHDRSZ);

	if (!AllocSizeIsValid(size))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a past of %zu bytes exceeds the %zu that a bytea may have", size,
							   (Size) MaxAllocSize)));
	SET_VARSIZE(past, size);
	return PointerGetDatum(past);
}

/* Asks for large pages where memory is about to be filled from end to end; the kernel may decline. */
static void
expect_filling(char *memory, Size size)
{
#ifdef MADV_HUGEPAGE
	char *begin = (char *) TYPEALIGN(LARGE_PAGE, memory);
	char *end = (char *) TYPEALIGN_DOWN(LARGE_PAGE, memory + size);

	if (begin < end)
		madvise(begin, end - begin, MADV_HUGEPAGE);
#endif
}

/* The row that heap_form_tuple makes, without filling it twice: first with zeros, then with values.  Its header is
 * that of a row of NULLs. */
static Datum
make_row(TupleDesc description, Datum *values, bool *nulls)
{
	bool			none[N_COLUMNS];
	HeapTuple		empty;
	HeapTupleHeader row;
	Size			size = heap_compute_data_size(description, values, nulls);
	char		   *data;

	memset(none, true, sizeof none);
	empty = heap_form_tuple(description, values, none);
	row = palloc(add_size(empty->t_len, size + MAXIMUM_ALIGNOF));
	expect_filling((char *) row, empty->t_len + size);
	memcpy(row, empty->t_data, empty->t_len);
	HeapTupleHeaderSetDatumLength(row, empty->t_len + size);
	data = (char *) row + row->t_hoff;
	for (int i = 0; i < N_COLUMNS; i++) /* bytes that align a column are 0 */
	{
		memset(data + heap_compute_data_size(description, values, none), 0, MAXIMUM_ALIGNOF);
		none[i] = nulls[i];
	}
	heap_fill_tuple(description, values, nulls, data, size, &row->t_infomask, row->t_bits);
	return HeapTupleHeaderGetDatum(row);
}

static Datum
make_output(FunctionCallInfo fcinfo, ForwardOutputs *outputs)
{
	TupleDesc description;
	Datum	  values[N_COLUMNS] = {0};
	bool	  nulls[N_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof nulls);
	if (outputs->has_loss)
	{
		values[COLUMN_LOSS] = Float4GetDatum(outputs->loss);
		nulls[COLUMN_LOSS] = false;
	}
	for (int i = 0; i < lengthof(outputs_order); i++)
	{
		const OutputArray *array = output_array(outputs, i);
		int column = i < COLUMN_PAST - COLUMN_ARRAYS ? COLUMN_ARRAYS + i : COLUMN_PAIR;

		if (array->rank > 0)
		{
			values[column] = make_array(array);
			nulls[column] = false;
		}
	}
	if (outputs->past_size > 0)
	{
		values[COLUMN_PAST] = make_past(outputs);
		nulls[COLUMN_PAST] = false;
	}
	return make_row(BlessTupleDesc(description), values, nulls);
}

/* ---- the functions ---- */

static Datum
forward(FunctionCallInfo fcinfo, ModelHandle *handle, const ForwardInputs *inputs)
{
	const Model	   *model = handle_model(handle);
	ForwardOutputs	outputs;
	ForwardPayload *payload;
	Request		   *request;
	Error			error;
	Datum			result;

	if (!forward_plan(model, inputs, &outputs, &error))
		report_error(&error, handle->name);
	request = request_begin(handle, REQUEST_FORWARD, lay_out(NULL, inputs, &outputs));
	payload = request_payload(request);
	lay_out((char *) payload, inputs, &outputs);
	request_submit(request);
	request_wait(request);
	result = make_output(fcinfo, &payload->outputs);
	request_end(request);
	return result;
}

PG_FUNCTION_INFO_V1(infer_forward);
Datum
infer_forward(PG_FUNCTION_ARGS)
{
	ForwardInputs inputs;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	read_arguments(&inputs, fcinfo);
	PG_RETURN_DATUM(forward(fcinfo, model_handle(PG_GETARG_INFER_MODEL(0)), &inputs));
}

PG_FUNCTION_INFO_V1(infer_forward_json);
Datum
infer_forward_json(PG_FUNCTION_ARGS)
{
	ForwardInputs inputs;

	read_json_arguments(&inputs, PG_GETARG_JSONB_P(1));
	PG_RETURN_DATUM(forward(fcinfo, model_handle(PG_GETARG_INFER_MODEL(0)), &inputs));
}

/* A column of infer.encoding as an array of a batch of one; one that is NULL is not given. */
static void
read_column(AnyArray *array, const char *name, HeapTupleHeader encoding)
{
	Argument argument = {name, 0, INT4OID};
	bool	 null;
	Datum	 value = GetAttributeByName(encoding, name, &null);

	if (null)
		return;
	read_array(array, &argument, DatumGetArrayTypeP(value));
	if (array->rank == 1)
	{
		array->rank = 2;
		array->dims[1] = array->dims[0];
		array->dims[0] = 1;
	}
}

/* infer.encode gives a mask of ones, which is as none; one that was changed counts. */
static void
read_mask_column(ForwardInputs *inputs, HeapTupleHeader encoding)
{
	FloatArray	*mask = &inputs->attention_mask;
	AnyArray	 given = {0};
	const int32 *values;
	float4		*copy;
	Size		 n;
	bool		 ones = true;

	read_column(&given, "attention_mask", encoding);
	if (given.data == NULL)
		return;
	n = array_count(&given);
	values = given.data;
	copy = palloc(n * sizeof(float4));
	for (Size i = 0; i < n; i++)
	{
		copy[i] = values[i];
		ones &= values[i] == 1;
	}
	if (ones && n == array_count((AnyArray *) &inputs->input_ids))
		return;
	mask->data = copy;
	mask->rank = given.rank;
	memcpy(mask->dims, given.dims, sizeof mask->dims);
}

PG_FUNCTION_INFO_V1(infer_forward_encoding);
Datum
infer_forward_encoding(PG_FUNCTION_ARGS)
{
	ForwardInputs	inputs = {0};
	HeapTupleHeader encoding;
	ModelHandle	   *handle;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	handle = model_handle(PG_GETARG_INFER_MODEL(0));
	encoding = PG_GETARG_HEAPTUPLEHEADER(1);
	inputs.use_cache = -1;
	read_column((AnyArray *) &inputs.input_ids, "input_ids", encoding);
	read_mask_column(&inputs, encoding);
	if (handle_model(handle)->type_vocab_size > 0)
		read_column((AnyArray *) &inputs.token_type_ids, "token_type_ids", encoding);
	read_column((AnyArray *) &inputs.input_shape_ids, "input_shape_ids", encoding);
	read_column((AnyArray *) &inputs.input_pronunciation_ids, "input_pronunciation_ids", encoding);
	inputs.output_hidden_states = read_switch(fcinfo, 2);
	inputs.output_attentions = read_switch(fcinfo, 3);
	PG_RETURN_DATUM(forward(fcinfo, handle, &inputs));
}
