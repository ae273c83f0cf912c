/*
 * kernels.h: the arithmetic, and which instruction set does it.
 *
 * One table of functions for each instruction set; kernels_select() picks one per process, at
 * start.  All of them give the same bits (OpenBLAS excepted, which serves processors without the
 * others):
 *	 - one output of a product is a single chain of fused multiply-adds over k = 0, 1, ..., K-1,
 *	   starting from 0; then scale (int8), bias, activation, residual, in this order;
 *	 - a sum over a row uses sixteen lanes, element i going to lane i mod 16 in order of i, then the
 *	   tree i + 8, i + 4, i + 2, i + 1;
 *	 - exp, erf and tanh are our own, from the same operations everywhere; no rcp, no rsqrt, no
 *	   libm.
 * So nothing depends on the batch, on tile heights, on the number of threads or on the vector
 * width.
 *
 * Rows.  An activation matrix is row-major with a row stride ld in floats.  Columns n .. ld - 1 are
 * neither read nor written.  Pointers to packed data are 64-byte aligned, activations at least 4.
 * Inputs are finite (a bias of attention may be -inf too); results are then no NaN, and functions
 * do not overflow before their value does.
 */
#ifndef MATH_KERNELS_H
#define MATH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define PANEL 32 /* columns of a packed panel, the same for all instruction sets */
#define PANEL_UP(n) (((n) + PANEL - 1) / PANEL * PANEL)

typedef enum Precision
{
	PRECISION_FP32,
	PRECISION_BF16, /* widened to fp32 in the kernel */
	PRECISION_INT8	/* symmetric per output; activations u8 with scale and zero point per row */
} Precision;

/*
 * A packed weight: y = x Wᵀ + bias, W (n, k).  Panels lie one behind the other:
 *	 fp32 [panel][k][32]
 *	 bf16 [panel][k][16] pairs: a 32-bit lane holds column c low and column c + 16 high
 *	 int8 [panel][k4][32][4], k4 = ceil(k / 4), zeros behind k
 * Columns behind n are zero.
 */
typedef struct Matrix
{
	Precision	   precision;
	int			   n, k;
	const void	  *panels;
	const float	  *bias;  /* (PANEL_UP(n)) or NULL */
	const float	  *scale; /* int8: (PANEL_UP(n)) */
	const int32_t *sum;	  /* int8: (PANEL_UP(n)) column sums, for the zero point */
} Matrix;

/* Rows looked up, not multiplied: embeddings.  fp32 or bf16, row-major, (rows, columns). */
typedef struct Table
{
	Precision	precision;
	int			rows, columns;
	const void *data;
} Table;

typedef enum Activation
{
	ACTIVATION_NONE, /* "linear" */
	ACTIVATION_GELU,
	ACTIVATION_GELU_TANH, /* gelu_new, gelu_accurate, gelu_pytorch_tanh */
	ACTIVATION_GELU_FAST,
	ACTIVATION_GELU_10,
	ACTIVATION_QUICK_GELU,
	ACTIVATION_RELU,
	ACTIVATION_RELU2,
	ACTIVATION_RELU6,
	ACTIVATION_LEAKY_RELU,
	ACTIVATION_SILU,
	ACTIVATION_MISH,
	ACTIVATION_SIGMOID,
	ACTIVATION_TANH,
	ACTIVATION_SELU,
	ACTIVATION_LAPLACE
} Activation;

/* The activation that a config names; an unknown name is ERR_UNSUPPORTED with the name. */
extern bool activation_from_name(const char *name, Activation *activation, Error *error);

/* The left side of a product: floats, and for int8 matrices the same rows quantised. */
typedef struct Rows
{
	const float	  *x; /* (m, k), stride ld */
	long		   ld;
	const uint8_t *q;	  /* int8: (m, ldq) bytes, x = scale * (q - zero), zero-filled behind k */
	long		   ldq;	  /* k rounded up to 64 */
	const float	  *scale; /* int8: (m) */
	const int32_t *zero;  /* int8: (m) */
} Rows;

typedef enum AttentionFunction
{
	ATTENTION_SOFTMAX,
	ATTENTION_LAPLACE, /* MEGA */
	ATTENTION_RELU2	   /* MEGA */
} AttentionFunction;

/*
 * One head of one sequence: out = f(scale * q kᵀ + bias, masked) * weight_scale * v.
 * A key that is masked for a query has weight exactly 0; a bias of -inf masks, too.  Where key_mask
 * is 0, nothing is read of keys and values, unless a softmax has no key left: then the query gets
 * equal weights over all n_keys, as in PyTorch (with the other functions they are all 0).
 * Weights and sums are taken by key index, so keys added behind a query's causal limit change no bit:
 * a step of decoding equals the same row of a full pass.
 */
typedef struct AttentionArgs
{
	const float *q; /* (n_queries, head_dim), stride ldq */
	const float *k; /* (n_keys, head_dim), stride ldk */
	const float *v; /* (n_keys, value_dim), stride ldv */
	long		 ldq, ldk, ldv;
	int			 n_queries, n_keys, head_dim, value_dim;
	/* Where keys and values lie in pages of page_keys each, a multiple of PANEL; NULL: at k and v.  Those
	 * of page i begin at pages[i] + k_at, in panels [page_keys / 32][head_dim][32], and at pages[i] + v_at, in rows
	 * as those at v. */
	const float *const *pages;
	int					page_keys;
	long				k_at, v_at;
	float				scale;	  /* on every score, before anything is added */
	bool				causal;	  /* query i sees keys 0 .. i + n_keys - n_queries */
	const uint8_t	   *key_mask; /* (n_keys) 0 = not seen by any query, or NULL */
	const uint8_t	   *mask;	  /* (n_queries, n_keys) 0 = not seen, stride ldmask, or NULL */
	long				ldmask;
	const float *bias; /* (n_queries, n_keys) added to the scaled score, stride ldbias, or NULL */
	long		 ldbias;
	AttentionFunction function;
	float			  weight_scale; /* head_mask; 1 elsewhere */
	float *weights; /* out: (n_queries, n_keys) after weight_scale, stride ldweights, or NULL */
	long   ldweights;
	float *out; /* (n_queries, value_dim), stride ldout */
	long   ldout;
	float *scratch; /* attention_scratch() floats, 64-byte aligned */
} AttentionArgs;

/* A key in pages: its number d is at [PANEL d].  And the row of a value. */
static inline const float *
attention_key(const AttentionArgs *args, int j)
{
	int at = j % args->page_keys;

	return args->pages[j / args->page_keys] + args->k_at +
		   (long) (at / PANEL) * PANEL * args->head_dim + at % PANEL;
}

static inline const float *
attention_value(const AttentionArgs *args, int j)
{
	if (args->pages == NULL)
		return args->v + j * args->ldv;
	return args->pages[j / args->page_keys] + args->v_at + j % args->page_keys * args->ldv;
}

/* How many floats of scratch attention() needs for these sizes. */
extern size_t attention_scratch(int n_keys, int head_dim, int value_dim);

/*
 * A moving average of up to sixteen channels over time (MEGA, Ma et al. 2022, section 3.1), each
 * with some states h:
 *	 h_t = decay h_{t-1} + u_t - expired u_{t-truncation},  y_t = sum of weight h_t over the states
 * in the order of the states, each h and each sum one fused multiply-add.  Behind a step whose mask
 * is 0 an h below 1e-30 becomes 0.  Backwards in time with pointers to the last step and negative
 * strides.
 */
typedef struct EmaArgs
{
	const float *u; /* (length, channels), stride ldu */
	long		 ldu;
	int			 length, channels, states;
	const float *mask; /* (length) that u is multiplied with, stride mask_step, or NULL */
	long		 mask_step;
	const float *decay, *weight; /* (states, 16) */
	const float *expired; /* (states, 16) decay to the power of truncation; NULL: it never is */
	int			 truncation;
	float		*state; /* (states, 16): before the first step, and after the last */
	bool		 adds;	/* to what is in out, where the sum begins with 0 otherwise */
	const float
		  *residual; /* (channels): out = silu(y + u residual), u without mask; NULL: out = y */
	float *out;		 /* (length, channels), stride ldout */
	long   ldout;
} EmaArgs;

typedef struct Kernels
{
	const char *name; /* "avx512", "avx2", "generic", "openblas" */

	/* c[:, 32 p0 .. 32 p1) = act(a Wᵀ + bias) + residual. m rows; residual has stride ldr or is
	 * NULL; c may be residual. Panels p0 .. p1 - 1 of the ceil(n / 32) are computed: a crew
	 * divides them. */
	void (*gemm)(const Matrix *w, int p0, int p1, const Rows *a, int m, float *c, long ldc,
				 Activation activation, const float *residual, long ldr);

	void (*attention)(const AttentionArgs *args);

	/* (x - mean) / sqrt(variance + epsilon) * weight + bias over n columns; weight and bias may
	 * be NULL. Variance from centred values, divided by n. out may be x. */
	void (*layer_norm)(const float *x, long ldx, int m, int n, const float *weight,
					   const float *bias, float epsilon, float *out, long ldo);

	/* Rows to u8 with scale and zero point per row; bytes behind n up to ldq are set to 0. */
	void (*quantize)(const float *x, long ldx, int m, int n, uint8_t *q, long ldq, float *scale,
					 int32_t *zero);

	/* x = activation(x), n values. */
	void (*activate)(Activation activation, float *x, size_t n);

	/* Softmax of each of m rows of n, in place; returns nothing for n = 0. */
	void (*softmax)(float *x, long ldx, int m, int n);

	float (*dot)(const float *a, const float *b, int n); /* by the sum rule above, with fma */
	float (*sum)(const float *a, int n);				 /* by the sum rule above */
	void (*add)(const float *a, const float *b, float *out, int n);
	void (*scale)(const float *a, float factor, float *out, int n);
	void (*add_row)(const Table *table, int row, float *out); /* out += table[row], fp32 or bf16 */

	/* Turns the pairs of neighbours (x[2j], x[2j + 1]) of m rows of n, n even, each by its own
	 * angle. turns (m, n): the n / 2 angles' sines, then their cosines. */
	void (*rotate)(float *x, long ldx, int m, int n, const float *turns);

	/* out = a b + c, one by one, fused; c NULL: a b. */
	void (*multiply)(const float *a, const float *b, const float *c, float *out, int n);

	/* out = a + weight (b - a), one by one. */
	void (*mix)(const float *a, const float *b, const float *weight, float *out, int n);

	void (*ema)(const EmaArgs *args);
} Kernels;

typedef enum Isa
{
	ISA_AUTO,
	ISA_AVX512, /* F, BW, DQ, VL; VNNI used when there */
	ISA_AVX2,	/* with FMA; AVX-VNNI used when there */
	ISA_GENERIC,
	ISA_OPENBLAS
} Isa;

/* The table for an instruction set; ISA_AUTO is the best this processor has. One that it lacks,
 * or OpenBLAS when its library can't be loaded, is an error that names what is missing. The
 * pointer is static. */
extern const Kernels *kernels_select(Isa isa, Error *error);

/* True when this processor can run the instruction set. */
extern bool isa_supported(Isa isa);

/* "auto", "avx512", ... and back; false for an unknown name. */
extern bool		   isa_from_name(const char *name, Isa *isa);
extern const char *isa_name(Isa isa);

#endif
