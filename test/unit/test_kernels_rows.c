/*
 * What the kernels do with rows: norm, softmax, quantising, sums, lookups.
 */
#include "kernels_util.h"

#include <float.h>

static const int sizes[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 100, 384, 1000};

#define COUNT(ARRAY) ((int) (sizeof(ARRAY) / sizeof(*(ARRAY))))
#define ROWS 7

/* Runs body for every size; x is (ROWS, ld) with NaN behind n. */
static float *
make_rows(int n, long ld, float size, float shift)
{
	float	*x = poisoned(ROWS * ld);
	uint64_t seed = n;

	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < n; j++)
			x[i * ld + j] = random_float(&seed, size) + shift * i;
	return x;
}

static void
test_layer_norm(void **state)
{
	Tables tables = own_tables();

	for (int s = 0; s < COUNT(sizes); s++)
		for (int variant = 0; variant < 4; variant++)
		{
			int	   n = sizes[s];
			long   ld = n + 3, ldo = n + 1;
			float *x = make_rows(n, ld, 1.0f, 30.0f), *first = poisoned(ROWS * ldo);
			float *weight = variant & 1 ? random_floats(n, 2.0f, 5) : NULL;
			float *bias = variant & 2 ? random_floats(n, 2.0f, 6) : NULL;
			float *other = poisoned(ROWS * ldo);

			tables.table[0]->layer_norm(x, ld, ROWS, n, weight, bias, 1e-5f, first, ldo);
			for (int i = 0; i < ROWS; i++)
			{
				double mean = 0, variance = 0;

				for (int j = 0; j < n; j++)
					mean += x[i * ld + j];
				mean /= n;
				for (int j = 0; j < n; j++)
					variance += (x[i * ld + j] - mean) * (x[i * ld + j] - mean);
				for (int j = 0; j < n; j++)
				{
					double scale = (weight ? weight[j] : 1) / sqrt(variance / n + 1e-5);
					double y = (x[i * ld + j] - mean) * scale + (bias ? bias[j] : 0);
					/* The mean of row i is about 30 i, and wrong by one unit of that. */
					double tolerance = 5e-7 + 4e-6 * i * (fabs(scale) + fabs(y));

					assert_near(first[i * ldo + j], y, tolerance, "layer_norm", j);
				}
			}
			for (int t = 0; t < tables.n; t++)
			{
				tables.table[t]->layer_norm(x, ld, ROWS, n, weight, bias, 1e-5f, other, ldo);
				assert_same_bits(first, other, ROWS * ldo, tables.name[t]);
			}
			for (int i = 0; i < ROWS; i++)
			{
				tables.table[tables.n - 1]->layer_norm(x + i * ld, ld, 1, n, weight, bias, 1e-5f,
													   other, ldo);
				assert_same_bits(first + i * ldo, other, n, "layer_norm of a row alone");
			}
			tables.table[tables.n - 1]->layer_norm(x, ld, ROWS, n, weight, bias, 1e-5f, x, ld);
			for (int i = 0; i < ROWS; i++)
				assert_same_bits(first + i * ldo, x + i * ld, n, "layer_norm in place");
			free(x);
			free(first);
			free(other);
			free(weight);
			free(bias);
		}
}

static void
test_softmax(void **state)
{
	Tables tables = own_tables();

	for (int s = 0; s < COUNT(sizes); s++)
		for (float size = 1e-3f; size < 3e38f; size *= 30.0f)
		{
			int	   n = sizes[s];
			long   ld = n + 3;
			float *x = make_rows(n, ld, size, 0.0f), *first = poisoned(ROWS * ld);
			float *other = poisoned(ROWS * ld);

			memcpy(first, x, ROWS * ld * sizeof(float));
			tables.table[0]->softmax(first, ld, ROWS, n);
			for (int i = 0; i < ROWS; i++)
			{
				double top = -DBL_MAX, sum = 0;

				for (int j = 0; j < n; j++)
					top = fmax(top, x[i * ld + j]);
				for (int j = 0; j < n; j++)
					sum += exp(x[i * ld + j] - top);
				for (int j = 0; j < n; j++)
				{
					double shift = x[i * ld + j] - top, y = exp(shift) / sum;

					/* x - top is rounded: half a unit of it is the relative error of its
					 * exponential. */
					assert_near(first[i * ld + j], y, 2e-35 + y * (3e-7 - 6e-8 * shift), "softmax",
								j);
				}
				assert_true(isnan(first[i * ld + n]));
			}
			for (int t = 1; t < tables.n; t++)
			{
				memcpy(other, x, ROWS * ld * sizeof(float));
				tables.table[t]->softmax(other, ld, ROWS, n);
				assert_same_bits(first, other, ROWS * ld, tables.name[t]);
			}
			free(x);
			free(first);
			free(other);
		}
	for (int t = 0; t < tables.n; t++)
	{
		float x[3] = {1.0f, -INFINITY, 1.0f};

		tables.table[t]->softmax(x, 3, 1, 0);
		assert_true(x[0] == 1.0f);
		tables.table[t]->softmax(x, 3, 1, 3);
		assert_true(x[0] == 0.5f && x[1] == 0.0f && x[2] == 0.5f);
	}
}

/* Rows of every kind: both signs, one sign, constant, zero, tiny, huge. */
static void
fill(float *x, int n, int kind, uint64_t *seed)
{
	static const float sizes_of[] = {1, 1, 1, 0, 0, 1e-20f, 1e-38f, 3e38f, 1e-3f};
	static const float shifts[] = {0, 1, -1, 5, 0, 0, 0, 0, -7};

	for (int j = 0; j < n; j++)
		x[j] = random_float(seed, sizes_of[kind]) + shifts[kind];
}

static void
test_quantize(void **state)
{
	Tables	 tables = own_tables();
	uint64_t seed = 1;

	for (int s = 0; s < COUNT(sizes); s++)
		for (int kind = 0; kind < 9; kind++)
		{
			int		 n = sizes[s];
			long	 ldq = (n + 63) / 64 * 64;
			float	*x = poisoned(n), scale = -1, other_scale;
			uint8_t *q = allocate(ldq), *other = allocate(ldq);
			int32_t	 zero = -1, other_zero;

			fill(x, n, kind, &seed);
			memset(q, 99, ldq);
			tables.table[0]->quantize(x, n, 1, n, q, ldq, &scale, &zero);
			assert_true(scale > 0 && scale < INFINITY);
			assert_in_range(zero, 0, 255);
			for (int j = 0; j < n; j++)
				/* Half a step for rounding, and half for the zero point, in a range of 255
				 * steps. */
				assert_near((double) scale * (q[j] - zero), x[j], scale * 1.001, "quantize", j);
			for (long j = n; j < ldq; j++)
				assert_int_equal(q[j], 0);
			for (int t = 1; t < tables.n; t++)
			{
				memset(other, 77, ldq);
				tables.table[t]->quantize(x, n, 1, n, other, ldq, &other_scale, &other_zero);
				assert_memory_equal(q, other, ldq);
				assert_true(scale == other_scale && zero == other_zero);
			}
			free(x);
			free(q);
			free(other);
		}
}

/* The sum rule of kernels.h, written down once more. */
static float
sum_by_rule(const float *a, const float *b, int n)
{
	float lanes[16] = {0};

	for (int i = 0; i < n; i++)
		lanes[i % 16] = b ? fmaf(a[i], b[i], lanes[i % 16]) : lanes[i % 16] + a[i];
	for (int half = 8; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			lanes[i] += lanes[i + half];
	return lanes[0];
}

static void
test_sums(void **state)
{
	Tables tables = own_tables();

	for (int n = 0; n <= 200; n++)
	{
		float *a = random_floats(n + 1, 1.0f, n), *b = random_floats(n + 1, 1.0f, n + 1000);
		float  total = sum_by_rule(a, NULL, n), product = sum_by_rule(a, b, n);

		a[n] = b[n] = NAN;
		for (int t = 0; t < tables.n; t++)
		{
			float x = tables.table[t]->sum(a, n), y = tables.table[t]->dot(a, b, n);

			assert_same_bits(&x, &total, 1, tables.name[t]);
			assert_same_bits(&y, &product, 1, tables.name[t]);
		}
		free(a);
		free(b);
	}
}

static void
test_rows(void **state)
{
	Tables tables = own_tables();

	for (int s = 0; s < COUNT(sizes); s++)
	{
		int	   n = sizes[s];
		float *a = random_floats(3 * n, 1.0f, 1), *b = random_floats(n, 1.0f, 2),
			  *out = poisoned(n + 1);
		uint16_t *narrow = allocate(3 * n * 2);
		Table	  wide = {.precision = PRECISION_FP32, .rows = 3, .columns = n, .data = a};
		Table	  half = {.precision = PRECISION_BF16, .rows = 3, .columns = n, .data = narrow};

		pack_table(PRECISION_BF16, a, 3 * n, narrow);
		for (int t = 0; t < tables.n; t++)
		{
			tables.table[t]->add(a, b, out, n);
			for (int j = 0; j < n; j++)
				assert_true(out[j] == a[j] + b[j]);
			tables.table[t]->scale(a, 0.3f, out, n);
			for (int j = 0; j < n; j++)
				assert_true(out[j] == a[j] * 0.3f);
			for (int row = 0; row < 3; row++)
			{
				memcpy(out, b, n * sizeof(float));
				tables.table[t]->add_row(&wide, row, out);
				for (int j = 0; j < n; j++)
					assert_true(out[j] == b[j] + a[row * n + j]);
				memcpy(out, b, n * sizeof(float));
				tables.table[t]->add_row(&half, row, out);
				for (int j = 0; j < n; j++)
				{
					uint32_t bits = (uint32_t) narrow[row * n + j] << 16;
					float	 x;

					memcpy(&x, &bits, 4);
					assert_true(out[j] == b[j] + x);
				}
			}
			assert_true(isnan(out[n]));
		}
		free(a);
		free(b);
		free(out);
		free(narrow);
	}
}

static void
test_rotate(void **state)
{
	static const int even[] = {2, 4, 6, 14, 16, 18, 30, 32, 34, 64, 100, 128};
	Tables			 tables = own_tables();

	for (int s = 0; s < COUNT(even); s++)
	{
		int	   n = even[s];
		long   ld = n + 3;
		float *x = make_rows(n, ld, 2.0f, 1.0f), *turns = poisoned(ROWS * n);
		float *first = poisoned(ROWS * ld), *other = poisoned(ROWS * ld);

		for (int i = 0; i < ROWS; i++)
			for (int j = 0; j < n / 2; j++)
			{
				turns[i * n + j] = sinf(i * 1.7f + j);
				turns[i * n + n / 2 + j] = cosf(i * 1.7f + j);
			}
		memcpy(first, x, ROWS * ld * sizeof(float));
		tables.table[0]->rotate(first, ld, ROWS, n, turns);
		for (int i = 0; i < ROWS; i++)
			for (int j = 0; j < n; j++)
			{
				double sine = turns[i * n + j / 2], cosine = turns[i * n + n / 2 + j / 2];
				double a = x[i * ld + j], b = x[i * ld + (j ^ 1)];

				assert_near(first[i * ld + j], a * cosine + (j & 1 ? b : -b) * sine, 1e-6, "rotate",
							j);
			}
		for (int t = 1; t < tables.n; t++)
		{
			memcpy(other, x, ROWS * ld * sizeof(float));
			tables.table[t]->rotate(other, ld, ROWS, n, turns);
			assert_same_bits(first, other, ROWS * ld, tables.name[t]);
		}
		free(x);
		free(turns);
		free(first);
		free(other);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layer_norm), cmocka_unit_test(test_softmax),
		cmocka_unit_test(test_quantize),   cmocka_unit_test(test_sums),
		cmocka_unit_test(test_rows),	   cmocka_unit_test(test_rotate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
