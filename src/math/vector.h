/*
 * vector.h: what the vectors of all instruction sets share.  Private to src/math.
 *
 * A vector is always sixteen lanes wide (Vec, Int, Mask), made of as many registers as the
 * processor needs. Each of kernels_avx512.c, kernels_avx2.c and kernels_generic.c defines the same
 * operations on it:
 *	 vec_fnma(a, b, c)		c - a b
 *	 vec_less(a, b)			lanes where a < b
 *	 vec_pick(m, a, b)		a where m, else b
 *	 vec_max(a, b)			a > b ? a : b, as x86 has it; vec_min likewise with <
 *	 vec_load_first(p, n)	p[0 .. n-1], zeros behind, which are not read; any n
 *	 vec_swap(v)			lanes 1, 0, 3, 2, ...: neighbours swapped
 *	 vec_twice(v)			lanes 0, 0, 1, 1, ... 7, 7
 *	 vec_bf16(p)			sixteen bf16 widened; vec_bf16_low, _high of sixteen pairs
 *	 vec_power(n)			2^n of an integer n that was added to 1.5 * 2^23, -126 <= n <= 127
 *	 vec_tree(v, top)		sum (or maximum) of the lanes: i with i + 8, then 4, 2, 1
 *	 vec_tree4(v, top, out)	the same of four vectors
 *	 int_round(v)			nearest integers, ties to even
 *	 int_store_u8(p, v)		four vectors to 64 bytes, clamped to 0 .. 255
 *	 int_dot(s, u, w)		s + the four products of each lane's bytes, u unsigned, w signed
 *	 int_dot_vnni			the same in one instruction, for processors that have it
 *	 rows_at_most(k, w)		rows of a tile of kind k, w vectors wide, whose sums registers hold
 * Everything is one IEEE operation a lane, so equal on all of them.
 */
#ifndef MATH_VECTOR_H
#define MATH_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef VECTOR_IS_AN_ARRAY
#define INLINE static inline
#else
#define INLINE static inline __attribute__((always_inline))
#endif

/* What a tile multiplies. */
typedef enum Kind
{
	KIND_FP32,
	KIND_BF16,
	KIND_INT8,	/* by int_dot() */
	KIND_VNNI,	/* by int_dot_vnni() */
	KIND_SCALED /* fp32, each row times its own factor: attention */
} Kind;

/* A loop of a constant number of rounds, at most 16, that is unrolled where vectors are
 * registers. */
#ifdef VECTOR_IS_AN_ARRAY
#define UNROLLED(I, N) for (int I = 0; I < (N); I++)
#elif defined(__clang__)
#define UNROLLED(I, N) _Pragma("clang loop unroll(full)") for (int I = 0; I < (N); I++)
#else
#define UNROLLED(I, N) _Pragma("GCC unroll 16") for (int I = 0; I < (N); I++)
#endif

#endif
