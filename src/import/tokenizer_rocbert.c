/*
 * tokenizer_rocbert.c: compiles word_shape.json and word_pronunciation.json of RoCBert: two more ids for every
 * token.
 */
#include "import/tokenizer_vocab.h"

#include <string.h>

/* The ids of all tokens by an object of token strings to ids; one that is not there has the unknown token's, as
 * the template's tokens always have, whose place is the last. */
static bool
read_ids(const TokenizerBuild *build, const Node *root, int32_t *ids, Error *error)
{
	const char *key;
	json_t	   *value;
	Node		unk;
	int64_t		number;

	if (!node_get(root, build->special[SPECIAL_UNK].bytes, &unk, error) ||
		!node_int(&unk, 0, INT32_MAX, &number, error))
		return false;
	for (int id = 0; id <= build->n_vocab; id++)
		ids[id] = (int32_t) number;
	json_object_foreach(root->value, key, value)
	{
		Node	node = {.parent = root, .key = key, .value = value};
		int32_t id = build_id(build, key, strlen(key));

		if (!node_int(&node, 0, INT32_MAX, &number, error))
			return false;
		if (id >= 0)
			ids[id] = (int32_t) number;
	}
	return true;
}

static bool
load_ids(TokenizerBuild *build, const char *directory, const char *name, const int32_t **ids,
		 Error *error)
{
	int32_t *table = arena_alloc(build->arena, (size_t) build->n_vocab + 1, sizeof *table);
	Node	 root;
	bool	 result;

	*ids = table;
	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	if (!node_load(directory, name, 0, &root, error))
		return false;
	if (!root.value)
		return error_set(error, ERR_NOT_FOUND, "%s: no such file, but a RoCBert tokenizer needs it",
						 name);
	result = read_ids(build, &root, table, error);
	json_decref(root.value);
	return result;
}

bool
rocbert_load(TokenizerBuild *build, const char *directory, Error *error)
{
	return load_ids(build, directory, "word_shape.json", &build->shape_ids, error) &&
		   load_ids(build, directory, "word_pronunciation.json", &build->pronunciation_ids, error);
}
