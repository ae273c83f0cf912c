/*
 * added.h: tokens that are found in a text before the model sees it.
 */
#ifndef TOK_ADDED_H
#define TOK_ADDED_H

#include "tok/component.h"

typedef struct AddedMatch
{
	size_t	begin, end; /* bytes, spaces that the token takes included */
	int32_t id;
} AddedMatch;

/* The slow tokenizers look for nothing but a space beside a single_word token; where there is another
 * character, the text is cut behind the token, or before it when only the following one is no space.  Such a
 * cut is a match that is empty and PIECE_OPEN.
 *
 * The next added token at or behind *at in a text of valid UTF-8, leftmost and longest, with the spaces
 * and word bounds it asks for; tokens before taken are out of reach for its left spaces.  Moves *at
 * behind the token's own characters.  false when there is none. */
extern bool added_next(const Tokenizer *tokenizer, const Trie *trie, const char *bytes,
					   size_t length, size_t taken, size_t *at, AddedMatch *match);

/* How many characters a text begins and ends with that are whitespace, or GPT-2's character for a space. */
extern void count_spaces(const char *bytes, size_t length, int32_t *leading, int32_t *trailing);

#endif
