/*
 * automaton.c: a grammar's rules as a deterministic automaton, made as it is walked.
 *
 * A state is a set of stacks: where the rule at hand is, above it where each rule that called goes on.  Sets
 * are numbered in a hash table; a state's row says which state each class of bytes leads to.  Bytes are
 * of one class when no edge of the grammar tells them apart.
 */
#include "task/automaton.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define DEAD 0 /* the state without stacks */
#define UNKNOWN (-1)
#define MAX_DEPTH 256	  /* rules under way in one stack; deeper ones are left out */
#define MAX_STACKS 1024	  /* of a state; those that are furthest from an end are left out */
#define MAX_PENDING 16384 /* stacks while a state is made */

typedef struct Stack
{
	int		 depth;
	uint32_t distance;			/* bytes to the end at least */
	int32_t	 places[MAX_DEPTH]; /* grammar states: who called first, .., where it is now */
} Stack;

typedef struct State
{
	const int32_t *stacks; /* for each: depth, places */
	int			   n_numbers, n_stacks;
	uint32_t	   distance;
	bool		   may_end;
	int32_t		  *next;	 /* (n_classes) */
	uint32_t	  *mask;	 /* (mask_words) or NULL: not asked for yet */
	uint32_t	   furthest; /* most bytes that a token of the mask leaves necessary */
} State;

struct Automaton
{
	pthread_mutex_t	  mutex;
	const Grammar	 *grammar;
	const Vocabulary *vocabulary;
	Arena			  arena;
	uint8_t			  classes[256];
	int				  n_classes, mask_words;
	uint8_t			  samples[256]; /* the lowest byte of each class */
	State			 *states;
	int				  n_states, states_room;
	int32_t			 *table; /* (table_size) numbers of states, DEAD: free; open addressing */
	int				  table_size;
	Stack			 *pending; /* (pending_room) scratch: stacks of the state that is being made */
	int				  n_pending, pending_room;
	Stack			**order;   /* (pending_room) scratch */
	int32_t			 *numbers; /* (numbers_room) scratch */
	size_t			  numbers_room;
};

/* What a constraint keeps of a sequence. */
typedef struct Place
{
	int32_t state;
	int32_t left; /* tokens */
} Place;

/* ---- making states ---- */

/* Classes: a byte begins one where some edge begins, or one has ended before it. */
static void
make_classes(Automaton *automaton)
{
	const GrammarEdge *edges = grammar_edges(automaton->grammar);
	bool			   begins[257] = {true};
	int class = -1;

	for (uint32_t i = 0; i < automaton->grammar->n_edges; i++)
		if (edges[i].kind == EDGE_BYTES)
			begins[edges[i].low] = begins[edges[i].high + 1] = true;
	for (int byte = 0; byte < 256; byte++)
	{
		if (begins[byte])
			automaton->samples[++class] = (uint8_t) byte;
		automaton->classes[byte] = (uint8_t) class;
	}
	automaton->n_classes = class + 1;
}

static bool
is_end(const Automaton *automaton, int32_t place)
{
	const GrammarState *states = grammar_states(automaton->grammar);

	return states[place].final && states[place].first == states[place + 1].first;
}

/* Adds a stack to those of the state that is being made, unless it is there or leads to no end. */
static bool
add_stack(Automaton *automaton, const Stack *stack, Error *error)
{
	size_t bytes = (size_t) stack->depth * sizeof(int32_t);

	for (int i = 0; i < stack->depth; i++)
		if (grammar_states(automaton->grammar)[stack->places[i]].distance == GRAMMAR_NO_END)
			return true;
	for (int i = 0; i < automaton->n_pending; i++)
		if (automaton->pending[i].depth == stack->depth &&
			memcmp(automaton->pending[i].places, stack->places, bytes) == 0)
			return true;
	if (automaton->n_pending == MAX_PENDING)
		return error_set(
			error, ERR_LIMIT,
			"a constraint has more than the %d ways on from one place that are allowed",
			MAX_PENDING);
	if (automaton->n_pending == automaton->pending_room)
	{
		int		room = automaton->pending_room * 2;
		Stack  *pending = realloc(automaton->pending, (size_t) room * sizeof *pending);
		Stack **order;

		if (pending != NULL)
			automaton->pending = pending;
		order = realloc(automaton->order, (size_t) room * sizeof *order);
		if (order != NULL)
			automaton->order = order;
		if (pending == NULL || order == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d stacks of a grammar", room);
		automaton->pending_room = room;
	}
	automaton->pending[automaton->n_pending++] = *stack;
	return true;
}

/* Adds what a stack leads to without a byte: into rules, out of them, along empty edges. */
static bool
add_closure(Automaton *automaton, Error *error)
{
	const Grammar	   *grammar = automaton->grammar;
	const GrammarState *states = grammar_states(grammar);

	for (int i = 0; i < automaton->n_pending; i++)
	{
		Stack	stack = automaton->pending[i]; /* a copy: the array may move */
		int32_t place;

		if (stack.depth == 0)
			continue;
		place = stack.places[stack.depth - 1];
		for (uint32_t j = states[place].first; j < states[place + 1].first; j++)
		{
			const GrammarEdge *edge = &grammar_edges(grammar)[j];
			Stack			   next = stack;

			if (edge->kind == EDGE_BYTES)
				continue;
			/* nobody comes back to a place where nothing is left to do */
			if (is_end(automaton, edge->target))
				next.depth--;
			else
				next.places[next.depth - 1] = edge->target;
			if (edge->kind == EDGE_CALL)
			{
				if (next.depth == MAX_DEPTH)
					continue;
				next.places[next.depth++] = (int32_t) grammar_starts(grammar)[edge->rule];
			}
			if (!add_stack(automaton, &next, error))
				return false;
		}
		if (states[place].final)
		{
			stack.depth--;
			if (!add_stack(automaton, &stack, error))
				return false;
		}
	}
	return true;
}

/* Bytes to the end of a stack at least, the next one taken where it is; GRAMMAR_NO_END: it takes none. */
static uint32_t
stack_distance(const Automaton *automaton, const Stack *stack)
{
	const GrammarState *states = grammar_states(automaton->grammar);
	uint32_t			least = GRAMMAR_NO_END;
	uint64_t			distance = 1;
	int32_t				place;

	if (stack->depth == 0)
		return GRAMMAR_NO_END;
	place = stack->places[stack->depth - 1];
	for (uint32_t i = states[place].first; i < states[place + 1].first; i++)
	{
		const GrammarEdge *edge = &grammar_edges(automaton->grammar)[i];

		if (edge->kind == EDGE_BYTES && states[edge->target].distance < least)
			least = states[edge->target].distance;
	}
	for (int i = 0; i < stack->depth - 1; i++)
		distance += states[stack->places[i]].distance;
	distance += least;
	return distance < GRAMMAR_NO_END ? (uint32_t) distance : GRAMMAR_NO_END;
}

static int
compare_stacks(const void *a, const void *b)
{
	const Stack *left = *(Stack *const *) a, *right = *(Stack *const *) b;

	if (left->distance != right->distance)
		return left->distance < right->distance ? -1 : 1;
	if (left->depth != right->depth)
		return left->depth < right->depth ? -1 : 1;
	return memcmp(left->places, right->places, (size_t) left->depth * sizeof(int32_t));
}

static uint32_t
hash_numbers(const int32_t *numbers, int n, bool may_end)
{
	uint64_t hash = 0x9E3779B97F4A7C15u + may_end;

	for (int i = 0; i < n; i++)
	{
		hash = (hash ^ (uint32_t) numbers[i]) * 0xD6E8FEB86659FD93u;
		hash ^= hash >> 32;
	}
	return (uint32_t) hash;
}

/* Where a state is in the table, or would be. */
static int
table_slot(const Automaton *automaton, const int32_t *numbers, int n, bool may_end)
{
	uint32_t mask = (uint32_t) automaton->table_size - 1;
	uint32_t slot = hash_numbers(numbers, n, may_end) & mask;

	for (; automaton->table[slot] != DEAD; slot = (slot + 1) & mask)
	{
		const State *state = &automaton->states[automaton->table[slot]];

		if (state->n_numbers == n && state->may_end == may_end &&
			memcmp(state->stacks, numbers, (size_t) n * sizeof(int32_t)) == 0)
			break;
	}
	return (int) slot;
}

static bool
grow_tables(Automaton *automaton, Error *error)
{
	State	*states;
	int32_t *table;
	int		 room = automaton->states_room * 2;

	if (automaton->n_states < automaton->states_room)
		return true;
	states = realloc(automaton->states, (size_t) room * sizeof *states);
	if (states != NULL)
		automaton->states = states;
	table = calloc((size_t) room * 2, sizeof *table);
	if (states == NULL || table == NULL)
	{
		free(table);
		return error_set(error, ERR_MEMORY, "out of memory for %d states of a grammar", room);
	}
	free(automaton->table);
	automaton->table = table;
	automaton->table_size = room * 2;
	automaton->states_room = room;
	for (int i = DEAD + 1; i < automaton->n_states; i++)
	{
		const State *state = &states[i];

		table[table_slot(automaton, state->stacks, state->n_numbers, state->may_end)] = i;
	}
	return true;
}

static size_t
memory(const Automaton *automaton)
{
	return automaton->arena.size + (size_t) automaton->states_room * sizeof(State) +
		   (size_t) automaton->table_size * sizeof(int32_t);
}

/* A new state of n_stacks stacks, the numbers of which are in the scratch; its number or UNKNOWN. */
static int
new_state(Automaton *automaton, int n_numbers, int n_stacks, uint32_t distance, bool may_end,
		  Error *error)
{
	int32_t *stacks, *next;

	if (memory(automaton) > AUTOMATON_MAX_BYTES)
	{
		error_set(error, ERR_MEMORY, "the states of a grammar need more than the %zu MB allowed",
				  AUTOMATON_MAX_BYTES >> 20);
		return UNKNOWN;
	}
	stacks = arena_alloc_raw(&automaton->arena, (size_t) n_numbers + 1, sizeof *stacks);
	next = arena_alloc_raw(&automaton->arena, (size_t) automaton->n_classes, sizeof *next);
	if (stacks == NULL || next == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a state of a grammar");
		return UNKNOWN;
	}
	memcpy(stacks, automaton->numbers, (size_t) n_numbers * sizeof *stacks);
	for (int i = 0; i < automaton->n_classes; i++)
		next[i] = UNKNOWN;
	automaton->states[automaton->n_states] = (State){.stacks = stacks,
													 .n_numbers = n_numbers,
													 .n_stacks = n_stacks,
													 .distance = distance,
													 .may_end = may_end,
													 .next = next};
	return automaton->n_states++;
}

/* The number of the state that the pending stacks make; UNKNOWN with an error. */
static int
finish_state(Automaton *automaton, Error *error)
{
	int		 n = 0, slot;
	size_t	 n_numbers = 0;
	uint32_t distance = GRAMMAR_NO_END;
	bool	 may_end = false;

	if (!grow_tables(automaton, error) || !add_closure(automaton, error))
		return UNKNOWN;
	for (int i = 0; i < automaton->n_pending; i++)
	{
		Stack *stack = &automaton->pending[i];

		may_end = may_end || stack->depth == 0;
		stack->distance = stack_distance(automaton, stack);
		if (stack->distance != GRAMMAR_NO_END)
			automaton->order[n++] = stack;
	}
	if (n == 0 && !may_end)
		return DEAD;
	qsort(automaton->order, (size_t) n, sizeof *automaton->order, compare_stacks);
	n = n > MAX_STACKS ? MAX_STACKS : n;
	for (int i = 0; i < n; i++)
		n_numbers += (size_t) automaton->order[i]->depth + 1;
	if (n_numbers > automaton->numbers_room)
	{
		int32_t *numbers = realloc(automaton->numbers, n_numbers * 2 * sizeof *numbers);

		if (numbers == NULL)
		{
			error_set(error, ERR_MEMORY, "out of memory for %zu places of a grammar", n_numbers);
			return UNKNOWN;
		}
		automaton->numbers = numbers;
		automaton->numbers_room = n_numbers * 2;
	}
	n_numbers = 0;
	for (int i = 0; i < n; i++)
	{
		const Stack *stack = automaton->order[i];

		automaton->numbers[n_numbers++] = stack->depth;
		memcpy(automaton->numbers + n_numbers, stack->places,
			   (size_t) stack->depth * sizeof(int32_t));
		n_numbers += (size_t) stack->depth;
		distance = stack->distance < distance ? stack->distance : distance;
	}
	if (may_end)
		distance = 0;
	slot = table_slot(automaton, automaton->numbers, (int) n_numbers, may_end);
	if (automaton->table[slot] == DEAD)
	{
		int state = new_state(automaton, (int) n_numbers, n, distance, may_end, error);

		if (state == UNKNOWN)
			return UNKNOWN;
		automaton->table[slot] = state;
	}
	return automaton->table[slot];
}

/* Where a byte leads from a state; UNKNOWN with an error. */
static int
step(Automaton *automaton, int from, uint8_t byte, Error *error)
{
	const Grammar *grammar = automaton->grammar;
	int class = automaton->classes[byte], next;
	const int32_t *numbers = automaton->states[from].stacks;

	if (automaton->states[from].next[class] != UNKNOWN)
		return automaton->states[from].next[class];
	automaton->n_pending = 0;
	for (int i = 0; i < automaton->states[from].n_stacks; i++, numbers += numbers[0] + 1)
	{
		int32_t				place = numbers[numbers[0]];
		const GrammarState *state = &grammar_states(grammar)[place];

		for (uint32_t j = state[0].first; j < state[1].first; j++)
		{
			const GrammarEdge *edge = &grammar_edges(grammar)[j];
			Stack			   stack = {.depth = numbers[0]};

			if (edge->kind != EDGE_BYTES || byte < edge->low || byte > edge->high)
				continue;
			memcpy(stack.places, numbers + 1, (size_t) numbers[0] * sizeof(int32_t));
			if (is_end(automaton, edge->target))
				stack.depth--;
			else
				stack.places[stack.depth - 1] = edge->target;
			if (!add_stack(automaton, &stack, error))
				return UNKNOWN;
		}
	}
	next = automaton->n_pending == 0 ? DEAD : finish_state(automaton, error);
	if (next != UNKNOWN)
		automaton->states[from].next[class] = next;
	return next;
}

/* ---- tokens ---- */

static inline void
set_bit(uint32_t *mask, int32_t id)
{
	mask[id / 32] |= UINT32_C(1) << (id % 32);
}

/* Sets the bits of the tokens that lead from a state to one from which `most` bytes are enough.  Tokens come in the
 * order of their bytes: each begins where it parts from the one before. */
static bool
walk(Automaton *automaton, int from, uint32_t most, uint32_t *mask, uint32_t *furthest,
	 Error *error)
{
	const Vocabulary *vocabulary = automaton->vocabulary;
	int				  path[VOCABULARY_MAX_BYTES + 1] = {from};
	int				  alive = 0; /* bytes of the last token that have led somewhere */

	*furthest = 0;
	for (int i = 0; i < vocabulary->n; i++)
	{
		const uint8_t *bytes = vocabulary->bytes + vocabulary->begins[i];
		int			   length = vocabulary->lengths[i], at = vocabulary->common[i];
		uint32_t	   distance;

		if (at > alive)
			continue;
		for (alive = at; alive < length; alive++)
		{
			int next = step(automaton, path[alive], bytes[alive], error);

			if (next == UNKNOWN)
				return false;
			if (next == DEAD)
				break;
			path[alive + 1] = next;
		}
		if (alive < length)
			continue;
		distance = automaton->states[path[length]].distance;
		if (distance <= most)
			set_bit(mask, vocabulary->ids[i]);
		if (distance > *furthest)
			*furthest = distance;
	}
	return true;
}

/* The first token of the shortest way to an end, spelt with tokens as long as possible: an index into the
 * vocabulary's order; -1 at an end.  *n: how many tokens the way takes.  Both depend on the state alone, and the
 * rest of a way is the way from there. */
static bool
shortest_way(Automaton *automaton, int from, int *first, int *n, Error *error)
{
	const Vocabulary *vocabulary = automaton->vocabulary;
	uint32_t		  length = automaton->states[from].distance;
	uint8_t			 *text = malloc((size_t) length + 1);
	bool			  ok = true;

	*first = -1;
	*n = 0;
	if (text == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a text of %u bytes", length);
	for (uint32_t i = 0; i < length && ok; i++)
	{
		int class = 0, next = UNKNOWN;

		for (; class < automaton->n_classes; class ++)
		{
			next = step(automaton, from, automaton->samples[class], error);
			if (next == UNKNOWN ||
				(next != DEAD && automaton->states[next].distance == length - i - 1))
				break;
		}
		ok = next != UNKNOWN && class < automaton->n_classes;
		if (ok)
			text[i] = automaton->samples[class];
		else if (next != UNKNOWN)
			error_set(error, ERR_CORRUPT, "a grammar has no way of its length");
		from = next;
	}
	for (uint32_t at = 0; at < length && ok;)
	{
		int token = vocabulary_longest(vocabulary, text + at, length - at);

		ok = token >= 0 || error_set(error, ERR_UNSUPPORTED,
									 "the tokenizer has no token for byte 0x%02x, which the "
									 "constraint needs",
									 text[at]);
		if (!ok)
			break;
		if (*n == 0)
			*first = token;
		at += vocabulary->lengths[token];
		++*n;
	}
	free(text);
	return ok;
}

static bool
mask_of(Automaton *automaton, int number, Error *error)
{
	uint32_t  furthest;
	uint32_t *mask;

	if (automaton->states[number].mask != NULL)
		return true;
	mask = arena_alloc(&automaton->arena, (size_t) automaton->mask_words, sizeof *mask);
	if (mask == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a set of %d tokens",
						 automaton->vocabulary->n_vocab);
	if (!walk(automaton, number, GRAMMAR_NO_END - 1, mask, &furthest, error))
		return false;
	automaton->states[number].mask = mask;
	automaton->states[number].furthest = furthest;
	return true;
}

/* ---- a constraint ---- */

static const AutomatonConstraint *
constraint_of(const TokenConstraint *constraint)
{
	return (const AutomatonConstraint *) constraint;
}

/* The state before any text is the first one that was made. */
static void
start_sequence(const TokenConstraint *constraint, void *state)
{
	*(Place *) state = (Place){.state = DEAD + 1, .left = constraint_of(constraint)->max_tokens};
}

/* Bytes of which the tokens that are left behind the next one can have any: a token has one at least. */
static uint32_t
certain_bytes(const Automaton *automaton, const Place *place)
{
	uint64_t bytes = place->left > 0 ? (uint64_t) place->left - 1 : 0;

	if (automaton->grammar->of_tokens)
		bytes *= TOKEN_BYTES;
	return bytes < GRAMMAR_NO_END ? (uint32_t) bytes : GRAMMAR_NO_END - 1;
}

static bool
allowed_tokens(const TokenConstraint *constraint, const void *state, uint32_t *bits, bool *complete,
			   Error *error)
{
	Automaton	*automaton = constraint_of(constraint)->automaton;
	const Place *place = state;
	uint32_t	 most = certain_bytes(automaton, place), furthest;
	bool		 ok;

	pthread_mutex_lock(&automaton->mutex);
	ok = mask_of(automaton, place->state, error);
	*complete = automaton->states[place->state].may_end;
	if (ok && automaton->states[place->state].furthest <= most)
		memcpy(bits, automaton->states[place->state].mask,
			   (size_t) automaton->mask_words * sizeof *bits);
	else if (ok && place->left > 0)
	{
		int first, n;

		/* a way takes no more tokens than bytes; the one that is known may take fewer than that */
		ok = walk(automaton, place->state, most, bits, &furthest, error) &&
			 shortest_way(automaton, place->state, &first, &n, error);
		if (ok && first >= 0)
			set_bit(bits, automaton->vocabulary->ids[first]);
	}
	pthread_mutex_unlock(&automaton->mutex);
	return ok;
}

static bool
advance_sequence(const TokenConstraint *constraint, void *state, int32_t token, Error *error)
{
	Automaton		 *automaton = constraint_of(constraint)->automaton;
	const Vocabulary *vocabulary = automaton->vocabulary;
	Place			 *place = state;
	int				  index = vocabulary_index(vocabulary, token), next = place->state;

	if (index < 0)
		return error_set(error, ERR_ARGUMENT, "token %d is not one that the constraint allows",
						 token);
	pthread_mutex_lock(&automaton->mutex);
	for (int i = 0; i < vocabulary->lengths[index] && next > DEAD; i++)
		next = step(automaton, next, vocabulary->bytes[vocabulary->begins[index] + (uint32_t) i],
					error);
	pthread_mutex_unlock(&automaton->mutex);
	if (next == UNKNOWN)
		return false;
	if (next == DEAD)
		return error_set(error, ERR_ARGUMENT, "token %d is not one that the constraint allows",
						 token);
	*place = (Place){.state = next, .left = place->left - 1};
	return true;
}

static bool
is_finished(const TokenConstraint *constraint, const void *state)
{
	Automaton	*automaton = constraint_of(constraint)->automaton;
	const Place *place = state;
	bool		 finished;

	pthread_mutex_lock(&automaton->mutex);
	finished =
		automaton->states[place->state].may_end && automaton->states[place->state].n_stacks == 0;
	pthread_mutex_unlock(&automaton->mutex);
	return finished;
}

bool
automaton_constrain(Automaton *automaton, int max_tokens, AutomatonConstraint *constraint,
					Error *error)
{
	int	 first, n;
	bool ok;

	*constraint = (AutomatonConstraint){.constraint = {.state_size = sizeof(Place),
													   .start = start_sequence,
													   .allowed = allowed_tokens,
													   .advance = advance_sequence,
													   .finished = is_finished},
										.automaton = automaton,
										.max_tokens = max_tokens};
	pthread_mutex_lock(&automaton->mutex);
	ok = shortest_way(automaton, DEAD + 1, &first, &n, error);
	pthread_mutex_unlock(&automaton->mutex);
	if (ok && n > max_tokens)
	{
		error_set(error, ERR_ARGUMENT,
				  "max_new_tokens of %d is too few for the constraint, whose shortest text has %d "
				  "tokens",
				  max_tokens, n);
		return false;
	}
	return ok;
}

/* ---- from beginning to end ---- */

static bool
make_first_states(Automaton *automaton, Error *error)
{
	Stack stack = {.depth = 1, .places = {(int32_t) grammar_starts(automaton->grammar)[0]}};

	automaton->states[automaton->n_states++] = (State){.distance = GRAMMAR_NO_END};
	automaton->n_pending = 0;
	return add_stack(automaton, &stack, error) && finish_state(automaton, error) == DEAD + 1;
}

Automaton *
automaton_create(const Grammar *grammar, const Vocabulary *vocabulary, Error *error)
{
	Automaton *automaton = calloc(1, sizeof *automaton);

	if (automaton == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for an automaton");
		return NULL;
	}
	pthread_mutex_init(&automaton->mutex, NULL);
	arena_init(&automaton->arena, 2 * AUTOMATON_MAX_BYTES);
	automaton->grammar = grammar;
	automaton->vocabulary = vocabulary;
	automaton->mask_words = (vocabulary->n_vocab + 31) / 32;
	automaton->states_room = 64;
	automaton->table_size = 128;
	automaton->pending_room = 64;
	automaton->states = malloc((size_t) automaton->states_room * sizeof(State));
	automaton->table = calloc((size_t) automaton->table_size, sizeof(int32_t));
	automaton->pending = malloc((size_t) automaton->pending_room * sizeof(Stack));
	automaton->order = malloc((size_t) automaton->pending_room * sizeof(Stack *));
	make_classes(automaton);
	if (automaton->states == NULL || automaton->table == NULL || automaton->pending == NULL ||
		automaton->order == NULL)
		error_set(error, ERR_MEMORY, "out of memory for an automaton");
	else if (make_first_states(automaton, error))
		return automaton;
	automaton_free(automaton);
	return NULL;
}

void
automaton_free(Automaton *automaton)
{
	if (automaton == NULL)
		return;
	pthread_mutex_destroy(&automaton->mutex);
	arena_free(&automaton->arena);
	free(automaton->states);
	free(automaton->table);
	free(automaton->pending);
	free(automaton->order);
	free(automaton->numbers);
	free(automaton);
}

size_t
automaton_memory(Automaton *automaton)
{
	size_t bytes;

	pthread_mutex_lock(&automaton->mutex);
	bytes = memory(automaton);
	pthread_mutex_unlock(&automaton->mutex);
	return bytes;
}
