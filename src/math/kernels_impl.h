/*
 * kernels_impl.h: the kernels, written once over the vector of vector.h.  Private to src/math.
 *
 * Included at the end of a file that defines Vec, Int, Mask, their operations, ROWS_* and KERNELS_*.
 * The order of additions is the one that kernels.h promises; nothing here depends on how high a tile is or
 * how wide the registers are.
 */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "math/functions.h"

#ifndef KERNELS_TABLE_VNNI
#define int_dot_vnni int_dot
#endif

enum
{
	AHEAD = 8192 /* bytes to fetch ahead in weights that are used once */
};

typedef enum Kind
{
	KIND_FP32,
	KIND_BF16,
	KIND_INT8,	/* by int_dot() */
	KIND_VNNI,	/* by int_dot_vnni() */
	KIND_SCALED /* fp32, each row times its own factor: attention */
} Kind;

/* Some rows of a times one or two vectors of columns of a panel, all of k in registers. */
typedef struct Tile
{
	const char	  *a; /* rows, lda bytes apart, 4 bytes a step */
	long		   lda;
	const char	  *b; /* columns, step_b bytes a step */
	long		   step_b;
	int			   steps;
	bool		   high;  /* bf16: columns 16 .. 31 when the tile is one vector wide */
	const char	  *fetch; /* brought into the cache meanwhile */
	long		   step_fetch;
	const float	  *bias;		 /* or NULL */
	const float	  *row_scale;	 /* int8 and scaled */
	const float	  *column_scale; /* int8 */
	const int32_t *zero, *sum;	 /* int8 */
	const float	  *residual;	 /* or NULL */
	long		   ldr;
	float		  *c;
	long		   ldc;
} Tile;

/* A vector of a row that ends after left floats: whole, or what there is of it. */
INLINE Vec
row_load(const float *p, int left)
{
	return left >= 16 ? vec_load(p) : vec_load_first(p, left);
}

INLINE void
row_store(float *p, Vec a, int left)
{
	if (left >= 16)
		vec_store(p, a);
	else
		vec_store_first(p, a, left);
}

/* As row_load, with other in the lanes behind the end. */
INLINE Vec
row_load_or(const float *p, int left, float other)
{
	return left >= 16 ? vec_load(p)
					  : vec_pick(mask_first(left), vec_load_first(p, left), vec_set(other));
}

INLINE int32_t
load_int32(const char *p)
{
	int32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

INLINE float
load_float(const char *p)
{
	float x;

	memcpy(&x, p, sizeof(x));
	return x;
}

INLINE void
fetch_step(const Tile *t, int step, int lines)
{
	const char *p = t->fetch + step * t->step_fetch;

	__builtin_prefetch(p, 0, 2);
	if (lines > 1)
		__builtin_prefetch(p + 64, 0, 2);
}

INLINE void
multiply_float(Kind kind, int rows, int width, const Tile *t, Vec acc[][2])
{
	const char *a = t->a, *b = t->b;

	UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < width; v++) acc[i][v] =
		vec_set(0.0f);
	for (int k = 0; k < t->steps; k++, a += 4, b += t->step_b)
	{
		Vec w[2];

		fetch_step(t, k, kind == KIND_BF16 ? 1 : width);
		if (kind != KIND_BF16)
			UNROLL for (int v = 0; v < width; v++) w[v] = vec_load((const float *) b + 16 * v);
		else if (width == 2)
		{
			w[0] = vec_bf16_low(b);
			w[1] = vec_bf16_high(b);
		}
		else
			w[0] = t->high ? vec_bf16_high(b) : vec_bf16_low(b);
		UNROLL for (int i = 0; i < rows; i++)
		{
			Vec x = vec_set(load_float(a + i * t->lda));

			UNROLL for (int v = 0; v < width; v++) acc[i][v] = vec_fma(x, w[v], acc[i][v]);
		}
	}
}

INLINE void
multiply_int8(Kind kind, int rows, int width, const Tile *t, Vec out[][2])
{
	Int			acc[TILE_ROWS][2];
	const char *a = t->a, *b = t->b;

	UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < width; v++) acc[i][v] =
		int_mul(int_set(-t->zero[i]), int_load(t->sum + 16 * v));
	for (int k = 0; k < t->steps; k++, a += 4, b += t->step_b)
	{
		Int w[2];

		fetch_step(t, k, width);
		UNROLL for (int v = 0; v < width; v++) w[v] = int_load(b + 64 * v);
		UNROLL for (int i = 0; i < rows; i++)
		{
			Int x = int_set(load_int32(a + i * t->lda));

			UNROLL for (int v = 0; v < width; v++) acc[i][v] =
				kind == KIND_VNNI ? int_dot_vnni(acc[i][v], x, w[v]) : int_dot(acc[i][v], x, w[v]);
		}
	}
	UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < width; v++)
	{
		Vec scale = vec_mul(vec_set(t->row_scale[i]), vec_load(t->column_scale + 16 * v));

		out[i][v] = vec_mul(vec_of_int(acc[i][v]), scale);
	}
}

/* kind, rows and width are constants wherever this is called, so each combination is compiled by itself. */
INLINE void
tile(Kind kind, int rows, int width, const Tile *t)
{
	Vec acc[TILE_ROWS][2];

	if (kind == KIND_VNNI || kind == KIND_INT8)
		multiply_int8(kind, rows, width, t, acc);
	else
		multiply_float(kind, rows, width, t, acc);
	UNROLL for (int i = 0; i < rows; i++) UNROLL for (int v = 0; v < width; v++)
	{
		Vec y = acc[i][v];

		if (kind == KIND_SCALED)
			y = vec_fma(y, vec_set(t->row_scale[i]), vec_set(0.0f)); /* 0 has one sign */
		else
		{
			if (t->bias)
				y = vec_add(y, vec_load(t->bias + 16 * v));
			if (t->residual)
				y = vec_add(y, vec_load(t->residual + i * t->ldr + 16 * v));
		}
		vec_store(t->c + i * t->ldc + 16 * v, y);
	}
}

#define CASE(N)                                                                                    \
	case N:                                                                                        \
		if (N <= limit)                                                                            \
			tile(kind, N, width, t);                                                               \
		break

INLINE void
tile_rows(Kind kind, int rows, int width, int limit, const Tile *t)
{
	switch (rows)
	{
		CASE(1);
		CASE(2);
		CASE(3);
		CASE(4);
		CASE(5);
		CASE(6);
		CASE(7);
		CASE(8);
		CASE(9);
		CASE(10);
		CASE(11);
		CASE(12);
		CASE(13);
		CASE(14);
	}
}

INLINE void
tile_any(Kind kind, int rows, int width, const Tile *t)
{
	int one = kind == KIND_INT8 ? ROWS_INT8_ONE : ROWS_ONE;
	int two = kind == KIND_INT8 ? ROWS_INT8_TWO : ROWS_TWO;

	if (width == 2)
		tile_rows(kind, rows, 2, two, t);
	else if (kind == KIND_SCALED || one > two)
		tile_rows(kind, rows, 1, one, t);
}

typedef void (*TileFunction)(int rows, int width, const Tile *t);

static void
tile_fp32(int rows, int width, const Tile *t)
{
	tile_any(KIND_FP32, rows, width, t);
}

static void
tile_bf16(int rows, int width, const Tile *t)
{
	tile_any(KIND_BF16, rows, width, t);
}

static void
tile_int8(int rows, int width, const Tile *t)
{
	tile_any(KIND_INT8, rows, width, t);
}

#ifdef KERNELS_TABLE_VNNI
static void
tile_vnni(int rows, int width, const Tile *t)
{
	tile_any(KIND_VNNI, rows, width, t);
}
#endif

static void
tile_scaled(int rows, int width, const Tile *t)
{
	tile_any(KIND_SCALED, rows, width, t);
}

/* How m rows are cut: into tiles of the same height within one, as few as there can be. */
typedef struct Cut
{
	int width; /* vectors */
	int tiles;
	int m;
} Cut;

INLINE Cut
cut_rows(int m, int one, int two)
{
	int width = m <= two || two >= one ? 2 : 1;
	int limit = width == 2 ? two : one;

	return (Cut){.width = width, .tiles = (m + limit - 1) / limit, .m = m};
}

INLINE int
cut_height(const Cut *cut, int tile)
{
	return cut->m / cut->tiles + (tile < cut->m % cut->tiles);
}

/* Rows of floats that a function is applied to, from in to out, and what is added after it. */
typedef struct Map
{
	const float *in;
	long		 ldi;
	int			 m, n;
	float		*out;
	long		 ldo;
	const float *residual; /* or NULL */
	long		 ldr;
} Map;

INLINE void
map(const Map *f, Vec (*function)(Vec))
{
	for (int i = 0; i < f->m; i++)
	{
		const float *in = f->in + i * f->ldi;
		const float *residual = f->residual ? f->residual + i * f->ldr : NULL;
		float		*out = f->out + i * f->ldo;

		for (int j = 0; j < f->n; j += 16)
		{
			Vec y = function(row_load(in + j, f->n - j));

			if (residual)
				y = vec_add(y, row_load(residual + j, f->n - j));
			row_store(out + j, y, f->n - j);
		}
	}
}

static void
map_activation(Activation activation, const Map *f)
{
	switch (activation)
	{
		case ACTIVATION_NONE:
			map(f, identity);
			break;
		case ACTIVATION_GELU:
			map(f, gelu);
			break;
		case ACTIVATION_GELU_TANH:
			map(f, gelu_tanh);
			break;
		case ACTIVATION_GELU_FAST:
			map(f, gelu_fast);
			break;
		case ACTIVATION_GELU_10:
			map(f, gelu_10);
			break;
		case ACTIVATION_QUICK_GELU:
			map(f, quick_gelu);
			break;
		case ACTIVATION_RELU:
			map(f, relu);
			break;
		case ACTIVATION_RELU2:
			map(f, relu2);
			break;
		case ACTIVATION_RELU6:
			map(f, relu6);
			break;
		case ACTIVATION_LEAKY_RELU:
			map(f, leaky_relu);
			break;
		case ACTIVATION_SILU:
			map(f, silu);
			break;
		case ACTIVATION_MISH:
			map(f, mish);
			break;
		case ACTIVATION_SIGMOID:
			map(f, sigmoid);
			break;
		case ACTIVATION_TANH:
			map(f, vec_tanh);
			break;
		case ACTIVATION_SELU:
			map(f, selu);
			break;
		case ACTIVATION_LAPLACE:
			map(f, laplace);
			break;
	}
}

static void
activate(Activation activation, float *x, size_t n)
{
	const size_t most = 1 << 30;

	for (size_t at = 0; at < n; at += most)
	{
		int count = n - at < most ? (int) (n - at) : (int) most;

		map_activation(activation, &(Map){.in = x + at, .m = 1, .n = count, .out = x + at});
	}
}

/* Panel by panel, for each its tiles of rows, so that a panel is read from memory once. */
static void
gemm_tiles(TileFunction function, int one, int two, const Matrix *w, int p0, int p1, const Rows *a,
		   int m, float *c, long ldc, Activation activation, const float *residual, long ldr)
{
	bool  int8 = w->precision == PRECISION_INT8, bf16 = w->precision == PRECISION_BF16;
	int	  steps = int8 ? (w->k + 3) / 4 : w->k;
	long  step = bf16 ? 64 : 128, panel = step * steps;
	Cut	  cut = cut_rows(m, one, two);
	float buffer[TILE_ROWS * PANEL];

	for (int p = p0; p < p1 && m > 0; p++)
	{
		const char *b = (const char *) w->panels + p * panel;

		for (int column = p * PANEL; column < (p + 1) * PANEL && column < w->n;
			 column += 16 * cut.width)
		{
			int	 columns = w->n - column < 16 * cut.width ? w->n - column : 16 * cut.width;
			bool direct = activation == ACTIVATION_NONE && columns == 16 * cut.width;
			bool high = column % PANEL != 0;
			long skip = high && !bf16 ? 64 : 0;
			Tile t = {.b = b + skip, .step_b = step, .steps = steps, .high = high};

			t.fetch = t.b + (cut.tiles == 1 ? AHEAD : panel);
			t.step_fetch = step;
			t.bias = w->bias ? w->bias + column : NULL;
			t.column_scale = w->scale ? w->scale + column : NULL;
			t.sum = w->sum ? w->sum + column : NULL;
			t.lda = int8 ? a->ldq : a->ld * 4;
			for (int n = 0, i = 0; n < cut.tiles; n++)
			{
				int			 height = cut_height(&cut, n);
				const float *r = residual ? residual + i * ldr + column : NULL;
				float		*out = c + i * ldc + column;

				t.a = int8 ? (const char *) (a->q + i * a->ldq) : (const char *) (a->x + i * a->ld);
				if (int8)
				{
					t.row_scale = a->scale + i;
					t.zero = a->zero + i;
				}
				t.residual = direct ? r : NULL;
				t.ldr = ldr;
				t.c = direct ? out : buffer;
				t.ldc = direct ? ldc : 16 * cut.width;
				function(height, cut.width, &t);
				if (!direct)
					map_activation(activation, &(Map){.in = buffer,
													  .ldi = t.ldc,
													  .m = height,
													  .n = columns,
													  .out = out,
													  .ldo = ldc,
													  .residual = r,
													  .ldr = ldr});
				t.fetch = t.b;
				t.step_fetch = 0;
				i += height;
			}
		}
	}
}

static void
gemm(const Matrix *w, int p0, int p1, const Rows *a, int m, float *c, long ldc,
	 Activation activation, const float *residual, long ldr)
{
	if (w->precision == PRECISION_INT8)
		gemm_tiles(tile_int8, ROWS_INT8_ONE, ROWS_INT8_TWO, w, p0, p1, a, m, c, ldc, activation,
				   residual, ldr);
	else
		gemm_tiles(w->precision == PRECISION_BF16 ? tile_bf16 : tile_fp32, ROWS_ONE, ROWS_TWO, w,
				   p0, p1, a, m, c, ldc, activation, residual, ldr);
}

#ifdef KERNELS_TABLE_VNNI
static void
gemm_vnni(const Matrix *w, int p0, int p1, const Rows *a, int m, float *c, long ldc,
		  Activation activation, const float *residual, long ldr)
{
	if (w->precision == PRECISION_INT8)
		gemm_tiles(tile_vnni, ROWS_ONE, ROWS_TWO, w, p0, p1, a, m, c, ldc, activation, residual,
				   ldr);
	else
		gemm(w, p0, p1, a, m, c, ldc, activation, residual, ldr);
}
#endif

/* Maximum of n floats and -inf. */
INLINE float
row_top(const float *x, int n)
{
	Vec top = vec_set(-INFINITY);

	for (int j = 0; j < n; j += 16)
		top = vec_max(top, row_load_or(x + j, n - j, -INFINITY));
	return vec_tree(top, true);
}

/* x = e^(x - top), and their sum.  Below e^-80 is 0: smaller ones would become denormal, which is slow, when
 * they are multiplied. */
INLINE float
row_exp(float *x, int n, float top)
{
	Vec sum = vec_set(0.0f), shift = vec_set(top);

	for (int j = 0; j < n; j += 16)
	{
		Vec e = exp_below(vec_sub(row_load_or(x + j, n - j, -INFINITY), shift), -80.0f);

		row_store(x + j, e, n - j);
		sum = vec_add(sum, e);
	}
	return vec_tree(sum, false);
}

static void
scale(const float *a, float factor, float *out, int n)
{
	for (int j = 0; j < n; j += 16)
		row_store(out + j, vec_mul(row_load(a + j, n - j), vec_set(factor)), n - j);
}

static void
softmax(float *x, long ldx, int m, int n)
{
	for (int i = 0; i < m && n > 0; i++, x += ldx)
	{
		float sum = row_exp(x, n, row_top(x, n));

		scale(x, 1.0f / sum, x, n);
	}
}

/* Keys across the lanes: panels [PANEL_UP(n_keys) / 32][head_dim][32].  Zero where there is no key or nobody
 * sees it: what is there is multiplied, and uninitialised memory may hold denormals, which are slow. */
static void
pack_keys(const AttentionArgs *args, float *panels)
{
	static const float nothing[4];
	int				   d, padded = PANEL_UP(args->n_keys), head_dim = args->head_dim;

	for (int j = 0; j < padded; j += 4)
	{
		float		*out = panels + (long) (j / PANEL) * head_dim * PANEL + j % PANEL;
		const float *in[4];
		long		 step[4];

		for (int i = 0; i < 4; i++)
		{
			bool seen = j + i < args->n_keys && (!args->key_mask || args->key_mask[j + i]);

			in[i] = seen ? args->k + (j + i) * args->ldk : nothing;
			step[i] = seen;
		}
		for (d = 0; d + 4 <= head_dim; d += 4, out += 4 * PANEL)
		{
			transpose4(in, out, PANEL);
			for (int i = 0; i < 4; i++)
				in[i] += 4 * step[i];
		}
		for (; d < head_dim; d++, out += PANEL)
			for (int i = 0; i < 4; i++)
			{
				out[i] = *in[i];
				in[i] += step[i];
			}
	}
}

/* Values with rows of whole vectors, and zeros in rows that nobody sees. */
static void
pack_values(const AttentionArgs *args, float *out, long ld)
{
	for (int j = 0; j < args->n_keys; j++, out += ld)
	{
		bool seen = !args->key_mask || args->key_mask[j];

		for (int d = 0; d < ld; d += 16)
			vec_store(out + d, seen ? row_load(args->v + j * args->ldv + d, args->value_dim - d)
									: vec_set(0.0f));
	}
}

/* Lanes j .. j + 15 of the mask bytes of a row of n; nothing behind n is read. */
INLINE Mask
row_mask(const uint8_t *mask, int j, int n)
{
	uint8_t bytes[16] = {0};

	if (j + 16 <= n)
		return mask_bytes(mask + j);
	memcpy(bytes, mask + j, n - j);
	return mask_bytes(bytes);
}

/* Scores of query i to weights, which out is still to be multiplied by: returns that factor.  The row has room
 * up to a multiple of 16; keys behind visible, masked ones and the padding get 0.  With all masked, what
 * remains is a softmax over nothing: *empty, and the factor belongs to weights of 1. */
INLINE float
row_weights(const AttentionArgs *args, int i, float *row, int keys, int visible, bool *empty)
{
	const uint8_t *mask = args->mask ? args->mask + i * args->ldmask : NULL;
	const float	  *bias = args->bias ? args->bias + i * args->ldbias : NULL;
	Vec			   nothing = vec_set(args->function == ATTENTION_SOFTMAX ? -INFINITY : 0.0f);
	int			   padded = (keys + 15) / 16 * 16;
	float		   top;

	*empty = false;
	for (int j = 0; j < keys; j += 16)
	{
		Vec	 s = vec_load(row + j);
		Mask seen = mask_first(visible - j);

		if (bias)
			s = vec_add(s, row_load(bias + j, keys - j));
		if (args->key_mask)
			seen = mask_and(seen, row_mask(args->key_mask, j, keys));
		if (mask)
			seen = mask_and(seen, row_mask(mask, j, keys));
		if (args->function == ATTENTION_LAPLACE)
			s = laplace(s);
		else if (args->function == ATTENTION_RELU2)
			s = relu2(s);
		vec_store(row + j, vec_pick(seen, s, nothing));
	}
	if (args->function != ATTENTION_SOFTMAX)
		return args->weight_scale;
	top = row_top(row, padded);
	*empty = top == -INFINITY;
	return 1.0f / (*empty ? (float) args->n_keys : row_exp(row, padded, top)) * args->weight_scale;
}

/* The mean of all values, as a query without keys has it. */
static void
mean_value(const AttentionArgs *args, float factor, float *out)
{
	for (int d = 0; d < args->value_dim; d += 16)
	{
		Vec sum = vec_set(0.0f);

		for (int j = 0; j < args->n_keys; j++)
			sum = vec_add(sum, row_load(args->v + j * args->ldv + d, args->value_dim - d));
		row_store(out + d, vec_mul(sum, vec_set(factor)), args->value_dim - d);
	}
}

/* What the weights of one query become, when the caller wants them. */
static void
put_weights(const AttentionArgs *args, int i, const float *row, int keys, bool empty, float factor)
{
	float *out = args->weights + i * args->ldweights;

	if (!empty)
		scale(row, factor, out, keys);
	for (int j = empty ? 0 : keys; j < args->n_keys; j++)
		out[j] = empty ? factor : 0.0f;
}

/* The keys of all queries but those masked by mask or key_mask: 0 .. visible - 1. */
INLINE int
visible_keys(const AttentionArgs *args, int query)
{
	int visible = args->n_keys;

	if (args->causal)
		visible = query + 1 + args->n_keys - args->n_queries;
	return visible < 0 ? 0 : visible;
}

/* Some queries by all of their keys and values. */
static void
attention_tile(const AttentionArgs *args, int query, int height, int width,
			   const float *keys_packed, const float *values, long ldvalues, float *scores)
{
	int	  keys = visible_keys(args, query + height - 1);
	long  ld = PANEL_UP(args->n_keys);
	float factor[TILE_ROWS], buffer[TILE_ROWS * PANEL];
	bool  empty[TILE_ROWS];
	Tile  s = {.a = (const char *) (args->q + query * args->ldq), .lda = args->ldq * 4};
	Tile  o = {.a = (const char *) scores, .lda = ld * 4};

	s.step_b = PANEL * 4;
	s.steps = args->head_dim;
	s.row_scale = factor;
	s.ldc = ld;
	for (int i = 0; i < height; i++)
		factor[i] = args->scale;
	for (int j = 0, w; j < keys; j += 16 * w)
	{
		w = width == 2 && j % PANEL == 0 && keys - j > 16 ? 2 : 1;
		s.b =
			(const char *) (keys_packed + (long) (j / PANEL) * args->head_dim * PANEL + j % PANEL);
		s.fetch = s.b;
		s.c = scores + j;
		tile_scaled(height, w, &s);
	}
	for (int i = 0; i < height; i++)
	{
		int visible = visible_keys(args, query + i);

		factor[i] = row_weights(args, query + i, scores + i * ld, keys, visible, &empty[i]);
		if (args->weights)
			put_weights(args, query + i, scores + i * ld, keys, empty[i], factor[i]);
	}
	o.step_b = ldvalues * 4;
	o.steps = keys;
	o.row_scale = factor;
	for (int d = 0, w; d < args->value_dim; d += 16 * w)
	{
		float *out = args->out + query * args->ldout + d;
		bool   direct;

		w = width == 2 && args->value_dim - d > 16 ? 2 : 1;
		direct = d + 16 * w <= args->value_dim;
		o.b = (const char *) (values + d);
		o.fetch = o.b;
		o.c = direct ? out : buffer;
		o.ldc = direct ? args->ldout : PANEL;
		tile_scaled(height, w, &o);
		for (int i = 0; i < height && !direct; i++)
			scale(buffer + i * PANEL, 1.0f, out + i * args->ldout, args->value_dim - d);
	}
	for (int i = 0; i < height; i++)
		if (empty[i])
			mean_value(args, factor[i], args->out + (query + i) * args->ldout);
}

static void
attention(const AttentionArgs *args)
{
	long		 padded = PANEL_UP(args->n_keys), ldvalues = (args->value_dim + 15) / 16 * 16;
	float		*keys = args->scratch, *scores = keys + padded * args->head_dim;
	float		*packed = scores + padded * TILE_ROWS;
	const float *values = args->v;
	Cut			 cut = cut_rows(args->n_queries, ROWS_ONE, ROWS_TWO);

	pack_keys(args, keys);
	if (args->key_mask || args->value_dim != ldvalues)
	{
		pack_values(args, packed, ldvalues);
		values = packed;
	}
	else
		ldvalues = args->ldv;
	for (int n = 0, i = 0; n < cut.tiles; n++)
	{
		int height = cut_height(&cut, n);

		attention_tile(args, i, height, cut.width, keys, values, ldvalues, scores);
		i += height;
	}
}

static float
sum(const float *a, int n)
{
	Vec total = vec_set(0.0f);

	for (int j = 0; j < n; j += 16)
		total = vec_add(total, row_load(a + j, n - j));
	return vec_tree(total, false);
}

static float
dot(const float *a, const float *b, int n)
{
	Vec total = vec_set(0.0f);

	for (int j = 0; j < n; j += 16)
		total = vec_fma(row_load(a + j, n - j), row_load(b + j, n - j), total);
	return vec_tree(total, false);
}

static void
add(const float *a, const float *b, float *out, int n)
{
	for (int j = 0; j < n; j += 16)
		row_store(out + j, vec_add(row_load(a + j, n - j), row_load(b + j, n - j)), n - j);
}

static void
add_row(const Table *table, int row, float *out)
{
	long at = (long) row * table->columns;

	if (table->precision == PRECISION_BF16)
	{
		const uint16_t *data = (const uint16_t *) table->data + at;

		for (int j = 0; j < table->columns; j++)
		{
			uint32_t bits = (uint32_t) data[j] << 16;
			float	 x;

			memcpy(&x, &bits, sizeof(x));
			out[j] += x;
		}
	}
	else
		add(out, (const float *) table->data + at, out, table->columns);
}

static void
layer_norm(const float *x, long ldx, int m, int n, const float *weight, const float *bias,
		   float epsilon, float *out, long ldo)
{
	for (int i = 0; i < m; i++, x += ldx, out += ldo)
	{
		float average = sum(x, n) / (float) n;
		Vec	  mean = vec_set(average), squares = vec_set(0.0f), inverse;

		for (int j = 0; j < n; j += 16)
		{
			Vec d = vec_sub(row_load_or(x + j, n - j, average), mean);

			squares = vec_fma(d, d, squares);
		}
		inverse = vec_set(1.0f / sqrtf(vec_tree(squares, false) / (float) n + epsilon));
		for (int j = 0; j < n; j += 16)
		{
			Vec y = vec_mul(vec_sub(row_load(x + j, n - j), mean), inverse);
			Vec w = weight ? row_load(weight + j, n - j) : vec_set(1.0f);
			Vec b = bias ? row_load(bias + j, n - j) : vec_set(0.0f);

			row_store(out + j, vec_fma(y, w, b), n - j);
		}
	}
}

/* x = scale * (q - zero), where 0 is exact: the range is made to include it. */
static void
quantize(const float *x, long ldx, int m, int n, uint8_t *q, long ldq, float *scale, int32_t *zero)
{
	for (int i = 0; i < m; i++, x += ldx, q += ldq)
	{
		Vec	  low = vec_set(0.0f), high = low, inverse;
		Int	  offset;
		float least, step;
		int	  j;

		for (j = 0; j < n; j += 16)
		{
			Vec v = row_load(x + j, n - j);

			low = vec_min(low, v);
			high = vec_max(high, v);
		}
		least = vec_tree(vec_sub(vec_set(0.0f), low), true);
		step = least / 255.0f + vec_tree(high, true) / 255.0f;
		if (step < 1e-30f)
			step = 1e-30f;
		scale[i] = step;
		zero[i] = (int32_t) lrintf(least / step);
		inverse = vec_set(1.0f / step);
		offset = int_set(zero[i]);
		for (j = 0; j + 16 <= n; j += 16)
			int_store_u8(q + j, int_add(int_round(vec_mul(vec_load(x + j), inverse)), offset));
		if (j < n)
		{
			Vec		y = vec_mul(vec_load_first(x + j, n - j), inverse);
			uint8_t bytes[16];

			int_store_u8(bytes, int_add(int_round(y), offset));
			memcpy(q + j, bytes, n - j);
		}
		memset(q + n, 0, ldq - n);
	}
}

const Kernels KERNELS_TABLE = {
	.name = KERNELS_NAME,
	.gemm = gemm,
	.attention = attention,
	.layer_norm = layer_norm,
	.quantize = quantize,
	.activate = activate,
	.softmax = softmax,
	.dot = dot,
	.sum = sum,
	.add = add,
	.scale = scale,
	.add_row = add_row,
};

#ifdef KERNELS_TABLE_VNNI
const Kernels KERNELS_TABLE_VNNI = {
	.name = KERNELS_NAME,
	.gemm = gemm_vnni,
	.attention = attention,
	.layer_norm = layer_norm,
	.quantize = quantize,
	.activate = activate,
	.softmax = softmax,
	.dot = dot,
	.sum = sum,
	.add = add,
	.scale = scale,
	.add_row = add_row,
};
#endif
