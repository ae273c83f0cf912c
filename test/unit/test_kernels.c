/*
 * Products, for every precision and instruction set, and which set is chosen.
 */
#include "kernels_util.h"

static const int sizes_n[] = {1, 3, 31, 32, 33, 64, 100, 384};
static const int sizes_k[] = {1, 2, 3, 4, 31, 33, 64, 100, 385, 1001};
static const int sizes_m[] = {1, 2, 3, 5, 7, 13, 14, 15, 29, 33};

#define COUNT(ARRAY) ((int) (sizeof(ARRAY) / sizeof(*(ARRAY))))

/* One product, everything that belongs to it. */
typedef struct Case
{
	Matrix w;
	Rows   rows;
	int	   m;
	float *weights;	 /* (n, k) what w stands for */
	float *residual; /* (m, ldr) */
	long   ldr;
} Case;

static Case
make_case(Precision precision, int n, int k, int m, bool bias)
{
	Case	 c = {.m = m, .ldr = PANEL_UP(n) + 7};
	long	 ld = PANEL_UP(k) + 3, ldq = (k + 63) / 64 * 64;
	float	*raw = random_floats((size_t) n * k, 1.0f, n * 1000 + k), *x = poisoned(m * ld);
	float	*scale = allocate(PANEL_UP(n) * 4), *row_scale = allocate(m * 4);
	int32_t *sum = allocate(PANEL_UP(n) * 4), *zero = allocate(m * 4);
	uint8_t *q = allocate(m * ldq);
	void	*panels = allocate(pack_size(precision, n, k));
	uint64_t seed = m;

	pack_matrix(precision, raw, n, k, panels, scale, sum);
	c.w = (Matrix){
		.precision = precision, .n = n, .k = k, .panels = panels, .scale = scale, .sum = sum};
	if (bias)
		c.w.bias = random_floats(PANEL_UP(n), 2.0f, 77);
	c.weights = allocate((size_t) n * k * 4);
	unpack_matrix(&c.w, c.weights);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < k; j++)
			x[i * ld + j] = random_float(&seed, 1.0f) + (i % 3) * 0.7f;
	kernels_generic.quantize(x, ld, m, k, q, ldq, row_scale, zero);
	c.rows = (Rows){.x = x, .ld = ld, .q = q, .ldq = ldq, .scale = row_scale, .zero = zero};
	c.residual = poisoned(m * c.ldr);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++)
			c.residual[i * c.ldr + j] = random_float(&seed, 3.0f);
	free(raw);
	return c;
}

static void
free_case(Case *c)
{
	free((void *) c->w.panels);
	free((void *) c->w.bias);
	free((void *) c->w.scale);
	free((void *) c->w.sum);
	free((void *) c->rows.x);
	free((void *) c->rows.q);
	free((void *) c->rows.scale);
	free((void *) c->rows.zero);
	free(c->weights);
	free(c->residual);
}

/* The product in double precision, of the numbers that the operands stand for; and how far fp32
 * may be from it: half a unit in the last place of all that is added, for four steps and by
 * chance for the others. */
static double
expected(const Case *c, int i, int j, bool residual, double *tolerance)
{
	double sum = 0, size = 0;

	for (int k = 0; k < c->w.k; k++)
	{
		double x = c->rows.x[i * c->rows.ld + k];

		if (c->w.precision == PRECISION_INT8)
			x = (double) c->rows.scale[i] * (c->rows.q[i * c->rows.ldq + k] - c->rows.zero[i]);
		sum += x * c->weights[(size_t) j * c->w.k + k];
		size += fabs(x * c->weights[(size_t) j * c->w.k + k]);
	}
	if (c->w.bias)
		sum += c->w.bias[j];
	if (residual)
		sum += c->residual[i * c->ldr + j];
	*tolerance = 6e-8 * (size * (c->w.precision == PRECISION_INT8 ? 3 : 1 + sqrt(c->w.k) / 2) + 10);
	return sum;
}

static void
check_product(const Tables *tables, Precision precision, int n, int k, int m, bool bias,
			  bool residual)
{
	Case   c = make_case(precision, n, k, m, bias);
	long   ldc = n + 5; /* less than whole panels: nothing may be written behind n */
	float *first = poisoned(m * ldc), *other = poisoned(m * ldc);
	char   what[200];

	for (int t = 0; t < tables->n; t++)
	{
		float *out = t ? other : first;

		snprintf(what, sizeof(what), "%s, precision %d, n %d, k %d, m %d", tables->name[t],
				 precision, n, k, m);
		tables->table[t]->gemm(&c.w, 0, PANEL_UP(n) / PANEL, &c.rows, m, out, ldc, ACTIVATION_NONE,
							   residual ? c.residual : NULL, c.ldr);
		if (t)
			assert_same_bits(first, other, m * ldc, what);
		else
			for (int i = 0; i < m; i++)
			{
				for (int j = 0; j < n; j++)
				{
					double tolerance, y = expected(&c, i, j, residual, &tolerance);

					assert_near(out[i * ldc + j], y, tolerance, what, i * ldc + j);
				}
				for (int j = n; j < ldc; j++)
					assert_true(isnan(out[i * ldc + j]));
			}
	}
	free_case(&c);
	free(first);
	free(other);
}

static void
test_products(void **state)
{
	Tables tables = own_tables();

	for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
		for (int n = 0; n < COUNT(sizes_n); n++)
			for (int k = 0; k < COUNT(sizes_k); k++)
				for (int m = 0; m < COUNT(sizes_m); m++)
					if ((n + k + m) % 3 == 0 || sizes_n[n] == 33 || sizes_k[k] == 3)
						check_product(&tables, p, sizes_n[n], sizes_k[k], sizes_m[m], m % 2, n % 2);
}

/* int8 at its extremes: all of 255 * 127 and 255 * -127 for the longest k that a matrix may
 * have. */
static void
test_int8_extremes(void **state)
{
	Tables tables = own_tables();
	int	   k = 65536, n = 2;
	float *raw = allocate((size_t) n * k * 4), *scale = allocate(PANEL * 4),
		  *out = allocate(PANEL * 4);
	int32_t *sum = allocate(PANEL * 4), zero[1] = {0};
	int8_t	*panels = allocate(pack_size(PRECISION_INT8, n, k));
	uint8_t *q = allocate(k);
	float	 row_scale[1] = {1.0f};
	Matrix	 w = {
		  .precision = PRECISION_INT8, .n = n, .k = k, .panels = panels, .scale = scale, .sum = sum};
	Rows rows = {.q = q, .ldq = k, .scale = row_scale, .zero = zero};

	for (int j = 0; j < n * k; j++)
		raw[j] = j < k ? 127.0f : -127.0f;
	pack_matrix(PRECISION_INT8, raw, n, k, panels, scale, sum);
	assert_int_equal(sum[0], 127 * k);
	memset(q, 255, k);
	for (int t = 0; t < tables.n; t++)
	{
		zero[0] = 0;
		tables.table[t]->gemm(&w, 0, 1, &rows, 1, out, PANEL, ACTIVATION_NONE, NULL, 0);
		assert_true(out[0] == (float) (255 * 127 * k));
		assert_true(out[1] == -(float) (255 * 127 * k));
		zero[0] = 255;
		tables.table[t]->gemm(&w, 0, 1, &rows, 1, out, PANEL, ACTIVATION_NONE, NULL, 0);
		assert_true(out[0] == 0.0f && out[1] == 0.0f);
	}
	free(raw);
	free(scale);
	free(out);
	free(sum);
	free(panels);
	free(q);
}

/* A row alone, in any batch, and panels in any division: the same bits. */
static void
test_batch_invariance(void **state)
{
	Tables tables = own_tables();
	int	   n = 100, k = 77, m = 37, panels = PANEL_UP(n) / PANEL;
	long   ldc = PANEL_UP(n);

	for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
	{
		Case   c = make_case(p, n, k, m, true);
		float *whole = poisoned(m * ldc), *parts = poisoned(m * ldc);

		for (int t = 0; t < tables.n; t++)
		{
			const Kernels *kernels = tables.table[t];

			kernels->gemm(&c.w, 0, panels, &c.rows, m, whole, ldc, ACTIVATION_GELU, c.residual,
						  c.ldr);
			for (int size = 1; size <= 18; size++)
			{
				for (int i = 0; i < m; i += size)
				{
					Rows r = c.rows;
					int	 count = m - i < size ? m - i : size;

					r.x += i * r.ld;
					r.q += i * r.ldq;
					r.scale += i;
					r.zero += i;
					for (int panel = 0; panel < panels; panel += 1 + size % 2)
						kernels->gemm(&c.w, panel,
									  panel + 1 + size % 2 > panels ? panels : panel + 1 + size % 2,
									  &r, count, parts + i * ldc, ldc, ACTIVATION_GELU,
									  c.residual + i * c.ldr, c.ldr);
				}
				for (int i = 0; i < m; i++)
					assert_same_bits(whole + i * ldc, parts + i * ldc, n, tables.name[t]);
			}
		}
		free_case(&c);
		free(whole);
		free(parts);
	}
}

/* Bias, activation, residual, in this order, for every activation; and c may be the residual. */
static void
test_epilogue(void **state)
{
	Tables tables = own_tables();

	for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
		for (int n = 31; n <= 64; n += 33)
		{
			int	   m = 17, k = 20, panels = PANEL_UP(n) / PANEL;
			long   ldc = PANEL_UP(n);
			Case   c = make_case(p, n, k, m, true);
			float *plain = allocate(m * ldc * 4), *out = allocate(m * ldc * 4);

			for (int t = 0; t < tables.n; t++)
				for (Activation a = ACTIVATION_NONE; a <= ACTIVATION_LAPLACE; a++)
				{
					const Kernels *kernels = tables.table[t];

					kernels->gemm(&c.w, 0, panels, &c.rows, m, plain, ldc, ACTIVATION_NONE, NULL,
								  0);
					for (int i = 0; i < m; i++)
					{
						kernels->activate(a, plain + i * ldc, n);
						kernels->add(plain + i * ldc, c.residual + i * c.ldr, plain + i * ldc, n);
						memcpy(out + i * ldc, c.residual + i * c.ldr, n * sizeof(float));
					}
					kernels->gemm(&c.w, 0, panels, &c.rows, m, out, ldc, a, out, ldc);
					for (int i = 0; i < m; i++)
						assert_same_bits(plain + i * ldc, out + i * ldc, n, tables.name[t]);
				}
			free_case(&c);
			free(plain);
			free(out);
		}
}

/* OpenBLAS has its own bits, but they don't depend on the batch either. */
static void
test_openblas(void **state)
{
	Error		   error;
	const Kernels *kernels = kernels_select(ISA_OPENBLAS, &error);

	if (kernels == NULL)
	{
		assert_int_equal(error.code, ERR_NOT_FOUND);
		assert_false(isa_supported(ISA_OPENBLAS));
		skip();
	}
	assert_string_equal(kernels->name, "openblas");
	for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
		for (int k = 3; k <= 1300; k = k * 5 + 1)
		{
			int	   n = 70, m = 37;
			long   ldc = PANEL_UP(n);
			Case   c = make_case(p, n, k, m, true);
			float *whole = allocate(m * ldc * 4), *row = allocate(ldc * 4);

			kernels->gemm(&c.w, 0, 3, &c.rows, m, whole, ldc, ACTIVATION_NONE, c.residual, c.ldr);
			for (int i = 0; i < m; i++)
			{
				Rows r = c.rows;

				r.x += i * r.ld;
				r.q += i * r.ldq;
				r.scale += i;
				r.zero += i;
				kernels->gemm(&c.w, 0, 3, &r, 1, row, ldc, ACTIVATION_NONE, c.residual + i * c.ldr,
							  c.ldr);
				assert_same_bits(whole + i * ldc, row, n, "openblas");
				for (int j = 0; j < n; j++)
				{
					double tolerance, y = expected(&c, i, j, true, &tolerance);

					assert_near(row[j], y, tolerance, "openblas", j);
				}
			}
			free_case(&c);
			free(whole);
			free(row);
		}
}

static void
test_dispatch(void **state)
{
	static const Isa order[] = {ISA_AVX512, ISA_AVX2};
	Error			 error;
	const Kernels	*best = kernels_select(ISA_AUTO, &error);
	Isa				 isa;

	assert_non_null(best);
	for (int i = 0; i < COUNT(order); i++)
		if (isa_supported(order[i]))
		{
			assert_ptr_equal(best, kernels_select(order[i], &error));
			break;
		}
		else
		{
			assert_null(kernels_select(order[i], &error));
			assert_int_equal(error.code, ERR_UNSUPPORTED);
			assert_non_null(strstr(error.message, isa_name(order[i])));
		}
	for (Isa i = ISA_AUTO; i <= ISA_OPENBLAS; i++)
	{
		assert_true(isa_from_name(isa_name(i), &isa));
		assert_int_equal(isa, i);
		if (i != ISA_AUTO && isa_supported(i))
			assert_string_equal(kernels_select(i, &error)->name, isa_name(i));
	}
	assert_false(isa_from_name("sse9", &isa));
	assert_false(isa_from_name("", &isa));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch),	  cmocka_unit_test(test_products),
		cmocka_unit_test(test_int8_extremes), cmocka_unit_test(test_batch_invariance),
		cmocka_unit_test(test_epilogue),	  cmocka_unit_test(test_openblas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
