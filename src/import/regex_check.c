/*
 * regex_check.c: what can be told about a regular expression without a text.
 *
 * Both questions are asked of the position automaton (Glushkov 1961): its states are the sets of the pattern, and an
 * edge leads to every set that may match right behind another.  A bounded repetition stands for three.
 *
 * A loop is exponential when some string leads from a state back to it on two ways (Weber & Seidl 1991) and what
 * follows the loop can fail, which makes a backtracking matcher try all of them.
 */
#include "import/regex.h"

#include <string.h>

#include "tok/tables.h"

#define MAX_STATES 256
#define MAX_CHECKED 48 /* states of a loop; larger ones are left to the limit of steps */
#define WORDS (MAX_STATES / 64)

typedef struct States
{
	uint64_t bits[WORDS];
} States;

typedef struct Automaton
{
	const CharSet *sets[MAX_STATES];
	States		   follow[MAX_STATES];
	States		   twice[MAX_STATES]; /* edges that are there for two reasons */
	int			   n;
	bool		   too_large;
	bool		   has_backref;
	int			   in_atomic;
} Automaton;

/* What a node begins and ends with. */
typedef struct Ends
{
	States first, last;
	bool   nullable;
} Ends;

static bool
has(const States *states, int i)
{
	return states->bits[i / 64] >> i % 64 & 1;
}

static void
add_all(States *states, const States *others)
{
	for (int i = 0; i < WORDS; i++)
		states->bits[i] |= others->bits[i];
}

static void
connect(Automaton *automaton, const States *from, const States *to)
{
	for (int i = 0; i < automaton->n; i++)
	{
		if (!has(from, i))
			continue;
		for (int j = 0; j < WORDS; j++)
			automaton->twice[i].bits[j] |= automaton->follow[i].bits[j] & to->bits[j];
		add_all(&automaton->follow[i], to);
	}
}

/* One behind the other. */
static void
append(Automaton *automaton, Ends *ends, const Ends *more)
{
	connect(automaton, &ends->last, &more->first);
	if (ends->nullable)
		add_all(&ends->first, &more->first);
	if (!more->nullable)
		ends->last = (States){0};
	add_all(&ends->last, &more->last);
	ends->nullable &= more->nullable;
}

static void gather(Automaton *automaton, const RegexNode *node, Ends *ends);

static void
gather_repeat(Automaton *automaton, const RegexNode *node, Ends *ends)
{
	uint32_t n = node->most == REGEX_UNLIMITED ? (node->least < 2 ? 1 : 2)
				 : node->most < 3			   ? node->most
											   : 3;

	States before = {0}; /* what the next turn can follow */

	automaton->in_atomic += node->possessive;
	*ends = (Ends){.nullable = node->least == 0 || n == 0};
	for (uint32_t i = 0; i < n; i++)
	{
		bool last = i + 1 == n;
		Ends part;

		gather(automaton, node->children, &part);
		if (node->most == REGEX_UNLIMITED && last && automaton->in_atomic == 0)
			connect(automaton, &part.last, &part.first);
		connect(automaton, &before, &part.first);
		if (i == 0)
			ends->first = part.first;
		if (!part.nullable)
			before = (States){0};
		else
			add_all(&ends->first, &part.first);
		add_all(&before, &part.last);
		/* It can end behind every turn but those that are too few. */
		if (last || part.nullable || i + 1 >= node->least)
			add_all(&ends->last, &part.last);
		ends->nullable |= part.nullable;
	}
	automaton->in_atomic -= node->possessive;
}

static void
gather(Automaton *automaton, const RegexNode *node, Ends *ends)
{
	*ends = (Ends){.nullable = true};
	switch (node->kind)
	{
		case NODE_SET:
			ends->nullable = false;
			if (automaton->n == MAX_STATES)
			{
				automaton->too_large = true;
				break;
			}
			ends->first.bits[automaton->n / 64] |= (uint64_t) 1 << automaton->n % 64;
			ends->last = ends->first;
			automaton->sets[automaton->n++] = node->set;
			break;
		case NODE_SEQUENCE:
			for (const RegexNode *child = node->children; child; child = child->next)
			{
				Ends part;

				gather(automaton, child, &part);
				append(automaton, ends, &part);
			}
			break;
		case NODE_CHOICE:
			ends->nullable = false;
			for (const RegexNode *child = node->children; child; child = child->next)
			{
				Ends part;

				gather(automaton, child, &part);
				add_all(&ends->first, &part.first);
				add_all(&ends->last, &part.last);
				ends->nullable |= part.nullable;
			}
			break;
		case NODE_REPEAT:
			gather_repeat(automaton, node, ends);
			break;
		case NODE_ATOMIC:
			/* It is left in one way only, so its own loops are as good as one turn of them. */
			automaton->in_atomic++;
			gather(automaton, node->children, ends);
			automaton->in_atomic--;
			break;
		case NODE_CAPTURE:
			gather(automaton, node->children, ends);
			break;
		case NODE_BACKREF:
			automaton->has_backref = true;
			break;
		default:
			break;
	}
}

/* ---- exponential loops ---- */

typedef struct Pairs
{
	const Automaton *automaton;
	bool			 overlap[MAX_CHECKED][MAX_CHECKED];
	bool			 seen[MAX_CHECKED][MAX_CHECKED];
	uint16_t		 queue[MAX_CHECKED * MAX_CHECKED];
} Pairs;

/* Marks the pairs of states that one string leads to from a pair, or (backwards) from which it leads there. */
static void
reach(Pairs *pairs, int p, int q, bool backwards)
{
	const Automaton *automaton = pairs->automaton;
	int				 n = automaton->n, begin = 0, end = 0;

	memset(pairs->seen, 0, sizeof pairs->seen);
	pairs->queue[end++] = (uint16_t) (p * MAX_CHECKED + q);
	while (begin < end)
	{
		int from_p = pairs->queue[begin] / MAX_CHECKED, from_q = pairs->queue[begin] % MAX_CHECKED;

		begin++;
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
			{
				bool edge = backwards
								? has(&automaton->follow[i], from_p) &&
									  has(&automaton->follow[j], from_q) &&
									  pairs->overlap[from_p][from_q]
								: has(&automaton->follow[from_p], i) &&
									  has(&automaton->follow[from_q], j) && pairs->overlap[i][j];

				if (!edge || pairs->seen[i][j])
					continue;
				pairs->seen[i][j] = true;
				pairs->queue[end++] = (uint16_t) (i * MAX_CHECKED + j);
			}
	}
}

static bool
is_exponential(const RegexNode *loop, Automaton *automaton, Pairs *pairs)
{
	bool ahead[MAX_CHECKED][MAX_CHECKED];
	Ends ends;

	memset(automaton, 0, sizeof *automaton);
	gather(automaton, loop, &ends);
	if (automaton->too_large || automaton->n > MAX_CHECKED)
		return false;
	pairs->automaton = automaton;
	for (int i = 0; i < automaton->n; i++)
		for (int j = 0; j < automaton->n; j++)
			pairs->overlap[i][j] = !set_disjoint(automaton->sets[i], automaton->sets[j]);
	for (int p = 0; p < automaton->n; p++)
	{
		reach(pairs, p, p, false);
		if (!pairs->seen[p][p])
			continue;
		/* An edge of the cycle that counts twice is two ways already. */
		for (int q = 0; q < automaton->n; q++)
			if (has(&automaton->twice[p], q))
			{
				reach(pairs, q, q, false);
				if (q == p || pairs->seen[p][p])
					return true;
			}
		reach(pairs, p, p, false);
		memcpy(ahead, pairs->seen, sizeof ahead);
		reach(pairs, p, p, true);
		for (int i = 0; i < automaton->n; i++)
			for (int j = 0; j < automaton->n; j++)
				if (i != j && ahead[i][j] && pairs->seen[i][j])
					return true;
	}
	return false;
}

/* Whether a node that was come to always matches, in the first way that is tried or another. */
static bool
is_sure(const RegexNode *node)
{
	switch (node->kind)
	{
		case NODE_EMPTY:
			return true;
		case NODE_SEQUENCE:
			for (const RegexNode *child = node->children; child; child = child->next)
				if (!is_sure(child))
					return false;
			return true;
		case NODE_CHOICE:
			for (const RegexNode *child = node->children; child; child = child->next)
				if (is_sure(child))
					return true;
			return false;
		case NODE_REPEAT:
			return node->least == 0 || is_sure(node->children);
		case NODE_ATOMIC:
		case NODE_CAPTURE:
			return is_sure(node->children);
		default:
			return false;
	}
}

typedef struct Check
{
	const Node *at;
	Automaton	automaton;
	Pairs		pairs;
	Error	   *error;
} Check;

/* Looks for loops; can_fail: what follows the node can. */
static bool
check_node(Check *check, const RegexNode *node, bool can_fail)
{
	switch (node->kind)
	{
		case NODE_AHEAD:
		case NODE_ATOMIC:
			can_fail = false;
			break;
		case NODE_BEHIND:
			can_fail = true;
			break;
		case NODE_REPEAT:
			if (node->possessive)
				can_fail = false;
			if (node->most == REGEX_UNLIMITED && can_fail &&
				is_exponential(node, &check->automaton, &check->pairs))
				return node_error(check->at, check->error, ERR_DATA,
								  "regular expression takes exponential time: a repetition "
								  "matches the same text in several ways");
			/* At least so many times: a turn can fail because of the next. */
			can_fail |= node->least > 1 && !is_sure(node->children);
			break;
		default:
			break;
	}
	for (const RegexNode *child = node->children; child; child = child->next)
	{
		bool fails = can_fail;

		for (const RegexNode *rest = child->next; node->kind == NODE_SEQUENCE && rest && !fails;
			 rest = rest->next)
			fails = !is_sure(rest);
		if (!check_node(check, child, fails))
			return false;
	}
	return true;
}

bool
regex_check(const RegexTree *tree, const Node *at, Error *error)
{
	Check check = {.at = at, .error = error};

	return check_node(&check, tree->root, false);
}

/* ---- where a text may be cut ---- */

/* ASCII letters and digits, a space, and U+4E00 .. U+9FFF, as encode.c asks for them. */
static uint32_t		 alnum_bounds[] = {'0', '9' + 1, 'A', 'Z' + 1, 'a', 'z' + 1};
static uint32_t		 space_bounds[] = {' ', ' ' + 1};
static uint32_t		 han_bounds[] = {0x4E00, 0xA000};
static const CharSet alnum = {6, alnum_bounds}, space = {2, space_bounds}, han = {2, han_bounds};

/* Whether assertions look at nothing that a cut would take away: only look-ahead for one character, behind one that
 * stands at no cut. */
static bool
looks_near(const RegexNode *node)
{
	if (node->kind == NODE_BEHIND || node->kind == NODE_ASSERT || node->kind == NODE_AHEAD ||
		node->kind == NODE_BACKREF)
		return false;
	for (const RegexNode *child = node->children, *before = NULL; child;
		 before = child, child = child->next)
	{
		const RegexNode *set = before;

		if (child->kind != NODE_AHEAD || node->kind != NODE_SEQUENCE)
		{
			if (!looks_near(child))
				return false;
			continue;
		}
		if (set && set->kind == NODE_REPEAT && set->least > 0)
			set = set->children;
		if (!set || set->kind != NODE_SET || !set_disjoint(set->set, &alnum) ||
			!set_disjoint(set->set, &han) || child->children->kind != NODE_SEQUENCE ||
			!child->children->children || child->children->children->kind != NODE_SET ||
			child->children->children->next)
			return false;
	}
	return true;
}

/* Whether a match may go from a character of one set to one of another. */
static bool
goes_across(const Automaton *automaton, const CharSet *from, const CharSet *to)
{
	for (int i = 0; i < automaton->n; i++)
	{
		if (set_disjoint(automaton->sets[i], from))
			continue;
		for (int j = 0; j < automaton->n; j++)
			if (has(&automaton->follow[i], j) && !set_disjoint(automaton->sets[j], to))
				return true;
	}
	return false;
}

static bool
gather_all(const RegexTree *tree, Automaton *automaton)
{
	Ends ends;

	memset(automaton, 0, sizeof *automaton);
	gather(automaton, tree->root, &ends);
	return !automaton->too_large && !automaton->has_backref;
}

uint32_t
regex_cuts(const RegexTree *tree)
{
	Automaton automaton;
	uint32_t  cuts = 0;

	if (!looks_near(tree->root) || !gather_all(tree, &automaton))
		return 0;
	if (!goes_across(&automaton, &alnum, &space))
		cuts |= TOKENIZER_CUT_SPACE;
	if (!goes_across(&automaton, &han, &han))
		cuts |= TOKENIZER_CUT_HAN;
	return cuts;
}

uint32_t
regex_spares(const RegexTree *tree)
{
	Automaton automaton;
	uint32_t  cuts = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN;

	if (!looks_near(tree->root) || regex_nullable(tree->root) || !gather_all(tree, &automaton))
		return 0;
	for (int i = 0; i < automaton.n; i++)
	{
		if (!set_disjoint(automaton.sets[i], &alnum) || !set_disjoint(automaton.sets[i], &space))
			cuts &= ~TOKENIZER_CUT_SPACE;
		if (!set_disjoint(automaton.sets[i], &han))
			cuts &= ~TOKENIZER_CUT_HAN;
	}
	return cuts;
}

static bool
is_character(const RegexNode *node, uint32_t character)
{
	return node && node->kind == NODE_SET && !node->next && node->set->n == 2 &&
		   node->set->bounds[0] == character && node->set->bounds[1] == character + 1;
}

bool
regex_is_character(const RegexTree *tree, uint32_t character)
{
	return tree->root->kind == NODE_SEQUENCE && is_character(tree->root->children, character);
}

bool
regex_is_run(const RegexTree *tree, uint32_t character)
{
	const RegexNode *node = tree->root->children;

	return tree->root->kind == NODE_SEQUENCE && node && node->kind == NODE_REPEAT && !node->next &&
		   node->least >= 2 && is_character(node->children, character);
}
