/*
 * fuzz_tokenizer_model.c: any bytes as the "model" of a tokenizer.json.
 */
#include "tokenizer_component.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return component_fuzz("model", data, size);
}
