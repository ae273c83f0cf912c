/*
 * jieba_words.c: jieba's dictionary, within the command.
 *
 * jieba/words.bin, whose form jieba/make_words.py describes, is assembled into this object; nothing is looked for
 * at run time.  Read-only.
 */
#include "import/jieba_words.h"

#include <string.h>

#include "base/utf8.h"

__asm__(".pushsection .rodata\n"
		".balign 16\n"
		"jieba_words_begin:\n"
		".incbin \"src/import/jieba/words.bin\"\n"
		"jieba_words_end:\n"
		".popsection\n");

extern const uint8_t jieba_words_begin[], jieba_words_end[];

#define SIGNATURE "jieba 1\n"
#define HEADER_BYTES 16
#define WORD_CHARACTERS 16

typedef struct Reader
{
	const uint8_t *at, *end;
	Arena		  *arena;
	uint16_t	   word[2 * WORD_CHARACTERS]; /* the one before */
	uint32_t	   n_weights;
} Reader;

static uint32_t
get_number(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 |
		   (uint32_t) bytes[3] << 24;
}

static double
get_double(const uint8_t *bytes)
{
	uint64_t bits = get_number(bytes) | (uint64_t) get_number(bytes + 4) << 32;
	double	 value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* The next word into reader->word, its number of characters or 0 when there is no such. */
static int
next_characters(Reader *reader)
{
	int same, n;

	if (reader->at == reader->end)
		return 0;
	same = *reader->at >> 4;
	n = (*reader->at++ & 15) + 1;
	if (reader->end - reader->at < 2 * n)
		return 0;
	for (int i = 0; i < n; i++, reader->at += 2)
		reader->word[same + i] = (uint16_t) (reader->at[0] | reader->at[1] << 8);
	return same + n;
}

static bool
next_weight(Reader *reader, int32_t *weight)
{
	uint32_t value = 0;

	for (int shift = 0; shift < 28; shift += 7)
	{
		if (reader->at == reader->end)
			return false;
		value |= (uint32_t) (*reader->at & 127) << shift;
		if (!(*reader->at++ & 128))
		{
			*weight = (int32_t) value;
			return value + 1 < reader->n_weights;
		}
	}
	return false;
}

static bool
corrupt(Error *error)
{
	return error_set(error, ERR_CORRUPT, "the dictionary of jieba is damaged");
}

static bool
next_word(Reader *reader, TrieKey *key, Error *error)
{
	int	   n = next_characters(reader);
	size_t length = 0;
	char  *bytes;

	if (n == 0)
		return corrupt(error);
	bytes = arena_alloc_raw(reader->arena, (size_t) n, 3);
	if (!bytes)
		return error_set(error, ERR_MEMORY, "out of memory for a dictionary");
	for (int i = 0; i < n; i++)
		length += (size_t) utf8_put(reader->word[i], bytes + length);
	if (length > JIEBA_WORD_BYTES)
		return corrupt(error);
	key->string = (BuildString){bytes, length};
	return next_weight(reader, &key->value) || corrupt(error);
}

bool
jieba_words(Arena *arena, JiebaWords *words, Error *error)
{
	Reader reader = {.at = jieba_words_begin, .end = jieba_words_end, .arena = arena};
	size_t size = (size_t) (jieba_words_end - jieba_words_begin);

	if (size < HEADER_BYTES || memcmp(reader.at, SIGNATURE, strlen(SIGNATURE)) != 0)
		return corrupt(error);
	words->n = get_number(reader.at + 8);
	words->n_weights = reader.n_weights = get_number(reader.at + 12);
	if (words->n_weights == 0 || words->n_weights > (size - HEADER_BYTES) / sizeof(double))
		return corrupt(error);
	words->keys = arena_alloc_raw(arena, words->n + 1, sizeof *words->keys);
	words->weights = arena_alloc_raw(arena, words->n_weights, sizeof *words->weights);
	if (!words->keys || !words->weights)
		return error_set(error, ERR_MEMORY, "out of memory for a dictionary");
	reader.at += HEADER_BYTES;
	for (size_t i = 0; i < words->n_weights; i++, reader.at += sizeof(double))
		words->weights[i] = get_double(reader.at);
	for (size_t i = 0; i < words->n; i++)
		if (!next_word(&reader, &words->keys[i], error))
			return false;
	return reader.at == reader.end || corrupt(error);
}
