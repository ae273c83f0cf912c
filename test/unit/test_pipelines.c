/*
 * test_pipelines.c: tag, answer and fill_mask over test/reference/pipelines, without a server.
 *
 * Imports each folder, tokenizes, computes and post-processes as the SQL functions do; test/reference/README.md
 * says what cases.json holds.  The first argument, or PG_INFER_PIPELINE, names folders by the beginning of their
 * names instead of the list below.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/import.h"
#include "import/json.h"
#include "task/answer.h"
#include "task/forward.h"
#include "task/mask.h"
#include "task/tag.h"
#include "test_models.h"

#define PIPELINES "test/reference/pipelines"
#define MAX_FOLDERS 200

static const char *const enabled[] = {"tag-", "answer-", "mask-"};

typedef struct Fixture
{
	const char *path;
	const char *case_name;
	Image		image;
	Model		model;
	Tokenizer	tokenizer;
	int			max_length;
	Arena		arena; /* of the case that runs */
	int			failures;
} Fixture;

__attribute__((format(printf, 2, 3))) static void
complain(Fixture *fixture, const char *format, ...)
{
	char	text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_message("  %s: %s: %s\n", fixture->path + sizeof PIPELINES, fixture->case_name, text);
	fixture->failures++;
}

static int
number(const json_t *call, const char *name, int otherwise)
{
	const json_t *value = json_object_get(call, name);

	return value ? (int) json_number_value(value) : otherwise;
}

/* The logits of an encoding, (n, outputs); for question answering starts and ends are side by side. */
static float *
logits_of(Fixture *fixture, const Encoding *encoding)
{
	ForwardInputs  inputs = {0};
	ForwardOutputs outputs;
	Workspace	   workspace;
	Crew		   crew = crew_alone(NULL);
	Error		   error;
	int			   n = encoding->n;
	float		  *starts, *ends, *both;
	IntArray	   ids = {.data = encoding->ids, .rank = 2, .dims = {1, n}};

	inputs.use_cache = 0;
	inputs.input_ids = ids;
	ids.data = encoding->type_ids;
	if (fixture->model.type_vocab_size > 0)
		inputs.token_type_ids = ids;
	if (encoding->shape_ids)
	{
		ids.data = encoding->shape_ids;
		inputs.input_shape_ids = ids;
		ids.data = encoding->pronunciation_ids;
		inputs.input_pronunciation_ids = ids;
	}
	TEST_MUST(forward_plan(&fixture->model, &inputs, &outputs, &error), error);
	workspace.size = forward_workspace(&fixture->model, &inputs, 1);
	workspace.base = arena_alloc(&fixture->arena, workspace.size, 1);
	outputs.logits.data = arena_alloc(&fixture->arena, outputs.logits.n + 1, sizeof(float));
	outputs.start_logits.data = starts =
		arena_alloc(&fixture->arena, outputs.start_logits.n + 1, sizeof(float));
	outputs.end_logits.data = ends =
		arena_alloc(&fixture->arena, outputs.end_logits.n + 1, sizeof(float));
	TEST_MUST(forward_run(&fixture->model, &inputs, &workspace, &crew, &outputs, &error), error);
	if (fixture->model.head != HEAD_QUESTION_ANSWERING)
		return outputs.logits.data;
	both = arena_alloc(&fixture->arena, 2 * (size_t) n, sizeof(float));
	for (int i = 0; i < n; i++)
	{
		both[2 * i] = starts[i];
		both[2 * i + 1] = ends[i];
	}
	return both;
}

/* ---- rows ---- */

static void
check_text(Fixture *fixture, size_t row, const char *what, const json_t *expected, const char *text,
		   size_t length)
{
	const json_t *value = json_object_get(expected, what);

	if (json_string_length(value) != length || memcmp(json_string_value(value), text, length) != 0)
		complain(fixture, "row %zu: %s is \"%.*s\", not \"%s\"", row, what, (int) length, text,
				 json_string_value(value));
}

static void
check_number(Fixture *fixture, size_t row, const char *what, const json_t *expected, double value)
{
	double wanted = json_number_value(json_object_get(expected, what));

	if (!(fabs(wanted - value) <= 1e-4))
		complain(fixture, "row %zu: %s is %.8g, not %.8g", row, what, value, wanted);
}

static bool
check_count(Fixture *fixture, const json_t *expected, size_t n)
{
	if (json_array_size(expected) == n)
		return true;
	complain(fixture, "%zu rows, not %zu", n, json_array_size(expected));
	return false;
}

/* Characters pos .. pos + len - 1 of a text. */
static const char *
cut(const json_t *text, int32_t pos, int32_t len, size_t *length)
{
	Utf8Cursor cursor = {.text = json_string_value(text), .length = json_string_length(text)};
	size_t	   begin = utf8_seek(&cursor, (size_t) pos);

	*length = utf8_seek(&cursor, (size_t) (pos + len)) - begin;
	return json_string_value(text) + begin;
}

/* ---- tasks ---- */

static const char **
strings(Fixture *fixture, const json_t *array, int *n)
{
	const char **out = arena_alloc(&fixture->arena, json_array_size(array) + 1, sizeof *out);

	*n = (int) json_array_size(array);
	for (int i = 0; i < *n; i++)
		out[i] = json_string_value(json_array_get(array, (size_t) i));
	return out;
}

static void
run_tag(Fixture *fixture, const json_t *call, const json_t *expected)
{
	static const char *const outside[] = {"O"};
	const json_t			*input = json_object_get(call, "input");
	const char				*name = json_string_value(json_object_get(call, "aggregation"));
	int						 n_ignored = 1, n_labels = image_strings(&fixture->image, "labels");
	const char *const		*ignored = outside;
	const char	**labels = arena_alloc(&fixture->arena, (size_t) n_labels + 1, sizeof *labels);
	Tokens		  tokens = {.limit = SIZE_MAX};
	EncodeOptions options = {.add_special_tokens = true, .max_length = fixture->max_length};
	Windows		  windows;
	Tagger		  tagger;
	Aggregation	  aggregation = AGGREGATION_SIMPLE;
	Error		  error;

	for (int i = 0; i < n_labels; i++)
		labels[i] = image_string(&fixture->image, "labels", i);
	if (json_object_get(call, "ignore_labels"))
		ignored = strings(fixture, json_object_get(call, "ignore_labels"), &n_ignored);
	assert_true(!name || aggregation_from_name(name, &aggregation));
	TEST_MUST(tokenizer_tokens(&fixture->tokenizer, &fixture->arena, json_string_value(input),
							   json_string_length(input), &options, &tokens, &error),
			  error);
	TEST_MUST(windows_open(&windows, &fixture->tokenizer, &tokens, NULL, &options,
						   (long) number(call, "stride", 0), &error),
			  error);
	TEST_MUST(tagger_init(&tagger, &fixture->arena, &fixture->tokenizer, labels, n_labels, ignored,
						  n_ignored, aggregation, json_string_value(input),
						  json_string_length(input), &error),
			  error);
	for (size_t i = 0; i < windows.n; i++)
	{
		Encoding window;
		float	*logits;

		TEST_MUST(windows_get(&windows, i, &fixture->arena, &window, &error), error);
		logits = logits_of(fixture, &window);
		fixture->model.kernels->softmax(logits, n_labels, window.n, n_labels);
		TEST_MUST(tagger_add(&tagger, &window, logits, &error), error);
	}
	if (windows.n > 1)
		tagger_merge(&tagger);
	if (!check_count(fixture, expected, tagger.n))
		return;
	for (size_t i = 0; i < tagger.n; i++)
	{
		const json_t  *row = json_array_get(expected, i);
		const TagSpan *span = &tagger.spans[i];
		size_t		   length;
		const char	  *word = cut(input, span->pos, span->len, &length);

		check_text(fixture, i, "tag", row, span->tag, strlen(span->tag));
		check_text(fixture, i, "word", row, word, length);
		check_number(fixture, i, "score", row, span->score);
		check_number(fixture, i, "pos", row, span->pos + 1);
		check_number(fixture, i, "len", row, span->len);
	}
}

static void
run_answers(Fixture *fixture, const json_t *call, const json_t *expected)
{
	const json_t *question = json_object_get(call, "question");
	const json_t *context = json_object_get(call, "context");
	int length = number(call, "max_seq_len", fixture->max_length < 384 ? fixture->max_length : 384);
	AnswerOptions options = {
		.top_k = number(call, "top_k", 1),
		.max_answer_len = number(call, "max_answer_len", 15),
		.max_question_len = number(call, "max_question_len", 64),
		.max_seq_len = length,
		.doc_stride = number(call, "doc_stride", length / 2 < 128 ? length / 2 : 128),
		.handle_impossible_answer = json_is_true(json_object_get(call, "handle_impossible_answer")),
	};
	AnswerSearch search;
	Error		 error;

	TEST_MUST(answer_open(&search, &fixture->arena, &fixture->tokenizer,
						  json_string_value(question), json_string_length(question),
						  json_string_value(context), json_string_length(context), &options, NULL,
						  NULL, &error),
			  error);
	for (size_t i = 0; i < search.windows.n; i++)
	{
		Encoding window;

		TEST_MUST(windows_get(&search.windows, i, &fixture->arena, &window, &error), error);
		TEST_MUST(answer_add(&search, &window, logits_of(fixture, &window), &error), error);
	}
	TEST_MUST(answer_finish(&search, &error), error);
	if (!check_count(fixture, expected, search.n))
		return;
	for (size_t i = 0; i < search.n; i++)
	{
		const json_t	 *row = json_array_get(expected, i);
		const AnswerSpan *span = &search.spans[i];
		size_t			  bytes = 0;
		const char		 *text = span->pos < 0 ? "" : cut(context, span->pos, span->len, &bytes);

		check_text(fixture, i, "answer", row, text, bytes);
		check_number(fixture, i, "score", row, span->score);
		check_number(fixture, i, "pos", row, span->pos + 1);
		check_number(fixture, i, "len", row, span->len);
	}
}

/* The wanted tokens of a row of probabilities, the likeliest first; returns how many. */
static int
likeliest(const float *row, int n, const int32_t *targets, int n_targets, int top, int32_t *out)
{
	int found = 0;

	for (int i = 0; i < (n_targets > 0 ? n_targets : n); i++)
	{
		int32_t id = n_targets > 0 ? targets[i] : i;
		int		at = found;

		for (int j = 0; j < found; j++)
			if (out[j] == id)
				at = -1;
		if (at < 0)
			continue;
		for (; at > 0 && row[out[at - 1]] < row[id]; at--)
			if (at < top)
				out[at] = out[at - 1];
		if (at < top)
			out[at] = id;
		found += found < top;
	}
	return found;
}

static void
run_fill_mask(Fixture *fixture, const json_t *call, const json_t *expected)
{
	const json_t *input = json_object_get(call, "input"), *item;
	EncodeOptions options = {.add_special_tokens = true};
	int			  vocab = fixture->model.vocab_size, n_masks, n_targets = 0;
	size_t		  row = 0, index;
	int32_t		 *masks, targets[16], best[64];
	Encoding	  encoding;
	float		 *logits;
	Error		  error;

	TEST_MUST(tokenizer_encode(&fixture->tokenizer, &fixture->arena, json_string_value(input),
							   json_string_length(input), NULL, 0, &options, &encoding, &error),
			  error);
	TEST_MUST(
		mask_positions(&fixture->tokenizer, &fixture->arena, &encoding, &masks, &n_masks, &error),
		error);
	json_array_foreach(json_object_get(call, "targets"), index, item)
		TEST_MUST(mask_target(&fixture->tokenizer, &fixture->arena, json_string_value(item),
							  json_string_length(item), &targets[n_targets++], &error),
				  error);
	logits = logits_of(fixture, &encoding);
	for (int i = 0; i < n_masks; i++)
	{
		float *scores = logits + (size_t) masks[i] * (size_t) vocab;
		int	   n;

		fixture->model.kernels->softmax(scores, vocab, 1, vocab);
		n = likeliest(scores, vocab, targets, n_targets, number(call, "top_k", 5), best);
		for (int j = 0; j < n; j++, row++)
		{
			const json_t *wanted = json_array_get(expected, row);
			char		 *text;
			size_t		  length;

			check_number(fixture, row, "mask", wanted, i + 1);
			check_number(fixture, row, "token_id", wanted, best[j]);
			check_number(fixture, row, "score", wanted, (double) scores[best[j]]);
			TEST_MUST(mask_sequence(&fixture->tokenizer, &fixture->arena, &encoding, masks[i],
									best[j], n_masks == 1, &text, &length, &error),
					  error);
			check_text(fixture, row, "sequence", wanted, text, length);
			TEST_MUST(tokenizer_decode(&fixture->tokenizer, &fixture->arena, &best[j], 1, false,
									   &text, &length, &error),
					  error);
			check_text(fixture, row, "token", wanted, text, length);
		}
	}
	check_count(fixture, expected, row);
}

/* ---- folders ---- */

static void
run_cases(Fixture *fixture, const json_t *cases)
{
	const json_t *json;
	size_t		  i;

	json_array_foreach(cases, i, json)
	{
		const char	 *function = json_string_value(json_object_get(json, "function"));
		const json_t *call = json_object_get(json, "call"),
					 *expect = json_object_get(json, "expect");

		fixture->case_name = json_string_value(json_object_get(json, "name"));
		if (expect == NULL)
			continue;
		if (strcmp(function, "tag") == 0)
			run_tag(fixture, call, expect);
		else if (strcmp(function, "answers") == 0)
			run_answers(fixture, call, expect);
		else if (strcmp(function, "fill_mask") == 0)
			run_fill_mask(fixture, call, expect);
		arena_reset(&fixture->arena);
	}
}

static void
import_folder(Fixture *fixture, const json_t *root)
{
	const json_t *given = json_object_get(json_object_get(root, "model"), "import_options"), *value;
	char		  file[] = "/tmp/test_pipelines.XXXXXX";
	ImportTarget  target = {.path = file};
	ImportOptions options;
	ImportReport  report;
	const char	 *name;
	Error		  error;
	int			  created = mkstemp(file);

	assert_true(created >= 0);
	close(created);
	unlink(file);
	import_options_init(&options);
	json_object_foreach((json_t *) given, name, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY);

		TEST_MUST(import_option(&options, &fixture->arena, name, text, &error), error);
		free(text);
	}
	if (!import_model(fixture->path, &options, &target, &fixture->arena, &report, &error))
		fail_msg("%s: %s", fixture->path, error.message);
	TEST_MUST(image_open(&fixture->image, file, &error), error);
	unlink(file);
	TEST_MUST(
		model_open(&fixture->model, &fixture->image, kernels_select(ISA_AUTO, &error), &error),
		error);
	TEST_MUST(tokenizer_open(&fixture->tokenizer, &fixture->image, &error), error);
	TEST_MUST(params_int(&fixture->image.model, "max_length", INT_MAX, 1, INT_MAX,
						 &fixture->max_length, &error),
			  error);
}

static void
folder_is_that_of_the_pipeline(void **state)
{
	Fixture fixture = {.path = *state};
	char	path[PATH_MAX];
	Error	error;
	json_t *root;

	snprintf(path, sizeof path, "%s/cases.json", fixture.path);
	root = json_read_object(path, (size_t) 64 << 20, &error);
	if (root == NULL)
		fail_msg("%s", error.message);
	arena_init(&fixture.arena, 0);
	import_folder(&fixture, root);
	run_cases(&fixture, json_object_get(root, "cases"));
	model_close(&fixture.model);
	image_close(&fixture.image);
	arena_free(&fixture.arena);
	json_decref(root);
	assert_int_equal(fixture.failures, 0);
}

static int
list_folders(const char *prefix, char **paths, int n)
{
	struct dirent **entries;
	int				found = scandir(PIPELINES, &entries, NULL, alphasort);

	assert_true(found >= 0);
	for (int i = 0; i < found; i++)
	{
		char path[PATH_MAX];

		snprintf(path, sizeof path, PIPELINES "/%s", entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && n < MAX_FOLDERS &&
			strncmp(entries[i]->d_name, prefix, strlen(prefix)) == 0)
			paths[n++] = strdup(path);
		free(entries[i]);
	}
	free(entries);
	return n;
}

int
main(int argc, char **argv)
{
	static struct CMUnitTest tests[MAX_FOLDERS];
	static char				*paths[MAX_FOLDERS];
	const char				*wanted = argc > 1 ? argv[1] : getenv("PG_INFER_PIPELINE");
	int						 n = 0, failed;

	if (wanted != NULL)
		n = list_folders(wanted, paths, n);
	else
		for (size_t i = 0; i < sizeof enabled / sizeof *enabled; i++)
			n = list_folders(enabled[i], paths, n);
	if (n == 0)
	{
		print_error("there are no such folders in " PIPELINES "\n");
		return 1;
	}
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){.name = paths[i] + sizeof PIPELINES,
									   .test_func = folder_is_that_of_the_pipeline,
									   .initial_state = paths[i]};
	failed = _cmocka_run_group_tests("pipelines", tests, (size_t) n, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(paths[i]);
	return failed;
}
