/*
 * test_bert.c: BERT against transformers (test/reference/make_bert.py), through an import.
 *
 * With PG_INFER_MINILM naming the folder of all-MiniLM-L6-v2, that model too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "import/binder.h"
#include "import/json.h"
#include "task/embed.h"
#include "test_models.h"

#define FIXTURES "test/reference"
#define GUARD 4096

/* The classes of small BERTs, and of one whose head is left aside. */
static const char *const cases[] = {"gelu",		   "odd_sizes",		   "one_head",
									"panel_heads", "relative_key",	   "relative_key_query",
									"decoder",	   "relative_decoder", "without_pooler",
									"masked_lm"};

typedef struct Expected
{
	char		*file;
	Batch		 batch;
	int			 hidden_size;
	const float *hidden_states; /* (n_tokens, hidden_size) */
	const float *pooled;		/* (n_seqs, hidden_size) */
} Expected;

static Expected
expected_read(const char *path)
{
	FileMap		   map;
	Error		   error;
	Expected	   expected;
	const int32_t *numbers;

	TEST_MUST(file_map(&map, path, &error), error);
	expected.file = malloc(map.size);
	memcpy(expected.file, map.data, map.size);
	file_unmap(&map);
	numbers = (const int32_t *) expected.file;
	expected.batch = (Batch){.n_seqs = numbers[0], .n_tokens = numbers[1], .offsets = numbers + 3};
	expected.hidden_size = numbers[2];
	expected.batch.input_ids = expected.batch.offsets + numbers[0] + 1;
	expected.batch.token_type_ids = expected.batch.input_ids + numbers[1];
	expected.hidden_states = (const float *) (expected.batch.token_type_ids + numbers[1]);
	expected.pooled = expected.hidden_states + (long) numbers[1] * numbers[2];
	return expected;
}

static const Kernels *
kernels_of(Isa isa)
{
	Error		   error;
	const Kernels *kernels = kernels_select(isa, &error);

	TEST_MUST(kernels != NULL, error);
	return kernels;
}

/* Imports a folder and opens the model. */
static void
import_folder(TestModel *test, const char *folder, Precision precision)
{
	static const ConfigParam architecture[] = {
		{.key = "architecture", .type = PARAM_STRING, .string = "BertModel"}};
	const Params model_params = {architecture, 1};
	char		 path[PATH_MAX], image[] = "/tmp/test_bert.XXXXXX";
	Checkpoint	 checkpoint;
	BindReport	 report;
	Params		 config;
	Arena		 arena;
	Error		 error;
	Model		 model;
	json_t		*json;
	ImageWriter *writer;
	bool		 found;
	int			 file = mkstemp(image);

	assert_true(file >= 0);
	close(file);
	unlink(image);
	arena_init(&arena, 0);
	snprintf(path, sizeof path, "%s/config.json", folder);
	json = json_read_object(path, JSON_CONFIG_LIMIT, &error);
	TEST_MUST(json != NULL, error);
	TEST_MUST(json_params(json, &arena, &config, &error), error);
	json_decref(json);
	TEST_MUST(model_configure(&model, &config, "BertModel", &error), error);
	TEST_MUST(checkpoint_open(&checkpoint, folder, &found, &error), error);
	assert_true(found);
	writer = image_writer_create(image, &error);
	TEST_MUST(writer != NULL, error);
	TEST_MUST(image_write_params(writer, "config", &config, &error), error);
	TEST_MUST(image_write_params(writer, "model", &model_params, &error), error);
	TEST_MUST(import_bind(&model, &checkpoint, writer, &(BindOptions){.precision = precision},
						  &arena, &report, &error),
			  error);
	TEST_MUST(image_writer_finish(writer, &error), error);
	checkpoint_close(&checkpoint);
	model_close(&model);
	arena_free(&arena);
	TEST_MUST(image_open(&test->image, image, &error), error);
	unlink(image);
	TEST_MUST(model_open(&test->model, &test->image, kernels_of(ISA_AUTO), &error), error);
}

/* A workspace of just the size asked for, with bytes behind it that must stay as they are. */
static Workspace
workspace_for(const Model *model, const Batch *batch, int threads)
{
	Workspace workspace;

	workspace.size = model_workspace(model, batch->n_tokens, batch->n_seqs, threads);
	workspace.base = aligned_alloc(64, (workspace.size + GUARD + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size); /* what is read unwritten becomes NaN */
	memset(workspace.base + workspace.size, 0x5A, GUARD);
	return workspace;
}

static void
workspace_close(Workspace *workspace)
{
	for (int i = 0; i < GUARD; i++)
		if (workspace->base[workspace->size + (size_t) i] != 0x5A)
			fail_msg("byte %d behind the workspace was written", i);
	free(workspace->base);
}

/* What one thread computes for a batch, which has been checked. */
static Output
forward(const Model *model, const Batch *batch, Workspace *workspace)
{
	Crew   crew = crew_alone(NULL);
	Output output;
	Error  error;

	TEST_MUST(model_check(model, batch, &error), error);
	assert_true(model->family->forward(model, batch, workspace, &crew, &output));
	return output;
}

static double
worst(const float *computed, long ld, const float *expected, int m, int n)
{
	double most = 0.0;

	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
		{
			double difference = fabs((double) computed[i * ld + j] - expected[(long) i * n + j]);

			most = difference <= most ? most : difference; /* NaN stays */
		}
	return most;
}

static void
hidden_states_are_those_of_transformers(void **state)
{
	(void) state;
	for (int i = 0; i < (int) (sizeof cases / sizeof *cases); i++)
		for (Isa isa = ISA_AVX512; isa <= ISA_GENERIC; isa++)
		{
			char	  path[PATH_MAX];
			TestModel test;
			Expected  expected;
			Workspace workspace;
			Output	  output;
			double	  hidden, pooled = 0.0;

			if (!isa_supported(isa))
				continue;
			snprintf(path, sizeof path, FIXTURES "/bert/%s", cases[i]);
			import_folder(&test, path, PRECISION_FP32);
			test.model.kernels = kernels_of(isa);
			snprintf(path, sizeof path, FIXTURES "/bert/%s/expected.bin", cases[i]);
			expected = expected_read(path);
			expected.batch.pooler = true;
			workspace = workspace_for(&test.model, &expected.batch, 1);
			output = forward(&test.model, &expected.batch, &workspace);
			hidden = worst(output.hidden_states, output.ld, expected.hidden_states,
						   expected.batch.n_tokens, expected.hidden_size);
			assert_int_equal(output.pooled != NULL, test.model.has_pooler);
			if (output.pooled != NULL)
				pooled = worst(output.pooled, output.ld, expected.pooled, expected.batch.n_seqs,
							   expected.hidden_size);
			print_message("%s, %s: hidden_states within %.1e, pooler_output within %.1e\n",
						  cases[i], isa_name(isa), hidden, pooled);
			assert_true(hidden < 5e-5 && pooled < 5e-5);
			workspace_close(&workspace);
			free(expected.file);
			test_model_close(&test);
		}
}

static void
positions_can_be_given(void **state)
{
	int32_t	  positions[1000];
	TestModel test;
	Expected  expected = expected_read(FIXTURES "/bert/gelu/expected.bin");
	Batch	  batch = expected.batch;
	Workspace workspace;
	Output	  output;
	(void) state;

	import_folder(&test, FIXTURES "/bert/gelu", PRECISION_FP32);
	workspace = workspace_for(&test.model, &batch, 1);
	for (int i = 0, sequence = 0; i < batch.n_tokens; i++)
	{
		while (batch.offsets[sequence + 1] <= i)
			sequence++;
		positions[i] = i - batch.offsets[sequence];
	}
	batch.position_ids = positions;
	output = forward(&test.model, &batch, &workspace);
	assert_null(output.pooled);
	assert_true(worst(output.hidden_states, output.ld, expected.hidden_states, batch.n_tokens,
					  expected.hidden_size) < 2e-5);
	positions[0] = 7;
	output = forward(&test.model, &batch, &workspace);
	assert_true(worst(output.hidden_states, output.ld, expected.hidden_states, 1,
					  expected.hidden_size) > 0.1);
	workspace_close(&workspace);
	free(expected.file);
	test_model_close(&test);
}

/* ---- all-MiniLM-L6-v2 ---- */

static float *
floats_read(const char *path, size_t *n)
{
	FileMap map;
	Error	error;
	float  *floats;

	TEST_MUST(file_map(&map, path, &error), error);
	floats = malloc(map.size);
	memcpy(floats, map.data, map.size);
	*n = map.size / sizeof(float);
	file_unmap(&map);
	return floats;
}

/* The mean-pooled, normalised vectors of all sequences, (n_seqs, 384), and the first rows of
 * hidden_states. */
static float *
embed_all(const char *folder, Precision precision, const Batch *batch, float *hidden, int rows)
{
	TestModel test;
	Workspace workspace;
	Output	  output;
	float	 *vectors;

	import_folder(&test, folder, precision);
	workspace = workspace_for(&test.model, batch, 1);
	output = forward(&test.model, batch, &workspace);
	assert_int_equal(test.model.hidden_size, 384);
	vectors = malloc((size_t) batch->n_seqs * 384 * sizeof(float));
	for (int i = 0; i < batch->n_seqs; i++)
		embed_pool(&test.model, batch, &output, i, POOLING_MEAN, 384, true, vectors + i * 384);
	for (int i = 0; i < rows; i++)
		memcpy(hidden + i * 384, output.hidden_states + i * output.ld, 384 * sizeof(float));
	workspace_close(&workspace);
	test_model_close(&test);
	return vectors;
}

/* Mean and least cosine of unit vectors. */
static void
cosines(const float *a, const float *b, int n, double *mean, double *least)
{
	*mean = 0.0, *least = 1.0;
	for (int i = 0; i < n; i++)
	{
		double cosine = 0.0;

		for (int j = 0; j < 384; j++)
			cosine += (double) a[i * 384 + j] * b[i * 384 + j];
		*mean += cosine / n;
		*least = fmin(*least, cosine);
	}
}

static void
minilm_is_that_of_sentence_transformers(void **state)
{
	const char *folder = getenv("PG_INFER_MINILM");
	Expected	texts;
	size_t		n_hidden, n_vectors;
	float	   *hidden, *vectors, *computed, *fp32, *bf16, *int8;
	double		mean, least, error;
	(void) state;

	if (folder == NULL)
	{
		print_message("PG_INFER_MINILM is not set\n");
		skip();
	}
	texts = expected_read(FIXTURES "/minilm/ids.bin");
	hidden = floats_read(FIXTURES "/minilm/hidden.bin", &n_hidden);
	vectors = floats_read(FIXTURES "/minilm/sentences.bin", &n_vectors);
	computed = malloc(n_hidden * sizeof(float));
	fp32 = embed_all(folder, PRECISION_FP32, &texts.batch, computed, (int) (n_hidden / 384));
	error = worst(computed, 384, hidden, (int) (n_hidden / 384), 384);
	print_message("fp32: hidden_states within %.1e", error);
	assert_true(error < 1e-5);
	error = worst(fp32, 384, vectors, (int) (n_vectors / 384), 384);
	print_message(", vectors within %.1e\n", error);
	assert_true(error < 1e-6);
	bf16 = embed_all(folder, PRECISION_BF16, &texts.batch, NULL, 0);
	cosines(fp32, bf16, texts.batch.n_seqs, &mean, &least);
	print_message("bf16: cosine to fp32 %.6f in the mean, %.6f at least\n", mean, least);
	assert_true(least > 0.999);
	int8 = embed_all(folder, PRECISION_INT8, &texts.batch, NULL, 0);
	cosines(fp32, int8, texts.batch.n_seqs, &mean, &least);
	print_message("int8: cosine to fp32 %.6f in the mean, %.6f at least\n", mean, least);
	assert_true(mean > 0.998 && least > 0.993);
	free(texts.file);
	free(hidden);
	free(vectors);
	free(computed);
	free(fp32);
	free(bf16);
	free(int8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_states_are_those_of_transformers),
		cmocka_unit_test(positions_can_be_given),
		cmocka_unit_test(minilm_is_that_of_sentence_transformers),
	};

	return cmocka_run_group_tests_name("bert", tests, NULL, NULL);
}
