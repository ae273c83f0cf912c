/*
 * tokenizer_splits.c: compiles the pre-tokenizers that cut by the classes of characters.
 */
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#include <string.h>

#include "tok/split.h"

typedef uint32_t (*Classifier)(uint32_t character, const void *argument);

static bool
add_classes(TokenizerBuild *build, const Node *at, ComponentRecord record, Classifier classify,
			const void *argument, Error *error)
{
	const void *table;
	size_t		size;

	return char_class_build(build->arena, classify, argument, &table, &size, error) &&
		   build_component(build, STAGE_PRE_TOKENIZER, &record, table, size, at, error);
}

bool
read_behavior(const Node *node, const char *key, SplitBehavior *behavior, Error *error)
{
	static const char *const names[] = {
		[SPLIT_REMOVED] = "Removed",
		[SPLIT_ISOLATED] = "Isolated",
		[SPLIT_MERGED_PREVIOUS] = "MergedWithPrevious",
		[SPLIT_MERGED_NEXT] = "MergedWithNext",
		[SPLIT_CONTIGUOUS] = "Contiguous",
	};
	Node		value;
	const char *name;
	size_t		length;

	*behavior = SPLIT_ISOLATED;
	if (!node_find(node, key, &value, error))
		return false;
	if (!value.value)
		return true;
	if (!node_string(&value, &name, &length, error))
		return false;
	for (int i = 0; i < SPLIT_BEHAVIORS; i++)
		if (strcmp(name, names[i]) == 0)
		{
			*behavior = (SplitBehavior) i;
			return true;
		}
	return node_error(&value, error, ERR_DATA, "\"%.100s\" is no behavior", name);
}

static uint32_t
is_space(uint32_t character, const void *argument)
{
	return unicode_whitespace(character);
}

bool
compile_whitespace_split(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_BERT,
							  .cut = TOKENIZER_CUT_SPACE | CUT_MADE(TOKENIZER_CUT_SPACE)};

	return add_classes(build, node, record, is_space, NULL, error);
}

/* \w+|[^\w\s]+ */
static uint32_t
word_class(uint32_t character, const void *argument)
{
	if (unicode_whitespace(character))
		return RUNS_NONE;
	return unicode_word(character, UNICODE_RUST) ? 2 : 3;
}

bool
compile_whitespace(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_RUNS,
							  .cut = TOKENIZER_CUT_SPACE | CUT_MADE(TOKENIZER_CUT_SPACE)};

	return add_classes(build, node, record, word_class, NULL, error);
}

static uint32_t
script_class(uint32_t character, const void *argument)
{
	int script = unicode_script(character, UNICODE_SCRIPTS);

	return character == ' ' || script < 0 ? RUNS_ANY : (uint32_t) script + RUNS_ANY + 1;
}

bool
compile_unicode_scripts(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_RUNS, .flags = RUNS_JOIN};

	return add_classes(build, node, record, script_class, NULL, error);
}

static bool
add_delimiters(TokenizerBuild *build, const Node *at, SplitBehavior behavior, Classifier classify,
			   const void *argument, Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_DELIMITERS,
							  .args = {behavior},
							  .cut = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN};

	return add_classes(build, at, record, classify, argument, error);
}

static uint32_t
is_punctuation(uint32_t character, const void *argument)
{
	return bert_punctuation(character, UNICODE_CATEGORIES);
}

bool
compile_punctuation(TokenizerBuild *build, const Node *node, Error *error)
{
	SplitBehavior behavior;

	return read_behavior(node, "behavior", &behavior, error) &&
		   add_delimiters(build, node, behavior, is_punctuation, NULL, error);
}

static uint32_t
is_numeric(uint32_t character, const void *argument)
{
	return unicode_category(character, UNICODE_RUST)[0] == 'N';
}

bool
compile_digits(TokenizerBuild *build, const Node *node, Error *error)
{
	bool individual;

	return node_find_bool(node, "individual_digits", false, &individual, error) &&
		   add_delimiters(build, node, individual ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS, is_numeric,
						  NULL, error);
}

static uint32_t
is_character(uint32_t character, const void *argument)
{
	return character == *(const uint32_t *) argument;
}

bool
read_character(const Node *node, uint32_t *character, Error *error)
{
	const char *bytes;
	size_t		length, at = 0;

	if (!node_string(node, &bytes, &length, error))
		return false;
	if (length > 0)
		*character = utf8_next(bytes, length, &at);
	return (length > 0 && at == length) ||
		   node_error(node, error, ERR_DATA, "expected one character, found \"%.100s\"", bytes);
}

bool
compile_char_delimiter(TokenizerBuild *build, const Node *node, Error *error)
{
	Node	 delimiter;
	uint32_t character;

	if (!node_get(node, "delimiter", &delimiter, error) ||
		!read_character(&delimiter, &character, error))
		return false;
	return add_delimiters(build, node, SPLIT_REMOVED, is_character, &character, error);
}
