/*
 * test_mega.c: MEGA's configs and limits, what a batch may have, and that chunks cost in proportion
 * to the length.  What it computes is in test_forward.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "model/position_bias.h"
#include "test_models.h"

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
#define MEGA STRING("model_type", "mega")

/* ---- configs ---- */

static void
configure(Model *model, const ConfigParam *items, int n)
{
	Params params = {items, n};
	Error  error;

	TEST_MUST(model_configure(model, &params, NULL, &error), error);
}

static void
refuse_config(const ConfigParam *items, int n, const char *message)
{
	Params params = {items, n};
	Model  model;
	Error  error;

	assert_false(model_configure(&model, &params, NULL, &error));
	assert_string_equal(error.message, message);
	model_close(&model);
}

static void
defaults_are_those_of_transformers(void **state)
{
	const ConfigParam items[] = {MEGA};
	Model			  model;
	(void) state;

	configure(&model, items, COUNT(items));
	assert_string_equal(model.architecture, "MegaModel");
	assert_int_equal(model.hidden_size, 128);
	assert_int_equal(model.n_layers, 4);
	assert_int_equal(model.vocab_size, 30522);
	assert_int_equal(model.type_vocab_size, 2);
	assert_int_equal(model.n_heads, 0);
	assert_int_equal(model.n_positions, 0);
	assert_int_equal(model.max_tokens, INT_MAX);
	assert_false(model.is_decoder);
	model_close(&model);
}

static void
decoders_keep_keys_values_and_states(void **state)
{
	const ConfigParam items[] = {BOOL("bidirectional", 0), INT("hidden_size", 40),
								 BOOL("is_decoder", 1), MEGA};
	const ConfigParam chunks[] = {BOOL("bidirectional", 0),
								  INT("chunk_size", 8),
								  INT("hidden_size", 40),
								  BOOL("is_decoder", 1),
								  MEGA,
								  BOOL("use_chunking", 1)};
	Model			  model;
	(void) state;

	configure(&model, items, COUNT(items));
	assert_int_equal(model.cache.key_width, 64);
	assert_int_equal(model.cache.value_width, 256);
	assert_int_equal(model.cache.state, 48 * 16);
	assert_int_equal(model.cache.heads, 1);
	model_close(&model);
	configure(&model, chunks, COUNT(chunks));
	assert_int_equal(model.cache.key_width, 0);
	assert_int_equal(model.cache.value_width, 0);
	assert_int_equal(model.cache.state, 48 * 16);
	model_close(&model);
}

static void
a_simple_bias_limits_the_length(void **state)
{
	const ConfigParam whole[] = {INT("max_positions", 50), MEGA,
								 STRING("relative_positional_bias", "simple")};
	const ConfigParam chunk_size[] = {INT("chunk_size", 20), INT("max_positions", 50), MEGA,
									  STRING("relative_positional_bias", "simple")};
	const ConfigParam chunks[] = {INT("chunk_size", 20), INT("max_positions", 50), MEGA,
								  STRING("relative_positional_bias", "simple"),
								  BOOL("use_chunking", 1)};
	Model			  model;
	(void) state;

	configure(&model, whole, COUNT(whole));
	assert_int_equal(model.max_tokens, 50);
	model_close(&model);
	configure(&model, chunk_size, COUNT(chunk_size));
	assert_int_equal(model.max_tokens, 20);
	model_close(&model);
	configure(&model, chunks, COUNT(chunks));
	assert_int_equal(model.max_tokens, INT_MAX);
	model_close(&model);
}

static void
numbers_that_do_not_go_together_are_refused(void **state)
{
	const ConfigParam no_chunk[] = {MEGA, BOOL("use_chunking", 1)};
	const ConfigParam odd[] = {MEGA, INT("shared_representation_size", 9)};
	const ConfigParam large[] = {INT("chunk_size", 60), INT("max_positions", 50), MEGA,
								 STRING("relative_positional_bias", "simple")};
	const ConfigParam leaks[] = {BOOL("is_decoder", 1), MEGA};
	const ConfigParam encoder[] = {BOOL("add_cross_attention", 1), MEGA};
	const ConfigParam truncation[] = {MEGA, INT("truncation", 0)};
	const ConfigParam norm[] = {MEGA, BOOL("norm_affine", 0),
								STRING("normalization_type", "layernorm")};
	(void) state;

	refuse_config(no_chunk, COUNT(no_chunk), "use_chunking is true, but chunk_size is -1");
	refuse_config(odd, COUNT(odd),
				  "relative_positional_bias is rotary, but shared_representation_size 9 or "
				  "hidden_size 128 is odd");
	refuse_config(large, COUNT(large),
				  "chunk_size 60 is not between 1 and max_positions 50, as "
				  "relative_positional_bias simple needs");
	refuse_config(leaks, COUNT(leaks),
				  "config.json has is_decoder true, but bidirectional true as well");
	refuse_config(encoder, COUNT(encoder),
				  "config.json has add_cross_attention true, but is_decoder false");
	refuse_config(truncation, COUNT(truncation),
				  "\"truncation\" is 0, but must lie between 1 and 2147483647");
	refuse_config(norm, COUNT(norm),
				  "normalization_type \"layernorm\" with norm_affine false is not supported");
}

/* ---- batches ---- */

static const int32_t ids[64] = {3};
static const int32_t offsets[3] = {0, 16, 32};

/* Two sequences of 16 tokens from infer.forward, changed by the caller. */
static Batch
batch_of_two(void)
{
	return (Batch){
		.n_seqs = 2, .n_tokens = 32, .offsets = offsets, .input_ids = ids, .max_keys = 16};
}

static void
refuse_batch(const Model *model, const Batch *batch, const char *message)
{
	Error error;

	assert_false(model_check(model, batch, &error));
	assert_string_equal(error.message, message);
}

static void
masks_are_of_zeros_and_ones(void **state)
{
	const ConfigParam items[] = {MEGA};
	float			  mask[32 * 16] = {0};
	Batch			  batch = batch_of_two();
	Model			  model;
	Error			  error;
	(void) state;

	configure(&model, items, COUNT(items));
	batch.attention_mask = mask;
	batch.mask_rows = 1;
	mask[31] = 1.0f;
	TEST_MUST(model_check(&model, &batch, &error), error);
	mask[30] = 0.25f;
	refuse_batch(&model, &batch, "attention_mask has the value 0.25, which is neither 0 nor 1");
	batch.mask_rows = 16;
	refuse_batch(&model, &batch,
				 "attention_mask has 16 rows for each sequence, but a MEGA model takes 1");
	model_close(&model);
}

static void
decoders_take_what_transformers_can_run(void **state)
{
	const ConfigParam chunks[] = {BOOL("bidirectional", 0), INT("chunk_size", 6),
								  BOOL("is_decoder", 1), MEGA, BOOL("use_chunking", 1)};
	const ConfigParam cross[] = {BOOL("add_cross_attention", 1),
								 BOOL("bidirectional", 0),
								 BOOL("is_decoder", 1),
								 INT("max_positions", 20),
								 MEGA,
								 STRING("relative_positional_bias", "simple")};
	Cache			  caches[2] = {{.length = 1}, {.length = 3}};
	Batch			  batch = batch_of_two();
	Model			  model;
	Error			  error;
	(void) state;

	configure(&model, chunks, COUNT(chunks));
	refuse_batch(&model, &batch,
				 "sequence 0 has 16 tokens, which is no multiple of chunk_size 6, as a decoder in "
				 "chunks needs");
	batch.max_keys = 0; /* a text, which is not for Transformers */
	TEST_MUST(model_check(&model, &batch, &error), error);
	model_close(&model);
	configure(&model, cross, COUNT(cross));
	batch.max_keys = 16;
	refuse_batch(&model, &batch,
				 "MegaModel has cross-attention, so encoder_hidden_states must be given");
	batch.source = 20;
	TEST_MUST(model_check(&model, &batch, &error), error);
	batch.source = 21;
	refuse_batch(&model, &batch,
				 "sequence 0 and its encoder_hidden_states span 21 positions, but at most 20 are "
				 "allowed");
	batch.source = 5;
	batch.caches = caches;
	refuse_batch(&model, &batch,
				 "sequence 0 has 16 tokens behind 1 cached ones, but a MEGA model takes one token "
				 "at a time");
	model_close(&model);
}

/* ---- computing ---- */

#define VOCAB 31
#define LONG_TEXT 16384

static const ConfigParam chunked[] = {INT("chunk_size", 32),
									  INT("hidden_size", 16),
									  INT("intermediate_size", 16),
									  INT("max_positions", 64),
									  MEGA,
									  INT("num_hidden_layers", 1),
									  BOOL("use_chunking", 1),
									  INT("vocab_size", VOCAB)};

static const Kernels *
kernels(void)
{
	Error		   error;
	const Kernels *chosen = kernels_select(ISA_AUTO, &error);

	TEST_MUST(chosen != NULL, error);
	return chosen;
}

/* hidden_states of a text, in memory of the caller's. */
static float *
compute(const Model *model, const int32_t *text, int n)
{
	int32_t	  ends[2] = {0, n};
	Batch	  batch = {.n_seqs = 1, .n_tokens = n, .offsets = ends, .input_ids = text};
	Workspace workspace = {.size = model->family->workspace(model, &batch, 1)};
	Crew	  crew = crew_alone(NULL);
	float	 *hidden = malloc((size_t) (n * model->hidden_size) * sizeof(float));
	Output	  output;
	Error	  error;

	TEST_MUST(model_check(model, &batch, &error), error);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size);
	assert_true(model_forward(model, &batch, &workspace, &crew, &output));
	for (int i = 0; i < n; i++)
		memcpy(hidden + (long) i * model->hidden_size, output.hidden_states + i * output.ld,
			   (size_t) model->hidden_size * sizeof(float));
	free(workspace.base);
	return hidden;
}

static long scores; /* that count_attention saw */

static void
count_attention(const AttentionArgs *args)
{
	scores += (long) args->n_queries * args->n_keys;
	kernels()->attention(args);
}

/* MG-55 */
static void
chunks_cost_in_proportion_to_the_length(void **state)
{
	static int32_t text[LONG_TEXT];
	TestModel	   test;
	Kernels		   counting = *kernels();
	(void) state;

	counting.attention = count_attention;
	test_model_open(&test, chunked, COUNT(chunked), PRECISION_FP32, false, &counting);
	for (int n = 32; n <= LONG_TEXT; n *= 2)
	{
		size_t bytes = model_workspace(&test.model, n, 1, 1);

		scores = 0;
		free(compute(&test.model, text, n));
		assert_int_equal(scores, (long) n * 32);
		assert_true(model_workspace(&test.model, 2 * n, 1, 1) <= 2 * bytes);
	}
	test_model_close(&test);
}

/* A bias that was not kept ready is computed with the same bits. */
static void
texts_may_be_longer_than_the_positions(void **state)
{
	const ConfigParam few[] = {INT("hidden_size", 16), INT("max_positions", 10), MEGA,
							   INT("num_hidden_layers", 1), INT("vocab_size", VOCAB)};
	const ConfigParam many[] = {INT("hidden_size", 16), INT("max_positions", 100), MEGA,
								INT("num_hidden_layers", 1), INT("vocab_size", VOCAB)};
	static int32_t	  text[90];
	float			 *hidden[2];
	TestModel		  test;
	(void) state;

	for (int i = 0; i < 90; i++)
		text[i] = i % VOCAB;
	test_model_open(&test, few, COUNT(few), PRECISION_FP32, false, kernels());
	hidden[0] = compute(&test.model, text, 90);
	test_model_close(&test);
	test_model_open(&test, many, COUNT(many), PRECISION_FP32, false, kernels());
	hidden[1] = compute(&test.model, text, 90);
	test_model_close(&test);
	assert_memory_equal(hidden[0], hidden[1], 90 * 16 * sizeof(float));
	free(hidden[0]);
	free(hidden[1]);
}

/* A decoder's text may end inside a chunk; what is before does not know. */
static void
a_decoder_in_chunks_takes_texts_of_any_length(void **state)
{
	const ConfigParam items[] = {BOOL("bidirectional", 0),
								 INT("chunk_size", 7),
								 INT("hidden_size", 16),
								 BOOL("is_decoder", 1),
								 MEGA,
								 INT("num_hidden_layers", 2),
								 BOOL("use_chunking", 1),
								 INT("vocab_size", VOCAB)};
	int32_t			  text[35];
	float			 *whole;
	TestModel		  test;
	(void) state;

	for (int i = 0; i < 35; i++)
		text[i] = (i * i) % VOCAB;
	test_model_open(&test, items, COUNT(items), PRECISION_FP32, false, kernels());
	whole = compute(&test.model, text, 35);
	for (int n = 1; n < 35; n++)
	{
		float *part = compute(&test.model, text, n);

		assert_memory_equal(part, whole, (size_t) (n * 16) * sizeof(float));
		free(part);
	}
	free(whole);
	test_model_close(&test);
}

/* ---- the bias ---- */

#define DIM 10
#define LENGTH 700

/* α turned by i times the angles, times β turned by j times the angles. */
static double
turned(const float *alpha, const float *beta, int i, int j)
{
	double sum = 0.0;

	for (int r = 0; r < DIM / 2; r++)
	{
		double angle = (double) expf((float) r * (float) (-log(10000.0) / (DIM / 2)));
		double ci = cos(i * angle), si = sin(i * angle), cj = cos(j * angle), sj = sin(j * angle);
		double a1 = (double) alpha[r], a2 = (double) alpha[r + DIM / 2];
		double b1 = (double) beta[r], b2 = (double) beta[r + DIM / 2];

		sum +=
			(a1 * ci - a2 * si) * (b1 * cj - b2 * sj) + (a2 * ci + a1 * si) * (b2 * cj + b1 * sj);
	}
	return sum;
}

static void
a_rotary_bias_is_that_of_turned_vectors(void **state)
{
	static float room[2 * LENGTH - 1];
	float		 alpha[DIM], beta[DIM];
	BiasConfig	 config = {.rotary = true, .dim = DIM, .positions = 1};
	PositionBias bias = {.alpha = alpha, .beta = beta};
	const float *zero;
	uint64_t	 random = 5;
	(void) state;

	for (int i = 0; i < DIM; i++)
	{
		alpha[i] = test_random(&random);
		beta[i] = test_random(&random);
	}
	assert_int_equal(position_bias_floats(&config, LENGTH), 2 * LENGTH - 1);
	zero = position_bias(&config, &bias, LENGTH, room);
	for (int distance = -(LENGTH - 1); distance < LENGTH; distance++)
	{
		int	   i = distance < 0 ? -distance : 0;
		double expected = turned(alpha, beta, i, i + distance);

		if (!(fabs((double) zero[distance] - expected) < 2e-5 * (1.0 + abs(distance) / 100.0)))
			fail_msg("distance %d has %g instead of %g", distance, (double) zero[distance],
					 expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_transformers),
		cmocka_unit_test(decoders_keep_keys_values_and_states),
		cmocka_unit_test(a_simple_bias_limits_the_length),
		cmocka_unit_test(numbers_that_do_not_go_together_are_refused),
		cmocka_unit_test(masks_are_of_zeros_and_ones),
		cmocka_unit_test(decoders_take_what_transformers_can_run),
		cmocka_unit_test(chunks_cost_in_proportion_to_the_length),
		cmocka_unit_test(texts_may_be_longer_than_the_positions),
		cmocka_unit_test(a_decoder_in_chunks_takes_texts_of_any_length),
		cmocka_unit_test(a_rotary_bias_is_that_of_turned_vectors),
	};

	return cmocka_run_group_tests_name("mega", tests, NULL, NULL);
}
