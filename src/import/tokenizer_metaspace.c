/*
 * tokenizer_metaspace.c: compiles Metaspace, and the decoders ByteFallback and Fuse.
 */
#include "import/tokenizer_components.h"

#include <string.h>

typedef struct MetaspaceOptions
{
	uint32_t mark;
	bool	 prefix, first, split;
} MetaspaceOptions;

/* "prepend_scheme" came with 0.15; "split", and files without "add_prefix_space", later. */
static bool
read_metaspace(const Node *node, MetaspaceOptions *options, Error *error)
{
	Node		mark, scheme;
	const char *name;
	size_t		length;

	if (!node_get(node, "replacement", &mark, error) ||
		!read_character(&mark, &options->mark, error) ||
		!node_find_bool(node, "add_prefix_space", true, &options->prefix, error) ||
		!node_find_bool(node, "split", true, &options->split, error) ||
		!node_find(node, "prepend_scheme", &scheme, error) ||
		!node_find_string(node, "prepend_scheme", "always", &name, &length, error))
		return false;
	if (options->mark == 0)
		return node_error(&mark, error, ERR_DATA, "U+0000 is no mark");
	options->first = strcmp(name, "first") == 0;
	if (strcmp(name, "never") == 0)
		options->prefix = false;
	else if (!options->first && strcmp(name, "always") != 0)
		return node_error(&scheme, error, ERR_DATA, "\"%.100s\" is no scheme", name);
	return true;
}

bool
compile_metaspace(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord	 record = {.kind = PRE_TOKENIZER_METASPACE,
							   .cut = CUT_MOVES | TOKENIZER_CUT_SPACE};
	MetaspaceOptions options;

	if (!read_metaspace(node, &options, error))
		return false;
	record.args[0] = (int32_t) options.mark;
	record.flags = (options.prefix ? METASPACE_PREFIX : 0) | (options.first ? METASPACE_FIRST : 0) |
				   (options.split ? METASPACE_SPLIT : 0);
	record.cut |= options.split ? CUT_MADE(TOKENIZER_CUT_SPACE) : 0;
	return build_component(build, STAGE_PRE_TOKENIZER, &record, NULL, 0, node, error);
}

bool
compile_metaspace_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord	 record = {.kind = DECODER_METASPACE};
	MetaspaceOptions options;
	bool			 prefix;

	/* The decoder looks at nothing but "add_prefix_space", where that is there. */
	if (!read_metaspace(node, &options, error) ||
		!node_find_bool(node, "add_prefix_space", options.prefix, &prefix, error))
		return false;
	record.args[0] = (int32_t) options.mark;
	record.flags = prefix ? METASPACE_PREFIX : 0;
	return build_component(build, STAGE_DECODER, &record, NULL, 0, node, error);
}

bool
compile_byte_fallback_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_BYTE_FALLBACK};

	return build_component(build, STAGE_DECODER, &record, NULL, 0, node, error);
}

bool
compile_fuse_decoder(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = DECODER_FUSE};

	return build_component(build, STAGE_DECODER, &record, NULL, 0, node, error);
}
