/*
 * tables.h: what a compiled tokenizer looks like in an image.
 *
 * The importer writes these sections of type SECTION_TOKENIZER once; backends walk them in place.  Section
 * "tokenizer" is a TokenizerTables: the pipeline's description.  The other sections:
 *	 vocab				VocabTable, offsets, flags, bytes: the string of every id
 *	 vocab.trie			Trie of the model's own vocabulary: string -> id
 *	 added				AddedRecord array: tokens found in a text before the model sees it
 *	 added.raw			Trie over the raw text: content -> index in "added"
 *	 added.normalized	Trie over the normalized text: normalized content -> index in "added"
 *	 added.names		Trie of all of them: content -> id
 *	 added.words		CharTable, 1 for a character of a word; only when a token asks for single_word
 *	 template			TemplateTable and its items
 *	 shapes				int32_t array: RoCBert's shape id of every id, and behind them that of the template's tokens
 *	 pronunciations		likewise
 *	 splits				int32_t array: by id, where in it the tokens are that take its place (how many, then id and
 *						characters of each), or 0
 *	 component.<n>		the table of the n-th component; its file says what is in it
 * Sizes are checked when a tokenizer is opened; indices found inside a table are checked where they are
 * used, so that opening costs the same for every vocabulary.
 */
#ifndef TOK_TABLES_H
#define TOK_TABLES_H

#include <stdint.h>

#define TOKENIZER_VERSION 1
#define TOKENIZER_MAX_COMPONENTS 32

/* Numbers in images: never reuse one. */
typedef enum ComponentKind
{
	/* normalizers */
	NORMALIZER_CHAR_MAP =
		1, /* one character to a sequence of characters, canonical order restored */
	NORMALIZER_COMPOSE = 2,		 /* canonical composition */
	NORMALIZER_PREPEND = 3,		 /* a string before the text */
	NORMALIZER_STRIP = 4,		 /* whitespace at the ends dropped */
	NORMALIZER_REPLACE = 5,		 /* what a pattern matches, by a string */
	NORMALIZER_PRECOMPILED = 20, /* SentencePiece's rules */
	NORMALIZER_QUOTES = 21,		 /* quotation marks and whitespace as slow ALBERT has them */

	/* pre-tokenizers */
	PRE_TOKENIZER_BERT = 100,		   /* drops whitespace, isolates punctuation */
	PRE_TOKENIZER_WORDS = 101,		   /* drops whitespace, picks out words that are never split */
	PRE_TOKENIZER_BYTE_LEVEL = 102,	   /* GPT-2's words, each byte a printable character */
	PRE_TOKENIZER_DELIMITERS = 103,	   /* cuts at single characters */
	PRE_TOKENIZER_RUNS = 104,		   /* cuts where the class of characters changes */
	PRE_TOKENIZER_SPLIT = 105,		   /* cuts where a pattern matches */
	PRE_TOKENIZER_JIEBA = 110,		   /* words of Chinese text */
	PRE_TOKENIZER_SENTENCEPIECE = 121, /* SentencePiece's own normalizer */
	PRE_TOKENIZER_METASPACE = 120,	   /* marks spaces, and cuts at the marks */

	/* models */
	MODEL_WORDPIECE = 200,
	MODEL_BPE = 201,
	MODEL_WORDLEVEL = 202,
	MODEL_UNIGRAM = 220,

	/* decoders */
	DECODER_WORDPIECE = 300,
	DECODER_WORDS = 301, /* slow BERT */
	DECODER_BYTE_LEVEL = 302,
	DECODER_BPE = 303,
	DECODER_CTC = 304,
	DECODER_STRIP = 305,
	DECODER_REPLACE = 306,
	DECODER_METASPACE = 320,
	DECODER_BYTE_FALLBACK = 321,
	DECODER_FUSE = 322,
	DECODER_SENTENCEPIECE = 323
} ComponentKind;

/* A flag of NORMALIZER_CHAR_MAP: added tokens that are ADDED_SPARED stay as they are. */
#define CHAR_MAP_SPARES_ADDED 0x1

/* A flag of PRE_TOKENIZER_JIEBA: words that are no token are cut at ideographs, and whitespace is dropped. */
#define JIEBA_IDEOGRAPHS 0x1

/* Flags of PRE_TOKENIZER_BYTE_LEVEL. */
#define BYTE_LEVEL_PREFIX_SPACE 0x1 /* a space before every piece that has none */
#define BYTE_LEVEL_WORDS 0x2		/* cuts by GPT-2's pattern */

/* Flags of DECODER_BYTE_LEVEL. */
#define BYTE_LEVEL_APART                                                                           \
	0x4 /* tokens that are TOKEN_APART are decoded by themselves, with spaces between */
#define BYTE_LEVEL_IGNORE 0x8  /* bytes that are no UTF-8 are left out, not replaced */
#define BYTE_LEVEL_STRICT 0x10 /* they are an error */

/* A flag of PRE_TOKENIZER_SPLIT. */
#define SPLIT_INVERT 0x1

/* Classes and flag of PRE_TOKENIZER_RUNS. */
#define RUNS_NONE 0
#define RUNS_ANY 1
#define RUNS_JOIN 0x1

/* Flags of MODEL_BPE. */
#define BPE_FUSE_UNK 0x1
#define BPE_BYTE_FALLBACK 0x2
#define BPE_SLOW 0x4 /* as SentencePiece does */

/* Flags of MODEL_UNIGRAM. */
#define UNIGRAM_BYTE_FALLBACK 0x1
#define UNIGRAM_SLOW 0x2   /* as SentencePiece computes */
#define UNIGRAM_MODERN 0x4 /* pieces that begin with a mark follow an unknown token */

/* A flag of MODEL_BPE and MODEL_UNIGRAM: no token goes across the cuts, and a piece goes on behind them. */
#define MODEL_CONTINUES 0x100
#define MODEL_ARG_MARK 1 /* argument: the character before which those are */

/* Flags of PRE_TOKENIZER_METASPACE and, the first of them, of DECODER_METASPACE. */
#define METASPACE_PREFIX 0x1 /* a mark before every piece that has none; its decoding */
#define METASPACE_FIRST 0x2	 /* before the first one alone */
#define METASPACE_SPLIT 0x4	 /* cuts before marks */

/* A flag of NORMALIZER_QUOTES. */
#define QUOTES_SPACES 0x1 /* joins whitespace */

/* Flags of NORMALIZER_STRIP. */
#define STRIP_LEFT 0x1
#define STRIP_RIGHT 0x2

/* Flags of NORMALIZER_PREPEND. */
#define PREPEND_UNLESS_SPACE 0x1
#define PREPEND_TO_EMPTY 0x2 /* also before an empty text */

/* In the trie of PRE_TOKENIZER_WORDS: the word goes to the model as it is. */
#define WORDS_MODEL INT32_MAX

/* Flags of TokenizerTables. */
#define TOKENIZER_FAST 0x1		   /* follows the fast class where fast and slow differ */
#define TOKENIZER_CLEAN_UP 0x2	   /* decode ends with clean_up_tokenization */
#define TOKENIZER_TRIM 0x10		   /* positions leave out whitespace at both ends of a token */
#define TOKENIZER_TRIM_PREFIX 0x20 /* but not what add_prefix_space put before the first one */
#define TOKENIZER_EOS_ONCE 0x40	   /* a text that ends in the template's token gets none */
#define TOKENIZER_TRIM_AGAIN 0x200 /* once more; likewise */
#define TOKENIZER_TRIM_AGAIN_PREFIX 0x100
#define TOKENIZER_NO_TYPES 0x400 /* models are not given its type ids */
/* Where a long text may be cut so that its parts give the same tokens as the whole. */
#define TOKENIZER_CUT_SPACE 0x4 /* before a space between ASCII letters or digits */
#define TOKENIZER_CUT_HAN 0x8	/* between two characters of U+4E00..U+9FFF */
#define TOKENIZER_CUT_STOP                                                                         \
	0x80 /* behind one of U+3001 U+3002 U+FF01 U+FF0C U+FF1B U+FF1F, before such a one */
#define TOKENIZER_CUTS (TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP)
_Static_assert((TOKENIZER_FAST ^ TOKENIZER_CLEAN_UP ^ TOKENIZER_TRIM ^ TOKENIZER_TRIM_PREFIX ^
				TOKENIZER_EOS_ONCE ^ TOKENIZER_TRIM_AGAIN ^ TOKENIZER_TRIM_AGAIN_PREFIX ^
				TOKENIZER_NO_TYPES ^ TOKENIZER_CUTS) == 0x7FF,
			   "flags of a tokenizer have bits of their own");
#define CUT_MADE(cuts) ((uint32_t) (cuts) << 8)
#define CUT_MOVES                                                                                  \
	0x10000 /* of a component: a space or an ideograph may be something else behind it */

typedef struct ComponentRecord
{
	uint32_t kind;
	uint32_t flags;		/* of the component */
	int32_t	 args[4];	/* of the component */
	uint32_t has_table; /* 1: section "component.<n>" is its table */
	uint32_t cut; /* of normalizers and pre-tokenizers: the TOKENIZER_CUT_* that do not change their
						 * result, and CUT_MADE() of those where they cut themselves */
} ComponentRecord;

typedef enum SpecialToken
{
	SPECIAL_UNK,
	SPECIAL_CLS,
	SPECIAL_SEP,
	SPECIAL_PAD,
	SPECIAL_MASK,
	SPECIAL_BOS,
	SPECIAL_EOS,
	SPECIAL_TOKENS
} SpecialToken;

typedef struct TokenizerTables
{
	uint32_t version;
	uint32_t flags;
	uint32_t n_vocab;					  /* ids are 0 .. n_vocab - 1 */
	int32_t	 special_ids[SPECIAL_TOKENS]; /* -1: none */
	uint32_t n_normalizers, n_pre_tokenizers, n_decoders;
	/* normalizers, pre-tokenizers, the model, decoders */
	ComponentRecord components[];
} TokenizerTables;

#define TOKEN_PRESENT 0x1
#define TOKEN_SPECIAL 0x2
#define TOKEN_ADDED 0x4
#define TOKEN_APART 0x8 /* of the slow tokenizers: decoded by itself */

typedef struct VocabTable
{
	uint32_t n;
	uint32_t n_bytes;
	/* uint32_t offsets[n + 1]; uint8_t flags[n]; char bytes[n_bytes], a NUL behind each token */
	uint32_t offsets[];
} VocabTable;

#define ADDED_SINGLE_WORD 0x1
#define ADDED_LSTRIP 0x2
#define ADDED_RSTRIP 0x4
#define ADDED_SPARED 0x8 /* of the slow tokenizers: not lower-cased */

typedef struct AddedRecord
{
	int32_t	 id;
	uint32_t flags;
} AddedRecord;

typedef enum TemplateList
{
	TEMPLATE_SINGLE,
	TEMPLATE_PAIR,
	TEMPLATE_SINGLE_BARE, /* add_special_tokens false */
	TEMPLATE_PAIR_BARE,
	TEMPLATE_LISTS
} TemplateList;

#define TEMPLATE_TEXT (-1)
#define TEMPLATE_TEXT_PAIR (-2)

typedef struct TemplateItem
{
	int32_t id; /* of a special token, or TEMPLATE_TEXT, TEMPLATE_TEXT_PAIR */
	int32_t type_id;
} TemplateItem;

typedef struct TemplateTable
{
	uint32_t begin[TEMPLATE_LISTS + 1]; /* list i is items[begin[i]] .. items[begin[i + 1] - 1] */
	uint32_t unused;
	TemplateItem items[];
} TemplateTable;

#endif
