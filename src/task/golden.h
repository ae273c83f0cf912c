/*
 * golden.h: an input and its output that the importer stores, and verification replays.
 *
 * A few sequences of token ids that depend on the model's numbers only, and the mean of each one's last hidden
 * states.  As results have the same bits everywhere (math/kernels.h), the replay must too.
 */
#ifndef TASK_GOLDEN_H
#define TASK_GOLDEN_H

#include "task/runner.h"

#define GOLDEN_SEQUENCES 3
#define GOLDEN_MAX_TOKENS 64 /* of one sequence */

typedef struct Golden
{
	int		n_sequences;
	int32_t offsets[GOLDEN_SEQUENCES + 1];
	int32_t ids[GOLDEN_SEQUENCES * GOLDEN_MAX_TOKENS];
} Golden;

/* The input for a model. */
extern void golden_make(Golden *golden, const Model *model);

/* Computes out (n_sequences, hidden_size). */
extern bool golden_run(const Golden *golden, Runner *runner, const Model *model, float *out,
					   Error *error);

/* Stores input and output (n_sequences, hidden_size) in an image: sections golden.ids and golden.output. */
extern bool golden_write(ImageWriter *writer, const Golden *golden, const float *output,
						 int hidden_size, Error *error);

/* Runs the input stored in the model's image.  *n_values: how many numbers were compared; *deviation: the largest
 * absolute difference, 0 only when all bits are the same.  An image without one is ERR_NOT_FOUND. */
extern bool golden_replay(Runner *runner, const Model *model, int *n_values, float *deviation,
						  Error *error);

/* The deviation that a replay with these kernels may have: 0, but for OpenBLAS, whose order of operations is
 * its own. */
extern float golden_tolerance(const Kernels *kernels);

#endif
