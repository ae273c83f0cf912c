/*
 * dtype.h: the number types that checkpoints store, and turning them into float32.
 */
#ifndef IMPORT_DTYPE_H
#define IMPORT_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum DType
{
	DTYPE_F64,
	DTYPE_F32,
	DTYPE_F16,
	DTYPE_BF16,
	DTYPE_I64,
	DTYPE_I32,
	DTYPE_I16,
	DTYPE_I8,
	DTYPE_U8,
	DTYPE_BOOL
} DType;

/* Bytes of one number. */
extern size_t dtype_size(DType dtype);

/* safetensors' names ("BF16"), torch's storage classes ("BFloat16Storage") and numpy's names ("bfloat16", of length
 * bytes); false for an unknown one. */
extern bool dtype_from_safetensors(const char *name, DType *dtype);
extern bool dtype_from_torch(const char *storage, DType *dtype);
extern bool dtype_from_numpy(const char *name, size_t length, DType *dtype);

/* n little-endian numbers at bytes (any alignment) to out, rounded to nearest even; what is too large for a
 * float32 becomes an infinity. */
extern void dtype_convert(DType dtype, const void *bytes, size_t n, float *out);

#endif
