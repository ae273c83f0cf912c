/*
 * json_array.h: nested arrays of numbers in a jsonb, as PostgreSQL arrays.
 */
#ifndef PG_JSON_ARRAY_H
#define PG_JSON_ARRAY_H

#include "postgres.h"

#include "utils/array.h"
#include "utils/jsonb.h"

/* The array that a key's value is: of int4, float4 or float8, with as many dimensions as it is nested.  Arrays beside
 * each other must be as long, and hold numbers that the element's type has; an error names the JSON path. */
extern ArrayType *json_array(const char *key, const JsonbValue *value, Oid element);

/* The same of a single value; a bytea is text in hexadecimal, "\x…". */
extern bool	  json_boolean(const char *key, const JsonbValue *value);
extern bytea *json_bytea(const char *key, const JsonbValue *value);

#endif
