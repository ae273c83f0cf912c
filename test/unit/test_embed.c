/*
 * test_embed.c: pooling.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "task/embed.h"
#include "test_models.h"

#define HIDDEN 37
#define STRIDE 48
#define TOKENS 40

static const int32_t offsets[] = {0, 1, 18, 40};
static float		 hidden_states[TOKENS * STRIDE], pooled[3 * STRIDE];

static void
fill(void)
{
	uint64_t random = 7;

	for (int i = 0; i < TOKENS * STRIDE; i++)
		hidden_states[i] = test_random(&random) * 3.0f;
	for (int i = 0; i < 3 * STRIDE; i++)
		pooled[i] = test_random(&random);
}

/* The pooled vector in double precision. */
static void
expect(Pooling pooling, int sequence, int dimensions, bool normalize, double *out)
{
	int	   begin = offsets[sequence], end = offsets[sequence + 1];
	double norm = 0.0;

	for (int j = 0; j < dimensions; j++)
	{
		double sum = 0.0, most = -INFINITY;

		for (int i = begin; i < end; i++)
		{
			sum += hidden_states[i * STRIDE + j];
			most = fmax(most, hidden_states[i * STRIDE + j]);
		}
		out[j] = pooling == POOLING_MEAN   ? sum / (end - begin)
				 : pooling == POOLING_MAX  ? most
				 : pooling == POOLING_CLS  ? hidden_states[begin * STRIDE + j]
				 : pooling == POOLING_LAST ? hidden_states[(end - 1) * STRIDE + j]
										   : pooled[sequence * STRIDE + j];
		norm += out[j] * out[j];
	}
	for (int j = 0; j < dimensions && normalize; j++)
		out[j] /= fmax(sqrt(norm), 1e-12);
}

static void
vectors_are_those_of_double_precision(void **state)
{
	const Output output = {.hidden_states = hidden_states, .ld = STRIDE, .pooled = pooled};
	const Batch	 batch = {.n_seqs = 3, .n_tokens = TOKENS, .offsets = offsets};
	(void) state;

	fill();
	for (Isa isa = ISA_AVX512; isa <= ISA_GENERIC; isa++)
	{
		Error error;
		Model model = {.hidden_size = HIDDEN};

		if (!isa_supported(isa))
			continue;
		model.kernels = kernels_select(isa, &error);
		for (Pooling pooling = POOLING_MEAN; pooling <= POOLING_POOLER; pooling++)
			for (int i = 0; i < 3 * 2 * HIDDEN; i++)
			{
				int	   sequence = i % 3, normalize = i / 3 % 2, dimensions = i / 6 + 1;
				float  out[HIDDEN + 1] = {[HIDDEN] = 0};
				double expected[HIDDEN];

				out[dimensions] = 12345.0f;
				embed_pool(&model, &batch, &output, sequence, pooling, dimensions, normalize, out);
				expect(pooling, sequence, dimensions, normalize, expected);
				for (int j = 0; j < dimensions; j++)
					if (!(fabs(out[j] - expected[j]) < 1e-6))
						fail_msg("%s: %g is not %g", pooling_name(pooling), out[j], expected[j]);
				assert_true(out[dimensions] == 12345.0f);
			}
	}
}

static void
a_vector_of_zeros_stays_finite(void **state)
{
	const float	  zeros[HIDDEN] = {0};
	const int32_t one[] = {0, 1};
	const Output  output = {.hidden_states = zeros, .ld = HIDDEN};
	const Batch	  batch = {.n_seqs = 1, .n_tokens = 1, .offsets = one};
	Error		  error;
	Model		  model = {.hidden_size = HIDDEN, .kernels = kernels_select(ISA_GENERIC, &error)};
	float		  out[HIDDEN];
	(void) state;

	embed_pool(&model, &batch, &output, 0, POOLING_MEAN, HIDDEN, true, out);
	assert_memory_equal(out, zeros, sizeof out);
}

static void
poolings_have_names(void **state)
{
	Pooling pooling;
	(void) state;

	for (Pooling i = POOLING_MEAN; i <= POOLING_POOLER; i++)
	{
		assert_true(pooling_from_name(pooling_name(i), &pooling));
		assert_int_equal(pooling, i);
	}
	assert_false(pooling_from_name("median", &pooling));
	assert_false(pooling_from_name("", &pooling));
	assert_string_equal(pooling_name(POOLING_LAST), "last");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_are_those_of_double_precision),
		cmocka_unit_test(a_vector_of_zeros_stays_finite),
		cmocka_unit_test(poolings_have_names),
	};

	return cmocka_run_group_tests_name("embed", tests, NULL, NULL);
}
