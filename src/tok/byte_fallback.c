/*
 * byte_fallback.c: the decoders ByteFallback, which makes text of tokens like "<0xE2>", and Fuse.
 */
#include "tok/component.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A plus before one digit is a sign, as the language of the tokenizers library reads numbers. */
int
byte_fallback_byte(const char *s, size_t length)
{
	int high, low;

	if (length != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
		return -1;
	high = s[3] == '+' ? 0 : hex_digit(s[3]);
	low = hex_digit(s[4]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* n bytes as one fragment, or each as U+FFFD when they are no UTF-8; returns how many fragments that makes. */
static size_t
put_bytes(const char *bytes, size_t n, Fragment *out)
{
	bool valid = true;

	for (size_t at = 0; valid && at < n;)
	{
		size_t begin = at;

		valid = utf8_next(bytes, n, &at) != 0xFFFD || at - begin == 3;
	}
	if (valid)
	{
		out[0] = (Fragment){.bytes = bytes, .length = n, .id = -1};
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (Fragment){.bytes = "\xEF\xBF\xBD", .length = 3, .id = -1};
	return n;
}

static bool
byte_fallback_decode(const Component *component, Decoding *decoding)
{
	char  *bytes = decoding_bytes(decoding, decoding->n + 1);
	size_t n = 0, waiting = 0;

	if (!bytes)
		return false;
	for (size_t i = 0; i < decoding->n; i++)
	{
		Fragment fragment = decoding->fragments[i];
		int		 byte = byte_fallback_byte(fragment.bytes, fragment.length);

		if (byte >= 0)
		{
			bytes[waiting++] = (char) byte;
			continue;
		}
		if (waiting > 0)
		{
			n += put_bytes(bytes, waiting, decoding->fragments + n);
			bytes += waiting;
			waiting = 0;
		}
		decoding->fragments[n++] = fragment;
	}
	if (waiting > 0)
		n += put_bytes(bytes, waiting, decoding->fragments + n);
	decoding->n = n;
	return true;
}

const ComponentType byte_fallback_decoder_type = {
	.kind = DECODER_BYTE_FALLBACK,
	.name = "ByteFallback",
	.open = no_table,
	.decode = byte_fallback_decode,
};

static bool
fuse_decode(const Component *component, Decoding *decoding)
{
	if (!decoding_join(decoding, &decoding->fragments[0], false))
		return false;
	decoding->fragments[0].id = -1;
	decoding->n = 1;
	return true;
}

const ComponentType fuse_decoder_type = {
	.kind = DECODER_FUSE,
	.name = "Fuse",
	.open = no_table,
	.decode = fuse_decode,
};
