/*
 * jieba.h: the table of jieba's pre-tokenizer.
 */
#ifndef TOK_JIEBA_H
#define TOK_JIEBA_H

#include <stddef.h>

/* No word of the dictionary has more bytes. */
#define JIEBA_WORD_BYTES 63

/* Numbers of its characters: flags, and above them the node of the trie that the character leads to from the
 * root; 0 where no word begins with it. */
#define JIEBA_RUN 0x1		/* words are looked for in runs of these */
#define JIEBA_SPACE 0x2		/* str.isspace of Python */
#define JIEBA_IDEOGRAPH 0x4 /* BertNormalizer's */
#define JIEBA_NODE_SHIFT 3

#endif
