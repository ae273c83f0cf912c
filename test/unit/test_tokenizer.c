/*
 * test_tokenizer.c: tokenizers against transformers, over the fixtures of test/reference/make_tokenizers.py.
 *
 * With PG_INFER_MINILM naming the folder of all-MiniLM-L6-v2, that one too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "test_tokenizers.h"

#define FIXTURES "test/reference/tokenizers"

static const char *const cases[] = {
	"bert-fast",	   "bert-fast-cased", "bert-fast-overruled", "bert-fast-generic",
	"bert-fast-added", "bert-vocab-fast", "bert-slow",			 "bert-slow-cased",
	"bert-slow-words", "bert-slow-added", "bert-slow-accents",	 "bert-slow-legacy",
};

static json_t *
load(const char *path)
{
	json_error_t complaint;
	json_t		*value = json_load_file(path, JSON_ALLOW_NUL, &complaint);

	if (!value)
		fail_msg("%s: line %d: %s", path, complaint.line, complaint.text);
	return value;
}

static int
number(const json_t *object, const char *key, int fallback)
{
	const json_t *value = json_object_get(object, key);

	return value ? (int) json_integer_value(value) : fallback;
}

/* Complains when an array of the fixture is not what came out. */
static void
check_numbers(const char *what, const json_t *expected, const int32_t *found, int n,
			  const char *where)
{
	if (json_array_size(expected) != (size_t) n)
		fail_msg("%s: %d %s, expected %zu", where, n, what, json_array_size(expected));
	for (int i = 0; i < n; i++)
		if (json_integer_value(json_array_get(expected, (size_t) i)) != found[i])
			fail_msg("%s: %s[%d] is %d, expected %lld", where, what, i, found[i],
					 (long long) json_integer_value(json_array_get(expected, (size_t) i)));
}

static void
check_decoded(const Tokenizer *tokenizer, Arena *arena, const Encoding *encoding, bool skip,
			  const json_t *expected, const char *where)
{
	char  *text;
	size_t length;
	Error  error;

	TEST_MUST(tokenizer_decode(tokenizer, arena, encoding->ids, encoding->n, skip, &text, &length,
							   &error),
			  error);
	if (length != json_string_length(expected) ||
		memcmp(text, json_string_value(expected), length) != 0)
		fail_msg("%s: decoded as \"%s\", expected \"%s\"", where, text,
				 json_string_value(expected));
}

/* A slow tokenizer has no positions: they must be in order and inside of the text. */
static void
check_order(const Encoding *encoding, int sequence, const json_t *text, const char *where)
{
	int end = 0, n = (int) utf8_count(json_string_value(text), json_string_length(text));

	for (int i = 0; i < encoding->n; i++)
	{
		if (encoding->sequence[i] != sequence)
			continue;
		if (encoding->pos[i] < end - 1 || encoding->len[i] < 1 ||
			encoding->pos[i] + encoding->len[i] > n)
			fail_msg("%s: token %d is at %d+%d of %d", where, i, encoding->pos[i], encoding->len[i],
					 n);
		end = encoding->pos[i] + encoding->len[i];
	}
}

static void
check_run(const Tokenizer *tokenizer, Arena *arena, const json_t *texts, const json_t *run,
		  const char *where)
{
	const json_t *text = json_array_get(texts, (size_t) number(run, "text", 0)), *pair = NULL;
	const char	 *side = json_string_value(json_object_get(run, "side"));
	EncodeOptions options = {.add_special_tokens = !json_object_get(run, "bare"),
							 .max_length = number(run, "max_length", 0)};
	Encoding	  encoding;
	Error		  error;

	if (json_object_get(run, "pair"))
		pair = json_array_get(texts, (size_t) number(run, "pair", 0));
	if (side)
		options.truncate = strcmp(side, "left") == 0 ? TRUNCATE_START : TRUNCATE_END;
	TEST_MUST(tokenizer_encode(tokenizer, arena, json_string_value(text), json_string_length(text),
							   json_string_value(pair), pair ? json_string_length(pair) : 0,
							   &options, &encoding, &error),
			  error);
	check_numbers("ids", json_object_get(run, "ids"), encoding.ids, encoding.n, where);
	check_numbers("types", json_object_get(run, "types"), encoding.type_ids, encoding.n, where);
	assert_int_equal(encoding.n_whole, number(run, "whole", -1));
	if (json_object_get(run, "pos"))
	{
		check_numbers("pos", json_object_get(run, "pos"), encoding.pos, encoding.n, where);
		check_numbers("len", json_object_get(run, "len"), encoding.len, encoding.n, where);
	}
	else
	{
		check_order(&encoding, 1, text, where);
		check_order(&encoding, 2, pair, where);
	}
	check_decoded(tokenizer, arena, &encoding, false, json_object_get(run, "decoded"), where);
	check_decoded(tokenizer, arena, &encoding, true, json_object_get(run, "skipped"), where);
}

static void
check_folder(const char *folder, const char *expected_path)
{
	json_t		 *texts = load(FIXTURES "/texts.json"), *expected = load(expected_path), *run;
	TestTokenizer test = test_tokenizer_import(folder, number(expected, "use_fast", -1));
	Arena		  arena;
	size_t		  i;

	arena_init(&arena, 0);
	assert_true(json_array_size(json_object_get(expected, "runs")) > 80);
	json_array_foreach(json_object_get(expected, "runs"), i, run)
	{
		char where[300];

		snprintf(where, sizeof where, "%s: run %zu, text %d", expected_path, i,
				 number(run, "text", 0));
		check_run(&test.tokenizer, &arena, texts, run, where);
		arena_reset(&arena);
	}
	arena_free(&arena);
	test_tokenizer_close(&test);
	json_decref(expected);
	json_decref(texts);
}

static void
test_fixtures(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		char folder[200], expected[300];

		snprintf(folder, sizeof folder, "%s/%s", FIXTURES, cases[i]);
		snprintf(expected, sizeof expected, "%s/expected.json", folder);
		check_folder(folder, expected);
	}
}

static void
test_minilm(void **state)
{
	const char *folder = getenv("PG_INFER_MINILM");

	if (!folder)
		skip();
	check_folder(folder, FIXTURES "/minilm.json");
}

/* ---- every character ---- */

/* A vocabulary of all characters in some ranges, as the script has it. */
static void
write_vocab(const char *folder, const json_t *ranges, const json_t *config)
{
	char	path[300];
	FILE   *file;
	size_t	i;
	json_t *range;

	snprintf(path, sizeof path, "%s/vocab.txt", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", file);
	json_array_foreach(ranges, i, range)
	{
		uint32_t end = (uint32_t) json_integer_value(json_array_get(range, 1));

		for (uint32_t c = (uint32_t) json_integer_value(json_array_get(range, 0)); c < end; c++)
		{
			char   bytes[4];
			size_t n = (size_t) utf8_put(c, bytes);

			if (c == '\n' || c == '\r')
				continue;
			fwrite(bytes, 1, n, file);
			fputs("\n##", file);
			fwrite(bytes, 1, n, file);
			fputc('\n', file);
		}
	}
	assert_int_equal(fclose(file), 0);
	snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
	assert_int_equal(json_dump_file(config, path, 0), 0);
}

static uint64_t
fnv(uint64_t state, int32_t value)
{
	for (int i = 0; i < 4; i++)
		state = (state ^ ((uint32_t) value >> 8 * i & 0xFF)) * 0x100000001B3;
	return state;
}

static void
check_variant(const json_t *variant, const json_t *ranges, uint32_t block)
{
	char		  folder[] = "/tmp/pg_infer_test_XXXXXX";
	bool		  fast = number(variant, "use_fast", 0) != 0;
	json_t		 *config = json_deep_copy(json_object_get(variant, "config"));
	TestTokenizer test;
	Arena		  arena;
	EncodeOptions options = {0};

	assert_non_null(mkdtemp(folder));
	json_object_set_new(config, "tokenizer_class", json_string("BertTokenizer"));
	write_vocab(folder, ranges, config);
	test = test_tokenizer_import(folder, fast);
	test_remove_folder(folder);
	json_decref(config);
	arena_init(&arena, 0);
	for (uint32_t begin = 0, i = 0; begin <= 0x10FFFF; begin += block, i++)
	{
		uint64_t	hash = 0xCBF29CE484222325;
		char		found[20];
		const char *expected =
			json_string_value(json_array_get(json_object_get(variant, "hashes"), i));

		for (uint32_t c = begin; c < begin + block; c++)
		{
			char	 text[6] = "a";
			size_t	 n = 1 + (size_t) utf8_put(c, text + 1);
			Encoding encoding;
			Error	 error;

			if (c >= 0xD800 && c < 0xE000)
				continue;
			text[n++] = 'b';
			arena_reset(&arena);
			TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, n, NULL, 0, &options,
									   &encoding, &error),
					  error);
			hash = fnv(hash, encoding.n);
			for (int j = 0; j < encoding.n; j++)
				hash = fnv(hash, encoding.ids[j]);
			for (int j = 0; fast && j < encoding.n; j++)
				hash = fnv(fnv(hash, encoding.pos[j]), encoding.pos[j] + encoding.len[j]);
		}
		snprintf(found, sizeof found, "%016llx", (unsigned long long) hash);
		if (!expected || strcmp(expected, found) != 0)
			fail_msg("%s: a character of U+%04X .. U+%04X differs",
					 json_string_value(json_object_get(variant, "name")), begin, begin + block - 1);
	}
	arena_free(&arena);
	test_tokenizer_close(&test);
}

static void
test_characters(void **state)
{
	json_t *expected = load(FIXTURES "/characters.json"), *variant;
	size_t	i;

	assert_true(json_array_size(json_object_get(expected, "variants")) >= 5);
	json_array_foreach(json_object_get(expected, "variants"), i, variant) check_variant(
		variant, json_object_get(expected, "ranges"), (uint32_t) number(expected, "block", 0));
	json_decref(expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixtures),
		cmocka_unit_test(test_minilm),
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
