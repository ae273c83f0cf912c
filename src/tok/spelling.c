/*
 * spelling.c: decoders that join the bytes of tokens.
 */
#include "tok/spelling.h"

#include "tok/byte_level.h"
#include "tok/component.h"

/* The only decoder, or NULL. */
static const Component *
decoder(const Tokenizer *tokenizer)
{
	if (tokenizer->n_decoders != 1)
		return NULL;
	return tokenizer->components + tokenizer->n_normalizers + tokenizer->n_pre_tokenizers + 1;
}

bool
tokenizer_spells(const Tokenizer *tokenizer)
{
	const Component *component = decoder(tokenizer);

	return component != NULL && component->record->kind == DECODER_BYTE_LEVEL;
}

size_t
tokenizer_spell(const Tokenizer *tokenizer, int32_t id, char *out, size_t room)
{
	size_t		length;
	const char *token = tokenizer_token(tokenizer, id, &length);

	if (token == NULL || length > room || tokenizer_is_special(tokenizer, id))
		return 0;
	return byte_level_spell(token, length, out);
}
