/*
 * fuzz_jieba.c: any text through the words of jieba, over a table that may be damaged.
 *
 * The first byte says how many damages follow, five bytes each: offset (u32) and value; the rest is the text.
 */
#include "import/tokenizer_components.h"
#include "tok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY ((size_t) 256 << 20)
#define DAMAGE_BYTES 5
#define DAMAGES_MAX 7
#define TABLE "component.0"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] =
	"{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"vocab\": {\"[UNK]\": 0, "
	"\"\xe4\xbb\x8a\xe5\xa4\xa9\": 1, \"\xe5\xa4\xa9\": 2, \"a\": 3, \"##b\": 4}}}";

typedef struct Tables
{
	TokenizerBuild *build;
	uint8_t		   *words; /* a copy on the heap */
	size_t			size;
} Tables;

static TokenizerBuild *
good_build(void)
{
	static Arena	arena;
	TokenizerBuild *build;
	Node			root = {.key = "tokenizer.json"};
	Error			error;

	arena_init(&arena, 0);
	build = arena_alloc(&arena, 1, sizeof *build);
	build->arena = &arena;
	build->override_words = true;
	root.value = json_loadb(good, sizeof good - 1, 0, NULL);
	if (!compile_tokenizer_json(build, &root, &error) || !build_tables(build, &error))
		__builtin_trap();
	json_decref(root.value);
	return build;
}

static const void *
find(void *argument, const char *name, size_t *size)
{
	const Tables *tables = argument;

	if (strcmp(name, TABLE) != 0)
		return build_find(tables->build, name, size);
	*size = tables->size;
	return tables->words;
}

/* A good table finds every character but whitespace, in order. */
static void
check(const Encoding *encoding, bool damaged)
{
	for (int i = 1; i < encoding->n && !damaged; i++)
		if (encoding->pos[i] < encoding->pos[i - 1] + encoding->len[i - 1])
			__builtin_trap();
}

/* Puts the values of damages into the table; what was there comes back in them, so that a second call, in the
 * opposite order, undoes the first. */
static void
exchange(const Tables *tables, uint8_t *damages, size_t n, bool backwards)
{
	for (size_t i = 0; i < n; i++)
	{
		uint8_t *damage = damages + (backwards ? n - 1 - i : i) * DAMAGE_BYTES;
		size_t	 offset = (size_t) damage[0] | (size_t) damage[1] << 8 | (size_t) damage[2] << 16 |
						(size_t) damage[3] << 24;
		uint8_t before = tables->words[offset % tables->size];

		tables->words[offset % tables->size] = damage[4];
		damage[4] = before;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Tables tables;
	EncodeOptions options = {0};
	uint8_t		  damages[DAMAGES_MAX * DAMAGE_BYTES];
	size_t		  n_damages = size > 0 ? data[0] % (DAMAGES_MAX + 1) : 0;
	size_t		  head = 1 + n_damages * DAMAGE_BYTES;
	Tokenizer	  tokenizer;
	Encoding	  encoding;
	Arena		  arena;
	Error		  error;

	if (size < head)
		return 0;
	if (!tables.build)
	{
		const void *words;

		tables.build = good_build();
		words = build_find(tables.build, TABLE, &tables.size);
		tables.words = malloc(tables.size);
		memcpy(tables.words, words, tables.size);
	}
	memcpy(damages, data + 1, n_damages * DAMAGE_BYTES);
	exchange(&tables, damages, n_damages, false);
	arena_init(&arena, MEMORY);
	if (tokenizer_bind(&tokenizer, find, &tables, &error) &&
		tokenizer_encode(&tokenizer, &arena, (const char *) data + head, size - head, NULL, 0,
						 &options, &encoding, &error))
		check(&encoding, n_damages > 0);
	arena_free(&arena);
	exchange(&tables, damages, n_damages, true);
	return 0;
}
