/*
 * test_runner.c: the same bits whatever computes beside them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <time.h>

#include "task/runner.h"
#include "test_models.h"

#define ITEMS 50
#define LONGEST 160
#define MAX_THREADS 4

#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

/* Heads that are whole panels, and divide among 2 and 4 threads but not among 3. */
static const ConfigParam even[] = {INT("hidden_size", 128),
								   INT("intermediate_size", 96),
								   INT("max_position_embeddings", LONGEST),
								   STRING("model_type", "bert"),
								   INT("num_attention_heads", 4),
								   INT("num_hidden_layers", 1),
								   INT("vocab_size", 100)};

/* Nothing is a multiple of anything. */
static const ConfigParam odd[] = {STRING("hidden_act", "gelu_new"),
								  INT("hidden_size", 45),
								  INT("intermediate_size", 67),
								  INT("max_position_embeddings", LONGEST),
								  STRING("model_type", "bert"),
								  INT("num_attention_heads", 5),
								  INT("num_hidden_layers", 1),
								  STRING("position_embedding_type", "relative_key_query"),
								  INT("vocab_size", 100)};

static int32_t ids[ITEMS][LONGEST], type_ids[ITEMS][LONGEST];
static RunItem items[ITEMS];
static float   alone[ITEMS][128], out[ITEMS][128];

static void
make_items(int hidden_size)
{
	uint64_t random = 4711;

	memset(alone, 0, sizeof alone);
	memset(out, 0, sizeof out);
	for (int i = 0; i < ITEMS; i++)
	{
		int n_tokens = i == 40 ? LONGEST : i % 11 == 0 ? 40 + i : 1 + i % 23;

		for (int t = 0; t < n_tokens; t++)
		{
			ids[i][t] = (int32_t) ((test_random(&random) + 1.0f) * 50.0f) % 100;
			type_ids[i][t] = t > n_tokens / 2;
		}
		items[i] = (RunItem){.ids = ids[i],
							 .type_ids = i % 3 ? type_ids[i] : NULL,
							 .n_tokens = n_tokens,
							 .pooling = (Pooling) (i % 5),
							 .dimensions = i % 7 ? hidden_size : 17,
							 .normalize = i % 2,
							 .out = out[i]};
	}
}

static Runner *
runner_of(Team *team)
{
	Error	error;
	Runner *runner = runner_create(team, &error);

	TEST_MUST(runner != NULL, error);
	return runner;
}

/* Runs n items from first on, by steps of stride, and compares with what each gave alone. */
static void
compare(Runner *runner, const Model *model, int first, int n, int stride, const char *what)
{
	static RunItem some[ITEMS];
	Error		   error;

	for (int i = 0; i < n; i++)
	{
		some[i] = items[(first + i * stride) % ITEMS];
		memset(some[i].out, 0, sizeof out[0]);
	}
	TEST_MUST(runner_run(runner, model, some, n, NULL, &error), error);
	for (int i = 0; i < n; i++)
	{
		int item = (first + i * stride) % ITEMS;

		if (memcmp(alone[item], out[item], sizeof out[item]) != 0)
			fail_msg("%s: item %d of %d tokens has other bits in a batch of %d", what, item,
					 items[item].n_tokens, n);
	}
}

/* The reference is every item alone, on one thread, by the plain C kernels. */
static void
check_invariance(const ConfigParam *config, int n_config, Precision precision)
{
	Error	  error;
	TestModel test;
	Team	 *team = team_create(1, NULL, &error);
	Runner	 *runner = runner_of(team);

	test_model_open(&test, config, n_config, precision, true, kernels_select(ISA_GENERIC, &error));
	make_items(test.model.hidden_size);
	for (int i = 0; i < ITEMS; i++)
	{
		TEST_MUST(runner_run(runner, &test.model, &items[i], 1, NULL, &error), error);
		memcpy(alone[i], out[i], sizeof out[i]);
	}
	runner_free(runner);
	team_destroy(team);
	for (int threads = 1; threads <= MAX_THREADS; threads++)
	{
		team = team_create(threads, NULL, &error);
		runner = runner_of(team);
		TEST_MUST(runner_reserve(runner, &test.model, &error), error);
		for (Isa isa = ISA_AVX512; isa <= ISA_GENERIC; isa++)
		{
			char what[80];

			if (!isa_supported(isa) || (isa == ISA_GENERIC && threads != 3))
				continue;
			test.model.kernels = kernels_select(isa, &error);
			snprintf(what, sizeof what, "hidden_size %d, precision %d, %s, %d threads",
					 test.model.hidden_size, (int) precision, isa_name(isa), threads);
			compare(runner, &test.model, 0, ITEMS, 1, what);
			if (isa == ISA_GENERIC)
				continue; /* slow */
			compare(runner, &test.model, 5, ITEMS, 7, what);
			compare(runner, &test.model, 40, 1, 1, what);
			compare(runner, &test.model, 3, 1, 1, what);
			compare(runner, &test.model, 1, 2, 1, what);
			compare(runner, &test.model, 10, 7, 1, what);
		}
		runner_free(runner);
		team_destroy(team);
	}
	test_model_close(&test);
}

static void
bits_of_whole_panels(void **state)
{
	(void) state;
	for (Precision precision = PRECISION_FP32; precision <= PRECISION_INT8; precision++)
		check_invariance(even, COUNT(even), precision);
}

static void
bits_of_odd_sizes(void **state)
{
	(void) state;
	for (Precision precision = PRECISION_FP32; precision <= PRECISION_INT8; precision++)
		check_invariance(odd, COUNT(odd), precision);
}

static void
wrong_items_are_named(void **state)
{
	int32_t	  wrong[] = {1, 100};
	Error	  error;
	TestModel test;
	Team	 *team = team_create(2, NULL, &error);
	Runner	 *runner = runner_of(team);
	RunItem	  two[2];
	(void) state;

	test_model_open(&test, even, COUNT(even), PRECISION_FP32, false,
					kernels_select(ISA_GENERIC, &error));
	make_items(test.model.hidden_size);
	two[0] = items[1], two[1] = items[0];
	assert_true(runner_run(runner, &test.model, two, 0, NULL, &error));
	two[1].ids = wrong, two[1].n_tokens = 2, two[1].type_ids = NULL;
	assert_false(runner_run(runner, &test.model, two, 2, NULL, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	assert_string_equal(error.message, "input id 100 is not between 0 and 99");
	assert_string_equal(error.detail, "This is item 1 of 2, counted from 0. It is at token 1 of "
									  "sequence 0, both counted from 0.");
	two[1] = items[0], two[1].n_tokens = LONGEST + 1;
	assert_false(runner_run(runner, &test.model, two, 2, NULL, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	two[1] = items[0], two[1].dimensions = 129;
	assert_false(runner_run(runner, &test.model, two, 2, NULL, &error));
	assert_string_equal(error.message, "129 dimensions are not between 1 and 128");
	two[1] = items[0], two[1].pooling = POOLING_POOLER;
	assert_false(runner_run(runner, &test.model, two, 2, NULL, &error));
	assert_int_equal(error.code, ERR_UNSUPPORTED);
	assert_string_equal(error.message,
						"pooling \"pooler\" is not supported by a model without pooler");
	two[1] = items[0];
	TEST_MUST(runner_run(runner, &test.model, two, 2, NULL, &error), error);
	test_model_close(&test);
	runner_free(runner);
	team_destroy(team);
	runner_free(NULL);
}

static void *
cancel_soon(void *argument)
{
	struct timespec rest = {0, 3000000};

	nanosleep(&rest, NULL);
	atomic_store((atomic_bool *) argument, true);
	return NULL;
}

static void
a_cancelled_run_stops(void **state)
{
	static RunItem many[200 * ITEMS];
	static float   vectors[200 * ITEMS][128];
	Error		   error;
	TestModel	   test;
	(void) state;

	test_model_open(&test, even, COUNT(even), PRECISION_FP32, true,
					kernels_select(ISA_GENERIC, &error));
	make_items(test.model.hidden_size);
	for (int i = 0; i < COUNT(many); i++)
	{
		many[i] = items[i % ITEMS];
		many[i].out = vectors[i];
	}
	for (int threads = 1; threads <= 3; threads++)
	{
		Team	   *team = team_create(threads, NULL, &error);
		Runner	   *runner = runner_of(team);
		atomic_bool cancel = true;
		RunControl	control = {.cancel = &cancel};
		pthread_t	thread;

		for (int n = 1; n <= ITEMS; n += ITEMS - 1) /* together, and apart */
		{
			assert_false(runner_run(runner, &test.model, items, n, &control, &error));
			assert_int_equal(error.code, ERR_CANCELLED);
		}
		atomic_store(&cancel, false);
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
		assert_false(runner_run(runner, &test.model, many, COUNT(many), &control, &error));
		assert_int_equal(error.code, ERR_CANCELLED);
		pthread_join(thread, NULL);
		atomic_store(&cancel, false);
		TEST_MUST(runner_run(runner, &test.model, items, 4, &control, &error), error);
		runner_free(runner);
		team_destroy(team);
	}
	test_model_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_of_whole_panels),
		cmocka_unit_test(bits_of_odd_sizes),
		cmocka_unit_test(wrong_items_are_named),
		cmocka_unit_test(a_cancelled_run_stops),
	};

	return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
