/*
 * params.c: looking up named values, collecting them, and their bytes in an image.
 *
 * Section: u32 n, u32 zero, then n entries {u32 type, u32 key, u64 value}, then the bytes of all
 * strings, each with a NUL behind it.  key, and value where it is a string, are offsets into the
 * section; value is else an int64 or the bits of a double.  Little-endian; entries sorted by key.
 */
#include "image/params.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_HEADER 8
#define PARAMS_ENTRY 16

static int
compare_params(const void *a, const void *b)
{
	return strcmp(((const ConfigParam *) a)->key, ((const ConfigParam *) b)->key);
}

const ConfigParam *
params_find(const Params *params, const char *key)
{
	ConfigParam wanted = {.key = key};

	if (params->n == 0)
		return NULL;
	return bsearch(&wanted, params->items, (size_t) params->n, sizeof *params->items,
				   compare_params);
}

static const ConfigParam *
find_value(const Params *params, const char *key)
{
	const ConfigParam *param = params_find(params, key);

	return param != NULL && param->type != PARAM_NULL ? param : NULL;
}

/* The error for a value of another type than the key has. */
static bool
wrong_type(const ConfigParam *param, const char *expected, Error *error)
{
	switch (param->type)
	{
		case PARAM_NULL:
			return error_set(error, ERR_DATA, "\"%s\" is null, but must be %s", param->key,
							 expected);
		case PARAM_BOOL:
			return error_set(error, ERR_DATA, "\"%s\" is %s, but must be %s", param->key,
							 param->integer ? "true" : "false", expected);
		case PARAM_INT:
			return error_set(error, ERR_DATA, "\"%s\" is %lld, but must be %s", param->key,
							 (long long) param->integer, expected);
		case PARAM_DOUBLE:
			return error_set(error, ERR_DATA, "\"%s\" is %g, but must be %s", param->key,
							 param->number, expected);
		case PARAM_STRING:
			return error_set(error, ERR_DATA, "\"%s\" is the string \"%.100s\", but must be %s",
							 param->key, param->string, expected);
		case PARAM_LIST:
			break;
	}
	return error_set(error, ERR_DATA, "\"%s\" is %.100s, but must be %s", param->key, param->string,
					 expected);
}

bool
params_int(const Params *params, const char *key, int fallback, int low, int high, int *value,
		   Error *error)
{
	const ConfigParam *param = find_value(params, key);

	*value = fallback;
	if (param == NULL)
		return true;
	if (param->type != PARAM_INT)
		return wrong_type(param, "an integer", error);
	if (param->integer < low || param->integer > high)
		return error_set(error, ERR_DATA, "\"%s\" is %lld, but must lie between %d and %d", key,
						 (long long) param->integer, low, high);
	*value = (int) param->integer;
	return true;
}

bool
params_double(const Params *params, const char *key, double fallback, double *value, Error *error)
{
	const ConfigParam *param = find_value(params, key);

	*value = fallback;
	if (param == NULL)
		return true;
	if (param->type == PARAM_INT)
		*value = (double) param->integer;
	else if (param->type == PARAM_DOUBLE)
		*value = param->number;
	else
		return wrong_type(param, "a number", error);
	return true;
}

bool
params_bool(const Params *params, const char *key, bool fallback, bool *value, Error *error)
{
	const ConfigParam *param = find_value(params, key);

	*value = fallback;
	if (param == NULL)
		return true;
	if (param->type != PARAM_BOOL)
		return wrong_type(param, "true or false", error);
	*value = param->integer != 0;
	return true;
}

bool
params_string(const Params *params, const char *key, const char *fallback, const char **value,
			  Error *error)
{
	const ConfigParam *param = find_value(params, key);

	*value = fallback;
	if (param == NULL)
		return true;
	if (param->type != PARAM_STRING)
		return wrong_type(param, "a string", error);
	*value = param->string;
	return true;
}

/* ---- collecting ---- */

void
params_builder_init(ParamsBuilder *builder, Arena *arena)
{
	*builder = (ParamsBuilder){.arena = arena};
}

bool
params_add(ParamsBuilder *builder, const ConfigParam *param, Error *error)
{
	Arena	   *arena = builder->arena;
	ConfigParam copy = *param;

	if (builder->n == builder->capacity)
	{
		int			 capacity = builder->capacity == 0 ? 64 : builder->capacity * 2;
		ConfigParam *items = builder->n < INT_MAX / 2
								 ? arena_alloc_raw(arena, (size_t) capacity, sizeof *items)
								 : NULL;

		if (items == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d named values", builder->n);
		if (builder->n > 0)
			memcpy(items, builder->items, (size_t) builder->n * sizeof *items);
		builder->items = items;
		builder->capacity = capacity;
	}
	copy.key = arena_strndup(arena, param->key, strlen(param->key));
	if (param->string != NULL)
		copy.string = arena_strndup(arena, param->string, strlen(param->string));
	if (copy.key == NULL || (param->string != NULL && copy.string == NULL))
		return error_set(error, ERR_MEMORY, "out of memory for the value of \"%s\"", param->key);
	builder->items[builder->n++] = copy;
	return true;
}

bool
params_add_int(ParamsBuilder *builder, const char *key, int64_t value, Error *error)
{
	return params_add(builder, &(ConfigParam){.key = key, .type = PARAM_INT, .integer = value},
					  error);
}

bool
params_add_bool(ParamsBuilder *builder, const char *key, bool value, Error *error)
{
	return params_add(builder, &(ConfigParam){.key = key, .type = PARAM_BOOL, .integer = value},
					  error);
}

bool
params_add_string(ParamsBuilder *builder, const char *key, const char *value, Error *error)
{
	return params_add(builder, &(ConfigParam){.key = key, .type = PARAM_STRING, .string = value},
					  error);
}

bool
params_build(ParamsBuilder *builder, Params *params, Error *error)
{
	if (builder->n > 1)
		qsort(builder->items, (size_t) builder->n, sizeof *builder->items, compare_params);
	for (int i = 1; i < builder->n; i++)
		if (strcmp(builder->items[i - 1].key, builder->items[i].key) == 0)
			return error_set(error, ERR_DATA, "\"%s\" is given twice", builder->items[i].key);
	*params = (Params){.items = builder->items, .n = builder->n};
	return true;
}

/* ---- bytes ---- */

static bool
holds_string(ParamType type)
{
	return type == PARAM_STRING || type == PARAM_LIST;
}

size_t
params_size(const Params *params)
{
	size_t size = PARAMS_HEADER + PARAMS_ENTRY * (size_t) params->n;

	for (int i = 0; i < params->n; i++)
	{
		size += strlen(params->items[i].key) + 1;
		if (holds_string(params->items[i].type))
			size += strlen(params->items[i].string) + 1;
	}
	return size <= UINT32_MAX ? size : 0;
}

/* Copies text with its NUL to out + *at and moves *at behind it; returns where it went. */
static uint32_t
put_string(uint8_t *out, size_t *at, const char *text)
{
	size_t length = strlen(text) + 1;
	size_t begin = *at;

	memcpy(out + begin, text, length);
	*at += length;
	return (uint32_t) begin;
}

void
params_serialize(const Params *params, uint8_t *out)
{
	uint32_t n = (uint32_t) params->n;
	size_t	 at = PARAMS_HEADER + PARAMS_ENTRY * (size_t) params->n;

	memset(out, 0, PARAMS_HEADER);
	memcpy(out, &n, sizeof n);
	for (int i = 0; i < params->n; i++)
	{
		const ConfigParam *param = &params->items[i];
		uint8_t			  *entry = out + PARAMS_HEADER + PARAMS_ENTRY * (size_t) i;
		uint32_t		   type = param->type;
		uint32_t		   key = put_string(out, &at, param->key);
		uint64_t		   value = 0;

		if (holds_string(param->type))
			value = put_string(out, &at, param->string);
		else if (param->type == PARAM_DOUBLE)
			memcpy(&value, &param->number, sizeof value);
		else if (param->type != PARAM_NULL)
			memcpy(&value, &param->integer, sizeof value);
		memcpy(entry, &type, sizeof type);
		memcpy(entry + 4, &key, sizeof key);
		memcpy(entry + 8, &value, sizeof value);
	}
}

bool
params_parse(Params *params, Arena *arena, const uint8_t *data, size_t size, Error *error)
{
	uint32_t	 n;
	size_t		 strings;
	ConfigParam *items;

	*params = (Params){0};
	if (size < PARAMS_HEADER)
		return error_set(error, ERR_CORRUPT, "named values take %zu bytes, less than a header",
						 size);
	memcpy(&n, data, sizeof n);
	if (n > (size - PARAMS_HEADER) / PARAMS_ENTRY || n > INT_MAX)
		return error_set(error, ERR_CORRUPT, "%u named values do not fit into %zu bytes", n, size);
	strings = PARAMS_HEADER + PARAMS_ENTRY * (size_t) n;
	if (n > 0 && (strings == size || data[size - 1] != '\0'))
		return error_set(error, ERR_CORRUPT, "the strings of named values do not end in a NUL");

	items = arena_alloc(arena, n, sizeof *items);
	if (items == NULL && n > 0)
		return error_set(error, ERR_MEMORY, "out of memory for %u named values", n);
	for (uint32_t i = 0; i < n; i++)
	{
		const uint8_t *entry = data + PARAMS_HEADER + PARAMS_ENTRY * (size_t) i;
		ConfigParam	  *param = &items[i];
		uint32_t	   type, key;
		uint64_t	   value;

		memcpy(&type, entry, sizeof type);
		memcpy(&key, entry + 4, sizeof key);
		memcpy(&value, entry + 8, sizeof value);
		if (type > PARAM_LIST || key < strings || key >= size)
			return error_set(error, ERR_CORRUPT, "named value %u has type %u and key %u", i, type,
							 key);
		param->type = (ParamType) type;
		param->key = (const char *) data + key;
		if (holds_string(param->type))
		{
			if (value < strings || value >= size)
				return error_set(error, ERR_CORRUPT, "named value %u lies outside its section", i);
			param->string = (const char *) data + value;
		}
		else if (param->type == PARAM_DOUBLE)
			memcpy(&param->number, &value, sizeof value);
		else
			memcpy(&param->integer, &value, sizeof value);
		if (i > 0 && strcmp(items[i - 1].key, param->key) >= 0)
			return error_set(error, ERR_CORRUPT, "named values are not sorted");
	}
	*params = (Params){.items = items, .n = (int) n};
	return true;
}
