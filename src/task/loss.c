/*
 * loss.c: cross-entropy row by row, and sums in the order of the rows.
 */
#include "task/loss.h"

#include <math.h>

#include "math/precise.h"

#define ROWS_OF_AN_ITEM 8

static double
row_loss(const Classes *classes, int row)
{
	const float *z = classes->logits + row * classes->ld;
	double		 top = (double) z[0], sum = 0.0;

	for (long i = 1; i < classes->n_classes; i++)
		if ((double) z[i * classes->step] > top)
			top = (double) z[i * classes->step];
	for (long i = 0; i < classes->n_classes; i++)
		sum += precise_exp((double) z[i * classes->step] - top);
	return precise_log(sum) + top - (double) z[classes->labels[row] * classes->step];
}

static void
loss_item(void *argument, int item, int rank)
{
	const Classes *classes = argument;
	int			   end = (item + 1) * ROWS_OF_AN_ITEM;

	(void) rank;
	for (int row = item * ROWS_OF_AN_ITEM; row < end && row < classes->n_rows; row++)
		if (classes->labels[row] != LABEL_IGNORED)
			classes->losses[row] = row_loss(classes, row);
}

double
loss_classes(const Classes *classes, const Crew *crew)
{
	double sum = 0.0;
	long   counted = 0;

	crew_each(crew, (classes->n_rows + ROWS_OF_AN_ITEM - 1) / ROWS_OF_AN_ITEM, loss_item,
			  (void *) classes);
	for (int row = 0; row < classes->n_rows; row++)
		if (classes->labels[row] != LABEL_IGNORED)
		{
			sum += classes->losses[row];
			counted++;
		}
	return counted > 0 ? sum / (double) counted : NAN;
}

double
loss_squares(const float *z, const double *y, long n)
{
	double sum = 0.0;

	for (long i = 0; i < n; i++)
		sum += ((double) z[i] - y[i]) * ((double) z[i] - y[i]);
	return sum / (double) n;
}

double
loss_each_label(const float *z, const double *y, long n)
{
	double sum = 0.0;

	for (long i = 0; i < n; i++)
	{
		double value = (double) z[i];

		sum += (value > 0.0 ? value : 0.0) - value * y[i] +
			   precise_log(1.0 + precise_exp(-fabs(value)));
	}
	return sum / (double) n;
}

static double
dot(const float *a, const float *b, int n)
{
	double sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * (double) b[i];
	return sum;
}

/* The length of a vector, or what torch.nn.functional.normalize divides a shorter one by. */
static double
length_of(const float *x, int n)
{
	double length = sqrt(dot(x, x, n));

	return length > 1e-12 ? length : 1e-12;
}

void
loss_cosines(const float *a, const float *b, int n, int width, double scale, float *similar)
{
	for (long i = 0; i < n; i++)
		for (long j = 0; j < n; j++)
		{
			const float *x = a + i * width, *y = b + j * width;

			similar[i * n + j] =
				(float) (scale * dot(x, y, width) / (length_of(x, width) * length_of(y, width)));
		}
}
