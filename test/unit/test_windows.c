/*
 * test_windows.c: truncation and windows against transformers, over the fixtures of
 * test/reference/make_windows.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "task/windows.h"
#include "test_tokenizers.h"

#define FIXTURES "test/reference/tokenizers"

static int
number(const json_t *object, const char *key, int fallback)
{
	const json_t *value = json_object_get(object, key);

	return value ? (int) json_integer_value(value) : fallback;
}

static const char *
string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void
check_numbers(const char *where, const char *what, const json_t *expected, const int32_t *found,
			  int n)
{
	if (!expected)
		return;
	if (json_array_size(expected) != (size_t) n)
		fail_msg("%s: %d %s, expected %zu", where, n, what, json_array_size(expected));
	for (int i = 0; i < n; i++)
		if (json_integer_value(json_array_get(expected, (size_t) i)) != found[i])
			fail_msg("%s: %s[%d] is %d, expected %lld", where, what, i, found[i],
					 (long long) json_integer_value(json_array_get(expected, (size_t) i)));
}

static EncodeOptions
run_options(const json_t *run)
{
	const char	 *strategy = string(run, "strategy");
	EncodeOptions options = {.add_special_tokens = !json_object_get(run, "bare"),
							 .max_length = number(run, "max_length", 0),
							 .truncate = TRUNCATE_END};

	if (strcmp(string(run, "side"), "left") == 0)
		options.truncate = TRUNCATE_START;
	if (strcmp(strategy, "only_first") == 0)
		options.strategy = TRUNCATE_FIRST;
	else if (strcmp(strategy, "only_second") == 0)
		options.strategy = TRUNCATE_SECOND;
	return options;
}

/* A slow class gives what the windows behind the first one cover as one list. */
static void
check_rest(const Windows *windows, int part, Arena *arena, const json_t *run, const char *where)
{
	const json_t *rest = json_object_get(run, "rest");
	size_t		  n = json_array_size(rest), all = windows->parts[part]->kept;
	TokenSpan	  span = {windows->parts[part], windows->from_end ? 0 : all - n, n};
	Encoding	  encoding;
	Error		  error;

	TEST_MUST(tokenizer_assemble(windows->tokenizer, arena, &span, NULL, false, &encoding, &error),
			  error);
	check_numbers(where, "rest", rest, encoding.ids, encoding.n);
	assert_int_equal(windows->n == 1, n == 0);
	if (n > 0)
		assert_int_equal(n, all - windows->step[part]);
}

static void
check_run(const Tokenizer *tokenizer, Arena *arena, const json_t *texts, const json_t *run,
		  const char *where)
{
	EncodeOptions options = run_options(run);
	const json_t *expected = json_object_get(run, "windows");
	bool		  pair = json_object_get(run, "pair") != NULL;
	Tokens		  tokens[2] = {{.limit = SIZE_MAX}, {.limit = SIZE_MAX}};
	Windows		  windows;
	Encoding	  encoding;
	Error		  error;

	for (int i = 0; i < (pair ? 2 : 1); i++)
	{
		const json_t *text =
			json_array_get(texts, (size_t) number(run, i == 0 ? "text" : "pair", 0));

		TEST_MUST(tokenizer_tokens(tokenizer, arena, json_string_value(text),
								   json_string_length(text), &options, &tokens[i], &error),
				  error);
	}
	if (!windows_open(&windows, tokenizer, &tokens[0], pair ? &tokens[1] : NULL, &options,
					  (long) number(run, "stride", 0), &error))
	{
		if (!json_object_get(run, "error"))
			fail_msg("%s: %s", where, error.message);
		assert_true(error.code == ERR_ARGUMENT || error.code == ERR_LIMIT);
		return;
	}
	if (json_object_get(run, "error"))
		fail_msg("%s: no error", where);
	if (expected)
	{
		if (windows.n != json_array_size(expected))
			fail_msg("%s: %zu windows, expected %zu", where, windows.n, json_array_size(expected));
	}
	else
		check_rest(&windows, options.strategy == TRUNCATE_SECOND, arena, run, where);
	for (size_t i = 0; i < windows.n; i++)
	{
		const json_t *window = expected ? json_array_get(expected, i) : i == 0 ? run : NULL;

		TEST_MUST(windows_get(&windows, i, arena, &encoding, &error), error);
		assert_true(encoding.n <= options.max_length);
		if (!window)
			continue;
		check_numbers(where, "ids", json_object_get(window, "ids"), encoding.ids, encoding.n);
		check_numbers(where, "types", json_object_get(window, "types"), encoding.type_ids,
					  encoding.n);
		check_numbers(where, "pos", json_object_get(window, "pos"), encoding.pos, encoding.n);
		check_numbers(where, "len", json_object_get(window, "len"), encoding.len, encoding.n);
	}
}

/* The first window is what tokenizer_encode makes. */
static void
check_truncated(const Tokenizer *tokenizer, Arena *arena, const json_t *texts, const json_t *run,
				const char *where)
{
	EncodeOptions options = run_options(run);
	const json_t *first = json_object_get(run, "windows");
	const json_t *text = json_array_get(texts, (size_t) number(run, "text", 0));
	const json_t *pair = NULL;
	Encoding	  encoding;
	Error		  error;

	if (json_object_get(run, "error"))
		return;
	if (json_object_get(run, "pair"))
		pair = json_array_get(texts, (size_t) number(run, "pair", 0));
	first = first ? json_array_get(first, 0) : run;
	TEST_MUST(tokenizer_encode(tokenizer, arena, json_string_value(text), json_string_length(text),
							   json_string_value(pair), pair ? json_string_length(pair) : 0,
							   &options, &encoding, &error),
			  error);
	check_numbers(where, "truncated ids", json_object_get(first, "ids"), encoding.ids, encoding.n);
	check_numbers(where, "truncated pos", json_object_get(first, "pos"), encoding.pos, encoding.n);
}

static void
test_fixtures(void **state)
{
	json_t	   *root = json_load_file("test/reference/windows.json", 0, NULL), *folder, *run;
	const char *name;
	Arena		arena;

	assert_non_null(root);
	arena_init(&arena, 0);
	json_object_foreach(json_object_get(root, "folders"), name, folder)
	{
		char		  path[300];
		TestTokenizer test;
		size_t		  i;

		snprintf(path, sizeof path, FIXTURES "/%s", name);
		test = test_tokenizer_import(path, number(folder, "use_fast", -1));
		assert_true(json_array_size(json_object_get(folder, "runs")) > 20);
		json_array_foreach(json_object_get(folder, "runs"), i, run)
		{
			snprintf(path, sizeof path, "%s: run %zu", name, i);
			check_run(&test.tokenizer, &arena, json_object_get(root, "texts"), run, path);
			check_truncated(&test.tokenizer, &arena, json_object_get(root, "texts"), run, path);
			arena_reset(&arena);
		}
		test_tokenizer_close(&test);
	}
	arena_free(&arena);
	json_decref(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixtures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
