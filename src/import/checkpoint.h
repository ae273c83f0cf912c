/*
 * checkpoint.h: the weights of a model folder, whatever files they lie in.
 *
 * A Checkpoint belongs to one thread; it owns its open files and the list of tensors.  A file format is one
 * source file with a CheckpointFormat, and one line in the table in checkpoint.c: it lists the tensors of a file,
 * says by whose rules they are named, and reads bytes of their storage.  Names as in PyTorch's state_dict,
 * conversion to float32, views, transposes, shards and bounds are checkpoint.c's.
 */
#ifndef IMPORT_CHECKPOINT_H
#define IMPORT_CHECKPOINT_H

#include "base/arena.h"
#include "base/file.h"
#include "import/dtype.h"
#include "import/names.h"

#define TENSOR_MAX_RANK 8

typedef struct CheckpointFile CheckpointFile;

typedef struct CheckpointTensor
{
	const char	   *name;
	DType			dtype;
	int				rank;
	int64_t			shape[TENSOR_MAX_RANK];
	int64_t			strides[TENSOR_MAX_RANK]; /* in numbers, not bytes */
	int64_t			offset;					  /* of the first number in the storage */
	int64_t			numbers;				  /* in the storage */
	size_t			storage;				  /* which one: the format's own */
	size_t			count;					  /* product of the shape */
	CheckpointFile *file;
} CheckpointTensor;

typedef struct Checkpoint
{
	Arena			  arena;
	CheckpointFile	 *files;
	int				  n_files;
	CheckpointTensor *tensors; /* sorted by name, names unique */
	int				  n, capacity;
} Checkpoint;

typedef struct CheckpointFormat
{
	const char *single; /* file name, "model.safetensors" */
	const char *index;	/* of the shards' names: "model.safetensors.index.json" */

	/* Sets the file's naming and lists every tensor with checkpoint_add. */
	bool (*open)(Checkpoint *checkpoint, CheckpointFile *file, Error *error);

	/* size bytes at offset of the tensor's storage; both lie inside it.  Reading forwards is cheap. */
	bool (*read)(CheckpointFile *file, const CheckpointTensor *tensor, size_t offset, size_t size,
				 void *buffer, Error *error);

	void (*close)(CheckpointFile *file); /* frees state; may be NULL */
} CheckpointFormat;

struct CheckpointFile
{
	const CheckpointFormat *format;
	const char			   *path;
	FileMap					map;
	bool					shard;	/* an index names it */
	Naming					naming; /* of its tensors; the format's open sets it */
	void				   *state;	/* the format's */
};

extern const CheckpointFormat safetensors_format, torch_format, hdf5_format, msgpack_format;

/* Finds and opens the weights in a directory; *found is false when it has none. */
extern bool checkpoint_open(Checkpoint *checkpoint, const char *directory, bool *found,
							Error *error);
extern void checkpoint_close(Checkpoint *checkpoint);

/* All numbers of a tensor, row-major, (tensor->count) floats. */
extern bool checkpoint_read(const CheckpointTensor *tensor, float *out, Error *error);

/* "[2, 3]" into text. */
extern void shape_print(char *text, size_t size, const int64_t *shape, int rank);

/* ---- for the formats ---- */

/* Adds a tensor after checking that its view lies inside its storage; name is converted and copied, count and
 * file are set.  When contiguous, row-major strides are filled in, and a kernel of Keras or Flax becomes the
 * transposed view of it. */
extern bool checkpoint_add(Checkpoint *checkpoint, CheckpointFile *file, CheckpointTensor tensor,
						   bool contiguous, Error *error);

/* The product of the shape, which must not be negative or overflow an int64. */
extern bool shape_count(const int64_t *shape, int rank, int64_t *count);

#endif
