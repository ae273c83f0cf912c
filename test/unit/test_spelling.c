/*
 * test_spelling.c: the bytes that tokens add to a text, of each kind of decoder that has such.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_tokenizers.h"
#include "tok/spelling.h"

#define FIXTURES "test/reference/tokenizers/"

static const char *const spelling[] = {"class-opt-fast",
									   "class-gpt2-fast",
									   "decoder-byte-level",
									   "decoder-metaspace",
									   "decoder-fuse",
									   "model-unigram",
									   "model-unigram-byte-fallback",
									   "class-t5-fast",
									   "model-bpe-byte-fallback",
									   "real-t5-small",
									   "real-roberta-base",
									   "pre-metaspace-never"};

/* Without decoder, of WordPiece and such, a Replace by more than a byte, a Strip of every token or of both ends. */
static const char *const others[] = {
	"decoder-none",		   "decoder-wordpiece", "real-minilm",		  "class-bert-slow",
	"decoder-bpe",		   "decoder-ctc",		"decoder-replace",	  "decoder-strip",
	"decoder-strip-fused", "decoder-sequence",	"class-roformer-fast"};

static const char *const texts[] = {
	"the quick brown fox, and a dog! 12 3",
	("Caf\xC3\xA9 na\xC3\xAFve \xF0\x9F\x98\x80\xF0\x9F\x91\x8D \xE4\xBB\x8A\xE5\xA4\xA9 "
	 "\xE2\x86\x92 done."),
	"one  two\nthree {\"a\": [1, \"b\"]}",
};

/* Behind the first tokens that give a text, so that none is at the beginning, the spellings joined are what decoding
 * adds; how many there were. */
static int
compare(const char *name, const Tokenizer *tokenizer, const char *text)
{
	Arena		  arena;
	Encoding	  encoding;
	EncodeOptions options = {0};
	char		  joined[4096], *first, *whole;
	size_t		  n = 0, n_first = 0, n_whole;
	int			  begin = 0;
	Error		  error;

	arena_init(&arena, 0);
	TEST_MUST(tokenizer_encode(tokenizer, &arena, text, strlen(text), NULL, 0, &options, &encoding,
							   &error),
			  error);
	for (first = ""; n_first == 0 && begin < encoding.n; begin++)
		TEST_MUST(tokenizer_decode(tokenizer, &arena, encoding.ids, begin + 1, true, &first,
								   &n_first, &error),
				  error);
	TEST_MUST(tokenizer_decode(tokenizer, &arena, encoding.ids, encoding.n, true, &whole, &n_whole,
							   &error),
			  error);
	for (int i = begin; i < encoding.n; i++)
		n += tokenizer_spell(tokenizer, encoding.ids[i], joined + n, 256);
	if (n_whole - n_first != n || memcmp(whole + n_first, joined, n) != 0)
		fail_msg("%s: \"%s\" behind \"%s\" is spelled \"%.*s\"", name, whole, first, (int) n,
				 joined);
	arena_free(&arena);
	return encoding.n - begin;
}

static void
test_behind_a_token(void **state)
{
	for (size_t i = 0; i < sizeof spelling / sizeof *spelling; i++)
	{
		char		  folder[256];
		TestTokenizer test;
		int			  n = 0;

		snprintf(folder, sizeof folder, FIXTURES "%s", spelling[i]);
		test = test_tokenizer_import(folder, -1);
		if (!tokenizer_spells(&test.tokenizer))
			fail_msg("%s does not spell", spelling[i]);
		for (size_t j = 0; j < sizeof texts / sizeof *texts; j++)
			n += compare(spelling[i], &test.tokenizer, texts[j]);
		assert_true(n > 5);
		test_tokenizer_close(&test);
	}
}

static void
test_others(void **state)
{
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
	{
		char		  folder[256];
		TestTokenizer test;

		snprintf(folder, sizeof folder, FIXTURES "%s", others[i]);
		test = test_tokenizer_import(folder, -1);
		if (tokenizer_spells(&test.tokenizer))
			fail_msg("%s spells", others[i]);
		test_tokenizer_close(&test);
	}
}

/* The token of a string; -1: there is none. */
static int32_t
id_of(const Tokenizer *tokenizer, const char *token)
{
	size_t length;

	for (int32_t id = 0; id < tokenizer->n_vocab; id++)
	{
		const char *bytes = tokenizer_token(tokenizer, id, &length);

		if (bytes != NULL && length == strlen(token) && memcmp(bytes, token, length) == 0)
			return id;
	}
	return -1;
}

static void
test_tokens(void **state)
{
	static const struct
	{
		const char *token, *spelling;
	} cases[] = {
		{"<0xE2>", "\xE2"}, {"<0x0A>", "\n"}, {"\xE2\x96\x81", " "}, {"<s>", ""}, {"a", "a"}};
	TestTokenizer test = test_tokenizer_import(FIXTURES "model-bpe-byte-fallback", -1);
	char		  bytes[256];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
	{
		int32_t id = id_of(&test.tokenizer, cases[i].token);

		assert_true(id >= 0);
		assert_int_equal(tokenizer_spell(&test.tokenizer, id, bytes, sizeof bytes),
						 strlen(cases[i].spelling));
		assert_memory_equal(bytes, cases[i].spelling, strlen(cases[i].spelling));
		assert_int_equal(tokenizer_spell(&test.tokenizer, id, bytes, strlen(cases[i].token) - 1),
						 0);
	}
	assert_int_equal(tokenizer_spell(&test.tokenizer, -1, bytes, sizeof bytes), 0);
	assert_int_equal(tokenizer_spell(&test.tokenizer, test.tokenizer.n_vocab, bytes, sizeof bytes),
					 0);
	test_tokenizer_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behind_a_token),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
