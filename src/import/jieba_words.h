/*
 * jieba_words.h: the words of jieba's dictionary.
 *
 * Those of rjieba 0.2.2, which are jieba 0.42.1's (MIT licence: jieba/LICENSE).
 */
#ifndef IMPORT_JIEBA_WORDS_H
#define IMPORT_JIEBA_WORDS_H

#include "import/tokenizer_build.h"
#include "tok/jieba.h"

typedef struct JiebaWords
{
	TrieKey *keys; /* value: index in weights */
	size_t	 n;
	double	*weights; /* ln (frequency / sum of all); the last one is of what is no word */
	size_t	 n_weights;
} JiebaWords;

extern bool jieba_words(Arena *arena, JiebaWords *words, Error *error);

#endif
