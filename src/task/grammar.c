/*
 * grammar.c: rules are made edge by edge, then laid out as one block.
 *
 * While it is made, a state's edges are a list; builder_finish writes them one state after the other and
 * computes how far each state is from its rule's end.  The builder belongs to its caller.
 */
#include "task/grammar.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define NONE (-1)

typedef struct BuilderEdge
{
	GrammarEdge edge;
	int			next; /* of the same state */
} BuilderEdge;

typedef struct BuilderState
{
	int	 first, last; /* edges */
	bool final;
	bool of_word; /* made by builder_word */
} BuilderState;

struct GrammarBuilder
{
	Error		  error;
	BuilderState *states;
	BuilderEdge	 *edges;
	int			 *rules;
	int			  n_states, n_edges, n_rules;
	int			  states_room, edges_room, rules_room;
};

/* ---- making ---- */

GrammarBuilder *
builder_create(Error *error)
{
	GrammarBuilder *builder = calloc(1, sizeof *builder);

	if (builder == NULL)
		error_set(error, ERR_MEMORY, "out of memory for a grammar");
	return builder;
}

void
builder_free(GrammarBuilder *builder)
{
	if (builder == NULL)
		return;
	free(builder->states);
	free(builder->edges);
	free(builder->rules);
	free(builder);
}

/* Room for one more of an array; false once anything has failed. */
static bool
grow(GrammarBuilder *builder, void **array, int n, int *room, size_t size)
{
	void *larger;

	if (builder->error.code != ERR_NONE)
		return false;
	if (n < *room)
		return true;
	if (n >= 8 * GRAMMAR_MAX_STATES)
		return error_set(&builder->error, ERR_LIMIT,
						 "a grammar has more than the %d states that are allowed",
						 GRAMMAR_MAX_STATES);
	larger = realloc(*array, (size_t) (n * 2 + 64) * size);
	if (larger == NULL)
		return error_set(&builder->error, ERR_MEMORY, "out of memory for a grammar of %d states",
						 builder->n_states);
	*array = larger;
	*room = n * 2 + 64;
	return true;
}

int
builder_state(GrammarBuilder *builder)
{
	if (builder->n_states == GRAMMAR_MAX_STATES && builder->error.code == ERR_NONE)
		error_set(&builder->error, ERR_LIMIT,
				  "a grammar has more than the %d states that are allowed", GRAMMAR_MAX_STATES);
	if (!grow(builder, (void **) &builder->states, builder->n_states, &builder->states_room,
			  sizeof *builder->states))
		return 0;
	builder->states[builder->n_states] = (BuilderState){.first = NONE, .last = NONE};
	return builder->n_states++;
}

int
builder_rule(GrammarBuilder *builder)
{
	int start = builder_state(builder);

	if (!grow(builder, (void **) &builder->rules, builder->n_rules, &builder->rules_room,
			  sizeof *builder->rules))
		return 0;
	builder->rules[builder->n_rules] = start;
	return builder->n_rules++;
}

int
builder_start(const GrammarBuilder *builder, int rule)
{
	return builder->error.code == ERR_NONE ? builder->rules[rule] : 0;
}

void
builder_final(GrammarBuilder *builder, int state)
{
	if (builder->error.code == ERR_NONE)
		builder->states[state].final = true;
}

static void
add_edge(GrammarBuilder *builder, int from, GrammarEdge edge)
{
	BuilderState *state;

	if (!grow(builder, (void **) &builder->edges, builder->n_edges, &builder->edges_room,
			  sizeof *builder->edges))
		return;
	builder->edges[builder->n_edges] = (BuilderEdge){.edge = edge, .next = NONE};
	state = &builder->states[from];
	if (state->first == NONE)
		state->first = builder->n_edges;
	else
		builder->edges[state->last].next = builder->n_edges;
	state->last = builder->n_edges++;
}

void
builder_bytes(GrammarBuilder *builder, int from, uint8_t low, uint8_t high, int to)
{
	add_edge(builder, from,
			 (GrammarEdge){.target = to, .kind = EDGE_BYTES, .low = low, .high = high});
}

void
builder_empty(GrammarBuilder *builder, int from, int to)
{
	add_edge(builder, from, (GrammarEdge){.target = to, .kind = EDGE_EMPTY});
}

void
builder_call(GrammarBuilder *builder, int from, int rule, int to)
{
	add_edge(builder, from, (GrammarEdge){.target = to, .rule = rule, .kind = EDGE_CALL});
}

int
builder_text(GrammarBuilder *builder, int from, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		int to = builder_state(builder);

		builder_bytes(builder, from, (uint8_t) bytes[i], (uint8_t) bytes[i], to);
		from = to;
	}
	return from;
}

/* Where an earlier word goes on from a state with a byte, or NONE. */
static int
word_target(const GrammarBuilder *builder, int from, uint8_t byte)
{
	for (int i = builder->states[from].first; i != NONE; i = builder->edges[i].next)
	{
		const GrammarEdge *edge = &builder->edges[i].edge;

		if (edge->kind == EDGE_BYTES && edge->low == byte && edge->high == byte &&
			builder->states[edge->target].of_word)
			return edge->target;
	}
	return NONE;
}

int
builder_word(GrammarBuilder *builder, int from, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length && builder->error.code == ERR_NONE; i++)
	{
		int to = word_target(builder, from, (uint8_t) bytes[i]);

		if (to == NONE)
		{
			to = builder_text(builder, from, bytes + i, 1);
			if (builder->error.code == ERR_NONE)
				builder->states[to].of_word = true;
		}
		from = to;
	}
	return from;
}

/*
 * Characters whose UTF-8 has n bytes each and shares the first `shared` bytes.  Between the first and the last
 * byte string lie all those with a byte between in the first place where the two differ; the
 * strings below them are cut in the same way.
 */
static void
add_sequences(GrammarBuilder *builder, int from, const uint8_t *low, const uint8_t *high, int n,
			  int to)
{
	static const uint8_t least[3] = {0x80, 0x80, 0x80}, most[3] = {0xBF, 0xBF, 0xBF};
	uint8_t				 begin = low[0], end = high[0];
	int					 next;

	if (n == 1)
	{
		builder_bytes(builder, from, begin, end, to);
		return;
	}
	if (begin == end)
	{
		next = builder_state(builder);
		builder_bytes(builder, from, begin, begin, next);
		add_sequences(builder, next, low + 1, high + 1, n - 1, to);
		return;
	}
	if (memcmp(low + 1, least, (size_t) n - 1) != 0)
	{
		next = builder_state(builder);
		builder_bytes(builder, from, begin, begin, next);
		add_sequences(builder, next, low + 1, most, n - 1, to);
		begin++;
	}
	if (memcmp(high + 1, most, (size_t) n - 1) != 0)
	{
		next = builder_state(builder);
		builder_bytes(builder, from, end, end, next);
		add_sequences(builder, next, least, high + 1, n - 1, to);
		end--;
	}
	if (begin <= end)
	{
		next = builder_state(builder);
		builder_bytes(builder, from, begin, end, next);
		add_sequences(builder, next, least, most, n - 1, to);
	}
}

void
builder_characters(GrammarBuilder *builder, int from, uint32_t low, uint32_t high, int to)
{
	/* ranges within which all characters have as many bytes, without surrogates */
	static const uint32_t ranges[][2] = {
		{0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};

	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
	{
		uint32_t begin = low > ranges[i][0] ? low : ranges[i][0];
		uint32_t end = high < ranges[i][1] ? high : ranges[i][1];
		char	 first[4], last[4];
		int		 n;

		if (begin > end)
			continue;
		n = utf8_put(begin, first);
		utf8_put(end, last);
		add_sequences(builder, from, (const uint8_t *) first, (const uint8_t *) last, n, to);
	}
}

/* ---- finishing ---- */

const uint32_t *
grammar_starts(const Grammar *grammar)
{
	return (const uint32_t *) (grammar + 1);
}

const GrammarState *
grammar_states(const Grammar *grammar)
{
	return (const GrammarState *) (grammar_starts(grammar) + grammar->n_rules);
}

const GrammarEdge *
grammar_edges(const Grammar *grammar)
{
	return (const GrammarEdge *) (grammar_states(grammar) + grammar->n_states + 1);
}

static uint64_t
block_size(uint64_t n_rules, uint64_t n_states, uint64_t n_edges)
{
	return sizeof(Grammar) + n_rules * sizeof(uint32_t) + (n_states + 1) * sizeof(GrammarState) +
		   n_edges * sizeof(GrammarEdge);
}

/* Edges by what they lead to: those of state i are incoming[first[i]] .. incoming[first[i + 1] - 1].  A call leads
 * to its target and to the rule's start. */
typedef struct Incoming
{
	uint32_t *first;	/* (n_states + 2) */
	uint32_t *incoming; /* (at most 2 * n_edges) */
	uint32_t *source;	/* (n_edges) the state that an edge goes from */
} Incoming;

static void
add_incoming(const Grammar *grammar, Incoming *incoming, uint32_t edge, bool count)
{
	const GrammarEdge *at = &grammar_edges(grammar)[edge];
	uint32_t		   ends[2] = {(uint32_t) at->target, 0};
	int				   n = 1;

	if (at->kind == EDGE_CALL)
		ends[n++] = grammar_starts(grammar)[at->rule];
	for (int i = 0; i < n; i++)
		if (count)
			incoming->first[ends[i] + 2]++;
		else
			incoming->incoming[incoming->first[ends[i] + 1]++] = edge;
}

static bool
find_incoming(const Grammar *grammar, Incoming *incoming)
{
	const GrammarState *states = grammar_states(grammar);

	incoming->first = calloc((size_t) grammar->n_states + 2, sizeof(uint32_t));
	incoming->incoming = malloc(((size_t) grammar->n_edges * 2 + 1) * sizeof(uint32_t));
	incoming->source = malloc(((size_t) grammar->n_edges + 1) * sizeof(uint32_t));
	if (incoming->first == NULL || incoming->incoming == NULL || incoming->source == NULL)
		return false;
	for (uint32_t i = 0; i < grammar->n_edges; i++)
		add_incoming(grammar, incoming, i, true);
	for (uint32_t i = 2; i < grammar->n_states + 2; i++)
		incoming->first[i] += incoming->first[i - 1];
	for (uint32_t i = 0; i < grammar->n_states; i++)
		for (uint32_t j = states[i].first; j < states[i + 1].first; j++)
		{
			incoming->source[j] = i;
			add_incoming(grammar, incoming, j, false);
		}
	return true;
}

/* A state that an end can be reached from, and in how many bytes. */
typedef struct Reach
{
	uint32_t distance, state;
} Reach;

/* A heap with the nearest one at its top. */
typedef struct Reaches
{
	Reach	*reaches; /* (n_states + 2 * n_edges) */
	uint32_t n;
} Reaches;

static void
push_reach(Reaches *heap, Reach reach)
{
	uint32_t at = heap->n++;

	while (at > 0 && heap->reaches[(at - 1) / 2].distance > reach.distance)
	{
		heap->reaches[at] = heap->reaches[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->reaches[at] = reach;
}

static Reach
pop_reach(Reaches *heap)
{
	Reach	 top = heap->reaches[0], last = heap->reaches[--heap->n];
	uint32_t at = 0, child;

	while ((child = at * 2 + 1) < heap->n)
	{
		if (child + 1 < heap->n &&
			heap->reaches[child + 1].distance < heap->reaches[child].distance)
			child++;
		if (heap->reaches[child].distance >= last.distance)
			break;
		heap->reaches[at] = heap->reaches[child];
		at = child;
	}
	heap->reaches[at] = last;
	return top;
}

/* The length of a way over an edge, or GRAMMAR_NO_END while not all of it is known. */
static uint32_t
edge_distance(const Grammar *grammar, const GrammarEdge *edge)
{
	const GrammarState *states = grammar_states(grammar);
	uint64_t			distance = states[edge->target].distance;
	uint64_t			more = edge->kind == EDGE_BYTES;

	if (edge->kind == EDGE_CALL)
		more = states[grammar_starts(grammar)[edge->rule]].distance;
	if (distance == GRAMMAR_NO_END || more == GRAMMAR_NO_END || distance + more >= GRAMMAR_NO_END)
		return GRAMMAR_NO_END;
	return (uint32_t) (distance + more);
}

/*
 * Lengths of shortest ways, nearest states first: Dijkstra's algorithm in Knuth's generalization ("A generalization
 * of Dijkstra's algorithm", 1977), as a call is as long as two ways together.  An edge comes into the
 * heap when the last of what it leads to becomes known: twice at most, where that is one state.
 */
static void
settle_distances(Grammar *grammar, const Incoming *incoming, Reaches *heap)
{
	GrammarState	  *states = (GrammarState *) grammar_states(grammar);
	const GrammarEdge *edges = grammar_edges(grammar);

	for (uint32_t i = 0; i < grammar->n_states; i++)
		if (states[i].final)
			push_reach(heap, (Reach){.state = i});
	while (heap->n > 0)
	{
		Reach reach = pop_reach(heap);

		if (states[reach.state].distance != GRAMMAR_NO_END)
			continue;
		states[reach.state].distance = reach.distance;
		for (uint32_t i = incoming->first[reach.state]; i < incoming->first[reach.state + 1]; i++)
		{
			uint32_t edge = incoming->incoming[i], source = incoming->source[edge];
			uint32_t distance = edge_distance(grammar, &edges[edge]);

			if (distance != GRAMMAR_NO_END && states[source].distance == GRAMMAR_NO_END)
				push_reach(heap, (Reach){.distance = distance, .state = source});
		}
	}
}

static bool
compute_distances(Grammar *grammar, Error *error)
{
	Incoming incoming = {0};
	Reaches heap = {.reaches = malloc(((size_t) grammar->n_states + (size_t) grammar->n_edges * 2) *
									  sizeof(Reach))};
	bool	ok = find_incoming(grammar, &incoming) && heap.reaches != NULL;

	if (ok)
		settle_distances(grammar, &incoming, &heap);
	else
		error_set(error, ERR_MEMORY, "out of memory for a grammar of %u states", grammar->n_states);
	free(incoming.first);
	free(incoming.incoming);
	free(incoming.source);
	free(heap.reaches);
	return ok;
}

/*
 * Whether some rule calls itself before a byte: rules that nobody calls so are taken away, with their calls, as long
 * as there are any.  What is left has callers that are left.
 */
typedef struct CallSearch
{
	const Grammar *grammar;
	uint32_t	  *state_marks; /* (n_states) the rule, + 1, that has passed it */
	uint32_t	  *rule_marks;	/* (n_rules) the rule, + 1, that has been seen to call it */
	int			  *pending;		/* (n_states) */
	uint32_t *called;  /* (n_edges, as a state is of one rule) before a byte, caller by caller */
	uint32_t *first;   /* (n_rules + 1) of a caller in called */
	uint32_t *callers; /* (n_rules) that are left of each */
	uint32_t *free;	   /* (n_rules) without callers */
} CallSearch;

/* Adds the rules that one calls before its first byte. */
static void
first_calls(CallSearch *search, uint32_t rule)
{
	const Grammar	   *grammar = search->grammar;
	const GrammarState *states = grammar_states(grammar);
	uint32_t			n_called = search->first[rule];
	int					n = 0;

	search->pending[n++] = (int) grammar_starts(grammar)[rule];
	search->state_marks[grammar_starts(grammar)[rule]] = rule + 1;
	while (n > 0)
	{
		int state = search->pending[--n];

		for (uint32_t i = states[state].first; i < states[state + 1].first; i++)
		{
			const GrammarEdge *edge = &grammar_edges(grammar)[i];
			bool			   passes = edge->kind == EDGE_EMPTY;

			if (edge->kind == EDGE_CALL)
			{
				if (search->rule_marks[edge->rule] != rule + 1)
				{
					search->called[n_called++] = (uint32_t) edge->rule;
					search->callers[edge->rule]++;
				}
				search->rule_marks[edge->rule] = rule + 1;
				passes = states[grammar_starts(grammar)[edge->rule]].distance == 0;
			}
			if (passes && search->state_marks[edge->target] != rule + 1)
			{
				search->state_marks[edge->target] = rule + 1;
				search->pending[n++] = edge->target;
			}
		}
	}
	search->first[rule + 1] = n_called;
}

/* A rule that calls itself, of those that have callers left: who goes from caller to caller comes into a circle. */
static int
rule_in_circle(CallSearch *search, uint32_t rule)
{
	uint32_t *caller = search->free, n_rules = search->grammar->n_rules;

	for (uint32_t i = 0; i < n_rules; i++)
		for (uint32_t j = search->first[i]; search->callers[i] > 0 && j < search->first[i + 1]; j++)
			caller[search->called[j]] = i;
	for (uint32_t i = 0; i < n_rules; i++)
		rule = caller[rule];
	return (int) rule;
}

/* A rule that calls itself before a byte, or -1. */
static int
circle(CallSearch *search)
{
	uint32_t n_rules = search->grammar->n_rules, n = 0;

	for (uint32_t i = 0; i < n_rules; i++)
		first_calls(search, i);
	for (uint32_t i = 0; i < n_rules; i++)
		if (search->callers[i] == 0)
			search->free[n++] = i;
	while (n > 0)
	{
		uint32_t rule = search->free[--n];

		for (uint32_t i = search->first[rule]; i < search->first[rule + 1]; i++)
			if (--search->callers[search->called[i]] == 0)
				search->free[n++] = search->called[i];
	}
	for (uint32_t i = 0; i < n_rules; i++)
		if (search->callers[i] > 0)
			return rule_in_circle(search, i);
	return -1;
}

static bool
check_calls(const Grammar *grammar, int *bad, Error *error)
{
	CallSearch search = {
		.grammar = grammar,
		.state_marks = calloc(grammar->n_states, sizeof(uint32_t)),
		.rule_marks = calloc(grammar->n_rules, sizeof(uint32_t)),
		.pending = malloc(grammar->n_states * sizeof(int)),
		.called = malloc(((size_t) grammar->n_edges + 1) * sizeof(uint32_t)),
		.first = calloc((size_t) grammar->n_rules + 1, sizeof(uint32_t)),
		.callers = calloc(grammar->n_rules, sizeof(uint32_t)),
		.free = malloc(grammar->n_rules * sizeof(uint32_t)),
	};
	bool ok = false;

	if (search.state_marks == NULL || search.rule_marks == NULL || search.pending == NULL ||
		search.called == NULL || search.first == NULL || search.callers == NULL ||
		search.free == NULL)
		error_set(error, ERR_MEMORY, "out of memory for a grammar of %u states", grammar->n_states);
	else if ((*bad = circle(&search)) >= 0)
		error_set(error, ERR_DATA, "rule %d is defined by itself", *bad);
	else
		ok = true;
	free(search.state_marks);
	free(search.rule_marks);
	free(search.pending);
	free(search.called);
	free(search.first);
	free(search.callers);
	free(search.free);
	return ok;
}

static Grammar *
lay_out(const GrammarBuilder *builder, bool strips_space)
{
	uint64_t size = block_size((uint64_t) builder->n_rules, (uint64_t) builder->n_states,
							   (uint64_t) builder->n_edges);
	Grammar *grammar = calloc(1, size);
	uint32_t n = 0;

	if (grammar == NULL)
		return NULL;
	*grammar = (Grammar){.size = size,
						 .n_rules = (uint32_t) builder->n_rules,
						 .n_states = (uint32_t) builder->n_states,
						 .n_edges = (uint32_t) builder->n_edges,
						 .strips_space = strips_space};
	for (int i = 0; i < builder->n_rules; i++)
		((uint32_t *) grammar_starts(grammar))[i] = (uint32_t) builder->rules[i];
	for (int i = 0; i <= builder->n_states; i++)
	{
		GrammarState *state = (GrammarState *) &grammar_states(grammar)[i];

		*state = (GrammarState){.first = n, .distance = GRAMMAR_NO_END};
		if (i == builder->n_states)
			break;
		state->final = builder->states[i].final;
		for (int j = builder->states[i].first; j != NONE; j = builder->edges[j].next)
			((GrammarEdge *) grammar_edges(grammar))[n++] = builder->edges[j].edge;
	}
	return grammar;
}

Grammar *
builder_finish(GrammarBuilder *builder, bool strips_space, int *bad, Error *error)
{
	Grammar *grammar;

	*bad = 0;
	if (builder->error.code != ERR_NONE)
	{
		*error = builder->error;
		return NULL;
	}
	grammar = lay_out(builder, strips_space);
	if (grammar == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a grammar of %d states", builder->n_states);
		return NULL;
	}
	if (!compute_distances(grammar, error))
	{
		free(grammar);
		return NULL;
	}
	if (grammar_states(grammar)[grammar_starts(grammar)[0]].distance == GRAMMAR_NO_END)
	{
		for (int i = 0; i < builder->n_rules; i++)
			if (grammar_states(grammar)[grammar_starts(grammar)[i]].distance == GRAMMAR_NO_END)
				*bad = i;
		error_set(error, ERR_DATA, "rule %d has no text", *bad);
	}
	else if (check_calls(grammar, bad, error))
		return grammar;
	free(grammar);
	return NULL;
}

bool
grammar_check(const void *block, size_t size, Error *error)
{
	const Grammar	   *grammar = block;
	const GrammarState *states;

	if (size < sizeof(Grammar) || grammar->size > size || grammar->n_rules == 0 ||
		grammar->n_states == 0 || grammar->n_rules > GRAMMAR_MAX_STATES ||
		grammar->n_states > GRAMMAR_MAX_STATES ||
		grammar->size != block_size(grammar->n_rules, grammar->n_states, grammar->n_edges))
		return error_set(error, ERR_CORRUPT, "a grammar of %zu bytes has another size", size);
	states = grammar_states(grammar);
	for (uint32_t i = 0; i < grammar->n_rules; i++)
		if (grammar_starts(grammar)[i] >= grammar->n_states)
			return error_set(error, ERR_CORRUPT, "rule %u of a grammar begins nowhere", i);
	for (uint32_t i = 0; i < grammar->n_states; i++)
		if (states[i].first > states[i + 1].first)
			return error_set(error, ERR_CORRUPT, "state %u of a grammar is damaged", i);
	if (states[0].first != 0 || states[grammar->n_states].first != grammar->n_edges)
		return error_set(error, ERR_CORRUPT, "the edges of a grammar are damaged");
	for (uint32_t i = 0; i < grammar->n_edges; i++)
	{
		const GrammarEdge *edge = &grammar_edges(grammar)[i];

		if ((uint32_t) edge->target >= grammar->n_states || edge->kind > EDGE_CALL ||
			(edge->kind == EDGE_CALL && (uint32_t) edge->rule >= grammar->n_rules))
			return error_set(error, ERR_CORRUPT, "edge %u of a grammar leads nowhere", i);
	}
	return true;
}

Grammar *
grammar_of_choices(const char *const *choices, int n_choices, Error *error)
{
	GrammarBuilder *builder = builder_create(error);
	Grammar		   *grammar;
	int				start, plain, bad;

	if (builder == NULL)
		return NULL;
	start = builder_start(builder, builder_rule(builder));
	plain = builder_state(builder);
	builder_empty(builder, start, plain);
	builder_bytes(builder, start, ' ', ' ', plain);
	for (int i = 0; i < n_choices; i++)
		builder_final(builder, builder_word(builder, plain, choices[i], strlen(choices[i])));
	grammar = builder_finish(builder, true, &bad, error);
	builder_free(builder);
	return grammar;
}

Grammar *
grammar_of_tokens(const int32_t *ids, const int32_t *offsets, int n_lists, Error *error)
{
	GrammarBuilder *builder = builder_create(error);
	Grammar		   *grammar;
	int				start, bad;

	if (builder == NULL)
		return NULL;
	start = builder_start(builder, builder_rule(builder));
	for (int i = 0; i < n_lists; i++)
	{
		int state = start;

		for (int32_t j = offsets[i]; j < offsets[i + 1]; j++)
		{
			uint8_t bytes[TOKEN_BYTES];

			token_bytes(ids[j], bytes);
			state = builder_text(builder, state, (const char *) bytes, sizeof bytes);
		}
		builder_final(builder, state);
	}
	grammar = builder_finish(builder, false, &bad, error);
	builder_free(builder);
	if (grammar != NULL)
		grammar->of_tokens = 1;
	return grammar;
}
