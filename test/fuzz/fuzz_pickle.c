/*
 * fuzz_pickle.c: any bytes as a pickle, and as pytorch_model.bin of either format.
 */
#include "import/pickle.h"
#include "read_checkpoint.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	read_checkpoint(&torch_format, false, data, size);
	return 0;
}
