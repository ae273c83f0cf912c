/*
 * tokenizer_chars.c: builds two-stage tables of all characters (tok/chars.h).
 *
 * Equal blocks and equal sequences are stored once.
 */
#include "import/tokenizer_build.h"

#include <stdlib.h>
#include <string.h>

typedef struct TableBuilder
{
	Arena	 *arena;
	uint32_t *sequences;
	size_t	  n_sequences, room;
	StringMap sequence_index; /* bytes of count and elements -> index */
	StringMap block_index;	  /* bytes of a block -> its number */
} TableBuilder;

uint32_t
char_element(uint32_t character, uint32_t itself, uint8_t class, bool drop)
{
	return (character == itself ? 0 : character) | (uint32_t) class << CHAR_ELEMENT_CLASS_SHIFT |
		   (drop ? CHAR_ELEMENT_DROP : 0);
}

/* The index of a sequence in the table, stored when it is new. */
static bool
put_sequence(TableBuilder *builder, const CharMapping *mapping, uint32_t *index, Error *error)
{
	uint32_t words[1 + sizeof mapping->elements / sizeof *mapping->elements];
	size_t	 n = (size_t) mapping->n + 1;
	int32_t	 known;

	words[0] = (uint32_t) mapping->n;
	memcpy(words + 1, mapping->elements, (size_t) mapping->n * sizeof *words);
	known = string_map_get(&builder->sequence_index, (char *) words, n * sizeof *words);
	if (known < 0)
	{
		if (builder->n_sequences + n > builder->room)
		{
			size_t	  room = (builder->room + n) * 2;
			uint32_t *grown = arena_alloc_raw(builder->arena, room, sizeof *grown);

			if (!grown)
				return error_set(error, ERR_MEMORY, "out of memory for a character table");
			if (builder->n_sequences > 0)
				memcpy(grown, builder->sequences, builder->n_sequences * sizeof *grown);
			builder->sequences = grown;
			builder->room = room;
		}
		known = (int32_t) builder->n_sequences;
		memcpy(builder->sequences + known, words, n * sizeof *words);
		builder->n_sequences += n;
		if (!string_map_put(&builder->sequence_index, builder->arena,
							arena_strndup(builder->arena, (char *) words, n * sizeof *words),
							n * sizeof *words, known, error))
			return false;
	}
	*index = (uint32_t) known;
	return true;
}

static bool
encode_mapping(TableBuilder *builder, const CharMapping *mapping, uint32_t *value, Error *error)
{
	uint32_t flags = mapping->isolate ? CHAR_ISOLATE : 0, index = 0;

	if (mapping->hangul)
		*value = CHAR_HANGUL;
	else if (mapping->n == 1 && !(mapping->elements[0] & CHAR_ELEMENT_DROP))
		*value = flags | mapping->elements[0];
	else
	{
		if (!put_sequence(builder, mapping, &index, error))
			return false;
		*value = flags | CHAR_SEQUENCE | index;
	}
	return true;
}

/* Whether a block is like the one before it, whatever the rule: planes 4 to 13 are unassigned and planes 15 and 16
 * private, but for the last two code points of each. */
static bool
is_like_previous(uint32_t block)
{
	uint32_t first = block * CHAR_BLOCK, plane = first >> 16, within = first & 0xFFFF;

	if (plane >= 4 && plane <= 13)
		return first != 0x40000;
	return plane >= 15 && within != 0 && within != 0x10000 - CHAR_BLOCK;
}

/* The table of value(character), which must depend on properties of the character alone. */
static bool
build(TableBuilder *builder,
	  bool (*value)(TableBuilder *, uint32_t, const void *, uint32_t *, Error *),
	  const void *argument, const void **table, size_t *size, Error *error)
{
	Arena			*arena = builder->arena;
	CharTableHeader *header = arena_alloc(arena, 1, sizeof *header);
	uint32_t		*blocks = arena_alloc(arena, (size_t) CHAR_LAST + 1, sizeof *blocks);
	char			*out;

	if (!header || !blocks)
		return error_set(error, ERR_MEMORY, "out of memory for a character table");
	for (uint32_t i = 0; i < CHAR_BLOCKS; i++)
	{
		uint32_t *block = blocks + (size_t) header->n_blocks * CHAR_BLOCK;
		int32_t	  known;

		if (is_like_previous(i))
		{
			header->index[i] = header->index[i - 1];
			continue;
		}
		for (uint32_t j = 0; j < CHAR_BLOCK; j++)
			if (!value(builder, i * CHAR_BLOCK + j, argument, &block[j], error))
				return false;
		known = string_map_get(&builder->block_index, (char *) block, CHAR_BLOCK * sizeof *block);
		if (known < 0)
		{
			known = (int32_t) header->n_blocks++;
			if (!string_map_put(&builder->block_index, arena, (char *) block,
								CHAR_BLOCK * sizeof *block, known, error))
				return false;
		}
		header->index[i] = (uint16_t) known;
	}
	header->n_sequences = (uint32_t) builder->n_sequences;
	*size = sizeof *header + (size_t) header->n_blocks * CHAR_BLOCK * sizeof *blocks +
			builder->n_sequences * sizeof *builder->sequences;
	out = arena_alloc_raw(arena, *size, 1);
	if (!out)
		return error_set(error, ERR_MEMORY, "out of memory for a character table");
	*table = out;
	memcpy(out, header, sizeof *header);
	out += sizeof *header;
	memcpy(out, blocks, (size_t) header->n_blocks * CHAR_BLOCK * sizeof *blocks);
	out += (size_t) header->n_blocks * CHAR_BLOCK * sizeof *blocks;
	if (builder->n_sequences > 0)
		memcpy(out, builder->sequences, builder->n_sequences * sizeof *builder->sequences);
	return true;
}

typedef struct Rule
{
	uint32_t (*class)(uint32_t character, const void *argument);
	void (*map)(uint32_t character, const void *argument, CharMapping *mapping);
	const void *argument;
} Rule;

static bool
class_value(TableBuilder *builder, uint32_t character, const void *argument, uint32_t *value,
			Error *error)
{
	const Rule *rule = argument;

	*value = rule->class(character, rule->argument);
	return true;
}

static bool
map_value(TableBuilder *builder, uint32_t character, const void *argument, uint32_t *value,
		  Error *error)
{
	const Rule *rule = argument;
	CharMapping mapping = {.n = 1};

	rule->map(character, rule->argument, &mapping);
	return encode_mapping(builder, &mapping, value, error);
}

bool
char_class_build(Arena		*arena, uint32_t (*class)(uint32_t character, const void *argument),
				 const void *argument, const void **table, size_t *size, Error *error)
{
	TableBuilder builder = {.arena = arena};
	Rule		 rule = {.class = class, .argument = argument};

	return build(&builder, class_value, &rule, table, size, error);
}

bool
char_map_build(Arena *arena,
			   void (*map)(uint32_t character, const void *argument, CharMapping *mapping),
			   const void *argument, const void **table, size_t *size, Error *error)
{
	TableBuilder builder = {.arena = arena};
	Rule		 rule = {.map = map, .argument = argument};

	return build(&builder, map_value, &rule, table, size, error);
}
