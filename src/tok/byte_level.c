/*
 * byte_level.c: the pre-tokenizer and decoder of byte-level vocabularies (Radford et al. 2019, GPT-2).
 *
 * The table of the pre-tokenizer gives the class of each character for GPT-2's pattern,
 *	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * which is matched by hand.
 */
#include "tok/byte_level.h"

#include "tok/component.h"

typedef enum Class
{
	CLASS_OTHER,
	CLASS_LETTER,
	CLASS_NUMBER,
	CLASS_SPACE
} Class;

static bool
byte_level_open(Component *component, const void *data, size_t size)
{
	return char_table_open(&component->chars, data, size);
}

static inline uint32_t
class_at(const CharTable *table, const uint32_t *ascii, const char *bytes, size_t *at)
{
	uint8_t byte = (uint8_t) bytes[*at];

	if (byte < 0x80)
	{
		++*at;
		return ascii[byte];
	}
	return char_value(table, text_next(bytes, at));
}

/* The length of an English contraction at bytes[at], an apostrophe; 0 when there is none. */
static size_t
contraction(const char *bytes, size_t at, size_t end)
{
	size_t left = end - at;

	if (left < 2)
		return 0;
	switch (bytes[at + 1])
	{
		case 's':
		case 't':
		case 'm':
		case 'd':
			return 2;
		case 'r':
		case 'v':
			return left > 2 && bytes[at + 2] == 'e' ? 3 : 0;
		case 'l':
			return left > 2 && bytes[at + 2] == 'l' ? 3 : 0;
	}
	return 0;
}

/* Behind the characters from byte at on that are of a class. */
static size_t
run_end(const CharTable *table, const uint32_t *ascii, const char *bytes, size_t at, size_t end,
		uint32_t class)
{
	while (at < end)
	{
		size_t next = at;

		if (class_at(table, ascii, bytes, &next) != class)
			break;
		at = next;
	}
	return at;
}

/* Where the match of GPT-2's pattern at byte at ends, at < end; with prefixed, the match of a space and what is
 * there, which may end at once. */
static size_t
next_word(const CharTable *table, const char *bytes, size_t at, size_t end, bool prefixed)
{
	const uint32_t *ascii = table->values + ((size_t) table->index[0] << CHAR_BLOCK_BITS);
	size_t			next = at, behind, last;
	uint32_t class, class_behind;

	if (bytes[at] == '\'' && !prefixed && (last = contraction(bytes, at, end)) > 0)
		return at + last;
	class = class_at(table, ascii, bytes, &next);
	if (bytes[at] == ' ' && !prefixed && next < end)
	{
		behind = next;
		class_behind = class_at(table, ascii, bytes, &behind);
		if (class_behind != CLASS_SPACE)
		{
			class = class_behind;
			next = behind;
		}
	}
	last = run_end(table, ascii, bytes, next, end, class);
	if (class != CLASS_SPACE || last == end)
		return last;
	/* Whitespace before something else leaves its last character to that, unless it is all there is. */
	next = last - 1;
	while (((uint8_t) bytes[next] & 0xC0) == 0x80)
		next--;
	return next > at || prefixed ? next : last;
}

/* Puts bytes begin .. end - 1 of a text behind another as printable characters. */
static bool
put_bytes(Run *run, const Text *in, size_t begin, size_t end, Text *out)
{
	if (!text_reserve(out, run->arena, (end - begin) * 2, run->error))
		return false;
	for (size_t i = begin; i < end; i++)
		text_put(out, byte_level_character((uint8_t) in->bytes[i]), in->origin[i]);
	return true;
}

/* Cuts one piece of text into words, which go to result. */
static bool
split_piece(const Component *component, Run *run, const Text *text, const Piece *piece,
			Text *result, Pieces *out)
{
	uint32_t flags = component->record->flags;
	size_t	 at = piece->begin, begin = result->length;
	bool	 prefixed = (flags & BYTE_LEVEL_PREFIX_SPACE) && text->bytes[at] != ' ';

	if (prefixed)
	{
		if (!text_reserve(result, run->arena, 4, run->error))
			return false;
		text_put(result, byte_level_character(' '), text->origin[at]);
	}
	while (at < piece->end)
	{
		size_t end = flags & BYTE_LEVEL_WORDS
						 ? next_word(&component->chars, text->bytes, at, piece->end, prefixed)
						 : piece->end;

		if (!run_tick(run, end - at) || !put_bytes(run, text, at, end, result) ||
			!pieces_add(out, run->arena, begin, result->length, PIECE_OPEN, run->error))
			return false;
		begin = result->length;
		at = end;
		prefixed = false;
	}
	return true;
}

static bool
byte_level_split(const Component *component, Run *run, const Pieces *in, Pieces *out)
{
	return run_rewrite_pieces(component, run, in, out, split_piece);
}

const ComponentType byte_level_type = {
	.kind = PRE_TOKENIZER_BYTE_LEVEL,
	.name = "ByteLevel",
	.open = byte_level_open,
	.split = byte_level_split,
};

size_t
byte_level_spell(const char *token, size_t length, char *out)
{
	size_t n = 0;

	for (size_t at = 0; at < length;)
	{
		int byte = byte_level_byte(utf8_next(token, length, &at));

		if (byte < 0)
		{
			memcpy(out, token, length);
			return length;
		}
		out[n++] = (char) byte;
	}
	return n;
}

/* Joins tokens into text.  With BYTE_LEVEL_APART, tokens that are TOKEN_APART are texts of their own, and there are
 * spaces between texts. */
static bool
byte_level_decode(const Component *component, Decoding *decoding)
{
	uint32_t	 flags = component->record->flags;
	bool		 apart = (flags & BYTE_LEVEL_APART) != 0;
	InvalidBytes invalid = flags & BYTE_LEVEL_IGNORE   ? INVALID_IGNORE
						   : flags & BYTE_LEVEL_STRICT ? INVALID_ERROR
													   : INVALID_REPLACE;
	size_t		 length = 0, n = 0, i = 0;
	char		*bytes;

	for (size_t j = 0; j < decoding->n; j++)
		length += decoding->fragments[j].length;
	bytes = decoding_bytes(decoding, length + 1);
	if (!bytes)
		return false;
	while (i < decoding->n)
	{
		Fragment text = decoding->fragments[i];

		if (apart && fragment_is_apart(decoding, &text))
			i++;
		else
		{
			text = (Fragment){.bytes = bytes, .id = -1};
			for (; i < decoding->n &&
				   !(apart && fragment_is_apart(decoding, &decoding->fragments[i]));
				 i++)
			{
				if (!decoding_tick(decoding, decoding->fragments[i].length))
					return false;
				text.length += byte_level_spell(decoding->fragments[i].bytes,
												decoding->fragments[i].length, bytes + text.length);
			}
			if (!fragment_make_text(decoding, &text, invalid))
				return false;
		}
		if (n > 0 && !fragment_prepend(decoding, &text, " ", 1))
			return false;
		decoding->fragments[n++] = text;
	}
	decoding->n = n;
	return true;
}

const ComponentType byte_level_decoder_type = {
	.kind = DECODER_BYTE_LEVEL,
	.name = "ByteLevel decoder",
	.open = no_table,
	.decode = byte_level_decode,
};
