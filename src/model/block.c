/*
 * block.c: the blocks, and how they are cut into items.
 *
 * Every block keeps what its items need in a struct on the leader's stack, which lives until all
 * are done.
 */
#include "model/block.h"

#include <math.h>
#include <string.h>

#define LINE 64			   /* bytes */
#define LINE_FLOATS 16	   /* floats in a line */
#define QUERY_BLOCK 16	   /* queries whose relative scores are laid out at once */
#define ITEMS_PER_THREAD 2 /* so that whoever is early takes more */
#define ROWS_LEAST 4	   /* rows of a norm that are worth an item */
#define PRODUCT_ROWS 28	   /* rows of a product that use a panel well */

static size_t
round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
}

/* Bytes of the smallest odd number of cache lines that hold size bytes: rows with such a stride do
 * not all fall into the same few sets of a cache when they are a power of two long. */
static size_t
odd_lines(size_t size)
{
	return (round_up(size, LINE) / LINE | 1) * LINE;
}

static int
divide_up(int n, int by)
{
	return n / by + (n % by != 0);
}

/* ---- memory ---- */

void *
carve(Carver *carver, size_t count, size_t size)
{
	void *piece = carver->base != NULL ? carver->base + carver->used : NULL;

	carver->used += round_up(count * size, LINE);
	return piece;
}

Activations
carve_activations(Carver *carver, int max_rows, int n)
{
	long ld = (long) (odd_lines(PANEL_UP((size_t) n) * sizeof(float)) / sizeof(float));

	return (Activations){
		.x = carve(carver, (size_t) max_rows * (size_t) ld, sizeof(float)), .ld = ld, .n = n};
}

static long
quantised_stride(int k)
{
	return (long) odd_lines((size_t) k);
}

void
carve_pass(Carver *carver, Pass *pass, int max_rows, int max_k, size_t scratch, int threads)
{
	size_t rows = (size_t) max_rows;

	pass->quantised = carve(carver, rows * (size_t) quantised_stride(max_k), 1);
	pass->row_scale = carve(carver, rows, sizeof(float));
	pass->row_zero = carve(carver, rows, sizeof(int32_t));
	pass->scratch_stride = round_up(scratch, LINE_FLOATS);
	pass->scratch = carve(carver, pass->scratch_stride * (size_t) threads, sizeof(float));
}

/* ---- items ---- */

/* How many of n things make an item: all for a thread alone, for a crew so few that each thread
 * finds at least ITEMS_PER_THREAD items, but not fewer than are worth the trouble. */
static int
item_size(const Crew *crew, int n, int least)
{
	int size = crew->size > 1 ? n / (crew->size * ITEMS_PER_THREAD) : n;

	return size > least ? size : least;
}

/* The things of an item, [*begin, *end). */
static void
item_range(int item, int size, int n, int *begin, int *end)
{
	*begin = item * size;
	*end = n - *begin < size ? n : *begin + size;
}

/* Hands items to the crew, unless the work is cancelled. */
static bool
each(const Pass *pass, int n, void (*function)(void *argument, int item, int rank), void *argument)
{
	if (crew_cancelled(pass->crew))
		return false;
	crew_each(pass->crew, n, function, argument);
	return true;
}

/* ---- row by row: embeddings, norms, quantising ---- */

typedef struct RowStep
{
	const Pass			*pass;
	const Activations	*x;
	int					 item_rows;
	const EmbeddingPart *parts; /* embeddings */
	int					 n_parts;
	const Norm			*norm; /* layer_norm, to out */
	float				 epsilon;
	const Activations	*out;
	bool				 quantise; /* out afterwards */
} RowStep;

static bool
each_rows(RowStep *step, void (*function)(void *argument, int item, int rank))
{
	step->item_rows = item_size(step->pass->crew, step->x->m, ROWS_LEAST);
	return each(step->pass, divide_up(step->x->m, step->item_rows), function, step);
}

static void
embed_item(void *argument, int item, int rank)
{
	const RowStep *step = argument;
	int			   begin, end;

	(void) rank;
	item_range(item, step->item_rows, step->x->m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *row = step->x->x + i * step->x->ld;

		memset(row, 0, (size_t) step->x->n * sizeof(float));
		for (int part = 0; part < step->n_parts; part++)
		{
			const int32_t *index = step->parts[part].index;

			step->pass->kernels->add_row(step->parts[part].table, index != NULL ? index[i] : 0,
										 row);
		}
	}
}

static void
quantise_rows(const Pass *pass, const Activations *x, int begin, int end)
{
	long ldq = quantised_stride(x->n);

	pass->kernels->quantize(x->x + begin * x->ld, x->ld, end - begin, x->n,
							pass->quantised + begin * ldq, ldq, pass->row_scale + begin,
							pass->row_zero + begin);
}

static void
quantise_item(void *argument, int item, int rank)
{
	const RowStep *step = argument;
	int			   begin, end;

	(void) rank;
	item_range(item, step->item_rows, step->x->m, &begin, &end);
	quantise_rows(step->pass, step->x, begin, end);
}

static void
norm_item(void *argument, int item, int rank)
{
	const RowStep	  *step = argument;
	const Activations *x = step->x, *out = step->out;
	int				   begin, end;

	(void) rank;
	item_range(item, step->item_rows, x->m, &begin, &end);
	step->pass->kernels->layer_norm(x->x + begin * x->ld, x->ld, end - begin, x->n,
									step->norm->weight, step->norm->bias, step->epsilon,
									out->x + begin * out->ld, out->ld);
	if (step->quantise)
		quantise_rows(step->pass, out, begin, end);
}

void
sequence_positions(const Batch *batch, int32_t *positions)
{
	for (int sequence = 0; sequence < batch->n_seqs; sequence++)
		for (int i = batch->offsets[sequence]; i < batch->offsets[sequence + 1]; i++)
			positions[i] = i - batch->offsets[sequence];
}

bool
embeddings(Pass *pass, const EmbeddingPart *parts, int n_parts, Activations *x)
{
	RowStep step = {.pass = pass, .x = x, .parts = parts, .n_parts = n_parts};

	x->m = pass->batch->n_tokens;
	return each_rows(&step, embed_item);
}

bool
layer_norm(Pass *pass, const Activations *x, Activations *out, const Norm *norm, float epsilon,
		   const Matrix *next)
{
	RowStep step = {.pass = pass, .x = x, .norm = norm, .epsilon = epsilon, .out = out};

	out->m = x->m;
	step.quantise = next != NULL && next->precision == PRECISION_INT8;
	pass->quantised_from = step.quantise ? out->x : NULL;
	return each_rows(&step, norm_item);
}

/* ---- products ---- */

typedef struct Product
{
	const Pass		  *pass;
	const Matrix	  *w;
	Rows			   rows;
	Activations		  *out;
	Activation		   activation;
	const Activations *residual;
	int				   panels, item_panels;	 /* of w, and of an item */
	int				   item_rows, row_items; /* rows of an item, and items of the same panels */
} Product;

static void
product_item(void *argument, int item, int rank)
{
	const Product	  *step = argument;
	const Activations *out = step->out, *residual = step->residual;
	Rows			   rows = step->rows;
	int				   p0, p1, begin, end;

	(void) rank;
	item_range(item / step->row_items, step->item_panels, step->panels, &p0, &p1);
	item_range(item % step->row_items, step->item_rows, out->m, &begin, &end);
	rows.x += begin * rows.ld;
	if (rows.q != NULL)
	{
		rows.q += begin * rows.ldq;
		rows.scale += begin;
		rows.zero += begin;
	}
	step->pass->kernels->gemm(step->w, p0, p1, &rows, end - begin, out->x + begin * out->ld,
							  out->ld, step->activation,
							  residual != NULL ? residual->x + begin * residual->ld : NULL,
							  residual != NULL ? residual->ld : 0);
}

/* Many rows are cut by rows, so that a thread finds those it had in the block before; few by
 * panels, so that each reads its part of the weights only, and by rows beside that where the panels
 * do not go round. */
static void
product_cut(Product *step, int m)
{
	const Crew *crew = step->pass->crew;
	int			items;

	step->item_panels = step->panels;
	step->item_rows = m;
	step->row_items = 1;
	if (crew->size == 1)
		return;
	if (m >= crew->size * PRODUCT_ROWS)
		step->item_rows =
			divide_up(m, m < 2 * crew->size * PRODUCT_ROWS ? crew->size : 2 * crew->size);
	else
	{
		step->item_panels = item_size(crew, step->panels, 1);
		items = divide_up(step->panels, step->item_panels);
		if (items < crew->size && m >= 2 * PRODUCT_ROWS)
			step->item_rows = divide_up(m, m / PRODUCT_ROWS);
	}
	step->row_items = divide_up(m, step->item_rows);
}

bool
linear(Pass *pass, const Matrix *w, const Activations *x, Activations *out, Activation activation,
	   const Activations *residual)
{
	Product step = {.pass = pass,
					.w = w,
					.rows = {.x = x->x, .ld = x->ld},
					.out = out,
					.activation = activation,
					.residual = residual,
					.panels = divide_up(w->n, PANEL)};

	if (w->precision == PRECISION_INT8)
	{
		RowStep quantise = {.pass = pass, .x = x};

		if (pass->quantised_from != x->x && !each_rows(&quantise, quantise_item))
			return false;
		step.rows.q = pass->quantised;
		step.rows.ldq = quantised_stride(x->n);
		step.rows.scale = pass->row_scale;
		step.rows.zero = pass->row_zero;
	}
	pass->quantised_from = NULL;
	out->m = x->m;
	product_cut(&step, x->m);
	return each(pass, divide_up(step.panels, step.item_panels) * step.row_items, product_item,
				&step);
}

/* ---- attention ---- */

/* Heads of sequences, sequence by sequence: each item is some of them. */
typedef struct AttentionStep
{
	const Pass			  *pass;
	const AttentionConfig *config;
	const Activations	  *qkv;
	const Table			  *distance;
	Activations			  *context;
	int					   n, item_heads;
} AttentionStep;

size_t
attention_floats(const AttentionConfig *config, int max_length)
{
	size_t floats =
		round_up(attention_scratch(max_length, config->head_dim, config->head_dim), LINE_FLOATS);

	if (config->relative != RELATIVE_NONE)
		floats +=
			round_up((size_t) config->head_dim, LINE_FLOATS) + (size_t) max_length * QUERY_BLOCK;
	return floats;
}

/* bias (n_queries, n_keys) = scale (q_i · E[i - j]) for queries first .. first + n_queries - 1,
 * plus k_j · E[i - j] inside the brackets for RELATIVE_KEY_QUERY; diagonal by diagonal, as all
 * pairs of one distance share a row of E. */
static void
relative_scores(const AttentionStep *step, const AttentionArgs *args, int first, float *row,
				float *bias)
{
	const Kernels		  *kernels = step->pass->kernels;
	const AttentionConfig *config = step->config;
	int					   last = first + args->n_queries - 1, dim = config->head_dim;

	for (int apart = first - (args->n_keys - 1); apart <= last; apart++) /* i - j */
	{
		int begin = apart > first ? apart : first; /* the i with 0 <= i - apart < n_keys */
		int end = apart + args->n_keys - 1 < last ? apart + args->n_keys - 1 : last;

		memset(row, 0, (size_t) dim * sizeof(float));
		kernels->add_row(step->distance, apart + config->max_distance - 1, row);
		for (int i = begin; i <= end; i++)
		{
			int	  j = i - apart;
			float score = kernels->dot(args->q + (i - first) * args->ldq, row, dim);

			if (config->relative == RELATIVE_KEY_QUERY)
				score += kernels->dot(args->k + j * args->ldk, row, dim);
			bias[(long) (i - first) * args->n_keys + j] = score * args->scale;
		}
	}
}

/* One head of one sequence with relative positions, a block of queries at a time. */
static void
attend_relative(const AttentionStep *step, const AttentionArgs *whole)
{
	int	   dim = step->config->head_dim;
	float *row = whole->scratch + round_up(attention_scratch(whole->n_keys, dim, dim), LINE_FLOATS);
	float *bias = row + round_up((size_t) dim, LINE_FLOATS);

	for (int first = 0; first < whole->n_queries; first += QUERY_BLOCK)
	{
		AttentionArgs args = *whole;
		int			  n = whole->n_queries - first;

		args.q += first * args.ldq;
		args.out += first * args.ldout;
		args.n_queries = n < QUERY_BLOCK ? n : QUERY_BLOCK;
		if (args.causal)
			args.n_keys = first + args.n_queries;
		args.bias = bias;
		args.ldbias = args.n_keys;
		relative_scores(step, &args, first, row, bias);
		step->pass->kernels->attention(&args);
	}
}

static void
attend(const AttentionStep *step, int sequence, int head, float *scratch)
{
	const Activations *qkv = step->qkv, *context = step->context;
	int				   begin = step->pass->batch->offsets[sequence];
	int				   length = step->pass->batch->offsets[sequence + 1] - begin;
	int				   dim = step->config->head_dim;
	long			   width = (long) step->config->heads * dim;
	const float		  *q = qkv->x + begin * qkv->ld + (long) head * dim;
	AttentionArgs	   args = {.q = q,
							   .k = q + width,
							   .v = q + 2 * width,
							   .ldq = qkv->ld,
							   .ldk = qkv->ld,
							   .ldv = qkv->ld,
							   .n_queries = length,
							   .n_keys = length,
							   .head_dim = dim,
							   .value_dim = dim,
							   .scale = 1.0f / sqrtf((float) dim),
							   .causal = step->config->causal,
							   .function = ATTENTION_SOFTMAX,
							   .weight_scale = 1.0f,
							   .out = context->x + begin * context->ld + (long) head * dim,
							   .ldout = context->ld,
							   .scratch = scratch};

	if (step->config->relative == RELATIVE_NONE)
		step->pass->kernels->attention(&args);
	else
		attend_relative(step, &args);
}

static void
attention_item(void *argument, int item, int rank)
{
	const AttentionStep *step = argument;
	float				*scratch = step->pass->scratch + (size_t) rank * step->pass->scratch_stride;
	int					 begin, end;

	item_range(item, step->item_heads, step->n, &begin, &end);
	for (int i = begin; i < end; i++)
		attend(step, i / step->config->heads, i % step->config->heads, scratch);
}

bool
attention(Pass *pass, const AttentionConfig *config, const Activations *qkv, const Table *distance,
		  Activations *context)
{
	AttentionStep step = {.pass = pass,
						  .config = config,
						  .qkv = qkv,
						  .distance = distance,
						  .context = context,
						  .n = pass->batch->n_seqs * config->heads};

	context->m = qkv->m;
	step.item_heads = item_size(pass->crew, step.n, 1);
	return each(pass, divide_up(step.n, step.item_heads), attention_item, &step);
}

/* ---- pooler ---- */

bool
pooler(Pass *pass, const Matrix *w, const Activations *x, Activations *first, Activations *pooled)
{
	first->m = pass->batch->n_seqs;
	for (int i = 0; i < first->m; i++)
		memcpy(first->x + i * first->ld, x->x + pass->batch->offsets[i] * x->ld,
			   (size_t) x->n * sizeof(float));
	return linear(pass, w, first, pooled, ACTIVATION_TANH, NULL);
}
