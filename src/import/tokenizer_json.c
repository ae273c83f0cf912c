/*
 * tokenizer_json.c: compiles a tokenizer.json of the tokenizers library.
 *
 * Its sections "truncation" and "padding" are defaults of calls, not properties of the tokenizer, and are
 * ignored.
 */
#include "import/tokenizer_components.h"
#include "import/tokenizer_config.h"

#include <string.h>

typedef struct CompilerEntry
{
	const char		 *type;
	ComponentCompiler compile;
} CompilerEntry;

static bool compile_normalizers(TokenizerBuild *build, const Node *node, Error *error);
static bool compile_pre_tokenizers(TokenizerBuild *build, const Node *node, Error *error);
static bool compile_post_processors(TokenizerBuild *build, const Node *node, Error *error);
static bool compile_decoders(TokenizerBuild *build, const Node *node, Error *error);

static const CompilerEntry models[] = {
	{"WordPiece", compile_wordpiece}, {"BPE", compile_bpe}, {"WordLevel", compile_wordlevel},
	{"Unigram", compile_unigram},	  {NULL, NULL},
};

static const CompilerEntry normalizers[] = {
	{"Precompiled", compile_precompiled},
	{"Sequence", compile_normalizers},
	{"BertNormalizer", compile_bert_normalizer},
	{"Lowercase", compile_lowercase},
	{"NFC", compile_nfc},
	{"NFD", compile_nfd},
	{"NFKC", compile_nfkc},
	{"NFKD", compile_nfkd},
	{"Nmt", compile_nmt},
	{"Prepend", compile_prepend},
	{"Replace", compile_replace},
	{"Strip", compile_strip},
	{"StripAccents", compile_strip_accents},
	{NULL, NULL},
};

static const CompilerEntry pre_tokenizers[] = {
	{"Metaspace", compile_metaspace},
	{"Sequence", compile_pre_tokenizers},
	{"BertPreTokenizer", compile_bert_pre_tokenizer},
	{"ByteLevel", compile_byte_level},
	{"CharDelimiterSplit", compile_char_delimiter},
	{"Digits", compile_digits},
	{"Punctuation", compile_punctuation},
	{"Split", compile_split},
	{"UnicodeScripts", compile_unicode_scripts},
	{"Whitespace", compile_whitespace},
	{"WhitespaceSplit", compile_whitespace_split},
	{NULL, NULL},
};

static const CompilerEntry post_processors[] = {
	{"Sequence", compile_post_processors},	   {"TemplateProcessing", compile_template},
	{"BertProcessing", compile_bert_template}, {"RobertaProcessing", compile_roberta_template},
	{"ByteLevel", compile_byte_level_trim},	   {NULL, NULL},
};

static const CompilerEntry decoders[] = {
	{"Sequence", compile_decoders},
	{"BPEDecoder", compile_bpe_decoder},
	{"CTC", compile_ctc_decoder},
	{"Replace", compile_replace_decoder},
	{"Strip", compile_strip_decoder},
	{"WordPiece", compile_wordpiece_decoder},
	{"ByteLevel", compile_byte_level_decoder},
	{"Metaspace", compile_metaspace_decoder},
	{"ByteFallback", compile_byte_fallback_decoder},
	{"Fuse", compile_fuse_decoder},
	{NULL, NULL},
};

/* What a model without "type", as old files have it, must be. */
static const char *
guess_model(const Node *node)
{
	if (json_object_get(node->value, "merges"))
		return "BPE";
	if (json_is_array(json_object_get(node->value, "vocab")))
		return "Unigram";
	return json_object_get(node->value, "max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

/* Compiles a component by its "type". */
static bool
compile(TokenizerBuild *build, const Node *node, const CompilerEntry *entries, Error *error)
{
	Node		type;
	const char *name;
	size_t		length;

	if (!node_find(node, "type", &type, error))
		return false;
	if (!type.value && entries == models && json_object_get(node->value, "vocab"))
		name = guess_model(node);
	else if (!node_get(node, "type", &type, error) || !node_string(&type, &name, &length, error))
		return false;
	for (; entries->type; entries++)
		if (strcmp(entries->type, name) == 0)
			return entries->compile(build, node, error);
	return node_error(node, error, ERR_UNSUPPORTED, "\"%s\" is not supported", name);
}

/* The members of a "Sequence", one after the other. */
static bool
compile_sequence(TokenizerBuild *build, const Node *node, const char *key,
				 const CompilerEntry *entries, Error *error)
{
	Node   members;
	size_t n;

	if (!node_get(node, key, &members, error) || !node_array(&members, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node member = node_element(&members, i);

		if (!compile(build, &member, entries, error))
			return false;
	}
	return true;
}

static bool
compile_normalizers(TokenizerBuild *build, const Node *node, Error *error)
{
	return compile_sequence(build, node, "normalizers", normalizers, error);
}

static bool
compile_pre_tokenizers(TokenizerBuild *build, const Node *node, Error *error)
{
	return compile_sequence(build, node, "pretokenizers", pre_tokenizers, error);
}

static bool
compile_post_processors(TokenizerBuild *build, const Node *node, Error *error)
{
	return compile_sequence(build, node, "processors", post_processors, error);
}

static bool
compile_decoders(TokenizerBuild *build, const Node *node, Error *error)
{
	if (!compile_sequence(build, node, "decoders", decoders, error))
		return false;
	/* One without members still joins tokens, which no decoder at all does not. */
	return node->parent->parent || build->n_components[STAGE_DECODER] > 0 ||
		   compile_fuse_decoder(build, node, error);
}

static bool
compile_optional(TokenizerBuild *build, const Node *root, const char *key,
				 const CompilerEntry *entries, Error *error)
{
	Node node;

	return node_find(root, key, &node, error) &&
		   (!node.value || compile(build, &node, entries, error));
}

bool
compile_added_tokens(TokenizerBuild *build, const Node *root, Error *error)
{
	Node   list;
	size_t n;

	if (!node_find(root, "added_tokens", &list, error))
		return false;
	if (!list.value)
		return true;
	if (!node_array(&list, &n, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node	   node = node_element(&list, i);
		BuildAdded added;

		if (!read_added(&node, &added, error) || !build_added(build, &node, &added, error))
			return false;
	}
	return true;
}

bool
compile_tokenizer_json(TokenizerBuild *build, const Node *root, Error *error)
{
	Node model, post_processor;

	if (!node_get(root, "model", &model, error) || !compile(build, &model, models, error) ||
		!compile_added_tokens(build, root, error) ||
		!compile_optional(build, root, "normalizer", normalizers, error) ||
		!(build->override_words
			  ? add_jieba(build, root, true, error)
			  : compile_optional(build, root, "pre_tokenizer", pre_tokenizers, error)) ||
		!compile_optional(build, root, "decoder", decoders, error) ||
		!node_find(root, "post_processor", &post_processor, error))
		return false;
	if (post_processor.value && !compile(build, &post_processor, post_processors, error))
		return false;
	return build->has_template || add_bare_template(build, 1, 1, error);
}
