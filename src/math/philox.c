/*
 * philox.c: ten rounds of two multiplications.
 */
#include "math/philox.h"

#define ROUNDS 10

void
philox(uint64_t key, const uint32_t counter[4], uint32_t out[4])
{
	uint32_t low = (uint32_t) key, high = (uint32_t) (key >> 32);
	uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];

	for (int round = 0; round < ROUNDS; round++)
	{
		uint64_t a = (uint64_t) 0xD2511F53u * x0, b = (uint64_t) 0xCD9E8D57u * x2;

		x0 = (uint32_t) (b >> 32) ^ x1 ^ low;
		x1 = (uint32_t) b;
		x2 = (uint32_t) (a >> 32) ^ x3 ^ high;
		x3 = (uint32_t) a;
		low += 0x9E3779B9u;
		high += 0xBB67AE85u;
	}
	out[0] = x0;
	out[1] = x1;
	out[2] = x2;
	out[3] = x3;
}

double
philox_uniform(uint64_t key, const uint32_t counter[4])
{
	uint32_t block[4];

	philox(key, counter, block);
	return (double) (((uint64_t) block[0] << 32 | block[1]) >> 11) * 0x1p-53;
}
