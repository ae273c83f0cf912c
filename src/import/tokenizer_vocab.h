/*
 * tokenizer_vocab.h: the files of the slow classes.
 */
#ifndef IMPORT_TOKENIZER_VOCAB_H
#define IMPORT_TOKENIZER_VOCAB_H

#include "import/tokenizer_build.h"
#include "import/tokenizer_config.h"

/* tokenizer_vocab.c: reads the vocabulary at->key, a token a line. */
extern bool vocab_load(TokenizerBuild *build, const char *directory, const Node *at, bool *found,
					   Error *error);

/* The pipeline of BertTokenizerFast, as it is made from a vocab.txt. */
extern bool vocab_fast_bert(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
							Error *error);

/* tokenizer_bert_slow.c: the pipeline of BertTokenizer. */
extern bool vocab_slow_bert(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
							Error *error);

/* tokenizer_rocbert.c: what RoCBert has beside the vocabulary, which must be complete. */
extern bool rocbert_load(TokenizerBuild *build, const char *directory, Error *error);

/* tokenizer_gpt2.c: vocab.json and merges.txt, and the pipelines of the fast and the slow classes. */
extern bool gpt2_load(TokenizerBuild *build, const char *directory, bool *found, Error *error);
extern bool gpt2_fast(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
					  Error *error);
extern bool gpt2_slow(TokenizerBuild *build, const TokenizerConfig *config, const Node *at,
					  Error *error);

#endif
