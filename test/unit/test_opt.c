/*
 * test_opt.c: OPT's config, and its positions, which count what the mask keeps.  What it computes
 * is in test_forward.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_models.h"

#define VOCAB 31
#define POSITIONS 20
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))
#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}

static const ConfigParam small[] = {INT("ffn_dim", 24),
									INT("hidden_size", 24),
									INT("max_position_embeddings", POSITIONS),
									STRING("model_type", "opt"),
									INT("num_attention_heads", 3),
									INT("num_hidden_layers", 2),
									INT("vocab_size", VOCAB)};

static void
defaults_are_those_of_transformers(void **state)
{
	const ConfigParam items[] = {STRING("model_type", "opt")};
	Params			  params = {items, 1};
	Model			  model;
	Error			  error;
	(void) state;

	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_string_equal(model.architecture, "OPTModel");
	assert_int_equal(model.hidden_size, 768);
	assert_int_equal(model.layer_size, 768);
	assert_int_equal(model.embedding_size, 768);
	assert_int_equal(model.n_layers, 12);
	assert_int_equal(model.n_heads, 12);
	assert_true(model.head_mask_by_layer);
	assert_int_equal(model.vocab_size, 50272);
	assert_int_equal(model.type_vocab_size, 0);
	assert_int_equal(model.max_tokens, 2048);
	assert_int_equal(model.n_positions, 2048);
	assert_int_equal(model.pad_token_id, 1);
	assert_true(model.is_decoder && model.use_cache && model.tie_word_embeddings);
	assert_int_equal(model.cache.heads, 12);
	assert_int_equal(model.cache.key_width, 768);
	model_close(&model);
}

static void
words_may_have_another_width(void **state)
{
	const ConfigParam items[] = {INT("hidden_size", 1024), STRING("model_type", "opt"),
								 INT("num_attention_heads", 16), INT("word_embed_proj_dim", 512)};
	const ConfigParam odd[] = {INT("hidden_size", 1024), STRING("model_type", "opt"),
							   INT("num_attention_heads", 15)};
	Params			  params = {items, COUNT(items)};
	Model			  model;
	Error			  error;
	(void) state;

	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	assert_int_equal(model.hidden_size, 512);
	assert_int_equal(model.layer_size, 1024);
	assert_int_equal(model.embedding_size, 512);
	assert_int_equal(model_hidden_states(&model), 12);
	model_close(&model);
	params = (Params){odd, COUNT(odd)};
	assert_false(model_configure(&model, &params, NULL, &error));
	assert_string_equal(error.message,
						"hidden_size 1024 is not a multiple of num_attention_heads 15");
	model_close(&model);
}

static void
open_model(TestModel *test)
{
	Error		   error;
	const Kernels *kernels = kernels_select(ISA_AUTO, &error);

	TEST_MUST(kernels != NULL, error);
	test_model_open(test, small, COUNT(small), PRECISION_FP32, false, kernels);
}

static void
positions_are_limited_where_the_mask_keeps_tokens(void **state)
{
	int32_t	  ids[POSITIONS + 4] = {0}, offsets[2] = {0, POSITIONS + 4};
	float	  mask[POSITIONS + 4] = {0};
	Batch	  batch = {.n_seqs = 1,
					   .n_tokens = POSITIONS + 4,
					   .offsets = offsets,
					   .input_ids = ids,
					   .attention_mask = mask,
					   .mask_rows = 1,
					   .max_keys = POSITIONS + 4};
	Cache	  cache = {.length = POSITIONS};
	TestModel test;
	Error	  error;
	(void) state;

	open_model(&test);
	for (int i = 0; i < POSITIONS; i++)
		mask[i + i / 8] = 1.0f;
	TEST_MUST(model_check(&test.model, &batch, &error), error);
	mask[POSITIONS + 3] = 1.0f;
	assert_false(model_check(&test.model, &batch, &error));
	assert_string_equal(error.message, "sequence 0 has 21 tokens, but at most 20 are allowed");
	batch.mask_rows = POSITIONS + 4;
	assert_false(model_check(&test.model, &batch, &error));
	assert_string_equal(error.message,
						"attention_mask has 24 rows for each sequence, but OPTModel takes 1");
	batch = (Batch){.n_seqs = 1, .n_tokens = 1, .offsets = offsets, .input_ids = ids};
	batch.caches = &cache;
	offsets[1] = 1;
	assert_false(model_check(&test.model, &batch, &error));
	assert_string_equal(error.message, "sequence 0 has 21 tokens, but at most 20 are allowed");
	cache.length--;
	TEST_MUST(model_check(&test.model, &batch, &error), error);
	test_model_close(&test);
}

/* hidden_states (n_tokens, 24) of a batch. */
static float *
compute(const Model *model, const Batch *batch)
{
	Workspace workspace = {.size = model->family->workspace(model, batch, 1)};
	Crew	  crew = crew_alone(NULL);
	float	 *hidden = malloc((size_t) (batch->n_tokens * model->hidden_size) * sizeof(float));
	Output	  output;
	Error	  error;

	TEST_MUST(model_check(model, batch, &error), error);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size);
	assert_true(model_forward(model, batch, &workspace, &crew, &output));
	for (int i = 0; i < batch->n_tokens; i++)
		memcpy(hidden + (long) i * model->hidden_size, output.hidden_states + i * output.ld,
			   (size_t) model->hidden_size * sizeof(float));
	free(workspace.base);
	return hidden;
}

/* As in Transformers, a token is kept by 1 and by nothing else. */
static void
half_a_mask_hides_a_token(void **state)
{
	int32_t	  ids[5] = {3, 9, 4, 1, 5}, offsets[2] = {0, 5};
	float	  mask[5] = {1, 1, 0, 1, 1};
	Batch	  batch = {.n_seqs = 1,
					   .n_tokens = 5,
					   .offsets = offsets,
					   .input_ids = ids,
					   .attention_mask = mask,
					   .mask_rows = 1,
					   .max_keys = 5};
	float	 *hidden, *half;
	TestModel test;
	(void) state;

	open_model(&test);
	hidden = compute(&test.model, &batch);
	mask[2] = 0.5f;
	half = compute(&test.model, &batch);
	assert_memory_equal(hidden, half, 5 * 24 * sizeof(float));
	free(hidden);
	free(half);
	test_model_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_transformers),
		cmocka_unit_test(words_may_have_another_width),
		cmocka_unit_test(positions_are_limited_where_the_mask_keeps_tokens),
		cmocka_unit_test(half_a_mask_hides_a_token),
	};

	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
