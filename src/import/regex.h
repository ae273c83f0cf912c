/*
 * regex.h: compiles regular expressions of the tokenizers library to tables of tok/regex.h.
 *
 * The syntax is Oniguruma's (ONIG_SYNTAX_ONIGURUMA of 6.9), for UTF-8 and Unicode 14.  What is rare there is refused:
 * absent operators, conditionals, calls of groups, callouts, \K, \X, \y, look-around inside of look-behind, and back
 * references without regard to case.  So is a pattern that takes exponential time on some text.
 */
#ifndef IMPORT_REGEX_H
#define IMPORT_REGEX_H

#include "import/char_set.h"
#include "import/tokenizer_node.h"
#include "tok/regex.h"

typedef enum RegexKind
{
	NODE_EMPTY,
	NODE_SET,
	NODE_SEQUENCE, /* of children */
	NODE_CHOICE,   /* between children */
	NODE_REPEAT,   /* of the only child */
	NODE_AHEAD,	   /* likewise, and the following */
	NODE_BEHIND,
	NODE_ATOMIC,
	NODE_CAPTURE,
	NODE_BACKREF,
	NODE_ASSERT
} RegexKind;

typedef struct RegexNode
{
	RegexKind		  kind;
	struct RegexNode *children, *next; /* a list */
	const CharSet	 *set;			   /* of NODE_SET */
	uint32_t		  least, most;	   /* of NODE_REPEAT; REGEX_UNLIMITED */
	bool			  lazy, possessive;
	bool			  negative; /* of look-around */
	uint32_t		  number;	/* of a group, or a RegexAssertion */
} RegexNode;

typedef struct RegexTree
{
	RegexNode	  *root;
	uint32_t	   n_groups;   /* that are captured; 0 when nothing refers to one */
	const CharSet *characters; /* of words, for the borders */
} RegexTree;

/* regex_parse.c.  at is where the pattern stands. */
extern bool regex_parse(Arena *arena, const Node *at, const char *pattern, size_t length,
						RegexTree *tree, Error *error);
/* The pattern that matches a string only. */
extern bool regex_quote(Arena *arena, const char *string, size_t length, RegexTree *tree,
						Error *error);

/* regex_check.c.  Refuses patterns that are exponential. */
extern bool regex_check(const RegexTree *tree, const Node *at, Error *error);
/* Where a text may be cut so that the matches on both sides are those of the whole: TOKENIZER_CUT_*. */
extern uint32_t regex_cuts(const RegexTree *tree);
/* The TOKENIZER_CUT_* where no character is matched at all. */
extern uint32_t regex_spares(const RegexTree *tree);
/* Whether it is one character and nothing else. */
extern bool regex_is_character(const RegexTree *tree, uint32_t character);

/* Whether it matches nothing but two or more of a character. */
extern bool regex_is_run(const RegexTree *tree, uint32_t character);

/* regex_code.c */
extern bool regex_compile(Arena *arena, const RegexTree *tree, const Node *at, const void **table,
						  size_t *size, Error *error);

/* Whether nothing of the node needs a character. */
extern bool regex_nullable(const RegexNode *node);

#endif
