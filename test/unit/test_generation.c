/*
 * test_generation.c: token ids of the cases of test/reference/generation, which Transformers' generate() made
 * (test/reference/README.md says what they hold).
 *
 * A Generation is driven here as an engine drives it: with caches that follow its moves, and once more without,
 * the whole sequence computed at each step.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/import.h"
#include "import/json.h"
#include "task/generation_defaults.h"

#define CASES "test/reference/generation"
#define FILE_LIMIT ((size_t) 64 << 20)
#define SCORE_ATOL 2e-4

/* ---- a call ---- */

typedef struct Call
{
	GenerationOptions options;
	int				  pad_token_id, n_prompt, padding;
	const int32_t	 *prompt, *shape_ids, *pronunciation_ids;
} Call;

static const int32_t *
read_ints(Arena *arena, const json_t *json, int *n)
{
	int32_t *out = arena_alloc(arena, json_array_size(json) + 1, sizeof(int32_t));

	*n = (int) json_array_size(json);
	for (int i = 0; i < *n; i++)
		out[i] = (int32_t) json_number_value(json_array_get(json, (size_t) i));
	return out;
}

static void
read_option(Call *call, Arena *arena, const char *name, const json_t *value)
{
	GenerationOptions *options = &call->options;
	const struct
	{
		const char *name;
		int		   *value;
	} ints[] = {
		{"max_new_tokens", &options->max_new_tokens},
		{"min_new_tokens", &options->min_new_tokens},
		{"no_repeat_ngram_size", &options->no_repeat_ngram_size},
		{"num_beams", &options->num_beams},
		{"num_return_sequences", &options->num_return_sequences},
		{"forced_eos_token_id", &options->forced_eos_token_id},
		{"pad_token_id", &call->pad_token_id},
	};
	char  *text;
	Error  error;
	int	   n;
	double number = json_number_value(value);

	for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
		if (strcmp(name, ints[i].name) == 0)
		{
			*ints[i].value = (int) number;
			return;
		}
	if (strcmp(name, "input_ids") == 0)
		call->prompt = read_ints(arena, value, &call->n_prompt);
	else if (strcmp(name, "input_shape_ids") == 0)
		call->shape_ids = read_ints(arena, value, &n);
	else if (strcmp(name, "input_pronunciation_ids") == 0)
		call->pronunciation_ids = read_ints(arena, value, &n);
	else if (strcmp(name, "eos_token_id") == 0)
		options->eos_token_ids = read_ints(arena, value, &options->n_eos);
	else if (strcmp(name, "suppress_tokens") == 0)
		options->suppress_tokens = read_ints(arena, value, &options->n_suppress);
	else if (strcmp(name, "repetition_penalty") == 0)
		options->repetition_penalty = (float) number;
	else if (strcmp(name, "length_penalty") == 0)
		options->length_penalty = (float) number;
	else if (strcmp(name, "early_stopping") == 0)
		assert_true(early_stopping_from_name(json_string_value(value), &options->early_stopping));
	else if (strcmp(name, "bad_words_ids") == 0)
	{
		text = json_dumps(value, 0);
		assert_true(id_lists_read(text, name, arena, &options->bad_words_ids,
								  &options->bad_words_offsets, &options->n_bad_words, &error));
		free(text);
	}
	else
		fail_msg("unknown argument %s", name);
}

static void
read_call(Call *call, const Image *image, Arena *arena, const json_t *json)
{
	const char	 *name;
	const json_t *value;
	Error		  error;

	*call = (Call){0};
	generation_options_init(&call->options);
	if (!generation_defaults(image, arena, &call->options, &call->pad_token_id, &error))
		fail_msg("%s", error.message);
	json_object_foreach((json_t *) json, name, value) read_option(call, arena, name, value);
	call->padding =
		generation_padding(&call->options, call->pad_token_id, call->prompt, call->n_prompt);
	call->prompt += call->padding;
	call->n_prompt -= call->padding;
}

/* ---- a decoder ---- */

typedef struct Decoder
{
	const Model *model;
	const Call	*call;
	bool		 cached;
	int			 capacity; /* tokens of a sequence */
	int			 n_live, max_live;
	Cache		*caches, *next; /* (max_live) */
	int32_t	   **ids;			/* (max_live) whole sequences, (capacity) */
	int			*lengths;		/* (max_live) */
	float		*logits;		/* (max_live, vocab) */
} Decoder;

static void *
zeroed(size_t n, size_t size)
{
	void *memory = calloc(n + 1, size);

	assert_non_null(memory);
	return memory;
}

static void
decoder_init(Decoder *decoder, const Model *model, const Call *call, bool cached)
{
	size_t floats;
	int	   n = generation_max_live(&call->options);

	*decoder = (Decoder){.model = model, .call = call, .cached = cached, .max_live = n};
	decoder->capacity = call->n_prompt + call->options.max_new_tokens;
	floats = cache_floats(&model->cache, decoder->capacity, 0);
	decoder->caches = zeroed((size_t) n, sizeof(Cache));
	decoder->next = zeroed((size_t) n, sizeof(Cache));
	decoder->ids = zeroed((size_t) n, sizeof(int32_t *));
	decoder->lengths = zeroed((size_t) n, sizeof(int));
	decoder->logits = zeroed((size_t) n * (size_t) model->vocab_size, sizeof(float));
	for (int i = 0; i < n; i++)
	{
		decoder->caches[i] =
			(Cache){.data = zeroed(floats, sizeof(float)), .capacity = decoder->capacity};
		decoder->next[i] =
			(Cache){.data = zeroed(floats, sizeof(float)), .capacity = decoder->capacity};
		decoder->ids[i] = zeroed((size_t) decoder->capacity, sizeof(int32_t));
	}
}

static void
decoder_free(Decoder *decoder)
{
	for (int i = 0; i < decoder->max_live; i++)
	{
		free(decoder->caches[i].data);
		free(decoder->next[i].data);
		free(decoder->ids[i]);
	}
	free(decoder->caches);
	free(decoder->next);
	free(decoder->ids);
	free(decoder->lengths);
	free(decoder->logits);
}

/* The ids that a new token has beside its own: Transformers feeds those of the prompt's last token again. */
static const int32_t *
beside(const int32_t *prompt_ids, const Decoder *decoder, int from, int n, int32_t *out)
{
	if (prompt_ids == NULL)
		return NULL;
	for (int i = 0; i < n; i++)
	{
		int at = from + i < decoder->call->n_prompt ? from + i : decoder->call->n_prompt - 1;

		out[i] = prompt_ids[at];
	}
	return out;
}

/* Computes the last n tokens of a sequence, and the logits of its last. */
static void
compute(Decoder *decoder, int sequence, int n)
{
	int32_t	  offsets[2] = {0, n}, last = n - 1, shapes[256], pronunciations[256];
	int		  from = decoder->lengths[sequence] - n;
	Batch	  batch = {.n_seqs = 1,
					   .n_tokens = n,
					   .offsets = offsets,
					   .input_ids = decoder->ids[sequence] + from,
					   .logits =
						   decoder->logits + (size_t) sequence * (size_t) decoder->model->vocab_size,
					   .n_logit_tokens = 1,
					   .logit_tokens = &last};
	Workspace workspace;
	Crew	  crew = crew_alone(NULL);
	Output	  output;
	Error	  error;

	assert_in_range(n, 1, 256);
	batch.shape_ids = beside(decoder->call->shape_ids, decoder, from, n, shapes);
	batch.pronunciation_ids =
		beside(decoder->call->pronunciation_ids, decoder, from, n, pronunciations);
	if (decoder->cached)
	{
		batch.caches = &decoder->caches[sequence];
		batch.max_keys = decoder->lengths[sequence];
	}
	if (!model_check(decoder->model, &batch, &error))
		fail_msg("%s", error.message);
	workspace.size = decoder->model->family->workspace(decoder->model, &batch, 1);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	assert_non_null(workspace.base);
	assert_true(model_forward(decoder->model, &batch, &workspace, &crew, &output));
	free(workspace.base);
}

/* Sequences as the moves have them, each with its token computed. */
static void
follow(Decoder *decoder, const GenerationMove *moves, int n_moves)
{
	size_t	  floats = cache_floats(&decoder->model->cache, decoder->capacity, 0);
	size_t	  bytes = (size_t) decoder->capacity * sizeof(int32_t);
	Cache	 *caches = decoder->next;
	int32_t **ids = zeroed((size_t) n_moves, sizeof(int32_t *));
	int		 *lengths = zeroed((size_t) n_moves, sizeof(int));

	for (int i = 0; i < n_moves; i++)
	{
		int parent = moves[i].parent;

		assert_in_range(parent, 0, decoder->n_live - 1);
		memcpy(caches[i].data, decoder->caches[parent].data, floats * sizeof(float));
		caches[i].length = decoder->caches[parent].length;
		caches[i].padding = decoder->caches[parent].padding;
		ids[i] = zeroed((size_t) decoder->capacity, sizeof(int32_t));
		memcpy(ids[i], decoder->ids[parent], bytes);
		lengths[i] = decoder->lengths[parent] + 1;
		ids[i][lengths[i] - 1] = moves[i].token;
	}
	for (int i = 0; i < n_moves; i++)
	{
		memcpy(decoder->ids[i], ids[i], bytes);
		decoder->lengths[i] = lengths[i];
		free(ids[i]);
	}
	free(ids);
	free(lengths);
	decoder->next = decoder->caches;
	decoder->caches = caches;
	decoder->n_live = n_moves;
	for (int i = 0; i < n_moves; i++)
		compute(decoder, i, decoder->cached ? 1 : decoder->lengths[i]);
}

/* ---- cases ---- */

/* Compares what came out with a case; how many differ. */
static int
compare(const char *folder, const char *name, const Call *call, const Generation *generation,
		const json_t *expect)
{
	const json_t *sequences = json_object_get(expect, "sequences");
	const json_t *scores = json_object_get(expect, "scores");
	int			  n = (int) json_array_size(sequences), failures = 0;

	if (generation_n_sequences(generation) != n)
	{
		print_message("  %s: %s: %d sequences instead of %d\n", folder, name,
					  generation_n_sequences(generation), n);
		return 1;
	}
	for (int i = 0; i < n; i++)
	{
		GeneratedSequence sequence = generation_sequence(generation, i);
		const json_t	 *ids = json_array_get(sequences, (size_t) i);
		double			  score = json_number_value(json_array_get(scores, (size_t) i));
		int				  begin = call->padding + call->n_prompt;
		bool same = (int) json_array_size(ids) == begin + sequence.n && sequence.finished;

		for (int j = 0; same && j < sequence.n; j++)
			same = (int) json_number_value(json_array_get(ids, (size_t) (begin + j))) ==
				   sequence.ids[j];
		if (same && fabs(score - (double) sequence.score) <= SCORE_ATOL)
			continue;
		failures++;
		print_message("  %s: %s: sequence %d has score %g instead of %g and ids", folder, name, i,
					  (double) sequence.score, score);
		for (int j = 0; j < sequence.n; j++)
			print_message(" %d", sequence.ids[j]);
		print_message("\n");
	}
	return failures;
}

static int
run_case(const char *folder, const Model *model, const json_t *json, bool cached)
{
	const char		*name = json_string_value(json_object_get(json, "name"));
	Arena			 arena, decoding;
	Call			 call;
	Decoder			 decoder;
	Generation		*generation;
	GenerationInputs inputs;
	void			*memory, *scratch;
	Error			 error = {0};
	int				 failures;

	arena_init(&arena, 0);
	arena_init(&decoding, 0);
	read_call(&call, model->image, &arena, json_object_get(json, "call"));
	if (!generation_options_check(&call.options, model->vocab_size, &error))
		fail_msg("%s: %s: %s", folder, name, error.message);
	inputs = (GenerationInputs){.options = &call.options,
								.prompt = call.prompt,
								.n_prompt = call.n_prompt,
								.n_vocab = model->vocab_size,
								.kernels = model->kernels};
	memory = aligned_alloc(64, generation_size(&inputs));
	scratch = aligned_alloc(64, generation_scratch(&inputs));
	generation = generation_create(&inputs, memory);
	decoder_init(&decoder, model, &call, cached);
	decoder.n_live = 1;
	memcpy(decoder.ids[0], call.prompt, (size_t) call.n_prompt * sizeof(int32_t));
	decoder.lengths[0] = call.n_prompt;
	compute(&decoder, 0, call.n_prompt);
	while (generation_step(generation, decoder.logits, model->vocab_size, scratch, &decoding,
						   &error) &&
		   generation_n_live(generation) > 0)
		follow(&decoder, generation_moves(generation), generation_n_live(generation));
	if (error.code != ERR_NONE)
		fail_msg("%s: %s: %s", folder, name, error.message);
	failures = compare(folder, name, &call, generation, json_object_get(json, "expect"));
	decoder_free(&decoder);
	free(memory);
	free(scratch);
	arena_free(&arena);
	arena_free(&decoding);
	return failures;
}

static void
folder_is_that_of_transformers(void **state)
{
	char		  path[PATH_MAX], file[] = "/tmp/test_generation.XXXXXX";
	const char	 *folder = *state;
	ImportTarget  target = {.path = file};
	ImportOptions options;
	ImportReport  report;
	Arena		  arena;
	Error		  error;
	Image		  image;
	Model		  model;
	json_t		 *root, *json;
	size_t		  i;
	int			  failures = 0, fd = mkstemp(file);

	assert_true(fd >= 0);
	close(fd);
	unlink(file);
	arena_init(&arena, 0);
	snprintf(path, sizeof path, CASES "/%s/cases.json", folder);
	root = json_read_object(path, FILE_LIMIT, &error);
	assert_non_null(root);
	import_options_init(&options);
	snprintf(path, sizeof path, CASES "/%s", folder);
	if (!import_model(path, &options, &target, &arena, &report, &error) ||
		!image_open(&image, file, &error) ||
		!model_open(&model, &image, kernels_select(ISA_AUTO, &error), &error))
		fail_msg("%s: %s", folder, error.message);
	json_array_foreach(json_object_get(root, "cases"), i, json)
	{
		if (json_object_get(json_object_get(json, "call"), "prompt") != NULL)
			continue; /* a text: test/pgtap/generation.sql */
		failures += run_case(folder, &model, json, true);
		/* MEGA's steps are not its pass over the whole. */
		if (strcmp(model.family->model_type, "mega") != 0)
			failures += run_case(folder, &model, json, false);
	}
	assert_true(i > 0);
	model_close(&model);
	image_close(&image);
	unlink(file);
	json_decref(root);
	arena_free(&arena);
	assert_int_equal(failures, 0);
}

int
main(void)
{
	static char		  names[32][64];
	struct CMUnitTest tests[32];
	struct dirent	 *entry;
	DIR				 *directory = opendir(CASES);
	size_t			  n = 0;

	while (directory != NULL && (entry = readdir(directory)) != NULL && n < 32)
	{
		if (strchr(entry->d_name, '.') != NULL)
			continue;
		snprintf(names[n], sizeof names[n], "%s", entry->d_name);
		tests[n] =
			(struct CMUnitTest){names[n], folder_is_that_of_transformers, NULL, NULL, names[n]};
		n++;
	}
	if (n == 0)
		return 1;
	closedir(directory);
	return _cmocka_run_group_tests("generation", tests, n, NULL, NULL);
}
