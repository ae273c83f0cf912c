/*
 * engine.c: the processes that compute.
 *
 * An engine is a background worker with a team of threads (base/team.h).  Its main thread takes what waits in
 * the queue, one model after the other, forms a batch of up to pg_infer.batch_tokens tokens from several requests
 * or from a part of a large one, has the runner compute it, marks what is finished, and wakes the waiters.  Requests
 * it has begun are its "active" ones; a batch gives each of them a share first, so that a large request
 * delays others by no more than the shares of a batch.
 *
 * Whatever ends the process, its exit callback leaves nothing behind: after a SIGTERM the active requests go back
 * to the queue, where the next engine finds them; after an error they fail, so that one that brings an
 * engine down does it once.  SIGKILL restarts the cluster, and all of shared memory with it.
 */
#include "pg/engine.h"
#include "pg/forward.h"
#include "pg/generator.h"
#include "pg/queue.h"
#include "pg/resident.h"
#include "pg/texts.h"

#include <sched.h>
#include <signal.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/numa.h"
#include "pg/compat.h"
#include "task/golden.h"

#define SPIN_US 30 /* after a batch, before the engine sleeps */
#define WORKSPACE_ALIGN 64
#define YIELD_MAX_US 2000 /* for the requests of the sessions that the last batch woke */
#define THREAD_TOKENS                                                                              \
	2048 /* of a batch, for each thread, unless pg_infer.batch_tokens says otherwise */
#define BATCH_BESIDE_STREAMS                                                                       \
	256			 /* tokens for each thread of a batch, while something is generated */
#define SHARES 8 /* parts of a batch that one request gets before others */
#define BESIDE_TOKENS                                                                              \
	512 /* of requests that are small enough to be computed between two groups of others */
#define LOADING_POLL_MS 1
#define START_PATIENCE_MS 10000

typedef struct Engines
{
	char start_error
		[512]; /* of the last engine that tried, "" when it could; under the registry's lock */
	EngineShared engines[FLEXIBLE_ARRAY_MEMBER];
} Engines;

/* What a request adds to the batch that is being formed. */
typedef struct Part
{
	Slot	  *slot; /* NULL: answered already */
	int		   n_items;
	long	   n_tokens;
	atomic_int left; /* items yet to be computed */
} Part;

static Engines *engines;

static int			 this_engine;
static EngineShared *shared; /* this engine's */
static Team			*team;
static Runner		*runner;
static MemoryContext step_context;

static Slot		**active; /* requests that this engine has begun, oldest first */
static int		  n_active;
static Part		 *parts; /* of the batch */
static int		  n_parts;
static RunItem	 *items; /* of the batch */
static int		  n_items, items_room;
static long		  n_tokens;
static int		  most_tokens; /* a batch may have: pg_infer.batch_tokens, or what suits the team */
static bool		  has_large;   /* the batch has a part of a large request */
static instr_time batch_start;
static int64	  beside_us;		  /* of its time that were spent on others */
static int64	  charged_ns;		  /* that are put down to requests, */
static long		  charged_tokens;	  /* and their tokens */
static int		  last_requests;	  /* of the last batch */
static instr_time last_end;			  /* when its waiters had been woken */
static bool		  may_spin;			  /* nothing has been waited for since */
static int		  last_entry = -1;	  /* whose turn it was */
static int		  current_entry = -1; /* what this step is about, for errors */

/* Set by SIGTERM; ProcDiePending is false again when the exit callback runs. */
static volatile sig_atomic_t terminating = false;

/* ---- shared memory, registration ---- */

int
engine_count(void)
{
	static int count = 0;

	if (count == 0)
	{
		int nodes[ENGINES_MAX];

		count =
			infer_engines > 0 ? infer_engines : Max(numa_nodes(NUMA_ROOT, nodes, ENGINES_MAX), 1);
	}
	return count;
}

Size
engines_size(void)
{
	return offsetof(Engines, engines) + engine_count() * sizeof(EngineShared);
}

void
engines_init(void)
{
	bool found;

	engines = ShmemInitStruct("pg_infer engines", engines_size(), &found);
	if (found)
		return;
	memset(engines, 0, engines_size());
	for (int i = 0; i < engine_count(); i++)
	{
		EngineShared *engine = &engines->engines[i];

		pg_atomic_init_u32(&engine->state, ENGINE_STOPPED);
		pg_atomic_init_u32(&engine->entry, 0);
		pg_atomic_init_u32(&engine->loading, 0);
		for (int j = 0; j < N_COUNTERS; j++)
			pg_atomic_init_u64(&engine->counters[j], 0);
		pg_atomic_init_u32(&engine->generating, 0);
		pg_atomic_init_u32(&engine->waiting_for_cache, 0);
		pg_atomic_init_u64(&engine->cache_held, 0);
		pg_atomic_init_u64(&engine->cache_reserved, 0);
		atomic_init(&engine->cancel, false);
	}
}

EngineShared *
engine_shared(int index)
{
	return &engines->engines[index];
}

void
engines_register(void)
{
	for (int i = 0; i < engine_count(); i++)
	{
		BackgroundWorker worker = {0};

		snprintf(worker.bgw_name, BGW_MAXLEN, "pg_infer engine %d", i);
		strlcpy(worker.bgw_type, "pg_infer engine", BGW_MAXLEN);
		strlcpy(worker.bgw_library_name, "pg_infer", BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, "pg_infer_engine_main", BGW_MAXLEN);
		/* a connection to no database: that shows the engine in pg_stat_activity */
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_ConsistentState;
		worker.bgw_restart_time = 1;
		worker.bgw_main_arg = Int32GetDatum(i);
		RegisterBackgroundWorker(&worker);
	}
}

/* ---- called by backends and other engines ---- */

void
engines_reset_stats(void)
{
	for (int i = 0; i < engine_count(); i++)
		for (int j = 0; j < N_COUNTERS; j++)
			pg_atomic_write_u64(&engines->engines[i].counters[j], 0);
}

static void
wake(EngineShared *engine)
{
	PGPROC *proc = engine->proc;

	/* without one, the next engine looks when it starts; a proc that is no longer its own minds no wake-up */
	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

void
engines_wake_all(void)
{
	for (int i = 0; i < engine_count(); i++)
		wake(&engines->engines[i]);
}

void
engines_wake(void)
{
	for (int i = 0; i < engine_count(); i++)
		if (pg_atomic_read_u32(&engines->engines[i].state) == ENGINE_IDLE)
		{
			wake(&engines->engines[i]);
			return;
		}
	engines_wake_all();
}

bool
engines_cannot_start(int waited_ms, char *reason)
{
	bool started = false;

	for (int i = 0; i < engine_count(); i++)
	{
		if (engines->engines[i].proc != NULL)
			return false;
		started = started || engines->engines[i].started_at != 0;
	}
	registry_lock(LW_SHARED);
	strlcpy(reason, engines->start_error, START_ERROR_BYTES);
	registry_unlock();
	if (reason[0] == '\0' && !started && waited_ms >= START_PATIENCE_MS)
		snprintf(reason, START_ERROR_BYTES, "max_worker_processes of %d may leave no room for it",
				 max_worker_processes);
	return reason[0] != '\0';
}

void
engine_request_abandoned(int index, uint32 batch)
{
	EngineShared *engine = &engines->engines[index];

	if (batch != 0 && batch == engine->batch && --engine->live == 0)
		atomic_store(&engine->cancel, true);
}

/* ---- forming a batch ---- */

static bool
is_leaving(const ModelEntry *entry)
{
	return *(const volatile bool *) &entry->leaving;
}

static void
forget_active(Slot *slot)
{
	int i = 0;

	while (active[i] != slot)
		i++;
	n_active--;
	memmove(&active[i], &active[i + 1], (n_active - i) * sizeof(Slot *));
	resident_find(slot->entry)->n_active--;
}

/* Frees active requests that nobody waits for any more. */
static void
drop_abandoned(void)
{
	for (int i = n_active - 1; i >= 0; i--)
	{
		Slot *slot = active[i];

		if (pg_atomic_read_u32(&slot->state) == SLOT_ABANDONED)
		{
			forget_active(slot);
			queue_free_abandoned(slot);
		}
	}
}

/* Waiting requests of the model become active until they make a batch, or another kind of request is next.
 * A model that is leaving begins no more. */
static void
take_requests(Resident *resident)
{
	int			first = n_active, kept = n_active;
	int			share = Max(most_tokens / SHARES, 1);
	long		planned = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (is_leaving(registry_entry(resident->entry)))
		return;
	for (int i = 0; i < n_active; i++)
		if (active[i]->entry == resident->entry)
			planned += Min(share, active[i]->n_tokens);

	queue_lock(LW_EXCLUSIVE);
	for (Slot *slot = queue_first(resident->entry), *next;
		 slot != NULL && slot->kind == REQUEST_TEXTS && planned < most_tokens; slot = next)
	{
		next = queue_next(slot);
		queue_take(slot, this_engine, now);
		active[n_active++] = slot;
		resident->n_active++;
		planned += Min(share, slot->n_tokens);
	}
	queue_unlock();

	for (int i = first; i < n_active; i++)
	{
		Slot *slot = active[i];

		if (texts_check(slot->payload, &resident->model, &slot->error))
			active[kept++] = slot;
		else
		{
			resident->n_active--;
			queue_finish(&slot, 1);
		}
	}
	n_active = kept;
}

/* Adds the next items of a request, up to limit tokens (one item at least), as far as the batch has room. */
static void
add_items(Part *part, long limit, long room, bool urgent)
{
	const TextsPayload *payload = part->slot->payload;
	long				added = 0;

	for (int i = part->slot->n_done + part->n_items; i < payload->n_items; i++)
	{
		RunItem item = texts_run_item(payload, i);

		if ((n_items > 0 && n_tokens + item.n_tokens > room) ||
			(added > 0 && added + item.n_tokens > limit) || n_items == items_room)
			return;
		item.urgent = urgent;
		item.left = &part->left;
		items[n_items++] = item;
		part->n_items++;
		part->n_tokens += item.n_tokens;
		atomic_fetch_add(&part->left, 1);
		added += item.n_tokens;
		n_tokens += item.n_tokens;
	}
}

/* Tokens that the engine has yet to compute for a request. */
static long
tokens_left(const Slot *slot)
{
	return texts_tokens_from(slot->payload, slot->n_done);
}

/* Whether a request is so small that it may go before others. */
static bool
is_small(const Slot *slot)
{
	return slot->kind == REQUEST_TEXTS && slot->n_tokens <= BESIDE_TOKENS;
}

/* First each active request of the model gets its share, then the oldest what is left.  What takes several
 * batches and has no company gets equal ones, not full ones and a rest.  Beside a large request
 * small ones are computed first. */
static void
fill_batch(const Resident *resident)
{
	long left = 0, longest = 0, room = most_tokens;

	n_parts = n_items = 0;
	n_tokens = 0;
	if (items_room < most_tokens)
	{
		items_room = most_tokens;
		items = repalloc(items, items_room * sizeof(RunItem));
	}
	for (int i = 0; i < n_active; i++)
		if (active[i]->entry == resident->entry)
		{
			long tokens = tokens_left(active[i]);

			parts[n_parts++] = (Part){.slot = active[i]};
			left += tokens;
			longest = Max(longest, tokens);
		}
	if (left > most_tokens && queue_waiting() == 0)
	{
		long batches = (left + most_tokens - 1) / most_tokens;

		room = (left + batches - 1) / batches;
	}
	has_large = longest > BESIDE_TOKENS;
	for (int i = 0; i < n_parts; i++)
		add_items(&parts[i], most_tokens / SHARES, room, has_large && is_small(parts[i].slot));
	for (int i = 0; i < n_parts; i++)
		add_items(&parts[i], most_tokens, room, false);
}

/* From here on a backend that gives up lowers live, and the last one stops the batch.  False: nobody waits. */
static bool
publish_batch(void)
{
	static uint32 number = 0;

	if (++number == 0)
		number++;
	queue_lock(LW_EXCLUSIVE);
	shared->batch = number;
	shared->live = 0;
	for (int i = 0; i < n_parts; i++)
	{
		Slot *slot = parts[i].slot;

		if (parts[i].n_items > 0 && pg_atomic_read_u32(&slot->state) == SLOT_RUNNING)
		{
			slot->batch = number;
			shared->live++;
		}
	}
	atomic_store(&shared->cancel, false);
	queue_unlock();
	/* a SIGTERM before the store is seen here, a later one sets cancel again */
	CHECK_FOR_INTERRUPTS();
	return shared->live > 0;
}

/* ---- running it ---- */

static int64
microseconds_since(instr_time start)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return (int64) INSTR_TIME_GET_MICROSEC(now);
}

static void
count(Resident *resident, Counter counter, uint64 by)
{
	entry_count(registry_entry(resident->entry), counter, by);
	pg_atomic_fetch_add_u64(&shared->counters[counter], by);
}

static void
count_batch(Resident *resident, int batch_items, long batch_tokens, int64 run_us)
{
	count(resident, COUNT_BATCHES, 1);
	count(resident, COUNT_ITEMS, batch_items);
	count(resident, COUNT_TOKENS, batch_tokens);
	count(resident, COUNT_CAPACITY, Max(batch_tokens, most_tokens));
	count(resident, COUNT_RUN_US, run_us);
	if (resident->least_us == 0 || run_us < resident->least_us)
		resident->least_us = run_us;
}

/* What the running batch has taken so far. */
static int64
batch_us(void)
{
	return microseconds_since(batch_start) - beside_us;
}

/* Puts its part of what the batch has taken so far down to a request: of the time that is not put down to others, as its
 * tokens are of those computed.  All parts together are the batch's time. */
static void
charge_part(const Part *part, int64 us, long computed)
{
	int64 left = us * 1000 - charged_ns;
	long  tokens = Max(computed - charged_tokens, part->n_tokens);
	int64 ns = queue_charge(part->slot, left, part->n_tokens, tokens);

	charged_ns += ns;
	charged_tokens += part->n_tokens;
}

/* Hands back what the batch has finished, or all of it with an error. */
static void
finish_batch(const Error *error)
{
	Slot **finished = palloc(n_parts * sizeof(Slot *));
	int	   n_finished = 0;

	for (int i = 0; i < n_parts; i++)
	{
		Slot *slot = parts[i].slot;

		if (slot == NULL)
			continue;
		if (error->code != ERR_NONE)
			slot->error = *error;
		else
			slot->n_done += parts[i].n_items;
		if (error->code != ERR_NONE || slot->n_done == slot->n_items)
		{
			forget_active(slot);
			finished[n_finished++] = slot;
		}
	}
	pg_atomic_fetch_add_u64(&shared->counters[COUNT_REQUESTS], n_finished);
	n_parts = 0;
	queue_finish(finished, n_finished);
	INSTR_TIME_SET_CURRENT(last_end);
	may_spin = true;
}

/* ---- in the middle of a batch ---- */

/* A request of the running batch that is answered before the batch ends: nobody waits for it any more. */
static void
leave_batch(Slot *slot)
{
	queue_lock(LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&slot->state) == SLOT_RUNNING)
	{
		slot->batch = 0;
		if (--shared->live == 0)
			atomic_store(&shared->cancel, true);
	}
	queue_unlock();
}

/* Tokens of the running batch that are computed, more or less: items of one request count alike. */
static long
tokens_computed(void)
{
	long tokens = 0;

	for (int i = 0; i < n_parts; i++)
	{
		Part *part = &parts[i];

		if (part->n_items > 0)
			tokens += part->n_tokens * (part->n_items - atomic_load(&part->left)) / part->n_items;
	}
	return tokens;
}

/* Answers the requests of the running batch whose last items have been computed. */
static void
finish_early(void)
{
	long  computed = 0; /* not counted yet */
	int64 us = 0;

	for (int i = 0; i < n_parts; i++)
	{
		Part *part = &parts[i];
		Slot *slot = part->slot;

		if (slot == NULL || part->n_items == 0 || atomic_load(&part->left) > 0 ||
			slot->n_done + part->n_items < slot->n_items)
			continue;
		if (computed == 0)
		{
			computed = tokens_computed();
			us = batch_us();
		}
		charge_part(part, us, computed);
		slot->n_done = slot->n_items;
		leave_batch(slot);
		forget_active(slot);
		part->slot = NULL;
		pg_atomic_fetch_add_u64(&shared->counters[COUNT_REQUESTS], 1);
		queue_finish(&slot, 1);
	}
}

/* Takes small requests of one model that wait, of up to room tokens; they become the last active ones.  How
 * many. */
static int
take_beside(Resident *resident, long room)
{
	TimestampTz now = GetCurrentTimestamp();
	int			taken = 0;

	queue_lock(LW_EXCLUSIVE);
	for (Slot *slot = queue_first(resident->entry), *next; slot != NULL; slot = next)
	{
		next = queue_next(slot);
		if (slot->kind != REQUEST_TEXTS)
			break;
		if (!is_small(slot) || slot->n_tokens > room || taken == BESIDE_TOKENS)
			continue;
		queue_take(slot, this_engine, now);
		active[n_active++] = slot;
		resident->n_active++;
		room -= slot->n_tokens;
		taken++;
	}
	queue_unlock();
	return taken;
}

/* Computes the last so many active requests, and answers them.  Cancelled, they stay active for the next
 * batch. */
static void
run_beside(Resident *resident, int n)
{
	static Slot	  *slots[BESIDE_TOKENS];
	static RunItem beside[BESIDE_TOKENS];
	int			   kept = 0, n_beside = 0;
	long		   tokens = 0;
	int64		   run_us;
	Error		   error = {.code = ERR_NONE};
	instr_time	   start;

	memcpy(slots, &active[n_active - n], n * sizeof(Slot *));
	for (int i = 0; i < n; i++)
	{
		TextsPayload *payload = slots[i]->payload;

		if (!texts_check(payload, &resident->model, &slots[i]->error))
		{
			forget_active(slots[i]);
			queue_finish(&slots[i], 1);
			continue;
		}
		for (int item = 0; item < payload->n_items; item++)
			beside[n_beside++] = texts_run_item(payload, item);
		tokens += payload->n_tokens;
		slots[kept++] = slots[i];
	}
	INSTR_TIME_SET_CURRENT(start);
	if (runner_run_beside(runner, &resident->model, beside, n_beside, &shared->cancel, &error))
	{
		run_us = microseconds_since(start);
		beside_us += run_us;
		count_batch(resident, n_beside, tokens, run_us);
		for (int i = 0; i < kept; i++)
			queue_charge(slots[i], run_us * 1000, slots[i]->n_tokens, tokens);
	}
	for (int i = 0; i < kept && error.code != ERR_CANCELLED; i++)
	{
		forget_active(slots[i]);
		slots[i]->n_done = slots[i]->n_items;
		slots[i]->error = error;
	}
	if (error.code != ERR_CANCELLED)
	{
		pg_atomic_fetch_add_u64(&shared->counters[COUNT_REQUESTS], kept);
		queue_finish(slots, kept);
	}
}

/*
 * Between two groups of a batch with a large request: who needs little does not wait for its end.  What came
 * meanwhile may take as long as a group, then the batch goes on.  Called while other threads compute, so that
 * nothing here may throw: no memory is allocated.
 */
static void
between_groups(void *argument)
{
	int n = registry_count();

	if (!has_large)
		return;
	finish_early();
	if (queue_waiting() == 0)
		return;
	for (int i = 1; i <= n; i++)
	{
		int		  entry = (last_entry + i) % n, taken;
		Resident *resident;

		if (*(volatile int *) &registry_entry(entry)->head == NO_SLOT ||
			is_leaving(registry_entry(entry)) || (resident = resident_find(entry)) == NULL)
			continue;
		taken = take_beside(resident, BESIDE_TOKENS);
		if (taken > 0)
		{
			run_beside(resident, taken);
			return;
		}
	}
}

/* ---- running it, to its end ---- */

static void
run_batch(Resident *resident)
{
	Error	   error = {.code = ERR_NONE};
	RunControl control = {.cancel = &shared->cancel, .between = between_groups};
	int64	   run_us;

	take_requests(resident);
	drop_abandoned();
	fill_batch(resident);
	if (n_items == 0 || !publish_batch())
	{
		n_parts = 0;
		return;
	}
	if (queue_waiting() > 0 && engine_count() > 1)
		engines_wake(); /* there is more than this engine takes */

	last_requests = n_parts;
	pg_atomic_write_u32(&shared->entry, resident->entry);
	INSTR_TIME_SET_CURRENT(batch_start);
	beside_us = charged_ns = charged_tokens = 0;
	if (runner_run(runner, &resident->model, items, n_items, &control, &error))
	{
		run_us = batch_us();
		count_batch(resident, n_items, n_tokens, run_us);
		for (int i = 0; i < n_parts; i++)
			if (parts[i].slot != NULL && parts[i].n_items > 0)
				charge_part(&parts[i], run_us, n_tokens);
	}
	/* cancelled: all gave up or the engine is to end, and both are seen to in the next step */
	if (error.code != ERR_CANCELLED)
		finish_batch(&error);
	n_parts = 0;
}

static void
run_verify(Resident *resident, Slot *slot)
{
	VerifyPayload *payload = slot->payload;

	payload->tolerance = golden_tolerance(resident->model.kernels);
	golden_replay(runner, &resident->model, &payload->n_values, &payload->deviation, &slot->error);
	queue_finish(&slot, 1);
}

/* Computes a call with a workspace of its own: calls differ too much to keep one. */
static bool
compute_forward(const Model *model, ForwardPayload *payload, Error *error)
{
	Workspace workspace = {.size = forward_workspace(model, &payload->inputs, team_size(team))};
	Crew	  crew = crew_of_team(team, &shared->cancel);
	bool	  computed;

	if (workspace.size > 0)
		workspace.base = aligned_alloc(WORKSPACE_ALIGN, TYPEALIGN(WORKSPACE_ALIGN, workspace.size));
	if (workspace.base == NULL)
		return error_set(error, ERR_MEMORY, "out of memory for a workspace of %zu bytes",
						 workspace.size);
	computed = forward_run(model, &payload->inputs, &workspace, &crew, &payload->outputs, error);
	free(workspace.base);
	return computed;
}

/* A call of the model is a batch by itself, of the whole team. */
static void
run_forward(Resident *resident, Slot *slot)
{
	Error	   error = {.code = ERR_NONE};
	instr_time start;

	active[n_active++] = slot;
	resident->n_active++;
	parts[0] = (Part){.slot = slot, .n_items = slot->n_items};
	n_parts = 1;
	if (publish_batch())
	{
		pg_atomic_write_u32(&shared->entry, resident->entry);
		n_items = slot->n_items;
		n_tokens = slot->n_tokens;
		INSTR_TIME_SET_CURRENT(start);
		if (compute_forward(&resident->model, slot->payload, &error))
			count_batch(resident, n_items, n_tokens, microseconds_since(start));
		if (error.code != ERR_CANCELLED)
			finish_batch(&error);
	}
	n_parts = 0;
	drop_abandoned();
}

/* ---- what to do next ---- */

static bool
has_active(int entry)
{
	for (int i = 0; i < n_active; i++)
		if (active[i]->entry == entry)
			return true;
	return false;
}

/* An unload is done when no engine has the model. */
static bool
unload(ModelEntry *entry)
{
	bool gone;

	registry_lock(LW_EXCLUSIVE);
	gone = entry->mapped == 0 && pg_atomic_read_u32(&entry->residency) != MODEL_LOADING;
	entry->pinned = false;
	if (entry->mapped != 0 && !entry->leaving)
	{
		entry->leaving = true;
		registry_unlock();
		engines_wake_all();
		return false;
	}
	registry_unlock();
	return gone;
}

static void
pin(ModelEntry *entry)
{
	registry_lock(LW_EXCLUSIVE);
	entry->pinned = true;
	registry_unlock();
}

/* Serves what is no batch at the front of a model's queue.  True when embedding requests come next. */
static bool
serve_front(int index)
{
	ModelEntry *entry = registry_entry(index);

	for (;;)
	{
		Resident   *resident = resident_find(index);
		Slot	   *slot;
		RequestKind kind = REQUEST_TEXTS;

		queue_lock(LW_EXCLUSIVE);
		slot = queue_first(index);
		if (slot != NULL)
			kind = slot->kind;
		queue_unlock();
		if (slot == NULL)
			return false;
		if (kind == REQUEST_UNLOAD)
		{
			if (!unload(entry))
				return false;
		}
		else if (is_leaving(entry))
			return false;
		else if (resident == NULL)
		{
			resident_want(index);
			return false;
		}
		else if (kind == REQUEST_TEXTS)
			return true;

		/* the front may have changed by now: a backend gave up, or another engine was faster */
		queue_lock(LW_EXCLUSIVE);
		if (queue_first(index) != slot || slot->kind != kind)
		{
			queue_unlock();
			continue;
		}
		queue_take(slot, this_engine, GetCurrentTimestamp());
		queue_unlock();
		if (kind == REQUEST_LOAD)
			pin(entry);
		if (kind == REQUEST_FORWARD)
			run_forward(resident, slot);
		else if (kind == REQUEST_GENERATE)
			generator_add(resident, slot);
		else if (kind == REQUEST_VERIFY)
			run_verify(resident, slot);
		else
			queue_finish(&slot, 1);
	}
}

/* The next model, after the one whose turn it was, that a batch can be formed for; NULL: nothing to do. */
static Resident *
next_model(void)
{
	int n = registry_count();

	for (int i = 1; i <= n; i++)
	{
		int	 entry = (last_entry + i) % n;
		bool waits = *(volatile int *) &registry_entry(entry)->head != NO_SLOT;

		if (!waits && !has_active(entry))
			continue;
		current_entry = entry;
		if ((waits && serve_front(entry)) || has_active(entry))
		{
			last_entry = entry;
			return resident_find(entry);
		}
	}
	return NULL;
}

/*
 * A batch has woken as many sessions as it had requests, and most will send another.  Without waiting for them
 * they split into two halves, each paying the fixed cost of a batch; so others may have the processor
 * until as many are queued again, for about that cost at most.  A lone request never waits.
 */
static void
let_sessions_catch_up(const Resident *resident)
{
	int64 limit = Min(resident->least_us, YIELD_MAX_US);

	if (last_requests < 2 || n_active > 0 || generator_is_busy())
		return;
	while (queue_waiting() < last_requests && queue_waiting_tokens() < most_tokens &&
		   !InterruptPending && microseconds_since(last_end) < limit)
		sched_yield();
}

/* Right after a batch the next request is near, and waking a processor costs more than this. */
static bool
spin(void)
{
	instr_time start;

	if (!may_spin)
		return false;
	may_spin = false;
	INSTR_TIME_SET_CURRENT(start);
	while (queue_waiting() == 0 && !MyLatch->is_set)
	{
		if (microseconds_since(start) >= SPIN_US)
			return false;
		sched_yield();
	}
	return true;
}

static void
set_most_tokens(void)
{
	most_tokens = infer_batch_tokens ? infer_batch_tokens : THREAD_TOKENS * team_size(team);
	if (generator_is_busy())
		most_tokens = Min(most_tokens, BATCH_BESIDE_STREAMS * team_size(team));
}

static void
step(void)
{
	static uint32 wait_event = 0;
	Resident	 *resident;

	if (wait_event == 0)
		wait_event = compat_wait_event("PgInferEngineMain");
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		char *preload = pstrdup(infer_preload_models);

		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		generator_set_cache();
		residents_trim();
		if (this_engine == 0 && strcmp(preload, infer_preload_models) != 0)
			residents_preload();
	}
	drop_abandoned();
	residents_step();
	current_entry = -1;
	resident = next_model();
	if (resident != NULL)
	{
		set_most_tokens();
		let_sessions_catch_up(resident);
		run_batch(resident);
	}
	if (generator_step() || resident != NULL || spin())
		return;

	pg_atomic_write_u32(&shared->state, ENGINE_IDLE);
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (residents_loading() ? WL_TIMEOUT : 0),
					 LOADING_POLL_MS, wait_event);
	pg_atomic_write_u32(&shared->state, ENGINE_RUNNING);
}

/* Nothing in a step should throw.  If something does, it costs the requests at hand, not the engine. */
static void
recover(void)
{
	ErrorData *thrown;
	Error	   error;

	MemoryContextSwitchTo(step_context);
	thrown = CopyErrorData();
	if (n_parts == 0 && current_entry < 0)
		PG_RE_THROW();
	EmitErrorReport();
	FlushErrorState();
	LWLockReleaseAll();
	error_set(&error, ERR_IO, "the inference engine met an error: %s", thrown->message);
	if (n_parts > 0)
		finish_batch(&error);
	else
		queue_fail_waiting(current_entry, this_engine, &error);
}

/* ---- the process ---- */

/* The default handler would end the batch first. */
static void
terminate(SIGNAL_ARGS)
{
	terminating = true;
	atomic_store(&shared->cancel, true);
	generator_interrupt();
	die(postgres_signal_arg);
}

static void
engine_exit(int code, Datum argument)
{
	Error error;

	LWLockReleaseAll();
	shared->proc = NULL;
	pg_atomic_write_u32(&shared->state, ENGINE_STOPPED);
	error_set(&error, ERR_IO, "the inference engine failed while it served this request");
	error_hint(&error, "The server log tells more.");
	while (n_active > 0)
	{
		Slot *slot = active[--n_active]; /* the last first: they go to the front of the queue */

		if (terminating)
			queue_put_back(slot);
		else
		{
			slot->error = error;
			queue_finish(&slot, 1);
		}
	}
	generator_stop(terminating ? NULL : &error);
	residents_close();
	if (runner != NULL)
		runner_free(runner);
	if (team != NULL)
		team_destroy(team);
}

static void
cannot_start(const Error *error)
{
	registry_lock(LW_EXCLUSIVE);
	strlcpy(engines->start_error, error->message, START_ERROR_BYTES);
	registry_unlock();
	ereport(FATAL, errcode(error_sqlstate(error->code)),
			errmsg("pg_infer engine cannot start: %s", error->message),
			error->detail[0] ? errdetail_internal("%s", error->detail) : 0,
			error->hint[0] ? errhint("%s", error->hint) : 0);
}

/* Threads on the node's own processors, when there are several nodes. */
static Team *
start_team(Error *error)
{
	int nodes[ENGINES_MAX], processors[TEAM_MAX], bound[TEAM_MAX];
	int n_nodes = numa_nodes(NUMA_ROOT, nodes, ENGINES_MAX), n_processors = 0;
	int size = infer_threads;

	shared->node = -1;
	if (n_nodes > 1)
	{
		shared->node = nodes[this_engine % n_nodes];
		n_processors = numa_processors(NUMA_ROOT, shared->node, processors, TEAM_MAX);
	}
	if (size == 0)
	{
		size = Max(team_default_size() / engine_count(), 1);
		if (n_processors > 0)
			size = Min(size, n_processors);
	}
	shared->threads = size;
	for (int i = 0; n_processors > 0 && i < size; i++)
		bound[i] = processors[i % n_processors];
	return team_create(size, n_processors > 0 ? bound : NULL, error);
}

static void
start(void)
{
	const Kernels *kernels;
	Error		   error;

	active = MemoryContextAlloc(TopMemoryContext, queue_slots() * sizeof(Slot *));
	parts = MemoryContextAlloc(TopMemoryContext, queue_slots() * sizeof(Part));
	items = MemoryContextAlloc(TopMemoryContext, sizeof(RunItem));
	items_room = 1;
	before_shmem_exit(engine_exit, 0);
	queue_finish(NULL, 0); /* takes its memory now: later there may be threads at work */

	if ((kernels = kernels_select((Isa) infer_isa, &error)) == NULL ||
		(team = start_team(&error)) == NULL || (runner = runner_create(team, &error)) == NULL ||
		!generator_start(shared, team, &error))
		cannot_start(&error);
	strlcpy(shared->isa, kernels->name, sizeof shared->isa);
	set_most_tokens();
	residents_init(this_engine, kernels, runner);
	if (this_engine == 0)
		residents_preload();

	registry_lock(LW_EXCLUSIVE);
	engines->start_error[0] = '\0';
	registry_unlock();
	shared->pid = MyProcPid;
	shared->started_at = GetCurrentTimestamp();
	pg_atomic_write_u32(&shared->state, ENGINE_RUNNING);
	shared->proc = MyProc;
	pg_memory_barrier();
}

void
pg_infer_engine_main(Datum argument)
{
	this_engine = DatumGetInt32(argument);
	shared = engine_shared(this_engine);

	pqsignal(SIGTERM, terminate);
	pqsignal(SIGINT, SIG_IGN); /* pg_cancel_backend would throw, and so restart the engine */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	step_context =
		AllocSetContextCreate(TopMemoryContext, "pg_infer engine step", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(step_context);
	start();
	for (;;)
	{
		MemoryContextReset(step_context);
		PG_TRY();
		{
			step();
		}
		PG_CATCH();
		{
			recover();
		}
		PG_END_TRY();
	}
}
