/*
 * tokenizer_wordlevel.c: compiles the WordLevel model.
 */
#include "import/tokenizer_components.h"

bool
compile_wordlevel(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = MODEL_WORDLEVEL};
	Node			vocab, unk;
	const char	   *bytes;
	size_t			length;

	if (!node_get(node, "vocab", &vocab, error) || !build_vocab(build, &vocab, error) ||
		!node_get(node, "unk_token", &unk, error) || !node_string(&unk, &bytes, &length, error))
		return false;
	record.args[0] = string_map_get(&build->model_ids, bytes, length);
	return build_component(build, STAGE_MODEL, &record, NULL, 0, node, error);
}
