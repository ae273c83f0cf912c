/*
 * tokenizer_build.c: vocabulary, components and templates, gathered and then written as tables.
 *
 * All memory is the build's arena.  What is written depends on the tokenizer's files alone.
 */
#include "import/tokenizer_build.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "import/unicode.h"
#include "tok/tokenizer.h"

typedef struct StringEntry
{
	const char *bytes; /* NULL: free */
	size_t		length;
	int32_t		value;
} StringEntry;

static StringEntry *
string_map_slot(const StringMap *map, const char *bytes, size_t length)
{
	size_t at = XXH3_64bits(bytes, length) & (map->n_slots - 1);

	while (map->entries[at].bytes && (map->entries[at].length != length ||
									  memcmp(map->entries[at].bytes, bytes, length) != 0))
		at = (at + 1) & (map->n_slots - 1);
	return &map->entries[at];
}

bool
string_map_put(StringMap *map, Arena *arena, const char *bytes, size_t length, int32_t value,
			   Error *error)
{
	StringEntry *slot;

	if (map->n * 2 >= map->n_slots)
	{
		StringMap grown = {.n_slots = map->n_slots ? map->n_slots * 2 : 64, .n = map->n};

		grown.entries = arena_alloc(arena, grown.n_slots, sizeof *grown.entries);
		if (!grown.entries)
			return error_set(error, ERR_MEMORY, "out of memory for a vocabulary");
		for (size_t i = 0; i < map->n_slots; i++)
			if (map->entries[i].bytes)
				*string_map_slot(&grown, map->entries[i].bytes, map->entries[i].length) =
					map->entries[i];
		*map = grown;
	}
	if (!bytes)
		return error_set(error, ERR_MEMORY, "out of memory for a vocabulary");
	slot = string_map_slot(map, bytes, length);
	map->n += !slot->bytes;
	*slot = (StringEntry){bytes, length, value};
	return true;
}

int32_t
string_map_get(const StringMap *map, const char *bytes, size_t length)
{
	const StringEntry *slot = map->n > 0 ? string_map_slot(map, bytes, length) : NULL;

	return slot && slot->bytes ? slot->value : -1;
}

static bool
out_of_memory(Error *error)
{
	return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
}

/* Room for id in tokens; n_vocab covers it afterwards. */
static bool
cover_id(TokenizerBuild *build, int32_t id, Error *error)
{
	if (id >= build->vocab_room)
	{
		size_t		 room = build->vocab_room ? (size_t) build->vocab_room : 1024;
		BuildString *tokens;
		uint8_t		*flags;

		while (room <= (size_t) id)
			room *= 2;
		tokens = arena_alloc(build->arena, room, sizeof *tokens);
		flags = arena_alloc(build->arena, room, 1);
		if (!tokens || !flags)
			return out_of_memory(error);
		if (build->n_vocab > 0)
		{
			memcpy(tokens, build->tokens, (size_t) build->n_vocab * sizeof *tokens);
			memcpy(flags, build->token_flags, (size_t) build->n_vocab);
		}
		build->tokens = tokens;
		build->token_flags = flags;
		build->vocab_room = (int) room;
	}
	if (id >= build->n_vocab)
		build->n_vocab = id + 1;
	return true;
}

static int
shown(size_t length)
{
	return length < 100 ? (int) length : 100;
}

/* Gives an id its string, which the arena keeps. */
static bool
name_id(TokenizerBuild *build, const Node *at, const char *bytes, size_t length, int32_t id,
		Error *error)
{
	char *copy;

	if (id < 0 || id > BUILD_MAX_ID)
		return node_error(at, error, ERR_DATA, "id %d is outside 0 .. %d", id, BUILD_MAX_ID);
	if (!cover_id(build, id, error))
		return false;
	if (build->tokens[id].bytes)
		return node_error(at, error, ERR_DATA, "id %d is given to \"%.*s\" and to \"%.*s\"", id,
						  shown(build->tokens[id].length), build->tokens[id].bytes, shown(length),
						  bytes);
	copy = arena_strndup(build->arena, bytes, length);
	if (!copy)
		return out_of_memory(error);
	build->tokens[id] = (BuildString){copy, length};
	build->token_flags[id] |= TOKEN_PRESENT;
	build->n_model++;
	return true;
}

bool
build_token(TokenizerBuild *build, const Node *at, const char *bytes, size_t length, int32_t id,
			Error *error)
{
	if (string_map_get(&build->model_ids, bytes, length) >= 0)
		return node_error(at, error, ERR_DATA, "token \"%.*s\" is there twice", shown(length),
						  bytes);
	return name_id(build, at, bytes, length, id, error) &&
		   string_map_put(&build->model_ids, build->arena, build->tokens[id].bytes, length, id,
						  error);
}

bool
build_shadowed_token(TokenizerBuild *build, const Node *at, const char *bytes, size_t length,
					 int32_t id, Error *error)
{
	return name_id(build, at, bytes, length, id, error);
}

bool
build_vocab(TokenizerBuild *build, const Node *object, Error *error)
{
	const char *key;
	json_t	   *value;

	if (!node_object(object, error))
		return false;
	json_object_foreach(object->value, key, value)
	{
		Node	token = {.parent = object, .key = key, .value = value};
		int64_t id;

		if (!node_int(&token, 0, BUILD_MAX_ID, &id, error) ||
			!build_token(build, &token, key, strlen(key), (int32_t) id, error))
			return false;
	}
	return true;
}

int32_t
build_id(const TokenizerBuild *build, const char *bytes, size_t length)
{
	int32_t id = string_map_get(&build->added_ids, bytes, length);

	return id >= 0 ? id : string_map_get(&build->model_ids, bytes, length);
}

/* The id that the tokenizers library gives to a string it has not seen. */
static int32_t
next_added_id(const TokenizerBuild *build)
{
	int32_t n_model = (int32_t) build->n_model,
			last = build->n_added > 0 ? build->last_added_id : -1;

	return last >= n_model ? last + 1 : n_model;
}

bool
build_added(TokenizerBuild *build, const Node *at, const BuildAdded *added, Error *error)
{
	BuildAdded copy = *added;
	int32_t	   id = build_id(build, added->content.bytes, added->content.length);
	int32_t	   place;
	char	  *bytes;

	if (added->content.length == 0)
		return true;
	if (id < 0)
		id = next_added_id(build);
	if (added->id >= 0 && added->id != id)
		return node_error(at, error, ERR_DATA,
						  "\"%.*s\" has id %d, but its place in the vocabulary is %d",
						  shown(added->content.length), added->content.bytes, added->id, id);
	if (id > BUILD_MAX_ID)
		return node_error(at, error, ERR_DATA, "id %d is outside 0 .. %d", id, BUILD_MAX_ID);
	if (!cover_id(build, id, error))
		return false;
	if (added->special)
		build->token_flags[id] |= TOKEN_SPECIAL;
	place = string_map_get(&build->added_places, added->content.bytes, added->content.length);
	if (place >= 0)
	{
		copy.id = id;
		copy.content = build->added[place].content;
		build->added[place] = copy;
		return true;
	}
	bytes = arena_strndup(build->arena, added->content.bytes, added->content.length);
	if (!bytes ||
		!string_map_put(&build->added_ids, build->arena, bytes, copy.content.length, id, error) ||
		!string_map_put(&build->added_places, build->arena, bytes, copy.content.length,
						build->n_added, error))
		return out_of_memory(error);
	if (build->n_added == 0 || id > build->last_added_id)
		build->last_added_id = id;
	copy.id = id;
	copy.content.bytes = bytes;
	if (!build->tokens[id].bytes)
		build->tokens[id] = copy.content;
	else if (build->tokens[id].length != copy.content.length ||
			 memcmp(build->tokens[id].bytes, bytes, copy.content.length) != 0)
		return node_error(at, error, ERR_DATA, "id %d is given to \"%.*s\" and to \"%.*s\"", id,
						  shown(build->tokens[id].length), build->tokens[id].bytes,
						  shown(copy.content.length), bytes);
	build->token_flags[id] |= TOKEN_PRESENT | TOKEN_ADDED;
	if (build->n_added == build->added_room)
	{
		int			room = build->added_room ? build->added_room * 2 : 64;
		BuildAdded *grown = arena_alloc(build->arena, (size_t) room, sizeof *grown);

		if (!grown)
			return out_of_memory(error);
		if (build->n_added > 0)
			memcpy(grown, build->added, (size_t) build->n_added * sizeof *grown);
		build->added = grown;
		build->added_room = room;
	}
	build->added[build->n_added++] = copy;
	return true;
}

bool
build_need_id(const TokenizerBuild *build, const Node *at, SpecialToken kind, const char *key,
			  int32_t *id, Error *error)
{
	const BuildString *token = &build->special[kind];

	*id = token->bytes ? build_id(build, token->bytes, token->length) : -1;
	return *id >= 0 || node_error(at, error, ERR_DATA, "there is no %s", key);
}

bool
build_component(TokenizerBuild *build, BuildStage stage, const ComponentRecord *record,
				const void *table, size_t table_size, const Node *at, Error *error)
{
	int n = build->n_components[stage];

	if (n == TOKENIZER_MAX_COMPONENTS)
		return node_error(at, error, ERR_UNSUPPORTED, "more than %d components",
						  TOKENIZER_MAX_COMPONENTS);
	build->components[stage][n] = (BuildComponent){*record, table, table_size};
	build->components[stage][n].record.has_table = table != NULL && table_size > 0;
	build->n_components[stage]++;
	return true;
}

bool
build_item(TokenizerBuild *build, TemplateList list, int32_t id, int32_t type_id, Error *error)
{
	int n = build->n_items[list];

	/* Powers of two are full. */
	if (n == 0 || (n & (n - 1)) == 0)
	{
		TemplateItem *grown = arena_alloc(build->arena, (size_t) (n ? n * 2 : 1), sizeof *grown);

		if (!grown)
			return out_of_memory(error);
		if (n > 0)
			memcpy(grown, build->items[list], (size_t) n * sizeof *grown);
		build->items[list] = grown;
	}
	build->items[list][build->n_items[list]++] = (TemplateItem){id, type_id};
	return true;
}

bool
build_table(TokenizerBuild *build, const char *name, const void *data, size_t size, Error *error)
{
	if (build->n_tables == sizeof build->tables / sizeof *build->tables)
		return error_set(error, ERR_LIMIT, "tokenizer has too many tables");
	build->tables[build->n_tables] = (BuildTable){.data = data, .size = size};
	snprintf(build->tables[build->n_tables].name, sizeof build->tables->name, "%s", name);
	build->n_tables++;
	return true;
}

static bool
put_trie(TokenizerBuild *build, const char *name, TrieKey *keys, size_t n, Error *error)
{
	const TrieNode *nodes;
	size_t			n_nodes;

	return n == 0 || (trie_build(build->arena, keys, n, &nodes, &n_nodes, error) &&
					  build_table(build, name, nodes, n_nodes * sizeof *nodes, error));
}

static bool
put_vocab(TokenizerBuild *build, Error *error)
{
	size_t		n = (size_t) build->n_vocab, n_bytes = 0, size, n_keys = 0;
	VocabTable *vocab;
	uint8_t	   *flags;
	char	   *bytes;
	TrieKey	   *keys;

	for (size_t i = 0; i < n; i++)
		n_bytes += build->tokens[i].length + 1;
	if (n_bytes > UINT32_MAX)
		return error_set(error, ERR_LIMIT, "vocabulary has %zu bytes, but at most %u are allowed",
						 n_bytes, UINT32_MAX);
	size = sizeof *vocab + (n + 1) * sizeof(uint32_t) + n + n_bytes;
	vocab = arena_alloc(build->arena, size, 1);
	keys = arena_alloc(build->arena, n + 1, sizeof *keys);
	if (!vocab || !keys)
		return out_of_memory(error);
	vocab->n = (uint32_t) n;
	vocab->n_bytes = (uint32_t) n_bytes;
	flags = (uint8_t *) (vocab->offsets + n + 1);
	memcpy(flags, build->token_flags, n);
	bytes = (char *) flags + n;
	for (size_t i = 0, at = 0; i < n; i++)
	{
		const BuildString *token = &build->tokens[i];

		vocab->offsets[i] = (uint32_t) at;
		if (token->length > 0)
			memcpy(bytes + at, token->bytes, token->length);
		at += token->length + 1;
		vocab->offsets[i + 1] = (uint32_t) at;
	}
	for (size_t i = 0; i < build->model_ids.n_slots; i++)
	{
		const StringEntry *entry = &build->model_ids.entries[i];

		if (entry->bytes)
			keys[n_keys++] = (TrieKey){{entry->bytes, entry->length}, entry->value};
	}
	return build_table(build, "vocab", vocab, size, error) &&
		   put_trie(build, "vocab.trie", keys, n_keys, error);
}

const void *
build_find(void *argument, const char *name, size_t *size)
{
	const TokenizerBuild *build = argument;

	for (int i = 0; i < build->n_tables; i++)
		if (strcmp(build->tables[i].name, name) == 0)
		{
			*size = build->tables[i].size;
			return build->tables[i].data;
		}
	return NULL;
}

/* The content of an added token as it stands in a normalized text. */
static bool
normalize_added(TokenizerBuild *build, const BuildString *content, BuildString *normalized,
				Error *error)
{
	Tokenizer tokenizer;
	char	 *bytes;

	if (!tokenizer_bind(&tokenizer, build_find, build, error) ||
		!tokenizer_normalize(&tokenizer, build->arena, content->bytes, content->length, &bytes,
							 &normalized->length, error))
		return false;
	normalized->bytes = bytes;
	return true;
}

/* Characters of words, as \w has it (Unicode Technical Standard 18, Annex C). */
static uint32_t
is_word_character(uint32_t character, const void *argument)
{
	return unicode_word(character, UNICODE_RUST);
}

/* The tokens that are found in the normalized text, at most n_added; of those that are the same there, the first
 * special one is found, or else the first. */
static bool
key_normalized(TokenizerBuild *build, TrieKey *keys, size_t *n, Error *error)
{
	StringMap seen = {0};

	for (int i = 0; i < 2 * build->n_added; i++)
	{
		int				  place = i % build->n_added;
		const BuildAdded *added = &build->added[place];
		BuildString		  content = added->content;

		if (!added->normalized || added->special != (i < build->n_added))
			continue;
		if (!build->added_as_written && !normalize_added(build, &added->content, &content, error))
			return false;
		if (content.length == 0 || string_map_get(&seen, content.bytes, content.length) >= 0)
			continue;
		keys[(*n)++] = (TrieKey){content, (int32_t) place};
		if (!string_map_put(&seen, build->arena, content.bytes, content.length, 0, error))
			return false;
	}
	return true;
}

/* The tries of added tokens. */
static bool
put_added(TokenizerBuild *build, Error *error)
{
	size_t		 n = (size_t) build->n_added, n_raw = 0, n_normalized = 0;
	AddedRecord *records = arena_alloc(build->arena, n + 1, sizeof *records);
	TrieKey		*raw = arena_alloc(build->arena, n + 1, sizeof *raw);
	TrieKey		*normalized = arena_alloc(build->arena, n + 1, sizeof *normalized);
	TrieKey		*names = arena_alloc(build->arena, n + 1, sizeof *names);
	bool		 words = false;

	if (!records || !raw || !normalized || !names)
		return out_of_memory(error);
	for (size_t i = 0; i < n; i++)
	{
		const BuildAdded *added = &build->added[i];

		records[i].id = added->id;
		records[i].flags = (added->spared ? ADDED_SPARED : 0) |
						   (added->single_word ? ADDED_SINGLE_WORD : 0) |
						   (added->lstrip ? ADDED_LSTRIP : 0) | (added->rstrip ? ADDED_RSTRIP : 0);
		words |= added->single_word;
		names[i] = (TrieKey){added->content, added->id};
		if (!added->normalized)
			raw[n_raw++] = (TrieKey){added->content, (int32_t) i};
	}
	if (!key_normalized(build, normalized, &n_normalized, error))
		return false;
	if (n == 0)
		return true;
	if (words)
	{
		const void *table;
		size_t		size;

		if (!char_class_build(build->arena, is_word_character, NULL, &table, &size, error) ||
			!build_table(build, "added.words", table, size, error))
			return false;
	}
	return build_table(build, "added", records, n * sizeof *records, error) &&
		   put_trie(build, "added.names", names, n, error) &&
		   put_trie(build, "added.raw", raw, n_raw, error) &&
		   put_trie(build, "added.normalized", normalized, n_normalized, error);
}

static bool
put_template(TokenizerBuild *build, Error *error)
{
	size_t		   n = 0;
	TemplateTable *table;

	for (int i = 0; i < TEMPLATE_LISTS; i++)
		n += (size_t) build->n_items[i];
	table = arena_alloc(build->arena, 1, sizeof *table + n * sizeof *table->items);
	if (!table)
		return out_of_memory(error);
	n = 0;
	for (int i = 0; i < TEMPLATE_LISTS; i++)
	{
		for (int j = 0; j < build->n_items[i]; j++)
			table->items[n++] = build->items[i][j];
		table->begin[i + 1] = (uint32_t) n;
	}
	return build_table(build, "template", table, sizeof *table + n * sizeof *table->items, error);
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Where no occurrence of an added token in a normalized text can be cut apart or change. */
static uint32_t
cuts_of_added(const BuildAdded *added)
{
	uint32_t cut =
		TOKENIZER_CUT_SPACE | (added->single_word ? 0 : TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP);

	for (size_t i = 0; i < added->content.length; i++)
		if ((uint8_t) added->content.bytes[i] >= 0x80)
			return 0;
		else if ((uint8_t) added->content.bytes[i] <= ' ')
			cut &= ~TOKENIZER_CUT_SPACE;
	/* The space of a cut has a letter or digit before it. */
	return added->rstrip && is_alnum(added->content.bytes[added->content.length - 1])
			   ? cut & ~TOKENIZER_CUT_SPACE
			   : cut;
}

/* Where all components allow to cut a text, and where one cuts itself.  Behind one that moves spaces and ideographs the
 * others look at another text: there only a cut that was made before is harmless. */
static void
cuts_of_components(const TokenizerBuild *build, uint32_t *allowed, uint32_t *made)
{
	bool moved = false;

	*allowed = TOKENIZER_CUTS;
	*made = 0;
	for (int stage = STAGE_NORMALIZER; stage <= STAGE_PRE_TOKENIZER; stage++)
		for (int i = 0; i < build->n_components[stage]; i++)
		{
			uint32_t cut = build->components[stage][i].record.cut;

			*allowed &= moved ? cut & *made : cut;
			if (!moved)
				*made |= cut / CUT_MADE(1) & TOKENIZER_CUTS;
			moved |= (cut & CUT_MOVES) != 0;
		}
}

uint32_t
build_allowed_cuts(const TokenizerBuild *build)
{
	uint32_t cut, made;

	cuts_of_components(build, &cut, &made);
	for (int i = 0; i < build->n_added; i++)
		if (build->added[i].normalized)
			cut &= cuts_of_added(&build->added[i]);
	return cut;
}

/* Those where a component cuts itself. */
static uint32_t
common_cuts(const TokenizerBuild *build)
{
	uint32_t cut, made;

	cuts_of_components(build, &cut, &made);
	return build_allowed_cuts(build) & made;
}

/* The header and the components' tables. */
static bool
put_components(TokenizerBuild *build, Error *error)
{
	int				 n = 0, index = 0;
	TokenizerTables *header;
	size_t			 size;

	for (int stage = 0; stage < STAGES; stage++)
		n += build->n_components[stage];
	if (n > TOKENIZER_MAX_COMPONENTS)
		return error_set(error, ERR_UNSUPPORTED,
						 "tokenizer has %d components, but at most %d are supported", n,
						 TOKENIZER_MAX_COMPONENTS);
	size = sizeof *header + (size_t) n * sizeof *header->components;
	header = arena_alloc(build->arena, size, 1);
	if (!header)
		return out_of_memory(error);
	header->version = TOKENIZER_VERSION;
	header->flags = build->flags | common_cuts(build);
	header->n_vocab = (uint32_t) build->n_vocab;
	for (int i = 0; i < SPECIAL_TOKENS; i++)
		header->special_ids[i] = build->special[i].bytes ? build_id(build, build->special[i].bytes,
																	build->special[i].length)
														 : -1;
	header->n_normalizers = (uint32_t) build->n_components[STAGE_NORMALIZER];
	header->n_pre_tokenizers = (uint32_t) build->n_components[STAGE_PRE_TOKENIZER];
	header->n_decoders = (uint32_t) build->n_components[STAGE_DECODER];
	if (!build_table(build, "tokenizer", header, size, error))
		return false;
	for (int stage = 0; stage < STAGES; stage++)
		for (int i = 0; i < build->n_components[stage]; i++, index++)
		{
			const BuildComponent *component = &build->components[stage][i];
			char				  name[32];

			header->components[index] = component->record;
			snprintf(name, sizeof name, "component.%d", index);
			if (component->record.has_table &&
				!build_table(build, name, component->table, component->table_size, error))
				return false;
		}
	return true;
}

static bool
put_side_ids(TokenizerBuild *build, Error *error)
{
	size_t size = ((size_t) build->n_vocab + 1) * sizeof *build->shape_ids;

	return !build->shape_ids ||
		   (build_table(build, "shapes", build->shape_ids, size, error) &&
			build_table(build, "pronunciations", build->pronunciation_ids, size, error));
}

bool
build_tables(TokenizerBuild *build, Error *error)
{
	/* Added tokens come last: normalizing them takes all the other tables. */
	return put_components(build, error) && put_vocab(build, error) && put_template(build, error) &&
		   put_side_ids(build, error) && (!build->finish || build->finish(build, error)) &&
		   put_added(build, error);
}

bool
build_write(const TokenizerBuild *build, ImageWriter *writer, Error *error)
{
	for (int i = 0; i < build->n_tables; i++)
		if (!image_write_bytes(writer, SECTION_TOKENIZER, build->tables[i].name,
							   build->tables[i].data, build->tables[i].size, error))
			return false;
	return true;
}
