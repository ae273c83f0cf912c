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

/* The shortest way on from an edge, or GRAMMAR_NO_END. */
static uint32_t
edge_distance(const Grammar *grammar, const GrammarEdge *edge)
{
	const GrammarState *states = grammar_states(grammar);
	uint64_t			distance = states[edge->target].distance;
	uint64_t			more = 0;

	if (edge->kind == EDGE_BYTES)
		more = 1;
	else if (edge->kind == EDGE_CALL)
		more = states[grammar_starts(grammar)[edge->rule]].distance;
	if (distance == GRAMMAR_NO_END || more == GRAMMAR_NO_END || distance + more >= GRAMMAR_NO_END)
		return GRAMMAR_NO_END;
	return (uint32_t) (distance + more);
}

/* Lengths of shortest ways, by passes until nothing changes: rules are mostly made from their beginnings
 * on, so passes from the end are few. */
static void
compute_distances(Grammar *grammar)
{
	GrammarState	  *states = (GrammarState *) grammar_states(grammar);
	const GrammarEdge *edges = grammar_edges(grammar);
	bool			   changed = true;

	while (changed)
	{
		changed = false;
		for (uint32_t i = grammar->n_states; i-- > 0;)
		{
			uint32_t least = states[i].final ? 0 : GRAMMAR_NO_END;

			for (uint32_t j = states[i].first; j < states[i + 1].first; j++)
			{
				uint32_t distance = edge_distance(grammar, &edges[j]);

				least = distance < least ? distance : least;
			}
			if (least < states[i].distance)
			{
				states[i].distance = least;
				changed = true;
			}
		}
	}
}

/*
 * Whether some rule calls itself before a byte.  marks: of a rule 0 not seen, 1 under way, 2 fine.
 * Rules under way are kept on a stack of their own, as states are: neither can be deeper than
 * there are of them.
 */
typedef struct CallSearch
{
	const Grammar *grammar;
	uint8_t		  *rule_marks;	/* (n_rules) */
	uint32_t	  *state_marks; /* (n_states) number of the look that has seen it */
	uint32_t	   number;		/* of looks */
	int			  *pending;		/* (n_states) */
	int			  *calls;		/* (n_rules) rules under way */
	uint8_t		  *found;		/* (n_rules) called by the one that is looked at */
} CallSearch;

/* Sets found for each rule that one calls before its first byte. */
static void
first_calls(CallSearch *search, uint32_t rule)
{
	const Grammar	   *grammar = search->grammar;
	const GrammarState *states = grammar_states(grammar);
	const GrammarEdge  *edges = grammar_edges(grammar);
	int					n = 0;

	search->number++;
	memset(search->found, 0, grammar->n_rules);
	search->pending[n++] = (int) grammar_starts(grammar)[rule];
	search->state_marks[grammar_starts(grammar)[rule]] = search->number;
	while (n > 0)
	{
		int state = search->pending[--n];

		for (uint32_t i = states[state].first; i < states[state + 1].first; i++)
		{
			const GrammarEdge *edge = &edges[i];
			bool			   passes = edge->kind == EDGE_EMPTY;

			if (edge->kind == EDGE_CALL)
			{
				search->found[edge->rule] = 1;
				passes = states[grammar_starts(grammar)[edge->rule]].distance == 0;
			}
			if (passes && search->state_marks[edge->target] != search->number)
			{
				search->state_marks[edge->target] = search->number;
				search->pending[n++] = edge->target;
			}
		}
	}
}

/* Rules in the order of a search in depth; a call of one that is under way is a circle.  A rule of one, or -1. */
static int
circle(CallSearch *search)
{
	uint32_t n_rules = search->grammar->n_rules;

	for (uint32_t root = 0; root < n_rules; root++)
	{
		int n = 0;

		if (search->rule_marks[root] != 0)
			continue;
		search->calls[n++] = (int) root;
		search->rule_marks[root] = 1;
		while (n > 0)
		{
			uint32_t rule = (uint32_t) search->calls[n - 1], next = n_rules;

			first_calls(search, rule);
			for (uint32_t i = 0; i < n_rules; i++)
			{
				if (search->found[i] && search->rule_marks[i] == 1)
					return (int) i;
				if (search->found[i] && search->rule_marks[i] == 0)
					next = i;
			}
			if (next == n_rules)
			{
				search->rule_marks[rule] = 2;
				n--;
			}
			else
			{
				search->rule_marks[next] = 1;
				search->calls[n++] = (int) next;
			}
		}
	}
	return -1;
}

static bool
check_calls(const Grammar *grammar, int *bad, Error *error)
{
	CallSearch search = {
		.grammar = grammar,
		.rule_marks = calloc(grammar->n_rules, 1),
		.state_marks = calloc(grammar->n_states, sizeof(uint32_t)),
		.pending = malloc(grammar->n_states * sizeof(int)),
		.calls = malloc(grammar->n_rules * sizeof(int)),
		.found = malloc(grammar->n_rules),
	};
	bool ok = false;

	if (search.rule_marks == NULL || search.state_marks == NULL || search.pending == NULL ||
		search.calls == NULL || search.found == NULL)
		error_set(error, ERR_MEMORY, "out of memory for a grammar of %u states", grammar->n_states);
	else if ((*bad = circle(&search)) >= 0)
		error_set(error, ERR_DATA, "rule %d is defined by itself", *bad);
	else
		ok = true;
	free(search.rule_marks);
	free(search.state_marks);
	free(search.pending);
	free(search.calls);
	free(search.found);
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
	compute_distances(grammar);
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
		builder_final(builder, builder_text(builder, plain, choices[i], strlen(choices[i])));
	grammar = builder_finish(builder, true, &bad, error);
	builder_free(builder);
	return grammar;
}
