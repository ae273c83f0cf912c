/*
 * fuzz_hdf5.c: any bytes as tf_model.h5, and as a shard of it.
 *
 * libhdf5 asks for as much memory as a file tells it to, which may be refused, and loses some over damaged files,
 * which the import's end gives back.
 */
#include "read_checkpoint.h"

extern int		   LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *__asan_default_options(void);
extern const char *__lsan_default_suppressions(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *
__lsan_default_suppressions(void)
{
	return "leak:libhdf5";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_checkpoint(&hdf5_format, false, data, size);
	read_checkpoint(&hdf5_format, true, data, size);
	return 0;
}
