/*
 * encode.c: the pipeline from a text to its Encoding.
 *
 * Added tokens are cut out of the text; what stands between them goes through normalizers, pre-tokenizers
 * and the model, in blocks where the pipeline allows to cut it, so that memory does not grow with the
 * text; then truncation and the template.  All memory is the caller's arena.
 */
#include "tok/added.h"
#include "tok/component.h"

/* Raw bytes after which a place to cut is looked for: what stays in the first-level cache. */
#define BLOCK_BYTES 4096

static inline bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Whether a character of U+4E00 .. U+9FFF begins at s, which has three bytes. */
static inline bool
is_han(const char *s)
{
	uint8_t lead = (uint8_t) s[0];

	return (lead > 0xE4 || (lead == 0xE4 && (uint8_t) s[1] >= 0xB8)) && lead <= 0xE9 &&
		   ((uint8_t) s[1] & 0xC0) == 0x80 && ((uint8_t) s[2] & 0xC0) == 0x80;
}

/* Whether a Chinese comma or stop begins at s, which has three bytes. */
static inline bool
is_stop(const char *s)
{
	return memcmp(s, "\xE3\x80\x81", 3) == 0 || memcmp(s, "\xE3\x80\x82", 3) == 0 ||
		   memcmp(s, "\xEF\xBC\x81", 3) == 0 || memcmp(s, "\xEF\xBC\x8C", 3) == 0 ||
		   memcmp(s, "\xEF\xBC\x9B", 3) == 0 || memcmp(s, "\xEF\xBC\x9F", 3) == 0;
}

/* How much of a text to take as the next block. */
static size_t
block_length(uint32_t flags, const char *bytes, size_t length)
{
	if (length <= BLOCK_BYTES || !(flags & TOKENIZER_CUTS))
		return length;
	for (size_t at = BLOCK_BYTES; at + 3 <= length; at++)
	{
		if ((flags & TOKENIZER_CUT_SPACE) && bytes[at] == ' ' && is_alnum(bytes[at - 1]) &&
			is_alnum(bytes[at + 1]))
			return at;
		if ((flags & TOKENIZER_CUT_STOP) && is_han(bytes + at) && is_stop(bytes + at - 3))
			return at;
		if ((flags & TOKENIZER_CUT_HAN) && is_han(bytes + at) && is_han(bytes + at - 3))
			return at;
	}
	return length;
}

/* Cuts added tokens out of the normalized text. */
static bool
find_normalized(Run *run, const Text *text, Pieces *pieces)
{
	const Tokenizer *tokenizer = run->tokenizer;
	size_t			 at = 0, taken = 0;
	AddedMatch		 match;

	pieces->n = 0;
	while (tokenizer->added_normalized.n > 1 &&
		   added_next(tokenizer, &tokenizer->added_normalized, text->bytes, text->length, taken,
					  &at, &match))
	{
		if (taken < match.begin &&
			!pieces_add(pieces, run->arena, taken, match.begin, PIECE_OPEN, run->error))
			return false;
		if (match.begin < match.end &&
			!pieces_add(pieces, run->arena, match.begin, match.end, match.id, run->error))
			return false;
		taken = match.end;
	}
	return taken >= text->length ||
		   pieces_add(pieces, run->arena, taken, text->length, PIECE_OPEN, run->error);
}

/* The normalized text into run->text[run->current]. */
static bool
normalize_block(Run *run, const char *bytes, size_t length, uint32_t character,
				size_t *n_characters)
{
	const Component *component = run->tokenizer->components;

	run->current = 0;
	run->text[0].length = 0;
	if (!text_append(&run->text[0], run->arena, bytes, length, character, n_characters, run->error))
		return false;
	for (int i = 0; i < run->tokenizer->n_normalizers; i++, component++)
	{
		Text *out = &run->text[1 - run->current];

		out->length = 0;
		if (!component->type->normalize(component, run, &run->text[run->current], out))
			return false;
		run->current = 1 - run->current;
	}
	return true;
}

/* Runs a normalizer on every open piece; the others are copied. */
static bool
normalize_pieces(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	const Text *text = &run->text[run->current];
	Text	   *result = &run->text[1 - run->current];

	result->length = 0;
	for (size_t i = 0; i < in->n; i++)
	{
		const Piece *piece = &in->items[i];
		size_t		 length = piece->end - piece->begin, begin = result->length;
		const Text	 part = {.bytes = text->bytes + piece->begin,
							 .origin = text->origin + piece->begin,
							 .length = length,
							 .room = length};

		if (piece->id == PIECE_OPEN)
		{
			if (!component->type->normalize(component, run, &part, result))
				return false;
		}
		else if (!run_copy_piece(run, text, piece, result, out))
			return false;
		if (piece->id == PIECE_OPEN && result->length > begin &&
			!pieces_add(out, run->arena, begin, result->length, PIECE_OPEN, run->error))
			return false;
	}
	run->current = 1 - run->current;
	return true;
}

/* An added token that stands for some text. */
static bool
emit_added(Run *run, int32_t id, const char *bytes, size_t length, uint32_t pos, uint32_t end)
{
	if ((uint32_t) id >= (uint32_t) run->tokenizer->n_vocab)
		return error_set(run->error, ERR_CORRUPT, "tokenizer gives id %d of a vocabulary of %d", id,
						 run->tokenizer->n_vocab);
	if (!run_show_as(run, bytes, length))
		return false;
	return tokens_add(run->tokens, run->arena, id, pos, end, run->error);
}

static bool
encode_block(Run *run, const char *bytes, size_t length, uint32_t *character)
{
	const Tokenizer *tokenizer = run->tokenizer;
	const Component *component = tokenizer->components + tokenizer->n_normalizers;
	size_t			 n_characters;
	const Text		*text;
	const Pieces	*pieces;

	if (!normalize_block(run, bytes, length, *character, &n_characters))
		return false;
	*character += (uint32_t) n_characters;
	run->current_pieces = 0;
	if (!find_normalized(run, &run->text[run->current], &run->pieces[0]))
		return false;
	for (int i = 0; i < tokenizer->n_pre_tokenizers; i++, component++)
	{
		Pieces *out = &run->pieces[1 - run->current_pieces];

		out->n = 0;
		if (component->type->split
				? !component->type->split(component, run, &run->pieces[run->current_pieces], out)
				: !normalize_pieces(component, run, &run->pieces[run->current_pieces], out))
			return false;
		run->current_pieces = 1 - run->current_pieces;
	}
	text = &run->text[run->current];
	pieces = &run->pieces[run->current_pieces];
	for (size_t i = 0; i < pieces->n; i++)
	{
		const Piece *piece = &pieces->items[i];

		if (!run_tick(run, piece->end - piece->begin))
			return false;
		/* a piece that the block's beginning has cut is one word */
		if (i > 0 || !run->continues || !(component->record->flags & MODEL_CONTINUES))
			run->tokens->next_word++;
		if (piece->id >= 0)
		{
			if (!emit_added(run, piece->id, text->bytes + piece->begin, piece->end - piece->begin,
							text->origin[piece->begin], text->origin[piece->end - 1] + 1))
				return false;
		}
		else if (!component->type->tokenize(component, run, text, piece->begin, piece->end))
			return false;
	}
	return true;
}

static bool
has_enough(const Tokens *tokens)
{
	return tokens->stops && tokens->n >= tokens->limit;
}

/* Text without raw added tokens, whose first character is number *character. */
static bool
encode_stretch(Run *run, const char *bytes, size_t length, uint32_t *character)
{
	run->continues = false;
	while (length > 0 && !has_enough(run->tokens))
	{
		size_t block = block_length(run->tokenizer->tables->flags, bytes, length);

		if (!encode_block(run, bytes, block, character))
			return false;
		run->continues = true;
		bytes += block;
		length -= block;
	}
	return true;
}

/* All tokens of one text into run->tokens. */
static bool
encode_text(Run *run, const char *bytes, size_t length)
{
	const Tokenizer *tokenizer = run->tokenizer;
	size_t			 at = 0, taken = 0;
	uint32_t		 character = 0;
	AddedMatch		 match;

	while (tokenizer->added_raw.n > 1 && !has_enough(run->tokens) &&
		   added_next(tokenizer, &tokenizer->added_raw, bytes, length, taken, &at, &match))
	{
		uint32_t n = (uint32_t) utf8_count(bytes + match.begin, match.end - match.begin);

		if (taken < match.begin)
		{
			if (!encode_stretch(run, bytes + taken, match.begin - taken, &character))
				return false;
		}
		else
			character -= (uint32_t) utf8_count(bytes + match.begin, taken - match.begin);
		if (!run_tick(run, n))
			return false;
		run->tokens->next_word++;
		if (!emit_added(run, match.id, bytes + match.begin, match.end - match.begin, character,
						character + n))
			return false;
		character += n;
		taken = match.end;
	}
	/* A normalizer can make something of nothing. */
	if (length == 0)
		return encode_block(run, bytes, 0, &character);
	return taken >= length || encode_stretch(run, bytes + taken, length - taken, &character);
}

bool
tokenizer_tokens(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length,
				 const EncodeOptions *options, Tokens *tokens, Error *error)
{
	Run run = {.tokenizer = tokenizer,
			   .arena = arena,
			   .options = options,
			   .tokens = tokens,
			   .error = error};

	tokens->wants_texts = options->wants_texts || (tokenizer->tables->flags & TOKENIZER_TRIM);
	tokens->wants_words = options->wants_words;
	return encode_text(&run, text, length);
}

bool
tokenizer_encode(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length,
				 const char *pair, size_t pair_length, const EncodeOptions *options,
				 Encoding *encoding, Error *error)
{
	Tokens	  tokens[2] = {{0}};
	TokenSpan spans[2];
	size_t	  special, room, whole, n[2] = {0, 0};

	if (!content_room(tokenizer, pair, options, &room, error))
		return false;
	special = options->add_special_tokens ? (size_t) tokenizer_template_size(tokenizer, pair) : 0;
	for (int i = 0; i < (pair ? 2 : 1); i++)
	{
		tokens[i].limit = room;
		tokens[i].keep_last = options->truncate == TRUNCATE_START;
		tokens[i].stops = options->reads_little && options->truncate == TRUNCATE_END && !pair;
		if (!tokenizer_tokens(tokenizer, arena, i == 0 ? text : pair, i == 0 ? length : pair_length,
							  options, &tokens[i], error))
			return false;
		n[i] = tokens[i].n;
	}
	whole = n[0] + n[1] + special;
	if (whole > INT32_MAX)
		return error_set(error, ERR_LIMIT, "text has %zu tokens, but at most %d are allowed", whole,
						 INT32_MAX);
	if (n[0] + n[1] > room && options->truncate == TRUNCATE_ERROR)
		return error_set(error, ERR_LIMIT, "%s %zu tokens, but at most %d are allowed",
						 pair ? "text and pair have" : "text has", whole, options->max_length);
	if (!truncate_parts(tokenizer, options->strategy, room, n, pair, error))
		return false;
	for (int i = 0; i < 2; i++)
	{
		bool from_end = tokens[i].keep_last && tokens[i].kept > n[i];

		spans[i] = (TokenSpan){&tokens[i], from_end ? tokens[i].kept - n[i] : 0, n[i]};
	}
	if (!tokenizer_assemble(tokenizer, arena, &spans[0], pair ? &spans[1] : NULL,
							options->add_special_tokens, encoding, error))
		return false;
	encoding->n_whole = n[0] + n[1] + special == whole ? encoding->n : (int) whole;
	return true;
}

bool
tokenizer_normalize(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t length,
					char **normalized, size_t *normalized_length, Error *error)
{
	EncodeOptions options = {0};
	Run	   run = {.tokenizer = tokenizer, .arena = arena, .options = &options, .error = error};
	size_t n_characters;

	if (!normalize_block(&run, text, length, 0, &n_characters))
		return false;
	*normalized_length = run.text[run.current].length;
	*normalized = arena_strndup(arena, run.text[run.current].bytes, *normalized_length);
	return *normalized || error_set(error, ERR_MEMORY, "out of memory for a normalized text");
}
