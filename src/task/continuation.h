/*
 * continuation.h: the text that generated tokens add to their prompt's.
 *
 * As Transformers' text-generation pipeline has it: the decoded whole, special tokens skipped, behind as many
 * characters as the decoded prompt has.  So it may begin with a space, or in the middle of a word.  Texts
 * live in the caller's arena.
 */
#ifndef TASK_CONTINUATION_H
#define TASK_CONTINUATION_H

#include "task/generation.h"

/* As continuation_text for output that keeps to a constraint: the bytes of the tokens' own spellings (tok/spelling.h), which
 * no clean-up touches, and of which decoders that drop a space at the beginning of a text drop none.  strips_space: one is
 * left out here.  ids: the generated ones alone. */
extern bool continuation_spelled(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids,
								 int n, bool strips_space, char **text, size_t *length,
								 Error *error);

/* Strings that end a text before them. */
typedef struct StopList
{
	int			   n;
	const int32_t *offsets; /* (n + 1) */
	const char	  *bytes;	/* (offsets[n]) */
} StopList;

/* The text of ids[n_prompt .. n - 1]; NUL-terminated. */
extern bool continuation_text(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids,
							  int n_prompt, int n, char **text, size_t *length, Error *error);

/* Where the first of the stop strings begins; length: there is none.  Of those that begin at one place, any. */
extern size_t stop_find(const StopList *stops, const char *text, size_t length);

/* Whether the text of ids[n_prompt .. n - 1] has a stop string.  Looks at the whole only when its end has
 * one, so that a step's cost does not grow with the text. */
extern bool continuation_stops(const Tokenizer *tokenizer, const StopList *stops, Arena *arena,
							   const int32_t *ids, int n_prompt, int n, bool *stops_here,
							   Error *error);

/*
 * A text in the making, to be shown piece by piece: what is shown never changes afterwards.  Held back is
 * what may yet become something else: the beginning of a stop string, a character whose bytes are not
 * all there, a space that the tokenizer's clean-up may take away.
 */
typedef struct ContinuationStream
{
	const Tokenizer *tokenizer;
	StopList		 stops;
	bool   spelled; /* the text is continuation_spelled's, and there are no stop strings */
	bool   strips_space;
	size_t shown; /* bytes of the continuation's text */
} ContinuationStream;

/* The piece that has become certain with the last of ids[n_prompt .. n - 1]; finished: no token follows, so
 * that nothing is held back.  Points into the arena. */
extern bool continuation_next(ContinuationStream *stream, Arena *arena, const int32_t *ids,
							  int n_prompt, int n, bool finished, const char **piece,
							  size_t *length, Error *error);

#endif
