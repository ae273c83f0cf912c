/*
 * constraint.h: what output has to look like, token by token.
 *
 * The interface between whoever chooses tokens and whoever knows which ones may come (automaton.h).
 */
#ifndef TASK_CONSTRAINT_H
#define TASK_CONSTRAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Shared by threads; what it knows of one sequence is state_size bytes that may be copied. */
typedef struct TokenConstraint TokenConstraint;

struct TokenConstraint
{
	size_t state_size;

	/* The state before the first token of the output. */
	void (*start)(const TokenConstraint *constraint, void *state);

	/* Sets a bit for each token that may follow, in (n_vocab + 31) / 32 words that are 0 before, ends of
	 * sequence excepted: *complete says whether it may end here.  False with an error. */
	bool (*allowed)(const TokenConstraint *constraint, const void *state, uint32_t *bits,
					bool *complete, Error *error);

	/* The state behind a token that was allowed. */
	bool (*advance)(const TokenConstraint *constraint, void *state, int32_t token, Error *error);

	/* Whether it is complete and nothing can follow: the sequence ends without an end of sequence. */
	bool (*finished)(const TokenConstraint *constraint, const void *state);
};

#endif
