/*
 * tokenizer_spm.h: the tokenizer classes of Transformers whose file is a SentencePiece model.
 */
#ifndef IMPORT_TOKENIZER_SPM_H
#define IMPORT_TOKENIZER_SPM_H

#include "import/sentencepiece.h"
#include "import/tokenizer_config.h"

/* Which ids the pieces get. */
typedef enum SpmLayout
{
	SPM_AS_IS,
	SPM_T5,		   /* sentinels behind them */
	SPM_LLAMA,	   /* the first three have fixed names */
	SPM_FAIRSEQ,   /* four fixed ones instead of the first three, the mask behind all */
	SPM_MBART,	   /* likewise, languages before the mask */
	SPM_CAMEMBERT, /* five fixed ones before all but the first */
	SPM_PEGASUS	   /* "offset" of them before all but the first two */
} SpmLayout;

typedef enum SpmTemplate
{
	SPM_BARE_EOS,	 /* A </s>, A </s> B </s> */
	SPM_ROBERTA,	 /* <s> A </s>, <s> A </s></s> B </s> */
	SPM_BERT,		 /* [CLS] A [SEP], [CLS] A [SEP] B [SEP] */
	SPM_XLNET,		 /* A <sep> <cls>, A <sep> B <sep> <cls> */
	SPM_LLAMA_ENDS,	 /* what add_bos_token and add_eos_token say, around each text */
	SPM_PEGASUS_EOS, /* A </s>, A B </s> */
	SPM_LANGUAGE	 /* A </s> en_XX, A B </s> en_XX */
} SpmTemplate;

typedef struct SpmClass
{
	TokenizerClass class;
	const char *file;
	SpmLayout	layout;
	SpmTemplate template;
} SpmClass;

/* The class's entry, or NULL when its file is another. */
extern const SpmClass *spm_class(TokenizerClass class);

/* A model being compiled. */
typedef struct Spm
{
	const SpmClass *class;
	const TokenizerConfig *config;
	SentencePieceModel	   model;
	Node				   at; /* the file */
} Spm;

/* Reads the class's file; *found is false when there is none. */
extern bool spm_load(Spm *spm, const SpmClass *class, const TokenizerConfig *config,
					 TokenizerBuild *build, const char *directory, bool *found, Error *error);

/* tokenizer_convert.c: the pipeline that Transformers' convert_slow_tokenizer.py makes of it, and the class's own
 * tokens.  root is a tokenizer.json, whose added tokens count; its value may be NULL. */
extern bool spm_fast(TokenizerBuild *build, const Spm *spm, const Node *root, Error *error);

/* tokenizer_sentencepiece.c: the slow class. */
extern bool spm_slow(TokenizerBuild *build, const Spm *spm, const Node *root, Error *error);

/* The template of the class; bare_pair_type_id as in add_bert_template. */
extern bool spm_template(TokenizerBuild *build, SpmTemplate template, const TokenizerConfig *config,
						 bool fast, Error *error);

/* Whether a piece is a digit with a comma behind it, and whatever before. */
extern bool ends_in_number_comma(const BuildString *text);

/* Adds what a class puts into additional_special_tokens by itself to the list; given: the files have one. */
extern bool spm_additional(const TokenizerConfig *config, json_t *list, bool given,
						   const Node *node, Error *error);

/* The tokens that the layout puts before and behind the pieces; those begin with the one of number first. */
typedef struct SpmNames
{
	BuildString *before, *behind;
	size_t		 n_before, n_behind;
	size_t		 first;
} SpmNames;

extern bool spm_names(const Spm *spm, Arena *arena, SpmNames *names, Error *error);

#endif
