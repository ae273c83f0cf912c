/*
 * tokenizer_node.c: reading JSON with the path at hand.
 *
 * Nodes borrow their values from the document, whose owner frees it.
 */
#include "import/tokenizer_node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define FILE_LIMIT ((size_t) 512 << 20)

static const char *
type_name(const json_t *value)
{
	static const char *const names[] = {"an object", "an array", "a string", "an integer",
										"a number",	 "true",	 "false",	 "null"};

	return value ? names[json_typeof(value)] : "nothing";
}

/* Appends the path to out, cut where it ends. */
static void
put_path(const Node *node, char *out, size_t size)
{
	size_t length;

	if (!node->parent)
	{
		snprintf(out, size, "%s: $", node->key);
		return;
	}
	put_path(node->parent, out, size);
	length = strlen(out);
	if (node->key)
		snprintf(out + length, size - length, ".%s", node->key);
	else
		snprintf(out + length, size - length, "[%zu]", node->index);
}

bool
node_error(const Node *node, Error *error, ErrorCode code, const char *format, ...)
{
	char	path[200], text[300];
	va_list arguments;

	put_path(node, path, sizeof path);
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return error_set(error, code, "%s: %s", path, text);
}

static bool
wrong_type(const Node *node, const char *expected, Error *error)
{
	return node_error(node, error, ERR_DATA, "expected %s, found %s", expected,
					  type_name(node->value));
}

bool
node_object(const Node *node, Error *error)
{
	return json_is_object(node->value) || wrong_type(node, "an object", error);
}

bool
node_find(const Node *object, const char *key, Node *child, Error *error)
{
	*child = (Node){.parent = object, .key = key};
	if (!node_object(object, error))
		return false;
	child->value = json_object_get(object->value, key);
	if (json_is_null(child->value))
		child->value = NULL;
	return true;
}

bool
node_get(const Node *object, const char *key, Node *child, Error *error)
{
	if (!node_find(object, key, child, error))
		return false;
	return child->value || node_error(object, error, ERR_DATA, "\"%s\" is missing", key);
}

Node
node_element(const Node *array, size_t index)
{
	return (Node){.parent = array, .index = index, .value = json_array_get(array->value, index)};
}

bool
node_string(const Node *node, const char **string, size_t *length, Error *error)
{
	if (!json_is_string(node->value))
		return wrong_type(node, "a string", error);
	*string = json_string_value(node->value);
	*length = json_string_length(node->value);
	return true;
}

bool
node_bool(const Node *node, bool *value, Error *error)
{
	if (!json_is_boolean(node->value))
		return wrong_type(node, "a boolean", error);
	*value = json_is_true(node->value);
	return true;
}

bool
node_int(const Node *node, int64_t low, int64_t high, int64_t *value, Error *error)
{
	double number = json_number_value(node->value);

	if (json_is_integer(node->value))
		*value = json_integer_value(node->value);
	else if (json_is_real(node->value) && number > -0x1p53 && number < 0x1p53 &&
			 number == (double) (int64_t) number)
		*value = (int64_t) number;
	else
		return wrong_type(node, "an integer", error);
	if (*value < low || *value > high)
		return node_error(node, error, ERR_DATA, "%lld is outside %lld .. %lld", (long long) *value,
						  (long long) low, (long long) high);
	return true;
}

bool
node_number(const Node *node, double *value, Error *error)
{
	if (!json_is_number(node->value))
		return wrong_type(node, "a number", error);
	*value = json_number_value(node->value);
	return true;
}

bool
node_array(const Node *node, size_t *n, Error *error)
{
	if (!json_is_array(node->value))
		return wrong_type(node, "an array", error);
	*n = json_array_size(node->value);
	return true;
}

bool
node_find_bool(const Node *object, const char *key, bool fallback, bool *value, Error *error)
{
	Node child;

	*value = fallback;
	return node_find(object, key, &child, error) &&
		   (!child.value || node_bool(&child, value, error));
}

bool
node_find_int(const Node *object, const char *key, int64_t fallback, int64_t low, int64_t high,
			  int64_t *value, Error *error)
{
	Node child;

	*value = fallback;
	return node_find(object, key, &child, error) &&
		   (!child.value || node_int(&child, low, high, value, error));
}

bool
node_find_string(const Node *object, const char *key, const char *fallback, const char **string,
				 size_t *length, Error *error)
{
	Node child;

	*string = fallback;
	*length = fallback ? strlen(fallback) : 0;
	return node_find(object, key, &child, error) &&
		   (!child.value || node_string(&child, string, length, error));
}

bool
node_load(const char *directory, const char *name, size_t flags, Node *root, Error *error)
{
	char		 path[4096];
	Arena		 arena;
	size_t		 size;
	char		*text;
	json_error_t complaint;

	*root = (Node){.key = name};
	if ((size_t) snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path)
		return error_set(error, ERR_ARGUMENT, "path of \"%s\" is too long", name);
	arena_init(&arena, 0);
	text = file_read(&arena, path, FILE_LIMIT, &size, error);
	if (!text)
	{
		arena_free(&arena);
		return error->code == ERR_NOT_FOUND;
	}
	root->value = json_loadb(text, size, JSON_ALLOW_NUL | flags, &complaint);
	arena_free(&arena);
	if (!root->value)
		return error_set(error, ERR_DATA, "%s: line %d, column %d: %s", name, complaint.line,
						 complaint.column, complaint.text);
	return node_object(root, error);
}
