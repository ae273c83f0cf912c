/*
 * unicode.h: properties of characters as a certain version of Unicode had them.
 *
 * Asked of ICU at import only.  A character younger than the version asked for is unassigned; properties that
 * later versions changed are listed here, so that the answers do not depend on the ICU at hand.
 */
#ifndef IMPORT_UNICODE_H
#define IMPORT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#include "tok/precompiled.h"

#define UNICODE_VERSION(major, minor) ((major) *16 + (minor))

/* Versions behind the tokenizers library 0.15 and Python 3.11. */
#define UNICODE_CATEGORIES UNICODE_VERSION(8, 0)	/* its general categories */
#define UNICODE_NORMALIZATION UNICODE_VERSION(9, 0) /* its canonical decompositions and classes */
#define UNICODE_SCRIPTS UNICODE_VERSION(9, 0)		/* its scripts */
#define UNICODE_RUST UNICODE_VERSION(15, 0)			/* case and whitespace of its language */
#define UNICODE_ONIGURUMA UNICODE_VERSION(14, 0)	/* its regular expressions */
#define UNICODE_PYTHON UNICODE_VERSION(14, 0)		/* unicodedata */

#define UNICODE_MAX_MAPPING 18 /* the longest full decomposition */

/* Whether the character was assigned in a version. */
extern bool unicode_assigned(uint32_t character, int version);

/* Two letters of the general category, as in "Mn". */
extern const char *unicode_category(uint32_t character, int version);

extern bool unicode_whitespace(uint32_t character);

/* A digit of any script, superscripts and the like included. */
extern bool unicode_digit(uint32_t character, int version);

/* Whether \w of a regular expression is to match (Unicode Technical Standard 18, Annex C). */
extern bool unicode_word(uint32_t character, int version);

/* A number for the script, Hiragana and Katakana being Han's; -1 for an unassigned character. */
extern int unicode_script(uint32_t character, int version);

/* The class of grapheme cluster boundaries. */
extern ClusterClass unicode_cluster_class(uint32_t character, int version);

/* The canonical combining class. */
extern uint8_t unicode_class(uint32_t character, int version);

/* Full canonical or compatibility decomposition, and full lower-casing without context; what does not change
 * is itself.  Return how many characters. */
extern int unicode_decompose(uint32_t character, bool compatibility, int version,
							 uint32_t out[UNICODE_MAX_MAPPING]);
extern int unicode_lower(uint32_t character, int version, uint32_t out[UNICODE_MAX_MAPPING]);

/* The two characters that a composite of NFC is made of (primary composites, D114; not Hangul); false for
 * any other character. */
extern bool unicode_pair(uint32_t character, int version, uint32_t *first, uint32_t *second);

#endif
