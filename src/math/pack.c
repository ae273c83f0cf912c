/*
 * pack.c: weights to the panels that the kernels walk, and back.
 */
#include "math/pack.h"

#include <math.h>
#include <string.h>

/* Sums of k products of a u8 and an s8 stay inside int32 up to here. */
#define INT8_MAX_K 65536

size_t
pack_size(Precision precision, int n, int k)
{
	size_t columns, depth, bytes;

	if (n <= 0 || k <= 0 || (precision == PRECISION_INT8 && k > INT8_MAX_K))
		return 0;
	columns = ((size_t) n + PANEL - 1) / PANEL * PANEL;
	depth = precision == PRECISION_INT8 ? ((size_t) k + 3) / 4 * 4 : (size_t) k;
	bytes = precision == PRECISION_FP32 ? 4 : precision == PRECISION_BF16 ? 2 : 1;
	if (columns > PTRDIFF_MAX / depth / bytes)
		return 0;
	return columns * depth * bytes;
}

static uint32_t
float_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static float
bits_float(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Nearest even; a finite number that would round to infinity becomes the largest one. */
static uint16_t
to_bf16(float x)
{
	uint32_t bits = float_bits(x);
	uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;

	return (rounded & 0x7fff) == 0x7f80 ? (uint16_t) (rounded - 1) : (uint16_t) rounded;
}

/* Where (row, column) of a packed matrix of int8 or bf16 lies, in elements. */
static size_t
bf16_at(int row, int column, int k)
{
	size_t panel = (size_t) (row / PANEL) * k * PANEL;

	return panel + (size_t) column * PANEL + (size_t) (row % 16) * 2 + row % PANEL / 16;
}

static size_t
int8_at(int row, int column, int k)
{
	size_t panel = (size_t) (row / PANEL) * ((k + 3) / 4) * 4 * PANEL;

	return panel + (size_t) (column / 4) * 4 * PANEL + (size_t) (row % PANEL) * 4 + column % 4;
}

static size_t
fp32_at(int row, int column, int k)
{
	return (size_t) (row / PANEL) * k * PANEL + (size_t) column * PANEL + row % PANEL;
}

static void
pack_int8(const float *w, int n, int k, int8_t *out, float *scale, int32_t *sum)
{
	memset(scale, 0, (size_t) PANEL_UP(n) * sizeof(*scale));
	memset(sum, 0, (size_t) PANEL_UP(n) * sizeof(*sum));
	for (int row = 0; row < n; row++)
	{
		const float *x = w + (size_t) row * k;
		float		 top = 0.0f;

		for (int j = 0; j < k; j++)
			top = fmaxf(top, fabsf(x[j]));
		scale[row] = fminf(fmaxf(top / 127.0f, 1e-30f), 2.679e36f); /* 127 times that is finite */
		for (int j = 0; j < k; j++)
		{
			int q = (int) lrintf(x[j] / scale[row]);

			q = q < -127 ? -127 : q > 127 ? 127 : q;
			out[int8_at(row, j, k)] = (int8_t) q;
			sum[row] += q;
		}
	}
}

void
pack_matrix(Precision precision, const float *w, int n, int k, void *panels, float *scale,
			int32_t *sum)
{
	memset(panels, 0, pack_size(precision, n, k));
	if (precision == PRECISION_INT8)
	{
		pack_int8(w, n, k, panels, scale, sum);
		return;
	}
	for (int row = 0; row < n; row++)
		for (int j = 0; j < k; j++)
		{
			float x = w[(size_t) row * k + j];

			if (precision == PRECISION_BF16)
				((uint16_t *) panels)[bf16_at(row, j, k)] = to_bf16(x);
			else
				((float *) panels)[fp32_at(row, j, k)] = x;
		}
}

void
unpack_matrix(const Matrix *w, float *out)
{
	for (int row = 0; row < w->n; row++)
		for (int j = 0; j < w->k; j++, out++)
			switch (w->precision)
			{
				case PRECISION_FP32:
					*out = ((const float *) w->panels)[fp32_at(row, j, w->k)];
					break;
				case PRECISION_BF16:
					*out = bits_float(
						(uint32_t) ((const uint16_t *) w->panels)[bf16_at(row, j, w->k)] << 16);
					break;
				case PRECISION_INT8:
					*out = w->scale[row] * ((const int8_t *) w->panels)[int8_at(row, j, w->k)];
					break;
			}
}

void
pack_table(Precision precision, const float *w, size_t n, void *out)
{
	if (precision == PRECISION_BF16)
		for (size_t i = 0; i < n; i++)
			((uint16_t *) out)[i] = to_bf16(w[i]);
	else
		memcpy(out, w, n * sizeof(*w));
}
