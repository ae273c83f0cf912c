/*
 * continuation.c: decoding a sequence as it grows.
 */
#include "task/continuation.h"

#include <string.h>

#include "base/utf8.h"
#include "tok/spelling.h"

/* Tokens before those that can hold a stop string, so that what decoding does at a text's beginning does
 * not touch them. */
#define MARGIN 8

/* The text of ids[begin .. n - 1], less the characters that ids[begin .. n_prompt - 1] have by themselves. */
static bool
text_behind(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int begin, int n_prompt,
			int n, char **text, size_t *length, Error *error)
{
	char  *prompt;
	size_t prompt_length = 0, at = 0, characters;

	if (begin < n_prompt && !tokenizer_decode(tokenizer, arena, ids + begin, n_prompt - begin, true,
											  &prompt, &prompt_length, error))
		return false;
	if (!tokenizer_decode(tokenizer, arena, ids + begin, n - begin, true, text, length, error))
		return false;
	characters = begin < n_prompt ? utf8_count(prompt, prompt_length) : 0;
	while (characters-- > 0 && at < *length)
		utf8_next(*text, *length, &at);
	*text += at;
	*length -= at;
	return true;
}

bool
continuation_text(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int n_prompt, int n,
				  char **text, size_t *length, Error *error)
{
	return text_behind(tokenizer, arena, ids, 0, n_prompt, n, text, length, error);
}

/* Most bytes of a token's spelling; longer ones never come with a constraint. */
#define SPELLING_MAX 256

bool
continuation_spelled(const Tokenizer *tokenizer, Arena *arena, const int32_t *ids, int n,
					 bool strips_space, char **text, size_t *length, Error *error)
{
	char  *bytes = arena_alloc_raw(arena, (size_t) n + 1, SPELLING_MAX);
	size_t at = 0;

	if (bytes == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for the text of %d tokens", n);
	for (int i = 0; i < n; i++)
		at += tokenizer_spell(tokenizer, ids[i], bytes + at, SPELLING_MAX);
	bytes[at] = '\0';
	*text = bytes;
	*length = at;
	if (strips_space && at > 0 && bytes[0] == ' ')
	{
		++*text;
		--*length;
	}
	return true;
}

/* ---- stop strings ---- */

size_t
stop_find(const StopList *stops, const char *text, size_t length)
{
	size_t first = length;

	for (int i = 0; i < stops->n; i++)
	{
		size_t		size = (size_t) (stops->offsets[i + 1] - stops->offsets[i]);
		const char *found = memmem(text, length, stops->bytes + stops->offsets[i], size);

		if (found != NULL && (size_t) (found - text) < first)
			first = (size_t) (found - text);
	}
	return first;
}

/* How many bytes of the end of text are the beginning of a stop string. */
static size_t
stop_begun(const StopList *stops, const char *text, size_t length)
{
	size_t begun = 0;

	for (int i = 0; i < stops->n; i++)
	{
		const char *stop = stops->bytes + stops->offsets[i];
		size_t		n = (size_t) (stops->offsets[i + 1] - stops->offsets[i]) - 1;

		for (n = n < length ? n : length; n > begun; n--)
			if (memcmp(text + length - n, stop, n) == 0)
				begun = n;
	}
	return begun;
}

static int
stop_longest(const StopList *stops)
{
	int longest = 0;

	for (int i = 0; i < stops->n; i++)
		if (stops->offsets[i + 1] - stops->offsets[i] > longest)
			longest = stops->offsets[i + 1] - stops->offsets[i];
	return longest;
}

bool
continuation_stops(const Tokenizer *tokenizer, const StopList *stops, Arena *arena,
				   const int32_t *ids, int n_prompt, int n, bool *stops_here, Error *error)
{
	int	   begin = n, wanted = stop_longest(stops) + MARGIN;
	char  *text;
	size_t length;

	while (begin > 0 && wanted > 0)
		if (!tokenizer_is_special(tokenizer, ids[--begin]))
			wanted--;
	for (;; begin = 0)
	{
		if (!text_behind(tokenizer, arena, ids, begin, n_prompt, n, &text, &length, error))
			return false;
		*stops_here = stop_find(stops, text, length) < length;
		if (!*stops_here || begin == 0)
			return true;
	}
}

/* Without the beginning of a character at the end. */
static size_t
whole_characters(const char *text, size_t length)
{
	size_t begin = length;

	while (begin > 0 && length - begin < 3 && ((uint8_t) text[begin - 1] & 0xC0) == 0x80)
		begin--;
	if (begin > 0 && (uint8_t) text[begin - 1] >= 0xC0)
	{
		size_t at = begin - 1;

		if (utf8_next(text, length, &at) == 0xFFFD)
			return begin - 1;
	}
	return length;
}

/* The text so far, and how much of it is certain. */
static bool
stream_text(const ContinuationStream *stream, Arena *arena, const int32_t *ids, int n_prompt, int n,
			bool finished, char **text, size_t *size, size_t *end, Error *error)
{
	if (stream->spelled)
	{
		if (!continuation_spelled(stream->tokenizer, arena, ids + n_prompt, n - n_prompt,
								  stream->strips_space, text, size, error))
			return false;
		*end = finished ? *size : whole_characters(*text, *size);
		return true;
	}
	if (!continuation_text(stream->tokenizer, arena, ids, n_prompt, n, text, size, error))
		return false;
	*end = stop_find(&stream->stops, *text, *size);
	if (*end == *size && !finished)
	{
		*end = tokenizer_settled(stream->tokenizer, *text, *size);
		*end -= stop_begun(&stream->stops, *text, *end);
	}
	return true;
}

bool
continuation_next(ContinuationStream *stream, Arena *arena, const int32_t *ids, int n_prompt, int n,
				  bool finished, const char **piece, size_t *length, Error *error)
{
	char  *text;
	size_t size, end;

	if (!stream_text(stream, arena, ids, n_prompt, n, finished, &text, &size, &end, error))
		return false;
	if (end < stream->shown)
		end = stream->shown < size ? stream->shown : size;
	*length = end > stream->shown ? end - stream->shown : 0;
	*piece = text + end - *length;
	stream->shown += *length;
	return true;
}
