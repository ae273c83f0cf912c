/*
 * regex_code.c: from a RegexTree to the table of tok/regex.h.
 *
 * Characters that no set of the pattern tells apart have one number.
 */
#include "import/regex.h"

#include <stdlib.h>
#include <string.h>

#include "import/tokenizer_build.h"

#define MAX_SETS 4096

typedef struct Coder
{
	Arena			 *arena;
	const Node		 *node;
	RegexInstruction *instructions;
	uint32_t		  n, room;
	const CharSet	 *sets[MAX_SETS];
	uint32_t		  n_sets, n_slots;
	bool			  captures;
	Error			 *error;
} Coder;

static bool emit_node(Coder *coder, const RegexNode *node);

static bool
emit(Coder *coder, RegexOp op, uint32_t a, uint32_t b)
{
	if (coder->n == REGEX_MAX_INSTRUCTIONS - 1)
		return node_error(coder->node, coder->error, ERR_LIMIT, "regular expression is too large");
	if (coder->n == coder->room)
	{
		uint32_t		  room = coder->room ? coder->room * 2 : 64;
		RegexInstruction *grown = arena_alloc(coder->arena, room, sizeof *grown);

		if (!grown)
			return error_set(coder->error, ERR_MEMORY, "out of memory for a regular expression");
		if (coder->n > 0)
			memcpy(grown, coder->instructions, coder->n * sizeof *grown);
		coder->instructions = grown;
		coder->room = room;
	}
	coder->instructions[coder->n++] = (RegexInstruction){.op = op, .a = a, .b = b};
	return true;
}

static bool
number_of(Coder *coder, const CharSet *set, uint32_t *number)
{
	for (*number = 0; *number < coder->n_sets; ++*number)
		if (set_equal(coder->sets[*number], set))
			return true;
	if (coder->n_sets == MAX_SETS)
		return node_error(coder->node, coder->error, ERR_LIMIT,
						  "regular expression has too many sets of characters");
	coder->sets[coder->n_sets++] = set;
	return true;
}

static bool
new_slots(Coder *coder, uint32_t n, uint32_t *first)
{
	*first = coder->n_slots;
	coder->n_slots += n;
	return coder->n_slots <= REGEX_MAX_SLOTS ||
		   node_error(coder->node, coder->error, ERR_LIMIT, "regular expression is too large");
}

bool
regex_nullable(const RegexNode *node)
{
	switch (node->kind)
	{
		case NODE_SET:
			return false;
		case NODE_SEQUENCE:
			for (const RegexNode *child = node->children; child; child = child->next)
				if (!regex_nullable(child))
					return false;
			return true;
		case NODE_CHOICE:
			for (const RegexNode *child = node->children; child; child = child->next)
				if (regex_nullable(child))
					return true;
			return false;
		case NODE_REPEAT:
			return node->least == 0 || regex_nullable(node->children);
		case NODE_ATOMIC:
		case NODE_CAPTURE:
			return regex_nullable(node->children);
		default:
			return true;
	}
}

/* Adds the characters that a match can begin with to *set; a node that is nullable adds those only that it may take
 * itself. */
static bool
add_first(Coder *coder, const RegexNode *node, const CharSet **set)
{
	switch (node->kind)
	{
		case NODE_SET:
			*set = set_combine(coder->arena, *set, node->set, SET_UNION, coder->error);
			return *set != NULL;
		case NODE_SEQUENCE:
			for (const RegexNode *child = node->children; child; child = child->next)
			{
				if (!add_first(coder, child, set))
					return false;
				if (!regex_nullable(child))
					break;
			}
			return true;
		case NODE_CHOICE:
			for (const RegexNode *child = node->children; child; child = child->next)
				if (!add_first(coder, child, set))
					return false;
			return true;
		case NODE_REPEAT:
		case NODE_ATOMIC:
		case NODE_CAPTURE:
			return add_first(coder, node->children, set);
		case NODE_BACKREF:
			*set = set_range(coder->arena, 0, CHAR_LAST, coder->error);
			return *set != NULL;
		default:
			return true;
	}
}

/* Whether what stands behind a repetition of a set begins with none of it, so that nothing has to be given back. */
static bool
keeps_all(Coder *coder, const RegexNode *repeat, bool *keeps)
{
	RegexNode	   rest = {.kind = NODE_SEQUENCE, .children = repeat->next};
	const CharSet *first = set_range(coder->arena, 1, 0, coder->error);

	*keeps = false;
	if (!first || !add_first(coder, &rest, &first))
		return false;
	*keeps = !regex_nullable(&rest) && set_disjoint(first, repeat->children->set);
	return true;
}

static bool
emit_set_repeat(Coder *coder, const RegexNode *node)
{
	uint32_t set;
	bool	 keeps = node->possessive;

	if (!number_of(coder, node->children->set, &set) ||
		(!keeps && node->next && !keeps_all(coder, node, &keeps)) ||
		!emit(coder, keeps ? REGEX_GRAB : REGEX_REPEAT, set, node->least))
		return false;
	coder->instructions[coder->n - 1].c = node->most;
	return true;
}

/* A choice between what follows and a place that is not known yet: instruction *at, whose patch() names the place. */
static bool
emit_choice(Coder *coder, bool lazy, uint32_t *at)
{
	*at = coder->n;
	return emit(coder, REGEX_SPLIT, lazy ? UINT32_MAX : coder->n + 1,
				lazy ? coder->n + 1 : UINT32_MAX);
}

static void
patch(Coder *coder, uint32_t at)
{
	RegexInstruction *instruction = &coder->instructions[at];

	if (instruction->a == UINT32_MAX)
		instruction->a = coder->n;
	if (instruction->b == UINT32_MAX)
		instruction->b = coder->n;
}

/* Any number of times. */
static bool
emit_star(Coder *coder, const RegexNode *node)
{
	bool	 nullable = regex_nullable(node->children);
	uint32_t begin, slot = 0, empty = 0;

	if ((nullable && !new_slots(coder, 1, &slot)) || !emit_choice(coder, node->lazy, &begin) ||
		(nullable && !emit(coder, REGEX_SAVE, slot, 0)) || !emit_node(coder, node->children))
		return false;
	if (nullable)
	{
		empty = coder->n;
		if (!emit(coder, REGEX_IF_EMPTY, slot, UINT32_MAX))
			return false;
	}
	if (!emit(coder, REGEX_JUMP, begin, 0))
		return false;
	patch(coder, begin);
	if (nullable)
		patch(coder, empty);
	return true;
}

/* The repetitions that there may be, nested: (x(x(x)?)?)? */
static bool
emit_options(Coder *coder, const RegexNode *node)
{
	uint32_t n = node->most - node->least;
	uint32_t first = coder->n;

	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t at;

		if (!emit_choice(coder, node->lazy, &at) || !emit_node(coder, node->children))
			return false;
	}
	/* The choices that are still open are those of this node: others have been closed by their own. */
	for (uint32_t i = first; i < coder->n; i++)
		if (coder->instructions[i].op == REGEX_SPLIT)
			patch(coder, i);
	return true;
}

static bool
emit_repeat(Coder *coder, const RegexNode *node)
{
	uint32_t group = coder->n;
	bool	 set = node->children->kind == NODE_SET;

	if (set && !node->lazy)
		return emit_set_repeat(coder, node);
	if (node->possessive && !emit(coder, REGEX_ATOMIC, UINT32_MAX, 0))
		return false;
	for (uint32_t i = 0; i < node->least; i++)
		if (!emit_node(coder, node->children))
			return false;
	if (node->most == REGEX_UNLIMITED ? !emit_star(coder, node) : !emit_options(coder, node))
		return false;
	if (!node->possessive)
		return true;
	if (!emit(coder, REGEX_MATCH, 0, 0))
		return false;
	patch(coder, group);
	return true;
}

static bool
emit_alternatives(Coder *coder, const RegexNode *node)
{
	/* Jumps to the end are linked through their target. */
	uint32_t jumps = UINT32_MAX;

	for (const RegexNode *child = node->children; child; child = child->next)
	{
		uint32_t choice = 0, next;

		if (child->next && !emit_choice(coder, false, &choice))
			return false;
		if (!emit_node(coder, child))
			return false;
		if (!child->next)
			break;
		next = coder->n;
		if (!emit(coder, REGEX_JUMP, jumps, 0))
			return false;
		jumps = next;
		patch(coder, choice);
	}
	while (jumps != UINT32_MAX)
	{
		uint32_t next = coder->instructions[jumps].a;

		coder->instructions[jumps].a = coder->n;
		jumps = next;
	}
	return true;
}

/* How many characters a node takes. */
static void
extent(const RegexNode *node, uint64_t *least, uint64_t *most)
{
	uint64_t child_least, child_most;

	*least = *most = node->kind == NODE_SET;
	if (node->kind == NODE_BACKREF)
		*most = REGEX_UNLIMITED;
	if (node->kind == NODE_AHEAD || node->kind == NODE_BEHIND)
		return;
	for (const RegexNode *child = node->children; child; child = child->next)
	{
		extent(child, &child_least, &child_most);
		if (node->kind == NODE_CHOICE)
		{
			*least = child == node->children || child_least < *least ? child_least : *least;
			*most = child_most > *most ? child_most : *most;
			continue;
		}
		if (node->kind == NODE_REPEAT)
		{
			child_least *= node->least;
			child_most = child_most == 0				 ? 0
						 : node->most == REGEX_UNLIMITED ? REGEX_UNLIMITED
														 : child_most * node->most;
		}
		*least += child_least;
		*most += child_most;
	}
	*least = *least > REGEX_UNLIMITED ? REGEX_UNLIMITED : *least;
	*most = *most > REGEX_UNLIMITED ? REGEX_UNLIMITED : *most;
}

static bool
emit_group(Coder *coder, RegexOp op, const RegexNode *node)
{
	uint32_t group = coder->n;
	uint64_t least, most;

	if (!emit(coder, op, UINT32_MAX, node->negative) || !emit_node(coder, node->children) ||
		(op == REGEX_BEHIND && !emit(coder, REGEX_ASSERT, REGEX_HERE, 0)) ||
		!emit(coder, REGEX_MATCH, 0, 0))
		return false;
	coder->instructions[group].a = coder->n;
	if (op == REGEX_BEHIND)
	{
		extent(node->children, &least, &most);
		coder->instructions[group].c = (uint32_t) least;
		coder->instructions[group].d = (uint32_t) most;
	}
	return true;
}

static bool
emit_node(Coder *coder, const RegexNode *node)
{
	uint32_t set, slot;

	switch (node->kind)
	{
		case NODE_EMPTY:
			return true;
		case NODE_SET:
			return number_of(coder, node->set, &set) && emit(coder, REGEX_SET, set, 0);
		case NODE_SEQUENCE:
			for (const RegexNode *child = node->children; child; child = child->next)
				if (!emit_node(coder, child))
					return false;
			return true;
		case NODE_CHOICE:
			return emit_alternatives(coder, node);
		case NODE_REPEAT:
			return emit_repeat(coder, node);
		case NODE_AHEAD:
			return emit_group(coder, REGEX_AHEAD, node);
		case NODE_BEHIND:
			return emit_group(coder, REGEX_BEHIND, node);
		case NODE_ATOMIC:
			return emit_group(coder, REGEX_ATOMIC, node);
		case NODE_CAPTURE:
			if (!coder->captures)
				return emit_node(coder, node->children);
			/* A third slot is where the group began: the two count when it has ended. */
			slot = (node->number - 1) * 2;
			return emit(coder, REGEX_SAVE, slot, 0) && emit_node(coder, node->children) &&
				   emit(coder, REGEX_SAVE, slot + 1, 0);
		case NODE_BACKREF:
			return emit(coder, REGEX_BACKREF, (node->number - 1) * 2, 0);
		case NODE_ASSERT:
			return emit(coder, REGEX_ASSERT, node->number, 0);
	}
	return false;
}

/* ---- tables ---- */

typedef struct Atoms
{
	uint32_t *bounds, *numbers; /* of the characters from a bound to the next */
	size_t	  n;
	uint32_t  n_atoms;
	size_t	  at; /* the table is built in order */
} Atoms;

static int
compare_bounds(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* Finds what the sets tell apart. */
static bool
find_atoms(Coder *coder, Atoms *atoms)
{
	size_t	  room = 1, n_words = (coder->n_sets + 31) / 32;
	uint32_t *members;
	StringMap known = {0};

	for (uint32_t i = 0; i < coder->n_sets; i++)
		room += coder->sets[i]->n;
	atoms->bounds = arena_alloc(coder->arena, room, sizeof *atoms->bounds);
	atoms->numbers = arena_alloc(coder->arena, room, sizeof *atoms->numbers);
	if (!atoms->bounds || !atoms->numbers)
		return error_set(coder->error, ERR_MEMORY, "out of memory for a regular expression");
	atoms->n = 1;
	for (uint32_t i = 0; i < coder->n_sets; i++)
	{
		memcpy(atoms->bounds + atoms->n, coder->sets[i]->bounds,
			   coder->sets[i]->n * sizeof *atoms->bounds);
		atoms->n += coder->sets[i]->n;
	}
	qsort(atoms->bounds, atoms->n, sizeof *atoms->bounds, compare_bounds);
	for (size_t i = 0; i < atoms->n; i++)
	{
		int32_t number;

		if (i > 0 && atoms->bounds[i] == atoms->bounds[i - 1])
		{
			atoms->numbers[i] = atoms->numbers[i - 1];
			continue;
		}
		members = arena_alloc(coder->arena, n_words, sizeof *members);
		if (!members)
			return error_set(coder->error, ERR_MEMORY, "out of memory for a regular expression");
		for (uint32_t j = 0; j < coder->n_sets; j++)
			if (set_has(coder->sets[j], atoms->bounds[i]))
				members[j / 32] |= 1u << j % 32;
		number = string_map_get(&known, (char *) members, n_words * sizeof *members);
		if (number < 0)
		{
			number = (int32_t) atoms->n_atoms++;
			if (!string_map_put(&known, coder->arena, (char *) members, n_words * sizeof *members,
								number, coder->error))
				return false;
		}
		atoms->numbers[i] = (uint32_t) number;
	}
	return true;
}

static uint32_t
atom_of(uint32_t character, const void *argument)
{
	Atoms *atoms = (Atoms *) argument;

	if (character < atoms->bounds[atoms->at])
		atoms->at = 0;
	while (atoms->at + 1 < atoms->n && atoms->bounds[atoms->at + 1] <= character)
		atoms->at++;
	return atoms->numbers[atoms->at];
}

static bool
make_table(Coder *coder, const RegexTree *tree, const void **data, size_t *size)
{
	Atoms		   atoms = {0};
	const void	  *characters;
	size_t		   n_characters, n_instructions, n_sets, set_words;
	const CharSet *first = set_range(coder->arena, 1, 0, coder->error);
	uint32_t	   first_number = 0;
	bool		   has_first = !regex_nullable(tree->root);
	RegexTable	  *table;
	uint32_t	  *sets;

	if (!first ||
		(has_first &&
		 (!add_first(coder, tree->root, &first) || !number_of(coder, first, &first_number))) ||
		!find_atoms(coder, &atoms) ||
		!char_class_build(coder->arena, atom_of, &atoms, &characters, &n_characters, coder->error))
		return false;
	set_words = (atoms.n_atoms + 31) / 32;
	n_instructions = coder->n * sizeof *coder->instructions;
	n_sets = coder->n_sets * set_words * sizeof *sets;
	*size = sizeof *table + n_instructions + n_sets + n_characters;
	table = arena_alloc(coder->arena, *size, 1);
	if (!table)
		return error_set(coder->error, ERR_MEMORY, "out of memory for a regular expression");
	*table = (RegexTable){.size = (uint32_t) *size,
						  .n_instructions = coder->n,
						  .n_sets = coder->n_sets,
						  .n_slots = coder->n_slots,
						  .set_words = (uint32_t) set_words,
						  .has_first = has_first,
						  .first = first_number};
	memcpy(table + 1, coder->instructions, n_instructions);
	sets = (uint32_t *) ((char *) (table + 1) + n_instructions);
	for (size_t i = 0; i < atoms.n; i++)
		for (uint32_t j = 0; j < coder->n_sets; j++)
			if (set_has(coder->sets[j], atoms.bounds[i]))
				sets[j * set_words + atoms.numbers[i] / 32] |= 1u << atoms.numbers[i] % 32;
	memcpy((char *) sets + n_sets, characters, n_characters);
	*data = table;
	return true;
}

bool
regex_compile(Arena *arena, const RegexTree *tree, const Node *at, const void **table, size_t *size,
			  Error *error)
{
	Coder	*coder = arena_alloc(arena, 1, sizeof *coder);
	uint32_t words;

	if (!coder)
		return error_set(error, ERR_MEMORY, "out of memory for a regular expression");
	coder->arena = arena;
	coder->node = at;
	coder->error = error;
	coder->captures = tree->n_groups > 0;
	coder->n_slots = tree->n_groups * 2;
	return number_of(coder, tree->characters, &words) && emit_node(coder, tree->root) &&
		   emit(coder, REGEX_MATCH, 0, 0) && make_table(coder, tree, table, size);
}
