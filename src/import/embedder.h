/*
 * embedder.h: texts to vectors in this process, with the settings stored in an image.
 */
#ifndef IMPORT_EMBEDDER_H
#define IMPORT_EMBEDDER_H

#include "import/session.h"

typedef struct Embedder
{
	Session		  session;
	EncodeOptions encode;
	Pooling		  pooling;
	bool		  normalize;
	bool		  strips; /* whitespace at both ends of a text is not embedded */
	const char	 *prompt; /* the default prompt's text, or "" */
} Embedder;

/* Opens an image that has weights and tokenizer. */
extern bool embedder_open(Embedder *embedder, const char *path, const Kernels *kernels, int threads,
						  Error *error);
extern void embedder_close(Embedder *embedder);

/* Tokenizes n texts: items (n) and n_tokens of all; their memory is the arena's. */
extern bool embedder_encode(const Embedder *embedder, Arena *arena, const char *const *texts, int n,
							RunItem **items, long *n_tokens, Error *error);

/* Gives each item its place in out (n, hidden_size) and computes. */
extern bool embedder_run(Embedder *embedder, RunItem *items, int n, float *out, Error *error);

#endif
