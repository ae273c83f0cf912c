/*
 * test_base.c: error, arena, file, utf8.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/utf8.h"

static void
error_carries_texts(void **state)
{
	Error error;
	(void) state;

	assert_false(error_set(&error, ERR_LIMIT, "%d of %d", 3, 2));
	assert_int_equal(error.code, ERR_LIMIT);
	assert_string_equal(error.message, "3 of 2");
	assert_string_equal(error.hint, "");
	error_hint(&error, "Use %s.", "less");
	assert_string_equal(error.hint, "Use less.");
	errno = EACCES;
	error_errno(&error, "could not open \"%s\"", "x");
	assert_int_equal(error.code, ERR_PERMISSION);
	assert_string_equal(error.message, "could not open \"x\": Permission denied");
	assert_string_equal(error.hint, "");
}

static void
arena_gives_zeroed_aligned_memory(void **state)
{
	Arena arena;
	(void) state;

	arena_init(&arena, 0);
	for (int round = 0; round < 3; round++)
	{
		for (size_t n = 1; n < 40000; n = n * 3 + 1)
		{
			char *p = arena_alloc(&arena, n, 1);

			assert_non_null(p);
			assert_int_equal((uintptr_t) p % 64, 0);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			memset(p, 0xAA, n);
		}
		arena_reset(&arena);
	}
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	arena_free(&arena);
	assert_int_equal(arena.size, 0);
}

static void
arena_refuses_overflow_and_cap(void **state)
{
	Arena arena;
	(void) state;

	arena_init(&arena, 100000);
	assert_null(arena_alloc(&arena, SIZE_MAX / 2, 4));
	assert_null(arena_alloc(&arena, SIZE_MAX, 1));
	assert_null(arena_alloc(&arena, 100001, 1));
	assert_non_null(arena_alloc(&arena, 50000, 1));
	assert_null(arena_alloc(&arena, 60000, 1));
	assert_true(arena.size <= 100000);
	arena_free(&arena);
}

static void
utf8_walks_what_it_wrote(void **state)
{
	(void) state;
	for (uint32_t c = 0; c < 0x110000; c++)
	{
		char   text[4];
		size_t at = 0;
		int	   n;

		if (c >= 0xD800 && c < 0xE000)
			continue;
		n = utf8_put(c, text);
		assert_int_equal(utf8_next(text, (size_t) n, &at), c);
		assert_int_equal(at, n);
		if (n > 1) /* cut short: one replacement a byte */
			assert_int_equal(utf8_count(text, (size_t) n - 1), n - 1);
	}
}

static void
utf8_refuses_malformed(void **state)
{
	static const char *const bad[] = {
		"\x80",			"\xC0\x80",			"\xC1\xBF",			"\xE0\x80\x80",
		"\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
		"\xFF"};
	(void) state;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
	{
		size_t at = 0;

		assert_int_equal(utf8_next(bad[i], strlen(bad[i]), &at), 0xFFFD);
		assert_int_equal(at, 1);
	}
}

/* From any character to any other. */
static void
utf8_seeks_both_ways(void **state)
{
	static const char	text[] = "aé你😀b";
	static const size_t bytes[] = {0, 1, 3, 6, 10, 11};
	Utf8Cursor			cursor = {.text = text, .length = strlen(text)};

	for (size_t from = 0; from < 6; from++)
		for (size_t to = 0; to < 6; to++)
		{
			assert_int_equal(utf8_seek(&cursor, from), bytes[from]);
			assert_int_equal(utf8_seek(&cursor, to), bytes[to]);
		}
	assert_int_equal(utf8_seek(&cursor, 100), strlen(text));
	assert_int_equal(cursor.character, 5);
	assert_int_equal(utf8_seek(&cursor, 1), 1);
}

static void
files_are_read_within_limits(void **state)
{
	char	path[] = "/tmp/pg_infer_test_XXXXXX";
	int		fd = mkstemp(path);
	Arena	arena;
	FileMap map;
	Error	error;
	size_t	size;
	(void) state;

	assert_true(fd >= 0);
	arena_init(&arena, 0);
	assert_true(file_map(&map, path, &error));
	assert_int_equal(map.size, 0);
	file_unmap(&map);
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_true(file_map(&map, path, &error));
	assert_memory_equal(map.data, "hello", 5);
	file_unmap(&map);
	assert_string_equal(file_read(&arena, path, 5, &size, &error), "hello");
	assert_int_equal(size, 5);
	assert_null(file_read(&arena, path, 4, &size, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	close(fd);
	unlink(path);
	assert_null(file_read(&arena, path, 5, &size, &error));
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_false(file_map(&map, "/tmp", &error));
	assert_non_null(strstr(error.message, "not a regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(file_map(&map, path, &error)); /* and does not hang */
	unlink(path);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_carries_texts),
		cmocka_unit_test(arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(arena_refuses_overflow_and_cap),
		cmocka_unit_test(utf8_walks_what_it_wrote),
		cmocka_unit_test(utf8_refuses_malformed),
		cmocka_unit_test(utf8_seeks_both_ways),
		cmocka_unit_test(files_are_read_within_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
