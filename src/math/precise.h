/*
 * precise.h: exp, log, sin and cos in double precision, from IEEE operations only.
 *
 * The C library's differ from one version to the next; what is computed once and kept, or returned as
 * a number that must be the same everywhere, takes these.
 */
#ifndef MATH_PRECISE_H
#define MATH_PRECISE_H

/* e^x, within 1 unit in the last place; 0 below -708, infinite above 709. */
extern double precise_exp(double x);

/* ln x for finite x > 0 that is not subnormal, within 1 unit in the last place or 1e-17. */
extern double precise_log(double x);

/* sin x and cos x for |x| <= 2^20, within 3 units in the last place. */
extern double precise_sin(double x);
extern double precise_cos(double x);

#endif
