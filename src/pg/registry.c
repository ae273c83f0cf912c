/*
 * registry.c: the models of the cluster by digest.
 *
 * An array of entries in shared memory, found by walking it: there are few.  An entry that nobody uses and no
 * engine has mapped may be taken for another digest when the array is full, the one that was used
 * longest ago first; its counters are lost then.  Where engines have all mapped, the model among them that was
 * used longest ago and that nobody asked to keep has to leave.  Whoever keeps an index across statements
 * therefore gives it to registry_acquire as a hint only.
 */
#include "pg/engine.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"

#define REGISTRY_CAPACITY 256
#define LEAVING_POLL_MS 20

typedef struct Registry
{
	int		   n_used; /* entries ever used, from the front; under the lock */
	ModelEntry entries[REGISTRY_CAPACITY];
} Registry;

static Registry *registry;
static LWLock	*lock;

Size
registry_size(void)
{
	return sizeof(Registry);
}

void
registry_init(void)
{
	bool found;

	registry = ShmemInitStruct("pg_infer registry", sizeof(Registry), &found);
	lock = &GetNamedLWLockTranche("pg_infer_registry")->lock;
	if (!found)
		memset(registry, 0, sizeof(Registry));
}

void
registry_lock(LWLockMode mode)
{
	LWLockAcquire(lock, mode);
}

void
registry_unlock(void)
{
	LWLockRelease(lock);
}

ModelEntry *
registry_entry(int index)
{
	Assert(index >= 0 && index < REGISTRY_CAPACITY);
	return &registry->entries[index];
}

int
registry_count(void)
{
	return *(volatile int *) &registry->n_used;
}

static bool
is_entry_of(int index, const uint8 *digest)
{
	const ModelEntry *entry = &registry->entries[index];

	return entry->used && memcmp(entry->digest, digest, IMAGE_DIGEST_BYTES) == 0;
}

/* The entry of a digest, or -1.  The lock is held. */
static int
find(const uint8 *digest, int hint)
{
	if (hint >= 0 && hint < registry->n_used && is_entry_of(hint, digest))
		return hint;
	for (int i = 0; i < registry->n_used; i++)
		if (is_entry_of(i, digest))
			return i;
	return -1;
}

/* The entry that nobody uses and that was used longest ago: with mapped, among those that may leave an engine, otherwise
 * among those that no engine has; -1: none.  The lock is held exclusively, so nobody becomes a user meanwhile. */
static int
find_idle(bool mapped)
{
	int oldest = -1;

	for (int i = 0; i < REGISTRY_CAPACITY; i++)
	{
		ModelEntry *entry = &registry->entries[i];

		if ((entry->mapped != 0) != mapped || pg_atomic_read_u32(&entry->users) > 0 ||
			(mapped && entry->pinned))
			continue;
		if (oldest < 0 || pg_atomic_read_u64(&entry->last_used) <
							  pg_atomic_read_u64(&registry->entries[oldest].last_used))
			oldest = i;
	}
	return oldest;
}

/* Whether a model is about to leave that nobody uses any more. */
static bool
any_leaving(void)
{
	for (int i = 0; i < REGISTRY_CAPACITY; i++)
		if (registry->entries[i].leaving && pg_atomic_read_u32(&registry->entries[i].users) == 0)
			return true;
	return false;
}

/* A place for another digest; REGISTRY_LATER or REGISTRY_FULL.  The lock is held exclusively. */
static int
find_room(void)
{
	int index;

	if (registry->n_used < REGISTRY_CAPACITY)
		return registry->n_used;
	index = find_idle(false);
	if (index >= 0)
		return index;
	if (any_leaving())
		return REGISTRY_LATER;
	index = find_idle(true);
	if (index < 0)
		return REGISTRY_FULL;
	registry->entries[index].leaving = true;
	return REGISTRY_LATER;
}

static void
entry_init(ModelEntry *entry, const uint8 *digest)
{
	memset(entry, 0, sizeof(ModelEntry));
	memcpy(entry->digest, digest, IMAGE_DIGEST_BYTES);
	entry->used = true;
	entry->head = entry->tail = -1;
	pg_atomic_init_u32(&entry->residency, MODEL_ABSENT);
	pg_atomic_init_u32(&entry->users, 0);
	pg_atomic_init_u64(&entry->last_used, (uint64) GetCurrentTimestamp());
	for (int i = 0; i < N_COUNTERS; i++)
		pg_atomic_init_u64(&entry->counters[i], 0);
}

void
registry_reset_stats(void)
{
	for (int i = 0; i < registry_count(); i++)
		for (int j = 0; j < N_COUNTERS; j++)
			pg_atomic_write_u64(&registry->entries[i].counters[j], 0);
}

int
registry_try_acquire(const uint8 *digest, int hint)
{
	int index;

	LWLockAcquire(lock, LW_SHARED);
	index = find(digest, hint);
	if (index < 0)
	{
		LWLockRelease(lock);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		index = find(digest, -1);
		if (index < 0 && (index = find_room()) >= 0)
		{
			entry_init(&registry->entries[index], digest);
			registry->n_used = Max(registry->n_used, index + 1);
		}
	}
	if (index >= 0)
		pg_atomic_fetch_add_u32(&registry->entries[index].users, 1);
	LWLockRelease(lock);
	if (index == REGISTRY_LATER)
		engines_wake_all();
	return index;
}

int
registry_acquire(const uint8 *digest, int hint)
{
	int index;

	while ((index = registry_try_acquire(digest, hint)) == REGISTRY_LATER)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LEAVING_POLL_MS,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (index == REGISTRY_FULL)
		ereport(
			ERROR, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("all %d models that pg_infer can serve at a time are in use", REGISTRY_CAPACITY),
			errhint("Unload models that are no longer needed with infer.unload_model."));
	return index;
}

void
registry_release(int index)
{
	pg_atomic_fetch_sub_u32(&registry->entries[index].users, 1);
}

/* Has engines let go of a digest's image; whoever asked to keep it keeps the next one, or nothing. */
static void
leave(const uint8 *digest, bool kept)
{
	int index;

	if (!infer_preloaded || !IsUnderPostmaster)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	index = find(digest, -1);
	if (index >= 0)
	{
		ModelEntry *entry = &registry->entries[index];

		entry->pinned &= kept;
		entry->leaving = entry->mapped != 0;
	}
	LWLockRelease(lock);
	if (index >= 0)
		engines_wake_all();
}

void
registry_removed(const uint8 *digest)
{
	leave(digest, false);
}

void
registry_replaced(const uint8 *digest)
{
	leave(digest, true);
}
