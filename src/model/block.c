/*
 * block.c: the blocks, and how they are cut into items.
 *
 * Every block keeps what its items need in a struct on the leader's stack, which lives until all
 * are done.
 */
#include "model/block.h"

#include <float.h>
#include <string.h>

#define LINE 64			   /* bytes */
#define LINE_FLOATS 16	   /* floats in a line */
#define ITEMS_PER_THREAD 2 /* so that whoever is early takes more */
#define ROWS_LEAST 4	   /* rows of a norm that are worth an item */
#define PRODUCT_ROWS 28	   /* rows of a product that use a panel well */

size_t
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

int
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

size_t
most_used(const Carver *a, const Carver *b, const Carver *c)
{
	size_t most = a->used > b->used ? a->used : b->used;

	return c->used > most ? c->used : most;
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

Pass
pass_begin(const Model *model, const Batch *batch, const Crew *crew)
{
	return (Pass){.model = model, .kernels = model->kernels, .batch = batch, .crew = crew};
}

int
pass_rows(const Pass *pass)
{
	const Batch *batch = pass->batch;
	int			 rows = batch->n_tokens > batch->n_seqs ? batch->n_tokens : batch->n_seqs;

	return batch->n_seqs * batch->source > rows ? batch->n_seqs * batch->source : rows;
}

int
pass_keys(const Pass *pass, int limit)
{
	int keys = pass->batch->max_keys > 0 ? pass->batch->max_keys : pass->batch->n_tokens;

	return keys < limit ? keys : limit;
}

/* Rows of a pass's mask for each sequence: for each query when a decoder's mask is one with the causal
 * one. */
static int
mask_rows(const Batch *batch, bool causal)
{
	return causal ? batch->n_tokens / batch->n_seqs : batch->mask_rows;
}

/* Numbers in a pass's masks: a column for each key. */
static size_t
mask_size(const Batch *batch, bool causal)
{
	if (batch->attention_mask == NULL)
		return 0;
	return (size_t) batch->n_seqs * (size_t) mask_rows(batch, causal) * (size_t) batch->max_keys;
}

static size_t
encoder_mask_size(const Batch *batch)
{
	if (batch->encoder_mask == NULL)
		return 0;
	return (size_t) batch->n_seqs * (size_t) batch->encoder_mask_rows * (size_t) batch->source;
}

void
carve_pass(Carver *carver, Pass *pass, int max_k, size_t scratch, int threads)
{
	size_t rows = (size_t) pass_rows(pass), mask = mask_size(pass->batch, pass->model->is_decoder);
	size_t encoder_mask = encoder_mask_size(pass->batch);

	pass->mask = mask > 0 ? carve(carver, mask, sizeof(float)) : NULL;
	pass->encoder_mask = encoder_mask > 0 ? carve(carver, encoder_mask, sizeof(float)) : NULL;
	pass->quantised = carve(carver, rows * (size_t) quantised_stride(max_k), 1);
	pass->row_scale = carve(carver, rows, sizeof(float));
	pass->row_zero = carve(carver, rows, sizeof(int32_t));
	pass->scratch_stride = round_up(scratch, LINE_FLOATS);
	pass->scratch = carve(carver, pass->scratch_stride * (size_t) threads, sizeof(float));
}

/* What is added to a score: with the lowest float it vanishes in the rounding. */
static float
mask_score(float mask, bool binary)
{
	return (1.0f - (binary ? (float) (mask == 1.0f) : mask)) * -FLT_MAX;
}

/* A decoder's mask: what it hides, and what comes later. */
static void
causal_mask(Pass *pass, bool binary)
{
	const Batch *batch = pass->batch;
	int			 keys = batch->max_keys;

	for (int i = 0; i < batch->n_seqs; i++)
	{
		const float *mask = batch->attention_mask + (long) i * keys;

		for (int query = 0; query < pass->mask_rows; query++)
		{
			float *row = pass->mask + ((long) i * pass->mask_rows + query) * keys;
			int	   visible = query + 1 + keys - pass->mask_rows;

			for (int j = 0; j < keys; j++)
				row[j] = j < visible ? mask_score(mask[j], binary) : -FLT_MAX;
		}
	}
}

void
pass_masks(Pass *pass, bool binary)
{
	const Batch *batch = pass->batch;
	size_t		 n = mask_size(batch, false), n_encoder = encoder_mask_size(batch);

	pass->mask_rows = mask_rows(batch, pass->model->is_decoder);
	if (n > 0 && pass->model->is_decoder && batch->mask_rows == 1)
		causal_mask(pass, binary);
	else
		for (size_t i = 0; i < n; i++)
			pass->mask[i] = mask_score(batch->attention_mask[i], binary);
	for (size_t i = 0; i < n_encoder; i++)
		pass->encoder_mask[i] = mask_score(batch->encoder_mask[i], binary);
}

/* ---- items ---- */

int
item_size(const Crew *crew, int n, int least)
{
	int size = crew->size > 1 ? n / (crew->size * ITEMS_PER_THREAD) : n;

	return size > least ? size : least;
}

void
item_range(int item, int size, int n, int *begin, int *end)
{
	*begin = item * size;
	*end = n - *begin < size ? n : *begin + size;
}

bool
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
	const Kernels *kernels = step->pass->kernels;
	int			   begin, end;

	(void) rank;
	item_range(item, step->item_rows, step->x->m, &begin, &end);
	for (int i = begin; i < end; i++)
	{
		float *row = step->x->x + i * step->x->ld;

		memset(row, 0, (size_t) step->x->n * sizeof(float));
		for (int p = 0; p < step->n_parts; p++)
		{
			const EmbeddingPart *part = &step->parts[p];

			if (part->rows != NULL)
				kernels->add(row, part->rows + (long) i * step->x->n, row, step->x->n);
			else
				kernels->add_row(part->table, part->index != NULL ? part->index[i] : 0, row);
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
	{
		int position = batch->caches != NULL ? batch->caches[sequence].length : 0;

		for (int i = batch->offsets[sequence]; i < batch->offsets[sequence + 1]; i++)
			positions[i] = position++;
	}
}

EmbeddingPart
word_part(const Batch *batch, const Table *words)
{
	return (EmbeddingPart){.table = words, .index = batch->input_ids, .rows = batch->inputs_embeds};
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

/* ---- rows taken or left ---- */

static void
capture_item(void *argument, int item, int rank)
{
	const RowStep *step = argument;
	int			   begin, end, n = step->x->n;

	(void) rank;
	item_range(item, step->item_rows, step->x->m, &begin, &end);
	for (int i = begin; i < end; i++)
		memcpy(step->out->x + (long) i * n, step->x->x + i * step->x->ld,
			   (size_t) n * sizeof(float));
}

bool
capture_hidden_states(Pass *pass, const Activations *x, int index)
{
	float	   *captured = pass->batch->hidden_states;
	Activations out = {.x = captured};
	RowStep		step = {.pass = pass, .x = x, .out = &out};

	if (captured == NULL)
		return true;
	out.x += (size_t) index * (size_t) x->m * (size_t) x->n;
	return each_rows(&step, capture_item);
}

void
gather_rows(const Activations *x, const int32_t *tokens, int n, Activations *out)
{
	out->m = n;
	for (int i = 0; i < n; i++)
		memcpy(out->x + i * out->ld, x->x + tokens[i] * x->ld, (size_t) x->n * sizeof(float));
}

void
gather_first(const Pass *pass, const Activations *x, Activations *out)
{
	gather_rows(x, pass->batch->offsets, pass->batch->n_seqs, out);
}

void
gather_last(const Pass *pass, const Activations *x, Activations *out)
{
	out->m = pass->batch->n_seqs;
	for (int i = 0; i < out->m; i++)
		memcpy(out->x + i * out->ld, x->x + (pass->batch->offsets[i + 1] - 1) * x->ld,
			   (size_t) x->n * sizeof(float));
}

void
gather_mean(const Pass *pass, const Activations *x, Activations *out)
{
	const int32_t *offsets = pass->batch->offsets;

	gather_first(pass, x, out);
	for (int i = 0; i < out->m; i++)
	{
		float *mean = out->x + i * out->ld;

		for (int j = offsets[i] + 1; j < offsets[i + 1]; j++)
			pass->kernels->add(mean, x->x + j * x->ld, mean, x->n);
		for (int j = 0; j < x->n; j++)
			mean[j] /= (float) (offsets[i + 1] - offsets[i]);
	}
}

/* ---- pooler ---- */

bool
pooler(Pass *pass, const Matrix *w, const Activations *x, Activations *first, Activations *pooled)
{
	gather_first(pass, x, first);
	return linear(pass, w, first, pooled, ACTIVATION_TANH, NULL);
}
