/*
 * fuzz_chunks.c: any text in chunks of any size.
 *
 * The input: max_tokens, overlap, then a byte for each character, a choice of those that borders depend on.
 */
#include "base/utf8.h"
#include "import/tokenizer_components.h"
#include "task/chunks.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY ((size_t) 256 << 20)
#define CHARACTERS_MAX 4096

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] =
	"{\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
	"\"vocab\": {\"[UNK]\": 0, \"a\": 1, \"##b\": 2, \"[CLS]\": 3, "
	"\"[SEP]\": 4, \"##a\": 5, \".\": 6}}, "
	"\"normalizer\": {\"type\": \"BertNormalizer\"}, "
	"\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"post_processor\": "
	"{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 4], \"cls\": "
	"[\"[CLS]\", 3]}}";

static const uint32_t characters[64] = {
	'a',	 'b',	 'a',	  'b',	   ' ',		 ' ',	 '.',	 ',',	 '!',	 '?',	 '\n',
	'\r',	 '\t',	 '-',	  '\'',	   '"',		 '(',	 ')',	 '1',	 '2',	 0x301,	 0x327,
	0x200D,	 0x200B, 0xAD,	  0xA0,	   0x2028,	 0x2029, 0x3000, 0x3002, 0xFF0C, 0x4ECA, 0x5929,
	0x6C14,	 0xAC00, 0x1100,  0x1161,  0x11A8,	 0xE01,	 0xE33,	 0x915,	 0x94D,	 0x937,	 0x1F468,
	0x1F469, 0xFE0F, 0x1F3FD, 0x1F1E9, 0x1F1EA,	 0x130,	 0xDF,	 0xFB01, 0x5D0,	 0x627,	 0x600,
	0x1F600, 0x2026, 0xBF,	  0xFFFD,  0x10FFFF, 0xE000, 'A',	 'B',	 0x41F,
};

typedef struct Last
{
	size_t length, begin, end;
	bool   any;
} Last;

static bool
check(void *argument, const Chunk *chunk, Error *error)
{
	Last *last = argument;

	if (chunk->begin >= chunk->end || chunk->end > last->length ||
		(last->any && (chunk->begin <= last->begin || chunk->end <= last->end)))
		__builtin_trap();
	*last = (Last){last->length, chunk->begin, chunk->end, true};
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Tokenizer tokenizer;
	static bool		 ready;
	Arena			 arena;
	Error			 error;
	Chunker			*chunker;
	ChunkOptions	 options;
	Last			 last = {0};
	char			*text;

	if (size < 2)
		return 0;
	if (!ready)
	{
		static Arena	kept;
		Node			root = {.key = "tokenizer.json"};
		TokenizerBuild *build;

		arena_init(&kept, 0);
		build = arena_alloc(&kept, 1, sizeof *build);
		build->arena = &kept;
		root.value = json_loadb(good, sizeof good - 1, 0, NULL);
		if (!compile_tokenizer_json(build, &root, &error) || !build_tables(build, &error) ||
			!tokenizer_bind(&tokenizer, build_find, build, &error))
			__builtin_trap();
		json_decref(root.value);
		ready = true;
	}
	options = (ChunkOptions){.max_tokens = data[0], .overlap = data[1]};
	size = size - 2 < CHARACTERS_MAX ? size - 2 : CHARACTERS_MAX;
	/* Exactly as long as it is, so that a sanitizer sees every step outside. */
	for (size_t i = 0; i < size; i++)
	{
		char bytes[4];

		last.length += (size_t) utf8_put(characters[data[2 + i] % 64], bytes);
	}
	text = malloc(last.length ? last.length : 1);
	for (size_t i = 0, at = 0; i < size; i++)
	{
		char   bytes[4];
		size_t n = (size_t) utf8_put(characters[data[2 + i] % 64], bytes);

		memcpy(text + at, bytes, n);
		at += n;
	}
	arena_init(&arena, MEMORY);
	chunker = chunker_create(&tokenizer, &options, &error);
	if (chunker)
		chunker_run(chunker, &arena, text, last.length, check, &last, &error);
	chunker_free(chunker);
	arena_free(&arena);
	free(text);
	return 0;
}
