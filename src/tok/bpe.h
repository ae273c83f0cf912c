/*
 * bpe.h: the table of the BPE model.
 */
#ifndef TOK_BPE_H
#define TOK_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPE_FREE (-1)
#define BPE_NO_RANK UINT32_MAX

typedef struct BpeSlot
{
	int32_t	 left, right; /* left BPE_FREE: no pair */
	uint32_t rank;
	int32_t	 id; /* what they merge to */
} BpeSlot;

typedef struct BpeTable
{
	uint32_t n_slots;		/* a power of two */
	uint32_t n_whole_words; /* of 32 bits */
	uint32_t n_prefix, n_suffix;
	uint32_t n_user;		/* bytes */
	int32_t	 byte_ids[256]; /* of "<0x00>" .. "<0xFF>", -1: none */
	BpeSlot	 slots[];
	/* a Trie of SentencePiece's user-defined symbols, which are never cut, in n_user bytes;
	 * uint32_t whole[n_whole_words]: bit id is set when the token's own characters merge to it;
	 * char prefix[n_prefix], before every character of a word but the first; char suffix[n_suffix], behind the
	 * last */
} BpeTable;

static inline uint32_t
bpe_hash(int32_t left, int32_t right)
{
	uint64_t key = (uint64_t) (uint32_t) left << 32 | (uint32_t) right;

	key *= 0x9E3779B97F4A7C15u;
	return (uint32_t) (key >> 32);
}

/* Whether every byte has a token. */
static inline bool
bpe_has_bytes(const BpeTable *table, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (table->byte_ids[(uint8_t) bytes[i]] < 0)
			return false;
	return true;
}

#endif
