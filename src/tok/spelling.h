/*
 * spelling.h: the bytes that a token adds to a text.
 */
#ifndef TOK_SPELLING_H
#define TOK_SPELLING_H

#include "tok/tokenizer.h"

/* Whether decoding joins bytes, so that each token has its own whatever stands beside it.  Left aside are clean-up, and
 * the beginning of a text, where decoders of SentencePiece drop a space: spellings are those behind other tokens. */
extern bool tokenizer_spells(const Tokenizer *tokenizer);

/* The bytes of a token of such a tokenizer, at out; how many. 0: it is special, longer than room, or not there. */
extern size_t tokenizer_spell(const Tokenizer *tokenizer, int32_t id, char *out, size_t room);

#endif
