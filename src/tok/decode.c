/*
 * decode.c: ids back to text.
 *
 * Tokens become fragments, the pipeline's decoders change them, their concatenation is the text.  All
 * memory is the caller's arena.
 */
#include "tok/component.h"

/* Fragments are small: their bytes come from the arena by so many. */
#define SPARE_BYTES ((size_t) 64 * 1024)

bool
decoding_interrupted(Decoding *decoding)
{
	const EncodeOptions *options = decoding->options;

	decoding->ticks = 0;
	if (!options || !options->interrupted || !options->interrupted(options->argument))
		return false;
	error_set(decoding->error, ERR_CANCELLED, "decoding was cancelled");
	return true;
}

char *
decoding_bytes(Decoding *decoding, size_t n)
{
	char *bytes;

	if (!decoding_tick(decoding, n))
		return NULL;
	if (n > decoding->n_spare)
	{
		size_t room = n > SPARE_BYTES / 4 ? n : SPARE_BYTES;

		bytes = arena_alloc_raw(decoding->arena, room, 1);
		if (!bytes)
		{
			error_set(decoding->error, ERR_MEMORY, "out of memory for decoded text");
			return NULL;
		}
		if (room == n)
			return bytes;
		decoding->spare = bytes;
		decoding->n_spare = room;
	}
	bytes = decoding->spare;
	decoding->spare += n;
	decoding->n_spare -= n;
	return bytes;
}

bool
fragment_prepend(Decoding *decoding, Fragment *fragment, const char *bytes, size_t length)
{
	char *joined = decoding_bytes(decoding, length + fragment->length);

	if (!joined)
		return false;
	memcpy(joined, bytes, length);
	memcpy(joined + length, fragment->bytes, fragment->length);
	fragment->bytes = joined;
	fragment->length += length;
	return true;
}

/* How many of the bytes at s, which begin no character, are the beginning of one. */
static size_t
maximal_part(const uint8_t *s, size_t length)
{
	uint8_t low = 0x80, high = 0xBF;
	size_t	wanted = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2, n;

	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 1;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	for (n = 1; n < length && n < wanted && s[n] >= low && s[n] <= high; n++)
	{
		low = 0x80;
		high = 0xBF;
	}
	return n;
}

bool
fragment_make_text(Decoding *decoding, Fragment *fragment, InvalidBytes invalid)
{
	const char *bytes = fragment->bytes;
	size_t		length = fragment->length, n = 0;
	char	   *out = decoding_bytes(decoding, 3 * length + 1);

	if (!out)
		return false;
	for (size_t at = 0; at < length;)
	{
		size_t	 begin = at;
		uint32_t character = utf8_next(bytes, length, &at);

		if (character == 0xFFFD && at - begin == 1)
		{
			at = begin + maximal_part((const uint8_t *) bytes + begin, length - begin);
			if (invalid == INVALID_ERROR)
				return error_set(decoding->error, ERR_DATA,
								 "tokens stand for bytes that are not valid UTF-8");
			if (invalid == INVALID_IGNORE)
				continue;
		}
		n += (size_t) utf8_put(character, out + n);
	}
	fragment->bytes = out;
	fragment->length = n;
	return true;
}

static bool
is_start(const Fragment *fragment, size_t at)
{
	return at == fragment->length || ((uint8_t) fragment->bytes[at] & 0xC0) != 0x80;
}

bool
fragment_replace(Decoding *decoding, Fragment *fragment, const char *from, size_t n_from,
				 const char *to, size_t n_to)
{
	size_t n = 0, room, length = fragment->length;
	char  *bytes;

	if (n_from > length)
		return true;
	if (__builtin_mul_overflow(length + 1, n_to + 1, &room))
		return error_set(decoding->error, ERR_LIMIT, "decoded text is too long");
	bytes = decoding_bytes(decoding, room);
	if (!bytes)
		return false;
	for (size_t at = 0; at <= length;)
	{
		bool matches = length - at >= n_from && is_start(fragment, at) &&
					   memcmp(fragment->bytes + at, from, n_from) == 0;

		if (matches)
		{
			memcpy(bytes + n, to, n_to);
			n += n_to;
			at += n_from;
		}
		if (!matches || n_from == 0)
		{
			if (at < length)
				bytes[n++] = fragment->bytes[at];
			at++;
		}
	}
	fragment->bytes = bytes;
	fragment->length = n;
	return true;
}

/* All from's become to's, which are no longer, in place; returns the new length. */
static size_t
replace_all(char *bytes, size_t length, const char *from, const char *to)
{
	size_t n_from = strlen(from), n_to = strlen(to), out = 0;

	for (size_t at = 0; at < length;)
	{
		if (length - at >= n_from && memcmp(bytes + at, from, n_from) == 0)
		{
			memcpy(bytes + out, to, n_to);
			out += n_to;
			at += n_from;
		}
		else
			bytes[out++] = bytes[at++];
	}
	return out;
}

static const struct
{
	const char *from, *to;
	bool		only_library;
} clean_up_rules[] = {
	{" .", ".", false},		{" ?", "?", false},			 {" !", "!", false},
	{" ,", ",", false},		{" ' ", "'", false},		 {" n't", "n't", false},
	{" 'm", "'m", false},	{" do not", " don't", true}, {" 's", "'s", false},
	{" 've", "'ve", false}, {" 're", "'re", false},
};

#define N_CLEAN_UP_RULES (sizeof clean_up_rules / sizeof *clean_up_rules)

bool
fragment_clean_up(Decoding *decoding, Fragment *fragment, bool of_library)
{
	char *bytes;

	if (!memchr(fragment->bytes, ' ', fragment->length))
		return true;
	bytes = decoding_bytes(decoding, fragment->length);
	if (!bytes)
		return false;
	memcpy(bytes, fragment->bytes, fragment->length);
	fragment->bytes = bytes;
	for (size_t i = 0; i < N_CLEAN_UP_RULES; i++)
	{
		if (!decoding_tick(decoding, fragment->length))
			return false;
		if (of_library || !clean_up_rules[i].only_library)
			fragment->length =
				replace_all(bytes, fragment->length, clean_up_rules[i].from, clean_up_rules[i].to);
	}
	return true;
}

/* How many bytes of the end of text are the beginning of something that a clean-up replaces. */
static size_t
begun_rule(const char *text, size_t length)
{
	size_t begun = 0;

	for (size_t i = 0; i < N_CLEAN_UP_RULES; i++)
	{
		const char *from = clean_up_rules[i].from;
		size_t		n = strlen(from) - 1;

		for (n = n < length ? n : length; n > begun; n--)
			if (memcmp(text + length - n, from, n) == 0)
				begun = n;
	}
	return begun;
}

size_t
tokenizer_settled(const Tokenizer *tokenizer, const char *text, size_t length)
{
	size_t begun = 0, settled = length;

	while (settled >= 3 && memcmp(text + settled - 3, "\xEF\xBF\xBD", 3) == 0)
		settled -= 3;
	if (tokenizer->tables->flags & TOKENIZER_CLEAN_UP)
		do
		{
			begun = begun_rule(text, settled);
			settled -= begun;
		} while (begun > 0);
	return settled;
}

bool
decoding_join(Decoding *decoding, Fragment *whole, bool spaces)
{
	size_t length = 0;
	char  *bytes, *end;

	for (size_t i = 0; i < decoding->n; i++)
		if (__builtin_add_overflow(length, decoding->fragments[i].length + 1, &length))
			return error_set(decoding->error, ERR_LIMIT, "decoded text is too long");
	bytes = end = decoding_bytes(decoding, length + 1);
	if (!bytes)
		return false;
	for (size_t i = 0; i < decoding->n; i++)
	{
		if (!decoding_tick(decoding, decoding->fragments[i].length))
			return false;
		if (spaces && i > 0)
			*end++ = ' ';
		memcpy(end, decoding->fragments[i].bytes, decoding->fragments[i].length);
		end += decoding->fragments[i].length;
	}
	whole->bytes = bytes;
	whole->length = (size_t) (end - bytes);
	return true;
}

bool
tokenizer_decode_long(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int n,
					  bool skip_special_tokens, const EncodeOptions *options, char **text,
					  size_t *length, Error *error)
{
	const Component *component =
		tokenizer->components + tokenizer->n_normalizers + tokenizer->n_pre_tokenizers + 1;
	Decoding decoding = {
		.tokenizer = tokenizer, .arena = arena, .error = error, .options = options};
	Fragment whole = {0};
	decoding.fragments = arena_alloc_raw(arena, (size_t) n + 1, sizeof *decoding.fragments);
	if (!decoding.fragments)
		return error_set(error, ERR_MEMORY, "out of memory for %d tokens", n);
	for (int i = 0; i < n; i++)
	{
		Fragment   *fragment = &decoding.fragments[decoding.n];
		const char *bytes = tokenizer_token(tokenizer, ids[i], &fragment->length);

		if (!decoding_tick(&decoding, 1))
			return false;
		if (!bytes || (skip_special_tokens && tokenizer_is_special(tokenizer, ids[i])))
			continue;
		fragment->bytes = bytes;
		fragment->id = ids[i];
		decoding.n++;
	}
	for (int i = 0; i < tokenizer->n_decoders; i++, component++)
		if (!component->type->decode(component, &decoding))
			return false;
	if (!decoding_join(&decoding, &whole, tokenizer->n_decoders == 0))
		return false;
	if ((tokenizer->tables->flags & TOKENIZER_CLEAN_UP) &&
		!fragment_clean_up(&decoding, &whole, false))
		return false;
	*length = whole.length;
	*text = arena_strndup(arena, whole.bytes, whole.length);
	return *text ||
		   error_set(error, ERR_MEMORY, "out of memory for %zu bytes of text", whole.length);
}

bool
tokenizer_decode(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int n,
				 bool skip_special_tokens, char **text, size_t *length, Error *error)
{
	return tokenizer_decode_long(tokenizer, arena, ids, n, skip_special_tokens, NULL, text, length,
								 error);
}
