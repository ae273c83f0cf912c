/*
 * schema.c: a JSON Schema, keyword by keyword, as rules of a grammar.
 *
 * Each schema becomes a rule, so that references may be recursive and an error knows its place.  What
 * says "and" (allOf, keywords beside $ref or anyOf) is merged into one schema first.
 */
#include "task/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "task/schema_build.h"

#define MAX_DEPTH 60 /* schemas inside each other */

/* ---- errors and places ---- */

bool
build_error(SchemaBuild *build, ErrorCode code, const char *format, ...)
{
	char	message[300];
	va_list arguments;

	if (build_failed(build))
		return false;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	return error_set(&build->error, code, "JSON schema at \"%s\": %s", build->path, message);
}

bool
build_goes_on(SchemaBuild *build)
{
	if (build->interrupted != NULL && build->interrupted(NULL))
		build_error(build, ERR_CANCELLED, "interrupted");
	return !build_failed(build);
}

/* Goes to a place below; returns what leave() takes to come back. */
static size_t enter(SchemaBuild *build, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static size_t
enter(SchemaBuild *build, const char *format, ...)
{
	size_t	length = strlen(build->path);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(build->path + length, sizeof build->path - length, format, arguments);
	va_end(arguments);
	return length;
}

/* A name as a JSON pointer has it (RFC 6901), or the beginning of a long one. */
static const char *
pointer_name(const char *name, char out[64])
{
	size_t n = 0;

	for (; *name != '\0' && n < 60; name++)
	{
		bool escaped = *name == '~' || *name == '/';

		out[n++] = escaped ? '~' : *name;
		if (escaped)
			out[n++] = *name == '~' ? '0' : '1';
	}
	out[n] = '\0';
	return out;
}

static void
leave(SchemaBuild *build, size_t length)
{
	build->path[length] = '\0';
}

void *
build_allocate(SchemaBuild *build, size_t n, size_t size)
{
	void *memory = arena_alloc(&build->arena, n + 1, size);

	if (memory == NULL)
		build_error(build, ERR_MEMORY, "out of memory");
	return memory;
}

/* ---- JSON ---- */

const JsonValue *
json_member(const JsonValue *object, const char *key)
{
	if (object->type != JSON_TYPE_OBJECT)
		return NULL;
	for (int i = 0; i < object->n; i++)
		if (strcmp(object->members[i].key, key) == 0 &&
			strlen(key) == object->members[i].key_length)
			return object->members[i].value;
	return NULL;
}

int
build_count(SchemaBuild *build, const JsonValue *schema, const char *key, int otherwise)
{
	const JsonValue *value = json_member(schema, key);
	double			 number;

	if (value == NULL)
		return otherwise;
	number = value->type == JSON_TYPE_NUMBER ? strtod(value->text, NULL) : -1;
	if (number < 0 || number > 1e9 || number != (double) (int) number)
	{
		build_error(build, ERR_ARGUMENT, "\"%s\" must be an integer of 0 to 1000000000", key);
		return otherwise;
	}
	return (int) number;
}

/* ---- JSON strings ---- */

/* Characters that JSON writes as a backslash and a letter, and those letters. */
static const char escaped[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";

void
build_characters(SchemaBuild *build, int from, uint32_t low, uint32_t high, int to)
{
	uint32_t begin = low < 0x20 ? 0x20 : low;

	for (size_t i = 0; i < sizeof escaped - 1; i++)
		if ((uint32_t) escaped[i] >= low && (uint32_t) escaped[i] <= high)
		{
			char text[2] = {'\\', letters[i]};
			int	 next = builder_text(build->builder, from, text, 2);

			builder_empty(build->builder, next, to);
		}
	/* what stands for itself, around the quotation mark and the backslash */
	for (const char *c = "\"\\"; *c; c++)
	{
		uint32_t special = (uint32_t) *c;

		if (begin < special && begin <= high)
			builder_characters(build->builder, from, begin, high < special ? high : special - 1,
							   to);
		if (begin <= special)
			begin = special + 1;
	}
	if (begin <= high)
		builder_characters(build->builder, from, begin, high, to);
}

/* A string's bytes as JSON has them, quotation marks included; the state behind. */
static int
literal_string(SchemaBuild *build, int from, const char *text, size_t length)
{

	from = builder_word(build->builder, from, "\"", 1);
	for (size_t i = 0; i < length; i++)
	{
		const char *found = text[i] ? strchr(escaped, text[i]) : NULL;
		char		bytes[8];

		if (found != NULL)
		{
			bytes[0] = '\\';
			bytes[1] = letters[found - escaped];
			from = builder_word(build->builder, from, bytes, 2);
		}
		else if ((unsigned char) text[i] < 0x20)
		{
			snprintf(bytes, sizeof bytes, "\\u%04x", (unsigned) (unsigned char) text[i]);
			from = builder_word(build->builder, from, bytes, 6);
		}
		else
			from = builder_word(build->builder, from, text + i, 1);
	}
	return builder_word(build->builder, from, "\"", 1);
}

static int literal(SchemaBuild *build, int from, const JsonValue *value);

static int
literal_members(SchemaBuild *build, int from, const JsonValue *value)
{
	for (int i = 0; i < value->n; i++)
	{
		const JsonMember *member = &value->members[i];

		if (i > 0)
			from = builder_word(build->builder, from, ", ", 2);
		if (value->type == JSON_TYPE_OBJECT)
		{
			from = literal_string(build, from, member->key, member->key_length);
			from = builder_word(build->builder, from, ": ", 2);
		}
		from = literal(build, from, member->value);
	}
	return from;
}

/* A value written out; the state behind. */
static int
literal(SchemaBuild *build, int from, const JsonValue *value)
{
	GrammarBuilder *builder = build->builder;

	switch (value->type)
	{
		case JSON_TYPE_NULL:
			return builder_word(builder, from, "null", 4);
		case JSON_TYPE_FALSE:
			return builder_word(builder, from, "false", 5);
		case JSON_TYPE_TRUE:
			return builder_word(builder, from, "true", 4);
		case JSON_TYPE_NUMBER:
			return builder_word(builder, from, value->text, value->length);
		case JSON_TYPE_STRING:
			return literal_string(build, from, value->text, value->length);
		case JSON_TYPE_ARRAY:
			from = literal_members(build, builder_word(builder, from, "[", 1), value);
			return builder_word(builder, from, "]", 1);
		case JSON_TYPE_OBJECT:
			from = literal_members(build, builder_word(builder, from, "{", 1), value);
			return builder_word(builder, from, "}", 1);
	}
	return from;
}

/* ---- rules that all schemas share ---- */

static int
new_rule(SchemaBuild *build, const JsonValue *schema)
{
	int			rule = builder_rule(build->builder);
	char	   *path = arena_strndup(&build->arena, build->path, strlen(build->path));
	SchemaRule *rules;

	if (build->n_rules == build->rules_room)
	{
		int room = build->rules_room * 2 + 64;

		rules = realloc(build->rules, (size_t) room * sizeof *rules);
		if (rules == NULL)
		{
			build_error(build, ERR_MEMORY, "out of memory");
			return rule;
		}
		build->rules = rules;
		build->rules_room = room;
	}
	if (path == NULL)
		build_error(build, ERR_MEMORY, "out of memory");
	build->rules[build->n_rules++] = (SchemaRule){.schema = schema, .path = path};
	return rule;
}

/* A character of a string as JSON has it. */
static int
character_rule(SchemaBuild *build)
{
	if (build->character_rule < 0)
	{
		int rule = new_rule(build, NULL), end = builder_state(build->builder);

		build->character_rule = rule;
		build_characters(build, builder_start(build->builder, rule), 0, 0x10FFFF, end);
		builder_final(build->builder, end);
	}
	return build->character_rule;
}

/* A comma or colon, and perhaps a space; the state behind. */
static int
separator(SchemaBuild *build, int from, char mark)
{
	int behind = builder_text(build->builder, from, &mark, 1);
	int to = builder_state(build->builder);

	builder_empty(build->builder, behind, to);
	builder_bytes(build->builder, behind, ' ', ' ', to);
	return to;
}

static int any_rule(SchemaBuild *build);
static int schema_rule(SchemaBuild *build, const JsonValue *schema);

/* ---- types ---- */

typedef enum Types
{
	TYPE_NULL = 1,
	TYPE_BOOLEAN = 2,
	TYPE_NUMBER = 4,
	TYPE_INTEGER = 8,
	TYPE_STRING = 16,
	TYPE_ARRAY = 32,
	TYPE_OBJECT = 64,
	TYPE_ANY = 127 - 8
} Types;

static int
type_of_name(SchemaBuild *build, const JsonValue *name)
{
	static const char *const names[] = {"null",	  "boolean", "number", "integer",
										"string", "array",	 "object"};

	for (int i = 0; i < 7 && name->type == JSON_TYPE_STRING; i++)
		if (strcmp(name->text, names[i]) == 0)
			return 1 << i;
	build_error(build, ERR_ARGUMENT,
				"\"type\" must be one or several of null, boolean, number, "
				"integer, string, array, object");
	return 0;
}

/* What "type" says; without it what the keywords are about, and any where they are about nothing. */
static int
types_of(SchemaBuild *build, const JsonValue *schema)
{
	static const struct
	{
		const char *key;
		int			type;
	} about[] = {{"properties", TYPE_OBJECT},
				 {"required", TYPE_OBJECT},
				 {"additionalProperties", TYPE_OBJECT},
				 {"minProperties", TYPE_OBJECT},
				 {"maxProperties", TYPE_OBJECT},
				 {"items", TYPE_ARRAY},
				 {"prefixItems", TYPE_ARRAY},
				 {"minItems", TYPE_ARRAY},
				 {"maxItems", TYPE_ARRAY},
				 {"minLength", TYPE_STRING},
				 {"maxLength", TYPE_STRING},
				 {"pattern", TYPE_STRING},
				 {"format", TYPE_STRING},
				 {"minimum", TYPE_NUMBER},
				 {"maximum", TYPE_NUMBER},
				 {"exclusiveMinimum", TYPE_NUMBER},
				 {"exclusiveMaximum", TYPE_NUMBER}};
	const JsonValue *type = json_member(schema, "type");
	int				 types = 0;

	if (type != NULL && type->type == JSON_TYPE_ARRAY)
		for (int i = 0; i < type->n; i++)
			types |= type_of_name(build, type->members[i].value);
	else if (type != NULL)
		types = type_of_name(build, type);
	if (type != NULL)
		return types;
	for (size_t i = 0; i < sizeof about / sizeof *about; i++)
		if (json_member(schema, about[i].key) != NULL)
			types |= about[i].type;
	return types != 0 ? types : TYPE_ANY;
}

static void
refuse_unsupported(SchemaBuild *build, const JsonValue *schema)
{
	static const char *const unsupported[] = {"not",
											  "if",
											  "then",
											  "else",
											  "propertyNames",
											  "dependencies",
											  "dependentRequired",
											  "dependentSchemas",
											  "contains",
											  "minContains",
											  "maxContains",
											  "patternProperties",
											  "multipleOf",
											  "unevaluatedItems",
											  "unevaluatedProperties",
											  "$dynamicRef",
											  "$recursiveRef",
											  NULL};

	for (int i = 0; i < schema->n; i++)
	{
		const JsonMember *member = &schema->members[i];
		bool			  empty = member->value->type == JSON_TYPE_OBJECT && member->value->n == 0;

		/* what demands nothing */
		if (empty && (strcmp(member->key, "patternProperties") == 0 ||
					  strncmp(member->key, "depend", 6) == 0))
			continue;
		if (json_is_one_of(member->key, unsupported))
			build_error(build, ERR_UNSUPPORTED, "keyword \"%s\" is not supported", member->key);
	}
}

/* ---- strings ---- */

/* A pattern for a format, or NULL: formats are notes, but these are kept to.  Days end with the 28th, so that each
 * month has them. */
static const char *
format_pattern(const JsonValue *format)
{
#define DATE "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
	static const char *const patterns[][2] = {
		{"date", "^" DATE "$"},
		{"time", "^" TIME "$"},
		{"date-time", "^" DATE "T" TIME "$"},
		{"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
		{"email", "^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9]+([.-][A-Za-z0-9]+)*$"},
		{"ipv4", "^(" OCTET "\\.){3}" OCTET "$"}};
#undef DATE
#undef TIME
#undef OCTET

	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (format->type == JSON_TYPE_STRING && strcmp(format->text, patterns[i][0]) == 0)
			return patterns[i][1];
	return NULL;
}

/* least .. most of something that a rule has; most -1: any number. */
static void
repeat(SchemaBuild *build, int rule, int least, int most, int from, int to)
{
	GrammarBuilder *builder = build->builder;
	int				n = most >= 0 ? most : least;

	for (int i = 0; i < n && builder != NULL; i++)
	{
		int next = builder_state(builder);

		if (i >= least)
			builder_empty(builder, from, to);
		builder_call(builder, from, rule, next);
		from = next;
	}
	if (most < 0)
	{
		int loop = builder_state(builder);

		builder_empty(builder, from, loop);
		builder_call(builder, loop, rule, loop);
		from = loop;
	}
	builder_empty(builder, from, to);
}

static void
build_string(SchemaBuild *build, const JsonValue *schema, int from, int to)
{
	const JsonValue *pattern = json_member(schema, "pattern");
	const JsonValue *format = json_member(schema, "format");
	int				 least = build_count(build, schema, "minLength", 0);
	int				 most = build_count(build, schema, "maxLength", -1);
	int				 inside = builder_text(build->builder, from, "\"", 1);
	int				 end = builder_state(build->builder);
	const char		*kept = format != NULL && pattern == NULL ? format_pattern(format) : NULL;

	if (most >= 0 && least > most)
	{
		build_error(build, ERR_ARGUMENT, "minLength of %d is more than maxLength of %d", least,
					most);
		return;
	}
	if (pattern != NULL && pattern->type != JSON_TYPE_STRING)
		build_error(build, ERR_ARGUMENT, "\"pattern\" must be a string");
	else if (pattern != NULL)
		build_pattern(build, pattern->text, pattern->length, least, most, inside, end);
	else if (kept != NULL)
		build_pattern(build, kept, strlen(kept), least, most, inside, end);
	else if (least > GRAMMAR_MAX_STATES || most > GRAMMAR_MAX_STATES)
		build_error(build, ERR_LIMIT, "a string of %d characters is too long to be counted",
					least > most ? least : most);
	else
		repeat(build, character_rule(build), least, most, inside, end);
	builder_bytes(build->builder, end, '"', '"', to);
}

/* ---- arrays ---- */

/* The schema of elements behind the first ones; NULL: any. */
static const JsonValue *
further_items(const JsonValue *schema, const JsonValue **first)
{
	const JsonValue *items = json_member(schema, "items");

	*first = json_member(schema, "prefixItems");
	if (items != NULL && items->type == JSON_TYPE_ARRAY)
	{
		*first = items;
		return json_member(schema, "additionalItems");
	}
	return items;
}

static void
build_array(SchemaBuild *build, const JsonValue *schema, int from, int to)
{
	GrammarBuilder	*builder = build->builder;
	const JsonValue *first, *further = further_items(schema, &first);
	const JsonValue *unique = json_member(schema, "uniqueItems");
	int				 n_first = first != NULL ? first->n : 0;
	int				 least = build_count(build, schema, "minItems", 0);
	int				 most = build_count(build, schema, "maxItems", -1);
	int				 counted, rule = -1, state;

	if (first != NULL && first->type != JSON_TYPE_ARRAY)
		build_error(build, ERR_ARGUMENT, "\"prefixItems\" must be an array of schemas");
	if (most >= 0 && least > most)
		build_error(build, ERR_ARGUMENT, "minItems of %d is more than maxItems of %d", least, most);
	if (unique != NULL && unique->type == JSON_TYPE_TRUE && !(most >= 0 && most <= 1))
		build_error(build, ERR_UNSUPPORTED, "keyword \"uniqueItems\" is not supported");
	if (further != NULL && further->type == JSON_TYPE_FALSE)
		most = most < 0 || most > n_first ? n_first : most;
	if (least > GRAMMAR_MAX_STATES || most > GRAMMAR_MAX_STATES)
		build_error(build, ERR_LIMIT, "an array of %d elements is too long to be counted",
					least > most ? least : most);
	if (build_failed(build))
		return;
	counted = most >= 0 ? most : (least > n_first ? least : n_first);
	state = builder_text(builder, from, "[", 1);
	for (int i = 0; i < counted && !build_failed(build); i++)
	{
		int next = builder_state(builder);
		int element = i > 0 ? separator(build, state, ',') : state;

		if (i >= least)
			builder_bytes(builder, state, ']', ']', to);
		if (i < n_first)
		{
			size_t place = enter(build, "/prefixItems/%d", i);

			builder_call(builder, element, schema_rule(build, first->members[i].value), next);
			leave(build, place);
		}
		else
		{
			if (rule < 0)
			{
				size_t place = enter(build, "/items");

				rule = further != NULL ? schema_rule(build, further) : any_rule(build);
				leave(build, place);
			}
			builder_call(builder, element, rule, next);
		}
		state = next;
	}
	if (counted >= least)
		builder_bytes(builder, state, ']', ']', to);
	if (most < 0 && !build_failed(build))
	{
		int loop = builder_state(builder);

		if (rule < 0)
		{
			size_t place = enter(build, "/items");

			rule = further != NULL ? schema_rule(build, further) : any_rule(build);
			leave(build, place);
		}
		builder_call(builder, counted > 0 ? separator(build, state, ',') : state, rule, loop);
		builder_call(builder, separator(build, loop, ','), rule, loop);
		builder_bytes(builder, loop, ']', ']', to);
	}
}

/* ---- objects ---- */

typedef struct Field
{
	const char		*key;
	size_t			 key_length;
	const JsonValue *schema;
	bool			 required;
} Field;

/* The properties of a schema, and those that it requires without naming them. */
static Field *
list_fields(SchemaBuild *build, const JsonValue *schema, int *n)
{
	const JsonValue *properties = json_member(schema, "properties");
	const JsonValue *required = json_member(schema, "required");
	int				 n_properties = properties != NULL ? properties->n : 0;
	Field			*fields = build_allocate(
				  build, (size_t) n_properties + (required ? (size_t) required->n : 0), sizeof *fields);

	*n = n_properties;
	if (fields == NULL)
		return NULL;
	if (properties != NULL && properties->type != JSON_TYPE_OBJECT)
		build_error(build, ERR_ARGUMENT, "\"properties\" must be an object");
	if (required != NULL && required->type != JSON_TYPE_ARRAY)
		build_error(build, ERR_ARGUMENT, "\"required\" must be an array of strings");
	if (build_failed(build))
		return NULL;
	for (int i = 0; i < n_properties; i++)
		fields[i] = (Field){.key = properties->members[i].key,
							.key_length = properties->members[i].key_length,
							.schema = properties->members[i].value};
	for (int i = 0; required != NULL && i < required->n; i++)
	{
		const JsonValue *name = required->members[i].value;
		int				 j = 0;

		if (name->type != JSON_TYPE_STRING)
		{
			build_error(build, ERR_ARGUMENT, "\"required\" must be an array of strings");
			return NULL;
		}
		while (j < *n && (fields[j].key_length != name->length ||
						  memcmp(fields[j].key, name->text, name->length) != 0))
			j++;
		if (j == *n)
			fields[(*n)++] = (Field){
				.key = name->text, .key_length = name->length, .schema = schema_of_others(schema)};
		fields[j].required = true;
	}
	return fields;
}

/* Any number of members with keys that nothing is said about. */
static void
build_free_object(SchemaBuild *build, const JsonValue *schema, int least, int most, int from,
				  int to)
{
	GrammarBuilder	*builder = build->builder;
	const JsonValue *others = schema_of_others(schema);
	int				 rule, state = from, pair;

	if (others->type == JSON_TYPE_FALSE)
		most = 0;
	/* two members could have one key */
	if (least > 1)
		build_error(build, ERR_UNSUPPORTED,
					"minProperties of %d needs as many names in \"properties\"", least);
	if (most > 1000)
		most = -1;
	if (least == 0)
		builder_bytes(builder, from, '}', '}', to);
	if (build_failed(build) || most == 0)
		return;
	{
		size_t place = enter(build, "/additionalProperties");

		rule = others->type == JSON_TYPE_TRUE ? any_rule(build) : schema_rule(build, others);
		leave(build, place);
	}
	for (int i = 0; i < (most < 0 ? 2 : most); i++)
	{
		int next = builder_state(builder);

		pair = builder_text(builder, i > 0 ? separator(build, state, ',') : state, "\"", 1);
		{
			int quote = builder_state(builder), behind = builder_state(builder);

			repeat(build, character_rule(build), 0, -1, pair, quote);
			builder_bytes(builder, quote, '"', '"', behind);
			builder_call(builder, separator(build, behind, ':'), rule, next);
		}
		builder_bytes(builder, next, '}', '}', to);
		/* without a bound, the second pair is the one that repeats */
		if (most < 0 && i == 1)
			builder_empty(builder, next, state);
		state = next;
	}
}

static void
build_object(SchemaBuild *build, const JsonValue *schema, int from, int to)
{
	GrammarBuilder *builder = build->builder;
	int				least = build_count(build, schema, "minProperties", 0);
	int				most = build_count(build, schema, "maxProperties", -1);
	int				n, counts, behind = builder_text(builder, from, "{", 1);
	Field		   *fields = list_fields(build, schema, &n);
	int			   *states;

	if (fields == NULL || build_failed(build))
		return;
	if (most >= 0 && least > most)
	{
		build_error(build, ERR_ARGUMENT, "minProperties of %d is more than maxProperties of %d",
					least, most);
		return;
	}
	if (n == 0)
	{
		build_free_object(build, schema, least, most, behind, to);
		return;
	}
	/* states[i * counts + c]: the first i fields are through, c of them are there (or more) */
	counts = (most >= 0 && most < n) || least > 1 ? n + 1 : 2;
	states = build_allocate(build, (size_t) (n + 1) * (size_t) counts, sizeof *states);
	if (states == NULL)
		return;
	for (int i = 0; i < (n + 1) * counts; i++)
		states[i] = i == 0 ? behind : builder_state(builder);
	for (int i = 0; i < n && !build_failed(build); i++)
	{
		const Field *field = &fields[i];
		char		 name[64];
		size_t		 place = enter(build, "/properties/%s", pointer_name(field->key, name));
		int			 rule = schema_rule(build, field->schema);

		leave(build, place);
		for (int c = 0; c < counts && c <= i; c++)
		{
			int here = states[i * counts + c];
			int more = c + 1 < counts ? c + 1 : c, key;

			if (!field->required)
				builder_empty(builder, here, states[(i + 1) * counts + c]);
			if (most >= 0 && c >= most)
				continue;
			key = c > 0 ? separator(build, here, ',') : here;
			key = literal_string(build, key, field->key, field->key_length);
			builder_call(builder, separator(build, key, ':'), rule,
						 states[(i + 1) * counts + more]);
		}
	}
	for (int c = 0; c < counts; c++)
		if (c >= least && (most < 0 || c <= most))
			builder_bytes(builder, states[n * counts + c], '}', '}', to);
}

/* ---- one schema ---- */

static int
type_of_value(const JsonValue *value)
{
	switch (value->type)
	{
		case JSON_TYPE_NULL:
			return TYPE_NULL;
		case JSON_TYPE_FALSE:
		case JSON_TYPE_TRUE:
			return TYPE_BOOLEAN;
		case JSON_TYPE_NUMBER:
		{
			double number = strtod(value->text, NULL);

			return number == (double) (long long) number ? TYPE_NUMBER | TYPE_INTEGER : TYPE_NUMBER;
		}
		case JSON_TYPE_STRING:
			return TYPE_STRING;
		case JSON_TYPE_ARRAY:
			return TYPE_ARRAY;
		case JSON_TYPE_OBJECT:
			return TYPE_OBJECT;
	}
	return 0;
}

/* Whether a value of an enum satisfies the keywords beside it. */
static bool
is_allowed(SchemaBuild *build, const JsonValue *schema, const JsonValue *value)
{
	static const char *const strings[] = {"pattern", NULL};
	static const char *const structures[] = {
		"properties",	 "required", "additionalProperties", "minProperties",
		"maxProperties", "items",	 "prefixItems",			 "additionalItems",
		"minItems",		 "maxItems", "uniqueItems",			 NULL};
	const JsonValue *constant = json_member(schema, "const");
	int				 characters;

	if ((type_of_value(value) & types_of(build, schema)) == 0 &&
		json_member(schema, "type") != NULL)
		return false;
	if (constant != NULL && !json_equal(constant, value))
		return false;
	for (int i = 0; i < schema->n; i++)
	{
		const char *key = schema->members[i].key;

		if ((value->type == JSON_TYPE_STRING && json_is_one_of(key, strings)) ||
			(value->type >= JSON_TYPE_ARRAY && json_is_one_of(key, structures)))
			return build_error(build, ERR_UNSUPPORTED,
							   "\"%s\" beside \"enum\" or \"const\" is not supported", key);
	}
	if (value->type == JSON_TYPE_NUMBER)
		return number_in_bounds(build, schema, value);
	if (value->type != JSON_TYPE_STRING)
		return true;
	characters = (int) utf8_count(value->text, value->length);
	return characters >= build_count(build, schema, "minLength", 0) &&
		   (json_member(schema, "maxLength") == NULL ||
			characters <= build_count(build, schema, "maxLength", 0));
}

static void
build_values(SchemaBuild *build, const JsonValue *schema, int from, int to)
{
	const JsonValue	 *values = json_member(schema, "enum");
	const JsonValue	 *constant = json_member(schema, "const");
	JsonMember		  one = {.value = constant};
	const JsonMember *members = &one;
	int				  n = 1;

	if (values != NULL && values->type != JSON_TYPE_ARRAY)
		build_error(build, ERR_ARGUMENT, "\"enum\" must be an array");
	else if (values != NULL)
	{
		members = values->members;
		n = values->n;
	}
	for (int i = 0; i < n && !build_failed(build); i++)
		if (is_allowed(build, schema, members[i].value))
			builder_empty(build->builder, literal(build, from, members[i].value), to);
}

static void
build_types(SchemaBuild *build, const JsonValue *schema, int types, int from, int to)
{
	GrammarBuilder *builder = build->builder;

	if (types & TYPE_NULL)
		builder_empty(builder, builder_text(builder, from, "null", 4), to);
	if (types & TYPE_BOOLEAN)
	{
		builder_empty(builder, builder_text(builder, from, "true", 4), to);
		builder_empty(builder, builder_text(builder, from, "false", 5), to);
	}
	if (types & (TYPE_NUMBER | TYPE_INTEGER))
		build_number(build, schema, !(types & TYPE_NUMBER), from, to);
	if (types & TYPE_STRING)
		build_string(build, schema, from, to);
	if (types & TYPE_ARRAY)
		build_array(build, schema, from, to);
	if (types & TYPE_OBJECT)
		build_object(build, schema, from, to);
}

/* ---- alternatives of which exactly one has to hold ---- */

/* Types of the values that satisfy a schema. */
static int
possible_types(SchemaBuild *build, const JsonValue *schema)
{
	const JsonValue *values = json_member(schema, "enum"), *constant = json_member(schema, "const");
	int				 types = 0;

	if (schema->type != JSON_TYPE_OBJECT)
		return schema->type == JSON_TYPE_TRUE ? TYPE_ANY | TYPE_INTEGER : 0;
	if (constant != NULL)
		return type_of_value(constant);
	if (values != NULL && values->type == JSON_TYPE_ARRAY)
	{
		for (int i = 0; i < values->n; i++)
			types |= type_of_value(values->members[i].value);
		return types;
	}
	if (json_member(schema, "type") == NULL)
		return TYPE_ANY | TYPE_INTEGER;
	types = types_of(build, schema);
	return types & TYPE_NUMBER ? types | TYPE_INTEGER : types;
}

/* Whether a schema has listed values, none of which the other schema lists. */
static bool
values_differ(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	const JsonValue	 *schemas[2] = {schema_resolve(build, a), schema_resolve(build, b)};
	const JsonMember *lists[2];
	JsonMember		  one[2];
	int				  n[2];

	for (int i = 0; i < 2; i++)
	{
		const JsonValue *values = json_member(schemas[i], "enum");
		const JsonValue *constant = json_member(schemas[i], "const");

		if (constant == NULL && (values == NULL || values->type != JSON_TYPE_ARRAY))
			return false;
		one[i] = (JsonMember){.value = constant};
		lists[i] = constant != NULL ? &one[i] : values->members;
		n[i] = constant != NULL ? 1 : values->n;
	}
	for (int i = 0; i < n[0]; i++)
		for (int j = 0; j < n[1]; j++)
			if (json_equal(lists[0][i].value, lists[1][j].value))
				return false;
	return true;
}

static bool
is_required(const JsonValue *schema, const char *key)
{
	const JsonValue *required = json_member(schema, "required");

	for (int i = 0; required != NULL && i < required->n; i++)
		if (required->members[i].value->type == JSON_TYPE_STRING &&
			strcmp(required->members[i].value->text, key) == 0)
			return true;
	return false;
}

/* Whether no value can satisfy both: of different types, of listed values, or objects that a required property
 * tells apart. */
static bool
exclude_each_other(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	const JsonValue *properties;

	a = schema_resolve(build, a);
	b = schema_resolve(build, b);
	if ((possible_types(build, a) & possible_types(build, b)) == 0 || values_differ(build, a, b))
		return true;
	properties = json_member(a, "properties");
	for (int i = 0; properties != NULL && i < properties->n; i++)
	{
		const char		*key = properties->members[i].key;
		const JsonValue *other = schema_property(b, key);

		if (other != NULL && is_required(a, key) && is_required(b, key) &&
			values_differ(build, properties->members[i].value, other))
			return true;
	}
	return false;
}

static void
build_alternatives(SchemaBuild *build, const JsonValue *schema, const char *key, int from, int to)
{
	const JsonValue *list = json_member(schema, key);
	const JsonValue *rest = schema_without(build, schema, key);

	if (list->type != JSON_TYPE_ARRAY || list->n == 0)
	{
		build_error(build, ERR_ARGUMENT, "\"%s\" must be an array of schemas", key);
		return;
	}
	for (int i = 0; i < list->n && !build_failed(build); i++)
	{
		size_t			 place = enter(build, "/%s/%d", key, i);
		const JsonValue *alternative = list->members[i].value;

		for (int j = 0; j < i && strcmp(key, "oneOf") == 0; j++)
			if (!exclude_each_other(build, list->members[j].value, alternative))
				build_error(build, ERR_UNSUPPORTED,
							"\"oneOf\" is supported where types or a required property with "
							"\"const\" tell its schemas apart; these may be meant as \"anyOf\"");
		if (rest->n > 0)
			alternative = schema_both(build, alternative, rest);
		builder_call(build->builder, from, schema_rule(build, alternative), to);
		leave(build, place);
	}
}

static void
build_schema(SchemaBuild *build, const JsonValue *schema, int from, int to)
{
	if (schema->type == JSON_TYPE_FALSE)
		return;
	if (schema->type == JSON_TYPE_TRUE ||
		(schema->type == JSON_TYPE_OBJECT && !schema_says_something(schema)))
	{
		builder_call(build->builder, from, any_rule(build), to);
		return;
	}
	if (schema->type != JSON_TYPE_OBJECT)
	{
		build_error(build, ERR_ARGUMENT, "a schema must be an object or a boolean");
		return;
	}
	refuse_unsupported(build, schema);
	if (json_member(schema, "oneOf") != NULL)
		build_alternatives(build, schema, "oneOf", from, to);
	else if (json_member(schema, "anyOf") != NULL)
		build_alternatives(build, schema, "anyOf", from, to);
	else if (json_member(schema, "enum") != NULL || json_member(schema, "const") != NULL)
		build_values(build, schema, from, to);
	else
		build_types(build, schema, types_of(build, schema), from, to);
}

/* Any JSON value. */
static int
any_rule(SchemaBuild *build)
{
	static const JsonValue nothing = {.type = JSON_TYPE_OBJECT};

	if (build->any_rule < 0)
	{
		int rule = new_rule(build, NULL), end = builder_state(build->builder);

		build->any_rule = rule;
		build_types(build, &nothing, TYPE_ANY, builder_start(build->builder, rule), end);
		builder_final(build->builder, end);
	}
	return build->any_rule;
}

/* A schema that is nothing but a reference is what it refers to. */
static const JsonValue *
follow(SchemaBuild *build, const JsonValue *schema)
{
	for (int i = 0; i < MAX_DEPTH && !build_failed(build); i++)
	{
		const JsonValue *reference = json_member(schema, "$ref");

		if (reference == NULL || schema_without(build, schema, "$ref")->n > 0)
			return schema;
		schema = schema_find(build, reference);
	}
	build_error(build, ERR_ARGUMENT, "references lead in a circle");
	return &schema_none;
}

/* The rule of a schema: the one that it has, or a new one. */
static int
schema_rule(SchemaBuild *build, const JsonValue *schema)
{
	int rule, end;

	schema = follow(build, schema);
	if (schema == &schema_any)
		return any_rule(build);
	(void) build_goes_on(build);
	for (int i = 0; i < build->n_rules && schema != &schema_none; i++)
		if (build->rules[i].schema == schema)
			return i;
	rule = new_rule(build, schema);
	if (build_failed(build))
		return rule;
	if (build->depth >= MAX_DEPTH)
	{
		build_error(build, ERR_LIMIT, "more than %d schemas inside each other", MAX_DEPTH);
		return rule;
	}
	build->depth++;
	end = builder_state(build->builder);
	build->merges = 0;
	build_schema(build, schema_resolve(build, schema), builder_start(build->builder, rule), end);
	builder_final(build->builder, end);
	build->depth--;
	return rule;
}

Grammar *
schema_compile(const JsonValue *schema, bool (*interrupted)(void *argument), Error *error)
{
	SchemaBuild build = {.root = schema,
						 .path = "#",
						 .character_rule = -1,
						 .any_rule = -1,
						 .interrupted = interrupted};
	Grammar	   *grammar = NULL;
	int			bad = 0;

	build.builder = builder_create(error);
	if (build.builder == NULL)
		return NULL;
	arena_init(&build.arena, (size_t) 256 << 20);
	schema_rule(&build, schema);
	if (build_failed(&build))
		*error = build.error;
	else
		grammar = builder_finish(build.builder, false, &bad, error);
	if (grammar == NULL && !build_failed(&build) && error->code == ERR_DATA)
	{
		Error reason = *error;

		error_set(error, ERR_ARGUMENT, "JSON schema at \"%s\": no value satisfies it",
				  bad < build.n_rules ? build.rules[bad].path : "#");
		error_detail(error, "In the grammar of its texts, %s.", reason.message);
	}
	builder_free(build.builder);
	free(build.rules);
	arena_free(&build.arena);
	return grammar;
}
