/*
 * fuzz_tokenizer_post_processor.c: any bytes as the "post_processor" of a tokenizer.json.
 */
#include "tokenizer_component.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return component_fuzz("post_processor", data, size);
}
