/*
 * philox.h: random numbers that are a function of where they are used.
 *
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011): a
 * keyed bijection of 128 bits, so that any number can be had by itself, in any order, on any
 * thread.
 */
#ifndef MATH_PHILOX_H
#define MATH_PHILOX_H

#include <stdint.h>

/* out = the block of this counter under this key. */
extern void philox(uint64_t key, const uint32_t counter[4], uint32_t out[4]);

/* The block's first 53 bits as a number in [0, 1). */
extern double philox_uniform(uint64_t key, const uint32_t counter[4]);

#endif
