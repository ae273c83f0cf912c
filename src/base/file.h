/*
 * file.h: a file mapped read-only, and a whole small file read.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct FileMap
{
	const uint8_t *data; /* NULL for an empty file */
	size_t		   size;
} FileMap;

/* Maps a regular file read-only and shared.  A directory, fifo or device is an error. */
extern bool file_map(FileMap *map, const char *path, Error *error);
extern void file_unmap(FileMap *map);

/* The whole file with a NUL behind it, in the arena; larger than limit is an error. */
extern char *file_read(Arena *arena, const char *path, size_t limit, size_t *size, Error *error);

#endif
