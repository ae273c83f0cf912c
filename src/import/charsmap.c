/*
 * charsmap.c: the rules out of a precompiled_charsmap.
 *
 * The array is walked once, depth first.  Branches may be shared, and in a damaged array lead back; the number of
 * steps is bounded.
 */
#include "import/charsmap.h"

#include <string.h>

#include "base/utf8.h"

/* No rule replaces a longer text. */
#define MAX_KEY 255
#define MAX_STEPS (1 << 22)

typedef struct Walk
{
	Arena		  *arena;
	const Node	  *at;
	const uint8_t *units;
	size_t		   n_units, n_seen;
	Charsmap	  *charsmap;
	size_t		   room;
	Error		  *error;
} Walk;

/* A place in the array with the bytes that are to be tried there. */
typedef struct Place
{
	size_t	 base;
	unsigned next;
} Place;

static uint32_t
read_u32(const uint8_t *data)
{
	return (uint32_t) data[0] | (uint32_t) data[1] << 8 | (uint32_t) data[2] << 16 |
		   (uint32_t) data[3] << 24;
}

static size_t
unit_offset(uint32_t unit)
{
	return (size_t) (unit >> 10) << ((unit & 1u << 9) >> 6);
}

static bool
is_utf8(const char *text, size_t length)
{
	for (size_t at = 0; at < length;)
	{
		size_t begin = at;

		if (utf8_next(text, length, &at) == 0xFFFD && at - begin != 3)
			return false;
	}
	return true;
}

static bool
add_rule(Walk *walk, const char *key, size_t length, uint32_t text)
{
	Charsmap *charsmap = walk->charsmap;
	char	 *copy;

	if (text >= charsmap->n_texts || ((uint8_t) charsmap->texts[text] & 0xC0) == 0x80)
		return node_error(walk->at, walk->error, ERR_DATA,
						  "a rule leads to byte %u of %zu bytes of text", text, charsmap->n_texts);
	if (charsmap->n_rules == walk->room)
	{
		size_t	 room = walk->room ? walk->room * 2 : 1024;
		TrieKey *grown = arena_alloc_raw(walk->arena, room, sizeof *grown);

		if (!grown)
			return error_set(walk->error, ERR_MEMORY, "out of memory for a tokenizer");
		if (charsmap->n_rules > 0)
			memcpy(grown, charsmap->rules, charsmap->n_rules * sizeof *grown);
		charsmap->rules = grown;
		walk->room = room;
	}
	copy = arena_strndup(walk->arena, key, length);
	if (!copy)
		return error_set(walk->error, ERR_MEMORY, "out of memory for a tokenizer");
	charsmap->rules[charsmap->n_rules++] = (TrieKey){{copy, length}, (int32_t) text};
	return true;
}

/* Goes from a place along a byte; *child is where that leads, *leaf whether a rule's text ends there. */
static bool
step(Walk *walk, const Place *place, unsigned byte, bool *found, Place *child, bool *leaf)
{
	size_t	 at = place->base ^ byte;
	uint32_t unit;

	*found = false;
	if (at >= walk->n_units)
		return true;
	unit = read_u32(walk->units + at * 4);
	/* A leaf's unit has the highest bit. */
	if ((unit & (1u << 31 | 0xFF)) != byte)
		return true;
	*found = true;
	*child = (Place){at ^ unit_offset(unit), 1};
	*leaf = (unit >> 8 & 1) != 0;
	if (++walk->n_seen > MAX_STEPS || (*leaf && child->base >= walk->n_units))
		return node_error(walk->at, walk->error, ERR_DATA, "its double array is damaged");
	return true;
}

static bool
walk_rules(Walk *walk)
{
	Place  stack[MAX_KEY + 1];
	char   key[MAX_KEY];
	size_t depth = 0;

	stack[0] = (Place){unit_offset(read_u32(walk->units)), 1};
	for (;;)
	{
		Place	*place = &stack[depth], child;
		unsigned byte = place->next++;
		bool	 found, leaf = false;

		if (byte > 0xFF)
		{
			if (depth == 0)
				return true;
			depth--;
			continue;
		}
		if (!step(walk, place, byte, &found, &child, &leaf))
			return false;
		if (!found)
			continue;
		if (depth == MAX_KEY)
			return node_error(walk->at, walk->error, ERR_DATA, "a rule has more than %d bytes",
							  MAX_KEY);
		key[depth] = (char) byte;
		if (leaf &&
			!add_rule(walk, key, depth + 1, read_u32(walk->units + child.base * 4) & ~(1u << 31)))
			return false;
		stack[++depth] = child;
	}
}

bool
charsmap_read(Charsmap *charsmap, Arena *arena, const Node *at, const uint8_t *data, size_t size,
			  Error *error)
{
	Walk   walk = {.arena = arena, .at = at, .charsmap = charsmap, .error = error};
	size_t n_array;

	*charsmap = (Charsmap){0};
	n_array = size < 4 ? 0 : (size_t) read_u32(data) / 4 * 4;
	if (n_array < 4 || n_array > size - 4)
		return node_error(at, error, ERR_DATA, "%zu bytes are too few for a double array of %zu",
						  size, n_array);
	walk.units = data + 4;
	walk.n_units = n_array / 4;
	charsmap->n_texts = size - 4 - n_array;
	charsmap->texts = arena_strndup(arena, (const char *) walk.units + n_array, charsmap->n_texts);
	if (!charsmap->texts)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	if (!is_utf8(charsmap->texts, charsmap->n_texts))
		return node_error(at, error, ERR_DATA, "its texts are not valid UTF-8");
	/* The NUL behind the last text may be missing. */
	charsmap->n_texts++;
	return charsmap->n_texts <= INT32_MAX ? walk_rules(&walk)
										  : node_error(at, error, ERR_LIMIT, "it is too large");
}

const char *
charsmap_find(const Charsmap *charsmap, const char *bytes, size_t length)
{
	for (size_t i = 0; i < charsmap->n_rules; i++)
		if (charsmap->rules[i].string.length == length &&
			memcmp(charsmap->rules[i].string.bytes, bytes, length) == 0)
			return charsmap->texts + charsmap->rules[i].value;
	return NULL;
}

bool
charsmap_keeps_cuts(const Charsmap *charsmap)
{
	for (char c = ' '; c < 0x7F; c++)
	{
		bool is_cut =
			c == ' ' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		const char *text = is_cut ? charsmap_find(charsmap, &c, 1) : NULL;

		if (text && !(text[0] == c && text[1] == '\0'))
			return false;
	}
	return true;
}

void
charsmap_plain(const Charsmap *charsmap, uint8_t plain[128])
{
	memset(plain, 1, 128);
	for (size_t i = 0; i < charsmap->n_rules; i++)
	{
		const BuildString *key = &charsmap->rules[i].string;

		if ((uint8_t) key->bytes[0] < 0x80 && (key->length == 1 || (uint8_t) key->bytes[1] < 0x80))
			plain[(uint8_t) key->bytes[0]] = 0;
	}
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
base64_decode(Arena *arena, const Node *at, const char *text, size_t length, uint8_t **data,
			  size_t *size, Error *error)
{
	size_t	 padding = 0;
	uint32_t bits = 0;

	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	*size = 0;
	*data = arena_alloc_raw(arena, length / 4 * 3 + 3, 1);
	if (!*data)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	if (length % 4 != 0)
		return node_error(at, error, ERR_DATA, "%zu characters are no base64", length);
	for (size_t i = 0; i < length; i++)
	{
		int digit = i < length - padding ? base64_digit(text[i]) : 0;

		if (digit < 0)
			return node_error(at, error, ERR_DATA, "character %zu is no base64", i + 1);
		bits = bits << 6 | (uint32_t) digit;
		if (i % 4 == 3)
			for (int shift = 16; shift >= 0; shift -= 8)
				(*data)[(*size)++] = (uint8_t) (bits >> shift);
	}
	*size -= padding;
	return true;
}
