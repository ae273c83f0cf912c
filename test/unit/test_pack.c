/*
 * Weights to panels and back.
 */
#include "kernels_util.h"

#include <float.h>
#include <limits.h>

static void
test_size(void **state)
{
	assert_int_equal(pack_size(PRECISION_FP32, 1, 1), 128);
	assert_int_equal(pack_size(PRECISION_FP32, 33, 7), 64 * 7 * 4);
	assert_int_equal(pack_size(PRECISION_BF16, 32, 7), 32 * 7 * 2);
	assert_int_equal(pack_size(PRECISION_INT8, 32, 7), 32 * 8);
	assert_int_equal(pack_size(PRECISION_INT8, 1, 65536), 32 * 65536);
	assert_int_equal(pack_size(PRECISION_INT8, 1, 65537), 0);
	assert_int_equal(pack_size(PRECISION_FP32, 0, 5), 0);
	assert_int_equal(pack_size(PRECISION_FP32, 5, -1), 0);
	assert_true(pack_size(PRECISION_FP32, INT_MAX, 1000) == ((size_t) INT_MAX + 1) * 4000);
	assert_int_equal(pack_size(PRECISION_FP32, INT_MAX, INT_MAX), 0);
}

/* Element (row, column) by the layout that kernels.h describes. */
static float
element(const Matrix *w, int row, int column)
{
	const char *panel =
		(const char *) w->panels + pack_size(w->precision, PANEL, w->k) * (row / PANEL);
	int lane = row % PANEL;

	switch (w->precision)
	{
		case PRECISION_FP32:
			return ((const float *) panel)[column * PANEL + lane];
		case PRECISION_BF16:
		{
			uint32_t pair = ((const uint32_t *) panel)[column * 16 + lane % 16];
			uint32_t bits = lane < 16 ? pair << 16 : pair & 0xffff0000;
			float	 x;

			memcpy(&x, &bits, 4);
			return x;
		}
		case PRECISION_INT8:
			return w->scale[row] *
				   ((const int8_t *) panel)[column / 4 * 4 * PANEL + lane * 4 + column % 4];
	}
	abort();
}

static void
test_round_trip(void **state)
{
	static const int sizes[] = {1, 2, 3, 4, 31, 32, 33, 64, 100};

	for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
		for (int a = 0; a < 9; a++)
			for (int b = 0; b < 9; b++)
			{
				int	   n = sizes[a], k = sizes[b];
				size_t size = pack_size(p, n, k);
				float *w = random_floats((size_t) n * k, 3.0f, n * 100 + k),
					  *back = poisoned((size_t) n * k);
				float	*scale = poisoned(PANEL_UP(n));
				int32_t *sum = allocate(PANEL_UP(n) * 4);
				uint8_t *panels = allocate(size + 1);
				Matrix	 m = {
					  .precision = p, .n = n, .k = k, .panels = panels, .scale = scale, .sum = sum};

				memset(panels, 0xcd, size + 1);
				pack_matrix(p, w, n, k, panels, scale, sum);
				assert_int_equal(panels[size], 0xcd);
				unpack_matrix(&m, back);
				for (int i = 0; i < n; i++)
				{
					float top = 0;

					for (int j = 0; j < k; j++)
						top = fmaxf(top, fabsf(w[i * k + j]));
					for (int j = 0; j < k; j++)
					{
						float  x = w[i * k + j], y = back[i * k + j];
						double tolerance = p == PRECISION_FP32	 ? 0
										   : p == PRECISION_BF16 ? fabs(x) / 256
																 : top / 127 * 0.5001;

						assert_near(y, x, tolerance, "unpacked", i * k + j);
						assert_true(element(&m, i, j) == y);
					}
				}
				for (int i = n; i < PANEL_UP(n); i++)
				{
					for (int j = 0; j < k && p != PRECISION_INT8; j++)
						assert_true(element(&m, i, j) == 0.0f);
					if (p == PRECISION_INT8)
						assert_true(scale[i] == 0.0f && sum[i] == 0);
				}
				for (int i = 0; i < n && p == PRECISION_INT8; i++)
				{
					int32_t total = 0;

					for (int j = 0; j < k; j++)
						total += (int32_t) lrintf(back[i * k + j] / scale[i]);
					assert_int_equal(sum[i], total);
				}
				free(w);
				free(back);
				free(scale);
				free(sum);
				free(panels);
			}
}

/* Zero, tiny and huge rows, whose scale would be 0 or whose rounding would overflow. */
static void
test_extremes(void **state)
{
	static const float rows[4][2] = {
		{0, 0}, {1e-38f, -1e-45f}, {FLT_MAX, -FLT_MAX}, {-1e-30f, 1e30f}};

	for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
	{
		float	scale[PANEL], back[8];
		int32_t sum[PANEL];
		void   *panels = allocate(pack_size(p, 4, 2));
		Matrix	m = {.precision = p, .n = 4, .k = 2, .panels = panels, .scale = scale, .sum = sum};

		pack_matrix(p, rows[0], 4, 2, panels, scale, sum);
		unpack_matrix(&m, back);
		for (int i = 0; i < 8; i++)
		{
			double x = rows[i / 2][i % 2], y = back[i];
			double top = fmax(fabs(rows[i / 2][0]), fabs(rows[i / 2][1]));

			assert_near(y, x, top / 127 * 0.51 + 1e-30, "extreme", i);
		}
		free(panels);
	}
}

/* bf16 rounds to nearest, ties to even. */
static void
test_bf16_rounding(void **state)
{
	static const struct
	{
		uint32_t from;
		uint16_t to;
	} cases[] = {
		{0x3f800000, 0x3f80}, {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
		{0x3f818000, 0x3f82}, {0xbf818000, 0xbf82}, {0x7f7fffff, 0x7f7f}, {0xff7fffff, 0xff7f},
		{0x80000000, 0x8000}, {0x00000001, 0x0000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		float	 x;
		uint16_t y;

		memcpy(&x, &cases[i].from, 4);
		pack_table(PRECISION_BF16, &x, 1, &y);
		assert_int_equal(y, cases[i].to);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_bf16_rounding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
