/*
 * utf8.h: walking UTF-8 that may be malformed.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at text[*at], *at < length; moves *at behind it.  Overlong, surrogate, out-of-range or cut
 * sequences give U+FFFD and move by one byte. */
extern uint32_t utf8_next(const char *text, size_t length, size_t *at);

/* Writes the character at out (4 bytes of room) and returns how many bytes it took. */
extern int utf8_put(uint32_t character, char *out);

/* How many characters utf8_next would find. */
extern size_t utf8_count(const char *text, size_t length);

/* A place in a text, counted in characters and in bytes: finding the next one from it costs their distance. */
typedef struct Utf8Cursor
{
	const char *text;
	size_t		length;	   /* bytes */
	size_t		character; /* of the place, counted from 0 */
	size_t		at;		   /* and its byte */
} Utf8Cursor;

/* Moves to a character, or behind the last one where there are fewer; returns its byte.  The text must be
 * well-formed. */
extern size_t utf8_seek(Utf8Cursor *cursor, size_t character);

#endif
