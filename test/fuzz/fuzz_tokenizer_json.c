/*
 * fuzz_tokenizer_json.c: any bytes as a tokenizer.json; what the importer takes must encode and decode.
 */
#include "import/tokenizer_components.h"
#include "tok/tokenizer.h"

#define MEMORY ((size_t) 256 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every id must be a token's, every position inside of the text. */
static void
use(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length)
{
	EncodeOptions options = {
		.add_special_tokens = true, .max_length = 512, .truncate = TRUNCATE_END};
	Encoding encoding;
	Error	 error;
	char	*decoded;
	size_t	 n_decoded;

	if (!tokenizer_encode(tokenizer, arena, text, length, text, length / 2, &options, &encoding,
						  &error))
		return;
	for (int i = 0; i < encoding.n; i++)
		if (encoding.ids[i] < 0 || encoding.ids[i] >= tokenizer->n_vocab ||
			(encoding.sequence[i] != 0 &&
			 (encoding.pos[i] < 0 || encoding.len[i] < 0 ||
			  (size_t) encoding.pos[i] + (size_t) encoding.len[i] > length)))
			__builtin_trap();
	tokenizer_decode(tokenizer, arena, encoding.ids, encoding.n, true, &decoded, &n_decoded,
					 &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "Hello [MASK] w\xc3\xb6rld, \xe4\xbd\xa0 ab";
	Node			  root = {.key = "tokenizer.json"};
	Arena			  arena;
	TokenizerBuild	 *build;
	Tokenizer		  tokenizer;
	Error			  error;

	root.value = json_loadb((const char *) data, size, JSON_ALLOW_NUL, NULL);
	if (!root.value)
		return 0;
	arena_init(&arena, MEMORY);
	build = arena_alloc(&arena, 1, sizeof *build);
	build->arena = &arena;
	if (compile_tokenizer_json(build, &root, &error) && build_tables(build, &error))
	{
		/* What the importer made itself must open. */
		if (!tokenizer_bind(&tokenizer, build_find, build, &error))
			__builtin_trap();
		use(&tokenizer, &arena, text, sizeof text - 1);
		use(&tokenizer, &arena, (const char *) data, size < 4096 ? size : 4096);
	}
	json_decref(root.value);
	arena_free(&arena);
	return 0;
}
