/*
 * kernels_generic.c: the kernels in plain C, for any processor.
 *
 * The same bits as the others, by fmaf().  kernels_generic_fma.c compiles this file a second time
 * for x86 processors with FMA, where fmaf() is one instruction and not a call.
 */
#include <math.h>
#include <string.h>

#include "math/tables.h"
#define VECTOR_IS_AN_ARRAY
#include "math/vector.h"

typedef struct Vec
{
	float v[16];
} Vec;

typedef struct Int
{
	int32_t v[16];
} Int;

typedef struct Mask
{
	int32_t v[16]; /* 0 or 1 */
} Mask;

#ifndef KERNELS_TABLE
#define KERNELS_TABLE kernels_generic
#endif
#define KERNELS_NAME "generic"

INLINE int
rows_at_most(Kind kind, int width)
{
	return width == 1 ? 4 : 2;
}

enum
{
	EMA_STATES = 4 /* of a moving average, beside a step's input and sum */
};

/* r.v[i] = EXPRESSION for all lanes. */
#define LANES(TYPE, EXPRESSION)                                                                    \
	TYPE r;                                                                                        \
	for (int i = 0; i < 16; i++)                                                                   \
		r.v[i] = (EXPRESSION);                                                                     \
	return r

INLINE Mask
mask_first(int count)
{
	LANES(Mask, i < count);
}

INLINE Mask
mask_and(Mask a, Mask b)
{
	LANES(Mask, a.v[i] & b.v[i]);
}

INLINE Mask
mask_bytes(const uint8_t *bytes)
{
	LANES(Mask, bytes[i] != 0);
}

INLINE Vec
vec_set(float x)
{
	LANES(Vec, x);
}

INLINE Vec
vec_load(const float *p)
{
	LANES(Vec, p[i]);
}

INLINE Vec
vec_load_first(const float *p, int count)
{
	LANES(Vec, i < count ? p[i] : 0.0f);
}

INLINE void
vec_store(float *p, Vec a)
{
	memcpy(p, a.v, sizeof(a.v));
}

INLINE void
vec_store_first(float *p, Vec a, int count)
{
	for (int i = 0; i < 16 && i < count; i++)
		p[i] = a.v[i];
}

INLINE Vec
vec_add(Vec a, Vec b)
{
	LANES(Vec, a.v[i] + b.v[i]);
}

INLINE Vec
vec_sub(Vec a, Vec b)
{
	LANES(Vec, a.v[i] - b.v[i]);
}

INLINE Vec
vec_mul(Vec a, Vec b)
{
	LANES(Vec, a.v[i] * b.v[i]);
}

INLINE Vec
vec_div(Vec a, Vec b)
{
	LANES(Vec, a.v[i] / b.v[i]);
}

INLINE Vec
vec_fma(Vec a, Vec b, Vec c)
{
	LANES(Vec, fmaf(a.v[i], b.v[i], c.v[i]));
}

INLINE Vec
vec_fnma(Vec a, Vec b, Vec c)
{
	LANES(Vec, fmaf(-a.v[i], b.v[i], c.v[i]));
}

INLINE Vec
vec_max(Vec a, Vec b)
{
	LANES(Vec, a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}

INLINE Vec
vec_min(Vec a, Vec b)
{
	LANES(Vec, a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
}

INLINE Vec
vec_abs(Vec a)
{
	LANES(Vec, fabsf(a.v[i]));
}

INLINE Mask
vec_less(Vec a, Vec b)
{
	LANES(Mask, a.v[i] < b.v[i]);
}

INLINE Vec
vec_pick(Mask mask, Vec a, Vec b)
{
	LANES(Vec, mask.v[i] ? a.v[i] : b.v[i]);
}

INLINE Vec
vec_swap(Vec a)
{
	LANES(Vec, a.v[i ^ 1]);
}

INLINE Vec
vec_twice(Vec a)
{
	LANES(Vec, a.v[i / 2]);
}

INLINE float
float_of_bits(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

INLINE uint32_t
bits_of_float(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

INLINE Vec
vec_power(Vec n)
{
	LANES(Vec, float_of_bits((bits_of_float(n.v[i]) << 23) + 0x3f800000));
}

INLINE Int
int_load(const void *p)
{
	Int r;

	memcpy(r.v, p, sizeof(r.v));
	return r;
}

INLINE void
int_store(void *p, Int a)
{
	memcpy(p, a.v, sizeof(a.v));
}

INLINE Vec
vec_bf16(const uint16_t *p)
{
	LANES(Vec, float_of_bits((uint32_t) p[i] << 16));
}

INLINE Vec
vec_bf16_low(const void *p)
{
	Int x = int_load(p);

	LANES(Vec, float_of_bits((uint32_t) x.v[i] << 16));
}

INLINE Vec
vec_bf16_high(const void *p)
{
	Int x = int_load(p);

	LANES(Vec, float_of_bits((uint32_t) x.v[i] & 0xffff0000));
}

INLINE float
vec_tree(Vec a, bool top)
{
	for (int half = 8; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
		{
			float x = a.v[i], y = a.v[i + half];

			a.v[i] = top ? (x > y ? x : y) : x + y;
		}
	return a.v[0];
}

INLINE void
vec_tree4(const Vec v[4], bool top, float out[4])
{
	for (int i = 0; i < 4; i++)
		out[i] = vec_tree(v[i], top);
}

INLINE Int
int_set(int32_t x)
{
	LANES(Int, x);
}

INLINE Int
int_mul(Int a, Int b)
{
	LANES(Int, (int32_t) ((uint32_t) a.v[i] * (uint32_t) b.v[i]));
}

INLINE Int
int_add(Int a, Int b)
{
	LANES(Int, (int32_t) ((uint32_t) a.v[i] + (uint32_t) b.v[i]));
}

INLINE Vec
vec_of_int(Int a)
{
	LANES(Vec, (float) a.v[i]);
}

INLINE Int
int_round(Vec a)
{
	LANES(Int, (int32_t) lrintf(a.v[i]));
}

INLINE void
int_store_u8(uint8_t *p, const Int v[4])
{
	for (int i = 0; i < 64; i++)
	{
		int32_t x = v[i / 16].v[i % 16];

		p[i] = x < 0 ? 0 : x > 255 ? 255 : x;
	}
}

INLINE int32_t
dot4(int32_t sum, uint32_t u, uint32_t s)
{
	for (int byte = 0; byte < 4; byte++)
		sum += (int32_t) (u >> 8 * byte & 0xff) * (int8_t) (s >> 8 * byte & 0xff);
	return sum;
}

INLINE Int
int_dot(Int sum, Int u, Int s)
{
	LANES(Int, dot4(sum.v[i], (uint32_t) u.v[i], (uint32_t) s.v[i]));
}

/* out[i][j] = in[j][d + i], 4 by 4; 0 where not keep[j], whatever is there. */
INLINE void
transpose4(const float *const in[4], int d, const bool keep[4], float *out, long ldout)
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 4; j++)
			out[i * ldout + j] = keep[j] ? in[j][d + i] : 0.0f;
}

#include "math/kernels_impl.h"
