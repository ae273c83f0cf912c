/*
 * fuzz_pickle.c: any bytes as a pickle, and as pytorch_model.bin of either format.
 */
#include <stdlib.h>

#include "import/checkpoint.h"
#include "import/pickle.h"
#include "memory_file.h"

#define MEMORY ((size_t) 64 << 20)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_checkpoint(const uint8_t *data, size_t size)
{
	char		   path[64];
	int			   memory = memory_file(path, data, size);
	CheckpointFile file = {.format = &torch_format, .path = path, .map = {data, size}};
	Checkpoint	   checkpoint = {0};
	Error		   error;

	arena_init(&checkpoint.arena, MEMORY);
	if (torch_format.open(&checkpoint, &file, &error))
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
	torch_format.close(&file);
	free(checkpoint.tensors);
	arena_free(&checkpoint.arena);
	close(memory);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Pickle pickle;
	Arena  arena;
	Error  error;

	arena_init(&arena, MEMORY);
	if (pickle_read(&pickle, &arena, data, size, &error) && pickle.size > size)
		__builtin_trap();
	arena_free(&arena);
	read_checkpoint(data, size);
	return 0;
}
