/*
 * test_tokenizers.h: a folder's tokenizer, imported and opened.
 */
#ifndef TEST_TOKENIZERS_H
#define TEST_TOKENIZERS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "import/tokenizer.h"
#include "test_models.h"
#include "tok/tokenizer.h"

typedef struct TestTokenizer
{
	Image			 image;
	Tokenizer		 tokenizer;
	TokenizerSummary summary;
} TestTokenizer;

/* A new empty file's name; the caller removes it and frees the name. */
static inline char *
test_temporary(void)
{
	char *path = strdup("/tmp/pg_infer_test_XXXXXX");
	int	  file = mkstemp(path);

	assert_true(file >= 0);
	close(file);
	unlink(path);
	return path;
}

/* Imports a folder's tokenizer; false with the importer's complaint, or when it finds none. */
static inline bool
test_tokenizer_try(const char *folder, int use_fast, TestTokenizer *test, Error *error)
{
	TokenizerOptions options = {.use_fast = use_fast};
	char			*path = test_temporary();
	bool			 found;
	ImageWriter		*writer = image_writer_create(path, error);

	if (!writer)
		fail_msg("%s", error->message);
	if (!import_tokenizer(writer, folder, &options, &found, &test->summary, error) || !found)
	{
		if (!found)
			error_set(error, ERR_NOT_FOUND, "no tokenizer found");
		image_writer_abort(writer);
		free(path);
		return false;
	}
	TEST_MUST(image_writer_finish(writer, error), *error);
	TEST_MUST(image_open(&test->image, path, error), *error);
	unlink(path);
	free(path);
	TEST_MUST(tokenizer_open(&test->tokenizer, &test->image, error), *error);
	return true;
}

/* Imports a folder that must have a good tokenizer. */
static inline TestTokenizer
test_tokenizer_import(const char *folder, int use_fast)
{
	TestTokenizer test;
	Error		  error;

	TEST_MUST(test_tokenizer_try(folder, use_fast, &test, &error), error);
	return test;
}

static inline void
test_tokenizer_close(TestTokenizer *test)
{
	image_close(&test->image);
}

/* A folder of plain files. */
static inline void
test_remove_folder(const char *folder)
{
	DIR			  *directory = opendir(folder);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)) != NULL)
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(folder);
}

#endif
