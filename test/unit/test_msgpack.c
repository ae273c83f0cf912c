/*
 * test_msgpack.c: checkpoints of Flax, whole and damaged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <msgpack.h>

#include "checkpoint_util.h"

#define WEIGHTS "flax_model.msgpack"
#define INDEX "flax_model.msgpack.index.json"

static const float numbers[12] = {1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12};

/* ---- writing ---- */

static void
pack_text(msgpack_packer *packer, const char *text)
{
	msgpack_pack_str(packer, strlen(text));
	msgpack_pack_str_body(packer, text, strlen(text));
}

/* A leaf, whose payload says this shape and type of n bytes. */
static void
pack_array(msgpack_packer *packer, int type, int rank, const int64_t *shape, const char *dtype,
		   const void *bytes, size_t n)
{
	msgpack_sbuffer payload;
	msgpack_packer	inner;

	msgpack_sbuffer_init(&payload);
	msgpack_packer_init(&inner, &payload, msgpack_sbuffer_write);
	msgpack_pack_array(&inner, 3);
	msgpack_pack_array(&inner, (size_t) rank);
	for (int i = 0; i < rank; i++)
		msgpack_pack_int64(&inner, shape[i]);
	pack_text(&inner, dtype);
	msgpack_pack_bin(&inner, n);
	msgpack_pack_bin_body(&inner, bytes, n);
	msgpack_pack_ext(packer, payload.size, (int8_t) type);
	msgpack_pack_ext_body(packer, payload.data, payload.size);
	msgpack_sbuffer_destroy(&payload);
}

static void
pack_floats(msgpack_packer *packer, int64_t rows, int64_t columns, const float *from)
{
	const int64_t shape[] = {rows > 0 ? rows : columns, columns};

	pack_array(packer, 1, rows > 0 ? 2 : 1, shape, "float32", from,
			   (size_t) ((rows > 0 ? rows : 1) * columns) * sizeof *from);
}

typedef struct Writer
{
	msgpack_sbuffer buffer;
	msgpack_packer	packer;
} Writer;

static void
begin(Writer *writer)
{
	msgpack_sbuffer_init(&writer->buffer);
	msgpack_packer_init(&writer->packer, &writer->buffer, msgpack_sbuffer_write);
}

static void
finish(Writer *writer, const char *name)
{
	put(name, writer->buffer.data, writer->buffer.size);
	msgpack_sbuffer_destroy(&writer->buffer);
}

/* {"a": {"kernel": (2, 3), "norm": {"scale": (2) float16}, "b": (2) bfloat16, "n": one float64}} */
static void
write_tree(void)
{
	static const uint16_t half[] = {0x3c00, 0xc000}, brain[] = {0x3f80, 0xc000};
	static const int64_t  two[] = {2};
	static const double	  one = 0.5;
	Writer				  writer;

	begin(&writer);
	msgpack_pack_map(&writer.packer, 1);
	pack_text(&writer.packer, "a");
	msgpack_pack_map(&writer.packer, 4);
	pack_text(&writer.packer, "kernel");
	pack_floats(&writer.packer, 2, 3, numbers);
	pack_text(&writer.packer, "norm");
	msgpack_pack_map(&writer.packer, 1);
	pack_text(&writer.packer, "scale");
	pack_array(&writer.packer, 1, 1, two, "float16", half, sizeof half);
	pack_text(&writer.packer, "b");
	pack_array(&writer.packer, 1, 1, two, "bfloat16", brain, sizeof brain);
	pack_text(&writer.packer, "n");
	pack_array(&writer.packer, 3, 0, NULL, "float64", &one, sizeof one);
	finish(&writer, WEIGHTS);
}

/* An array of (rows, 2) in n chunks of 2, listed in the order of their keys as text. */
static void
write_chunked(int rows, int n, const char *chunk_of_1)
{
	static const char *const order[] = {"0", "1", "10", "11", "2", "3",
										"4", "5", "6",	"7",  "8", "9"};
	static float			 all[24];
	Writer					 writer;

	for (int i = 0; i < 24; i++)
		all[i] = (float) i;
	begin(&writer);
	msgpack_pack_map(&writer.packer, 1);
	pack_text(&writer.packer, "a");
	msgpack_pack_map(&writer.packer, 3);
	pack_text(&writer.packer, "__msgpack_chunked_array__");
	msgpack_pack_true(&writer.packer);
	pack_text(&writer.packer, "chunks");
	msgpack_pack_map(&writer.packer, (size_t) n);
	for (int i = 0; i < 12; i++)
		if (atoi(order[i]) < n)
		{
			pack_text(&writer.packer, i == 1 ? chunk_of_1 : order[i]);
			pack_floats(&writer.packer, 0, 2, all + 2 * atoi(order[i]));
		}
	pack_text(&writer.packer, "shape");
	msgpack_pack_map(&writer.packer, 2);
	pack_text(&writer.packer, "1");
	msgpack_pack_int(&writer.packer, 2);
	pack_text(&writer.packer, "0");
	msgpack_pack_int(&writer.packer, rows);
	finish(&writer, WEIGHTS);
}

/* ---- tests ---- */

static void
trees_are_read(void **state)
{
	static const float turned[] = {1, -4, -2, 5, 3, -6}, pair[] = {1, -2}, half[] = {0.5};
	Checkpoint		   checkpoint;
	(void) state;

	write_tree();
	open_weights(&checkpoint, directory);
	assert_int_equal(checkpoint.n, 4);
	expect_tensor(&checkpoint, "a.weight", 3, 2, turned);
	expect_tensor(&checkpoint, "a.norm.weight", 2, 0, pair);
	expect_tensor(&checkpoint, "a.b", 2, 0, pair);
	expect_tensor(&checkpoint, "a.n", 0, 0, half);
	checkpoint_close(&checkpoint);
}

static void
chunks_are_joined(void **state)
{
	Checkpoint checkpoint;
	float	   all[24];
	(void) state;

	for (int i = 0; i < 24; i++)
		all[i] = (float) i;
	write_chunked(12, 12, "1");
	open_weights(&checkpoint, directory);
	expect_tensor(&checkpoint, "a", 12, 2, all);
	checkpoint_close(&checkpoint);
	write_chunked(11, 12, "1");
	assert_refused(ERR_DATA, "\"a\" has chunks that do not fit its shape");
	write_chunked(12, 12, "0");
	assert_refused(ERR_DATA, "\"a\" has chunks that do not go together");
	write_chunked(12, 12, "12");
	assert_refused(ERR_DATA, "\"a\" has an entry without a number");
	write_chunked(12, 12, "x");
	assert_refused(ERR_DATA, "\"a\" has an entry without a number");
	write_chunked(0, 0, "");
	assert_refused(ERR_DATA, "\"a\" has no chunks");
}

static void
the_same_weights_are_the_same(void **state)
{
	(void) state;
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-msgpack");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-msgpack-bf16");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-msgpack-fp16");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-msgpack-chunked");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-msgpack-sharded");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-flax-safetensors");
}

static void
every_cut_is_refused(void **state)
{
	size_t	   size;
	uint8_t	  *bytes;
	Checkpoint checkpoint;
	Error	   error;
	bool	   found;
	(void) state;

	write_tree();
	bytes = get(path_of(WEIGHTS), &size);
	for (size_t cut = 0; cut < size; cut++)
	{
		put(WEIGHTS, bytes, cut);
		assert_false(checkpoint_open(&checkpoint, directory, &found, &error));
		assert_int_equal(error.code, ERR_DATA);
		assert_non_null(strstr(error.message, WEIGHTS));
	}
	bytes[size] = 0xc0;
	put(WEIGHTS, bytes, size + 1);
	assert_refused(ERR_DATA, "1 bytes behind its end");
	free(bytes);
}

static void
other_bytes_are_refused(void **state)
{
#define BYTES(text) text, sizeof text - 1
	static const struct
	{
		const char *bytes;
		size_t		size;
		const char *text;
	} cases[] = {
		{BYTES("\x93\x01\x02\x03"), "does not hold a msgpack map"},
		{BYTES("\x81\x01\x02"), "something else than a string"},
		{BYTES("\x81\xa1"
			   "a\x02"),
		 "\"a\" holds something else than an array"},
		{BYTES("\x81\xa1"
			   "a\x90"),
		 "\"a\" holds a map or an array in the wrong place"},
		{BYTES("\x81\xa1"
			   "a\xd4\x02\x90"),
		 "\"a\" holds something else than an array"},
		{BYTES("\x81\xa1"
			   "a\xd4\x01\x90"),
		 "\"a\" is no array of Flax"},
		{BYTES("\x81\xa1"
			   "a\x81\xb9__msgpack_chunked_array__\xc2"),
		 "\"a\" is no array of Flax"},
		{BYTES("\x81\xa1"
			   "a\x81\xb9__msgpack_chunked_array__\xc3"),
		 "\"a\" has chunks that do not fit its shape"},
		{BYTES("\x81\xa0\x80"), "impossible name"},
		{BYTES("\x81\xa2"
			   "a\0\x80"),
		 "impossible name"},
		{BYTES("\x81\xc1\x80"), "is cut off"},
		/* containers and bytes larger than the file */
		{BYTES("\xdf\xff\xff\xff\xff\xa1"
			   "a\x80"),
		 "is cut off"},
		{BYTES("\xde\xff\xff\xa1"
			   "a\x80"),
		 "is cut off"},
		{BYTES("\xde\xff"), "is cut off"},
		{BYTES("\x81\xa1"
			   "a\xc9\xff\xff\xff\xff\x01"),
		 "\"a\" is cut off"},
		{BYTES("\x81\xa1"
			   "a\xc7\x06\x01\x93\xdd\xff\xff\xff\xff"),
		 "\"a\" is cut off"},
	};
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		put(WEIGHTS, cases[i].bytes, cases[i].size);
		assert_refused(ERR_DATA, cases[i].text);
	}
}

static void
impossible_arrays_are_refused(void **state)
{
	static const struct
	{
		int			rank;
		int64_t		shape[9];
		const char *dtype;
		ErrorCode	code;
		const char *text;
	} cases[] = {
		{1, {3}, "float32", ERR_DATA, "do not fit its shape"},
		{1, {-2}, "float32", ERR_DATA, "impossible shape"},
		{2, {INT64_MAX, INT64_MAX}, "float32", ERR_DATA, "do not fit its shape"},
		{2, {INT64_MAX, 0}, "float32", ERR_DATA, "do not fit its shape"},
		{1, {INT64_MAX}, "float64", ERR_DATA, "do not fit its shape"},
		{9, {1, 1, 1, 1, 1, 1, 1, 1, 2}, "float32", ERR_DATA, "too many dimensions"},
		{1, {2}, "float128", ERR_UNSUPPORTED, "dtype float128"},
		{1, {2}, "object", ERR_UNSUPPORTED, "dtype object"},
	};
	(void) state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
	{
		Writer writer;

		begin(&writer);
		msgpack_pack_map(&writer.packer, 1);
		pack_text(&writer.packer, "a");
		pack_array(&writer.packer, 1, cases[i].rank, cases[i].shape, cases[i].dtype, numbers, 8);
		finish(&writer, WEIGHTS);
		assert_refused(cases[i].code, cases[i].text);
	}
}

static void
depth_and_repetition_are_bounded(void **state)
{
	Writer writer;
	(void) state;

	begin(&writer);
	for (int i = 0; i < 100000; i++)
	{
		msgpack_pack_map(&writer.packer, 1);
		pack_text(&writer.packer, "a");
	}
	msgpack_pack_map(&writer.packer, 0);
	finish(&writer, WEIGHTS);
	assert_refused(ERR_DATA, "lies too deep");

	begin(&writer);
	msgpack_pack_map(&writer.packer, 2);
	for (int i = 0; i < 2; i++)
	{
		pack_text(&writer.packer, "a");
		pack_floats(&writer.packer, 0, 2, numbers);
	}
	finish(&writer, WEIGHTS);
	assert_refused(ERR_DATA, "tensor \"a\" twice");
}

static void
shards_are_checked(void **state)
{
	static const char index[] = "{\"weight_map\":{\"a/scale\":\"one\",\"b\":\"two\"}}";
	Writer			  writer;
	Checkpoint		  checkpoint;
	(void) state;

	put(INDEX, index, strlen(index));
	begin(&writer);
	msgpack_pack_map(&writer.packer, 1);
	pack_text(&writer.packer, "a");
	msgpack_pack_map(&writer.packer, 1);
	pack_text(&writer.packer, "scale");
	pack_floats(&writer.packer, 0, 2, numbers);
	finish(&writer, "one");
	assert_refused(ERR_NOT_FOUND, "/two\"");
	put("two", "\x80", 1);
	assert_refused(ERR_NOT_FOUND, "tensor \"b\" is not in \"two\"");
	begin(&writer);
	msgpack_pack_map(&writer.packer, 1);
	pack_text(&writer.packer, "b");
	pack_floats(&writer.packer, 0, 2, numbers);
	finish(&writer, "two");
	open_weights(&checkpoint, directory);
	expect_tensor(&checkpoint, "a.weight", 2, 0, numbers);
	expect_tensor(&checkpoint, "b", 2, 0, numbers);
	checkpoint_close(&checkpoint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(trees_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(chunks_are_joined, set_up, tear_down),
		cmocka_unit_test(the_same_weights_are_the_same),
		cmocka_unit_test_setup_teardown(every_cut_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_bytes_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(impossible_arrays_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(depth_and_repetition_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shards_are_checked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
