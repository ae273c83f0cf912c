/*
 * dtype.c: number types of checkpoints.  One table line a type.
 */
#include "import/dtype.h"

#include <stdint.h>
#include <string.h>

typedef struct DTypeInfo
{
	size_t		size;
	const char *safetensors;
	const char *torch;
	const char *numpy;
} DTypeInfo;

static const DTypeInfo infos[] = {
	[DTYPE_F64] = {8, "F64", "DoubleStorage", "float64"},
	[DTYPE_F32] = {4, "F32", "FloatStorage", "float32"},
	[DTYPE_F16] = {2, "F16", "HalfStorage", "float16"},
	[DTYPE_BF16] = {2, "BF16", "BFloat16Storage", "bfloat16"},
	[DTYPE_I64] = {8, "I64", "LongStorage", "int64"},
	[DTYPE_I32] = {4, "I32", "IntStorage", "int32"},
	[DTYPE_I16] = {2, "I16", "ShortStorage", "int16"},
	[DTYPE_I8] = {1, "I8", "CharStorage", "int8"},
	[DTYPE_U8] = {1, "U8", "ByteStorage", "uint8"},
	[DTYPE_BOOL] = {1, "BOOL", "BoolStorage", "bool"},
};

#define N_DTYPES (sizeof infos / sizeof infos[0])

size_t
dtype_size(DType dtype)
{
	return infos[dtype].size;
}

bool
dtype_from_safetensors(const char *name, DType *dtype)
{
	for (size_t i = 0; i < N_DTYPES; i++)
		if (strcmp(infos[i].safetensors, name) == 0)
		{
			*dtype = (DType) i;
			return true;
		}
	return false;
}

bool
dtype_from_torch(const char *storage, DType *dtype)
{
	for (size_t i = 0; i < N_DTYPES; i++)
		if (strcmp(infos[i].torch, storage) == 0)
		{
			*dtype = (DType) i;
			return true;
		}
	return false;
}

bool
dtype_from_numpy(const char *name, size_t length, DType *dtype)
{
	for (size_t i = 0; i < N_DTYPES; i++)
		if (strlen(infos[i].numpy) == length && memcmp(infos[i].numpy, name, length) == 0)
		{
			*dtype = (DType) i;
			return true;
		}
	return false;
}

static float
float_from_bits(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* IEEE binary16 to binary32, exactly. */
static float
float_from_half(uint16_t half)
{
	uint32_t sign = (uint32_t) (half & 0x8000) << 16;
	uint32_t exponent = (half >> 10) & 0x1f;
	uint32_t fraction = half & 0x3ff;

	if (exponent == 0)
	{
		float magnitude = (float) fraction * 0x1p-24f;

		return sign ? -magnitude : magnitude;
	}
	if (exponent == 0x1f)
		return float_from_bits(sign | 0x7f800000 | fraction << 13);
	return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static uint16_t
load16(const uint8_t *at)
{
	uint16_t x;

	memcpy(&x, at, sizeof x);
	return x;
}

static uint32_t
load32(const uint8_t *at)
{
	uint32_t x;

	memcpy(&x, at, sizeof x);
	return x;
}

static uint64_t
load64(const uint8_t *at)
{
	uint64_t x;

	memcpy(&x, at, sizeof x);
	return x;
}

static float
convert_one(DType dtype, const uint8_t *at)
{
	double wide;

	switch (dtype)
	{
		case DTYPE_F64:
			memcpy(&wide, at, sizeof wide);
			return (float) wide;
		case DTYPE_F32:
			return float_from_bits(load32(at));
		case DTYPE_F16:
			return float_from_half(load16(at));
		case DTYPE_BF16:
			return float_from_bits((uint32_t) load16(at) << 16);
		case DTYPE_I64:
			return (float) (int64_t) load64(at);
		case DTYPE_I32:
			return (float) (int32_t) load32(at);
		case DTYPE_I16:
			return (float) (int16_t) load16(at);
		case DTYPE_I8:
			return (float) (int8_t) *at;
		case DTYPE_U8:
			return (float) *at;
		case DTYPE_BOOL:
			break;
	}
	return *at != 0 ? 1.0f : 0.0f;
}

void
dtype_convert(DType dtype, const void *bytes, size_t n, float *out)
{
	size_t size = dtype_size(dtype);

	if (dtype == DTYPE_F32)
		memcpy(out, bytes, n * size);
	else
		for (size_t i = 0; i < n; i++)
			out[i] = convert_one(dtype, (const uint8_t *) bytes + i * size);
}
