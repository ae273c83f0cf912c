/*
 * session.h: an image opened in this process, to compute with.
 */
#ifndef IMPORT_SESSION_H
#define IMPORT_SESSION_H

#include "task/runner.h"
#include "tok/tokenizer.h"

typedef struct Session
{
	Image	  image;
	bool	  has_weights, has_tokenizer;
	Model	  model; /* with weights */
	Tokenizer tokenizer;
	Team	 *team;
	Runner	 *runner;
} Session;

/* Kernels whose results have the same bits on any machine: the best for this processor, but not OpenBLAS. */
extern const Kernels *session_exact_kernels(Error *error);

/* Opens an image and what it has of weights and tokenizer, with a team of that many threads. */
extern bool session_open(Session *session, const char *path, const Kernels *kernels, int threads,
						 Error *error);
extern void session_close(Session *session);

#endif
