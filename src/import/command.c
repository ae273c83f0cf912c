/*
 * command.c: what the subcommands have in common.
 */
#include "import/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int
report_failure(const Error *error)
{
	fprintf(stderr, "pg_infer: %s\n", error->message);
	if (error->detail[0] != '\0')
		fprintf(stderr, "DETAIL: %s\n", error->detail);
	if (error->hint[0] != '\0')
		fprintf(stderr, "HINT: %s\n", error->hint);
	return EXIT_FAILED;
}

int
report_usage(const char *usage)
{
	fputs(usage, stderr);
	return EXIT_USAGE;
}

bool
parse_number(const char *text, int low, int high, int *number)
{
	char *end;
	long  value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
		return false;
	*number = (int) value;
	return true;
}
