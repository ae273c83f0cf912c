/*
 * grammar.h: a set of texts as rules over bytes: what constrained generation follows.
 *
 * A rule is a nondeterministic automaton whose edges take a byte, nothing, or what another rule has; rules
 * may call themselves, but only behind a byte.  A finished Grammar is one block of memory without
 * pointers, so that a backend can compile it and an engine walk it.
 */
#ifndef TASK_GRAMMAR_H
#define TASK_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define GRAMMAR_MAX_STATES 500000
#define GRAMMAR_NO_END UINT32_MAX

typedef enum GrammarEdgeKind
{
	EDGE_BYTES, /* one byte of low .. high */
	EDGE_EMPTY,
	EDGE_CALL /* what a rule has */
} GrammarEdgeKind;

typedef struct GrammarEdge
{
	int32_t target;
	int32_t rule; /* of a call */
	uint8_t kind; /* GrammarEdgeKind */
	uint8_t low, high;
	uint8_t unused;
} GrammarEdge;

typedef struct GrammarState
{
	uint32_t first;	   /* its edges: first .. the next state's first - 1 */
	uint32_t distance; /* bytes from here to the end of its rule at least; GRAMMAR_NO_END: none */
	uint32_t final;	   /* 1: the rule may end here */
} GrammarState;

/* Rule 0 is the whole. */
typedef struct Grammar
{
	uint64_t size; /* bytes of all */
	uint32_t n_rules, n_states, n_edges;
	uint32_t strips_space; /* 1: a space before the text is not part of it */
	uint32_t of_tokens;	   /* 1: its texts are the bytes of token ids (vocabulary_of_ids) */
	uint32_t unused;
	/* uint32_t starts[n_rules]; GrammarState states[n_states + 1]; GrammarEdge edges[n_edges] */
} Grammar;

extern const uint32_t	  *grammar_starts(const Grammar *grammar);
extern const GrammarState *grammar_states(const Grammar *grammar);
extern const GrammarEdge  *grammar_edges(const Grammar *grammar);

/* Whether a block of so many bytes is a grammar that can be walked. */
extern bool grammar_check(const void *block, size_t size, Error *error);

#define TOKEN_BYTES 4

/* A token id as a text: its bytes, the highest first. */
static inline void
token_bytes(int32_t id, uint8_t bytes[TOKEN_BYTES])
{
	for (int i = 0; i < TOKEN_BYTES; i++)
		bytes[i] = (uint8_t) ((uint32_t) id >> (24 - 8 * i));
}

/* ---- making one ---- */

/* What fails is remembered, later calls do nothing, and builder_finish reports it. */
typedef struct GrammarBuilder GrammarBuilder;

extern GrammarBuilder *builder_create(Error *error);
extern void			   builder_free(GrammarBuilder *builder);

/* A new rule; its start. */
extern int builder_rule(GrammarBuilder *builder);
extern int builder_start(const GrammarBuilder *builder, int rule);

extern int	builder_state(GrammarBuilder *builder);
extern void builder_final(GrammarBuilder *builder, int state);
extern void builder_bytes(GrammarBuilder *builder, int from, uint8_t low, uint8_t high, int to);
extern void builder_empty(GrammarBuilder *builder, int from, int to);
extern void builder_call(GrammarBuilder *builder, int from, int rule, int to);

/* A text's bytes one after the other; the state behind them. */
extern int builder_text(GrammarBuilder *builder, int from, const char *bytes, size_t length);

/* The same, along the states that earlier words from there have made: thousands of words are then one way on at a
 * time, not thousands.  No edge may lead back to these states. */
extern int builder_word(GrammarBuilder *builder, int from, const char *bytes, size_t length);

/* A character of low .. high in UTF-8, surrogates left out. */
extern void builder_characters(GrammarBuilder *builder, int from, uint32_t low, uint32_t high,
							   int to);

/* The grammar, malloc'ed.  ERR_DATA when rule 0 has no text, or a rule calls itself before its first byte; *bad: the
 * rule that is to blame, the last one without any text in the first case. */
extern Grammar *builder_finish(GrammarBuilder *builder, bool strips_space, int *bad, Error *error);

/* A text that is one of several. */
extern Grammar *grammar_of_choices(const char *const *choices, int n_choices, Error *error);

/* Token ids that are one of several lists: ids[offsets[i]] .. ids[offsets[i + 1] - 1], none of them empty. */
extern Grammar *grammar_of_tokens(const int32_t *ids, const int32_t *offsets, int n_lists,
								  Error *error);

#endif
