/*
 * test_continuation.c: texts of tokens that come one by one: where stop strings cut them, and what may be shown.
 *
 * Every text is compared with what decoding the whole gives, over tokenizers that join bytes, fall back to
 * bytes, join pieces of words and clean up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "task/continuation.h"
#include "test_tokenizers.h"

#define FIXTURES "test/reference/tokenizers"
#define PROMPT 3
#define MAX_IDS 512

static const char *const names[] = {
	"class-opt-fast",  "decoder-byte-fallback", "real-minilm",		 "real-roberta-base",
	"model-unigram",   "decoder-metaspace",		"decoder-wordpiece", "decoder-wordpiece-cleanup",
	"class-bert-slow",
};

static const char *const texts[] = {
	"The quick brown fox did n't jump , it 's lazy . \" I 'm not sure ! \" she said ?",
	"Caf\xC3\xA9 na\xC3\xAFve \xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "
	"\xE4\xBB\x8A\xE5\xA4\xA9"
	"\xE5\xA4\xA9\xE6\xB0\x94 done.",
	"one\ntwo\n\nthree   spaces ' t we 've they 're done ... ok",
};

typedef struct Sample
{
	const Tokenizer *tokenizer;
	int32_t			 ids[MAX_IDS];
	int				 n;
	Arena			 arena;
} Sample;

static void
sample_make(Sample *sample, const Tokenizer *tokenizer, const char *text)
{
	Encoding	  encoding;
	EncodeOptions options = {0};
	Error		  error;

	arena_init(&sample->arena, 0);
	sample->tokenizer = tokenizer;
	TEST_MUST(tokenizer_encode(tokenizer, &sample->arena, text, strlen(text), NULL, 0, &options,
							   &encoding, &error),
			  error);
	assert_in_range(encoding.n, PROMPT + 2, MAX_IDS);
	memcpy(sample->ids, encoding.ids, (size_t) encoding.n * sizeof(int32_t));
	sample->n = encoding.n;
}

/* The continuation of the first n ids; valid until the next call. */
static const char *
whole(Sample *sample, int n, size_t *length)
{
	char *text;
	Error error;

	arena_reset(&sample->arena);
	TEST_MUST(continuation_text(sample->tokenizer, &sample->arena, sample->ids, PROMPT, n, &text,
								length, &error),
			  error);
	return text;
}

/* Feeds the tokens one by one; the text that was shown, and how many tokens it took. */
static int
stream(Sample *sample, const StopList *stops, char *shown, size_t *n_shown)
{
	ContinuationStream stream = {.tokenizer = sample->tokenizer, .stops = *stops};
	Error			   error;
	bool			   stopped = false;
	int				   n = PROMPT;

	*n_shown = 0;
	while (n < sample->n && !stopped)
	{
		const char *piece;
		size_t		length;

		n++;
		arena_reset(&sample->arena);
		TEST_MUST(continuation_stops(sample->tokenizer, stops, &sample->arena, sample->ids, PROMPT,
									 n, &stopped, &error),
				  error);
		TEST_MUST(continuation_next(&stream, &sample->arena, sample->ids, PROMPT, n,
									stopped || n == sample->n, &piece, &length, &error),
				  error);
		assert_true(*n_shown + length < 4096);
		memcpy(shown + *n_shown, piece, length);
		*n_shown += length;
	}
	return n;
}

static void
check_whole(Sample *sample)
{
	char		   shown[4096];
	size_t		   n_shown, length;
	const StopList none = {0};
	const char	  *text;

	stream(sample, &none, shown, &n_shown);
	text = whole(sample, sample->n, &length);
	if (n_shown != length || memcmp(text, shown, length) != 0)
		fail_msg("\"%.*s\" was shown of \"%s\"", (int) n_shown, shown, text);
}

/* A stop string must end the text with the first token that completes it, and cut it before itself. */
static void
check_stop(Sample *sample, const char *stop, size_t size)
{
	int32_t		   offsets[3] = {0, 9, 9 + (int32_t) size};
	char		   bytes[64] = "\x01nowhere\x01", shown[4096];
	const StopList stops = {2, offsets, bytes};
	size_t		   n_shown, length;
	const char	  *text;
	int			   expected = PROMPT, n;

	memcpy(bytes + 9, stop, size);
	do
		text = whole(sample, ++expected, &length);
	while (expected < sample->n && memmem(text, length, bytes + 9, size) == NULL);
	n = stream(sample, &stops, shown, &n_shown);
	text = whole(sample, n, &length);
	if (n != expected || n_shown != stop_find(&stops, text, length) ||
		memcmp(text, shown, n_shown) != 0)
		fail_msg("\"%.*s\" stopped at token %d instead of %d, and \"%.*s\" was shown of \"%s\"",
				 (int) size, stop, n, expected, (int) n_shown, shown, text);
}

static void
stops_cut_exactly(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
	{
		char		  folder[256];
		TestTokenizer test;

		snprintf(folder, sizeof folder, FIXTURES "/%s", names[i]);
		test = test_tokenizer_import(folder, -1);
		for (size_t j = 0; j < sizeof texts / sizeof *texts; j++)
		{
			Sample sample;
			char   text[4096];
			size_t length, at = 0;

			sample_make(&sample, &test.tokenizer, texts[j]);
			check_whole(&sample);
			snprintf(text, sizeof text, "%s", whole(&sample, sample.n, &length));
			while (at < length)
			{
				size_t end = at;

				for (int size = 1; size <= 12 && end < length; size++)
				{
					utf8_next(text, length, &end);
					if (size < 4 || size % 4 == 0)
						check_stop(&sample, text + at, end - at);
				}
				utf8_next(text, length, &at);
			}
			arena_free(&sample.arena);
		}
		test_tokenizer_close(&test);
	}
}

/* The prompt's own text is not looked at, and a continuation may begin within a word. */
static void
prompt_is_left_out(void **state)
{
	TestTokenizer test = test_tokenizer_import(FIXTURES "/real-minilm", -1);
	Encoding	  encoding;
	EncodeOptions options = {0};
	Arena		  arena;
	Error		  error;
	char		 *text;
	size_t		  length;
	int32_t		  offsets[] = {0, 3};
	StopList	  stops = {1, offsets, "the"};
	bool		  stopped;

	(void) state;
	arena_init(&arena, 0);
	TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, "the unaffable", 13, NULL, 0, &options,
							   &encoding, &error),
			  error);
	assert_true(encoding.n > 2);
	TEST_MUST(continuation_text(&test.tokenizer, &arena, encoding.ids, 2, encoding.n, &text,
								&length, &error),
			  error);
	assert_true(length > 0 && text[0] != ' ' && text[0] != '#');
	TEST_MUST(continuation_stops(&test.tokenizer, &stops, &arena, encoding.ids, 2, encoding.n,
								 &stopped, &error),
			  error);
	assert_false(stopped);
	arena_free(&arena);
	test_tokenizer_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_cut_exactly),
		cmocka_unit_test(prompt_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
