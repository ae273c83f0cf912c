/*
 * kernels_avx2.c: the kernels on AVX2 with FMA, with and without AVX-VNNI.
 *
 * Only the vector is defined here, as two registers; what is computed with it is in kernels_impl.h.
 */
#ifdef __x86_64__

#include "math/tables.h"
#include "math/vector_x86.h"

typedef struct Vec /* 16 floats */
{
	__m256 a, b;
} Vec;

typedef struct Int /* 16 int32 */
{
	__m256i a, b;
} Int;

typedef struct Mask /* 16 booleans: all bits of a lane, or none */
{
	__m256 a, b;
} Mask;

#define KERNELS_NAME "avx2"
#define KERNELS_TABLE kernels_avx2
#define KERNELS_TABLE_VNNI kernels_avx2_vnni

/* Up to 12 sums; weights take as many registers as a row has sums, but those of fp32 may stay in
 * memory. */
INLINE int
rows_at_most(Kind kind, int width)
{
	if (width == 1)
		return kind == KIND_INT8 ? 4 : 6;
	return kind == KIND_FP32 || kind == KIND_SCALED ? 3 : 2;
}

enum
{
	EMA_STATES = 4 /* of a moving average, beside a step's input and sum */
};

INLINE Mask
mask_first(int count)
{
	__m256i n = _mm256_set1_epi32(count);
	__m256i a = _mm256_cmpgt_epi32(n, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
	__m256i b = _mm256_cmpgt_epi32(n, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));

	return (Mask){_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)};
}

INLINE Mask
mask_and(Mask x, Mask y)
{
	return (Mask){_mm256_and_ps(x.a, y.a), _mm256_and_ps(x.b, y.b)};
}

INLINE Mask
mask_bytes(const uint8_t *bytes)
{
	__m128i x = _mm_loadu_si128((const __m128i *) bytes);
	__m256i a = _mm256_cvtepu8_epi32(x), b = _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8));
	__m256i zero = _mm256_setzero_si256();

	return (Mask){_mm256_castsi256_ps(_mm256_cmpgt_epi32(a, zero)),
				  _mm256_castsi256_ps(_mm256_cmpgt_epi32(b, zero))};
}

INLINE Vec
vec_set(float x)
{
	__m256 v = _mm256_set1_ps(x);

	return (Vec){v, v};
}

INLINE Vec
vec_load(const float *p)
{
	return (Vec){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

INLINE Vec
vec_load_first(const float *p, int count)
{
	Mask mask = mask_first(count);

	return (Vec){_mm256_maskload_ps(p, _mm256_castps_si256(mask.a)),
				 _mm256_maskload_ps(p + 8, _mm256_castps_si256(mask.b))};
}

INLINE void
vec_store(float *p, Vec x)
{
	_mm256_storeu_ps(p, x.a);
	_mm256_storeu_ps(p + 8, x.b);
}

INLINE void
vec_store_first(float *p, Vec x, int count)
{
	Mask mask = mask_first(count);

	_mm256_maskstore_ps(p, _mm256_castps_si256(mask.a), x.a);
	_mm256_maskstore_ps(p + 8, _mm256_castps_si256(mask.b), x.b);
}

INLINE Vec
vec_add(Vec x, Vec y)
{
	return (Vec){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

INLINE Vec
vec_sub(Vec x, Vec y)
{
	return (Vec){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

INLINE Vec
vec_mul(Vec x, Vec y)
{
	return (Vec){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

INLINE Vec
vec_div(Vec x, Vec y)
{
	return (Vec){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

INLINE Vec
vec_fma(Vec x, Vec y, Vec z)
{
	return (Vec){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

INLINE Vec
vec_fnma(Vec x, Vec y, Vec z)
{
	return (Vec){_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)};
}

INLINE Vec
vec_max(Vec x, Vec y)
{
	return (Vec){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

INLINE Vec
vec_min(Vec x, Vec y)
{
	return (Vec){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

INLINE Vec
vec_abs(Vec x)
{
	__m256 sign = _mm256_set1_ps(-0.0f);

	return (Vec){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}

INLINE Mask
vec_less(Vec x, Vec y)
{
	return (Mask){_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}

INLINE Vec
vec_pick(Mask mask, Vec x, Vec y)
{
	return (Vec){_mm256_blendv_ps(y.a, x.a, mask.a), _mm256_blendv_ps(y.b, x.b, mask.b)};
}

INLINE Vec
vec_swap(Vec x)
{
	return (Vec){_mm256_permute_ps(x.a, 0xb1), _mm256_permute_ps(x.b, 0xb1)};
}

INLINE Vec
vec_twice(Vec x)
{
	__m256 low = _mm256_unpacklo_ps(x.a, x.a), high = _mm256_unpackhi_ps(x.a, x.a);

	return (Vec){_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31)};
}

INLINE __m256
power8(__m256 n)
{
	__m256i bits = _mm256_slli_epi32(_mm256_castps_si256(n), 23);

	return _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(0x3f800000)));
}

INLINE Vec
vec_power(Vec n)
{
	return (Vec){power8(n.a), power8(n.b)};
}

INLINE Int
int_load(const void *p)
{
	const __m256i *q = p;

	return (Int){_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}

INLINE void
int_store(void *p, Int x)
{
	__m256i *q = p;

	_mm256_storeu_si256(q, x.a);
	_mm256_storeu_si256(q + 1, x.b);
}

INLINE __m256
bf16_8(const uint16_t *p)
{
	__m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) p));

	return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
}

INLINE Vec
vec_bf16(const uint16_t *p)
{
	return (Vec){bf16_8(p), bf16_8(p + 8)};
}

INLINE Vec
vec_bf16_low(const void *p)
{
	Int x = int_load(p);

	return (Vec){_mm256_castsi256_ps(_mm256_slli_epi32(x.a, 16)),
				 _mm256_castsi256_ps(_mm256_slli_epi32(x.b, 16))};
}

INLINE Vec
vec_bf16_high(const void *p)
{
	__m256 high = _mm256_castsi256_ps(_mm256_set1_epi32((int) 0xffff0000));
	Vec	   x = vec_load(p);

	return (Vec){_mm256_and_ps(x.a, high), _mm256_and_ps(x.b, high)};
}

INLINE __m256
fold(__m256 a, __m256 b, bool top)
{
	return top ? _mm256_max_ps(a, b) : _mm256_add_ps(a, b);
}

INLINE float
vec_tree(Vec x, bool top)
{
	return tree8(fold(x.a, x.b, top), top);
}

INLINE void
vec_tree4(const Vec v[4], bool top, float out[4])
{
	__m256 a = fold(v[0].a, v[0].b, top), b = fold(v[2].a, v[2].b, top);
	__m256 c = fold(v[1].a, v[1].b, top), d = fold(v[3].a, v[3].b, top);

	a = fold(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31), top);
	c = fold(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31), top);
	a = fold(_mm256_shuffle_ps(a, c, 0x44), _mm256_shuffle_ps(a, c, 0xee), top);
	a = fold(a, _mm256_permute_ps(a, 0xb1), top);
	a = _mm256_permute_ps(a, 0x08);
	_mm_storel_pi((__m64 *) out, _mm256_castps256_ps128(a));
	_mm_storel_pi((__m64 *) (out + 2), _mm256_extractf128_ps(a, 1));
}

INLINE Int
int_set(int32_t x)
{
	__m256i v = _mm256_set1_epi32(x);

	return (Int){v, v};
}

INLINE Int
int_mul(Int x, Int y)
{
	return (Int){_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)};
}

INLINE Int
int_add(Int x, Int y)
{
	return (Int){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}

INLINE Vec
vec_of_int(Int x)
{
	return (Vec){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

INLINE Int
int_round(Vec x)
{
	return (Int){_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)};
}

INLINE void
int_store_u8(uint8_t *p, const Int v[4])
{
	__m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);

	UNROLLED (u, 2)
	{
		__m256i a = _mm256_packs_epi32(v[2 * u].a, v[2 * u].b);
		__m256i b = _mm256_packs_epi32(v[2 * u + 1].a, v[2 * u + 1].b);
		__m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);

		_mm256_storeu_si256((__m256i *) p + u, bytes);
	}
}

/* Not the intrinsic: it would need a flag that lets the compiler use VNNI where the processor
 * may lack it. */
INLINE Int
int_dot_vnni(Int sum, Int u, Int s)
{
	__asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.a) : "x"(u.a), "x"(s.a));
	__asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.b) : "x"(u.b), "x"(s.b));
	return sum;
}

/* Even and odd bytes as 16-bit numbers, whose products are summed in pairs: exact, unlike
 * vpmaddubsw. */
INLINE __m256i
dot8(__m256i sum, __m256i u, __m256i s)
{
	__m256i even_u = _mm256_and_si256(u, _mm256_set1_epi16(0xff)), odd_u = _mm256_srli_epi16(u, 8);
	__m256i even_s = _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8), odd_s = _mm256_srai_epi16(s, 8);

	sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even_u, even_s));
	return _mm256_add_epi32(sum, _mm256_madd_epi16(odd_u, odd_s));
}

INLINE Int
int_dot(Int sum, Int u, Int s)
{
	return (Int){dot8(sum.a, u.a, s.a), dot8(sum.b, u.b, s.b)};
}

#include "math/kernels_impl.h"

#else
typedef int kernels_avx2_is_for_x86_64;
#endif
