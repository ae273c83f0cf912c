/*
 * tokenizer_components.h: what compiles each kind of component of a tokenizer.json.
 *
 * A compiler reads the JSON object of a component and adds components (or a template) to the build;
 * tokenizer_json.c has the lists that name them.
 */
#ifndef IMPORT_TOKENIZER_COMPONENTS_H
#define IMPORT_TOKENIZER_COMPONENTS_H

#include "import/tokenizer_build.h"
#include "tok/split.h"

typedef bool (*ComponentCompiler)(TokenizerBuild *build, const Node *node, Error *error);

/* tokenizer_bert.c */
extern bool compile_bert_normalizer(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_bert_pre_tokenizer(TokenizerBuild *build, const Node *node, Error *error);

typedef struct BertRules
{
	bool clean_text, handle_chinese_chars, strip_accents, lowercase;
} BertRules;

extern bool add_bert_normalizer(TokenizerBuild *build, const Node *at, const BertRules *rules,
								Error *error);
extern bool add_bert_pre_tokenizer(TokenizerBuild *build, const Node *at, Error *error);
/* A PRE_TOKENIZER_BERT with other classes: 1 whitespace, 2 punctuation. */
extern bool add_punctuation(TokenizerBuild *build, const Node *at,
							uint32_t (*classify)(uint32_t character, const void *argument),
							Error *error);

/* tokenizer_jieba.c: the words of jieba; behind the model, as the fast class of RoFormer has them or the slow one. */
extern bool add_jieba(TokenizerBuild *build, const Node *at, bool fast, Error *error);

/* The blocks of ideographs; the library's own begin one of them later. */
extern bool bert_chinese(uint32_t character, bool library);
extern bool bert_punctuation(uint32_t character, int version);

/* tokenizer_normal_forms.c: composition, behind a map that decomposes by the same version. */
extern bool add_compose(TokenizerBuild *build, BuildStage stage, const Node *at, int version,
						Error *error);

/* tokenizer_wordpiece.c */
extern bool compile_wordpiece(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_wordpiece_decoder(TokenizerBuild *build, const Node *node, Error *error);
extern bool add_wordpiece(TokenizerBuild *build, const Node *at, const char *prefix,
						  size_t n_prefix, int32_t unk_id, int32_t max_characters, Error *error);
extern bool add_wordpiece_decoder(TokenizerBuild *build, const Node *at, const char *prefix,
								  size_t n_prefix, bool clean_up, Error *error);

/* The decoder of the slow classes. */
extern bool add_words_decoder(TokenizerBuild *build, const Node *at, const char *prefix,
							  size_t n_prefix, Error *error);

/* tokenizer_wordlevel.c */
extern bool compile_wordlevel(TokenizerBuild *build, const Node *node, Error *error);

/* tokenizer_decoders.c */
extern bool compile_bpe_decoder(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_ctc_decoder(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_strip_decoder(TokenizerBuild *build, const Node *node, Error *error);

/* tokenizer_byte_level.c; version is of the classes of GPT-2's pattern */
extern bool compile_byte_level(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_byte_level_decoder(TokenizerBuild *build, const Node *node, Error *error);
extern bool add_byte_level(TokenizerBuild *build, const Node *at, bool prefix_space, bool words,
						   int version, Error *error);

/* tokenizer_bpe.c */
extern bool compile_bpe(TokenizerBuild *build, const Node *node, Error *error);
/* The model of the vocabulary that is there, with the text of a merges.txt. */
extern bool add_bpe_file(TokenizerBuild *build, const Node *at, const char *text, size_t size,
						 Error *error);

/* tokenizer_normalizers.c */
extern bool compile_lowercase(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_nfc(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_nfd(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_nfkc(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_nfkd(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_strip_accents(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_nmt(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_strip(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_prepend(TokenizerBuild *build, const Node *node, Error *error);

/* tokenizer_splits.c */
extern bool compile_whitespace(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_whitespace_split(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_punctuation(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_digits(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_char_delimiter(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_unicode_scripts(TokenizerBuild *build, const Node *node, Error *error);
/* A SplitBehavior by its name, Isolated when there is none; a string of one character. */
extern bool read_behavior(const Node *node, const char *key, SplitBehavior *behavior, Error *error);
extern bool read_character(const Node *node, uint32_t *character, Error *error);

/* tokenizer_precompiled.c */
extern bool compile_precompiled(TokenizerBuild *build, const Node *node, Error *error);

/* tokenizer_metaspace.c */
extern bool compile_metaspace(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_metaspace_decoder(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_byte_fallback_decoder(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_fuse_decoder(TokenizerBuild *build, const Node *node, Error *error);

/* tokenizer_unigram.c */
extern bool compile_unigram(TokenizerBuild *build, const Node *node, Error *error);

typedef struct UnigramOptions
{
	const double *scores; /* n, by id; NaN: in no lattice */
	size_t		  n;
	double		  unk_score, first_score;
	int32_t		  unk_id; /* -1: none */
	bool		  byte_fallback, slow, modern;
} UnigramOptions;

/* The model of the vocabulary that is there. */
extern bool add_unigram(TokenizerBuild *build, const Node *at, const UnigramOptions *options,
						Error *error);

/* tokenizer_pattern.c */
extern bool compile_split(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_replace(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_replace_decoder(TokenizerBuild *build, const Node *node, Error *error);
typedef struct BpePair
{
	int32_t	 left, right, id;
	uint32_t rank; /* the least is merged first, of equal ones the leftmost */
} BpePair;

/* The merges of a SentencePiece model. */
typedef struct BpePairs
{
	BpePair		   *items;
	size_t			n;
	int32_t			unk_id;
	bool			byte_fallback;
	const TrieNode *user; /* user-defined symbols -> id */
	size_t			n_user;
} BpePairs;

extern bool add_bpe_pairs(TokenizerBuild *build, const Node *at, const BpePairs *pairs,
						  Error *error);

/* tokenizer_template.c */
extern bool compile_roberta_template(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_byte_level_trim(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_template(TokenizerBuild *build, const Node *node, Error *error);
extern bool compile_bert_template(TokenizerBuild *build, const Node *node, Error *error);
/* [CLS] A [SEP] and [CLS] A [SEP] B [SEP], types 0 and 1; without special tokens the pair has type
 * bare_pair_type_id. */
extern bool add_bert_template(TokenizerBuild *build, int32_t cls, int32_t sep,
							  int32_t bare_pair_type_id, Error *error);
/* <s> A </s> and <s> A </s></s> B </s>, all of type 0. */
extern bool add_roberta_template(TokenizerBuild *build, int32_t cls, int32_t sep, Error *error);
/* What stands in for a post-processor that is not there: the texts alone, types 0 and pair_type_id. */
extern bool add_bare_template(TokenizerBuild *build, int32_t pair_type_id,
							  int32_t bare_pair_type_id, Error *error);

/* tokenizer_json.c: the whole tokenizer.json, added tokens included. */
extern bool compile_tokenizer_json(TokenizerBuild *build, const Node *root, Error *error);
/* Its added tokens alone. */
extern bool compile_added_tokens(TokenizerBuild *build, const Node *root, Error *error);

#endif
