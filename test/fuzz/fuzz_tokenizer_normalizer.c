/*
 * fuzz_tokenizer_normalizer.c: any bytes as the "normalizer" of a tokenizer.json.
 */
#include "tokenizer_component.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return component_fuzz("normalizer", data, size);
}
