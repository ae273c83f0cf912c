/*
 * char_set.c: sets of characters.
 */
#include "import/char_set.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/uset.h>

#include <string.h>

#include "import/unicode.h"
#include "tok/chars.h"

#define VERSION UNICODE_ONIGURUMA

static CharSet *
new_set(Arena *arena, size_t room, Error *error)
{
	CharSet *set = arena_alloc(arena, 1, sizeof *set);

	if (set)
		set->bounds = arena_alloc_raw(arena, room + 1, sizeof *set->bounds);
	if (set && set->bounds)
		return set;
	error_set(error, ERR_MEMORY, "out of memory for a regular expression");
	return NULL;
}

const CharSet *
set_range(Arena *arena, uint32_t first, uint32_t last, Error *error)
{
	CharSet *set = new_set(arena, 2, error);

	if (!set)
		return NULL;
	if (first > last)
		return set;
	set->bounds[0] = first;
	set->bounds[1] = last + 1;
	set->n = 2;
	return set;
}

const CharSet *
set_combine(Arena *arena, const CharSet *a, const CharSet *b, SetOperation operation, Error *error)
{
	CharSet *set = new_set(arena, a->n + b->n, error);
	size_t	 i = 0, j = 0;

	if (!set)
		return NULL;
	while (i < a->n || j < b->n)
	{
		uint32_t at;
		bool	 in_a, in_b, in;

		if (j == b->n || (i < a->n && a->bounds[i] <= b->bounds[j]))
			at = a->bounds[i];
		else
			at = b->bounds[j];
		i += i < a->n && a->bounds[i] == at;
		j += j < b->n && b->bounds[j] == at;
		in_a = i % 2 != 0;
		in_b = j % 2 != 0;
		in = operation == SET_UNION			 ? in_a || in_b
			 : operation == SET_INTERSECTION ? in_a && in_b
											 : in_a && !in_b;
		if (in != (set->n % 2 != 0))
			set->bounds[set->n++] = at;
	}
	return set;
}

const CharSet *
set_complement(Arena *arena, const CharSet *set, Error *error)
{
	const CharSet *all = set_range(arena, 0, CHAR_LAST, error);

	return all ? set_combine(arena, all, set, SET_DIFFERENCE, error) : NULL;
}

/* The next character that can differ from the one before: in the planes without characters, and in the private ones,
 * only the last two do. */
static uint32_t
next_to_ask(uint32_t c)
{
	uint32_t plane = c >> 16, within = c & 0xFFFF;

	return plane > 3 && plane != 14 && within > 0 && within < 0xFFFE
			   ? (c & ~(uint32_t) 0xFFFF) | 0xFFFE
			   : c;
}

const CharSet *
set_where(Arena *arena, bool (*has)(uint32_t character, int property), int property, Error *error)
{
	size_t	 room = 64;
	CharSet *set = new_set(arena, room, error);

	for (uint32_t c = 0; set && c <= CHAR_LAST; c++)
	{
		c = next_to_ask(c);
		if (has(c, property) == (set->n % 2 != 0))
			continue;
		if (set->n == room)
		{
			CharSet *grown = new_set(arena, room *= 4, error);

			if (!grown)
				return NULL;
			memcpy(grown->bounds, set->bounds, set->n * sizeof *set->bounds);
			grown->n = set->n;
			set = grown;
		}
		set->bounds[set->n++] = c;
	}
	if (set && set->n % 2 != 0)
		set->bounds[set->n++] = CHAR_LAST + 1;
	return set;
}

bool
set_has(const CharSet *set, uint32_t character)
{
	size_t low = 0, high = set->n;

	while (low < high)
	{
		size_t middle = low + (high - low) / 2;

		if (set->bounds[middle] <= character)
			low = middle + 1;
		else
			high = middle;
	}
	return low % 2 != 0;
}

bool
set_equal(const CharSet *a, const CharSet *b)
{
	return a->n == b->n && memcmp(a->bounds, b->bounds, a->n * sizeof *a->bounds) == 0;
}

bool
set_disjoint(const CharSet *a, const CharSet *b)
{
	for (size_t i = 0, j = 0; i < a->n && j < b->n;)
	{
		if (a->bounds[i] < b->bounds[j + 1] && b->bounds[j] < a->bounds[i + 1])
			return false;
		if (a->bounds[i + 1] <= b->bounds[j + 1])
			i += 2;
		else
			j += 2;
	}
	return true;
}

const CharSet *
set_close_case(Arena *arena, const CharSet *set, Error *error)
{
	USet	*closed = uset_openEmpty();
	CharSet *result;
	int32_t	 n;

	for (size_t i = 0; i < set->n; i += 2)
		uset_addRange(closed, (UChar32) set->bounds[i], (UChar32) set->bounds[i + 1] - 1);
	uset_closeOver(closed, USET_CASE_INSENSITIVE);
	n = uset_getRangeCount(closed);
	result = new_set(arena, (size_t) n * 2, error);
	for (int32_t i = 0; result && i < n; i++)
	{
		UErrorCode status = U_ZERO_ERROR;
		UChar32	   first, last;

		/* Strings come behind the ranges, and are none. */
		if (uset_getItem(closed, i, &first, &last, NULL, 0, &status) != 0)
			break;
		result->bounds[result->n++] = (uint32_t) first;
		result->bounds[result->n++] = (uint32_t) last + 1;
	}
	uset_close(closed);
	return result;
}

/* ---- names ---- */

typedef enum PosixClass
{
	POSIX_ALNUM,
	POSIX_ALPHA,
	POSIX_ANY,
	POSIX_ASCII,
	POSIX_ASSIGNED,
	POSIX_BLANK,
	POSIX_CNTRL,
	POSIX_DIGIT,
	POSIX_GRAPH,
	POSIX_LOWER,
	POSIX_PRINT,
	POSIX_PUNCT,
	POSIX_SPACE,
	POSIX_UPPER,
	POSIX_WORD,
	POSIX_XDIGIT,
	POSIX_CLASSES
} PosixClass;

static const char *const posix_names[POSIX_CLASSES] = {
	"alnum", "alpha", "any",   "ascii", "assigned", "blank", "cntrl", "digit",
	"graph", "lower", "print", "punct", "space",	"upper", "word",  "xdigit"};

/* Characters that got a property after Unicode 14, as far as ICU 76 knows. */
static bool
is_newer(uint32_t c, int property)
{
	switch (property)
	{
		case UCHAR_ALPHABETIC:
			return c == 0xC04 || c == 0xF82 || c == 0xF83 || c == 0x11080 || c == 0x11081 ||
				   (c >= 0x363 && c <= 0x36F) || (c >= 0x1DD3 && c <= 0x1DE6);
		case UCHAR_DIACRITIC:
			return c == 0xE3A || c == 0x1734 || c == 0x1A60 || c == 0x1BE6 || c == 0x1BF2 ||
				   c == 0x1BF3 || c == 0xA806 || c == 0xA82C || (c >= 0x10A38 && c <= 0x10A3A) ||
				   c == 0x10A3F || c == 0x1133B || c == 0x11F41 || c == 0x11F42;
		case UCHAR_EXTENDER:
			return c == 0xA71 || c == 0xAFB || c == 0x11237;
		case UCHAR_BIDI_MIRRORED:
			return c == 0x226D;
		case UCHAR_ID_CONTINUE:
		case UCHAR_XID_CONTINUE:
			return c == 0x200C || c == 0x200D || c == 0x30FB || c == 0xFF65;
		case UCHAR_LOWERCASE:
		case UCHAR_CASED:
			return c == 0x10FC || (c >= 0xA7F2 && c <= 0xA7F4) || c == 0xAB69;
	}
	return false;
}

/* Some properties are those of unassigned characters too. */
static bool
has_binary(uint32_t character, int property)
{
	if (!unicode_assigned(character, VERSION) && property != UCHAR_EXTENDED_PICTOGRAPHIC &&
		property != UCHAR_DEFAULT_IGNORABLE_CODE_POINT &&
		property != UCHAR_NONCHARACTER_CODE_POINT && property != UCHAR_PATTERN_SYNTAX)
		return false;
	return u_hasBinaryProperty((UChar32) character, (UProperty) property) &&
		   !is_newer(character, property);
}

static bool
is_digit(uint32_t character)
{
	return strcmp(unicode_category(character, VERSION), "Nd") == 0;
}

static bool
is_hex_digit(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool
is_posix(uint32_t character, int property)
{
	const char *category = unicode_category(character, VERSION);
	bool		space = unicode_whitespace(character);

	switch ((PosixClass) property)
	{
		case POSIX_ALNUM:
			return has_binary(character, UCHAR_ALPHABETIC) || is_digit(character);
		case POSIX_ALPHA:
			return has_binary(character, UCHAR_ALPHABETIC);
		case POSIX_ANY:
			return true;
		case POSIX_ASCII:
			return character < 0x80;
		case POSIX_ASSIGNED:
			return strcmp(category, "Cn") != 0;
		case POSIX_BLANK:
			return character == '\t' || strcmp(category, "Zs") == 0;
		case POSIX_CNTRL:
			return strcmp(category, "Cc") == 0;
		case POSIX_DIGIT:
			return is_digit(character);
		case POSIX_GRAPH:
			return !space && strcmp(category, "Cc") != 0 && strcmp(category, "Cn") != 0 &&
				   strcmp(category, "Cs") != 0;
		case POSIX_LOWER:
			return has_binary(character, UCHAR_LOWERCASE);
		case POSIX_PRINT:
			return strcmp(category, "Zs") == 0 || is_posix(character, POSIX_GRAPH);
		case POSIX_PUNCT:
			return category[0] == 'P';
		case POSIX_SPACE:
			return space;
		case POSIX_UPPER:
			return has_binary(character, UCHAR_UPPERCASE);
		case POSIX_WORD:
			return category[0] == 'M' || strcmp(category, "Pc") == 0 ||
				   is_posix(character, POSIX_ALNUM);
		default:
			return is_hex_digit(character);
	}
}

/* property: two letters, the second 0 for all of the first's. */
static bool
is_category(uint32_t character, int property)
{
	const char *category = unicode_category(character, VERSION);

	return category[0] == property >> 8 &&
		   ((property & 0xFF) == 0 || category[1] == (property & 0xFF));
}

static bool
is_cased(uint32_t character, int property)
{
	const char *category = unicode_category(character, VERSION);

	return category[0] == 'L' && strchr("ult", category[1]) != NULL;
}

static bool
is_of_script(uint32_t character, int property)
{
	UErrorCode status = U_ZERO_ERROR;

	if (!unicode_assigned(character, VERSION))
		return property == USCRIPT_UNKNOWN;
	return (int) uscript_getScript((UChar32) character, &status) == property;
}

static bool
is_of_block(uint32_t character, int property)
{
	return (int) ublock_getCode((UChar32) character) == property;
}

/* The name in small letters, without what does not count in one. */
static bool
simplify(const char *name, size_t length, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
	{
		char c = name[i];

		if (c == ' ' || c == '_' || c == '-')
			continue;
		if ((uint8_t) c >= 0x80 || n + 1 == size)
			return false;
		out[n++] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
	}
	out[n] = '\0';
	return n > 0;
}

static const CharSet *
set_of_category(Arena *arena, const char *name, bool *found, Error *error)
{
	int32_t mask = u_getPropertyValueEnum(UCHAR_GENERAL_CATEGORY_MASK, name);
	/* In the order of UCharCategory. */
	static const char *const categories[] = {
		"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp",
		"Cc", "Cf", "Co", "Cs", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf"};

	*found = mask != UCHAR_INVALID_CODE;
	if (!*found)
		return NULL;
	for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
		if (mask == (int32_t) U_MASK(i))
			return set_where(arena, is_category, categories[i][0] << 8 | categories[i][1], error);
	if (mask == (int32_t) (U_GC_LU_MASK | U_GC_LL_MASK | U_GC_LT_MASK))
		return set_where(arena, is_cased, 0, error);
	for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
		if (mask & (int32_t) U_MASK(i))
			return set_where(arena, is_category, categories[i][0] << 8, error);
	return NULL;
}

const CharSet *
set_named(Arena *arena, const char *name, size_t length, bool *found, Error *error)
{
	char	simple[64];
	int32_t value;

	*found = simplify(name, length, simple, sizeof simple);
	if (!*found)
		return NULL;
	for (int i = 0; i < POSIX_CLASSES; i++)
		if (strcmp(posix_names[i], simple) == 0)
			return set_where(arena, is_posix, i, error);
	if (strncmp(simple, "in", 2) == 0 &&
		(value = u_getPropertyValueEnum(UCHAR_BLOCK, simple + 2)) != UCHAR_INVALID_CODE)
		return set_where(arena, is_of_block, value, error);
	value = u_getPropertyValueEnum(UCHAR_SCRIPT, simple);
	if (value != UCHAR_INVALID_CODE)
		return set_where(arena, is_of_script, value, error);
	value = (int32_t) u_getPropertyEnum(simple);
	if (value >= UCHAR_BINARY_START && value < UCHAR_BINARY_LIMIT)
		return set_where(arena, has_binary, value, error);
	return set_of_category(arena, simple, found, error);
}
