/*
 * tokenizer_vocab.h: the files of the slow classes of the BERT family.
 */
#ifndef IMPORT_TOKENIZER_VOCAB_H
#define IMPORT_TOKENIZER_VOCAB_H

#include "import/tokenizer_build.h"
#include "import/tokenizer_config.h"

/* Reads the vocabulary at->key, a token a line. */
extern bool vocab_load(TokenizerBuild *build, const char *directory, const Node *at, bool *found,
					   Error *error);

/* The pipeline of BertTokenizerFast, as it is made from a vocab.txt. */
extern bool vocab_fast_bert(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
							Error *error);

/* tokenizer_bert_slow.c: the pipeline of BertTokenizer; n_vocab ids are of the vocabulary's own lines. */
extern bool vocab_slow_bert(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
							int n_vocab, Error *error);

/* The id of a special token, which must be there. */
extern bool vocab_need_id(const TokenizerBuild *build, const Node *at, SpecialToken kind,
						  const char *key, int32_t *id, Error *error);

#endif
