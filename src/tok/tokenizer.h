/*
 * tokenizer.h: text to token ids and back, over tables mapped from an image.
 *
 * A Tokenizer is a set of pointers into a mapped image: opening one parses and allocates nothing that
 * lasts.  It is read-only and may be used by many threads at once, each with its own Arena.
 * Positions are characters (not bytes) of the original text, 0-based here, through all normalizations.
 */
#ifndef TOK_TOKENIZER_H
#define TOK_TOKENIZER_H

#include <stdint.h>

#include "image/image.h"
#include "tok/chars.h"
#include "tok/regex.h"
#include "tok/tables.h"
#include "tok/trie.h"

typedef enum Truncate
{
	TRUNCATE_ERROR, /* too long is ERR_LIMIT */
	TRUNCATE_END,	/* what is too much is cut from the end */
	TRUNCATE_START
} Truncate;

/* Of which part of a pair. */
typedef enum TruncateStrategy
{
	TRUNCATE_LONGEST, /* longest_first */
	TRUNCATE_FIRST,	  /* only_first; ERR_LIMIT where that is not enough */
	TRUNCATE_SECOND	  /* only_second; likewise, and ERR_ARGUMENT without a pair */
} TruncateStrategy;

/* "error", "end", "start". */
extern const char *truncate_name(Truncate truncate);
extern bool		   truncate_from_name(const char *name, Truncate *truncate);

/* What a tokenizer shows for a token that its id does not tell: the text that an added token or an unknown one was
 * found as, normalized.  bytes NULL: the id's own string. */
typedef struct TokenText
{
	const char *bytes;
	size_t		length;
} TokenText;

/* One text or pair as the model takes it; arrays live in the caller's arena. */
typedef struct Encoding
{
	int		 n;
	int32_t *ids;
	int32_t *type_ids;
	int32_t *pos; /* first character of the original part; -1 for special tokens of the template */
	int32_t *len; /* characters; 0 for those */
	int8_t	*sequence; /* 1 or 2: the text or its pair; 0 for special tokens of the template */
	int32_t *shape_ids, *pronunciation_ids; /* RoCBert; NULL elsewhere */
	int		 n_whole;						/* tokens before truncation, special ones included */
	TokenText *texts;						/* where asked for, else NULL */
	int32_t *
		words; /* likewise: which word of its text, ascending; -1 for special tokens of the template */
} Encoding;

typedef struct EncodeOptions
{
	bool			 add_special_tokens;
	int				 max_length; /* of the whole encoding; 0: no limit */
	Truncate		 truncate;
	TruncateStrategy strategy;
	bool			 wants_texts, wants_words;
	bool
		reads_little; /* TRUNCATE_END: of a text without a pair only what is kept; n_whole is less */
	/* Asked every few thousand characters; true stops with ERR_CANCELLED.  May be NULL. */
	bool (*interrupted)(void *argument);
	void *argument;
} EncodeOptions;

/* One step of the pipeline: a record of the header, its type (component.h) and its table. */
typedef struct Component
{
	const struct ComponentType *type;
	const ComponentRecord	   *record;
	int							index; /* in Tokenizer.components */
	/* What its type's open() made of its table; unused members are empty. */
	CharTable	chars;
	Trie		trie;
	Regex		regex;
	const char *bytes;
	size_t		length;
} Component;

typedef struct Tokenizer
{
	const TokenizerTables *tables;	/* section "tokenizer" */
	int					   n_vocab; /* ids are 0 .. n_vocab - 1, holes possible */
	int32_t				   unk_id, cls_id, sep_id, pad_id, mask_id, bos_id, eos_id; /* -1: none */

	/* Views of the other sections (tables.h). */
	const VocabTable  *vocab;
	const uint8_t	  *vocab_flags;
	const char		  *vocab_bytes;
	Trie			   vocab_trie;
	const AddedRecord *added;
	uint32_t		   n_added;
	Trie			   added_raw, added_normalized, added_names;
	CharTable		   added_words; /* index NULL: no added token asks for it */
	const TemplateTable *template;
	const int32_t *splits; /* n_splits of them */
	size_t		   n_splits;
	const int32_t *shapes,
		*pronunciations; /* (n_vocab + 1), the last one of the template's tokens; or NULL */

	/* Normalizers, pre-tokenizers, the model, decoders. */
	int		  n_normalizers, n_pre_tokenizers, n_decoders;
	Component components[TOKENIZER_MAX_COMPONENTS];
} Tokenizer;

/* Binds the tables of an image, which must stay open.  ERR_NOT_FOUND when it has no tokenizer, ERR_CORRUPT
 * when a table does not fit its section. */
extern bool tokenizer_open(Tokenizer *tokenizer, const Image *image, Error *error);

/* As tokenizer_open, for tables that find() gives by name: NULL when there is no such table. */
typedef const void *(*TokenizerFind)(void *argument, const char *name, size_t *size);
extern bool tokenizer_bind(Tokenizer *tokenizer, TokenizerFind find, void *argument, Error *error);

/* A text as it is after all normalizers, in the arena, NUL-terminated. */
extern bool tokenizer_normalize(const Tokenizer *tokenizer, Arena *arena, const char *text,
								size_t length, char **normalized, size_t *normalized_length,
								Error *error);

/* Encodes text, or text and pair (pair NULL: single), UTF-8 of the given lengths.  Too long under
 * TRUNCATE_ERROR: ERR_LIMIT, message "text has N tokens, but at most M are allowed". */
extern bool tokenizer_encode(const Tokenizer *tokenizer, Arena *arena, const char *text,
							 size_t length, const char *pair, size_t pair_length,
							 const EncodeOptions *options, Encoding *encoding, Error *error);

/* Takes some tokens of an encoding, which may be used during the call; false with an error stops. */
typedef bool (*TokenSink)(void *argument, const Encoding *part, Error *error);

/* Encodes whole texts however long they are, in the memory of a short one where the tokenizer can cut them: the
 * encoding goes to a sink part by part, in order.  Parts have no shape_ids and pronunciation_ids, and max_length and
 * truncate are not looked at. */
extern bool tokenizer_stream(const Tokenizer *tokenizer, Arena *arena, const char *text,
							 size_t length, const char *pair, size_t pair_length,
							 const EncodeOptions *options, TokenSink sink, void *argument,
							 Error *error);

/* How many tokens a whole text or pair has, in the same memory. */
extern bool tokenizer_count(const Tokenizer *tokenizer, Arena *arena, const char *text,
							size_t length, const char *pair, size_t pair_length,
							const EncodeOptions *options, size_t *n, Error *error);

/* The number of special tokens that the template adds to a text (pair false) or a pair. */
extern int tokenizer_template_size(const Tokenizer *tokenizer, bool pair);

/* Ids back to text, as the Hugging Face tokenizer's decode, clean-up included when its config asks for it.
 * Ids outside the vocabulary decode to nothing.  NUL-terminated, in the arena. */
extern bool tokenizer_decode(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int n,
							 bool skip_special_tokens, char **text, size_t *length, Error *error);

/* As tokenizer_decode; of the options, interrupted counts. */
extern bool tokenizer_decode_long(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids,
								  int n, bool skip_special_tokens, const EncodeOptions *options,
								  char **text, size_t *length, Error *error);

/* How much of a text that tokenizer_decode gave stays as it is whatever tokens follow: without a character
 * that lacks bytes, and without what clean-up may yet change. */
extern size_t tokenizer_settled(const Tokenizer *tokenizer, const char *text, size_t length);

/* The token string of an id, or NULL for a hole; and whether it is a special token.  Points into the image. */
extern const char *tokenizer_token(const Tokenizer *tokenizer, int32_t id, size_t *length);
extern bool		   tokenizer_is_special(const Tokenizer *tokenizer, int32_t id);

/* The id of a token string, or -1. */
extern int32_t tokenizer_id(const Tokenizer *tokenizer, const char *token, size_t length);

#endif
