/*
 * unicode.c: ICU's properties, wound back to a version.
 */
#include "import/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include <stddef.h>
#include <string.h>

/* Categories that a version after "until" changed. */
static const struct
{
	uint32_t	character;
	int			until;
	const char *category;
} changed[] = {
	{0x166D, UNICODE_VERSION(11, 0), "Po"}, /* now So */
	{0x1734, UNICODE_VERSION(13, 0), "Mn"}, /* now Mc */
	{0x1885, UNICODE_VERSION(8, 0), "Lo"},	/* now Mn */
	{0x1886, UNICODE_VERSION(8, 0), "Lo"},
	/* now Mn */ {0x1CF2, UNICODE_VERSION(11, 0), "Mc"}, /* now Lo */
	{0x1CF3, UNICODE_VERSION(11, 0), "Mc"},				 /* now Lo */
	{0xA9BD, UNICODE_VERSION(10, 0), "Mc"},				 /* now Mn */
	{0x111C9, UNICODE_VERSION(10, 0), "Po"},			 /* now Mn */
	{0x1171E, UNICODE_VERSION(15, 1), "Mn"},			 /* now Mc */
};

/* Spacing marks that extend a cluster since Unicode 15.1 or 16. */
static const uint32_t extending[] = {0x0CC0,  0x0CC7,  0x0CC8,	0x0CCA,	 0x0CCB,  0x1715,  0x1734,
									 0x1B3B,  0x1B3D,  0x1B43,	0x1B44,	 0x1BAA,  0x1BF2,  0x1BF3,
									 0xA953,  0xA9C0,  0x111C0, 0x11235, 0x1134D, 0x116B6, 0x1193D,
									 0x11F41, 0x16FF0, 0x16FF1, 0x1D166, 0x1D16D};

bool
unicode_assigned(uint32_t character, int version)
{
	UVersionInfo age;

	u_charAge((UChar32) character, age);
	return age[0] > 0 && UNICODE_VERSION(age[0], age[1]) <= version;
}

const char *
unicode_category(uint32_t character, int version)
{
	static const char *const names[] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd",
										"Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs", "Pd",
										"Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf"};

	if (!unicode_assigned(character, version))
		return "Cn";
	for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
		if (changed[i].character == character && version <= changed[i].until)
			return changed[i].category;
	return names[u_charType((UChar32) character)];
}

bool
unicode_whitespace(uint32_t character)
{
	return u_isUWhiteSpace((UChar32) character);
}

bool
unicode_digit(uint32_t character, int version)
{
	int type = u_getIntPropertyValue((UChar32) character, UCHAR_NUMERIC_TYPE);

	return unicode_assigned(character, version) && (type == U_NT_DECIMAL || type == U_NT_DIGIT);
}

bool
unicode_word(uint32_t character, int version)
{
	const char *category = unicode_category(character, version);

	if (!unicode_assigned(character, version))
		return false;
	return u_hasBinaryProperty((UChar32) character, UCHAR_ALPHABETIC) ||
		   u_hasBinaryProperty((UChar32) character, UCHAR_JOIN_CONTROL) || category[0] == 'M' ||
		   strcmp(category, "Nd") == 0 || strcmp(category, "Pc") == 0;
}

int
unicode_script(uint32_t character, int version)
{
	UErrorCode	status = U_ZERO_ERROR;
	UScriptCode script;

	if (!unicode_assigned(character, version))
		return -1;
	/* Changed after Unicode 9. */
	if (character == 0x589 || character == 0x61C)
		return USCRIPT_COMMON;
	if (character == 0x953 || character == 0x954)
		return USCRIPT_DEVANAGARI;
	script = uscript_getScript((UChar32) character, &status);
	if (U_FAILURE(status) || script == USCRIPT_UNKNOWN)
		return -1;
	if (script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || character == 0x30FC)
		return USCRIPT_HAN;
	return script;
}

ClusterClass
unicode_cluster_class(uint32_t character, int version)
{
	/* What no version has assigned yet keeps the class that is reserved for it. */
	if (!unicode_assigned(character, version) && u_isdefined((UChar32) character))
		return u_hasBinaryProperty((UChar32) character, UCHAR_EXTENDED_PICTOGRAPHIC) ||
					   (character >= 0x1F8AE && character <= 0x1F8FF)
				   ? CLUSTER_PICTOGRAPH
				   : CLUSTER_OTHER;
	if (version <= UNICODE_VERSION(15, 0))
	{
		for (size_t i = 0; i < sizeof extending / sizeof *extending; i++)
			if (extending[i] == character)
				return CLUSTER_SPACING_MARK;
		if (character == 0x1171E)
			return CLUSTER_EXTEND;
	}
	switch (u_getIntPropertyValue((UChar32) character, UCHAR_GRAPHEME_CLUSTER_BREAK))
	{
		case U_GCB_CR:
			return CLUSTER_CR;
		case U_GCB_LF:
			return CLUSTER_LF;
		case U_GCB_CONTROL:
			return CLUSTER_CONTROL;
		case U_GCB_EXTEND:
			return CLUSTER_EXTEND;
		case U_GCB_ZWJ:
			return CLUSTER_ZWJ;
		case U_GCB_PREPEND:
			return CLUSTER_PREPEND;
		case U_GCB_SPACING_MARK:
			return CLUSTER_SPACING_MARK;
		case U_GCB_L:
			return CLUSTER_L;
		case U_GCB_V:
			return CLUSTER_V;
		case U_GCB_T:
			return CLUSTER_T;
		case U_GCB_LV:
			return CLUSTER_LV;
		case U_GCB_LVT:
			return CLUSTER_LVT;
		case U_GCB_REGIONAL_INDICATOR:
			return CLUSTER_REGIONAL;
		default:
			return u_hasBinaryProperty((UChar32) character, UCHAR_EXTENDED_PICTOGRAPHIC)
					   ? CLUSTER_PICTOGRAPH
					   : CLUSTER_OTHER;
	}
}

uint8_t
unicode_class(uint32_t character, int version)
{
	return unicode_assigned(character, version) ? u_getCombiningClass((UChar32) character) : 0;
}

static int
from_utf16(const UChar *units, int32_t n, uint32_t out[UNICODE_MAX_MAPPING])
{
	int count = 0;

	for (int32_t at = 0; at < n && count < UNICODE_MAX_MAPPING;)
	{
		UChar32 character;

		U16_NEXT(units, at, n, character);
		out[count++] = (uint32_t) character;
	}
	return count;
}

int
unicode_decompose(uint32_t character, bool compatibility, int version,
				  uint32_t out[UNICODE_MAX_MAPPING])
{
	UErrorCode			status = U_ZERO_ERROR;
	const UNormalizer2 *forms =
		compatibility ? unorm2_getNFKDInstance(&status) : unorm2_getNFDInstance(&status);
	UChar	units[2 * UNICODE_MAX_MAPPING];
	int32_t n = -1;

	if (unicode_assigned(character, version))
		n = unorm2_getDecomposition(forms, (UChar32) character, units, 2 * UNICODE_MAX_MAPPING,
									&status);
	if (n < 0 || U_FAILURE(status))
	{
		out[0] = character;
		return 1;
	}
	return from_utf16(units, n, out);
}

int
unicode_lower(uint32_t character, int version, uint32_t out[UNICODE_MAX_MAPPING])
{
	UErrorCode status = U_ZERO_ERROR;
	UChar	   unit[2], units[2 * UNICODE_MAX_MAPPING];
	int32_t	   n_unit = 0, n = -1;

	if (unicode_assigned(character, version))
	{
		U16_APPEND_UNSAFE(unit, n_unit, character);
		n = u_strToLower(units, 2 * UNICODE_MAX_MAPPING, unit, n_unit, "", &status);
	}
	/* Alone, a final sigma is none: the library lower-cases character by character. */
	if (n <= 0 || U_FAILURE(status))
	{
		out[0] = character;
		return 1;
	}
	return from_utf16(units, n, out);
}

bool
unicode_pair(uint32_t character, int version, uint32_t *first, uint32_t *second)
{
	UErrorCode			status = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&status);
	UChar				units[8];
	uint32_t			pair[UNICODE_MAX_MAPPING];
	int32_t				n;

	if (!unicode_assigned(character, version) || (character >= 0xAC00 && character <= 0xD7A3))
		return false;
	n = unorm2_getRawDecomposition(nfc, (UChar32) character, units, 8, &status);
	if (n < 2 || U_FAILURE(status) || from_utf16(units, n, pair) != 2)
		return false;
	*first = pair[0];
	*second = pair[1];
	return unorm2_composePair(nfc, (UChar32) *first, (UChar32) *second) == (UChar32) character;
}
