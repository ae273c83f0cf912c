/*
 * split.h: what becomes of a piece that has delimiters in it.
 */
#ifndef TOK_SPLIT_H
#define TOK_SPLIT_H

#include "tok/component.h"

/* Numbers in images. */
typedef enum SplitBehavior
{
	SPLIT_REMOVED,		   /* delimiters vanish */
	SPLIT_ISOLATED,		   /* each is a piece */
	SPLIT_MERGED_PREVIOUS, /* the first behind other text goes to that */
	SPLIT_MERGED_NEXT,	   /* the last before other text goes to that */
	SPLIT_CONTIGUOUS,	   /* a run of them is a piece */
	SPLIT_BEHAVIORS
} SplitBehavior;

/* Fed with the stretches of one piece in order, delimiters and others; adds pieces as the behaviour has it. */
typedef struct Splitter
{
	Run			 *run;
	Pieces		 *out;
	SplitBehavior behavior;
	bool		  waits; /* a stretch is not yet a piece: */
	size_t		  begin, end;
	bool		  delimiter; /* the last stretch was one */
} Splitter;

/* An empty stretch counts when it is a delimiter. */
extern bool splitter_add(Splitter *splitter, size_t begin, size_t end, bool delimiter);
extern bool splitter_end(Splitter *splitter);

#endif
