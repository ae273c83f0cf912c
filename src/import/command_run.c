/*
 * command_run.c: pg_infer run and pg_infer bench.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "import/command.h"
#include "import/embedder.h"
#include "import/options.h"

#define AT_ONCE 1024 /* texts that run takes together */
#define MAX_SINGLE 1000

/* ---- what both take ---- */

typedef struct RunArguments
{
	const char *image;
	const char *texts; /* bench: a file */
	Isa			isa;
	int			threads;
	int			seconds; /* bench: of each measurement, at least */
	Truncate	truncate;
	bool		has_truncate;
} RunArguments;

static const struct option long_options[] = {
	{"isa", required_argument, NULL, 'i'},
	{"threads", required_argument, NULL, 't'},
	{"truncate", required_argument, NULL, 'r'},
	{"texts", required_argument, NULL, 'f'},
	{"seconds", required_argument, NULL, 's'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* Reads options and the image's name; optind is then the first argument behind it. */
static bool
parse_arguments(int argc, char **argv, const char *usage, RunArguments *arguments, int *status)
{
	int	 option;
	bool ok = true;

	*arguments = (RunArguments){.isa = ISA_AUTO, .threads = team_default_size(), .seconds = 3};
	*status = EXIT_USAGE;
	while (ok && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		switch (option)
		{
			case 'i':
				ok = isa_from_name(optarg, &arguments->isa);
				break;
			case 't':
				ok = parse_number(optarg, 1, 1024, &arguments->threads);
				break;
			case 'r':
				ok = truncate_from_name(optarg, &arguments->truncate);
				arguments->has_truncate = true;
				break;
			case 'f':
				arguments->texts = optarg;
				break;
			case 's':
				ok = parse_number(optarg, 1, 3600, &arguments->seconds);
				break;
			case 'h':
				fputs(usage, stdout);
				*status = EXIT_OK;
				return false;
			default:
				ok = false;
		}
	if (!ok || optind == argc)
	{
		report_usage(usage);
		return false;
	}
	arguments->image = argv[optind++];
	return true;
}

static bool
open_embedder(Embedder *embedder, const RunArguments *arguments, Error *error)
{
	const Kernels *kernels = kernels_select(arguments->isa, error);

	if (kernels == NULL ||
		!embedder_open(embedder, arguments->image, kernels, arguments->threads, error))
		return false;
	if (arguments->has_truncate)
		embedder->encode.truncate = arguments->truncate;
	return true;
}

/* ---- lists of texts ---- */

typedef struct Texts
{
	char **lines;
	int	   n, capacity;
} Texts;

static bool
add_text(Texts *texts, const char *line, size_t length, Error *error)
{
	if (texts->n == texts->capacity)
	{
		int	   capacity = texts->capacity == 0 ? AT_ONCE : texts->capacity * 2;
		char **lines = texts->capacity < INT_MAX / 2
						   ? realloc(texts->lines, (size_t) capacity * sizeof *lines)
						   : NULL;

		if (lines == NULL)
			return error_set(error, ERR_MEMORY, "out of memory for %d texts", texts->n);
		texts->lines = lines;
		texts->capacity = capacity;
	}
	texts->lines[texts->n] = strndup(line, length);
	if (texts->lines[texts->n] == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a text of %zu bytes", length);
	texts->n++;
	return true;
}

static void
clear_texts(Texts *texts)
{
	for (int i = 0; i < texts->n; i++)
		free(texts->lines[i]);
	texts->n = 0;
}

static void
free_texts(Texts *texts)
{
	clear_texts(texts);
	free(texts->lines);
}

/* Adds up to `most` lines of a file; fewer at its end. */
static bool
read_lines(Texts *texts, FILE *file, int most, Error *error)
{
	char   *line = NULL;
	size_t	size = 0;
	ssize_t length;
	bool	ok = true;

	while (ok && texts->n < most && (length = getline(&line, &size, file)) >= 0)
	{
		if (length > 0 && line[length - 1] == '\n')
			length--;
		ok = add_text(texts, line, (size_t) length, error);
	}
	free(line);
	return ok;
}

/* ---- run ---- */

static const char run_usage[] =
	"usage: pg_infer run IMAGE [OPTION]... [TEXT]...\n\n"
	"Prints one JSON array for each text, or for each line of standard input without TEXT or with "
	"-.\n\n"
	"  --isa=ISA            auto (default), avx512, avx2, generic or openblas\n"
	"  --threads=N          default: as many as this process may use\n"
	"  --truncate=TRUNCATE  error, end or start, instead of the image's\n";

/* The shortest decimal that reads back as the same float. */
static void
print_float(float value)
{
	char text[32];

	for (int digits = 1; digits <= 9; digits++)
	{
		snprintf(text, sizeof text, "%.*g", digits, (double) value);
		if (strtof(text, NULL) == value)
			break;
	}
	fputs(text, stdout);
}

static void
print_vector(const float *values, int n)
{
	for (int i = 0; i < n; i++)
	{
		putchar(i == 0 ? '[' : ',');
		print_float(values[i]);
	}
	puts("]");
}

/* Computes and prints the vectors of a list. */
static bool
run_texts(Embedder *embedder, Arena *arena, const Texts *texts, Error *error)
{
	int		 hidden = embedder->session.model.hidden_size;
	RunItem *items;
	long	 n_tokens;
	float	*out;

	arena_reset(arena);
	if (texts->n == 0)
		return true;
	if (!embedder_encode(embedder, arena, (const char *const *) texts->lines, texts->n, &items,
						 &n_tokens, error))
		return false;
	out = arena_alloc(arena, (size_t) texts->n * (size_t) hidden, sizeof *out);
	if (out == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d vectors", texts->n);
	if (!embedder_run(embedder, items, texts->n, out, error))
		return false;
	for (int i = 0; i < texts->n; i++)
		print_vector(out + (size_t) i * (size_t) hidden, hidden);
	return true;
}

static bool
run_stream(Embedder *embedder, Arena *arena, Texts *texts, Error *error)
{
	do
	{
		clear_texts(texts);
		if (!read_lines(texts, stdin, AT_ONCE, error) || !run_texts(embedder, arena, texts, error))
			return false;
	} while (texts->n == AT_ONCE);
	return true;
}

int
command_run(int argc, char **argv)
{
	RunArguments arguments;
	Embedder	 embedder;
	Texts		 texts = {0};
	Arena		 arena;
	Error		 error;
	int			 status;
	bool		 ok = true;

	if (!parse_arguments(argc, argv, run_usage, &arguments, &status))
		return status;
	if (!open_embedder(&embedder, &arguments, &error))
		return report_failure(&error);
	arena_init(&arena, 0);
	if (optind == argc || (optind == argc - 1 && strcmp(argv[optind], "-") == 0))
		ok = run_stream(&embedder, &arena, &texts, &error);
	else
	{
		for (int i = optind; ok && i < argc; i++)
			ok = add_text(&texts, argv[i], strlen(argv[i]), &error);
		ok = ok && run_texts(&embedder, &arena, &texts, &error);
	}
	status = ok ? EXIT_OK : report_failure(&error);
	free_texts(&texts);
	arena_free(&arena);
	embedder_close(&embedder);
	return fflush(stdout) == 0 ? status : EXIT_FAILED;
}

/* ---- bench ---- */

static const char bench_usage[] =
	"usage: pg_infer bench IMAGE --texts=FILE [OPTION]...\n\n"
	"Measures all lines of the file together, and one after the other; prints a line of JSON "
	"each.\n\n"
	"  --texts=FILE         one text a line\n"
	"  --isa=ISA            auto (default), avx512, avx2, generic or openblas\n"
	"  --threads=N          default: as many as this process may use\n"
	"  --seconds=N          length of each measurement, default 3\n"
	"  --truncate=TRUNCATE  error, end or start, instead of the image's\n";

typedef struct Bench
{
	const RunArguments *arguments;
	Embedder			embedder;
	Texts				texts;
	Arena				arena;
	RunItem			   *items;
	long				n_tokens;
	float			   *out; /* (texts.n, hidden_size) */
} Bench;

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static void
print_rate(const Bench *bench, const char *what, double seconds)
{
	printf("{\"measure\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"texts\":%d,\"tokens\":%ld,"
		   "\"seconds\":%.6f,\"texts_per_second\":%.1f,\"tokens_per_second\":%.1f}\n",
		   what, bench->embedder.session.model.kernels->name, bench->arguments->threads,
		   bench->texts.n, bench->n_tokens, seconds, bench->texts.n / seconds,
		   (double) bench->n_tokens / seconds);
}

/* Tokenizes all texts once, and keeps the items. */
static bool
bench_tokenizer(Bench *bench, Error *error)
{
	double begin = now();

	if (!embedder_encode(&bench->embedder, &bench->arena, (const char *const *) bench->texts.lines,
						 bench->texts.n, &bench->items, &bench->n_tokens, error))
		return false;
	print_rate(bench, "tokenize", now() - begin);
	return true;
}

/* All texts at once, again and again; the best time counts. */
static bool
bench_bulk(Bench *bench, Error *error)
{
	double best = 0, until = now() + bench->arguments->seconds;

	do
	{
		double begin = now(), time;

		if (!embedder_run(&bench->embedder, bench->items, bench->texts.n, bench->out, error))
			return false;
		time = now() - begin;
		if (best == 0 || time < best)
			best = time;
	} while (now() < until);
	print_rate(bench, "bulk", best);
	return true;
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

/* One text after the other, with its tokenization. */
static bool
bench_single(Bench *bench, Error *error)
{
	double times[MAX_SINGLE], until = now() + bench->arguments->seconds;
	int	   n = 0;
	Arena  arena;
	bool   ok = true;

	arena_init(&arena, 0);
	for (; ok && n < MAX_SINGLE && (n == 0 || now() < until); n++)
	{
		const char *text = bench->texts.lines[n % bench->texts.n];
		double		begin = now();
		RunItem	   *item;
		long		n_tokens;

		arena_reset(&arena);
		ok = embedder_encode(&bench->embedder, &arena, &text, 1, &item, &n_tokens, error) &&
			 embedder_run(&bench->embedder, item, 1, bench->out, error);
		times[n] = now() - begin;
	}
	arena_free(&arena);
	if (!ok)
		return false;
	qsort(times, (size_t) n, sizeof *times, compare_doubles);
	printf("{\"measure\":\"single\",\"isa\":\"%s\",\"threads\":%d,\"texts\":%d,"
		   "\"median_ms\":%.4f,\"p95_ms\":%.4f,\"min_ms\":%.4f}\n",
		   bench->embedder.session.model.kernels->name, bench->arguments->threads, n,
		   times[n / 2] * 1e3, times[n * 95 / 100] * 1e3, times[0] * 1e3);
	return true;
}

static bool
read_texts(Bench *bench, Error *error)
{
	FILE *file = fopen(bench->arguments->texts, "r");
	bool  ok;

	if (file == NULL)
		return error_errno(error, "could not open \"%s\"", bench->arguments->texts);
	ok = read_lines(&bench->texts, file, INT_MAX, error);
	fclose(file);
	return ok && (bench->texts.n > 0 ||
				  error_set(error, ERR_DATA, "\"%s\" holds no text", bench->arguments->texts));
}

static bool
bench_all(Bench *bench, Error *error)
{
	size_t hidden = (size_t) bench->embedder.session.model.hidden_size;

	if (!read_texts(bench, error) || !bench_tokenizer(bench, error))
		return false;
	bench->out = arena_alloc(&bench->arena, (size_t) bench->texts.n * hidden, sizeof *bench->out);
	if (bench->out == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for %d vectors", bench->texts.n);
	return bench_bulk(bench, error) && bench_single(bench, error);
}

int
command_bench(int argc, char **argv)
{
	RunArguments arguments;
	Bench		 bench = {.arguments = &arguments};
	Error		 error;
	int			 status;

	if (!parse_arguments(argc, argv, bench_usage, &arguments, &status))
		return status;
	if (arguments.texts == NULL || optind != argc)
		return report_usage(bench_usage);
	if (!open_embedder(&bench.embedder, &arguments, &error))
		return report_failure(&error);
	arena_init(&bench.arena, 0);
	status = bench_all(&bench, &error) ? EXIT_OK : report_failure(&error);
	free_texts(&bench.texts);
	arena_free(&bench.arena);
	embedder_close(&bench.embedder);
	return fflush(stdout) == 0 ? status : EXIT_FAILED;
}
