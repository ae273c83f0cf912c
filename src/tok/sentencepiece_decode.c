/*
 * sentencepiece_decode.c: how the slow classes of SentencePiece models make a text of tokens.
 *
 * Tokens that stand apart are texts of their own; the others are strung together by the class's
 * convert_tokens_to_string, which has SentencePiece decode what is between special tokens.
 */
#include "tok/sentencepiece.h"

#include <stdlib.h>

#include "tok/component.h"

#define MARK "\xE2\x96\x81"
#define N_MARK 3

/* The id of a fragment that is no token any more. */
#define UNKNOWN_TEXT (-2)

/* A growing text. */
typedef struct Buffer
{
	Decoding *decoding;
	char	 *bytes;
	size_t	  length, room;
} Buffer;

static bool
decode_open(Component *component, const void *data, size_t size)
{
	const DecodeTable *table = data;

	component->bytes = data;
	component->length = size;
	return component->record->args[0] >= 0 && component->record->args[0] < STYLES &&
		   size >= sizeof *table &&
		   (uint64_t) table->n_kinds + table->n_surface == size - sizeof *table;
}

static inline const DecodeTable *
table_of(const Component *component)
{
	return (const DecodeTable *) (const void *) component->bytes;
}

static bool
put(Buffer *buffer, const char *bytes, size_t length)
{
	if (length > buffer->room - buffer->length)
	{
		size_t room = buffer->room ? buffer->room : 256;
		char  *grown;

		while (room - buffer->length < length)
			room *= 2;
		grown = arena_alloc_raw(buffer->decoding->arena, room, 1);
		if (!grown)
			return error_set(buffer->decoding->error, ERR_MEMORY, "out of memory for decoded text");
		if (buffer->length > 0)
			memcpy(grown, buffer->bytes, buffer->length);
		buffer->bytes = grown;
		buffer->room = room;
	}
	if (length > 0)
		memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
	return true;
}

/* Bytes with spaces for marks. */
static bool
put_unmarked(Buffer *buffer, const char *bytes, size_t length)
{
	for (size_t at = 0; at < length;)
	{
		const char *mark = memmem(bytes + at, length - at, MARK, N_MARK);
		size_t		end = mark ? (size_t) (mark - bytes) : length;

		if (!put(buffer, bytes + at, end - at) || (mark && !put(buffer, " ", 1)))
			return false;
		at = mark ? end + N_MARK : length;
	}
	return true;
}

static int
kind_of(const Component *component, const Fragment *fragment)
{
	const DecodeTable *table = table_of(component);

	if (fragment->id == UNKNOWN_TEXT)
		return DECODE_AS_IS;
	return fragment->id >= 0 && (uint32_t) fragment->id < table->n_kinds
			   ? ((const uint8_t *) (table + 1))[fragment->id]
			   : DECODE_TEXT;
}

/* The text of tokens that stand for bytes; what is no UTF-8 becomes U+FFFD byte by byte. */
static bool
put_bytes(Buffer *buffer, const Fragment *fragments, size_t n)
{
	Buffer bytes = {.decoding = buffer->decoding};

	for (size_t i = 0; i < n; i++)
	{
		char byte =
			(char) strtoul(fragments[i].length == 6 ? fragments[i].bytes + 1 : "0", NULL, 16);

		if (!put(&bytes, &byte, 1))
			return false;
	}
	for (size_t at = 0; at < bytes.length;)
	{
		size_t	 begin = at;
		uint32_t character = utf8_next(bytes.bytes, bytes.length, &at);
		bool	 valid = character != 0xFFFD || at - begin == 3;

		if (!valid)
			at = begin + 1;
		if (!put(buffer, valid ? bytes.bytes + begin : "\xEF\xBF\xBD", valid ? at - begin : 3))
			return false;
	}
	return true;
}

/* SentencePiece's Decode. */
static bool
put_decoded(const Component *component, Buffer *buffer, const Fragment *fragments, size_t n)
{
	const DecodeTable *table = table_of(component);
	uint32_t		   flags = component->record->flags;
	size_t			   begin = buffer->length, bytes = 0;
	bool			   at_beginning = true, seen = false;

	for (size_t i = 0; i < n; i++)
	{
		const char *text = fragments[i].bytes;
		size_t		length = fragments[i].length;
		int			kind = kind_of(component, &fragments[i]);

		if (kind == DECODE_BYTE)
			continue;
		if (!put_bytes(buffer, fragments + bytes, i - bytes))
			return false;
		bytes = i + 1;
		if (seen || buffer->length > begin)
			at_beginning = false;
		seen = false;
		if (kind == DECODE_AS_IS && !put(buffer, text, length))
			return false;
		if (kind == DECODE_CONTROL || kind == DECODE_AS_IS)
			continue;
		if (kind == DECODE_UNKNOWN)
		{
			text = (const char *) (table + 1) + table->n_kinds;
			if (!put(buffer, text, table->n_surface))
				return false;
			continue;
		}
		if (at_beginning && (flags & (DECODE_BEGINS | DECODE_TRIMS)) && length >= N_MARK &&
			memcmp(text, MARK, N_MARK) == 0)
		{
			text += N_MARK;
			length -= N_MARK;
			seen = !(flags & DECODE_TRIMS);
		}
		if (!put_unmarked(buffer, text, length))
			return false;
	}
	return put_bytes(buffer, fragments + bytes, n - bytes);
}

/* What is left of bytes begin .. length - 1 of a buffer without whitespace at both ends. */
static void
strip(Buffer *buffer, size_t begin)
{
	size_t first = buffer->length, end = begin;

	for (size_t at = begin; at < buffer->length;)
	{
		size_t from = at;

		if (is_python_space(text_next(buffer->bytes, &at)))
			continue;
		if (first == buffer->length)
			first = from;
		end = at;
	}
	if (end > first)
		memmove(buffer->bytes + begin, buffer->bytes + first, end - first);
	buffer->length = end > first ? begin + (end - first) : begin;
}

/* Special tokens, and decoded texts between them. */
static bool
put_around_special(const Component *component, Buffer *buffer, const Fragment *fragments, size_t n)
{
	SentencePieceStyle style = (SentencePieceStyle) component->record->args[0];
	bool			   after_special = false;
	size_t			   done = 0;

	for (size_t i = 0; i < n; i++)
	{
		bool spaced = !after_special && style != STYLE_PEGASUS;

		if (!tokenizer_is_special(buffer->decoding->tokenizer, fragments[i].id))
		{
			after_special = false;
			continue;
		}
		if (style == STYLE_LLAMA)
			spaced &= i != 0 && (component->record->flags & DECODE_LEGACY) != 0;
		if ((spaced && !put(buffer, " ", 1)) ||
			!put_decoded(component, buffer, fragments + done, i - done) ||
			!put(buffer, fragments[i].bytes, fragments[i].length))
			return false;
		after_special = true;
		done = i + 1;
	}
	return put_decoded(component, buffer, fragments + done, n - done);
}

/* convert_tokens_to_string. */
static bool
put_tokens(const Component *component, Buffer *buffer, Fragment *fragments, size_t n)
{
	SentencePieceStyle style = (SentencePieceStyle) component->record->args[0];
	size_t			   begin = buffer->length;
	bool			   cut = false;

	for (bool more = style == STYLE_T5 || style == STYLE_LLAMA;
		 more && fragments[0].length >= N_MARK && memcmp(fragments[0].bytes, MARK, N_MARK) == 0;
		 more = style == STYLE_T5)
	{
		fragments[0].bytes += N_MARK;
		fragments[0].length -= N_MARK;
		cut = true;
	}
	/* SentencePiece looks it up again. */
	if (cut)
	{
		int32_t id =
			tokenizer_id(buffer->decoding->tokenizer, fragments[0].bytes, fragments[0].length);

		fragments[0].id = id < 0 ? UNKNOWN_TEXT : id;
	}
	if (style == STYLE_JOIN)
	{
		for (size_t i = 0; i < n; i++)
			if (!put_unmarked(buffer, fragments[i].bytes, fragments[i].length))
				return false;
	}
	else if (!put_around_special(component, buffer, fragments, n))
		return false;
	if (style != STYLE_LLAMA)
		strip(buffer, begin);
	return true;
}

static bool
is_apart(const Component *component, const Decoding *decoding, const Fragment *fragment)
{
	uint8_t apart = component->record->flags & DECODE_ADDED_APART ? TOKEN_ADDED : TOKEN_APART;

	return fragment->id >= 0 && (decoding->tokenizer->vocab_flags[fragment->id] & apart);
}

/* The space that is to be left out before [MASK] and [SEP]. */
static bool
closes(const Component *component, const Buffer *buffer, size_t at)
{
	const char *bytes = buffer->bytes + at;
	size_t		left = buffer->length - at;

	return (component->record->flags & DECODE_CLOSE) &&
		   ((left >= 7 && memcmp(bytes, " [MASK]", 7) == 0) ||
			(left >= 6 && memcmp(bytes, " [SEP]", 6) == 0));
}

static bool
sentencepiece_decode(const Component *component, Decoding *decoding)
{
	uint32_t flags = component->record->flags;
	Buffer	 buffer = {.decoding = decoding};
	size_t	 n = 0, length = 0, texts = 0;

	for (size_t i = 0; i < decoding->n; i = n)
	{
		size_t before = buffer.length;
		bool   apart = is_apart(component, decoding, &decoding->fragments[i]);

		n = i + 1;
		while (!apart && n < decoding->n && !is_apart(component, decoding, &decoding->fragments[n]))
			n++;
		if ((texts > 0 && (flags & DECODE_SPACES) && !put(&buffer, " ", 1)) ||
			(apart ? !put(&buffer, decoding->fragments[i].bytes, decoding->fragments[i].length)
				   : !put_tokens(component, &buffer, decoding->fragments + i, n - i)))
			return false;
		/* Nothing between two that stand apart is no text, nothing at the end is one. */
		if (!apart && n < decoding->n && !(flags & DECODE_KEEP_EMPTY) &&
			buffer.length == before + (texts > 0 && (flags & DECODE_SPACES)))
			buffer.length = before;
		else
			texts++;
	}
	for (size_t at = 0; at < buffer.length; at++)
		if (!closes(component, &buffer, at))
			buffer.bytes[length++] = buffer.bytes[at];
	decoding->fragments[0] = (Fragment){.bytes = buffer.bytes, .length = length, .id = -1};
	decoding->n = 1;
	return true;
}

const ComponentType sentencepiece_decoder_type = {
	.kind = DECODER_SENTENCEPIECE,
	.name = "SentencePiece decoder",
	.open = decode_open,
	.decode = sentencepiece_decode,
};
