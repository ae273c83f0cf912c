/*
 * generation_options.c: what may be asked of a generation, and how it travels.
 *
 * The rules are those of Transformers' GenerationConfig.validate() and of its logits processors; an option
 * that would have no effect beside the others is refused as well, for it was meant to have one.
 */
#include "task/generation.h"

#include <math.h>
#include <string.h>

static const char *const early_stopping_names[] = {
	[EARLY_STOPPING_FALSE] = "false",
	[EARLY_STOPPING_TRUE] = "true",
	[EARLY_STOPPING_NEVER] = "never",
};

void
generation_options_init(GenerationOptions *options)
{
	*options = (GenerationOptions){
		.max_new_tokens = 64,
		.top_p = 1.0f,
		.typical_p = 1.0f,
		.repetition_penalty = 1.0f,
		.num_beams = 1,
		.length_penalty = 1.0f,
		.num_return_sequences = 1,
		.forced_eos_token_id = -1,
	};
}

static bool
same_bytes(const void *a, const void *b, size_t n, size_t size)
{
	return n == 0 || memcmp(a, b, n * size) == 0;
}

/* Lists of which the i-th is at offsets[i]. */
static bool
same_lists(int n_a, const int32_t *offsets_a, const void *items_a, int n_b,
		   const int32_t *offsets_b, const void *items_b, size_t size)
{
	if (n_a != n_b || n_a == 0)
		return n_a == n_b;
	return same_bytes(offsets_a, offsets_b, (size_t) n_a + 1, sizeof(int32_t)) &&
		   same_bytes(items_a, items_b, (size_t) offsets_a[n_a], size);
}

bool
generation_options_equal(const GenerationOptions *a, const GenerationOptions *b)
{
	return a->max_new_tokens == b->max_new_tokens && a->min_new_tokens == b->min_new_tokens &&
		   a->temperature == b->temperature && a->top_k == b->top_k && a->top_p == b->top_p &&
		   a->typical_p == b->typical_p && a->repetition_penalty == b->repetition_penalty &&
		   a->no_repeat_ngram_size == b->no_repeat_ngram_size && a->num_beams == b->num_beams &&
		   a->length_penalty == b->length_penalty && a->early_stopping == b->early_stopping &&
		   a->num_return_sequences == b->num_return_sequences && a->seed == b->seed &&
		   a->forced_eos_token_id == b->forced_eos_token_id && a->n_eos == b->n_eos &&
		   same_bytes(a->eos_token_ids, b->eos_token_ids, (size_t) a->n_eos, sizeof(int32_t)) &&
		   a->n_suppress == b->n_suppress &&
		   same_bytes(a->suppress_tokens, b->suppress_tokens, (size_t) a->n_suppress,
					  sizeof(int32_t)) &&
		   same_lists(a->n_bad_words, a->bad_words_offsets, a->bad_words_ids, b->n_bad_words,
					  b->bad_words_offsets, b->bad_words_ids, sizeof(int32_t)) &&
		   same_lists(a->n_stop, a->stop_offsets, a->stop_bytes, b->n_stop, b->stop_offsets,
					  b->stop_bytes, 1);
}

bool
early_stopping_from_name(const char *name, EarlyStopping *early_stopping)
{
	for (size_t i = 0; i < sizeof early_stopping_names / sizeof *early_stopping_names; i++)
		if (strcmp(name, early_stopping_names[i]) == 0)
		{
			*early_stopping = (EarlyStopping) i;
			return true;
		}
	return false;
}

/* ---- checks ---- */

static bool
check_int(const char *name, int value, int low, int high, Error *error)
{
	if (value >= low && value <= high)
		return true;
	return error_set(error, ERR_ARGUMENT, "%s is %d, but must be between %d and %d", name, value,
					 low, high);
}

/* What a score may be multiplied with, or divided by, and stay finite. */
static bool
in_scale(float value)
{
	return value >= 1e-6f && value <= 1e6f;
}

/* Also refuses what is no number. */
static bool
check_real(const char *name, float value, bool ok, const char *rule, Error *error)
{
	if (ok && isfinite(value))
		return true;
	return error_set(error, ERR_ARGUMENT, "%s is %g, but must be %s", name, value, rule);
}

static bool
check_ids(const char *name, const int32_t *ids, int n, int n_vocab, Error *error)
{
	for (int i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= n_vocab)
			return error_set(error, ERR_ARGUMENT,
							 "%s has token id %d, but the model's vocabulary has %d tokens", name,
							 ids[i], n_vocab);
	return true;
}

static bool
check_pieces(const char *name, const int32_t *offsets, int n, Error *error)
{
	for (int i = 0; i < n; i++)
		if (offsets[i] == offsets[i + 1])
			return error_set(error, ERR_ARGUMENT, "element %d of %s is empty", i + 1, name);
	return true;
}

/* An option that only drawing looks at. */
static bool
check_drawn(const char *name, bool given, float value, Error *error)
{
	if (!given)
		return true;
	error_set(error, ERR_ARGUMENT, "%s is %g, but temperature is 0", name, value);
	return error_hint(error,
					  "Tokens are drawn where temperature is above 0; otherwise the best is taken, "
					  "and %s has no effect.",
					  name);
}

static bool
check_combinations(const GenerationOptions *options, Error *error)
{
	bool beams = options->num_beams > 1, drawn = options->temperature > 0.0f;

	if (options->min_new_tokens > options->max_new_tokens)
		return error_set(error, ERR_ARGUMENT, "min_new_tokens is %d, but max_new_tokens is %d",
						 options->min_new_tokens, options->max_new_tokens);
	if (!drawn && (!check_drawn("top_k", options->top_k > 1, (float) options->top_k, error) ||
				   !check_drawn("top_p", options->top_p < 1.0f, options->top_p, error) ||
				   !check_drawn("typical_p", options->typical_p < 1.0f, options->typical_p, error)))
		return false;
	if (!beams && options->early_stopping != EARLY_STOPPING_FALSE)
		return error_set(error, ERR_ARGUMENT, "early_stopping is '%s', but num_beams is 1",
						 early_stopping_names[options->early_stopping]);
	if (!beams && options->length_penalty != 1.0f)
		return error_set(error, ERR_ARGUMENT, "length_penalty is %g, but num_beams is 1",
						 options->length_penalty);
	if (beams && options->num_return_sequences > options->num_beams)
		return error_set(error, ERR_ARGUMENT, "num_return_sequences is %d, but num_beams is %d",
						 options->num_return_sequences, options->num_beams);
	if (!beams && !drawn && options->num_return_sequences > 1)
	{
		error_set(error, ERR_ARGUMENT,
				  "num_return_sequences is %d, but there is one greedy sequence only",
				  options->num_return_sequences);
		return error_hint(error, "Pass a temperature above 0, or more than one beam.");
	}
	return true;
}

bool
generation_options_check(const GenerationOptions *options, int n_vocab, Error *error)
{
	return check_int("max_new_tokens", options->max_new_tokens, 1, GENERATION_MAX_NEW_TOKENS,
					 error) &&
		   check_int("min_new_tokens", options->min_new_tokens, 0, GENERATION_MAX_NEW_TOKENS,
					 error) &&
		   check_real("temperature", options->temperature,
					  options->temperature == 0.0f || in_scale(options->temperature),
					  "0, or between 1e-06 and 1e+06", error) &&
		   check_int("top_k", options->top_k, 0, INT32_MAX, error) &&
		   check_real("top_p", options->top_p, options->top_p > 0.0f && options->top_p <= 1.0f,
					  "above 0 and at most 1", error) &&
		   check_real("typical_p", options->typical_p,
					  options->typical_p > 0.0f && options->typical_p <= 1.0f,
					  "above 0 and at most 1", error) &&
		   check_real("repetition_penalty", options->repetition_penalty,
					  in_scale(options->repetition_penalty), "between 1e-06 and 1e+06", error) &&
		   check_int("no_repeat_ngram_size", options->no_repeat_ngram_size, 0, INT32_MAX, error) &&
		   check_int("num_beams", options->num_beams, 1, GENERATION_MAX_SEQUENCES, error) &&
		   check_real("length_penalty", options->length_penalty, true, "a finite number", error) &&
		   check_int("num_return_sequences", options->num_return_sequences, 1,
					 GENERATION_MAX_SEQUENCES, error) &&
		   check_combinations(options, error) &&
		   check_ids("eos_token_id", options->eos_token_ids, options->n_eos, n_vocab, error) &&
		   check_ids("forced_eos_token_id", &options->forced_eos_token_id,
					 options->forced_eos_token_id != -1, n_vocab, error) &&
		   check_ids("suppress_tokens", options->suppress_tokens, options->n_suppress, n_vocab,
					 error) &&
		   check_pieces("bad_words", options->bad_words_offsets, options->n_bad_words, error) &&
		   check_ids("bad_words", options->bad_words_ids,
					 options->n_bad_words ? options->bad_words_offsets[options->n_bad_words] : 0,
					 n_vocab, error) &&
		   check_pieces("stop", options->stop_offsets, options->n_stop, error);
}

int
generation_padding(const GenerationOptions *options, int pad_token_id, const int32_t *ids, int n)
{
	int padding = 0;

	for (int i = 0; i < options->n_eos; i++)
		if (options->eos_token_ids[i] == pad_token_id)
			return 0;
	while (padding < n && ids[padding] == pad_token_id)
		padding++;
	return padding < n ? padding : 0;
}

/* ---- one piece of memory ---- */

typedef struct List
{
	size_t		bytes;
	const void *data;
	size_t		pointer; /* offset of the list's pointer in GenerationOptions */
} List;

enum
{
	N_LISTS = 6
};

static void
list_all(const GenerationOptions *options, List *lists)
{
	size_t word = sizeof(int32_t), n_bad = (size_t) options->n_bad_words;
	size_t n_stop = (size_t) options->n_stop;

	lists[0] = (List){(size_t) options->n_eos * word, options->eos_token_ids,
					  offsetof(GenerationOptions, eos_token_ids)};
	lists[1] = (List){(size_t) options->n_suppress * word, options->suppress_tokens,
					  offsetof(GenerationOptions, suppress_tokens)};
	lists[2] = (List){n_bad ? (n_bad + 1) * word : 0, options->bad_words_offsets,
					  offsetof(GenerationOptions, bad_words_offsets)};
	lists[3] = (List){n_bad ? (size_t) options->bad_words_offsets[n_bad] * word : 0,
					  options->bad_words_ids, offsetof(GenerationOptions, bad_words_ids)};
	lists[4] = (List){n_stop ? (n_stop + 1) * word : 0, options->stop_offsets,
					  offsetof(GenerationOptions, stop_offsets)};
	lists[5] = (List){n_stop ? (size_t) options->stop_offsets[n_stop] : 0, options->stop_bytes,
					  offsetof(GenerationOptions, stop_bytes)};
}

size_t
generation_options_size(const GenerationOptions *options)
{
	List   lists[N_LISTS];
	size_t size = 0;

	list_all(options, lists);
	for (int i = 0; i < N_LISTS; i++)
		if (__builtin_add_overflow(size, lists[i].bytes, &size))
			return 0;
	return size + 8;
}

void
generation_options_pack(const GenerationOptions *options, void *out, GenerationOptions *packed)
{
	List  lists[N_LISTS];
	char *at = out;

	list_all(options, lists);
	*packed = *options;
	for (int i = 0; i < N_LISTS; i++)
	{
		if (lists[i].bytes > 0)
			memcpy(at, lists[i].data, lists[i].bytes);
		memcpy((char *) packed + lists[i].pointer, &at, sizeof at);
		at += lists[i].bytes;
	}
}
