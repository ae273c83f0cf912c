/*
 * tag.h: what the labels of tokens say of a text: entities, as Transformers' token classification pipeline
 * makes them.
 *
 * A Tagger is the caller's; what it finds lives in the arena that it was given.  Windows are added in their
 * order, each with what the model made of it.  Positions are characters of the text, counted from 0.
 */
#ifndef TASK_TAG_H
#define TASK_TAG_H

#include "base/utf8.h"
#include "tok/tokenizer.h"

typedef enum Aggregation
{
	AGGREGATION_NONE,	 /* tokens as they are */
	AGGREGATION_SIMPLE,	 /* neighbours of one tag */
	AGGREGATION_FIRST,	 /* words; a word has its first token's label */
	AGGREGATION_AVERAGE, /* the label that is likeliest on the average of its tokens */
	AGGREGATION_MAX		 /* that of its surest token */
} Aggregation;

/* "none", "simple", ... */
extern bool aggregation_from_name(const char *name, Aggregation *aggregation);

/* Whether an aggregation asks which tokens go on a word: slow tokenizers can't tell. */
extern bool aggregation_needs_words(Aggregation aggregation);

typedef struct TagSpan
{
	const char *tag; /* a label; when aggregated, what is behind its first '-' */
	double		score;
	int32_t		pos, len;
	size_t		order; /* as found */
} TagSpan;

typedef struct Tagger
{
	const Tokenizer	  *tokenizer;
	const char *const *labels; /* (n_labels); they may begin with B- and I- */
	int				   n_labels;
	const char *const *ignored; /* (n_ignored) tags that are left out */
	int				   n_ignored;
	Aggregation		   aggregation;
	bool			   has_prefix; /* the vocabulary tells what goes on a word */
	Utf8Cursor		   text;
	Arena			  *arena;
	double			  *sums;  /* (n_labels), of a word's tokens */
	TagSpan			  *spans; /* (n): what was found */
	size_t			   n, room;
} Tagger;

/* text is the whole one, well-formed UTF-8. */
extern bool tagger_init(Tagger *tagger, Arena *arena, const Tokenizer *tokenizer,
						const char *const *labels, int n_labels, const char *const *ignored,
						int n_ignored, Aggregation aggregation, const char *text, size_t length,
						Error *error);

/* Adds what one window says; probabilities (n tokens of the window, n_labels). */
extern bool tagger_add(Tagger *tagger, const Encoding *window, const float *probabilities,
					   Error *error);

/* When there was more than one window: of spans that overlap, the longest stays, or the surest. */
extern void tagger_merge(Tagger *tagger);

#endif
