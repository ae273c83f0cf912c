/*
 * test_invariance.c: the same bits, whatever the batch, the threads, the instruction set, the
 * steps.
 *
 * Models of OPT and MEGA with random weights.  Each sequence is computed alone on one thread;
 * nothing that is computed in another way may differ from that.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_models.h"

#define VOCAB 31
#define SEQS 4
#define LONGEST 150
#define THREADS 3
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

static const int lengths[SEQS] = {LONGEST, 1, 70, 19};

/* OPT: 3 heads of 20 numbers, norms in front, words projected. */
static const ConfigParam opt[] = {LIST("architectures", "[\"OPTForCausalLM\"]"),
								  INT("ffn_dim", 50),
								  INT("hidden_size", 60),
								  INT("max_position_embeddings", LONGEST),
								  STRING("model_type", "opt"),
								  INT("num_attention_heads", 3),
								  INT("num_hidden_layers", 2),
								  INT("vocab_size", VOCAB),
								  INT("word_embed_proj_dim", 33)};

/* Norms behind, and little else. */
static const ConfigParam opt_post_norm[] = {LIST("architectures", "[\"OPTForCausalLM\"]"),
											BOOL("do_layer_norm_before", 0),
											BOOL("enable_bias", 0),
											INT("ffn_dim", 50),
											INT("hidden_size", 64),
											BOOL("layer_norm_elementwise_affine", 0),
											INT("max_position_embeddings", LONGEST),
											STRING("model_type", "opt"),
											INT("num_attention_heads", 4),
											INT("num_hidden_layers", 2),
											INT("vocab_size", VOCAB)};

static const ConfigParam mega[] = {LIST("architectures", "[\"MegaForMaskedLM\"]"),
								   INT("ema_projection_size", 5),
								   INT("hidden_size", 36),
								   INT("intermediate_size", 44),
								   INT("max_positions", LONGEST),
								   STRING("model_type", "mega"),
								   INT("nffn_hidden_size", 40),
								   INT("num_hidden_layers", 2),
								   INT("shared_representation_size", 12),
								   INT("vocab_size", VOCAB)};
static const ConfigParam mega_chunks[] = {LIST("architectures", "[\"MegaForMaskedLM\"]"),
										  STRING("attention_activation", "laplace"),
										  INT("chunk_size", 16),
										  INT("ema_projection_size", 16),
										  INT("hidden_size", 36),
										  INT("intermediate_size", 44),
										  STRING("model_type", "mega"),
										  STRING("normalization_type", "rmsnorm"),
										  INT("num_hidden_layers", 2),
										  STRING("relative_positional_bias", "simple"),
										  INT("truncation", 9),
										  BOOL("use_chunking", 1),
										  INT("vocab_size", VOCAB)};
static const ConfigParam mega_decoder[] = {LIST("architectures", "[\"MegaForCausalLM\"]"),
										   BOOL("bidirectional", 0),
										   INT("ema_projection_size", 5),
										   INT("hidden_size", 36),
										   INT("intermediate_size", 44),
										   BOOL("is_decoder", 1),
										   INT("max_positions", 40),
										   STRING("model_type", "mega"),
										   BOOL("normalize_before_mega", 0),
										   INT("num_hidden_layers", 2),
										   INT("shared_representation_size", 12),
										   INT("vocab_size", VOCAB)};

static const struct
{
	const char		  *name;
	const ConfigParam *items;
	int				   n;
} configs[] = {
	{"opt", opt, COUNT(opt)},
	{"opt, norms behind", opt_post_norm, COUNT(opt_post_norm)},
	{"mega", mega, COUNT(mega)},
	{"mega in chunks", mega_chunks, COUNT(mega_chunks)},
	{"mega, a decoder", mega_decoder, COUNT(mega_decoder)},
};

/* The tokens of the sequences, and what each alone gives. */
typedef struct Alone
{
	int32_t ids[SEQS][LONGEST];
	float	logits[SEQS][LONGEST][VOCAB];
	float  *hidden[SEQS]; /* (length, hidden_size) */
} Alone;

/* Computes a batch; hidden (n_tokens, hidden_size) may be NULL. */
static void
run(const Model *model, const Batch *batch, int threads, float *hidden)
{
	Workspace workspace = {.size = model->family->workspace(model, batch, threads)};
	Error	  error;
	Team	 *team = team_create(threads, NULL, &error);
	Crew	  crew = threads > 1 ? crew_of_team(team, NULL) : crew_alone(NULL);
	Output	  output;

	assert_non_null(team);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size);
	TEST_MUST(model_check(model, batch, &error), error);
	assert_true(model_forward(model, batch, &workspace, &crew, &output));
	for (int i = 0; hidden != NULL && i < batch->n_tokens; i++)
		memcpy(hidden + (long) i * model->hidden_size, output.hidden_states + i * output.ld,
			   (size_t) model->hidden_size * sizeof(float));
	free(workspace.base);
	team_destroy(team);
}

static Alone *
compute_alone(const Model *model)
{
	Alone	*alone = calloc(1, sizeof *alone);
	uint64_t random = 7;

	for (int i = 0; i < SEQS; i++)
	{
		int32_t offsets[2] = {0, lengths[i]};
		Batch	batch = {.n_seqs = 1,
						 .n_tokens = lengths[i],
						 .offsets = offsets,
						 .input_ids = alone->ids[i],
						 .logits = alone->logits[i][0]};

		for (int j = 0; j < lengths[i]; j++)
			alone->ids[i][j] = (int) ((test_random(&random) + 1.0f) / 2.0f * VOCAB);
		alone->hidden[i] = malloc((size_t) (lengths[i] * model->hidden_size) * sizeof(float));
		run(model, &batch, 1, alone->hidden[i]);
		for (int j = 0; j < lengths[i]; j++)
			for (int k = 0; k < VOCAB; k++)
				assert_true(isfinite(alone->logits[i][j][k]));
	}
	return alone;
}

static void
alone_free(Alone *alone)
{
	for (int i = 0; i < SEQS; i++)
		free(alone->hidden[i]);
	free(alone);
}

/* All sequences in one batch. */
static void
check_together(const Model *model, const Alone *alone, int threads, const char *name)
{
	static float logits[SEQS * LONGEST][VOCAB];
	int32_t		 offsets[SEQS + 1] = {0}, ids[SEQS * LONGEST];
	Batch  batch = {.n_seqs = SEQS, .offsets = offsets, .input_ids = ids, .logits = logits[0]};
	float *hidden;

	for (int i = 0; i < SEQS; i++)
	{
		memcpy(ids + batch.n_tokens, alone->ids[i], (size_t) lengths[i] * sizeof *ids);
		batch.n_tokens += lengths[i];
		offsets[i + 1] = batch.n_tokens;
	}
	hidden = malloc((size_t) (batch.n_tokens * model->hidden_size) * sizeof(float));
	run(model, &batch, threads, hidden);
	for (int i = 0; i < SEQS; i++)
		if (memcmp(logits[offsets[i]], alone->logits[i], (size_t) lengths[i] * sizeof logits[0]) !=
				0 ||
			memcmp(hidden + (long) offsets[i] * model->hidden_size, alone->hidden[i],
				   (size_t) (lengths[i] * model->hidden_size) * sizeof(float)) != 0)
			fail_msg("%s: sequence %d differs in a batch on %d threads", name, i, threads);
	free(hidden);
}

/* Opens model i of the list. */
static void
open_model(TestModel *test, int i, Precision precision)
{
	Error		   error;
	const Kernels *kernels = kernels_select(ISA_AUTO, &error);

	TEST_MUST(kernels != NULL, error);
	test_model_open(test, configs[i].items, configs[i].n, precision, false, kernels);
}

static void
batches_and_threads_change_no_bit(void **state)
{
	(void) state;
	for (int i = 0; i < COUNT(configs); i++)
		for (Precision precision = PRECISION_FP32; precision <= PRECISION_INT8; precision++)
		{
			TestModel test;
			Alone	 *alone;

			open_model(&test, i, precision);
			alone = compute_alone(&test.model);
			for (int threads = 1; threads <= THREADS; threads++)
				check_together(&test.model, alone, threads, configs[i].name);
			alone_free(alone);
			test_model_close(&test);
		}
}

static void
instruction_sets_change_no_bit(void **state)
{
	(void) state;
	for (int i = 0; i < COUNT(configs); i++)
		for (Precision precision = PRECISION_FP32; precision <= PRECISION_INT8; precision++)
		{
			TestModel test;
			Alone	 *alone;
			Error	  error;

			open_model(&test, i, precision);
			test.model.kernels = kernels_select(ISA_GENERIC, &error);
			alone = compute_alone(&test.model);
			for (Isa isa = ISA_AVX512; isa <= ISA_AVX2; isa++)
				if (isa_supported(isa))
				{
					test.model.kernels = kernels_select(isa, &error);
					check_together(&test.model, alone, 1, configs[i].name);
				}
			alone_free(alone);
			test_model_close(&test);
		}
}

/* Goes on with every sequence that has tokens left: those from begin[i] to end[i] - 1. */
static void
step(const Model *model, const Alone *alone, Cache *caches, const int *begin, const int *end,
	 const char *name)
{
	static float logits[SEQS * LONGEST][VOCAB];
	Cache		 present[SEQS];
	int32_t		 offsets[SEQS + 1] = {0}, ids[SEQS * LONGEST];
	int			 which[SEQS];
	Batch		 batch = {.offsets = offsets,
						  .input_ids = ids,
						  .caches = present,
						  .max_keys = LONGEST,
						  .logits = logits[0]};

	for (int i = 0; i < SEQS; i++)
	{
		if (begin[i] == end[i])
			continue;
		memcpy(ids + batch.n_tokens, alone->ids[i] + begin[i],
			   (size_t) (end[i] - begin[i]) * sizeof *ids);
		which[batch.n_seqs] = i;
		present[batch.n_seqs++] = caches[i];
		batch.n_tokens += end[i] - begin[i];
		offsets[batch.n_seqs] = batch.n_tokens;
	}
	run(model, &batch, 2, NULL);
	for (int k = 0; k < batch.n_seqs; k++)
	{
		int i = which[k];

		caches[i] = present[k];
		assert_int_equal(caches[i].length, end[i]);
		if (memcmp(logits[offsets[k]], alone->logits[i][begin[i]],
				   (size_t) (end[i] - begin[i]) * sizeof logits[0]) != 0)
			fail_msg("%s: tokens %d .. %d of sequence %d differ behind a cache", name, begin[i],
					 end[i] - 1, i);
	}
}

/* A first part of each sequence, then token by token. */
static void
check_steps(const Model *model, const Alone *alone, const char *name)
{
	static const int prompts[SEQS] = {LONGEST - 12, 1, 66, 7};
	int				 begin[SEQS] = {0}, end[SEQS], left = 0;
	Cache			 caches[SEQS];

	for (int i = 0; i < SEQS; i++)
	{
		size_t size = cache_floats(&model->cache, LONGEST, 0) * sizeof(float);

		caches[i] = (Cache){.data = malloc(size), .capacity = LONGEST};
		memset(caches[i].data, 0xFF, size);
		end[i] = prompts[i];
		left += lengths[i];
	}
	while (left > 0)
	{
		step(model, alone, caches, begin, end, name);
		left = 0;
		for (int i = 0; i < SEQS; i++)
		{
			begin[i] = end[i];
			end[i] += begin[i] < lengths[i];
			left += end[i] - begin[i];
		}
	}
	for (int i = 0; i < SEQS; i++)
		free(caches[i].data);
}

static void
steps_have_the_bits_of_a_whole_pass(void **state)
{
	(void) state;
	for (int i = 0; i < COUNT(configs); i++)
		for (Precision precision = PRECISION_FP32; precision <= PRECISION_INT8; precision++)
		{
			TestModel test;
			Alone	 *alone;

			open_model(&test, i, precision);
			if (test.model.is_decoder)
			{
				alone = compute_alone(&test.model);
				check_steps(&test.model, alone, configs[i].name);
				alone_free(alone);
			}
			test_model_close(&test);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_and_threads_change_no_bit),
		cmocka_unit_test(instruction_sets_change_no_bit),
		cmocka_unit_test(steps_have_the_bits_of_a_whole_pass),
	};

	return cmocka_run_group_tests_name("invariance", tests, NULL, NULL);
}
