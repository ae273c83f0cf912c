/*
 * char_map.c: a normalizer that replaces characters one by one.
 *
 * Its table (chars.h) is compiled by the importer from any chain of per-character rules: cleaning, spaces
 * around ideographs, canonical or compatibility decomposition, dropping of marks, case.  Where it
 * decomposes, it also restores the canonical order of combining marks (Unicode 3.11, D108-D109).
 *
 * Positions follow the order of the output: after a reordering the i-th mark stands for the i-th original
 * character of its run, and what a decomposition adds stands for the character before it, as in the
 * tokenizers library.
 */
#include "tok/component.h"

typedef struct Mark
{
	uint32_t character;
	uint8_t class;
	bool drop;
	bool first; /* of its original character: takes the next of the origins */
} Mark;

/* Non-starters that wait for the end of their run. */
typedef struct Marks
{
	Mark	 *items, *sorted;
	uint32_t *origins; /* of the items that are first, in the order of the original */
	size_t	  n, n_origins, room;
	uint32_t  last; /* origin of what went out before them */
} Marks;

static bool
char_map_open(Component *component, const void *data, size_t size)
{
	return char_table_open(&component->chars, data, size);
}

static bool
marks_grow(Marks *marks, Run *run)
{
	size_t	  room = marks->room ? marks->room * 2 : 32;
	Mark	 *items = arena_alloc_raw(run->arena, room, sizeof *items);
	Mark	 *sorted = arena_alloc_raw(run->arena, room, sizeof *sorted);
	uint32_t *origins = arena_alloc_raw(run->arena, room, sizeof *origins);

	if (!items || !sorted || !origins)
		return error_set(run->error, ERR_MEMORY, "out of memory for %zu combining marks", room);
	if (marks->n > 0)
	{
		memcpy(items, marks->items, marks->n * sizeof *items);
		memcpy(origins, marks->origins, marks->n_origins * sizeof *origins);
	}
	marks->items = items;
	marks->sorted = sorted;
	marks->origins = origins;
	marks->room = room;
	return true;
}

/* Stable, by class. */
static const Mark *
marks_sort(Marks *marks)
{
	size_t start[257] = {0};

	if (marks->n < 2)
		return marks->items;
	for (size_t i = 0; i < marks->n; i++)
		start[marks->items[i].class + 1]++;
	for (int class = 0; class < 256; class ++)
		start[class + 1] += start[class];
	for (size_t i = 0; i < marks->n; i++)
		marks->sorted[start[marks->items[i].class]++] = marks->items[i];
	return marks->sorted;
}

static bool
marks_flush(Marks *marks, Run *run, Text *out)
{
	const Mark *sorted = marks_sort(marks);
	size_t		origin = 0;

	if (!text_reserve(out, run->arena, marks->n * 4, run->error))
		return false;
	for (size_t i = 0; i < marks->n; i++)
	{
		if (sorted[i].first)
			marks->last = marks->origins[origin++];
		if (!sorted[i].drop)
			text_put(out, sorted[i].character, marks->last);
	}
	marks->n = 0;
	marks->n_origins = 0;
	return true;
}

/* One element of what stands for the original character at origin. */
static bool
put_element(Marks *marks, Run *run, Text *out, uint32_t element, uint32_t itself, bool first,
			uint32_t origin)
{
	uint32_t character = element & CHAR_ELEMENT_CHARACTER;
	uint8_t class = element >> CHAR_ELEMENT_CLASS_SHIFT & CHAR_ELEMENT_CLASS;
	bool drop = (element & CHAR_ELEMENT_DROP) != 0;

	if (character == 0)
		character = itself;
	if (character > CHAR_LAST)
		return error_set(run->error, ERR_CORRUPT, "tokenizer maps U+%04X to no character", itself);
	if (class != 0)
	{
		if (marks->n == marks->room && !marks_grow(marks, run))
			return false;
		marks->items[marks->n++] = (Mark){character, class, drop, first};
		if (first)
			marks->origins[marks->n_origins++] = origin;
		return true;
	}
	if (marks->n > 0 && !marks_flush(marks, run, out))
		return false;
	if (first)
		marks->last = origin;
	if (drop)
		return true;
	if (!text_reserve(out, run->arena, 4, run->error))
		return false;
	text_put(out, character, marks->last);
	return true;
}

static bool
put_hangul(Marks *marks, Run *run, Text *out, uint32_t character, uint32_t origin)
{
	uint32_t index = character - HANGUL_FIRST;
	uint32_t parts[3] = {HANGUL_L + index / (HANGUL_N_V * HANGUL_N_T),
						 HANGUL_V + index / HANGUL_N_T % HANGUL_N_V, HANGUL_T + index % HANGUL_N_T};
	int		 n = index % HANGUL_N_T == 0 ? 2 : 3;

	for (int i = 0; i < n; i++)
		if (!put_element(marks, run, out, parts[i], 0, i == 0, origin))
			return false;
	return true;
}

/* What the table has for a character, anything but the plain case of one ASCII starter. */
static bool
put_mapped(const CharTable *table, Marks *marks, Run *run, Text *out, uint32_t character,
		   uint32_t origin)
{
	uint32_t		value = char_value(table, character);
	const uint32_t *elements = &value;
	uint32_t		n = 1;

	if (value & CHAR_SEQUENCE)
	{
		uint32_t index = value & CHAR_INDEX;

		if (index >= table->n_sequences || table->sequences[index] >= table->n_sequences - index)
			return error_set(run->error, ERR_CORRUPT, "tokenizer has no characters for U+%04X",
							 character);
		n = table->sequences[index];
		elements = table->sequences + index + 1;
	}
	else if (value & CHAR_HANGUL)
	{
		if (character < HANGUL_FIRST || character > HANGUL_LAST)
			return error_set(run->error, ERR_CORRUPT, "tokenizer takes U+%04X for Hangul",
							 character);
		return put_hangul(marks, run, out, character, origin);
	}
	if ((value & CHAR_ISOLATE) && !put_element(marks, run, out, ' ', 0, true, origin))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!put_element(marks, run, out, elements[i], character, i == 0, origin))
			return false;
	return !(value & CHAR_ISOLATE) || put_element(marks, run, out, ' ', 0, false, origin);
}

/* Maps bytes begin .. end - 1. */
static bool
map_stretch(const Component *component, Marks *marks, Run *run, const Text *in, size_t begin,
			size_t end, Text *out)
{
	const CharTable *table = &component->chars;
	const uint32_t	*ascii = table->values + ((size_t) table->index[0] << CHAR_BLOCK_BITS);

	while (begin < end)
	{
		size_t stop = end - begin > RUN_TICKS ? begin + RUN_TICKS : end;

		if (!run_tick(run, stop - begin) ||
			!text_reserve(out, run->arena, stop - begin, run->error))
			return false;
		while (begin < stop)
		{
			uint8_t	 byte = (uint8_t) in->bytes[begin];
			uint32_t origin = in->origin[begin];

			if (byte < 0x80 && ascii[byte] < 0x80 && marks->n == 0)
			{
				if (out->length == out->room &&
					!text_reserve(out, run->arena, stop - begin, run->error))
					return false;
				out->bytes[out->length] = ascii[byte] ? (char) ascii[byte] : (char) byte;
				out->origin[out->length++] = origin;
				marks->last = origin;
				begin++;
			}
			else if (!put_mapped(table, marks, run, out, text_next(in->bytes, &begin), origin))
				return false;
		}
	}
	return marks_flush(marks, run, out);
}

/* Maps what stands outside of added tokens. */
static bool
map_around_added(const Component *component, Marks *marks, Run *run, const Text *in, Text *out)
{
	const Tokenizer *tokenizer = run->tokenizer;
	size_t			 done = 0, matched;

	for (size_t at = 0; at < in->length; at++)
	{
		int32_t index = trie_longest(&tokenizer->added_normalized, 0, in->bytes + at,
									 in->length - at, &matched);

		if (index < 0 || (uint32_t) index >= tokenizer->n_added ||
			!(tokenizer->added[index].flags & ADDED_SPARED))
			continue;
		if (!map_stretch(component, marks, run, in, done, at, out) ||
			!text_reserve(out, run->arena, matched, run->error))
			return false;
		text_copy(out, in, at, at + matched);
		done = at + matched;
		at = done - 1;
	}
	return map_stretch(component, marks, run, in, done, in->length, out);
}

static bool
char_map_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	Marks *marks = run->scratch[component->index];

	if (!marks)
	{
		marks = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *marks);
		if (!marks)
			return error_set(run->error, ERR_MEMORY, "out of memory for a normalizer");
	}
	if (component->record->flags & CHAR_MAP_SPARES_ADDED)
		return map_around_added(component, marks, run, in, out);
	return map_stretch(component, marks, run, in, 0, in->length, out);
}

const ComponentType char_map_type = {
	.kind = NORMALIZER_CHAR_MAP,
	.name = "character map",
	.open = char_map_open,
	.normalize = char_map_normalize,
};
