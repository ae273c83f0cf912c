/*
 * binder.h: a family's tensors from a checkpoint into an image.
 */
#ifndef IMPORT_BINDER_H
#define IMPORT_BINDER_H

#include "import/checkpoint.h"
#include "model/model.h"

typedef struct BindReport
{
	int64_t parameters; /* numbers that the model uses */
	const char *
		*unused; /* tensors of the checkpoint that it does not; names are the checkpoint's */
	int	 n_unused;
} BindReport;

typedef struct BindOptions
{
	Precision precision;
	/* Take the forward half of moving averages in both directions where the model's have one, and 0 for a
	 * bias of the head that is not there: a masked language model as a causal one. */
	bool forward_ema;
} BindOptions;

/* Has the configured model name its tensors, and packs and writes each.  A missing one is ERR_NOT_FOUND, one of
 * another shape or with a number that is not finite ERR_DATA, no half to take ERR_ARGUMENT.  The report lives in
 * the arena. */
extern bool import_bind(Model *model, const Checkpoint *checkpoint, ImageWriter *writer,
						const BindOptions *options, Arena *arena, BindReport *report, Error *error);

#endif
