/*
 * utf8.c: decoding as Unicode chapter 3, table 3-7 has it.
 */
#include "base/utf8.h"

#include <stdbool.h>

#define REPLACEMENT 0xFFFD

static uint32_t
malformed(size_t *at)
{
	++*at;
	return REPLACEMENT;
}

uint32_t
utf8_next(const char *text, size_t length, size_t *at)
{
	const uint8_t *s = (const uint8_t *) text + *at;
	size_t		   left = length - *at;
	int			   extra = s[0] < 0x80 ? 0 : s[0] < 0xE0 ? 1 : s[0] < 0xF0 ? 2 : 3;
	uint8_t		   low = 0x80, high = 0xBF; /* of the second byte */
	uint32_t	   character;

	if (extra == 0)
	{
		++*at;
		return s[0];
	}
	if (s[0] < 0xC2 || s[0] > 0xF4 || left < (size_t) extra + 1)
		return malformed(at);
	switch (s[0])
	{
		case 0xE0:
			low = 0xA0;
			break;
		case 0xED:
			high = 0x9F;
			break;
		case 0xF0:
			low = 0x90;
			break;
		case 0xF4:
			high = 0x8F;
			break;
	}
	if (s[1] < low || s[1] > high)
		return malformed(at);
	character = s[0] & (0x3F >> extra);
	for (int i = 1; i <= extra; i++)
	{
		if ((s[i] & 0xC0) != 0x80)
			return malformed(at);
		character = character << 6 | (s[i] & 0x3F);
	}
	*at += (size_t) extra + 1;
	return character;
}

int
utf8_put(uint32_t character, char *out)
{
	if (character < 0x80)
	{
		out[0] = (char) character;
		return 1;
	}
	if (character < 0x800)
	{
		out[0] = (char) (0xC0 | character >> 6);
		out[1] = (char) (0x80 | (character & 0x3F));
		return 2;
	}
	if (character < 0x10000)
	{
		out[0] = (char) (0xE0 | character >> 12);
		out[1] = (char) (0x80 | (character >> 6 & 0x3F));
		out[2] = (char) (0x80 | (character & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | character >> 18);
	out[1] = (char) (0x80 | (character >> 12 & 0x3F));
	out[2] = (char) (0x80 | (character >> 6 & 0x3F));
	out[3] = (char) (0x80 | (character & 0x3F));
	return 4;
}

static inline bool
is_continuation(char c)
{
	return ((uint8_t) c & 0xC0) == 0x80;
}

size_t
utf8_seek(Utf8Cursor *cursor, size_t character)
{
	while (cursor->character < character && cursor->at < cursor->length)
	{
		do
			cursor->at++;
		while (cursor->at < cursor->length && is_continuation(cursor->text[cursor->at]));
		cursor->character++;
	}
	while (cursor->character > character)
	{
		do
			cursor->at--;
		while (cursor->at > 0 && is_continuation(cursor->text[cursor->at]));
		cursor->character--;
	}
	return cursor->at;
}

size_t
utf8_count(const char *text, size_t length)
{
	size_t at = 0, n = 0;

	for (; at < length; n++)
		utf8_next(text, length, &at);
	return n;
}
