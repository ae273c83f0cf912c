/*
 * regex_parse.c: reads Oniguruma's syntax into a RegexTree.
 *
 * Everything lives in the caller's arena.
 */
#include "import/regex.h"

#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include <string.h>

#include "base/utf8.h"

#define MAX_DEPTH 100
#define MAX_REPEAT 100000
#define MAX_NAMED 64
#define MAX_FOLDED 16 /* characters of a literal that is matched without regard to case */

typedef struct Flags
{
	bool ignore_case, dot_all, extended;
} Flags;

typedef struct GroupName
{
	const char *bytes;
	size_t		length;
} GroupName;

typedef struct Parser
{
	Arena	   *arena;
	const Node *node;
	const char *bytes;
	size_t		length, at;
	Flags		flags;
	int			depth;
	bool		in_behind;
	uint32_t	n_plain; /* groups without name */
	GroupName	names[MAX_NAMED];
	uint32_t	n_named;
	bool		has_borders;	 /* \b or \B */
	bool		has_names;		 /* then groups without name are not captured */
	uint32_t	highest_backref; /* 0: none */
	/* sets by name, as they were asked for */
	struct
	{
		const char	  *name;
		size_t		   length;
		const CharSet *set;
	} known[MAX_NAMED];
	int	   n_known;
	Error *error;
} Parser;

static RegexNode *parse_choice(Parser *parser);

static void *
complain(Parser *parser, ErrorCode code, const char *what)
{
	size_t n = utf8_count(parser->bytes, parser->at > parser->length ? parser->length : parser->at);

	node_error(parser->node, parser->error, code, "regular expression: %s (at character %zu)", what,
			   n);
	return NULL;
}

static void *
malformed(Parser *parser, const char *what)
{
	return complain(parser, ERR_DATA, what);
}

static void *
unsupported(Parser *parser, const char *what)
{
	return complain(parser, ERR_UNSUPPORTED, what);
}

static RegexNode *
new_node(Parser *parser, RegexKind kind)
{
	RegexNode *node = arena_alloc(parser->arena, 1, sizeof *node);

	if (!node)
	{
		error_set(parser->error, ERR_MEMORY, "out of memory for a regular expression");
		return NULL;
	}
	node->kind = kind;
	return node;
}

static RegexNode *
set_node(Parser *parser, const CharSet *set)
{
	RegexNode *node = set ? new_node(parser, NODE_SET) : NULL;

	if (node)
		node->set = set;
	return node;
}

static RegexNode *
parent_of(Parser *parser, RegexKind kind, RegexNode *child)
{
	RegexNode *node = child ? new_node(parser, kind) : NULL;

	if (node)
		node->children = child;
	return node;
}

static RegexNode *
assertion(Parser *parser, RegexAssertion kind)
{
	RegexNode *node = new_node(parser, NODE_ASSERT);

	if (node)
		node->number = kind;
	return node;
}

/* ---- characters ---- */

static bool
among(char c, const char *some)
{
	return c != '\0' && strchr(some, c) != NULL;
}

static bool
at_end(const Parser *parser)
{
	return parser->at >= parser->length;
}

static bool
looks_at(const Parser *parser, const char *string)
{
	size_t n = strlen(string);

	return parser->length - parser->at >= n && memcmp(parser->bytes + parser->at, string, n) == 0;
}

/* Goes behind a string that is there. */
static bool
skip(Parser *parser, const char *string)
{
	if (!looks_at(parser, string))
		return false;
	parser->at += strlen(string);
	return true;
}

static uint32_t
next_character(Parser *parser)
{
	return utf8_next(parser->bytes, parser->length, &parser->at);
}

static int
digit_value(char c, int base)
{
	int value = c >= '0' && c <= '9'   ? c - '0'
				: c >= 'a' && c <= 'f' ? c - 'a' + 10
				: c >= 'A' && c <= 'F' ? c - 'A' + 10
									   : 99;

	return value < base ? value : -1;
}

/* Up to most digits; how many there were. */
static int
read_digits(Parser *parser, int base, int most, uint32_t *value)
{
	int n = 0;

	*value = 0;
	while (n < most && !at_end(parser) && *value <= 0xFFFFFFF &&
		   digit_value(parser->bytes[parser->at], base) >= 0)
	{
		*value =
			*value * (uint32_t) base + (uint32_t) digit_value(parser->bytes[parser->at++], base);
		n++;
	}
	return n;
}

/* ---- sets ---- */

static const CharSet *
one(Parser *parser, uint32_t character)
{
	return set_range(parser->arena, character, character, parser->error);
}

static const CharSet *
join(Parser *parser, const CharSet *a, const CharSet *b)
{
	return a && b ? set_combine(parser->arena, a, b, SET_UNION, parser->error) : NULL;
}

static const CharSet *
complement(Parser *parser, const CharSet *set, bool wanted)
{
	return set && wanted ? set_complement(parser->arena, set, parser->error) : set;
}

static const CharSet *
named_set(Parser *parser, const char *name, size_t length)
{
	const CharSet *set;
	bool		   found;

	for (int i = 0; i < parser->n_known; i++)
		if (parser->known[i].length == length && memcmp(parser->known[i].name, name, length) == 0)
			return parser->known[i].set;
	set = set_named(parser->arena, name, length, &found, parser->error);
	if (!found)
		return malformed(parser, "there is no such property of characters");
	if (set && parser->n_known < MAX_NAMED)
	{
		parser->known[parser->n_known].name = name;
		parser->known[parser->n_known].length = length;
		parser->known[parser->n_known++].set = set;
	}
	return set;
}

static const CharSet *
dot(Parser *parser, bool line_break)
{
	return line_break ? set_range(parser->arena, 0, CHAR_LAST, parser->error)
					  : complement(parser, one(parser, '\n'), true);
}

/* Behind \p or \P. */
static const CharSet *
property(Parser *parser, bool negated)
{
	const char *name, *end;

	if (!skip(parser, "{"))
		return malformed(parser, "\"{\" is missing behind \\p");
	if (skip(parser, "^"))
		negated = !negated;
	name = parser->bytes + parser->at;
	end = memchr(name, '}', parser->length - parser->at);
	if (!end)
		return malformed(parser, "\"}\" is missing behind \\p{");
	parser->at += (size_t) (end - name) + 1;
	return complement(parser, named_set(parser, name, (size_t) (end - name)), negated);
}

/* The class that an escape stands for; *is_class is false when it stands for none. */
static const CharSet *
class_escape(Parser *parser, char letter, bool *is_class)
{
	static const struct
	{
		char		letter;
		const char *name;
	} classes[] = {{'w', "word"}, {'d', "digit"}, {'s', "space"}, {'h', "xdigit"}};

	*is_class = true;
	if (letter == 'p' || letter == 'P')
		return property(parser, letter == 'P');
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if ((letter | 0x20) == classes[i].letter)
			return complement(parser, named_set(parser, classes[i].name, strlen(classes[i].name)),
							  letter != classes[i].letter);
	*is_class = false;
	return NULL;
}

/* The character that an escape stands for, behind its letter. */
static bool
character_escape(Parser *parser, char letter, uint32_t *character)
{
	static const char letters[] = "tnrfvae", values[] = "\t\n\r\f\v\a\x1b";
	const char		 *known = strchr(letters, letter);

	if (letter && known)
	{
		*character = (uint8_t) values[known - letters];
		return true;
	}
	if (letter == 'x' || letter == 'o')
	{
		int	 base = letter == 'x' ? 16 : 8;
		bool braced = skip(parser, "{");

		if (letter == 'o' && !braced)
			*character = 'o';
		else if ((read_digits(parser, base, braced ? 8 : 2, character) == 0 && braced) ||
				 (braced && !skip(parser, "}")))
			return malformed(parser, "no number of a character") != NULL;
	}
	else if (letter == 'u')
	{
		if (read_digits(parser, 16, 4, character) != 4)
			return malformed(parser, "four digits are missing behind \\u") != NULL;
	}
	else if (letter >= '0' && letter <= '7')
	{
		parser->at--;
		read_digits(parser, 8, 3, character);
	}
	else if (letter == 'c')
	{
		if (at_end(parser))
			return malformed(parser, "a character is missing behind \\c") != NULL;
		*character = next_character(parser) & 0x9F;
	}
	else if (letter == 'C' || letter == 'M')
		return unsupported(parser, "\\C and \\M are not supported") != NULL;
	else
	{
		parser->at--;
		*character = next_character(parser);
	}
	return (*character <= CHAR_LAST && (*character < 0xD800 || *character > 0xDFFF)) ||
		   malformed(parser, "there is no character of this number") != NULL;
}

/* ---- classes in brackets ---- */

/* The places of a class in brackets. */
typedef struct Class
{
	const CharSet *set, *left; /* what is there, and what was before && */
	bool		   can_begin;  /* the last one was a character, which may begin a range */
	uint32_t	   last;
} Class;

static const CharSet *parse_class(Parser *parser, bool outermost);

static bool
class_add(Parser *parser, Class *class, const CharSet *set)
{
	class->set = join(parser, class->set, set);
	class->can_begin = false;
	return class->set != NULL;
}

/* [:name:], when that is what is there. */
static bool
posix_class(Parser *parser, const CharSet **set)
{
	size_t begin = parser->at + 2, end;
	bool   negated;

	*set = NULL;
	if (!looks_at(parser, "[:"))
		return true;
	negated = begin < parser->length && parser->bytes[begin] == '^';
	begin += negated;
	for (end = begin; end < parser->length && end - begin < 20 && parser->bytes[end] >= 'a' &&
					  parser->bytes[end] <= 'z';
		 end++)
		;
	if (end + 1 >= parser->length || parser->bytes[end] != ':' || parser->bytes[end + 1] != ']')
		return true;
	parser->at = end + 2;
	*set = complement(parser, named_set(parser, parser->bytes + begin, end - begin), negated);
	return *set != NULL;
}

/* One character of a class, or a set. */
static bool
class_item(Parser *parser, const CharSet **set, uint32_t *character)
{
	bool is_class;
	char letter;

	*set = NULL;
	if (looks_at(parser, "["))
	{
		if (!posix_class(parser, set))
			return false;
		if (*set)
			return true;
		parser->at++;
		*set = parse_class(parser, false);
		return *set != NULL;
	}
	if (!skip(parser, "\\"))
	{
		*character = next_character(parser);
		return true;
	}
	if (at_end(parser))
		return malformed(parser, "it ends in a backslash") != NULL;
	letter = parser->bytes[parser->at++];
	*set = class_escape(parser, letter, &is_class);
	if (is_class)
		return *set != NULL;
	if (letter == 'R' || letter == 'X')
		return unsupported(parser, "\\R and \\X in brackets are not supported") != NULL;
	if (letter == 'b')
	{
		*character = '\b';
		return true;
	}
	return character_escape(parser, letter, character);
}

/* What stands behind a hyphen that follows a character. */
static bool
class_range(Parser *parser, Class *class)
{
	const CharSet *set;
	uint32_t	   last;

	if (!class_item(parser, &set, &last))
		return false;
	if (set)
		return malformed(parser, "a range ends in a class") != NULL;
	if (last < class->last)
		return malformed(parser, "a range is empty") != NULL;
	return class_add(parser, class, set_range(parser->arena, class->last, last, parser->error));
}

static bool
class_intersect(Parser *parser, Class *class)
{
	if (class->left)
		class->set =
			set_combine(parser->arena, class->left, class->set, SET_INTERSECTION, parser->error);
	return class->set != NULL;
}

/* Behind the opening bracket, up to behind the closing one. */
static const CharSet *
parse_class(Parser *parser, bool outermost)
{
	Class class = {0};
	bool	 negated = skip(parser, "^"), first = true;
	uint32_t character;

	if (++parser->depth > MAX_DEPTH)
		return malformed(parser, "brackets are nested too deeply");
	class.set = set_range(parser->arena, 1, 0, parser->error);
	if (!class.set)
		return NULL;
	for (;; first = false)
	{
		const CharSet *set;

		if (at_end(parser))
			return malformed(parser, "\"]\" is missing");
		if (looks_at(parser, "]") && !(first && memchr(parser->bytes + parser->at + 1, ']',
													   parser->length - parser->at - 1)))
		{
			parser->at++;
			if (first)
				return malformed(parser, "brackets are empty");
			break;
		}
		if (skip(parser, "&&"))
		{
			if (!class_intersect(parser, &class))
				return NULL;
			class.left = class.set;
			class.set = set_range(parser->arena, 1, 0, parser->error);
			class.can_begin = false;
			if (!class.set)
				return NULL;
			continue;
		}
		if (class.can_begin && looks_at(parser, "-") && parser->at + 1 < parser->length &&
			parser->bytes[parser->at + 1] != ']' &&
			!(parser->length - parser->at > 2 &&
			  memcmp(parser->bytes + parser->at + 1, "&&", 2) == 0))
		{
			parser->at++;
			if (!class_range(parser, &class))
				return NULL;
			continue;
		}
		if (!class_item(parser, &set, &character) ||
			!class_add(parser, &class, set ? set : one(parser, character)))
			return NULL;
		class.can_begin = set == NULL;
		class.last = character;
	}
	parser->depth--;
	if (!class_intersect(parser, &class))
		return NULL;
	if (outermost && parser->flags.ignore_case)
		class.set = set_close_case(parser->arena, class.set, parser->error);
	return complement(parser, class.set, negated);
}

/* ---- characters that stand for themselves ---- */

/* The full case folding of a character. */
static size_t
fold(uint32_t character, uint32_t out[4])
{
	UErrorCode status = U_ZERO_ERROR;
	UChar	   units[2], folded[8];
	int32_t	   n = 0, n_folded;
	size_t	   count = 0;

	U16_APPEND_UNSAFE(units, n, character);
	n_folded = u_strFoldCase(folded, 8, units, n, U_FOLD_CASE_DEFAULT, &status);
	for (int32_t i = 0; U_SUCCESS(status) && i < n_folded && count < 4;)
	{
		UChar32 c;

		U16_NEXT(folded, i, n_folded, c);
		out[count++] = (uint32_t) c;
	}
	if (count == 0)
		out[count++] = character;
	return count;
}

/* The characters whose folding is all of a string of at least two; NULL when there are none. */
static bool
folding_to(Parser *parser, const uint32_t *string, size_t n, const CharSet **set)
{
	/* What Unicode's CaseFolding.txt has with status F lies in these blocks. */
	static const uint32_t blocks[][2] = {
		{0xDF, 0xDF},	{0x130, 0x149},	  {0x1F0, 0x1F0},	{0x390, 0x3B0},
		{0x587, 0x587}, {0x1E96, 0x1E9E}, {0x1F50, 0x1FFC}, {0xFB00, 0xFB17},
	};

	*set = NULL;
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
		for (uint32_t c = blocks[i][0]; c <= blocks[i][1]; c++)
		{
			uint32_t folded[4];

			if (fold(c, folded) != n || memcmp(folded, string, n * sizeof *string) != 0)
				continue;
			*set = *set ? join(parser, *set, one(parser, c)) : one(parser, c);
			if (!*set)
				return false;
		}
	return true;
}

/* What a folded string matches: each character in any case, and characters that fold to several of them. */
static RegexNode *
folded_literal(Parser *parser, const uint32_t *string, size_t n)
{
	RegexNode *single = set_node(
				  parser, set_close_case(parser->arena, one(parser, string[0]), parser->error)),
			  *choice, **next;

	if (!single)
		return NULL;
	if (n > 1 && !(single->next = folded_literal(parser, string + 1, n - 1)))
		return NULL;
	single = parent_of(parser, NODE_SEQUENCE, single);
	choice = parent_of(parser, NODE_CHOICE, single);
	if (!choice)
		return NULL;
	next = &single->next;
	for (size_t taken = 2; taken <= n && taken <= 3; taken++)
	{
		const CharSet *set;
		RegexNode	  *several;

		if (!folding_to(parser, string, taken, &set))
			return NULL;
		if (!set)
			continue;
		several = set_node(parser, set);
		if (!several ||
			(taken < n && !(several->next = folded_literal(parser, string + taken, n - taken))))
			return NULL;
		*next = parent_of(parser, NODE_SEQUENCE, several);
		if (!*next)
			return NULL;
		next = &(*next)->next;
	}
	return choice->children->next ? choice : single;
}

/* Literal characters, which go together without regard to case. */
static RegexNode *
literal(Parser *parser, const uint32_t *characters, size_t n)
{
	uint32_t string[MAX_FOLDED * 4];
	size_t	 n_string = 0;

	if (!parser->flags.ignore_case)
		return set_node(parser, one(parser, characters[0]));
	for (size_t i = 0; i < n; i++)
		n_string += fold(characters[i], string + n_string);
	return folded_literal(parser, string, n_string);
}

/* ---- terms ---- */

/* {n}, {n,}, {n,m} or {,m}; false, and the parser where it was, when it is no such thing. */
static bool
interval(Parser *parser, uint32_t *least, uint32_t *most, bool *fixed)
{
	size_t begin = parser->at;
	bool   low, high;

	parser->at++;
	low = read_digits(parser, 10, 9, least) > 0;
	*fixed = false;
	if (skip(parser, ","))
	{
		high = read_digits(parser, 10, 9, most) > 0;
		if (!high)
			*most = REGEX_UNLIMITED;
	}
	else
	{
		high = *fixed = low;
		*most = *least;
	}
	if ((low || high) && skip(parser, "}"))
		return true;
	parser->at = begin;
	return false;
}

static bool
is_quantifier(Parser *parser)
{
	size_t	 begin = parser->at;
	uint32_t least, most;
	bool	 fixed, result;

	if (at_end(parser))
		return false;
	if (among(parser->bytes[parser->at], "*+?"))
		return true;
	result = parser->bytes[parser->at] == '{' && interval(parser, &least, &most, &fixed);
	parser->at = begin;
	return result;
}

/* Whether a node, or an alternative of it, is an assertion and nothing else. */
static bool
only_asserts(const RegexNode *node)
{
	while (node->kind == NODE_SEQUENCE && node->children && !node->children->next)
		node = node->children;
	if (node->kind == NODE_CHOICE)
		for (const RegexNode *child = node->children; child; child = child->next)
			if (only_asserts(child))
				return true;
	return node->kind == NODE_ASSERT || node->kind == NODE_AHEAD || node->kind == NODE_BEHIND;
}

static RegexNode *
repeat(Parser *parser, RegexNode *child)
{
	RegexNode *node = parent_of(parser, NODE_REPEAT, child);
	bool	   fixed = false, braced = false;

	if (!node)
		return NULL;
	if (only_asserts(child))
		return malformed(parser, "what is to be repeated takes no characters");
	node->most = REGEX_UNLIMITED;
	if (looks_at(parser, "{"))
	{
		braced = true;
		interval(parser, &node->least, &node->most, &fixed);
		if (node->least > MAX_REPEAT || (node->most != REGEX_UNLIMITED && node->most > MAX_REPEAT))
			return malformed(parser, "too big a number of repetitions");
		if (node->most < node->least)
		{
			uint32_t least = node->least;

			node->least = node->most;
			node->most = least;
			node->possessive = true;
		}
	}
	else if (skip(parser, "?"))
		node->most = 1;
	else if (skip(parser, "+"))
		node->least = 1;
	else
		parser->at++;
	if (node->possessive || fixed)
		return node;
	if (skip(parser, "?"))
		node->lazy = true;
	else if (!braced && skip(parser, "+"))
		node->possessive = true;
	return node;
}

/* Up to behind a closing parenthesis. */
static RegexNode *
inside(Parser *parser)
{
	RegexNode *node = parse_choice(parser);

	if (node && !skip(parser, ")"))
		return malformed(parser, "\")\" is missing");
	return node;
}

static RegexNode *
look_around(Parser *parser, RegexKind kind, bool negative)
{
	bool	   outer = parser->in_behind;
	RegexNode *node;

	if (outer)
		return unsupported(parser, "look-around inside of look-behind is not supported");
	parser->in_behind = kind == NODE_BEHIND;
	node = parent_of(parser, kind, inside(parser));
	parser->in_behind = outer;
	if (node)
		node->negative = negative;
	return node;
}

/* A name up to a delimiter. */
static bool
group_name(Parser *parser, char end, GroupName *name)
{
	const char *begin = parser->bytes + parser->at;
	const char *stop = memchr(begin, end, parser->length - parser->at);

	if (!stop || stop == begin)
		return malformed(parser, "the name of a group is missing") != NULL;
	*name = (GroupName){begin, (size_t) (stop - begin)};
	parser->at += name->length + 1;
	for (size_t i = 0; i < name->length; i++)
		if (among(begin[i], "()+-<>'"))
			return malformed(parser, "a group has a wrong name") != NULL;
	return true;
}

static uint32_t
find_group(const Parser *parser, const GroupName *name)
{
	for (uint32_t i = 0; i < parser->n_named; i++)
		if (parser->names[i].length == name->length &&
			memcmp(parser->names[i].bytes, name->bytes, name->length) == 0)
			return i + 1;
	return 0;
}

static RegexNode *
capture(Parser *parser, uint32_t number)
{
	RegexNode *node = parent_of(parser, NODE_CAPTURE, inside(parser));

	if (node)
		node->number = number;
	return node;
}

static RegexNode *
named_group(Parser *parser, char end)
{
	GroupName name;

	if (!group_name(parser, end, &name))
		return NULL;
	if (find_group(parser, &name) || parser->n_named == MAX_NAMED)
		return unsupported(parser, "so many groups of a name are not supported");
	parser->names[parser->n_named++] = name;
	return capture(parser, parser->n_named);
}

/* (?imx-imx) or (?imx-imx: */
static RegexNode *
option_group(Parser *parser)
{
	Flags	   outer = parser->flags, flags = outer;
	bool	   on = true;
	RegexNode *node;

	for (;; parser->at++)
	{
		char c = at_end(parser) ? '\0' : parser->bytes[parser->at];

		if (c == ')' || c == ':')
			break;
		if (c == '-')
			on = false;
		else if (c == 'i')
			flags.ignore_case = on;
		else if (c == 'm')
			flags.dot_all = on;
		else if (c == 'x')
			flags.extended = on;
		else if (at_end(parser))
			return malformed(parser, "\")\" is missing");
		else if (among(c, "WDSPyCIL"))
			return unsupported(parser, "an option of a group is not supported");
		else
			return malformed(parser, "there is no such option of a group");
	}
	parser->flags = flags;
	/* Without an end of its own it goes up to the end of what it is in. */
	if (parser->bytes[parser->at++] == ':')
		node = inside(parser);
	else
		node = parse_choice(parser);
	parser->flags = outer;
	return node;
}

/* Behind the opening parenthesis. */
static RegexNode *
parse_group(Parser *parser)
{
	if (looks_at(parser, "*"))
		return unsupported(parser, "callouts are not supported");
	if (!skip(parser, "?"))
	{
		/* Numbers are given in the order of opening parentheses. */
		uint32_t number = ++parser->n_plain;

		return parser->has_names ? inside(parser) : capture(parser, number);
	}
	if (skip(parser, ":"))
		return inside(parser);
	if (skip(parser, "="))
		return look_around(parser, NODE_AHEAD, false);
	if (skip(parser, "!"))
		return look_around(parser, NODE_AHEAD, true);
	if (skip(parser, "<="))
		return look_around(parser, NODE_BEHIND, false);
	if (skip(parser, "<!"))
		return look_around(parser, NODE_BEHIND, true);
	if (skip(parser, ">"))
		return parent_of(parser, NODE_ATOMIC, inside(parser));
	if (skip(parser, "<"))
		return named_group(parser, '>');
	if (skip(parser, "'"))
		return named_group(parser, '\'');
	if (skip(parser, "#"))
	{
		while (!at_end(parser) && parser->bytes[parser->at] != ')')
			parser->at += parser->bytes[parser->at] == '\\' ? 2 : 1;
		if (!skip(parser, ")"))
			return malformed(parser, "a comment has no end");
		return new_node(parser, NODE_EMPTY);
	}
	if (at_end(parser))
		return malformed(parser, "\")\" is missing");
	if (among(parser->bytes[parser->at], "~({&P@"))
		return unsupported(parser, "a group of this kind is not supported");
	return option_group(parser);
}

/* \R: a line break of any kind. */
static RegexNode *
line_break(Parser *parser)
{
	const CharSet *some = join(
		parser, set_range(parser->arena, 0xA, 0xD, parser->error),
		join(parser, one(parser, 0x85), set_range(parser->arena, 0x2028, 0x2029, parser->error)));
	RegexNode *both = set_node(parser, one(parser, '\r'));

	if (!both || !(both->next = set_node(parser, one(parser, '\n'))))
		return NULL;
	both = parent_of(parser, NODE_SEQUENCE, both);
	if (!both || !(both->next = set_node(parser, some)))
		return NULL;
	return parent_of(parser, NODE_ATOMIC, parent_of(parser, NODE_CHOICE, both));
}

static RegexNode *
back_reference(Parser *parser, uint32_t number)
{
	RegexNode *node;

	if (parser->flags.ignore_case)
		return unsupported(parser, "back references without regard to case are not supported");
	if (number > parser->highest_backref)
		parser->highest_backref = number;
	node = new_node(parser, NODE_BACKREF);
	if (node)
		node->number = number;
	return node;
}

static RegexNode *
named_reference(Parser *parser)
{
	GroupName name;
	uint32_t  number = 0;
	char	  end = skip(parser, "<") ? '>' : skip(parser, "'") ? '\'' : '\0';

	if (!end || !group_name(parser, end, &name))
		return end ? NULL : malformed(parser, "the name of a group is missing behind \\k");
	if (!parser->has_names && name.bytes[0] >= '1' && name.bytes[0] <= '9' && name.length == 1)
		number = (uint32_t) (name.bytes[0] - '0');
	else
		number = find_group(parser, &name);
	if (number == 0)
		return unsupported(parser, "a reference to a group that is not before it");
	return back_reference(parser, number);
}

/* What \w is outside of brackets, and on both sides of \b: some fractions and exponents of Latin-1, too. */
static const CharSet *
word_set(Parser *parser)
{
	static const uint32_t numbers[] = {0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE};
	const CharSet		 *set = named_set(parser, "word", 4);

	for (size_t i = 0; set && i < sizeof numbers / sizeof *numbers; i++)
		set = join(parser, set, one(parser, numbers[i]));
	return set;
}

/* Escapes that are no single character; *done is false for the others. */
static RegexNode *
special_escape(Parser *parser, char letter, bool *done)
{
	bool		   is_class;
	const CharSet *set;

	*done = true;
	switch (letter)
	{
		case 'b':
		case 'B':
			parser->has_borders = true;
			return assertion(parser, letter == 'b' ? REGEX_WORD_BORDER : REGEX_NO_WORD_BORDER);
		case 'A':
			return assertion(parser, REGEX_TEXT_BEGIN);
		case 'z':
			return assertion(parser, REGEX_TEXT_END);
		case 'Z':
			return assertion(parser, REGEX_TEXT_END_LINE);
		case 'G':
			return assertion(parser, REGEX_SEARCH_BEGIN);
		case 'R':
			return line_break(parser);
		case 'N':
			return set_node(parser, dot(parser, false));
		case 'O':
			return set_node(parser, dot(parser, true));
		case 'w':
			return set_node(parser, word_set(parser));
		case 'W':
			return set_node(parser, complement(parser, word_set(parser), true));
		case 'k':
			return named_reference(parser);
		case 'K':
		case 'X':
		case 'y':
		case 'Y':
		case 'g':
			return unsupported(parser, "\\K, \\X, \\y, \\Y and \\g are not supported");
	}
	if (letter >= '1' && letter <= '9')
	{
		uint32_t number;
		size_t	 begin = --parser->at;

		read_digits(parser, 10, 9, &number);
		if (number <= 9 || number <= parser->n_plain)
		{
			if (parser->has_names)
				return malformed(parser, "a numbered reference beside groups with names");
			return back_reference(parser, number);
		}
		parser->at = begin + 1;
	}
	set = class_escape(parser, letter, &is_class);
	*done = is_class;
	return is_class ? set_node(parser, set) : NULL;
}

/* The next character that stands for itself; *is false, and the parser where it was, when there is none. */
static bool
plain_character(Parser *parser, uint32_t *character, bool *is)
{
	size_t begin = parser->at;
	char   c;

	*is = false;
	if (at_end(parser))
		return true;
	c = parser->bytes[parser->at];
	if (c == '\\')
	{
		if (parser->at + 1 >= parser->length)
			return malformed(parser, "it ends in a backslash") != NULL;
		c = parser->bytes[parser->at + 1];
		if (among(c, "wWdDsShHpPbBAzZGRNOkKXyYgQ123456789"))
			return true;
		parser->at += 2;
		*is = true;
		return character_escape(parser, c, character);
	}
	if (among(c, ".[()|^$*+?"))
		return true;
	if (parser->flags.extended && among(c, " \t\n\r\f\v#"))
		return true;
	if (c == '{' && is_quantifier(parser))
		return true;
	parser->at = begin;
	*character = next_character(parser);
	*is = true;
	return true;
}

/* Characters that stand for themselves: one, or without regard to case all up to a quantifier's. */
static RegexNode *
parse_literal(Parser *parser, uint32_t first)
{
	uint32_t characters[MAX_FOLDED] = {first};
	size_t	 n = 1;

	while (parser->flags.ignore_case && n < MAX_FOLDED && !is_quantifier(parser))
	{
		size_t	 begin = parser->at;
		bool	 is;
		uint32_t character;

		if (!plain_character(parser, &character, &is))
			return NULL;
		if (!is)
			break;
		if (is_quantifier(parser))
		{
			parser->at = begin;
			break;
		}
		characters[n++] = character;
	}
	return literal(parser, characters, n);
}

/* A string as it is, up to an end that is skipped (NULL: all of it). */
static RegexNode *
quoted(Parser *parser, const char *end)
{
	RegexNode *sequence = new_node(parser, NODE_SEQUENCE), **next;

	if (!sequence)
		return NULL;
	next = &sequence->children;
	while (!at_end(parser) && !(end && skip(parser, end)))
	{
		uint32_t character = next_character(parser);

		*next = literal(parser, &character, 1);
		if (!*next)
			return NULL;
		next = &(*next)->next;
	}
	return sequence;
}

static RegexNode *
parse_atom(Parser *parser)
{
	uint32_t   character;
	bool	   is, done;
	RegexNode *node;
	char	   c = parser->bytes[parser->at];

	if (!plain_character(parser, &character, &is))
		return NULL;
	if (is)
		return parse_literal(parser, character);
	parser->at++;
	switch (c)
	{
		case '.':
			return set_node(parser, dot(parser, parser->flags.dot_all));
		case '^':
			return assertion(parser, REGEX_LINE_BEGIN);
		case '$':
			return assertion(parser, REGEX_LINE_END);
		case '[':
			return set_node(parser, parse_class(parser, true));
		case '(':
			return parse_group(parser);
		case '\\':
			break;
		default:
			return malformed(parser, "nothing is there to be repeated");
	}
	c = parser->bytes[parser->at++];
	if (c == 'Q')
		return quoted(parser, "\\E");
	node = special_escape(parser, c, &done);
	if (done)
		return node;
	if (!character_escape(parser, c, &character))
		return NULL;
	return parse_literal(parser, character);
}

/* White space and comments of the extended syntax. */
static void
skip_space(Parser *parser)
{
	while (parser->flags.extended && !at_end(parser))
	{
		char c = parser->bytes[parser->at];

		if (c == '#')
			while (!at_end(parser) && parser->bytes[parser->at] != '\n')
				parser->at++;
		else if (among(c, " \t\n\r\f\v"))
			parser->at++;
		else
			break;
	}
}

static RegexNode *
parse_sequence(Parser *parser)
{
	RegexNode *sequence = new_node(parser, NODE_SEQUENCE), **next;

	if (!sequence)
		return NULL;
	next = &sequence->children;
	for (skip_space(parser); !at_end(parser) && !among(parser->bytes[parser->at], "|)");
		 skip_space(parser))
	{
		RegexNode *node = parse_atom(parser);

		for (skip_space(parser); node && is_quantifier(parser); skip_space(parser))
			node = repeat(parser, node);
		if (!node)
			return NULL;
		*next = node;
		next = &node->next;
	}
	return sequence;
}

static RegexNode *
parse_choice(Parser *parser)
{
	RegexNode *choice, **next;
	Flags	   flags = parser->flags;

	if (++parser->depth > MAX_DEPTH)
		return malformed(parser, "groups are nested too deeply");
	choice = parent_of(parser, NODE_CHOICE, parse_sequence(parser));
	if (!choice)
		return NULL;
	next = &choice->children->next;
	while (skip(parser, "|"))
	{
		*next = parse_sequence(parser);
		if (!*next)
			return NULL;
		next = &(*next)->next;
	}
	parser->flags = flags;
	parser->depth--;
	return choice->children->next ? choice : choice->children;
}

/* Whether a group has a name: then the others are not captured. */
static bool
names_groups(const char *bytes, size_t length)
{
	for (size_t i = 0; i + 3 < length; i++)
	{
		if (bytes[i] == '\\')
			i++;
		else if (memcmp(bytes + i, "(?'", 3) == 0 ||
				 (memcmp(bytes + i, "(?<", 3) == 0 && bytes[i + 3] != '=' && bytes[i + 3] != '!'))
			return true;
	}
	return false;
}

bool
regex_parse(Arena *arena, const Node *at, const char *pattern, size_t length, RegexTree *tree,
			Error *error)
{
	Parser	*parser = arena_alloc(arena, 1, sizeof *parser);
	uint32_t n_groups;

	if (!parser)
		return error_set(error, ERR_MEMORY, "out of memory for a regular expression");
	*parser =
		(Parser){.arena = arena, .node = at, .bytes = pattern, .length = length, .error = error};
	parser->has_names = names_groups(pattern, length);
	tree->root = parse_choice(parser);
	if (!tree->root)
		return false;
	if (!at_end(parser))
		return malformed(parser, "\")\" has no beginning") != NULL;
	n_groups = parser->has_names ? parser->n_named : parser->n_plain;
	if (parser->highest_backref > n_groups)
		return malformed(parser, "a reference to a group that there is not") != NULL;
	tree->n_groups = parser->highest_backref > 0 ? n_groups : 0;
	tree->characters = parser->has_borders ? word_set(parser) : set_range(arena, 1, 0, error);
	return tree->characters != NULL;
}

bool
regex_quote(Arena *arena, const char *string, size_t length, RegexTree *tree, Error *error)
{
	Parser parser = {.arena = arena, .bytes = string, .length = length, .error = error};

	*tree = (RegexTree){.root = quoted(&parser, NULL)};
	tree->characters = set_range(arena, 1, 0, error);
	return tree->root && tree->characters;
}
