/*
 * queue.c: requests from backends to engines and back.
 *
 * Shared memory holds the slots (queue.h), a free list, and an area of pages for payloads, which
 * PostgreSQL's own free page manager hands out.  Nothing grows: who finds no slot or no pages waits.  Those who
 * wait pass a gate one by one, and nobody overtakes them, so that a large request gets its
 * pages in the end: everything in use is given back at some time, and the area is whole again then.
 *
 * A backend's hold on a slot is a Request, in a list of this process.  A resource owner callback gives up what
 * a failed statement or (sub)transaction leaves behind, and an exit callback what a FATAL leaves.
 */
#include "pg/queue.h"
#include "pg/compat.h"
#include "pg/engine.h"
#include "pg/forward.h"
#include "pg/generation_request.h"
#include "pg/texts.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/freepage.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#define KB_PER_SLOT 64 /* of payload memory */
#define SLOTS_MIN 16
#define SLOTS_MAX 4096
#define CLIENT_POLL_MS 100 /* how often one that waits for a generation looks after its client */
#define START_POLL_MS 1000 /* how often a waiting backend asks whether an engine can start at all */

typedef struct Queue
{
	int	 n_slots;
	Size n_pages;	 /* for payloads */
	Size first_page; /* before it lies the free page manager itself */

	/* under the lock */
	int	 free_head;
	Size used_pages;

	pg_atomic_uint32 n_waiting; /* requests in state WAITING */
	pg_atomic_uint64 waiting_tokens;

	/* back-pressure */
	pg_atomic_uint32  n_blocked; /* backends that wait for the gate or for room */
	pg_atomic_uint32  gate;		 /* 1: somebody is inside, waiting for room */
	ConditionVariable gate_opened, room_freed;

	Slot slots[FLEXIBLE_ARRAY_MEMBER];
} Queue;

struct Request
{
	dlist_node	  node; /* in requests */
	ResourceOwner owner;
	Slot		 *slot;	 /* NULL: not taken yet */
	int			  entry; /* while there is no slot: the registry's, or -1 */
	RequestKind	  kind;
	const char	 *model;			/* its name */
	bool		  blocked;			/* counted in n_blocked */
	bool		  inside;			/* holds the gate */
	void (*settle)(void *argument); /* how its holder does without it */
	void *settle_argument;
};

static Queue	 *queue;
static char		 *pages; /* the payload area; page numbers count from here */
static LWLock	 *lock;
static dlist_head requests = DLIST_STATIC_INIT(requests); /* of this backend */

/* ---- shared memory ---- */

static int
slot_count(void)
{
	return Min(Max(infer_queue_memory_kb / KB_PER_SLOT, SLOTS_MIN), SLOTS_MAX);
}

static Size
slots_size(void)
{
	return CACHELINEALIGN(offsetof(Queue, slots) + slot_count() * sizeof(Slot));
}

static Size
pages_size(void)
{
	return (Size) infer_queue_memory_kb * 1024;
}

Size
queue_size(void)
{
	return add_size(slots_size(), pages_size());
}

/* One free run of pages. */
static void
pages_reset(void)
{
	FreePageManager *manager = (FreePageManager *) pages;

	FreePageManagerInitialize(manager, pages);
	FreePageManagerPut(manager, queue->first_page, queue->n_pages);
}

void
queue_init(void)
{
	bool found;

	queue = ShmemInitStruct("pg_infer queue", slots_size(), &found);
	pages = ShmemInitStruct("pg_infer payloads", pages_size(), &found);
	lock = &GetNamedLWLockTranche("pg_infer_queue")->lock;
	if (found)
		return;

	queue->n_slots = slot_count();
	queue->first_page = fpm_size_to_pages(sizeof(FreePageManager));
	queue->n_pages = pages_size() / FPM_PAGE_SIZE - queue->first_page;
	queue->used_pages = 0;
	pages_reset();
	pg_atomic_init_u32(&queue->n_waiting, 0);
	pg_atomic_init_u64(&queue->waiting_tokens, 0);
	pg_atomic_init_u32(&queue->n_blocked, 0);
	pg_atomic_init_u32(&queue->gate, 0);
	ConditionVariableInit(&queue->gate_opened);
	ConditionVariableInit(&queue->room_freed);
	queue->free_head = 0;
	for (int i = 0; i < queue->n_slots; i++)
	{
		pg_atomic_init_u32(&queue->slots[i].state, SLOT_FREE);
		pg_atomic_init_u32(&queue->slots[i].waits_for_cache, 0);
		pg_atomic_init_u64(&queue->slots[i].engine_ns, 0);
		queue->slots[i].next = i + 1 < queue->n_slots ? i + 1 : NO_SLOT;
	}
}

void
queue_lock(LWLockMode mode)
{
	LWLockAcquire(lock, mode);
}

void
queue_unlock(void)
{
	LWLockRelease(lock);
}

int
queue_slots(void)
{
	return queue->n_slots;
}

Slot *
queue_slot(int index)
{
	return &queue->slots[index];
}

uint32
queue_waiting(void)
{
	return pg_atomic_read_u32(&queue->n_waiting);
}

uint64
queue_waiting_tokens(void)
{
	return pg_atomic_read_u64(&queue->waiting_tokens);
}

/* ---- slots and lists; the lock is held exclusively ---- */

static Slot *
slot_or_null(int index)
{
	return index == NO_SLOT ? NULL : &queue->slots[index];
}

Slot *
queue_first(int entry)
{
	return slot_or_null(registry_entry(entry)->head);
}

Slot *
queue_next(const Slot *slot)
{
	return slot_or_null(slot->next);
}

/* Into the queue of its model, behind the slot with index previous (NO_SLOT: in front). */
static void
link_behind(Slot *slot, int previous)
{
	ModelEntry *entry = registry_entry(slot->entry);
	int			index = slot - queue->slots;

	slot->previous = previous;
	slot->next = previous == NO_SLOT ? entry->head : queue->slots[previous].next;
	if (slot->previous == NO_SLOT)
		entry->head = index;
	else
		queue->slots[slot->previous].next = index;
	if (slot->next == NO_SLOT)
		entry->tail = index;
	else
		queue->slots[slot->next].previous = index;
	pg_atomic_fetch_add_u32(&queue->n_waiting, 1);
	pg_atomic_fetch_add_u64(&queue->waiting_tokens, slot->n_tokens);
}

static void
unlink_waiting(Slot *slot)
{
	ModelEntry *entry = registry_entry(slot->entry);

	if (slot->previous == NO_SLOT)
		entry->head = slot->next;
	else
		queue->slots[slot->previous].next = slot->next;
	if (slot->next == NO_SLOT)
		entry->tail = slot->previous;
	else
		queue->slots[slot->next].previous = slot->previous;
	pg_atomic_fetch_sub_u32(&queue->n_waiting, 1);
	pg_atomic_fetch_sub_u64(&queue->waiting_tokens, slot->n_tokens);
}

static void
free_slot(Slot *slot)
{
	if (slot->n_pages > 0)
	{
		FreePageManagerPut((FreePageManager *) pages, slot->first_page, slot->n_pages);
		queue->used_pages -= slot->n_pages;
		/* the manager's own pages may split what is free: begin anew */
		if (queue->used_pages == 0)
			pages_reset();
	}
	registry_release(slot->entry);
	pg_atomic_write_u32(&slot->state, SLOT_FREE);
	slot->next = queue->free_head;
	queue->free_head = slot - queue->slots;
}

/* After the lock is released: lets the one at the front of those who wait look again. */
static void
room_freed(void)
{
	if (pg_atomic_read_u32(&queue->n_blocked) > 0)
		ConditionVariableSignal(&queue->room_freed);
}

/* ---- the engine's side ---- */

int64
queue_charge(Slot *slot, int64 ns, int64 tokens, int64 all)
{
	int64 part = ns * tokens / Max(all, 1);

	pg_atomic_fetch_add_u64(&slot->engine_ns, part);
	return part;
}

void
queue_take(Slot *slot, int engine, TimestampTz now)
{
	ModelEntry *entry = registry_entry(slot->entry);

	Assert(pg_atomic_read_u32(&slot->state) == SLOT_WAITING);
	unlink_waiting(slot);
	slot->engine = engine;
	slot->batch = 0;
	pg_atomic_write_u32(&slot->state, SLOT_RUNNING);
	entry_count(entry, COUNT_QUEUE_US, Max(now - slot->submitted_at, 0));
}

void
queue_free_abandoned(Slot *slot)
{
	Assert(pg_atomic_read_u32(&slot->state) == SLOT_ABANDONED);
	queue_lock(LW_EXCLUSIVE);
	free_slot(slot);
	queue_unlock();
	room_freed();
}

void
queue_put_back(Slot *slot)
{
	uint32 expected = SLOT_RUNNING;

	queue_lock(LW_EXCLUSIVE);
	if (pg_atomic_compare_exchange_u32(&slot->state, &expected, SLOT_WAITING))
		link_behind(slot, NO_SLOT);
	else
		free_slot(slot);
	queue_unlock();
	room_freed();
}

void
queue_finish(Slot **slots, int n)
{
	static PGPROC **waiters = NULL;

	if (waiters == NULL)
		waiters = MemoryContextAlloc(TopMemoryContext, queue->n_slots * sizeof(PGPROC *));
	for (int i = 0; i < n; i++)
	{
		Slot	   *slot = slots[i];
		ModelEntry *entry = registry_entry(slot->entry);
		bool		failed = slot->error.code != ERR_NONE;
		uint32		expected = SLOT_RUNNING;

		/* read before the slot goes back: it may have another user soon, and then the wake-up is a spurious one */
		waiters[i] = slot->waiter;
		if (pg_atomic_compare_exchange_u32(&slot->state, &expected,
										   failed ? SLOT_FAILED : SLOT_DONE))
			entry_count(entry, failed ? COUNT_ERRORS : COUNT_REQUESTS, 1);
		else
		{
			queue_free_abandoned(slot);
			waiters[i] = NULL;
		}
	}
	for (int i = 0; i < n; i++)
		if (waiters[i] != NULL)
			SetLatch(&waiters[i]->procLatch);
}

void
queue_fail_waiting(int entry, int engine, const Error *error)
{
	Slot	  **failed = palloc(queue->n_slots * sizeof(Slot *));
	int			n = 0;
	TimestampTz now = GetCurrentTimestamp();

	queue_lock(LW_EXCLUSIVE);
	for (Slot *slot = queue_first(entry), *next; slot != NULL; slot = next)
	{
		next = queue_next(slot);
		if (slot->kind == REQUEST_UNLOAD)
			continue;
		queue_take(slot, engine, now);
		slot->error = *error;
		failed[n++] = slot;
	}
	queue_unlock();
	queue_finish(failed, n);
	pfree(failed);
}

/* ---- the backend's side ---- */

static void
open_gate(Request *request)
{
	request->inside = false;
	pg_atomic_write_u32(&queue->gate, 0);
	pg_memory_barrier();
	ConditionVariableSignal(&queue->gate_opened);
}

/* Whatever state the request is in: afterwards this backend has nothing to do with it. */
static void
give_up(Slot *slot)
{
	ModelEntry *entry = registry_entry(slot->entry);
	uint32		state;

	queue_lock(LW_EXCLUSIVE);
	state = pg_atomic_read_u32(&slot->state);
	if (state == SLOT_WAITING || state == SLOT_RUNNING)
		entry_count(entry, COUNT_CANCELS, 1);
	if (state == SLOT_RUNNING &&
		pg_atomic_compare_exchange_u32(&slot->state, &state, SLOT_ABANDONED))
		engine_request_abandoned(slot->engine, slot->batch);
	else
	{
		if (state == SLOT_WAITING)
			unlink_waiting(slot);
		free_slot(slot);
	}
	queue_unlock();
	room_freed();
}

void
request_end(Request *request)
{
	if (request->blocked)
	{
		/* a signal meant for us must reach the next one */
		ConditionVariableCancelSleep();
		if (request->inside)
			open_gate(request);
		else
			ConditionVariableSignal(&queue->gate_opened);
		pg_atomic_fetch_sub_u32(&queue->n_blocked, 1);
	}
	if (request->slot != NULL)
		give_up(request->slot);
	else if (request->entry >= 0)
		registry_release(request->entry);
	dlist_delete(&request->node);
	pfree(request);
}

static void
end_requests_of(ResourceOwner owner)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &requests)
	{
		Request *request = dlist_container(Request, node, iter.cur);

		if (owner == NULL || request->owner == owner)
			request_end(request);
	}
}

static void
release_callback(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *argument)
{
	if (phase == RESOURCE_RELEASE_BEFORE_LOCKS && !dlist_is_empty(&requests))
		end_requests_of(CurrentResourceOwner);
}

static void
exit_callback(int code, Datum argument)
{
	LWLockReleaseAll();
	end_requests_of(NULL);
}

/* Takes a slot and pages when there are both. */
static bool
try_take(Request *request, Size n_pages)
{
	Slot *slot = NULL;
	Size  first_page = 0;

	queue_lock(LW_EXCLUSIVE);
	if (queue->free_head != NO_SLOT &&
		(n_pages == 0 || FreePageManagerGet((FreePageManager *) pages, n_pages, &first_page)))
	{
		slot = &queue->slots[queue->free_head];
		queue->free_head = slot->next;
		queue->used_pages += n_pages;
		pg_atomic_write_u32(&slot->state, SLOT_FILLING);
		slot->waiter = MyProc;
		slot->pid = MyProcPid;
		slot->role = GetUserId();
		slot->database = MyDatabaseId;
		slot->entry = request->entry;
		slot->kind = request->kind;
		strlcpy(slot->model, request->model, NAMEDATALEN);
		slot->n_items = slot->n_tokens = slot->n_done = 0;
		slot->submitted_at = 0;
		slot->engine = -1;
		slot->first_page = first_page;
		slot->n_pages = n_pages;
		slot->payload = n_pages > 0 ? fpm_page_to_pointer(pages, first_page) : NULL;
		pg_atomic_write_u64(&slot->engine_ns, 0);
		slot->error.code = ERR_NONE;
		request->slot = slot;
	}
	queue_unlock();
	return slot != NULL;
}

/* Waits for a turn, then for a slot and pages. */
static void
wait_and_take(Request *request, Size n_pages)
{
	static uint32 wait_event = 0;
	uint32		  expected = 0;

	if (wait_event == 0)
		wait_event = compat_wait_event("PgInferQueueRoom");
	pg_atomic_fetch_add_u32(&queue->n_blocked, 1);
	request->blocked = true;

	ConditionVariablePrepareToSleep(&queue->gate_opened);
	while (!pg_atomic_compare_exchange_u32(&queue->gate, &expected, 1))
	{
		ConditionVariableSleep(&queue->gate_opened, wait_event);
		expected = 0;
	}
	request->inside = true;
	ConditionVariableCancelSleep();

	ConditionVariablePrepareToSleep(&queue->room_freed);
	while (!try_take(request, n_pages))
		ConditionVariableSleep(&queue->room_freed, wait_event);
	ConditionVariableCancelSleep();

	open_gate(request);
	request->blocked = false;
	pg_atomic_fetch_sub_u32(&queue->n_blocked, 1);
}

/* A request without a slot yet, in this backend's list. */
static Request *
make_request(ModelHandle *handle, RequestKind kind, Size payload_size)
{
	static bool callbacks_registered = false;
	Request	   *request;

	if (payload_size > request_payload_max())
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a request of %zu kB exceeds the %zu kB that pg_infer.queue_memory allows",
					   payload_size / 1024 + 1, request_payload_max() / 1024),
				errhint("Pass fewer texts at a time, or raise pg_infer.queue_memory."));
	if (!callbacks_registered)
	{
		RegisterResourceReleaseCallback(release_callback, NULL);
		before_shmem_exit(exit_callback, 0);
		callbacks_registered = true;
	}

	request = MemoryContextAllocZero(TopMemoryContext, sizeof(Request));
	request->owner = CurrentResourceOwner;
	request->kind = kind;
	request->model = handle->name;
	request->entry = -1;
	dlist_push_tail(&requests, &request->node);
	request->entry = handle->entry = registry_acquire(handle->digest, handle->entry);
	return request;
}

/* Gives back what this backend's earlier requests hold: who waits with something in his hands could wait for
 * ever. */
static void
settle_others(Request *request)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &requests)
	{
		Request *other = dlist_container(Request, node, iter.cur);

		if (other != request && other->settle != NULL)
			other->settle(other->settle_argument);
	}
}

Request *
request_begin(ModelHandle *handle, RequestKind kind, Size payload_size)
{
	Size	 n_pages = fpm_size_to_pages(payload_size);
	Request *request = make_request(handle, kind, payload_size);

	if (pg_atomic_read_u32(&queue->n_blocked) > 0 || !try_take(request, n_pages))
	{
		settle_others(request);
		wait_and_take(request, n_pages);
	}
	return request;
}

Request *
request_try_begin(ModelHandle *handle, RequestKind kind, Size payload_size)
{
	Request *request = make_request(handle, kind, payload_size);

	if (pg_atomic_read_u32(&queue->n_blocked) == 0 &&
		try_take(request, fpm_size_to_pages(payload_size)))
		return request;
	request_end(request);
	return NULL;
}

void
request_on_settle(Request *request, void (*settle)(void *argument), void *argument)
{
	request->settle = settle;
	request->settle_argument = argument;
}

int64
request_engine_ns(const Request *request)
{
	return (int64) pg_atomic_read_u64(&request->slot->engine_ns);
}

void *
request_payload(Request *request)
{
	return request->slot->payload;
}

void
request_submit(Request *request)
{
	Slot	   *slot = request->slot;
	TimestampTz now = GetCurrentTimestamp();

	Assert(pg_atomic_read_u32(&slot->state) == SLOT_FILLING);
	Assert(slot->kind != REQUEST_VERIFY || slot->n_pages > 0);
	if (slot->kind == REQUEST_TEXTS)
	{
		const TextsPayload *payload = slot->payload;

		slot->n_items = payload->n_items;
		slot->n_tokens = payload->n_tokens;
	}
	else if (slot->kind == REQUEST_FORWARD)
		forward_payload_count(slot->payload, &slot->n_items, &slot->n_tokens);
	else if (slot->kind == REQUEST_GENERATE)
	{
		const GenerationPayload *payload = slot->payload;

		slot->n_items = payload->options.max_new_tokens;
		slot->n_tokens = payload->n_prompt;
	}
	slot->submitted_at = now;
	pg_atomic_write_u64(&registry_entry(slot->entry)->last_used, (uint64) now);

	queue_lock(LW_EXCLUSIVE);
	pg_atomic_write_u32(&slot->state, SLOT_WAITING);
	link_behind(slot, registry_entry(slot->entry)->tail);
	queue_unlock();
	engines_wake();
}

bool
request_done(Request *request)
{
	uint32 state = pg_atomic_read_u32(&request->slot->state);

	pg_read_barrier();
	return state == SLOT_DONE || state == SLOT_FAILED;
}

/* Until the latch is set, or for poll_ms.  Who waits for a generation, which may take long, looks whether its client
 * is still there: cache is not kept for nobody.  True: the time was over. */
static bool
wait_once(const Request *request, int poll_ms, uint32 wait_event)
{
	int events =
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, poll_ms, wait_event);

	ResetLatch(MyLatch);
	if (request->kind == REQUEST_GENERATE && MyProcPort != NULL && !pq_check_connection())
		ClientConnectionLost = InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
	return events & WL_TIMEOUT;
}

void
request_wait_for(Request *request, bool (*enough)(void *argument), void *argument)
{
	static uint32 wait_event = 0;
	int			  poll_ms = request->kind == REQUEST_GENERATE ? CLIENT_POLL_MS : START_POLL_MS;
	int			  waited_ms = 0;

	if (wait_event == 0)
		wait_event = compat_wait_event("PgInferRequest");
	while (!request_done(request) && !(enough != NULL && enough(argument)))
	{
		char reason[START_ERROR_BYTES];

		if (!wait_once(request, poll_ms, wait_event))
			continue;
		waited_ms = Min(waited_ms + poll_ms, INT_MAX / 2);
		if (engines_cannot_start(waited_ms, reason))
			ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the inference engine cannot start: %s", reason),
					errhint("The server log tells more."));
	}
}

bool
request_outcome(Request *request, Error *error)
{
	request_wait_for(request, NULL, NULL);
	if (pg_atomic_read_u32(&request->slot->state) != SLOT_FAILED)
		return true;
	*error = request->slot->error;
	return false;
}

void
request_wait(Request *request)
{
	char  model[NAMEDATALEN];
	Error error;

	if (request_outcome(request, &error))
		return;
	strlcpy(model, request->slot->model, NAMEDATALEN);
	request_end(request);
	report_error(&error, model);
}

void
request_run(ModelHandle *handle, RequestKind kind)
{
	Request *request = request_begin(handle, kind, 0);

	request_submit(request);
	request_wait(request);
	request_end(request);
}

Size
request_payload_max(void)
{
	require_preload();
	return queue->n_pages * FPM_PAGE_SIZE;
}

Size
request_payload_share(void)
{
	return request_payload_max() / 8;
}
