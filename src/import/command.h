/*
 * command.h: the subcommands of pg_infer.
 *
 * Each gets the arguments behind its name and returns the exit status: 0 success, 1 failure (said on standard
 * error), 2 wrong usage.
 */
#ifndef IMPORT_COMMAND_H
#define IMPORT_COMMAND_H

#include <getopt.h>

#include "base/error.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

extern int command_import(int argc, char **argv);
extern int command_inspect(int argc, char **argv);
extern int command_verify(int argc, char **argv);
extern int command_run(int argc, char **argv);
extern int command_bench(int argc, char **argv);

/* ---- for the subcommands ---- */

/* Prints an error with its DETAIL and HINT to standard error; returns EXIT_FAILED. */
extern int report_failure(const Error *error);

/* Prints how the subcommand is used to standard error; returns EXIT_USAGE. */
extern int report_usage(const char *usage);

/* A whole number in [low, high] from an argument. */
extern bool parse_number(const char *text, int low, int high, int *number);

#endif
