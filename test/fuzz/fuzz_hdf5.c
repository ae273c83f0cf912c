/*
 * fuzz_hdf5.c: any bytes as tf_model.h5, and as a shard of it.
 */
#include "read_checkpoint.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_checkpoint(&hdf5_format, false, data, size);
	read_checkpoint(&hdf5_format, true, data, size);
	return 0;
}
