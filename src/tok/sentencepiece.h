/*
 * sentencepiece.h: the tables of SentencePiece's own normalizer and decoder.
 */
#ifndef TOK_SENTENCEPIECE_H
#define TOK_SENTENCEPIECE_H

#include <stdint.h>

/* Flags of PRE_TOKENIZER_SENTENCEPIECE. */
#define SENTENCEPIECE_PREFIX 0x1 /* a space before the text */
#define SENTENCEPIECE_TRIM 0x2	 /* runs of spaces become one, at the ends none */
#define SENTENCEPIECE_MARK 0x4	 /* spaces become this: */
#define SENTENCEPIECE_MARK_CHARACTER 0x2581
/* Transformers' "legacy" false: what begins with a space or mark keeps it, and one that the class puts before the text
 * vanishes when a special token is next. */
#define SENTENCEPIECE_MODERN 0x8

/* The table: this; a Trie (n_rules bytes) of texts to where their replacements begin; a Trie (n_user bytes) of
 * user-defined symbols, which stay as they are; the replacements (n_texts bytes), NUL behind each. */
typedef struct SentencePieceTable
{
	uint32_t n_rules, n_user, n_texts;
	/* 1: an ASCII character that stays as it is when another one follows; never of a space. */
	uint8_t plain[128];
} SentencePieceTable;

/* How the slow classes make a text of tokens; the argument of DECODER_SENTENCEPIECE. */
typedef enum SentencePieceStyle
{
	STYLE_JOIN,	   /* one after the other, marks become spaces, trimmed */
	STYLE_SPECIAL, /* special tokens with a space before, what is between decoded; trimmed */
	STYLE_T5,	   /* likewise, the first token without its marks */
	STYLE_LLAMA,   /* likewise, without its first one; not trimmed */
	STYLE_PEGASUS, /* special tokens without spaces; trimmed */
	STYLES
} SentencePieceStyle;

/* Flags of DECODER_SENTENCEPIECE. */
#define DECODE_SPACES 0x1	  /* between what is decoded apart */
#define DECODE_KEEP_EMPTY 0x2 /* even where nothing is */
#define DECODE_ADDED_APART                                                                         \
	0x4					   /* all added tokens are decoded by themselves, not only TOKEN_APART */
#define DECODE_CLOSE 0x8   /* no space before [MASK] and [SEP] */
#define DECODE_LEGACY 0x10 /* of STYLE_LLAMA: spaces before special tokens */
#define DECODE_BEGINS 0x20 /* a mark at the beginning vanishes */
#define DECODE_TRIMS 0x40  /* all tokens that are one at the beginning do */

/* What a token is to the decoder. */
typedef enum DecodeKind
{
	DECODE_TEXT,
	DECODE_CONTROL, /* nothing */
	DECODE_UNKNOWN, /* the unknown token's surface */
	DECODE_BYTE,
	DECODE_AS_IS /* no token: marks stay */
} DecodeKind;

/* The decoder's table: this; uint8_t kinds[n_kinds], by id; the surface. */
typedef struct DecodeTable
{
	uint32_t n_kinds, n_surface;
} DecodeTable;

#endif
