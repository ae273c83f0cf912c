/*
 * kernels_avx512.c: the kernels on AVX-512 (F, BW, DQ, VL), with and without VNNI.
 *
 * Only the vector is defined here; what is computed with it is in kernels_impl.h.
 */
#ifdef __x86_64__

#include "math/tables.h"
#include "math/vector_x86.h"

typedef __m512	  Vec;	/* 16 floats */
typedef __m512i	  Int;	/* 16 int32 */
typedef __mmask16 Mask; /* 16 booleans */

#define KERNELS_NAME "avx512"
#define KERNELS_TABLE kernels_avx512
#define KERNELS_TABLE_VNNI kernels_avx512_vnni

/* Up to 2 * 14 sums, and 3 registers more; int_dot() needs another 9. */
INLINE int
rows_at_most(Kind kind, int width)
{
	return kind == KIND_INT8 ? 10 : 14;
}

enum
{
	EMA_STATES = 16 /* of a moving average, beside a step's input and sum */
};

INLINE Mask
mask_first(int count)
{
	return count >= 16 ? 0xffff : count <= 0 ? 0 : (Mask) ((1u << count) - 1);
}

INLINE Mask
mask_and(Mask a, Mask b)
{
	return a & b;
}

INLINE Mask
mask_bytes(const uint8_t *bytes)
{
	__m128i x = _mm_loadu_si128((const __m128i *) bytes);

	return _mm_test_epi8_mask(x, x);
}

INLINE Vec
vec_set(float x)
{
	return _mm512_set1_ps(x);
}

INLINE Vec
vec_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

INLINE Vec
vec_load_first(const float *p, int count)
{
	return _mm512_maskz_loadu_ps(mask_first(count), p);
}

INLINE void
vec_store(float *p, Vec a)
{
	_mm512_storeu_ps(p, a);
}

INLINE void
vec_store_first(float *p, Vec a, int count)
{
	_mm512_mask_storeu_ps(p, mask_first(count), a);
}

INLINE Vec
vec_add(Vec a, Vec b)
{
	return _mm512_add_ps(a, b);
}

INLINE Vec
vec_sub(Vec a, Vec b)
{
	return _mm512_sub_ps(a, b);
}

INLINE Vec
vec_mul(Vec a, Vec b)
{
	return _mm512_mul_ps(a, b);
}

INLINE Vec
vec_div(Vec a, Vec b)
{
	return _mm512_div_ps(a, b);
}

INLINE Vec
vec_fma(Vec a, Vec b, Vec c)
{
	return _mm512_fmadd_ps(a, b, c);
}

INLINE Vec
vec_fnma(Vec a, Vec b, Vec c)
{
	return _mm512_fnmadd_ps(a, b, c);
}

INLINE Vec
vec_max(Vec a, Vec b)
{
	return _mm512_max_ps(a, b);
}

INLINE Vec
vec_min(Vec a, Vec b)
{
	return _mm512_min_ps(a, b);
}

INLINE Vec
vec_abs(Vec a)
{
	return _mm512_abs_ps(a);
}

INLINE Mask
vec_less(Vec a, Vec b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

INLINE Vec
vec_pick(Mask mask, Vec a, Vec b)
{
	return _mm512_mask_blend_ps(mask, b, a);
}

INLINE Vec
vec_swap(Vec a)
{
	return _mm512_permute_ps(a, 0xb1);
}

INLINE Vec
vec_twice(Vec a)
{
	__m512i lanes = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);

	return _mm512_permutexvar_ps(lanes, a);
}

INLINE Vec
vec_power(Vec n)
{
	__m512i bits = _mm512_slli_epi32(_mm512_castps_si512(n), 23);

	return _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3f800000)));
}

INLINE Vec
vec_bf16(const uint16_t *p)
{
	__m512i x = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) p));

	return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
}

INLINE Vec
vec_bf16_low(const void *p)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}

INLINE Vec
vec_bf16_high(const void *p)
{
	__m512i high = _mm512_set1_epi32((int) 0xffff0000);

	return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), high));
}

INLINE __m512
fold(__m512 a, __m512 b, bool top)
{
	return top ? _mm512_max_ps(a, b) : _mm512_add_ps(a, b);
}

INLINE float
vec_tree(Vec v, bool top)
{
	__m256 a = _mm512_castps512_ps256(v), b = _mm512_extractf32x8_ps(v, 1);

	a = top ? _mm256_max_ps(a, b) : _mm256_add_ps(a, b);
	return tree8(a, top);
}

INLINE void
vec_tree4(const Vec v[4], bool top, float out[4])
{
	__m512 a =
		fold(_mm512_shuffle_f32x4(v[0], v[1], 0x44), _mm512_shuffle_f32x4(v[0], v[1], 0xee), top);
	__m512 b =
		fold(_mm512_shuffle_f32x4(v[2], v[3], 0x44), _mm512_shuffle_f32x4(v[2], v[3], 0xee), top);

	a = fold(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd), top);
	a = fold(a, _mm512_permute_ps(a, 0x4e), top);
	a = fold(a, _mm512_permute_ps(a, 0xb1), top);
	_mm512_mask_compressstoreu_ps(out, 0x1111, a);
}

INLINE Int
int_set(int32_t x)
{
	return _mm512_set1_epi32(x);
}

INLINE Int
int_load(const void *p)
{
	return _mm512_loadu_si512(p);
}

INLINE void
int_store(void *p, Int a)
{
	_mm512_storeu_si512(p, a);
}

INLINE Int
int_mul(Int a, Int b)
{
	return _mm512_mullo_epi32(a, b);
}

INLINE Int
int_add(Int a, Int b)
{
	return _mm512_add_epi32(a, b);
}

INLINE Vec
vec_of_int(Int a)
{
	return _mm512_cvtepi32_ps(a);
}

INLINE Int
int_round(Vec a)
{
	return _mm512_cvtps_epi32(a);
}

INLINE void
int_store_u8(uint8_t *p, const Int v[4])
{
	__m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	__m512i a = _mm512_packs_epi32(v[0], v[1]), b = _mm512_packs_epi32(v[2], v[3]);

	_mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b)));
}

/* Not the intrinsic: gcc 12 moves and spills the sums around it. */
INLINE Int
int_dot_vnni(Int sum, Int u, Int s)
{
	__asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u), "v"(s));
	return sum;
}

/* Even and odd bytes as 16-bit numbers, whose products are summed in pairs: exact, unlike
 * vpmaddubsw. */
INLINE Int
int_dot(Int sum, Int u, Int s)
{
	__m512i even_u = _mm512_and_si512(u, _mm512_set1_epi16(0xff)), odd_u = _mm512_srli_epi16(u, 8);
	__m512i even_s = _mm512_srai_epi16(_mm512_slli_epi16(s, 8), 8), odd_s = _mm512_srai_epi16(s, 8);

	sum = _mm512_add_epi32(sum, _mm512_madd_epi16(even_u, even_s));
	return _mm512_add_epi32(sum, _mm512_madd_epi16(odd_u, odd_s));
}

#include "math/kernels_impl.h"

#else
typedef int kernels_avx512_is_for_x86_64;
#endif
