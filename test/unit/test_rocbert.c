/*
 * test_rocbert.c: the two lists of ids that RoCBert's tokenizer has beside input_ids (RB-25), and files that are
 * no such lists.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "test_tokenizers.h"

#define VOCAB "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\xE4\xBD\xA0\nb\n##b\n"
#define SHAPES                                                                                     \
	"{\"[UNK]\": 7, \"[CLS]\": 8, \"[SEP]\": 9, \"[MASK]\": 4, \"\xE4\xBD\xA0\": 11, \"##b\": 12}"
#define PRONUNCIATIONS "{\"[UNK]\": 107, \"\xE4\xBD\xA0\": 111, \"nonesuch\": 5}"
#define CONFIG "{\"tokenizer_class\": \"RoCBertTokenizer\"}"

static void
write_file(const char *folder, const char *name, const char *text)
{
	char  path[300];
	FILE *file;

	if (!text)
		return;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void
make_folder(char *folder, const char *shapes, const char *pronunciations)
{
	assert_non_null(mkdtemp(folder));
	write_file(folder, "vocab.txt", VOCAB);
	write_file(folder, "tokenizer_config.json", CONFIG);
	write_file(folder, "word_shape.json", shapes);
	write_file(folder, "word_pronunciation.json", pronunciations);
}

static void
test_ids(void **state)
{
	static const char	 text[] = "\xE4\xBD\xA0 bb x [MASK]";
	static const int32_t ids[] = {2, 5, 6, 7, 1, 4, 3, 5, 3};
	/* The template's tokens have [UNK]'s ids, whatever the files say of them; a typed one has its own. */
	static const int32_t shapes[] = {7, 11, 7, 12, 7, 4, 7, 11, 7};
	static const int32_t sounds[] = {107, 111, 107, 107, 107, 107, 107, 111, 107};
	char				 folder[] = "/tmp/pg_infer_test_XXXXXX";
	EncodeOptions		 options = {.add_special_tokens = true};
	TestTokenizer		 test;
	Encoding			 encoding;
	Arena				 arena;
	Error				 error;

	make_folder(folder, SHAPES, PRONUNCIATIONS);
	test = test_tokenizer_import(folder, 1);
	test_remove_folder(folder);
	assert_false(test.summary.is_fast); /* there is no fast class */
	arena_init(&arena, 0);
	TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, sizeof text - 1, text, 3, &options,
							   &encoding, &error),
			  error);
	assert_int_equal(encoding.n, 9);
	assert_memory_equal(encoding.ids, ids, sizeof ids);
	assert_memory_equal(encoding.shape_ids, shapes, sizeof shapes);
	assert_memory_equal(encoding.pronunciation_ids, sounds, sizeof sounds);
	options.max_length = 6;
	options.truncate = TRUNCATE_END;
	TEST_MUST(tokenizer_encode(&test.tokenizer, &arena, text, sizeof text - 1, NULL, 0, &options,
							   &encoding, &error),
			  error);
	assert_int_equal(encoding.n, 6);
	assert_memory_equal(encoding.shape_ids, shapes, 5 * sizeof *shapes);
	assert_int_equal(encoding.shape_ids[5], 7);
	arena_free(&arena);
	test_tokenizer_close(&test);
}

static const struct
{
	const char *shapes, *pronunciations;
	ErrorCode	code;
	const char *message;
} refused[] = {
	{NULL, PRONUNCIATIONS, ERR_NOT_FOUND, "word_shape.json: no such file"},
	{SHAPES, NULL, ERR_NOT_FOUND, "word_pronunciation.json: no such file"},
	{"[1, 2]", PRONUNCIATIONS, ERR_DATA, "word_shape.json: $: expected an object, found an array"},
	{"{\"[UNK]\": 7, \"b\": \"x\"}", PRONUNCIATIONS, ERR_DATA,
	 "word_shape.json: $.b: expected an integer, found a string"},
	{SHAPES, "{\"[UNK]\": -1}", ERR_DATA, "word_pronunciation.json: $.[UNK]: -1 is outside 0 .."},
	{SHAPES, "{\"b\": 1}", ERR_DATA, "word_pronunciation.json: $: \"[UNK]\" is missing"},
	{SHAPES, "{\"[UNK]\": 1, \"b\": 3000000000}", ERR_DATA, "$.b: 3000000000 is outside 0 .."},
	{"{\"[UNK]\": ", PRONUNCIATIONS, ERR_DATA, "word_shape.json: line 1"},
};

static void
test_refused(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
	{
		char			 folder[] = "/tmp/pg_infer_test_XXXXXX", *path = test_temporary();
		TokenizerOptions options = {.use_fast = -1};
		TokenizerSummary summary;
		Error			 error = {0};
		bool			 found;
		ImageWriter		*writer = image_writer_create(path, &error);

		assert_non_null(writer);
		make_folder(folder, refused[i].shapes, refused[i].pronunciations);
		if (import_tokenizer(writer, folder, &options, &found, &summary, &error))
			fail_msg("case %zu is imported", i);
		if (error.code != refused[i].code || !strstr(error.message, refused[i].message))
			fail_msg("case %zu: \"%s\" (%d), expected \"%s\"", i, error.message, error.code,
					 refused[i].message);
		image_writer_abort(writer);
		unlink(path);
		free(path);
		test_remove_folder(folder);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
