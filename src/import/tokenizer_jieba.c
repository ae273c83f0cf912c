/*
 * tokenizer_jieba.c: compiles jieba's pre-tokenizer, and RoFormer's classes, whose words it finds.
 */
#include "import/jieba_words.h"
#include "import/tokenizer_components.h"
#include "import/unicode.h"

#include <string.h>

#include "base/utf8.h"

/* Of jieba-rs: what its expression of a run takes. */
static bool
is_run(uint32_t c)
{
	static const uint32_t blocks[][2] = {
		{0x3400, 0x4DBF},	{0x4E00, 0x9FFF},	{0xF900, 0xFAFF},
		{0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
		{0x2B820, 0x2CEAF}, {0x2CEB0, 0x2EBEF}, {0x2F800, 0x2FA1F},
	};

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
		if (c >= blocks[i][0] && c <= blocks[i][1])
			return true;
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		   (c > 0 && c < 0x80 && strchr("+#&._%-", (int) c));
}

static uint32_t
classify(uint32_t character, const void *argument)
{
	const Trie *trie = argument;
	char		bytes[4];
	uint32_t	state = 0, class = 0;

	if (is_run(character))
		class |= JIEBA_RUN;
	if (unicode_whitespace(character) || (character >= 0x1C && character <= 0x1F))
		class |= JIEBA_SPACE;
	if (bert_chinese(character, true))
		class |= JIEBA_IDEOGRAPH;
	if ((class & JIEBA_RUN) && trie_walk(trie, &state, bytes, (size_t) utf8_put(character, bytes)))
		class |= state << JIEBA_NODE_SHIFT;
	return class;
}

_Static_assert(sizeof(CharTableHeader) % sizeof(double) == 0, "weights are aligned");

bool
add_jieba(TokenizerBuild *build, const Node *at, bool fast, Error *error)
{
	const ComponentRecord *model = &build->components[STAGE_MODEL][0].record;
	ComponentRecord		   record = {.kind = PRE_TOKENIZER_JIEBA,
									 .flags = fast ? JIEBA_IDEOGRAPHS : 0,
									 .cut = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_STOP |
											CUT_MADE(TOKENIZER_CUT_SPACE | TOKENIZER_CUT_STOP)};
	JiebaWords			   words;
	const TrieNode		  *nodes;
	size_t				   n_nodes, n_chars, n_weights, size;
	const void			  *chars;
	char				  *table;
	Trie				   trie;

	if (!jieba_words(build->arena, &words, error) ||
		!trie_build(build->arena, words.keys, words.n, &nodes, &n_nodes, error))
		return false;
	trie = (Trie){nodes, (uint32_t) n_nodes};
	if (!char_class_build(build->arena, classify, &trie, &chars, &n_chars, error))
		return false;
	n_weights = words.n_weights * sizeof *words.weights;
	size = n_chars + n_weights + n_nodes * sizeof *nodes;
	table = arena_alloc_raw(build->arena, size, 1);
	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(table, chars, n_chars);
	memcpy(table + n_chars, words.weights, n_weights);
	memcpy(table + n_chars + n_weights, nodes, n_nodes * sizeof *nodes);
	record.args[0] = (int32_t) n_chars;
	record.args[1] = (int32_t) words.n_weights;
	/* The slow class takes a token of the vocabulary as it is. */
	record.args[2] = !fast ? INT32_MAX : model->kind == MODEL_WORDPIECE ? model->args[1] : 0;
	return build_component(build, STAGE_PRE_TOKENIZER, &record, table, size, at, error);
}
