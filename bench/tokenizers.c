/*
 * tokenizers.c: how fast one thread tokenizes: build/bench-tokenizers FOLDER FAST TEXTS [ROUNDS]
 *
 * Imports the tokenizer of a folder (FAST: 1 the fast class, 0 the slow one, -1 as the folder has it) and encodes every
 * line of a file.  Prints bytes, tokens, and the processor seconds of the fastest round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "import/tokenizer.h"
#include "tok/tokenizer.h"

static int
fail(const char *what)
{
	fprintf(stderr, "bench-tokenizers: %s\n", what);
	return 1;
}

static double
processor_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static bool
import(Tokenizer *tokenizer, Image *image, const char *folder, int fast, Error *error)
{
	TokenizerOptions options = {.use_fast = fast, .do_lower_case = -1};
	TokenizerSummary summary;
	char			 path[] = "/tmp/bench-tokenizers.XXXXXX";
	int				 file = mkstemp(path);
	ImageWriter		*writer;
	bool			 found, result;

	if (file < 0)
		return error_errno(error, "could not create \"%s\"", path);
	close(file);
	unlink(path);
	writer = image_writer_create(path, error);
	if (!writer)
		return false;
	if (!import_tokenizer(writer, folder, &options, &found, &summary, error))
	{
		image_writer_abort(writer);
		return false;
	}
	result = image_writer_finish(writer, error) && image_open(image, path, error) &&
			 tokenizer_open(tokenizer, image, error);
	unlink(path);
	return result;
}

/* Encodes every line; false with the error of one that cannot be. */
static bool
encode_lines(const Tokenizer *tokenizer, Arena *arena, const char *text, size_t size,
			 size_t *n_bytes, size_t *n_tokens, Error *error)
{
	const EncodeOptions options = {0};
	Encoding			encoding;

	*n_bytes = *n_tokens = 0;
	for (size_t begin = 0, end; begin < size; begin = end + 1)
	{
		const char *newline = memchr(text + begin, '\n', size - begin);

		end = newline ? (size_t) (newline - text) : size;
		arena_reset(arena);
		if (!tokenizer_encode(tokenizer, arena, text + begin, end - begin, NULL, 0, &options,
							  &encoding, error))
			return false;
		*n_bytes += end - begin;
		*n_tokens += (size_t) encoding.n;
	}
	return true;
}

int
main(int n_arguments, char **arguments)
{
	int		  rounds = n_arguments > 4 ? atoi(arguments[4]) : 1;
	double	  fastest = 0;
	size_t	  size, n_bytes = 0, n_tokens = 0;
	Tokenizer tokenizer;
	Arena	  texts, arena;
	Image	  image;
	Error	  error;
	char	 *text;

	if (n_arguments < 4)
		return fail("FOLDER, FAST and TEXTS are wanted");
	arena_init(&texts, 0);
	arena_init(&arena, 0);
	text = file_read(&texts, arguments[3], SIZE_MAX / 4, &size, &error);
	if (!text || !import(&tokenizer, &image, arguments[1], atoi(arguments[2]), &error))
		return fail(error.message);
	for (int round = 0; round < rounds; round++)
	{
		double begun = processor_seconds(), seconds;

		if (!encode_lines(&tokenizer, &arena, text, size, &n_bytes, &n_tokens, &error))
			return fail(error.message);
		seconds = processor_seconds() - begun;
		if (round == 0 || seconds < fastest)
			fastest = seconds;
	}
	printf("%zu %zu %.6f\n", n_bytes, n_tokens, fastest);
	image_close(&image);
	arena_free(&arena);
	arena_free(&texts);
	return 0;
}
