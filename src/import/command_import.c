/*
 * command_import.c: pg_infer import.
 *
 * With --json it answers one JSON object on standard output, for the server: {"digest", "path", "size", ...}, or
 * {"error": {"code", "message", "detail", "hint"}} with code by error_code_name().
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/command.h"
#include "import/import.h"
#include "import/json.h"
#include "import/scratch.h"

#define MAX_NAMED 100 /* unused tensors named in an answer */

static const char usage[] =
	"usage: pg_infer import DIRECTORY (-o IMAGE | -O DIRECTORY) [OPTION]...\n\n"
	"  -o, --output=IMAGE          the file to write\n"
	"  -O, --output-directory=DIR  write DIR/<digest>.img\n"
	"  -p, --precision=PRECISION   fp32 (default), bf16 or int8\n"
	"      --option=NAME=JSON      an option of infer.create_model: precision, architecture,\n"
	"                              max_length, truncate, pooling, normalize, prompts, labels,\n"
	"                              description, use_fast, config, forward_ema\n"
	"      --json                  answer in JSON, errors too\n";

static const struct option long_options[] = {
	{"output", required_argument, NULL, 'o'},
	{"output-directory", required_argument, NULL, 'O'},
	{"precision", required_argument, NULL, 'p'},
	{"option", required_argument, NULL, 'x'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

typedef struct Arguments
{
	const char	 *directory;
	ImportTarget  target;
	ImportOptions options;
	bool		  json;
} Arguments;

/* An option as "name=value". */
static bool
set_option(Arguments *arguments, Arena *arena, const char *text, Error *error)
{
	const char *equals = strchr(text, '=');
	char		name[64];

	if (equals == NULL || equals - text >= (int) sizeof name)
		return error_set(error, ERR_ARGUMENT, "option \"%.100s\" is not of the form name=value",
						 text);
	memcpy(name, text, (size_t) (equals - text));
	name[equals - text] = '\0';
	return import_option(&arguments->options, arena, name, equals + 1, error);
}

static json_t *
error_json(const Error *error)
{
	return json_pack("{s:{s:s, s:s, s:s, s:s}}", "error", "code", error_code_name(error->code),
					 "message", error->message, "detail", error->detail, "hint", error->hint);
}

static json_t *
difference_json(const Difference *difference)
{
	return json_pack("{s:f, s:f, s:f}", "relative", difference->relative, "largest",
					 difference->largest, "cosine", difference->cosine);
}

static json_t *
deviation_json(const Deviation *deviation)
{
	json_t *json = json_pack("{s:o}", "hidden_states", difference_json(&deviation->hidden_states));

	if (json != NULL && deviation->has_logits)
		json_object_set_new(json, "logits", difference_json(&deviation->logits));
	return json;
}

static json_t *
report_json(const ImportReport *report)
{
	const BindReport *tensors = &report->tensors;
	json_t			 *unused = json_array();
	json_t			 *json;

	for (int i = 0; i < tensors->n_unused && i < MAX_NAMED; i++)
		json_array_append_new(unused, json_string(tensors->unused[i]));
	json = json_pack("{s:s, s:s, s:I, s:b, s:b, s:s?, s:I, s:o, s:i}", "digest", report->digest,
					 "path", report->path, "size", (json_int_t) report->size, "has_weights",
					 report->has_weights, "has_tokenizer", report->has_tokenizer, "architecture",
					 report->architecture, "parameters", (json_int_t) tensors->parameters, "unused",
					 unused, "n_unused", tensors->n_unused);
	if (json != NULL && report->measured)
		json_object_set_new(json, "deviation", deviation_json(&report->deviation));
	return json;
}

static void
print_difference(const char *what, const Difference *difference)
{
	fprintf(stderr, "pg_infer: %s differ from fp32's by %.3g of their length, least cosine %.6f\n",
			what, difference->relative, difference->cosine);
}

static void
print_report(const ImportReport *report)
{
	const BindReport *tensors = &report->tensors;

	printf("%s\n", report->digest);
	if (tensors->n_unused > 0)
		fprintf(stderr, "pg_infer: tensors of the checkpoint that %s does not use: %d\n",
				report->architecture, tensors->n_unused);
	for (int i = 0; i < tensors->n_unused && i < MAX_NAMED; i++)
		fprintf(stderr, "  %s\n", tensors->unused[i]);
	if (report->measured)
	{
		print_difference("last hidden states", &report->deviation.hidden_states);
		if (report->deviation.has_logits)
			print_difference("logits", &report->deviation.logits);
	}
}

/* Prints and frees an answer. */
static void
print_json(json_t *json)
{
	if (json != NULL)
		json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(json);
}

/* Reads the arguments; *status is the exit status when it returns false. */
static bool
parse_arguments(int argc, char **argv, Arguments *arguments, Arena *arena, int *status,
				Error *error)
{
	int option;

	*status = EXIT_USAGE;
	import_options_init(&arguments->options);
	while ((option = getopt_long(argc, argv, "o:O:p:h", long_options, NULL)) != -1)
	{
		bool ok = true;

		switch (option)
		{
			case 'o':
				arguments->target.path = optarg;
				break;
			case 'O':
				arguments->target.directory = optarg;
				break;
			case 'p':
				ok = import_option(&arguments->options, arena, "precision", optarg, error);
				break;
			case 'x':
				ok = set_option(arguments, arena, optarg, error);
				break;
			case 'j':
				arguments->json = true;
				break;
			case 'h':
				fputs(usage, stdout);
				*status = EXIT_OK;
				return false;
			default:
				report_usage(usage);
				return false;
		}
		if (!ok)
		{
			*status = EXIT_FAILED;
			return false;
		}
	}
	if (optind != argc - 1 ||
		(arguments->target.path == NULL) == (arguments->target.directory == NULL))
	{
		report_usage(usage);
		return false;
	}
	arguments->directory = argv[optind];
	return true;
}

int
command_import(int argc, char **argv)
{
	Arguments	 arguments = {0};
	ImportReport report;
	Error		 error = {0};
	Arena		 arena;
	int			 status;

	scratch_catch_signals();
	arena_init(&arena, 0);
	if (parse_arguments(argc, argv, &arguments, &arena, &status, &error))
		status = import_model(arguments.directory, &arguments.options, &arguments.target, &arena,
							  &report, &error)
					 ? EXIT_OK
					 : EXIT_FAILED;
	if (status == EXIT_FAILED)
	{
		report_failure(&error);
		if (arguments.json)
			print_json(error_json(&error));
	}
	else if (status == EXIT_OK && arguments.directory != NULL)
	{
		if (arguments.json)
			print_json(report_json(&report));
		else
			print_report(&report);
	}
	arena_free(&arena);
	return fflush(stdout) == 0 ? status : EXIT_FAILED;
}
