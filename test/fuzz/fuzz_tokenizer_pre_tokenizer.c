/*
 * fuzz_tokenizer_pre_tokenizer.c: any bytes as the "pre_tokenizer" of a tokenizer.json.
 */
#include "tokenizer_component.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return component_fuzz("pre_tokenizer", data, size);
}
