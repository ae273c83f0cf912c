/*
 * loss.h: what a class's labels cost, as Transformers' classes have it.
 *
 * Sums are in double; a mean over no label is NaN, as 0/0 is.
 */
#ifndef TASK_LOSS_H
#define TASK_LOSS_H

#include <stdint.h>

#include "base/team.h"

#define LABEL_IGNORED (-100)

/* Rows of logits and the class that each should have.  Row i lies at logits + i * ld, its classes step
 * apart. */
typedef struct Classes
{
	const float	  *logits;
	long		   ld, step;
	int			   n_rows, n_classes;
	const int32_t *labels; /* (n_rows): 0 .. n_classes - 1, or LABEL_IGNORED */
	double		  *losses; /* (n_rows) scratch */
} Classes;

/* The mean of -log softmax(row)[label] over the rows whose label counts; the crew shares the rows. */
extern double loss_classes(const Classes *classes, const Crew *crew);

/* The mean of (z - y)² over n numbers. */
extern double loss_squares(const float *z, const double *y, long n);

/* The mean of max(z, 0) - z y + ln(1 + e^-|z|) over n numbers: every label for itself. */
extern double loss_each_label(const float *z, const double *y, long n);

/* similar (n, n) = scale times the cosines of the rows of a and b (n, width). */
extern void loss_cosines(const float *a, const float *b, int n, int width, double scale,
						 float *similar);

#endif
