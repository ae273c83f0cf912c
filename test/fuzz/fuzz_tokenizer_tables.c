/*
 * fuzz_tokenizer_tables.c: damaged tables of a good tokenizer.
 *
 * The first byte chooses the tokenizer.  The rest of the input is a list of damages, six bytes each: table, offset (u24), value, and whether to cut the table
 * there.  What still opens must encode and decode without leaving its tables.
 */
#include "import/tokenizer_components.h"
#include "tok/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY ((size_t) 256 << 20)
#define DAMAGE_BYTES 6

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const good[] = {
	"{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
	"\"vocab\": {\"[UNK]\": 0, \"a\": 1, \"##b\": 2, "
	"\"[CLS]\": 3, \"[SEP]\": 4, \"hello\": 5, \"##\xc3\xb6\": 6}}, "
	"\"normalizer\": {\"type\": \"BertNormalizer\"}, "
	"\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"decoder\": "
	"{\"type\": \"WordPiece\"}, \"post_processor\": "
	"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 4], \"cls\": "
	"[\"[CLS]\", 3]}, \"added_tokens\": [{\"id\": 7, "
	"\"content\": \"NEW\", \"single_word\": true}, {\"id\": 8, \"content\": "
	"\"<x>\", \"special\": true, \"lstrip\": "
	"true, \"rstrip\": true}]}",
	"{\"model\": {\"type\": \"BPE\", \"unk_token\": \"u\", \"byte_fallback\": true, \"vocab\": "
	"{\"u\": 0, \"a\": 1, \"b\": 2, \"ab\": 3, \"\xc4\xa0\": 4, \"<0x41>\": 5, \"hello\": 6}, "
	"\"merges\": [\"a b\"]}, \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": "
	"\"NFC\"}, {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\p{N}+|(b)\\\\1\"}, "
	"\"content\": "
	"\"0\"}, {\"type\": \"Strip\"}]}, \"pre_tokenizer\": {\"type\": \"Sequence\", "
	"\"pretokenizers\": "
	"[{\"type\": \"Split\", \"pattern\": {\"Regex\": \" "
	"?\\\\w+|(?>\\\\s+)(?!\\\\S)|(?<=a)(?:a?b?)*\"}, "
	"\"behavior\": \"MergedWithNext\", \"invert\": true}, {\"type\": \"Digits\"}, {\"type\": "
	"\"ByteLevel\", \"add_prefix_space\": true}]}, \"decoder\": {\"type\": \"Sequence\", "
	"\"decoders\": "
	"[{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}, \"content\": \"bb\"}, {\"type\": "
	"\"ByteLevel\"}, {\"type\": \"Strip\", \"content\": \"h\", \"start\": 1, \"stop\": 1}]}}",
	"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"u\", 0.0], [\"a\", -1.5], "
	"[\"\xe2\x96\x81\x68\", -2], [\"el\", -3], [\"lo\", -3.25]]}, \"pre_tokenizer\": {\"type\": "
	"\"Sequence\", "
	"\"pretokenizers\": [{\"type\": \"UnicodeScripts\"}, {\"type\": \"Metaspace\", "
	"\"replacement\": "
	"\"\xe2\x96\x81\"}, {\"type\": \"Punctuation\", \"behavior\": \"Contiguous\"}]}, \"decoder\": "
	"{\"type\": "
	"\"Sequence\", \"decoders\": [{\"type\": \"CTC\", \"pad_token\": \"u\", "
	"\"word_delimiter_token\": \"e\", "
	"\"cleanup\": true}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]}}",
	"{\"model\": {\"type\": \"WordLevel\", \"unk_token\": \"u\", \"vocab\": {\"u\": 0, \"hello\": "
	"1}}, "
	"\"normalizer\": {\"type\": \"NFKD\"}, \"pre_tokenizer\": {\"type\": \"Whitespace\"}, "
	"\"decoder\": "
	"{\"type\": \"BPEDecoder\", \"suffix\": \"o\"}}",
};
#define N_GOOD (sizeof good / sizeof *good)

/* Exact copies on the heap, so that a sanitizer sees every step outside. */
typedef struct Copies
{
	BuildTable tables[64];
	int		   n;
} Copies;

static TokenizerBuild *
good_build(size_t number)
{
	static Arena		   arenas[N_GOOD];
	static TokenizerBuild *builds[N_GOOD];
	Arena				  *arena = &arenas[number];
	TokenizerBuild		  *build = builds[number];
	Node				   root = {.key = "tokenizer.json"};
	Error				   error;

	if (build)
		return build;
	arena_init(arena, 0);
	build = builds[number] = arena_alloc(arena, 1, sizeof *build);
	build->arena = arena;
	root.value = json_loads(good[number], 0, NULL);
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
	const TokenizerBuild *build = good_build(size > 0 ? data[0] % N_GOOD : 0);
	Copies				  copies = {.n = build->n_tables};
	Tokenizer			  tokenizer;
	Error				  error;

	for (int i = 0; i < copies.n; i++)
	{
		copies.tables[i] = build->tables[i];
		copies.tables[i].data = malloc(copies.tables[i].size);
		memcpy((void *) copies.tables[i].data, build->tables[i].data, copies.tables[i].size);
	}
	for (size_t at = 1; at + DAMAGE_BYTES <= size; at += DAMAGE_BYTES)
		damage(&copies, data + at);
	if (tokenizer_bind(&tokenizer, find, &copies, &error))
		use(&tokenizer);
	for (int i = 0; i < copies.n; i++)
		free((void *) copies.tables[i].data);
	return 0;
}
