/*
 * chunks.c: where chunks begin and end.
 *
 * Tokens come from tokenizer_stream; a Chunker keeps those from the current chunk on, and cuts as soon as
 * there are enough.  ICU looks at the stretch of one chunk at a time.  Everything is one call's.
 */
#include "task/chunks.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ubrk.h>

#include "base/utf8.h"
#include "tok/text.h"

/* Tokens that are there beyond a chunk when it is cut: those of a character are never more. */
#define AHEAD 256
/* Bytes behind a chunk that ICU sees. */
#define CONTEXT 64

/* What one token stands for, without whitespace at its ends. */
typedef struct Place
{
	size_t begin, end; /* bytes */
	size_t pos, pos_end;
} Place;

typedef enum Border
{
	BORDER_SENTENCE,
	BORDER_LINE, /* of a word, where a line may be broken: not before a comma */
	BORDER_WORD,
	BORDER_GRAPHEME,
	BORDERS
} Border;

struct Chunker
{
	const Tokenizer *tokenizer;
	ChunkOptions	 options;
	const char		*text;
	size_t			 length;
	ChunkSink		 sink;
	void			*argument;
	size_t			 content; /* tokens of a chunk without special ones */
	Utf8Cursor		 cursor;
	Arena			 arena;	   /* of one chunk's own tokens */
	bool			 complete; /* all tokens are there */

	Place *places;
	size_t n, room;
	size_t from;   /* the chunk's first token */
	size_t behind; /* tokens before this one have been in a chunk */
	size_t start;  /* the border that the chunk begins at */

	UBreakIterator *borders[BORDERS];
	UText		   *stretch; /* of the text from start on */
	size_t			stretch_end;
	Error		   *error;
};

/* ---- borders ---- */

static bool
icu_failed(Error *error, UErrorCode status)
{
	return error_set(error, ERR_UNSUPPORTED, "ICU finds no borders of text: %s",
					 u_errorName(status));
}

static bool
open_borders(Chunker *chunker)
{
	static const UBreakIteratorType types[] = {
		[BORDER_SENTENCE] = UBRK_SENTENCE,
		[BORDER_LINE] = UBRK_LINE,
		[BORDER_WORD] = UBRK_WORD,
		[BORDER_GRAPHEME] = UBRK_CHARACTER,
	};
	UErrorCode status = U_ZERO_ERROR;

	for (int i = 0; i < BORDERS; i++)
		chunker->borders[i] = ubrk_open(types[i], "", NULL, 0, &status);
	return U_SUCCESS(status) || icu_failed(chunker->error, status);
}

/* Lets ICU look at the text from start on, up to something behind token last. */
static bool
set_stretch(Chunker *chunker, size_t last)
{
	UErrorCode status = U_ZERO_ERROR;
	size_t	   end = chunker->length;

	if (last < chunker->n && end - chunker->places[last].end > CONTEXT)
		for (end = chunker->places[last].end + CONTEXT;
			 ((uint8_t) chunker->text[end] & 0xC0) == 0x80;)
			end--;
	chunker->stretch_end = end;
	chunker->stretch = utext_openUTF8(chunker->stretch, chunker->text + chunker->start,
									  (int64_t) (end - chunker->start), &status);
	for (int i = 0; i < BORDERS; i++)
		ubrk_setUText(chunker->borders[i], chunker->stretch, &status);
	return U_SUCCESS(status) || icu_failed(chunker->error, status);
}

/* Whether there is a border at a byte: of a grapheme, too. */
static bool
is_border(const Chunker *chunker, Border border, size_t at)
{
	UBreakIterator *const *borders = chunker->borders;
	int32_t				   offset = (int32_t) (at - chunker->start);

	return ubrk_isBoundary(borders[border], offset) &&
		   (border != BORDER_LINE || ubrk_isBoundary(borders[BORDER_WORD], offset)) &&
		   (border == BORDER_GRAPHEME || ubrk_isBoundary(borders[BORDER_GRAPHEME], offset));
}

/* The last border before a byte, at least start. */
static size_t
border_before(const Chunker *chunker, Border border, size_t at)
{
	int32_t found = ubrk_preceding(chunker->borders[border], (int32_t) (at - chunker->start));

	return found == UBRK_DONE ? chunker->start : chunker->start + (size_t) found;
}

/* The first border of a grapheme at or behind a byte. */
static size_t
grapheme_end(const Chunker *chunker, size_t at)
{
	UBreakIterator *graphemes = chunker->borders[BORDER_GRAPHEME];
	int32_t			offset = (int32_t) (at - chunker->start), found;

	if (ubrk_isBoundary(graphemes, offset))
		return at;
	found = ubrk_following(graphemes, offset);
	return found == UBRK_DONE ? chunker->stretch_end : chunker->start + (size_t) found;
}

/* Where what is between two tokens ends: the second one's beginning, or the end of the text. */
static size_t
gap_end(const Chunker *chunker, size_t token)
{
	return token < chunker->n ? chunker->places[token].begin : chunker->length;
}

/* A place between two tokens. */
typedef struct Cut
{
	size_t token; /* the first one behind it */
	size_t at;	  /* byte */
} Cut;

/* The last border between tokens low and high: behind token low, before high or at its beginning. */
static bool
find_cut(const Chunker *chunker, Border border, size_t low, size_t high, Cut *cut)
{
	size_t token = high, at = gap_end(chunker, high);

	if (!is_border(chunker, border, at))
		at = border_before(chunker, border, at);
	while (at > chunker->start)
	{
		while (token > low && chunker->places[token - 1].end > at)
			token--;
		if (token <= low)
			return false;
		if (gap_end(chunker, token) >= at && is_border(chunker, border, at))
		{
			*cut = (Cut){token, at};
			return true;
		}
		at = border_before(chunker, border, at);
	}
	return false;
}

/* Between characters, for a grapheme that does not fit: before high, or as little as possible behind it. */
static Cut
cut_grapheme(const Chunker *chunker, size_t low, size_t high)
{
	for (size_t token = high; token > low; token--)
		if (gap_end(chunker, token) >= chunker->places[token - 1].end)
			return (Cut){token, gap_end(chunker, token)};
	for (size_t token = high + 1; token <= chunker->n; token++)
		if (gap_end(chunker, token) >= chunker->places[token - 1].end)
			return (Cut){token, gap_end(chunker, token)};
	return (Cut){high, chunker->places[high - 1].end};
}

/* ---- chunks ---- */

static Cut
choose_cut(const Chunker *chunker, size_t high)
{
	Cut cut;

	if (high == chunker->n && chunker->complete)
		return (Cut){high, chunker->length};
	for (int border = 0; border < BORDERS; border++)
		if (find_cut(chunker, border, chunker->behind, high, &cut))
			return cut;
	return cut_grapheme(chunker, chunker->behind, high);
}

static size_t
character_at(Chunker *chunker, size_t byte, const Place *near)
{
	Utf8Cursor cursor = {chunker->text, chunker->length, near->pos, near->begin};

	while (cursor.at < byte)
		utf8_seek(&cursor, cursor.character + 1);
	while (cursor.at > byte)
		utf8_seek(&cursor, cursor.character - 1);
	return cursor.character;
}

static Chunk
make_chunk(Chunker *chunker, const Cut *cut)
{
	const Place *first = &chunker->places[chunker->from];
	const Place *last = &chunker->places[cut->token - 1];
	Chunk		 chunk = {.begin = first->begin, .end = last->end};

	if (!is_border(chunker, BORDER_GRAPHEME, chunk.begin))
		chunk.begin = border_before(chunker, BORDER_GRAPHEME, chunk.begin);
	if (chunk.end < cut->at)
	{
		size_t end = grapheme_end(chunker, chunk.end);

		chunk.end = end < cut->at ? end : cut->at;
	}
	if (chunk.end < chunk.begin)
		chunk.end = chunk.begin;
	chunk.pos = character_at(chunker, chunk.begin, first);
	chunk.len = character_at(chunker, chunk.end, last) - chunk.pos;
	return chunk;
}

static bool
count_chunk(Chunker *chunker, Chunk *chunk)
{
	EncodeOptions options = {.add_special_tokens = true,
							 .interrupted = chunker->options.interrupted,
							 .argument = chunker->options.argument};

	arena_reset(&chunker->arena);
	return tokenizer_count(chunker->tokenizer, &chunker->arena, chunker->text + chunk->begin,
						   chunk->end - chunk->begin, NULL, 0, &options, &chunk->n_tokens,
						   chunker->error);
}

/* Where the next chunk begins: overlap tokens before the cut, or less far where a word begins, or at the cut. */
static Cut
choose_start(const Chunker *chunker, const Cut *cut)
{
	size_t low = chunker->from + 1;

	if (cut->token - chunker->from > chunker->options.overlap)
		low = cut->token - chunker->options.overlap;
	for (int border = BORDER_LINE; border <= BORDER_WORD; border++)
		for (size_t token = low; token < cut->token; token++)
		{
			size_t at = chunker->places[token].begin;

			if (at >= chunker->places[token - 1].end && at > chunker->start &&
				is_border(chunker, (Border) border, at))
				return (Cut){token, at};
		}
	return *cut;
}

/* One chunk out of the tokens that are there. */
static bool
cut_chunk(Chunker *chunker)
{
	size_t content = chunker->content;
	Chunk  chunk;
	Cut	   cut, next;

	if (chunker->options.interrupted && chunker->options.interrupted(chunker->options.argument))
		return error_set(chunker->error, ERR_CANCELLED, "cutting a text was cancelled");
	for (;;)
	{
		size_t high = chunker->n - chunker->from < content ? chunker->n : chunker->from + content;

		/* An overlap that leaves no room for anything new is none. */
		if (high <= chunker->behind)
		{
			if (chunker->from < chunker->behind)
			{
				chunker->from = chunker->behind;
				chunker->start = chunker->places[chunker->from].begin;
				content = chunker->content;
				continue;
			}
			high = chunker->from + 1;
		}
		if (!set_stretch(chunker, high))
			return false;
		cut = choose_cut(chunker, high);
		chunk = make_chunk(chunker, &cut);
		if (!count_chunk(chunker, &chunk))
			return false;
		if (chunk.n_tokens <= chunker->options.max_tokens || content == 1)
			break;
		/* Alone it has more tokens than as a part of the text. */
		if (cut.token - chunker->from < content)
			content = cut.token - chunker->from;
		content -= chunk.n_tokens - chunker->options.max_tokens < content
					   ? chunk.n_tokens - chunker->options.max_tokens
					   : content - 1;
	}
	if (!chunker->sink(chunker->argument, &chunk, chunker->error))
		return false;
	next = choose_start(chunker, &cut);
	chunker->behind = cut.token;
	chunker->from = cut.token == chunker->n && chunker->complete ? cut.token : next.token;
	chunker->start = next.at;
	return true;
}

/* ---- tokens ---- */

static bool
reserve_places(Chunker *chunker, size_t more)
{
	size_t room = chunker->room ? chunker->room : 4 * AHEAD;
	Place *places;

	/* What has been in a chunk, but for the first token's neighbour, is not needed again. */
	if (chunker->from > 0 && chunker->from >= chunker->n / 2)
	{
		memmove(chunker->places, chunker->places + chunker->from,
				(chunker->n - chunker->from) * sizeof *chunker->places);
		chunker->n -= chunker->from;
		chunker->behind -= chunker->from;
		chunker->from = 0;
	}
	if (more <= chunker->room - chunker->n)
		return true;
	while (room - chunker->n < more)
		if (__builtin_mul_overflow(room, 2, &room))
			return error_set(chunker->error, ERR_LIMIT, "a chunk has too many tokens");
	places =
		room < SIZE_MAX / sizeof *places ? realloc(chunker->places, room * sizeof *places) : NULL;
	if (!places)
		return error_set(chunker->error, ERR_MEMORY, "out of memory for chunks of a text");
	chunker->places = places;
	chunker->room = room;
	return true;
}

/* Leaves whitespace at both ends of a token out; one that is nothing else is no place. */
static void
add_place(Chunker *chunker, int32_t pos, int32_t len)
{
	Utf8Cursor *cursor = &chunker->cursor;
	Place		place;
	size_t		at;

	place.begin = at = utf8_seek(cursor, (size_t) pos);
	place.end = utf8_seek(cursor, (size_t) pos + (size_t) len);
	place.pos = (size_t) pos;
	place.pos_end = cursor->character;
	while (at < place.end && is_whitespace(text_next(chunker->text, &at)))
	{
		place.begin = at;
		place.pos++;
	}
	while (place.begin < place.end)
	{
		size_t last = utf8_seek(cursor, place.pos_end - 1);

		at = last;
		if (!is_whitespace(text_next(chunker->text, &at)))
			break;
		place.end = last;
		place.pos_end--;
	}
	if (place.begin < place.end)
		chunker->places[chunker->n++] = place;
}

static bool
take_tokens(void *argument, const Encoding *part, Error *error)
{
	Chunker *chunker = argument;

	if (!reserve_places(chunker, (size_t) part->n))
		return false;
	for (int i = 0; i < part->n; i++)
		add_place(chunker, part->pos[i], part->len[i]);
	while (chunker->n - chunker->from > chunker->content + AHEAD)
		if (!cut_chunk(chunker))
			return false;
	return true;
}

Chunker *
chunker_create(const Tokenizer *tokenizer, const ChunkOptions *options, Error *error)
{
	size_t	 special = (size_t) tokenizer_template_size(tokenizer, false);
	Chunker *chunker;

	if (options->max_tokens <= special)
	{
		error_set(error, ERR_ARGUMENT, "max_tokens must be at least %zu, not %zu", special + 1,
				  options->max_tokens);
		error_detail(error, "The model adds %zu special tokens to every text.", special);
		return NULL;
	}
	if (options->overlap >= options->max_tokens - special)
	{
		error_set(error, ERR_ARGUMENT, "overlap must be between 0 and %zu, not %zu",
				  options->max_tokens - special - 1, options->overlap);
		error_detail(error, "A chunk has at most %zu tokens besides the special ones.",
					 options->max_tokens - special);
		return NULL;
	}
	chunker = calloc(1, sizeof *chunker);
	if (!chunker)
	{
		error_set(error, ERR_MEMORY, "out of memory for chunks of a text");
		return NULL;
	}
	*chunker = (Chunker){.tokenizer = tokenizer,
						 .options = *options,
						 .content = options->max_tokens - special,
						 .error = error};
	if (open_borders(chunker))
		return chunker;
	chunker_free(chunker);
	return NULL;
}

void
chunker_free(Chunker *chunker)
{
	if (!chunker)
		return;
	for (int i = 0; i < BORDERS; i++)
		if (chunker->borders[i])
			ubrk_close(chunker->borders[i]);
	utext_close(chunker->stretch);
	arena_free(&chunker->arena);
	free(chunker->places);
	free(chunker);
}

bool
chunker_run(Chunker *chunker, Arena *arena, const char *text, size_t length, ChunkSink sink,
			void *argument, Error *error)
{
	EncodeOptions options = {.interrupted = chunker->options.interrupted,
							 .argument = chunker->options.argument};

	chunker->text = text;
	chunker->length = length;
	chunker->cursor = (Utf8Cursor){.text = text, .length = length};
	chunker->sink = sink;
	chunker->argument = argument;
	chunker->error = error;
	arena_init(&chunker->arena, arena->cap);
	if (!tokenizer_stream(chunker->tokenizer, arena, text, length, NULL, 0, &options, take_tokens,
						  chunker, error))
		return false;
	chunker->complete = true;
	while (chunker->from < chunker->n)
		if (!cut_chunk(chunker))
			return false;
	return true;
}
