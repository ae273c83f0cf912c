/*
 * portions.h: an array of texts, computed in growing portions.
 *
 * While an engine computes one portion the next is tokenized; no request is held while a row is returned.
 * Whoever wants the first rows only waits for few texts.
 */
#ifndef PG_PORTIONS_H
#define PG_PORTIONS_H

#include "pg/work.h"

/* Adds the one item of an input to a work. */
typedef void (*PortionsAdd)(void *argument, Work *work, text *input);

typedef struct Portions
{
	MemoryContext context;
	int			  n_inputs;
	Datum		 *inputs;
	bool		 *nulls;
	const char	 *name; /* of the argument, for errors */
	PortionsAdd	  add;
	void		 *argument;
	Size		  most_bytes; /* of a request */
	int			  most_items;

	Work works[2];
	int	 next;			/* the work that is tokenized and not sent; the other has results */
	int	 first, last;	/* its inputs: first .. last - 1 */
	int	 row, rows_end; /* inputs whose results are there: row .. rows_end - 1 */
	int	 item;			/* of row, unless that is NULL */
} Portions;

/* Lives in the current memory context; inputs is a text[] that lives as long.  Tokenizes the first portion. */
extern void portions_init(Portions *portions, ModelHandle *handle, const WorkKind *kind,
						  ArrayType *inputs, const char *name, PortionsAdd add, void *argument);

/* The next input, counted from 0, and its results; results NULL: the input is.  False: there are no more. */
extern bool portions_next(Portions *portions, int *input, const float4 **results);

#endif
