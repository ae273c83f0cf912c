/*
 * fuzz_msgpack.c: any bytes as flax_model.msgpack.
 */
#include "read_checkpoint.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_checkpoint(&msgpack_format, false, data, size);
	return 0;
}
