/*
 * test_params.c: named values: lookup, types, ranges, collecting, bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "image/params.h"

/* One value of each type, added out of order. */
static void
build(Arena *arena, Params *params)
{
	const ConfigParam values[] = {
		{.key = "vocab_size", .type = PARAM_INT, .integer = 30522},
		{.key = "architectures", .type = PARAM_LIST, .string = "[\"BertModel\"]"},
		{.key = "layer_norm_eps", .type = PARAM_DOUBLE, .number = 1e-12},
		{.key = "hidden_act", .type = PARAM_STRING, .string = "gelu"},
		{.key = "is_decoder", .type = PARAM_BOOL, .integer = 1},
		{.key = "problem_type", .type = PARAM_NULL},
		{.key = "id2label.0", .type = PARAM_STRING, .string = ""},
		{.key = "large", .type = PARAM_INT, .integer = INT64_C(1) << 40},
	};
	ParamsBuilder builder;
	Error		  error;

	params_builder_init(&builder, arena);
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		assert_true(params_add(&builder, &values[i], &error));
	assert_true(params_build(&builder, params, &error));
}

static void
check_values(const Params *params)
{
	Error		error;
	int			integer;
	double		number;
	bool		flag;
	const char *string;

	assert_int_equal(params->n, 8);
	assert_true(params_int(params, "vocab_size", 1, 1, 1 << 20, &integer, &error));
	assert_int_equal(integer, 30522);
	assert_true(params_int(params, "absent", 7, 0, 10, &integer, &error));
	assert_int_equal(integer, 7);
	assert_true(params_int(params, "problem_type", 8, 0, 10, &integer, &error));
	assert_int_equal(integer, 8);
	assert_true(params_double(params, "layer_norm_eps", 1.0, &number, &error));
	assert_true(number == 1e-12);
	assert_true(params_double(params, "vocab_size", 1.0, &number, &error));
	assert_true(number == 30522.0);
	assert_true(params_bool(params, "is_decoder", false, &flag, &error));
	assert_true(flag);
	assert_true(params_string(params, "hidden_act", NULL, &string, &error));
	assert_string_equal(string, "gelu");
	assert_true(params_string(params, "id2label.0", NULL, &string, &error));
	assert_string_equal(string, "");
	assert_string_equal(params_find(params, "architectures")->string, "[\"BertModel\"]");
	assert_null(params_find(params, "architecture"));
}

static void
values_are_found(void **state)
{
	Arena  arena;
	Params params;
	(void) state;

	arena_init(&arena, 0);
	build(&arena, &params);
	check_values(&params);
	for (int i = 1; i < params.n; i++)
		assert_true(strcmp(params.items[i - 1].key, params.items[i].key) < 0);
	assert_null(params_find(&(Params){0}, "vocab_size"));
	arena_free(&arena);
}

static void
wrong_types_and_ranges_name_key_and_value(void **state)
{
	Arena		arena;
	Params		params;
	Error		error;
	int			integer;
	double		number;
	bool		flag;
	const char *string;
	(void) state;

	arena_init(&arena, 0);
	build(&arena, &params);
	assert_false(params_int(&params, "vocab_size", 1, 1, 1000, &integer, &error));
	assert_int_equal(error.code, ERR_DATA);
	assert_string_equal(error.message, "\"vocab_size\" is 30522, but must lie between 1 and 1000");
	assert_false(params_int(&params, "large", 1, INT32_MIN, INT32_MAX, &integer, &error));
	assert_false(params_int(&params, "layer_norm_eps", 1, 0, 9, &integer, &error));
	assert_string_equal(error.message, "\"layer_norm_eps\" is 1e-12, but must be an integer");
	assert_false(params_bool(&params, "vocab_size", false, &flag, &error));
	assert_string_equal(error.message, "\"vocab_size\" is 30522, but must be true or false");
	assert_false(params_double(&params, "hidden_act", 1, &number, &error));
	assert_string_equal(error.message,
						"\"hidden_act\" is the string \"gelu\", but must be a number");
	assert_false(params_string(&params, "is_decoder", NULL, &string, &error));
	assert_string_equal(error.message, "\"is_decoder\" is true, but must be a string");
	assert_false(params_string(&params, "architectures", NULL, &string, &error));
	assert_string_equal(error.message,
						"\"architectures\" is [\"BertModel\"], but must be a string");
	arena_free(&arena);
}

static void
a_key_given_twice_is_refused(void **state)
{
	Arena		  arena;
	ParamsBuilder builder;
	Params		  params;
	Error		  error;
	(void) state;

	arena_init(&arena, 0);
	params_builder_init(&builder, &arena);
	assert_true(params_add_int(&builder, "a", 1, &error));
	assert_true(params_add_bool(&builder, "b", true, &error));
	assert_true(params_add_string(&builder, "a", "x", &error));
	assert_false(params_build(&builder, &params, &error));
	assert_string_equal(error.message, "\"a\" is given twice");
	arena_free(&arena);
}

static void
bytes_round_trip(void **state)
{
	Arena	 arena;
	Params	 params, again;
	Error	 error;
	uint8_t *bytes;
	size_t	 size;
	(void) state;

	arena_init(&arena, 0);
	build(&arena, &params);
	size = params_size(&params);
	bytes = malloc(size);
	params_serialize(&params, bytes);
	assert_true(params_parse(&again, &arena, bytes, size, &error));
	check_values(&again);
	free(bytes);

	size = params_size(&(Params){0});
	bytes = malloc(size);
	params_serialize(&(Params){0}, bytes);
	assert_true(params_parse(&again, &arena, bytes, size, &error));
	assert_int_equal(again.n, 0);
	free(bytes);
	arena_free(&arena);
}

/* Whatever is damaged, parsing ends, and what it accepts can be read. */
static void
damaged_bytes_do_no_harm(void **state)
{
	Arena	 arena;
	Params	 params, again;
	Error	 error;
	uint8_t *bytes;
	size_t	 size;
	int		 refused = 0;
	(void) state;

	arena_init(&arena, 0);
	build(&arena, &params);
	size = params_size(&params);
	bytes = malloc(size);
	params_serialize(&params, bytes);
	for (size_t cut = 0; cut < size; cut++)
	{
		uint8_t *copy = malloc(cut);

		memcpy(copy, bytes, cut);
		assert_false(params_parse(&again, &arena, copy, cut, &error));
		assert_int_equal(error.code, ERR_CORRUPT);
		free(copy);
	}
	for (size_t at = 0; at < size; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			bytes[at] ^= (uint8_t) (1 << bit);
			if (params_parse(&again, &arena, bytes, size, &error))
				for (int i = 0; i < again.n; i++)
					assert_ptr_equal(params_find(&again, again.items[i].key), &again.items[i]);
			else
				refused++;
			bytes[at] ^= (uint8_t) (1 << bit);
		}
	assert_true(refused > 100);
	free(bytes);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found),
		cmocka_unit_test(wrong_types_and_ranges_name_key_and_value),
		cmocka_unit_test(a_key_given_twice_is_refused),
		cmocka_unit_test(bytes_round_trip),
		cmocka_unit_test(damaged_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
