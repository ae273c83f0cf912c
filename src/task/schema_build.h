/*
 * schema_build.h: what the files that compile a JSON Schema share.
 *
 * Private to schema*.c.  Like the builder, a build remembers its first error; what comes after does nothing that
 * matters.
 */
#ifndef TASK_SCHEMA_BUILD_H
#define TASK_SCHEMA_BUILD_H

#include "base/arena.h"
#include "task/grammar.h"
#include "task/json_value.h"

#define SCHEMA_PATH_BYTES 400
#define SCHEMA_MAX_DIGITS 15 /* of a number, before the point and behind it */

typedef struct SchemaRule
{
	const JsonValue *schema; /* NULL: not one of the schema's own */
	const char		*path;
} SchemaRule;

typedef struct SchemaBuild
{
	GrammarBuilder	*builder;
	const JsonValue *root;
	Arena			 arena;
	Error			 error;
	char			 path[SCHEMA_PATH_BYTES];
	int				 depth;	 /* schemas inside each other */
	int				 merges; /* since the last rule was begun, to bound references */
	SchemaRule		*rules;	 /* (n_rules) by their numbers */
	int				 n_rules, rules_room;
	int				 character_rule, any_rule; /* -1: not made yet */
	bool (*interrupted)(void *argument);	   /* NULL: never */
} SchemaBuild;

static inline bool
build_failed(const SchemaBuild *build)
{
	return build->error.code != ERR_NONE;
}

/* Remembers an error at the place where the build is, unless there is one.  Returns false. */
extern bool build_error(SchemaBuild *build, ErrorCode code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* False, with an error, when the caller has asked to stop or anything has failed. */
extern bool build_goes_on(SchemaBuild *build);

/* Zeroed memory as long as the build; NULL with its error. */
extern void *build_allocate(SchemaBuild *build, size_t n, size_t size);

/* A member of an object, or NULL. */
extern const JsonValue *json_member(const JsonValue *object, const char *key);

/* An integer of 0 or more that a keyword has; otherwise where the keyword is absent. */
extern int build_count(SchemaBuild *build, const JsonValue *schema, const char *key, int otherwise);

/* A character of low .. high as JSON strings have it. */
extern void build_characters(SchemaBuild *build, int from, uint32_t low, uint32_t high, int to);

/* schema_merge.c */

/* Schemas that allow everything, and nothing. */
extern const JsonValue schema_any, schema_none;

extern bool json_equal(const JsonValue *a, const JsonValue *b);
extern bool json_is_one_of(const char *key, const char *const *keys); /* which end with NULL */

/* Whether it has a keyword that says something about values. */
extern bool schema_says_something(const JsonValue *schema);

/* {"allOf": [a, b]}; and a schema without one of its keywords, and without notes. */
extern const JsonValue *schema_both(SchemaBuild *build, const JsonValue *a, const JsonValue *b);
extern const JsonValue *schema_without(SchemaBuild *build, const JsonValue *schema,
									   const char *key);

/* A schema with "$ref" and "allOf" worked in; what a "$ref" refers to. */
extern const JsonValue *schema_resolve(SchemaBuild *build, const JsonValue *schema);
extern const JsonValue *schema_find(SchemaBuild *build, const JsonValue *reference);

/* What a schema says of a property, NULL where it does not name it; and of those that it does not name. */
extern const JsonValue *schema_property(const JsonValue *schema, const char *key);
extern const JsonValue *schema_of_others(const JsonValue *schema);

/* schema_number.c: edges for the numbers or integers that a schema's bounds allow. */
extern void build_number(SchemaBuild *build, const JsonValue *schema, bool integer, int from,
						 int to);

/* Whether a number lies within a schema's bounds. */
extern bool number_in_bounds(SchemaBuild *build, const JsonValue *schema, const JsonValue *number);

/* schema_pattern.c: edges for the insides of strings that a regular expression (ECMA-262's) finds something in, of
 * least .. most characters (most -1: any number). */
extern void build_pattern(SchemaBuild *build, const char *pattern, size_t length, int least,
						  int most, int from, int to);

#endif
