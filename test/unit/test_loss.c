/*
 * test_loss.c: losses, and the exp and log they are made of.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "math/precise.h"
#include "task/loss.h"

static void
exp_and_log_are_precise(void **state)
{
	double worst_exp = 0.0, worst_log = 0.0;
	(void) state;

	for (double x = -700.0; x < 700.0; x += 0.01237)
	{
		double power = exp(x);

		worst_exp = fmax(worst_exp, fabs(precise_exp(x) - power) / power);
	}
	for (double x = 1e-300; x < 1e300; x *= 1.0173)
		worst_log = fmax(worst_log, fabs(precise_log(x) - log(x)) / fmax(fabs(log(x)), 0.05));
	print_message("exp within %.1e, log within %.1e\n", worst_exp, worst_log);
	assert_true(worst_exp < 4 * DBL_EPSILON && worst_log < 4 * DBL_EPSILON);
	assert_true(precise_exp(0.0) == 1.0 && precise_log(1.0) == 0.0);
	assert_true(precise_exp(-1000.0) == 0.0 && isinf(precise_exp(1000.0)));
}

static double
classes_of(const float *logits, long ld, long step, int n_rows, int n_classes,
		   const int32_t *labels)
{
	double	losses[16];
	Classes classes = {logits, ld, step, n_rows, n_classes, labels, losses};
	Crew	alone = crew_alone(NULL);

	assert_true(n_rows <= 16);
	return loss_classes(&classes, &alone);
}

static void
cross_entropy_is_a_mean_over_labels_that_count(void **state)
{
	const float	  logits[3][4] = {{1, 2, 3, 4}, {0, 0, 0, 0}, {500, -500, 0, 1}};
	const int32_t all[3] = {3, 1, 1}, some[3] = {0, LABEL_IGNORED, 0};
	const int32_t none[3] = {LABEL_IGNORED, LABEL_IGNORED, LABEL_IGNORED};
	double		  first = log(exp(-3) + exp(-2) + exp(-1) + 1);
	(void) state;

	assert_true(fabs(classes_of(logits[0], 4, 1, 3, 4, all) - (first + log(4) + 1000) / 3) < 1e-12);
	assert_true(fabs(classes_of(logits[0], 4, 1, 3, 4, some) - (first + 3) / 2) < 1e-12);
	assert_true(isnan(classes_of(logits[0], 4, 1, 3, 4, none)));
	/* two sequences of two positions, of which the even columns are the starts */
	assert_true(fabs(classes_of(logits[0], 4, 2, 2, 2, all + 1) - (log(exp(-2) + 1) + log(2)) / 2) <
				1e-12);
}

static void
rows_are_shared(void **state)
{
	float	logits[100][3];
	int32_t labels[100];
	double	losses[100], alone, together;
	Classes classes = {logits[0], 3, 1, 100, 3, labels, losses};
	Crew	crew = crew_alone(NULL);
	Error	error;
	Team   *team = team_create(3, NULL, &error);
	(void) state;

	assert_non_null(team);
	for (int i = 0; i < 100; i++)
	{
		labels[i] = i % 4 == 3 ? LABEL_IGNORED : i % 3;
		for (int j = 0; j < 3; j++)
			logits[i][j] = (float) ((i * 7 + j * 13) % 17) / 5.0f;
	}
	alone = loss_classes(&classes, &crew);
	crew = crew_of_team(team, NULL);
	together = loss_classes(&classes, &crew);
	assert_true(alone == together && alone > 0.1);
	team_destroy(team);
}

static void
numbers_are_compared(void **state)
{
	const float	 z[4] = {1.0f, -2.0f, 0.5f, 80.0f};
	const double y[4] = {0.0, 1.0, 0.25, 1.0};
	double		 sum = 0.0;
	(void) state;

	assert_true(fabs(loss_squares(z, y, 3) - (1.0 + 9.0 + 0.0625) / 3) < 1e-15);
	for (int i = 0; i < 4; i++)
	{
		double p = 1.0 / (1.0 + exp((double) -z[i]));

		sum -= y[i] * log(p) + (i < 3 ? (1.0 - y[i]) * log(1.0 - p) : 0.0);
	}
	assert_true(fabs(loss_each_label(z, y, 4) - sum / 4) < 1e-14);
}

static void
cosines_are_scaled(void **state)
{
	const float a[2][3] = {{3, 0, 4}, {0, 0, 0}}, b[2][3] = {{6, 0, 8}, {4, 1, -3}};
	float		similar[4];
	(void) state;

	loss_cosines(a[0], b[0], 2, 3, 100.0, similar);
	assert_true(fabsf(similar[0] - 100.0f) < 1e-5f && fabsf(similar[1]) < 1e-5f);
	assert_true(similar[2] == 0.0f && similar[3] == 0.0f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exp_and_log_are_precise),
		cmocka_unit_test(cross_entropy_is_a_mean_over_labels_that_count),
		cmocka_unit_test(rows_are_shared),
		cmocka_unit_test(numbers_are_compared),
		cmocka_unit_test(cosines_are_scaled),
	};

	return cmocka_run_group_tests_name("loss", tests, NULL, NULL);
}
