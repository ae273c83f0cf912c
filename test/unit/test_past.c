/*
 * test_past.c: caches, cross-attention and heads of a decoder, bit by bit.
 *
 * A step of decoding must give the bits of the same row of a whole pass, whatever other sequences are in
 * the batch and however much of each is cached already.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "task/forward.h"
#include "test_models.h"

#define VOCAB 37
#define HIDDEN 40
#define SEQS 3
#define LONGEST 23
#define SOURCE 4
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))
#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define BOOL(name, value)                                                                          \
	{                                                                                              \
		.key = name, .type = PARAM_BOOL, .integer = value                                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}
#define LIST(name, value)                                                                          \
	{                                                                                              \
		.key = name, .type = PARAM_LIST, .string = value                                           \
	}

static const ConfigParam config[] = {
	BOOL("add_cross_attention", 1), LIST("architectures", "[\"BertLMHeadModel\"]"),
	INT("hidden_size", HIDDEN),		INT("intermediate_size", 24),
	BOOL("is_decoder", 1),			INT("max_position_embeddings", LONGEST),
	STRING("model_type", "bert"),	INT("num_attention_heads", 4),
	INT("num_hidden_layers", 2),	INT("vocab_size", VOCAB)};

static const int lengths[SEQS] = {LONGEST, 1, 14};

/* Tokens and encoder states of the sequences, and what a whole pass of each alone gives. */
typedef struct Whole
{
	TestModel test;
	int32_t	  ids[SEQS][LONGEST];
	float	  states[SEQS][SOURCE][HIDDEN];
	float	  logits[SEQS][LONGEST][VOCAB];
} Whole;

static void
run(const Model *model, const Batch *batch, int threads)
{
	Workspace workspace = {.size = model->family->workspace(model, batch, threads)};
	Error	  error;
	Team	 *team = team_create(threads, NULL, &error);
	Crew	  crew = crew_of_team(team, NULL);
	Output	  output;

	assert_non_null(team);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size);
	TEST_MUST(model_check(model, batch, &error), error);
	assert_true(model_forward(model, batch, &workspace, &crew, &output));
	free(workspace.base);
	team_destroy(team);
}

static void
whole_open(Whole *whole, Precision precision)
{
	uint64_t random = 99;
	Error	 error;

	test_model_open(&whole->test, config, COUNT(config), precision, false,
					kernels_select(ISA_AUTO, &error));
	for (int i = 0; i < SEQS; i++)
	{
		int32_t offsets[2] = {0, lengths[i]};
		Batch	batch = {.n_seqs = 1,
						 .n_tokens = lengths[i],
						 .offsets = offsets,
						 .input_ids = whole->ids[i],
						 .source = SOURCE,
						 .encoder_states = whole->states[i][0],
						 .logits = whole->logits[i][0]};

		for (int j = 0; j < lengths[i]; j++)
			whole->ids[i][j] = (int) ((test_random(&random) + 1.0f) / 2.0f * VOCAB);
		for (int j = 0; j < SOURCE * HIDDEN; j++)
			whole->states[i][j / HIDDEN][j % HIDDEN] = test_random(&random);
		run(&whole->test.model, &batch, 1);
	}
}

/* One step of all sequences: sequence i goes from begin[i] to end[i], or is not there when they are the
 * same. */
static void
step(Whole *whole, Cache *caches, const int *begin, const int *end, int threads)
{
	static float logits[SEQS * LONGEST][VOCAB], states[SEQS][SOURCE][HIDDEN];
	Cache		 present[SEQS];
	int32_t		 offsets[SEQS + 1] = {0}, ids[SEQS * LONGEST];
	int			 which[SEQS];
	Batch		 batch = {.offsets = offsets,
						  .input_ids = ids,
						  .source = SOURCE,
						  .encoder_states = states[0][0],
						  .caches = present,
						  .max_keys = LONGEST,
						  .logits = logits[0]};

	for (int i = 0; i < SEQS; i++)
	{
		if (begin[i] == end[i])
			continue;
		memcpy(ids + batch.n_tokens, whole->ids[i] + begin[i],
			   (size_t) (end[i] - begin[i]) * sizeof *ids);
		memcpy(states[batch.n_seqs], whole->states[i], sizeof states[0]);
		which[batch.n_seqs] = i;
		present[batch.n_seqs++] = caches[i];
		batch.n_tokens += end[i] - begin[i];
		offsets[batch.n_seqs] = batch.n_tokens;
	}
	run(&whole->test.model, &batch, threads);
	for (int k = 0; k < batch.n_seqs; k++)
	{
		int i = which[k];

		caches[i] = present[k];
		assert_int_equal(caches[i].length, end[i]);
		assert_true(caches[i].has_source);
		assert_memory_equal(logits[offsets[k]], whole->logits[i][begin[i]],
							(size_t) (end[i] - begin[i]) * sizeof logits[0]);
	}
}

static void
check_steps(Precision precision, int threads)
{
	static const int ends[][SEQS] = {{0, 0, 0},	 {5, 0, 3},	  {6, 1, 3},
									 {7, 1, 13}, {16, 1, 14}, {LONGEST, 1, 14}};
	Whole			*whole = calloc(1, sizeof *whole);
	Cache			 caches[SEQS];

	whole_open(whole, precision);
	for (int i = 0; i < SEQS; i++)
	{
		size_t size = cache_floats(&whole->test.model.cache, LONGEST, SOURCE) * sizeof(float);

		caches[i] = (Cache){.data = malloc(size), .capacity = LONGEST, .source = SOURCE};
		memset(caches[i].data, 0xFF, size);
	}
	for (int n = 1; n < COUNT(ends); n++)
		step(whole, caches, ends[n - 1], ends[n], threads);
	for (int i = 0; i < SEQS; i++)
		free(caches[i].data);
	test_model_close(&whole->test);
	free(whole);
}

static void
steps_have_the_bits_of_a_whole_pass(void **state)
{
	(void) state;
	for (int threads = 1; threads <= 3; threads += 2)
	{
		check_steps(PRECISION_FP32, threads);
		check_steps(PRECISION_BF16, threads);
		check_steps(PRECISION_INT8, threads);
	}
}

static void
logits_come_for_chosen_tokens(void **state)
{
	static const int32_t chosen[] = {LONGEST - 1, 3, 3, 0};
	Whole				*whole = calloc(1, sizeof *whole);
	float				 logits[COUNT(chosen)][VOCAB];
	int32_t				 offsets[2] = {0, LONGEST};
	Batch				 batch = {.n_seqs = 1,
								  .n_tokens = LONGEST,
								  .offsets = offsets,
								  .source = SOURCE,
								  .logits = logits[0],
								  .n_logit_tokens = COUNT(chosen),
								  .logit_tokens = chosen};
	(void) state;

	whole_open(whole, PRECISION_FP32);
	batch.input_ids = whole->ids[0];
	batch.encoder_states = whole->states[0][0];
	run(&whole->test.model, &batch, 2);
	for (int i = 0; i < COUNT(chosen); i++)
		assert_memory_equal(logits[i], whole->logits[0][chosen[i]], sizeof logits[i]);
	test_model_close(&whole->test);
	free(whole);
}

static void
more_than_the_positions_is_refused(void **state)
{
	Whole  *whole = calloc(1, sizeof *whole);
	int32_t offsets[2] = {0, 2};
	Cache	cache = {.capacity = LONGEST + 1, .length = LONGEST - 1};
	Batch	batch = {.n_seqs = 1, .n_tokens = 2, .offsets = offsets, .caches = &cache};
	Error	error;
	(void) state;

	whole_open(whole, PRECISION_FP32);
	batch.input_ids = whole->ids[0];
	assert_false(model_check(&whole->test.model, &batch, &error));
	assert_string_equal(error.message, "sequence 0 has 24 tokens, but at most 23 are allowed");
	cache.length = LONGEST - 2;
	TEST_MUST(model_check(&whole->test.model, &batch, &error), error);
	test_model_close(&whole->test);
	free(whole);
}

/* ---- a past, between calls ---- */

static bool
plan(const Whole *whole, const uint8_t *past, size_t size, Error *error)
{
	ForwardInputs  inputs = {.input_ids = {.data = whole->ids[0], .rank = 1, .dims = {2}},
							 .past = past,
							 .past_size = size,
							 .use_cache = -1};
	ForwardOutputs outputs;

	return forward_plan(&whole->test.model, &inputs, &outputs, error);
}

static void
refuse(const Whole *whole, const uint8_t *past, size_t size, const char *message)
{
	Error error;

	assert_false(plan(whole, past, size, &error));
	if (strstr(error.message, message) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", message, error.message);
}

static void
a_past_is_checked(void **state)
{
	Whole		  *whole = calloc(1, sizeof *whole), *other = calloc(1, sizeof *other);
	ForwardInputs  inputs = {.input_ids = {.rank = 1, .dims = {5}}, .use_cache = 1};
	ForwardOutputs outputs;
	Workspace	   workspace;
	Crew		   alone = crew_alone(NULL);
	Error		   error;
	uint8_t		  *past;
	(void) state;

	whole_open(whole, PRECISION_FP32);
	whole_open(other, PRECISION_BF16);
	inputs.input_ids.data = whole->ids[0];
	TEST_MUST(forward_plan(&whole->test.model, &inputs, &outputs, &error), error);
	outputs.logits.data = malloc(outputs.logits.n * sizeof(float));
	past = outputs.past = malloc(outputs.past_size);
	workspace.size = forward_workspace(&whole->test.model, &inputs, 1);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	TEST_MUST(forward_run(&whole->test.model, &inputs, &workspace, &alone, &outputs, &error),
			  error);
	TEST_MUST(plan(whole, past, outputs.past_size, &error), error);
	for (size_t i = 0; i < outputs.past_size; i += i < 64 ? 1 : 97)
	{
		past[i] ^= 0x10;
		assert_false(plan(whole, past, outputs.past_size, &error));
		past[i] ^= 0x10;
	}
	for (size_t size = 0; size < outputs.past_size; size += size < 64 ? 1 : 101)
		assert_false(plan(whole, past, size, &error));
	refuse(whole, past, 3, "past is not what infer.forward returned: it has 3 bytes");
	refuse(whole, past, outputs.past_size - 4, "past was changed");
	refuse(other, past, outputs.past_size, "past comes from another model");
	inputs.past = past;
	inputs.past_size = outputs.past_size;
	inputs.input_ids = (IntArray){.data = whole->ids[0], .rank = 2, .dims = {2, 1}};
	assert_false(forward_plan(&whole->test.model, &inputs, &outputs, &error));
	assert_string_equal(error.message,
						"past has a batch of 1, but input_ids or inputs_embeds of 2");
	inputs.input_ids.dims[0] = 1;
	inputs.encoder_hidden_states =
		(FloatArray){.data = whole->states[0][0], .rank = 3, .dims = {1, SOURCE, HIDDEN}};
	assert_false(forward_plan(&whole->test.model, &inputs, &outputs, &error));
	assert_string_equal(error.message,
						"encoder_hidden_states has 4 positions, but past was made with 0");
	free(outputs.logits.data);
	free(past);
	free(workspace.base);
	test_model_close(&whole->test);
	test_model_close(&other->test);
	free(whole);
	free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_have_the_bits_of_a_whole_pass),
		cmocka_unit_test(logits_come_for_chosen_tokens),
		cmocka_unit_test(more_than_the_positions_is_refused),
		cmocka_unit_test(a_past_is_checked),
	};

	return cmocka_run_group_tests_name("decoder", tests, NULL, NULL);
}
