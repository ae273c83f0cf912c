/*
 * kernels.c: how fast the kernels are on one core of this machine, beside what the core can do.
 *
 *	   make build/bench-kernels && build/bench-kernels [isa [precision]]
 *	   build/bench-kernels limits			what the core can do, as bench/run reads it
 *
 * Times are processor time of this thread, the best of several rounds, so that other work on the
 * machine disturbs little.  Products: k = 384, n = 1536, weights again and again, so from the
 * caches; "memory" walks matrices that no cache holds, as decoding does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/kernels.h"
#include "math/pack.h"

#define ROUNDS 15
#define MEMORY_BYTES 640000000.0 /* more than caches hold */

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *
allocate(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (p == NULL)
	{
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	memset(p, 0, bytes);
	return p;
}

static float *
random_floats(size_t n)
{
	float *x = allocate(n * sizeof(*x));

	for (size_t i = 0; i < n; i++)
		x[i] = (float) rand() / (float) RAND_MAX - 0.5f;
	return x;
}

#ifdef __x86_64__
/* Twelve independent chains of one instruction, more than hide its latency. */
/* clang-format off */
#define CHAINS_12(I) I(0) I(1) I(2) I(3) I(4) I(5) I(6) I(7) I(8) I(9) I(10) I(11)
/* clang-format on */
#define FMA_ZMM(R) "vfmadd231ps %%zmm15, %%zmm15, %%zmm" #R "\n"
#define FMA_YMM(R) "vfmadd231ps %%ymm15, %%ymm15, %%ymm" #R "\n"
#define DOT_ZMM(R) "vpdpbusd %%zmm15, %%zmm15, %%zmm" #R "\n"
#define DOT_YMM(R) "%{vex%} vpdpbusd %%ymm15, %%ymm15, %%ymm" #R "\n"
#define PEAK(NAME, INSTRUCTION)                                                                    \
	static void NAME(long loops)                                                                   \
	{                                                                                              \
		__asm__ volatile("vzeroall\n1:\n" CHAINS_12(INSTRUCTION) "dec %0\njnz 1b\nvzeroupper\n"    \
						 : "+r"(loops)                                                             \
						 :                                                                         \
						 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
						   "xmm9", "xmm10", "xmm11", "xmm15", "cc");                               \
	}
PEAK(fma_zmm, FMA_ZMM)
PEAK(fma_ymm, FMA_YMM)
PEAK(dot_zmm, DOT_ZMM)
PEAK(dot_ymm, DOT_YMM)

/* 10^9 operations a second; operations are those of one instruction. */
static double
peak(void (*function)(long), double operations)
{
	double best = 1e30;

	for (int i = 0; i < ROUNDS; i++)
	{
		double start = seconds();

		function(200000);
		start = seconds() - start;
		best = start < best ? start : best;
	}
	return 200000 * 12.0 * operations / best * 1e-9;
}
#endif

/* Peak of a precision on an instruction set, or 0 where that is not known. */
static double
peak_of(Isa isa, Precision precision)
{
#ifdef __x86_64__
	bool vnni = isa == ISA_AVX512
					? __builtin_cpu_supports("avx512vnni")
					: isa_supported(ISA_AVX512) && __builtin_cpu_supports("avx512vnni");

	if (precision == PRECISION_INT8 && isa == ISA_AVX512 && vnni)
		return peak(dot_zmm, 128);
	if (precision == PRECISION_INT8 && isa == ISA_AVX2 && vnni)
		return peak(dot_ymm, 64);
	if (precision != PRECISION_INT8 &&
		(isa == ISA_AVX512 || (isa == ISA_OPENBLAS && isa_supported(ISA_AVX512))))
		return peak(fma_zmm, 32);
	if (precision != PRECISION_INT8 && isa_supported(ISA_AVX2))
		return peak(fma_ymm, 16);
#endif
	return 0;
}

/* One word of every line is read: what moves is the lines. */
static double
memory_bandwidth(void)
{
	size_t	  bytes = (size_t) MEMORY_BYTES, n = bytes / sizeof(uint64_t);
	uint64_t *x = allocate(bytes), sum = 0;
	double	  best = 1e30;

	for (int i = 0; i < 5; i++)
	{
		double start = seconds();

		for (size_t j = 0; j < n; j += 64 / sizeof(uint64_t))
		{
			__builtin_prefetch(x + j + 1024, 0, 2);
			sum += x[j];
		}
		start = seconds() - start;
		best = start < best ? start : best;
	}
	free(x);
	return sum ? 0 : bytes / best * 1e-9;
}

static Matrix
make_matrix(Precision precision, int n, int k)
{
	Matrix	 w = {.precision = precision, .n = n, .k = k};
	float	*raw = random_floats((size_t) n * k), *scale = allocate(PANEL_UP(n) * 4);
	int32_t *sum = allocate(PANEL_UP(n) * 4);
	void	*panels = allocate(pack_size(precision, n, k));

	pack_matrix(precision, raw, n, k, panels, scale, sum);
	free(raw);
	w.panels = panels;
	w.bias = random_floats(PANEL_UP(n));
	w.scale = scale;
	w.sum = sum;
	return w;
}

static Rows
make_rows(const Kernels *kernels, int m, int k)
{
	long	 ld = PANEL_UP(k), ldq = (k + 63) / 64 * 64;
	float	*x = random_floats(m * ld), *scale = allocate(m * 4);
	uint8_t *q = allocate(m * ldq);
	int32_t *zero = allocate(m * 4);

	kernels->quantize(x, ld, m, k, q, ldq, scale, zero);
	return (Rows){.x = x, .ld = ld, .q = q, .ldq = ldq, .scale = scale, .zero = zero};
}

static void
free_rows(Rows *rows)
{
	free((void *) rows->x);
	free((void *) rows->q);
	free((void *) rows->scale);
	free((void *) rows->zero);
}

static double
gemm_rate(const Kernels *kernels, const Matrix *w, int n_matrices, int m, Activation activation)
{
	Rows   rows = make_rows(kernels, m, w->k);
	long   ldc = PANEL_UP(w->n);
	float *c = allocate(m * ldc * 4);
	double operations = 2.0 * m * w->n * w->k * n_matrices, best = 1e30;
	int	   loops = (int) (4e8 / operations) + 1;

	for (int i = 0; i < ROUNDS; i++)
	{
		double start = seconds();

		for (int j = 0; j < loops; j++)
			for (int k = 0; k < n_matrices; k++)
				kernels->gemm(w + k, 0, ldc / PANEL, &rows, m, c, ldc, activation, NULL, 0);
		start = (seconds() - start) / loops;
		best = start < best ? start : best;
	}
	free_rows(&rows);
	free(c);
	return operations / best * 1e-9;
}

static const char *const precision_names[] = {"fp32", "bf16", "int8"};
static const int		 heights[] = {1, 2, 4, 8, 14, 15, 64, 128, 512};

static void
bench_gemm(const Kernels *kernels, Isa isa, Precision precision)
{
	double limit = peak_of(isa, precision);
	Matrix w = make_matrix(precision, 1536, 384);

	printf("%-9s %s  peak %.0f\n", kernels->name, precision_names[precision], limit);
	for (size_t i = 0; i < sizeof(heights) / sizeof(*heights); i++)
	{
		double rate = gemm_rate(kernels, &w, 1, heights[i], ACTIVATION_NONE);

		printf("	m %4d  %7.1f", heights[i], rate);
		if (limit > 0)
			printf("  %3.0f %%", 100 * rate / limit);
		if (heights[i] == 128)
			printf("  with gelu %.1f", gemm_rate(kernels, &w, 1, 128, ACTIVATION_GELU));
		printf("\n");
	}
}

static void
bench_memory(const Kernels *kernels, Precision precision, double bandwidth)
{
	double	bytes = pack_size(precision, 3072, 768);
	int		copies = (int) (MEMORY_BYTES / bytes);
	Matrix *w = allocate(copies * sizeof(*w));

	w[0] = make_matrix(precision, 3072, 768);
	for (int i = 1; i < copies; i++)
	{
		void *copy = allocate((size_t) bytes);

		memcpy(copy, w[0].panels, (size_t) bytes);
		w[i] = w[0];
		w[i].panels = copy;
	}
	for (int m = 1; m <= 8; m *= 8)
	{
		double rate = gemm_rate(kernels, w, copies, m, ACTIVATION_NONE);
		double gb = rate / (2.0 * m * 768 * 3072) * bytes;

		printf("%-9s %s  m %d from memory: %.1f GB/s", kernels->name, precision_names[precision], m,
			   gb);
		printf(" of %.1f, %.0f %%\n", bandwidth, 100 * gb / bandwidth);
	}
	for (int i = 0; i < copies; i++)
		free((void *) w[i].panels);
	free(w);
}

/* What is not a product, at MiniLM's sizes: 128 tokens of 384, 12 heads of 32. */
static void
bench_rest(const Kernels *kernels, int tokens, int length)
{
	float	*x = random_floats((size_t) tokens * 1536), *out = allocate((size_t) tokens * 1536 * 4);
	float	*weight = random_floats(1536), *scale = allocate(tokens * 4);
	float	*scratch = allocate(attention_scratch(length, 32, 32) * 4);
	uint8_t *q = allocate((size_t) tokens * 1536);
	int32_t *zero = allocate(tokens * 4);
	double	 best[5] = {1e30, 1e30, 1e30, 1e30, 1e30};

	for (int i = 0; i < ROUNDS * 4; i++)
	{
		double t[6];

		t[0] = seconds();
		for (int s = 0; s < tokens; s += length)
			for (int h = 0; h < 12; h++)
			{
				AttentionArgs args = {
					.q = x + s * 1152 + h * 32, .ldq = 1152, .ldk = 1152, .ldv = 1152};

				args.k = args.q + 384;
				args.v = args.q + 768;
				args.n_queries = args.n_keys = length;
				args.head_dim = args.value_dim = 32;
				args.scale = 0.17f;
				args.weight_scale = 1.0f;
				args.out = out + s * 384 + h * 32;
				args.ldout = 384;
				args.scratch = scratch;
				kernels->attention(&args);
			}
		t[1] = seconds();
		kernels->layer_norm(x, 384, tokens, 384, weight, weight, 1e-12f, out, 384);
		t[2] = seconds();
		kernels->quantize(x, 384, tokens, 384, q, 384, scale, zero);
		t[3] = seconds();
		memcpy(out, x, (size_t) tokens * 1536 * 4);
		t[4] = seconds();
		kernels->activate(ACTIVATION_GELU, out, (size_t) tokens * 1536);
		t[5] = seconds();
		for (int k = 0; k < 5; k++)
			best[k] = t[k + 1] - t[k] < best[k] ? t[k + 1] - t[k] : best[k];
	}
	printf("%-9s ns a token, texts of %d: attention %.0f  layer_norm %.0f  quantize %.0f  gelu of "
		   "1536 %.0f\n",
		   kernels->name, length, best[0] / tokens * 1e9, best[1] / tokens * 1e9,
		   best[2] / tokens * 1e9, best[4] / tokens * 1e9);
	free(x);
	free(out);
	free(weight);
	free(scale);
	free(scratch);
	free(q);
	free(zero);
}

/* One line a limit: its name, the figure, the unit. */
static void
print_limits(void)
{
	Isa isa = isa_supported(ISA_AVX512) ? ISA_AVX512 : ISA_AVX2;

	printf("fp32 %.1f GFLOP/s\n", peak_of(isa, PRECISION_FP32));
	printf("int8 %.1f GOP/s\n", peak_of(isa, PRECISION_INT8));
	printf("memory %.1f GB/s\n", memory_bandwidth());
}

int
main(int argc, char **argv)
{
	double bandwidth;

	if (argc == 2 && strcmp(argv[1], "limits") == 0)
	{
		print_limits();
		return 0;
	}
	bandwidth = argc > 1 ? 0 : memory_bandwidth();
	if (bandwidth > 0)
		printf("memory, one core: %.1f GB/s\n", bandwidth);
	for (Isa isa = ISA_AVX512; isa <= ISA_OPENBLAS; isa++)
	{
		Error		   error;
		const Kernels *kernels;

		if ((argc > 1 && strcmp(argv[1], isa_name(isa)) != 0) || !isa_supported(isa))
			continue;
		kernels = kernels_select(isa, &error);
		if (kernels == NULL)
		{
			fprintf(stderr, "%s\n", error.message);
			return 1;
		}
		for (Precision p = PRECISION_FP32; p <= PRECISION_INT8; p++)
		{
			if (argc > 2 && strcmp(argv[2], precision_names[p]) != 0)
				continue;
			bench_gemm(kernels, isa, p);
			if (bandwidth > 0 && isa <= ISA_AVX2)
				bench_memory(kernels, p, bandwidth);
		}
		bench_rest(kernels, 128, 16);
		bench_rest(kernels, 128, 128);
	}
	return 0;
}
