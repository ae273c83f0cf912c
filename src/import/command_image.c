/*
 * command_image.c: pg_infer inspect and pg_infer verify.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "import/command.h"
#include "import/digest.h"
#include "import/options.h"
#include "import/session.h"
#include "task/golden.h"

static const char *const section_names[] = {
	[SECTION_PARAMS] = "params",	   [SECTION_TEXT] = "text",		[SECTION_STRINGS] = "strings",
	[SECTION_MATRIX] = "matrix",	   [SECTION_TABLE] = "table",	[SECTION_VECTOR] = "vector",
	[SECTION_TOKENIZER] = "tokenizer", [SECTION_GOLDEN] = "golden",
};

/* ---- inspect ---- */

static void
print_params(const char *title, const Params *params)
{
	printf("%s\n", title);
	for (int i = 0; i < params->n; i++)
	{
		const ConfigParam *param = &params->items[i];

		printf("  %-32s ", param->key);
		switch (param->type)
		{
			case PARAM_NULL:
				puts("null");
				break;
			case PARAM_BOOL:
				puts(param->integer ? "true" : "false");
				break;
			case PARAM_INT:
				printf("%" PRId64 "\n", param->integer);
				break;
			case PARAM_DOUBLE:
				printf("%.15g\n", param->number);
				break;
			case PARAM_STRING:
			case PARAM_LIST:
				puts(param->string);
				break;
		}
	}
}

static void
print_sections(const Image *image)
{
	puts("sections");
	for (int i = 0; i < image->n_sections; i++)
	{
		const Section *section = &image->sections[i];

		printf("  %-9s %12zu  %s", section_names[section->type], section->size, section->name);
		if (section->type == SECTION_MATRIX || section->type == SECTION_TABLE)
			printf("  %s [%d, %d]%s", precision_name(section->precision), section->n, section->k,
				   section->has_bias ? " with bias" : "");
		else if (section->type == SECTION_VECTOR)
			printf("  [%d]", section->n);
		putchar('\n');
	}
}

/* The one argument of a subcommand that takes no options but --help; NULL after printing the usage. */
static const char *
single_argument(int argc, char **argv, const char *usage, int *status)
{
	*status = EXIT_OK;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
	{
		fputs(usage, stdout);
		return NULL;
	}
	if (argc == 2 && argv[1][0] != '-')
		return argv[1];
	*status = report_usage(usage);
	return NULL;
}

int
command_inspect(int argc, char **argv)
{
	int			status;
	const char *path = single_argument(argc, argv, "usage: pg_infer inspect IMAGE\n", &status);
	Image		image;
	Error		error;

	if (path == NULL)
		return status;
	if (!image_open(&image, path, &error))
		return report_failure(&error);
	print_params("model", &image.model);
	print_params("config", &image.config);
	print_sections(&image);
	image_close(&image);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

/* ---- verify ---- */

/* An image that is called <digest>.img has this digest. */
static bool
verify_digest(const char *path, Error *error)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char		digest[DIGEST_HEX];

	if (!digest_file(path, digest, error))
		return false;
	if (strspn(name, "0123456789abcdef") != DIGEST_HEX - 1 || strcmp(name + 64, ".img") != 0)
		printf("digest: %s\n", digest);
	else if (strncmp(name, digest, DIGEST_HEX - 1) == 0)
		puts("digest: as the file's name says");
	else
		return error_set(error, ERR_CORRUPT, "the file's digest is %s", digest);
	return true;
}

static bool
verify_golden(Session *session, Error *error)
{
	int	  n;
	float deviation;

	if (!session->has_weights)
		return true;
	if (!golden_replay(session->runner, &session->model, &n, &deviation, error))
		return false;
	if (deviation != 0.0f)
	{
		error_set(error, ERR_CORRUPT, "the golden output differs by up to %g", (double) deviation);
		return error_detail(error, "%d numbers were computed with %s.", n,
							session->model.kernels->name);
	}
	printf("golden output: all bits of %d numbers are the same, with %s\n", n,
		   session->model.kernels->name);
	return true;
}

static bool
verify(const char *path, Error *error)
{
	const Kernels *kernels = session_exact_kernels(error);
	Session		   session;
	bool		   ok;

	if (kernels == NULL || !verify_digest(path, error) ||
		!session_open(&session, path, kernels, 1, error))
		return false;
	ok = image_verify(&session.image, NULL, NULL, error);
	if (ok)
		printf("checksums: all of %d sections are right\n", session.image.n_sections);
	ok = ok && verify_golden(&session, error);
	session_close(&session);
	return ok;
}

int
command_verify(int argc, char **argv)
{
	int			status;
	const char *path = single_argument(argc, argv, "usage: pg_infer verify IMAGE\n", &status);
	Error		error;

	if (path == NULL)
		return status;
	if (!verify(path, &error))
		return report_failure(&error);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}
