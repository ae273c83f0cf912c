/*
 * json.c: JSON files of a model folder.
 *
 * Jansson bounds the depth (2048) and checks UTF-8; json_params bounds depth and keys further, because a
 * flattened key repeats those above it.
 */
#include "import/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define MAX_DEPTH 8
#define MAX_KEY 4096
#define MAX_EXACT 0x1p53

json_t *
json_parse(const char *text, size_t size, const char *what, Error *error)
{
	json_error_t reason;
	json_t		*json = json_loadb(text, size, JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &reason);

	if (json == NULL)
	{
		error_set(error, ERR_DATA, "%s is not valid JSON", what);
		error_detail(error, "Line %d, column %d: %s.", reason.line, reason.column, reason.text);
	}
	return json;
}

json_t *
json_read(const char *path, size_t limit, Error *error)
{
	Arena	arena;
	char	what[300];
	char   *text;
	size_t	size;
	json_t *json = NULL;

	arena_init(&arena, 0);
	snprintf(what, sizeof what, "\"%.290s\"", path);
	text = file_read(&arena, path, limit, &size, error);
	if (text != NULL)
		json = json_parse(text, size, what, error);
	arena_free(&arena);
	return json;
}

json_t *
json_read_object(const char *path, size_t limit, Error *error)
{
	json_t *json = json_read(path, limit, error);

	if (json == NULL || json_is_object(json))
		return json;
	json_decref(json);
	error_set(error, ERR_DATA, "\"%s\" does not hold a JSON object", path);
	return NULL;
}

bool
json_whole(const json_t *value, int64_t *number)
{
	double real;

	if (!json_is_number(value))
		return false;
	real = json_number_value(value);
	if (!(real >= 0 && real <= MAX_EXACT) || real != floor(real))
		return false;
	*number = (int64_t) real;
	return true;
}

static bool
add_list(ParamsBuilder *builder, const char *key, const json_t *value, Error *error)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
	bool  ok;

	if (text == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for the value of \"%s\"", key);
	ok = params_add(builder, &(ConfigParam){.key = key, .type = PARAM_LIST, .string = text}, error);
	free(text);
	return ok;
}

static bool add_members(ParamsBuilder *builder, const json_t *object, const char *prefix, int depth,
						Error *error);

static bool
add_value(ParamsBuilder *builder, const char *key, const json_t *value, int depth, Error *error)
{
	double real;

	switch (json_typeof(value))
	{
		case JSON_NULL:
			return params_add(builder, &(ConfigParam){.key = key, .type = PARAM_NULL}, error);
		case JSON_TRUE:
		case JSON_FALSE:
			return params_add_bool(builder, key, json_is_true(value), error);
		case JSON_STRING:
			return params_add_string(builder, key, json_string_value(value), error);
		case JSON_ARRAY:
			return add_list(builder, key, value, error);
		case JSON_OBJECT:
			if (json_object_size(value) == 0)
				return add_list(builder, key, value, error);
			return add_members(builder, value, key, depth + 1, error);
		case JSON_INTEGER:
		case JSON_REAL:
			break;
	}
	real = json_number_value(value);
	if (real == floor(real) && fabs(real) <= MAX_EXACT)
		return params_add_int(builder, key, (int64_t) real, error);
	return params_add(builder, &(ConfigParam){.key = key, .type = PARAM_DOUBLE, .number = real},
					  error);
}

static bool
add_members(ParamsBuilder *builder, const json_t *object, const char *prefix, int depth,
			Error *error)
{
	const char *name;
	json_t	   *value;

	if (depth > MAX_DEPTH)
		return error_set(error, ERR_LIMIT, "\"%.100s\" is nested more than %d deep", prefix,
						 MAX_DEPTH);
	json_object_foreach((json_t *) object, name, value)
	{
		char key[MAX_KEY];

		if (snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "", name) >= MAX_KEY)
			return error_set(error, ERR_LIMIT, "the key \"%.100s\" has more than %d bytes", key,
							 MAX_KEY - 1);
		if (!add_value(builder, key, value, depth, error))
			return false;
	}
	return true;
}

bool
json_params(const json_t *object, Arena *arena, Params *params, Error *error)
{
	ParamsBuilder builder;

	params_builder_init(&builder, arena);
	return add_members(&builder, object, "", 0, error) && params_build(&builder, params, error);
}
