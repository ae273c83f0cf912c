/*
 * tokenizer_byte_level.c: compiles the ByteLevel components.
 *
 * The classes of GPT-2's pattern are those of the library's regular expressions: Unicode 14.
 */
#include "import/tokenizer_components.h"
#include "import/unicode.h"

static uint32_t
classify(uint32_t character, const void *argument)
{
	const int  *version = argument;
	const char *category = unicode_category(character, *version);

	if (unicode_whitespace(character))
		return 3;
	return category[0] == 'L' ? 1 : category[0] == 'N' ? 2 : 0;
}

bool
add_byte_level(TokenizerBuild *build, const Node *at, bool prefix_space, bool words, int version,
			   Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_BYTE_LEVEL};
	const void	   *table;
	size_t			size;

	record.flags = (prefix_space ? BYTE_LEVEL_PREFIX_SPACE : 0) | (words ? BYTE_LEVEL_WORDS : 0);
	record.cut = CUT_MOVES | TOKENIZER_CUT_SPACE | (words ? CUT_MADE(TOKENIZER_CUT_SPACE) : 0);
	return char_class_build(build->arena, classify, &version, &table, &size, error) &&
		   build_component(build, STAGE_PRE_TOKENIZER, &record, table, size, at, error);
}

bool
compile_byte_level(TokenizerBuild *build, const Node *node, Error *error)
{
	bool prefix_space, words;
	if (!node_find_bool(node, "add_prefix_space", true, &prefix_space, error) ||
		!node_find_bool(node, "use_regex", true, &words, error))
		return false;
	if (build->override_prefix_space && !node->parent->parent)
		prefix_space = build->add_prefix_space;
	return add_byte_level(build, node, prefix_space, words, UNICODE_ONIGURUMA, error);
}

bool
compile_byte_level_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_BYTE_LEVEL};

	return build_component(build, STAGE_DECODER, &record, NULL, 0, node, error);
}
