/*
 * test_chunks.c: documents in chunks: their borders, spans, sizes and overlaps, in English, Chinese and text
 * without spaces, and what a long one costs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unicode/ubrk.h>

#include "base/utf8.h"
#include "task/chunks.h"
#include "test_tokenizers.h"

#define WORDPIECE "test/reference/tokenizers/real-minilm"
#define BYTES "test/reference/tokenizers/real-roberta-base"
#define CHINESE "test/reference/tokenizers/real-roformer-chinese"

typedef struct Found
{
	const Tokenizer *tokenizer;
	const char		*text;
	size_t			 length, max_tokens;
	char			 chunks[64][512]; /* the first ones */
	size_t			 n, n_tokens;
	Chunk			 last;
	bool			 graphemes; /* none may be cut */
	size_t			 stop;		/* after so many */
} Found;

/* Whether bytes at .. of a text begin a grapheme, as ICU sees the whole text. */
static bool
begins_grapheme(const char *text, size_t length, size_t at)
{
	UErrorCode		status = U_ZERO_ERROR;
	UText		   *whole = utext_openUTF8(NULL, text, (int64_t) length, &status);
	UBreakIterator *graphemes = ubrk_open(UBRK_CHARACTER, "", NULL, 0, &status);
	bool			result;

	ubrk_setUText(graphemes, whole, &status);
	assert_true(U_SUCCESS(status));
	result = ubrk_isBoundary(graphemes, (int32_t) at);
	ubrk_close(graphemes);
	utext_close(whole);
	return result;
}

static bool
take_chunk(void *argument, const Chunk *chunk, Error *error)
{
	Found		 *found = argument;
	size_t		  length = chunk->end - chunk->begin, n;
	Arena		  arena;
	EncodeOptions options = {.add_special_tokens = true};

	assert_true(chunk->begin < chunk->end && chunk->end <= found->length);
	assert_int_equal(utf8_count(found->text, chunk->begin), chunk->pos);
	assert_int_equal(utf8_count(found->text + chunk->begin, length), chunk->len);
	arena_init(&arena, 0);
	TEST_MUST(tokenizer_count(found->tokenizer, &arena, found->text + chunk->begin, length, NULL, 0,
							  &options, &n, error),
			  *error);
	arena_free(&arena);
	assert_int_equal(chunk->n_tokens, n);
	assert_true(n <= found->max_tokens);
	if (found->n > 0)
		assert_true(chunk->begin > found->last.begin && chunk->end > found->last.end);
	if (found->graphemes)
	{
		assert_true(begins_grapheme(found->text, found->length, chunk->begin));
		assert_true(begins_grapheme(found->text, found->length, chunk->end));
	}
	if (found->n < 64 && length < sizeof found->chunks[0])
		snprintf(found->chunks[found->n], sizeof found->chunks[0], "%.*s", (int) length,
				 found->text + chunk->begin);
	found->last = *chunk;
	found->n++;
	found->n_tokens += n;
	if (found->stop > 0 && found->n == found->stop)
		return error_set(error, ERR_CANCELLED, "enough");
	return true;
}

static bool
run(Found *found, const Tokenizer *tokenizer, const char *text, size_t length, size_t max_tokens,
	size_t overlap, Error *error)
{
	ChunkOptions options = {.max_tokens = max_tokens, .overlap = overlap};
	Chunker		*chunker = chunker_create(tokenizer, &options, error);
	Arena		 arena;
	bool		 result;

	if (!chunker)
		return false;
	found->tokenizer = tokenizer;
	found->text = text;
	found->length = length;
	found->max_tokens = max_tokens;
	arena_init(&arena, 0);
	result = chunker_run(chunker, &arena, text, length, take_chunk, found, error);
	arena_free(&arena);
	chunker_free(chunker);
	return result;
}

static void
expect(const Tokenizer *tokenizer, const char *text, size_t max_tokens, size_t overlap,
	   const char *const *chunks, size_t n)
{
	Found found = {.graphemes = true};
	Error error;

	TEST_MUST(run(&found, tokenizer, text, strlen(text), max_tokens, overlap, &error), error);
	for (size_t i = 0; i < n && i < found.n; i++)
		if (strcmp(chunks[i], found.chunks[i]) != 0)
			fail_msg("chunk %zu is \"%s\", expected \"%s\"", i, found.chunks[i], chunks[i]);
	if (found.n != n)
		fail_msg("%zu chunks, expected %zu; the last is \"%s\"", found.n, n,
				 found.chunks[found.n - 1]);
}

#define EXPECT(tokenizer, text, max_tokens, overlap, ...)                                          \
	expect(tokenizer, text, max_tokens, overlap, (const char *const[]){__VA_ARGS__},               \
		   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* A tokenizer for which every word of test_sentences is a token. */
static TestTokenizer
import_words(void)
{
	static const char vocab[] =
		"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n.\n!\n?\nthe\ncat\nsat\ndog\nran\nend\nis\nit\none\n"
		"two\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\nhe\npaid\napprox\npounds\nshe\nleft"
		"\n";
	char		  folder[] = "/tmp/pg_infer_test_XXXXXX", path[300];
	TestTokenizer test;
	FILE		 *file;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/vocab.txt", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(vocab, file);
	assert_int_equal(fclose(file), 0);
	snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("{\"tokenizer_class\": \"BertTokenizer\"}", file);
	assert_int_equal(fclose(file), 0);
	test = test_tokenizer_import(folder, 1);
	test_remove_folder(folder);
	return test;
}

static void
test_sentences(void **state)
{
	TestTokenizer	 test = import_words();
	const Tokenizer *t = &test.tokenizer;

	/* whole sentences while they fit */
	EXPECT(t, "The cat sat. The dog ran.  The end! Is it?", 10, 0, "The cat sat. The dog ran.",
		   "The end! Is it?");
	EXPECT(t, "One two.\nThree four five six seven eight nine ten.", 8, 0, "One two.",
		   "Three four five six seven eight", "nine ten.");
	/* a sentence that does not fit is cut between words */
	EXPECT(t, "one two three four five six seven", 5, 0, "one two three", "four five six", "seven");
	EXPECT(t, "one two three four five six seven", 5, 1, "one two three", "three four five",
		   "five six seven");
	/* an abbreviation ends no sentence where a small letter follows */
	EXPECT(t, "He paid approx. ten pounds. She left.", 9, 0, "He paid approx. ten pounds.",
		   "She left.");
	EXPECT(t, "  \t the end \n ", 5, 0, "the end");
	expect(t, "", 5, 0, NULL, 0);
	expect(t, " \n\t ", 5, 0, NULL, 0);
	test_tokenizer_close(&test);
}

static void
test_words(void **state)
{
	TestTokenizer	 test = test_tokenizer_import(BYTES, -1);
	const Tokenizer *t = &test.tokenizer;

	/* graphemes are whole: a family of four, a flag, letters with marks */
	EXPECT(t, "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7", 12, 0,
		   "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA", "\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7");
	EXPECT(t, "e\xCC\x81\xCC\xA3\xCC\x81 e\xCC\x81\xCC\xA3\xCC\x81", 10, 0,
		   "e\xCC\x81\xCC\xA3\xCC\x81", "e\xCC\x81\xCC\xA3\xCC\x81");
	test_tokenizer_close(&test);
}

static void
test_chinese(void **state)
{
	TestTokenizer	 test = test_tokenizer_import(CHINESE, 1);
	const Tokenizer *t = &test.tokenizer;

	EXPECT(t,
		   "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE9\x9D\x9E\xE5\xB8\xB8\xE5\xA5\xBD"
		   "\xE3\x80\x82\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA5\xBD\xE3\x80\x82",
		   10, 0,
		   "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE9\x9D\x9E\xE5\xB8\xB8\xE5\xA5\xBD"
		   "\xE3\x80\x82",
		   "\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA5\xBD\xE3\x80\x82");
	test_tokenizer_close(&test);
}

/* Texts of every kind, sizes and overlaps: take_chunk checks each chunk. */
static void
test_everything(void **state)
{
	static const char *const folders[] = {WORDPIECE, BYTES, CHINESE};
	static const char *const pieces[] = {
		"The cat sat on the mat. ",
		"\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE9\x9D\x9E\xE5\xB8\xB8\xE5\xA5\xBD",
		"\xE3\x80\x82",
		"supercalifragilistic",
		" \n\n  ",
		"\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
		"e\xCC\x81",
		"caf\xC3\xA9, na\xC3\xAFve! ",
		"\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 ",
		"[SEP] </s> ",
		"\r\n",
		"\xE0\xB8\xA0\xE0\xB8\xB2\xE0\xB8\xA9\xE0\xB8\xB2",
	};
	uint32_t state_ = 1;

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
	{
		TestTokenizer test = test_tokenizer_import(folders[i], -1);

		for (int round = 0; round < 150; round++)
		{
			Found  found = {0};
			char   text[4096];
			size_t length = 0, max_tokens, overlap;
			Error  error;

			for (int n = 1 + round % 40; n > 0; n--)
			{
				const char *piece;

				state_ = state_ * 1664525 + 1013904223;
				piece = pieces[(state_ >> 16) % (sizeof pieces / sizeof *pieces)];
				memcpy(text + length, piece, strlen(piece));
				length += strlen(piece);
			}
			max_tokens = 20 + round % 60;
			overlap = (size_t) round % 3 * 5;
			TEST_MUST(run(&found, &test.tokenizer, text, length, max_tokens, overlap, &error),
					  error);
		}
		test_tokenizer_close(&test);
	}
}

/* One word without end: tokens are all there is to cut between; and for WordPiece it is a single token. */
static void
test_giant_word(void **state)
{
	enum
	{
		LENGTH = 300000
	};
	char		 *word = malloc(LENGTH);
	TestTokenizer bytes = test_tokenizer_import(BYTES, -1);
	TestTokenizer pieces = test_tokenizer_import(WORDPIECE, -1);
	Found		  found = {0};
	Error		  error;

	for (int i = 0; i < LENGTH; i++)
		word[i] = (char) ('a' + i * 7 % 26);
	TEST_MUST(run(&found, &bytes.tokenizer, word, LENGTH, 128, 0, &error), error);
	assert_true(found.n > LENGTH / 128 / 4);
	assert_int_equal(found.last.end, LENGTH);
	found = (Found){0};
	TEST_MUST(run(&found, &pieces.tokenizer, word, LENGTH, 128, 0, &error), error);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.last.len, LENGTH);
	free(word);
	test_tokenizer_close(&bytes);
	test_tokenizer_close(&pieces);
}

static void
test_refused(void **state)
{
	TestTokenizer test = test_tokenizer_import(WORDPIECE, -1);
	Found		  found = {0};
	Error		  error;

	assert_false(run(&found, &test.tokenizer, "x", 1, 2, 0, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	assert_string_equal(error.message, "max_tokens must be at least 3, not 2");
	assert_false(run(&found, &test.tokenizer, "x", 1, 10, 8, &error));
	assert_string_equal(error.message, "overlap must be between 0 and 7, not 8");
	/* a sink that has enough */
	found.stop = 2;
	assert_false(run(&found, &test.tokenizer, "a b c d e f g", 13, 3, 0, &error));
	assert_int_equal(error.code, ERR_CANCELLED);
	assert_int_equal(found.n, 2);
	test_tokenizer_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentences),  cmocka_unit_test(test_words),
		cmocka_unit_test(test_chinese),	   cmocka_unit_test(test_everything),
		cmocka_unit_test(test_giant_word), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
