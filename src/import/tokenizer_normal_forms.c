/*
 * tokenizer_normal_forms.c: compiles canonical composition.
 */
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 4096

typedef struct Pairs
{
	int			version;
	size_t		n;
	ComposePair items[PAIRS_MAX];
	StringMap	seconds; /* the bytes of each second character */
} Pairs;

static int
compare_pairs(const void *a, const void *b)
{
	const ComposePair *x = a, *y = b;

	if (x->first != y->first)
		return (x->first > y->first) - (x->first < y->first);
	return (x->second > y->second) - (x->second < y->second);
}

static uint32_t
classify_second(uint32_t character, const void *argument)
{
	const Pairs *pairs = argument;
	bool		 hangul = (character >= HANGUL_V && character < HANGUL_V + HANGUL_N_V) ||
				  (character > HANGUL_T && character < HANGUL_T + HANGUL_N_T);
	bool second =
		hangul || string_map_get(&pairs->seconds, (const char *) &character, sizeof character) >= 0;

	return unicode_class(character, pairs->version) | (second ? COMPOSE_SECOND : 0);
}

/* All primary composites but Hangul. */
static bool
find_pairs(Pairs *pairs, Arena *arena, Error *error)
{
	for (uint32_t c = 0xC0; c <= CHAR_LAST; c++)
	{
		ComposePair pair = {.composed = c};
		char	   *second;

		if (!unicode_pair(c, pairs->version, &pair.first, &pair.second))
			continue;
		if (pairs->n == PAIRS_MAX)
			return error_set(error, ERR_LIMIT, "more than %d pairs compose", PAIRS_MAX);
		pairs->items[pairs->n++] = pair;
		second = arena_strndup(arena, (const char *) &pair.second, sizeof pair.second);
		if (!string_map_put(&pairs->seconds, arena, second, sizeof pair.second, 1, error))
			return false;
	}
	qsort(pairs->items, pairs->n, sizeof *pairs->items, compare_pairs);
	return true;
}

bool
add_compose(TokenizerBuild *build, BuildStage stage, const Node *at, int version, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_COMPOSE,
							  .cut = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP};
	Pairs		   *pairs = arena_alloc(build->arena, 1, sizeof *pairs);
	const void	   *classes;
	size_t			n_classes, n_pairs;
	char		   *table;

	if (!pairs)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	pairs->version = version;
	if (!find_pairs(pairs, build->arena, error) ||
		!char_class_build(build->arena, classify_second, pairs, &classes, &n_classes, error))
		return false;
	n_pairs = pairs->n * sizeof *pairs->items;
	table = arena_alloc_raw(build->arena, n_classes + n_pairs, 1);
	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(table, classes, n_classes);
	memcpy(table + n_classes, pairs->items, n_pairs);
	record.args[0] = (int32_t) n_classes;
	return build_component(build, stage, &record, table, n_classes + n_pairs, at, error);
}
