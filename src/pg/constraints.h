/*
 * constraints.h: the automata that an engine has made of the grammars in its requests.
 *
 * All of it belongs to the engine's main thread; the automata themselves may be walked by any thread.  An automaton
 * is kept when nobody uses it any more, for the next request with the same grammar.
 */
#ifndef PG_CONSTRAINTS_H
#define PG_CONSTRAINTS_H

#include "pg/resident.h"

#include "task/automaton.h"

/* One request's hold on an automaton. */
typedef struct ConstraintUse ConstraintUse;

/* For a request of max_tokens with the grammar of a payload, a block of so many bytes.  NULL on error. */
extern ConstraintUse *constraint_acquire(Resident *resident, const void *grammar, Size size,
										 int max_tokens, Error *error);
extern void			  constraint_release(ConstraintUse *use);

extern const TokenConstraint *constraint_of_use(const ConstraintUse *use);

/* A model is about to be closed; none of its requests is left. */
extern void constraints_forget(const Model *model);

/* Gives everything up that nobody uses. */
extern void constraints_clear(void);

#endif
