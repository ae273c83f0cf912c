/*
 * engine.h: what an engine shows to backends, other engines and the views.
 *
 * One EngineShared a configured engine, in shared memory, whether it runs or not.  It is written by its engine;
 * live, batch and cancel also by backends that give a running request up, under pg_infer_queue.
 */
#ifndef PG_ENGINE_H
#define PG_ENGINE_H

#include <stdatomic.h>

#include "pg/pg_infer.h"

#include "storage/proc.h"

#define ENGINES_MAX 64 /* bits of ModelEntry.mapped */
#define START_ERROR_BYTES 512

typedef enum EngineState
{
	ENGINE_STOPPED,
	ENGINE_IDLE,
	ENGINE_RUNNING
} EngineState;

typedef struct EngineShared
{
	PGPROC *volatile proc;			/* NULL while there is none */
	int			pid, node, threads; /* node -1: not bound to one */
	char		isa[16];
	TimestampTz started_at;

	pg_atomic_uint32 state;	  /* EngineState */
	pg_atomic_uint32 entry;	  /* of the running batch */
	pg_atomic_uint32 loading; /* entry + 1, 0: nothing */

	/* generations: how many are under way, how many wait for cache, and bytes of cache */
	pg_atomic_uint32 generating, waiting_for_cache;
	pg_atomic_uint64 cache_held, cache_reserved;

	/* the running batch: how many of its requests somebody still waits for */
	uint32		batch;
	int			live;
	atomic_bool cancel;

	pg_atomic_uint64 counters[N_COUNTERS];
} EngineShared;

/* How many engines there are to be: pg_infer.engines, or the NUMA nodes of this machine. */
extern int engine_count(void);

extern Size			 engines_size(void);
extern void			 engines_init(void); /* in the startup hook */
extern EngineShared *engine_shared(int index);
extern void			 engines_register(void); /* the background workers; in _PG_init */

extern void engines_reset_stats(void);

/* Wakes an engine that sleeps; one of those that are idle when there are several. */
extern void engines_wake(void);
extern void engines_wake_all(void);

/* Whether a request that has waited this long has no engine to hope for; reason, of START_ERROR_BYTES, says why: the last
 * attempt to start one failed, or none has ever started. */
extern bool engines_cannot_start(int waited_ms, char *reason);

/* With pg_infer_queue held exclusively: the backend no longer waits for a request of this batch. */
extern void engine_request_abandoned(int engine, uint32 batch);

#endif
