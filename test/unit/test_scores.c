/*
 * test_scores.c: scores beside the C library's functions, their order, and which function a model's are made with.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "task/scores.h"
#include "test_models.h"

#define COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

static void
values(void **state)
{
	static const float logits[] = {0.5f, -3.0f, 88.0f, 87.5f, -1000.0f, 1000.0f, 999.0f, 0.0f};
	float			   scores[COUNT(logits)];
	double			   sum = 0.0;
	(void) state;

	scores_apply(SCORE_SIGMOID, logits, COUNT(logits), scores);
	for (int i = 0; i < COUNT(logits); i++)
		assert_true(fabs((double) scores[i] - 1.0 / (1.0 + exp(-(double) logits[i]))) < 1e-7);
	scores_apply(SCORE_NONE, logits, COUNT(logits), scores);
	assert_memory_equal(scores, logits, sizeof logits);
	for (int i = 0; i < COUNT(logits); i++)
		sum += exp((double) logits[i] - 1000.0);
	scores_apply(SCORE_SOFTMAX, scores, COUNT(logits), scores);
	for (int i = 0; i < COUNT(logits); i++)
		assert_true(fabs((double) scores[i] - exp((double) logits[i] - 1000.0) / sum) < 1e-7);
}

static void
order(void **state)
{
	static const float	 scores[] = {0.5f, 1.0f, 0.5f, 1.0f, -2.0f, 0.5f};
	static const int32_t first[] = {1, 3, 0, 2, 5, 4}, last[] = {3, 1, 5, 2, 0, 4};
	int32_t				 found[COUNT(scores)];
	(void) state;

	scores_order(scores, COUNT(scores), false, found);
	assert_memory_equal(found, first, sizeof first);
	scores_order(scores, COUNT(scores), true, found);
	assert_memory_equal(found, last, sizeof last);
	assert_int_equal(scores_best(scores, COUNT(scores)), 1);
	scores_order(scores, 0, true, found);
}

static void
function_names(void **state)
{
	ScoreFunction function;
	(void) state;

	assert_true(score_function_from_name("Softmax", &function) && function == SCORE_SOFTMAX);
	assert_true(score_function_from_name("sigmoid", &function) && function == SCORE_SIGMOID);
	assert_true(score_function_from_name("NONE", &function) && function == SCORE_NONE);
	assert_false(score_function_from_name("", &function));
	assert_false(score_function_from_name("tanh", &function));
}

static void
functions_of_models(void **state)
{
	ConfigParam activation = {.key = "sbert_ce_default_activation_function", .type = PARAM_STRING};
	Image		image = {.config = {&activation, 1}}, plain = {.config = {NULL, 0}};
	Model		model = {.n_labels = 3, .image = &plain};
	ScoreFunction function;
	Error		  error;
	(void) state;

	assert_int_equal(score_function_of(&model), SCORE_SOFTMAX);
	model.problem_type = PROBLEM_REGRESSION;
	assert_int_equal(score_function_of(&model), SCORE_SOFTMAX);
	model.problem_type = PROBLEM_MULTI_LABEL;
	assert_int_equal(score_function_of(&model), SCORE_SIGMOID);
	model.problem_type = PROBLEM_SINGLE_LABEL;
	model.n_labels = 1;
	assert_int_equal(score_function_of(&model), SCORE_SIGMOID);

	model.problem_type = PROBLEM_BY_LABELS;
	assert_true(score_function_of_pairs(&model, &function, &error) && function == SCORE_SIGMOID);
	model.problem_type = PROBLEM_REGRESSION;
	assert_true(score_function_of_pairs(&model, &function, &error) && function == SCORE_NONE);
	model.image = &image;
	activation.string = "torch.nn.modules.activation.Sigmoid";
	assert_true(score_function_of_pairs(&model, &function, &error) && function == SCORE_SIGMOID);
	activation.string = "torch.nn.modules.linear.Identity";
	assert_true(score_function_of_pairs(&model, &function, &error) && function == SCORE_NONE);
	activation.string = "torch.nn.modules.activation.Tanh";
	assert_false(score_function_of_pairs(&model, &function, &error));
	assert_int_equal(error.code, ERR_UNSUPPORTED);
	assert_string_equal(error.message, "sbert_ce_default_activation_function "
									   "\"torch.nn.modules.activation.Tanh\" is not supported");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(order),
		cmocka_unit_test(function_names),
		cmocka_unit_test(functions_of_models),
	};

	return cmocka_run_group_tests_name("scores", tests, NULL, NULL);
}
