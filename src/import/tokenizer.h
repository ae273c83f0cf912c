/*
 * tokenizer.h: compiles the tokenizer files of a Hugging Face directory into tables of an image.
 *
 * Reads tokenizer.json, or the files of the slow class (vocab.txt), with tokenizer_config.json,
 * special_tokens_map.json and added_tokens.json beside them, as transformers 4.37 does.
 */
#ifndef IMPORT_TOKENIZER_H
#define IMPORT_TOKENIZER_H

#include "image/image.h"

typedef struct TokenizerOptions
{
	int	 use_fast;	 /* 1 fast, 0 slow, -1: fast when there is a tokenizer.json */
	bool lower_case; /* texts are lower-cased before all else, as sentence-transformers do */
} TokenizerOptions;

/* What the importer may want to know of the tokenizer. */
typedef struct TokenizerSummary
{
	bool	is_fast;
	int64_t model_max_length; /* -1: the config has none, or one beyond any text */
	int		n_vocab;
} TokenizerSummary;

/* Writes the sections of tok/tables.h.  *found is false, and nothing is written, when the directory has no
 * tokenizer files.  What is not implemented is ERR_UNSUPPORTED naming file and JSON path, malformed files
 * are ERR_DATA. */
extern bool import_tokenizer(ImageWriter *writer, const char *directory,
							 const TokenizerOptions *options, bool *found,
							 TokenizerSummary *summary, Error *error);

#endif
