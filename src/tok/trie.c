/*
 * trie.c: opening a double-array trie, and looking up whole strings.
 *
 * Reads a table of the image; owns nothing.
 */
#include "tok/trie.h"

static const TrieNode empty = {.base = 0, .parent = TRIE_NO_PARENT};

bool
trie_open(Trie *trie, const void *table, size_t size)
{
	size_t n = size / sizeof(TrieNode);

	trie->nodes = n > 0 ? table : &empty;
	trie->n = n > 0 ? (uint32_t) n : 1;
	return size % sizeof(TrieNode) == 0 && n <= INT32_MAX;
}

bool
trie_walk(const Trie *trie, uint32_t *state, const char *string, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!trie_step(trie, state, (uint8_t) string[i]))
			return false;
	return true;
}

int32_t
trie_find(const Trie *trie, const char *string, size_t length)
{
	uint32_t state = 0;

	return trie_walk(trie, &state, string, length) ? trie_value(trie, state) : -1;
}
