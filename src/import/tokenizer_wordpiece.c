/*
 * tokenizer_wordpiece.c: compiles the WordPiece model and decoder.
 */
#include "import/tokenizer_components.h"

#include <string.h>

/* A component whose table is a prefix. */
static bool
add_prefixed(TokenizerBuild *build, BuildStage stage, const ComponentRecord *record, const Node *at,
			 const char *prefix, size_t n_prefix, Error *error)
{
	const char *copy = arena_strndup(build->arena, prefix, n_prefix);

	if (!copy)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	return build_component(build, stage, record, copy, n_prefix, at, error);
}

bool
add_wordpiece(TokenizerBuild *build, const Node *at, const char *prefix, size_t n_prefix,
			  int32_t unk_id, int32_t max_characters, Error *error)
{
	ComponentRecord record = {.kind = MODEL_WORDPIECE, .args = {unk_id, max_characters}};

	return add_prefixed(build, STAGE_MODEL, &record, at, prefix, n_prefix, error);
}

bool
add_wordpiece_decoder(TokenizerBuild *build, const Node *at, const char *prefix, size_t n_prefix,
					  bool clean_up, Error *error)
{
	ComponentRecord record = {.kind = DECODER_WORDPIECE, .args = {clean_up}};

	return add_prefixed(build, STAGE_DECODER, &record, at, prefix, n_prefix, error);
}

bool
add_words_decoder(TokenizerBuild *build, const Node *at, const char *prefix, size_t n_prefix,
				  Error *error)
{
	ComponentRecord record = {.kind = DECODER_WORDS};

	return add_prefixed(build, STAGE_DECODER, &record, at, prefix, n_prefix, error);
}

bool
compile_wordpiece(TokenizerBuild *build, const Node *node, Error *error)
{
	Node		vocab;
	const char *prefix, *unk;
	size_t		n_prefix, n_unk;
	int64_t		max_characters;

	if (!node_get(node, "vocab", &vocab, error) || !build_vocab(build, &vocab, error) ||
		!node_find_string(node, "unk_token", "[UNK]", &unk, &n_unk, error) ||
		!node_find_string(node, "continuing_subword_prefix", "##", &prefix, &n_prefix, error) ||
		!node_find_int(node, "max_input_chars_per_word", 100, 0, INT32_MAX, &max_characters, error))
		return false;
	return add_wordpiece(build, node, prefix, n_prefix,
						 string_map_get(&build->model_ids, unk, n_unk), (int32_t) max_characters,
						 error);
}

bool
compile_wordpiece_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	const char *prefix;
	size_t		n_prefix;
	bool		clean_up;

	return node_find_string(node, "prefix", "##", &prefix, &n_prefix, error) &&
		   node_find_bool(node, "cleanup", true, &clean_up, error) &&
		   add_wordpiece_decoder(build, node, prefix, n_prefix, clean_up, error);
}
