/*
 * test_long_texts.c: a text of 100 MB takes the memory of a page, and work on it can be stopped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "task/chunks.h"
#include "test_tokenizers.h"

#define FOLDER "test/reference/tokenizers/"
#define LENGTH ((size_t) 100 * 1000 * 1000)
#define MEMORY ((size_t) 1 << 20)

static const struct
{
	const char *folder;
	int			use_fast;
	const char *piece;
} cases[] = {
	{FOLDER "real-minilm", 1, "The quick brown fox jumps over the lazy dog. "},
	{FOLDER "real-roberta-base", 1, "The quick brown fox jumps over the lazy dog. "},
	{FOLDER "real-t5-small", 1, "The quick brown fox jumps over the lazy dog. "},
	{FOLDER "bert-slow", 0, "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94"},
	{FOLDER "real-roformer-chinese", 1,
	 "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE9\x9D\x9E\xE5\xB8\xB8\xE5\xA5\xBD"
	 "\xEF\xBC\x8C"},
	{FOLDER "class-roformer-slow", 0,
	 "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE9\x9D\x9E\xE5\xB8\xB8\xE5\xA5\xBD"
	 "\xEF\xBC\x8C"},
};

/* Asked often, and wants to stop at some time. */
typedef struct Patience
{
	size_t asked, limit;
} Patience;

static bool
is_impatient(void *argument)
{
	Patience *patience = argument;

	return ++patience->asked > patience->limit;
}

static char *
make_text(const char *piece, size_t *length)
{
	size_t n = strlen(piece), whole = LENGTH / n * n;
	char  *text = malloc(whole);

	assert_non_null(text);
	for (size_t at = 0; at < whole; at += n)
		memcpy(text + at, piece, n);
	*length = whole;
	return text;
}

static void
test_memory(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		TestTokenizer test = test_tokenizer_import(cases[i].folder, cases[i].use_fast);
		Patience	  patience = {.limit = 400};
		EncodeOptions options = {.add_special_tokens = true,
								 .max_length = 128,
								 .truncate = TRUNCATE_END,
								 .interrupted = is_impatient,
								 .argument = &patience};
		Encoding	  encoding;
		Arena		  arena;
		Error		  error;
		size_t		  length, n;
		char		 *text = make_text(cases[i].piece, &length);

		/* What is not bounded would need all of the text before anybody is asked again. */
		arena_init(&arena, MEMORY);
		assert_false(
			tokenizer_count(&test.tokenizer, &arena, text, length, NULL, 0, &options, &n, &error));
		if (error.code != ERR_CANCELLED)
			fail_msg("%s: %s", cases[i].folder, error.message);
		patience.asked = 0;
		assert_false(tokenizer_encode(&test.tokenizer, &arena, text, length, NULL, 0, &options,
									  &encoding, &error));
		if (error.code != ERR_CANCELLED)
			fail_msg("%s: %s", cases[i].folder, error.message);
		arena_free(&arena);
		free(text);
		test_tokenizer_close(&test);
	}
}

/* Who wants the first tokens only need not wait for the others. */
static void
test_little(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		TestTokenizer test = test_tokenizer_import(cases[i].folder, cases[i].use_fast);
		Patience	  patience = {.limit = 20};
		EncodeOptions options = {.add_special_tokens = true,
								 .max_length = 3000,
								 .truncate = TRUNCATE_END,
								 .interrupted = is_impatient,
								 .argument = &patience};
		Encoding	  whole, little;
		Arena		  arena;
		Error		  error;
		size_t		  length;
		char		 *text = make_text(cases[i].piece, &length);

		arena_init(&arena, MEMORY);
		TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, strlen(cases[i].piece) * 1000,
								   NULL, 0, &options, &whole, &error),
				  error);
		options.reads_little = true;
		patience.asked = 0;
		TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, length, NULL, 0, &options,
								   &little, &error),
				  error);
		assert_int_equal(whole.n, options.max_length);
		assert_int_equal(little.n, whole.n);
		assert_memory_equal(little.ids, whole.ids, sizeof *whole.ids * (size_t) whole.n);
		assert_memory_equal(little.pos, whole.pos, sizeof *whole.pos * (size_t) whole.n);
		assert_memory_equal(little.len, whole.len, sizeof *whole.len * (size_t) whole.n);
		arena_free(&arena);
		free(text);
		test_tokenizer_close(&test);
	}
}

/* All of it, once. */
static void
test_whole(void **state)
{
	TestTokenizer test = test_tokenizer_import(cases[0].folder, cases[0].use_fast);
	EncodeOptions options = {.add_special_tokens = false};
	Arena		  arena;
	Error		  error;
	size_t		  length, n, one;
	char		 *text = make_text(cases[0].piece, &length);

	arena_init(&arena, MEMORY);
	TEST_MUST(tokenizer_count(&test.tokenizer, &arena, text, strlen(cases[0].piece), NULL, 0,
							  &options, &one, &error),
			  error);
	TEST_MUST(tokenizer_count(&test.tokenizer, &arena, text, length, NULL, 0, &options, &n, &error),
			  error);
	assert_int_equal(n, length / strlen(cases[0].piece) * one);
	arena_free(&arena);
	free(text);
	test_tokenizer_close(&test);
}

static bool
count_part(void *argument, const Encoding *part, Error *error)
{
	size_t *n = argument;

	*n += (size_t) part->n;
	return *n < 100000 || error_set(error, ERR_CANCELLED, "enough");
}

static bool
count_chunk(void *argument, const Chunk *chunk, Error *error)
{
	++*(size_t *) argument;
	return true;
}

static void
test_parts(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		TestTokenizer test = test_tokenizer_import(cases[i].folder, cases[i].use_fast);
		Patience	  patience = {.limit = 100};
		ChunkOptions  options = {
			 .max_tokens = 64, .overlap = 8, .interrupted = is_impatient, .argument = &patience};
		EncodeOptions plain = {.wants_texts = true};
		Chunker		 *chunker;
		Arena		  arena;
		Error		  error;
		size_t		  length, n = 0;
		char		 *text = make_text(cases[i].piece, &length);

		arena_init(&arena, MEMORY);
		assert_false(tokenizer_stream(&test.tokenizer, &arena, text, length, text, 10, &plain,
									  count_part, &n, &error));
		assert_int_equal(error.code, ERR_CANCELLED);
		assert_true(n >= 100000);
		arena_reset(&arena);
		n = 0;
		chunker = chunker_create(&test.tokenizer, &options, &error);
		assert_non_null(chunker);
		assert_false(chunker_run(chunker, &arena, text, length, count_chunk, &n, &error));
		if (error.code != ERR_CANCELLED)
			fail_msg("%s: %s", cases[i].folder, error.message);
		assert_true(n > 20 && n < 100);
		chunker_free(chunker);
		arena_free(&arena);
		free(text);
		test_tokenizer_close(&test);
	}
}

static void
test_decode(void **state)
{
	enum
	{
		IDS = 2000000
	};
	int32_t *ids = malloc(IDS * sizeof *ids);

	assert_non_null(ids);
	for (int i = 0; i < IDS; i++)
		ids[i] = 5 + i % 100;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		TestTokenizer test = test_tokenizer_import(cases[i].folder, cases[i].use_fast);
		Patience	  patience = {.limit = SIZE_MAX};
		EncodeOptions options = {.interrupted = is_impatient, .argument = &patience};
		Arena		  arena;
		Error		  error;
		size_t		  length, asked;
		char		 *text;

		arena_init(&arena, (size_t) 1 << 28);
		TEST_MUST(tokenizer_decode_long(&test.tokenizer, &arena, ids, IDS, false, &options, &text,
										&length, &error),
				  error);
		asked = patience.asked;
		assert_true(asked > IDS / 16384);
		/* at any time */
		for (size_t at = 0; at < asked; at += asked / 7 + 1)
		{
			patience = (Patience){.limit = at};
			arena_reset(&arena);
			assert_false(tokenizer_decode_long(&test.tokenizer, &arena, ids, IDS, false, &options,
											   &text, &length, &error));
			assert_int_equal(error.code, ERR_CANCELLED);
		}
		arena_free(&arena);
		test_tokenizer_close(&test);
	}
	free(ids);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory), cmocka_unit_test(test_little), cmocka_unit_test(test_whole),
		cmocka_unit_test(test_parts),  cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
