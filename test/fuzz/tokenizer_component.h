/*
 * tokenizer_component.h: one component of a tokenizer.json, and a text for it.
 *
 * The input is the component's JSON, a NUL and the text.  What the importer takes must encode and decode: every id
 * must be a token's, every position inside of the text.
 */
#ifndef FUZZ_TOKENIZER_COMPONENT_H
#define FUZZ_TOKENIZER_COMPONENT_H

#include <string.h>

#include "import/tokenizer_components.h"
#include "tok/tokenizer.h"

#define MEMORY ((size_t) 256 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char component_model[] =
	"{\"type\": \"BPE\", \"unk_token\": \"u\", \"vocab\": {\"u\": 0, \"a\": 1, \"b\": 2, \"ab\": "
	"3, "
	"\" \": 4, \"\xc4\xa0\": 5, \"\xe2\x96\x81\": 6, \"e\": 7, \"<0x41>\": 8, \"##c\": 9}, "
	"\"merges\": [\"a b\"]}";
static const char component_added[] =
	"[{\"content\": \"NEW\", \"lstrip\": true, \"rstrip\": true}, {\"content\": \"<x>\", "
	"\"special\": true}, {\"content\": \"one\", \"single_word\": true, \"normalized\": true}]";

static void
component_use(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length)
{
	EncodeOptions options = {.add_special_tokens = true, .wants_texts = true};
	Encoding	  encoding;
	Error		  error;
	char		 *decoded;
	size_t		  n_decoded;
	int32_t		  ids[64];

	if (tokenizer_encode(tokenizer, arena, text, length, text, length / 2, &options, &encoding,
						 &error))
	{
		for (int i = 0; i < encoding.n; i++)
			if (encoding.ids[i] < 0 || encoding.ids[i] >= tokenizer->n_vocab ||
				(encoding.sequence[i] != 0 &&
				 (encoding.pos[i] < 0 || encoding.len[i] < 0 ||
				  (size_t) encoding.pos[i] + (size_t) encoding.len[i] > length + 1)))
				__builtin_trap();
		tokenizer_decode(tokenizer, arena, encoding.ids, encoding.n, true, &decoded, &n_decoded,
						 &error);
	}
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		ids[i] = (int32_t) (i * 7 % (size_t) (tokenizer->n_vocab + 1));
	tokenizer_decode(tokenizer, arena, ids, sizeof ids / sizeof *ids, false, &decoded, &n_decoded,
					 &error);
}

/* key: where in tokenizer.json the component stands. */
static int
component_fuzz(const char *key, const uint8_t *data, size_t size)
{
	const uint8_t  *end = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t			n_json = end ? (size_t) (end - data) : size;
	json_t		   *component = json_loadb((const char *) data, n_json, JSON_DECODE_ANY, NULL);
	Node			root = {.key = "tokenizer.json", .value = json_object()};
	Arena			arena;
	TokenizerBuild *build;
	Tokenizer		tokenizer;
	Error			error;

	arena_init(&arena, MEMORY);
	build = arena_alloc(&arena, 1, sizeof *build);
	build->arena = &arena;
	json_object_set_new(root.value, "model", json_loads(component_model, 0, NULL));
	json_object_set_new(root.value, "added_tokens", json_loads(component_added, 0, NULL));
	if (component)
		json_object_set_new(root.value, key, component);
	if (component && compile_tokenizer_json(build, &root, &error) && build_tables(build, &error))
	{
		if (!tokenizer_bind(&tokenizer, build_find, build, &error))
			__builtin_trap();
		size -= end ? n_json + 1 : n_json;
		component_use(&tokenizer, &arena, end ? (const char *) end + 1 : "", size);
	}
	json_decref(root.value);
	arena_free(&arena);
	return 0;
}

#endif
