/*
 * wordlevel.c: the WordLevel model: a piece is a token, or unknown.
 *
 * It walks "vocab.trie"; args[0] is the unknown token's id or -1.
 */
#include "tok/component.h"

static bool
wordlevel_tokenize(const Component *component, Run *run, const Text *text, size_t begin, size_t end)
{
	int32_t id = trie_find(&run->tokenizer->vocab_trie, text->bytes + begin, end - begin);

	if (id < 0)
		id = component->record->args[0];
	if (id < 0)
		return error_set(run->error, ERR_DATA,
						 "text has a word that the vocabulary has not, and there is no unknown "
						 "token for it");
	return run_emit(run, text, begin, end, id);
}

const ComponentType wordlevel_type = {
	.kind = MODEL_WORDLEVEL,
	.name = "WordLevel",
	.open = no_table,
	.tokenize = wordlevel_tokenize,
};
