/*
 * test_page_pool.c: pages that are shared, published, found again and evicted, within a limit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "task/page_pool.h"

#define TOKENS CACHE_PANEL
#define KEYS (TOKENS * PAGE_KEYS)

/* Models are told apart by where they are; of a model only the layout of its cache is looked at. */
static const Model plain = {.cache = {.n_layers = 2, .heads = 2, .key_width = 8, .value_width = 8}};
static const Model stateful = {
	.cache = {.n_layers = 2, .heads = 1, .key_width = 8, .value_width = 4, .state = 5}};

static PagePool *
make_pool(size_t limit)
{
	Error	  error;
	PagePool *pool = page_pool_create(limit, TOKENS, &error);

	assert_non_null(pool);
	return pool;
}

/* Keys that differ in one number. */
static const int32_t *
keys_of(int number)
{
	static int32_t keys[KEYS];

	for (int i = 0; i < KEYS; i++)
		keys[i] = i;
	keys[KEYS - 1] = number;
	return keys;
}

static Page *
publish(PagePool *pool, const Model *model, Page *before, int number, const float *state)
{
	Page *page = page_take(pool, model);

	assert_non_null(page);
	return page_publish(pool, model, page, before, keys_of(number),
						page_hash(pool, model, before, keys_of(number)), state);
}

static Page *
find(PagePool *pool, const Model *model, Page *before, int number)
{
	return page_find(pool, model, before, keys_of(number),
					 page_hash(pool, model, before, keys_of(number)));
}

static void
the_same_tokens_are_found(void **state)
{
	PagePool *pool = make_pool((size_t) 1 << 20);
	Page	 *first = publish(pool, &plain, NULL, 1, NULL), *second;
	(void) state;

	second = publish(pool, &plain, first, 2, NULL);
	assert_ptr_equal(find(pool, &plain, NULL, 1), first);
	assert_ptr_equal(find(pool, &plain, first, 2), second);
	assert_null(find(pool, &plain, NULL, 2));
	assert_null(find(pool, &plain, first, 1));
	assert_null(find(pool, &stateful, NULL, 1));
	/* a hash that is right by chance finds nothing */
	assert_null(
		page_find(pool, &plain, NULL, keys_of(3), page_hash(pool, &plain, NULL, keys_of(1))));
	for (int i = 0; i < 2; i++)
	{
		page_drop(pool, first);
		page_drop(pool, second);
	}
	assert_int_equal(page_pool_held(pool), 0);
	assert_ptr_equal(find(pool, &plain, NULL, 1), first);
	assert_int_equal(page_pool_held(pool), page_pool_bytes(pool, &plain));
	page_drop(pool, first);
	page_pool_free(pool);
}

static void
who_comes_second_gets_the_first(void **state)
{
	PagePool *pool = make_pool((size_t) 1 << 20);
	Page	 *first = publish(pool, &plain, NULL, 1, NULL);
	(void) state;

	assert_ptr_equal(publish(pool, &plain, NULL, 1, NULL), first);
	page_drop(pool, first);
	assert_int_equal(page_pool_held(pool), page_pool_bytes(pool, &plain));
	page_drop(pool, first);
	assert_int_equal(page_pool_held(pool), 0);
	page_pool_free(pool);
}

/* The one that was used longest ago goes first, but never one that others are found behind. */
static void
idle_pages_make_room(void **state)
{
	PagePool *pool = make_pool(0);
	Page	 *pages[4], *taken;
	(void) state;

	page_pool_set_limit(pool, 4 * page_pool_bytes(pool, &plain));
	assert_true(page_pool_reserve(pool, 4 * page_pool_bytes(pool, &plain)));
	pages[0] = publish(pool, &plain, NULL, 0, NULL);
	pages[1] = publish(pool, &plain, pages[0], 1, NULL);
	pages[2] = publish(pool, &plain, NULL, 2, NULL);
	pages[3] = publish(pool, &plain, NULL, 3, NULL);
	for (int i = 0; i < 4; i++)
		page_drop(pool, pages[i]);
	page_drop(pool, find(pool, &plain, NULL, 2));

	taken = page_take(pool, &plain);
	assert_null(find(pool, &plain, pages[0], 1));
	page_drop(pool, find(pool, &plain, NULL, 0));
	page_drop(pool, taken);
	taken = page_take(pool, &plain);
	assert_non_null(taken);
	page_drop(pool, taken);
	page_drop(pool, find(pool, &plain, NULL, 3));
	page_pool_set_limit(pool, 0);
	assert_null(find(pool, &plain, NULL, 0));
	assert_null(find(pool, &plain, NULL, 2));
	assert_null(find(pool, &plain, NULL, 3));
	page_pool_free(pool);
}

static void
reservations_stay_within_the_limit(void **state)
{
	PagePool *pool = make_pool(1000);
	(void) state;

	assert_true(page_pool_reserve(pool, 600));
	assert_false(page_pool_reserve(pool, 401));
	assert_true(page_pool_reserve(pool, 400));
	page_pool_set_limit(pool, 500);
	assert_false(page_pool_reserve(pool, 1));
	page_pool_unreserve(pool, 600);
	assert_true(page_pool_reserve(pool, 100));
	assert_int_equal(page_pool_reserved(pool), 500);
	assert_false(page_pool_reserve(pool, SIZE_MAX));
	page_pool_free(pool);
}

static void
states_are_kept_with_their_pages(void **state)
{
	PagePool *pool = make_pool((size_t) 1 << 20);
	float	  numbers[10];
	Page	 *page = publish(pool, &stateful, NULL, 1, NULL);
	(void) state;

	for (int i = 0; i < 10; i++)
		numbers[i] = (float) i;
	assert_null(page_state(page));
	assert_ptr_equal(publish(pool, &stateful, NULL, 1, numbers), page);
	memset(page_data(page), 0, cache_page_floats(&stateful.cache, TOKENS) * sizeof(float));
	assert_non_null(page_state(page));
	assert_memory_equal(page_state(page), numbers, sizeof numbers);
	page_drop(pool, page);
	page_drop(pool, page);
	page_pool_forget(pool, &stateful);
	assert_null(find(pool, &stateful, NULL, 1));
	page = publish(pool, &stateful, NULL, 1, NULL);
	assert_null(page_state(page));
	page_drop(pool, page);
	page_pool_free(pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_tokens_are_found),
		cmocka_unit_test(who_comes_second_gets_the_first),
		cmocka_unit_test(idle_pages_make_room),
		cmocka_unit_test(reservations_stay_within_the_limit),
		cmocka_unit_test(states_are_kept_with_their_pages),
	};

	return cmocka_run_group_tests_name("page pool", tests, NULL, NULL);
}
