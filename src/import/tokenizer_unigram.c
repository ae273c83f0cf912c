/*
 * tokenizer_unigram.c: compiles the Unigram model.
 */
#include "import/tokenizer_components.h"
#include "import/tokenizer_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tok/unigram.h"

/* SentencePiece's kUnkPenalty. */
#define UNKNOWN_PENALTY 10.0

static bool
finish_unigram(TokenizerBuild *build, Error *error)
{
	UnigramTable *table = (UnigramTable *) build->components[STAGE_MODEL][0].table;

	return mark_whole_tokens(build, (uint32_t *) (table->scores + table->n_scores),
							 table->n_whole_words, error) &&
		   cut_by_model(build, error);
}

bool
add_unigram(TokenizerBuild *build, const Node *at, const UnigramOptions *options, Error *error)
{
	ComponentRecord record = {.kind = MODEL_UNIGRAM, .args = {options->unk_id}};
	size_t			n_whole = (options->n + 31) / 32;
	size_t size = sizeof(UnigramTable) + options->n * sizeof(double) + n_whole * sizeof(uint32_t);
	UnigramTable *table = arena_alloc(build->arena, size, 1);

	if (!table)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	table->unk_score = options->unk_score;
	table->first_score = options->first_score;
	table->n_scores = (uint32_t) options->n;
	table->n_whole_words = (uint32_t) n_whole;
	if (options->n > 0)
		memcpy(table->scores, options->scores, options->n * sizeof(double));
	build_byte_ids(build, table->byte_ids);
	record.flags = (options->byte_fallback ? UNIGRAM_BYTE_FALLBACK : 0) |
				   (options->slow ? UNIGRAM_SLOW : 0) | (options->modern ? UNIGRAM_MODERN : 0);
	build->finish = finish_unigram;
	return build_component(build, STAGE_MODEL, &record, table, size, at, error);
}

/* What the tokenizers library makes of a number: its JSON reader divides all digits by a power of ten, which can be one
 * unit in the last place beside the nearest number.  Where two ways to cut a text are as good, that decides. */
static double
as_library_reads(double value)
{
	char   text[40], digits[24];
	size_t n = 0;
	int	   precision = 0, exponent;
	double read;

	if (!isfinite(value) || value == 0)
		return value;
	/* The shortest form, which is what such files have. */
	do
		snprintf(text, sizeof text, "%.*e", precision++, fabs(value));
	while (precision < 17 && strtod(text, NULL) != fabs(value));
	for (const char *c = text; *c != 'e'; c++)
		if (*c != '.')
			digits[n++] = *c;
	digits[n] = '\0';
	exponent = atoi(strchr(text, 'e') + 1) - (int) (n - 1);
	read = (double) strtoull(digits, NULL, 10);
	if (exponent < -308)
	{
		read /= 1e308;
		exponent += 308;
	}
	snprintf(text, sizeof text, "1e%d", abs(exponent));
	read = exponent < 0 ? read / strtod(text, NULL) : read * strtod(text, NULL);
	return value < 0 ? -read : read;
}

/* A token and its score; of equal tokens the last counts. */
static bool
read_entry(TokenizerBuild *build, const Node *node, const StringMap *last, int32_t id,
		   double *score, Error *error)
{
	Node		token = node_element(node, 0), number = node_element(node, 1);
	const char *bytes;
	size_t		length;

	if (!node_string(&token, &bytes, &length, error) || !node_number(&number, score, error))
		return false;
	*score = as_library_reads(*score);
	if (string_map_get(last, bytes, length) != id)
		return build_shadowed_token(build, &token, bytes, length, id, error);
	return build_token(build, &token, bytes, length, id, error);
}

/* Where each string is last. */
static bool
find_last(TokenizerBuild *build, const Node *vocab, size_t n, StringMap *last, Error *error)
{
	for (size_t i = 0; i < n; i++)
	{
		Node		node = node_element(vocab, i), token;
		size_t		n_entry, length;
		const char *bytes;

		if (!node_array(&node, &n_entry, error))
			return false;
		if (n_entry != 2)
			return node_error(&node, error, ERR_DATA,
							  "expected a token and a score, found %zu values", n_entry);
		token = node_element(&node, 0);
		if (!node_string(&token, &bytes, &length, error) ||
			!string_map_put(last, build->arena, bytes, length, (int32_t) i, error))
			return false;
	}
	return true;
}

bool
compile_unigram(TokenizerBuild *build, const Node *node, Error *error)
{
	UnigramOptions options = {0};
	Node		   vocab;
	int64_t		   unk_id;
	StringMap	   last = {0};
	double		  *scores, least = INFINITY;

	if (!node_get(node, "vocab", &vocab, error) || !node_array(&vocab, &options.n, error) ||
		!node_find_bool(node, "byte_fallback", false, &options.byte_fallback, error))
		return false;
	if (options.n > BUILD_MAX_ID)
		return node_error(&vocab, error, ERR_LIMIT, "%zu tokens, but at most %d are allowed",
						  options.n, BUILD_MAX_ID);
	if (!node_find_int(node, "unk_id", -1, 0, (int64_t) options.n - 1, &unk_id, error) ||
		!find_last(build, &vocab, options.n, &last, error))
		return false;
	options.unk_id = (int32_t) unk_id;
	options.scores = scores = arena_alloc(build->arena, options.n + 1, sizeof *scores);
	if (!scores)
		return error_set(error, ERR_MEMORY, "out of memory for a tokenizer");
	for (size_t i = 0; i < options.n; i++)
	{
		Node entry = node_element(&vocab, i);

		if (!read_entry(build, &entry, &last, (int32_t) i, &scores[i], error))
			return false;
		least = scores[i] < least ? scores[i] : least;
	}
	options.unk_score = least - UNKNOWN_PENALTY;
	return add_unigram(build, node, &options, error);
}
