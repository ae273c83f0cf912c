/*
 * import.h: a Hugging Face directory into an image.
 */
#ifndef IMPORT_IMPORT_H
#define IMPORT_IMPORT_H

#include "import/binder.h"
#include "import/digest.h"
#include "import/folder.h"
#include "import/options.h"
#include "task/deviation.h"

/* Where the image goes: a file, or a directory in which the digest names it. */
typedef struct ImportTarget
{
	const char *path;	   /* NULL: directory is given */
	const char *directory; /* NULL: path is given */
} ImportTarget;

typedef struct ImportReport
{
	char		digest[DIGEST_HEX];
	char		path[FOLDER_MAX_PATH];
	size_t		size;
	bool		has_weights, has_tokenizer;
	const char *architecture; /* NULL without weights */
	BindReport	tensors;
	bool		measured; /* a reduced precision was compared with fp32 */
	Deviation	deviation;
} ImportReport;

/*
 * Imports a directory.  The image appears complete, durable and under its name, or not at all.  The same directory
 * and options give the same bytes on any machine.  What the report points to lives in the arena.
 *
 * Until then it is written to <path>.<pid>.tmp, and to <path>.<pid>.fp32.tmp for measuring a reduced precision (into
 * a directory: <directory>/import.<pid>.tmp and so on).  Failure and signals remove them; who sends SIGKILL does it.
 */
extern bool import_model(const char *directory, const ImportOptions *options,
						 const ImportTarget *target, Arena *arena, ImportReport *report,
						 Error *error);

#endif
