/*
 * tokens.h: the tokens of one text as the model emits them, before truncation and the template.
 *
 * A Tokens belongs to one text and to the thread that tokenizes it; its arrays live in that call's arena.  A
 * caller says in it how many tokens are to be kept, or where they go when that many are there.
 */
#ifndef TOK_TOKENS_H
#define TOK_TOKENS_H

#include "base/arena.h"
#include "tok/tokenizer.h"

typedef struct Tokens
{
	int32_t	  *ids;
	int32_t	  *pos, *len; /* characters of the original; not trimmed (TOKENIZER_TRIM) */
	size_t	   room;
	size_t	   first; /* of a ring: index of the oldest token that is kept */
	size_t	   kept;
	size_t	   n;			/* all that were emitted */
	size_t	   limit;		/* no more than this are kept */
	bool	   keep_last;	/* the last ones rather than the first */
	bool	   stops;		/* the text need not be read when there are limit tokens */
	bool	   wants_texts; /* else texts is NULL */
	TokenText *texts;
	TokenText  next_text;  /* of the token that is added next */
	char	  *text_bytes; /* where texts are put, n_text_bytes of them are taken */
	size_t	   n_text_bytes, text_room;
	bool	   wants_words; /* else words is NULL */
	int32_t	  *words;		/* which piece of the pre-tokenizers a token comes from, ascending */
	int32_t	   next_word;	/* of the tokens that are added next */
	/* Called when there are limit tokens, which may be used now and are then forgotten; NULL: nothing is. */
	bool (*full)(const struct Tokens *tokens, void *argument, Error *error);
	void *argument;
} Tokens;

/* A copy of a token's text, valid as long as the token is kept; NULL when there is no memory. */
extern const char *tokens_text(Tokens *tokens, Arena *arena, const char *bytes, size_t length);

/* Forgets all tokens and their texts, but for that of the next one. */
extern void tokens_forget(Tokens *tokens);

extern bool tokens_grow(Tokens *tokens, Arena *arena, Error *error);

/* Adds a token that covers characters pos .. end - 1. */
static inline bool
tokens_add(Tokens *tokens, Arena *arena, int32_t id, uint32_t pos, uint32_t end, Error *error)
{
	size_t slot = tokens->kept;

	if (slot == tokens->limit)
	{
		if (tokens->full)
		{
			if (!tokens->full(tokens, tokens->argument, error))
				return false;
			tokens_forget(tokens);
			slot = 0;
			tokens->kept = 1;
		}
		else if (!tokens->keep_last || slot == 0)
		{
			tokens->n++;
			tokens->next_text = (TokenText){0};
			return true;
		}
		else
		{
			slot = tokens->first;
			tokens->first = slot + 1 == tokens->limit ? 0 : slot + 1;
		}
	}
	else
	{
		if (slot == tokens->room && !tokens_grow(tokens, arena, error))
			return false;
		tokens->kept++;
	}
	tokens->n++;
	tokens->ids[slot] = id;
	tokens->pos[slot] = (int32_t) pos;
	tokens->len[slot] = (int32_t) (end - pos);
	if (tokens->words)
		tokens->words[slot] = tokens->next_word;
	if (tokens->texts)
	{
		tokens->texts[slot] = tokens->next_text;
		tokens->next_text = (TokenText){0};
	}
	return true;
}

/* All tokens of a text into tokens, in which limit, keep_last, stops, full and argument are set and the rest is zero.  Of
 * the options, interrupted, wants_texts and wants_words count. */
extern bool tokenizer_tokens(const Tokenizer *tokenizer, Arena *arena, const char *text,
							 size_t length, const EncodeOptions *options, Tokens *tokens,
							 Error *error);

/* Some neighbouring tokens of a text, counted from the oldest one that is kept. */
typedef struct TokenSpan
{
	const Tokens *tokens;
	size_t		  begin, n;
} TokenSpan;

/* The encoding of a span, or of two (second NULL: one), with the template's special tokens where they are wanted.
 * Does not fill n_whole. */
extern bool tokenizer_assemble(const Tokenizer *tokenizer, Arena *arena, const TokenSpan *first,
							   const TokenSpan *second, bool add_special_tokens, Encoding *encoding,
							   Error *error);

/* How many tokens fit besides the special ones; SIZE_MAX: no limit.  ERR_ARGUMENT when not even those do. */
extern bool content_room(const Tokenizer *tokenizer, bool pair, const EncodeOptions *options,
						 size_t *room, Error *error);

/* Lowers the numbers of tokens of both parts until they fit; n[1] is 0 when there is no pair. */
extern bool truncate_parts(const Tokenizer *tokenizer, TruncateStrategy strategy, size_t room,
						   size_t *n, bool pair, Error *error);

#endif
