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

/* Whether spaces and what may stand around a cut stay what they are. */
static bool
keeps_cuts(const Charsmap *charsmap)
{
	for (char c = ' '; c < 0x7F; c++)
	{
		bool is_cut =
			c == ' ' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		const char *text = is_cut ? charsmap_find(charsmap, &c, 1) : NULL;

		if (text && !(text[0] == c && text[1] == '\0'))
			return false;
	}
	return true;
}

/* The table that both normalizers with rules have; the tokenizers library's needs the classes, too. */
static bool
build_table(TokenizerBuild *build, const Charsmap *charsmap, bool clusters, const void **table,
			size_t *size, Error *error)
{
	PrecompiledTable header = {.n_texts = (uint32_t) charsmap->n_texts};
	const void		*classes = NULL;
	const TrieNode	*nodes = NULL;
	size_t			 n_classes = 0, n_nodes = 0;
	char			*out;

	if ((clusters &&
		 !char_class_build(build->arena, cluster_class, NULL, &classes, &n_classes, error)) ||
		(charsmap->n_rules > 0 &&
		 !trie_build(build->arena, charsmap->rules, charsmap->n_rules, &nodes, &n_nodes, error)))
		return false;
	memset(header.plain, 1, sizeof header.plain);
	for (size_t i = 0; i < charsmap->n_rules; i++)
	{
		const BuildString *key = &charsmap->rules[i].string;

		if ((uint8_t) key->bytes[0] < 0x80 && (key->length == 1 || (uint8_t) key->bytes[1] < 0x80))
			header.plain[(uint8_t) key->bytes[0]] = 0;
	}
	header.n_classes = (uint32_t) n_classes;
	header.n_trie = (uint32_t) (n_nodes * sizeof *nodes);
	*size = sizeof header + n_classes + header.n_trie + charsmap->n_texts;
	*table = out = arena_alloc_raw(build->arena, *size, 1);
	if (!out)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(out, &header, sizeof header);
	out += sizeof header;
	if (n_classes > 0)
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
		!build_table(build, &charsmap, true, &table, &size, error))
		return false;
	record.cut = keeps_cuts(&charsmap) ? TOKENIZER_CUT_SPACE : 0;
	return build_component(build, STAGE_NORMALIZER, &record, table, size, node, error);
}
