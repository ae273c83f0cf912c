/*
 * test_run_heads.c: what a runner makes of a head's logits, and what it does between two groups.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "task/probabilities.h"
#include "task/runner.h"
#include "test_models.h"

#define ITEMS 40
#define LONGEST 90
#define VOCAB 20000 /* so many that the logits of a group come by portions */
#define TARGETS 7

#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}
#define LIST(name, value)                                                                          \
	{                                                                                              \
		.key = name, .type = PARAM_LIST, .string = value                                           \
	}
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

#define BERT(class)                                                                                \
	{                                                                                              \
		LIST("architectures", "[\"" class "\"]"), INT("hidden_size", 64),                          \
			INT("intermediate_size", 96), INT("max_position_embeddings", LONGEST),                 \
			STRING("model_type", "bert"), INT("num_attention_heads", 4),                           \
			INT("num_hidden_layers", 1), INT("num_labels", 5), INT("vocab_size", VOCAB)            \
	}

static const ConfigParam lm[] = BERT("BertForMaskedLM");
static const ConfigParam tokens[] = BERT("BertForTokenClassification");
static const ConfigParam sequences[] = BERT("BertForSequenceClassification");
static const ConfigParam choices[] = {LIST("architectures", "[\"RoFormerForMultipleChoice\"]"),
									  INT("embedding_size", 64),
									  INT("hidden_size", 64),
									  INT("intermediate_size", 96),
									  INT("max_position_embeddings", LONGEST),
									  STRING("model_type", "roformer"),
									  INT("num_attention_heads", 4),
									  INT("num_hidden_layers", 2),
									  INT("vocab_size", VOCAB)};

static int32_t	  ids[ITEMS][LONGEST], targets[ITEMS][LONGEST], rows[ITEMS][LONGEST];
static RunItem	  items[ITEMS];
static size_t	  starts[ITEMS + 1]; /* of items' results */
static float	 *out, *alone;
static atomic_int left;

static uint64_t random_state = 99;

static int
random_below(int n)
{
	return (int) ((test_random(&random_state) + 1.0f) / 2.0f * (float) n) % n;
}

static float *
result(float *of, int item)
{
	return of + starts[item];
}

static Runner *
runner_of(Team *team)
{
	Error	error;
	Runner *runner = runner_create(team, &error);

	TEST_MUST(runner != NULL, error);
	return runner;
}

static void
open_model(TestModel *test, const ConfigParam *config, int n)
{
	Error error;

	test_model_open(test, config, n, PRECISION_FP32, true, kernels_select(ISA_AUTO, &error));
}

/* Items of all kinds of results, in turn. */
static void
make_items(const Model *model)
{
	int outputs = head_outputs(model);

	for (int i = 0; i < ITEMS; i++)
	{
		int		 n = 1 + (i * 37) % (LONGEST - 1);
		RunItem *item = &items[i];

		for (int t = 0; t < n; t++)
		{
			ids[i][t] = random_below(VOCAB);
			targets[i][t] = random_below(outputs);
			rows[i][t] = t;
		}
		*item = (RunItem){.ids = ids[i],
						  .n_tokens = n,
						  .result = (RunResult) (i % RUN_RESULTS),
						  .dimensions = 11,
						  .left = &left};
		if (head_is_by_token(model->head) && i % 3 == 1)
		{
			item->rows = rows[i];
			item->n_rows = (n + 1) / 2;
			for (int row = 0; row < item->n_rows; row++)
				rows[i][row] = n - 1 - row;
		}
		item->targets = targets[i];
		item->n_targets = outputs < TARGETS ? outputs : TARGETS;
		if (n < item->n_targets)
			item->n_targets = n;
		if (item->result == RUN_TARGETS)
			item->n_targets = !head_is_by_token(model->head) ? 1
							  : item->n_rows > 0			 ? item->n_rows
															 : n;
		starts[i + 1] = starts[i] + run_item_results(model, item);
	}
	out = calloc(starts[ITEMS], sizeof(float));
	alone = calloc(starts[ITEMS], sizeof(float));
	for (int i = 0; i < ITEMS; i++)
		items[i].out = result(out, i);
}

/* The logits of a sequence by itself, one row a token or one row. */
static void
plain_logits(const Model *model, const RunItem *item, float *logits)
{
	int32_t	  offsets[2] = {0, item->n_tokens};
	Batch	  batch = {.n_seqs = 1,
					   .n_tokens = item->n_tokens,
					   .offsets = offsets,
					   .input_ids = item->ids,
					   .logits = logits};
	Workspace workspace = {.size = model->family->workspace(model, &batch, 1)};
	Crew	  crew = crew_alone(NULL);
	Output	  output;

	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	assert_non_null(workspace.base);
	assert_true(model_forward(model, &batch, &workspace, &crew, &output));
	free(workspace.base);
}

static double
log_softmax(const float *z, int n, int target)
{
	double sum = 0.0, top = (double) z[0];

	for (int i = 0; i < n; i++)
		top = fmax(top, (double) z[i]);
	for (int i = 0; i < n; i++)
		sum += exp((double) z[i] - top);
	return (double) z[target] - top - log(sum);
}

/* One row of results beside its logits. */
static void
check_row(const RunItem *item, int index, const float *z, int n)
{
	const float	  *row = item->out + (size_t) index * (size_t) item->n_targets;
	const int32_t *top;
	int			   greater = 0;
	double		   expected;

	switch (item->result)
	{
		case RUN_LOGITS:
			assert_memory_equal(item->out + (size_t) index * (size_t) n, z,
								(size_t) n * sizeof(float));
			break;
		case RUN_TARGETS:
			expected = log_softmax(z, n, item->targets[index]);
			assert_true(fabs((double) item->out[index] - expected) < 5e-6 - 2e-7 * expected);
			break;
		case RUN_PROBABILITIES:
			for (int i = 0; i < item->n_targets; i++)
				assert_true(fabs((double) row[i] - exp(log_softmax(z, n, item->targets[i]))) <
							5e-6);
			break;
		case RUN_TOP:
			row += (size_t) index * (size_t) item->n_targets;
			top = (const int32_t *) (row + item->n_targets);
			for (int i = 0; i < item->n_targets; i++)
			{
				assert_true(fabs((double) row[i] - exp(log_softmax(z, n, top[i]))) < 5e-6);
				assert_true(i == 0 || z[top[i]] < z[top[i - 1]] ||
							(z[top[i]] == z[top[i - 1]] && top[i] > top[i - 1]));
			}
			for (int i = 0; i < n; i++)
				greater += z[i] > z[top[item->n_targets - 1]];
			assert_true(greater < item->n_targets);
			break;
		default:
			break;
	}
}

static void
check_against_plain_logits(const Model *model, const RunItem *item)
{
	int	   n = head_outputs(model);
	bool   by_token = head_is_by_token(model->head);
	int	   n_rows = !by_token ? 1 : item->n_rows > 0 ? item->n_rows : item->n_tokens;
	float *logits = malloc((size_t) item->n_tokens * (size_t) n * sizeof(float));

	if (item->result != RUN_VECTOR)
	{
		plain_logits(model, item, logits);
		for (int i = 0; i < n_rows; i++)
			check_row(item, i,
					  logits + (size_t) n * (size_t) (item->n_rows > 0 ? item->rows[i] : i), n);
	}
	free(logits);
}

static void
check_head(const ConfigParam *config, int n_config)
{
	TestModel test;
	Error	  error;

	open_model(&test, config, n_config);
	make_items(&test.model);
	for (int threads = 1; threads <= 3; threads++)
	{
		Team   *team = team_create(threads, NULL, &error);
		Runner *runner = runner_of(team);

		if (threads == 1)
			for (int i = 0; i < ITEMS; i++)
			{
				RunItem item = items[i];

				item.out = result(alone, i);
				atomic_store(&left, 1);
				TEST_MUST(runner_run(runner, &test.model, &item, 1, NULL, &error), error);
				assert_int_equal(atomic_load(&left), 0);
				check_against_plain_logits(&test.model, &item);
			}
		memset(out, 0, sizeof(float) * starts[ITEMS]);
		atomic_store(&left, ITEMS);
		TEST_MUST(runner_run(runner, &test.model, items, ITEMS, NULL, &error), error);
		assert_int_equal(atomic_load(&left), 0);
		assert_memory_equal(out, alone, sizeof(float) * starts[ITEMS]);
		runner_free(runner);
		team_destroy(team);
	}
	test_model_close(&test);
	free(out);
	free(alone);
}

static void
results_of_heads(void **state)
{
	(void) state;
	check_head(lm, COUNT(lm));
	check_head(tokens, COUNT(tokens));
	check_head(sequences, COUNT(sequences));
}

/* RF-52: a choice's score depends on its padding, but not on what is computed beside it. */
static void
padded_choices(void **state)
{
	TestModel test;
	Error	  error;
	RunItem	  padded[4], plain[4];
	float	  scores[4], single[4], unpadded[4];
	Team	 *team = team_create(2, NULL, &error);
	Runner	 *runner = runner_of(team);
	(void) state;

	open_model(&test, choices, COUNT(choices));
	for (int i = 0; i < 4; i++)
	{
		for (int t = 0; t < 20; t++)
			ids[i][t] = t < 20 - 3 * i ? random_below(VOCAB) : 0;
		padded[i] = (RunItem){.ids = ids[i],
							  .n_tokens = 20,
							  .n_padding = 3 * i,
							  .result = RUN_LOGITS,
							  .out = &scores[i]};
		plain[i] = padded[i];
		plain[i].n_tokens -= 3 * i;
		plain[i].n_padding = 0;
		plain[i].out = &unpadded[i];
	}
	TEST_MUST(runner_run(runner, &test.model, padded, 4, NULL, &error), error);
	TEST_MUST(runner_run(runner, &test.model, plain, 4, NULL, &error), error);
	for (int i = 0; i < 4; i++)
	{
		padded[i].out = &single[i];
		TEST_MUST(runner_run(runner, &test.model, &padded[i], 1, NULL, &error), error);
	}
	assert_memory_equal(scores, single, sizeof scores);
	assert_true(scores[0] == unpadded[0]);
	for (int i = 1; i < 4; i++)
		assert_true(fabsf(scores[i] - unpadded[i]) > 1e-4f);
	test_model_close(&test);
	runner_free(runner);
	team_destroy(team);
}

/* ---- between two groups ---- */

typedef struct Beside
{
	Runner		*runner;
	const Model *model;
	RunItem		 item;
	float		 out[8];
	int			 calls;
} Beside;

static void
compute_beside(void *argument)
{
	Beside *beside = argument;
	Error	error;

	memset(beside->out, 0, sizeof beside->out);
	beside->item.out = beside->out;
	if (!runner_run_beside(beside->runner, beside->model, &beside->item, 1, NULL, &error))
		fail_msg("%s", error.message);
	beside->calls++;
}

static void
others_between_groups(void **state)
{
	static RunItem many[30 * ITEMS];
	TestModel	   test, other;
	Error		   error;
	float		   expected[8] = {0};
	(void) state;

	open_model(&test, sequences, COUNT(sequences));
	open_model(&other, tokens, COUNT(tokens));
	make_items(&test.model);
	for (int threads = 1; threads <= 3; threads++)
	{
		Team	  *team = team_create(threads, NULL, &error);
		Runner	  *runner = runner_of(team);
		Beside	   beside = {.runner = runner, .model = &other.model, .item = items[0]};
		RunControl control = {.between = compute_beside, .argument = &beside};

		beside.item.dimensions = 8;
		beside.item.left = NULL;
		beside.item.out = expected;
		TEST_MUST(runner_run(runner, &other.model, &beside.item, 1, NULL, &error), error);
		for (int pass = 0; pass < 2; pass++)
		{
			for (int i = 0; i < COUNT(many); i++)
			{
				many[i] = items[i % ITEMS];
				many[i].out = result(pass == 0 ? alone : out, i % ITEMS);
				many[i].urgent = i % 4 == 3;
			}
			TEST_MUST(runner_run(runner, &test.model, many, COUNT(many),
								 pass == 0 ? NULL : &control, &error),
					  error);
		}
		assert_true(beside.calls > 1);
		assert_memory_equal(beside.out, expected, sizeof expected);
		assert_memory_equal(out, alone, sizeof(float) * starts[ITEMS]);
		runner_free(runner);
		team_destroy(team);
	}
	test_model_close(&test);
	test_model_close(&other);
	free(out);
	free(alone);
}

/* ---- wrong items ---- */

static void
refuse(Runner *runner, const Model *model, RunItem item, const char *message)
{
	Error error;

	assert_false(runner_run(runner, model, &item, 1, NULL, &error));
	assert_string_equal(error.message, message);
}

static void
wrong_items(void **state)
{
	static const ConfigParam base[] = BERT("BertModel");
	TestModel				 test;
	Error					 error;
	Team					*team = team_create(1, NULL, &error);
	Runner					*runner = runner_of(team);
	int32_t					 some[] = {1, 2, 3}, wrong[] = {1, VOCAB};
	float					 numbers[3];
	RunItem item = {.ids = some, .n_tokens = 3, .result = RUN_TARGETS, .out = numbers}, other;
	(void) state;

	open_model(&test, base, COUNT(base));
	refuse(runner, &test.model, item, "BertModel has no head");
	test_model_close(&test);
	open_model(&test, lm, COUNT(lm));
	item.targets = some;
	item.n_targets = 2;
	refuse(runner, &test.model, item, "2 targets are not those of 3 rows");
	item.rows = wrong;
	item.n_rows = 2;
	refuse(runner, &test.model, item, "row 20000 is not between 0 and 2");
	item.rows = some;
	item.targets = wrong;
	refuse(runner, &test.model, item, "target 20000 is not between 0 and 19999");
	other = item;
	other.n_rows = 4;
	refuse(runner, &test.model, other, "4 rows of 3 tokens are not possible");
	other = item;
	other.result = RUN_TOP;
	other.n_targets = VOCAB + 1;
	refuse(runner, &test.model, other, "the first 20001 of 20000 are not possible");
	other = item;
	other.n_padding = 3;
	refuse(runner, &test.model, other, "3 of 3 tokens can't be padding");
	other = item;
	other.shape_ids = some;
	refuse(runner, &test.model, other,
		   "a model of type \"bert\" takes no shape and pronunciation ids");
	test_model_close(&test);
	runner_free(runner);
	team_destroy(team);
}

static void
the_largest(void **state)
{
	static const float same[] = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f, 3.0f};
	float			   x[300];
	int32_t			   found[300];
	(void) state;

	largest(same, COUNT(same), 4, found);
	assert_int_equal(found[0], 1);
	assert_int_equal(found[1], 3);
	assert_int_equal(found[2], 5);
	assert_int_equal(found[3], 2);
	for (int i = 0; i < COUNT(x); i++)
		x[i] = (float) random_below(50);
	for (int k = 1; k <= COUNT(x); k++)
	{
		largest(x, COUNT(x), k, found);
		for (int i = 1; i < k; i++)
			assert_true(x[found[i]] < x[found[i - 1]] ||
						(x[found[i]] == x[found[i - 1]] && found[i] > found[i - 1]));
		for (int i = 0; i < COUNT(x); i++)
		{
			int better = 0;

			for (int j = 0; j < COUNT(x); j++)
				better += x[j] > x[i] || (x[j] == x[i] && j < i);
			assert_true(better >= k || found[better] == i);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_of_heads),		 cmocka_unit_test(padded_choices),
		cmocka_unit_test(others_between_groups), cmocka_unit_test(wrong_items),
		cmocka_unit_test(the_largest),
	};

	return cmocka_run_group_tests_name("run_heads", tests, NULL, NULL);
}
