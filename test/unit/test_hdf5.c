/*
 * test_hdf5.c: checkpoints of Keras, whole and damaged, and what HDF5 can do beyond them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <hdf5.h>

#include "checkpoint_util.h"

#define WEIGHTS "tf_model.h5"
#define INDEX "tf_model.h5.index.json"
#define DENSE "bert/tf_bert_model/bert/pooler/dense"

static const float	 numbers[] = {1, -2, 3, -4, 5, -6};
static const hsize_t matrix[] = {2, 3}, vector[] = {2};

/* ---- writing ---- */

static hid_t
create(const char *name)
{
	hid_t file = H5Fcreate(path_of(name), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);

	assert_true(file >= 0);
	return file;
}

static hid_t
open_again(void)
{
	hid_t file = H5Fopen(path_of(WEIGHTS), H5F_ACC_RDWR, H5P_DEFAULT);

	assert_true(file >= 0);
	return file;
}

/* Adds a dataset with a plan of its own (H5P_DEFAULT: none); groups on its way are made. */
static void
add_planned(hid_t file, const char *path, hid_t type, int rank, const hsize_t *dims, hid_t plan,
			const void *bytes)
{
	hid_t links = H5Pcreate(H5P_LINK_CREATE);
	hid_t space = rank < 0 ? H5Screate(H5S_NULL) : H5Screate_simple(rank, dims, NULL);
	hid_t set;

	H5Pset_create_intermediate_group(links, 1);
	set = H5Dcreate2(file, path, type, space, links, plan, H5P_DEFAULT);
	assert_true(set >= 0);
	if (bytes != NULL)
		assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes) >= 0);
	H5Dclose(set);
	H5Sclose(space);
	H5Pclose(links);
}

static void
add(hid_t file, const char *path, hid_t type, int rank, const hsize_t *dims, const void *bytes)
{
	add_planned(file, path, type, rank, dims, H5P_DEFAULT, bytes);
}

/* A kernel and a bias as Keras has them. */
static hid_t
create_keras(void)
{
	hid_t file = create(WEIGHTS);

	add(file, DENSE "/kernel:0", H5T_IEEE_F32LE, 2, matrix, numbers);
	add(file, DENSE "/bias:0", H5T_IEEE_F32LE, 1, vector, numbers);
	return file;
}

/* A type of 16 bits. */
static hid_t
small_float(size_t exponent_bits, size_t bias)
{
	hid_t type = H5Tcopy(H5T_IEEE_F32LE);

	H5Tset_fields(type, 15, 15 - exponent_bits, exponent_bits, 0, 15 - exponent_bits);
	H5Tset_size(type, 2);
	H5Tset_ebias(type, bias);
	return type;
}

static void
expect_keras(void)
{
	static const float turned[] = {1, -4, -2, 5, 3, -6};
	Checkpoint		   checkpoint;

	open_weights(&checkpoint, directory);
	assert_int_equal(checkpoint.n, 2);
	expect_tensor(&checkpoint, "bert.pooler.dense.weight", 3, 2, turned);
	expect_tensor(&checkpoint, "bert.pooler.dense.bias", 2, 0, numbers);
	checkpoint_close(&checkpoint);
}

/* ---- tests ---- */

static void
layers_are_read(void **state)
{
	hid_t file;
	(void) state;

	H5Fclose(create_keras());
	expect_keras();

	/* empty layers, the model's own weights, and what another layer shares */
	file = open_again();
	H5Gclose(H5Gcreate2(file, "dropout_4", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
	add(file, "top_level_model_weights/x", H5T_STD_I32LE, 1, vector, NULL);
	add(file, "mlm___cls/tf_bert_model/bert/pooler/dense/kernel:0", H5T_IEEE_F32LE, 2, matrix,
		numbers);
	H5Fclose(file);
	expect_keras();

	/* a model that was never called has no name before its layers' */
	file = create(WEIGHTS);
	add(file, "bert/bert/pooler/dense/kernel:0", H5T_IEEE_F32LE, 2, matrix, numbers);
	add(file, "bert/bert/pooler/dense/bias:0", H5T_IEEE_F32LE, 1, vector, numbers);
	H5Fclose(file);
	expect_keras();
}

static void
number_types_are_read(void **state)
{
	static const double	  wide[] = {1, -2};
	static const uint16_t half[] = {0x3c00, 0xc000}, brain[] = {0x3f80, 0xc000};
	static const float	  pair[] = {1, -2};
	hid_t				  file = create(WEIGHTS);
	hid_t				  float16 = small_float(5, 15), bfloat16 = small_float(8, 127);
	Checkpoint			  checkpoint;
	(void) state;

	add(file, "a/a/wide", H5T_IEEE_F64LE, 1, vector, wide);
	add(file, "a/a/half", float16, 1, vector, half);
	add(file, "a/a/brain", bfloat16, 1, vector, brain);
	add(file, "a/a/one", H5T_IEEE_F32LE, 0, NULL, numbers);
	H5Tclose(float16);
	H5Tclose(bfloat16);
	H5Fclose(file);
	open_weights(&checkpoint, directory);
	expect_tensor(&checkpoint, "a.wide", 2, 0, pair);
	expect_tensor(&checkpoint, "a.half", 2, 0, pair);
	expect_tensor(&checkpoint, "a.brain", 2, 0, pair);
	expect_tensor(&checkpoint, "a.one", 0, 0, numbers);
	checkpoint_close(&checkpoint);
}

static void
the_same_weights_are_the_same(void **state)
{
	(void) state;
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-h5");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-h5-sharded");
	expect_same(FORMATS "/bert-safetensors", FORMATS "/bert-tf-safetensors");
	expect_same(FORMATS "/bert-lm-tf-safetensors", FORMATS "/bert-lm-h5");
}

static void
expect_type_refused(hid_t type)
{
	hid_t file = create(WEIGHTS);

	add(file, "a/a/x", type, 1, vector, NULL);
	H5Fclose(file);
	assert_refused(ERR_UNSUPPORTED, "\"a/a/x\" does not hold little-endian floating-point numbers");
}

static void
other_types_and_shapes_are_refused(void **state)
{
	static const hsize_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	hid_t				 file, odd = small_float(6, 31);
	(void) state;

	expect_type_refused(H5T_IEEE_F32BE);
	expect_type_refused(H5T_STD_I32LE);
	expect_type_refused(H5T_C_S1);
	expect_type_refused(odd);
	H5Tclose(odd);
	file = create(WEIGHTS);
	add(file, "a/a/x", H5T_IEEE_F32LE, 9, many, NULL);
	H5Fclose(file);
	assert_refused(ERR_DATA, "\"a/a/x\" has no shape");
	file = create(WEIGHTS);
	add(file, "a/a/x", H5T_IEEE_F32LE, -1, NULL, NULL);
	H5Fclose(file);
	assert_refused(ERR_DATA, "\"a/a/x\" has no shape");
	file = create(WEIGHTS);
	add(file, "a/a/x", H5T_IEEE_F32LE, 1, vector, NULL);
	H5Fclose(file);
	assert_refused(ERR_DATA, "\"a/a/x\" has numbers outside the file");
}

/* A dataset of this plan, which is closed, is refused. */
static void
expect_plan_refused(hid_t plan)
{
	hid_t file = create(WEIGHTS);

	add_planned(file, "a/a/x", H5T_IEEE_F32LE, 2, matrix, plan, NULL);
	H5Pclose(plan);
	H5Fclose(file);
	assert_refused(ERR_UNSUPPORTED, "\"a/a/x\" is compressed, in pieces or in another file");
}

static void
other_storage_is_refused(void **state)
{
	hid_t plan = H5Pcreate(H5P_DATASET_CREATE), space;
	(void) state;

	H5Pset_chunk(plan, 2, matrix);
	expect_plan_refused(H5Pcopy(plan));
	H5Pset_deflate(plan, 9);
	expect_plan_refused(plan);
	plan = H5Pcreate(H5P_DATASET_CREATE);
	H5Pset_layout(plan, H5D_COMPACT);
	expect_plan_refused(plan);
	plan = H5Pcreate(H5P_DATASET_CREATE);
	H5Pset_external(plan, "/etc/passwd", 0, 24);
	expect_plan_refused(plan);
	plan = H5Pcreate(H5P_DATASET_CREATE);
	space = H5Screate_simple(2, matrix, NULL);
	H5Pset_virtual(plan, space, "other.h5", "x", space);
	H5Sclose(space);
	expect_plan_refused(plan);
}

static void
links_are_refused(void **state)
{
	hid_t file = create_keras(), group;
	(void) state;

	H5Lcreate_soft("/bert", file, "other", H5P_DEFAULT, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(ERR_UNSUPPORTED, "\"other\" is a link to somewhere else");
	file = create_keras();
	H5Lcreate_external("/etc/passwd", "/", file, "other", H5P_DEFAULT, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(ERR_UNSUPPORTED, "\"other\" is a link to somewhere else");

	/* groups that hold one another */
	file = create_keras();
	for (char name[] = "bert/a"; name[5] < 'k'; name[5]++)
		H5Lcreate_hard(file, "/", file, name, H5P_DEFAULT, H5P_DEFAULT);
	H5Fclose(file);
	assert_refused(ERR_LIMIT, "lies too deep");

	/* groups that are reached in very many ways */
	file = create(WEIGHTS);
	group = file;
	for (int i = 0; i < 20; i++)
	{
		hid_t next = H5Gcreate2(group, "a", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

		H5Lcreate_hard(group, "a", group, "b", H5P_DEFAULT, H5P_DEFAULT);
		if (i > 0)
			H5Gclose(group);
		group = next;
	}
	H5Gclose(group);
	H5Fclose(file);
	assert_refused(ERR_LIMIT, "is one object too many");
}

static void
other_names_are_refused(void **state)
{
	hid_t file = create(WEIGHTS), type;
	(void) state;

	add(file, "x", H5T_IEEE_F32LE, 2, matrix, numbers);
	H5Fclose(file);
	assert_refused(ERR_DATA, "\"x\" is not named as Keras names weights");
	file = create(WEIGHTS);
	add(file, "a/b/c/d", H5T_IEEE_F32LE, 2, matrix, numbers);
	H5Fclose(file);
	assert_refused(ERR_DATA, "\"a/b/c/d\" is not named as Keras names weights");
	file = create_keras();
	type = H5Tcopy(H5T_IEEE_F32LE);
	H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
	H5Tclose(type);
	H5Fclose(file);
	assert_refused(ERR_DATA, "\"type\" is neither a group nor a dataset");
}

static void
cuts_are_refused(void **state)
{
	size_t	   size;
	uint8_t	  *bytes;
	Checkpoint checkpoint;
	Error	   error;
	bool	   found;
	(void) state;

	H5Fclose(create_keras());
	bytes = get(path_of(WEIGHTS), &size);
	for (size_t cut = 0; cut < size; cut += 61)
	{
		put(WEIGHTS, bytes, cut);
		assert_false(checkpoint_open(&checkpoint, directory, &found, &error));
		assert_int_equal(error.code, ERR_DATA);
		assert_non_null(strstr(error.message, WEIGHTS));
	}
	free(bytes);
	put(WEIGHTS, "no HDF5", 7);
	assert_refused(ERR_DATA, "is not an HDF5 file");
}

/* A size in the file that its bytes don't have: the dataset's extent, raised where its dimensions are told. */
static void
absurd_sizes_are_refused(void **state)
{
	static const uint64_t dims[] = {2, 3};
	size_t				  size;
	uint8_t				 *bytes, *found;
	hid_t				  file = create(WEIGHTS);
	(void) state;

	add(file, "a/a/x", H5T_IEEE_F32LE, 2, matrix, numbers);
	H5Fclose(file);
	bytes = get(path_of(WEIGHTS), &size);
	found = memmem(bytes, size, dims, sizeof dims);
	assert_non_null(found);
	memcpy(found, &(uint64_t){1000000}, sizeof(uint64_t));
	put(WEIGHTS, bytes, size);
	assert_refused(ERR_DATA, WEIGHTS);
	memset(found, 0x7f, 2 * sizeof(uint64_t));
	put(WEIGHTS, bytes, size);
	assert_refused(ERR_DATA, WEIGHTS);
	free(bytes);
}

static void
shards_are_checked(void **state)
{
	static const char index[] =
		"{\"weight_map\":{\"tf_model/a/gamma:0\":\"one\",\"a/b/beta:0\":\"two\"}}";
	hid_t	   file;
	Checkpoint checkpoint;
	(void) state;

	put(INDEX, index, strlen(index));
	file = create("one");
	add(file, "a/gamma:0", H5T_IEEE_F32LE, 1, vector, numbers);
	H5Fclose(file);
	assert_refused(ERR_NOT_FOUND, "/two\"");
	file = create("two");
	add(file, "b/gamma:0", H5T_IEEE_F32LE, 1, vector, numbers);
	H5Fclose(file);
	assert_refused(ERR_NOT_FOUND, "tensor \"a/b/beta:0\" is not in \"two\"");
	file = create("two");
	add(file, "b/beta:0", H5T_IEEE_F32LE, 1, vector, numbers);
	H5Fclose(file);
	open_weights(&checkpoint, directory);
	expect_tensor(&checkpoint, "a.weight", 2, 0, numbers);
	expect_tensor(&checkpoint, "b.bias", 2, 0, numbers);
	checkpoint_close(&checkpoint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(layers_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(number_types_are_read, set_up, tear_down),
		cmocka_unit_test(the_same_weights_are_the_same),
		cmocka_unit_test_setup_teardown(other_types_and_shapes_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_storage_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_names_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cuts_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(absurd_sizes_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shards_are_checked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
