/*
 * schema_pattern.c: the strings in which a regular expression finds something.
 *
 * The expression becomes a tree, the tree a nondeterministic automaton over characters, and that, for each number
 * of characters when their number has bounds, states of the grammar.  Classes whose meaning differs between
 * implementations (\w of letters that are not ASCII) have what all of them agree on.
 */
#include "task/schema_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define MAX_NODES 20000
#define MAX_DEPTH 100
#define MAX_REPEAT 1000
#define MAX_STATES 100000
#define LAST_CHARACTER 0x10FFFF
#define MANY (-1)

typedef enum NodeKind
{
	NODE_EMPTY,
	NODE_SET,
	NODE_SEQUENCE,
	NODE_ALTERNATIVES,
	NODE_REPEAT,
	NODE_BEGIN, /* ^ */
	NODE_END	/* $ */
} NodeKind;

typedef struct Range
{
	uint32_t low, high;
} Range;

/* A set of characters, as ranges in no order. */
typedef struct Set
{
	Range ranges[64];
	int	  n;
	bool  has_class; /* \w and its like are in it */
} Set;

typedef struct Node Node;

struct Node
{
	NodeKind	 kind;
	const Range *ranges;
	int			 n_ranges;
	Node		*first;		  /* child, or the first of them */
	Node		*next;		  /* the parent's next child */
	int			 least, most; /* of a repeat; most may be MANY */
};

typedef struct Parser
{
	SchemaBuild *build;
	const char	*pattern;
	size_t		 length, at;
	int			 n_nodes, depth;
} Parser;

/* ---- parsing ---- */

static bool
pattern_error(Parser *parser, const char *what)
{
	return build_error(parser->build, ERR_UNSUPPORTED, "pattern \"%.100s\": %s at character %zu",
					   parser->pattern, what, utf8_count(parser->pattern, parser->at) + 1);
}

static Node *
new_node(Parser *parser, NodeKind kind)
{
	Node *node;

	if (++parser->n_nodes > MAX_NODES)
	{
		build_error(parser->build, ERR_LIMIT, "pattern \"%.100s\" is too large", parser->pattern);
		return NULL;
	}
	node = arena_alloc(&parser->build->arena, 1, sizeof *node);
	if (node == NULL)
		build_error(parser->build, ERR_MEMORY, "out of memory for a pattern");
	else
		node->kind = kind;
	return node;
}

static inline bool
at_end(const Parser *parser)
{
	return parser->at >= parser->length;
}

static inline bool
peek(const Parser *parser, char c)
{
	return !at_end(parser) && parser->pattern[parser->at] == c;
}

static bool
take(Parser *parser, char c)
{
	if (!peek(parser, c))
		return false;
	parser->at++;
	return true;
}

static bool
set_add(Parser *parser, Set *set, uint32_t low, uint32_t high)
{
	if (low > high)
		return pattern_error(parser, "a range ends before it begins");
	if (set->n == (int) (sizeof set->ranges / sizeof *set->ranges))
		return pattern_error(parser, "a class has too many ranges");
	set->ranges[set->n++] = (Range){low, high};
	return true;
}

static int
compare_ranges(const void *a, const void *b)
{
	const Range *left = a, *right = b;

	return (left->low > right->low) - (left->low < right->low);
}

/* The characters up to last that are not in a set. */
static bool
set_invert(Parser *parser, Set *set, uint32_t last)
{
	Set		 inverse = {.has_class = set->has_class};
	uint32_t begin = 0;

	qsort(set->ranges, (size_t) set->n, sizeof *set->ranges, compare_ranges);
	for (int i = 0; i < set->n; i++)
	{
		if (set->ranges[i].low > begin && !set_add(parser, &inverse, begin, set->ranges[i].low - 1))
			return false;
		if (set->ranges[i].high >= begin)
			begin = set->ranges[i].high + 1;
		if (begin > last)
			break;
	}
	if (begin <= last && !set_add(parser, &inverse, begin, last))
		return false;
	*set = inverse;
	return true;
}

/* Adds \d, \w, \s or their opposites, of ASCII; false: the letter is none of them. */
static bool
add_class(Parser *parser, Set *set, char letter)
{
	Set class = {0};

	switch (letter)
	{
		case 'd':
		case 'D':
			set_add(parser, &class, '0', '9');
			break;
		case 'w':
		case 'W':
			set_add(parser, &class, '0', '9');
			set_add(parser, &class, 'A', 'Z');
			set_add(parser, &class, '_', '_');
			set_add(parser, &class, 'a', 'z');
			break;
		case 's':
		case 'S':
			set_add(parser, &class, '\t', '\r');
			set_add(parser, &class, ' ', ' ');
			break;
		default:
			return false;
	}
	if (letter < 'a')
	{
		/* the separators of ASCII are spaces to some */
		if (letter == 'S')
			set_add(parser, &class, 0x1C, 0x1F);
		set_invert(parser, &class, 0x7F);
	}
	for (int i = 0; i < class.n; i++)
		set_add(parser, set, class.ranges[i].low, class.ranges[i].high);
	set->has_class = true;
	return true;
}

static bool
take_hex(Parser *parser, int digits, uint32_t *character)
{
	*character = 0;
	for (int i = 0; i < digits; i++)
	{
		char  c = at_end(parser) ? '\0' : parser->pattern[parser->at];
		char *found, *hex = "0123456789abcdef0123456789ABCDEF";

		if (c == '\0' || (found = strchr(hex, c)) == NULL)
			return pattern_error(parser, "an escape lacks hexadecimal digits");
		*character = *character * 16 + (uint32_t) ((found - hex) % 16);
		parser->at++;
	}
	return true;
}

/* What follows a backslash and stands for one character. */
static bool
take_escape(Parser *parser, uint32_t *character)
{
	static const char letters[] = "tnvfr0", meanings[] = "\t\n\v\f\r";
	char			  c = parser->pattern[parser->at];
	const char		 *letter = c != '\0' ? strchr(letters, c) : NULL;

	if (letter != NULL)
	{
		*character = (uint32_t) (unsigned char) meanings[letter - letters];
		parser->at++;
		return true;
	}
	if (c == 'x' || c == 'u')
	{
		parser->at++;
		if (!take_hex(parser, c == 'x' ? 2 : 4, character))
			return false;
		if (*character >= 0xD800 && *character <= 0xDFFF)
			return pattern_error(parser, "half a surrogate pair is not supported");
		return true;
	}
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return pattern_error(parser, "an escape that is not supported");
	*character = utf8_next(parser->pattern, parser->length, &parser->at);
	return true;
}

/* A character of a class; *is_class: it was a class by itself, and is in the set. */
static bool
take_class_item(Parser *parser, Set *set, uint32_t *character, bool *is_class)
{
	*is_class = false;
	if (at_end(parser))
		return pattern_error(parser, "a class has no end");
	if (!take(parser, '\\'))
	{
		*character = utf8_next(parser->pattern, parser->length, &parser->at);
		return true;
	}
	if (at_end(parser))
		return pattern_error(parser, "a backslash at the end");
	if (add_class(parser, set, parser->pattern[parser->at]))
	{
		parser->at++;
		*is_class = true;
		return true;
	}
	if (take(parser, 'b'))
	{
		*character = '\b';
		return true;
	}
	return take_escape(parser, character);
}

static Node *
set_node(Parser *parser, const Set *set)
{
	Node  *node = new_node(parser, NODE_SET);
	Range *ranges = arena_alloc(&parser->build->arena, (size_t) set->n + 1, sizeof *ranges);

	if (node == NULL || ranges == NULL)
	{
		build_error(parser->build, ERR_MEMORY, "out of memory for a pattern");
		return NULL;
	}
	memcpy(ranges, set->ranges, (size_t) set->n * sizeof *ranges);
	node->ranges = ranges;
	node->n_ranges = set->n;
	return node;
}

/* Behind "[". */
static Node *
parse_class(Parser *parser)
{
	Set	 set = {0};
	bool negated = take(parser, '^');

	while (!take(parser, ']'))
	{
		uint32_t low, high;
		bool	 is_class;

		if (!take_class_item(parser, &set, &low, &is_class))
			return NULL;
		high = low;
		if (!is_class && peek(parser, '-') && parser->at + 1 < parser->length &&
			parser->pattern[parser->at + 1] != ']')
		{
			parser->at++;
			if (!take_class_item(parser, &set, &high, &is_class))
				return NULL;
			if (is_class)
			{
				pattern_error(parser, "a range ends in a class");
				return NULL;
			}
		}
		if (!is_class && !set_add(parser, &set, low, high))
			return NULL;
	}
	if (negated && !set_invert(parser, &set, set.has_class ? 0x7F : LAST_CHARACTER))
		return NULL;
	return set_node(parser, &set);
}

static Node *parse_alternatives(Parser *parser);

/* Behind "(". */
static Node *
parse_group(Parser *parser)
{
	Node *node;

	if (take(parser, '?') && !take(parser, ':'))
	{
		/* a name, but nothing that looks around */
		if (!take(parser, '<') || peek(parser, '=') || peek(parser, '!'))
		{
			pattern_error(parser, "a group that looks around");
			return NULL;
		}
		while (!at_end(parser) && !take(parser, '>'))
			parser->at++;
	}
	node = parse_alternatives(parser);
	if (node != NULL && !take(parser, ')'))
	{
		pattern_error(parser, "a group has no end");
		return NULL;
	}
	return node;
}

static Node *
parse_atom(Parser *parser)
{
	Set		 set = {0};
	uint32_t character;

	if (take(parser, '('))
		return parse_group(parser);
	if (take(parser, '['))
		return parse_class(parser);
	if (take(parser, '^'))
		return new_node(parser, NODE_BEGIN);
	if (take(parser, '$'))
		return new_node(parser, NODE_END);
	if (take(parser, '.'))
	{
		set_add(parser, &set, '\n', '\n');
		set_add(parser, &set, '\r', '\r');
		set_add(parser, &set, 0x2028, 0x2029);
		return set_invert(parser, &set, LAST_CHARACTER) ? set_node(parser, &set) : NULL;
	}
	if (peek(parser, '*') || peek(parser, '+') || peek(parser, '?') || peek(parser, '{'))
	{
		pattern_error(parser, "nothing to repeat");
		return NULL;
	}
	if (take(parser, '\\'))
	{
		if (at_end(parser))
		{
			pattern_error(parser, "a backslash at the end");
			return NULL;
		}
		if (add_class(parser, &set, parser->pattern[parser->at]))
		{
			parser->at++;
			return set_node(parser, &set);
		}
		if (!take_escape(parser, &character))
			return NULL;
	}
	else
		character = utf8_next(parser->pattern, parser->length, &parser->at);
	return set_add(parser, &set, character, character) ? set_node(parser, &set) : NULL;
}

static int
take_number(Parser *parser)
{
	int number = -1;

	while (!at_end(parser) && parser->pattern[parser->at] >= '0' &&
		   parser->pattern[parser->at] <= '9')
	{
		number = (number < 0 ? 0 : number) * 10 + (parser->pattern[parser->at++] - '0');
		if (number > MAX_REPEAT)
			number = MAX_REPEAT + 1;
	}
	return number;
}

/* What is behind an atom: *, +, ?, {m}, {m,}, {m,n}; false: nothing, or an error. */
static bool
take_repeat(Parser *parser, int *least, int *most)
{
	*least = 0;
	*most = MANY;
	if (take(parser, '*'))
		return true;
	if (take(parser, '+'))
	{
		*least = 1;
		return true;
	}
	if (take(parser, '?'))
	{
		*most = 1;
		return true;
	}
	if (!take(parser, '{'))
		return false;
	*least = *most = take_number(parser);
	if (take(parser, ','))
		*most = peek(parser, '}') ? MANY : take_number(parser);
	if (*least < 0 || *least > MAX_REPEAT || *most > MAX_REPEAT || !take(parser, '}') ||
		(*most != MANY && *most < *least))
		return pattern_error(parser, "a number of repetitions that is not supported");
	return true;
}

static Node *
parse_sequence(Parser *parser)
{
	Node *sequence = new_node(parser, NODE_SEQUENCE), **next;

	if (sequence == NULL)
		return NULL;
	next = &sequence->first;
	while (!at_end(parser) && !peek(parser, '|') && !peek(parser, ')'))
	{
		Node *atom = parse_atom(parser);
		int	  least, most;

		if (atom == NULL)
			return NULL;
		if (take_repeat(parser, &least, &most))
		{
			Node *repeat = new_node(parser, NODE_REPEAT);

			if (repeat == NULL)
				return NULL;
			take(parser, '?'); /* lazy: the same strings */
			repeat->first = atom;
			repeat->least = least;
			repeat->most = most;
			atom = repeat;
		}
		if (build_failed(parser->build))
			return NULL;
		*next = atom;
		next = &atom->next;
	}
	return sequence;
}

static Node *
parse_alternatives(Parser *parser)
{
	Node *alternatives = new_node(parser, NODE_ALTERNATIVES), **next;

	if (alternatives == NULL)
		return NULL;
	if (++parser->depth > MAX_DEPTH)
	{
		pattern_error(parser, "groups too deep inside each other");
		return NULL;
	}
	next = &alternatives->first;
	do
	{
		*next = parse_sequence(parser);
		if (*next == NULL)
			return NULL;
		next = &(*next)->next;
	} while (take(parser, '|'));
	parser->depth--;
	return alternatives;
}

/* ---- anchors ---- */

static bool
has_anchor(const Node *node)
{
	if (node->kind == NODE_BEGIN || node->kind == NODE_END)
		return true;
	for (const Node *child = node->first; child != NULL; child = child->next)
		if (has_anchor(child))
			return true;
	return false;
}

/* Anchors may stand only where a string begins or ends. */
static bool
check_anchors(Parser *parser, const Node *node, bool may_begin, bool may_end)
{
	if ((node->kind == NODE_BEGIN && !may_begin) || (node->kind == NODE_END && !may_end) ||
		(node->kind == NODE_REPEAT && has_anchor(node)))
		return build_error(
			parser->build, ERR_UNSUPPORTED,
			"pattern \"%.100s\": ^ and $ are supported only at its beginning and end",
			parser->pattern);
	if (node->kind == NODE_ALTERNATIVES)
		for (const Node *child = node->first; child != NULL; child = child->next)
			if (!check_anchors(parser, child, may_begin, may_end))
				return false;
	if (node->kind == NODE_SEQUENCE)
		for (const Node *child = node->first; child != NULL; child = child->next)
		{
			bool last = true;

			for (const Node *behind = child->next; behind != NULL; behind = behind->next)
				last = last && behind->kind == NODE_END;
			if (!check_anchors(parser, child, may_begin, may_end && last))
				return false;
			may_begin = may_begin && child->kind == NODE_BEGIN;
		}
	return true;
}

/* ---- the automaton over characters ---- */

typedef struct Edge
{
	int			 target;
	const Range *ranges; /* NULL: no character */
	int			 n_ranges;
	int			 next; /* of the same state */
} Edge;

typedef struct Automaton
{
	SchemaBuild *build;
	int			*first; /* (n_states) edges */
	Edge		*edges;
	int			 n_states, n_edges, states_room, edges_room;
	bool		 begin_matches, end_matches; /* what ^ and $ are in the copy that is being made */
} Automaton;

static bool
automaton_error(Automaton *nfa)
{
	return build_error(nfa->build, ERR_LIMIT, "a pattern needs more than %d states", MAX_STATES);
}

static int
nfa_state(Automaton *nfa)
{
	if (build_failed(nfa->build))
		return 0;
	if (nfa->n_states == MAX_STATES)
	{
		automaton_error(nfa);
		return 0;
	}
	if (nfa->n_states == nfa->states_room)
	{
		int	 room = nfa->states_room * 2 + 64;
		int *first = realloc(nfa->first, (size_t) room * sizeof *first);

		if (first == NULL)
		{
			build_error(nfa->build, ERR_MEMORY, "out of memory for a pattern");
			return 0;
		}
		nfa->first = first;
		nfa->states_room = room;
	}
	nfa->first[nfa->n_states] = -1;
	return nfa->n_states++;
}

static void
nfa_edge(Automaton *nfa, int from, const Range *ranges, int n_ranges, int to)
{
	if (build_failed(nfa->build))
		return;
	if (nfa->n_edges == 8 * MAX_STATES)
	{
		automaton_error(nfa);
		return;
	}
	if (nfa->n_edges == nfa->edges_room)
	{
		int	  room = nfa->edges_room * 2 + 64;
		Edge *edges = realloc(nfa->edges, (size_t) room * sizeof *edges);

		if (edges == NULL)
		{
			build_error(nfa->build, ERR_MEMORY, "out of memory for a pattern");
			return;
		}
		nfa->edges = edges;
		nfa->edges_room = room;
	}
	nfa->edges[nfa->n_edges] =
		(Edge){.target = to, .ranges = ranges, .n_ranges = n_ranges, .next = nfa->first[from]};
	nfa->first[from] = nfa->n_edges++;
}

/* Edges for a node from a state; the state behind it. */
static int
nfa_node(Automaton *nfa, const Node *node, int from)
{
	int to = from;

	if (build_failed(nfa->build))
		return from;
	switch (node->kind)
	{
		case NODE_EMPTY:
			break;
		case NODE_SET:
			to = nfa_state(nfa);
			nfa_edge(nfa, from, node->ranges, node->n_ranges, to);
			break;
		case NODE_SEQUENCE:
			for (const Node *child = node->first; child != NULL; child = child->next)
				to = nfa_node(nfa, child, to);
			break;
		case NODE_ALTERNATIVES:
			to = nfa_state(nfa);
			for (const Node *child = node->first; child != NULL; child = child->next)
				nfa_edge(nfa, nfa_node(nfa, child, from), NULL, 0, to);
			break;
		case NODE_REPEAT:
			for (int i = 0; i < node->least; i++)
				to = nfa_node(nfa, node->first, to);
			if (node->most == MANY)
			{
				int begin = nfa_state(nfa);

				nfa_edge(nfa, to, NULL, 0, begin);
				nfa_edge(nfa, nfa_node(nfa, node->first, begin), NULL, 0, begin);
				to = begin;
			}
			else
			{
				int end = nfa_state(nfa);

				for (int i = node->least; i < node->most; i++)
				{
					nfa_edge(nfa, to, NULL, 0, end);
					to = nfa_node(nfa, node->first, to);
				}
				nfa_edge(nfa, to, NULL, 0, end);
				to = end;
			}
			break;
		case NODE_BEGIN:
		case NODE_END:
			if (node->kind == NODE_BEGIN ? nfa->begin_matches : nfa->end_matches)
				break;
			to = nfa_state(nfa); /* which nothing reaches */
			break;
	}
	return to;
}

/* The expression anywhere in a string: with and without characters before it and behind it. */
static void
nfa_search(Automaton *nfa, const Node *root, int begin, int end)
{
	static const Range any[] = {{0, LAST_CHARACTER}};

	for (int variant = 0; variant < 4; variant++)
	{
		bool before = (variant & 1) != 0, behind = (variant & 2) != 0;
		int	 from = begin;

		if (before)
		{
			from = nfa_state(nfa);
			nfa_edge(nfa, begin, any, 1, from);
			nfa_edge(nfa, from, any, 1, from);
		}
		nfa->begin_matches = !before;
		nfa->end_matches = !behind;
		from = nfa_node(nfa, root, from);
		if (behind)
		{
			int rest = nfa_state(nfa);

			nfa_edge(nfa, from, any, 1, rest);
			nfa_edge(nfa, rest, any, 1, rest);
			from = rest;
		}
		nfa_edge(nfa, from, NULL, 0, end);
	}
}

/* ---- into the grammar ---- */

/* A state of the grammar for each of the automaton's, times each number of characters before it: up to most, or, where
 * that is open, up to least and not counted further. */
static void
lower(Automaton *nfa, int begin, int end, int least, int most, int from, int to)
{
	GrammarBuilder *builder = nfa->build->builder;
	int				counts = (most >= 0 ? most : least) + 1, n_states = nfa->n_states;
	int			   *states;

	if (build_failed(nfa->build))
		return;
	if ((long) counts * n_states > GRAMMAR_MAX_STATES)
	{
		build_error(nfa->build, ERR_LIMIT,
					"a pattern of %d states and strings of up to %d characters are too much",
					n_states, counts - 1);
		return;
	}
	states = malloc((size_t) counts * (size_t) n_states * sizeof *states);
	if (states == NULL)
	{
		build_error(nfa->build, ERR_MEMORY, "out of memory for a pattern");
		return;
	}
	for (int i = 0; i < counts * n_states; i++)
		states[i] = builder_state(builder);
	for (int count = 0; count < counts; count++)
		for (int i = 0; i < n_states; i++)
			for (int j = nfa->first[i]; j >= 0; j = nfa->edges[j].next)
			{
				const Edge *edge = &nfa->edges[j];
				int			next = count + 1;

				if (edge->ranges == NULL)
				{
					builder_empty(builder, states[count * n_states + i],
								  states[count * n_states + edge->target]);
					continue;
				}
				if (next == counts && most >= 0)
					continue;
				if (next == counts)
					next = count;
				for (int k = 0; k < edge->n_ranges; k++)
					build_characters(nfa->build, states[count * n_states + i], edge->ranges[k].low,
									 edge->ranges[k].high, states[next * n_states + edge->target]);
			}
	builder_empty(builder, from, states[begin]);
	for (int count = least; count < counts; count++)
		builder_empty(builder, states[count * n_states + end], to);
	free(states);
}

void
build_pattern(SchemaBuild *build, const char *pattern, size_t length, int least, int most, int from,
			  int to)
{
	Parser	  parser = {.build = build, .pattern = pattern, .length = length};
	Automaton nfa = {.build = build};
	Node	 *root = parse_alternatives(&parser);
	int		  begin, end;

	if (root == NULL)
		return;
	if (!at_end(&parser))
	{
		pattern_error(&parser, "a group that was not begun ends");
		return;
	}
	if (!check_anchors(&parser, root, true, true))
		return;
	begin = nfa_state(&nfa);
	end = nfa_state(&nfa);
	nfa_search(&nfa, root, begin, end);
	lower(&nfa, begin, end, least, most, from, to);
	free(nfa.first);
	free(nfa.edges);
}
