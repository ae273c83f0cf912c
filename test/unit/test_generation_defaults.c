/*
 * test_generation_defaults.c: the ids that generation_config.json and config.json name, and lists of ids as JSON.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "task/generation_defaults.h"

#define INT(name, value)                                                                           \
	{                                                                                              \
		.key = name, .type = PARAM_INT, .integer = value, .number = value                          \
	}
#define STRING(name, value)                                                                        \
	{                                                                                              \
		.key = name, .type = PARAM_STRING, .string = value                                         \
	}
#define LIST(name, value)                                                                          \
	{                                                                                              \
		.key = name, .type = PARAM_LIST, .string = value                                           \
	}
#define NONE(name)                                                                                 \
	{                                                                                              \
		.key = name, .type = PARAM_NULL                                                            \
	}
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

typedef struct Defaults
{
	GenerationOptions options;
	int				  pad_token_id;
	Error			  error;
} Defaults;

static Arena arena;

/* generation: NULL, there is no generation_config.json. */
static bool
read_defaults(const ConfigParam *config, int n_config, const ConfigParam *generation,
			  int n_generation, Defaults *defaults)
{
	Section section = {.type = SECTION_PARAMS, .name = "generation"};
	Image	image = {.sections = &section,
					 .n_sections = generation != NULL,
					 .config = {config, n_config},
					 .generation = {generation, n_generation}};

	generation_options_init(&defaults->options);
	return generation_defaults(&image, &arena, &defaults->options, &defaults->pad_token_id,
							   &defaults->error);
}

static void
ids_are_those_of_the_files(void **state)
{
	static const ConfigParam config[] = {INT("eos_token_id", 7), STRING("model_type", "opt"),
										 INT("pad_token_id", 1)};
	static const ConfigParam bare[] = {STRING("model_type", "opt")};
	static const ConfigParam none[] = {NONE("eos_token_id"), STRING("model_type", "opt")};
	static const ConfigParam bert[] = {STRING("model_type", "bert")};
	static const ConfigParam generation[] = {
		LIST("bad_words_ids", "[[5],[6,7.0]]"), LIST("eos_token_id", "[8.0,9.0]"),
		INT("forced_eos_token_id", 3), INT("pad_token_id", 2), LIST("suppress_tokens", "[4]")};
	static const ConfigParam silent[] = {INT("pad_token_id", 2)};
	Defaults				 d;

	(void) state;
	assert_true(read_defaults(config, COUNT(config), NULL, 0, &d));
	assert_int_equal(d.options.n_eos, 1);
	assert_int_equal(d.options.eos_token_ids[0], 7);
	assert_int_equal(d.pad_token_id, 1);
	assert_int_equal(d.options.forced_eos_token_id, -1);
	assert_int_equal(d.options.n_suppress + d.options.n_bad_words, 0);

	/* what the class has where config.json says nothing, and nothing where it says null */
	assert_true(read_defaults(bare, COUNT(bare), NULL, 0, &d));
	assert_int_equal(d.options.n_eos, 1);
	assert_int_equal(d.options.eos_token_ids[0], 2);
	assert_true(read_defaults(none, COUNT(none), NULL, 0, &d));
	assert_int_equal(d.options.n_eos, 0);
	assert_true(read_defaults(bert, COUNT(bert), NULL, 0, &d));
	assert_int_equal(d.options.n_eos, 0);
	assert_int_equal(d.pad_token_id, -1);

	assert_true(read_defaults(config, COUNT(config), generation, COUNT(generation), &d));
	assert_int_equal(d.options.n_eos, 2);
	assert_int_equal(d.options.eos_token_ids[1], 9);
	assert_int_equal(d.pad_token_id, 2);
	assert_int_equal(d.options.forced_eos_token_id, 3);
	assert_int_equal(d.options.n_suppress, 1);
	assert_int_equal(d.options.n_bad_words, 2);
	assert_int_equal(d.options.bad_words_offsets[2], 3);
	assert_int_equal(d.options.bad_words_ids[2], 7);

	/* generation_config.json alone counts, as in Transformers */
	assert_true(read_defaults(config, COUNT(config), silent, COUNT(silent), &d));
	assert_int_equal(d.options.n_eos, 0);
}

static void
what_is_no_id_is_refused(void **state)
{
	static const struct
	{
		ConfigParam param;
		const char *message;
	} wrong[] = {
		{STRING("eos_token_id", "x"), "eos_token_id is neither a token id nor a list of them"},
		{INT("eos_token_id", -2), "eos_token_id is neither a token id nor a list of them"},
		{LIST("eos_token_id", "[1,-2]"), "eos_token_id has \"-2]\" where a token id was expected"},
		{LIST("eos_token_id", "[1,[2]]"),
		 "eos_token_id has \"[2]]\" where a token id was expected"},
		{LIST("eos_token_id", "[1.5]"), "eos_token_id has \".5]\" where a token id was expected"},
		{LIST("suppress_tokens", "[99999999999]"), "suppress_tokens has an id above 2147483647"},
		{LIST("bad_words_ids", "[1]"), "bad_words_ids has \"1]\" where a token id was expected"},
		{INT("bad_words_ids", 1), "bad_words_ids is not a list of lists of token ids"},
	};
	static const char *const texts[] = {"",		 "[",		  "[[",	  "[[1",	 "[[1]",
										"[[1],", "[[1]]x",	  "[1]",  "[[1,]]",	 "[[,1]]",
										"{}",	 "[[\"1\"]]", "null", "[[1e3]]", "[[1.01]]"};
	Defaults				 d;

	(void) state;
	for (int i = 0; i < COUNT(wrong); i++)
	{
		assert_false(read_defaults(&wrong[i].param, 1, NULL, 0, &d));
		assert_string_equal(d.error.message, wrong[i].message);
		assert_int_equal(d.error.code, ERR_DATA);
	}
	for (int i = 0; i < COUNT(texts); i++)
	{
		const int32_t *ids, *offsets;
		int			   n;

		if (id_lists_read(texts[i], "list", &arena, &ids, &offsets, &n, &d.error))
			fail_msg("\"%s\" was read", texts[i]);
	}
}

static void
lists_are_read(void **state)
{
	const int32_t *ids, *offsets;
	int			   n;
	Error		   error;

	(void) state;
	assert_true(id_lists_read(" [ [ 1 , 2 ] , [] , [2147483647.00] ] ", "list", &arena, &ids,
							  &offsets, &n, &error));
	assert_int_equal(n, 3);
	assert_int_equal(offsets[1], 2);
	assert_int_equal(offsets[2], 2);
	assert_int_equal(offsets[3], 3);
	assert_int_equal(ids[2], INT32_MAX);
	assert_true(id_lists_read("[]", "list", &arena, &ids, &offsets, &n, &error));
	assert_int_equal(n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_those_of_the_files),
		cmocka_unit_test(what_is_no_id_is_refused),
		cmocka_unit_test(lists_are_read),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
