/*
 * vector_x86.h: the two operations that go by shuffles, for AVX2 and AVX-512 alike.  Private to
 * src/math.
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

/* out[i][j] = in[j][d + i], 4 by 4; 0 where not keep[j], whatever is there. */
INLINE void
transpose4(const float *const in[4], int d, const bool keep[4], float *out, long ldout)
{
	__m128 r[4];

	UNROLLED (j, 4)
		r[j] = _mm_and_ps(_mm_loadu_ps(in[j] + d), _mm_castsi128_ps(_mm_set1_epi32(-keep[j])));
	_MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
	UNROLLED (i, 4)
		_mm_storeu_ps(out + i * ldout, r[i]);
}

#endif
