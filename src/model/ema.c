/*
 * ema.c: the coefficients of the moving average, and its items: sixteen channels of a sequence.
 *
 * A scan costs two multiply-adds a state and step.  With sixteen states that is less than Fourier
 * transforms would cost (over 100 operations a step at 8192 of them, and one sequence is as long as
 * it is), and it gives the same bits in one pass or in many.
 */
#include "model/ema.h"

#include <math.h>
#include <string.h>

#include "math/precise.h"

#define LANES 16 /* channels of a group */

static int
groups(const EmaConfig *config)
{
	return divide_up(config->channels, LANES);
}

int
ema_state_floats(const EmaConfig *config)
{
	return groups(config) * config->states * LANES;
}

size_t
ema_floats(const EmaConfig *config)
{
	return (size_t) config->states * LANES;
}

/* ---- coefficients ---- */

static double
sigmoid(double x)
{
	return 1.0 / (1.0 + precise_exp(-x));
}

static double
power(double base, int exponent)
{
	double result = 1.0;

	for (; exponent > 0; exponent /= 2, base *= base)
		if (exponent % 2 != 0)
			result *= base;
	return result;
}

/* Where a coefficient of a channel (backward ones behind the others) and state lies. */
static size_t
coefficient_at(const EmaConfig *config, int channel, int state)
{
	int direction = channel / config->channels, lane = channel % config->channels;
	int group = direction * groups(config) + lane / LANES;

	return ((size_t) group * (size_t) config->states + (size_t) state) * LANES +
		   (size_t) (lane % LANES);
}

static bool
prepare(Model *model, Ema *ema, const EmaConfig *config, Error *error)
{
	int	   channels = config->channels * (config->bidirectional ? 2 : 1), states = config->states;
	size_t n = (size_t) ema_state_floats(config) * (config->bidirectional ? 2 : 1);
	float *factor = arena_alloc(&model->arena, n, sizeof(float));
	float *weight = arena_alloc(&model->arena, n, sizeof(float)), *expired = NULL;

	if (config->truncation > 0)
		expired = arena_alloc(&model->arena, n, sizeof(float));
	if (factor == NULL || weight == NULL || (config->truncation > 0 && expired == NULL))
		return error_set(error, ERR_MEMORY, "out of memory for %zu coefficients", n);
	for (int i = 0; i < channels; i++)
		for (int j = 0; j < states; j++)
		{
			size_t at = coefficient_at(config, i, j), from = (size_t) i * (size_t) states + j;
			double alpha = sigmoid((double) ema->damping[from]);
			double delta = sigmoid((double) ema->decay[from]);
			double beta_gamma = (double) ema->expansion[from] * (double) ema->projection[from];

			factor[at] = (float) (1.0 - alpha * delta);
			weight[at] = (float) (alpha * beta_gamma / sqrt((double) states));
			if (expired != NULL)
				expired[at] = (float) power((double) factor[at], config->truncation);
		}
	ema->factor = factor;
	ema->weight = weight;
	ema->expired = expired;
	return true;
}

/* One of the coefficients by channel and state: those of one direction, or of both. */
static bool
bind_coefficients(Binder *binder, const float **vector, const EmaConfig *config, const char *prefix,
				  const char *name)
{
	if (config->bidirectional)
		return bind_vector(binder, vector, 2 * config->channels, config->states, "%s.%s", prefix,
						   name);
	return bind_directed_vector(binder, vector, config->channels, config->states, "%s.%s", prefix,
								name);
}

bool
bind_ema(Binder *binder, Model *model, Ema *ema, const EmaConfig *config, const char *prefix)
{
	return bind_coefficients(binder, &ema->damping, config, prefix, "damping_factor") &&
		   bind_coefficients(binder, &ema->decay, config, prefix, "decay_factor") &&
		   bind_coefficients(binder, &ema->expansion, config, prefix, "ema_expansion_matrix") &&
		   bind_coefficients(binder, &ema->projection, config, prefix,
							 "kernel_projection_matrix") &&
		   bind_vector(binder, &ema->residual, config->channels, 1, "%s.residual_weight", prefix) &&
		   (ema->residual == NULL || prepare(model, ema, config, binder->error));
}

/* ---- computing ---- */

/* Groups of channels of sequences, sequence by sequence: each item is some of them. */
typedef struct EmaStep
{
	const Pass		  *pass;
	const EmaConfig	  *config;
	const Ema		  *ema;
	const Activations *u, *out;
	int				   n, item_groups;
} EmaStep;

/* The states before a sequence's first token, which is not always its first. */
static float *
first_state(const EmaStep *step, int sequence, int group, float *scratch)
{
	const Pass	*pass = step->pass;
	const Cache *cache = pass->batch->caches != NULL ? &pass->batch->caches[sequence] : NULL;
	size_t		 n = ema_floats(step->config);
	float		*state = scratch;

	if (cache != NULL)
		state = cache_layer(&pass->model->cache, cache, pass->layer).state + (size_t) group * n;
	if (cache == NULL || cache->length == 0)
		memset(state, 0, n * sizeof(float));
	return state;
}

/* One group of one sequence. */
static void
average(const EmaStep *step, int sequence, int group, float *scratch)
{
	const EmaConfig	  *config = step->config;
	const Ema		  *ema = step->ema;
	const Batch		  *batch = step->pass->batch;
	const Kernels	  *kernels = step->pass->kernels;
	const Activations *u = step->u, *out = step->out;
	int				   begin = batch->offsets[sequence], column = group * LANES;
	int				   past = batch->caches != NULL ? batch->caches[sequence].length : 0;
	int				   last = batch->offsets[sequence + 1] - begin - 1;
	size_t			   at = (size_t) group * ema_floats(config);
	EmaArgs			   args = {.u = u->x + begin * u->ld + column,
							   .ldu = u->ld,
							   .length = last + 1,
							   .channels = config->channels - column,
							   .states = config->states,
							   .mask_step = 1,
							   .decay = ema->factor + at,
							   .weight = ema->weight + at,
							   .truncation = config->truncation,
							   .out = out->x + begin * out->ld + column,
							   .ldout = out->ld};

	if (args.channels > LANES)
		args.channels = LANES;
	if (batch->attention_mask != NULL)
		args.mask = batch->attention_mask + (long) sequence * batch->max_keys + past;
	if (ema->expired != NULL && batch->caches == NULL)
		args.expired = ema->expired + at;
	args.state = first_state(step, sequence, group, scratch);
	if (!config->bidirectional)
	{
		args.residual = ema->residual + column;
		kernels->ema(&args);
		return;
	}
	kernels->ema(&args);
	args.u += last * args.ldu;
	args.ldu = -args.ldu;
	if (args.mask != NULL)
		args.mask += last;
	args.mask_step = -1;
	args.out += last * args.ldout;
	args.ldout = -args.ldout;
	at += (size_t) ema_state_floats(config);
	args.decay = ema->factor + at;
	args.weight = ema->weight + at;
	if (args.expired != NULL)
		args.expired = ema->expired + at;
	args.state = first_state(step, sequence, group, scratch);
	args.adds = true;
	args.residual = ema->residual + column;
	kernels->ema(&args);
}

static void
ema_item(void *argument, int item, int rank)
{
	const EmaStep *step = argument;
	float		  *scratch = step->pass->scratch + (size_t) rank * step->pass->scratch_stride;
	int			   begin, end, n_groups = groups(step->config);

	item_range(item, step->item_groups, step->n, &begin, &end);
	for (int i = begin; i < end; i++)
		average(step, i / n_groups, i % n_groups, scratch);
}

bool
ema(Pass *pass, const EmaConfig *config, const Ema *ema, const Activations *u, Activations *out)
{
	EmaStep step = {.pass = pass, .config = config, .ema = ema, .u = u, .out = out};

	out->m = u->m;
	step.n = pass->batch->n_seqs * groups(config);
	step.item_groups = item_size(pass->crew, step.n, 1);
	return each(pass, divide_up(step.n, step.item_groups), ema_item, &step);
}
