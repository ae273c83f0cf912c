/*
 * vector_x86.h: the two operations that go by shuffles, for AVX2 and AVX-512 alike.  Private to src/math.
 */
#ifndef MATH_VECTOR_X86_H
#define MATH_VECTOR_X86_H

#include <immintrin.h>

#include "math/vector.h"

INLINE float
tree8(__m256 v, bool top)
{
	__m128 a = _mm256_castps256_ps128(v), b = _mm256_extractf128_ps(v, 1);

	a = top ? _mm_max_ps(a, b) : _mm_add_ps(a, b);
	b = _mm_movehl_ps(a, a);
	a = top ? _mm_max_ps(a, b) : _mm_add_ps(a, b);
	b = _mm_movehdup_ps(a);
	return _mm_cvtss_f32(top ? _mm_max_ps(a, b) : _mm_add_ps(a, b));
}

/* out[d][j] = in[j][d], 4 by 4. */
INLINE void
transpose4(const float *const in[4], float *out, long ldout)
{
	__m128 r[4];

	UNROLL for (int i = 0; i < 4; i++) r[i] = _mm_loadu_ps(in[i]);
	_MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
	UNROLL for (int i = 0; i < 4; i++) _mm_storeu_ps(out + i * ldout, r[i]);
}

#endif
