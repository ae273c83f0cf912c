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
