/*
 * windows.h: a text, or a pair, that is longer than a model takes, as overlapping encodings.
 *
 * They are the fast tokenizers' encoding and its overflowing ones, in their order: a part that is to be cut is laid
 * out as windows that share stride tokens; the first window stands as it would after truncation.  Where both
 * parts of a pair are cut, every window of one meets every window of the other: first the two first ones, then those of
 * the first part's later windows, then the first part's first with the second's later ones.  A window of a slow tokenizer is
 * made in the same way.  Types are the template's in every window; in later windows the tokenizers library gives
 * content type 0 or 1 whatever a TemplateProcessing says, and so does RobertaProcessing without special tokens.
 */
#ifndef TASK_WINDOWS_H
#define TASK_WINDOWS_H

#include "tok/tokens.h"

typedef struct Windows
{
	const Tokenizer *tokenizer;
	const Tokens	*parts[2]; /* the second NULL: a single text */
	bool			 add_special_tokens;
	bool			 from_end;	   /* windows begin at the end of the text */
	size_t			 room[2];	   /* tokens of a part in a window */
	size_t			 step[2];	   /* how far a window is from the one before */
	size_t			 n_windows[2]; /* of a part, at least 1 */
	size_t			 n;			   /* of all: their product */
} Windows;

/*
 * Lays out the windows of one or two texts (second NULL: one) whose tokens tokenizer_tokens has kept all.  Of
 * the options, add_special_tokens, max_length (0: one window), strategy and truncate count: TRUNCATE_START
 * begins at the end of a text, the others at its beginning.  stride is how many tokens a window shares
 * with the one before; a negative one, how many are left out between them.  ERR_ARGUMENT when a window has no room for more than stride tokens, or for any at all;
 * ERR_LIMIT when cutting the one part that may be cut is not enough.
 */
extern bool windows_open(Windows *windows, const Tokenizer *tokenizer, const Tokens *first,
						 const Tokens *second, const EncodeOptions *options, long stride,
						 Error *error);

/* Window i, 0 .. n - 1; its positions are those in the whole texts.  n_whole is its own length. */
extern bool windows_get(const Windows *windows, size_t i, Arena *arena, Encoding *encoding,
						Error *error);

#endif
