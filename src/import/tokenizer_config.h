/*
 * tokenizer_config.h: what stands beside a tokenizer: its class, special tokens and options.
 */
#ifndef IMPORT_TOKENIZER_CONFIG_H
#define IMPORT_TOKENIZER_CONFIG_H

#include "import/tokenizer_build.h"

typedef enum TokenizerClass
{
	CLASS_GENERIC,
	/* PreTrainedTokenizerFast: all is in tokenizer.json */ CLASS_BERT,
	CLASS_GPT2,
	CLASS_ROBERTA,
	CLASS_ROCBERT,
	CLASS_ROFORMER,
	/* of a SentencePiece model */
	CLASS_T5,
	CLASS_XLM_ROBERTA,
	CLASS_ALBERT,
	CLASS_LLAMA,
	CLASS_CAMEMBERT,
	CLASS_XLNET,
	CLASS_DEBERTA_V2,
	CLASS_BIG_BIRD,
	CLASS_PEGASUS,
	CLASS_MBART
} TokenizerClass;

/* What a class makes of special tokens that are strings: its mask takes the spaces before it; where it converts a
 * slow tokenizer, the unknown token, or all of them, are found in normalized text. */
#define OWN_MASK 0x1
#define OWN_UNK 0x2
#define OWN_ALL 0x4
/* Its model_input_names lack token_type_ids: a model gets none, and takes them for 0. */
#define ONE_TYPE 0x8

/* The files of a directory that configure its tokenizer.  Owns the documents. */
typedef struct TokenizerConfig
{
	Node config;		 /* tokenizer_config.json; value NULL where there is no file */
	Node special_tokens; /* special_tokens_map.json */
	Node added_tokens;	 /* added_tokens.json */
	Node model;			 /* config.json */
	TokenizerClass class;
	const char		  *class_name; /* as the files have it; "" when they have none */
	const char *const *defaults;   /* the class's special tokens, SPECIAL_TOKENS of them */
	uint32_t		   own;		   /* OWN_*, ONE_TYPE */
	Node			   additional; /* additional_special_tokens, the class's own included */

	bool do_lower_case, do_basic_tokenize, tokenize_chinese_chars;
	int	 strip_accents; /* -1: null */
	bool add_prefix_space, add_bos_token, trim_offsets;
	bool clean_up;
	bool has_types; /* the second text of a pair has type ids of its own */
	/* of the classes with a SentencePiece model */
	bool		legacy, keep_accents, remove_space, add_eos_token, split_by_punct;
	int64_t		extra_ids, offset;
	const char *source_language;
	int64_t		model_max_length; /* -1: none */
} TokenizerConfig;

/* Reads them all; absent files leave the class's defaults. */
extern bool tokenizer_config_load(TokenizerConfig *config, const char *directory, Error *error);
extern void tokenizer_config_free(TokenizerConfig *config);

/* Adds to the build what Transformers adds when it loads the class: the tokens of added_tokens_decoder or * added_tokens.json and of tokenizer.json (value NULL: there is none), then special tokens that are not
 * there yet; and fills build->special. */
extern bool tokenizer_config_apply(const TokenizerConfig *config, TokenizerBuild *build,
								   const Node *tokenizer_json, Error *error);

/* Whether a string is one of the special tokens by name, additional_special_tokens included; *named: without
 * those. */
extern bool tokenizer_config_special(const TokenizerConfig *config, const BuildString *string,
									 bool *special, bool *named, Error *error);

/* Settles which added tokens are special, which are lower-cased and which decoded by themselves, as the slow classes
 * do; the first n_vocab ids are the vocabulary's own. */
extern bool tokenizer_config_slow(const TokenizerConfig *config, TokenizerBuild *build, int n_vocab,
								  Error *error);

/* An added token as JSON has it. */
extern bool read_added(const Node *node, BuildAdded *added, Error *error);

#endif
