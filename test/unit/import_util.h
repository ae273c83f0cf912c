/*
 * import_util.h: folders to import, made of files from the tree and of texts, in a directory that goes away.
 */
#ifndef IMPORT_UTIL_H
#define IMPORT_UTIL_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMATS "test/reference/formats"
#define TINY "test/models/tiny-bert"

static char place[64];	 /* everything of a test lies here */
static char folder[128]; /* the folder to import, in place */
static char target[128]; /* where images go, in place */

static inline void
remove_tree(const char *path)
{
	DIR			  *directory = opendir(path);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
	{
		char name[512];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		remove_tree(name);
	}
	if (directory != NULL)
		closedir(directory);
	remove(path);
}

static inline int
set_up(void **state)
{
	(void) state;
	strcpy(place, "/tmp/test_import.XXXXXX");
	if (mkdtemp(place) == NULL)
		return -1;
	snprintf(folder, sizeof folder, "%s/folder", place);
	snprintf(target, sizeof target, "%s/target", place);
	return mkdir(folder, 0777) != 0 || mkdir(target, 0777) != 0;
}

static inline int
tear_down(void **state)
{
	(void) state;
	remove_tree(place);
	return 0;
}

/* Files that the target directory holds. */
static inline int
count_files(void)
{
	DIR *directory = opendir(target);
	int	 n = -2;

	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	return n;
}

/* Writes a file of the folder; name may have one directory before it, which is made. */
static inline void
put_text(const char *name, const char *text)
{
	char  path[512];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (strchr(name, '/') != NULL)
	{
		char *slash = strrchr(path, '/');

		*slash = '\0';
		mkdir(path, 0777);
		*slash = '/';
	}
	file = fopen(path, "wb");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Copies files of a directory of the tree into the folder, below the directory `below` of it ("" for itself). */
static inline void
copy_files(const char *from, const char *below, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		char   source[512], name[512], buffer[65536];
		FILE  *in, *out;
		size_t n;

		snprintf(source, sizeof source, "%s/%s", from, *names);
		snprintf(name, sizeof name, "%s%s%s", below, *below ? "/" : "", *names);
		put_text(name, "");
		in = fopen(source, "rb");
		assert_non_null(in);
		snprintf(source, sizeof source, "%s/%s", folder, name);
		out = fopen(source, "wb");
		assert_non_null(out);
		while ((n = fread(buffer, 1, sizeof buffer, in)) > 0)
			fwrite(buffer, 1, n, out);
		fclose(in);
		fclose(out);
	}
}

#endif
