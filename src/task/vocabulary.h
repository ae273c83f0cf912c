/*
 * vocabulary.h: the bytes that each token adds to a text, in an order made for walking.
 *
 * Of tokenizers whose decoding joins their tokens' bytes (byte-level BPE, SentencePiece).  Read-only once
 * it is made.
 */
#ifndef TASK_VOCABULARY_H
#define TASK_VOCABULARY_H

#include "tok/tokenizer.h"

#define VOCABULARY_MAX_BYTES 256 /* of a token; longer ones are left out */

/* Tokens in the order of their bytes; special tokens and those without bytes are not among them. */
typedef struct Vocabulary
{
	int		  n;	   /* tokens that are here */
	int		  n_vocab; /* ids are below it */
	int32_t	 *ids;	   /* (n) */
	uint16_t *common;  /* (n) bytes that a token's beginning shares with the one before */
	uint16_t *lengths; /* (n) */
	uint32_t *begins;  /* (n) offsets into bytes */
	uint8_t	 *bytes;
	int32_t	 *indices; /* (n_vocab) where an id is in the order, or -1 */
} Vocabulary;

/* Of ids 0 .. n_vocab - 1, which are those that the model has.  NULL with ERR_UNSUPPORTED when the tokenizer's decoding
 * does more than to join bytes. */
extern Vocabulary *vocabulary_create(const Tokenizer *tokenizer, int n_vocab, Error *error);

/* For grammars of tokens: each one's bytes are its id's (token_bytes), special ones left out. */
extern Vocabulary *vocabulary_of_ids(const Tokenizer *tokenizer, int n_vocab, Error *error);
extern void		   vocabulary_free(Vocabulary *vocabulary);

/* Where a token is in the order, or -1. */
static inline int
vocabulary_index(const Vocabulary *vocabulary, int32_t id)
{
	return id >= 0 && id < vocabulary->n_vocab ? vocabulary->indices[id] : -1;
}

/* The longest token that a text begins with: its index in the order, or -1. */
extern int vocabulary_longest(const Vocabulary *vocabulary, const uint8_t *text, size_t length);

#endif
