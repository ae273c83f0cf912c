/*
 * tokenizer_trie.c: builds a double-array trie (tok/trie.h).
 *
 * The keys are sorted, so the children of a node are neighbouring ranges; each node takes the first place
 * where all its children fit into free slots.  Free slots form a list; after SEARCH_LIMIT of them a node
 * is put at the end, which bounds the time at the cost of a few holes.
 */
#include "import/tokenizer_build.h"

#include <stdlib.h>
#include <string.h>

#define SEARCH_LIMIT 4096
#define SLOT_NONE 0
#define SLOTS_MAX ((size_t) INT32_MAX / 2)

/* Keys begin .. end - 1 share their first depth bytes, which lead to node state. */
typedef struct Range
{
	size_t	 begin, end, depth;
	uint32_t state;
} Range;

typedef struct Builder
{
	Arena	 *arena;
	TrieNode *nodes;
	uint32_t *next_free, *previous_free; /* circular over slot 0, which is never free */
	bool	 *used;
	size_t	  n, room;
	Range	 *stack;
	size_t	  n_stack, stack_room;
	Error	 *error;
} Builder;

static int
compare_keys(const void *a, const void *b)
{
	const BuildString *x = &((const TrieKey *) a)->string, *y = &((const TrieKey *) b)->string;
	size_t			   length = x->length < y->length ? x->length : y->length;
	int				   order = length > 0 ? memcmp(x->bytes, y->bytes, length) : 0;

	return order ? order : (x->length > y->length) - (x->length < y->length);
}

static void *
regrow(Builder *builder, const void *old, size_t n, size_t room, size_t size)
{
	void *grown = arena_alloc(builder->arena, room, size);

	if (grown && n > 0)
		memcpy(grown, old, n * size);
	return grown;
}

/* At least n slots, the new ones free. */
static bool
grow(Builder *builder, size_t n)
{
	size_t room = builder->room ? builder->room : 1024;

	if (n <= builder->n)
		return true;
	if (n > SLOTS_MAX)
		return error_set(builder->error, ERR_LIMIT, "vocabulary needs more than %zu trie nodes",
						 SLOTS_MAX);
	while (room < n)
		room *= 2;
	if (room > builder->room)
	{
		builder->nodes = regrow(builder, builder->nodes, builder->n, room, sizeof(TrieNode));
		builder->next_free =
			regrow(builder, builder->next_free, builder->n, room, sizeof(uint32_t));
		builder->previous_free =
			regrow(builder, builder->previous_free, builder->n, room, sizeof(uint32_t));
		builder->used = regrow(builder, builder->used, builder->n, room, sizeof(bool));
		if (!builder->nodes || !builder->next_free || !builder->previous_free || !builder->used)
			return error_set(builder->error, ERR_MEMORY, "out of memory for a trie");
		builder->room = room;
	}
	for (size_t i = builder->n; i < n; i++)
	{
		uint32_t last = i > 0 ? builder->previous_free[0] : 0;

		builder->nodes[i] = (TrieNode){.base = 0, .parent = TRIE_NO_PARENT};
		builder->used[i] = i == 0;
		builder->next_free[i] = SLOT_NONE;
		builder->previous_free[i] = last;
		if (i > 0)
		{
			builder->next_free[last] = (uint32_t) i;
			builder->previous_free[0] = (uint32_t) i;
		}
	}
	builder->n = n;
	return true;
}

static void
take(Builder *builder, uint32_t slot, uint32_t parent)
{
	builder->next_free[builder->previous_free[slot]] = builder->next_free[slot];
	builder->previous_free[builder->next_free[slot]] = builder->previous_free[slot];
	builder->used[slot] = true;
	builder->nodes[slot].parent = parent;
}

/* An offset at which codes (ascending, 0: the leaf, 1 + b: byte b) are all free. */
static bool
place(Builder *builder, const uint16_t *codes, int n_codes, uint32_t *offset)
{
	int tries = 0;

	for (uint32_t slot = builder->next_free[0]; slot != SLOT_NONE && tries < SEARCH_LIMIT;
		 slot = builder->next_free[slot], tries++)
	{
		int i;

		if (slot <= codes[0])
			continue;
		*offset = slot - codes[0];
		for (i = 1; i < n_codes; i++)
			if (*offset + codes[i] < builder->n && builder->used[*offset + codes[i]])
				break;
		if (i == n_codes)
			return grow(builder, (size_t) *offset + codes[n_codes - 1] + 1);
	}
	*offset = (uint32_t) builder->n;
	return grow(builder, (size_t) *offset + codes[n_codes - 1] + 1);
}

static bool
push(Builder *builder, Range range)
{
	if (builder->n_stack == builder->stack_room)
	{
		size_t room = builder->stack_room ? builder->stack_room * 2 : 1024;

		builder->stack =
			regrow(builder, builder->stack, builder->n_stack, room, sizeof *builder->stack);
		if (!builder->stack)
			return error_set(builder->error, ERR_MEMORY, "out of memory for a trie");
		builder->stack_room = room;
	}
	builder->stack[builder->n_stack++] = range;
	return true;
}

static uint16_t
code_at(const TrieKey *key, size_t depth)
{
	return key->string.length == depth ? 0 : (uint16_t) (1 + (uint8_t) key->string.bytes[depth]);
}

/* Places the children of one node and pushes their ranges. */
static bool
expand(Builder *builder, const TrieKey *keys, Range range)
{
	uint16_t codes[257];
	size_t	 begins[258];
	int		 n_codes = 0;
	uint32_t offset;

	for (size_t i = range.begin; i < range.end; i++)
	{
		uint16_t code = code_at(&keys[i], range.depth);

		if (n_codes > 0 && codes[n_codes - 1] == code)
		{
			if (code == 0)
				return error_set(builder->error, ERR_DATA, "\"%.*s\" is in the vocabulary twice",
								 (int) (keys[i].string.length < 100 ? keys[i].string.length : 100),
								 keys[i].string.bytes);
			continue;
		}
		codes[n_codes] = code;
		begins[n_codes++] = i;
	}
	begins[n_codes] = range.end;
	if (!place(builder, codes, n_codes, &offset))
		return false;
	builder->nodes[range.state].base = offset << 1 | (codes[0] == 0);
	for (int i = 0; i < n_codes; i++)
	{
		uint32_t slot = offset + codes[i];

		take(builder, slot, range.state);
		if (codes[i] == 0)
			builder->nodes[slot].base = (uint32_t) keys[begins[i]].value;
		else if (!push(builder, (Range){begins[i], begins[i + 1], range.depth + 1, slot}))
			return false;
	}
	return true;
}

bool
trie_build(Arena *arena, TrieKey *keys, size_t n, const TrieNode **nodes, size_t *n_nodes,
		   Error *error)
{
	Builder builder = {.arena = arena, .error = error};

	qsort(keys, n, sizeof *keys, compare_keys);
	if (!grow(&builder, 1))
		return false;
	if (n > 0 && !push(&builder, (Range){0, n, 0, 0}))
		return false;
	while (builder.n_stack > 0)
		if (!expand(&builder, keys, builder.stack[--builder.n_stack]))
			return false;
	*nodes = builder.nodes;
	*n_nodes = builder.n;
	return true;
}
