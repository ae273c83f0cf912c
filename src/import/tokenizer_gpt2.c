/*
 * tokenizer_gpt2.c: compiles vocab.json and merges.txt, as the classes of GPT-2 (OPT's too) and RoBERTa read them.
 */
#include "import/tokenizer_components.h"
#include "import/tokenizer_vocab.h"
#include "import/unicode.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define FILE_LIMIT ((size_t) 256 << 20)

bool
gpt2_load(TokenizerBuild *build, const char *directory, bool *found, Error *error)
{
	Node   vocab, at = {.key = "merges.txt"};
	char   path[4096];
	char  *text;
	size_t size;
	bool   result;

	*found = false;
	if (!node_load(directory, "vocab.json", 0, &vocab, error))
		return false;
	if (!vocab.value)
		return true;
	*found = true;
	result = build_vocab(build, &vocab, error);
	json_decref(vocab.value);
	if (!result)
		return false;
	if ((size_t) snprintf(path, sizeof path, "%s/%s", directory, at.key) >= sizeof path)
		return error_set(error, ERR_ARGUMENT, "path of \"%s\" is too long", at.key);
	text = file_read(build->arena, path, FILE_LIMIT, &size, error);
	return text && add_bpe_file(build, &at, text, size, error);
}

static bool
add_decoder(TokenizerBuild *build, const Node *at, uint32_t flags, Error *error)
{
	ComponentRecord record = {.kind = DECODER_BYTE_LEVEL, .flags = flags};

	return build_component(build, STAGE_DECODER, &record, NULL, 0, at, error);
}

/* bos A and bos A B, or, where the slow class does so, bos A bos B. */
static bool
add_bos_template(TokenizerBuild *build, int32_t bos, bool fast, Error *error)
{
	return build_item(build, TEMPLATE_SINGLE, bos, 0, error) &&
		   build_item(build, TEMPLATE_SINGLE, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, bos, 0, error) &&
		   build_item(build, TEMPLATE_PAIR, TEMPLATE_TEXT, 0, error) &&
		   (fast || build_item(build, TEMPLATE_PAIR, bos, 0, error)) &&
		   build_item(build, TEMPLATE_PAIR, TEMPLATE_TEXT_PAIR, 1, error) &&
		   build_item(build, TEMPLATE_SINGLE_BARE, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_PAIR_BARE, TEMPLATE_TEXT, 0, error) &&
		   build_item(build, TEMPLATE_PAIR_BARE, TEMPLATE_TEXT_PAIR, fast ? 1 : 0, error);
}

static bool
add_template(TokenizerBuild *build, const TokenizerConfig *config, const Node *at, bool fast,
			 Error *error)
{
	int32_t cls, sep, bos;

	if (config->class == CLASS_ROBERTA)
		return build_need_id(build, at, SPECIAL_CLS, "cls_token", &cls, error) &&
			   build_need_id(build, at, SPECIAL_SEP, "sep_token", &sep, error) &&
			   add_roberta_template(build, cls, sep, error);
	if (!config->add_bos_token)
		return add_bare_template(build, 1, fast ? 1 : 0, error);
	return build_need_id(build, at, SPECIAL_BOS, "bos_token", &bos, error) &&
		   add_bos_template(build, bos, fast, error);
}

bool
gpt2_fast(TokenizerBuild *build, const TokenizerConfig *config, const Node *at, Error *error)
{
	if (config->class == CLASS_ROBERTA && config->trim_offsets)
		build->flags |= TOKENIZER_TRIM | (config->add_prefix_space ? TOKENIZER_TRIM_PREFIX : 0);
	return add_byte_level(build, at, config->add_prefix_space, true, UNICODE_ONIGURUMA, error) &&
		   add_template(build, config, at, true, error) && add_decoder(build, at, 0, error);
}

/* What Python is told to do with bytes that are no UTF-8. */
static bool
read_errors(const TokenizerConfig *config, uint32_t *flags, Error *error)
{
	Node		node;
	const char *name = "replace";
	size_t		length;

	*flags = 0;
	if (!config->config.value)
		return true;
	if (!node_find(&config->config, "errors", &node, error) ||
		(node.value && !node_string(&node, &name, &length, error)))
		return false;
	if (strcmp(name, "ignore") == 0)
		*flags = BYTE_LEVEL_IGNORE;
	else if (strcmp(name, "strict") == 0)
		*flags = BYTE_LEVEL_STRICT;
	else if (strcmp(name, "replace") != 0)
		return node_error(&node, error, ERR_UNSUPPORTED, "\"%.100s\" is not supported", name);
	return true;
}

bool
gpt2_slow(TokenizerBuild *build, const TokenizerConfig *config, const Node *at, Error *error)
{
	ComponentRecord	   space = {.kind = NORMALIZER_PREPEND};
	const BuildString *unk = &build->special[SPECIAL_UNK];
	uint32_t		   errors;

	if (!read_errors(config, &errors, error))
		return false;

	/* The slow classes have no positions: they are given without the spaces. */
	build->flags |= TOKENIZER_TRIM | (config->add_prefix_space ? TOKENIZER_TRIM_PREFIX : 0);
	build->components[STAGE_MODEL][0].record.args[0] =
		unk->bytes ? build_id(build, unk->bytes, unk->length) : -1;
	space.flags = config->class == CLASS_ROBERTA ? PREPEND_UNLESS_SPACE : PREPEND_TO_EMPTY;
	return (!config->add_prefix_space ||
			build_component(build, STAGE_NORMALIZER, &space, " ", 1, at, error)) &&
		   add_byte_level(build, at, false, true, UNICODE_ONIGURUMA, error) &&
		   add_template(build, config, at, false, error) &&
		   add_decoder(build, at, BYTE_LEVEL_APART | errors, error);
}
