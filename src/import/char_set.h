/*
 * char_set.h: sets of Unicode characters, for the classes of regular expressions.
 *
 * A CharSet is an inversion list in an arena, never changed once it is made: characters bounds[0] .. bounds[1] - 1,
 * bounds[2] .. bounds[3] - 1 and so on.  Functions give NULL when they are out of memory, with the Error set.
 */
#ifndef IMPORT_CHAR_SET_H
#define IMPORT_CHAR_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct CharSet
{
	size_t	  n; /* even */
	uint32_t *bounds;
} CharSet;

typedef enum SetOperation
{
	SET_UNION,
	SET_INTERSECTION,
	SET_DIFFERENCE
} SetOperation;

/* Empty when last is before first. */
extern const CharSet *set_range(Arena *arena, uint32_t first, uint32_t last, Error *error);
extern const CharSet *set_combine(Arena *arena, const CharSet *a, const CharSet *b,
								  SetOperation operation, Error *error);
extern const CharSet *set_complement(Arena *arena, const CharSet *set, Error *error);
extern const CharSet *set_where(Arena *arena, bool (*has)(uint32_t character, int property),
								int property, Error *error);

extern bool set_has(const CharSet *set, uint32_t character);
extern bool set_equal(const CharSet *a, const CharSet *b);
extern bool set_disjoint(const CharSet *a, const CharSet *b);

/* With all characters that differ in case alone (Unicode Technical Standard 18, 1.5), one for one. */
extern const CharSet *set_close_case(Arena *arena, const CharSet *set, Error *error);

/* The classes of Oniguruma that have a name, general categories, scripts, blocks and binary properties; as of Unicode
 * 14.  *found is false for a name that there is not. */
extern const CharSet *set_named(Arena *arena, const char *name, size_t length, bool *found,
								Error *error);

#endif
