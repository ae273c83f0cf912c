/*
 * kernels_util.h: what the tests of the kernels share: numbers to feed them, and every table that
 * this processor can run.
 */
#ifndef KERNELS_UTIL_H
#define KERNELS_UTIL_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/kernels.h"
#include "math/pack.h"
#include "math/tables.h"

#define MAX_TABLES 8

typedef struct Tables
{
	const Kernels *table[MAX_TABLES];
	const char	  *name[MAX_TABLES];
	int			   n;
} Tables;

static inline void
tables_add(Tables *tables, const Kernels *table, const char *name)
{
	assert_true(tables->n < MAX_TABLES);
	tables->table[tables->n] = table;
	tables->name[tables->n++] = name;
}

/* All that promise the same bits; the plainest first, which the others are compared with. */
static inline Tables
own_tables(void)
{
	Tables t = {0};
	Error  error;

	tables_add(&t, &kernels_generic, "generic");
	if (kernels_select(ISA_GENERIC, &error) != &kernels_generic)
		tables_add(&t, kernels_select(ISA_GENERIC, &error), "generic with fma");
#ifdef __x86_64__
	if (isa_supported(ISA_AVX2))
	{
		tables_add(&t, &kernels_avx2, "avx2");
		if (kernels_select(ISA_AVX2, &error) != &kernels_avx2)
			tables_add(&t, kernels_select(ISA_AVX2, &error), "avx2 with vnni");
	}
	if (isa_supported(ISA_AVX512))
	{
		tables_add(&t, &kernels_avx512, "avx512");
		if (kernels_select(ISA_AVX512, &error) != &kernels_avx512)
			tables_add(&t, kernels_select(ISA_AVX512, &error), "avx512 with vnni");
	}
#endif
	return t;
}

/* Exactly so many bytes, so that a sanitizer sees what is read behind them. */
static inline void *
allocate(size_t bytes)
{
	void *p = NULL;

	assert_int_equal(posix_memalign(&p, 64, bytes ? bytes : 1), 0);
	return p;
}

/* Numbers that depend on the seed only. */
static inline uint32_t
random_bits(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t) (*seed >> 32);
}

static inline float
random_float(uint64_t *seed, float size)
{
	return ((float) (random_bits(seed) >> 8) / 8388608.0f - 1.0f) * size;
}

static inline float *
random_floats(size_t n, float size, uint64_t seed)
{
	float *x = allocate(n * sizeof(*x));

	for (size_t i = 0; i < n; i++)
		x[i] = random_float(&seed, size);
	return x;
}

/* n floats that show when one of them is read or written where it should not be. */
static inline float *
poisoned(size_t n)
{
	float *x = allocate(n * sizeof(*x));

	for (size_t i = 0; i < n; i++)
		x[i] = NAN;
	return x;
}

static inline void
assert_same_bits(const float *a, const float *b, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(a + i, b + i, sizeof(*a)) != 0)
			fail_msg("%s: element %zu is %.9g and %.9g", what, i, a[i], b[i]);
}

static inline void
assert_near(double value, double expected, double tolerance, const char *what, long at)
{
	if (!(fabs(value - expected) <= tolerance))
		fail_msg("%s: element %ld is %.9g, should be %.9g within %.1g", what, at, value, expected,
				 tolerance);
}

#endif
