/*
 * chars.c: opening a two-stage table of characters.
 *
 * Reads a table of the image; owns nothing.
 */
#include "tok/chars.h"

bool
char_table_open(CharTable *table, const void *data, size_t size)
{
	const CharTableHeader *header = data;
	size_t				   words;

	if (size < sizeof(CharTableHeader) || size % sizeof(uint32_t) != 0)
		return false;
	words = (size - sizeof(CharTableHeader)) / sizeof(uint32_t);
	if (header->n_blocks == 0 || header->n_blocks > CHAR_BLOCKS ||
		words < (size_t) header->n_blocks * CHAR_BLOCK ||
		words - (size_t) header->n_blocks * CHAR_BLOCK != header->n_sequences)
		return false;
	for (int i = 0; i < CHAR_BLOCKS; i++)
		if (header->index[i] >= header->n_blocks)
			return false;
	table->index = header->index;
	table->values = (const uint32_t *) (header + 1);
	table->n_blocks = header->n_blocks;
	table->sequences = table->values + (size_t) header->n_blocks * CHAR_BLOCK;
	table->n_sequences = header->n_sequences;
	return true;
}
