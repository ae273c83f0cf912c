/*
 * scratch.h: files that must not outlive the process, whatever ends it.
 *
 * Process-wide, for the command's main thread.  SIGKILL alone leaves a file behind.
 */
#ifndef IMPORT_SCRATCH_H
#define IMPORT_SCRATCH_H

#include "base/error.h"

/* From now on a signal that ends the process removes the scratch files first; SIGXFSZ becomes an error of write. */
extern void scratch_catch_signals(void);

/* The file name <stem>.<pid>.<suffix>, noted for removal; what an earlier process of this pid left there is removed.
 * NULL on error.  Valid until scratch_remove or scratch_keep. */
extern const char *scratch_name(const char *stem, const char *suffix, Error *error);

/* Removes the file, if it is there, and forgets it. */
extern void scratch_remove(const char *name);

/* Forgets the file without removing it: it has been renamed. */
extern void scratch_keep(const char *name);

#endif
