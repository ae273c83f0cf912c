/*
 * main.c: the command pg_infer.
 */
#include <stdio.h>
#include <string.h>

#include "import/command.h"

static const struct
{
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"import", "make an image from a Hugging Face directory", command_import},
	{"inspect", "show what is in an image", command_inspect},
	{"verify", "check an image's sums and what it computes", command_verify},
	{"run", "print the vectors of texts", command_run},
	{"bench", "measure an image's speed", command_bench},
};

#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void
print_help(FILE *out)
{
	fputs("pg_infer: models for PostgreSQL\n\nusage: pg_infer COMMAND [ARGUMENT]...\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs(
		"\npg_infer COMMAND --help says more.  Exit status: 0 success, 1 failure, 2 wrong usage.\n",
		out);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
	{
		print_help(stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; argc > 1 && i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	print_help(stderr);
	return EXIT_USAGE;
}
