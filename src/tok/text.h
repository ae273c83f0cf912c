/*
 * text.h: a text on its way through the pipeline, and the pieces it is cut into.
 *
 * A Text is valid UTF-8 whose every byte knows which character of the original it came from.  Normalizers
 * read one Text and fill another; pre-tokenizers cut a Text into Pieces (or fill another one and cut that).
 * Buffers belong to the arena of the call and are kept from block to block.
 */
#ifndef TOK_TEXT_H
#define TOK_TEXT_H

#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/utf8.h"

/* No Text grows beyond this many bytes. */
#define TEXT_MAX ((size_t) 1 << 31)

typedef struct Text
{
	char	 *bytes;
	uint32_t *origin; /* of each byte: the character of the original, counted from 0 */
	size_t	  length;
	size_t	  room;
} Text;

/* Makes room for more bytes behind the text. */
extern bool text_reserve(Text *text, Arena *arena, size_t more, Error *error);

/* Appends a stretch of the original whose first character is number origin; malformed bytes become U+FFFD.
 * *n_characters is how many there were. */
extern bool text_append(Text *text, Arena *arena, const char *original, size_t length,
						uint32_t origin, size_t *n_characters, Error *error);

/* Appends one character; there must be room for 4 bytes. */
static inline void
text_put(Text *text, uint32_t character, uint32_t origin)
{
	int n;

	if (character < 0x80)
	{
		text->bytes[text->length] = (char) character;
		text->origin[text->length++] = origin;
		return;
	}
	n = utf8_put(character, text->bytes + text->length);
	for (int i = 0; i < n; i++)
		text->origin[text->length++] = origin;
}

/* The character at *at of a Text, which is valid UTF-8; moves *at behind it. */
static inline uint32_t
text_next(const char *bytes, size_t *at)
{
	const uint8_t *s = (const uint8_t *) bytes + *at;

	if (s[0] < 0x80)
	{
		*at += 1;
		return s[0];
	}
	if (s[0] < 0xE0)
	{
		*at += 2;
		return (uint32_t) (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
	}
	if (s[0] < 0xF0)
	{
		*at += 3;
		return (uint32_t) (s[0] & 0x0F) << 12 | (uint32_t) (s[1] & 0x3F) << 6 | (s[2] & 0x3F);
	}
	*at += 4;
	return (uint32_t) (s[0] & 0x07) << 18 | (uint32_t) (s[1] & 0x3F) << 12 |
		   (uint32_t) (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
}

/* Appends bytes begin .. end - 1 of another text; there must be room. */
static inline void
text_copy(Text *text, const Text *from, size_t begin, size_t end)
{
	memcpy(text->bytes + text->length, from->bytes + begin, end - begin);
	memcpy(text->origin + text->length, from->origin + begin, (end - begin) * sizeof *from->origin);
	text->length += end - begin;
}

/* White_Space of Unicode. */
static inline bool
is_whitespace(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
		   (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
		   c == 0x205F || c == 0x3000;
}

/* What str.isspace of Python takes for whitespace. */
static inline bool
is_python_space(uint32_t c)
{
	return is_whitespace(c) || (c >= 0x1C && c <= 0x1F);
}

/* The number of characters in bytes[0 .. length) of a Text. */
static inline size_t
text_count(const char *bytes, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
		n += ((uint8_t) bytes[i] & 0xC0) != 0x80;
	return n;
}

#define PIECE_OPEN (-1)	 /* for the components that follow */
#define PIECE_MODEL (-2) /* for the model: no other component touches it */

typedef struct Piece
{
	uint32_t begin, end; /* bytes of the Text */
	int32_t	 id;		 /* a token, or PIECE_* */
} Piece;

typedef struct Pieces
{
	Piece *items;
	size_t n;
	size_t room;
} Pieces;

extern bool pieces_grow(Pieces *pieces, Arena *arena, Error *error);

static inline bool
pieces_add(Pieces *pieces, Arena *arena, size_t begin, size_t end, int32_t id, Error *error)
{
	if (pieces->n == pieces->room && !pieces_grow(pieces, arena, error))
		return false;
	pieces->items[pieces->n++] = (Piece){(uint32_t) begin, (uint32_t) end, id};
	return true;
}

#endif
