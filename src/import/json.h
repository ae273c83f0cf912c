/*
 * json.h: JSON files of a model folder, and a config's values as Params.
 */
#ifndef IMPORT_JSON_H
#define IMPORT_JSON_H

#include <jansson.h>

#include "image/params.h"

#define JSON_CONFIG_LIMIT ((size_t) 16 << 20) /* bytes of a config file */

/* Parses text; what names it in errors.  Integers of any size are read (as reals, exact to 2^53); of a key given
 * twice the last counts, as in Python.  NULL on error: ERR_DATA with line and column. */
extern json_t *json_parse(const char *text, size_t size, const char *what, Error *error);

/* Parses a file of at most limit bytes; a missing one is ERR_NOT_FOUND.  The caller json_decref()s. */
extern json_t *json_read(const char *path, size_t limit, Error *error);

/* As json_read, which must give an object. */
extern json_t *json_read_object(const char *path, size_t limit, Error *error);

/* A whole number in [0, 2^53]: false for anything else. */
extern bool json_whole(const json_t *value, int64_t *number);

/* An object flattened: nested keys joined by '.', arrays as their JSON text.  Copied into the arena. */
extern bool json_params(const json_t *object, Arena *arena, Params *params, Error *error);

#endif
