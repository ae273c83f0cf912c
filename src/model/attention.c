/*
 * attention.c: heads of sequences, each computed by one thread.
 *
 * What a block needs lives in a struct on the leader's stack until all items are done.
 */
#include "model/attention.h"

#include <math.h>
#include <string.h>

#define LINE_FLOATS 16
#define QUERY_BLOCK 16 /* queries whose scores are laid out at once */

/* Heads of sequences, sequence by sequence: each item is some of them. */
typedef struct AttentionStep
{
	const Pass			  *pass;
	const AttentionConfig *config;
	const Activations	  *q;  /* queries, or queries, keys and values side by side */
	const Activations	  *kv; /* keys and values of the encoder's states; NULL: self-attention */
	const Table			  *positions;
	Activations			  *context;
	int					   n, item_heads;
} AttentionStep;

bool
attention_has_distances(const AttentionConfig *config)
{
	return config->relative == RELATIVE_KEY || config->relative == RELATIVE_KEY_QUERY;
}

size_t
attention_floats(const AttentionConfig *config, int max_length)
{
	size_t floats =
		round_up(attention_scratch(max_length, config->head_dim, config->head_dim), LINE_FLOATS);

	if (attention_has_distances(config))
		floats += round_up(2 * (size_t) config->head_dim, LINE_FLOATS) +
				  (size_t) max_length * QUERY_BLOCK;
	return floats;
}

/* The score that a distance adds to query i and key j: E[i - j] is in row, and behind it there is room for a
 * key. */
static float
relative_score(const AttentionStep *step, const AttentionArgs *args, int i, int j, float *row)
{
	const Kernels *kernels = step->pass->kernels;
	int			   dim = args->head_dim;
	float		   score = kernels->dot(args->q + i * args->ldq, row, dim), *key = row + dim;

	if (step->config->relative != RELATIVE_KEY_QUERY)
		return score * args->scale;
	if (args->pages == NULL)
		key = (float *) args->k + j * args->ldk;
	else
		for (int d = 0; d < dim; d++)
			key[d] = attention_key(args, j)[d * PANEL];
	return (score + kernels->dot(key, row, dim)) * args->scale;
}

/* row = E[apart] */
static void
distance_row(const AttentionStep *step, int apart, float *row)
{
	memset(row, 0, (size_t) step->config->head_dim * sizeof(float));
	step->pass->kernels->add_row(step->positions, apart + step->config->max_distance - 1, row);
}

/* bias (n_queries, n_keys) = scale (q_i · E[i - j]) for queries first .. first + n_queries - 1,
 * plus k_j · E[i - j] inside the brackets for RELATIVE_KEY_QUERY; diagonal by diagonal, as all
 * pairs of one distance share a row of E. */
static void
relative_scores(const AttentionStep *step, const AttentionArgs *args, int first, float *row,
				float *bias)
{
	int last = first + args->n_queries - 1;

	for (int apart = first - (args->n_keys - 1); apart <= last; apart++) /* i - j */
	{
		int begin = apart > first ? apart : first; /* the i with 0 <= i - apart < n_keys */
		int end = apart + args->n_keys - 1 < last ? apart + args->n_keys - 1 : last;

		distance_row(step, apart, row);
		for (int i = begin; i <= end; i++)
			bias[(long) (i - first) * args->n_keys + i - apart] =
				relative_score(step, args, i - first, i - apart, row);
	}
}

/* The same behind cached tokens: all queries stand at the place of the last of n_places keys. */
static void
relative_scores_cached(const AttentionStep *step, const AttentionArgs *args, int n_places,
					   float *row, float *bias)
{
	for (int j = 0; j < args->n_keys; j++)
	{
		distance_row(step, n_places - 1 - j, row);
		for (int i = 0; i < args->n_queries; i++)
			bias[(long) i * args->n_keys + j] = relative_score(step, args, i, j, row);
	}
}

/* One head of one sequence with relative positions, a block of queries at a time.  behind: the queries
 * follow a cache that is not of their own pass. */
static void
attend_relative(const AttentionStep *step, const AttentionArgs *whole, bool behind)
{
	const Kernels *kernels = step->pass->kernels;
	int			   dim = step->config->head_dim, past = whole->n_keys - whole->n_queries;
	float *row = whole->scratch + round_up(attention_scratch(whole->n_keys, dim, dim), LINE_FLOATS);
	float *bias = row + round_up(2 * (size_t) dim, LINE_FLOATS);

	for (int first = 0; first < whole->n_queries; first += QUERY_BLOCK)
	{
		AttentionArgs args = *whole;
		int			  n = whole->n_queries - first;

		args.q += first * args.ldq;
		args.out += first * args.ldout;
		args.n_queries = n < QUERY_BLOCK ? n : QUERY_BLOCK;
		if (args.causal)
			args.n_keys = past + first + args.n_queries;
		args.bias = bias;
		args.ldbias = args.n_keys;
		if (behind)
			relative_scores_cached(step, &args, whole->n_keys, row, bias);
		else
			relative_scores(step, &args, past + first, row, bias);
		for (int i = 0; i < args.n_queries; i++)
		{
			float *line = bias + (long) i * args.ldbias;

			if (whole->bias != NULL)
				kernels->add(line, whole->bias + (first + i) * whole->ldbias, line, args.n_keys);
			if (whole->weights != NULL)
				memset(whole->weights + (first + i) * whole->ldweights, 0,
					   (size_t) whole->n_keys * sizeof(float));
		}
		if (whole->weights != NULL)
			args.weights += first * args.ldweights;
		kernels->attention(&args);
	}
}

/* Turns one head's n rows of qkv, which stand behind past tokens. */
static void
turn(const AttentionStep *step, float *q, int n, int past)
{
	const Kernels *kernels = step->pass->kernels;
	int			   dim = step->config->head_dim;
	long		   ld = step->q->ld, width = (long) step->config->heads * dim;
	const float	  *turns = (const float *) step->positions->data + (long) past * dim;

	kernels->rotate(q, ld, n, dim, turns);
	kernels->rotate(q + width, ld, n, dim, turns);
	if (step->config->rotary_value)
		kernels->rotate(q + 2 * width, ld, n, dim, turns);
}

/* The keys and values of one head behind those of a cache; they are taken from there then. */
static void
extend_cache(const AttentionStep *step, int sequence, int head, AttentionArgs *args)
{
	const CacheLayout *layout = &step->pass->model->cache;
	const Cache		  *cache = &step->pass->batch->caches[sequence];
	CacheLayer		   layer = cache_layer(layout, cache, step->pass->layer);

	for (int i = 0; i < args->n_queries; i++)
		cache_put(layout, cache, &layer, head, cache->length + i, args->k + i * args->ldk,
				  args->v + i * args->ldv);
	cache_attend(layout, cache, step->pass->layer, head, args);
	args->n_keys += cache->length;
}

/* The encoder's keys and values of one head: a cache's, which gets them when it has none. */
static void
encoder_keys(const AttentionStep *step, int sequence, int head, AttentionArgs *args)
{
	const Model		  *model = step->pass->model;
	const Batch		  *batch = step->pass->batch;
	const Activations *kv = step->kv;
	long			   dim = args->head_dim, first = (long) head * batch->source * dim;
	const Cache		  *cache = batch->caches != NULL ? &batch->caches[sequence] : NULL;
	CacheLayer		   layer;

	args->n_keys = batch->source;
	args->k = kv->x + (long) sequence * batch->source * kv->ld + head * dim;
	args->v = args->k + step->config->heads * dim;
	args->ldk = args->ldv = kv->ld;
	if (cache == NULL)
		return;
	layer = cache_layer(&model->cache, cache, step->pass->layer);
	for (int i = 0; i < batch->source && !cache->has_source; i++)
	{
		memcpy(layer.cross_keys + first + i * dim, args->k + i * args->ldk,
			   (size_t) dim * sizeof(float));
		memcpy(layer.cross_values + first + i * dim, args->v + i * args->ldv,
			   (size_t) dim * sizeof(float));
	}
	args->k = layer.cross_keys + first;
	args->v = layer.cross_values + first;
	args->ldk = args->ldv = dim;
}

/* What is added to the scores of a sequence: rows of a mask. */
static void
add_mask(AttentionArgs *args, const float *mask, int rows, int sequence)
{
	if (mask == NULL)
		return;
	args->bias = mask + (long) sequence * rows * args->n_keys;
	args->ldbias = rows > 1 ? args->n_keys : 0;
}

/* Where the weights of a head go, when they are wanted. */
static void
want_weights(const AttentionStep *step, AttentionArgs *args, float *all, int sequence, int head)
{
	const Batch *batch = step->pass->batch;
	long		 at = ((long) step->pass->layer * batch->n_seqs + sequence) * step->config->heads;

	if (all == NULL)
		return;
	args->weights = all + (at + head) * args->n_queries * args->n_keys;
	args->ldweights = args->n_keys;
}

static void
attend(const AttentionStep *step, int sequence, int head, float *scratch)
{
	const Pass			  *pass = step->pass;
	const AttentionConfig *config = step->config;
	const Batch			  *batch = pass->batch;
	const Cache			  *cache = batch->caches != NULL ? &batch->caches[sequence] : NULL;
	const Activations	  *context = step->context;
	int					   begin = batch->offsets[sequence], dim = config->head_dim;
	int					   length = batch->offsets[sequence + 1] - begin;
	long				   width = (long) config->heads * dim;
	float				  *q = step->q->x + begin * step->q->ld + (long) head * dim;
	AttentionArgs		   args = {.q = q,
								   .ldq = step->q->ld,
								   .n_queries = length,
								   .head_dim = dim,
								   .value_dim = dim,
								   .scale = 1.0f / sqrtf((float) dim),
								   .function = ATTENTION_SOFTMAX,
								   .weight_scale = 1.0f,
								   .out = context->x + begin * context->ld + (long) head * dim,
								   .ldout = context->ld,
								   .scratch = scratch};

	if (batch->head_mask != NULL)
		args.weight_scale = batch->head_mask[(long) pass->layer * config->heads + head];
	if (step->kv != NULL)
	{
		encoder_keys(step, sequence, head, &args);
		add_mask(&args, pass->encoder_mask, batch->encoder_mask_rows, sequence);
		want_weights(step, &args, batch->cross_attentions, sequence, head);
		pass->kernels->attention(&args);
		return;
	}
	args.k = args.q + width;
	args.v = args.k + width;
	args.ldk = args.ldv = args.ldq;
	args.n_keys = length;
	args.causal = config->causal && pass->mask == NULL;
	if (config->relative == RELATIVE_ROTARY)
		turn(step, q, length, cache != NULL ? cache->length : 0);
	if (cache != NULL)
		extend_cache(step, sequence, head, &args);
	add_mask(&args, pass->mask, pass->mask_rows, sequence);
	want_weights(step, &args, batch->attentions, sequence, head);
	if (attention_has_distances(config))
		attend_relative(step, &args, cache != NULL && cache->length > 0 && !cache->continues);
	else
		pass->kernels->attention(&args);
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

static bool
attend_all(AttentionStep *step)
{
	const Pass *pass = step->pass;

	step->n = pass->batch->n_seqs * step->config->heads;
	step->context->m = step->q->m;
	step->item_heads = item_size(pass->crew, step->n, 1);
	return each(pass, divide_up(step->n, step->item_heads), attention_item, step);
}

bool
attention(Pass *pass, const AttentionConfig *config, const Activations *qkv, const Table *positions,
		  Activations *context)
{
	AttentionStep step = {
		.pass = pass, .config = config, .q = qkv, .positions = positions, .context = context};

	return attend_all(&step);
}

/* Whether some sequence's keys and values of the encoder's states are still to be computed. */
static bool
needs_source(const Batch *batch)
{
	for (int i = 0; batch->caches != NULL && i < batch->n_seqs; i++)
		if (!batch->caches[i].has_source)
			return true;
	return batch->caches == NULL;
}

bool
cross_attention(Pass *pass, const AttentionConfig *config, const Activations *q,
				const Matrix *key_value, Activations *kv, Activations *context)
{
	const Batch	 *batch = pass->batch;
	AttentionStep step = {.pass = pass, .config = config, .q = q, .kv = kv, .context = context};
	Activations	  states = {.x = (float *) batch->encoder_states,
							.ld = key_value->k,
							.m = batch->n_seqs * batch->source,
							.n = key_value->k};

	if (needs_source(batch) && !linear(pass, key_value, &states, kv, ACTIVATION_NONE, NULL))
		return false;
	return attend_all(&step);
}
