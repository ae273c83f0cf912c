/*
 * test_safetensors.c: checkpoints in safetensors files, whole and damaged; number types; the choice of files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "import/checkpoint.h"

#define FORMATS "test/reference/formats"

static char directory[64];
static char file[128];

static int
set_up(void **state)
{
	(void) state;
	strcpy(directory, "/tmp/test_safetensors.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof file, "%s/model.safetensors", directory);
	return 0;
}

static int
tear_down(void **state)
{
	(void) state;
	unlink(file);
	return rmdir(directory);
}

/* Writes a file of a header and n_data bytes 0, 1, 2, ... */
static void
write_file(const char *header, size_t n_data)
{
	uint64_t length = strlen(header);
	FILE	*out = fopen(file, "wb");

	assert_non_null(out);
	fwrite(&length, sizeof length, 1, out);
	fwrite(header, 1, length, out);
	for (size_t i = 0; i < n_data; i++)
		fputc((int) (i & 0xff), out);
	fclose(out);
}

/* Opening fails with this code, and a message that has this text. */
static void
assert_refused(ErrorCode code, const char *text)
{
	Checkpoint checkpoint;
	Error	   error;
	bool	   found;

	assert_false(checkpoint_open(&checkpoint, directory, &found, &error));
	if (error.code != code || strstr(error.message, text) == NULL)
		fail_msg("got %d: %s", error.code, error.message);
}

static const CheckpointTensor *
find(const Checkpoint *checkpoint, const char *name)
{
	for (int i = 0; i < checkpoint->n; i++)
		if (strcmp(checkpoint->tensors[i].name, name) == 0)
			return &checkpoint->tensors[i];
	fail_msg("no tensor %s", name);
	return NULL;
}

static void
tensors_are_listed_and_read(void **state)
{
	Checkpoint				checkpoint;
	const CheckpointTensor *tensor;
	Error					error;
	bool					found;
	float					out[6];
	(void) state;

	write_file("{\"__metadata__\":{\"format\":\"pt\"},"
			   "\"b\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[2,8]},"
			   "\"a\":{\"dtype\":\"I16\",\"shape\":[],\"data_offsets\":[0,2]},"
			   "\"none\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[8,8]}}  ",
			   8);
	if (!checkpoint_open(&checkpoint, directory, &found, &error))
		fail_msg("%s", error.message);
	assert_true(found);
	assert_int_equal(checkpoint.n, 3);
	tensor = find(&checkpoint, "b");
	assert_int_equal(tensor->rank, 2);
	assert_int_equal(tensor->count, 6);
	assert_true(checkpoint_read(tensor, out, &error));
	for (int i = 0; i < 6; i++)
		assert_true(out[i] == (float) (i + 2));
	tensor = find(&checkpoint, "a");
	assert_int_equal(tensor->rank, 0);
	assert_int_equal(tensor->count, 1);
	assert_true(checkpoint_read(tensor, out, &error));
	assert_true(out[0] == 256.0f);
	tensor = find(&checkpoint, "none");
	assert_int_equal(tensor->count, 0);
	assert_true(checkpoint_read(tensor, out, &error));
	checkpoint_close(&checkpoint);
}

static void
damaged_headers_are_refused(void **state)
{
	static const struct
	{
		const char *header;
		ErrorCode	code;
		const char *text;
	} cases[] = {
		{"", ERR_DATA, "not a JSON object"},
		{"[]", ERR_DATA, "not a JSON object"},
		{"{\"a\":", ERR_DATA, "not a JSON object"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
		 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
		 ERR_DATA, "not a JSON object"},
		{"{\"a\":5}", ERR_DATA, "lacks"},
		{"{\"a\":{\"dtype\":\"F8\",\"shape\":[8],\"data_offsets\":[0,8]}}", ERR_UNSUPPORTED,
		 "dtype F8"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", ERR_DATA,
		 "impossible data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", ERR_DATA,
		 "impossible data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", ERR_DATA,
		 "impossible data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.5]}}", ERR_DATA,
		 "impossible data_offsets"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", ERR_DATA,
		 "do not fit its shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", ERR_DATA,
		 "impossible shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}}", ERR_DATA,
		 "impossible shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}",
		 ERR_DATA, "too many dimensions"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}",
		 ERR_DATA, "impossible shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740992,9007199254740992],"
		 "\"data_offsets\":[0,8]}}",
		 ERR_DATA, "do not fit its shape"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
		 "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
		 ERR_DATA, "\"b\" overlaps another"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", ERR_DATA,
		 "leaves a gap"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", ERR_DATA,
		 "8 bytes of tensors instead of 4"},
		{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", ERR_DATA,
		 "8 bytes of tensors instead of 16"},
		{"{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", ERR_DATA,
		 "name has 0 bytes"},
		{"{\"__metadata__\":{\"format\":\"mlx\"},"
		 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
		 ERR_UNSUPPORTED, "framework \"mlx\""},
	};
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		write_file(cases[i].header, 8);
		assert_refused(cases[i].code, cases[i].text);
	}
}

static void
write_bytes(const void *bytes, size_t size)
{
	FILE *out = fopen(file, "wb");

	assert_non_null(out);
	fwrite(bytes, 1, size, out);
	fclose(out);
}

static void
impossible_lengths_are_refused(void **state)
{
	const uint64_t lengths[] = {1, 1 << 20, UINT64_C(1) << 32, UINT64_MAX, UINT64_MAX - 7};
	(void) state;

	write_bytes("", 0);
	assert_refused(ERR_DATA, "0 bytes");
	write_bytes("1234567", 7);
	assert_refused(ERR_DATA, "7 bytes");
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
	{
		write_bytes(&lengths[i], sizeof lengths[i]);
		assert_refused(ERR_DATA, "header");
	}
}

/* The fixtures hold 0, 1, 2, 5, 100 in every type, and their negatives where there are some. */
static void
check_dtypes(const char *folder)
{
	static const float		 values[] = {0, 1, 2, 5, 100};
	static const char *const names[] = {"F64", "F32", "F16", "BF16", "I64",
										"I32", "I16", "I8",	 "U8",	 "BOOL"};
	Checkpoint				 checkpoint;
	Error					 error;
	bool					 found;

	assert_true(checkpoint_open(&checkpoint, folder, &found, &error));
	assert_int_equal(checkpoint.n, 18);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		for (int negative = 0; negative < (i < 8 ? 2 : 1); negative++)
		{
			char  name[32];
			float out[5];

			snprintf(name, sizeof name, "%s%s", names[i], negative ? ".negative" : "");
			assert_true(checkpoint_read(find(&checkpoint, name), out, &error));
			for (int j = 0; j < 5; j++)
			{
				float expected = strcmp(names[i], "BOOL") == 0 && j > 0 ? 1.0f : values[j];

				assert_true(out[j] == (negative ? -expected : expected));
			}
		}
	checkpoint_close(&checkpoint);
}

static void
every_number_type_is_read(void **state)
{
	(void) state;
	check_dtypes(FORMATS "/dtypes");
	check_dtypes(FORMATS "/dtypes_torch");
}

/* Conversions at the edges of the types; halves are exact. */
static void
conversions_are_exact(void **state)
{
	const uint16_t halves[] = {0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x7bff};
	const float	   expected[] = {0.0f,	   -0.0f, 0x1p-24f, -0x1.ff8p-15f,
								 0x1p-14f, 1.0f,  -2.0f,	65504.0f};
	const uint16_t odd[] = {0x7c00, 0xfc00, 0x7e01};
	const double   wide[] = {1e300, -1e300, 0x1.0000010000001p0, 1e-60};
	const int64_t  whole[] = {INT64_MIN, (1 << 24) + 1};
	float		   out[8];
	(void) state;

	dtype_convert(DTYPE_F16, halves, 8, out);
	assert_memory_equal(out, expected, sizeof out);
	dtype_convert(DTYPE_F16, odd, 3, out);
	assert_true(out[0] == INFINITY && out[1] == -INFINITY && isnan(out[2]));
	dtype_convert(DTYPE_F64, wide, 4, out);
	assert_true(out[0] == INFINITY && out[1] == -INFINITY);
	assert_true(out[2] == 0x1.000002p0f && out[3] == 0.0f);
	dtype_convert(DTYPE_I64, whole, 2, out);
	assert_true(out[0] == -0x1p63f && out[1] == 0x1p24f);
	dtype_convert(DTYPE_BF16, (const uint16_t[]){0x3f80, 0xc040}, 2, out);
	assert_true(out[0] == 1.0f && out[1] == -3.0f);
}

static void
a_directory_without_weights_has_none(void **state)
{
	Checkpoint checkpoint;
	Error	   error;
	bool	   found = true;
	(void) state;

	assert_true(checkpoint_open(&checkpoint, directory, &found, &error));
	assert_false(found);
	assert_int_equal(checkpoint.n, 0);
	checkpoint_close(&checkpoint);
}

/* Writes one matrix of (2, 3) under a framework's name, and expects it under PyTorch's. */
static void
expect_name(const char *format, const char *theirs, const char *ours, bool transposed)
{
	static const float numbers[] = {1, 2, 3, 4, 5, 6}, turned[] = {1, 4, 2, 5, 3, 6};
	Checkpoint		   checkpoint;
	Error			   error;
	bool			   found;
	char			   header[512];
	float			   out[6];
	uint64_t		   length;
	FILE			  *stream = fopen(file, "wb");

	snprintf(header, sizeof header,
			 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
			 "\"__metadata__\":{\"format\":\"%s\"}}",
			 theirs, format);
	length = strlen(header);
	assert_non_null(stream);
	fwrite(&length, sizeof length, 1, stream);
	fwrite(header, 1, length, stream);
	fwrite(numbers, sizeof numbers, 1, stream);
	fclose(stream);
	assert_true(checkpoint_open(&checkpoint, directory, &found, &error));
	assert_int_equal(checkpoint.n, 1);
	assert_string_equal(checkpoint.tensors[0].name, ours);
	assert_int_equal(checkpoint.tensors[0].shape[0], transposed ? 3 : 2);
	assert_true(checkpoint_read(&checkpoint.tensors[0], out, &error));
	assert_memory_equal(out, transposed ? turned : numbers, sizeof out);
	checkpoint_close(&checkpoint);
}

static void
names_of_other_frameworks_are_read(void **state)
{
	(void) state;

	expect_name("pt", "a.kernel", "a.kernel", false);
	expect_name("tf", "bert/encoder/layer_._11/output/dense/kernel:0",
				"bert.encoder.layer.11.output.dense.weight", true);
	expect_name("tf", "mlm___cls/predictions/x/gamma:0", "cls.predictions.x.weight", false);
	expect_name("tf", "model/decoder/layers.2/fc1/kernel:0", "model.decoder.layers.2.fc1.weight",
				true);
	expect_name("tf", "embed_positions/embeddings:0", "embed_positions.weight", false);
	expect_name("tf", "embed_tokens/weight:0", "embed_tokens.weight", false);
	expect_name("tf", "a/beta:0", "a.bias", false);
	expect_name("tf", "kernel:0", "weight", true);
	expect_name("tf", "a:b/c:1x", "a:b.c:1x", false);
	expect_name("flax", "encoder.layer.0.dense.kernel", "encoder.layer.0.dense.weight", true);
	expect_name("flax", "LayerNorm.scale", "LayerNorm.weight", false);
	expect_name("flax", "position_embeddings.embedding", "position_embeddings.weight", false);
}

static void
shards_are_checked(void **state)
{
	Checkpoint checkpoint;
	Error	   error;
	bool	   found;
	(void) state;

	assert_true(checkpoint_open(&checkpoint, FORMATS "/safetensors_sharded", &found, &error));
	assert_int_equal(checkpoint.n_files, 2);
	checkpoint_close(&checkpoint);
	assert_false(checkpoint_open(&checkpoint, FORMATS "/bad/shard_missing", &found, &error));
	assert_int_equal(error.code, ERR_NOT_FOUND);
	assert_non_null(strstr(error.message, "model-00002-of-00002.safetensors"));
	assert_false(checkpoint_open(&checkpoint, FORMATS "/bad/shard_elsewhere", &found, &error));
	assert_int_equal(error.code, ERR_DATA);
	assert_non_null(strstr(error.message, "names no file"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tensors_are_listed_and_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged_headers_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(impossible_lengths_are_refused, set_up, tear_down),
		cmocka_unit_test(every_number_type_is_read),
		cmocka_unit_test(conversions_are_exact),
		cmocka_unit_test_setup_teardown(a_directory_without_weights_has_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_of_other_frameworks_are_read, set_up, tear_down),
		cmocka_unit_test(shards_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
