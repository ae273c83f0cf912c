/*
 * regex.h: regular expressions as the importer compiled them.
 *
 * A RegexTable is a program for a backtracking matcher, with the classes of characters that it asks for: the table
 * of characters gives each a number, and a set has a bit for every number.  What a pattern matches is thus fixed
 * when it is imported, properties of characters included.  Matching follows Oniguruma, whose patterns these are:
 * the leftmost match, alternatives in order.
 */
#ifndef TOK_REGEX_H
#define TOK_REGEX_H

#include "base/arena.h"
#include "base/error.h"
#include "tok/chars.h"

struct Run;

typedef enum RegexOp
{
	REGEX_MATCH,
	REGEX_SET,	  /* one character of set a */
	REGEX_REPEAT, /* b to c characters of set a, as many as there are, given back one by one */
	REGEX_GRAB,	  /* likewise, but none is given back */
	REGEX_SPLIT,  /* goes on at a, and if that fails at b */
	REGEX_JUMP,	  /* goes on at a */
	REGEX_ASSERT, /* RegexAssertion a */
	REGEX_AHEAD, /* what follows, up to its REGEX_MATCH, must match here (b 1: must not); goes on at a */
	REGEX_BEHIND,	/* likewise, from c to d characters before, and up to here */
	REGEX_ATOMIC,	/* what follows matches in its first way only; goes on at a */
	REGEX_SAVE,		/* slot a is the position */
	REGEX_IF_EMPTY, /* goes on at b when slot a is the position */
	REGEX_BACKREF,	/* what is between slots a and a + 1 */
	REGEX_OPS
} RegexOp;

typedef enum RegexAssertion
{
	REGEX_LINE_BEGIN,
	REGEX_LINE_END,
	REGEX_TEXT_BEGIN,
	REGEX_TEXT_END,
	REGEX_TEXT_END_LINE, /* or before a line break that ends it */
	REGEX_WORD_BORDER,	 /* of the characters of set 0 */
	REGEX_NO_WORD_BORDER,
	REGEX_SEARCH_BEGIN,
	REGEX_HERE, /* where the look-behind stands */
	REGEX_ASSERTIONS
} RegexAssertion;

#define REGEX_UNLIMITED UINT32_MAX
#define REGEX_MAX_INSTRUCTIONS (1 << 16)
#define REGEX_MAX_SLOTS 1024
#define REGEX_MAX_DEPTH 64 /* of look-arounds and atomic groups */

typedef struct RegexInstruction
{
	uint32_t op, a, b, c, d;
} RegexInstruction;

typedef struct RegexTable
{
	uint32_t size; /* bytes, of all of it */
	uint32_t n_instructions, n_sets, n_slots;
	uint32_t set_words;		   /* uint32_t's of each set */
	uint32_t has_first, first; /* the set of characters that every match begins with */
	uint32_t unused;
	/* RegexInstruction instructions[n_instructions]; uint32_t sets[n_sets][set_words]; a CharTable */
} RegexTable;

typedef struct Regex
{
	const RegexTable	   *table;
	const RegexInstruction *instructions;
	const uint32_t		   *sets;
	CharTable				chars;
} Regex;

/* A view of a table at the beginning of data, checked throughout; *used is how many bytes it has. */
extern bool regex_open(Regex *regex, const void *data, size_t size, size_t *used);

/* Whether it matches single characters of one set and nothing else, and whether one is of that set. */
extern bool regex_is_set(const Regex *regex);
extern bool regex_set_has(const Regex *regex, uint32_t character);

/* A way that was left aside. */
typedef struct RegexChoice
{
	uint32_t pc; /* where to go on; REGEX_RESTORE + slot: the slot was at */
	size_t	 at;
	size_t	 low; /* of REGEX_REPEAT: gives back no more than this */
} RegexChoice;

/* The search of one text.  Set up by regex_begin; the memory is the arena's. */
typedef struct RegexSearch
{
	const Regex *regex;
	Arena		*arena;
	struct Run	*run; /* to be interrupted; may be NULL */
	Error		*error;
	const char	*bytes;
	size_t		 length;
	size_t		 next; /* where the next search begins */
	size_t		 last; /* end of the last match, SIZE_MAX: none */
	size_t		 from; /* where the present search began */
	size_t		 here; /* where the innermost look-behind stands */
	RegexChoice *choices;
	size_t		 n_choices, room;
	size_t		*slots;
	uint64_t	 fuel;	/* steps that are left to the match */
	size_t		 reach; /* the furthest position so far */
} RegexSearch;

/* Begins with another text; search is zero at first, and keeps its memory. */
extern bool regex_begin(RegexSearch *search, const Regex *regex, Arena *arena, struct Run *run,
						const char *bytes, size_t length, Error *error);

/* The next match; *found is false when there is none.  An empty one right behind another match does not count.
 * ERR_LIMIT when it takes too long. */
extern bool regex_next(RegexSearch *search, bool *found, size_t *begin, size_t *end);

#endif
