/*
 * fuzz_tokenizer_decoder.c: any bytes as the "decoder" of a tokenizer.json.
 */
#include "tokenizer_component.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return component_fuzz("decoder", data, size);
}
