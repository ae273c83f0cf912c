/*
 * read_checkpoint.h: an input as a weight file of a format; what it lists must be readable, or be refused in order.
 */
#ifndef READ_CHECKPOINT_H
#define READ_CHECKPOINT_H

#include <stdlib.h>

#include "import/checkpoint.h"
#include "memory_file.h"

#define MEMORY ((size_t) 64 << 20)

static inline void
read_checkpoint(const CheckpointFormat *format, bool shard, const uint8_t *data, size_t size)
{
	char		   path[64];
	int			   memory = memory_file(path, data, size);
	CheckpointFile file = {.format = format, .path = path, .map = {data, size}, .shard = shard};
	Checkpoint	   checkpoint = {0};
	Error		   error;

	arena_init(&checkpoint.arena, MEMORY);
	if (format->open(&checkpoint, &file, &error))
		for (int i = 0; i < checkpoint.n; i++)
		{
			const CheckpointTensor *tensor = &checkpoint.tensors[i];
			float				   *out;

			if (tensor->count > MEMORY)
				continue;
			out = malloc(tensor->count * sizeof *out + 1);
			checkpoint_read(tensor, out, &error);
			free(out);
		}
	if (format->close != NULL)
		format->close(&file);
	free(checkpoint.tensors);
	arena_free(&checkpoint.arena);
	close(memory);
}

#endif
