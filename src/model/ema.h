/*
 * ema.h: MEGA's damped moving average over time (Ma et al. 2022, section 3.1).
 *
 * Each channel of u spreads over some states h, each with a memory of its own:
 *	 h_t = (1 - α δ) h_{t-1} + α β u_t,  y_t = sum of γ h_t / √states,  out_t = silu(y_t + ω u_t)
 * where α and δ are sigmoids of what the checkpoint has.  A bidirectional average adds the y of a
 * second set of states that goes backwards, so that the present counts twice.  With a truncation
 * only the last so many inputs count.
 */
#ifndef MODEL_EMA_H
#define MODEL_EMA_H

#include "model/block.h"

typedef struct EmaConfig
{
	int	 channels, states;
	bool bidirectional;
	int	 truncation; /* steps; 0: none */
} EmaConfig;

typedef struct Ema
{
	/* as the checkpoint has them: (directions channels, states) */
	const float *damping, *decay, *expansion, *projection; /* logits of α and δ; β, γ */
	const float *residual;								   /* (channels) ω */
	/* what they stand for, in the model's memory: (directions, groups of channels, states, 16) */
	const float *factor;  /* 1 - α δ */
	const float *weight;  /* α β γ / √states: h without α β is what the kernel keeps */
	const float *expired; /* factor to the power of truncation; NULL: none */
} Ema;

/* Names the tensors <prefix>.damping_factor and so on; the model's memory takes what they stand
 * for. */
extern bool bind_ema(Binder *binder, Model *model, Ema *ema, const EmaConfig *config,
					 const char *prefix);

/* Floats of the states of one sequence, as a cache keeps them: one direction only. */
extern int ema_state_floats(const EmaConfig *config);

/* Floats of scratch that ema() needs in each thread. */
extern size_t ema_floats(const EmaConfig *config);

/* out (m, channels) from u (m, channels), each sequence for itself.  Inputs are multiplied with the
 * batch's attention_mask, but not what ω gets.  With caches the states go on from there, without
 * truncation. */
extern bool ema(Pass *pass, const EmaConfig *config, const Ema *ema, const Activations *u,
				Activations *out);

#endif
