/*
 * Activations against double precision, over all sizes of floats; their names.
 */
#include "kernels_util.h"

#include <float.h>

static double
sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

static double
normal(double x)
{
	return 0.5 * erfc(-x / sqrt(2));
}

static double
by_tanh(double x, double c)
{
	double y = c * (x + 0.044715 * x * x * x);

	return x * sigmoid(2 * y); /* x/2 (1 + tanh y), without losing what is left of 1 - 1 */
}

static double
reference(Activation activation, double x)
{
	switch (activation)
	{
		case ACTIVATION_NONE:
			return x;
		case ACTIVATION_GELU:
			return x * normal(x);
		case ACTIVATION_GELU_TANH:
			return by_tanh(x, sqrt(2 / M_PI));
		case ACTIVATION_GELU_FAST:
			return by_tanh(x, 0.7978845608);
		case ACTIVATION_GELU_10:
			return fmin(fmax(x * normal(x), -10), 10);
		case ACTIVATION_QUICK_GELU:
			return x * sigmoid(1.702 * x);
		case ACTIVATION_RELU:
			return fmax(x, 0);
		case ACTIVATION_RELU2:
			return fmax(x, 0) * fmax(x, 0);
		case ACTIVATION_RELU6:
			return fmin(fmax(x, 0), 6);
		case ACTIVATION_LEAKY_RELU:
			return x >= 0 ? x : 0.01 * x;
		case ACTIVATION_SILU:
			return x * sigmoid(x);
		case ACTIVATION_MISH:
			return x * (x > 40 ? 1 : tanh(log1p(exp(x))));
		case ACTIVATION_SIGMOID:
			return sigmoid(x);
		case ACTIVATION_TANH:
			return tanh(x);
		case ACTIVATION_SELU:
			return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x));
		case ACTIVATION_LAPLACE:
			return normal((x - 0.707107) / 0.282095);
	}
	abort();
}

/* |error| <= absolute + relative * |value|. 6e-8 is half a unit in the last place; what is below
 * 2e-38 becomes 0 on the way, since denormals are slow. */
static const struct
{
	double absolute, relative;
} tolerances[] = {
	[ACTIVATION_NONE] = {0, 0},
	[ACTIVATION_GELU] = {8e-8, 1e-7},
	[ACTIVATION_GELU_TANH] = {3e-8, 2e-7},
	[ACTIVATION_GELU_FAST] = {3e-8, 2e-7},
	[ACTIVATION_GELU_10] = {8e-8, 1e-7},
	[ACTIVATION_QUICK_GELU] = {3e-8, 2e-7},
	[ACTIVATION_RELU] = {0, 0},
	[ACTIVATION_RELU2] = {1e-44, 6e-8},
	[ACTIVATION_RELU6] = {0, 0},
	[ACTIVATION_LEAKY_RELU] = {1e-44, 1e-7},
	[ACTIVATION_SILU] = {2e-36, 2.5e-7},
	[ACTIVATION_MISH] = {4e-36, 3e-7},
	[ACTIVATION_SIGMOID] = {2e-38, 2e-7},
	[ACTIVATION_TANH] = {1e-44, 2e-7},
	[ACTIVATION_SELU] = {1e-44, 2e-7},
	[ACTIVATION_LAPLACE] = {2e-7, 0},
};

static float
float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Every 20,011th finite float of either sign, those of -12 .. 12 in small steps, and the ends. */
static float *
arguments(size_t *n)
{
	float *x = allocate(600000 * sizeof(*x));

	*n = 0;
	for (uint32_t bits = 0; bits < 0x7f800000; bits += 20011)
	{
		x[(*n)++] = float_of(bits);
		x[(*n)++] = float_of(bits | 0x80000000);
	}
	for (int i = -120000; i <= 120000; i++)
		x[(*n)++] = (float) i * 1e-4f;
	x[(*n)++] = FLT_MAX;
	x[(*n)++] = -FLT_MAX;
	assert_true(*n < 600000);
	return x;
}

static void
test_activations(void **state)
{
	Tables tables = own_tables();
	size_t n;
	float *x = arguments(&n), *first = allocate(n * 4), *other = allocate(n * 4);
	char   what[100];

	for (Activation a = ACTIVATION_NONE; a <= ACTIVATION_LAPLACE; a++)
	{
		memcpy(first, x, n * 4);
		tables.table[0]->activate(a, first, n);
		for (size_t i = 0; i < n; i++)
		{
			double y = reference(a, x[i]);

			snprintf(what, sizeof(what), "activation %d of %.9g", (int) a, x[i]);
			if (y > FLT_MAX)
				assert_true(first[i] == INFINITY);
			else
				assert_near(first[i], y, tolerances[a].absolute + tolerances[a].relative * fabs(y),
							what, (long) i);
		}
		for (int t = 1; t < tables.n; t++)
		{
			snprintf(what, sizeof(what), "activation %d, %s", (int) a, tables.name[t]);
			memcpy(other, x, n * 4);
			tables.table[t]->activate(a, other, n);
			assert_same_bits(first, other, n, what);
		}
	}
	free(x);
	free(first);
	free(other);
}

/* A value does not depend on where in a row it stands, nor on what stands behind it. */
static void
test_any_length(void **state)
{
	Tables tables = own_tables();
	float  x[50], whole[50], part[50];

	for (int i = 0; i < 50; i++)
		x[i] = (float) (i - 25) / 5;
	for (int t = 0; t < tables.n; t++)
		for (Activation a = ACTIVATION_NONE; a <= ACTIVATION_LAPLACE; a++)
		{
			memcpy(whole, x, sizeof(x));
			tables.table[t]->activate(a, whole, 50);
			for (int n = 0; n <= 50; n++)
			{
				memcpy(part, x, sizeof(x));
				tables.table[t]->activate(a, part, n);
				assert_same_bits(part, whole, n, tables.name[t]);
				assert_same_bits(part + n, x + n, 50 - n, tables.name[t]);
			}
		}
}

static void
test_names(void **state)
{
	static const struct
	{
		const char *name;
		Activation	activation;
	} names[] = {
		{"gelu", ACTIVATION_GELU},
		{"gelu_python", ACTIVATION_GELU},
		{"gelu_new", ACTIVATION_GELU_TANH},
		{"gelu_accurate", ACTIVATION_GELU_TANH},
		{"gelu_pytorch_tanh", ACTIVATION_GELU_TANH},
		{"gelu_fast", ACTIVATION_GELU_FAST},
		{"gelu_10", ACTIVATION_GELU_10},
		{"quick_gelu", ACTIVATION_QUICK_GELU},
		{"relu", ACTIVATION_RELU},
		{"relu2", ACTIVATION_RELU2},
		{"relu6", ACTIVATION_RELU6},
		{"leaky_relu", ACTIVATION_LEAKY_RELU},
		{"silu", ACTIVATION_SILU},
		{"swish", ACTIVATION_SILU},
		{"mish", ACTIVATION_MISH},
		{"sigmoid", ACTIVATION_SIGMOID},
		{"tanh", ACTIVATION_TANH},
		{"linear", ACTIVATION_NONE},
		{"selu", ACTIVATION_SELU},
		{"laplace", ACTIVATION_LAPLACE},
	};
	Error	   error;
	Activation activation;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
	{
		assert_true(activation_from_name(names[i].name, &activation, &error));
		assert_int_equal(activation, names[i].activation);
	}
	assert_false(activation_from_name("geglu", &activation, &error));
	assert_int_equal(error.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(error.message, "geglu"));
	assert_false(activation_from_name("", &activation, &error));
	assert_false(activation_from_name("GELU", &activation, &error));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_activations),
		cmocka_unit_test(test_any_length),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
