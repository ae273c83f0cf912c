/*
 * pack.h: weights from row-major fp32 to the layout of Matrix (math/kernels.h).  Used at import
 * only.
 */
#ifndef MATH_PACK_H
#define MATH_PACK_H

#include "math/kernels.h"

/* Bytes of the packed panels of an (n, k) matrix; 0 when that overflows, n or k is not positive,
 * or k is so large for int8 (over 65,536) that a sum could leave int32. */
extern size_t pack_size(Precision precision, int n, int k);

/* Packs w (n, k), row-major fp32, into panels (pack_size bytes). For int8 also fills scale and
 * sum, each PANEL_UP(n) long; they are not touched otherwise. Any finite weights; the caller has
 * refused others. */
extern void pack_matrix(Precision precision, const float *w, int n, int k, void *panels,
						float *scale, int32_t *sum);

/* The fp32 weights that a packed matrix stands for, row-major (n, k). */
extern void unpack_matrix(const Matrix *w, float *out);

/* Row-major fp32 to the storage of a Table (fp32 or bf16, round to nearest even). */
extern void pack_table(Precision precision, const float *w, size_t n, void *out);

#endif
