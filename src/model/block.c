/*
 * block.c: the blocks, and how a crew divides them.
 */
#include "model/block.h"

#include <math.h>
#include <string.h>

#define LINE 64			  /* bytes */
#define LINE_FLOATS 16	  /* floats in a line */
#define QUANTISED_STEP 64 /* rows of bytes are multiples of this long */
#define QUERY_BLOCK 16	  /* queries whose relative scores are laid out at once */
#define ROW_TILE 7		  /* a panel's rows are divided between ranks at multiples of this */

static size_t
round_up(size_t n, size_t step)
{
	return (n + step - 1) / step * step;
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
	long ld = (long) round_up((size_t) n, PANEL) + LINE_FLOATS;

	return (Activations){
		.x = carve(carver, (size_t) max_rows * (size_t) ld, sizeof(float)), .ld = ld, .n = n};
}

static long
quantised_stride(int k)
{
	return (long) round_up((size_t) k, QUANTISED_STEP);
}

void
carve_pass(Carver *carver, Pass *pass, int max_rows, int max_k, size_t attention_floats)
{
	size_t rows = (size_t) max_rows;
	size_t each = round_up(attention_floats, LINE_FLOATS);
	float *scratch;

	pass->quantised = carve(carver, rows * (size_t) quantised_stride(max_k), 1);
	pass->row_scale = carve(carver, rows, sizeof(float));
	pass->row_zero = carve(carver, rows, sizeof(int32_t));
	scratch = carve(carver, each * (size_t) pass->crew->size, sizeof(float));
	pass->scratch = scratch != NULL ? scratch + each * (size_t) pass->crew->rank : NULL;
}

/* ---- meeting ---- */

/* Before x is read whole: everybody has written his share. */
static bool
meet(Pass *pass)
{
	pass->quantised_read = false;
	return crew_wait(pass->crew);
}

/* Makes x the left side of a product with w: quantised, when w is. */
static bool
left_side(Pass *pass, const Matrix *w, const Activations *x, Rows *rows)
{
	*rows = (Rows){.x = x->x, .ld = x->ld};
	if (w->precision == PRECISION_INT8)
	{
		int begin, end;

		rows->ldq = quantised_stride(x->n);
		rows->q = pass->quantised;
		rows->scale = pass->row_scale;
		rows->zero = pass->row_zero;
		if (x->written != BY_ROWS || pass->quantised_read)
			if (!meet(pass))
				return false;
		crew_share(pass->crew, x->m, &begin, &end);
		pass->kernels->quantize(x->x + begin * x->ld, x->ld, end - begin, x->n,
								pass->quantised + begin * rows->ldq, rows->ldq,
								pass->row_scale + begin, pass->row_zero + begin);
	}
	if (!meet(pass))
		return false;
	pass->quantised_read = rows->q != NULL;
	return true;
}

/* ---- embeddings ---- */

void
sequence_positions(Pass *pass, int32_t *positions)
{
	const int32_t *offsets = pass->batch->offsets;
	int			   begin, end, sequence = 0;

	crew_share(pass->crew, pass->batch->n_tokens, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		while (offsets[sequence + 1] <= i)
			sequence++;
		positions[i] = i - offsets[sequence];
	}
}

void
embeddings(Pass *pass, const EmbeddingPart *parts, int n_parts, Activations *x)
{
	int begin, end;

	x->m = pass->batch->n_tokens;
	x->written = BY_ROWS;
	crew_share(pass->crew, x->m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *row = x->x + i * x->ld;

		memset(row, 0, (size_t) x->n * sizeof(float));
		for (int part = 0; part < n_parts; part++)
			pass->kernels->add_row(parts[part].table,
								   parts[part].index != NULL ? parts[part].index[i] : 0, row);
	}
}

/* ---- norms and products ---- */

bool
layer_norm(Pass *pass, Activations *x, const Norm *norm, float epsilon)
{
	int	   begin, end;
	float *rows;

	if (x->written != BY_ROWS && !meet(pass))
		return false;
	crew_share(pass->crew, x->m, &begin, &end);
	rows = x->x + begin * x->ld;
	pass->kernels->layer_norm(rows, x->ld, end - begin, x->n, norm->weight, norm->bias, epsilon,
							  rows, x->ld);
	x->written = BY_ROWS;
	return true;
}

/* Rows begin .. end - 1 of panels p0 .. p1 - 1. */
static void
product(Pass *pass, const Matrix *w, const Rows *rows, int p0, int p1, int begin, int end,
		Activations *out, Activation activation, const Activations *residual)
{
	Rows part = *rows;

	if (begin >= end || p0 >= p1)
		return;
	part.x += begin * part.ld;
	if (part.q != NULL)
	{
		part.q += begin * part.ldq;
		part.scale += begin;
		part.zero += begin;
	}
	pass->kernels->gemm(w, p0, p1, &part, end - begin, out->x + begin * out->ld, out->ld,
						activation, residual != NULL ? residual->x + begin * residual->ld : NULL,
						residual != NULL ? residual->ld : 0);
}

/* Where the share of a rank begins: panel *panel, from row *row on. */
static void
share_begin(int panels, int m, int rank, int size, int *panel, int *row)
{
	long cells = (long) panels * m * rank / size;

	*panel = (int) (cells / m);
	*row = (int) (cells % m) / ROW_TILE * ROW_TILE;
}

/* Divides the panels among the crew, evenly: where a share ends inside a panel, its rows are divided. */
bool
linear(Pass *pass, const Matrix *w, Activations *x, Activations *out, Activation activation,
	   const Activations *residual)
{
	const Crew *crew = pass->crew;
	int			panels = (w->n + PANEL - 1) / PANEL, m = x->m;
	int			panel, row, last_panel, last_row;
	Rows		rows;

	if (!left_side(pass, w, x, &rows))
		return false;
	share_begin(panels, m, crew->rank, crew->size, &panel, &row);
	share_begin(panels, m, crew->rank + 1, crew->size, &last_panel, &last_row);
	if (panel == last_panel)
		product(pass, w, &rows, panel, panel + 1, row, last_row, out, activation, residual);
	else
	{
		if (row > 0)
		{
			product(pass, w, &rows, panel, panel + 1, row, m, out, activation, residual);
			panel++;
		}
		product(pass, w, &rows, panel, last_panel, 0, m, out, activation, residual);
		product(pass, w, &rows, last_panel, last_panel + 1, 0, last_row, out, activation, residual);
	}
	out->m = m;
	out->written = BY_COLUMNS;
	return true;
}

/* ---- attention ---- */

/* True when each rank can have as many whole heads, and a head whole panels. */
static bool
heads_divide(Pass *pass, const AttentionConfig *config)
{
	return config->heads % pass->crew->size == 0 && config->head_dim % PANEL == 0;
}

bool
query_key_value(Pass *pass, const AttentionConfig *config, const Matrix *w, Activations *x,
				Activations *qkv)
{
	const Crew *crew = pass->crew;
	int			part_panels = w->n / 3 / PANEL;
	Rows		rows;

	if (crew->size == 1 || !heads_divide(pass, config))
		return linear(pass, w, x, qkv, ACTIVATION_NONE, NULL);
	if (!left_side(pass, w, x, &rows))
		return false;
	for (int part = 0; part < 3; part++)
		product(pass, w, &rows, part_panels * part + part_panels * crew->rank / crew->size,
				part_panels * part + part_panels * (crew->rank + 1) / crew->size, 0, x->m, qkv,
				ACTIVATION_NONE, NULL);
	qkv->m = x->m;
	qkv->written = BY_HEADS;
	return true;
}

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

/* bias (n_queries, n_keys) = scale (q_i · E[i - j]) for queries first .. first + n_queries - 1, plus
 * k_j · E[i - j] inside the brackets for RELATIVE_KEY_QUERY; diagonal by diagonal, as all pairs of one distance share
 * a row of E. */
static void
relative_scores(Pass *pass, const AttentionConfig *config, const AttentionArgs *args, int first,
				const Table *distance, float *row, float *bias)
{
	const Kernels *kernels = pass->kernels;
	int			   last = first + args->n_queries - 1, dim = config->head_dim;

	for (int apart = first - (args->n_keys - 1); apart <= last; apart++) /* i - j */
	{
		int begin = apart > first ? apart : first; /* the i with 0 <= i - apart < n_keys */
		int end = apart + args->n_keys - 1 < last ? apart + args->n_keys - 1 : last;

		memset(row, 0, (size_t) dim * sizeof(float));
		kernels->add_row(distance, apart + config->max_distance - 1, row);
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
attend_relative(Pass *pass, const AttentionConfig *config, const AttentionArgs *whole,
				const Table *distance)
{
	float *row =
		whole->scratch +
		round_up(attention_scratch(whole->n_keys, config->head_dim, config->head_dim), LINE_FLOATS);
	float *bias = row + round_up((size_t) config->head_dim, LINE_FLOATS);

	for (int first = 0; first < whole->n_queries; first += QUERY_BLOCK)
	{
		AttentionArgs args = *whole;
		int n = whole->n_queries - first < QUERY_BLOCK ? whole->n_queries - first : QUERY_BLOCK;

		args.q += first * args.ldq;
		args.out += first * args.ldout;
		args.n_queries = n;
		if (args.causal)
			args.n_keys = first + n;
		args.bias = bias;
		args.ldbias = args.n_keys;
		relative_scores(pass, config, &args, first, distance, row, bias);
		pass->kernels->attention(&args);
	}
}

static void
attend(Pass *pass, const AttentionConfig *config, const Activations *qkv, int sequence, int head,
	   const Table *distance, Activations *context)
{
	int			  begin = pass->batch->offsets[sequence];
	int			  length = pass->batch->offsets[sequence + 1] - begin;
	long		  width = (long) config->heads * config->head_dim;
	const float	 *q = qkv->x + begin * qkv->ld + (long) head * config->head_dim;
	AttentionArgs args = {.q = q,
						  .k = q + width,
						  .v = q + 2 * width,
						  .ldq = qkv->ld,
						  .ldk = qkv->ld,
						  .ldv = qkv->ld,
						  .n_queries = length,
						  .n_keys = length,
						  .head_dim = config->head_dim,
						  .value_dim = config->head_dim,
						  .scale = 1.0f / sqrtf((float) config->head_dim),
						  .causal = config->causal,
						  .function = ATTENTION_SOFTMAX,
						  .weight_scale = 1.0f,
						  .out = context->x + begin * context->ld + (long) head * config->head_dim,
						  .ldout = context->ld,
						  .scratch = pass->scratch};

	if (config->relative == RELATIVE_NONE)
		pass->kernels->attention(&args);
	else
		attend_relative(pass, config, &args, distance);
}

bool
attention(Pass *pass, const AttentionConfig *config, Activations *qkv, const Table *distance,
		  Activations *context)
{
	int n_seqs = pass->batch->n_seqs, begin, end;

	if (qkv->written == BY_HEADS)
	{
		crew_share(pass->crew, config->heads, &begin, &end);
		for (int sequence = 0; sequence < n_seqs; sequence++)
			for (int head = begin; head < end; head++)
				attend(pass, config, qkv, sequence, head, distance, context);
	}
	else
	{
		if (!meet(pass))
			return false;
		crew_share(pass->crew, n_seqs * config->heads, &begin, &end);
		for (int i = begin; i < end; i++)
			attend(pass, config, qkv, i / config->heads, i % config->heads, distance, context);
	}
	context->m = qkv->m;
	context->written = BY_COLUMNS;
	return true;
}

/* ---- pooler ---- */

bool
pooler(Pass *pass, const Matrix *w, Activations *x, Activations *first, Activations *pooled)
{
	int begin, end;

	if (!meet(pass))
		return false;
	first->m = pass->batch->n_seqs;
	first->written = BY_ROWS;
	crew_share(pass->crew, first->m, &begin, &end);
	for (int i = begin; i < end; i++)
		memcpy(first->x + i * first->ld, x->x + pass->batch->offsets[i] * x->ld,
			   (size_t) x->n * sizeof(float));
	return linear(pass, w, first, pooled, ACTIVATION_TANH, NULL);
}
