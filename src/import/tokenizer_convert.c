/*
 * tokenizer_convert.c: a SentencePiece model as a tokenizer.json.
 *
 * Follows convert_slow_tokenizer.py of transformers 4.37, which the fast classes use when there is no
 * tokenizer.json: the document it would save is made in memory, and compiled like any other.
 */
#include "import/tokenizer_components.h"
#include "import/tokenizer_spm.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define MARK "\xE2\x96\x81"

typedef struct Entry
{
	BuildString text;
	double		score;
} Entry;

typedef struct Vocabulary
{
	Entry  *entries;
	size_t	n;
	int32_t unk_id;
} Vocabulary;

static bool
out_of_memory(Error *error)
{
	return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
}

static bool
make_vocabulary(const Spm *spm, Arena *arena, Vocabulary *vocabulary, Error *error)
{
	const SentencePieceModel *model = &spm->model;
	SpmLayout				  layout = spm->class->layout;
	bool	 avoids_commas = spm->class->class == CLASS_ALBERT || spm->class->class == CLASS_XLNET;
	SpmNames names;
	Entry	*entry;

	if (!spm_names(spm, arena, &names, error))
		return false;
	entry = vocabulary->entries =
		arena_alloc(arena, names.n_before + model->n + names.n_behind + 1, sizeof *entry);
	if (!entry)
		return out_of_memory(error);
	for (size_t i = 0; i < names.n_before; i++)
	{
		*entry = (Entry){names.before[i], 0};
		if ((layout == SPM_CAMEMBERT && i == 4) || (layout == SPM_PEGASUS && i >= 4))
			entry->score = -100;
		entry++;
	}
	for (size_t i = names.first; i < model->n; i++)
	{
		const SentencePiece *piece = &model->pieces[i];
		bool				 avoids = avoids_commas && ends_in_number_comma(&piece->text);

		*entry++ = (Entry){piece->text, (double) piece->score - (avoids ? 100 : 0)};
	}
	for (size_t i = 0; i < names.n_behind; i++)
		*entry++ = (Entry){names.behind[i], 0};
	vocabulary->n = (size_t) (entry - vocabulary->entries);
	switch (layout)
	{
		case SPM_FAIRSEQ:
		case SPM_MBART:
		case SPM_CAMEMBERT:
			vocabulary->unk_id = 3;
			break;
		case SPM_LLAMA:
			vocabulary->unk_id = 0;
			break;
		case SPM_PEGASUS:
			vocabulary->unk_id = model->trainer_unk_id + (int32_t) spm->config->offset;
			break;
		default:
			vocabulary->unk_id = model->trainer_unk_id;
			break;
	}
	return true;
}

static json_t *
unigram_json(const Vocabulary *vocabulary, bool byte_fallback)
{
	json_t *list = json_array();

	for (size_t i = 0; i < vocabulary->n; i++)
		json_array_append_new(list, json_pack("[s%f]", vocabulary->entries[i].text.bytes,
											  vocabulary->entries[i].text.length,
											  vocabulary->entries[i].score));
	return json_pack("{s:s, s:i, s:b, s:o}", "type", "Unigram", "unk_id", vocabulary->unk_id,
					 "byte_fallback", byte_fallback, "vocab", list);
}

typedef struct Merge
{
	BuildString left, right;
	int32_t		left_id, right_id;
	double		rank; /* the least first */
	size_t		piece;
} Merge;

/* By what they make, and then by their parts. */
static int
compare_merges(const void *a, const void *b)
{
	const Merge *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->piece != y->piece)
		return x->piece < y->piece ? -1 : 1;
	if (x->left_id != y->left_id)
		return x->left_id < y->left_id ? -1 : 1;
	return (x->right_id > y->right_id) - (x->right_id < y->right_id);
}

typedef struct Merges
{
	Merge *items;
	size_t n, room;
} Merges;

static bool
add_merge(Merges *merges, Arena *arena, const Merge *merge, Error *error)
{
	if (merges->n == merges->room)
	{
		size_t room = merges->room ? merges->room * 2 : 4096;
		Merge *grown = arena_alloc_raw(arena, room, sizeof *grown);

		if (!grown)
			return out_of_memory(error);
		if (merges->n > 0)
			memcpy(grown, merges->items, merges->n * sizeof *grown);
		merges->items = grown;
		merges->room = room;
	}
	merges->items[merges->n++] = *merge;
	return true;
}

/* Every way to cut a token into two pieces of the model. */
static bool
make_merges(const Spm *spm, const Vocabulary *vocabulary, Arena *arena, Merges *merges,
			Error *error)
{
	const SentencePieceModel *model = &spm->model;
	bool					  by_score = spm->class->layout == SPM_LLAMA;
	size_t					  n = by_score ? vocabulary->n : model->n;
	StringMap				  ids = {0};

	for (size_t i = 0; i < model->n; i++)
		if (!string_map_put(&ids, arena, model->pieces[i].text.bytes, model->pieces[i].text.length,
							(int32_t) i, error))
			return false;
	for (size_t i = 0; i < n; i++)
	{
		const BuildString *text = by_score ? &vocabulary->entries[i].text : &model->pieces[i].text;

		for (size_t at = 0; at < text->length;)
		{
			Merge merge = {.piece = i,
						   .rank = by_score ? -vocabulary->entries[i].score : (double) i};

			utf8_next(text->bytes, text->length, &at);
			merge.left = (BuildString){text->bytes, at};
			merge.right = (BuildString){text->bytes + at, text->length - at};
			merge.left_id = string_map_get(&ids, merge.left.bytes, merge.left.length);
			merge.right_id = string_map_get(&ids, merge.right.bytes, merge.right.length);
			if (at < text->length && merge.left_id >= 0 && merge.right_id >= 0 &&
				!add_merge(merges, arena, &merge, error))
				return false;
		}
	}
	if (merges->n > 0)
		qsort(merges->items, merges->n, sizeof *merges->items, compare_merges);
	return true;
}

static bool
bpe_json(const Spm *spm, const Vocabulary *vocabulary, Arena *arena, json_t **json, Error *error)
{
	Merges	merges = {0};
	json_t *ids, *list;

	if (!make_merges(spm, vocabulary, arena, &merges, error))
		return false;
	ids = json_object();
	list = json_array();
	for (size_t i = 0; i < vocabulary->n; i++)
		json_object_set_new(ids, vocabulary->entries[i].text.bytes, json_integer((json_int_t) i));
	for (size_t i = 0; i < merges.n; i++)
	{
		const Merge *merge = &merges.items[i];

		json_array_append_new(list, json_pack("[s%s%]", merge->left.bytes, merge->left.length,
											  merge->right.bytes, merge->right.length));
	}
	*json = json_pack("{s:s, s:s, s:b, s:b, s:o, s:o}", "type", "BPE", "unk_token",
					  spm->model.unk_piece.bytes, "fuse_unk", true, "byte_fallback",
					  spm->class->layout == SPM_LLAMA, "vocab", ids, "merges", list);
	return true;
}

static char *
base64_encode(Arena *arena, const uint8_t *data, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char			 *text = arena_alloc(arena, size / 3 * 4 + 5, 1);
	size_t			  n = 0;

	for (size_t i = 0; text && i < size; i += 3)
	{
		size_t	 left = size - i < 3 ? size - i : 3;
		uint32_t bits = (uint32_t) data[i] << 16 | (left > 1 ? (uint32_t) data[i + 1] << 8 : 0) |
						(left > 2 ? data[i + 2] : 0);

		for (size_t j = 0; j < 4; j++)
			text[n++] = j <= left ? digits[bits >> (18 - 6 * j) & 63] : '=';
	}
	return text;
}

static json_t *
replace_json(const char *pattern_type, const char *pattern, const char *content)
{
	return json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", pattern_type, pattern,
					 "content", content);
}

static void
append_charsmap(json_t *list, const Spm *spm, Arena *arena)
{
	const SentencePieceNormalizer *normalizer = &spm->model.normalizer;

	if (normalizer->charsmap)
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "type", "Precompiled", "precompiled_charsmap",
							base64_encode(arena, normalizer->charsmap, normalizer->n_charsmap)));
}

static void
append(json_t *list, const char *type)
{
	json_array_append_new(list, json_pack("{s:s}", "type", type));
}

static json_t *
normalizer_json(const Spm *spm, Arena *arena)
{
	json_t *list = json_array();

	switch (spm->class->class)
	{
		case CLASS_ALBERT:
		case CLASS_XLNET:
			json_array_append_new(list, replace_json("String", "``", "\""));
			json_array_append_new(list, replace_json("String", "''", "\""));
			if (!spm->config->keep_accents)
			{
				append(list, "NFKD");
				append(list, "StripAccents");
			}
			if (spm->config->do_lower_case)
				append(list, "Lowercase");
			append_charsmap(list, spm, arena);
			json_array_append_new(list, replace_json("Regex", " {2,}", " "));
			break;
		case CLASS_DEBERTA_V2:
			if (spm->config->do_lower_case)
				append(list, "Lowercase");
			append(list, "Strip");
			append_charsmap(list, spm, arena);
			json_array_append_new(list, replace_json("Regex", " {2,}", " "));
			break;
		case CLASS_LLAMA:
			json_array_append_new(list,
								  json_pack("{s:s, s:s}", "type", "Prepend", "prepend", MARK));
			json_array_append_new(list, replace_json("String", " ", MARK));
			break;
		default:
			append_charsmap(list, spm, arena);
			json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "type", "Strip", "strip_left",
												  false, "strip_right", true));
			json_array_append_new(list, replace_json("Regex", " {2,}", MARK));
			break;
	}
	return json_pack("{s:s, s:o}", "type", "Sequence", "normalizers", list);
}

static json_t *
pre_tokenizer_json(const Spm *spm)
{
	json_t *list = json_array();
	bool	first = spm->class->class == CLASS_T5 && !spm->config->legacy;

	if (spm->class->class == CLASS_DEBERTA_V2 && spm->config->split_by_punct)
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Isolated"));
	if (spm->class->class == CLASS_PEGASUS)
		append(list, "WhitespaceSplit");
	json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s}", "type", "Metaspace",
										  "replacement", MARK, "add_prefix_space", true,
										  "prepend_scheme", first ? "first" : "always"));
	return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", list);
}

static json_t *
decoder_json(const Spm *spm)
{
	if (spm->class->class != CLASS_LLAMA)
		return json_pack("{s:s, s:s, s:b}", "type", "Metaspace", "replacement", MARK,
						 "add_prefix_space", true);
	return json_pack("{s:s, s:[o, {s:s}, {s:s}, {s:s, s:s, s:i, s:i}]}", "type", "Sequence",
					 "decoders", replace_json("String", MARK, " "), "type", "ByteFallback", "type",
					 "Fuse", "type", "Strip", "content", " ", "start", 1, "stop", 0);
}

/* The tokens that Llama's conversion adds itself. */
static json_t *
added_json(const Spm *spm)
{
	json_t *list = json_array();

	if (spm->class->class == CLASS_LLAMA && spm->model.type == SENTENCEPIECE_BPE)
		for (int i = 0; i < 3; i++)
			json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b}", "id", i, "content",
												  i == 0   ? "<unk>"
												  : i == 1 ? "<s>"
														   : "</s>",
												  "special", true, "normalized", false));
	return list;
}

static bool
make_json(const Spm *spm, Arena *arena, json_t **json, Error *error)
{
	Vocabulary vocabulary = {0};
	bool	   is_llama = spm->class->class == CLASS_LLAMA;
	json_t	  *model;

	if (!make_vocabulary(spm, arena, &vocabulary, error))
		return false;
	if (spm->model.type == SENTENCEPIECE_UNIGRAM)
		model = unigram_json(&vocabulary, is_llama);
	else if (!bpe_json(spm, &vocabulary, arena, &model, error))
		return false;
	*json =
		json_pack("{s:o, s:o, s:o, s:o}", "model", model, "normalizer", normalizer_json(spm, arena),
				  "decoder", decoder_json(spm), "added_tokens", added_json(spm));
	if (*json && !is_llama)
		json_object_set_new(*json, "pre_tokenizer", pre_tokenizer_json(spm));
	return *json || out_of_memory(error);
}

bool
spm_fast(TokenizerBuild *build, const Spm *spm, const Node *root, Error *error)
{
	Node converted = {.key = spm->at.key};
	bool result;

	if (!make_json(spm, build->arena, &converted.value, error))
		return false;
	/* The class's own template comes when its tokens are there. */
	build->has_template = true;
	result = compile_tokenizer_json(build, &converted, error) &&
			 tokenizer_config_apply(spm->config, build, root, error) &&
			 spm_template(build, spm->class->template, spm->config, true, error);
	json_decref(converted.value);
	return result;
}
