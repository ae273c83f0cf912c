/*
 * test_command.c: what the subcommands print and return.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>

#include "import/command.h"
#include "import/json.h"
#include "import_util.h"

typedef int (*Command)(int argc, char **argv);

static char output[1 << 16], complaints[1 << 16]; /* of the last command */
static char image[256];							  /* made by import_tiny */

/* What a file holds, as text. */
static void
read_text(const char *name, char *text, size_t size)
{
	FILE *file = fopen(name, "r");

	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

/* Points a standard stream to a file; returns where it pointed before. */
static int
redirect(int stream, const char *name, int flags)
{
	int before = dup(stream);
	int file = open(name, flags, 0666);

	assert_true(before >= 0 && file >= 0);
	dup2(file, stream);
	close(file);
	return before;
}

static void
restore(int stream, int before)
{
	dup2(before, stream);
	close(before);
}

/* Runs a subcommand with arguments ended by NULL and this standard input. */
static int
run(Command command, const char *input, const char *const *arguments)
{
	char  names[3][256];
	char *argv[16];
	int	  argc = 0, before[3], status;
	FILE *file;

	for (int i = 0; i < 3; i++)
		snprintf(names[i], sizeof names[i], "%s/stream%d", place, i);
	file = fopen(names[0], "w");
	assert_non_null(file);
	fputs(input, file);
	fclose(file);
	for (; arguments[argc] != NULL; argc++)
		argv[argc] = (char *) arguments[argc];
	argv[argc] = NULL;
	fflush(stdout);
	before[0] = redirect(0, names[0], O_RDONLY);
	before[1] = redirect(1, names[1], O_WRONLY | O_CREAT | O_TRUNC);
	before[2] = redirect(2, names[2], O_WRONLY | O_CREAT | O_TRUNC);
	rewind(stdin);
	optind = 0;
	status = command(argc, argv);
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 3; i++)
		restore(i, before[i]);
	read_text(names[1], output, sizeof output);
	read_text(names[2], complaints, sizeof complaints);
	return status;
}

#define RUN(command, input, ...)                                                                   \
	run(command, input, (const char *const[]){#command, __VA_ARGS__, NULL})

static json_t *
output_json(void)
{
	Error	error;
	json_t *json = json_parse(output, strlen(output), "output", &error);

	assert_non_null(json);
	return json;
}

static const char *
member(const json_t *json, const char *name)
{
	return json_string_value(json_object_get(json, name));
}

static void
import_tiny(void)
{
	snprintf(image, sizeof image, "%s/tiny.img", target);
	assert_int_equal(RUN(command_import, "", TINY, "-o", image), EXIT_OK);
}

static void
import_answers_in_json(void **state)
{
	json_t *json;
	char	digest[100];
	(void) state;

	import_tiny();
	strcpy(digest, output);
	assert_int_equal(strlen(digest), 65);
	assert_int_equal(RUN(command_import, "", TINY, "-O", target, "--json"), EXIT_OK);
	json = output_json();
	assert_memory_equal(member(json, "digest"), digest, 64);
	assert_int_equal(access(member(json, "path"), F_OK), 0);
	assert_string_equal(member(json, "architecture"), "BertModel");
	assert_true(json_is_true(json_object_get(json, "has_weights")));
	assert_int_equal(json_array_size(json_object_get(json, "unused")), 0);
	assert_true(json_number_value(json_object_get(json, "parameters")) > 1000);
	assert_null(json_object_get(json, "deviation"));
	json_decref(json);
	assert_int_equal(
		RUN(command_import, "", "-p", "int8", "--option=max_length=9", "-o", image, "--json", TINY),
		EXIT_OK);
	json = output_json();
	assert_true(json_is_real(json_object_get(
		json_object_get(json_object_get(json, "deviation"), "hidden_states"), "relative")));
	json_decref(json);
	assert_string_equal(complaints, "");
	assert_int_equal(count_files(), 2);
}

static void
failures_are_told_in_both_ways(void **state)
{
	json_t		 *json;
	const json_t *error;
	(void) state;

	snprintf(image, sizeof image, "%s/x.img", target);
	assert_int_equal(RUN(command_import, "", FORMATS "/bad/command", "-o", image, "--json"),
					 EXIT_FAILED);
	json = output_json();
	error = json_object_get(json, "error");
	assert_string_equal(member(error, "code"), "unsupported");
	assert_non_null(strstr(member(error, "message"), "os.system"));
	assert_non_null(strstr(member(error, "detail"), "nothing is called"));
	assert_string_equal(member(error, "hint"), "");
	json_decref(json);
	assert_memory_equal(complaints, "pg_infer: could not read", 24);
	assert_non_null(strstr(complaints, "\nDETAIL: Only tensors"));
	assert_int_equal(RUN(command_import, "", FORMATS "/bad/model_type", "-o", image), EXIT_FAILED);
	assert_string_equal(output, "");
	assert_non_null(strstr(complaints, "\nHINT: Supported model types: bert"));
	assert_int_equal(RUN(command_import, "", TINY, "-o", "/nonexistent/x.img"), EXIT_FAILED);
	assert_int_equal(RUN(command_import, "", TINY, "-o", image, "--option", "x"), EXIT_FAILED);
	assert_non_null(strstr(complaints, "name=value"));
	assert_int_equal(count_files(), 0);
}

static void
wrong_usage_is_told(void **state)
{
	(void) state;
	assert_int_equal(RUN(command_import, "", TINY), EXIT_USAGE);
	assert_int_equal(RUN(command_import, "", TINY, "-o", "a", "-O", "b"), EXIT_USAGE);
	assert_int_equal(RUN(command_import, "", "-o", "a"), EXIT_USAGE);
	assert_int_equal(RUN(command_import, "", TINY, "-o", "a", "--fnord"), EXIT_USAGE);
	assert_non_null(strstr(complaints, "usage: pg_infer import"));
	assert_int_equal(RUN(command_import, "", "--help"), EXIT_OK);
	assert_non_null(strstr(output, "usage: pg_infer import"));
	assert_int_equal(RUN(command_inspect, "", NULL), EXIT_USAGE);
	assert_int_equal(RUN(command_inspect, "", "a", "b"), EXIT_USAGE);
	assert_int_equal(RUN(command_verify, "", "-x"), EXIT_USAGE);
	assert_int_equal(RUN(command_verify, "", "--help"), EXIT_OK);
	assert_int_equal(RUN(command_run, "", NULL), EXIT_USAGE);
	assert_int_equal(RUN(command_run, "", "x", "--isa=mmx"), EXIT_USAGE);
	assert_int_equal(RUN(command_run, "", "x", "--threads=0"), EXIT_USAGE);
	assert_int_equal(RUN(command_run, "", "--help"), EXIT_OK);
	assert_int_equal(RUN(command_bench, "", "x"), EXIT_USAGE);
	assert_int_equal(RUN(command_bench, "", "x", "y", "--texts=z"), EXIT_USAGE);
	assert_int_equal(RUN(command_bench, "", "--help"), EXIT_OK);
}

static void
images_are_shown_and_verified(void **state)
{
	FILE *file;
	(void) state;

	import_tiny();
	assert_int_equal(RUN(command_inspect, "", image), EXIT_OK);
	assert_non_null(strstr(output, "embeddings.word_embeddings  fp32 [178, 32]"));
	assert_non_null(strstr(output, "max_length                       48"));
	assert_int_equal(RUN(command_verify, "", image), EXIT_OK);
	assert_non_null(strstr(output, "golden output: all bits of 96 numbers are the same"));
	file = fopen(image, "r+b");
	assert_non_null(file);
	fseek(file, 20000, SEEK_SET);
	fputs("not a weight", file);
	fclose(file);
	assert_int_equal(RUN(command_verify, "", image), EXIT_FAILED);
	assert_non_null(strstr(complaints, "the checksum of section"));
	assert_int_equal(RUN(command_inspect, "", "/nonexistent"), EXIT_FAILED);
}

static void
a_digest_in_the_name_is_checked(void **state)
{
	json_t *json;
	char	path[512], wrong[512];
	(void) state;

	assert_int_equal(RUN(command_import, "", TINY, "-O", target, "--json"), EXIT_OK);
	json = output_json();
	snprintf(path, sizeof path, "%s", member(json, "path"));
	json_decref(json);
	assert_int_equal(RUN(command_verify, "", path), EXIT_OK);
	assert_non_null(strstr(output, "digest: as the file's name says"));
	strcpy(wrong, path);
	wrong[strlen(wrong) - 5] = wrong[strlen(wrong) - 5] == '0' ? '1' : '0';
	assert_int_equal(rename(path, wrong), 0);
	assert_int_equal(RUN(command_verify, "", wrong), EXIT_FAILED);
	assert_non_null(strstr(complaints, "the file's digest is"));
}

/* The numbers of one line of output. */
static int
parse_vector(const char *line, double *values, int most)
{
	Error		error;
	const char *end = strchr(line, '\n');
	json_t	   *json = json_parse(line, (size_t) (end - line), "line", &error);
	int			n = (int) json_array_size(json);

	for (int i = 0; i < n && i < most; i++)
		values[i] = json_number_value(json_array_get(json, (size_t) i));
	json_decref(json);
	return n;
}

static void
run_prints_a_vector_a_text(void **state)
{
	char   first[1 << 16];
	double values[32], length = 0;
	(void) state;

	import_tiny();
	assert_int_equal(RUN(command_run, "", image, "hello world", "the cat"), EXIT_OK);
	assert_int_equal(parse_vector(output, values, 32), 32);
	for (int i = 0; i < 32; i++)
		length += values[i] * values[i];
	assert_float_equal(length, 1.0, 1e-5);
	assert_float_equal(values[0], 0.1230681762099266, 1e-6);
	strcpy(first, output);
	assert_int_equal(RUN(command_run, "hello world\nthe cat", image), EXIT_OK);
	assert_string_equal(output, first);
	assert_int_equal(RUN(command_run, "hello world\nthe cat\n", image, "-", "--threads=2"),
					 EXIT_OK);
	assert_string_equal(output, first);
	assert_int_equal(RUN(command_run, "hello world\nthe cat\n", "--isa=generic", image), EXIT_OK);
	assert_string_equal(output, first);
	assert_int_equal(RUN(command_run, "", image), EXIT_OK);
	assert_string_equal(output, "");
}

static void
long_texts_follow_truncate(void **state)
{
	char text[2000] = "";
	(void) state;

	import_tiny();
	for (int i = 0; i < 100; i++)
		strcat(text, "the cat ");
	assert_int_equal(RUN(command_run, "", image, text), EXIT_FAILED);
	assert_non_null(strstr(complaints, "202 tokens"));
	assert_int_equal(RUN(command_run, "", image, "--truncate=end", text), EXIT_OK);
}

static void
bench_prints_measures(void **state)
{
	char *line;
	(void) state;

	import_tiny();
	assert_int_equal(RUN(command_bench, "", image, "--texts", TINY "/vocab.txt", "--seconds=1"),
					 EXIT_OK);
	line = strstr(output, "\"measure\":\"bulk\"");
	assert_non_null(line);
	assert_non_null(strstr(line, "\"texts\":178,"));
	assert_non_null(strstr(output, "\"measure\":\"tokenize\""));
	assert_non_null(strstr(output, "\"measure\":\"single\""));
	assert_int_equal(RUN(command_bench, "", image, "--texts", "/nonexistent"), EXIT_FAILED);
	assert_int_equal(RUN(command_bench, "", image, "--texts", "/dev/null"), EXIT_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(import_answers_in_json, set_up, tear_down),
		cmocka_unit_test_setup_teardown(failures_are_told_in_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_usage_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(images_are_shown_and_verified, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_digest_in_the_name_is_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(run_prints_a_vector_a_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_texts_follow_truncate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bench_prints_measures, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
