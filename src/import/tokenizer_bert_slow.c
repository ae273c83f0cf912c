/*
 * tokenizer_bert_slow.c: compiles BertTokenizer, the slow class, as transformers 4.37 has it on Python 3.11.
 *
 * In its order: the text is lower-cased but for special tokens, added tokens are cut out, then per stretch
 * control characters are dropped, ideographs set apart, NFC, words cut at whitespace; each word that is not
 * in never_split is lower-cased again, stripped of accents and cut at punctuation.
 */
#include "import/tokenizer_components.h"
#include "import/tokenizer_vocab.h"
#include "import/unicode.h"

#include <string.h>

#define MAX_CHARACTERS 100

static void
map_lower(uint32_t character, const void *argument, CharMapping *mapping)
{
	uint32_t lowered[UNICODE_MAX_MAPPING];

	mapping->n = unicode_lower(character, UNICODE_PYTHON, lowered);
	for (int i = 0; i < mapping->n; i++)
		mapping->elements[i] = char_element(lowered[i], character, 0, false);
}

/* The canonical decomposition of some characters that stand for another. */
static void
put_decomposed(uint32_t itself, const uint32_t *characters, int n, bool strip, CharMapping *mapping)
{
	mapping->n = 0;
	for (int i = 0; i < n; i++)
	{
		uint32_t parts[UNICODE_MAX_MAPPING];
		int		 n_parts = unicode_decompose(characters[i], false, UNICODE_PYTHON, parts);

		for (int j = 0; j < n_parts; j++)
		{
			bool drop = strip && strcmp(unicode_category(parts[j], UNICODE_PYTHON), "Mn") == 0;

			mapping->elements[mapping->n++] = char_element(
				drop ? 0 : parts[j], itself, unicode_class(parts[j], UNICODE_PYTHON), drop);
		}
	}
}

/* _clean_text, _tokenize_chinese_chars and the first half of NFC. */
static void
map_clean(uint32_t character, const void *argument, CharMapping *mapping)
{
	const bool *chinese = argument;
	const char *category = unicode_category(character, UNICODE_PYTHON);
	uint32_t	cleaned = character;

	mapping->n = 0;
	if (character == '\t' || character == '\n' || character == '\r' || strcmp(category, "Zs") == 0)
		cleaned = ' ';
	else if (character == 0xFFFD || category[0] == 'C')
		return;
	mapping->isolate = *chinese && bert_chinese(character, false);
	if (character >= HANGUL_FIRST && character <= HANGUL_LAST)
		mapping->hangul = true;
	else
		put_decomposed(character, &cleaned, 1, false, mapping);
}

typedef struct WordRules
{
	bool lower, strip;
} WordRules;

/* What becomes of the characters of a word. */
static void
map_word(uint32_t character, const void *argument, CharMapping *mapping)
{
	const WordRules *rules = argument;
	uint32_t		 lowered[UNICODE_MAX_MAPPING] = {character};
	int				 n = rules->lower ? unicode_lower(character, UNICODE_PYTHON, lowered) : 1;

	if (!rules->strip)
	{
		mapping->n = n;
		for (int i = 0; i < n; i++)
			mapping->elements[i] = char_element(lowered[i], character, 0, false);
	}
	else if (character >= HANGUL_FIRST && character <= HANGUL_LAST)
		mapping->hangul = true;
	else
		put_decomposed(character, lowered, n, true, mapping);
}

/* str.isspace of Python. */
static uint32_t
is_space(uint32_t character, const void *argument)
{
	return unicode_whitespace(character) || (character >= 0x1C && character <= 0x1F);
}

static uint32_t
classify(uint32_t character, const void *argument)
{
	if (is_space(character, NULL))
		return 1;
	return bert_punctuation(character, UNICODE_PYTHON) ? 2 : 0;
}

static bool
add_map(TokenizerBuild *build, BuildStage stage, uint32_t flags, const Node *at,
		void (*map)(uint32_t, const void *, CharMapping *), const void *rules, bool isolates,
		Error *error)
{
	ComponentRecord record = {.kind = NORMALIZER_CHAR_MAP,
							  .flags = flags,
							  .cut = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP |
									 (isolates ? CUT_MADE(TOKENIZER_CUT_HAN) : 0)};
	const void	   *table;
	size_t			size;

	return char_map_build(build->arena, map, rules, &table, &size, error) &&
		   build_component(build, stage, &record, table, size, at, error);
}

typedef struct Never
{
	TrieKey *keys;
	size_t	 n;
} Never;

/* The words of never_split are tokens, those of special tokens go to the model uncut. */
static bool
gather_never(const TokenizerConfig *config, TokenizerBuild *build, int32_t unk, Never *never,
			 Error *error)
{
	Node	  list = {0};
	size_t	  n = 0;
	StringMap seen = {0};

	if (config->config.value && !node_find(&config->config, "never_split", &list, error))
		return false;
	if (list.value && !node_array(&list, &n, error))
		return false;
	never->keys = arena_alloc(build->arena, n + (size_t) build->n_added + 1, sizeof *never->keys);
	if (!never->keys)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	for (size_t i = 0; i < n; i++)
	{
		Node		node = node_element(&list, i);
		BuildString word;
		int32_t		id;

		if (!node_string(&node, &word.bytes, &word.length, error))
			return false;
		if (string_map_get(&seen, word.bytes, word.length) >= 0 || word.length == 0)
			continue;
		id = build_id(build, word.bytes, word.length);
		never->keys[never->n++] = (TrieKey){word, id >= 0 ? id : unk};
		if (!string_map_put(&seen, build->arena, word.bytes, word.length, 1, error))
			return false;
	}
	for (int i = 0; i < build->n_added; i++)
	{
		const BuildString *content = &build->added[i].content;

		if (build->added[i].special && string_map_get(&seen, content->bytes, content->length) < 0)
			never->keys[never->n++] = (TrieKey){*content, WORDS_MODEL};
	}
	return true;
}

/* The trie may follow the class table in any order of its keys: it sorts them. */
static bool
add_words(TokenizerBuild *build, const Node *at, const Never *never, Error *error)
{
	ComponentRecord record = {.kind = PRE_TOKENIZER_WORDS,
							  .cut = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP |
									 CUT_MADE(TOKENIZER_CUT_SPACE)};
	const void	   *classes;
	const TrieNode *nodes = NULL;
	size_t			n_classes, n_nodes = 0, size;
	char		   *table;

	if (!char_class_build(build->arena, is_space, NULL, &classes, &n_classes, error) ||
		(never->n > 0 && !trie_build(build->arena, never->keys, never->n, &nodes, &n_nodes, error)))
		return false;
	size = n_classes + n_nodes * sizeof *nodes;
	table = arena_alloc_raw(build->arena, size, 1);
	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(table, classes, n_classes);
	if (n_nodes > 0)
		memcpy(table + n_classes, nodes, n_nodes * sizeof *nodes);
	record.args[0] = (int32_t) n_classes;
	return build_component(build, STAGE_PRE_TOKENIZER, &record, table, size, at, error);
}

/* The basic tokenizer. */
static bool
add_basic(const TokenizerConfig *config, TokenizerBuild *build, const Node *at, int32_t unk,
		  Error *error)
{
	WordRules rules = {.lower = config->do_lower_case};
	Never	  never = {0};
	bool	  chinese = config->tokenize_chinese_chars;

	rules.strip = config->strip_accents >= 0 ? config->strip_accents != 0 : rules.lower;
	return gather_never(config, build, unk, &never, error) &&
		   (!rules.lower || add_map(build, STAGE_NORMALIZER, CHAR_MAP_SPARES_ADDED, at, map_lower,
									NULL, false, error)) &&
		   add_map(build, STAGE_PRE_TOKENIZER, 0, at, map_clean, &chinese, chinese, error) &&
		   add_compose(build, STAGE_PRE_TOKENIZER, at, UNICODE_PYTHON, error) &&
		   add_words(build, at, &never, error) &&
		   ((!rules.lower && !rules.strip) ||
			(add_map(build, STAGE_PRE_TOKENIZER, 0, at, map_word, &rules, false, error) &&
			 add_words(build, at, &never, error))) &&
		   add_punctuation(build, at, classify, error);
}

bool
vocab_slow_bert(TokenizerBuild *build, const TokenizerConfig *config, const Node *at, Error *error)
{
	Never	none = {0};
	int32_t unk, cls, sep;

	if (!build_need_id(build, at, SPECIAL_UNK, "unk_token", &unk, error) ||
		!build_need_id(build, at, SPECIAL_CLS, "cls_token", &cls, error) ||
		!build_need_id(build, at, SPECIAL_SEP, "sep_token", &sep, error))
		return false;
	return add_wordpiece(build, at, "##", 2, unk, MAX_CHARACTERS, error) &&
		   (config->class != CLASS_ROFORMER || add_jieba(build, at, false, error)) &&
		   (config->do_basic_tokenize ? add_basic(config, build, at, unk, error)
									  : add_words(build, at, &none, error)) &&
		   add_bert_template(build, cls, sep, 0, error) &&
		   add_words_decoder(build, at, "##", 2, error);
}
