/*
 * memory_file.h: an input as a file without a disk, for readers that take a path.
 */
#ifndef MEMORY_FILE_H
#define MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Fills path with the name of a file that holds the input; the caller closes what is returned. */
static inline int
memory_file(char path[64], const uint8_t *data, size_t size)
{
	int file = memfd_create("input", 0);

	if (file < 0 || (size > 0 && write(file, data, size) != (ssize_t) size))
		__builtin_trap();
	snprintf(path, 64, "/proc/self/fd/%d", file);
	return file;
}

#endif
