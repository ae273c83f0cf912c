/*
 * test_tokenizer_import.c: what the importer refuses, and what the tokenizer does with limits, interruption and
 * damaged tables.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "test_tokenizers.h"

#define FIXTURE "test/reference/tokenizers/bert-fast"

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

/* Imports tokenizer.json (or vocab.txt) with tokenizer_config.json, which may be NULL. */
static bool
import(const char *json, const char *vocab, const char *config, bool *found, Error *error)
{
	char			 folder[] = "/tmp/pg_infer_test_XXXXXX";
	char			*path = test_temporary();
	TokenizerOptions options = {.use_fast = -1};
	TokenizerSummary summary;
	ImageWriter		*writer = image_writer_create(path, error);
	bool			 result;

	assert_non_null(writer);
	assert_non_null(mkdtemp(folder));
	if (json)
		write_file(folder, "tokenizer.json", json);
	if (vocab)
		write_file(folder, "vocab.txt", vocab);
	if (config)
		write_file(folder, "tokenizer_config.json", config);
	result = import_tokenizer(writer, folder, &options, found, &summary, error);
	image_writer_abort(writer);
	test_remove_folder(folder);
	free(path);
	return result;
}

#define MODEL(vocab) "\"model\": {\"type\": \"WordPiece\", \"vocab\": {" vocab "}}"
#define GOOD MODEL("\"[UNK]\": 0, \"a\": 1, \"##b\": 2, \"[CLS]\": 3, \"[SEP]\": 4")
#define TEMPLATE(single, pair, special)                                                            \
	"{" GOOD ", \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": " single        \
	", \"pair\": " pair ", \"special_tokens\": {" special "}}}"
#define TEXT "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"

static const struct
{
	const char *json, *config;
	ErrorCode	code;
	const char *message; /* a part of it */
} refused[] = {
	{"", NULL, ERR_DATA, "tokenizer.json: line 1"},
	{"{\"model\": ", NULL, ERR_DATA, "tokenizer.json: line 1"},
	{"[]", NULL, ERR_DATA, "tokenizer.json: $: expected an object, found an array"},
	{"{}", NULL, ERR_DATA, "tokenizer.json: $: \"model\" is missing"},
	{"{\"model\": 1}", NULL, ERR_DATA, "$.model: expected an object, found an integer"},
	{"{\"model\": {\"type\": 3}}", NULL, ERR_DATA, "$.model.type: expected a string"},
	{"{\"model\": {\"type\": \"Word\"}}", NULL, ERR_UNSUPPORTED,
	 "$.model: \"Word\" is not supported"},
	{"{\"model\": {\"type\": \"WordPiece\"}}", NULL, ERR_DATA, "$.model: \"vocab\" is missing"},
	{"{\"model\": {\"type\": \"WordPiece\", \"vocab\": []}}", NULL, ERR_DATA,
	 "$.model.vocab: expected an object, found an array"},
	{"{" MODEL("\"a\": \"1\"") "}", NULL, ERR_DATA, "$.model.vocab.a: expected an integer"},
	{"{" MODEL("\"a\": -1") "}", NULL, ERR_DATA, "$.model.vocab.a: -1 is outside 0 .."},
	{"{" MODEL("\"a\": 2000000000") "}", NULL, ERR_DATA, "2000000000 is outside 0 .."},
	{"{" MODEL("\"a\": 1.5") "}", NULL, ERR_DATA, "expected an integer, found a number"},
	{"{" MODEL("\"a\": 1, \"b\": 1") "}", NULL, ERR_DATA, "id 1 is given to \"a\" and to \"b\""},
	{"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {}, \"max_input_chars_per_word\": -5}}",
	 NULL, ERR_DATA, "$.model.max_input_chars_per_word: -5 is outside 0 .."},
	{"{" GOOD ", \"normalizer\": {\"type\": \"Nonesuch\"}}", NULL, ERR_UNSUPPORTED,
	 "$.normalizer: \"Nonesuch\" is not supported"},
	{"{" GOOD ", \"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": 1}}", NULL, ERR_DATA,
	 "$.normalizer.lowercase: expected a boolean, found an integer"},
	{"{" GOOD ", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"No\"}]}}",
	 NULL, ERR_UNSUPPORTED, "$.normalizer.normalizers[0]: \"No\" is not supported"},
	{"{" GOOD ", \"pre_tokenizer\": {\"type\": \"Sequence\"}}", NULL, ERR_DATA,
	 "$.pre_tokenizer: \"pretokenizers\" is missing"},
	{"{" GOOD ", \"decoder\": \"WordPiece\"}", NULL, ERR_DATA, "$.decoder: expected an object"},
	{"{" GOOD ", \"added_tokens\": {}}", NULL, ERR_DATA, "$.added_tokens: expected an array"},
	{"{" GOOD ", \"added_tokens\": [{\"id\": 5}]}", NULL, ERR_DATA,
	 "$.added_tokens[0]: \"content\" is missing"},
	{"{" GOOD ", \"added_tokens\": [{\"id\": 9, \"content\": \"x\"}]}", NULL, ERR_DATA,
	 "$.added_tokens[0]: \"x\" has id 9, but its place in the vocabulary is 5"},
	{"{" GOOD ", \"added_tokens\": [{\"id\": 5, \"content\": \"x\", \"special\": \"yes\"}]}", NULL,
	 ERR_DATA, "$.added_tokens[0].special: expected a boolean"},
	{"{" MODEL("\"a\": 0, \"b\": 2") ", \"added_tokens\": [{\"id\": 2, \"content\": \"x\"}]}", NULL,
	 ERR_DATA, "id 2 is given to \"b\" and to \"x\""},
	{"{" GOOD ", \"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 4]}}",
	 NULL, ERR_DATA, "$.post_processor: \"cls\" is missing"},
	{"{" GOOD ", \"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 99], "
	 "\"cls\": [\"[CLS]\", 3]}}",
	 NULL, ERR_DATA, "99 is outside 0 .. 4"},
	{TEMPLATE("[" TEXT "]", "[{}]", ""), NULL, ERR_DATA,
	 "$.post_processor.pair[0]: neither \"SpecialToken\" nor \"Sequence\""},
	{TEMPLATE("[{\"SpecialToken\": {\"id\": \"[X]\", \"type_id\": 0}}]", "[]", ""), NULL, ERR_DATA,
	 "$.post_processor.special_tokens: \"[X]\" is missing"},
	{TEMPLATE("[{\"SpecialToken\": {\"id\": \"[X]\", \"type_id\": 0}}]", "[]",
			  "\"[X]\": {\"id\": \"[X]\", \"ids\": [5], \"tokens\": [\"[X]\"]}"),
	 NULL, ERR_DATA, "$.post_processor.special_tokens.[X].ids[0]: 5 is outside 0 .. 4"},
	{TEMPLATE("[{\"Sequence\": {\"id\": \"B\", \"type_id\": 0}}]", "[]", ""), NULL, ERR_DATA,
	 "$.post_processor.single[0].Sequence.id: \"B\" is no sequence"},
	{"{" GOOD "}", "{\"model_max_length\": \"x\"}", ERR_DATA,
	 "tokenizer_config.json: $.model_max_length: expected a number"},
	{"{" GOOD "}", "{\"unk_token\": 3}", ERR_DATA, "$.unk_token: expected a string"},
	{"{" GOOD "}", "{\"do_lower_case\": \"no\"}", ERR_DATA, "$.do_lower_case: expected a boolean"},
	{"{" GOOD "}", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"x\"}}}", ERR_DATA,
	 "$.added_tokens_decoder.x: \"x\" is no id"},
	{"{" GOOD "}", "{\"tokenizer_class\": 1}", ERR_DATA, "$.tokenizer_class: expected a string"},
};

/* A component beside a good model. */
#define WITH(stage, component) "{" GOOD ", \"" stage "\": " component "}"
#define BPE(vocab, merges, more)                                                                   \
	"{\"model\": {\"type\": \"BPE\", \"vocab\": {" vocab "}, \"merges\": [" merges "]" more "}}"
#define REGEX(pattern)                                                                             \
	WITH("pre_tokenizer", "{\"type\": \"Split\", \"behavior\": \"Isolated\", \"invert\": false, "  \
						  "\"pattern\": {\"Regex\": \"" pattern "\"}}")

/* One of every component that is malformed, and the path of what is wrong with it. */
static const struct
{
	const char *json, *message;
} malformed[] = {
	{BPE("\"a\": 0, \"b\": 1", "\"a b\"", ""),
	 "$.model.merges[0]: \"ab\" is not in the vocabulary"},
	{BPE("\"a\": 0", "\"a x\"", ""), "$.model.merges[0]: \"x\" is not in the vocabulary"},
	{BPE("\"a\": 0", "\"a\"", ""), "$.model.merges[0]: expected two words, found \"a\""},
	{BPE("\"a\": 0", "[\"a\"]", ""), "$.model.merges[0]: expected two strings, found 1"},
	{BPE("\"a\": 0", "7", ""), "$.model.merges[0]: expected a string, found an integer"},
	{BPE("\"a\": 0", "", ", \"unk_token\": \"u\""), "unk_token \"u\" is not in the vocabulary"},
	{BPE("\"a\": 0", "", ", \"dropout\": \"x\""), "$.model.dropout: expected a number"},
	{BPE("\"a\": 0", "", ", \"fuse_unk\": 1"), "$.model.fuse_unk: expected a boolean"},
	{"{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}}}",
	 "$.model: \"unk_token\" is missing"},
	{"{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": {}}, \"unk_token\": \"a\"}}",
	 "$.model.vocab.a: expected an integer, found an object"},
	{"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.0], [\"b\"]]}}",
	 "$.model.vocab[1]: expected a token and a score, found 1 values"},
	{"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", \"b\"]]}}",
	 "$.model.vocab[0][1]: expected a number"},
	{"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.0]], \"unk_id\": 1}}",
	 "$.model.unk_id: 1 is outside 0 .. 0"},
	{WITH("normalizer", "{\"type\": \"Sequence\"}"), "$.normalizer: \"normalizers\" is missing"},
	{WITH("normalizer", "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFX\"}]}"),
	 "$.normalizer.normalizers[0]: \"NFX\" is not supported"},
	{WITH("normalizer", "{\"type\": \"Prepend\", \"prepend\": 1}"),
	 "$.normalizer.prepend: expected a string"},
	{WITH("normalizer", "{\"type\": \"Strip\", \"strip_left\": 1}"),
	 "$.normalizer.strip_left: expected a boolean"},
	{WITH("normalizer", "{\"type\": \"Replace\", \"pattern\": {}, \"content\": \"\"}"),
	 "$.normalizer.pattern: neither \"String\" nor \"Regex\""},
	{WITH("normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\": \"a\"}}"),
	 "$.normalizer: \"content\" is missing"},
	{WITH("normalizer", "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AA\"}"),
	 "$.normalizer.precompiled_charsmap"},
	{WITH("pre_tokenizer", "{\"type\": \"Digits\", \"individual_digits\": \"x\"}"),
	 "$.pre_tokenizer.individual_digits: expected a boolean"},
	{WITH("pre_tokenizer", "{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"ab\"}"),
	 "$.pre_tokenizer.delimiter: expected one character, found \"ab\""},
	{WITH("pre_tokenizer", "{\"type\": \"Punctuation\", \"behavior\": \"Gone\"}"),
	 "$.pre_tokenizer.behavior: \"Gone\" is no behavior"},
	{WITH("pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"\"}"),
	 "$.pre_tokenizer.replacement: expected one character"},
	{WITH("pre_tokenizer", "{\"type\": \"ByteLevel\", \"add_prefix_space\": \"\"}"),
	 "$.pre_tokenizer.add_prefix_space: expected a boolean"},
	{WITH("pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\": 3}}"),
	 "$.pre_tokenizer.pattern.Regex: expected a string"},
	{REGEX("(a+)+$"), "$.pre_tokenizer.pattern.Regex: regular expression takes exponential time"},
	{REGEX("([a-z]+\\\\s?)*!"), "$.pre_tokenizer.pattern.Regex: regular expression takes exponent"},
	{REGEX("a("), "$.pre_tokenizer.pattern.Regex: regular expression: \")\" is missing"},
	{REGEX("[b-a]"), "$.pre_tokenizer.pattern.Regex: regular expression: a range is empty"},
	{REGEX("\\\\p{Klingon}"), "there is no such property of characters (at character 11)"},
	{REGEX("(?~a)"), "a group of this kind is not supported"},
	{REGEX("(?:(?:(?:a{1000}){1000}){1000})"), "Regex: regular expression is too large"},
	{WITH("post_processor", "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\"]}"),
	 "$.post_processor: \"cls\" is missing"},
	{WITH("post_processor", "{\"type\": \"RobertaProcessing\", \"cls\": [\"a\", 1], \"sep\": [1]}"),
	 "$.post_processor.sep: expected a token and its id"},
	{WITH("post_processor",
		  "{\"type\": \"BertProcessing\", \"cls\": [\"a\", 9], \"sep\": [\"a\", 1]}"),
	 "$.post_processor.cls[1]: 9 is outside 0 .. 4"},
	{WITH("decoder", "{\"type\": \"BPEDecoder\"}"), "$.decoder: \"suffix\" is missing"},
	{WITH("decoder", "{\"type\": \"CTC\", \"pad_token\": \"\", \"word_delimiter_token\": 1}"),
	 "$.decoder.word_delimiter_token: expected a string"},
	{WITH("decoder", "{\"type\": \"Strip\", \"content\": \"a\", \"start\": -1}"),
	 "$.decoder.start: -1 is outside 0 .."},
	{WITH("decoder", "{\"type\": \"WordPiece\", \"prefix\": []}"),
	 "$.decoder.prefix: expected a string, found an array"},
	{WITH("decoder", "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, 3]}"),
	 "$.decoder.decoders[1]: expected an object, found an integer"},
	{WITH("added_tokens", "[{\"content\": \"x\", \"id\": 17}]"),
	 "$.added_tokens[0]: \"x\" has id 17, but its place in the vocabulary is 5"},
	{WITH("added_tokens", "[{\"content\": \"x\", \"lstrip\": 1}]"),
	 "$.added_tokens[0].lstrip: expected a boolean"},
};

static void
test_malformed(void **state)
{
	for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
	{
		Error error = {0};
		bool  found;

		if (import(malformed[i].json, NULL, NULL, &found, &error))
			fail_msg("case %zu is taken: %s", i, malformed[i].json);
		if (strncmp(error.message, "tokenizer.json: $", 17) != 0 ||
			!strstr(error.message, malformed[i].message))
			fail_msg("case %zu: \"%s\", expected \"%s\"", i, error.message, malformed[i].message);
	}
}

static void
test_refused(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
	{
		Error error = {0};
		bool  found;

		if (import(refused[i].json, NULL, refused[i].config, &found, &error))
			fail_msg("case %zu is taken: %s", i, refused[i].json);
		if (error.code != refused[i].code || !strstr(error.message, refused[i].message))
			fail_msg("case %zu: \"%s\" (%d), expected \"%s\" (%d)", i, error.message,
					 (int) error.code, refused[i].message, (int) refused[i].code);
	}
}

static void
test_vocab_refused(void **state)
{
	const char *config = "{\"tokenizer_class\": \"BertTokenizer\"}";
	Error		error = {0};
	bool		found;

	assert_false(import(NULL, "[UNK]\n[CLS]\n[SEP]\n\xff\n", config, &found, &error));
	assert_string_equal(error.message, "vocab.txt: $: line 4 is not valid UTF-8");
	assert_false(
		import(NULL, "[UNK]\n", "{\"tokenizer_class\": \"OtherTokenizer\"}", &found, &error));
	assert_int_equal(error.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(error.message, "\"OtherTokenizer\" is not supported"));
	assert_true(import(NULL, "[UNK]\n[CLS]\r\n[SEP]\r[PAD]\n[MASK]\na\na", config, &found, &error));
	assert_true(found);
	assert_true(import(NULL, NULL, config, &found, &error));
	assert_false(found);
}

static void
test_limits(void **state)
{
	TestTokenizer test = test_tokenizer_import(FIXTURE, -1);
	Arena		  arena;
	Encoding	  encoding;
	EncodeOptions options = {.add_special_tokens = true, .max_length = 5};
	Error		  error;

	arena_init(&arena, 0);
	assert_int_equal(tokenizer_template_size(&test.tokenizer, false), 2);
	assert_int_equal(tokenizer_template_size(&test.tokenizer, true), 3);
	assert_false(tokenizer_encode(&test.tokenizer, &arena, "a a a a", 7, NULL, 0, &options,
								  &encoding, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	assert_string_equal(error.message, "text has 6 tokens, but at most 5 are allowed");
	assert_false(
		tokenizer_encode(&test.tokenizer, &arena, "a a", 3, "a a", 3, &options, &encoding, &error));
	assert_string_equal(error.message, "text and pair have 7 tokens, but at most 5 are allowed");
	TEST_MUST(
		tokenizer_encode(&test.tokenizer, &arena, "a a a", 5, NULL, 0, &options, &encoding, &error),
		error);
	assert_int_equal(encoding.n, 5);
	options.max_length = 1;
	options.truncate = TRUNCATE_END;
	assert_false(
		tokenizer_encode(&test.tokenizer, &arena, "a", 1, NULL, 0, &options, &encoding, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	options.max_length = 2;
	TEST_MUST(
		tokenizer_encode(&test.tokenizer, &arena, "a", 1, NULL, 0, &options, &encoding, &error),
		error);
	assert_int_equal(encoding.n, 2);
	assert_int_equal(encoding.n_whole, 3);
	arena_free(&arena);
	test_tokenizer_close(&test);
}

static int calls;

static bool
count_calls(void *argument)
{
	return ++calls == *(int *) argument;
}

/* A long text is counted in memory that does not grow with it, cut like a short one, and can be stopped. */
static void
test_long_text(void **state)
{
	TestTokenizer test = test_tokenizer_import(FIXTURE, -1);
	const char	 *sentence = "Hello, \xe4\xbd\xa0 caf\xc3\xa9 world ";
	size_t		  n = strlen(sentence), repeat = 200000;
	char		 *text = malloc(n * repeat);
	Arena		  arena;
	Encoding	  encoding, one;
	EncodeOptions options = {.max_length = 20, .truncate = TRUNCATE_START};
	int			  stop_at = 3;
	Error		  error;

	arena_init(&arena, 0);
	for (size_t i = 0; i < repeat; i++)
		memcpy(text + i * n, sentence, n);
	TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, n * repeat, NULL, 0, &options,
							   &encoding, &error),
			  error);
	assert_int_equal(encoding.n, 20);
	assert_true(arena.size < 1 << 20);
	options.max_length = 0;
	TEST_MUST(
		tokenizer_encode(&test.tokenizer, &arena, sentence, n, NULL, 0, &options, &one, &error),
		error);
	TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, n * repeat, NULL, 0, &options,
							   &encoding, &error),
			  error);
	assert_int_equal(encoding.n, one.n * (int) repeat);
	for (int i = 0; i < encoding.n; i++)
	{
		int shift = i / one.n * (int) utf8_count(sentence, n);

		if (encoding.ids[i] != one.ids[i % one.n] || encoding.pos[i] != one.pos[i % one.n] + shift)
			fail_msg("token %d of a long text is another", i);
	}
	options.interrupted = count_calls;
	options.argument = &stop_at;
	assert_false(tokenizer_encode(&test.tokenizer, &arena, text, n * repeat, NULL, 0, &options,
								  &encoding, &error));
	assert_int_equal(error.code, ERR_CANCELLED);
	assert_int_equal(calls, 3);
	free(text);
	arena_free(&arena);
	test_tokenizer_close(&test);
}

/* One word, one run of marks and one run of ideographs of a megabyte each; and bytes that are no UTF-8. */
static void
test_odd_text(void **state)
{
	static const char *const units[] = {"a", "\xcc\x81", "\xe4\xbd\xa0", "\xcc\xa7\xcc\x81",
										"\xff"};
	TestTokenizer			 test = test_tokenizer_import(FIXTURE, -1);
	size_t					 size = 1 << 20;
	char					*text = malloc(size);
	Arena					 arena;
	EncodeOptions			 options = {0};
	Encoding				 encoding;
	Error					 error;

	arena_init(&arena, 0);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
	{
		size_t unit = strlen(units[i]), n = size / unit * unit;

		for (size_t at = 0; at < n; at += unit)
			memcpy(text + at, units[i], unit);
		TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, n, NULL, 0, &options, &encoding,
								   &error),
				  error);
		assert_int_equal(encoding.n, i == 0 ? 1 : i == 2 ? (int) (n / unit) : 0);
		arena_reset(&arena);
	}
	free(text);
	arena_free(&arena);
	test_tokenizer_close(&test);
}

static void
test_vocabulary(void **state)
{
	TestTokenizer test = test_tokenizer_import(FIXTURE, -1);
	size_t		  length;

	assert_int_equal(test.tokenizer.n_vocab, test.summary.n_vocab);
	assert_true(test.summary.is_fast);
	assert_int_equal(test.tokenizer.unk_id, 1);
	assert_int_equal(test.tokenizer.cls_id, 2);
	assert_int_equal(test.tokenizer.bos_id, -1);
	for (int id = 0; id < test.tokenizer.n_vocab; id++)
	{
		const char *token = tokenizer_token(&test.tokenizer, id, &length);

		assert_non_null(token);
		assert_int_equal(tokenizer_id(&test.tokenizer, token, length), id);
		assert_int_equal(tokenizer_is_special(&test.tokenizer, id), id < 5);
	}
	assert_null(tokenizer_token(&test.tokenizer, -1, &length));
	assert_null(tokenizer_token(&test.tokenizer, test.tokenizer.n_vocab, &length));
	assert_int_equal(tokenizer_id(&test.tokenizer, "nonesuch", 8), -1);
	test_tokenizer_close(&test);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),		  cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_vocab_refused), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long_text),	  cmocka_unit_test(test_odd_text),
		cmocka_unit_test(test_vocabulary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
