/*
 * resident.h: the models that this engine has mapped, and how they come and go.
 *
 * All of it belongs to one engine process.  A load runs in a thread of its own, so that the engine goes on serving
 * the other models; everything else happens in the engine's main thread, in residents_step.
 */
#ifndef PG_RESIDENT_H
#define PG_RESIDENT_H

#include "pg/pg_infer.h"

#include "task/runner.h"

typedef struct Resident
{
	int		  entry; /* in the registry */
	Image	  image;
	Model	  model;
	Tokenizer tokenizer; /* has_tokenizer: a generation has needed it */
	bool	  has_tokenizer;
	int		  n_active; /* requests of it that this engine has begun and not finished */
	int64 least_us; /* the shortest batch so far: about what a batch costs at least; 0: none yet */
} Resident;

extern void residents_init(int engine, const Kernels *kernels, Runner *runner);

/* The model of a registry entry, or NULL when this engine doesn't have it. */
extern Resident *resident_find(int entry);

/* Opens its tokenizer, unless that has been done. */
extern bool resident_open_tokenizer(Resident *resident, Error *error);

/* Asks for a model.  Its load begins now, or later when another one runs or room has to be made first: ask
 * again then.  A failure fails the requests that wait for it. */
extern void resident_want(int entry);

/* What has happened since the last call: a load is finished, a model has to go, a preload is due. */
extern void residents_step(void);

/* Has models leave until the others fit under pg_infer.memory, which may have changed. */
extern void residents_trim(void);

/* True while a load runs, whose end wakes nobody. */
extern bool residents_loading(void);

/* Reads pg_infer.preload_models and the models' own option, and plans the loads. */
extern void residents_preload(void);

/* Stops a load and unmaps everything; at exit. */
extern void residents_close(void);

#endif
