/*
 * kernels.c: which kernels this processor gets, and the names of activations and instruction sets.
 */
#include "math/kernels.h"

#include <string.h>

#include "math/tables.h"

#ifdef __x86_64__
#include <cpuid.h>

/* What processor and operating system allow.  Bits as in Intel's manual, volume 2, CPUID. */
typedef struct Features
{
	bool fma, avx2, avx_vnni, avx512, avx512_vnni;
} Features;

#define BIT(WORD, N) (((WORD) >> (N) &1) != 0)

static Features
cpu_features(void)
{
	Features	 f = {0};
	unsigned int a, b, c, d, state, high;
	bool		 ymm, zmm;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !BIT(c, 27))
		return f;
	__asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0)); /* registers that the system saves */
	ymm = (state & 0x6) == 0x6;
	zmm = (state & 0xe6) == 0xe6;
	f.fma = ymm && BIT(c, 12);
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return f;
	f.avx2 = f.fma && BIT(b, 5);
	f.avx512 = f.avx2 && zmm && BIT(b, 16) && BIT(b, 17) && BIT(b, 30) && BIT(b, 31);
	f.avx512_vnni = f.avx512 && BIT(c, 11);
	if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
		f.avx_vnni = f.avx2 && BIT(a, 4);
	return f;
}
#endif

static const Kernels *
avx512_table(void)
{
#ifdef __x86_64__
	Features f = cpu_features();

	if (f.avx512)
		return f.avx512_vnni ? &kernels_avx512_vnni : &kernels_avx512;
#endif
	return NULL;
}

static const Kernels *
avx2_table(void)
{
#ifdef __x86_64__
	Features f = cpu_features();

	if (f.avx2)
		return f.avx_vnni ? &kernels_avx2_vnni : &kernels_avx2;
#endif
	return NULL;
}

static const Kernels *
generic_table(void)
{
#ifdef __x86_64__
	if (cpu_features().fma)
		return &kernels_generic_fma;
#endif
	return &kernels_generic;
}

static const Kernels *
own_table(void)
{
	const Kernels *best = avx512_table();

	if (best == NULL)
		best = avx2_table();
	return best ? best : generic_table();
}

bool
isa_supported(Isa isa)
{
	Error error;

	switch (isa)
	{
		case ISA_AVX512:
			return avx512_table() != NULL;
		case ISA_AVX2:
			return avx2_table() != NULL;
		case ISA_OPENBLAS:
			return openblas_kernels(own_table(), &error) != NULL;
		case ISA_AUTO:
		case ISA_GENERIC:
			return true;
	}
	return false;
}

const Kernels *
kernels_select(Isa isa, Error *error)
{
	const Kernels *kernels = NULL;

	switch (isa)
	{
		case ISA_AUTO:
			kernels = own_table();
			if (strcmp(kernels->name, isa_name(ISA_GENERIC)) == 0)
			{
				Error		   reason;
				const Kernels *openblas = openblas_kernels(kernels, &reason);

				if (openblas)
					kernels = openblas;
			}
			return kernels;
		case ISA_AVX512:
			kernels = avx512_table();
			break;
		case ISA_AVX2:
			kernels = avx2_table();
			break;
		case ISA_GENERIC:
			return generic_table();
		case ISA_OPENBLAS:
			return openblas_kernels(own_table(), error);
	}
	if (kernels == NULL)
		error_set(error, ERR_UNSUPPORTED, "this processor does not support instruction set \"%s\"",
				  isa_name(isa));
	return kernels;
}

static const char *const isa_names[] = {
	[ISA_AUTO] = "auto",	   [ISA_AVX512] = "avx512",		[ISA_AVX2] = "avx2",
	[ISA_GENERIC] = "generic", [ISA_OPENBLAS] = "openblas",
};

const char *
isa_name(Isa isa)
{
	return isa_names[isa];
}

bool
isa_from_name(const char *name, Isa *isa)
{
	for (size_t i = 0; i < sizeof(isa_names) / sizeof(*isa_names); i++)
		if (strcmp(name, isa_names[i]) == 0)
		{
			*isa = (Isa) i;
			return true;
		}
	return false;
}

static const struct
{
	const char *name;
	Activation	activation;
} activations[] = {
	{"linear", ACTIVATION_NONE},
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
	{"selu", ACTIVATION_SELU},
	{"laplace", ACTIVATION_LAPLACE},
};

bool
activation_from_name(const char *name, Activation *activation, Error *error)
{
	for (size_t i = 0; i < sizeof(activations) / sizeof(*activations); i++)
		if (strcmp(name, activations[i].name) == 0)
		{
			*activation = activations[i].activation;
			return true;
		}
	return error_set(error, ERR_UNSUPPORTED, "activation function \"%s\" is not supported", name);
}

size_t
attention_scratch(int n_keys, int head_dim, int value_dim)
{
	size_t keys = ((size_t) n_keys + PANEL - 1) / PANEL * PANEL;
	size_t values = ((size_t) value_dim + 15) / 16 * 16;

	return keys * ((size_t) head_dim + TILE_ROWS + values);
}
