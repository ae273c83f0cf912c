/*
 * test_philox.c: the published blocks of Philox4x32-10, and numbers that spread evenly.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "math/philox.h"

#define CELLS 64
#define DRAWS 64000

static void
blocks_are_those_published(void **state)
{
	static const struct
	{
		uint64_t key;
		uint32_t counter[4], block[4];
	} known[] = {
		{0, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{UINT64_MAX,
		 {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{0x299f31d0a4093822,
		 {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	(void) state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
	{
		uint32_t block[4];

		philox(known[i].key, known[i].counter, block);
		assert_memory_equal(block, known[i].block, sizeof block);
	}
}

/* Each word of the counter counts, and so does the key. */
static void
numbers_spread(void **state)
{
	(void) state;
	for (int word = 0; word < 5; word++)
	{
		int	   cells[CELLS] = {0};
		double chi = 0.0;

		for (uint32_t i = 0; i < DRAWS; i++)
		{
			uint32_t counter[4] = {1, 2, 3, 4};
			uint64_t key = 5;
			double	 u;

			if (word < 4)
				counter[word] = i;
			else
				key = i;
			u = philox_uniform(key, counter);
			assert_true(u >= 0.0 && u < 1.0);
			cells[(int) (u * CELLS)]++;
		}
		for (int i = 0; i < CELLS; i++)
		{
			double off = cells[i] - (double) DRAWS / CELLS;

			chi += off * off / ((double) DRAWS / CELLS);
		}
		assert_true(chi < 120.0); /* 63 degrees of freedom: p < 2e-5 */
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_those_published),
		cmocka_unit_test(numbers_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
