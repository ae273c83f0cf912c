/*
 * test_jieba.c: jieba's words against rjieba, over the fixture of test/reference/make_jieba.py (RF-19), and the
 * dictionary itself.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "import/jieba_words.h"
#include "math/precise.h"
#include "test_tokenizers.h"

static void
write_file(const char *folder, const char *name, const char *text)
{
	char  path[300];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* A tokenizer whose tokens are the words: the slow class without its basic tokenizer, and no vocabulary. */
static TestTokenizer
import_words(void)
{
	char		  folder[] = "/tmp/pg_infer_test_XXXXXX";
	TestTokenizer test;

	assert_non_null(mkdtemp(folder));
	write_file(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
	write_file(folder, "tokenizer_config.json",
			   "{\"tokenizer_class\": \"RoFormerTokenizer\", \"do_basic_tokenize\": false}");
	test = test_tokenizer_import(folder, 0);
	test_remove_folder(folder);
	return test;
}

/* Whether a word is nothing but whitespace, which is no token. */
static bool
is_blank(const char *word)
{
	return strcmp(word, "\r\n") == 0 || strcmp(word, " ") == 0 || strcmp(word, "\t") == 0 ||
		   strcmp(word, "\xE3\x80\x80") == 0;
}

static void
check_cut(const Tokenizer *tokenizer, Arena *arena, const json_t *words)
{
	EncodeOptions options = {0};
	Encoding	  encoding;
	Error		  error;
	char		  text[4096];
	size_t		  length = 0, i;
	json_t		 *word;
	int			  token = 0, pos = 0;

	json_array_foreach(words, i, word)
	{
		memcpy(text + length, json_string_value(word), json_string_length(word));
		length += json_string_length(word);
		assert_true(length + 100 < sizeof text);
	}
	TEST_MUST(
		tokenizer_encode(tokenizer, arena, text, length, NULL, 0, &options, &encoding, &error),
		error);
	json_array_foreach(words, i, word)
	{
		int n = (int) utf8_count(json_string_value(word), json_string_length(word));

		if (!is_blank(json_string_value(word)))
		{
			if (token == encoding.n || encoding.pos[token] != pos || encoding.len[token] != n)
				fail_msg("%.*s: no word \"%s\" at %d", (int) length, text, json_string_value(word),
						 pos);
			token++;
		}
		pos += n;
	}
	assert_int_equal(token, encoding.n);
}

static void
test_cuts(void **state)
{
	json_t		 *cuts = json_load_file("test/reference/jieba.json", JSON_ALLOW_NUL, NULL), *words;
	TestTokenizer test = import_words();
	Arena		  arena;
	size_t		  i;

	assert_true(json_array_size(cuts) > 2000);
	arena_init(&arena, 0);
	json_array_foreach(cuts, i, words)
	{
		check_cut(&test.tokenizer, &arena, words);
		arena_reset(&arena);
	}
	arena_free(&arena);
	test_tokenizer_close(&test);
	json_decref(cuts);
}

/* A text of many blocks is cut as each of its sentences. */
static void
test_long(void **state)
{
	static const char sentence[] = "\xE5\x8D\x97\xE4\xBA\xAC\xE5\xB8\x82\xE9\x95\xBF\xE6\xB1\x9F"
								   "\xE5\xA4\xA7\xE6\xA1\xA5\xEF\xBC\x8C";
	enum
	{
		COUNT = 5000,
		CHARACTERS = 8
	};
	TestTokenizer test =
		test_tokenizer_import("test/reference/tokenizers/real-roformer-chinese", 1);
	EncodeOptions options = {0};
	Encoding	  one, all;
	Arena		  arena;
	Error		  error;
	size_t		  length = sizeof sentence - 1;
	char		 *text;

	assert_true(test.tokenizer.tables->flags & TOKENIZER_CUT_STOP);
	arena_init(&arena, 0);
	text = arena_alloc_raw(&arena, COUNT, length);
	for (size_t i = 0; i < COUNT; i++)
		memcpy(text + i * length, sentence, length);
	TEST_MUST(
		tokenizer_encode(&test.tokenizer, &arena, text, length, NULL, 0, &options, &one, &error),
		error);
	TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, COUNT * length, NULL, 0, &options,
							   &all, &error),
			  error);
	assert_int_equal(all.n, COUNT * one.n);
	for (int i = 0; i < all.n; i++)
	{
		assert_int_equal(all.pos[i], i / one.n * CHARACTERS + one.pos[i % one.n]);
		assert_int_equal(all.len[i], one.len[i % one.n]);
	}
	arena_free(&arena);
	test_tokenizer_close(&test);
}

/* Frequencies are whole numbers whose sum is the total that the weights are relative to. */
static void
test_dictionary(void **state)
{
	Arena	   arena;
	JiebaWords words;
	Error	   error;
	double	   log_total, sum = 0;

	arena_init(&arena, 0);
	TEST_MUST(jieba_words(&arena, &words, &error), error);
	assert_int_equal(words.n, 349045);
	log_total = -words.weights[words.n_weights - 1];
	assert_true(fabs(log_total - precise_log(60101964)) < 1e-14);
	for (size_t i = 0; i + 1 < words.n_weights; i++)
	{
		double frequency = precise_exp(words.weights[i] + log_total);

		assert_true(fabs(frequency - nearbyint(frequency)) < 1e-6 * frequency);
	}
	for (size_t i = 0; i < words.n; i++)
		sum += nearbyint(precise_exp(words.weights[words.keys[i].value] + log_total));
	assert_true(sum == 60101964);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_dictionary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
