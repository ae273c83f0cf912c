/*
 * test_logits.c: what is left of logits to draw from, against the warpers of Transformers
 * (test/reference/generation/warpers.json), and draws from it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import/json.h"
#include "task/logits.h"

#define FIXTURE "test/reference/generation/warpers.json"
#define MAX_VOCAB 64
#define DRAWS 20000
#define CHI_SIGMAS 6.0

/* A case of the fixture. */
typedef struct Case
{
	GenerationOptions options;
	int				  keep, n_vocab;
	float			  logits[MAX_VOCAB];
	double			  probabilities[MAX_VOCAB];
} Case;

static void
read_case(Case *test, const json_t *json)
{
	const json_t *logits = json_object_get(json, "logits");
	const json_t *probabilities = json_object_get(json, "probabilities");
	const json_t *options = json_object_get(json, "options"), *value;
	const struct
	{
		const char *name;
		float	   *value;
	} reals[] = {
		{"temperature", &test->options.temperature},
		{"top_p", &test->options.top_p},
		{"typical_p", &test->options.typical_p},
	};

	generation_options_init(&test->options);
	test->options.temperature = 1.0f;
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		if ((value = json_object_get(options, reals[i].name)) != NULL)
			*reals[i].value = (float) json_number_value(value);
	test->options.top_k = (int) json_number_value(json_object_get(options, "top_k"));
	test->keep = (int) json_number_value(json_object_get(json, "keep"));
	test->n_vocab = (int) json_array_size(logits);
	assert_in_range(test->n_vocab, 1, MAX_VOCAB);
	for (int i = 0; i < test->n_vocab; i++)
	{
		test->logits[i] = (float) json_number_value(json_array_get(logits, (size_t) i));
		test->probabilities[i] = json_number_value(json_array_get(probabilities, (size_t) i));
	}
}

/* Runs a function over all cases. */
static void
each_case(void (*function)(const Case *test, int number, const Kernels *kernels))
{
	static const Isa isas[] = {ISA_GENERIC, ISA_AVX2, ISA_AVX512};
	Error			 error;
	json_t			*root = json_read_object(FIXTURE, 1 << 20, &error), *json;
	size_t			 i;

	if (root == NULL)
		fail_msg("%s", error.message);
	for (size_t j = 0; j < sizeof isas / sizeof *isas; j++)
		if (isa_supported(isas[j]))
			json_array_foreach(json_object_get(root, "cases"), i, json)
			{
				Case test;

				read_case(&test, json);
				function(&test, (int) i, kernels_select(isas[j], &error));
			}
	assert_true(json_array_size(json_object_get(root, "cases")) > 30);
	json_decref(root);
}

static void
compare_case(const Case *test, int number, const Kernels *kernels)
{
	_Alignas(64) static float keys[MAX_VOCAB], weights[MAX_VOCAB], scores[MAX_VOCAB];
	static int32_t			  order[MAX_VOCAB];
	LogitsScratch			  scratch = {.probabilities = weights, .keys = keys, .order = order};

	memcpy(scores, test->logits, sizeof scores);
	logits_warp(&test->options, kernels, test->keep, test->n_vocab, &scratch, scores);
	logits_softmax(kernels, scores, test->n_vocab, weights);
	for (int i = 0; i < test->n_vocab; i++)
	{
		double off = fabs((double) weights[i] - test->probabilities[i]);

		if (!(off < 1e-6) || (weights[i] == 0.0f) != (test->probabilities[i] == 0.0))
			fail_msg("case %d: token %d has probability %g instead of %g", number, i,
					 (double) weights[i], test->probabilities[i]);
	}
}

static void
warpers_are_those_of_transformers(void **state)
{
	(void) state;
	each_case(compare_case);
}

/* The first token that a generation of one token draws. */
static int32_t
draw(const Case *test, const Kernels *kernels, const int32_t *prompt, int n_prompt, uint64_t seed,
	 void *memory, void *scratch)
{
	GenerationOptions  options = test->options;
	GenerationInputs   inputs = {.options = &options,
								 .prompt = prompt,
								 .n_prompt = n_prompt,
								 .n_vocab = test->n_vocab,
								 .kernels = kernels};
	_Alignas(64) float logits[MAX_VOCAB];
	Generation		  *generation;
	Error			   error;

	options.max_new_tokens = 1;
	options.seed = seed;
	memcpy(logits, test->logits, sizeof logits);
	generation = generation_create(&inputs, memory);
	if (!generation_step(generation, logits, test->n_vocab, scratch, NULL, &error))
		fail_msg("%s", error.message);
	assert_int_equal(generation_n_live(generation), 0);
	assert_int_equal(generation_n_sequences(generation), 1);
	return generation_sequence(generation, 0).ids[0];
}

/* Pearson's statistic of counts of n draws, and whether it is as small as chance has it. */
static void
check_chi(const char *what, int number, const int *counts, const double *probabilities, int n_cells,
		  int n)
{
	double chi = 0.0, degrees = -1.0;

	for (int i = 0; i < n_cells; i++)
	{
		double expected = probabilities[i] * n;

		if (probabilities[i] == 0.0)
		{
			assert_int_equal(counts[i], 0);
			continue;
		}
		chi += (counts[i] - expected) * (counts[i] - expected) / expected;
		degrees++;
	}
	if (!(chi <= degrees + CHI_SIGMAS * sqrt(2.0 * degrees) + 1e-9))
		fail_msg("%s %d: chi-square is %g with %g degrees of freedom", what, number, chi, degrees);
}

static void *
room(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

	assert_non_null(memory);
	return memory;
}

static void
draw_case(const Case *test, int number, const Kernels *kernels)
{
	static const int32_t prompt[] = {3, 1, 4};
	GenerationOptions	 options = test->options;
	GenerationInputs	 inputs = {.options = &options, .prompt = prompt, .n_prompt = 3};
	int					 counts[MAX_VOCAB] = {0};
	void				*memory, *scratch;

	/* beams draw otherwise: beams_are_drawn_without_putting_back */
	if (test->keep > 1 || strcmp(kernels->name, "generic") != 0)
		return;
	options.max_new_tokens = 1;
	inputs.n_vocab = test->n_vocab;
	memory = room(generation_size(&inputs));
	scratch = room(generation_scratch(&inputs));
	for (int seed = 0; seed < DRAWS; seed++)
		counts[draw(test, kernels, prompt, 3, (uint64_t) seed, memory, scratch)]++;
	check_chi("case", number, counts, test->probabilities, test->n_vocab, DRAWS);
	memset(counts, 0, sizeof counts);
	for (int32_t i = 0; i < DRAWS; i++)
	{
		int32_t other[] = {i, 7};

		counts[draw(test, kernels, other, 2, 1, memory, scratch)]++;
	}
	check_chi("prompts of case", number, counts, test->probabilities, test->n_vocab, DRAWS);
	free(memory);
	free(scratch);
}

static void
draws_have_the_exact_distribution(void **state)
{
	(void) state;
	each_case(draw_case);
}

/* Steps and sequences side by side draw independently of each other. */
static void
steps_and_sequences_are_independent(void **state)
{
	static const float	 logits[4] = {0.0f, 0.7f, -0.4f, 0.2f};
	static const int32_t prompt[] = {2};
	GenerationOptions	 options;
	GenerationInputs inputs = {.options = &options, .prompt = prompt, .n_prompt = 1, .n_vocab = 4};
	double			 single[4], pairs[16], sum = 0.0;
	int				 steps[16] = {0}, sequences[16] = {0};
	void			*memory, *scratch;
	Error			 error;

	(void) state;
	generation_options_init(&options);
	options.temperature = 1.0f;
	options.max_new_tokens = 2;
	options.num_return_sequences = 2;
	inputs.kernels = kernels_select(ISA_AUTO, &error);
	memory = room(generation_size(&inputs));
	scratch = room(generation_scratch(&inputs));
	for (int i = 0; i < 4; i++)
		sum += exp((double) logits[i]);
	for (int i = 0; i < 4; i++)
		single[i] = exp((double) logits[i]) / sum;
	for (int i = 0; i < 16; i++)
		pairs[i] = single[i / 4] * single[i % 4];
	for (uint64_t seed = 0; seed < DRAWS; seed++)
	{
		_Alignas(64) float rows[2 * 4];
		Generation		  *generation;
		GeneratedSequence  a, b;

		options.seed = seed;
		generation = generation_create(&inputs, memory);
		memcpy(rows, logits, sizeof logits);
		assert_true(generation_step(generation, rows, 4, scratch, NULL, &error));
		assert_int_equal(generation_n_live(generation), 2);
		assert_int_equal(generation_moves(generation)[1].parent, 0);
		memcpy(rows, logits, sizeof logits);
		memcpy(rows + 4, logits, sizeof logits);
		assert_true(generation_step(generation, rows, 4, scratch, NULL, &error));
		a = generation_sequence(generation, 0);
		b = generation_sequence(generation, 1);
		steps[a.ids[0] * 4 + a.ids[1]]++;
		sequences[a.ids[1] * 4 + b.ids[1]]++;
		assert_true(fabs((double) a.score - log(single[a.ids[0]] * single[a.ids[1]])) < 1e-5);
	}
	check_chi("steps", 0, steps, pairs, 16, DRAWS);
	check_chi("sequences", 0, sequences, pairs, 16, DRAWS);
	free(memory);
	free(scratch);
}

/* ---- beam sampling ---- */

#define TOKENS 3
#define BEAMS 2
#define CELLS (BEAMS * TOKENS)
#define PICKS (2 * BEAMS)

/* The two best tokens of every order in which four of six cells can be drawn, with its probability. */
static void
enumerate(const double *cells, int depth, double left, double probability, int *picked,
		  double *outcomes)
{
	if (depth == PICKS)
	{
		int best = -1, second = -1;

		/* a lower token is more probable here, and both beams score alike */
		for (int i = 0; i < PICKS; i++)
		{
			int token = picked[i] % TOKENS;

			if (best < 0 || token < best)
			{
				second = best;
				best = token;
			}
			else if (second < 0 || token < second)
				second = token;
		}
		outcomes[best * TOKENS + second] += probability;
		return;
	}
	for (int i = 0; i < CELLS; i++)
	{
		bool taken = false;

		for (int j = 0; j < depth; j++)
			taken |= picked[j] == i;
		if (taken)
			continue;
		picked[depth] = i;
		enumerate(cells, depth + 1, left - cells[i], probability * cells[i] / left, picked,
				  outcomes);
	}
}

static void
beams_are_drawn_without_putting_back(void **state)
{
	static const float	 logits[TOKENS] = {1.0f, 0.3f, -1.0f};
	static const int32_t prompt[] = {2};
	GenerationOptions	 options;
	GenerationInputs	 inputs = {
			.options = &options, .prompt = prompt, .n_prompt = 1, .n_vocab = TOKENS};
	double cells[CELLS], outcomes[TOKENS * TOKENS] = {0}, sum = 0.0;
	int	   counts[TOKENS * TOKENS] = {0}, picked[PICKS];
	void  *memory, *scratch;
	Error  error;

	(void) state;
	generation_options_init(&options);
	options.temperature = 1.0f;
	options.max_new_tokens = 1;
	options.num_beams = BEAMS;
	options.num_return_sequences = BEAMS;
	inputs.kernels = kernels_select(ISA_AUTO, &error);
	memory = room(generation_size(&inputs));
	scratch = room(generation_scratch(&inputs));
	for (int i = 0; i < TOKENS; i++)
		sum += BEAMS * exp((double) logits[i]);
	for (int i = 0; i < CELLS; i++)
		cells[i] = exp((double) logits[i % TOKENS]) / sum;
	enumerate(cells, 0, 1.0, 1.0, picked, outcomes);
	for (uint64_t seed = 0; seed < DRAWS; seed++)
	{
		_Alignas(64) float row[TOKENS];
		Generation		  *generation;

		options.seed = seed;
		generation = generation_create(&inputs, memory);
		memcpy(row, logits, sizeof logits);
		assert_true(generation_step(generation, row, TOKENS, scratch, NULL, &error));
		assert_int_equal(generation_n_sequences(generation), BEAMS);
		counts[generation_sequence(generation, 0).ids[0] * TOKENS +
			   generation_sequence(generation, 1).ids[0]]++;
	}
	check_chi("beams", 0, counts, outcomes, TOKENS * TOKENS, DRAWS);
	free(memory);
	free(scratch);
}

/* ---- options ---- */

static void
nothing_is_left(void **state)
{
	static const int32_t prompt[] = {1}, all[] = {0, 1, 2};
	GenerationOptions	 options;
	GenerationInputs inputs = {.options = &options, .prompt = prompt, .n_prompt = 1, .n_vocab = 3};
	_Alignas(64) float row[3] = {1.0f, 2.0f, 3.0f};
	Error			   error;

	(void) state;
	inputs.kernels = kernels_select(ISA_AUTO, &error);
	for (int mode = 0; mode < 4; mode++)
	{
		void *memory, *scratch;

		generation_options_init(&options);
		options.temperature = mode & 1 ? 1.0f : 0.0f;
		options.num_beams = mode & 2 ? 2 : 1;
		options.suppress_tokens = all;
		options.n_suppress = 3;
		memory = room(generation_size(&inputs));
		scratch = room(generation_scratch(&inputs));
		assert_false(
			generation_step(generation_create(&inputs, memory), row, 3, scratch, NULL, &error));
		assert_string_equal(error.message, "no token is allowed at position 1 of the output");
		free(memory);
		free(scratch);
	}
}

/* What an option may not be, and a part of what is said of it. */
static void
options_are_checked(void **state)
{
	static const int32_t ids[] = {1, 9}, begins[] = {0, 0}, ends[] = {0, 2};
	GenerationOptions	 fine;
	struct
	{
		GenerationOptions options;
		const char		 *message;
	} wrong[] = {
		{.options.max_new_tokens = 0, .message = "max_new_tokens is 0"},
		{.options.max_new_tokens = -3, .message = "max_new_tokens is -3"},
		{.options.min_new_tokens = -1, .message = "min_new_tokens is -1"},
		{.options.min_new_tokens = 65, .message = "min_new_tokens is 65, but max_new_tokens is 64"},
		{.options.temperature = -1.0f, .message = "temperature is -1"},
		{.options.temperature = NAN, .message = "temperature is nan"},
		{.options.temperature = INFINITY, .message = "temperature is inf"},
		{.options.temperature = 1e-9f, .message = "temperature is 1e-09"},
		{.options.top_k = -1, .message = "top_k is -1"},
		{.options.top_k = 5, .message = "top_k is 5, but temperature is 0"},
		{.options.top_p = 0.5f, .message = "top_p is 0.5, but temperature is 0"},
		{.options.typical_p = 0.5f, .message = "typical_p is 0.5, but temperature is 0"},
		{.options.top_p = -0.5f, .message = "top_p is -0.5"},
		{.options.top_p = 1.5f, .message = "top_p is 1.5"},
		{.options.typical_p = 2.0f, .message = "typical_p is 2"},
		{.options.repetition_penalty = -1.0f, .message = "repetition_penalty is -1"},
		{.options.no_repeat_ngram_size = -1, .message = "no_repeat_ngram_size is -1"},
		{.options.num_beams = -1, .message = "num_beams is -1"},
		{.options.num_beams = 257, .message = "num_beams is 257"},
		{.options.length_penalty = 2.0f, .message = "length_penalty is 2, but num_beams is 1"},
		{.options.early_stopping = EARLY_STOPPING_NEVER,
		 .message = "early_stopping is 'never', but num_beams is 1"},
		{.options.num_return_sequences = -1, .message = "num_return_sequences is -1"},
		{.options.num_return_sequences = 2, .message = "one greedy sequence"},
		{.options.num_beams = 3,
		 .options.num_return_sequences = 4,
		 .message = "num_return_sequences is 4, but num_beams is 3"},
		{.options.forced_eos_token_id = 9, .message = "forced_eos_token_id has token id 9"},
		{.options.eos_token_ids = ids,
		 .options.n_eos = 2,
		 .message = "eos_token_id has token id 9"},
		{.options.suppress_tokens = ids,
		 .options.n_suppress = 2,
		 .message = "suppress_tokens has token id 9, but the model's vocabulary has 9 tokens"},
		{.options.bad_words_ids = ids,
		 .options.bad_words_offsets = ends,
		 .options.n_bad_words = 1,
		 .message = "bad_words has token id 9"},
		{.options.bad_words_ids = ids,
		 .options.bad_words_offsets = begins,
		 .options.n_bad_words = 1,
		 .message = "element 1 of bad_words is empty"},
		{.options.stop_bytes = "",
		 .options.stop_offsets = begins,
		 .options.n_stop = 1,
		 .message = "element 1 of stop is empty"},
	};
	Error error;

	(void) state;
	generation_options_init(&fine);
	assert_true(generation_options_check(&fine, 9, &error));
	fine.top_k = 1; /* is greedy as well */
	assert_true(generation_options_check(&fine, 9, &error));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
	{
		GenerationOptions *options = &wrong[i].options, defaults;

		/* what the table leaves at 0 is the default, unless it is what is wrong */
		generation_options_init(&defaults);
		if (i > 0 && options->max_new_tokens == 0)
			options->max_new_tokens = defaults.max_new_tokens;
		if (options->top_p == 0.0f)
			options->top_p = defaults.top_p;
		if (options->typical_p == 0.0f)
			options->typical_p = defaults.typical_p;
		if (options->repetition_penalty == 0.0f)
			options->repetition_penalty = defaults.repetition_penalty;
		if (options->num_beams == 0)
			options->num_beams = defaults.num_beams;
		if (options->length_penalty == 0.0f)
			options->length_penalty = defaults.length_penalty;
		if (options->num_return_sequences == 0)
			options->num_return_sequences = defaults.num_return_sequences;
		if (options->forced_eos_token_id == 0)
			options->forced_eos_token_id = defaults.forced_eos_token_id;
		if (generation_options_check(options, 9, &error))
			fail_msg("accepted: %s", wrong[i].message);
		assert_int_equal(error.code, ERR_ARGUMENT);
		if (strstr(error.message, wrong[i].message) == NULL)
			fail_msg("\"%s\" instead of \"%s\"", error.message, wrong[i].message);
	}
}

/* A packed copy has everything, in its own memory. */
static void
options_travel(void **state)
{
	static const int32_t eos[] = {5, 6}, suppress[] = {7}, words[] = {1, 2, 3},
						 begins[] = {0, 1, 3};
	static const int32_t stops[] = {0, 4};
	GenerationOptions	 options, packed;
	char				*room_for_lists;
	size_t				 size;

	(void) state;
	generation_options_init(&options);
	options.eos_token_ids = eos;
	options.n_eos = 2;
	options.suppress_tokens = suppress;
	options.n_suppress = 1;
	options.bad_words_ids = words;
	options.bad_words_offsets = begins;
	options.n_bad_words = 2;
	options.stop_offsets = stops;
	options.stop_bytes = "stop";
	options.n_stop = 1;
	size = generation_options_size(&options);
	room_for_lists = room(size);
	generation_options_pack(&options, room_for_lists, &packed);
	assert_memory_equal(packed.eos_token_ids, eos, sizeof eos);
	assert_memory_equal(packed.suppress_tokens, suppress, sizeof suppress);
	assert_memory_equal(packed.bad_words_ids, words, sizeof words);
	assert_memory_equal(packed.bad_words_offsets, begins, sizeof begins);
	assert_memory_equal(packed.stop_offsets, stops, sizeof stops);
	assert_memory_equal(packed.stop_bytes, "stop", 4);
	assert_true((const char *) packed.eos_token_ids >= room_for_lists &&
				packed.stop_bytes + 4 <= room_for_lists + size);
	free(room_for_lists);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warpers_are_those_of_transformers),
		cmocka_unit_test(draws_have_the_exact_distribution),
		cmocka_unit_test(steps_and_sequences_are_independent),
		cmocka_unit_test(beams_are_drawn_without_putting_back),
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(options_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
