/*
 * unigram.h: the table of the Unigram model.
 */
#ifndef TOK_UNIGRAM_H
#define TOK_UNIGRAM_H

#include <stdint.h>

/* The arguments of its record. */
#define UNIGRAM_ARG_UNK 0 /* id of the unknown token, -1: none */

typedef struct UnigramTable
{
	double	 unk_score;
	double	 first_score;	/* before the first token of UNIGRAM_MODERN */
	uint32_t n_scores;		/* one for each id */
	uint32_t n_whole_words; /* of 32 bits */
	int32_t	 byte_ids[256]; /* of "<0x00>" .. "<0xFF>", -1: none */
	/* By id; NaN: the token is in no lattice. */
	double scores[];
	/* uint32_t whole[n_whole_words]: bit id is set when a piece that is the token's string becomes that token */
} UnigramTable;

#endif
