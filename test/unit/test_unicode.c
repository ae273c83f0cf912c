/*
 * test_unicode.c: that characters have the properties of one version of Unicode whatever ICU is at hand.
 *
 * The sums are those with ICU 72, of Unicode 15.0.  A later ICU that gives others has changes that unicode.c has yet to
 * undo: digests of images would not be the same everywhere.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "import/unicode.h"

/* FNV-1a over 32-bit numbers. */
static void
add(uint64_t *sum, uint32_t number)
{
	*sum = (*sum ^ number) * UINT64_C(0x100000001B3);
}

static const uint64_t begin = UINT64_C(0xCBF29CE484222325);
static const int	  versions[] = {UNICODE_CATEGORIES, UNICODE_NORMALIZATION, UNICODE_PYTHON,
									UNICODE_RUST};

static void
test_classes(void **state)
{
	uint64_t categories = begin, words = begin, scripts = begin, clusters = begin, others = begin;

	(void) state;
	for (uint32_t c = 0; c < 0x110000; c++)
	{
		for (int i = 0; i < 4; i++)
		{
			const char *category = unicode_category(c, versions[i]);

			add(&categories, (uint32_t) category[0] << 8 | (uint32_t) category[1]);
			add(&words, unicode_word(c, versions[i]));
		}
		add(&scripts, (uint32_t) unicode_script(c, UNICODE_SCRIPTS));
		add(&clusters, unicode_cluster_class(c, UNICODE_RUST));
		add(&others, (uint32_t) unicode_whitespace(c) << 1 | unicode_digit(c, UNICODE_PYTHON));
	}
	assert_int_equal(categories, UINT64_C(0xC60309EF7477DE51));
	assert_int_equal(words, UINT64_C(0x40252FA5742D802));
	assert_int_equal(scripts, UINT64_C(0x9CCCB41FA47898F0));
	assert_int_equal(clusters, UINT64_C(0x31CB8F3A2E149C95));
	assert_int_equal(others, UINT64_C(0x32B53C95321163F7));
}

static void
test_mappings(void **state)
{
	uint64_t forms = begin, lower = begin, classes = begin;

	(void) state;
	for (uint32_t c = 0; c < 0x110000; c++)
		for (int i = 0; i < 4; i++)
		{
			uint32_t out[UNICODE_MAX_MAPPING], first = 0, second = 0;
			int		 n;

			for (int compatibility = 0; compatibility < 2; compatibility++)
			{
				n = unicode_decompose(c, compatibility, versions[i], out);
				for (int j = 0; j < n; j++)
					add(&forms, out[j]);
			}
			if (unicode_pair(c, versions[i], &first, &second))
				add(&forms, first ^ second << 8);
			n = unicode_lower(c, versions[i], out);
			for (int j = 0; j < n; j++)
				add(&lower, out[j]);
			add(&classes, unicode_class(c, versions[i]));
		}
	assert_int_equal(forms, UINT64_C(0xB19AB847051F0B84));
	assert_int_equal(lower, UINT64_C(0xA349A93700BBE031));
	assert_int_equal(classes, UINT64_C(0x22362980699E13D));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes),
									   cmocka_unit_test(test_mappings)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
