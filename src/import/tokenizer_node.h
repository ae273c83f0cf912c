/*
 * tokenizer_node.h: JSON values that know where they stand.
 *
 * A Node is a value of a document with the way to it, linked on the stack from leaf to root, so that every
 * complaint can name file and path ("tokenizer.json: $.model.vocab").
 */
#ifndef IMPORT_TOKENIZER_NODE_H
#define IMPORT_TOKENIZER_NODE_H

#include <jansson.h>

#include "base/error.h"

typedef struct Node
{
	const struct Node *parent; /* NULL: the root */
	const char		  *key;	   /* in an object; of the root: the file's name */
	size_t			   index;  /* in an array, when key is NULL */
	json_t			  *value;
} Node;

/* ERR_DATA (or code) "file: $.path: ...".  Return false. */
extern bool node_error(const Node *node, Error *error, ErrorCode code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The member of an object, which must be one.  Absent or null members: node_get complains, node_find leaves
 * child->value NULL. */
extern bool node_get(const Node *object, const char *key, Node *child, Error *error);
extern bool node_find(const Node *object, const char *key, Node *child, Error *error);

/* An element of an array. */
extern Node node_element(const Node *array, size_t index);

/* Typed reading of the value itself. */
extern bool node_string(const Node *node, const char **string, size_t *length, Error *error);
extern bool node_bool(const Node *node, bool *value, Error *error);
extern bool node_int(const Node *node, int64_t low, int64_t high, int64_t *value, Error *error);
extern bool node_number(const Node *node, double *value, Error *error);
extern bool node_array(const Node *node, size_t *n, Error *error);
extern bool node_object(const Node *node, Error *error);

/* Of an optional member; fallback when absent or null. */
extern bool node_find_bool(const Node *object, const char *key, bool fallback, bool *value,
						   Error *error);
extern bool node_find_int(const Node *object, const char *key, int64_t fallback, int64_t low,
						  int64_t high, int64_t *value, Error *error);
extern bool node_find_string(const Node *object, const char *key, const char *fallback,
							 const char **string, size_t *length, Error *error);

/* Parses a whole file below a directory, an object, with jansson's flags (JSON_DECODE_INT_AS_REAL where
 * integers beyond 64 bits are to be expected); root->value is NULL when there is no such file.  The caller
 * json_decref()s it. */
extern bool node_load(const char *directory, const char *name, size_t flags, Node *root,
					  Error *error);

#endif
