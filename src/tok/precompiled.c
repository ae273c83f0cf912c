/*
 * precompiled.c: the normalizer that applies a SentencePiece model's rules as the tokenizers library does.
 *
 * A grapheme cluster of less than six bytes, or else each of its characters, is replaced when a rule's text begins
 * it, the shortest if several do (and all of the cluster goes, however little the rule's text is).
 *
 * Positions follow the library's arithmetic: characters that come out take over the places of characters in the
 * order in which those stand, more of them stay at the last place, and fewer of them give the rest to the character
 * that came out before.  Where none came out before, places are never given up, and all that follows lags behind.
 */
#include "tok/precompiled.h"

#include "tok/component.h"

/* Clusters of more bytes are looked up character by character. */
#define SHORT_CLUSTER 5

/* Places that wait for characters, and the character that waits for the places behind it. */
typedef struct Places
{
	uint32_t *origins; /* a ring; room is a power of two */
	size_t	  first, n, room;
	uint32_t  last;	   /* the place that was taken last */
	uint32_t  waiting; /* a character */
	int64_t	  change;  /* 1: it takes no place, 0: one, -k: k more */
	bool	  waits, begun;
} Places;

static bool
precompiled_open(Component *component, const void *data, size_t size)
{
	const PrecompiledTable *table = data;
	const char			   *bytes = data;
	size_t					at = sizeof *table;

	if (size < at || (uint64_t) table->n_classes + table->n_trie + table->n_texts != size - at ||
		!char_table_open(&component->chars, bytes + at, table->n_classes) ||
		!trie_open(&component->trie, bytes + at + table->n_classes, table->n_trie))
		return false;
	component->bytes = bytes;
	component->length = size;
	return table->n_texts > 0 && bytes[size - 1] == '\0';
}

static inline const PrecompiledTable *
table_of(const Component *component)
{
	return (const PrecompiledTable *) (const void *) component->bytes;
}

static bool
places_push(Places *places, Run *run, uint32_t origin)
{
	if (places->n == places->room)
	{
		size_t	  room = places->room ? places->room * 2 : 64;
		uint32_t *origins = arena_alloc_raw(run->arena, room, sizeof *origins);

		if (!origins)
			return error_set(run->error, ERR_MEMORY, "out of memory for %zu characters", room);
		for (size_t i = 0; i < places->n; i++)
			origins[i] = places->origins[(places->first + i) & (places->room - 1)];
		places->origins = origins;
		places->first = 0;
		places->room = room;
	}
	places->origins[(places->first + places->n++) & (places->room - 1)] = origin;
	return true;
}

static void
places_take(Places *places)
{
	if (places->n == 0)
		return;
	places->last = places->origins[places->first];
	places->first = (places->first + 1) & (places->room - 1);
	places->n--;
}

/* Puts the waiting character out. */
static bool
places_flush(Places *places, Run *run, Text *out)
{
	uint32_t origin;

	if (!places->waits)
		return true;
	if (!text_reserve(out, run->arena, 4, run->error))
		return false;
	if (places->change <= 0)
		places_take(places);
	origin = places->last;
	for (int64_t i = places->change; i < 0; i++)
		places_take(places);
	text_put(out, places->waiting, origin);
	places->waits = false;
	return true;
}

static bool
places_put(Places *places, Run *run, uint32_t character, int64_t change, Text *out)
{
	if (!places_flush(places, run, out))
		return false;
	places->waiting = character;
	places->change = change;
	places->waits = places->begun = true;
	return true;
}

/* Where the shortest text of a rule that begins bytes[0 .. length) leads to, or -1. */
static int32_t
find_rule(const Trie *trie, const char *bytes, size_t length)
{
	uint32_t state = 0;

	for (size_t i = 0; i < length && bytes[i] && trie_step(trie, &state, (uint8_t) bytes[i]); i++)
	{
		int32_t value = trie_value(trie, state);

		if (value >= 0)
			return value;
	}
	return -1;
}

/* Replaces bytes from .. to by a rule's text, or reports that there is none. */
static bool
apply_rule(const Component *component, Run *run, const Text *in, size_t from, size_t to,
		   Places *places, Text *out, bool *applied)
{
	const PrecompiledTable *table = table_of(component);
	const char *texts = component->bytes + sizeof *table + table->n_classes + table->n_trie;
	int32_t		rule = find_rule(&component->trie, in->bytes + from, to - from);
	int64_t		n_old = 0, n_new;
	size_t		length;

	*applied = rule >= 0;
	if (rule < 0)
		return true;
	if ((uint32_t) rule >= table->n_texts)
		return error_set(run->error, ERR_CORRUPT, "tokenizer has no replacement at %d", rule);
	texts += rule;
	length = strlen(texts);
	n_new = (int64_t) utf8_count(texts, length);
	for (size_t at = from; at < to; n_old++)
	{
		if (!places_push(places, run, in->origin[at]))
			return false;
		text_next(in->bytes, &at);
	}
	for (size_t at = 0, i = 0; at < length; i++)
		if (!places_put(places, run, utf8_next(texts, length, &at), (int64_t) i < n_old ? 0 : 1,
						out))
			return false;
	if (n_new < n_old && places->begun)
	{
		/* Behind the end of a block, the character has gone already. */
		if (places->waits)
			places->change += n_new - n_old;
		else
			for (int64_t i = n_new; i < n_old; i++)
				places_take(places);
	}
	return true;
}

static bool
keep_character(Run *run, const Text *in, size_t *at, Places *places, Text *out)
{
	uint32_t origin = in->origin[*at];

	return places_push(places, run, origin) &&
		   places_put(places, run, text_next(in->bytes, at), 0, out);
}

/* Whether two characters belong to one cluster by their classes alone. */
static bool
joins(ClusterClass left, ClusterClass right)
{
	switch (left)
	{
		case CLUSTER_CR:
			return right == CLUSTER_LF;
		case CLUSTER_LF:
		case CLUSTER_CONTROL:
			return false;
		default:
			break;
	}
	switch (right)
	{
		case CLUSTER_CR:
		case CLUSTER_LF:
		case CLUSTER_CONTROL:
			return false;
		case CLUSTER_EXTEND:
		case CLUSTER_ZWJ:
		case CLUSTER_SPACING_MARK:
			return true;
		default:
			break;
	}
	switch (left)
	{
		case CLUSTER_PREPEND:
			return true;
		case CLUSTER_L:
			return right == CLUSTER_L || right == CLUSTER_V || right == CLUSTER_LV ||
				   right == CLUSTER_LVT;
		case CLUSTER_LV:
		case CLUSTER_V:
			return right == CLUSTER_V || right == CLUSTER_T;
		case CLUSTER_LVT:
		case CLUSTER_T:
			return right == CLUSTER_T;
		default:
			return false;
	}
}

/* Behind the grapheme cluster at a byte. */
static size_t
cluster_end(const CharTable *classes, const Text *in, size_t at)
{
	ClusterClass left = (ClusterClass) char_value(classes, text_next(in->bytes, &at));
	/* A pictograph with extenders, and then a joiner, takes in another one; regional indicators go in pairs. */
	bool pictograph = left == CLUSTER_PICTOGRAPH, paired = false;

	while (at < in->length)
	{
		size_t		 next = at;
		ClusterClass right = (ClusterClass) char_value(classes, text_next(in->bytes, &next));
		bool		 pairs = left == CLUSTER_REGIONAL && right == CLUSTER_REGIONAL && !paired;

		if (!joins(left, right) && !pairs &&
			!(pictograph && left == CLUSTER_ZWJ && right == CLUSTER_PICTOGRAPH))
			break;
		paired = pairs;
		if (right == CLUSTER_PICTOGRAPH)
			pictograph = true;
		else if (right != CLUSTER_EXTEND && right != CLUSTER_ZWJ)
			pictograph = false;
		left = right;
		at = next;
	}
	return at;
}

static bool
normalize_cluster(const Component *component, Run *run, const Text *in, size_t at, size_t end,
				  Places *places, Text *out)
{
	bool applied = false;

	if (end - at <= SHORT_CLUSTER &&
		!apply_rule(component, run, in, at, end, places, out, &applied))
		return false;
	while (!applied && at < end)
	{
		size_t next = at;
		bool   one;

		text_next(in->bytes, &next);
		if (!apply_rule(component, run, in, at, next, places, out, &one) ||
			(!one && !keep_character(run, in, &at, places, out)))
			return false;
		at = next;
	}
	return true;
}

/* Behind the ASCII characters at a byte that nothing replaces. */
static size_t
plain_end(const PrecompiledTable *table, const Text *in, size_t at)
{
	while (at + 1 < in->length && (uint8_t) in->bytes[at] < 0x80 &&
		   table->plain[(uint8_t) in->bytes[at]] && (uint8_t) in->bytes[at + 1] < 0x80)
		at++;
	return at;
}

static bool
precompiled_normalize(const Component *component, Run *run, const Text *in, Text *out)
{
	Places *places = run->scratch[component->index];

	if (!places)
	{
		places = run->scratch[component->index] = arena_alloc(run->arena, 1, sizeof *places);
		if (!places)
			return error_set(run->error, ERR_MEMORY, "out of memory for a normalizer");
	}
	if (!run->continues)
	{
		places->n = 0;
		places->begun = false;
	}
	for (size_t at = 0, end; at < in->length; at = end)
	{
		end = plain_end(table_of(component), in, at);
		if (end > at + 1)
		{
			/* The last one waits for what follows. */
			end--;
			if (!run_tick(run, end - at) || !places_flush(places, run, out))
				return false;
			if (places->n == 0)
			{
				if (!text_reserve(out, run->arena, end - at, run->error))
					return false;
				text_copy(out, in, at, end);
				places->last = in->origin[end - 1];
				places->begun = true;
				at = end;
			}
			while (at < end)
				if (!keep_character(run, in, &at, places, out))
					return false;
			continue;
		}
		end = cluster_end(&component->chars, in, at);
		if (!run_tick(run, end - at) ||
			!normalize_cluster(component, run, in, at, end, places, out))
			return false;
	}
	return places_flush(places, run, out);
}

const ComponentType precompiled_type = {
	.kind = NORMALIZER_PRECOMPILED,
	.name = "Precompiled",
	.open = precompiled_open,
	.normalize = precompiled_normalize,
};
