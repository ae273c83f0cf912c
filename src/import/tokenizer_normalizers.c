/*
 * tokenizer_normalizers.c: compiles the normalizers that work character by character, and Strip and Prepend.
 *
 * Rules and Unicode versions are those of the tokenizers library 0.15, found by asking it about every character.
 */
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#define CUTS (TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN)

static bool
add_map(TokenizerBuild *build, const Node *at,
		void (*map)(uint32_t character, const void *argument, CharMapping *mapping),
		const void *argument, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_CHAR_MAP, .cut = CUTS};
	const void	   *table;
	size_t			size;

	return char_map_build(build->arena, map, argument, &table, &size, error) &&
		   build_component(build, STAGE_NORMALIZER, &record, table, size, at, error);
}

static void
map_lower(uint32_t character, const void *argument, CharMapping *mapping)
{
	uint32_t lowered[UNICODE_MAX_MAPPING];

	mapping->n = unicode_lower(character, UNICODE_RUST, lowered);
	for (int i = 0; i < mapping->n; i++)
		mapping->elements[i] = char_element(lowered[i], character, 0, false);
}

bool
compile_lowercase(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_map(build, node, map_lower, NULL, error);
}

static void
map_decomposed(uint32_t character, const void *argument, CharMapping *mapping)
{
	const bool *compatibility = argument;
	uint32_t	parts[UNICODE_MAX_MAPPING];

	if (character >= HANGUL_FIRST && character <= HANGUL_LAST)
	{
		mapping->hangul = true;
		return;
	}
	mapping->n = unicode_decompose(character, *compatibility, UNICODE_NORMALIZATION, parts);
	for (int i = 0; i < mapping->n; i++)
		mapping->elements[i] = char_element(parts[i], character,
											unicode_class(parts[i], UNICODE_NORMALIZATION), false);
}

/* One of the four normal forms. */
static bool
add_form(TokenizerBuild *build, const Node *node, bool compatibility, bool composes, Error *error)
{
	return add_map(build, node, map_decomposed, &compatibility, error) &&
		   (!composes || add_compose(build, STAGE_NORMALIZER, node, UNICODE_NORMALIZATION, error));
}

bool
compile_nfc(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_form(build, node, false, true, error);
}

bool
compile_nfd(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_form(build, node, false, false, error);
}

bool
compile_nfkc(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_form(build, node, true, true, error);
}

bool
compile_nfkd(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_form(build, node, true, false, error);
}

static void
map_without_marks(uint32_t character, const void *argument, CharMapping *mapping)
{
	mapping->n = unicode_category(character, UNICODE_NORMALIZATION)[0] == 'M' ? 0 : 1;
	mapping->elements[0] = 0;
}

bool
compile_strip_accents(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_map(build, node, map_without_marks, NULL, error);
}

/* SentencePiece's nmt_nfkc cleaning without NFKC. */
static void
map_nmt(uint32_t c, const void *argument, CharMapping *mapping)
{
	bool gone = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
				c == 0x8F || c == 0x9F;
	bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
				 (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
				 c == 0xFEFF || c == 0xFFFD;

	mapping->n = gone ? 0 : 1;
	mapping->elements[0] = space ? ' ' : 0;
}

bool
compile_nmt(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_map(build, node, map_nmt, NULL, error);
}

bool
compile_strip(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_STRIP, .cut = CUTS};
	bool			left, right;

	if (!node_find_bool(node, "strip_left", true, &left, error) ||
		!node_find_bool(node, "strip_right", true, &right, error))
		return false;
	record.flags = (left ? STRIP_LEFT : 0) | (right ? STRIP_RIGHT : 0);
	return build_component(build, STAGE_NORMALIZER, &record, NULL, 0, node, error);
}

bool
compile_prepend(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_PREPEND, .cut = CUTS};
	Node			prefix;
	const char	   *bytes;
	size_t			length;

	if (!node_get(node, "prepend", &prefix, error) || !node_string(&prefix, &bytes, &length, error))
		return false;
	bytes = arena_strndup(build->arena, bytes, length);
	if (!bytes)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	return build_component(build, STAGE_NORMALIZER, &record, bytes, length, node, error);
}
