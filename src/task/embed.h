/*
 * embed.h: one vector a text, from the last hidden states.
 */
#ifndef TASK_EMBED_H
#define TASK_EMBED_H

#include "model/model.h"

typedef enum Pooling
{
	POOLING_MEAN, /* over all tokens of the sequence, special ones included */
	POOLING_CLS,  /* the first token */
	POOLING_MAX,
	POOLING_LAST,
	POOLING_POOLER /* the family's pooler output */
} Pooling;

extern bool		   pooling_from_name(const char *name, Pooling *pooling);
extern const char *pooling_name(Pooling pooling);

/* Leaves the whitespace at both ends of a UTF-8 text out, as sentence-transformers do (str.strip of Python). */
extern void embed_strip(const char **text, size_t *length);

/*
 * out (dimensions) = the pooled vector of sequence i of a batch, its first `dimensions` numbers,
 * divided by their Euclidean norm (at least 1e-12, as torch.nn.functional.normalize) when
 * normalize.
 */
extern void embed_pool(const Model *model, const Batch *batch, const Output *output, int sequence,
					   Pooling pooling, int dimensions, bool normalize, float *out);

#endif
