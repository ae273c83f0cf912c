/*
 * test_deviation.c: what an import in bf16 or int8 says of its distance from fp32, for every family and head: it
 * is the distance of what forward_run computes from both images, and small.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import/import.h"
#include "import_util.h"
#include "task/forward.h"

#define FAMILIES "test/reference/families/"
#define OTHERS 5
#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

static const char *const classes[] = {
	"bert-model",
	"bert-masked-lm",
	"bert-lm-head",
	"bert-pre-training",
	"bert-next-sentence",
	"bert-sequence",
	"bert-token",
	"bert-question",
	"bert-multiple-choice",
	"roformer-model",
	"roformer-masked-lm",
	"roformer-causal-lm",
	"roformer-sequence",
	"roformer-token",
	"roformer-question",
	"roformer-multiple-choice",
	"roberta-model",
	"roberta-masked-lm",
	"roberta-causal-lm",
	"roberta-sequence",
	"roberta-token",
	"roberta-question",
	"roberta-multiple-choice",
	"rocbert-model",
	"rocbert-masked-lm",
	"rocbert-causal-lm",
	"rocbert-pre-training",
	"rocbert-sequence",
	"rocbert-token",
	"rocbert-question",
	"rocbert-multiple-choice",
	"opt-model",
	"opt-causal-lm",
	"opt-sequence",
	"opt-question",
	"mega-model",
	"mega-masked-lm",
	"mega-causal-lm",
	"mega-sequence",
	"mega-token",
	"mega-question",
	"mega-multiple-choice",
	/* the last five, not by forward_run: encoder states, chunks of a decoder, another width */
	"bert-lm-head-cross",
	"roformer-causal-lm-cross",
	"mega-cross",
	"mega-chunks-decoder",
	"opt-causal-lm-projection",
};

/* Numbers of a model's answers, one sequence behind the other. */
typedef struct Answers
{
	float *values;
	size_t n;
} Answers;

static void
import_as(const char *name, const char *precision, const char *file, ImportReport *report)
{
	ImportTarget  to = {.path = file};
	ImportOptions options;
	char		  path[200];
	Arena		  arena;
	Error		  error;

	arena_init(&arena, 0);
	import_options_init(&options);
	snprintf(path, sizeof path, FAMILIES "%s", name);
	if (!import_option(&options, &arena, "precision", precision, &error) ||
		!import_model(path, &options, &to, &arena, report, &error))
		fail_msg("%s: %s", name, error.message);
	arena_free(&arena);
}

static void
keep(Answers *answers, const OutputArray *array)
{
	if (array->rank == 0)
		return;
	answers->values = realloc(answers->values, (answers->n + array->n) * sizeof *answers->values);
	memcpy(answers->values + answers->n, array->data, array->n * sizeof *answers->values);
	answers->n += array->n;
}

/* The answer for one sequence: last_hidden_state of a base model, logits of others. */
static void
answer(const Model *model, const int32_t *ids, int n, const Crew *crew, Answers *answers)
{
	ForwardInputs  inputs = {.input_ids = {.data = ids, .rank = 1, .dims = {n}}, .use_cache = 0};
	ForwardOutputs outputs;
	Workspace	   workspace;
	Error		   error;
	OutputArray	  *arrays[] = {&outputs.logits,		   &outputs.start_logits,
							   &outputs.end_logits,	   &outputs.last_hidden_state,
							   &outputs.pooler_output, &outputs.seq_relationship_logits};

	if (model->head == HEAD_MULTIPLE_CHOICE)
		inputs.input_ids = (IntArray){.data = ids, .rank = 3, .dims = {1, 1, n}};
	if (!forward_plan(model, &inputs, &outputs, &error))
		fail_msg("%s", error.message);
	for (int i = 0; i < COUNT(arrays); i++)
		arrays[i]->data = malloc(arrays[i]->n * sizeof(float) + 1);
	workspace.size = forward_workspace(model, &inputs, crew->size);
	workspace.base = aligned_alloc(64, (workspace.size + 63) / 64 * 64);
	if (!forward_run(model, &inputs, &workspace, crew, &outputs, &error))
		fail_msg("%s", error.message);
	keep(answers, &outputs.logits);
	keep(answers, &outputs.start_logits);
	keep(answers, &outputs.end_logits);
	if (model->head == HEAD_BASE)
		keep(answers, &outputs.last_hidden_state);
	for (int i = 0; i < COUNT(arrays); i++)
		free(arrays[i]->data);
	free(workspace.base);
}

static Answers
answers_of(const char *file)
{
	Answers answers = {0};
	Crew	crew = crew_alone(NULL);
	Image	image;
	Model	model;
	Golden	golden;
	Error	error;

	if (!image_open(&image, file, &error) ||
		!model_open(&model, &image, kernels_select(ISA_AUTO, &error), &error))
		fail_msg("%s", error.message);
	golden_make(&golden, &model);
	for (int i = 0; i < golden.n_sequences; i++)
		answer(&model, golden.ids + golden.offsets[i], golden.offsets[i + 1] - golden.offsets[i],
			   &crew, &answers);
	model_close(&model);
	image_close(&image);
	return answers;
}

/* What forward_run says of a class without encoder states or limits on the length. */
static void
check_by_forward(const Deviation *deviation, const char *exact, const char *reduced)
{
	const Difference *said = deviation->has_logits ? &deviation->logits : &deviation->hidden_states;
	Answers			  a = answers_of(exact), b = answers_of(reduced);
	double			  squares = 0, all = 0, largest = 0;

	assert_int_equal(a.n, b.n);
	for (size_t i = 0; i < a.n; i++)
	{
		double distance = fabs((double) a.values[i] - (double) b.values[i]);

		squares += distance * distance;
		all += (double) a.values[i] * (double) a.values[i];
		largest = fmax(largest, distance);
	}
	assert_float_equal(said->relative, sqrt(squares / all), 1e-12);
	assert_float_equal(said->largest, largest, 0);
	free(a.values);
	free(b.values);
}

static void
check_bounds(const char *name, const char *precision, const Difference *difference, double relative)
{
	if (!(difference->relative > 0) || difference->relative > relative ||
		!(difference->largest > 0) || difference->cosine > 1.0 || difference->cosine < 1 - relative)
		fail_msg("%s in %s: relative %g, largest %g, cosine %g", name, precision,
				 difference->relative, difference->largest, difference->cosine);
}

static void
deviation_is_measured_for_every_family_and_head(void **state)
{
	static const struct
	{
		const char *name;
		double		relative;
	} precisions[] = {{"bf16", 0.03}, {"int8", 0.06}};
	(void) state;

	for (int i = 0; i < COUNT(classes); i++)
	{
		bool		 other = i >= COUNT(classes) - OTHERS;
		char		 exact[200], reduced[200];
		ImportReport report;

		snprintf(exact, sizeof exact, "%s/exact.img", target);
		snprintf(reduced, sizeof reduced, "%s/reduced.img", target);
		import_as(classes[i], "fp32", exact, &report);
		assert_false(report.measured);
		for (int p = 0; p < COUNT(precisions); p++)
		{
			const Deviation *deviation = &report.deviation;

			import_as(classes[i], precisions[p].name, reduced, &report);
			assert_true(report.measured);
			assert_int_equal(deviation->has_logits, strstr(classes[i], "-model") == NULL);
			check_bounds(classes[i], precisions[p].name, &deviation->hidden_states,
						 precisions[p].relative);
			if (deviation->has_logits)
				check_bounds(classes[i], precisions[p].name, &deviation->logits,
							 precisions[p].relative);
			if (!other)
				check_by_forward(deviation, exact, reduced);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(deviation_is_measured_for_every_family_and_head, set_up,
										tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
