/*
 * chars.h: a number for every Unicode character, as a two-stage table walked in place.
 *
 * What the numbers mean is the matter of whoever built the table: a class, or (CHAR_*) the characters that
 * a normalizer puts in its place.  The table pins one version of Unicode: results do not depend on the ICU
 * of the machine that tokenizes.
 */
#ifndef TOK_CHARS_H
#define TOK_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAR_LAST 0x10FFFF
#define CHAR_BLOCK_BITS 7
#define CHAR_BLOCK (1 << CHAR_BLOCK_BITS)
#define CHAR_BLOCKS ((CHAR_LAST + 1) / CHAR_BLOCK)

typedef struct CharTableHeader
{
	uint32_t n_blocks;
	uint32_t n_sequences;
	/* number of the block of each CHAR_BLOCK characters */
	uint16_t index[CHAR_BLOCKS];
	/* uint32_t values[n_blocks][CHAR_BLOCK]; uint32_t sequences[n_sequences] */
} CharTableHeader;

typedef struct CharTable
{
	const uint16_t *index;
	const uint32_t *values;
	const uint32_t *sequences;
	uint32_t		n_blocks, n_sequences;
} CharTable;

/* A view of a table; false when its counts do not fit its size or a block number is out of range. */
extern bool char_table_open(CharTable *table, const void *data, size_t size);

/* The number of a character, 0 .. CHAR_LAST. */
static inline uint32_t
char_value(const CharTable *table, uint32_t character)
{
	uint32_t block = table->index[character >> CHAR_BLOCK_BITS];

	return table->values[block << CHAR_BLOCK_BITS | (character & (CHAR_BLOCK - 1))];
}

/*
 * Numbers of a character map.  0 is "the character itself, a starter".  Otherwise either one element, or
 * with CHAR_SEQUENCE the index of a count in sequences with that many elements behind it.
 */
#define CHAR_SEQUENCE 0x80000000u
#define CHAR_ISOLATE 0x40000000u /* spaces around; beside either form */
#define CHAR_HANGUL                                                                                \
	0x20000000u				   /* alone: a syllable to be decomposed by arithmetic (Unicode 3.12) */
#define CHAR_INDEX 0x1FFFFFFFu /* of CHAR_SEQUENCE */
/* An element: a character, or 0 for the character itself; its canonical combining class; and whether it
 * takes part in the reordering but is then dropped. */
#define CHAR_ELEMENT_CHARACTER 0x001FFFFFu
#define CHAR_ELEMENT_CLASS_SHIFT 21
#define CHAR_ELEMENT_CLASS 0xFFu
#define CHAR_ELEMENT_DROP 0x20000000u /* only in sequences */

/* Numbers of a composition's table: the canonical combining class, and whether the character can be the
 * second of a pair (D114, Hangul vowels and trailing consonants included). */
#define COMPOSE_CLASS 0xFFu
#define COMPOSE_SECOND 0x100u

typedef struct ComposePair
{
	uint32_t first, second, composed;
} ComposePair;

/* Hangul syllables (Unicode 3.12). */
#define HANGUL_FIRST 0xAC00
#define HANGUL_LAST 0xD7A3
#define HANGUL_L 0x1100
#define HANGUL_V 0x1161
#define HANGUL_T 0x11A7
#define HANGUL_N_L 19
#define HANGUL_N_V 21
#define HANGUL_N_T 28

#endif
