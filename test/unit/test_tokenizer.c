/*
 * test_tokenizer.c: tokenizers against transformers, over the fixtures of test/reference/make_tokenizers.py and
 * make_tokenizer_zoo.py; test/reference/README.md has their format.
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

/* Of make_tokenizers.py; the others are listed by zoo.json. */
static const char *const cases[] = {
	"bert-fast",	   "bert-fast-cased", "bert-fast-overruled", "bert-fast-generic",
	"bert-fast-added", "bert-vocab-fast", "bert-slow",			 "bert-slow-cased",
	"bert-slow-words", "bert-slow-added", "bert-slow-accents",	 "bert-slow-legacy",
};

static char mismatch[1000];

/* Notes a difference; false. */
static bool __attribute__((format(printf, 1, 2))) differ(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(mismatch, sizeof mismatch, format, arguments);
	va_end(arguments);
	return false;
}

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

static bool
same_numbers(const char *what, const json_t *expected, const int32_t *found, int n)
{
	if (json_array_size(expected) != (size_t) n)
		return differ("%d %s, expected %zu", n, what, json_array_size(expected));
	for (int i = 0; i < n; i++)
		if (json_integer_value(json_array_get(expected, (size_t) i)) != found[i])
			return differ("%s[%d] is %d, expected %lld", what, i, found[i],
						  (long long) json_integer_value(json_array_get(expected, (size_t) i)));
	return true;
}

/* An array of the fixture that has a default, or is not to be compared. */
static bool
same_optional(const char *what, const json_t *run, const int32_t *found, int n)
{
	const json_t *expected = json_object_get(run, what);

	if (expected)
		return json_is_null(expected) || !found || same_numbers(what, expected, found, n);
	for (int i = 0; found && i < n; i++)
		if (found[i] != 0)
			return differ("%s[%d] is %d, expected none", what, i, found[i]);
	return true;
}

static bool
same_string(const char *what, const json_t *expected, const char *found, size_t length)
{
	if (found && length == json_string_length(expected) &&
		memcmp(found, json_string_value(expected), length) == 0)
		return true;
	return differ("%s \"%s\", expected \"%s\"", what, found ? found : "(nothing)",
				  json_string_value(expected));
}

static bool
same_decoded(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int n,
			 const json_t *object)
{
	const json_t *decoded = json_object_get(object, "decoded");

	for (int skip = 0; skip < 2; skip++)
	{
		const json_t *expected = skip ? json_object_get(object, "skipped") : decoded;
		char		 *text;
		size_t		  length;
		Error		  error;

		if (!expected)
			expected = decoded;
		if (!tokenizer_decode(tokenizer, arena, ids, n, skip, &text, &length, &error))
			return differ("%s", error.message);
		if (json_is_string(expected) &&
			!same_string(skip ? "decodes without special tokens as" : "decodes as", expected, text,
						 length))
			return false;
	}
	return true;
}

/* A slow tokenizer has no positions: they must be in order and inside of the text. */
static bool
in_order(const Encoding *encoding, int sequence, const json_t *text)
{
	int end = 0, n = (int) utf8_count(json_string_value(text), json_string_length(text));

	for (int i = 0; i < encoding->n; i++)
	{
		if (encoding->sequence[i] != sequence)
			continue;
		if (encoding->pos[i] < end - 1 || encoding->len[i] < 0 ||
			encoding->pos[i] + encoding->len[i] > n)
			return differ("token %d is at %d+%d of %d", i, encoding->pos[i], encoding->len[i], n);
		end = encoding->pos[i] + encoding->len[i];
	}
	return true;
}

/* What the tokens of the text show. */
static bool
same_tokens(const Tokenizer *tokenizer, const Encoding *encoding, const json_t *tokens,
			const json_t *run)
{
	for (int i = 0; i < encoding->n; i++)
	{
		char		  key[16];
		const json_t *surface, *name;
		TokenText	  shown = encoding->texts[i], of_id = {0};

		of_id.bytes = tokenizer_token(tokenizer, encoding->ids[i], &of_id.length);
		snprintf(key, sizeof key, "%d", encoding->ids[i]);
		name = json_object_get(tokens, key);
		if (name && !same_string("token is", name, of_id.bytes, of_id.length))
			return false;
		snprintf(key, sizeof key, "%d", i);
		surface = json_object_get(json_object_get(run, "surface"), key);
		if (!shown.bytes)
			shown = of_id;
		if (encoding->sequence[i] == 0 || json_object_get(run, "max_length"))
			continue;
		if (surface ? !same_string("token shows as", surface, shown.bytes, shown.length)
					: name && !same_string("token shows as", name, shown.bytes, shown.length))
			return false;
	}
	return true;
}

static bool
same_run(const Tokenizer *tokenizer, Arena *arena, const json_t *texts, const json_t *tokens,
		 const json_t *run)
{
	const json_t *text = json_array_get(texts, (size_t) number(run, "text", 0)), *pair = NULL;
	const char	 *side = json_string_value(json_object_get(run, "side"));
	bool		  fast = json_object_get(run, "pos") != NULL;
	EncodeOptions options = {.add_special_tokens = !json_object_get(run, "bare"),
							 .max_length = number(run, "max_length", 0),
							 .wants_texts = true};
	Encoding	  encoding;
	Error		  error;

	if (json_object_get(run, "pair"))
		pair = json_array_get(texts, (size_t) number(run, "pair", 0));
	if (side)
		options.truncate = strcmp(side, "left") == 0 ? TRUNCATE_START : TRUNCATE_END;
	if (!tokenizer_encode(tokenizer, arena, json_string_value(text), json_string_length(text),
						  json_string_value(pair), pair ? json_string_length(pair) : 0, &options,
						  &encoding, &error))
		return differ("%s", error.message);
	return same_numbers("ids", json_object_get(run, "ids"), encoding.ids, encoding.n) &&
		   same_optional("types", run, encoding.type_ids, encoding.n) &&
		   same_optional("input_shape_ids", run, encoding.shape_ids, encoding.n) &&
		   same_optional("input_pronunciation_ids", run, encoding.pronunciation_ids, encoding.n) &&
		   (encoding.n_whole == number(run, "whole", encoding.n) ||
			differ("%d tokens before truncation, expected %d", encoding.n_whole,
				   number(run, "whole", encoding.n))) &&
		   (fast ? same_numbers("pos", json_object_get(run, "pos"), encoding.pos, encoding.n) &&
					   same_numbers("len", json_object_get(run, "len"), encoding.len, encoding.n)
				 : in_order(&encoding, 1, text) && in_order(&encoding, 2, pair)) &&
		   (!(fast || json_object_get(run, "surface")) ||
			same_tokens(tokenizer, &encoding, tokens, run)) &&
		   same_decoded(tokenizer, arena, encoding.ids, encoding.n, run);
}

/* Ids in an order that no text has. */
static bool
same_decode(const Tokenizer *tokenizer, Arena *arena, const json_t *decode)
{
	const json_t *list = json_object_get(decode, "ids");
	int32_t		  ids[256];
	size_t		  n = json_array_size(list);

	assert_in_range(n, 1, sizeof ids / sizeof *ids);
	for (size_t i = 0; i < n; i++)
		ids[i] = (int32_t) json_integer_value(json_array_get(list, i));
	return same_decoded(tokenizer, arena, ids, (int) n, decode);
}

/* Whether a folder's tokenizer gives all that is expected of it; else mismatch says where it does not. */
static bool
same_folder(const char *folder, const json_t *expected)
{
	const char	 *file = json_string_value(json_object_get(expected, "texts"));
	char		  path[300];
	json_t		 *texts, *item;
	TestTokenizer test;
	Arena		  arena;
	size_t		  i;
	bool		  same = true;
	Error		  error;

	snprintf(path, sizeof path, FIXTURES "/%s", file ? file : "texts.json");
	if (!test_tokenizer_try(folder, number(expected, "use_fast", -1), &test, &error))
		return differ("%s", error.message);
	texts = load(path);
	arena_init(&arena, 0);
	assert_true(json_array_size(json_object_get(expected, "runs")) > 20);
	json_array_foreach(json_object_get(expected, "runs"), i, item)
	{
		if (!same_run(&test.tokenizer, &arena, texts, json_object_get(expected, "tokens"), item))
		{
			size_t n = strlen(mismatch);

			snprintf(mismatch + n, sizeof mismatch - n, " (run %zu, text %d)", i,
					 number(item, "text", 0));
			same = false;
			break;
		}
		arena_reset(&arena);
	}
	json_array_foreach(json_object_get(expected, "decodes"), i, item)
	{
		if (same && !same_decode(&test.tokenizer, &arena, item))
			same = false;
		arena_reset(&arena);
	}
	arena_free(&arena);
	test_tokenizer_close(&test);
	json_decref(texts);
	return same;
}

static bool
same_case(const char *name)
{
	char	folder[200], path[300];
	json_t *expected;
	bool	same;

	snprintf(folder, sizeof folder, "%s/%s", FIXTURES, name);
	snprintf(path, sizeof path, "%s/expected.json", folder);
	expected = load(path);
	same = same_folder(folder, expected);
	json_decref(expected);
	return same;
}

static void
test_fixtures(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (!same_case(cases[i]))
			fail_msg("%s: %s", cases[i], mismatch);
}

/* Every component, option and class: all of the zoo. */
static void
test_zoo(void **state)
{
	json_t	   *zoo = load(FIXTURES "/zoo.json"), *components;
	const char *name;
	int			wrong = 0;

	assert_true(json_object_size(zoo) >= 177);
	json_object_foreach(zoo, name, components)
	{
		if (!same_case(name))
		{
			print_error("%s: %s\n", name, mismatch);
			wrong++;
		}
	}
	json_decref(zoo);
	assert_int_equal(wrong, 0);
}

static void
test_minilm(void **state)
{
	const char *folder = getenv("PG_INFER_MINILM");
	json_t	   *expected;

	if (!folder)
		skip();
	expected = load(FIXTURES "/minilm.json");
	if (!same_folder(folder, expected))
		fail_msg("%s", mismatch);
	json_decref(expected);
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
		cmocka_unit_test(test_zoo),
		cmocka_unit_test(test_minilm),
		cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
