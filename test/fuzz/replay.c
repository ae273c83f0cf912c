/*
 * replay.c: runs a fuzz target over files, for compilers and machines without libFuzzer.
 *
 * Each input lies in memory of just its size.  Whatever is wrong ends the process: that is the sanitizers' part.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
replay(const char *path)
{
	struct stat status;
	FILE	   *file = fopen(path, "rb");
	uint8_t	   *data;
	size_t		size;

	if (file == NULL || fstat(fileno(file), &status) != 0)
	{
		perror(path);
		exit(1);
	}
	size = (size_t) status.st_size;
	data = malloc(size);
	if (size > 0 && (data == NULL || fread(data, 1, size, file) != size))
	{
		perror(path);
		exit(1);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		fprintf(stderr, "%s\n", argv[i]);
		replay(argv[i]);
	}
	return 0;
}
