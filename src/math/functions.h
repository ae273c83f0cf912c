/*
 * functions.h: exp, the normal distribution and the activations, on a Vec.  Private to src/math.
 *
 * Included behind the vector's definition.  Each is the same sequence of IEEE operations
 * everywhere.  Errors are measured against double precision over all floats of a range
 * (test/unit/test_kernels_functions.c holds them to it).  No function gives NaN for a finite
 * argument, whatever its size.
 */

/* e^r - 1 and 2^n with x = n ln 2 + r, |r| <= ln 2 / 2, for -87.33 < x < 88. */
INLINE Vec
exp_parts(Vec x, Vec *power)
{
	const Vec round = vec_set(12582912.0f); /* 1.5 * 2^23 */
	Vec		  n = vec_fma(x, vec_set(1.44269504f), round);
	Vec		  whole = vec_sub(n, round);
	Vec r = vec_fma(whole, vec_set(-0.693359375f), x); /* ln 2 in two parts, the first exact */
	Vec p;

	r = vec_fma(whole, vec_set(2.12194440e-4f), r);
	p = vec_fma(vec_set(1.388251781e-3f), r, vec_set(8.366538212e-3f));
	p = vec_fma(p, r, vec_set(4.166720062e-2f));
	p = vec_fma(p, r, vec_set(1.666654348e-1f));
	p = vec_fma(p, r, vec_set(4.999999702e-1f));
	*power = vec_power(n);
	return vec_fma(vec_mul(r, r), p, r);
}

/* e^x for x <= 0, and for -inf; 0 below least, which is -87 or more.  Relative error 9e-8. */
INLINE Vec
exp_below(Vec x, float least)
{
	Vec power;
	Vec q = exp_parts(x, &power); /* of no use below least, but not slow */

	return vec_pick(vec_less(x, vec_set(least)), vec_set(0.0f), vec_fma(power, q, power));
}

/* e^-|x|, the one argument that can't overflow. */
INLINE Vec
exp_minus(Vec x)
{
	return exp_below(vec_sub(vec_set(0.0f), vec_abs(x)), -87.0f);
}

/* e^x - 1 for x <= 0. */
INLINE Vec
expm1_below(Vec x)
{
	Vec power;
	Vec q = exp_parts(vec_max(x, vec_set(-87.0f)), &power);

	return vec_fma(power, q, vec_sub(power, vec_set(1.0f)));
}

/* 1 / (1 + e^-x) */
INLINE Vec
sigmoid(Vec x)
{
	Vec e = exp_minus(x), one = vec_set(1.0f);

	return vec_div(vec_pick(vec_less(x, vec_set(0.0f)), e, one), vec_add(one, e));
}

/* Upper tail of the normal distribution, erfc(a / sqrt 2) / 2 for a >= 0. Absolute error 2e-7,
 * and less the larger a is: u^6 P(u) with u = 1 - 21 a / 128 falls to 0 at a = 6.1, where the
 * tail is 6e-10. */
INLINE Vec
normal_tail(Vec a)
{
	static const float c[14] = {1.318228096e-01f,  -4.121963978e-01f, 1.065692455e-01f,
								8.963540792e-01f,  -6.851152182e-01f, -1.118073106e+00f,
								1.325556517e+00f,  9.176983237e-01f,  -1.696689010e+00f,
								-3.337303400e-01f, 1.470695376e+00f,  -2.453192174e-01f,
								-7.059909701e-01f, 3.583474755e-01f};
	Vec				   u, u2, z, p;

	u = vec_max(vec_fnma(a, vec_set(0.1640625f), vec_set(1.0f)), vec_set(0.0f));
	z = vec_fnma(u, vec_set(2.0f), vec_set(1.5f));
	p = vec_set(c[0]);
	UNROLLED (i, 13)
		p = vec_fma(p, z, vec_set(c[i + 1]));
	u2 = vec_mul(u, u);
	return vec_mul(p, vec_mul(u2, vec_mul(u2, u2)));
}

/* x Phi(x) */
INLINE Vec
gelu(Vec x)
{
	Vec a = vec_abs(x);

	return vec_fnma(a, normal_tail(a), vec_max(x, vec_set(0.0f)));
}

INLINE Vec
gelu_10(Vec x)
{
	return vec_min(vec_max(gelu(x), vec_set(-10.0f)), vec_set(10.0f));
}

/* x/2 (1 + tanh(c (x + 0.044715 x^3))) = x sigmoid(2 c (x + 0.044715 x^3)) */
INLINE Vec
gelu_by_tanh(Vec x, float c)
{
	Vec near = vec_max(vec_min(x, vec_set(1e6f)), vec_set(-1e6f));
	Vec cube = vec_fma(vec_mul(near, near), vec_set(0.044715f), vec_set(1.0f));

	return vec_mul(x, sigmoid(vec_mul(vec_mul(near, cube), vec_set(2.0f * c))));
}

INLINE Vec
gelu_tanh(Vec x)
{
	return gelu_by_tanh(x, 0.79788456080286536f);
}

INLINE Vec
gelu_fast(Vec x)
{
	return gelu_by_tanh(x, 0.7978845608f);
}

INLINE Vec
quick_gelu(Vec x)
{
	return vec_mul(x, sigmoid(vec_mul(x, vec_set(1.702f))));
}

INLINE Vec
relu(Vec x)
{
	return vec_max(x, vec_set(0.0f));
}

INLINE Vec
relu2(Vec x)
{
	Vec y = relu(x);

	return vec_mul(y, y);
}

INLINE Vec
relu6(Vec x)
{
	return vec_min(relu(x), vec_set(6.0f));
}

INLINE Vec
leaky_relu(Vec x)
{
	return vec_pick(vec_less(x, vec_set(0.0f)), vec_mul(x, vec_set(0.01f)), x);
}

INLINE Vec
silu(Vec x)
{
	return vec_mul(x, sigmoid(x));
}

/* x tanh(ln(1 + e^x)), with w = e^-|x|: above 0 (1 + 2w) / (1 + 2w + 2w^2), below 0
 * (w^2 + 2w) / (w^2 + 2w + 2). */
INLINE Vec
mish(Vec x)
{
	Vec	 w = exp_minus(x), one = vec_set(1.0f), two = vec_set(2.0f);
	Vec	 above = vec_fma(two, w, one), below = vec_mul(w, vec_add(w, two));
	Mask negative = vec_less(x, vec_set(0.0f));
	Vec	 top = vec_pick(negative, below, above);
	Vec	 rest = vec_pick(negative, two, vec_mul(two, vec_mul(w, w)));

	return vec_mul(x, vec_div(top, vec_add(top, rest)));
}

/* With t = e^-2|x| - 1: -t / (t + 2), and the sign of x. */
INLINE Vec
vec_tanh(Vec x)
{
	Vec zero = vec_set(0.0f);
	Vec t = expm1_below(vec_mul(vec_abs(x), vec_set(-2.0f)));
	Vec y = vec_div(t, vec_add(t, vec_set(2.0f)));

	return vec_pick(vec_less(x, zero), y, vec_sub(zero, y));
}

INLINE Vec
selu(Vec x)
{
	const float scale = 1.0507009873554805f, alpha = 1.6732632423543772f;
	Vec			zero = vec_set(0.0f);
	Vec			below = vec_mul(expm1_below(vec_min(x, zero)), vec_set(scale * alpha));

	return vec_pick(vec_less(x, zero), below, vec_mul(x, vec_set(scale)));
}

/* (1 + erf((x - 0.707107) / (0.282095 sqrt 2))) / 2 */
INLINE Vec
laplace(Vec x)
{
	Vec y = vec_mul(vec_sub(x, vec_set(0.707107f)), vec_set(1.0f / 0.282095f));
	Vec tail = normal_tail(vec_abs(y));

	return vec_pick(vec_less(y, vec_set(0.0f)), tail, vec_sub(vec_set(1.0f), tail));
}

INLINE Vec
identity(Vec x)
{
	return x;
}
