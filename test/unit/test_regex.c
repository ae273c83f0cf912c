/*
 * test_regex.c: regular expressions against Oniguruma, over test/reference/regex.json (make_regex.py).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "import/regex.h"
#include "tok/regex.h"

#define FIXTURE "test/reference/regex.json"

typedef struct Compiled
{
	Arena arena;
	Regex regex;
} Compiled;

/* Compiles a pattern; false with the complaint. */
static bool
compile(const char *pattern, size_t length, Compiled *compiled, Error *error)
{
	const Node	at = {.key = "pattern"};
	RegexTree	tree;
	const void *table;
	size_t		size, used;

	arena_init(&compiled->arena, 0);
	if (!regex_parse(&compiled->arena, &at, pattern, length, &tree, error) ||
		!regex_check(&tree, &at, error) ||
		!regex_compile(&compiled->arena, &tree, &at, &table, &size, error))
	{
		arena_free(&compiled->arena);
		return false;
	}
	assert_true(regex_open(&compiled->regex, table, size, &used));
	assert_int_equal(used, size);
	return true;
}

static void
must_compile(const char *pattern, Compiled *compiled)
{
	Error error;

	if (!compile(pattern, strlen(pattern), compiled, &error))
		fail_msg("%s: %s", pattern, error.message);
}

/* Whether the stretches that matches leave are the expected ones; positions are characters. */
static bool
same_stretches(const Compiled *compiled, const char *text, size_t length, const json_t *expected)
{
	RegexSearch search = {0};
	Arena		arena;
	Error		error;
	bool		found, same = true;
	size_t		begin, end, done = 0, i = 0;

	arena_init(&arena, 0);
	assert_true(regex_begin(&search, &compiled->regex, &arena, NULL, text, length, &error));
	/* An empty text has no matches for those who ask. */
	for (found = length > 0; same && found;)
	{
		if (!regex_next(&search, &found, &begin, &end))
			fail_msg("%s", error.message);
		if (!found)
			begin = end = length;
		for (int stretch = 0; stretch < 2; stretch++)
		{
			size_t from = stretch == 0 ? done : begin, to = stretch == 0 ? begin : end;

			if (from == to)
				continue;
			same &= json_integer_value(json_array_get(expected, i)) ==
						(json_int_t) utf8_count(text, from) &&
					json_integer_value(json_array_get(expected, i + 1)) ==
						(json_int_t) utf8_count(text, to);
			i += 2;
		}
		done = end;
	}
	arena_free(&arena);
	return same && json_array_size(expected) == i;
}

static json_t *
load(void)
{
	json_error_t complaint;
	json_t		*value = json_load_file(FIXTURE, JSON_ALLOW_NUL, &complaint);

	if (!value)
		fail_msg("%s: line %d: %s", FIXTURE, complaint.line, complaint.text);
	return value;
}

static void
test_matches(void **state)
{
	json_t *fixture = load(), *texts = json_object_get(fixture, "texts"), *item;
	size_t	i;
	int		wrong = 0, unsupported = 0;

	assert_true(json_array_size(json_object_get(fixture, "cases")) > 500);
	json_array_foreach(json_object_get(fixture, "cases"), i, item)
	{
		const json_t *pattern = json_object_get(item, "pattern");
		const json_t *matches = json_object_get(item, "matches"), *expected;
		Compiled	  compiled;
		Error		  error;
		size_t		  j;
		bool		  taken =
			compile(json_string_value(pattern), json_string_length(pattern), &compiled, &error);

		if (!taken && (error.code == ERR_UNSUPPORTED || strstr(error.message, "exponential")))
		{
			unsupported++;
			continue;
		}
		if (taken == json_is_null(matches))
		{
			print_error("\"%s\" is %s\n", json_string_value(pattern),
						taken ? "taken, but malformed" : error.message);
			wrong++;
		}
		if (!taken)
			continue;
		json_array_foreach(matches, j, expected)
		{
			const json_t *text = json_array_get(texts, j);

			if (same_stretches(&compiled, json_string_value(text), json_string_length(text),
							   expected))
				continue;
			print_error("\"%s\" cuts text %zu otherwise\n", json_string_value(pattern), j);
			wrong++;
			break;
		}
		arena_free(&compiled.arena);
	}
	json_decref(fixture);
	assert_int_equal(wrong, 0);
	assert_true(unsupported < 40);
}

static uint32_t
crc32_step(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	return crc;
}

/* Whether a pattern matches a character that stands between others. */
static bool
matches_character(RegexSearch *search, const Compiled *compiled, Arena *arena, uint32_t c)
{
	char   text[6] = "\x02";
	size_t n = 1 + (size_t) utf8_put(c, text + 1), begin, end;
	bool   found = true, result = false;
	Error  error;

	text[n++] = 2;
	assert_true(regex_begin(search, &compiled->regex, arena, NULL, text, n, &error));
	while (found && !result)
	{
		assert_true(regex_next(search, &found, &begin, &end));
		result = found && begin == 1 && end == n - 1;
	}
	return result;
}

/* Every class and property, of every character. */
static void
test_properties(void **state)
{
	static const uint32_t ranges[][2] = {
		{0, 0xD800}, {0xE000, 0x32400}, {0xE0000, 0xE0200}, {0x10FF00, 0x110000}};
	json_t	   *fixture = load(), *sum;
	const char *pattern;
	int			wrong = 0;

	json_object_foreach(json_object_get(fixture, "properties"), pattern, sum)
	{
		Compiled	compiled;
		RegexSearch search = {0};
		Arena		arena;
		uint32_t	crc = 0xFFFFFFFF;
		char		found[12];

		must_compile(pattern, &compiled);
		arena_init(&arena, 0);
		for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
			for (uint32_t c = ranges[i][0]; c < ranges[i][1]; c++)
				crc = crc32_step(crc, matches_character(&search, &compiled, &arena, c));
		snprintf(found, sizeof found, "%08x", ~crc);
		if (strcmp(found, json_string_value(sum)) != 0)
		{
			print_error("%s has other characters\n", pattern);
			wrong++;
		}
		arena_free(&arena);
		arena_free(&compiled.arena);
	}
	json_decref(fixture);
	assert_int_equal(wrong, 0);
}

static void
test_exponential(void **state)
{
	static const char *const refused[] = {
		"(a+)+$",	  "(a*)*b",			"(a|a)*b",
		"(a|aa)+b",	  "([a-z]+)*\\d",	"(\\w+\\s?)*!",
		"(?:x+x+)+y", "(?:(?:a+)+b)+c", "^(([a-z])+.)+[A-Z]([a-z])+$",
		"(?:a?b?)*c", "(?<=(a+)+)b"};
	static const char *const taken[] = {
		"(a+)+",		 "(?>a+)+$",		   "(a++)+$",
		"(?:ab)*c",		 "(?:a|b)*c",		   "\\s*\\n+|\\s+(?!\\S)|\\s+",
		"(?:[a-z]+ )*x", "(?:\\w+(?:-\\w+)*)", "\\p{Lu}*\\p{Ll}+x",
		"(?:a{1,3}b)*c"};
	Compiled compiled;
	Error	 error;

	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
	{
		if (compile(refused[i], strlen(refused[i]), &compiled, &error))
			fail_msg("%s is taken", refused[i]);
		assert_non_null(strstr(error.message, "pattern: $: regular expression takes exponential"));
	}
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
	{
		must_compile(taken[i], &compiled);
		arena_free(&compiled.arena);
	}
}

/* A match that takes too long ends in an error, one that is long does not. */
static void
test_limits(void **state)
{
	size_t		n = 1 << 20, begin, end;
	char	   *text = malloc(n);
	Compiled	compiled;
	RegexSearch search = {0};
	Arena		arena;
	Error		error;
	bool		found;

	memset(text, 'a', n);
	arena_init(&arena, 0);
	must_compile("a*a*a*a*b", &compiled);
	assert_true(regex_begin(&search, &compiled.regex, &arena, NULL, text, n, &error));
	assert_false(regex_next(&search, &found, &begin, &end));
	assert_int_equal(error.code, ERR_LIMIT);
	arena_free(&compiled.arena);
	must_compile("(?:aa)+", &compiled);
	search = (RegexSearch){0};
	assert_true(regex_begin(&search, &compiled.regex, &arena, NULL, text, n, &error));
	assert_true(regex_next(&search, &found, &begin, &end));
	assert_true(found && begin == 0 && end == n);
	arena_free(&compiled.arena);
	arena_free(&arena);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_properties),
		cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
