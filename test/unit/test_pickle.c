/*
 * test_pickle.c: the restricted interpreter: what it builds, and what it refuses.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "import/pickle.h"

/* A pickle in pieces: a string literal may hold NULs. */
#define PICKLE(text) (const uint8_t *) (text), sizeof(text) - 1

/* A storage of 6 float32 with key "0", and a tensor (2, 3) over it. */
#define STORAGE                                                                                    \
	"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                             \
	"0X\3\0\0\0cpuK\6tQ"
#define TENSOR                                                                                     \
	"ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE                                                 \
	"K\0K\2K\3\206K\3K\1\206\211ccollections\nOrderedDict\n)RtR"

/* Copies the pickle to memory of just its size, so that a tool sees reads behind it. */
static bool
read_pickle(Pickle *pickle, Arena *arena, const uint8_t *data, size_t size, Error *error)
{
	uint8_t *copy = malloc(size);
	bool	 ok;

	memcpy(copy, data, size);
	ok = pickle_read(pickle, arena, copy, size, error);
	free(copy);
	return ok;
}

static void
assert_refused(const uint8_t *data, size_t size, ErrorCode code, const char *text)
{
	Pickle pickle;
	Arena  arena;
	Error  error;

	arena_init(&arena, 0);
	assert_false(read_pickle(&pickle, &arena, data, size, &error));
	if (error.code != code || strstr(error.message, text) == NULL)
		fail_msg("got %d: %s", error.code, error.message);
	arena_free(&arena);
}

static void
plain_values_are_built(void **state)
{
	const PickleValue *root, *list;
	Pickle			   pickle;
	Arena			   arena;
	Error			   error;
	(void) state;

	arena_init(&arena, 0);
	assert_true(read_pickle(&pickle, &arena,
							PICKLE("\200\2}q\0(X\1\0\0\0aJ\376\377\377\377X\1\0\0\0b](\210\211N"
								   "M\1\1\212\2\0\200\212\0eX\1\0\0\0c)u.rest"),
							&error));
	assert_int_equal(pickle.size, 47);
	root = pickle.root;
	assert_int_equal(root->type, PICKLE_DICT);
	assert_int_equal(root->n, 6);
	assert_string_equal(root->items[0]->string, "a");
	assert_int_equal(root->items[1]->integer, -2);
	list = root->items[3];
	assert_int_equal(list->type, PICKLE_LIST);
	assert_int_equal(list->n, 6);
	assert_int_equal(list->items[0]->type, PICKLE_BOOL);
	assert_int_equal(list->items[0]->integer, 1);
	assert_int_equal(list->items[1]->integer, 0);
	assert_int_equal(list->items[2]->type, PICKLE_NONE);
	assert_int_equal(list->items[3]->integer, 257);
	assert_int_equal(list->items[4]->integer, -32768);
	assert_int_equal(list->items[5]->integer, 0);
	assert_int_equal(root->items[5]->type, PICKLE_TUPLE);
	assert_int_equal(root->items[5]->n, 0);
	arena_free(&arena);
}

static void
tensors_are_built(void **state)
{
	const PickleTensor *tensor;
	Pickle				pickle;
	Arena				arena;
	Error				error;
	(void) state;

	arena_init(&arena, 0);
	assert_true(read_pickle(&pickle, &arena,
							PICKLE("\200\2ccollections\nOrderedDict\n)Rq\0X\1\0\0\0w" TENSOR
								   "s}X\11\0\0\0_metadataNsb."),
							&error));
	assert_int_equal(pickle.n_storages, 1);
	assert_int_equal(pickle.root->n, 2);
	assert_int_equal(pickle.root->items[1]->type, PICKLE_TENSOR);
	tensor = pickle.root->items[1]->tensor;
	assert_string_equal(tensor->storage->key, "0");
	assert_int_equal(tensor->storage->dtype, DTYPE_F32);
	assert_int_equal(tensor->storage->numbers, 6);
	assert_int_equal(tensor->offset, 0);
	assert_int_equal(tensor->shape->n, 2);
	assert_int_equal(tensor->shape->items[1]->integer, 3);
	assert_int_equal(tensor->strides->items[0]->integer, 3);
	assert_true(read_pickle(&pickle, &arena,
							PICKLE("\200\2ctorch._utils\n_rebuild_parameter\n" TENSOR
								   "\210ccollections\nOrderedDict\n)R\207R."),
							&error));
	assert_int_equal(pickle.root->type, PICKLE_TENSOR);
	arena_free(&arena);
}

static void
foreign_globals_are_named(void **state)
{
	(void) state;
	assert_refused(PICKLE("\200\2cos\nsystem\nX\4\0\0\0true\205R."), ERR_UNSUPPORTED, "os.system");
	assert_refused(PICKLE("\200\2cbuiltins\neval\n."), ERR_UNSUPPORTED, "builtins.eval");
	assert_refused(PICKLE("\200\2ctorch\nload\n."), ERR_UNSUPPORTED, "torch.load");
	assert_refused(PICKLE("\200\2ctorch\nUntypedStorage\n."), ERR_UNSUPPORTED,
				   "torch.UntypedStorage");
	assert_refused(PICKLE("\200\2ctorch._utils\n_rebuild_tensor_v2x\n."), ERR_UNSUPPORTED,
				   "_rebuild_tensor_v2x");
	assert_refused(PICKLE("\200\2cos"), ERR_DATA, "no name");
	assert_refused(PICKLE("\200\2c"), ERR_DATA, "no name");
	assert_refused(PICKLE("\200\2co\0s\nx\n."), ERR_DATA, "no name");
}

static void
foreign_opcodes_are_named(void **state)
{
	(void) state;
	assert_refused(PICKLE("\200\2(ios\nsystem\n."), ERR_UNSUPPORTED, "INST");
	assert_refused(PICKLE("\200\2X\2\0\0\0osX\6\0\0\0system\223."), ERR_UNSUPPORTED,
				   "STACK_GLOBAL");
	assert_refused(PICKLE("\200\2)\201."), ERR_UNSUPPORTED, "NEWOBJ");
	assert_refused(PICKLE("\200\2(o."), ERR_UNSUPPORTED, "OBJ");
	assert_refused(PICKLE("\200\2\202\1."), ERR_UNSUPPORTED, "EXT1");
	assert_refused(PICKLE("\200\2\377."), ERR_UNSUPPORTED, "0xff (unknown)");
	assert_refused(PICKLE("\200\4\225\0\0\0\0\0\0\0\0."), ERR_UNSUPPORTED, "protocol 4");
}

static void
malformed_pickles_are_refused(void **state)
{
	(void) state;
	assert_refused(PICKLE(""), ERR_DATA, "ends early");
	assert_refused(PICKLE("\200"), ERR_DATA, "ends early");
	assert_refused(PICKLE("\200\2"), ERR_DATA, "ends early");
	assert_refused(PICKLE("\200\2."), ERR_DATA, "one value");
	assert_refused(PICKLE("\200\2NN."), ERR_DATA, "one value");
	assert_refused(PICKLE("\200\2N(."), ERR_DATA, "one value");
	assert_refused(PICKLE("\200\2\205."), ERR_DATA, "stack is empty");
	assert_refused(PICKLE("\200\2N(\205."), ERR_DATA, "stack is empty");
	assert_refused(PICKLE("\200\2Nt."), ERR_DATA, "mark is missing");
	assert_refused(PICKLE("\200\2NNa."), ERR_DATA, "can't hold");
	assert_refused(PICKLE("\200\2}(Nu."), ERR_DATA, "can't hold");
	assert_refused(PICKLE("\200\2(u."), ERR_DATA, "stack is empty");
	assert_refused(PICKLE("\200\2]Ns."), ERR_DATA, "stack is empty");
	assert_refused(PICKLE("\200\2q\0."), ERR_DATA, "stack is empty");
	assert_refused(PICKLE("\200\2h\0."), ERR_DATA, "memo entry");
	assert_refused(PICKLE("\200\2Nq\0h\1."), ERR_DATA, "memo entry");
	assert_refused(PICKLE("\200\2Nj\377\377\377\377."), ERR_DATA, "memo entry");
	assert_refused(PICKLE("\200\2Nr\377\377\377\377."), ERR_LIMIT, "memo entries");
	assert_refused(PICKLE("\200\2X\377\377\377\377a."), ERR_LIMIT, "string");
	assert_refused(PICKLE("\200\2X\5\0\0\0a."), ERR_DATA, "ends early");
	assert_refused(PICKLE("\200\2X\2\0\0\0a\0."), ERR_DATA, "NUL");
	assert_refused(PICKLE("\200\2\212\011123456789."), ERR_LIMIT, "9 bytes");
	assert_refused(PICKLE("\200\2N)R."), ERR_DATA, "no function");
	assert_refused(PICKLE("\200\2ctorch\nFloatStorage\n)R."), ERR_DATA, "storage class is called");
	assert_refused(PICKLE("\200\2ccollections\nOrderedDict\nN\205R."), ERR_DATA, "made from");
	assert_refused(PICKLE("\200\2ctorch._utils\n_rebuild_tensor_v2\n)R."), ERR_DATA, "tensor");
	assert_refused(PICKLE("\200\2ctorch._utils\n_rebuild_parameter\n)R."), ERR_DATA, "parameter");
	assert_refused(PICKLE("\200\2NQ."), ERR_DATA, "names no storage");
	assert_refused(PICKLE("\200\2)Q."), ERR_DATA, "names no storage");
	assert_refused(PICKLE("\200\2]Nb."), ERR_DATA, "attributes");
}

/* Depth, repetition and self-reference cost memory in proportion to the input, and no recursion. */
static void
bombs_are_bounded(void **state)
{
	size_t	 size = (size_t) 3 << 20;
	uint8_t *bytes = malloc(size + 1);
	(void) state;

	memset(bytes, '(', size);
	assert_refused(bytes, size, ERR_LIMIT, "marks");
	memset(bytes, 'N', size);
	assert_refused(bytes, size, ERR_LIMIT, "stack");
	bytes[0] = ']';
	bytes[1] = 'q';
	bytes[2] = 0;
	for (size_t i = 3; i < size; i += 3)
		memcpy(bytes + i, "h\0a", 3);
	bytes[size] = '.';
	{
		Pickle pickle;
		Arena  arena;
		Error  error;

		arena_init(&arena, 0);
		assert_true(pickle_read(&pickle, &arena, bytes, size + 1, &error));
		assert_int_equal(pickle.root->type, PICKLE_LIST);
		assert_ptr_equal(pickle.root->items[0], pickle.root);
		arena_free(&arena);
		arena_init(&arena, 1 << 20);
		assert_false(pickle_read(&pickle, &arena, bytes, size + 1, &error));
		assert_int_equal(error.code, ERR_MEMORY);
		arena_free(&arena);
	}
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_are_built),
		cmocka_unit_test(tensors_are_built),
		cmocka_unit_test(foreign_globals_are_named),
		cmocka_unit_test(foreign_opcodes_are_named),
		cmocka_unit_test(malformed_pickles_are_refused),
		cmocka_unit_test(bombs_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
