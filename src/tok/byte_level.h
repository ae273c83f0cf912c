/*
 * byte_level.h: GPT-2's printable characters for bytes.
 */
#ifndef TOK_BYTE_LEVEL_H
#define TOK_BYTE_LEVEL_H

#include <stddef.h>
#include <stdint.h>

/* Printable Latin-1 stands for itself, the other 68 bytes in order for U+0100 and what follows. */
static inline uint32_t
byte_level_character(uint8_t byte)
{
	if (byte < 33)
		return 0x100 + byte;
	if (byte >= 127 && byte <= 160)
		return 0x100 + 33 + (byte - 127u);
	return byte == 173 ? 0x100 + 67 : byte;
}

/* The byte that a character stands for, or -1. */
static inline int
byte_level_byte(uint32_t character)
{
	if (character < 0x100)
		return byte_level_character((uint8_t) character) == character ? (int) character : -1;
	if (character < 0x100 + 33)
		return (int) character - 0x100;
	if (character < 0x100 + 67)
		return (int) character - 0x100 - 33 + 127;
	return character == 0x100 + 67 ? 173 : -1;
}

/* The bytes that a token's characters stand for, at out; how many, at most length.  A token with any other
 * character is its own text. */
extern size_t byte_level_spell(const char *token, size_t length, char *out);

#endif
