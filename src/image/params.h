/*
 * params.h: named values, as a config has them.
 *
 * config.json and what the importer learnt beside it, flattened: nested keys joined by '.', sorted by key.
 * The importer fills a Params from JSON, the image stores it, a reader sees it without copying; families
 * read their configs from it with defaults, the same way in both places.
 */
#ifndef IMAGE_PARAMS_H
#define IMAGE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef enum ParamType
{
	PARAM_NULL,
	PARAM_BOOL,	  /* integer is 0 or 1 */
	PARAM_INT,	  /* integer */
	PARAM_DOUBLE, /* number */
	PARAM_STRING, /* string */
	PARAM_LIST	  /* string holds the JSON text of an array or of an empty object */
} ParamType;

typedef struct ConfigParam
{
	const char *key;
	ParamType	type;
	int64_t		integer;
	double		number;
	const char *string;
} ConfigParam;

typedef struct Params
{
	const ConfigParam *items; /* sorted by strcmp of key, keys unique */
	int				   n;
} Params;

extern const ConfigParam *params_find(const Params *params, const char *key);

/* The value of a key, or fallback when it is absent or null.  Another type (an int serves as a double, 0
 * and 1 as no bool) or a value outside [low, high] is ERR_DATA naming key and value; false then. */
extern bool params_int(const Params *params, const char *key, int fallback, int low, int high,
					   int *value, Error *error);
extern bool params_double(const Params *params, const char *key, double fallback, double *value,
						  Error *error);
extern bool params_bool(const Params *params, const char *key, bool fallback, bool *value,
						Error *error);
extern bool params_string(const Params *params, const char *key, const char *fallback,
						  const char **value, Error *error);

/* ---- collecting: keys in any order, copied into the arena ---- */

typedef struct ParamsBuilder
{
	Arena		*arena;
	ConfigParam *items;
	int			 n, capacity;
} ParamsBuilder;

extern void params_builder_init(ParamsBuilder *builder, Arena *arena);
extern bool params_add(ParamsBuilder *builder, const ConfigParam *param, Error *error);
extern bool params_add_int(ParamsBuilder *builder, const char *key, int64_t value, Error *error);
extern bool params_add_bool(ParamsBuilder *builder, const char *key, bool value, Error *error);
extern bool params_add_string(ParamsBuilder *builder, const char *key, const char *value,
							  Error *error);

/* Sorts what was added; a key added twice is ERR_DATA.  The result lives in the arena. */
extern bool params_build(ParamsBuilder *builder, Params *params, Error *error);

/* ---- the bytes of a params section (params.c) ---- */

/* How many bytes params_serialize writes; 0 when they are more than a section may have (4 GB). */
extern size_t params_size(const Params *params);
extern void	  params_serialize(const Params *params, uint8_t *out);

/* Checks the bytes and makes a Params whose strings point into them.  ERR_CORRUPT, ERR_MEMORY. */
extern bool params_parse(Params *params, Arena *arena, const uint8_t *data, size_t size,
						 Error *error);

#endif
