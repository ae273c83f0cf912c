/*
 * tokenizer_pattern.c: compiles Split, and Replace as a normalizer and as a decoder.
 */
#include "import/regex.h"
#include "import/tokenizer_components.h"

#include <string.h>

#include "tok/regex.h"

typedef struct Pattern
{
	RegexTree	tree;
	const void *table;
	size_t		size;
} Pattern;

/* {"String": ...} or {"Regex": ...}. */
static bool
read_pattern(TokenizerBuild *build, const Node *node, Pattern *pattern, Error *error)
{
	Node		member, string, regex;
	const char *bytes;
	size_t		length;

	if (!node_get(node, "pattern", &member, error) ||
		!node_find(&member, "String", &string, error) ||
		!node_find(&member, "Regex", &regex, error))
		return false;
	if (string.value)
	{
		if (!node_string(&string, &bytes, &length, error) ||
			!regex_quote(build->arena, bytes, length, &pattern->tree, error))
			return false;
	}
	else if (!regex.value)
		return node_error(&member, error, ERR_DATA, "neither \"String\" nor \"Regex\"");
	else if (!node_string(&regex, &bytes, &length, error) ||
			 !regex_parse(build->arena, &regex, bytes, length, &pattern->tree, error) ||
			 !regex_check(&pattern->tree, &regex, error))
		return false;
	return regex_compile(build->arena, &pattern->tree, string.value ? &string : &regex,
						 &pattern->table, &pattern->size, error);
}

/* Whether something is matched from every space on that is before an ASCII letter or digit. */
static bool
begins_at_spaces(TokenizerBuild *build, const Pattern *pattern, Error *error)
{
	RegexSearch search = {0};
	Regex		regex;
	size_t		used, begin, end;
	bool		found;

	if (!regex_open(&regex, pattern->table, pattern->size, &used))
		return false;
	for (const char *c = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; *c; c++)
	{
		const char text[] = {' ', *c};

		if (!regex_begin(&search, &regex, build->arena, NULL, text, sizeof text, error) ||
			!regex_next(&search, &found, &begin, &end) || !found || begin != 0 || end == 0)
			return false;
	}
	return true;
}

bool
compile_split(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_SPLIT};
	SplitBehavior	behavior;
	Pattern			pattern;
	Node			invert;
	bool			inverts;

	if (!read_pattern(build, node, &pattern, error) ||
		!read_behavior(node, "behavior", &behavior, error) ||
		!node_find(node, "invert", &invert, error))
		return false;
	inverts = json_is_true(invert.value);
	if (invert.value && !node_bool(&invert, &inverts, error))
		return false;
	record.flags = inverts ? SPLIT_INVERT : 0;
	record.args[0] = behavior;
	record.cut = regex_cuts(&pattern.tree);
	if ((record.cut & TOKENIZER_CUT_SPACE) &&
		(behavior == SPLIT_ISOLATED || behavior == SPLIT_REMOVED) &&
		begins_at_spaces(build, &pattern, error))
		record.cut |= CUT_MADE(TOKENIZER_CUT_SPACE);
	return build_component(build, STAGE_PRE_TOKENIZER, &record, pattern.table, pattern.size, node,
						   error);
}

/* The table of both replacements. */
static bool
read_replace(TokenizerBuild *build, const Node *node, Pattern *pattern, const char **content,
			 size_t *n_content, Error *error)
{
	Node  member;
	char *table;

	if (!read_pattern(build, node, pattern, error) || !node_get(node, "content", &member, error) ||
		!node_string(&member, content, n_content, error))
		return false;
	table = arena_alloc(build->arena, pattern->size + *n_content, 1);
	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(table, pattern->table, pattern->size);
	memcpy(table + pattern->size, *content, *n_content);
	pattern->table = table;
	pattern->size += *n_content;
	return true;
}

bool
compile_replace(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_REPLACE};
	Pattern			pattern;
	const char	   *content;
	size_t			n_content;
	bool			ascii = true, has_space = false;

	if (!read_replace(build, node, &pattern, &content, &n_content, error))
		return false;
	for (size_t i = 0; i < n_content; i++)
	{
		ascii &= (uint8_t) content[i] < 0x80;
		has_space |= content[i] == ' ';
	}
	/* What it puts must not become a part of an added token that is normalized.  A space that becomes something else all
	 * by itself does so wherever the text is cut, and no cut is at two of them. */
	if (regex_is_run(&pattern.tree, ' '))
		record.cut = TOKENIZER_CUTS;
	else if (ascii && !has_space)
		record.cut = regex_spares(&pattern.tree);
	else if (!ascii && regex_is_character(&pattern.tree, ' '))
		record.cut = CUT_MOVES | TOKENIZER_CUT_SPACE;
	return build_component(build, STAGE_NORMALIZER, &record, pattern.table, pattern.size, node,
						   error);
}

bool
compile_replace_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_REPLACE};
	Pattern			pattern;
	const char	   *content;
	size_t			n_content;

	return read_replace(build, node, &pattern, &content, &n_content, error) &&
		   build_component(build, STAGE_DECODER, &record, pattern.table, pattern.size, node, error);
}
