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

/* Has the configured model name its tensors, and packs and writes each.  A missing one is ERR_NOT_FOUND, one of
 * another shape or with a number that is not finite ERR_DATA.  The report lives in the arena. */
extern bool import_bind(Model *model, const Checkpoint *checkpoint, ImageWriter *writer,
						Precision precision, Arena *arena, BindReport *report, Error *error);

#endif
