/*
 * tokenizer_library.c: the tokenizers as a shared library for compare_tokenizers.py.
 *
 * One handle is used by one thread.  What calls return belongs to the handle, up to the next call.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/tokenizer.h"
#include "tok/tokenizer.h"

typedef struct Handle
{
	Image	  image;
	Tokenizer tokenizer;
	Arena	  arena;
	Encoding  encoding;
} Handle;

#define EXPORT extern __attribute__((visibility("default")))

EXPORT Handle *library_open(const char *folder, const char *image, int use_fast, char *message);
EXPORT void	   library_close(Handle *handle);
EXPORT int library_encode(Handle *handle, const char *text, size_t length, const char *pair,
						  size_t pair_length, int special, int32_t **ids, int32_t **types,
						  int32_t **pos, int32_t **len, int8_t **sequence, TokenText **texts,
						  char *message);
EXPORT const char *library_decode(Handle *handle, const int32_t *ids, int n, int skip,
								  size_t *length, char *message);

Handle *
library_open(const char *folder, const char *image, int use_fast, char *message)
{
	TokenizerOptions options = {.use_fast = use_fast};
	TokenizerSummary summary;
	Handle			*handle = calloc(1, sizeof *handle);
	Error			 error = {0};
	bool			 found = false;
	ImageWriter		*writer = image_writer_create(image, &error);

	if (writer && handle && import_tokenizer(writer, folder, &options, &found, &summary, &error) &&
		found)
	{
		if (image_writer_finish(writer, &error) && image_open(&handle->image, image, &error) &&
			tokenizer_open(&handle->tokenizer, &handle->image, &error))
		{
			unlink(image);
			arena_init(&handle->arena, 0);
			return handle;
		}
	}
	else if (writer)
		image_writer_abort(writer);
	strcpy(message, found || error.message[0] ? error.message : "no tokenizer");
	free(handle);
	return NULL;
}

void
library_close(Handle *handle)
{
	arena_free(&handle->arena);
	image_close(&handle->image);
	free(handle);
}

int
library_encode(Handle *handle, const char *text, size_t length, const char *pair,
			   size_t pair_length, int special, int32_t **ids, int32_t **types, int32_t **pos,
			   int32_t **len, int8_t **sequence, TokenText **texts, char *message)
{
	EncodeOptions options = {.add_special_tokens = special, .wants_texts = true};
	Encoding	 *encoding = &handle->encoding;
	Error		  error;

	arena_reset(&handle->arena);
	if (!tokenizer_encode(&handle->tokenizer, &handle->arena, text, length, pair, pair_length,
						  &options, encoding, &error))
	{
		strcpy(message, error.message);
		return -1;
	}
	for (int i = 0; i < encoding->n; i++)
		if (!encoding->texts[i].bytes)
			encoding->texts[i].bytes = tokenizer_token(&handle->tokenizer, encoding->ids[i],
													   &encoding->texts[i].length);
	*ids = encoding->ids;
	*types = encoding->type_ids;
	*pos = encoding->pos;
	*len = encoding->len;
	*sequence = encoding->sequence;
	*texts = encoding->texts;
	return encoding->n;
}

const char *
library_decode(Handle *handle, const int32_t *ids, int n, int skip, size_t *length, char *message)
{
	char *text;
	Error error;

	arena_reset(&handle->arena);
	if (tokenizer_decode(&handle->tokenizer, &handle->arena, ids, n, skip, &text, length, &error))
		return text;
	strcpy(message, error.message);
	return NULL;
}
