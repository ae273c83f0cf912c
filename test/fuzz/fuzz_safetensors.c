/*
 * fuzz_safetensors.c: any bytes as model.safetensors; what is listed must be readable.
 */
#include <stdlib.h>

#include "import/checkpoint.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CheckpointFile file = {.format = &safetensors_format, .path = "input", .map = {data, size}};
	Checkpoint	   checkpoint = {0};
	Error		   error;

	arena_init(&checkpoint.arena, (size_t) 64 << 20);
	if (safetensors_format.open(&checkpoint, &file, &error))
		for (int i = 0; i < checkpoint.n; i++)
		{
			const CheckpointTensor *tensor = &checkpoint.tensors[i];
			float				   *out = malloc(tensor->count * sizeof *out + 1);

			if (tensor->count > size || !checkpoint_read(tensor, out, &error))
				__builtin_trap();
			free(out);
		}
	free(checkpoint.tensors);
	arena_free(&checkpoint.arena);
	return 0;
}
