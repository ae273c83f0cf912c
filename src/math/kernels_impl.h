/*
 * kernels_impl.h: the kernels, written once over the vector of vector.h.  Private to src/math.
 *
 * Included at the end of a file that defines Vec, Int, Mask, their operations and KERNELS_*. The
 * order of additions is the one that kernels.h promises; nothing here depends on how high a tile is
 * or how wide the registers are.
 */
#include <math.h>
#include <string.h>

#include "math/functions.h"

#ifndef KERNELS_TABLE_VNNI
#define int_dot_vnni int_dot
#endif

enum
{
	AHEAD = 8192,	/* bytes to fetch ahead in weights that are used once */
	CHUNK = 16384,	/* bytes of weights that stay in the first cache while few rows use them */
	FEW_ROWS = 32,	/* whose product waits for its weights, not for its sums */
	BLOCK_ROWS = 84 /* of which the second cache holds more than one */
};

/* Some rows of a times one or two vectors of columns of a panel, sums in registers: all of k, or a
 * chunk of it, with sums that are kept from one to the next. */
typedef struct Tile
{
	const char *a; /* rows, lda bytes apart, 4 bytes a step */
	long		lda;
	const char *b; /* columns, step_b bytes a step */
	long		step_b;
	int			steps;
	bool		begins, ends; /* k; always when scaled */
	float	   *sums;		  /* (rows, width) vectors, where it does not begin or end */
	/* scaled: columns in pages of page_steps steps, page_at floats behind where each begins; or NULL */
	const float *const *pages;
	long				page_at;
	int					page_steps;
	bool				high;  /* bf16: columns 16 .. 31 when the tile is one vector wide */
	const char		   *fetch; /* brought into the cache meanwhile */
	long				step_fetch;
	const float		   *bias;		  /* or NULL */
	const float		   *row_scale;	  /* int8 and scaled */
	const float		   *column_scale; /* int8 */
	const int32_t	   *zero, *sum;	  /* int8 */
	const float		   *residual;	  /* or NULL */
	long				ldr;
	float			   *c;
	long				ldc;
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

/* Adds what steps first .. end - 1, whose columns begin at b, give. */
INLINE void
multiply_steps(Kind kind, int rows, int width, const Tile *t, const char *b, int first, int end,
			   Vec acc[][2])
{
	const char *a = t->a + 4L * first;

	for (int k = first; k < end; k++, a += 4, b += t->step_b)
	{
		Vec w[2];

		if (kind != KIND_SCALED)
			fetch_step(t, k, kind == KIND_BF16 ? 1 : width);
		if (kind != KIND_BF16)
			UNROLLED (v, width)
				w[v] = vec_load((const float *) b + 16 * v);
		else if (width == 2)
		{
			w[0] = vec_bf16_low(b);
			w[1] = vec_bf16_high(b);
		}
		else
			w[0] = t->high ? vec_bf16_high(b) : vec_bf16_low(b);
		UNROLLED (i, rows)
		{
			Vec x = vec_set(load_float(a + i * t->lda));

			UNROLLED (v, width)
				acc[i][v] = vec_fma(x, w[v], acc[i][v]);
		}
	}
}

INLINE void
multiply_float(Kind kind, int rows, int width, const Tile *t, Vec acc[][2])
{
	if (kind == KIND_SCALED || t->begins)
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = vec_set(0.0f);
	else
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = vec_load(t->sums + 16 * (i * width + v));
	if (kind != KIND_SCALED || t->pages == NULL)
	{
		multiply_steps(kind, rows, width, t, t->b, 0, t->steps, acc);
		return;
	}
	for (int page = 0, k = 0; k < t->steps; page++, k += t->page_steps)
	{
		int left = t->steps - k;

		multiply_steps(kind, rows, width, t, (const char *) (t->pages[page] + t->page_at), k,
					   k + (left < t->page_steps ? left : t->page_steps), acc);
	}
}

INLINE void
multiply_int8(Kind kind, int rows, int width, const Tile *t, Int acc[][2])
{
	const char *a = t->a, *b = t->b;

	if (t->begins)
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = int_mul(int_set(-t->zero[i]), int_load(t->sum + 16 * v));
	else
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = int_load(t->sums + 16 * (i * width + v));
	for (int k = 0; k < t->steps; k++, a += 4, b += t->step_b)
	{
		Int w[2];

		fetch_step(t, k, width);
		UNROLLED (v, width)
			w[v] = int_load(b + 64 * v);
		UNROLLED (i, rows)
		{
			Int x = int_set(load_int32(a + i * t->lda));

			UNROLLED (v, width)
				acc[i][v] = kind == KIND_VNNI ? int_dot_vnni(acc[i][v], x, w[v])
											  : int_dot(acc[i][v], x, w[v]);
		}
	}
}

/* The outputs' floats; false where k goes on, and the sums are kept instead. */
INLINE bool
tile_int(Kind kind, int rows, int width, const Tile *t, Vec out[][2])
{
	Int acc[TILE_ROWS][2];

	multiply_int8(kind, rows, width, t, acc);
	if (!t->ends)
	{
		UNROLLED (i, rows)
			UNROLLED (v, width)
				int_store(t->sums + 16 * (i * width + v), acc[i][v]);
		return false;
	}
	UNROLLED (i, rows)
		UNROLLED (v, width)
		{
			Vec scale = vec_mul(vec_set(t->row_scale[i]), vec_load(t->column_scale + 16 * v));

			out[i][v] = vec_mul(vec_of_int(acc[i][v]), scale);
		}
	return true;
}

INLINE bool
tile_float(Kind kind, int rows, int width, const Tile *t, Vec acc[][2])
{
	multiply_float(kind, rows, width, t, acc);
	if (kind == KIND_SCALED || t->ends)
		return true;
	UNROLLED (i, rows)
		UNROLLED (v, width)
			vec_store(t->sums + 16 * (i * width + v), acc[i][v]);
	return false;
}

/* kind, rows and width are constants wherever this is called, so each combination is compiled by
 * itself. */
INLINE void
tile(Kind kind, int rows, int width, const Tile *t)
{
	Vec	 acc[TILE_ROWS][2];
	bool int8 = kind == KIND_VNNI || kind == KIND_INT8;

	if (!(int8 ? tile_int(kind, rows, width, t, acc) : tile_float(kind, rows, width, t, acc)))
		return;
	/* One loop for each addition: with one for all, clang leaves the sums in memory. */
	if (t->bias)
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = vec_add(acc[i][v], vec_load(t->bias + 16 * v));
	if (t->residual)
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = vec_add(acc[i][v], vec_load(t->residual + i * t->ldr + 16 * v));
	if (kind == KIND_SCALED) /* plus 0, so that 0 has one sign */
		UNROLLED (i, rows)
			UNROLLED (v, width)
				acc[i][v] = vec_fma(acc[i][v], vec_set(t->row_scale[i]), vec_set(0.0f));
	UNROLLED (i, rows)
		UNROLLED (v, width)
			vec_store(t->c + i * t->ldc + 16 * v, acc[i][v]);
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
	int one = rows_at_most(kind, 1), two = rows_at_most(kind, 2);

	if (width == 2)
		tile_rows(kind, rows, 2, two, t);
	else if (kind == KIND_SCALED || one > two)
		tile_rows(kind, rows, 1, one, t);
}

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

/* How m rows are cut: into tiles of the same height within one, as few as there can be. Wide
 * tiles are for few rows, where narrow ones are higher. */
typedef struct Cut
{
	int width; /* vectors */
	int tiles;
	int m;
} Cut;

INLINE Cut
cut_rows(int m, Kind kind)
{
	int one = rows_at_most(kind, 1), two = rows_at_most(kind, 2);
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

/* A product, and the tiles it is made of. */
typedef struct Product
{
	const Matrix *w;
	const Rows	 *a;
	float		 *c;
	long		  ldc;
	Activation	  activation;
	const float	 *residual; /* or NULL */
	long		  ldr;
	Kind		  kind;
	void (*tile)(int rows, int width, const Tile *t);
} Product;

/* The tiles of a strip of columns as wide as they are, each over the steps of t from step on.
 * Each fetches its share of what comes next, and has its place for sums. */
static void
product_strip(const Product *product, Tile *t, int step, int column, int first, const Cut *cut)
{
	const Matrix *w = product->w;
	const Rows	 *a = product->a;
	bool		  int8 = w->precision == PRECISION_INT8;
	int			  width = 16 * cut->width;
	int			  columns = w->n - column < width ? w->n - column : width;
	bool		  direct = product->activation == ACTIVATION_NONE && columns == width;
	float		  buffer[TILE_ROWS * PANEL];

	t->ldc = direct ? product->ldc : width;
	t->bias = w->bias ? w->bias + column : NULL;
	if (int8)
	{
		t->column_scale = w->scale + column;
		t->sum = w->sum + column;
	}
	for (int n = 0, i = first; n < cut->tiles; n++)
	{
		int			 rows = cut_height(cut, n);
		float		*out = product->c + i * product->ldc + column;
		const float *r = product->residual ? product->residual + i * t->ldr + column : NULL;

		t->c = direct ? out : buffer;
		t->residual = direct ? r : NULL;
		t->a = (int8 ? (const char *) a->q : (const char *) a->x) + i * t->lda + 4L * step;
		if (int8)
		{
			t->row_scale = a->scale + i;
			t->zero = a->zero + i;
		}
		product->tile(rows, cut->width, t);
		if (!direct && t->ends)
		{
			Map f = {.in = buffer, .ldi = width, .m = rows, .n = columns, .out = out};

			f.ldo = product->ldc;
			f.residual = r;
			f.ldr = t->ldr;
			map_activation(product->activation, &f);
		}
		t->fetch += t->step_fetch * t->steps;
		t->sums += width * rows;
		i += rows;
	}
}

/* Rows first .. first + m - 1 of a panel. */
static void
product_panel(const Product *product, int panel, int first, const Cut *cut)
{
	const Matrix *w = product->w;
	bool		  int8 = w->precision == PRECISION_INT8, bf16 = w->precision == PRECISION_BF16;
	int			  width = 16 * cut->width, passes = cut->tiles * (PANEL / width);
	int			  steps = int8 ? (w->k + 3) / 4 : w->k, chunk = steps;
	int			  column = panel * PANEL, end = w->n - column < PANEL ? w->n : column + PANEL;
	Tile		  t = {.step_b = bf16 ? 64 : 128, .ldr = product->ldr};
	const char	 *weights = (const char *) w->panels + panel * t.step_b * steps;
	float		  sums[FEW_ROWS * PANEL];

	t.lda = int8 ? product->a->ldq : product->a->ld * 4;
	/* What goes through its weights once fetches from a little ahead in them; several tiles, or the
	 * strips of a panel, a share each of the next chunk, or panel. */
	t.step_fetch = (t.step_b + passes - 1) / passes;
	if (passes > 1 && cut->m <= FEW_ROWS)
	{
		int chunks = (int) ((t.step_b * steps + CHUNK - 1) / CHUNK);

		chunk = (steps + chunks - 1) / chunks;
	}
	for (int step = 0; step < steps; step += chunk, weights += t.step_b * chunk)
	{
		t.steps = steps - step < chunk ? steps - step : chunk;
		t.begins = step == 0;
		t.ends = step + t.steps == steps;
		t.sums = sums;
		t.fetch = weights + (passes == 1 ? AHEAD : t.step_b * t.steps);
		for (int j = column; j < end; j += width)
		{
			t.high = j % PANEL != 0;
			t.b = weights + (t.high && !bf16 ? 64 : 0);
			product_strip(product, &t, step, j, first, cut);
		}
	}
}

/* Blocks of rows, which the second cache holds; in each, panel by panel. */
static void
product_panels(const Product *product, int p0, int p1, int m)
{
	int blocks = m < BLOCK_ROWS ? 1 : m / BLOCK_ROWS;

	for (int n = 0, first = 0; n < blocks && m > 0; n++)
	{
		int rows = m / blocks + (n < m % blocks);
		Cut cut = cut_rows(rows, product->kind);

		for (int panel = p0; panel < p1; panel++)
			product_panel(product, panel, first, &cut);
		first += rows;
	}
}

static void
gemm(const Matrix *w, int p0, int p1, const Rows *a, int m, float *c, long ldc,
	 Activation activation, const float *residual, long ldr)
{
	Product product = {w, a, c, ldc, activation, residual, ldr, KIND_FP32, tile_fp32};

	if (w->precision == PRECISION_BF16)
	{
		product.kind = KIND_BF16;
		product.tile = tile_bf16;
	}
	else if (w->precision == PRECISION_INT8)
	{
		product.kind = KIND_INT8;
		product.tile = tile_int8;
	}
	product_panels(&product, p0, p1, m);
}

#ifdef KERNELS_TABLE_VNNI
static void
gemm_vnni(const Matrix *w, int p0, int p1, const Rows *a, int m, float *c, long ldc,
		  Activation activation, const float *residual, long ldr)
{
	Product product = {w, a, c, ldc, activation, residual, ldr, KIND_VNNI, tile_vnni};

	if (w->precision == PRECISION_INT8)
		product_panels(&product, p0, p1, m);
	else
		gemm(w, p0, p1, a, m, c, ldc, activation, residual, ldr);
}
#endif

/* Lanes of the maximum of n floats and -inf. */
INLINE Vec
row_top(const float *x, int n)
{
	Vec top = vec_set(-INFINITY);

	for (int j = 0; j < n; j += 16)
		top = vec_max(top, row_load_or(x + j, n - j, -INFINITY));
	return top;
}

/* x = e^(x - top), and lanes of their sum. Below e^-80 is 0: smaller ones would become denormal,
 * which is slow, when they are multiplied. */
INLINE Vec
row_exp(float *x, int n, float top)
{
	Vec sum = vec_set(0.0f), shift = vec_set(top);

	for (int j = 0; j < n; j += 16)
	{
		Vec e = exp_below(vec_sub(row_load_or(x + j, n - j, -INFINITY), shift), -80.0f);

		row_store(x + j, e, n - j);
		sum = vec_add(sum, e);
	}
	return sum;
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
		float top = vec_tree(row_top(x, n), true);
		Vec	  sum = row_exp(x, n, top);

		scale(x, 1.0f / vec_tree(sum, false), x, n);
	}
}

/* Keys across the lanes: panels [PANEL_UP(n_keys) / 32][head_dim][32], written up to a multiple
 * of 16 keys. Zero where there is no key or nobody sees it: what is there is multiplied, and
 * uninitialised memory may hold denormals, which are slow. */
static void
pack_keys(const AttentionArgs *args, float *panels)
{
	int padded = (args->n_keys + 15) / 16 * 16, head_dim = args->head_dim;

	for (int j = 0; j < padded; j += 4)
	{
		float		*out = panels + (long) (j / PANEL) * head_dim * PANEL + j % PANEL;
		const float *in[4];
		bool		 seen[4];
		int			 d = 0;

		for (int i = 0; i < 4; i++)
		{
			seen[i] = j + i < args->n_keys && (!args->key_mask || args->key_mask[j + i]);
			in[i] = args->k + (seen[i] ? (j + i) * args->ldk : 0);
		}
		for (; d + 4 <= head_dim; d += 4)
			transpose4(in, d, seen, out + d * PANEL, PANEL);
		for (; d < head_dim; d++)
			for (int i = 0; i < 4; i++)
				out[d * PANEL + i] = seen[i] ? in[i][d] : 0.0f;
	}
}

/* Values with rows of whole vectors, and zeros in rows that nobody sees. */
static void
pack_values(const AttentionArgs *args, float *out, long ld)
{
	for (int j = 0; j < args->n_keys; j++, out += ld)
	{
		const float *in = attention_value(args, j);
		bool		 seen = !args->key_mask || args->key_mask[j];

		for (int d = 0; d < ld; d += 16)
			vec_store(out + d, seen ? row_load(in + d, args->value_dim - d) : vec_set(0.0f));
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

/* The keys of all queries but those masked by mask or key_mask: 0 .. visible - 1. */
INLINE int
visible_keys(const AttentionArgs *args, int query)
{
	int visible = args->n_keys;

	if (args->causal)
		visible = query + 1 + args->n_keys - args->n_queries;
	return visible < 0 ? 0 : visible;
}

/* The scores of a query with its bias, masked, and functions other than softmax applied; of a
 * softmax, lanes of the maximum. The row has room up to a multiple of 16: what is behind visible
 * becomes "masked". */
INLINE Vec
score_row(const AttentionArgs *args, int i, float *row, int keys, int visible)
{
	const uint8_t *mask = args->mask ? args->mask + i * args->ldmask : NULL;
	const float	  *bias = args->bias ? args->bias + i * args->ldbias : NULL;
	bool		   softmax_only = args->function == ATTENTION_SOFTMAX;
	Vec			   masked = vec_set(softmax_only ? -INFINITY : 0.0f), top = vec_set(-INFINITY);
	int			   j = 0;

	if (softmax_only && !bias && !mask && !args->key_mask)
		for (; j + 16 <= visible; j += 16)
			top = vec_max(top, vec_load(row + j));
	for (; j < keys; j += 16)
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
		s = vec_pick(seen, s, masked);
		vec_store(row + j, s);
		top = vec_max(top, s);
	}
	return top;
}

/* Each row's lanes to one number: four rows share the shuffles. */
INLINE void
row_trees(Vec *rows, int n, bool top, float *out)
{
	for (int i = n; i % 4 != 0; i++)
		rows[i] = rows[0];
	for (int i = 0; i < n; i += 4)
		vec_tree4(rows + i, top, out + i);
}

/* Scores of some queries to weights, which out is still to be multiplied by factor. With all
 * keys masked, what remains is a softmax over nothing: empty, and the factor belongs to weights
 * of 1. */
static void
weigh(const AttentionArgs *args, int query, int rows, int keys, float *scores, long ld,
	  float *factor, bool *empty)
{
	int	  padded = (keys + 15) / 16 * 16;
	Vec	  lanes[16];
	float top[16], sum[16];

	for (int i = 0; i < rows; i++)
	{
		lanes[i] = score_row(args, query + i, scores + i * ld, keys, visible_keys(args, query + i));
		empty[i] = false;
	}
	vec_store(factor, vec_set(args->weight_scale));
	if (args->function != ATTENTION_SOFTMAX)
		return;
	row_trees(lanes, rows, true, top);
	for (int i = 0; i < rows; i++)
	{
		empty[i] = top[i] == -INFINITY;
		lanes[i] = row_exp(scores + i * ld, padded, empty[i] ? 0.0f : top[i]);
	}
	row_trees(lanes, rows, false, sum);
	for (int i = 0; i < rows; i++)
		if (empty[i])
			sum[i] = (float) args->n_keys;
	vec_store(factor,
			  vec_mul(vec_div(vec_set(1.0f), row_load_or(sum, rows, 1.0f)), vec_load(factor)));
}

/* The mean of all values, as a query without keys has it. */
static void
mean_value(const AttentionArgs *args, float factor, float *out)
{
	for (int d = 0; d < args->value_dim; d += 16)
	{
		Vec sum = vec_set(0.0f);

		for (int j = 0; j < args->n_keys; j++)
			sum = vec_add(sum, row_load(attention_value(args, j) + d, args->value_dim - d));
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

/* One query by all values: more vectors side by side than a tile has, or each sum would wait for itself. */
static void
weigh_values(const AttentionArgs *args, int keys, const float *weights, float factor, float *out)
{
	for (int d = 0; d < args->value_dim; d += 64)
	{
		int n = args->value_dim - d < 64 ? args->value_dim - d : 64;
		Vec acc[4];

		UNROLLED (u, 4)
			acc[u] = vec_set(0.0f);
		for (int page = 0, k = 0; k < keys; page++, k += args->page_keys)
		{
			const float *v = args->pages[page] + args->v_at + d;
			int			 left = keys - k < args->page_keys ? keys - k : args->page_keys;

			for (int j = 0; j < left; j++, v += args->ldv)
			{
				Vec weight = vec_set(weights[k + j]);

				if (n == 64)
					UNROLLED (u, 4)
						acc[u] = vec_fma(weight, vec_load(v + 16 * u), acc[u]);
				else
					UNROLLED (u, 4)
						if (16 * u < n)
							acc[u] = vec_fma(weight, row_load(v + 16 * u, n - 16 * u), acc[u]);
			}
		}
		UNROLLED (u, 4)
			if (16 * u < n)
				row_store(out + d + 16 * u, vec_fma(acc[u], vec_set(factor), vec_set(0.0f)),
						  n - 16 * u);
	}
}

/* Some queries by all of their keys and values.  keys_packed and values NULL: these are in pages. */
static void
attention_tile(const AttentionArgs *args, int query, int height, int width,
			   const float *keys_packed, const float *values, long ldvalues, float *scores)
{
	int	  keys = visible_keys(args, query + height - 1);
	long  ld = PANEL_UP(args->n_keys);
	float factor[16], buffer[TILE_ROWS * PANEL];
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
		if (keys_packed)
			s.b = (const char *) (keys_packed + (long) (j / PANEL) * args->head_dim * PANEL +
								  j % PANEL);
		else
			s.b = (const char *) attention_key(args, j);
		s.fetch = s.b;
		s.c = scores + j;
		tile_scaled(height, w, &s);
	}
	weigh(args, query, height, keys, scores, ld, factor, empty);
	for (int i = 0; i < height && args->weights; i++)
		put_weights(args, query + i, scores + i * ld, keys, empty[i], factor[i]);
	if (!values && height == 1)
	{
		weigh_values(args, keys, scores, factor[0], args->out + query * args->ldout);
		if (empty[0])
			mean_value(args, factor[0], args->out + query * args->ldout);
		return;
	}
	o.step_b = ldvalues * 4;
	o.steps = keys;
	o.pages = values ? NULL : args->pages;
	o.page_steps = args->page_keys;
	o.row_scale = factor;
	for (int d = 0, w; d < args->value_dim; d += 16 * w)
	{
		float *out = args->out + query * args->ldout + d;
		bool   direct;

		w = width == 2 && args->value_dim - d > 16 ? 2 : 1;
		direct = d + 16 * w <= args->value_dim;
		if (values)
			o.fetch = o.b = (const char *) (values + d);
		o.page_at = args->v_at + d;
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
	const float *values = args->pages ? NULL : args->v;
	Cut			 cut = cut_rows(args->n_queries, KIND_SCALED);

	if (!args->pages)
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

		attention_tile(args, i, height, cut.width, args->pages ? NULL : keys, values, ldvalues,
					   scores);
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
multiply(const float *a, const float *b, const float *c, float *out, int n)
{
	for (int j = 0; j < n; j += 16)
	{
		Vec x = row_load(a + j, n - j), y = row_load(b + j, n - j);

		row_store(out + j, c ? vec_fma(x, y, row_load(c + j, n - j)) : vec_mul(x, y), n - j);
	}
}

static void
mix(const float *a, const float *b, const float *weight, float *out, int n)
{
	for (int j = 0; j < n; j += 16)
	{
		Vec x = row_load(a + j, n - j), apart = vec_sub(row_load(b + j, n - j), x);

		row_store(out + j, vec_fma(row_load(weight + j, n - j), apart, x), n - j);
	}
}

static void
add_row(const Table *table, int row, float *out)
{
	long at = (long) row * table->columns;

	const uint16_t *narrow = (const uint16_t *) table->data + at;

	if (table->precision == PRECISION_FP32)
	{
		add(out, (const float *) table->data + at, out, table->columns);
		return;
	}
	for (int j = 0; j < table->columns; j += 16)
	{
		int		 left = table->columns - j;
		uint16_t last[16] = {0};

		if (left < 16)
			memcpy(last, narrow + j, left * sizeof(*last));
		row_store(out + j,
				  vec_add(row_load(out + j, left), vec_bf16(left < 16 ? last : narrow + j)), left);
	}
}

/* What a norm is made with. */
typedef struct Norm
{
	int			 n;
	const float *weight, *bias; /* or NULL */
	float		 epsilon;
	long		 ldx, ldo;
} Norm;

/* Some rows, up to four, side by side: each sum is one chain of additions, and alone would wait
 * for itself. */
INLINE void
norm_rows(const Norm *norm, int rows, const float *x, float *out)
{
	int	  n = norm->n;
	Vec	  sums[4];
	float mean[4], inverse[4];

	UNROLLED (i, 4)
		sums[i] = vec_set(0.0f);
	for (int j = 0; j < n; j += 16)
		UNROLLED (i, rows)
			sums[i] = vec_add(sums[i], row_load(x + i * norm->ldx + j, n - j));
	vec_tree4(sums, false, mean);
	UNROLLED (i, rows)
		mean[i] = mean[i] / (float) n;
	UNROLLED (i, 4)
		sums[i] = vec_set(0.0f);
	for (int j = 0; j < n; j += 16)
		UNROLLED (i, rows)
		{
			Vec y = row_load_or(x + i * norm->ldx + j, n - j, mean[i]);
			Vec d = vec_sub(y, vec_set(mean[i]));

			sums[i] = vec_fma(d, d, sums[i]);
		}
	vec_tree4(sums, false, inverse);
	UNROLLED (i, rows)
		inverse[i] = 1.0f / sqrtf(inverse[i] / (float) n + norm->epsilon);
	for (int j = 0; j < n; j += 16)
	{
		Vec w = norm->weight ? row_load(norm->weight + j, n - j) : vec_set(1.0f);
		Vec b = norm->bias ? row_load(norm->bias + j, n - j) : vec_set(0.0f);

		UNROLLED (i, rows)
		{
			Vec y = vec_sub(row_load(x + i * norm->ldx + j, n - j), vec_set(mean[i]));

			row_store(out + i * norm->ldo + j, vec_fma(vec_mul(y, vec_set(inverse[i])), w, b),
					  n - j);
		}
	}
}

static void
rotate(float *x, long ldx, int m, int n, const float *turns)
{
	static const float signs[16] = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
	const Vec		   sign = vec_load(signs);

	for (int i = 0; i < m; i++, x += ldx, turns += n)
		for (int j = 0; j < n; j += 16)
		{
			const float *sines = turns + j / 2, *cosines = sines + n / 2;
			int			 left = n - j, pairs = left < 16 ? left / 2 : 8;
			Vec			 sine = vec_mul(vec_twice(vec_load_first(sines, pairs)), sign);
			Vec			 cosine = vec_twice(vec_load_first(cosines, pairs));
			Vec			 v = row_load(x + j, left);

			row_store(x + j, vec_fma(vec_swap(v), sine, vec_mul(v, cosine)), left);
		}
}

static void
layer_norm(const float *x, long ldx, int m, int n, const float *weight, const float *bias,
		   float epsilon, float *out, long ldo)
{
	Norm norm = {n, weight, bias, epsilon, ldx, ldo};
	int	 i = 0;

	for (; i + 4 <= m; i += 4)
		norm_rows(&norm, 4, x + i * ldx, out + i * ldo);
	for (; i < m; i++)
		norm_rows(&norm, 1, x + i * ldx, out + i * ldo);
}

/* The range of a row and of 0: -*low .. *high. Four vectors side by side hide the latency; a
 * maximum has no order. */
INLINE void
row_range(const float *x, int n, float *low, float *high)
{
	Vec least[4], most[4];
	int j = 0;

	UNROLLED (u, 4)
		least[u] = most[u] = vec_set(0.0f);
	for (; j + 64 <= n; j += 64)
		UNROLLED (u, 4)
		{
			least[u] = vec_min(least[u], vec_load(x + j + 16 * u));
			most[u] = vec_max(most[u], vec_load(x + j + 16 * u));
		}
	for (; j < n; j += 16)
	{
		least[0] = vec_min(least[0], row_load(x + j, n - j));
		most[0] = vec_max(most[0], row_load(x + j, n - j));
	}
	least[0] = vec_min(vec_min(least[0], least[1]), vec_min(least[2], least[3]));
	most[0] = vec_max(vec_max(most[0], most[1]), vec_max(most[2], most[3]));
	*low = vec_tree(vec_sub(vec_set(0.0f), least[0]), true);
	*high = vec_tree(most[0], true);
}

/* x = scale * (q - zero), where 0 is exact: the range is made to include it. */
static void
quantize(const float *x, long ldx, int m, int n, uint8_t *q, long ldq, float *scale, int32_t *zero)
{
	for (int i = 0; i < m; i++, x += ldx, q += ldq)
	{
		Vec	  inverse;
		Int	  offset;
		float low, high, step;
		int	  j = 0;

		row_range(x, n, &low, &high);
		step = low / 255.0f + high / 255.0f;
		if (step < 1e-30f)
			step = 1e-30f;
		scale[i] = step;
		zero[i] = (int32_t) (low / step + 0.5f);
		inverse = vec_set(1.0f / step);
		offset = int_set(zero[i]);
		for (; j + 64 <= n; j += 64)
		{
			Int v[4];

			UNROLLED (u, 4)
				v[u] = int_add(int_round(vec_mul(vec_load(x + j + 16 * u), inverse)), offset);
			int_store_u8(q + j, v);
		}
		if (j < n)
		{
			uint8_t bytes[64];
			Int		v[4];

			UNROLLED (u, 4)
			{
				int left = n - j - 16 * u;

				v[u] = int_set(0);
				if (left > 0)
					v[u] = int_add(int_round(vec_mul(row_load(x + j + 16 * u, left), inverse)),
								   offset);
			}
			int_store_u8(bytes, v);
			memcpy(q + j, bytes, n - j);
		}
		memset(q + n, 0, ldq - n);
	}
}

#include "math/ema_impl.h"

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
	.rotate = rotate,
	.multiply = multiply,
	.mix = mix,
	.ema = ema,
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
	.rotate = rotate,
	.multiply = multiply,
	.mix = mix,
	.ema = ema,
};
#endif
