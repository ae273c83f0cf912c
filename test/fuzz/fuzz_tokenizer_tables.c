/*
 * fuzz_tokenizer_tables.c: damaged tables of a good tokenizer.
 *
 * The input is a list of damages, six bytes each: table, offset (u24), value, and whether to cut the table
 * there.  What still opens must encode and decode without leaving its tables.
 */
#include "import/tokenizer_components.h"
#include "tok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY ((size_t) 256 << 20)
#define DAMAGE_BYTES 6

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] = "{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
						   "\"vocab\": {\"[UNK]\": 0, \"a\": 1, \"##b\": 2, "
						   "\"[CLS]\": 3, \"[SEP]\": 4, \"hello\": 5, \"##\xc3\xb6\": 6}}, "
						   "\"normalizer\": {\"type\": \"BertNormalizer\"}, "
						   "\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"decoder\": "
						   "{\"type\": \"WordPiece\"}, \"post_processor\": "
						   "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 4], \"cls\": "
						   "[\"[CLS]\", 3]}, \"added_tokens\": [{\"id\": 7, "
						   "\"content\": \"NEW\", \"single_word\": true}, {\"id\": 8, \"content\": "
						   "\"<x>\", \"special\": true, \"lstrip\": "
						   "true, \"rstrip\": true}]}";

/* Exact copies on the heap, so that a sanitizer sees every step outside. */
typedef struct Copies
{
	BuildTable tables[32];
	int		   n;
} Copies;

static TokenizerBuild *
good_build(void)
{
	static Arena		   arena;
	static TokenizerBuild *build;
	Node				   root = {.key = "tokenizer.json"};
	Error				   error;

	if (build)
		return build;
	arena_init(&arena, 0);
	build = arena_alloc(&arena, 1, sizeof *build);
	build->arena = &arena;
	root.value = json_loadb(good, sizeof good - 1, 0, NULL);
	if (!compile_tokenizer_json(build, &root, &error) || !build_tables(build, &error))
		__builtin_trap();
	json_decref(root.value);
	return build;
}

static const void *
find(void *argument, const char *name, size_t *size)
{
	const Copies *copies = argument;

	for (int i = 0; i < copies->n; i++)
		if (strcmp(copies->tables[i].name, name) == 0)
		{
			*size = copies->tables[i].size;
			return copies->tables[i].data;
		}
	return NULL;
}

static void
damage(Copies *copies, const uint8_t *data)
{
	BuildTable *table = &copies->tables[data[0] % copies->n];
	size_t		offset = (size_t) data[1] | (size_t) data[2] << 8 | (size_t) data[3] << 16;

	if (table->size == 0)
		return;
	offset %= table->size;
	((uint8_t *) table->data)[offset] = data[4];
	if (data[5] == 0xFF)
	{
		void *shorter = malloc(offset ? offset : 1);

		memcpy(shorter, table->data, offset);
		free((void *) table->data);
		table->data = shorter;
		table->size = offset;
	}
}

static void
use(const Tokenizer *tokenizer)
{
	static const char text[] = "hello a\xc3\xb6\x62 NEW <x> [CLS] \xe4\xbd\xa0 \xed\x95\x9c "
							   "e\xcc\x81\xcc\xa7 caf\xc3\xa9, ab. \xf0\x9f\x98\x80";
	EncodeOptions	  options = {
			.add_special_tokens = true, .max_length = 64, .truncate = TRUNCATE_START};
	Arena	 arena;
	Encoding encoding;
	Error	 error;
	char	*decoded;
	size_t	 n;

	arena_init(&arena, MEMORY);
	if (tokenizer_encode(tokenizer, &arena, text, sizeof text - 1, text, 5, &options, &encoding,
						 &error))
		tokenizer_decode(tokenizer, &arena, encoding.ids, encoding.n, false, &decoded, &n, &error);
	for (int id = -1; id <= tokenizer->n_vocab && id < 100; id++)
		tokenizer_token(tokenizer, id, &n);
	tokenizer_id(tokenizer, "hello", 5);
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const TokenizerBuild *build = good_build();
	Copies				  copies = {.n = build->n_tables};
	Tokenizer			  tokenizer;
	Error				  error;

	for (int i = 0; i < copies.n; i++)
	{
		copies.tables[i] = build->tables[i];
		copies.tables[i].data = malloc(copies.tables[i].size);
		memcpy((void *) copies.tables[i].data, build->tables[i].data, copies.tables[i].size);
	}
	for (size_t at = 0; at + DAMAGE_BYTES <= size; at += DAMAGE_BYTES)
		damage(&copies, data + at);
	if (tokenizer_bind(&tokenizer, find, &copies, &error))
		use(&tokenizer);
	for (int i = 0; i < copies.n; i++)
		free((void *) copies.tables[i].data);
	return 0;
}
