/*
 * preload.h: which images are to be loaded when an engine starts.
 */
#ifndef PG_PRELOAD_H
#define PG_PRELOAD_H

#include "pg/pg_infer.h"

#include "nodes/pg_list.h"

#define IMAGE_FOLDER "pg_infer" /* below $PGDATA */

/* The digests (uint8 *, palloc'd) that pg_infer.preload_models or a model's option preload name; one may
 * come twice.  What can't be found is a WARNING. */
extern List *preload_digests(void);

#endif
