/*
 * ema_impl.h: the moving average of MEGA, over the vector of vector.h.  Private to src/math.
 *
 * Included by kernels_impl.h.  The states of a tile of steps are gone through in blocks that fit
 * the registers; each state adds to the sum in its turn, so the blocks' size changes no bit.
 */

enum
{
	EMA_TILE = 64 /* steps: what is read and written of them stays in the first cache */
};

/* A step's input for all channels, with its mask. */
INLINE Vec
ema_input(const EmaArgs *args, int step)
{
	Vec u = row_load(args->u + step * args->ldu, args->channels);

	return args->mask ? vec_mul(u, vec_set(args->mask[step * args->mask_step])) : u;
}

/* Without input a state would decay until it is denormal, which is slow, and for ever with some
 * factors. */
INLINE Vec
ema_settle(Vec h)
{
	return vec_pick(vec_less(vec_abs(h), vec_set(1e-30f)), vec_set(0.0f), h);
}

/* The same pointer, as new to the compiler: it would keep the address of each state in memory. */
INLINE const float *
once_more(const float *p)
{
	__asm__ volatile("" : "+r"(p));
	return p;
}

/* Steps begin .. end - 1 of states first .. first + n - 1; n and truncated are constants wherever
 * this is called. */
INLINE void
ema_states(int n, bool truncated, const EmaArgs *args, int first, int begin, int end)
{
	float *state = args->state + first * 16;
	bool   adds = args->adds || first > 0;
	Vec	   h[16];

	UNROLLED (i, n)
		h[i] = vec_load(state + i * 16);
	for (int step = begin; step < end; step++)
	{
		const float *decay = once_more(args->decay + first * 16);
		const float *weight = once_more(args->weight + first * 16);
		const float *expired = truncated ? once_more(args->expired + first * 16) : NULL;
		float		*out = args->out + step * args->ldout;
		Vec			 u = ema_input(args, step), old = vec_set(0.0f);
		Vec			 y = adds ? row_load(out, args->channels) : vec_set(0.0f);

		if (truncated && step >= args->truncation)
			old = ema_input(args, step - args->truncation);
		UNROLLED (i, n)
		{
			Vec input = truncated ? vec_fnma(vec_load(expired + i * 16), old, u) : u;

			h[i] = vec_fma(vec_load(decay + i * 16), h[i], input);
			y = vec_fma(vec_load(weight + i * 16), h[i], y);
		}
		row_store(out, y, args->channels);
		if (args->mask && args->mask[step * args->mask_step] == 0.0f)
			UNROLLED (i, n)
				h[i] = ema_settle(h[i]);
	}
	UNROLLED (i, n)
		vec_store(state + i * 16, h[i]);
}

INLINE void
ema_tile(bool truncated, const EmaArgs *args, int begin, int end)
{
	int first = 0;

	for (; first + EMA_STATES <= args->states; first += EMA_STATES)
		ema_states(EMA_STATES, truncated, args, first, begin, end);
	for (; first + 4 <= args->states; first += 4)
		ema_states(4, truncated, args, first, begin, end);
	for (; first < args->states; first++)
		ema_states(1, truncated, args, first, begin, end);
}

/* out = silu(out + u residual) */
INLINE void
ema_finish(const EmaArgs *args, int begin, int end)
{
	Vec residual = row_load(args->residual, args->channels);

	for (int step = begin; step < end; step++)
	{
		float *out = args->out + step * args->ldout;
		Vec	   u = row_load(args->u + step * args->ldu, args->channels);
		Vec	   y = vec_fma(u, residual, row_load(out, args->channels));

		row_store(out, silu(y), args->channels);
	}
}

static void
ema(const EmaArgs *args)
{
	for (int begin = 0; begin < args->length; begin += EMA_TILE)
	{
		int end = args->length - begin < EMA_TILE ? args->length : begin + EMA_TILE;

		if (args->expired)
			ema_tile(true, args, begin, end);
		else
			ema_tile(false, args, begin, end);
		if (args->residual)
			ema_finish(args, begin, end);
	}
}
