/*
 * compose.c: a normalizer that composes canonically (Unicode 3.11, D117) what was decomposed and ordered.
 *
 * Behind a character map that decomposes it makes NFC or NFKC.  Its table is a CharTable of what each
 * character is (COMPOSE_*), and behind that, at byte args[0], the pairs sorted by first and second. * Hangul is composed by arithmetic.  Positions are those of the tokenizers library.
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

/* A mark behind a starter that was not composed with it. */
typedef struct Waiting
{
	uint32_t character;
	bool	 takes; /* an original character of its own: else it is the previous one's */
} Waiting;

/* A starter and what follows it. */
typedef struct Composing
{
	bool	  has_starter;
	bool	  takes; /* the starter, an original of its own */
	uint32_t  starter, origin;
	uint8_t	  last_class; /* of the last mark that waits, 0: none waits */
	Waiting	 *waiting;
	uint32_t *origins; /* of all marks that take one, in order */
	size_t	  n, n_origins, room;
	size_t	  n_composed;  /* of those that take one and were composed */
	uint32_t  last_origin; /* of the last character that was read */
} Composing;

static bool
composing_grow(Composing *composing, Run *run)
{
	size_t	  room = composing->room ? composing->room * 2 : 32;
	Waiting	 *waiting = arena_alloc_raw(run->arena, room, sizeof *waiting);
	uint32_t *origins = arena_alloc_raw(run->arena, room, sizeof *origins);

	if (!waiting || !origins)
		return error_set(run->error, ERR_MEMORY, "out of memory for %zu combining marks", room);
	if (composing->n_origins + composing->n > 0)
	{
		memcpy(waiting, composing->waiting, composing->n * sizeof *waiting);
		memcpy(origins, composing->origins, composing->n_origins * sizeof *origins);
	}
	composing->waiting = waiting;
	composing->origins = origins;
	composing->room = room;
	return true;
}

/* Writes the starter and the marks that wait.  The starter stands for the first originals, as many as it was composed
 * of, and the marks for those behind, whichever they were. */
static bool
composing_flush(Composing *composing, Run *run, Text *out)
{
	size_t	 next = composing->n_composed;
	uint32_t origin = next > 0 ? composing->origins[next - 1] : composing->origin;

	if (!composing->has_starter)
		return true;
	if (!text_reserve(out, run->arena, (composing->n + 1) * 4, run->error))
		return false;
	text_put(out, composing->starter,
			 composing->takes || next == 0 ? composing->origin : composing->origins[0]);
	for (size_t i = 0; i < composing->n; i++)
	{
		if (composing->waiting[i].takes)
			origin = composing->origins[next++];
		text_put(out, composing->waiting[i].character, origin);
	}
	return true;
}

static void
composing_start(Composing *composing, uint32_t starter, uint32_t origin, bool takes)
{
	composing->has_starter = true;
	composing->takes = takes;
	composing->starter = starter;
	composing->origin = origin;
	composing->last_class = 0;
	composing->n = composing->n_origins = composing->n_composed = 0;
}

/* Takes a character behind a starter into it, or lets it wait; a starter that does neither is left to the caller. */
static bool
composing_add(const Component *component, Composing *composing, Run *run, uint32_t character,
			  uint32_t value, uint32_t origin, bool *taken)
{
	uint8_t class = value & COMPOSE_CLASS;
	bool	 takes = origin != composing->last_origin;
	uint32_t composed = 0;

	if ((value & COMPOSE_SECOND) && (composing->last_class == 0 || composing->last_class < class))
		composed = compose_pair(component, composing->starter, character);
	*taken = composed != 0 || class != 0;
	if (!*taken)
		return true;
	if (composing->n_origins == composing->room && !composing_grow(composing, run))
		return false;
	if (takes)
		composing->origins[composing->n_origins++] = origin;
	if (composed != 0)
	{
		composing->starter = composed;
		composing->n_composed += takes;
		return true;
	}
	if (composing->n == composing->room && !composing_grow(composing, run))
		return false;
	composing->waiting[composing->n++] = (Waiting){character, takes};
	composing->last_class = class;
	return true;
}

static bool
compose_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	Composing *composing = run->scratch[component->index];

	if (!composing)
	{
		composing = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *composing);
		if (!composing)
			return error_set(run->error, ERR_MEMORY, "out of memory for a normalizer");
	}
	composing->has_starter = false;
	for (size_t at = 0; at < in->length;)
	{
		uint32_t origin = in->origin[at];
		size_t	 begin = at;
		uint32_t character = text_next(in->bytes, &at);
		uint32_t value = character < 0x300 ? 0 : char_value(&component->chars, character);
		bool	 taken = false, takes = begin == 0 || origin != composing->last_origin;

		if (!run_tick(run, at - begin) ||
			(composing->has_starter &&
			 !composing_add(component, composing, run, character, value, origin, &taken)))
			return false;
		composing->last_origin = origin;
		if (taken)
			continue;
		if (!composing_flush(composing, run, out))
			return false;
		if ((value & COMPOSE_CLASS) == 0)
			composing_start(composing, character, origin, takes);
		else
		{
			if (!text_reserve(out, run->arena, 4, run->error))
				return false;
			text_put(out, character, origin);
		}
	}
	return composing_flush(composing, run, out);
}

const ComponentType compose_type = {
	.kind = NORMALIZER_COMPOSE,
	.name = "composition",
	.open = compose_open,
	.normalize = compose_normalize,
};
