/*
 * assemble.c: tokens of texts to an Encoding: positions trimmed, special tokens of the template around.
 *
 * All memory is the caller's arena.
 */
#include "tok/added.h"
#include "tok/tokens.h"

#include <string.h>

/* Tokens that a sink gets at once. */
#define STREAM_TOKENS 1024

const char *
tokens_text(Tokens *tokens, Arena *arena, const char *bytes, size_t length)
{
	size_t room = tokens->text_room ? tokens->text_room * 2 : 1024;
	char  *text;

	if (!tokens->text_bytes || length > tokens->text_room - tokens->n_text_bytes)
	{
		/* Earlier texts stay where they are. */
		if (room < length)
			room = length;
		tokens->text_bytes = arena_alloc_raw(arena, room, 1);
		tokens->n_text_bytes = 0;
		tokens->text_room = tokens->text_bytes ? room : 0;
		if (!tokens->text_bytes)
			return NULL;
	}
	text = tokens->text_bytes + tokens->n_text_bytes;
	memcpy(text, bytes, length);
	tokens->n_text_bytes += length;
	return text;
}

void
tokens_forget(Tokens *tokens)
{
	tokens->kept = 0;
	tokens->n_text_bytes = 0;
	if (tokens->next_text.bytes)
	{
		/* There is room: it is no shorter than this text. */
		memmove(tokens->text_bytes, tokens->next_text.bytes, tokens->next_text.length);
		tokens->next_text.bytes = tokens->text_bytes;
		tokens->n_text_bytes = tokens->next_text.length;
	}
}

bool
tokens_grow(Tokens *tokens, Arena *arena, Error *error)
{
	size_t	   room = tokens->room ? tokens->room * 2 : 256;
	int32_t	  *ids, *pos, *len, *words = NULL;
	TokenText *texts = NULL;

	if (room > tokens->limit)
		room = tokens->limit;
	ids = arena_alloc_raw(arena, room, sizeof *ids);
	pos = arena_alloc_raw(arena, room, sizeof *pos);
	len = arena_alloc_raw(arena, room, sizeof *len);
	if (tokens->wants_texts)
		texts = arena_alloc_raw(arena, room, sizeof *texts);
	if (tokens->wants_words)
		words = arena_alloc_raw(arena, room, sizeof *words);
	if (!ids || !pos || !len || (tokens->wants_texts && !texts) || (tokens->wants_words && !words))
		return error_set(error, ERR_MEMORY, "out of memory for %zu tokens", room);
	if (tokens->kept > 0)
	{
		memcpy(ids, tokens->ids, tokens->kept * sizeof *ids);
		memcpy(pos, tokens->pos, tokens->kept * sizeof *pos);
		memcpy(len, tokens->len, tokens->kept * sizeof *len);
		if (texts)
			memcpy(texts, tokens->texts, tokens->kept * sizeof *texts);
		if (words)
			memcpy(words, tokens->words, tokens->kept * sizeof *words);
	}
	tokens->ids = ids;
	tokens->pos = pos;
	tokens->len = len;
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

/* Leaves whitespace at both ends of what a token shows out of its position. */
static void
trim_token(const char *token, size_t length, bool prefixed, int32_t *pos, int32_t *len)
{
	int32_t leading, trailing;

	count_spaces(token, length, &leading, &trailing);
	if (leading == 1 && prefixed)
		leading = 0;
	if (leading > *len)
		leading = *len;
	*pos += leading;
	*len -= leading;
	*len = trailing > *len ? 0 : *len - trailing;
}

/* As often as post-processors ask for it: with each, what add_prefix_space put before the first token stays. */
static void
trim_tokens(const Tokenizer *tokenizer, const Tokens *tokens, size_t i, size_t slot, int32_t *pos,
			int32_t *len)
{
	uint32_t  flags = tokenizer->tables->flags;
	TokenText shown = {0};

	if (tokens->texts)
		shown = tokens->texts[slot];
	if (!shown.bytes)
		shown.bytes = tokenizer_token(tokenizer, tokens->ids[slot], &shown.length);
	if (!shown.bytes)
		return;
	trim_token(shown.bytes, shown.length, (i == 0 || *pos == 0) && (flags & TOKENIZER_TRIM_PREFIX),
			   pos, len);
	if (flags & TOKENIZER_TRIM_AGAIN)
		trim_token(shown.bytes, shown.length,
				   (i == 0 || *pos == 0) && (flags & TOKENIZER_TRIM_AGAIN_PREFIX), pos, len);
}

static void
place_tokens(const Tokenizer *tokenizer, Encoding *encoding, const TokenSpan *span, size_t before,
			 int32_t type_id, int8_t sequence)
{
	const Tokens *tokens = span->tokens;

	for (size_t i = 0; i < span->n; i++)
	{
		size_t slot = token_slot(span, i);
		int	   at = encoding->n++;

		encoding->ids[at] = tokens->ids[slot];
		encoding->pos[at] = tokens->pos[slot];
		encoding->len[at] = tokens->len[slot];
		if (tokenizer->tables->flags & TOKENIZER_TRIM)
			trim_tokens(tokenizer, tokens, before + i, slot, &encoding->pos[at],
						&encoding->len[at]);
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
	if (encoding->texts)
		encoding->texts[at] = (TokenText){0};
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

static void
template_items(const Tokenizer *tokenizer, bool pair, bool add_special_tokens,
			   const TemplateItem **begin, const TemplateItem **end)
{
	const TemplateTable *template = tokenizer->template;
	TemplateList list;

	if (add_special_tokens)
		list = pair ? TEMPLATE_PAIR : TEMPLATE_SINGLE;
	else
		list = pair ? TEMPLATE_PAIR_BARE : TEMPLATE_SINGLE_BARE;
	*begin = template->items + template->begin[list];
	*end = template->items + template->begin[list + 1];
}

bool
tokenizer_assemble(const Tokenizer *tokenizer, Arena *arena, const TokenSpan *first,
				   const TokenSpan *second, bool add_special_tokens, Encoding *encoding,
				   Error *error)
{
	const TokenSpan		none = {0};
	const TemplateItem *begin, *end;
	size_t				total = 0;
	int					text = 0; /* where the text begins that was placed last */

	template_items(tokenizer, second, add_special_tokens, &begin, &end);
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
		if (item->id < 0)
			text = encoding->n;
		if (item->id == TEMPLATE_TEXT)
			place_tokens(tokenizer, encoding, first, 0, item->type_id, 1);
		else if (item->id == TEMPLATE_TEXT_PAIR)
			place_tokens(tokenizer, encoding, second, 0, item->type_id, 2);
		else if (!(tokenizer->tables->flags & TOKENIZER_EOS_ONCE) || encoding->n == text ||
				 encoding->ids[encoding->n - 1] != item->id)
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

/* Tokens on their way to a sink. */
typedef struct Stream
{
	const Tokenizer	   *tokenizer;
	TokenSink			sink;
	void			   *argument;
	Encoding			part; /* room for STREAM_TOKENS */
	const TemplateItem *item;
	size_t				before; /* tokens of the text that have gone already */
} Stream;

static bool
stream_tokens(const Tokens *tokens, void *argument, Error *error)
{
	Stream		   *stream = argument;
	const TokenSpan span = {tokens, 0, tokens->kept};

	if (span.n == 0)
		return true;
	stream->part.n = 0;
	place_tokens(stream->tokenizer, &stream->part, &span, stream->before, stream->item->type_id,
				 stream->item->id == TEMPLATE_TEXT ? 1 : 2);
	stream->before += span.n;
	return stream->sink(stream->argument, &stream->part, error);
}

bool
tokenizer_stream(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length,
				 const char *pair, size_t pair_length, const EncodeOptions *options, TokenSink sink,
				 void *argument, Error *error)
{
	Stream		 stream = {.tokenizer = tokenizer, .sink = sink, .argument = argument};
	const Tokens asked = {.wants_texts = options->wants_texts, .wants_words = options->wants_words};
	const TemplateItem *end;

	template_items(tokenizer, pair, options->add_special_tokens, &stream.item, &end);
	if (!reserve_encoding(&stream.part, arena, STREAM_TOKENS, &asked, error))
		return false;
	for (; stream.item < end; stream.item++)
	{
		bool   second = stream.item->id == TEMPLATE_TEXT_PAIR;
		Tokens tokens = {.limit = STREAM_TOKENS, .full = stream_tokens, .argument = &stream};

		stream.part.n = 0;
		stream.before = 0;
		if (stream.item->id >= 0)
		{
			place_special(&stream.part, stream.item);
			if (!sink(argument, &stream.part, error))
				return false;
		}
		else if (!tokenizer_tokens(tokenizer, arena, second ? pair : text,
								   second ? pair_length : length, options, &tokens, error) ||
				 !stream_tokens(&tokens, &stream, error))
			return false;
	}
	return true;
}

bool
tokenizer_count(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length,
				const char *pair, size_t pair_length, const EncodeOptions *options, size_t *n,
				Error *error)
{
	Tokens tokens[2] = {{0}};

	*n = options->add_special_tokens ? (size_t) tokenizer_template_size(tokenizer, pair) : 0;
	if (!tokenizer_tokens(tokenizer, arena, text, length, options, &tokens[0], error) ||
		(pair &&
		 !tokenizer_tokens(tokenizer, arena, pair, pair_length, options, &tokens[1], error)))
		return false;
	*n += tokens[0].n + tokens[1].n;
	return true;
}
