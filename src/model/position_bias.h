/*
 * position_bias.h: what MEGA adds to the score of a query and a key, by their distance.
 *
 * simple: a number of the checkpoint for each distance.  rotary: α turned by the query's angles
 * times β turned by the key's (Su et al. 2021), with halves for pairs.  Both depend on key - query
 * only, so that a row of numbers serves a whole square of scores.
 */
#ifndef MODEL_POSITION_BIAS_H
#define MODEL_POSITION_BIAS_H

#include "model/block.h"

typedef struct BiasConfig
{
	bool rotary;
	int	 dim;	   /* rotary: of α and β */
	int	 table;	   /* simple: numbers in the checkpoint's */
	int positions; /* simple: the longest text, with distance 0 at number positions - 1 of the table;
					 * rotary: what is kept ready */
} BiasConfig;

typedef struct PositionBias
{
	const float *alpha, *beta; /* rotary: (dim) */
	const float *row; /* simple: the table; rotary: (2 positions - 1), in the model's memory */
} PositionBias;

/* Names the tensors <prefix>.rel_pos_bias, or <prefix>.alpha and <prefix>.b_param. */
extern bool bind_position_bias(Binder *binder, Model *model, PositionBias *bias,
							   const BiasConfig *config, const char *prefix);

/* Floats of room that position_bias needs for texts of up to max_length. */
extern size_t position_bias_floats(const BiasConfig *config, int max_length);

/* Where distance 0 is, with those from -(length - 1) to length - 1 beside it. */
extern const float *position_bias(const BiasConfig *config, const PositionBias *bias, int length,
								  float *room);

#endif
