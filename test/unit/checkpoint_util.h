/*
 * checkpoint_util.h: weight files to open, in a directory that goes away.
 */
#ifndef CHECKPOINT_UTIL_H
#define CHECKPOINT_UTIL_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "import/checkpoint.h"

#define FORMATS "test/reference/families/formats"

static char directory[64];

static inline int
set_up(void **state)
{
	(void) state;
	strcpy(directory, "/tmp/test_checkpoint.XXXXXX");
	return mkdtemp(directory) == NULL;
}

static inline int
tear_down(void **state)
{
	DIR			  *listing = opendir(directory);
	struct dirent *entry;
	(void) state;

	while ((entry = readdir(listing)) != NULL)
		unlinkat(dirfd(listing), entry->d_name, 0);
	closedir(listing);
	return rmdir(directory);
}

/* The path of a file of the directory. */
static inline const char *
path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static inline void
put(const char *name, const void *bytes, size_t size)
{
	FILE *out = fopen(path_of(name), "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, size, out), size);
	fclose(out);
}

/* A whole file, malloc'd. */
static inline uint8_t *
get(const char *path, size_t *size)
{
	FILE	   *in = fopen(path, "rb");
	struct stat status;
	uint8_t	   *bytes;

	assert_non_null(in);
	assert_int_equal(fstat(fileno(in), &status), 0);
	*size = (size_t) status.st_size;
	bytes = malloc(*size + 1);
	assert_int_equal(fread(bytes, 1, *size, in), *size);
	fclose(in);
	return bytes;
}

static inline void
open_weights(Checkpoint *checkpoint, const char *from)
{
	Error error;
	bool  found;

	if (!checkpoint_open(checkpoint, from, &found, &error))
		fail_msg("%s: %s", from, error.message);
	assert_true(found);
}

/* Opening the directory fails with this code, and a message that has this text. */
static inline void
assert_refused(ErrorCode code, const char *text)
{
	Checkpoint checkpoint;
	Error	   error;
	bool	   found;

	if (checkpoint_open(&checkpoint, directory, &found, &error))
		fail_msg("opened, instead of: %s", text);
	if (error.code != code || strstr(error.message, text) == NULL)
		fail_msg("got %d: %s", error.code, error.message);
}

static inline const CheckpointTensor *
find(const Checkpoint *checkpoint, const char *name)
{
	for (int i = 0; i < checkpoint->n; i++)
		if (strcmp(checkpoint->tensors[i].name, name) == 0)
			return &checkpoint->tensors[i];
	fail_msg("no tensor %s", name);
	return NULL;
}

/* A tensor has this shape (rows 0: a vector, columns 0: a number) and these numbers. */
static inline void
expect_tensor(const Checkpoint *checkpoint, const char *name, int rows, int columns,
			  const float *numbers)
{
	const CheckpointTensor *tensor = find(checkpoint, name);
	size_t					count = (size_t) (rows > 0 ? rows : 1) * (columns > 0 ? columns : 1);
	float					out[64];
	Error					error;

	assert_int_equal(tensor->rank, (rows > 0) + (columns > 0));
	assert_true(rows == 0 || tensor->shape[0] == rows);
	assert_true(columns == 0 || tensor->shape[tensor->rank - 1] == columns);
	assert_int_equal(tensor->count, count);
	assert_true(checkpoint_read(tensor, out, &error));
	assert_memory_equal(out, numbers, count * sizeof *out);
}

/* Two directories have the same tensors of the same numbers. */
static inline void
expect_same(const char *one, const char *other)
{
	Checkpoint a, b;
	Error	   error;

	open_weights(&a, one);
	open_weights(&b, other);
	assert_int_equal(a.n, b.n);
	for (int i = 0; i < a.n; i++)
	{
		const CheckpointTensor *x = &a.tensors[i], *y = find(&b, x->name);
		float				   *p = malloc(x->count * sizeof *p), *q = malloc(x->count * sizeof *q);

		assert_int_equal(x->rank, y->rank);
		assert_memory_equal(x->shape, y->shape, (size_t) x->rank * sizeof x->shape[0]);
		assert_true(checkpoint_read(x, p, &error) && checkpoint_read(y, q, &error));
		assert_memory_equal(p, q, x->count * sizeof *p);
		free(p);
		free(q);
	}
	checkpoint_close(&a);
	checkpoint_close(&b);
}

#endif
