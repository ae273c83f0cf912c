/*
 * constraint.h: which tokens may come next so that the text becomes one that a grammar has.
 *
 * A Constraint is a grammar over a vocabulary: a deterministic automaton over bytes that is made as far
 * as it is walked, and for each of its states the set of tokens.  Sequences share it; it and they
 * belong to one thread at a time.  A ConstraintState is the place of one sequence in it.
 *
 * As long as every token is one that constraint_allowed gave, the text can be ended within the tokens
 * that are left: a token is allowed when what it makes necessary still has room.
 */
#ifndef TASK_CONSTRAINT_H
#define TASK_CONSTRAINT_H

#include "task/grammar.h"
#include "task/vocabulary.h"

typedef struct Constraint	   Constraint;
typedef struct ConstraintState ConstraintState;

/* The grammar and the vocabulary stay the caller's and must outlive it. */
extern Constraint *constraint_create(const Grammar *grammar, const Vocabulary *vocabulary,
									 Error *error);
extern void		   constraint_free(Constraint *constraint);

/* A sequence's place before its first token; ERR_ARGUMENT when max_tokens are too few for any text. */
extern ConstraintState *constraint_begin(Constraint *constraint, int max_tokens, Error *error);
extern ConstraintState *constraint_copy(const ConstraintState *state, Error *error);
extern void				constraint_end(ConstraintState *state);

/*
 * mask (n_vocab bits, 64 in a word) = the tokens that may come next, one of `left` tokens at most.  *may_end: the
 * text may also end here (the end token is not in the mask).  An empty mask means that it must.
 */
extern bool constraint_allowed(Constraint *constraint, ConstraintState *state, int left,
							   uint64_t *mask, bool *may_end, Error *error);

/* The token has been chosen; ERR_ARGUMENT when it was not allowed. */
extern bool constraint_advance(Constraint *constraint, ConstraintState *state, int32_t id,
							   Error *error);

#endif
