/*
 * automaton.h: which tokens may come next so that a text becomes one that a grammar has.
 *
 * A deterministic automaton over bytes, made as far as it is walked, and for each of its states that
 * was asked for the set of tokens that a vocabulary has to go on.  Requests of one grammar and one vocabulary
 * share it, from any thread: a mutex guards what it learns.  It never forgets, so whoever keeps it looks
 * at automaton_memory() when nobody uses it.
 *
 * A token is allowed when what it makes necessary fits into the tokens that are left: a sequence of allowed
 * tokens always comes to an end that the grammar has.
 */
#ifndef TASK_AUTOMATON_H
#define TASK_AUTOMATON_H

#include "task/constraint.h"
#include "task/grammar.h"
#include "task/vocabulary.h"

#define AUTOMATON_MAX_BYTES ((size_t) 256 << 20) /* ERR_MEMORY for who needs more */

typedef struct Automaton Automaton;

/* Grammar and vocabulary must outlive it.  NULL on error. */
extern Automaton *automaton_create(const Grammar *grammar, const Vocabulary *vocabulary,
								   Error *error);
extern void		  automaton_free(Automaton *automaton);

/* Bytes that it holds. */
extern size_t automaton_memory(Automaton *automaton);

/* One request's constraint. */
typedef struct AutomatonConstraint
{
	TokenConstraint constraint;
	Automaton	   *automaton;
	int				max_tokens;
} AutomatonConstraint;

/* ERR_ARGUMENT when max_tokens tokens are too few for any text of the grammar, ERR_UNSUPPORTED when the
 * vocabulary cannot spell one. */
extern bool automaton_constrain(Automaton *automaton, int max_tokens,
								AutomatonConstraint *constraint, Error *error);

#endif
