/*
 * tokenizer_bpe.c: compiles the BPE model.
 */
#include "import/tokenizer_components.h"
#include "import/tokenizer_model.h"

#include <stdio.h>
#include <string.h>

#include "tok/bpe.h"

typedef struct BpeOptions
{
	int32_t unk_id; /* -1: none */
	bool	fuse_unk, byte_fallback, ignore_merges, slow;
} BpeOptions;

/* What stands behind the merges in the table. */
typedef struct Appendix
{
	const char	   *prefix, *suffix;
	size_t			n_prefix, n_suffix;
	const TrieNode *user;
	size_t			n_user; /* nodes */
} Appendix;

/* Merges while they are read. */
typedef struct Merges
{
	BpeTable *table;
	size_t	  size;
	uint32_t  n; /* ranks given */
} Merges;

/* An empty table for n merges. */
static bool
begin_merges(TokenizerBuild *build, size_t n, const Appendix *appendix, Merges *merges,
			 Error *error)
{
	size_t	  n_user = appendix->n_user * sizeof *appendix->user;
	uint32_t  n_slots = 16, n_whole = ((uint32_t) build->n_vocab + 31) / 32;
	BpeTable *table;
	char	 *out;

	if (n > BUILD_MAX_ID)
		return error_set(error, ERR_LIMIT, "vocabulary has %zu merges, but at most %d are allowed",
						 n, BUILD_MAX_ID);
	while (n_slots < n * 2)
		n_slots *= 2;
	merges->n = 0;
	merges->size = sizeof *table + n_slots * sizeof(BpeSlot) + n_user + n_whole * sizeof(uint32_t) +
				   appendix->n_prefix + appendix->n_suffix;
	table = merges->table = arena_alloc(build->arena, merges->size, 1);
	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	table->n_slots = n_slots;
	table->n_whole_words = n_whole;
	table->n_prefix = (uint32_t) appendix->n_prefix;
	table->n_suffix = (uint32_t) appendix->n_suffix;
	table->n_user = (uint32_t) n_user;
	for (uint32_t i = 0; i < n_slots; i++)
		table->slots[i].left = BPE_FREE;
	out = (char *) (table->slots + n_slots);
	if (n_user > 0)
		memcpy(out, appendix->user, n_user);
	out += n_user + n_whole * sizeof(uint32_t);
	memcpy(out, appendix->prefix, appendix->n_prefix);
	memcpy(out + appendix->n_prefix, appendix->suffix, appendix->n_suffix);
	return true;
}

static void
put_merge(BpeTable *table, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
	uint32_t slot = bpe_hash(left, right) & (table->n_slots - 1);

	while (table->slots[slot].left != BPE_FREE &&
		   (table->slots[slot].left != left || table->slots[slot].right != right))
		slot = (slot + 1) & (table->n_slots - 1);
	table->slots[slot] = (BpeSlot){left, right, rank, id};
}

/* The next merge; of equal pairs the last counts. */
static bool
add_merge(TokenizerBuild *build, const Node *at, Merges *merges, const BuildString *left,
		  const BuildString *right, Error *error)
{
	BpeTable *table = merges->table;
	size_t	  n_prefix = table->n_prefix, length;
	int32_t	  left_id = string_map_get(&build->model_ids, left->bytes, left->length);
	int32_t	  right_id = string_map_get(&build->model_ids, right->bytes, right->length);
	int32_t	  id;
	char	 *merged;

	if (right->length < n_prefix)
		return node_error(at, error, ERR_DATA, "\"%s\" lacks the continuing prefix", right->bytes);
	length = left->length + right->length - n_prefix;
	merged = arena_alloc(build->arena, length + 1, 1);
	if (!merged)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	memcpy(merged, left->bytes, left->length);
	memcpy(merged + left->length, right->bytes + n_prefix, right->length - n_prefix);
	id = string_map_get(&build->model_ids, merged, length);
	if (left_id < 0 || right_id < 0 || id < 0)
		return node_error(at, error, ERR_DATA, "\"%.100s\" is not in the vocabulary",
						  left_id < 0	 ? left->bytes
						  : right_id < 0 ? right->bytes
										 : merged);
	put_merge(table, left_id, right_id, merges->n++, id);
	return true;
}

/* A merge of tokenizer.json: "left right", or a pair of strings. */
static bool
read_merge(TokenizerBuild *build, const Node *node, Merges *merges, Error *error)
{
	BuildString left, right;
	size_t		n;

	if (json_is_array(node->value))
	{
		Node nodes[2];

		if (!node_array(node, &n, error))
			return false;
		if (n != 2)
			return node_error(node, error, ERR_DATA, "expected two strings, found %zu", n);
		nodes[0] = node_element(node, 0);
		nodes[1] = node_element(node, 1);
		if (!node_string(&nodes[0], &left.bytes, &left.length, error) ||
			!node_string(&nodes[1], &right.bytes, &right.length, error))
			return false;
	}
	else
	{
		const char *text, *space;
		char	   *copy;

		if (!node_string(node, &text, &n, error))
			return false;
		space = memchr(text, ' ', n);
		if (!space || memchr(space + 1, ' ', n - (size_t) (space + 1 - text)))
			return node_error(node, error, ERR_DATA, "expected two words, found \"%.100s\"", text);
		copy = arena_strndup(build->arena, text, n);
		if (!copy)
			return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
		copy[space - text] = '\0';
		left = (BuildString){copy, (size_t) (space - text)};
		right = (BuildString){copy + left.length + 1, n - left.length - 1};
	}
	return add_merge(build, node, merges, &left, &right, error);
}

/* Whether a character may become no token at all. */
static bool
leaves_out(const TokenizerBuild *build, const BpeTable *table)
{
	const ComponentRecord *record = &build->components[STAGE_MODEL][0].record;

	if (record->args[0] >= 0)
		return false;
	for (int i = 0; i < 256; i++)
		if (!(record->flags & BPE_BYTE_FALLBACK) || table->byte_ids[i] < 0)
			return true;
	return false;
}

static bool
finish_bpe(TokenizerBuild *build, Error *error)
{
	BpeTable *table = (BpeTable *) build->components[STAGE_MODEL][0].table;
	uint32_t *whole =
		(uint32_t *) (void *) ((char *) (table->slots + table->n_slots) + table->n_user);

	if (!mark_whole_tokens(build, whole, table->n_whole_words, error))
		return false;
	/* Where characters are left out, positions lag from there to the end of the piece. */
	return table->n_prefix + table->n_suffix > 0 || leaves_out(build, table) ||
		   cut_by_model(build, error);
}

/* The model over a vocabulary that is there already. */
static bool
add_model(TokenizerBuild *build, const Node *at, const Merges *merges, const BpeOptions *options,
		  Error *error)
{
	ComponentRecord record = {.kind = MODEL_BPE, .args = {options->unk_id}};
	BpeTable	   *table = merges->table;

	record.flags = (options->fuse_unk ? BPE_FUSE_UNK : 0) |
				   (options->byte_fallback ? BPE_BYTE_FALLBACK : 0) |
				   (options->slow ? BPE_SLOW : 0);
	build_byte_ids(build, table->byte_ids);
	if (options->ignore_merges)
		memset(table->slots + table->n_slots, 0xFF, table->n_whole_words * sizeof(uint32_t));
	else
		build->finish = finish_bpe;
	return build_component(build, STAGE_MODEL, &record, table, merges->size, at, error);
}

bool
compile_bpe(TokenizerBuild *build, const Node *node, Error *error)
{
	Node		vocab, list, dropout;
	BpeOptions	options = {.unk_id = -1};
	Appendix	appendix = {0};
	const char *unk;
	size_t		n_unk, n;
	double		share;
	Merges		merges = {0};

	if (!node_get(node, "vocab", &vocab, error) || !build_vocab(build, &vocab, error) ||
		!node_get(node, "merges", &list, error) || !node_array(&list, &n, error) ||
		!node_find(node, "dropout", &dropout, error) ||
		!node_find_string(node, "unk_token", NULL, &unk, &n_unk, error) ||
		!node_find_string(node, "continuing_subword_prefix", "", &appendix.prefix,
						  &appendix.n_prefix, error) ||
		!node_find_string(node, "end_of_word_suffix", "", &appendix.suffix, &appendix.n_suffix,
						  error) ||
		!node_find_bool(node, "fuse_unk", false, &options.fuse_unk, error) ||
		!node_find_bool(node, "byte_fallback", false, &options.byte_fallback, error) ||
		!node_find_bool(node, "ignore_merges", false, &options.ignore_merges, error))
		return false;
	/* Of training: it would make the tokens random. */
	if (dropout.value && (!node_number(&dropout, &share, error) || share < 0 || share > 1))
		return node_error(&dropout, error, ERR_DATA, "expected a number of 0 to 1");
	if (unk && (options.unk_id = string_map_get(&build->model_ids, unk, n_unk)) < 0)
		return node_error(node, error, ERR_DATA, "unk_token \"%.100s\" is not in the vocabulary",
						  unk);
	if (!begin_merges(build, n, &appendix, &merges, error))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		Node merge = node_element(&list, i);

		if (!read_merge(build, &merge, &merges, error))
			return false;
	}
	return add_model(build, node, &merges, &options, error);
}

/* The next word of a line, cut off. */
static BuildString
next_word(char **line)
{
	BuildString word;

	*line += strspn(*line, " \t\r\v\f");
	word.bytes = *line;
	word.length = strcspn(*line, " \t\r\v\f");
	*line += word.length;
	if (**line)
		*(*line)++ = '\0';
	return word;
}

bool
add_bpe_file(TokenizerBuild *build, const Node *at, const char *text, size_t size, Error *error)
{
	BpeOptions options = {.unk_id = -1};
	Appendix   appendix = {.prefix = "", .suffix = ""};
	Merges	   merges = {0};
	char	  *copy = arena_strndup(build->arena, text, size), *line;
	size_t	   n = 0;

	if (!copy)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	for (size_t i = 0; i < size; i++)
		n += copy[i] == '\n';
	if (!begin_merges(build, n, &appendix, &merges, error))
		return false;
	/* The first line is the version; what is behind the last line break does not count. */
	line = strchr(copy, '\n');
	for (size_t i = 2; line && i <= n; i++)
	{
		char	   *end = strchr(++line, '\n');
		BuildString left, right;

		if (!end)
			break;
		*end = '\0';
		left = next_word(&line);
		right = next_word(&line);
		if (right.length == 0 || line[strspn(line, " \t\r\v\f")] != '\0')
			return node_error(at, error, ERR_DATA, "line %zu is not two words", i);
		if (!add_merge(build, at, &merges, &left, &right, error))
			return false;
		line = end;
	}
	return add_model(build, at, &merges, &options, error);
}

bool
add_bpe_pairs(TokenizerBuild *build, const Node *at, const BpePairs *pairs, Error *error)
{
	BpeOptions options = {.unk_id = pairs->unk_id,
						  .fuse_unk = true,
						  .byte_fallback = pairs->byte_fallback,
						  .slow = true};
	Appendix appendix = {.prefix = "", .suffix = "", .user = pairs->user, .n_user = pairs->n_user};
	Merges	 merges = {0};

	if (!begin_merges(build, pairs->n, &appendix, &merges, error))
		return false;
	for (size_t i = 0; i < pairs->n; i++)
		put_merge(merges.table, pairs->items[i].left, pairs->items[i].right, pairs->items[i].rank,
				  pairs->items[i].id);
	return add_model(build, at, &merges, &options, error);
}
