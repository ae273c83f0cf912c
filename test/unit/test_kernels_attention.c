/*
 * Attention against double precision: every function, mask, bias and odd size, on every instruction
 * set.
 */
#include "kernels_util.h"

enum
{
	CAUSAL = 1,
	KEY_MASK = 2,
	MASK = 4,
	BIAS = 8,
	WEIGHTS = 16,
	VARIANTS = 32
};

/* The operands of one call; rows have strides of their own, with NaN between them. */
typedef struct Case
{
	AttentionArgs args;
	float		 *q, *k, *v, *bias, *scratch;
	uint8_t		 *key_mask, *mask;
} Case;

static float *
make_rows(int rows, int n, long ld, float size, uint64_t seed)
{
	float *x = poisoned(rows * ld + 1);

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < n; j++)
			x[i * ld + j] = random_float(&seed, size);
	return x;
}

static Case
make_case(int n_queries, int n_keys, int head_dim, int value_dim, int variant,
		  AttentionFunction function)
{
	Case		   c = {0};
	AttentionArgs *a = &c.args;
	uint64_t	   seed = variant * 100 + n_keys;
	size_t		   n_scratch = attention_scratch(n_keys, head_dim, value_dim);

	*a = (AttentionArgs){.n_queries = n_queries, .n_keys = n_keys, .head_dim = head_dim};
	a->value_dim = value_dim;
	a->function = function;
	a->ldq = head_dim + 5;
	a->ldk = head_dim + 3;
	a->ldv = value_dim + 1;
	a->ldmask = n_keys + 2;
	a->ldbias = n_keys + 4;
	a->ldweights = n_keys + 1;
	a->ldout = value_dim + 2;
	a->scale = 1.0f / sqrtf((float) head_dim);
	a->weight_scale = variant % 3 ? 0.75f : 1.0f;
	a->causal = (variant & CAUSAL) != 0;
	a->q = c.q = make_rows(n_queries, head_dim, a->ldq, 2.0f, 1);
	a->k = c.k = make_rows(n_keys, head_dim, a->ldk, 2.0f, 2);
	a->v = c.v = make_rows(n_keys, value_dim, a->ldv, 2.0f, 3);
	if (variant & BIAS)
		a->bias = c.bias = make_rows(n_queries, n_keys, a->ldbias, 1.0f, 4);
	if (variant & KEY_MASK)
	{
		a->key_mask = c.key_mask = allocate(n_keys);
		for (int j = 0; j < n_keys; j++)
			c.key_mask[j] = random_bits(&seed) % 3 != 0 ? 1 + j % 200 : 0;
	}
	if (variant & MASK)
	{
		a->mask = c.mask = allocate(n_queries * a->ldmask);
		for (int i = 0; i < n_queries * a->ldmask; i++)
			c.mask[i] = random_bits(&seed) % 4 != 0;
		memset(c.mask, 0, n_keys); /* the first query has no key at all */
	}
	a->scratch = c.scratch = poisoned(n_scratch + 1);
	return c;
}

static void
free_case(Case *c)
{
	free(c->q);
	free(c->k);
	free(c->v);
	free(c->bias);
	free(c->scratch);
	free(c->key_mask);
	free(c->mask);
}

static bool
is_seen(const AttentionArgs *a, int i, int j)
{
	return (!a->causal || j <= i + a->n_keys - a->n_queries) && (!a->key_mask || a->key_mask[j]) &&
		   (!a->mask || a->mask[i * a->ldmask + j]);
}

/* The weights of query i in double precision. */
static void
expected_weights(const AttentionArgs *a, int i, double *weights)
{
	double sum = 0, top = -INFINITY;
	int	   n_seen = 0;

	for (int j = 0; j < a->n_keys; j++)
	{
		double s = 0;

		for (int d = 0; d < a->head_dim; d++)
			s += (double) a->q[i * a->ldq + d] * a->k[j * a->ldk + d];
		weights[j] = s * a->scale + (a->bias ? a->bias[i * a->ldbias + j] : 0);
		if (!is_seen(a, i, j))
			continue;
		n_seen++;
		top = fmax(top, weights[j]);
	}
	for (int j = 0; j < a->n_keys; j++)
	{
		double s = weights[j];

		if (a->function == ATTENTION_LAPLACE)
			weights[j] = 0.5 * (1 + erf((s - 0.707107) / (0.282095 * sqrt(2))));
		else if (a->function == ATTENTION_RELU2)
			weights[j] = s > 0 ? s * s : 0;
		else
			weights[j] = exp(s - top);
		if (!is_seen(a, i, j))
			weights[j] = 0;
		sum += weights[j];
	}
	for (int j = 0; j < a->n_keys; j++)
	{
		if (a->function == ATTENTION_SOFTMAX)
			weights[j] = n_seen ? weights[j] / sum : 1.0 / a->n_keys;
		weights[j] *= a->weight_scale;
	}
}

/* Scores have errors of some 1e-6 (they are sums of up to 100 products of up to 4), which
 * softmax takes over relatively and laplace at a slope of 1.4; relu2's weights may be large, so
 * relatively too. */
static void
check_values(const AttentionArgs *a, const char *what)
{
	double *weights = allocate(a->n_keys * sizeof(double));

	for (int i = 0; i < a->n_queries; i++)
	{
		expected_weights(a, i, weights);
		for (int j = 0; j < a->n_keys && a->weights; j++)
		{
			assert_near(a->weights[i * a->ldweights + j], weights[j], 1e-6 + 3e-6 * weights[j],
						what, j);
			if (a->function != ATTENTION_SOFTMAX && !is_seen(a, i, j))
				assert_true(a->weights[i * a->ldweights + j] == 0.0f);
		}
		for (int d = 0; d < a->value_dim; d++)
		{
			double y = 0, size = 0;

			for (int j = 0; j < a->n_keys; j++)
			{
				y += weights[j] * a->v[j * a->ldv + d];
				size += weights[j] * fabs(a->v[j * a->ldv + d]);
			}
			assert_near(a->out[i * a->ldout + d], y, 2e-6 * (1 + size), what, i * a->ldout + d);
		}
		for (long d = a->value_dim; d < a->ldout; d++)
			assert_true(isnan(a->out[i * a->ldout + d]));
	}
	free(weights);
}

static void
check_case(const Tables *tables, int n_queries, int n_keys, int head_dim, int value_dim,
		   int variant, AttentionFunction function)
{
	Case   c = make_case(n_queries, n_keys, head_dim, value_dim, variant, function);
	size_t n_out = n_queries * c.args.ldout, n_weights = n_queries * c.args.ldweights;
	float *out[2] = {poisoned(n_out), poisoned(n_out)};
	float *weights[2] = {poisoned(n_weights), poisoned(n_weights)};
	char   what[200];

	for (int t = 0; t < tables->n; t++)
	{
		snprintf(what, sizeof(what), "%s, %d queries, %d keys, %d, %d, variant %d, function %d",
				 tables->name[t], n_queries, n_keys, head_dim, value_dim, variant, (int) function);
		c.args.out = out[t > 0];
		c.args.weights = variant & WEIGHTS ? weights[t > 0] : NULL;
		tables->table[t]->attention(&c.args);
		if (t == 0)
			check_values(&c.args, what);
		else
		{
			assert_same_bits(out[0], out[1], n_out, what);
			assert_same_bits(weights[0], weights[1], n_weights, what);
		}
		assert_true(isnan(c.scratch[attention_scratch(n_keys, head_dim, value_dim)]));
	}
	for (int i = 0; i < 2; i++)
	{
		free(out[i]);
		free(weights[i]);
	}
	free_case(&c);
}

static void
test_variants(void **state)
{
	static const int shapes[][4] = {
		/* queries, keys, head_dim, value_dim */
		{1, 1, 1, 1},	  {2, 3, 2, 3},	   {3, 2, 5, 7},	 {7, 13, 32, 32},	{14, 16, 31, 33},
		{15, 17, 64, 64}, {1, 40, 33, 16}, {33, 33, 16, 48}, {31, 65, 100, 80}, {5, 100, 12, 1},
	};
	Tables tables = own_tables();

	for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++)
		for (int variant = 0; variant < VARIANTS; variant++)
			for (AttentionFunction f = ATTENTION_SOFTMAX; f <= ATTENTION_RELU2; f++)
				check_case(&tables, shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3], variant,
						   f);
}

/* The operands' keys and values in pages, keys in panels and values behind them. */
static float **
make_pages(AttentionArgs *args, int page_keys)
{
	long	keys = (long) page_keys * args->head_dim, floats = keys + page_keys * args->ldv;
	int		n = (args->n_keys + page_keys - 1) / page_keys;
	float **pages = allocate(n * sizeof *pages);

	for (int i = 0; i < n; i++)
		pages[i] = poisoned(floats + 3);
	for (int j = 0; j < args->n_keys; j++)
	{
		float *page = pages[j / page_keys] + 3;
		int	   at = j % page_keys;

		for (int d = 0; d < args->head_dim; d++)
			page[(at / PANEL * args->head_dim + d) * PANEL + at % PANEL] =
				args->k[j * args->ldk + d];
		memcpy(page + keys + at * args->ldv, args->v + j * args->ldv,
			   args->value_dim * sizeof(float));
	}
	args->pages = (const float *const *) pages;
	args->page_keys = page_keys;
	args->k_at = 3;
	args->v_at = 3 + keys;
	args->k = args->v = NULL;
	return pages;
}

/* Pages of any size give the bits of rows that lie together. */
static void
test_pages(void **state)
{
	static const int shapes[][4] = {/* queries, keys, head_dim, value_dim */
									{3, 37, 16, 32},
									{1, 70, 5, 7},
									{1, 33, 64, 64},
									{1, 100, 24, 100},
									{20, 130, 33, 48}};
	Tables			 tables = own_tables();

	for (int variant = 0; variant < VARIANTS; variant++)
		for (int page_keys = PANEL; page_keys <= 4 * PANEL; page_keys += PANEL)
			for (size_t s = 0; s < sizeof(shapes) / sizeof(*shapes); s++)
			{
				const int *shape = shapes[s];
				Case	   c = make_case(shape[0], shape[1], shape[2], shape[3], variant,
										 (AttentionFunction) (variant % 3));
				size_t	   n_out = shape[0] * c.args.ldout;
				int		   n_pages = (shape[1] + page_keys - 1) / page_keys;
				float	  *whole = poisoned(n_out), *paged = poisoned(n_out), **pages;

				c.args.out = whole;
				tables.table[0]->attention(&c.args);
				c.args.out = paged;
				pages = make_pages(&c.args, page_keys);
				for (int t = 0; t < tables.n; t++)
				{
					tables.table[t]->attention(&c.args);
					assert_same_bits(whole, paged, n_out, tables.name[t]);
				}
				for (int i = 0; i < n_pages; i++)
					free(pages[i]);
				free(pages);
				free(whole);
				free(paged);
				free_case(&c);
			}
}

/* A row of a causal pass over n tokens has the bits of a step with fewer keys and one query. */
static void
test_causal_equals_steps(void **state)
{
	Tables tables = own_tables();
	int	   n = 45, head_dim = 24, value_dim = 40;

	for (AttentionFunction f = ATTENTION_SOFTMAX; f <= ATTENTION_RELU2; f++)
	{
		Case   c = make_case(n, n, head_dim, value_dim, CAUSAL, f);
		long   ldout = c.args.ldout, ldweights = c.args.ldweights;
		float *out = poisoned(n * ldout), *step = poisoned(ldout);
		float *weights = poisoned(n * ldweights), *step_weights = poisoned(ldweights);

		/* A value that underflows to -0, which a weight of 0 times another value would turn to
		 * 0. */
		for (int j = 0; j < n; j++)
			c.v[j * c.args.ldv] = j == 0 ? -1e-45f : 0.0f;
		memset(c.q, 0, head_dim * sizeof(float));
		for (int t = 0; t < tables.n; t++)
		{
			c.args.out = out;
			c.args.weights = weights;
			tables.table[t]->attention(&c.args);
			for (int i = 0; i < n; i++)
			{
				AttentionArgs a = c.args;

				a.q += i * a.ldq;
				a.n_queries = 1;
				a.n_keys = i + 1;
				a.causal = i % 2 == 0;
				a.out = step;
				a.weights = step_weights;
				tables.table[t]->attention(&a);
				assert_same_bits(out + i * ldout, step, value_dim, tables.name[t]);
				assert_same_bits(weights + i * ldweights, step_weights, i + 1, tables.name[t]);
			}
		}
		free(out);
		free(step);
		free(weights);
		free(step_weights);
		free_case(&c);
	}
}

/* Values of keys that nobody may see can be anything, even NaN. */
static void
test_masked_keys_are_not_read(void **state)
{
	Tables tables = own_tables();

	for (int t = 0; t < tables.n; t++)
	{
		Case  c = make_case(5, 20, 8, 16, KEY_MASK, ATTENTION_SOFTMAX);
		float out[2][5 * 18];

		for (int round = 0; round < 2; round++)
		{
			c.args.out = out[round];
			tables.table[t]->attention(&c.args);
			for (int j = 0; j < 20; j++)
				if (!c.key_mask[j])
				{
					c.k[j * c.args.ldk + j % 8] = NAN;
					c.v[j * c.args.ldv + j % 16] = NAN;
				}
		}
		for (int i = 0; i < 5; i++)
			assert_same_bits(out[0] + i * 18, out[1] + i * 18, 16, tables.name[t]);
		free_case(&c);
	}
}

/* More queries than keys: the first ones see none. */
static void
test_queries_without_keys(void **state)
{
	Tables tables = own_tables();

	for (AttentionFunction f = ATTENTION_SOFTMAX; f <= ATTENTION_RELU2; f++)
		check_case(&tables, 20, 3, 8, 20, CAUSAL | WEIGHTS, f);
}

/* A bias of -inf masks; one so low that every score rounds to it gives equal weights. */
static void
test_extreme_bias(void **state)
{
	Tables tables = own_tables();
	float  out[20], weights[4];

	for (int t = 0; t < tables.n; t++)
	{
		Case c = make_case(1, 4, 8, 16, BIAS, ATTENTION_SOFTMAX);

		c.args.out = out;
		c.args.weights = weights;
		c.args.weight_scale = 1.0f;
		c.bias[2] = -INFINITY;
		c.bias[3] = -10000.0f;
		tables.table[t]->attention(&c.args);
		assert_true(weights[2] == 0.0f && weights[3] == 0.0f);
		assert_near(weights[0] + weights[1], 1, 1.2e-7, "weights", 0);
		for (int j = 0; j < 4; j++)
			c.bias[j] = -3.4028235e38f;
		tables.table[t]->attention(&c.args);
		for (int j = 0; j < 4; j++)
			assert_true(weights[j] == 0.25f);
		for (int j = 0; j < 4; j++)
			c.bias[j] = -INFINITY;
		tables.table[t]->attention(&c.args);
		for (int j = 0; j < 4; j++)
			assert_true(weights[j] == 0.25f);
		free_case(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_causal_equals_steps),
		cmocka_unit_test(test_masked_keys_are_not_read),
		cmocka_unit_test(test_queries_without_keys),
		cmocka_unit_test(test_extreme_bias),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
