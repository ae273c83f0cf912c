/*
 * json_array.c: nested arrays of numbers in a jsonb, as PostgreSQL arrays.
 *
 * A reader walks the value once.  The first array of each depth says how long those beside it must be, the first
 * number how deep numbers are.  It owns nothing beyond the call's memory context.
 */
#include "pg/json_array.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

typedef struct Reader
{
	const char *key;
	Oid			element;
	int			depth;		  /* arrays around what is read */
	int			rank;		  /* arrays around each number; 0: not known yet */
	int			dims[MAXDIM]; /* -1: not known yet */
	int			at[MAXDIM];	  /* index of what is read, in each array around it */
	Datum	   *elements;
	int			n, room;
} Reader;

/* Where the reader is, as a JSON path. */
static char *
path(const Reader *reader)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "$.%s", reader->key);
	for (int i = 0; i < reader->depth; i++)
		appendStringInfo(&text, "[%d]", reader->at[i]);
	return text.data;
}

static const char *
kind(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvArray:
			return "an array";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ? "an array" : "an object";
		default:
			return "an object";
	}
}

static void
refuse(const Reader *reader, const JsonbValue *value, const char *wanted)
{
	ereport(ERROR, (errcode(value->type == jbvNull ? ERRCODE_NULL_VALUE_NOT_ALLOWED
												   : ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s is %s, not %s", path(reader), kind(value), wanted)));
}

/* ---- numbers ---- */

static Datum
integer(const Reader *reader, Numeric number)
{
	bool  failed;
	int32 value = numeric_int4_opt_error(number, &failed);

	if (failed || !DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(number),
													NumericGetDatum(int64_to_numeric(value)))))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("%s is %s, which is no value of type integer", path(reader),
							   numeric_normalize(number))));
	return Int32GetDatum(value);
}

/* A fraction; single: as a float4, rounded once. */
static Datum
fraction(const Reader *reader, Numeric number, bool single)
{
	char  *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	float8 value = single ? (float8) strtof(text, NULL) : strtod(text, NULL);

	if (!isfinite(value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("%s is %s, which is no value of type %s", path(reader), text,
							   single ? "real" : "double precision")));
	pfree(text);
	return single ? Float4GetDatum((float4) value) : Float8GetDatum(value);
}

static void
read_number(Reader *reader, const JsonbValue *value)
{
	if (value->type != jbvNumeric)
		refuse(reader, value, "a number");
	if (reader->rank == 0 && (reader->depth == MAXDIM || reader->dims[reader->depth] < 0))
		reader->rank = reader->depth;
	if (reader->rank != reader->depth)
		refuse(reader, value, "an array, as others at this depth");
	if (reader->n == reader->room)
	{
		reader->room = reader->room ? reader->room * 2 : 256;
		reader->elements = reader->elements ? repalloc_huge(reader->elements,
															mul_size(reader->room, sizeof(Datum)))
											: palloc(mul_size(reader->room, sizeof(Datum)));
	}
	reader->elements[reader->n++] =
		reader->element == INT4OID
			? integer(reader, value->val.numeric)
			: fraction(reader, value->val.numeric, reader->element == FLOAT4OID);
}

/* ---- arrays ---- */

static void
enter_array(Reader *reader, const JsonbValue *value)
{
	int n = value->val.array.nElems, *dim = &reader->dims[reader->depth];

	if (reader->depth == MAXDIM)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("%s is nested deeper than the %d dimensions of an array",
							   path(reader), MAXDIM)));
	if (reader->rank > 0 && reader->depth >= reader->rank)
		refuse(reader, value, "a number, as others at this depth");
	if (*dim < 0)
		*dim = n;
	else if (*dim != n)
		ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
						errmsg("%s has %d elements, but the arrays beside it have %d", path(reader),
							   n, *dim)));
	reader->at[reader->depth++] = 0;
}

/* What was read is behind: the next of the array around it. */
static void
advance(Reader *reader)
{
	if (reader->depth > 0)
		reader->at[reader->depth - 1]++;
}

ArrayType *
json_array(const char *key, const JsonbValue *value, Oid element)
{
	Reader		   reader = {.key = key, .element = element};
	JsonbIterator *iterator;
	JsonbValue	   item;
	int			   lower[MAXDIM];

	memset(reader.dims, -1, sizeof reader.dims);
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		refuse(&reader, value, "an array");
	iterator = JsonbIteratorInit(value->val.binary.data);
	for (;;)
	{
		JsonbIteratorToken token = JsonbIteratorNext(&iterator, &item, false);

		CHECK_FOR_INTERRUPTS();
		if (token == WJB_DONE)
			break;
		else if (token == WJB_BEGIN_ARRAY)
			enter_array(&reader, &item);
		else if (token == WJB_END_ARRAY)
			reader.depth--;
		else
			read_number(&reader, &item);
		if (token != WJB_BEGIN_ARRAY)
			advance(&reader);
	}
	if (reader.n == 0)
		return construct_empty_array(element);
	for (int i = 0; i < reader.rank; i++)
		lower[i] = 1;
	return construct_md_array(reader.elements, NULL, reader.rank, reader.dims, lower, element,
							  element == FLOAT8OID ? sizeof(float8) : sizeof(int32),
							  element == FLOAT8OID ? FLOAT8PASSBYVAL : true,
							  element == FLOAT8OID ? TYPALIGN_DOUBLE : TYPALIGN_INT);
}

/* ---- single values ---- */

bool
json_boolean(const char *key, const JsonbValue *value)
{
	Reader reader = {.key = key};

	if (value->type != jbvBool)
		refuse(&reader, value, "a boolean");
	return value->val.boolean;
}

bytea *
json_bytea(const char *key, const JsonbValue *value)
{
	Reader reader = {.key = key};
	char  *text;
	size_t n;

	if (value->type != jbvString)
		refuse(&reader, value, "a string");
	text = pnstrdup(value->val.string.val, value->val.string.len);
	n = strlen(text);
	if (n % 2 != 0 || strncmp(text, "\\x", 2) != 0 ||
		strspn(text + 2, "0123456789abcdefABCDEF") != n - 2)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						errmsg("%s is no bytea in hexadecimal", path(&reader))));
	return DatumGetByteaPP(DirectFunctionCall1(byteain, CStringGetDatum(text)));
}
