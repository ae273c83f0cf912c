/*
 * spelling.c: decoders that join the bytes of tokens.
 *
 * Those of byte-level BPE, and those of SentencePiece: Metaspace, or a Replace of single characters, for the spaces,
 * ByteFallback for tokens like "<0xE2>", and behind Fuse a Strip of spaces at the beginning of the text.
 */
#include "tok/spelling.h"

#include <string.h>

#include "tok/byte_level.h"
#include "tok/component.h"

static const Component *
decoders(const Tokenizer *tokenizer)
{
	return tokenizer->components + tokenizer->n_normalizers + tokenizer->n_pre_tokenizers + 1;
}

/* Whether the decoder puts one byte, or none, in the place of each character of a set. */
static bool
replaces_characters(const Component *component)
{
	return regex_is_set(&component->regex) && component->length <= 1;
}

static bool
strips_begin(const Component *component)
{
	return component->record->args[0] == ' ' && component->record->args[2] == 0;
}

bool
tokenizer_spells(const Tokenizer *tokenizer)
{
	const Component *component = decoders(tokenizer);
	bool			 fused = false;

	if (tokenizer->n_decoders == 1 && component->record->kind == DECODER_BYTE_LEVEL)
		return true;
	for (int i = 0; i < tokenizer->n_decoders; i++, component++)
		switch (component->record->kind)
		{
			case DECODER_METASPACE:
			case DECODER_BYTE_FALLBACK:
				if (fused)
					return false;
				break;
			case DECODER_REPLACE:
				if (fused || !replaces_characters(component))
					return false;
				break;
			case DECODER_FUSE:
				fused = true;
				break;
			case DECODER_STRIP:
				if (!fused || !strips_begin(component))
					return false;
				break;
			default:
				return false;
		}
	return tokenizer->n_decoders > 0;
}

/* Puts a space for every mark, or what a Replace puts; the new length, at most the old one. */
static size_t
replace_characters(const Component *component, char *bytes, size_t length)
{
	bool	 metaspace = component->record->kind == DECODER_METASPACE;
	uint32_t mark = (uint32_t) component->record->args[0];
	size_t	 n = 0;

	for (size_t at = 0; at < length;)
	{
		size_t	 begin = at;
		uint32_t character = utf8_next(bytes, length, &at);

		if (metaspace ? character == mark : regex_set_has(&component->regex, character))
		{
			if (metaspace || component->length > 0)
				bytes[n++] = metaspace ? ' ' : component->bytes[0];
			continue;
		}
		memmove(bytes + n, bytes + begin, at - begin);
		n += at - begin;
	}
	return n;
}

size_t
tokenizer_spell(const Tokenizer *tokenizer, int32_t id, char *out, size_t room)
{
	const Component *component = decoders(tokenizer);
	size_t			 length;
	const char		*token = tokenizer_token(tokenizer, id, &length);

	if (token == NULL || length > room || tokenizer_is_special(tokenizer, id))
		return 0;
	if (component->record->kind == DECODER_BYTE_LEVEL)
		return byte_level_spell(token, length, out);
	memcpy(out, token, length);
	for (int i = 0; i < tokenizer->n_decoders && component->record->kind != DECODER_FUSE;
		 i++, component++)
	{
		int byte =
			component->record->kind == DECODER_BYTE_FALLBACK ? byte_fallback_byte(out, length) : -1;

		if (byte >= 0)
		{
			out[0] = (char) byte;
			length = 1;
		}
		else if (component->record->kind != DECODER_BYTE_FALLBACK)
			length = replace_characters(component, out, length);
	}
	return length;
}
