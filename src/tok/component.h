/*
 * component.h: what a component of a pipeline is at run time.
 *
 * A Component is a record of the image with its table opened.  A ComponentType says how a kind is opened
 * and run; component.c lists them all, and a new kind is one file and one line there.  A Run is the working
 * memory of one call, owned by the caller's thread; components are read-only.
 */
#ifndef TOK_COMPONENT_H
#define TOK_COMPONENT_H

#include "tok/chars.h"
#include "tok/tables.h"
#include "tok/text.h"
#include "tok/tokenizer.h"
#include "tok/tokens.h"
#include "tok/trie.h"

typedef struct Run
{
	const Tokenizer		*tokenizer;
	Arena				*arena;
	const EncodeOptions *options;
	Tokens				*tokens;
	Error				*error;
	Text				 text[2];	/* components read one and write the other */
	Pieces				 pieces[2]; /* likewise */
	int					 current, current_pieces;
	bool				 continues; /* the block goes on where the one before it ended */
	size_t				 ticks;		/* characters since options->interrupted was last asked */
	void *scratch[TOKENIZER_MAX_COMPONENTS]; /* a component's own, kept over blocks */
} Run;

/* Bytes of a text between two calls of options->interrupted. */
#define RUN_TICKS 16384

extern bool run_interrupted(Run *run);

/* To be called for every so many characters or bytes of work; false when the caller wants to stop. */
static inline bool
run_tick(Run *run, size_t work)
{
	run->ticks += work;
	return run->ticks < RUN_TICKS || !run_interrupted(run);
}

/* Cuts one open piece of a text into smaller ones. */
typedef bool (*PieceSplitter)(const Component *component, Run *run, const Text *text,
							  const Piece *piece, Pieces *out);

/* Runs it on every open piece; the others stay. */
extern bool run_split_pieces(const Component *component, Run *run, const Pieces *in, Pieces *out,
							 PieceSplitter split);

/* Cuts one open piece of a text into smaller ones of another text, behind what that has. */
typedef bool (*PieceRewriter)(const Component *component, Run *run, const Text *text,
							  const Piece *piece, Text *result, Pieces *out);

/* Runs it on every open piece; the others are copied.  The text is the new one afterwards. */
extern bool run_rewrite_pieces(const Component *component, Run *run, const Pieces *in, Pieces *out,
							   PieceRewriter rewrite);

/* Copies a piece that a rewriting pre-tokenizer leaves alone behind result. */
extern bool run_copy_piece(Run *run, const Text *text, const Piece *piece, Text *result,
						   Pieces *out);

/* Has the next token that is added shown as these bytes. */
extern bool run_show_as(Run *run, const char *bytes, size_t length);

/* Adds the tokens that take the place of one. */
extern bool run_emit_split(Run *run, const Text *text, size_t begin, size_t end, int32_t id);

/* Adds a token for bytes begin .. end - 1 of a text; an id that the vocabulary has not is ERR_CORRUPT. */
static inline bool
run_emit(Run *run, const Text *text, size_t begin, size_t end, int32_t id)
{
	if ((uint32_t) id >= (uint32_t) run->tokenizer->n_vocab)
		return error_set(run->error, ERR_CORRUPT, "tokenizer gives id %d of a vocabulary of %d", id,
						 run->tokenizer->n_vocab);
	if ((size_t) id < run->tokenizer->n_splits && run->tokenizer->splits[id] > 0)
		return run_emit_split(run, text, begin, end, id);
	return tokens_add(run->tokens, run->arena, id, text->origin[begin], text->origin[end - 1] + 1,
					  run->error);
}

/* Tokens being turned back into text. */
typedef struct Fragment
{
	const char *bytes;
	size_t		length;
	int32_t		id; /* the token it was */
} Fragment;

typedef struct Decoding
{
	const Tokenizer		*tokenizer;
	Arena				*arena;
	Fragment			*fragments; /* joined in the end */
	size_t				 n;
	Error				*error;
	char				*spare; /* bytes that no fragment has yet */
	size_t				 n_spare;
	const EncodeOptions *options; /* interrupted counts; NULL: nothing interrupts */
	size_t				 ticks;	  /* bytes since it was last asked */
} Decoding;

/* As run_tick. */
extern bool decoding_interrupted(Decoding *decoding);

static inline bool
decoding_tick(Decoding *decoding, size_t work)
{
	decoding->ticks += work;
	return decoding->ticks < RUN_TICKS || !decoding_interrupted(decoding);
}

/* Room for some bytes; NULL when there is no memory or the caller wants to stop. */
extern char *decoding_bytes(Decoding *decoding, size_t n);

/* Copies a fragment's bytes; what is no UTF-8 becomes U+FFFD, one for each maximal part of a character (Unicode
 * 3.9, U+FFFD Substitution of Maximal Subparts). */
typedef enum InvalidBytes
{
	INVALID_REPLACE,
	INVALID_IGNORE, /* they are left out */
	INVALID_ERROR	/* ERR_DATA */
} InvalidBytes;

extern bool fragment_make_text(Decoding *decoding, Fragment *fragment, InvalidBytes invalid);

/* Whether the slow tokenizers decode a token by itself. */
static inline bool
fragment_is_apart(const Decoding *decoding, const Fragment *fragment)
{
	return fragment->id >= 0 && (decoding->tokenizer->vocab_flags[fragment->id] & TOKEN_APART);
}

/* All fragments as one, with spaces between or none. */
extern bool decoding_join(Decoding *decoding, Fragment *whole, bool spaces);

/* Puts bytes before a fragment. */
extern bool fragment_prepend(Decoding *decoding, Fragment *fragment, const char *bytes,
							 size_t length);

/* Puts to in the place of every from, which does not overlap itself; an empty one is before every character and at
 * the end. */
extern bool fragment_replace(Decoding *decoding, Fragment *fragment, const char *from,
							 size_t n_from, const char *to, size_t n_to);

/* Takes out the spaces that tokenization puts before punctuation and English contractions; the tokenizers
 * library's list (of_library) has one more than Transformers'. */
extern bool fragment_clean_up(Decoding *decoding, Fragment *fragment, bool of_library);

/* The byte that a token like "<0xE2>" stands for, or -1. */
extern int byte_fallback_byte(const char *token, size_t length);

typedef struct ComponentType
{
	ComponentKind kind;
	const char	 *name;
	/* Opens the record's table into component->table and checks what can be checked at once. */
	bool (*open)(Component *component, const void *data,
				 size_t size); /* One of these, by the stage it belongs to: */
	/* Appends the normalized text to out.  Among pre-tokenizers it is run on every open piece. */
	bool (*normalize)(const Component *component, Run *run, const Text *in, Text *out);
	/* Fills out with smaller pieces of run->text[run->current]; a piece that is not PIECE_OPEN stays. */
	bool (*split)(const Component *component, Run *run, const Pieces *in, Pieces *out);
	/* Tokens of bytes begin .. end - 1 of the text into run->tokens. */
	bool (*tokenize)(const Component *component, Run *run, const Text *text, size_t begin,
					 size_t end);
	bool (*decode)(const Component *component, Decoding *decoding);
} ComponentType;

/* The type of a kind, or NULL. */
extern const ComponentType *component_type(uint32_t kind);

/* The open() of a kind that has none. */
extern bool no_table(Component *component, const void *data, size_t size);

extern const ComponentType char_map_type, compose_type, prepend_type, strip_type;
extern const ComponentType jieba_type;
extern const ComponentType bert_pre_tokenizer_type, words_type, byte_level_type, delimiters_type,
	runs_type;
extern const ComponentType split_type, replace_type, replace_decoder_type;
extern const ComponentType wordpiece_type, bpe_type, wordlevel_type;
extern const ComponentType bpe_decoder_type, ctc_decoder_type, strip_decoder_type;
extern const ComponentType quotes_type, precompiled_type, metaspace_type, unigram_type,
	metaspace_decoder_type, byte_fallback_decoder_type, fuse_decoder_type, sentencepiece_type,
	sentencepiece_decoder_type;
extern const ComponentType wordpiece_decoder_type, words_decoder_type, byte_level_decoder_type;

#endif
