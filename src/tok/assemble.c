/*
 * assemble.c: tokens of texts to an Encoding: positions trimmed, special tokens of the template around.
 *
 * All memory is the caller's arena.
 */
#include "tok/added.h"
#include "tok/tokens.h"

#include <string.h>

bool
tokens_grow(Tokens *tokens, Arena *arena, Error *error)
{
	size_t	   room = tokens->room ? tokens->room * 2 : 256;
	int32_t	  *ids, *pos, *len, *spaces = NULL, *words = NULL;
	TokenText *texts = NULL;

	if (room > tokens->limit)
		room = tokens->limit;
	ids = arena_alloc_raw(arena, room, sizeof *ids);
	pos = arena_alloc_raw(arena, room, sizeof *pos);
	len = arena_alloc_raw(arena, room, sizeof *len);
	if (tokens->wants_spaces)
		spaces = arena_alloc_raw(arena, room, sizeof *spaces);
	if (tokens->wants_texts)
		texts = arena_alloc_raw(arena, room, sizeof *texts);
	if (tokens->wants_words)
		words = arena_alloc_raw(arena, room, sizeof *words);
	if (!ids || !pos || !len || (tokens->wants_spaces && !spaces) ||
		(tokens->wants_texts && !texts) || (tokens->wants_words && !words))
		return error_set(error, ERR_MEMORY, "out of memory for %zu tokens", room);
	if (tokens->kept > 0)
	{
		memcpy(ids, tokens->ids, tokens->kept * sizeof *ids);
		memcpy(pos, tokens->pos, tokens->kept * sizeof *pos);
		memcpy(len, tokens->len, tokens->kept * sizeof *len);
		if (spaces)
			memcpy(spaces, tokens->spaces, tokens->kept * sizeof *spaces);
		if (texts)
			memcpy(texts, tokens->texts, tokens->kept * sizeof *texts);
		if (words)
			memcpy(words, tokens->words, tokens->kept * sizeof *words);
	}
	tokens->ids = ids;
	tokens->pos = pos;
	tokens->len = len;
	tokens->spaces = spaces;
	tokens->texts = texts;
	tokens->words = words;
	tokens->room = room;
	return true;
}

/* The i-th token of a span. */
static inline size_t
token_slot(const TokenSpan *span, size_t i)
{
	size_t slot = span->tokens->first + span->begin + i;

	return slot >= span->tokens->kept ? slot - span->tokens->kept : slot;
}

/* Leaves whitespace at both ends of the i-th token of a span out of its position. */
static void
trim_token(const Tokenizer *tokenizer, const Tokens *tokens, size_t i, size_t slot, int32_t *pos,
		   int32_t *len)
{
	int32_t		leading = 0, trailing = 0;
	size_t		length = 0;
	const char *token = tokenizer_token(tokenizer, tokens->ids[slot], &length);

	if (token)
		count_spaces(token, length, &leading, &trailing);
	if (tokens->spaces[slot] != SPACES_OF_VOCAB)
	{
		/* What an added token took on both sides comes on top. */
		int32_t own = (int32_t) utf8_count(token ? token : "", length) - leading;
		int32_t taken = tokens->spaces[slot];

		trailing += *len - taken - own;
		leading = taken;
	}
	if (leading == 1 && (i == 0 || *pos == 0) && (tokenizer->tables->flags & TOKENIZER_TRIM_PREFIX))
		leading = 0;
	if (leading > *len)
		leading = *len;
	*pos += leading;
	*len -= leading;
	*len = trailing > *len ? 0 : *len - trailing;
}

static void
place_tokens(const Tokenizer *tokenizer, Encoding *encoding, const TokenSpan *span, int32_t type_id,
			 int8_t sequence)
{
	const Tokens *tokens = span->tokens;

	for (size_t i = 0; i < span->n; i++)
	{
		size_t slot = token_slot(span, i);
		int	   at = encoding->n++;

		encoding->ids[at] = tokens->ids[slot];
		encoding->pos[at] = tokens->pos[slot];
		encoding->len[at] = tokens->len[slot];
		if (tokens->wants_spaces)
			trim_token(tokenizer, tokens, i, slot, &encoding->pos[at], &encoding->len[at]);
		encoding->type_ids[at] = type_id;
		encoding->sequence[at] = sequence;
		if (encoding->texts && tokens->texts)
			encoding->texts[at] = tokens->texts[slot];
		if (encoding->words)
			encoding->words[at] = tokens->words[slot];
	}
}

static void
place_special(Encoding *encoding, const TemplateItem *item)
{
	int at = encoding->n++;

	encoding->ids[at] = item->id;
	encoding->type_ids[at] = item->type_id;
	encoding->pos[at] = -1;
	encoding->len[at] = 0;
	encoding->sequence[at] = 0;
	if (encoding->words)
		encoding->words[at] = -1;
}

/* The ids that stand beside those of the vocabulary. */
static int32_t *
side_ids(const Tokenizer *tokenizer, Arena *arena, const int32_t *table, const Encoding *encoding)
{
	int32_t *ids = arena_alloc_raw(arena, (size_t) encoding->n + 1, sizeof *ids);

	for (int i = 0; ids && i < encoding->n; i++)
		ids[i] = table[encoding->sequence[i] ? encoding->ids[i] : tokenizer->n_vocab];
	return ids;
}

static bool
reserve_encoding(Encoding *encoding, Arena *arena, size_t n, const Tokens *tokens, Error *error)
{
	*encoding = (Encoding){0};
	if (n > INT32_MAX)
		return error_set(error, ERR_LIMIT, "text has %zu tokens, but at most %d are allowed", n,
						 INT32_MAX);
	encoding->ids = arena_alloc_raw(arena, n + 1, sizeof *encoding->ids);
	encoding->type_ids = arena_alloc_raw(arena, n + 1, sizeof *encoding->type_ids);
	encoding->pos = arena_alloc_raw(arena, n + 1, sizeof *encoding->pos);
	encoding->len = arena_alloc_raw(arena, n + 1, sizeof *encoding->len);
	encoding->sequence = arena_alloc_raw(arena, n + 1, sizeof *encoding->sequence);
	if (tokens->wants_texts)
		encoding->texts = arena_alloc(arena, n + 1, sizeof *encoding->texts);
	if (tokens->wants_words)
		encoding->words = arena_alloc_raw(arena, n + 1, sizeof *encoding->words);
	return (encoding->ids && encoding->type_ids && encoding->pos && encoding->len &&
			encoding->sequence && (encoding->texts || !tokens->wants_texts) &&
			(encoding->words || !tokens->wants_words)) ||
		   error_set(error, ERR_MEMORY, "out of memory for %zu tokens", n);
}

bool
tokenizer_assemble(const Tokenizer *tokenizer, Arena *arena, const TokenSpan *first,
				   const TokenSpan *second, bool add_special_tokens, Encoding *encoding,
				   Error *error)
{
	const TemplateTable *template = tokenizer->template;
	TemplateList		list = add_special_tokens ? (second ? TEMPLATE_PAIR : TEMPLATE_SINGLE)
							   : second			  ? TEMPLATE_PAIR_BARE
												  : TEMPLATE_SINGLE_BARE;
	const TemplateItem *begin = template->items + template->begin[list];
	const TemplateItem *end = template->items + template->begin[list + 1];
	const TokenSpan		none = {0};
	size_t				total = 0;

	if (!second)
		second = &none;
	for (const TemplateItem *item = begin; item < end; item++)
		total += item->id == TEMPLATE_TEXT		  ? first->n
				 : item->id == TEMPLATE_TEXT_PAIR ? second->n
												  : 1;
	if (!reserve_encoding(encoding, arena, total, first->tokens, error))
		return false;
	for (const TemplateItem *item = begin; item < end; item++)
	{
		if (item->id == TEMPLATE_TEXT)
			place_tokens(tokenizer, encoding, first, item->type_id, 1);
		else if (item->id == TEMPLATE_TEXT_PAIR)
			place_tokens(tokenizer, encoding, second, item->type_id, 2);
		else
			place_special(encoding, item);
	}
	if (tokenizer->shapes)
		encoding->shape_ids = side_ids(tokenizer, arena, tokenizer->shapes, encoding);
	if (tokenizer->pronunciations)
		encoding->pronunciation_ids =
			side_ids(tokenizer, arena, tokenizer->pronunciations, encoding);
	if ((tokenizer->shapes && !encoding->shape_ids) ||
		(tokenizer->pronunciations && !encoding->pronunciation_ids))
		return error_set(error, ERR_MEMORY, "out of memory for %zu tokens", total);
	return true;
}
