/*
 * queue.h: a request in shared memory, as the engines and the views see it.
 *
 * A Slot has one owner at any time; its state says who:
 *
 *	FREE		the free list
 *	FILLING		the backend that took it
 *	WAITING		the queue of its model; backend and engine take it from there, under the lock
 *	RUNNING		the engine; the backend may only make it ABANDONED
 *	DONE		the backend again: it reads the results and frees the slot
 *	FAILED		the backend again: it reads the error and frees the slot
 *	ABANDONED	the engine: frees it when it comes across it
 *
 * RUNNING is left by compare-and-swap, because the engine and a cancelled backend may both try; into and out
 * of every other state only one can go.  The LWLock pg_infer_queue guards the links, the lists they
 * form, the payload memory, and what the views read of a slot that is not free.
 */
#ifndef PG_QUEUE_H
#define PG_QUEUE_H

#include "pg/pg_infer.h"

#include "storage/proc.h"

#define NO_SLOT (-1)

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_FILLING,
	SLOT_WAITING,
	SLOT_RUNNING,
	SLOT_DONE,
	SLOT_FAILED,
	SLOT_ABANDONED
} SlotState;

typedef struct Slot
{
	pg_atomic_uint32 state;			 /* SlotState */
	int				 next, previous; /* in the free list or the entry's queue */

	/* set by the backend before it is WAITING */
	PGPROC	   *waiter;
	int			pid;
	Oid			role, database;
	int			entry;
	RequestKind kind;
	char		model[NAMEDATALEN];
	int32		n_items, n_tokens;
	TimestampTz submitted_at;
	void	   *payload;
	Size		first_page, n_pages;

	/* set by the engine while RUNNING */
	int	   engine;
	uint32 batch;  /* the engine's batch that this request is part of */
	int32  n_done; /* items finished, in order; of a generation tokens of its longest output */
	pg_atomic_uint32 waits_for_cache; /* a generation that is not begun yet */
	pg_atomic_uint64
		  engine_ns; /* its part of the time of batches so far; the backend may look at any time */
	Error error;
} Slot;

extern Size queue_size(void);
extern void queue_init(void); /* in the startup hook */

/* How many requests wait, and their tokens; a look without the lock. */
extern uint32 queue_waiting(void);
extern uint64 queue_waiting_tokens(void);

extern void	 queue_lock(LWLockMode mode);
extern void	 queue_unlock(void);
extern int	 queue_slots(void);
extern Slot *queue_slot(int index);

/* With the lock held: the first request that waits for a model and the next behind it, or NULL. */
extern Slot *queue_first(int entry);
extern Slot *queue_next(const Slot *slot);

/* With the lock held exclusively: WAITING to RUNNING. */
extern void queue_take(Slot *slot, int engine, TimestampTz now);

/* Puts its part of the time that all tokens of a batch took down to a request; returns that. */
extern int64 queue_charge(Slot *slot, int64 ns, int64 tokens, int64 all);

/* RUNNING back to the head of the queue: another engine goes on at n_done. */
extern void queue_put_back(Slot *slot);

/* Requests that are finished: FAILED where error.code is set, DONE elsewhere.  Abandoned ones are freed.
 * First all states are set, then all waiters woken: the first to wake may take this processor. */
extern void queue_finish(Slot **slots, int n);

/* Takes every waiting request of a model but UNLOAD out of the queue and fails it. */
extern void queue_fail_waiting(int entry, int engine, const Error *error);

/* Frees a slot whose request was abandoned. */
extern void queue_free_abandoned(Slot *slot);

#endif
