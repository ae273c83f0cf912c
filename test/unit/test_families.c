/*
 * test_families.c: what every family owes: the same bits whatever computes beside a sequence, and configs
 * that are refused.  What they compute is compared with Transformers in test_forward.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>

#include "math/precise.h"
#include "test_models.h"

#define SEQUENCES 9
#define TOKENS 60 /* at most, of all sequences */
#define LONGEST 21
#define VOCAB 50
#define SOURCE 5
#define MAX_KEYS 16
#define MAX_HIDDEN 64
#define MAX_OUTPUTS 64
#define MAX_THREADS 3
#define GUARD 4096
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

typedef struct Setting
{
	const char *key;
	const char *string; /* NULL: an integer */
	int			integer;
} Setting;

/* A class with its config, beside the sizes that all have. */
typedef struct Subject
{
	const char *model_type, *architecture;
	Setting		settings[8];
} Subject;

static const Subject subjects[] = {
	{"bert", "BertModel", {{"hidden_size", NULL, 36}}},
	{"bert", "BertForPreTraining", {{"hidden_act", "relu"}}},
	{"bert", "BertLMHeadModel", {{"is_decoder", "true"}, {"add_cross_attention", "true"}}},
	{"roberta-prelayernorm", "RobertaPreLayerNormModel", {{"hidden_size", NULL, 36}}},
	{"roberta-prelayernorm",
	 "RobertaPreLayerNormModel",
	 {{"position_embedding_type", "relative_key_query"}}},
	{"roberta-prelayernorm",
	 "RobertaPreLayerNormForCausalLM",
	 {{"is_decoder", "true"}, {"add_cross_attention", "true"}}},
	{"roberta-prelayernorm", "RobertaPreLayerNormForSequenceClassification", {{NULL}}},
	{"roc_bert",
	 "RoCBertModel",
	 {{"shape_embed_dim", NULL, 10}, {"pronunciation_embed_dim", NULL, 7}}},
	{"roc_bert",
	 "RoCBertForMultipleChoice",
	 {{"concat_input", "false"},
	  {"shape_embed_dim", NULL, 32},
	  {"pronunciation_embed_dim", NULL, 32}}},
	{"roc_bert",
	 "RoCBertForCausalLM",
	 {{"is_decoder", "true"}, {"enable_shape", "false"}, {"pronunciation_embed_dim", NULL, 40}}},
	{"roformer", "RoFormerModel", {{"hidden_size", NULL, 40}, {"embedding_size", NULL, 24}}},
	{"roformer", "RoFormerModel", {{"rotary_value", "true"}, {"num_attention_heads", NULL, 1}}},
	{"roformer",
	 "RoFormerForCausalLM",
	 {{"is_decoder", "true"}, {"add_cross_attention", "true"}, {"embedding_size", NULL, 20}}},
	{"roformer", "RoFormerForTokenClassification", {{"hidden_act", "gelu_new"}}},
	{"roformer",
	 "RoFormerForMultipleChoice",
	 {{"summary_type", "mean"}, {"summary_use_proj", "true"}, {"summary_activation", "tanh"}}},
};

/* ---- models ---- */

static ConfigParam
param(const Setting *setting)
{
	const char *string = setting->string;

	if (string == NULL)
		return (ConfigParam){.key = setting->key,
							 .type = PARAM_INT,
							 .integer = setting->integer,
							 .number = setting->integer};
	if (strcmp(string, "true") == 0 || strcmp(string, "false") == 0)
		return (ConfigParam){
			.key = setting->key, .type = PARAM_BOOL, .integer = strcmp(string, "true") == 0};
	return (ConfigParam){.key = setting->key, .type = PARAM_STRING, .string = string};
}

static const Setting sizes[] = {{"hidden_size", NULL, 32},
								{"intermediate_size", NULL, 52},
								{"max_position_embeddings", NULL, 24},
								{"num_attention_heads", NULL, 4},
								{"num_hidden_layers", NULL, 2},
								{"pronunciation_vocab_size", NULL, VOCAB},
								{"shape_vocab_size", NULL, VOCAB},
								{"vocab_size", NULL, VOCAB}};

static const Setting *
find_setting(const Setting *settings, int n, const char *key)
{
	for (int i = 0; i < n && settings[i].key != NULL; i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}

/* A subject's config, in the arena. */
static Params
config_of(const Subject *subject, Arena *arena)
{
	Setting		  architectures = {"architectures", NULL, 0};
	Setting		  model_type = {"model_type", subject->model_type, 0};
	ConfigParam	  list = {.key = architectures.key, .type = PARAM_LIST}, type = param(&model_type);
	char		 *text = arena_alloc(arena, 100, 1);
	ParamsBuilder builder;
	Params		  params;
	Error		  error;

	snprintf(text, 100, "[\"%s\"]", subject->architecture);
	list.string = text;
	params_builder_init(&builder, arena);
	TEST_MUST(params_add(&builder, &list, &error) && params_add(&builder, &type, &error), error);
	for (int i = 0; i < COUNT(sizes); i++)
		if (find_setting(subject->settings, COUNT(subject->settings), sizes[i].key) == NULL)
		{
			ConfigParam size = param(&sizes[i]);

			TEST_MUST(params_add(&builder, &size, &error), error);
		}
	for (int i = 0; i < COUNT(subject->settings) && subject->settings[i].key != NULL; i++)
	{
		ConfigParam setting = param(&subject->settings[i]);

		TEST_MUST(params_add(&builder, &setting, &error), error);
	}
	TEST_MUST(params_build(&builder, &params, &error), error);
	return params;
}

static void
open_subject(TestModel *test, const Subject *subject, Precision precision)
{
	Error  error;
	Arena  arena;
	Params params;

	arena_init(&arena, 0);
	params = config_of(subject, &arena);
	test_model_open(test, params.items, params.n, precision, true,
					kernels_select(ISA_AUTO, &error));
	arena_free(&arena);
}

/* ---- batches ---- */

static int32_t offsets[SEQUENCES + 1], ids[TOKENS], types[TOKENS], shapes[TOKENS];
static float   states[SEQUENCES * SOURCE * MAX_HIDDEN];

/* Sequences of odd lengths; padding is among their ids. */
static Batch
make_batch(const Model *model)
{
	static const int lengths[SEQUENCES] = {7, 1, LONGEST, 2, 9, 1, 5, 3, 6};
	uint64_t		 random = 99;

	for (int i = 0; i < SEQUENCES; i++)
		offsets[i + 1] = offsets[i] + lengths[i];
	for (int i = 0; i < offsets[SEQUENCES]; i++)
	{
		ids[i] = (int32_t) ((test_random(&random) + 1.0f) * VOCAB / 2);
		shapes[i] = (int32_t) ((test_random(&random) + 1.0f) * VOCAB / 2);
		types[i] = i % 3 == 0;
	}
	for (int i = 0; i < COUNT(states); i++)
		states[i] = test_random(&random);
	return (Batch){.n_seqs = SEQUENCES,
				   .n_tokens = offsets[SEQUENCES],
				   .offsets = offsets,
				   .input_ids = ids,
				   .token_type_ids = types,
				   .shape_ids = model->shape_vocab_size > 0 ? shapes : NULL,
				   .pronunciation_ids = model->shape_vocab_size > 0 ? ids : NULL,
				   .source = model->has_cross_attention ? SOURCE : 0,
				   .encoder_states = model->has_cross_attention ? states : NULL,
				   .pooler = model->has_pooler};
}

/* One sequence of a batch; its offsets are the caller's. */
static Batch
take_sequence(const Model *model, const Batch *batch, int sequence, int32_t own_offsets[2])
{
	int	  begin = batch->offsets[sequence];
	Batch own = *batch;

	own_offsets[0] = 0;
	own_offsets[1] = own.n_tokens = batch->offsets[sequence + 1] - begin;
	own.n_seqs = 1;
	own.offsets = own_offsets;
	own.input_ids += begin;
	own.token_type_ids += begin;
	own.shape_ids = own.shape_ids != NULL ? own.shape_ids + begin : NULL;
	own.pronunciation_ids = own.pronunciation_ids != NULL ? own.pronunciation_ids + begin : NULL;
	if (own.encoder_states != NULL)
		own.encoder_states += (long) sequence * SOURCE * model->layer_size;
	return own;
}

/* What a pass gives. */
typedef struct Result
{
	float hidden[TOKENS * MAX_HIDDEN]; /* (n_tokens, hidden_size) */
	float pooled[SEQUENCES * MAX_HIDDEN];
	float logits[TOKENS * MAX_OUTPUTS];
} Result;

static void
compute(const Model *model, Batch batch, const Crew *crew, Result *result)
{
	size_t	  row = (size_t) model->hidden_size * sizeof(float);
	Workspace workspace;
	Output	  output;
	Error	  error;

	assert_true(model->hidden_size <= MAX_HIDDEN && head_outputs(model) <= MAX_OUTPUTS);
	memset(result, 0, sizeof *result);
	if (model->head != HEAD_BASE)
		batch.logits = result->logits;
	TEST_MUST(model_check(model, &batch, &error), error);
	workspace.size = model->family->workspace(model, &batch, crew->size);
	workspace.base = aligned_alloc(64, (workspace.size + GUARD + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size); /* what is read unwritten becomes NaN */
	memset(workspace.base + workspace.size, 0x5A, GUARD);
	assert_true(model_forward(model, &batch, &workspace, crew, &output));
	for (int i = 0; i < GUARD; i++)
		if (workspace.base[workspace.size + (size_t) i] != 0x5A)
			fail_msg("%s: byte %d behind the workspace was written", model->architecture, i);
	for (int i = 0; i < batch.n_tokens; i++)
		memcpy(result->hidden + (long) i * model->hidden_size, output.hidden_states + i * output.ld,
			   row);
	for (int i = 0; output.pooled != NULL && i < batch.n_seqs; i++)
		memcpy(result->pooled + (long) i * model->hidden_size, output.pooled + i * output.ld, row);
	free(workspace.base);
}

static void
assert_same(const Model *model, const char *what, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(a + i, b + i, sizeof *a) != 0 || !isfinite(a[i]))
			fail_msg("%s, %s: number %zu is %.9g and %.9g", model->architecture, what, i,
					 (double) a[i], (double) b[i]);
}

/* own is sequence of whole, computed in another company. */
static void
assert_part(const Model *model, const char *what, const Batch *batch, int sequence,
			const Result *own, const Result *whole)
{
	size_t begin = (size_t) batch->offsets[sequence], at = (size_t) sequence;
	size_t n = (size_t) batch->offsets[sequence + 1] - begin, hidden = (size_t) model->hidden_size;
	size_t outputs = (size_t) head_outputs(model);
	bool   by_token = head_is_by_token(model->head);

	assert_same(model, what, own->hidden, whole->hidden + begin * hidden, n * hidden);
	assert_same(model, what, own->pooled, whole->pooled + at * hidden, hidden);
	assert_same(model, what, own->logits, whole->logits + (by_token ? begin : at) * outputs,
				(by_token ? n : 1) * outputs);
}

static void
a_sequence_alone_gives_the_bits_it_gives_among_others(void **state)
{
	static Result whole, own;
	Crew		  alone = crew_alone(NULL);
	Team		 *teams[MAX_THREADS + 1];
	Error		  error;
	(void) state;

	for (int threads = 2; threads <= MAX_THREADS; threads++)
		TEST_MUST((teams[threads] = team_create(threads, NULL, &error)) != NULL, error);
	for (int s = 0; s < COUNT(subjects); s++)
		for (Precision precision = PRECISION_FP32; precision <= PRECISION_INT8; precision++)
		{
			TestModel test;
			Model	 *model = &test.model;
			Batch	  batch;

			open_subject(&test, &subjects[s], precision);
			batch = make_batch(model);
			compute(model, batch, &alone, &whole);
			for (int i = 0; i < SEQUENCES; i++)
			{
				int32_t own_offsets[2];
				Batch	sequence = take_sequence(model, &batch, i, own_offsets);

				compute(model, sequence, &alone, &own);
				assert_part(model, "alone", &batch, i, &own, &whole);
			}
			for (int threads = 2; threads <= MAX_THREADS; threads++)
			{
				Crew crew = crew_of_team(teams[threads], NULL);

				compute(model, batch, &crew, &own);
				assert_memory_equal(&own, &whole, sizeof own);
			}
			for (Isa isa = ISA_AVX512; isa <= ISA_GENERIC; isa++)
			{
				if (!isa_supported(isa))
					continue;
				model->kernels = kernels_select(isa, &error);
				compute(model, batch, &alone, &own);
				assert_memory_equal(&own, &whole, sizeof own);
			}
			test_model_close(&test);
		}
	for (int threads = 2; threads <= MAX_THREADS; threads++)
		team_destroy(teams[threads]);
}

/* Padding on the right that a mask hides changes nothing, alone and beside others. */
static void
masked_padding_changes_no_bit(void **state)
{
	static Result  padded, own;
	static int32_t padded_ids[TOKENS], padded_offsets[SEQUENCES + 1];
	static float   mask[TOKENS];
	const int	   n = 3, columns = 12, lengths[] = {5, 12, 1};
	Crew		   alone = crew_alone(NULL);
	(void) state;

	for (int s = 0; s < COUNT(subjects); s++)
	{
		TestModel test;
		Model	 *model = &test.model;
		Batch	  batch;

		open_subject(&test, &subjects[s], PRECISION_INT8);
		batch = make_batch(model);
		for (int i = 0; i < n * columns; i++)
		{
			mask[i] = i % columns < lengths[i / columns];
			padded_ids[i] = mask[i] != 0 ? 2 + ids[i] % (VOCAB - 2) : model->pad_token_id;
		}
		for (int i = 0; i <= n; i++)
			padded_offsets[i] = i * columns;
		batch.n_seqs = n;
		batch.n_tokens = n * columns;
		batch.offsets = padded_offsets;
		batch.input_ids = padded_ids;
		batch.pronunciation_ids = batch.shape_ids;
		batch.attention_mask = mask;
		batch.mask_rows = 1;
		batch.max_keys = columns;
		compute(model, batch, &alone, &padded);
		for (int i = 0; i < n; i++)
		{
			int32_t own_offsets[2];
			Batch	sequence = take_sequence(model, &batch, i, own_offsets);

			sequence.attention_mask = mask + (long) i * columns;
			compute(model, sequence, &alone, &own);
			assert_part(model, "padded alone", &batch, i, &own, &padded);
			own_offsets[1] = sequence.n_tokens = lengths[i];
			sequence.attention_mask = NULL;
			sequence.mask_rows = sequence.max_keys = 0;
			compute(model, sequence, &alone, &own);
			assert_same(model, "without padding", own.hidden,
						padded.hidden + (long) i * columns * model->hidden_size,
						(size_t) lengths[i] * (size_t) model->hidden_size);
		}
		test_model_close(&test);
	}
}

/* Token by token, and all at once. */
static void
steps_give_the_bits_of_a_whole_pass(void **state)
{
	static Result whole, step;
	Crew		  alone = crew_alone(NULL);
	(void) state;

	for (int s = 0; s < COUNT(subjects); s++)
	{
		int32_t	  own_offsets[2], one[2] = {0, 1};
		TestModel test;
		Model	 *model = &test.model;
		Batch	  all, batch, token;
		Cache	  cache = {.capacity = MAX_KEYS};

		open_subject(&test, &subjects[s], PRECISION_FP32);
		all = make_batch(model);
		batch = take_sequence(model, &all, 4, own_offsets);
		for (int i = 0; i < batch.n_tokens; i++)
			ids[batch.input_ids - ids + i] |= 2; /* no padding */
		if (model->is_decoder)
		{
			cache.source = batch.source;
			cache.data = calloc(cache_floats(&model->cache, MAX_KEYS, cache.source), sizeof(float));
			compute(model, batch, &alone, &whole);
			for (int i = 0; i < batch.n_tokens; i++)
			{
				size_t outputs = (size_t) head_outputs(model);

				token = batch;
				token.n_tokens = 1;
				token.offsets = one;
				token.input_ids += i;
				token.token_type_ids += i;
				token.shape_ids = batch.shape_ids != NULL ? batch.shape_ids + i : NULL;
				token.pronunciation_ids =
					batch.pronunciation_ids != NULL ? batch.pronunciation_ids + i : NULL;
				token.caches = &cache;
				token.max_keys = i + 1;
				compute(model, token, &alone, &step);
				assert_int_equal(cache.length, i + 1);
				assert_same(model, "step", step.hidden,
							whole.hidden + (long) i * model->hidden_size,
							(size_t) model->hidden_size);
				assert_same(model, "step", step.logits, whole.logits + (size_t) i * outputs,
							outputs);
			}
			free(cache.data);
		}
		test_model_close(&test);
	}
}

/* ---- limits and configs ---- */

static void
padding_takes_no_position(void **state)
{
	const Subject subject = {"roberta-prelayernorm", "RobertaPreLayerNormModel", {{NULL}}};
	int32_t		  many[25], one[2] = {0, 23};
	float		  embeds[25] = {0};
	TestModel	  test;
	Model		 *model = &test.model;
	Batch		  batch = {.n_seqs = 1, .n_tokens = 23, .offsets = one, .input_ids = many};
	Cache		  cache = {.length = 2};
	Error		  error;
	(void) state;

	open_subject(&test, &subject, PRECISION_FP32);
	assert_int_equal(model->max_tokens, 22);
	assert_int_equal(model->max_columns, 24);
	for (int i = 0; i < 25; i++)
		many[i] = 7;
	assert_false(model_check(model, &batch, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	assert_string_equal(error.message, "sequence 0 has 23 tokens, but at most 22 are allowed");
	many[3] = model->pad_token_id;
	TEST_MUST(model_check(model, &batch, &error), error);
	batch.position_ids = batch.input_ids;
	many[3] = 7;
	TEST_MUST(model_check(model, &batch, &error), error);
	batch.position_ids = NULL;
	many[3] = many[4] = many[5] = many[6] = model->pad_token_id;
	one[1] = batch.n_tokens = 25;
	assert_false(model_check(model, &batch, &error));
	assert_string_equal(error.message, "sequence 0 has 25 tokens, but at most 24 are allowed");
	one[1] = batch.n_tokens = 22;
	batch.caches = &cache;
	TEST_MUST(model_check(model, &batch, &error), error);
	cache.length = 5;
	assert_false(model_check(model, &batch, &error));
	batch.caches = NULL;
	batch.input_ids = NULL;
	batch.inputs_embeds = embeds;
	one[1] = batch.n_tokens = 23;
	assert_false(model_check(model, &batch, &error));
	assert_string_equal(error.message, "sequence 0 has 23 tokens, but at most 22 are allowed");
	test_model_close(&test);
}

/* Configures, expecting failure with this message. */
static void
refuse(const Subject *subject, ErrorCode code, const char *message)
{
	Model  model;
	Arena  arena;
	Error  error;
	Params params;

	arena_init(&arena, 0);
	params = config_of(subject, &arena);
	assert_false(model_configure(&model, &params, NULL, &error));
	assert_int_equal(error.code, code);
	assert_string_equal(error.message, message);
	model_close(&model);
	arena_free(&arena);
}

static void
configs_that_do_not_go_together_are_refused(void **state)
{
	const Subject odd = {"roformer", "RoFormerModel", {{"hidden_size", NULL, 36}}};
	const Subject summary = {"roformer", "RoFormerForMultipleChoice", {{"summary_type", "attn"}}};
	const Subject labels = {"roformer",
							"RoFormerForMultipleChoice",
							{{"summary_use_proj", "true"},
							 {"summary_proj_to_labels", "true"},
							 {"num_labels", NULL, 3}}};
	const Subject padding = {
		"roberta-prelayernorm", "RobertaPreLayerNormModel", {{"pad_token_id", NULL, 23}}};
	const Subject question = {"roberta-prelayernorm",
							  "RobertaPreLayerNormForQuestionAnswering",
							  {{"num_labels", NULL, 3}}};
	const Subject width = {
		"roc_bert", "RoCBertModel", {{"concat_input", "false"}, {"shape_embed_dim", NULL, 32}}};
	const Subject cross = {"roc_bert", "RoCBertModel", {{"add_cross_attention", "true"}}};
	(void) state;

	refuse(&odd, ERR_DATA,
		   "hidden_size 36 and num_attention_heads 4 make heads of 9 numbers, which is not even");
	refuse(&summary, ERR_UNSUPPORTED, "summary_type \"attn\" is not supported");
	refuse(&labels, ERR_DATA,
		   "summary_proj_to_labels makes a summary of 3 numbers, but the classifier takes "
		   "hidden_size 32");
	refuse(&padding, ERR_DATA,
		   "max_position_embeddings 24 leaves no position behind pad_token_id 23");
	refuse(&question, ERR_DATA, "num_labels is 3, but question answering has 2 labels");
	refuse(
		&width, ERR_DATA,
		"pronunciation_embed_dim is 768, but averaging (concat_input false) takes hidden_size 32");
	refuse(&cross, ERR_DATA, "config.json has add_cross_attention true, but is_decoder false");
}

/* ---- RoFormer's table ---- */

typedef struct TableBinder
{
	Binder binder;
	float *table; /* (rows, columns) */
	int	   rows, columns;
} TableBinder;

static bool
compute_table(Binder *binder, const TensorSpec *spec, void *destination)
{
	TableBinder *own = (TableBinder *) binder;

	(void) destination;
	if (spec->compute == NULL)
		return true;
	assert_null(own->table);
	own->rows = spec->rows[0];
	own->columns = spec->columns;
	own->table = malloc((size_t) own->rows * (size_t) own->columns * sizeof(float));
	spec->compute(own->table, own->rows, own->columns);
	return true;
}

static void
sines_are_those_of_double_precision(void **state)
{
	const Subject subject = {
		"roformer", "RoFormerModel", {{"max_position_embeddings", NULL, 1536}}};
	TableBinder binder = {.binder = {.tensor = compute_table}};
	Params		params;
	Arena		arena;
	Model		model;
	Error		error;
	(void) state;

	arena_init(&arena, 0);
	params = config_of(&subject, &arena);
	binder.binder.error = &error;
	TEST_MUST(model_configure(&model, &params, NULL, &error), error);
	TEST_MUST(model_bind(&model, &binder.binder), error);
	assert_int_equal(binder.rows, 1536);
	assert_int_equal(binder.columns, 8);
	for (int p = 0; p < binder.rows; p++)
		for (int i = 0; i < 4; i++)
		{
			double		 angle = p / pow(10000.0, 2.0 * i / 8);
			const float *row = binder.table + p * 8;

			assert_true(fabs(row[i] - sin(angle)) <= 6.1e-8);
			assert_true(fabs(row[4 + i] - cos(angle)) <= 6.1e-8);
		}
	free(binder.table);
	model_close(&model);
	arena_free(&arena);
}

static void
sine_and_cosine_are_precise(void **state)
{
	uint64_t random = 5;
	(void) state;

	for (int i = 0; i < 100000; i++)
	{
		double x = (double) test_random(&random) * pow(2.0, i % 21);

		assert_true(fabs(precise_sin(x) - sin(x)) <= 4e-16 * fabs(sin(x)));
		assert_true(fabs(precise_cos(x) - cos(x)) <= 4e-16 * fabs(cos(x)));
	}
	assert_true(precise_sin(0.0) == 0.0 && precise_cos(0.0) == 1.0);
}

/* Half precision is enough for what was learnt, not for angles. */
static void
sines_are_fp32_in_every_image(void **state)
{
	const Subject subject = {"roformer", "RoFormerModel", {{NULL}}};
	TestModel	  test;
	Table		  table;
	Error		  error;
	(void) state;

	open_subject(&test, &subject, PRECISION_BF16);
	TEST_MUST(image_table(&test.image, "encoder.embed_positions", &table, &error), error);
	assert_int_equal(table.precision, PRECISION_FP32);
	TEST_MUST(image_table(&test.image, "embeddings.word_embeddings", &table, &error), error);
	assert_int_equal(table.precision, PRECISION_BF16);
	test_model_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sequence_alone_gives_the_bits_it_gives_among_others),
		cmocka_unit_test(masked_padding_changes_no_bit),
		cmocka_unit_test(steps_give_the_bits_of_a_whole_pass),
		cmocka_unit_test(padding_takes_no_position),
		cmocka_unit_test(configs_that_do_not_go_together_are_refused),
		cmocka_unit_test(sines_are_those_of_double_precision),
		cmocka_unit_test(sine_and_cosine_are_precise),
		cmocka_unit_test(sines_are_fp32_in_every_image),
	};

	return cmocka_run_group_tests_name("families", tests, NULL, NULL);
}
