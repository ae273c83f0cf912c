/*
 * position_bias.c: rows of numbers, one for each distance.
 */
#include "model/position_bias.h"

#include <string.h>

#include "math/precise.h"

#define LN_10000 9.2103403719761836
#define SERIES 12 /* terms of sine and cosine for angles up to 1 */

/* e^(i angle) for an angle between 0 and 1. */
static void
turn(double angle, double *cosine, double *sine)
{
	double term = 1.0;

	*cosine = *sine = 0.0;
	for (int k = 0; k < 2 * SERIES; term *= angle / ++k)
		if (k % 2 == 0)
			*cosine += k % 4 == 0 ? term : -term;
		else
			*sine += k % 4 == 1 ? term : -term;
}

/* Adds pair r of α and β: (α₁ + i α₂)* (β₁ + i β₂) turned by distance · angle, its real part. */
static void
add_pair(const PositionBias *bias, int half, int r, int length, float *zero)
{
	double a1 = (double) bias->alpha[r], a2 = (double) bias->alpha[r + half];
	double b1 = (double) bias->beta[r], b2 = (double) bias->beta[r + half];
	double real = a1 * b1 + a2 * b2, imaginary = a1 * b2 - a2 * b1;
	/* The angles are those of single precision. */
	float  exponent = (float) r * (float) (-LN_10000 / half);
	double cosine, sine, x = 1.0, y = 0.0;

	turn((double) (float) precise_exp((double) exponent), &cosine, &sine);
	zero[0] += (float) real;
	for (int distance = 1; distance < length; distance++)
	{
		double next = x * cosine - y * sine;

		y = x * sine + y * cosine;
		x = next;
		zero[distance] += (float) (real * x - imaginary * y);
		zero[-distance] += (float) (real * x + imaginary * y);
	}
}

static const float *
rotary_row(const BiasConfig *config, const PositionBias *bias, int length, float *room)
{
	memset(room, 0, (2 * (size_t) length - 1) * sizeof(float));
	for (int r = 0; r < config->dim / 2; r++)
		add_pair(bias, config->dim / 2, r, length, room + length - 1);
	return room;
}

static bool
prepare(Model *model, PositionBias *bias, const BiasConfig *config, Error *error)
{
	size_t n = 2 * (size_t) config->positions - 1;
	float *room = arena_alloc(&model->arena, n, sizeof(float));

	if (room == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for the bias of %zu distances", n);
	bias->row = rotary_row(config, bias, config->positions, room);
	return true;
}

bool
bind_position_bias(Binder *binder, Model *model, PositionBias *bias, const BiasConfig *config,
				   const char *prefix)
{
	if (!config->rotary)
		return bind_vector(binder, &bias->row, config->table, 1, "%s.rel_pos_bias", prefix);
	return bind_vector(binder, &bias->alpha, 1, config->dim, "%s.alpha", prefix) &&
		   bind_vector(binder, &bias->beta, 1, config->dim, "%s.b_param", prefix) &&
		   (bias->beta == NULL || prepare(model, bias, config, binder->error));
}

size_t
position_bias_floats(const BiasConfig *config, int max_length)
{
	return config->rotary && max_length > config->positions ? 2 * (size_t) max_length - 1 : 0;
}

const float *
position_bias(const BiasConfig *config, const PositionBias *bias, int length, float *room)
{
	if (position_bias_floats(config, length) == 0)
		return bias->row + config->positions - 1;
	return rotary_row(config, bias, length, room) + length - 1;
}
