/*
 * pickle.h: reading the pickles that torch.save writes, without doing what they say.
 *
 * A restricted interpreter: it knows the opcodes and the globals that a state_dict needs, builds plain values,
 * storages and tensors, and calls nothing.  Any other opcode or global is an error that names it.
 */
#ifndef IMPORT_PICKLE_H
#define IMPORT_PICKLE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "import/dtype.h"

typedef enum PickleType
{
	PICKLE_NONE,
	PICKLE_BOOL,   /* integer */
	PICKLE_INT,	   /* integer */
	PICKLE_STRING, /* string */
	PICKLE_TUPLE,  /* items */
	PICKLE_LIST,   /* items */
	PICKLE_DICT,   /* items: key, value, key, value, ...; an OrderedDict too */
	PICKLE_GLOBAL, /* integer: which of those allowed */
	PICKLE_STORAGE,
	PICKLE_TENSOR
} PickleType;

typedef struct PickleValue PickleValue;

/* What a persistent id names. */
typedef struct PickleStorage
{
	const char *key;
	DType		dtype;
	int64_t		numbers;
	size_t		place; /* for whoever reads the storages */
} PickleStorage;

typedef struct PickleTensor
{
	PickleStorage	  *storage;
	int64_t			   offset; /* in numbers */
	const PickleValue *shape;  /* tuples of integers, of the same length */
	const PickleValue *strides;
} PickleTensor;

struct PickleValue
{
	PickleType type;
	int		   n, capacity; /* of items */
	union
	{
		int64_t		   integer;
		const char	  *string;
		PickleValue	 **items;
		PickleStorage *storage;
		PickleTensor  *tensor;
	};
};

typedef struct Pickle
{
	const PickleValue *root;
	PickleStorage	 **storages; /* one a persistent id, in order */
	int				   n_storages;
	size_t			   size; /* bytes up to and with STOP */
} Pickle;

/* Reads one pickle at the front of data.  Everything built lives in the arena, whose cap bounds it. */
extern bool pickle_read(Pickle *pickle, Arena *arena, const uint8_t *data, size_t size,
						Error *error);

#endif
