/*
 * tokenizer_decoders.c: compiles the decoders BPEDecoder, CTC and Strip.
 */
#include "import/tokenizer_components.h"

#include <string.h>

static bool
get_string(const Node *node, const char *key, const char **bytes, size_t *length, Error *error)
{
	Node member;

	return node_get(node, key, &member, error) && node_string(&member, bytes, length, error);
}

static bool
add_decoder(TokenizerBuild *build, const Node *at, const ComponentRecord *record,
			const char *strings[2], const size_t lengths[2], Error *error)
{
	char *table = arena_alloc(build->arena, lengths[0] + lengths[1] + 1, 1);

	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(table, strings[0], lengths[0]);
	memcpy(table + lengths[0], strings[1], lengths[1]);
	return build_component(build, STAGE_DECODER, record, table, lengths[0] + lengths[1], at, error);
}

bool
compile_bpe_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_BPE};
	const char	   *strings[2] = {"", ""};
	size_t			lengths[2] = {0};

	return get_string(node, "suffix", &strings[0], &lengths[0], error) &&
		   add_decoder(build, node, &record, strings, lengths, error);
}

bool
compile_ctc_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_CTC};
	const char	   *strings[2];
	size_t			lengths[2];
	bool			clean_up;
	Node			member;

	if (!get_string(node, "pad_token", &strings[0], &lengths[0], error) ||
		!get_string(node, "word_delimiter_token", &strings[1], &lengths[1], error) ||
		!node_get(node, "cleanup", &member, error) || !node_bool(&member, &clean_up, error))
		return false;
	if (lengths[0] > INT32_MAX)
		return node_error(node, error, ERR_LIMIT, "\"pad_token\" is too long");
	record.args[0] = (int32_t) lengths[0];
	record.args[1] = clean_up;
	return add_decoder(build, node, &record, strings, lengths, error);
}

bool
compile_strip_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_STRIP};
	Node			member;
	uint32_t		character;
	int64_t			counts[2];

	if (!node_get(node, "content", &member, error) || !read_character(&member, &character, error))
		return false;
	for (int i = 0; i < 2; i++)
		if (!node_get(node, i == 0 ? "start" : "stop", &member, error) ||
			!node_int(&member, 0, INT32_MAX, &counts[i], error))
			return false;
	record.args[0] = (int32_t) character;
	record.args[1] = (int32_t) counts[0];
	record.args[2] = (int32_t) counts[1];
	return build_component(build, STAGE_DECODER, &record, NULL, 0, node, error);
}
