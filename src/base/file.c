/*
 * file.c: mapping and reading regular files.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file and tells its size; -1 on error.  O_NONBLOCK: a fifo must not hang the
 * caller. */
static int
open_regular(const char *path, size_t *size, Error *error)
{
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
	{
		error_errno(error, "could not open file \"%s\"", path);
		return -1;
	}
	if (fstat(fd, &status) != 0)
		error_errno(error, "could not stat file \"%s\"", path);
	else if (!S_ISREG(status.st_mode))
		error_set(error, ERR_IO, "\"%s\" is not a regular file", path);
	else
	{
		*size = (size_t) status.st_size;
		return fd;
	}
	close(fd);
	return -1;
}

bool
file_map(FileMap *map, const char *path, Error *error)
{
	int	  fd = open_regular(path, &map->size, error);
	void *data = NULL;

	map->data = NULL;
	if (fd < 0)
		return false;
	if (map->size > 0)
		data = mmap(NULL, map->size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
	{
		error_errno(error, "could not map file \"%s\"", path);
		close(fd);
		return false;
	}
	close(fd);
	map->data = data;
	return true;
}

void
file_unmap(FileMap *map)
{
	if (map->data)
		munmap((void *) map->data, map->size);
	*map = (FileMap){0};
}

char *
file_read(Arena *arena, const char *path, size_t limit, size_t *size, Error *error)
{
	size_t expected, done = 0;
	int	   fd = open_regular(path, &expected, error);
	char  *data;

	if (fd < 0)
		return NULL;
	if (expected > limit)
		error_set(error, ERR_LIMIT, "file \"%s\" has %zu bytes, but at most %zu are allowed", path,
				  expected, limit);
	else if (!(data = arena_alloc_raw(arena, expected + 1, 1)))
		error_set(error, ERR_MEMORY, "out of memory reading file \"%s\" of %zu bytes", path,
				  expected);
	else
	{
		while (done < expected)
		{
			ssize_t got = read(fd, data + done, expected - done);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0)
				break;
			done += (size_t) got;
		}
		if (done == expected)
		{
			close(fd);
			data[expected] = '\0';
			*size = expected;
			return data;
		}
		error_set(error, ERR_IO, "could not read file \"%s\": read %zu of %zu bytes", path, done,
				  expected);
	}
	close(fd);
	return NULL;
}
