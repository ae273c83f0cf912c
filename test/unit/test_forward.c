/*
 * test_forward.c: every call of test/reference/families against what Transformers returns.
 *
 * Imports each folder and runs the cases of its cases.json (test/reference/README.md says what they
 * hold), on one thread and on several, which must give the same bits.  PG_INFER_FAMILY, or the first
 * argument, names folders by the beginning of their names ("bert-lm", "formats/bert") instead of the
 * list below.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "import/import.h"
#include "import/json.h"
#include "task/forward.h"

#define FAMILIES "test/reference/families"
#define MAX_FOLDERS 600
#define FILE_LIMIT ((size_t) 64 << 20)
#define THREADS 3
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

/* Beginnings of the names of folders that must pass. */
static const char *const enabled[] = {"bert-",	  "roformer-", "opt-",	  "roberta-",
									  "rocbert-", "mega-",	   "formats/"};

/* One step of a case, computed. */
typedef struct Step
{
	bool		   ok;
	Error		   error;
	ForwardOutputs outputs;
} Step;

/* One folder under test. */
typedef struct Fixture
{
	const char *path;
	Image		image;
	Model		model;
	Team	   *team;
	Arena		arena; /* of the case that runs */
	int			failures;
	const char *case_name;
} Fixture;

__attribute__((format(printf, 2, 3))) static void
complain(Fixture *fixture, const char *format, ...)
{
	char	text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_message("  %s: %s: %s\n", fixture->path + sizeof FAMILIES, fixture->case_name, text);
	fixture->failures++;
}

/* ---- nested arrays ---- */

typedef struct Nested
{
	int		rank, dims[FORWARD_MAX_RANK];
	size_t	n;
	double *values;
} Nested;

static void
flatten(const json_t *json, double **out)
{
	const json_t *item;
	size_t		  i;

	if (json_is_array(json))
		json_array_foreach(json, i, item) flatten(item, out);
	else if (json_is_string(json))
		*(*out)++ = NAN;
	else
		*(*out)++ = json_number_value(json);
}

static Nested
nested(Fixture *fixture, const json_t *json)
{
	Nested	array = {.n = 1};
	double *out;

	for (const json_t *item = json; json_is_array(item); item = json_array_get(item, 0))
	{
		array.dims[array.rank++] = (int) json_array_size(item);
		array.n *= json_array_size(item);
	}
	out = array.values = arena_alloc(&fixture->arena, array.n + 1, sizeof(double));
	flatten(json, &out);
	assert_true(out == array.values + array.n);
	return array;
}

static IntArray
ints(Fixture *fixture, const json_t *json)
{
	Nested	 array = nested(fixture, json);
	int32_t *data = arena_alloc(&fixture->arena, array.n + 1, sizeof(int32_t));
	IntArray out = {.data = data, .rank = array.rank};

	memcpy(out.dims, array.dims, sizeof out.dims);
	for (size_t i = 0; i < array.n; i++)
		data[i] = (int32_t) array.values[i];
	return out;
}

static FloatArray
floats(Fixture *fixture, const json_t *json)
{
	Nested	   array = nested(fixture, json);
	float	  *data = arena_alloc(&fixture->arena, array.n + 1, sizeof(float));
	FloatArray out = {.data = data, .rank = array.rank};

	memcpy(out.dims, array.dims, sizeof out.dims);
	for (size_t i = 0; i < array.n; i++)
		data[i] = (float) array.values[i];
	return out;
}

static DoubleArray
doubles(Fixture *fixture, const json_t *json)
{
	Nested		array = nested(fixture, json);
	DoubleArray out = {.data = array.values, .rank = array.rank};

	memcpy(out.dims, array.dims, sizeof out.dims);
	return out;
}

/* ---- calls ---- */

/* The bytes of "\x00ff", or those of the step before. */
static void
read_past(Fixture *fixture, const char *text, const Step *before, ForwardInputs *inputs)
{
	uint8_t *bytes;

	if (strcmp(text, "$past") == 0)
	{
		inputs->past = before->outputs.past;
		inputs->past_size = before->outputs.past_size;
		return;
	}
	inputs->past_size = (strlen(text) - 2) / 2;
	inputs->past = bytes = arena_alloc(&fixture->arena, inputs->past_size + 1, 1);
	for (size_t i = 0; i < inputs->past_size; i++)
	{
		unsigned byte;

		assert_int_equal(sscanf(text + 2 + 2 * i, "%2x", &byte), 1);
		bytes[i] = (uint8_t) byte;
	}
}

static void
read_argument(Fixture *fixture, const char *name, const json_t *value, const Step *before,
			  ForwardInputs *in)
{
	const struct
	{
		const char *name;
		IntArray   *array;
	} int_arrays[] = {
		{"input_ids", &in->input_ids},
		{"token_type_ids", &in->token_type_ids},
		{"position_ids", &in->position_ids},
		{"input_shape_ids", &in->input_shape_ids},
		{"input_pronunciation_ids", &in->input_pronunciation_ids},
		{"start_positions", &in->start_positions},
		{"end_positions", &in->end_positions},
		{"next_sentence_label", &in->next_sentence_label},
		{"labels_input_ids", &in->labels_input_ids},
		{"labels_token_type_ids", &in->labels_token_type_ids},
		{"labels_input_shape_ids", &in->labels_input_shape_ids},
		{"labels_input_pronunciation_ids", &in->labels_input_pronunciation_ids},
		{"attack_input_ids", &in->attack_input_ids},
		{"attack_token_type_ids", &in->attack_token_type_ids},
		{"attack_input_shape_ids", &in->attack_input_shape_ids},
		{"attack_input_pronunciation_ids", &in->attack_input_pronunciation_ids},
	};
	const struct
	{
		const char *name;
		FloatArray *array;
	} float_arrays[] = {
		{"attention_mask", &in->attention_mask},
		{"head_mask", &in->head_mask},
		{"inputs_embeds", &in->inputs_embeds},
		{"encoder_hidden_states", &in->encoder_hidden_states},
		{"encoder_attention_mask", &in->encoder_attention_mask},
		{"labels_attention_mask", &in->labels_attention_mask},
		{"attack_attention_mask", &in->attack_attention_mask},
	};

	for (int i = 0; i < COUNT(int_arrays); i++)
		if (strcmp(name, int_arrays[i].name) == 0)
		{
			*int_arrays[i].array = ints(fixture, value);
			return;
		}
	for (int i = 0; i < COUNT(float_arrays); i++)
		if (strcmp(name, float_arrays[i].name) == 0)
		{
			*float_arrays[i].array = floats(fixture, value);
			return;
		}
	if (strcmp(name, "labels") == 0)
		in->labels = doubles(fixture, value);
	else if (strcmp(name, "past") == 0)
		read_past(fixture, json_string_value(value), before, in);
	else if (strcmp(name, "use_cache") == 0)
		in->use_cache = json_is_true(value);
	else if (strcmp(name, "output_hidden_states") == 0)
		in->output_hidden_states = json_is_true(value);
	else if (strcmp(name, "output_attentions") == 0)
		in->output_attentions = json_is_true(value);
	else
		fail_msg("unknown argument %s", name);
}

/* The arrays of outputs, by name. */
typedef struct Named
{
	const char	*name;
	OutputArray *array;
} Named;

#define N_ARRAYS 9

static void
name_arrays(ForwardOutputs *out, Named *named)
{
	const Named all[N_ARRAYS] = {{"logits", &out->logits},
								 {"start_logits", &out->start_logits},
								 {"end_logits", &out->end_logits},
								 {"last_hidden_state", &out->last_hidden_state},
								 {"pooler_output", &out->pooler_output},
								 {"hidden_states", &out->hidden_states},
								 {"attentions", &out->attentions},
								 {"cross_attentions", &out->cross_attentions},
								 {"seq_relationship_logits", &out->seq_relationship_logits}};

	memcpy(named, all, sizeof all);
}

/* Computes on a crew, into memory of the arena that holds NaN before. */
static Step
compute(Fixture *fixture, const ForwardInputs *inputs, const Crew *crew)
{
	Step	  step = {.ok = false};
	Workspace workspace;
	Named	  named[N_ARRAYS];

	if (!forward_plan(&fixture->model, inputs, &step.outputs, &step.error))
		return step;
	name_arrays(&step.outputs, named);
	for (int i = 0; i < N_ARRAYS; i++)
	{
		named[i].array->data = arena_alloc(&fixture->arena, named[i].array->n + 1, sizeof(float));
		memset(named[i].array->data, 0xFF, named[i].array->n * sizeof(float));
	}
	step.outputs.past = arena_alloc(&fixture->arena, step.outputs.past_size + 1, 1);
	workspace.size = forward_workspace(&fixture->model, inputs, crew->size);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	memset(workspace.base, 0xFF, workspace.size);
	step.ok = forward_run(&fixture->model, inputs, &workspace, crew, &step.outputs, &step.error);
	free(workspace.base);
	return step;
}

static void
same_bits(Fixture *fixture, Step *alone, Step *together)
{
	Named a[N_ARRAYS], b[N_ARRAYS];

	name_arrays(&alone->outputs, a);
	name_arrays(&together->outputs, b);
	for (int i = 0; i < N_ARRAYS; i++)
		if (memcmp(a[i].array->data, b[i].array->data, a[i].array->n * sizeof(float)) != 0)
			complain(fixture, "%s differs on %d threads", a[i].name, THREADS);
	if (alone->outputs.has_loss &&
		memcmp(&alone->outputs.loss, &together->outputs.loss, sizeof(float)) != 0)
		complain(fixture, "loss differs on %d threads", THREADS);
	if (memcmp(alone->outputs.past, together->outputs.past, alone->outputs.past_size) != 0)
		complain(fixture, "past differs on %d threads", THREADS);
}

static Step
run_step(Fixture *fixture, const json_t *call, const Step *before)
{
	ForwardInputs inputs = {.use_cache = -1, .output_hidden_states = -1, .output_attentions = -1};
	const char	 *name;
	const json_t *value;
	Step		  step, together;
	Crew		  alone = crew_alone(NULL), crew = crew_of_team(fixture->team, NULL);

	json_object_foreach((json_t *) call, name, value)
		read_argument(fixture, name, value, before, &inputs);
	step = compute(fixture, &inputs, &alone);
	if (!step.ok)
		return step;
	together = compute(fixture, &inputs, &crew);
	if (!together.ok)
		complain(fixture, "on %d threads: %s", THREADS, together.error.message);
	else
		same_bits(fixture, &step, &together);
	return step;
}

/* ---- comparing ---- */

/* Where an array has its batch and its positions; false: it has none. */
static bool
position_axes(const char *name, const OutputArray *array, const Nested *valid, int *batch,
			  int *position)
{
	*batch = strcmp(name, "hidden_states") == 0 || strstr(name, "attentions") != NULL;
	*position = strstr(name, "attentions") != NULL ? array->rank - 2 : *batch + 1;
	return strcmp(name, "pooler_output") != 0 && strcmp(name, "seq_relationship_logits") != 0 &&
		   array->rank > *position && array->dims[*batch] == valid->dims[0] &&
		   array->dims[*position] == valid->dims[1] &&
		   !(strcmp(name, "logits") == 0 && array->rank == 2);
}

/* The index along an axis of number i. */
static int
along(const OutputArray *array, size_t i, int axis)
{
	for (int a = array->rank - 1; a > axis; a--)
		i /= (size_t) array->dims[a];
	return (int) (i % (size_t) array->dims[axis]);
}

static void
compare(Fixture *fixture, const char *name, const json_t *json, const OutputArray *array,
		const Nested *valid, double atol)
{
	Nested expected;
	double worst = 0.0;
	size_t at = 0;
	int	   batch = 0, position = 0;
	bool   masked;

	if (json_is_null(json))
	{
		if (array->n != 0)
			complain(fixture, "%s must not be returned", name);
		return;
	}
	expected = nested(fixture, json);
	if (array->rank != expected.rank ||
		memcmp(array->dims, expected.dims, (size_t) array->rank * sizeof(int)) != 0)
	{
		complain(fixture,
				 "%s has rank %d, (%d, %d, %d, %d, %d) instead of %d, (%d, %d, %d, %d, %d)", name,
				 array->rank, array->dims[0], array->dims[1], array->dims[2], array->dims[3],
				 array->dims[4], expected.rank, expected.dims[0], expected.dims[1],
				 expected.dims[2], expected.dims[3], expected.dims[4]);
		return;
	}
	masked = valid != NULL && position_axes(name, array, valid, &batch, &position);
	for (size_t i = 0; i < array->n; i++)
	{
		double difference = fabs((double) array->data[i] - expected.values[i]);

		if (masked &&
			valid->values[along(array, i, batch) * valid->dims[1] + along(array, i, position)] ==
				0.0)
			continue;
		if (!(difference <= worst))
		{
			worst = difference;
			at = i;
		}
		if (isnan(difference))
			break;
	}
	if (!(worst <= atol))
		complain(fixture, "%s is off by %.2e, but %.0e is allowed: %g instead of %g at %zu", name,
				 worst, atol, (double) array->data[at], expected.values[at], at);
}

static void
compare_loss(Fixture *fixture, const json_t *json, const ForwardOutputs *outputs, double atol)
{
	double loss = (double) outputs->loss, expected = json_number_value(json);

	if (json_is_null(json))
	{
		if (outputs->has_loss)
			complain(fixture, "loss must not be returned");
	}
	else if (!outputs->has_loss)
		complain(fixture, "loss is not returned");
	else if (json_is_string(json))
	{
		if (!isnan(loss))
			complain(fixture, "loss is %g instead of NaN", loss);
	}
	else if (!(fabs(loss - expected) <= atol))
		complain(fixture, "loss is %.8g instead of %.8g", loss, expected);
}

static void
compare_step(Fixture *fixture, Step *step, const json_t *entry, double atol)
{
	const json_t *expect = json_object_get(entry, "expect"), *json;
	const json_t *valid_json = json_object_get(entry, "valid");
	const char	 *name;
	Nested		  valid = {0};
	Named		  named[N_ARRAYS];

	if (valid_json != NULL)
		valid = nested(fixture, valid_json);
	name_arrays(&step->outputs, named);
	json_object_foreach((json_t *) expect, name, json)
	{
		int i = 0;

		while (i < N_ARRAYS && strcmp(name, named[i].name) != 0)
			i++;
		if (i < N_ARRAYS)
			compare(fixture, name, json, named[i].array, valid_json != NULL ? &valid : NULL, atol);
		else if (strcmp(name, "loss") == 0)
			compare_loss(fixture, json, &step->outputs, atol);
		else if (strcmp(name, "past") != 0)
			fail_msg("unknown field %s", name);
		else if (json_is_null(json) != (step->outputs.past_size == 0))
			complain(fixture, "past must %sbe returned", json_is_null(json) ? "not " : "");
	}
}

static bool
matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool	found;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
	found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

/* One step against its entry in cases.json. */
static void
check_step(Fixture *fixture, Step *step, const json_t *entry, double atol)
{
	const char *pattern = json_string_value(json_object_get(entry, "expect_error"));

	if (pattern != NULL && step->ok)
		complain(fixture, "it does not fail, but must with \"%s\"", pattern);
	else if (pattern != NULL)
	{
		if (!matches(step->error.message, pattern))
			complain(fixture, "the error is \"%s\", not \"%s\"", step->error.message, pattern);
	}
	else if (!step->ok)
		complain(fixture, "%s", step->error.message);
	else
		compare_step(fixture, step, entry, atol);
}

static void
run_case(Fixture *fixture, const json_t *json)
{
	const json_t *steps = json_object_get(json, "steps"), *entry;
	double		  atol = json_number_value(json_object_get(json, "atol"));
	Step		  step = {.ok = true};
	size_t		  i;

	fixture->case_name = json_string_value(json_object_get(json, "name"));
	if (steps == NULL)
	{
		step = run_step(fixture, json_object_get(json, "call"), NULL);
		check_step(fixture, &step, json, atol);
	}
	json_array_foreach(steps, i, entry)
	{
		Step before = step;

		if (!before.ok)
			break;
		step = run_step(fixture, json_object_get(entry, "call"), &before);
		check_step(fixture, &step, entry, atol);
	}
	arena_reset(&fixture->arena);
}

/* ---- folders ---- */

/* Imports a folder to a file; the error when it can't. */
static bool
import_folder(const char *path, const json_t *model, const char *file, Arena *arena,
			  ImportReport *report, Error *error)
{
	ImportTarget  target = {.path = file};
	ImportOptions options;
	const char	 *name;
	const json_t *value;

	import_options_init(&options);
	json_object_foreach(json_object_get(model, "import_options"), name, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY);
		bool  ok = import_option(&options, arena, name, text, error);

		free(text);
		if (!ok)
			return false;
	}
	return import_model(path, &options, &target, arena, report, error);
}

static void
temporary_file(char *path)
{
	int file;

	strcpy(path, "/tmp/test_forward.XXXXXX");
	file = mkstemp(path);
	assert_true(file >= 0);
	close(file);
	unlink(path);
}

/* The digest of another folder's import, which must be that of this one. */
static void
check_digest(Fixture *fixture, const char *other, const char *digest)
{
	char		 path[PATH_MAX], file[64];
	ImportReport report;
	Arena		 arena;
	Error		 error;

	arena_init(&arena, 0);
	temporary_file(file);
	snprintf(path, sizeof path, FAMILIES "/%s", other);
	if (!import_folder(path, NULL, file, &arena, &report, &error))
		complain(fixture, "%s: %s", other, error.message);
	else if (strcmp(report.digest, digest) != 0)
		complain(fixture, "the digest is %s, but %s for %s", digest, report.digest, other);
	unlink(file);
	arena_free(&arena);
}

static void
run_cases(Fixture *fixture, const json_t *root)
{
	const json_t *cases = json_object_get(root, "cases"), *json;
	Error		  error;
	size_t		  i;

	if (!model_open(&fixture->model, &fixture->image, kernels_select(ISA_AUTO, &error), &error))
	{
		complain(fixture, "%s", error.message);
		return;
	}
	fixture->team = team_create(THREADS, NULL, &error);
	assert_non_null(fixture->team);
	json_array_foreach(cases, i, json) run_case(fixture, json);
	team_destroy(fixture->team);
	model_close(&fixture->model);
}

static void
folder_is_that_of_transformers(void **state)
{
	Fixture		  fixture = {.path = *state, .case_name = "import"};
	char		  path[PATH_MAX], file[64];
	const char	 *pattern, *architecture, *same;
	ImportReport  report;
	Arena		  arena;
	Error		  error;
	json_t		 *root;
	const json_t *model;
	bool		  imported;

	snprintf(path, sizeof path, "%s/cases.json", fixture.path);
	root = json_read_object(path, FILE_LIMIT, &error);
	if (root == NULL)
		fail_msg("%s", error.message);
	model = json_object_get(root, "model");
	pattern = json_string_value(json_object_get(model, "expect_import_error"));
	architecture = json_string_value(json_object_get(model, "architecture"));
	same = json_string_value(json_object_get(model, "same_digest_as"));
	arena_init(&arena, 0);
	arena_init(&fixture.arena, 0);
	temporary_file(file);
	imported = import_folder(fixture.path, model, file, &arena, &report, &error);
	if (pattern != NULL && imported)
		complain(&fixture, "it does not fail, but must with \"%s\"", pattern);
	else if (pattern != NULL && !matches(error.message, pattern))
		complain(&fixture, "the error is \"%s\", not \"%s\"", error.message, pattern);
	else if (pattern == NULL && !imported)
		complain(&fixture, "%s", error.message);
	else if (pattern == NULL)
	{
		if (strcmp(report.architecture, architecture) != 0)
			complain(&fixture, "the class is %s instead of %s", report.architecture, architecture);
		if (same != NULL)
			check_digest(&fixture, same, report.digest);
		if (!image_open(&fixture.image, file, &error))
			fail_msg("%s", error.message);
		run_cases(&fixture, root);
		image_close(&fixture.image);
	}
	unlink(file);
	arena_free(&arena);
	arena_free(&fixture.arena);
	json_decref(root);
	assert_int_equal(fixture.failures, 0);
}

/* Adds the folders below FAMILIES/<where> whose names (with where) begin so. */
static int
list_folders(const char *where, const char *prefix, char **paths, int n)
{
	char			directory[PATH_MAX];
	struct dirent **entries;
	int				found;

	snprintf(directory, sizeof directory, FAMILIES "/%s", where);
	found = scandir(directory, &entries, NULL, alphasort);
	assert_true(found >= 0);
	for (int i = 0; i < found; i++)
	{
		char path[PATH_MAX];
		bool wanted;

		snprintf(path, sizeof path, FAMILIES "/%s%s/cases.json", where, entries[i]->d_name);
		wanted = strncmp(path + sizeof FAMILIES, prefix, strlen(prefix)) == 0;
		if (wanted && entries[i]->d_name[0] != '.' && access(path, R_OK) == 0 && n < MAX_FOLDERS)
		{
			path[strlen(path) - strlen("/cases.json")] = '\0';
			paths[n++] = strdup(path);
		}
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
	const char				*wanted = argc > 1 ? argv[1] : getenv("PG_INFER_FAMILY");
	int						 n = 0, failed;

	for (int i = 0; i < (wanted != NULL ? 1 : COUNT(enabled)); i++)
	{
		const char *prefix = wanted != NULL ? wanted : enabled[i];

		n = list_folders("", prefix, paths, n);
		n = list_folders("formats/", prefix, paths, n);
	}
	if (n == 0)
	{
		print_error("there are no such folders in " FAMILIES "\n");
		return 1;
	}
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){.name = paths[i] + sizeof FAMILIES,
									   .test_func = folder_is_that_of_transformers,
									   .initial_state = paths[i]};
	failed = _cmocka_run_group_tests("forward", tests, (size_t) n, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(paths[i]);
	return failed;
}
