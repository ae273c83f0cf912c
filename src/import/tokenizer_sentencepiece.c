/*
 * tokenizer_sentencepiece.c: the slow classes of SentencePiece models.
 *
 * What the library itself does (src/normalizer.cc, unigram_model.cc, bpe_model.cc and sentencepiece_processor.cc of
 * SentencePiece 0.2), and what the classes of transformers 4.37 put around it.
 */
#include "import/charsmap.h"
#include "import/tokenizer_components.h"
#include "import/tokenizer_spm.h"
#include "import/unicode.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tok/sentencepiece.h"
#include "tok/tokenizer.h"

#define UNKNOWN_PENALTY 10.0f
#define MARK "\xE2\x96\x81"

/* A slow tokenizer being compiled. */
typedef struct Slow
{
	const Spm	   *spm;
	TokenizerBuild *build;
	SpmNames		names;
	int				n_vocab; /* what the class calls vocab_size */
	int32_t			unk_id;
	double		   *scores; /* by id, NaN: in no lattice */
	float			unk_score;
	bool			modern; /* legacy false */
	Error		   *error;
} Slow;

static bool
out_of_memory(Error *error)
{
	return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
}

static int32_t
piece_id(const Slow *slow, size_t piece)
{
	return (int32_t) (slow->names.n_before + piece - slow->names.first);
}

static bool
put_token(Slow *slow, const BuildString *text, int32_t id)
{
	TokenizerBuild *build = slow->build;

	return string_map_get(&build->model_ids, text->bytes, text->length) >= 0
			   ? build_shadowed_token(build, &slow->spm->at, text->bytes, text->length, id,
									  slow->error)
			   : build_token(build, &slow->spm->at, text->bytes, text->length, id, slow->error);
}

/* The id that a piece's string becomes: that of the class's own token of the same string, or its own. */
static int32_t
string_id(const Slow *slow, size_t piece)
{
	const BuildString *text = &slow->spm->model.pieces[piece].text;

	return string_map_get(&slow->build->model_ids, text->bytes, text->length);
}

/* All tokens with their ids. */
static bool
put_vocabulary(Slow *slow)
{
	const SentencePieceModel *model = &slow->spm->model;
	size_t					  n;

	if (slow->spm->class->layout == SPM_LLAMA)
		slow->names = (SpmNames){0};
	else if (!spm_names(slow->spm, slow->build->arena, &slow->names, slow->error))
		return false;
	/* The slow class gives its mask an id like any other added token. */
	if (slow->spm->class->layout == SPM_CAMEMBERT)
		slow->names.n_behind = 0;
	for (size_t i = 0; i < slow->names.n_before; i++)
		if (!put_token(slow, &slow->names.before[i], (int32_t) i))
			return false;
	/* A piece of the same string is hidden. */
	n = model->n > slow->names.first ? model->n : slow->names.first;
	for (size_t i = 0; i < slow->names.n_behind; i++)
		if (!put_token(slow, &slow->names.behind[i], piece_id(slow, n + i)))
			return false;
	for (size_t i = slow->names.first; i < model->n; i++)
		if (!put_token(slow, &model->pieces[i].text, piece_id(slow, i)))
			return false;
	switch (slow->spm->class->layout)
	{
		case SPM_FAIRSEQ:
		case SPM_MBART:
			slow->n_vocab = slow->build->n_vocab;
			break;
		case SPM_PEGASUS:
			slow->n_vocab = (int) model->n + (int) slow->spm->config->offset;
			break;
		default:
			slow->n_vocab = (int) model->n;
			break;
	}
	return true;
}

/* Added tokens that the classes make themselves, before all others. */
static bool
put_own_tokens(Slow *slow)
{
	bool			   sentinels = slow->spm->class->layout == SPM_T5;
	const BuildString *names = sentinels ? slow->names.behind : slow->names.before;
	size_t			   n = 0;

	if (sentinels)
		n = slow->names.n_behind;
	else if (slow->spm->class->layout == SPM_CAMEMBERT || slow->spm->class->layout == SPM_PEGASUS)
		n = slow->names.n_before;
	for (size_t i = 0; i < n; i++)
	{
		BuildAdded added = {.content = names[i],
							.id = -1,
							.special = true,
							.lstrip = sentinels,
							.rstrip = sentinels};

		if (!build_added(slow->build, &slow->spm->at, &added, slow->error))
			return false;
	}
	return true;
}

static bool
is_user_defined(const SentencePieceModel *model, size_t piece)
{
	return model->pieces[piece].type == PIECE_USER_DEFINED;
}

/* The scores of the lattice. */
static bool
put_scores(Slow *slow)
{
	const SentencePieceModel *model = &slow->spm->model;
	float					  least = FLT_MAX, most = FLT_MIN;

	slow->scores =
		arena_alloc(slow->build->arena, (size_t) slow->build->n_vocab + 1, sizeof(double));
	if (!slow->scores)
		return out_of_memory(slow->error);
	for (int i = 0; i < slow->build->n_vocab; i++)
		slow->scores[i] = NAN;
	for (size_t i = 0; i < model->n; i++)
		if (model->pieces[i].type == PIECE_NORMAL)
		{
			least = fminf(least, model->pieces[i].score);
			most = fmaxf(most, model->pieces[i].score);
		}
	for (size_t i = slow->names.first; i < model->n; i++)
	{
		const SentencePiece *piece = &model->pieces[i];

		if (piece->type == PIECE_NORMAL)
			slow->scores[string_id(slow, i)] = (double) piece->score;
		else if (piece->type == PIECE_USER_DEFINED)
			slow->scores[string_id(slow, i)] =
				(double) (float) ((float) piece->text.length * most - 0.1);
	}
	slow->unk_score = least - UNKNOWN_PENALTY;
	return true;
}

/* The score of the best way through a string, as the lattice sums. */
static double
path_score(const Slow *slow, const BuildString *text)
{
	float *best = arena_alloc(slow->build->arena, text->length + 1, sizeof *best);
	bool  *reached = arena_alloc(slow->build->arena, text->length + 1, sizeof *reached);

	if (!best || !reached)
		return 0;
	reached[0] = true;
	for (size_t at = 0, next; at < text->length; at = next)
	{
		bool covered = false;

		next = at;
		utf8_next(text->bytes, text->length, &next);
		for (size_t end = next; end <= text->length; end++)
		{
			int32_t id = string_map_get(&slow->build->model_ids, text->bytes + at, end - at);
			float	score;

			if (id < 0 || isnan(slow->scores[id]))
				continue;
			score = (float) (slow->scores[id] + (double) best[at]);
			if (!reached[end] || score > best[end])
				best[end] = score;
			reached[end] = true;
			covered |= end == next;
		}
		if (!covered && (!reached[next] || best[at] + slow->unk_score > best[next]))
			best[next] = best[at] + slow->unk_score;
		reached[next] = true;
	}
	return (double) best[text->length];
}

static bool
add_unigram_model(Slow *slow)
{
	const BuildString *unk = &slow->build->special[SPECIAL_UNK];
	UnigramOptions	   options = {
			.unk_id = slow->unk_id,
			.byte_fallback = slow->spm->model.byte_fallback,
			.slow = true,
			.modern = slow->modern,
	};

	if (!put_scores(slow))
		return false;
	options.scores = slow->scores;
	options.n = (size_t) slow->build->n_vocab;
	options.unk_score = (double) slow->unk_score;
	if (slow->modern && unk->bytes)
		options.first_score = path_score(slow, unk);
	return add_unigram(slow->build, &slow->spm->at, &options, slow->error);
}

/* User-defined symbols as a trie. */
static bool
user_trie(const Slow *slow, const TrieNode **nodes, size_t *n_nodes)
{
	const SentencePieceModel *model = &slow->spm->model;
	TrieKey					 *keys = arena_alloc(slow->build->arena, model->n + 1, sizeof *keys);
	size_t					  n = 0;

	*nodes = NULL;
	*n_nodes = 0;
	if (!keys)
		return out_of_memory(slow->error);
	for (size_t i = 0; i < model->n; i++)
		if (is_user_defined(model, i))
			keys[n++] = (TrieKey){model->pieces[i].text, string_id(slow, i)};
	return n == 0 || trie_build(slow->build->arena, keys, n, nodes, n_nodes, slow->error);
}

static int
compare_scores(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x < y) - (x > y);
}

/* The distinct scores of merged pieces, the highest first. */
static bool
sort_scores(const Slow *slow, float **sorted, size_t *n)
{
	const SentencePieceModel *model = &slow->spm->model;
	float *scores = arena_alloc(slow->build->arena, model->n + 1, sizeof *scores);
	size_t distinct = 0;

	if (!scores)
		return out_of_memory(slow->error);
	*n = 0;
	for (size_t i = 0; i < model->n; i++)
		if (model->pieces[i].type == PIECE_NORMAL)
			scores[(*n)++] = model->pieces[i].score;
	if (*n > 0)
		qsort(scores, *n, sizeof *scores, compare_scores);
	for (size_t i = 0; i < *n; i++)
		if (i == 0 || scores[i] != scores[i - 1])
			scores[distinct++] = scores[i];
	*n = distinct;
	*sorted = scores;
	return true;
}

static uint32_t
rank_of(const float *sorted, size_t n, float score)
{
	const float *found = bsearch(&score, sorted, n, sizeof *sorted, compare_scores);

	return (uint32_t) (found - sorted);
}

/* Every cut of a piece into two pieces that may be merged; a character that is no piece could not be merged. */
static bool
put_pairs(const Slow *slow, const StringMap *parts, size_t piece, uint32_t rank, BpePairs *pairs,
		  size_t *room)
{
	const BuildString *text = &slow->spm->model.pieces[piece].text;
	size_t			   at = 0;

	while (at < text->length)
	{
		size_t	begin = at;
		int32_t left, right;

		utf8_next(text->bytes, text->length, &at);
		if (string_map_get(parts, text->bytes + begin, at - begin) < 0 &&
			!(begin == 0 && at == text->length))
			return node_error(&slow->spm->at, slow->error, ERR_UNSUPPORTED,
							  "pieces[%zu] has a character that is no piece", piece);
		left = string_map_get(parts, text->bytes, at);
		right = string_map_get(parts, text->bytes + at, text->length - at);
		if (at == text->length || left < 0 || right < 0)
			continue;
		if (pairs->n == *room)
		{
			size_t	 grown_room = *room ? *room * 2 : 4096;
			BpePair *grown = arena_alloc_raw(slow->build->arena, grown_room, sizeof *grown);

			if (!grown)
				return out_of_memory(slow->error);
			if (pairs->n > 0)
				memcpy(grown, pairs->items, pairs->n * sizeof *grown);
			pairs->items = grown;
			*room = grown_room;
		}
		pairs->items[pairs->n++] = (BpePair){left, right, string_id(slow, piece), rank};
	}
	return true;
}

static bool
add_bpe_model(Slow *slow)
{
	const SentencePieceModel *model = &slow->spm->model;
	BpePairs  pairs = {.unk_id = slow->unk_id, .byte_fallback = model->byte_fallback};
	StringMap parts = {0};
	size_t	  room = 0, n_sorted = 0;
	float	 *sorted = NULL;

	for (size_t i = 0; i < model->n; i++)
	{
		const SentencePiece *piece = &model->pieces[i];

		if (piece->type == PIECE_UNUSED)
			return node_error(&slow->spm->at, slow->error, ERR_UNSUPPORTED,
							  "pieces[%zu]: unused pieces are not supported", i);
		if (piece->type == PIECE_NORMAL &&
			!string_map_put(&parts, slow->build->arena, piece->text.bytes, piece->text.length,
							string_id(slow, i), slow->error))
			return false;
	}
	if (!user_trie(slow, &pairs.user, &pairs.n_user) || !sort_scores(slow, &sorted, &n_sorted))
		return false;
	for (size_t i = 0; i < model->n; i++)
		if (model->pieces[i].type == PIECE_NORMAL &&
			!put_pairs(slow, &parts, i, rank_of(sorted, n_sorted, model->pieces[i].score), &pairs,
					   &room))
			return false;
	return add_bpe_pairs(slow->build, &slow->spm->at, &pairs, slow->error);
}

/* Whether rules and symbols leave a space between ASCII letters and digits alone. */
static bool
keeps_spaces(const Slow *slow, const Charsmap *charsmap)
{
	const SentencePieceModel *model = &slow->spm->model;

	if (!charsmap_keeps_cuts(charsmap))
		return false;
	for (size_t i = 0; i < charsmap->n_rules; i++)
		if (memchr(charsmap->rules[i].string.bytes + 1, ' ', charsmap->rules[i].string.length - 1))
			return false;
	for (size_t i = 0; i < model->n; i++)
		if (is_user_defined(model, i) &&
			memchr(model->pieces[i].text.bytes, ' ', model->pieces[i].text.length))
			return false;
	return true;
}

static bool
add_normalizer(Slow *slow)
{
	const SentencePieceNormalizer *spec = &slow->spm->model.normalizer;
	TokenizerBuild				  *build = slow->build;
	ComponentRecord				   record = {.kind = PRE_TOKENIZER_SENTENCEPIECE};
	Charsmap					   charsmap = {.texts = "", .n_texts = 1};
	SentencePieceTable			   header = {0};
	const TrieNode				  *rules = NULL, *user;
	size_t						   n_rules = 0, n_user, size;
	char						  *table, *out;

	if ((spec->charsmap && !charsmap_read(&charsmap, build->arena, &slow->spm->at, spec->charsmap,
										  spec->n_charsmap, slow->error)) ||
		!user_trie(slow, &user, &n_user))
		return false;
	record.cut = keeps_spaces(slow, &charsmap) ? TOKENIZER_CUT_SPACE : 0;
	charsmap_plain(&charsmap, header.plain);
	header.plain[' '] = 0;
	for (size_t i = 0; i < slow->spm->model.n; i++)
		if (is_user_defined(&slow->spm->model, i) &&
			(uint8_t) slow->spm->model.pieces[i].text.bytes[0] < 0x80)
			header.plain[(uint8_t) slow->spm->model.pieces[i].text.bytes[0]] = 0;
	if (charsmap.n_rules > 0 &&
		!trie_build(build->arena, charsmap.rules, charsmap.n_rules, &rules, &n_rules, slow->error))
		return false;
	header.n_rules = (uint32_t) (n_rules * sizeof *rules);
	header.n_user = (uint32_t) (n_user * sizeof *user);
	header.n_texts = (uint32_t) charsmap.n_texts;
	size = sizeof header + header.n_rules + header.n_user + charsmap.n_texts;
	table = out = arena_alloc_raw(build->arena, size, 1);
	if (!table)
		return out_of_memory(slow->error);
	memcpy(out, &header, sizeof header);
	out += sizeof header;
	if (n_rules > 0)
		memcpy(out, rules, header.n_rules);
	out += header.n_rules;
	if (n_user > 0)
		memcpy(out, user, header.n_user);
	memcpy(out + header.n_user, charsmap.texts, charsmap.n_texts);
	record.flags = (spec->add_dummy_prefix && !slow->modern ? SENTENCEPIECE_PREFIX : 0) |
				   (spec->remove_extra_whitespaces ? SENTENCEPIECE_TRIM : 0) |
				   (spec->escape_whitespaces ? SENTENCEPIECE_MARK : 0) |
				   (slow->modern ? SENTENCEPIECE_MODERN : 0);
	return build_component(build, STAGE_PRE_TOKENIZER, &record, table, size, &slow->spm->at,
						   slow->error);
}

/* Marks of the text are spaces, and one is put in front: T5 and Llama with legacy false. */
static void
map_marks(uint32_t character, const void *argument, CharMapping *mapping)
{
	mapping->elements[0] = char_element(character == SENTENCEPIECE_MARK_CHARACTER ? ' ' : character,
										character, 0, false);
}

static bool
add_modern_prefix(Slow *slow)
{
	uint32_t		cuts = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN;
	ComponentRecord map = {.kind = NORMALIZER_CHAR_MAP, .cut = cuts};
	ComponentRecord prepend = {.kind = NORMALIZER_PREPEND, .cut = cuts};
	const void	   *table;
	size_t			size;

	return char_map_build(slow->build->arena, map_marks, NULL, &table, &size, slow->error) &&
		   build_component(slow->build, STAGE_NORMALIZER, &map, table, size, &slow->spm->at,
						   slow->error) &&
		   build_component(slow->build, STAGE_NORMALIZER, &prepend, MARK, 3, &slow->spm->at,
						   slow->error);
}

/* ---- ALBERT and XLNet ---- */

static bool
prepares(const Spm *spm)
{
	return spm->class->class == CLASS_ALBERT || spm->class->class == CLASS_XLNET;
}

static void
map_lower(uint32_t character, const void *argument, CharMapping *mapping)
{
	uint32_t lowered[UNICODE_MAX_MAPPING];

	mapping->n = unicode_lower(character, UNICODE_PYTHON, lowered);
	for (int i = 0; i < mapping->n; i++)
		mapping->elements[i] = char_element(lowered[i], character, 0, false);
}

/* Compatibility decomposition without combining marks, then small letters. */
static void
map_prepared(uint32_t character, const void *argument, CharMapping *mapping)
{
	const TokenizerConfig *config = argument;
	uint32_t			   parts[UNICODE_MAX_MAPPING], lowered[UNICODE_MAX_MAPPING];
	int					   n = 1;

	if (config->keep_accents)
		parts[0] = character;
	else
		n = unicode_decompose(character, true, UNICODE_PYTHON, parts);
	mapping->n = 0;
	for (int i = 0; i < n; i++)
	{
		int n_lowered = 1;

		if (!config->keep_accents && unicode_class(parts[i], UNICODE_PYTHON) != 0)
			continue;
		lowered[0] = parts[i];
		if (config->do_lower_case)
			n_lowered = unicode_lower(parts[i], UNICODE_PYTHON, lowered);
		for (int j = 0; j < n_lowered; j++)
			mapping->elements[mapping->n++] = char_element(lowered[j], character, 0, false);
	}
}

/* preprocess_text; what is written in capitals gets small letters before added tokens are looked for, too. */
static bool
add_preparation(Slow *slow)
{
	const TokenizerConfig *config = slow->spm->config;
	uint32_t			   cuts = TOKENIZER_CUT_SPACE | TOKENIZER_CUT_HAN | TOKENIZER_CUT_STOP;
	ComponentRecord		   lower = {
			   .kind = NORMALIZER_CHAR_MAP, .flags = CHAR_MAP_SPARES_ADDED, .cut = cuts};
	ComponentRecord quotes = {.kind = NORMALIZER_QUOTES,
							  .flags = config->remove_space ? QUOTES_SPACES : 0,
							  .cut = TOKENIZER_CUT_SPACE};
	ComponentRecord map = {.kind = NORMALIZER_CHAR_MAP, .cut = cuts};
	const Node	   *at = &slow->spm->at;
	const void	   *table;
	size_t			size;

	if (config->do_lower_case &&
		(!char_map_build(slow->build->arena, map_lower, NULL, &table, &size, slow->error) ||
		 !build_component(slow->build, STAGE_NORMALIZER, &lower, table, size, at, slow->error)))
		return false;
	if (!build_component(slow->build, STAGE_PRE_TOKENIZER, &quotes, NULL, 0, at, slow->error))
		return false;
	if (config->keep_accents && !config->do_lower_case)
		return true;
	return char_map_build(slow->build->arena, map_prepared, config, &table, &size, slow->error) &&
		   build_component(slow->build, STAGE_PRE_TOKENIZER, &map, table, size, at, slow->error);
}

/* The tokens of a piece that ends in a digit and a comma: those of what is before the comma, and the comma.  Returns how
 * many words they take, 0 when there is not enough room. */
static size_t
split_piece(const Tokenizer *tokenizer, Arena *arena, const BuildString *piece, int32_t *out,
			size_t room)
{
	EncodeOptions options = {0};
	Encoding	  encoding;
	Error		  error;
	char		 *text = arena_alloc(arena, piece->length, 1);
	size_t		  n = 0, n_out = 1;
	bool		  marked = piece->length >= 3 && memcmp(piece->bytes, MARK, 3) == 0;

	for (size_t at = 0; text && at + 1 < piece->length;)
		if (piece->length - at >= 3 && memcmp(piece->bytes + at, MARK, 3) == 0)
			at += 3;
		else
			text[n++] = piece->bytes[at++];
	if (!text ||
		!tokenizer_encode(tokenizer, arena, text, n, NULL, 0, &options, &encoding, &error) ||
		(size_t) encoding.n * 2 + 3 > room)
		return 0;
	for (int i = 0; i < encoding.n; i++)
	{
		size_t		length;
		const char *token = tokenizer_token(tokenizer, encoding.ids[i], &length);
		int32_t		id = encoding.ids[i];

		if (!token)
			return 0;
		if (i == 0 && !marked && length >= 3 && memcmp(token, MARK, 3) == 0)
		{
			if (length == 3)
				continue;
			token += 3;
			length -= 3;
			id = trie_find(&tokenizer->vocab_trie, token, length);
			id = id < 0 ? tokenizer->unk_id : id;
		}
		out[n_out++] = id;
		out[n_out++] = (int32_t) utf8_count(token, length);
	}
	out[n_out++] = tokenizer_id(tokenizer, ",", 1);
	out[n_out++] = 1;
	if (out[n_out - 2] < 0)
		out[n_out - 2] = tokenizer->unk_id;
	out[0] = (int32_t) (n_out / 2);
	return n_out;
}

/* Called when the other tables are made, the model's own work included. */
static bool
finish_commas(TokenizerBuild *build, Error *error)
{
	Tokenizer tokenizer;
	Arena	  arena;
	size_t	  n = (size_t) build->n_vocab, room = 4 * n + 64;
	int32_t	 *splits = arena_alloc(build->arena, room, sizeof *splits);
	bool	  any = false;

	if (!splits)
		return out_of_memory(error);
	if (!build->finish_model(build, error) || !tokenizer_bind(&tokenizer, build_find, build, error))
		return false;
	arena_init(&arena, 0);
	for (int id = 0; id < build->n_vocab; id++)
	{
		const BuildString *piece = &build->tokens[id];
		size_t			   added;

		if (!piece->bytes || !ends_in_number_comma(piece) ||
			string_map_get(&build->model_ids, piece->bytes, piece->length) != id)
			continue;
		added = split_piece(&tokenizer, &arena, piece, splits + n, room - n);
		arena_reset(&arena);
		if (added == 0)
		{
			arena_free(&arena);
			return error_set(error, ERR_UNSUPPORTED,
							 "too many pieces end in a digit and a comma for their split");
		}
		splits[id] = (int32_t) n;
		n += added;
		any = true;
	}
	arena_free(&arena);
	return !any || build_table(build, "splits", splits, n * sizeof *splits, error);
}

static bool
split_commas_later(TokenizerBuild *build)
{
	build->finish_model = build->finish;
	build->finish = finish_commas;
	return true;
}

static bool
add_decoder(Slow *slow)
{
	const SentencePieceModel	  *model = &slow->spm->model;
	const SentencePieceNormalizer *spec = &model->normalizer;
	ComponentRecord				   record = {.kind = DECODER_SENTENCEPIECE, .flags = DECODE_SPACES};
	DecodeTable					   header = {.n_kinds = (uint32_t) slow->build->n_vocab,
											 .n_surface = (uint32_t) model->unk_surface.length};
	size_t						   size = sizeof header + header.n_kinds + header.n_surface;
	char						  *table = arena_alloc(slow->build->arena, size, 1);
	uint8_t						  *kinds;

	if (!table)
		return out_of_memory(slow->error);
	memcpy(table, &header, sizeof header);
	kinds = (uint8_t *) table + sizeof header;
	for (size_t i = slow->names.first; i < model->n; i++)
		kinds[piece_id(slow, i)] = model->pieces[i].type == PIECE_CONTROL	? DECODE_CONTROL
								   : model->pieces[i].type == PIECE_UNKNOWN ? DECODE_UNKNOWN
								   : model->pieces[i].type == PIECE_BYTE	? DECODE_BYTE
																			: DECODE_TEXT;
	memcpy(kinds + header.n_kinds, model->unk_surface.bytes, header.n_surface);
	if (spec->add_dummy_prefix && !slow->modern)
		record.flags |= DECODE_BEGINS;
	if (spec->remove_extra_whitespaces)
		record.flags |= DECODE_TRIMS;
	switch (slow->spm->class->class)
	{
		case CLASS_T5:
			record.args[0] = STYLE_T5;
			break;
		case CLASS_LLAMA:
			record.args[0] = STYLE_LLAMA;
			record.flags &= ~(uint32_t) DECODE_SPACES;
			record.flags |= slow->modern ? 0 : DECODE_LEGACY;
			break;
		case CLASS_PEGASUS:
			record.args[0] = STYLE_PEGASUS;
			break;
		case CLASS_BIG_BIRD:
			record.args[0] = STYLE_SPECIAL;
			record.flags |= DECODE_ADDED_APART | DECODE_KEEP_EMPTY | DECODE_CLOSE;
			break;
		case CLASS_XLNET:
			record.args[0] = STYLE_JOIN;
			record.flags &= ~(uint32_t) DECODE_SPACES;
			record.flags |= DECODE_ADDED_APART | DECODE_KEEP_EMPTY;
			break;
		case CLASS_XLM_ROBERTA:
		case CLASS_MBART:
			record.args[0] = STYLE_JOIN;
			break;
		default:
			record.args[0] = STYLE_SPECIAL;
			break;
	}
	return build_component(slow->build, STAGE_DECODER, &record, table, size, &slow->spm->at,
						   slow->error);
}

/* The id of unknown text. */
static int32_t
find_unk_id(const Slow *slow)
{
	const SentencePieceModel *model = &slow->spm->model;
	const BuildString		 *unk = &slow->build->special[SPECIAL_UNK];
	SpmLayout				  layout = slow->spm->class->layout;

	if ((layout == SPM_FAIRSEQ || layout == SPM_MBART || layout == SPM_CAMEMBERT) &&
		model->unk_id == 0 && unk->bytes)
		return build_id(slow->build, unk->bytes, unk->length);
	if (layout == SPM_PEGASUS)
		return model->unk_id + (int32_t) slow->spm->config->offset;
	return piece_id(slow, (size_t) model->unk_id);
}

bool
spm_slow(TokenizerBuild *build, const Spm *spm, const Node *root, Error *error)
{
	Slow slow = {.spm = spm, .build = build, .error = error};

	if (spm->class->class == CLASS_DEBERTA_V2)
		return node_error(&spm->at, error, ERR_UNSUPPORTED,
						  "the slow class \"%s\" is not supported", spm->config->class_name);
	slow.modern =
		(spm->class->class == CLASS_T5 || spm->class->class == CLASS_LLAMA) && !spm->config->legacy;
	if (!put_vocabulary(&slow) || !put_own_tokens(&slow) ||
		!tokenizer_config_apply(spm->config, build, root, error) ||
		!tokenizer_config_slow(spm->config, build, slow.n_vocab, error))
		return false;
	slow.unk_id = find_unk_id(&slow);
	return (!slow.modern || add_modern_prefix(&slow)) &&
		   (!prepares(spm) || add_preparation(&slow)) && add_normalizer(&slow) &&
		   (spm->model.type == SENTENCEPIECE_UNIGRAM ? add_unigram_model(&slow)
													 : add_bpe_model(&slow)) &&
		   add_decoder(&slow) && (!prepares(spm) || split_commas_later(build)) &&
		   spm_template(build, spm->class->template, spm->config, false, error);
}
