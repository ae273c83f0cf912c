/*
 * pickle.c: the restricted interpreter.
 *
 * A Machine lives for one pickle_read.  Its stack and memo hold pointers to values in the arena; every opcode
 * takes at least one byte of the input and builds at most one value, and stack, memo, values and strings
 * are bounded besides.  Values may refer to themselves; nothing here follows them more than two levels deep.
 */
#include "import/pickle.h"

#include <stdlib.h>
#include <string.h>

#define MAX_STACK (1 << 20)
#define MAX_MEMO (1 << 22)
#define MAX_VALUES (1 << 22)
#define MAX_MARKS 1024
#define MAX_STRING 65536
#define VALUE_BLOCK 256

enum
{
	OP_MARK = '(',
	OP_STOP = '.',
	OP_BINGET = 'h',
	OP_BININT = 'J',
	OP_BININT1 = 'K',
	OP_BININT2 = 'M',
	OP_NONE = 'N',
	OP_BINPERSID = 'Q',
	OP_REDUCE = 'R',
	OP_BINUNICODE = 'X',
	OP_EMPTY_LIST = ']',
	OP_APPEND = 'a',
	OP_BUILD = 'b',
	OP_GLOBAL = 'c',
	OP_APPENDS = 'e',
	OP_LONG_BINGET = 'j',
	OP_BINPUT = 'q',
	OP_LONG_BINPUT = 'r',
	OP_SETITEM = 's',
	OP_TUPLE = 't',
	OP_SETITEMS = 'u',
	OP_EMPTY_DICT = '}',
	OP_EMPTY_TUPLE = ')',
	OP_PROTO = 0x80,
	OP_TUPLE1 = 0x85,
	OP_TUPLE2 = 0x86,
	OP_TUPLE3 = 0x87,
	OP_NEWTRUE = 0x88,
	OP_NEWFALSE = 0x89,
	OP_LONG1 = 0x8a
};

/* Names of opcodes that are refused, for the error. */
static const struct
{
	uint8_t		code;
	const char *name;
} refused[] = {
	{'0', "POP"},
	{'1', "POP_MARK"},
	{'2', "DUP"},
	{'B', "BINBYTES"},
	{'C', "SHORT_BINBYTES"},
	{'F', "FLOAT"},
	{'G', "BINFLOAT"},
	{'I', "INT"},
	{'L', "LONG"},
	{'P', "PERSID"},
	{'S', "STRING"},
	{'T', "BINSTRING"},
	{'U', "SHORT_BINSTRING"},
	{'V', "UNICODE"},
	{'d', "DICT"},
	{'g', "GET"},
	{'i', "INST"},
	{'l', "LIST"},
	{'o', "OBJ"},
	{'p', "PUT"},
	{0x81, "NEWOBJ"},
	{0x82, "EXT1"},
	{0x83, "EXT2"},
	{0x84, "EXT4"},
	{0x8b, "LONG4"},
	{0x8c, "SHORT_BINUNICODE"},
	{0x8d, "BINUNICODE8"},
	{0x8e, "BINBYTES8"},
	{0x8f, "EMPTY_SET"},
	{0x90, "ADDITEMS"},
	{0x91, "FROZENSET"},
	{0x92, "NEWOBJ_EX"},
	{0x93, "STACK_GLOBAL"},
	{0x94, "MEMOIZE"},
	{0x95, "FRAME"},
	{0x96, "BYTEARRAY8"},
	{0x97, "NEXT_BUFFER"},
	{0x98, "READONLY_BUFFER"},
};

/* The globals besides torch's storage classes, which count on from GLOBAL_STORAGE by DType. */
enum
{
	GLOBAL_ORDERED_DICT,
	GLOBAL_REBUILD_TENSOR,
	GLOBAL_REBUILD_PARAMETER,
	GLOBAL_STORAGE
};

typedef struct Machine
{
	Arena		   *arena;
	Error		   *error;
	const uint8_t  *data;
	size_t			size, at;
	PickleValue	  **stack;
	int				depth, stack_capacity;
	int				marks[MAX_MARKS]; /* depths of the stack */
	int				n_marks;
	PickleValue	  **memo;
	int				memo_size;
	PickleValue	   *block; /* values to hand out */
	int				block_left;
	int				n_values;
	PickleStorage **storages;
	int				n_storages, storages_capacity;
} Machine;

static bool
malformed(Machine *machine, const char *what)
{
	return error_set(machine->error, ERR_DATA, "malformed pickle at byte %zu: %s", machine->at,
					 what);
}

static bool
exceeded(Machine *machine, const char *what, int limit)
{
	return error_set(machine->error, ERR_LIMIT, "pickle has more than %d %s", limit, what);
}

/* Makes room for *capacity to exceed wanted, by doubling; the old array stays in the arena. */
static bool
grow(Machine *machine, PickleValue ***array, int *capacity, int used, int wanted)
{
	int			  larger = *capacity < 16 ? 16 : *capacity;
	PickleValue **copy;

	if (wanted < *capacity)
		return true;
	while (larger <= wanted)
		larger *= 2;
	copy = arena_alloc(machine->arena, (size_t) larger, sizeof *copy);
	if (copy == NULL)
		return error_set(machine->error, ERR_MEMORY, "out of memory reading a pickle");
	if (used > 0)
		memcpy(copy, *array, (size_t) used * sizeof *copy);
	*array = copy;
	*capacity = larger;
	return true;
}

/* ---- input ---- */

static const uint8_t *
take(Machine *machine, size_t n)
{
	const uint8_t *bytes = machine->data + machine->at;

	if (n > machine->size - machine->at)
	{
		malformed(machine, "it ends early");
		return NULL;
	}
	machine->at += n;
	return bytes;
}

/* A little-endian unsigned number of 1 to 4 bytes. */
static bool
take_number(Machine *machine, size_t width, uint32_t *number)
{
	const uint8_t *bytes = take(machine, width);

	if (bytes == NULL)
		return false;
	*number = 0;
	memcpy(number, bytes, width);
	return true;
}

/* Text up to a newline, which is skipped; at most size - 1 bytes. */
static bool
take_line(Machine *machine, char *line, size_t size)
{
	const uint8_t *bytes = machine->data + machine->at;
	const uint8_t *newline = memchr(bytes, '\n', machine->size - machine->at);
	size_t		   length = newline != NULL ? (size_t) (newline - bytes) : size;

	if (length >= size || memchr(bytes, '\0', length) != NULL)
		return malformed(machine, "a global has no name");
	memcpy(line, bytes, length);
	line[length] = '\0';
	machine->at += length + 1;
	return true;
}

/* ---- values, stack, memo ---- */

static PickleValue *
new_value(Machine *machine, PickleType type)
{
	PickleValue *value;

	if (machine->block_left == 0)
	{
		if (machine->n_values >= MAX_VALUES)
		{
			exceeded(machine, "values", MAX_VALUES);
			return NULL;
		}
		machine->block = arena_alloc(machine->arena, VALUE_BLOCK, sizeof *machine->block);
		if (machine->block == NULL)
		{
			error_set(machine->error, ERR_MEMORY, "out of memory reading a pickle");
			return NULL;
		}
		machine->block_left = VALUE_BLOCK;
		machine->n_values += VALUE_BLOCK;
	}
	value = machine->block++;
	machine->block_left--;
	value->type = type;
	return value;
}

static bool
push(Machine *machine, PickleValue *value)
{
	if (value == NULL)
		return false;
	if (machine->depth >= MAX_STACK)
		return exceeded(machine, "values on its stack", MAX_STACK);
	if (!grow(machine, &machine->stack, &machine->stack_capacity, machine->depth, machine->depth))
		return false;
	machine->stack[machine->depth++] = value;
	return true;
}

static bool
push_integer(Machine *machine, PickleType type, int64_t integer)
{
	PickleValue *value = new_value(machine, type);

	if (value != NULL)
		value->integer = integer;
	return push(machine, value);
}

/* The lowest depth that an opcode may pop to: the last mark. */
static int
floor_depth(const Machine *machine)
{
	return machine->n_marks > 0 ? machine->marks[machine->n_marks - 1] : 0;
}

static PickleValue *
pop(Machine *machine)
{
	if (machine->depth <= floor_depth(machine))
	{
		malformed(machine, "its stack is empty");
		return NULL;
	}
	return machine->stack[--machine->depth];
}

static PickleValue *
top(Machine *machine)
{
	PickleValue *value = pop(machine);

	if (value != NULL)
		machine->depth++;
	return value;
}

/* Forgets the last mark; *begin is the depth it had. */
static bool
pop_mark(Machine *machine, int *begin)
{
	if (machine->n_marks == 0)
		return malformed(machine, "a mark is missing");
	*begin = machine->marks[--machine->n_marks];
	return true;
}

static bool
put_memo(Machine *machine, uint32_t index)
{
	PickleValue *value = top(machine);

	if (value == NULL)
		return false;
	if (index >= MAX_MEMO)
		return exceeded(machine, "memo entries", MAX_MEMO);
	if (!grow(machine, &machine->memo, &machine->memo_size, machine->memo_size, (int) index))
		return false;
	machine->memo[index] = value;
	return true;
}

static bool
get_memo(Machine *machine, uint32_t index)
{
	if (index >= (uint32_t) machine->memo_size || machine->memo[index] == NULL)
		return malformed(machine, "a memo entry is missing");
	return push(machine, machine->memo[index]);
}

static bool
append(Machine *machine, PickleValue *container, PickleValue *const *items, int n)
{
	if (n == 0)
		return true;
	if (n > MAX_VALUES - container->n)
		return exceeded(machine, "items", MAX_VALUES);
	if (!grow(machine, &container->items, &container->capacity, container->n, container->n + n))
		return false;
	memcpy(container->items + container->n, items, (size_t) n * sizeof *items);
	container->n += n;
	return true;
}

/* The values above begin become a new tuple. */
static bool
make_tuple(Machine *machine, int begin)
{
	PickleValue *tuple = new_value(machine, PICKLE_TUPLE);

	if (tuple == NULL || !append(machine, tuple, machine->stack + begin, machine->depth - begin))
		return false;
	machine->depth = begin;
	return push(machine, tuple);
}

/* The values above begin go into the container below them. */
static bool
extend(Machine *machine, PickleType type, int begin)
{
	PickleValue *container;
	int			 n = machine->depth - begin;

	machine->depth = begin;
	container = top(machine);
	if (container == NULL)
		return false;
	if (container->type != type || (type == PICKLE_DICT && n % 2 != 0))
		return malformed(machine, "items go into something that can't hold them");
	return append(machine, container, machine->stack + begin, n);
}

/* As extend, for the topmost n values. */
static bool
extend_by(Machine *machine, PickleType type, int n)
{
	if (machine->depth - n < floor_depth(machine))
		return malformed(machine, "its stack is empty");
	return extend(machine, type, machine->depth - n);
}

/* ---- opcodes with arguments ---- */

static bool
push_string(Machine *machine)
{
	uint32_t	   length;
	const uint8_t *bytes;
	PickleValue	  *value;

	if (!take_number(machine, 4, &length))
		return false;
	if (length > MAX_STRING)
		return error_set(machine->error, ERR_LIMIT,
						 "a string of the pickle has %u bytes, at most %d", length, MAX_STRING);
	bytes = take(machine, length);
	if (bytes == NULL)
		return false;
	if (memchr(bytes, '\0', length) != NULL)
		return malformed(machine, "a string holds a NUL");
	value = new_value(machine, PICKLE_STRING);
	if (value == NULL)
		return false;
	value->string = arena_strndup(machine->arena, (const char *) bytes, length);
	if (value->string == NULL)
		return error_set(machine->error, ERR_MEMORY, "out of memory reading a pickle");
	return push(machine, value);
}

/* A little-endian two's complement number of up to 8 bytes. */
static bool
push_long(Machine *machine)
{
	uint32_t	   length;
	const uint8_t *bytes;
	uint64_t	   number = 0;

	if (!take_number(machine, 1, &length))
		return false;
	if (length > sizeof number)
		return error_set(machine->error, ERR_LIMIT, "a number of the pickle has %u bytes", length);
	bytes = take(machine, length);
	if (bytes == NULL)
		return false;
	if (length > 0 && bytes[length - 1] >= 0x80)
		number = UINT64_MAX;
	memcpy(&number, bytes, length);
	return push_integer(machine, PICKLE_INT, (int64_t) number);
}

static bool
push_global(Machine *machine)
{
	char  module[128];
	char  name[128];
	DType dtype;

	if (!take_line(machine, module, sizeof module) || !take_line(machine, name, sizeof name))
		return false;
	if (strcmp(module, "collections") == 0 && strcmp(name, "OrderedDict") == 0)
		return push_integer(machine, PICKLE_GLOBAL, GLOBAL_ORDERED_DICT);
	if (strcmp(module, "torch._utils") == 0 && strcmp(name, "_rebuild_tensor_v2") == 0)
		return push_integer(machine, PICKLE_GLOBAL, GLOBAL_REBUILD_TENSOR);
	if (strcmp(module, "torch._utils") == 0 && strcmp(name, "_rebuild_parameter") == 0)
		return push_integer(machine, PICKLE_GLOBAL, GLOBAL_REBUILD_PARAMETER);
	if (strcmp(module, "torch") == 0 && dtype_from_torch(name, &dtype))
		return push_integer(machine, PICKLE_GLOBAL, GLOBAL_STORAGE + (int64_t) dtype);
	error_set(machine->error, ERR_UNSUPPORTED, "pickle refers to \"%s.%s\", which is not allowed",
			  module, name);
	return error_detail(
		machine->error,
		"Only tensors and the dictionary that holds them are read; nothing is called.");
}

/* ("storage", storage class, key, location, numbers[, view]) */
static bool
push_storage(Machine *machine)
{
	const PickleValue *id = pop(machine);
	PickleStorage	  *storage;
	PickleValue		  *value;

	if (id == NULL)
		return false;
	if (id->type != PICKLE_TUPLE || id->n < 5 || id->n > 6 || id->items[0]->type != PICKLE_STRING ||
		strcmp(id->items[0]->string, "storage") != 0 || id->items[1]->type != PICKLE_GLOBAL ||
		id->items[1]->integer < GLOBAL_STORAGE || id->items[2]->type != PICKLE_STRING ||
		id->items[4]->type != PICKLE_INT || id->items[4]->integer < 0)
		return malformed(machine, "a persistent id names no storage");
	if (id->n == 6 && id->items[5]->type != PICKLE_NONE)
		return error_set(machine->error, ERR_UNSUPPORTED, "pickle has a view of a storage");
	value = new_value(machine, PICKLE_STORAGE);
	storage = value != NULL ? arena_alloc(machine->arena, 1, sizeof *storage) : NULL;
	if (machine->n_storages == machine->storages_capacity && storage != NULL)
	{
		int capacity = machine->storages_capacity == 0 ? 256 : machine->storages_capacity * 2;
		PickleStorage **copy = arena_alloc(machine->arena, (size_t) capacity, sizeof *copy);

		if (copy == NULL)
			return error_set(machine->error, ERR_MEMORY, "out of memory reading a pickle");
		if (machine->n_storages > 0)
			memcpy(copy, machine->storages, (size_t) machine->n_storages * sizeof *copy);
		machine->storages = copy;
		machine->storages_capacity = capacity;
	}
	if (storage == NULL)
		return value != NULL &&
			   error_set(machine->error, ERR_MEMORY, "out of memory reading a pickle");
	*storage = (PickleStorage){.key = id->items[2]->string,
							   .dtype = (DType) (id->items[1]->integer - GLOBAL_STORAGE),
							   .numbers = id->items[4]->integer};
	machine->storages[machine->n_storages++] = storage;
	value->storage = storage;
	return push(machine, value);
}

static bool
is_integers(const PickleValue *value)
{
	if (value->type != PICKLE_TUPLE)
		return false;
	for (int i = 0; i < value->n; i++)
		if (value->items[i]->type != PICKLE_INT)
			return false;
	return true;
}

/* (storage, offset, shape, strides, requires_grad, hooks[, metadata]) */
static bool
rebuild_tensor(Machine *machine, const PickleValue *args)
{
	PickleValue *value;

	if (args->n < 6 || args->n > 7 || args->items[0]->type != PICKLE_STORAGE ||
		args->items[1]->type != PICKLE_INT || !is_integers(args->items[2]) ||
		!is_integers(args->items[3]) || args->items[2]->n != args->items[3]->n)
		return malformed(machine, "a tensor has impossible arguments");
	value = new_value(machine, PICKLE_TENSOR);
	if (value == NULL)
		return false;
	value->tensor = arena_alloc(machine->arena, 1, sizeof *value->tensor);
	if (value->tensor == NULL)
		return error_set(machine->error, ERR_MEMORY, "out of memory reading a pickle");
	*value->tensor = (PickleTensor){.storage = args->items[0]->storage,
									.offset = args->items[1]->integer,
									.shape = args->items[2],
									.strides = args->items[3]};
	return push(machine, value);
}

/* What the three callables make of their arguments. */
static bool
reduce(Machine *machine)
{
	PickleValue *args = pop(machine);
	PickleValue *callable = args != NULL ? pop(machine) : NULL;

	if (callable == NULL)
		return false;
	if (callable->type != PICKLE_GLOBAL || args->type != PICKLE_TUPLE)
		return malformed(machine, "something that is no function is called");
	switch (callable->integer)
	{
		case GLOBAL_ORDERED_DICT:
			if (args->n != 0)
				return malformed(machine, "an OrderedDict is made from something");
			return push(machine, new_value(machine, PICKLE_DICT));
		case GLOBAL_REBUILD_TENSOR:
			return rebuild_tensor(machine, args);
		case GLOBAL_REBUILD_PARAMETER:
			if (args->n < 1 || args->items[0]->type != PICKLE_TENSOR)
				return malformed(machine, "a parameter is made from something else than a tensor");
			return push(machine, args->items[0]);
		default:
			return malformed(machine, "a storage class is called");
	}
}

/* Attributes of an OrderedDict (its _metadata) are dropped. */
static bool
build(Machine *machine)
{
	const PickleValue *state = pop(machine);
	const PickleValue *object = state != NULL ? top(machine) : NULL;

	if (object == NULL)
		return false;
	return object->type == PICKLE_DICT ||
		   malformed(machine, "something else than a dictionary has attributes");
}

static bool
refuse(Machine *machine, uint8_t opcode)
{
	const char *name = "unknown";

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (refused[i].code == opcode)
			name = refused[i].name;
	return error_set(machine->error, ERR_UNSUPPORTED,
					 "pickle has opcode 0x%02x (%s) at byte %zu, which is not allowed", opcode,
					 name, machine->at - 1);
}

/* Runs one opcode other than STOP. */
static bool
step(Machine *machine, uint8_t opcode)
{
	uint32_t number;
	int		 begin = 0;

	switch (opcode)
	{
		case OP_PROTO:
			if (!take_number(machine, 1, &number))
				return false;
			return number == 2 || error_set(machine->error, ERR_UNSUPPORTED,
											"pickle has protocol %u instead of 2", number);
		case OP_MARK:
			if (machine->n_marks == MAX_MARKS)
				return exceeded(machine, "open marks", MAX_MARKS);
			machine->marks[machine->n_marks++] = machine->depth;
			return true;
		case OP_NONE:
			return push(machine, new_value(machine, PICKLE_NONE));
		case OP_NEWTRUE:
			return push_integer(machine, PICKLE_BOOL, 1);
		case OP_NEWFALSE:
			return push_integer(machine, PICKLE_BOOL, 0);
		case OP_BININT:
			return take_number(machine, 4, &number) &&
				   push_integer(machine, PICKLE_INT, (int32_t) number);
		case OP_BININT1:
			return take_number(machine, 1, &number) && push_integer(machine, PICKLE_INT, number);
		case OP_BININT2:
			return take_number(machine, 2, &number) && push_integer(machine, PICKLE_INT, number);
		case OP_LONG1:
			return push_long(machine);
		case OP_BINUNICODE:
			return push_string(machine);
		case OP_EMPTY_DICT:
			return push(machine, new_value(machine, PICKLE_DICT));
		case OP_EMPTY_LIST:
			return push(machine, new_value(machine, PICKLE_LIST));
		case OP_EMPTY_TUPLE:
			return push(machine, new_value(machine, PICKLE_TUPLE));
		case OP_TUPLE1:
		case OP_TUPLE2:
		case OP_TUPLE3:
			begin = machine->depth - (opcode - OP_TUPLE1 + 1);
			if (begin < floor_depth(machine))
				return malformed(machine, "its stack is empty");
			return make_tuple(machine, begin);
		case OP_TUPLE:
			return pop_mark(machine, &begin) && make_tuple(machine, begin);
		case OP_APPEND:
			return extend_by(machine, PICKLE_LIST, 1);
		case OP_APPENDS:
			return pop_mark(machine, &begin) && extend(machine, PICKLE_LIST, begin);
		case OP_SETITEM:
			return extend_by(machine, PICKLE_DICT, 2);
		case OP_SETITEMS:
			return pop_mark(machine, &begin) && extend(machine, PICKLE_DICT, begin);
		case OP_BINPUT:
			return take_number(machine, 1, &number) && put_memo(machine, number);
		case OP_LONG_BINPUT:
			return take_number(machine, 4, &number) && put_memo(machine, number);
		case OP_BINGET:
			return take_number(machine, 1, &number) && get_memo(machine, number);
		case OP_LONG_BINGET:
			return take_number(machine, 4, &number) && get_memo(machine, number);
		case OP_GLOBAL:
			return push_global(machine);
		case OP_BINPERSID:
			return push_storage(machine);
		case OP_REDUCE:
			return reduce(machine);
		case OP_BUILD:
			return build(machine);
		default:
			return refuse(machine, opcode);
	}
}

bool
pickle_read(Pickle *pickle, Arena *arena, const uint8_t *data, size_t size, Error *error)
{
	Machine *machine = arena_alloc(arena, 1, sizeof *machine);

	if (machine == NULL)
		return error_set(error, ERR_MEMORY, "out of memory reading a pickle");
	*machine = (Machine){.arena = arena, .error = error, .data = data, .size = size};
	for (;;)
	{
		const uint8_t *opcode = take(machine, 1);

		if (opcode == NULL)
			return false;
		if (*opcode == OP_STOP)
			break;
		if (!step(machine, *opcode))
			return false;
	}
	if (machine->n_marks > 0 || machine->depth != 1)
		return malformed(machine, "it does not end with one value");
	*pickle = (Pickle){.root = machine->stack[0],
					   .storages = machine->storages,
					   .n_storages = machine->n_storages,
					   .size = machine->at};
	return true;
}
