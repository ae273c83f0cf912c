/*
 * test_image.c: images: what is written is read, and nothing damaged is believed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "image/layout.h"
#include "math/pack.h"

#define ROWS 37
#define COLUMNS 21

static char path[64];
static char other[64];

static int
set_up(void **state)
{
	(void) state;
	snprintf(path, sizeof path, "/tmp/test_image.%ld", (long) getpid());
	snprintf(other, sizeof other, "/tmp/test_image.%ld.other", (long) getpid());
	unlink(path);
	unlink(other);
	return 0;
}

static int
tear_down(void **state)
{
	(void) state;
	unlink(path);
	unlink(other);
	return 0;
}

static float
weight(int row, int column)
{
	return (float) ((row * 7 + column * 13) % 64 - 32) / 16.0f;
}

static void
write_tensors(ImageWriter *writer)
{
	float w[ROWS * COLUMNS], bias[ROWS];
	Error error;

	for (int i = 0; i < ROWS; i++)
	{
		bias[i] = (float) i / 4.0f;
		for (int j = 0; j < COLUMNS; j++)
			w[i * COLUMNS + j] = weight(i, j);
	}
	assert_true(image_write_matrix(writer, "fp32", PRECISION_FP32, w, bias, ROWS, COLUMNS, &error));
	assert_true(image_write_matrix(writer, "bf16", PRECISION_BF16, w, NULL, ROWS, COLUMNS, &error));
	assert_true(image_write_matrix(writer, "int8", PRECISION_INT8, w, bias, ROWS, COLUMNS, &error));
	assert_true(image_write_table(writer, "wide", PRECISION_FP32, w, ROWS, COLUMNS, &error));
	assert_true(image_write_table(writer, "narrow", PRECISION_BF16, w, ROWS, COLUMNS, &error));
	assert_true(image_write_vector(writer, "vector", bias, ROWS, &error));
}

/* An image with a section of each type. */
static void
write_image(const char *name)
{
	static const char *const labels[] = {"", "positive", "n\xc3\xa9gatif"};
	const ConfigParam		 config[] = {{.key = "hidden_size", .type = PARAM_INT, .integer = 384},
										 {.key = "model_type", .type = PARAM_STRING, .string = "bert"}};
	const ConfigParam		 model[] = {{.key = "has_weights", .type = PARAM_BOOL, .integer = 1}};
	Error					 error;
	ImageWriter				*writer = image_writer_create(name, &error);

	assert_non_null(writer);
	assert_true(image_write_params(writer, "model", &(Params){model, 1}, &error));
	write_tensors(writer);
	assert_true(image_write_strings(writer, "labels", labels, 3, &error));
	assert_true(image_write_strings(writer, "prompts", NULL, 0, &error));
	assert_true(image_write_bytes(writer, SECTION_TEXT, "config.json", "{\"x\": 1}", 8, &error));
	assert_true(image_write_bytes(writer, SECTION_TEXT, "empty", NULL, 0, &error));
	assert_true(image_write_bytes(writer, SECTION_TOKENIZER, "trie", "\1\2\3", 3, &error));
	assert_true(image_write_params(writer, "config", &(Params){config, 2}, &error));
	assert_true(image_writer_finish(writer, &error));
}

static uint8_t *
slurp(const char *name, size_t *size)
{
	FILE	   *file = fopen(name, "rb");
	struct stat status;
	uint8_t	   *bytes;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	*size = (size_t) status.st_size;
	bytes = malloc(*size + 1);
	assert_int_equal(fread(bytes, 1, *size, file), *size);
	fclose(file);
	return bytes;
}

static void
spill(const char *name, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(name, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static void
check_matrix(const Image *image, const char *name, Precision precision, bool bias, float tolerance)
{
	Matrix matrix;
	Error  error;
	float  out[ROWS * COLUMNS];

	assert_true(image_matrix(image, name, &matrix, &error));
	assert_int_equal(matrix.precision, precision);
	assert_int_equal(matrix.n, ROWS);
	assert_int_equal(matrix.k, COLUMNS);
	assert_int_equal((uintptr_t) matrix.panels % IMAGE_PAGE, 0);
	assert_int_equal(matrix.bias != NULL, bias);
	assert_int_equal(matrix.scale != NULL, precision == PRECISION_INT8);
	assert_int_equal(matrix.sum != NULL, precision == PRECISION_INT8);
	unpack_matrix(&matrix, out);
	for (int i = 0; i < ROWS; i++)
	{
		if (bias)
			assert_true(matrix.bias[i] == (float) i / 4.0f);
		for (int j = 0; j < COLUMNS; j++)
			assert_float_equal(out[i * COLUMNS + j], weight(i, j), tolerance);
	}
	for (int i = ROWS; bias && i < PANEL_UP(ROWS); i++)
		assert_true(matrix.bias[i] == 0.0f);
}

static void
check_tables(const Image *image)
{
	Table		 table;
	const float *vector;
	int			 n;
	Error		 error;

	assert_true(image_table(image, "wide", &table, &error));
	assert_int_equal(table.precision, PRECISION_FP32);
	assert_int_equal(table.rows, ROWS);
	assert_int_equal(table.columns, COLUMNS);
	assert_true(((const float *) table.data)[3 * COLUMNS + 2] == weight(3, 2));
	assert_true(image_table(image, "narrow", &table, &error));
	assert_int_equal(table.precision, PRECISION_BF16);
	assert_true(image_vector(image, "vector", &vector, &n, &error));
	assert_int_equal(n, ROWS);
	assert_true(vector[5] == 1.25f);
}

static void
check_image(const Image *image)
{
	const Section *section;

	check_matrix(image, "fp32", PRECISION_FP32, true, 0.0f);
	check_matrix(image, "bf16", PRECISION_BF16, false, 0.0f);
	check_matrix(image, "int8", PRECISION_INT8, true, 0.01f);
	check_tables(image);
	assert_int_equal(image_strings(image, "labels"), 3);
	assert_string_equal(image_string(image, "labels", 0), "");
	assert_string_equal(image_string(image, "labels", 1), "positive");
	assert_string_equal(image_string(image, "labels", 2), "n\xc3\xa9gatif");
	assert_null(image_string(image, "labels", 3));
	assert_null(image_string(image, "labels", -1));
	assert_null(image_string(image, "absent", 0));
	assert_int_equal(image_strings(image, "prompts"), 0);
	assert_int_equal(image_strings(image, "absent"), 0);
	section = image_find(image, SECTION_TEXT, "config.json");
	assert_int_equal(section->size, 8);
	assert_string_equal((const char *) section->data, "{\"x\": 1}");
	section = image_find(image, SECTION_TEXT, "empty");
	assert_int_equal(section->size, 0);
	assert_string_equal((const char *) section->data, "");
	section = image_find(image, SECTION_TOKENIZER, "trie");
	assert_int_equal(section->size, 3);
	assert_int_equal((uintptr_t) section->data % IMAGE_ALIGN, 0);
	assert_memory_equal(section->data, "\1\2\3", 3);
	assert_int_equal(image->config.n, 2);
	assert_int_equal(params_find(&image->config, "hidden_size")->integer, 384);
	assert_int_equal(image->model.n, 1);
}

static void
sections_round_trip(void **state)
{
	Image image;
	Error error;
	(void) state;

	write_image(path);
	assert_true(image_open(&image, path, &error));
	check_image(&image);
	assert_true(image_verify(&image, NULL, NULL, &error));
	image_close(&image);
}

static void
the_same_calls_give_the_same_bytes(void **state)
{
	uint8_t *a, *b;
	size_t	 n, m;
	(void) state;

	write_image(path);
	write_image(other);
	a = slurp(path, &n);
	b = slurp(other, &m);
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	free(a);
	free(b);
}

static void
absent_tensors_are_named(void **state)
{
	Image		 image;
	Error		 error;
	Matrix		 matrix;
	Table		 table;
	const float *vector;
	int			 n;
	(void) state;

	write_image(path);
	assert_true(image_open(&image, path, &error));
	assert_false(image_matrix(&image, "wide", &matrix, &error));
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_string_equal(error.message, "the image has no tensor \"wide\"");
	assert_false(image_table(&image, "fp32", &table, &error));
	assert_false(image_vector(&image, "", &vector, &n, &error));
	image_close(&image);
}

/* Going on behind a finished image keeps what was there and adds to it. */
static void
sections_can_be_appended(void **state)
{
	ImageWriter *writer;
	Image		 image;
	Error		 error;
	(void) state;

	write_image(path);
	writer = image_writer_append(path, &error);
	assert_non_null(writer);
	assert_true(image_write_bytes(writer, SECTION_GOLDEN, "golden.ids", "ids!", 4, &error));
	assert_true(image_writer_finish(writer, &error));
	assert_true(image_open(&image, path, &error));
	check_image(&image);
	assert_memory_equal(image_find(&image, SECTION_GOLDEN, "golden.ids")->data, "ids!", 4);
	assert_true(image_verify(&image, NULL, NULL, &error));
	image_close(&image);
}

static void
a_section_written_twice_is_refused(void **state)
{
	Error		 error;
	ImageWriter *writer = image_writer_create(path, &error);
	(void) state;

	assert_true(image_write_bytes(writer, SECTION_TEXT, "a", "1", 1, &error));
	assert_true(image_write_bytes(writer, SECTION_TEXT, "a", "2", 1, &error));
	assert_false(image_writer_finish(writer, &error));
	assert_string_equal(error.message, "section \"a\" is written twice");
	assert_int_equal(access(path, F_OK), -1);
}

static void
giving_up_removes_the_file(void **state)
{
	Error		 error;
	ImageWriter *writer = image_writer_create(path, &error);
	(void) state;

	assert_non_null(writer);
	assert_null(image_writer_create(path, &error));
	assert_true(image_write_bytes(writer, SECTION_TEXT, "a", "1", 1, &error));
	image_writer_abort(writer);
	assert_int_equal(access(path, F_OK), -1);
}

static void
impossible_tensors_are_refused(void **state)
{
	Error		 error;
	float		 w[1] = {0};
	ImageWriter *writer = image_writer_create(path, &error);
	(void) state;

	assert_false(image_write_matrix(writer, "m", PRECISION_FP32, w, NULL, 0, 1, &error));
	assert_int_equal(error.code, ERR_LIMIT);
	assert_false(image_write_matrix(writer, "m", PRECISION_FP32, w, NULL, INT32_MAX, 1, &error));
	assert_false(image_write_matrix(writer, "m", PRECISION_FP32, w, NULL, 1, -1, &error));
	assert_false(image_write_table(writer, "t", PRECISION_FP32, w, -1, 1, &error));
	assert_false(image_write_table(writer, "t", PRECISION_INT8, w, 1, 1, &error));
	assert_false(image_write_vector(writer, "v", w, 0, &error));
	image_writer_abort(writer);
}

/* The image opens, and all of its checksums are right. */
static bool
is_whole(const char *name, Error *error)
{
	Image image;
	bool  whole;

	if (!image_open(&image, name, error))
		return false;
	whole = image_verify(&image, NULL, NULL, error);
	image_close(&image);
	return whole;
}

static void
cut_images_are_refused(void **state)
{
	uint8_t *bytes;
	size_t	 size;
	Error	 error;
	(void) state;

	write_image(path);
	bytes = slurp(path, &size);
	for (size_t cut = 0; cut < size; cut += cut < 100 || cut > size - 100 ? 1 : 997)
	{
		spill(other, bytes, cut);
		assert_false(is_whole(other, &error));
		assert_int_equal(error.code, ERR_CORRUPT);
		assert_non_null(strstr(error.message, other));
	}
	free(bytes);
}

/* A changed byte outside the zeros between sections is found. */
static void
changed_bytes_are_found(void **state)
{
	uint8_t *bytes;
	uint8_t *used;
	size_t	 size;
	Image	 image;
	Error	 error;
	(void) state;

	write_image(path);
	bytes = slurp(path, &size);
	used = calloc(size, 1);
	assert_true(image_open(&image, path, &error));
	for (int i = 0; i < image.n_sections; i++)
		memset(used + (image.sections[i].data - image.map.data), 1, image.sections[i].size);
	image_close(&image);
	memset(used, 1, sizeof(ImageHeader));
	memset(used + ((ImageHeader *) bytes)->directory_offset, 1,
		   ((ImageHeader *) bytes)->directory_size);
	for (size_t at = 0; at < size; at += at < 64 || at > size - 1000 ? 1 : 61)
	{
		if (!used[at])
			continue;
		bytes[at] ^= 0x10;
		spill(other, bytes, size);
		assert_false(is_whole(other, &error));
		bytes[at] ^= 0x10;
	}
	free(used);
	free(bytes);
}

/* Recomputes the checksums over header and directory: who damages a file may do this too. */
static void
seal(uint8_t *bytes)
{
	ImageHeader header;

	memcpy(&header, bytes, sizeof header);
	header.directory_checksum = XXH3_64bits(bytes + header.directory_offset, header.directory_size);
	header.header_checksum = XXH3_64bits(&header, offsetof(ImageHeader, header_checksum));
	memcpy(bytes, &header, sizeof header);
}

/* Directories with right checksums and wrong numbers. */
static void
hostile_directories_do_no_harm(void **state)
{
	static const uint32_t values[] = {0, 1, 63, 64, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
	uint8_t				 *bytes;
	size_t				  size;
	ImageHeader			  header;
	int					  refused = 0;
	Error				  error;
	(void) state;

	write_image(path);
	bytes = slurp(path, &size);
	memcpy(&header, bytes, sizeof header);
	for (size_t at = 0; at < header.n_sections * sizeof(ImageEntry); at += 4)
		for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		{
			uint8_t *word = bytes + header.directory_offset + at;
			uint32_t before;

			memcpy(&before, word, sizeof before);
			memcpy(word, &values[i], sizeof before);
			seal(bytes);
			spill(other, bytes, size);
			refused += !is_whole(other, &error);
			memcpy(word, &before, sizeof before);
		}
	assert_true(refused > 500);
	free(bytes);
}

static void
other_versions_are_unsupported(void **state)
{
	uint8_t *bytes;
	size_t	 size;
	Image	 image;
	Error	 error;
	(void) state;

	write_image(path);
	bytes = slurp(path, &size);
	((ImageHeader *) bytes)->version = IMAGE_VERSION + 1;
	seal(bytes);
	spill(other, bytes, size);
	assert_false(image_open(&image, other, &error));
	assert_int_equal(error.code, ERR_UNSUPPORTED);
	free(bytes);
	assert_false(image_open(&image, "/tmp", &error));
	assert_false(image_open(&image, "/nonexistent/x.img", &error));
	assert_int_equal(error.code, ERR_NOT_FOUND);
}

static bool
count_down(void *argument)
{
	return (*(int *) argument)-- == 0;
}

static void
verification_can_be_cancelled(void **state)
{
	Image image;
	Error error;
	int	  calls = 3;
	(void) state;

	write_image(path);
	assert_true(image_open(&image, path, &error));
	assert_false(image_verify(&image, count_down, &calls, &error));
	assert_int_equal(error.code, ERR_CANCELLED);
	image_close(&image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sections_round_trip, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_same_calls_give_the_same_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(absent_tensors_are_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sections_can_be_appended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_section_written_twice_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(giving_up_removes_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(impossible_tensors_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_images_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_bytes_are_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_directories_do_no_harm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_versions_are_unsupported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verification_can_be_cancelled, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
