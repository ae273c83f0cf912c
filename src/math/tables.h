/*
 * tables.h: the tables of kernels that kernels_select() chooses from.  Private to src/math.
 *
 * kernels_impl.h is compiled once for each instruction set; a table with "vnni" differs from the
 * one without only in how a product of int8 is summed, which is exact in both.
 */
#ifndef MATH_TABLES_H
#define MATH_TABLES_H

#include "math/kernels.h"

/* Rows of a tile never exceed this, whatever the instruction set: buffers are made for it. */
#define TILE_ROWS 14

#ifdef __x86_64__
extern const Kernels kernels_avx512;
extern const Kernels kernels_avx512_vnni;
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx2_vnni;
extern const Kernels kernels_generic_fma; /* kernels_generic, compiled for processors with FMA */
#endif
extern const Kernels kernels_generic;

/* Loads OpenBLAS; its table takes everything but fp32 products from base.  NULL on error. */
extern const Kernels *openblas_kernels(const Kernels *base, Error *error);

#endif
