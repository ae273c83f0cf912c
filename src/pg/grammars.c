/*
 * grammars.c: jsonb, arrays and types to what the core compiles.
 *
 * The core's grammars are malloc'ed; they are copied at once, so that an error leaves nothing behind.
 */
#include "pg/grammars.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "task/schema.h"
#include "tok/spelling.h"

static Grammar *
palloc_grammar(Grammar *grammar)
{
	Grammar *copy = palloc_extended(grammar->size, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);

	if (copy != NULL)
		memcpy(copy, grammar, grammar->size);
	free(grammar);
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return copy;
}

/* ---- JSON ---- */

static char *
utf8_copy(const char *value, int length, size_t *n)
{
	char *utf8 = pg_server_to_any(value, length, PG_UTF8);

	*n = utf8 == value ? (size_t) length : strlen(utf8);
	return pnstrdup(utf8, *n);
}

static const JsonValue *convert_value(JsonbValue *value);

static JsonValue *
convert_container(JsonbContainer *container)
{
	JsonValue		  *result = palloc0(sizeof(JsonValue));
	JsonbIterator	  *iterator = JsonbIteratorInit(container);
	JsonMember		  *members = palloc0(sizeof(JsonMember) * (JsonContainerSize(container) + 1));
	JsonbIteratorToken token;
	JsonbValue		   item;

	check_stack_depth();
	result->type = JsonContainerIsObject(container) ? JSON_TYPE_OBJECT : JSON_TYPE_ARRAY;
	result->members = members;
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		JsonMember *member = &members[result->n];

		if (token == WJB_KEY)
			member->key = utf8_copy(item.val.string.val, item.val.string.len, &member->key_length);
		else if (token == WJB_VALUE || token == WJB_ELEM)
		{
			member->value = convert_value(&item);
			result->n++;
		}
	}
	return result;
}

static const JsonValue *
convert_value(JsonbValue *value)
{
	JsonValue *result = palloc0(sizeof(JsonValue));

	switch (value->type)
	{
		case jbvNull:
			result->type = JSON_TYPE_NULL;
			break;
		case jbvBool:
			result->type = value->val.boolean ? JSON_TYPE_TRUE : JSON_TYPE_FALSE;
			break;
		case jbvNumeric:
			result->type = JSON_TYPE_NUMBER;
			result->text = DatumGetCString(
				DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
			result->length = strlen(result->text);
			break;
		case jbvString:
			result->type = JSON_TYPE_STRING;
			result->text = utf8_copy(value->val.string.val, value->val.string.len, &result->length);
			break;
		default:
			return convert_container(value->val.binary.data);
	}
	return result;
}

static Grammar *
compile(const JsonValue *schema)
{
	Error	 error;
	Grammar *grammar = schema_compile(schema, interrupt_pending, &error);

	if (grammar == NULL)
	{
		CHECK_FOR_INTERRUPTS();
		report_error(&error, NULL);
	}
	return palloc_grammar(grammar);
}

Grammar *
grammar_from_schema(Jsonb *schema)
{
	const JsonValue *value = convert_container(&schema->root);

	return compile(JB_ROOT_IS_SCALAR(schema) ? value->members[0].value : value);
}

/* ---- choices ---- */

Choices
choices_from_array(ArrayType *array)
{
	Choices choices = {0};
	Datum  *values;
	bool   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &choices.n);
	if (choices.n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("choices must not be empty")));
	choices.texts = palloc(sizeof(char *) * choices.n);
	for (int i = 0; i < choices.n; i++)
	{
		size_t		length;
		const char *utf8;

		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("choices must not contain NULL"),
							errdetail("Element %d is NULL.", i + 1)));
		utf8 = text_to_utf8(DatumGetTextPP(values[i]), &length);
		if (length == 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("choices must not contain an empty string"),
							errdetail("Element %d is empty.", i + 1)));
		choices.texts[i] = pnstrdup(utf8, length);
	}
	return choices;
}

Choices
choices_from_enum(Oid type)
{
	Choices	  choices = {0};
	CatCList *labels;

	if (!type_is_enum(type))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("type %s is not an enum", format_type_be(type))));
	labels = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	choices.n = labels->n_members;
	choices.texts = palloc(sizeof(char *) * (choices.n + 1));
	for (int i = 0; i < choices.n; i++)
	{
		Form_pg_enum form = (Form_pg_enum) GETSTRUCT(&labels->members[i]->tuple);
		size_t		 length;

		choices.texts[i] =
			utf8_copy(NameStr(form->enumlabel), strlen(NameStr(form->enumlabel)), &length);
	}
	ReleaseCatCacheList(labels);
	if (choices.n == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("enum type %s has no labels", format_type_be(type))));
	return choices;
}

static char *
shown(const char *utf8)
{
	return text_to_cstring(text_from_utf8(utf8, strlen(utf8)));
}

/* Their tokens, by which each must be told from the others. */
static void
choices_encode(ModelHandle *handle, Choices *choices)
{
	StringInfoData ids;

	initStringInfo(&ids);
	choices->offsets = palloc0(sizeof(int32) * (choices->n + 1));
	for (int i = 0; i < choices->n; i++)
	{
		const char	 *text = choices->texts[i], *same;
		EncodeOptions options = {.add_special_tokens = false};
		Encoding	  encoding;

		handle_encode(handle, text, strlen(text), NULL, 0, &options, &encoding);
		for (int j = 0; j < encoding.n || encoding.n == 0; j++)
			if (encoding.n == 0 || tokenizer_is_special(&handle->tokenizer, encoding.ids[j]))
				ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
								errmsg("choices has \"%s\", which is not in the vocabulary of "
									   "model \"%s\"",
									   shown(text), handle->name)));
		choices->ids = (int32 *) ids.data;
		same = choices_find(&(Choices){i, choices->texts, choices->ids, choices->offsets},
							&handle->tokenizer, encoding.ids, encoding.n);
		if (same != NULL && strcmp(same, text) != 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("choices has \"%s\" and \"%s\", which model \"%s\" cannot "
								   "tell apart",
								   shown(same), shown(text), handle->name),
							errdetail("Its tokenizer makes the same tokens of both.")));
		appendBinaryStringInfo(&ids, (const char *) encoding.ids, (int) sizeof(int32) * encoding.n);
		choices->offsets[i + 1] = ids.len / (int) sizeof(int32);
	}
	choices->ids = (int32 *) ids.data;
}

const char *
choices_find(const Choices *choices, const Tokenizer *tokenizer, const int32 *ids, int n)
{
	while (n > 0 && tokenizer_is_special(tokenizer, ids[n - 1]))
		n--;
	for (int i = 0; i < choices->n; i++)
		if (choices->offsets[i + 1] - choices->offsets[i] == n &&
			memcmp(choices->ids + choices->offsets[i], ids, sizeof(int32) * n) == 0)
			return choices->texts[i];
	return NULL;
}

Grammar *
grammar_from_choices(ModelHandle *handle, Choices *choices)
{
	Error	 error;
	Grammar *grammar;

	require_tokenizer(handle);
	if (tokenizer_spells(&handle->tokenizer))
		grammar = grammar_of_choices(choices->texts, choices->n, &error);
	else
	{
		choices_encode(handle, choices);
		grammar = grammar_of_tokens(choices->ids, choices->offsets, choices->n, &error);
	}
	if (grammar == NULL)
		report_error(&error, handle->name);
	return palloc_grammar(grammar);
}

/* ---- composite types ---- */

static JsonValue *
json_string(const char *text)
{
	JsonValue *value = palloc0(sizeof(JsonValue));

	value->type = JSON_TYPE_STRING;
	value->text = utf8_copy(text, strlen(text), &value->length);
	return value;
}

static JsonValue *
json_structure(JsonType type, int room)
{
	JsonValue *value = palloc0(sizeof(JsonValue));

	value->type = type;
	value->members = palloc0(sizeof(JsonMember) * (room + 1));
	return value;
}

static void
json_add(JsonValue *structure, const char *key, const JsonValue *value)
{
	JsonMember *member = (JsonMember *) &structure->members[structure->n++];

	if (key != NULL)
		member->key = utf8_copy(key, strlen(key), &member->key_length);
	member->value = value;
}

static JsonValue *
json_number(const char *text)
{
	JsonValue *value = json_string(text);

	value->type = JSON_TYPE_NUMBER;
	return value;
}

static JsonValue *schema_of_row(Oid type, int32 typmod);

static JsonValue *
schema_of_enum(Oid type)
{
	CatCList  *labels = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	JsonValue *schema = json_structure(JSON_TYPE_OBJECT, 1);
	JsonValue *list = json_structure(JSON_TYPE_ARRAY, labels->n_members);

	for (int i = 0; i < labels->n_members; i++)
	{
		Form_pg_enum form = (Form_pg_enum) GETSTRUCT(&labels->members[i]->tuple);

		json_add(list, NULL, json_string(NameStr(form->enumlabel)));
	}
	ReleaseCatCacheList(labels);
	json_add(schema, "enum", list);
	return schema;
}

/* {"type": type} with up to two keywords behind. */
static JsonValue *
schema_of(const char *type, const char *key1, const char *number1, const char *key2,
		  const char *number2)
{
	JsonValue *schema = json_structure(JSON_TYPE_OBJECT, 3);

	json_add(schema, "type", json_string(type));
	if (key1 != NULL)
		json_add(schema, key1, json_number(number1));
	if (key2 != NULL)
		json_add(schema, key2, json_number(number2));
	return schema;
}

static JsonValue *
schema_of_format(const char *format)
{
	JsonValue *schema = schema_of("string", NULL, NULL, NULL, NULL);

	json_add(schema, "format", json_string(format));
	return schema;
}

/* What jsonb_populate_record can make a value of this type from. */
static JsonValue *
schema_of_type(Oid type, int32 typmod, const char *field)
{
	Oid base = getBaseTypeAndTypmod(type, &typmod), element = get_element_type(base);

	check_stack_depth();
	if (OidIsValid(element))
	{
		JsonValue *schema = schema_of("array", NULL, NULL, NULL, NULL);

		json_add(schema, "items", schema_of_type(element, typmod, field));
		return schema;
	}
	switch (base)
	{
		case BOOLOID:
			return schema_of("boolean", NULL, NULL, NULL, NULL);
		case INT2OID:
			return schema_of("integer", "minimum", "-32768", "maximum", "32767");
		case INT4OID:
			return schema_of("integer", "minimum", "-2147483648", "maximum", "2147483647");
		case INT8OID:
			return schema_of("integer", NULL, NULL, NULL, NULL);
		case FLOAT4OID:
		case FLOAT8OID:
			return schema_of("number", NULL, NULL, NULL, NULL);
		case NUMERICOID:
			if (typmod >= (int32) VARHDRSZ)
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
								errmsg("column \"%s\" has type %s, which generated rows can't have",
									   field, format_type_with_typemod(type, typmod)),
								errhint("Use numeric without precision.")));
			return schema_of("number", NULL, NULL, NULL, NULL);
		case TEXTOID:
		case NAMEOID:
			return schema_of("string", base == NAMEOID ? "maxLength" : NULL, "15", NULL, NULL);
		case VARCHAROID:
		case BPCHAROID:
			return schema_of("string", typmod >= (int32) VARHDRSZ ? "maxLength" : NULL,
							 psprintf("%d", typmod - (int32) VARHDRSZ), NULL, NULL);
		case DATEOID:
			return schema_of_format("date");
		case TIMEOID:
		case TIMETZOID:
			return schema_of_format("time");
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return schema_of_format("date-time");
		case UUIDOID:
			return schema_of_format("uuid");
		case JSONOID:
		case JSONBOID:
			return json_structure(JSON_TYPE_OBJECT, 0);
		default:
			break;
	}
	if (type_is_enum(base))
		return schema_of_enum(base);
	if (type_is_rowtype(base))
		return schema_of_row(base, typmod);
	ereport(
		ERROR,
		(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		 errmsg("column \"%s\" has type %s, which generated rows can't have", field,
				format_type_be(type)),
		 errhint("Columns may be booleans, numbers, strings, dates and times, uuid, json, enums, "
				 "and arrays and composite types of these.")));
}

static JsonValue *
schema_of_row(Oid type, int32 typmod)
{
	TupleDesc  pinned = lookup_rowtype_tupdesc_domain(type, typmod, false);
	TupleDesc  tuple = CreateTupleDescCopy(pinned);
	JsonValue *schema = json_structure(JSON_TYPE_OBJECT, 4);
	JsonValue *properties = json_structure(JSON_TYPE_OBJECT, tuple->natts);
	JsonValue *required = json_structure(JSON_TYPE_ARRAY, tuple->natts);
	JsonValue *closed = palloc0(sizeof(JsonValue));

	ReleaseTupleDesc(pinned); /* before anything can fail */
	for (int i = 0; i < tuple->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(tuple, i);

		if (column->attisdropped)
			continue;
		json_add(properties, NameStr(column->attname),
				 schema_of_type(column->atttypid, column->atttypmod, NameStr(column->attname)));
		json_add(required, NULL, json_string(NameStr(column->attname)));
	}
	closed->type = JSON_TYPE_FALSE;
	json_add(schema, "type", json_string("object"));
	json_add(schema, "properties", properties);
	json_add(schema, "required", required);
	json_add(schema, "additionalProperties", closed);
	return schema;
}

Grammar *
grammar_from_row(Oid type, int32 typmod)
{
	if (!type_is_rowtype(type))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("type %s is not a composite type", format_type_be(type))));
	return compile(schema_of_row(type, typmod));
}
