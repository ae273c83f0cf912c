/*
 * What the kernels do for MEGA: moving averages, products and mixtures of vectors.
 */
#include "kernels_util.h"

#define COUNT(ARRAY) ((int) (sizeof(ARRAY) / sizeof(*(ARRAY))))
#define LONGEST 200
#define MOST_STATES 37

/* One direction of an average, and everything it reads. */
typedef struct Average
{
	int	   length, channels, states, truncation;
	long   ldu, ldout;
	float *u, *mask, *decay, *weight, *expired, *before, *residual;
} Average;

static Average
average_open(int length, int channels, int states, int truncation, bool masked)
{
	Average	 a = {.length = length,
				  .channels = channels,
				  .states = states,
				  .truncation = truncation,
				  .ldu = channels + 3,
				  .ldout = channels + 1};
	size_t	 n = (size_t) states * 16;
	uint64_t seed = (uint64_t) (length * 1000 + channels * 100 + states);

	a.u = poisoned((size_t) (length * a.ldu));
	for (int i = 0; i < length; i++)
		for (int j = 0; j < channels; j++)
			a.u[i * a.ldu + j] = random_float(&seed, 1.0f);
	a.decay = random_floats(n, 0.5f, seed);
	a.weight = random_floats(n, 1.0f, seed + 1);
	a.expired = random_floats(n, 0.0f, seed);
	a.before = random_floats(n, 1.0f, seed + 2);
	a.residual = random_floats((size_t) channels, 1.0f, seed + 3);
	a.mask = masked ? random_floats((size_t) length, 0.0f, seed) : NULL;
	for (int i = 0; masked && i < length; i++)
		a.mask[i] = (float) (random_bits(&seed) % 4 != 0);
	for (size_t i = 0; i < n; i++)
	{
		a.decay[i] += 0.49f; /* -0.01 .. 0.99 */
		if (truncation > 0)
			a.before[i] = 0.0f;
		a.expired[i] = (float) pow((double) a.decay[i], truncation);
	}
	return a;
}

static void
average_close(Average *a)
{
	free(a->u);
	free(a->mask);
	free(a->decay);
	free(a->weight);
	free(a->expired);
	free(a->before);
	free(a->residual);
}

/* Steps begin .. end - 1, forwards or backwards; state and out are the caller's. */
static void
run(const Average *a, const Kernels *kernels, bool backwards, bool adds, bool finishes, int begin,
	int end, float *state, float *out)
{
	int		first = backwards ? a->length - 1 - begin : begin, step = backwards ? -1 : 1;
	EmaArgs args = {.u = a->u + first * a->ldu,
					.ldu = step * a->ldu,
					.length = end - begin,
					.channels = a->channels,
					.states = a->states,
					.mask = a->mask != NULL ? a->mask + first : NULL,
					.mask_step = step,
					.decay = a->decay,
					.weight = a->weight,
					.expired = a->truncation > 0 ? a->expired : NULL,
					.truncation = a->truncation,
					.state = state,
					.adds = adds,
					.residual = finishes ? a->residual : NULL,
					.out = out + first * a->ldout,
					.ldout = step * a->ldout};

	kernels->ema(&args);
}

/* What comes out of step t of channel j, by the definition: a sum over all that was before. */
static double
expected(const Average *a, bool backwards, int t, int j)
{
	double y = 0.0;

	for (int s = 0; s < a->states; s++)
	{
		double decay = (double) a->decay[s * 16 + j], power = 1.0, h = 0.0;

		for (int lag = 0; lag <= t; lag++, power *= decay)
		{
			int	   at = backwards ? a->length - 1 - (t - lag) : t - lag;
			double u = (double) a->u[at * a->ldu + j];

			if (a->truncation > 0 && lag >= a->truncation)
				break;
			h += power * u * (a->mask != NULL ? (double) a->mask[at] : 1.0);
		}
		if (a->truncation == 0)
			h += power * (double) a->before[s * 16 + j];
		y += h * (double) a->weight[s * 16 + j];
	}
	return y;
}

/* One case: all tables, in one run and in two, forwards or backwards. */
static void
check_average(int length, int channels, int states, int truncation, bool masked, bool backwards)
{
	Tables	tables = own_tables();
	Average a = average_open(length, channels, states, truncation, masked);
	size_t	n = (size_t) (length * a.ldout), state_size = (size_t) states * 16 * sizeof(float);
	float  *first = poisoned(n), *other = poisoned(n), *state = allocate(state_size);
	float  *end_state = allocate(state_size);

	for (int t = 0; t < tables.n; t++)
	{
		float *out = t == 0 ? first : other;

		memcpy(state, a.before, state_size);
		run(&a, tables.table[t], backwards, false, false, 0, length, state, out);
		if (t == 0)
			memcpy(end_state, state, state_size);
		assert_same_bits(first, out, n, tables.name[t]);
		assert_same_bits(end_state, state, state_size / sizeof(float), tables.name[t]);
	}
	for (int t = 0; t < length; t++)
		for (int j = 0; j < channels; j++)
		{
			int row = backwards ? length - 1 - t : t;

			assert_near(first[row * a.ldout + j], expected(&a, backwards, t, j), 2e-5, "ema", t);
		}
	if (truncation == 0) /* the second run goes on where the first one ended */
	{
		memcpy(state, a.before, state_size);
		run(&a, tables.table[tables.n - 1], backwards, false, false, 0, length / 3, state, other);
		run(&a, tables.table[tables.n - 1], backwards, false, false, length / 3, length, state,
			other);
		assert_same_bits(first, other, n, "ema in two runs");
		assert_same_bits(end_state, state, state_size / sizeof(float), "state of two runs");
	}
	average_close(&a);
	free(first);
	free(other);
	free(state);
	free(end_state);
}

static void
averages_are_those_of_the_definition(void **state)
{
	static const int lengths[] = {1, 2, 63, 64, 65, LONGEST}, channels[] = {1, 5, 15, 16};
	static const int states[] = {1, 3, 4, 16, 18, MOST_STATES}, truncations[] = {0, 1, 7, 64, 300};

	(void) state;
	for (int l = 0; l < COUNT(lengths); l++)
		for (int s = 0; s < COUNT(states); s++)
			for (int t = 0; t < COUNT(truncations); t++)
				check_average(lengths[l], channels[(l + s) % COUNT(channels)], states[s],
							  truncations[t], (l + t) % 2 == 0, (s + t) % 2 == 0);
}

/* Both directions, the second on top of the first, and the residual at the end. */
static void
averages_of_both_directions_are_added(void **state)
{
	Tables	tables = own_tables();
	Average a = average_open(70, 11, 6, 0, true);
	size_t	n = (size_t) (a.length * a.ldout), state_size = (size_t) a.states * 16 * sizeof(float);
	float  *first = poisoned(n), *other = poisoned(n), *h = allocate(state_size);

	(void) state;
	for (int t = 0; t < tables.n; t++)
	{
		float *out = t == 0 ? first : other;

		memcpy(h, a.before, state_size);
		run(&a, tables.table[t], false, false, false, 0, a.length, h, out);
		memcpy(h, a.before, state_size);
		run(&a, tables.table[t], true, true, true, 0, a.length, h, out);
		assert_same_bits(first, out, n, tables.name[t]);
	}
	for (int t = 0; t < a.length; t++)
		for (int j = 0; j < a.channels; j++)
		{
			double y = expected(&a, false, t, j) + expected(&a, true, a.length - 1 - t, j) +
					   (double) a.u[t * a.ldu + j] * (double) a.residual[j];

			assert_near(first[t * a.ldout + j], y / (1.0 + exp(-y)), 1e-5, "ema", t);
		}
	average_close(&a);
	free(first);
	free(other);
	free(h);
}

/* Where nothing comes states end at 0, and are denormal for no more than a step. */
static void
states_settle_where_nothing_comes(void **state)
{
	Tables	tables = own_tables();
	Average a = average_open(2000, 16, 7, 0, true);
	size_t	n = (size_t) (a.length * a.ldout), numbers = (size_t) a.states * 16;
	float  *first = poisoned(n), *other = poisoned(n), *h = allocate(numbers * sizeof(float));

	(void) state;
	for (int i = 5; i < a.length; i++)
		a.mask[i] = 0.0f;
	for (int t = 0; t < tables.n; t++)
	{
		float *out = t == 0 ? first : other;
		int	   most = 0;

		memcpy(h, a.before, numbers * sizeof(float));
		for (int i = 0; i < a.length; i++)
		{
			int denormal = 0;

			run(&a, tables.table[t], false, false, false, i, i + 1, h, out);
			for (size_t j = 0; j < numbers; j++)
				denormal += fpclassify(h[j]) == FP_SUBNORMAL;
			most = denormal > most ? denormal : most;
		}
		assert_int_equal(most, 0);
		for (size_t j = 0; j < numbers; j++)
			assert_true(h[j] == 0.0f || a.decay[j] > 0.96f);
		assert_same_bits(first, out, n, tables.name[t]);
	}
	average_close(&a);
	free(first);
	free(other);
	free(h);
}

static void
products_and_mixtures_are_one_by_one(void **state)
{
	static const int sizes[] = {1, 2, 15, 16, 17, 33, 100};
	Tables			 tables = own_tables();

	(void) state;
	for (int s = 0; s < COUNT(sizes); s++)
	{
		int	   n = sizes[s];
		float *a = random_floats((size_t) n, 2.0f, 1), *b = random_floats((size_t) n, 2.0f, 2);
		float *c = random_floats((size_t) n, 2.0f, 3), *out = poisoned((size_t) n);

		for (int t = 0; t < tables.n; t++)
		{
			const Kernels *kernels = tables.table[t];

			kernels->multiply(a, b, NULL, out, n);
			for (int i = 0; i < n; i++)
				assert_true(out[i] == a[i] * b[i]);
			kernels->multiply(a, b, c, out, n);
			for (int i = 0; i < n; i++)
				assert_true(out[i] == fmaf(a[i], b[i], c[i]));
			kernels->mix(a, b, c, out, n);
			for (int i = 0; i < n; i++)
				assert_true(out[i] == fmaf(c[i], b[i] - a[i], a[i]));
			memcpy(out, a, (size_t) n * sizeof(float));
			kernels->mix(out, b, c, out, n);
			for (int i = 0; i < n; i++)
				assert_true(out[i] == fmaf(c[i], b[i] - a[i], a[i]));
		}
		free(a);
		free(b);
		free(c);
		free(out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(averages_are_those_of_the_definition),
		cmocka_unit_test(averages_of_both_directions_are_added),
		cmocka_unit_test(states_settle_where_nothing_comes),
		cmocka_unit_test(products_and_mixtures_are_one_by_one),
	};

	return cmocka_run_group_tests_name("kernels: averages", tests, NULL, NULL);
}
