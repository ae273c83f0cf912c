/*
 * compose.c: a normalizer that composes canonically (Unicode 3.11, D117) what was decomposed and ordered.
 *
 * Behind a character map that decomposes it makes NFC or NFKC.  Its table is a CharTable of what each
 * character is (COMPOSE_*), and behind that, at byte args[0], the pairs sorted by first and second.
 * Hangul is composed by arithmetic.  A composed character stands for the original of its first part.
 */
#include "tok/component.h"

static bool
compose_open(Component *component, const void *data, size_t size)
{
	size_t begin = (size_t) (uint32_t) component->record->args[0];

	if (begin > size || begin % sizeof(uint32_t) != 0 ||
		(size - begin) % sizeof(ComposePair) != 0 ||
		!char_table_open(&component->chars, data, begin))
		return false;
	component->bytes = (const char *) data + begin;
	component->length = (size - begin) / sizeof(ComposePair);
	return true;
}

static uint32_t
compose_pair(const Component *component, uint32_t first, uint32_t second)
{
	const ComposePair *pairs = (const ComposePair *) (const void *) component->bytes;
	size_t			   low = 0, high = component->length;

	if (first >= HANGUL_L && first < HANGUL_L + HANGUL_N_L && second >= HANGUL_V &&
		second < HANGUL_V + HANGUL_N_V)
		return HANGUL_FIRST + ((first - HANGUL_L) * HANGUL_N_V + (second - HANGUL_V)) * HANGUL_N_T;
	if (first >= HANGUL_FIRST && first <= HANGUL_LAST && (first - HANGUL_FIRST) % HANGUL_N_T == 0 &&
		second > HANGUL_T && second < HANGUL_T + HANGUL_N_T)
		return first + (second - HANGUL_T);
	while (low < high)
	{
		size_t			   middle = low + (high - low) / 2;
		const ComposePair *pair = &pairs[middle];

		if (pair->first == first && pair->second == second)
			return pair->composed <= CHAR_LAST ? pair->composed : 0;
		if (pair->first < first || (pair->first == first && pair->second < second))
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* Puts another character in the place of the one at bytes begin .. end - 1. */
static bool
replace(Text *text, size_t begin, size_t end, uint32_t character, Run *run)
{
	char	 bytes[4];
	int		 n = utf8_put(character, bytes);
	uint32_t origin = text->origin[begin];
	size_t	 tail = text->length - end;

	if (!text_reserve(text, run->arena, 4, run->error))
		return false;
	memmove(text->bytes + begin + n, text->bytes + end, tail);
	memmove(text->origin + begin + n, text->origin + end, tail * sizeof *text->origin);
	memcpy(text->bytes + begin, bytes, (size_t) n);
	for (int i = 0; i < n; i++)
		text->origin[begin + i] = origin;
	text->length = begin + (size_t) n + tail;
	return true;
}

static bool
compose_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	size_t	 starter = SIZE_MAX, starter_end = 0; /* bytes of out */
	uint32_t first = 0;							  /* the starter */
	uint8_t	 last_class = 0;

	for (size_t at = 0; at < in->length;)
	{
		uint32_t origin = in->origin[at];
		size_t	 begin = at;
		uint32_t character = text_next(in->bytes, &at), composed, value;
		uint8_t class;

		if (!text_reserve(out, run->arena, 4, run->error) || !run_tick(run, at - begin))
			return false;
		value = character < 0x300 ? 0 : char_value(&component->chars, character);
		class = value & COMPOSE_CLASS;
		if ((value & COMPOSE_SECOND) && starter != SIZE_MAX &&
			(last_class == 0 || last_class < class) &&
			(composed = compose_pair(component, first, character)) != 0)
		{
			if (!replace(out, starter, starter_end, composed, run))
				return false;
			starter_end = starter + (size_t) (composed < 0x80	   ? 1
											  : composed < 0x800   ? 2
											  : composed < 0x10000 ? 3
																   : 4);
			first = composed;
			continue;
		}
		if (class == 0)
		{
			starter = out->length;
			first = character;
		}
		last_class = class;
		text_put(out, character, origin);
		if (class == 0)
			starter_end = out->length;
	}
	return true;
}

const ComponentType compose_type = {
	.kind = NORMALIZER_COMPOSE,
	.name = "composition",
	.open = compose_open,
	.normalize = compose_normalize,
};
