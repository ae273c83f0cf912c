/*
 * tokenizer_precompiled.c: compiles the normalizer Precompiled.
 */
#include "import/charsmap.h"
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#include <string.h>

#include "tok/precompiled.h"

static uint32_t
cluster_class(uint32_t character, const void *argument)
{
	return (uint32_t) unicode_cluster_class(character, UNICODE_RUST);
}

static bool
rules_table(TokenizerBuild *build, const Charsmap *charsmap, const void **table, size_t *size,
			Error *error)
{
	PrecompiledTable header = {.n_texts = (uint32_t) charsmap->n_texts};
	const void		*classes;
	const TrieNode	*nodes = NULL;
	size_t			 n_classes, n_nodes = 0;
	char			*out;

	if (!char_class_build(build->arena, cluster_class, NULL, &classes, &n_classes, error) ||
		(charsmap->n_rules > 0 &&
		 !trie_build(build->arena, charsmap->rules, charsmap->n_rules, &nodes, &n_nodes, error)))
		return false;
	charsmap_plain(charsmap, header.plain);
	header.n_classes = (uint32_t) n_classes;
	header.n_trie = (uint32_t) (n_nodes * sizeof *nodes);
	*size = sizeof header + n_classes + header.n_trie + charsmap->n_texts;
	*table = out = arena_alloc_raw(build->arena, *size, 1);
	if (!out)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(out, &header, sizeof header);
	out += sizeof header;
	memcpy(out, classes, n_classes);
	out += n_classes;
	if (n_nodes > 0)
		memcpy(out, nodes, header.n_trie);
	memcpy(out + header.n_trie, charsmap->texts, charsmap->n_texts);
	return true;
}

bool
compile_precompiled(TokenizerBuild *build, const Node *node, Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_PRECOMPILED};
	Node			text;
	Charsmap		charsmap;
	const char	   *base64;
	uint8_t		   *data;
	const void	   *table;
	size_t			length, size;

	if (!node_get(node, "precompiled_charsmap", &text, error) ||
		!node_string(&text, &base64, &length, error) ||
		!base64_decode(build->arena, &text, base64, length, &data, &size, error) ||
		!charsmap_read(&charsmap, build->arena, &text, data, size, error) ||
		!rules_table(build, &charsmap, &table, &size, error))
		return false;
	record.cut = charsmap_keeps_cuts(&charsmap) ? TOKENIZER_CUT_SPACE : 0;
	return build_component(build, STAGE_NORMALIZER, &record, table, size, node, error);
}
