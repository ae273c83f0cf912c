/*
 * precise.c: range reduction by powers of two, then a series.
 */
#include "math/precise.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts, the first exact when multiplied by a whole number below 2^20. */
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW 1.90821492927058770002e-10

/* pi / 2 in three parts, the first two exact when multiplied by a whole number below 2^20. */
#define HALF_PI_HIGH 1.5707963267341256
#define HALF_PI_MIDDLE 6.077100506303966e-11
#define HALF_PI_LOW 2.0222662487959506e-21

/* 2^n for -1022 <= n <= 1023. */
static double
power_of_two(int n)
{
	uint64_t bits = (uint64_t) (n + 1023) << 52;
	double	 power;

	memcpy(&power, &bits, sizeof power);
	return power;
}

/* e^r for |r| <= ln 2 / 2, by Taylor's series. */
double
precise_exp(double x)
{
	double n, r, sum = 0.0;

	if (x < -708.0)
		return 0.0;
	if (x > 709.0)
		return INFINITY;
	n = floor(x * 1.44269504088896338700 + 0.5);
	r = (x - n * LN2_HIGH) - n * LN2_LOW;
	for (int k = 14; k > 0; k--)
		sum = (1.0 + sum) * r / k;
	return (1.0 + sum) * power_of_two((int) n);
}

/* ln(2^n m) = n ln 2 + 2 atanh((m - 1) / (m + 1)) for sqrt(1/2) <= m < sqrt 2. */
double
precise_log(double x)
{
	uint64_t bits;
	int		 n;
	double	 m, f, square, sum = 0.0;

	memcpy(&bits, &x, sizeof bits);
	n = (int) (bits >> 52) - 1023;
	bits = (bits & (((uint64_t) 1 << 52) - 1)) | (uint64_t) 1023 << 52;
	memcpy(&m, &bits, sizeof m);
	if (m > 1.41421356237309504880)
	{
		m /= 2.0;
		n++;
	}
	f = (m - 1.0) / (m + 1.0);
	square = f * f;
	for (int k = 23; k > 1; k -= 2)
		sum = (sum + 1.0 / k) * square;
	return n * LN2_HIGH + (2.0 * f + (2.0 * f * sum + n * LN2_LOW));
}

/* -r²/(k (k + 1)) + r⁴/(k (k + 1) (k + 2) (k + 3)) - ...: the series of cos r - 1 for k = 1, of
 * (sin r) / r - 1 for k = 2. */
static double
alternating_series(double r, int first)
{
	double square = r * r, sum = 0.0;

	for (int k = first + 20; k > 0; k -= 2)
		sum = -(1.0 + sum) * square / (k * (k + 1));
	return sum;
}

/* sin(x + quarters pi / 2) */
static double
sine(double x, int quarters)
{
	double n = floor(x * 0.6366197723675814 + 0.5);
	double r = ((x - n * HALF_PI_HIGH) - n * HALF_PI_MIDDLE) - n * HALF_PI_LOW;
	int	   quarter = ((int) n + quarters) & 3;
	double value = quarter & 1 ? 1.0 + alternating_series(r, 1) : r + r * alternating_series(r, 2);

	return quarter & 2 ? -value : value;
}

double
precise_sin(double x)
{
	return sine(x, 0);
}

double
precise_cos(double x)
{
	return sine(x, 1);
}
