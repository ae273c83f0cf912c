/*
 * generator.h: the part of an engine that generates.
 *
 * All of it belongs to the engine's main thread.  Requests that it has taken are running, or wait for cache
 * in the order in which they came; each counts as one of its model's active ones.
 */
#ifndef PG_GENERATOR_H
#define PG_GENERATOR_H

#include "pg/engine.h"
#include "pg/queue.h"
#include "pg/resident.h"

/* team: the engine's.  False on error. */
extern bool generator_start(EngineShared *shared, Team *team, Error *error);

/* Takes a request that is RUNNING. */
extern void generator_add(Resident *resident, Slot *slot);

/* Whether anything is to be generated. */
extern bool generator_is_busy(void);

/* One step of one model's requests, the next one's at every call; what nobody waits for any more is dropped.
 * False: there was nothing to do. */
extern bool generator_step(void);

/* The step under way is to end at once; safe in a signal handler. */
extern void generator_interrupt(void);

/* pg_infer.cache_memory may have changed. */
extern void generator_set_cache(void);

/* A model is about to be closed; none of its requests is left. */
extern void generator_forget(const Model *model);

/* Gives everything up: requests go back to the queue, the last first, or fail with the error. */
extern void generator_stop(const Error *error);

#endif
