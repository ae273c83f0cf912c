/*
 * constraints.c: a list of automata, the one used last first.
 */
#include "pg/constraints.h"

#include "common/hashfn.h"
#include "lib/ilist.h"

#define MOST_IDLE 64
#define MOST_IDLE_BYTES ((size_t) 128 << 20)

typedef struct Kept
{
	dlist_node	 node;
	const Model *model;
	uint32		 hash; /* of the grammar */
	Grammar		*grammar;
	Automaton	*automaton;
	int			 n_users;
} Kept;

struct ConstraintUse
{
	Kept			   *kept;
	AutomatonConstraint constraint;
};

/* A model's vocabulary in the order for walking. */
typedef struct Spelled
{
	dlist_node	 node;
	const Model *model;
	bool		 of_ids;
	Vocabulary	*vocabulary;
} Spelled;

static dlist_head automata = DLIST_STATIC_INIT(automata);
static dlist_head vocabularies = DLIST_STATIC_INIT(vocabularies);

static void
drop(Kept *kept)
{
	dlist_delete(&kept->node);
	automaton_free(kept->automaton);
	free(kept->grammar);
	free(kept);
}

/* Idle ones beyond the bounds go, those used longest ago first. */
static void
trim(int most, size_t most_bytes)
{
	dlist_mutable_iter iter;
	int				   n = 0;
	size_t			   bytes = 0;

	dlist_foreach_modify(iter, &automata)
	{
		Kept *kept = dlist_container(Kept, node, iter.cur);

		if (kept->n_users > 0)
			continue;
		bytes += automaton_memory(kept->automaton) + kept->grammar->size;
		if (++n > most || bytes > most_bytes)
			drop(kept);
	}
}

void
constraints_clear(void)
{
	trim(0, 0);
}

void
constraints_forget(const Model *model)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &automata)
	{
		Kept *kept = dlist_container(Kept, node, iter.cur);

		if (kept->model == model)
			drop(kept);
	}
	dlist_foreach_modify(iter, &vocabularies)
	{
		Spelled *spelled = dlist_container(Spelled, node, iter.cur);

		if (spelled->model != model)
			continue;
		dlist_delete(&spelled->node);
		vocabulary_free(spelled->vocabulary);
		free(spelled);
	}
}

static const Vocabulary *
vocabulary_of(Resident *resident, bool of_ids, Error *error)
{
	Vocabulary *(*create)(const Tokenizer *, int, Error *) =
		of_ids ? vocabulary_of_ids : vocabulary_create;
	Spelled	  *spelled;
	dlist_iter iter;

	dlist_foreach(iter, &vocabularies)
	{
		spelled = dlist_container(Spelled, node, iter.cur);
		if (spelled->model == &resident->model && spelled->of_ids == of_ids)
			return spelled->vocabulary;
	}
	if (!resident_open_tokenizer(resident, error))
		return NULL;
	spelled = malloc(sizeof(Spelled));
	if (spelled == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a vocabulary");
		return NULL;
	}
	spelled->model = &resident->model;
	spelled->of_ids = of_ids;
	spelled->vocabulary = create(&resident->tokenizer, head_outputs(&resident->model), error);
	if (spelled->vocabulary == NULL)
	{
		free(spelled);
		return NULL;
	}
	dlist_push_head(&vocabularies, &spelled->node);
	return spelled->vocabulary;
}

/* The automaton of a grammar that has been compiled before, or NULL. */
static Kept *
find(const Model *model, const Grammar *grammar, uint32 hash)
{
	dlist_iter iter;

	dlist_foreach(iter, &automata)
	{
		Kept *kept = dlist_container(Kept, node, iter.cur);

		if (kept->model == model && kept->hash == hash && kept->grammar->size == grammar->size &&
			memcmp(kept->grammar, grammar, grammar->size) == 0)
			return kept;
	}
	return NULL;
}

static Kept *
keep(Resident *resident, const Grammar *grammar, uint32 hash, Error *error)
{
	const Vocabulary *vocabulary = vocabulary_of(resident, grammar->of_tokens, error);
	Kept			 *kept = vocabulary != NULL ? malloc(sizeof(Kept)) : NULL;

	if (vocabulary == NULL)
		return NULL;
	if (kept != NULL)
		*kept = (Kept){.model = &resident->model, .hash = hash, .grammar = malloc(grammar->size)};
	if (kept == NULL || kept->grammar == NULL)
	{
		free(kept);
		error_set(error, ERR_MEMORY, "out of memory for a grammar of %zu bytes",
				  (size_t) grammar->size);
		return NULL;
	}
	memcpy(kept->grammar, grammar, grammar->size);
	kept->automaton = automaton_create(kept->grammar, vocabulary, error);
	if (kept->automaton == NULL)
	{
		free(kept->grammar);
		free(kept);
		return NULL;
	}
	dlist_push_head(&automata, &kept->node);
	return kept;
}

ConstraintUse *
constraint_acquire(Resident *resident, const void *block, Size size, int max_tokens, Error *error)
{
	const Grammar *grammar = block;
	ConstraintUse *use;
	Kept		  *kept;
	uint32		   hash;

	if (!grammar_check(block, size, error))
		return NULL;
	hash = hash_bytes(block, grammar->size);
	kept = find(&resident->model, grammar, hash);
	if (kept == NULL)
		kept = keep(resident, grammar, hash, error);
	if (kept == NULL)
		return NULL;
	dlist_move_head(&automata, &kept->node);
	use = malloc(sizeof(ConstraintUse));
	if (use == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a constraint");
		return NULL;
	}
	use->kept = kept;
	if (!automaton_constrain(kept->automaton, max_tokens, &use->constraint, error))
	{
		free(use);
		return NULL;
	}
	kept->n_users++;
	trim(MOST_IDLE, MOST_IDLE_BYTES);
	return use;
}

void
constraint_release(ConstraintUse *use)
{
	use->kept->n_users--;
	free(use);
	trim(MOST_IDLE, MOST_IDLE_BYTES);
}

const TokenConstraint *
constraint_of_use(const ConstraintUse *use)
{
	return &use->constraint.constraint;
}
