/*
 * schema_merge.c: schemas that have to hold together as one schema, and references as what they refer to.
 *
 * Schemas are never changed: what comes out is new, in the build's arena, or one of those that went in.
 */
#include "task/schema_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ALTERNATIVES 1000
#define MAX_MERGES 4000

const JsonValue schema_any = {.type = JSON_TYPE_TRUE};
const JsonValue schema_none = {.type = JSON_TYPE_FALSE};

bool
json_equal(const JsonValue *a, const JsonValue *b)
{
	if (a == b)
		return true;
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case JSON_TYPE_NUMBER:
			return strtod(a->text, NULL) == strtod(b->text, NULL);
		case JSON_TYPE_STRING:
			return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
		case JSON_TYPE_ARRAY:
		case JSON_TYPE_OBJECT:
			if (a->n != b->n)
				return false;
			for (int i = 0; i < a->n; i++)
			{
				const JsonValue *other = a->type == JSON_TYPE_ARRAY
											 ? b->members[i].value
											 : json_member(b, a->members[i].key);

				if (other == NULL || !json_equal(a->members[i].value, other))
					return false;
			}
			return true;
		default:
			return true;
	}
}

/* A new array or object with room for members, which are the caller's to fill. */
static JsonValue *
new_value(SchemaBuild *build, JsonType type, int room, JsonMember **members)
{
	JsonValue *value = build_allocate(build, 1, sizeof *value);

	*members = build_allocate(build, (size_t) room, sizeof **members);
	if (value == NULL || *members == NULL)
		return NULL;
	*value = (JsonValue){.type = type, .members = *members};
	return value;
}

/* ---- schemas that all have to hold ---- */

bool
json_is_one_of(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (strcmp(key, *keys) == 0)
			return true;
	return false;
}

/* What says nothing about values, or only names schemas for others. */
static bool
is_annotation(const char *key)
{
	static const char *const known[] = {"$ref",
										"allOf",
										"anyOf",
										"oneOf",
										"not",
										"if",
										"then",
										"else",
										"type",
										"enum",
										"const",
										"properties",
										"required",
										"minProperties",
										"maxProperties",
										"patternProperties",
										"additionalProperties",
										"propertyNames",
										"dependencies",
										"dependentRequired",
										"dependentSchemas",
										"unevaluatedProperties",
										"unevaluatedItems",
										"items",
										"prefixItems",
										"additionalItems",
										"minItems",
										"maxItems",
										"uniqueItems",
										"contains",
										"minContains",
										"maxContains",
										"minLength",
										"maxLength",
										"pattern",
										"format",
										"minimum",
										"maximum",
										"exclusiveMinimum",
										"exclusiveMaximum",
										"multipleOf",
										"$dynamicRef",
										"$recursiveRef",
										NULL};

	return !json_is_one_of(key, known);
}

bool
schema_says_something(const JsonValue *schema)
{
	for (int i = 0; i < schema->n; i++)
		if (!is_annotation(schema->members[i].key))
			return true;
	return false;
}

/* {"allOf": [a, b]} */
const JsonValue *
schema_both(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	JsonMember *elements, *members;
	JsonValue  *list = new_value(build, JSON_TYPE_ARRAY, 2, &elements);
	JsonValue  *schema = new_value(build, JSON_TYPE_OBJECT, 1, &members);

	if (list == NULL || schema == NULL)
		return &schema_none;
	if (a == b || json_equal(a, b))
		return a;
	elements[0].value = a;
	elements[1].value = b;
	list->n = 2;
	members[0] = (JsonMember){.key = "allOf", .key_length = 5, .value = list};
	schema->n = 1;
	return schema;
}

/* Types that both allow; an integer is a number. */
static const JsonValue *
merge_types(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	JsonMember		  one[2] = {{.value = a}, {.value = b}}, *members;
	const JsonMember *lists[2];
	int				  lengths[2];
	JsonValue		 *result;

	for (int i = 0; i < 2; i++)
	{
		const JsonValue *types = one[i].value;

		lists[i] = types->type == JSON_TYPE_ARRAY ? types->members : &one[i];
		lengths[i] = types->type == JSON_TYPE_ARRAY ? types->n : 1;
	}
	result = new_value(build, JSON_TYPE_ARRAY, lengths[0] * lengths[1], &members);
	if (result == NULL)
		return a;
	for (int i = 0; i < lengths[0]; i++)
		for (int j = 0; j < lengths[1]; j++)
		{
			const JsonValue *left = lists[0][i].value, *right = lists[1][j].value;

			if (left->type != JSON_TYPE_STRING || right->type != JSON_TYPE_STRING)
				continue;
			if (json_equal(left, right) ||
				(strcmp(left->text, "integer") == 0 && strcmp(right->text, "number") == 0))
				members[result->n++].value = left;
			else if (strcmp(left->text, "number") == 0 && strcmp(right->text, "integer") == 0)
				members[result->n++].value = right;
		}
	return result;
}

/* The members of one list and those of another that it has not, or (common) those that both have. */
static const JsonValue *
merge_lists(SchemaBuild *build, const JsonValue *a, const JsonValue *b, bool common)
{
	JsonMember *members;
	JsonValue  *result = new_value(build, JSON_TYPE_ARRAY, a->n + b->n, &members);

	if (result == NULL)
		return a;
	for (int i = 0; i < a->n && !common; i++)
		members[result->n++] = a->members[i];
	for (int i = 0; i < b->n && build_goes_on(build); i++)
	{
		bool found = false;

		for (int j = 0; j < a->n && !found; j++)
			found = json_equal(a->members[j].value, b->members[i].value);
		if (found == common)
			members[result->n++] = b->members[i];
	}
	return result;
}

/* What the other schema says about properties that it does not name. */
const JsonValue *
schema_of_others(const JsonValue *schema)
{
	const JsonValue *others = json_member(schema, "additionalProperties");

	return others != NULL ? others : &schema_any;
}

const JsonValue *
schema_property(const JsonValue *schema, const char *key)
{
	const JsonValue *properties = json_member(schema, "properties");

	return properties != NULL ? json_member(properties, key) : NULL;
}

static const JsonValue *
merge_properties(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	const JsonValue *schemas[2] = {a, b};
	const JsonValue *sets[2] = {json_member(a, "properties"), json_member(b, "properties")};
	JsonMember		*members;
	JsonValue		*result = new_value(
			  build, JSON_TYPE_OBJECT, (sets[0] ? sets[0]->n : 0) + (sets[1] ? sets[1]->n : 0), &members);

	if (result == NULL)
		return &schema_none;
	for (int i = 0; i < 2; i++)
		for (int j = 0; sets[i] != NULL && j < sets[i]->n; j++)
		{
			const JsonMember *member = &sets[i]->members[j];
			const JsonValue	 *other = schema_property(schemas[1 - i], member->key);

			if (i == 1 && other != NULL)
				continue;
			if (other == NULL)
				other = schema_of_others(schemas[1 - i]);
			members[result->n] = *member;
			members[result->n++].value = other->type == JSON_TYPE_TRUE
											 ? member->value
											 : schema_both(build, member->value, other);
		}
	return result;
}

/* One keyword that both schemas have. */
static const JsonValue *
merge_keyword(SchemaBuild *build, const char *key, const JsonValue *a, const JsonValue *b)
{
	static const char *const lower[] = {"minimum",	"exclusiveMinimum", "minLength",
										"minItems", "minProperties",	NULL};
	static const char *const upper[] = {"maximum",	"exclusiveMaximum", "maxLength",
										"maxItems", "maxProperties",	NULL};
	static const char *const schemas[] = {"items", "additionalProperties", "additionalItems", NULL};

	if (json_equal(a, b))
		return a;
	if (json_is_one_of(key, lower) || json_is_one_of(key, upper))
	{
		bool a_is_larger = a->type == JSON_TYPE_NUMBER && b->type == JSON_TYPE_NUMBER &&
						   strtod(a->text, NULL) > strtod(b->text, NULL);

		return a_is_larger == json_is_one_of(key, lower) ? a : b;
	}
	if (json_is_one_of(key, schemas))
		return schema_both(build, a, b);
	if (strcmp(key, "type") == 0)
		return merge_types(build, a, b);
	if (strcmp(key, "required") == 0)
		return merge_lists(build, a, b, false);
	if (strcmp(key, "enum") == 0)
		return merge_lists(build, a, b, true);
	if (strcmp(key, "const") == 0)
		return NULL;
	build_error(build, ERR_UNSUPPORTED,
				"two different values of \"%s\" that both have to hold are not supported", key);
	return a;
}

/* All pairs of alternatives. */
static const JsonValue *
merge_alternatives(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	JsonMember *members;
	JsonValue  *result;

	if (a->n > 0 && b->n > MAX_ALTERNATIVES / a->n)
	{
		build_error(build, ERR_LIMIT, "more than %d alternatives", MAX_ALTERNATIVES);
		return a;
	}
	result = new_value(build, JSON_TYPE_ARRAY, a->n * b->n, &members);
	if (result == NULL)
		return a;
	for (int i = 0; i < a->n; i++)
		for (int j = 0; j < b->n; j++)
			members[result->n++].value =
				schema_both(build, a->members[i].value, b->members[j].value);
	return result;
}

/* A schema that holds where both do. */
static const JsonValue *
merge(SchemaBuild *build, const JsonValue *a, const JsonValue *b)
{
	JsonMember *members;
	JsonValue  *result;

	a = schema_resolve(build, a);
	b = schema_resolve(build, b);
	if (a->type != JSON_TYPE_OBJECT || b->type != JSON_TYPE_OBJECT)
		return a->type == JSON_TYPE_TRUE || b->type == JSON_TYPE_FALSE ? b : a;
	result = new_value(build, JSON_TYPE_OBJECT, a->n + b->n + 1, &members);
	if (result == NULL)
		return a;
	for (int i = 0; i < a->n; i++)
	{
		const JsonMember *member = &a->members[i];
		const JsonValue	 *other = json_member(b, member->key);
		const JsonValue	 *value = member->value;

		if (is_annotation(member->key) || strcmp(member->key, "properties") == 0)
			continue;
		if (other != NULL && strcmp(member->key, "anyOf") == 0)
			value = merge_alternatives(build, value, other);
		else if (other != NULL)
			value = merge_keyword(build, member->key, value, other);
		if (value == NULL)
			return &schema_none;
		members[result->n] = *member;
		members[result->n++].value = value;
	}
	for (int i = 0; i < b->n; i++)
		if (!is_annotation(b->members[i].key) && strcmp(b->members[i].key, "properties") != 0 &&
			json_member(a, b->members[i].key) == NULL)
			members[result->n++] = b->members[i];
	if (json_member(a, "properties") != NULL || json_member(b, "properties") != NULL)
		members[result->n++] = (JsonMember){
			.key = "properties", .key_length = 10, .value = merge_properties(build, a, b)};
	return result;
}

/* ---- references ---- */

/* One step of a JSON pointer: ~1 is a slash, ~0 a tilde, %xx a byte. */
static size_t
pointer_step(const char **pointer, char *key, size_t room)
{
	size_t n = 0;

	while (**pointer != '\0' && **pointer != '/' && n + 1 < room)
	{
		char	 c = *(*pointer)++;
		unsigned byte;

		if (c == '~' && (**pointer == '0' || **pointer == '1'))
			c = *(*pointer)++ == '0' ? '~' : '/';
		else if (c == '%' && sscanf(*pointer, "%2x", &byte) == 1 && strlen(*pointer) >= 2)
		{
			c = (char) byte;
			*pointer += 2;
		}
		key[n++] = c;
	}
	key[n] = '\0';
	return n;
}

const JsonValue *
schema_find(SchemaBuild *build, const JsonValue *reference)
{
	const JsonValue *found = build->root;
	const char		*pointer;

	if (reference->type != JSON_TYPE_STRING || reference->text[0] != '#' ||
		(reference->text[1] != '\0' && reference->text[1] != '/'))
	{
		build_error(build, ERR_UNSUPPORTED,
					"\"$ref\" must be a place in this schema (\"#/...\"), not \"%.100s\"",
					reference->type == JSON_TYPE_STRING ? reference->text : "");
		return &schema_none;
	}
	for (pointer = reference->text + 1; *pointer == '/' && found != NULL;)
	{
		char key[256];

		pointer++;
		pointer_step(&pointer, key, sizeof key);
		if (found->type == JSON_TYPE_ARRAY)
		{
			char *end;
			long  index = strtol(key, &end, 10);

			found = *end == '\0' && end != key && index >= 0 && index < found->n
						? found->members[index].value
						: NULL;
		}
		else
			found = json_member(found, key);
	}
	if (found == NULL || *pointer != '\0')
	{
		build_error(build, ERR_ARGUMENT, "\"$ref\" names \"%.100s\", which is not there",
					reference->text);
		return &schema_none;
	}
	return found;
}

const JsonValue *
schema_without(SchemaBuild *build, const JsonValue *schema, const char *key)
{
	JsonMember *members;
	JsonValue  *result = new_value(build, JSON_TYPE_OBJECT, schema->n, &members);

	for (int i = 0; result != NULL && i < schema->n; i++)
		if (strcmp(schema->members[i].key, key) != 0 && !is_annotation(schema->members[i].key))
			members[result->n++] = schema->members[i];
	return result != NULL ? result : &schema_any;
}

/* A schema with $ref and allOf worked in. */
const JsonValue *
schema_resolve(SchemaBuild *build, const JsonValue *schema)
{
	const JsonValue *reference, *all;

	if (++build->merges > MAX_MERGES)
	{
		build_error(build, ERR_LIMIT, "too many schemas refer to each other");
		return &schema_none;
	}
	if (build_failed(build))
		return &schema_none;
	if ((reference = json_member(schema, "$ref")) != NULL)
	{
		const JsonValue *rest = schema_without(build, schema, "$ref");

		schema = schema_find(build, reference);
		return rest->n > 0 ? merge(build, schema, rest) : schema_resolve(build, schema);
	}
	if ((all = json_member(schema, "allOf")) != NULL)
	{
		schema = schema_without(build, schema, "allOf");
		if (all->type != JSON_TYPE_ARRAY || all->n == 0)
			build_error(build, ERR_ARGUMENT, "\"allOf\" must be an array of schemas");
		for (int i = 0; i < all->n && !build_failed(build); i++)
			schema = merge(build, schema, all->members[i].value);
	}
	return schema;
}
