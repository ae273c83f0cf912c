/*
 * tokenizer_bert.c: compiles BertNormalizer and BertPreTokenizer.
 *
 * Both become tables of all characters.  The rules are those of the tokenizers library 0.15, found by asking
 * it about every character: general categories of Unicode 8, decompositions and combining classes of
 * Unicode 9, whitespace and case of Unicode 15.
 */
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#include <string.h>

bool
bert_chinese(uint32_t c, bool library)
{
	return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
		   (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
		   (c >= 0x2B740 && c <= 0x2B81F) || (c >= (library ? 0x2B920 : 0x2B820) && c <= 0x2CEAF) ||
		   (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool
bert_punctuation(uint32_t c, int version)
{
	return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
		   (c >= 123 && c <= 126) || unicode_category(c, version)[0] == 'P';
}

static bool
is_control(uint32_t c)
{
	const char *category = unicode_category(c, UNICODE_CATEGORIES);

	if (c == '\t' || c == '\n' || c == '\r')
		return false;
	return category[0] == 'C' && category[1] != 'n';
}

static void
map_bert(uint32_t character, const void *argument, CharMapping *mapping)
{
	const BertRules *rules = argument;
	uint32_t		 parts[UNICODE_MAX_MAPPING] = {character};
	int				 n_parts = 1;

	mapping->n = 0;
	if (rules->clean_text)
	{
		if (character == 0 || character == 0xFFFD || is_control(character))
			return;
		if (unicode_whitespace(character))
			parts[0] = ' ';
	}
	mapping->isolate = rules->handle_chinese_chars && bert_chinese(character, true);
	if (rules->strip_accents)
	{
		if (character >= 0xAC00 && character <= 0xD7A3)
		{
			mapping->hangul = true;
			return;
		}
		n_parts = unicode_decompose(parts[0], false, UNICODE_NORMALIZATION, parts);
	}
	for (int i = 0; i < n_parts; i++)
	{
		uint32_t lowered[UNICODE_MAX_MAPPING] = {parts[i]};
		int		 n_lowered = 1;
		uint8_t class = rules->strip_accents ? unicode_class(parts[i], UNICODE_NORMALIZATION) : 0;
		bool drop = rules->strip_accents &&
					strcmp(unicode_category(parts[i], UNICODE_CATEGORIES), "Mn") == 0;

		if (drop)
			lowered[0] = 0;
		else if (rules->lowercase)
			n_lowered = unicode_lower(parts[i], UNICODE_RUST, lowered);
		for (int j = 0; j < n_lowered; j++)
			mapping->elements[mapping->n++] = char_element(lowered[j], character, class, drop);
	}
}

static uint32_t
classify_bert(uint32_t character, const void *argument)
{
	if (unicode_whitespace(character))
		return 1;
	return bert_punctuation(character, UNICODE_CATEGORIES) ? 2 : 0;
}

bool
compile_bert_normalizer(TokenizerBuild *build, const Node *node, Error *error)
{
	BertRules rules;

	if (!node_find_bool(node, "clean_text", true, &rules.clean_text, error) ||
		!node_find_bool(node, "handle_chinese_chars", true, &rules.handle_chinese_chars, error) ||
		!node_find_bool(node, "lowercase", true, &rules.lowercase, error) ||
		!node_find_bool(node, "strip_accents", rules.lowercase, &rules.strip_accents, error))
		return false;
	if (build->override_bert && !node->parent->parent)
	{
		if (build->override_chinese)
			rules.handle_chinese_chars = build->handle_chinese_chars;
		rules.lowercase = build->lowercase;
		rules.strip_accents =
			build->strip_accents >= 0 ? build->strip_accents != 0 : rules.lowercase;
	}
	return add_bert_normalizer(build, node, &rules, error);
}

bool
add_bert_normalizer(TokenizerBuild *build, const Node *at, const BertRules *rules, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_CHAR_MAP,
							  .cut =
								  TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP |
								  (rules->handle_chinese_chars ? CUT_MADE(TOKENIZER_CUT_HAN) : 0)};
	const void	   *table;
	size_t			size;

	return char_map_build(build->arena, map_bert, rules, &table, &size, error) &&
		   build_component(build, STAGE_NORMALIZER, &record, table, size, at, error);
}

bool
compile_bert_pre_tokenizer(TokenizerBuild *build, const Node *node, Error *error)
{
	return add_bert_pre_tokenizer(build, node, error);
}

bool
add_bert_pre_tokenizer(TokenizerBuild *build, const Node *at, Error *error)
{
	return add_punctuation(build, at, classify_bert, error);
}

bool
add_punctuation(TokenizerBuild *build, const Node									  *at,
				uint32_t (*classify)(uint32_t character, const void *argument), Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_BERT,
							  .cut = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP |
									 CUT_MADE(TOKENIZER_CUT_SPACE)};
	const void	   *table;
	size_t			size;

	return char_class_build(build->arena, classify, NULL, &table, &size, error) &&
		   build_component(build, STAGE_PRE_TOKENIZER, &record, table, size, at, error);
}
