/*
 * trie.h: a set of strings with numbers, as a double-array trie walked in place.
 *
 * An array of nodes (Aoe, "An efficient digital search algorithm by using a double-array structure", 1989):
 * the child of node s under byte b is node offset(s) + 1 + b, if that node's parent is s; node offset(s)
 * is the leaf that holds the number of the string ending in s.  Node 0 is the root.  Every step is checked
 * against the array's size, so a damaged trie gives wrong answers but never leaves the array.
 */
#ifndef TOK_TRIE_H
#define TOK_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIE_NO_PARENT UINT32_MAX

typedef struct TrieNode
{
	uint32_t base;	 /* offset * 2, plus 1 when a string ends here; in a leaf: the number */
	uint32_t parent; /* TRIE_NO_PARENT: the root, or unused */
} TrieNode;

typedef struct Trie
{
	const TrieNode *nodes;
	uint32_t		n; /* at least 1 */
} Trie;

/* A view of a table; false when its size is no whole number of nodes.  No table (size 0) is an empty set. */
extern bool trie_open(Trie *trie, const void *table, size_t size);

/* Moves *state, a node, along one byte; false (and *state as it was) when nothing goes on that way. */
static inline bool
trie_step(const Trie *trie, uint32_t *state, uint8_t byte)
{
	uint32_t next = (trie->nodes[*state].base >> 1) + 1 + byte;

	if (next >= trie->n || trie->nodes[next].parent != *state)
		return false;
	*state = next;
	return true;
}

/* The number of the string that ends in a node, or -1. */
static inline int32_t
trie_value(const Trie *trie, uint32_t state)
{
	uint32_t base = trie->nodes[state].base;

	if ((base & 1) == 0 || (base >> 1) >= trie->n)
		return -1;
	return (int32_t) trie->nodes[base >> 1].base;
}

/* The number of a whole string, or -1. */
extern int32_t trie_find(const Trie *trie, const char *string, size_t length);

/* The number of the longest string of the set that text, walked from node state, goes on with, and how many
 * bytes it takes; -1 when there is none.  A string that ends in state itself does not count. */
static inline int32_t
trie_longest(const Trie *trie, uint32_t state, const char *text, size_t length, size_t *matched)
{
	int32_t best = -1;

	for (size_t i = 0; i < length && trie_step(trie, &state, (uint8_t) text[i]);)
	{
		int32_t value = trie_value(trie, state);

		i++;
		if (value >= 0)
		{
			best = value;
			*matched = i;
		}
	}
	return best;
}

/* Walks a whole string from *state; false when the set has nothing that begins so. */
extern bool trie_walk(const Trie *trie, uint32_t *state, const char *string, size_t length);

#endif
