/*
 * resident.c: the models that this engine has mapped, and how they come and go.
 *
 * pg_infer.memory bounds the bytes of all images that some engine has mapped or is loading.  To make room, the
 * models that were used longest ago are marked leaving in the registry; every engine unmaps those once it has
 * finished what it had begun with them, and the load begins when enough is gone.  Models that load_model or
 * a preload asked for stay.
 *
 * The loading thread calls the core only, never PostgreSQL.
 */
#include "pg/resident.h"
#include "pg/engine.h"
#include "pg/generator.h"
#include "pg/preload.h"
#include "pg/queue.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "utils/memutils.h"

typedef struct Loader
{
	/* set before the thread starts */
	int			   entry; /* -1: no load runs */
	bool		   preload;
	char		   path[MAXPGPATH];
	const Kernels *kernels;
	Resident	  *resident;
	pthread_t	   thread;
	atomic_bool	   cancel;

	/* set by the thread before done */
	bool		ok;
	Error		error;
	atomic_bool done;
} Loader;

static int		  this_engine;
static Runner	 *team_runner;
static Resident **residents;   /* by registry entry */
static int		  n_residents; /* entries 0 .. n_residents - 1 may be set */
static int		  residents_room;
static Loader	  loader = {.entry = -1};
static List		 *preloads = NIL; /* digests, in TopMemoryContext */

void
residents_init(int engine, const Kernels *kernels, Runner *runner)
{
	this_engine = engine;
	team_runner = runner;
	loader.kernels = kernels;
}

Resident *
resident_find(int entry)
{
	return entry < n_residents ? residents[entry] : NULL;
}

bool
residents_loading(void)
{
	return loader.entry >= 0;
}

static void
set_resident(int entry, Resident *resident)
{
	if (entry >= residents_room)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		int			  room = Max(2 * residents_room, Max(entry + 1, 16));

		residents = residents ? repalloc(residents, room * sizeof(Resident *))
							  : palloc(room * sizeof(Resident *));
		residents_room = room;
		MemoryContextSwitchTo(old);
	}
	while (n_residents <= entry)
		residents[n_residents++] = NULL;
	residents[entry] = resident;
}

/* ---- the loading thread ---- */

static bool
load_cancelled(void *argument)
{
	return atomic_load((atomic_bool *) argument);
}

static bool
verify(Loader *load)
{
	Error reason;

	if (image_verify(&load->resident->image, load_cancelled, &load->cancel, &reason))
		return true;
	if (reason.code != ERR_CORRUPT)
		load->error = reason;
	else
	{
		image_refused(load->path, &reason, &load->error);
		error_hint(&load->error, "Import it again with infer.update_model.");
	}
	return false;
}

static bool
open_model(Loader *load)
{
	Image *image = &load->resident->image;
	bool   has_weights;

	if (!image_open(image, load->path, &load->error))
		return false;
	if (verify(load) && params_bool(&image->model, "has_weights", true, &has_weights, &load->error))
	{
		if (!has_weights)
			error_set(&load->error, ERR_UNSUPPORTED,
					  "it has a tokenizer but no weights to compute with");
		else if (model_open(&load->resident->model, image, load->kernels, &load->error))
			return true;
	}
	image_close(image);
	return false;
}

static void *
load_main(void *argument)
{
	Loader *load = argument;

	load->ok = open_model(load);
	atomic_store(&load->done, true);
	return NULL;
}

/* A thread inherits the signal mask: everything is blocked around its creation. */
static bool
start_thread(Error *error)
{
	sigset_t all, old;
	int		 reason;

	atomic_store(&loader.cancel, false);
	atomic_store(&loader.done, false);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	reason = pthread_create(&loader.thread, NULL, load_main, &loader);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (reason == 0)
		return true;
	errno = reason;
	return error_errno(error, "could not start a thread to load a model");
}

/* ---- coming ---- */

static void
close_resident(Resident *resident)
{
	generator_forget(&resident->model);
	model_close(&resident->model);
	image_close(&resident->image);
	pfree(resident);
}

/* The load is over: tells the registry, and the requests that wait when it failed. */
static void
load_failed(int index, const Error *error, bool preload)
{
	ModelEntry *entry = registry_entry(index);
	char		hex[2 * IMAGE_DIGEST_BYTES + 1];

	registry_lock(LW_EXCLUSIVE);
	strlcpy(entry->error, error->message, sizeof entry->error);
	pg_atomic_write_u32(&entry->residency, entry->mapped ? MODEL_RESIDENT : MODEL_FAILED);
	registry_unlock();
	if (preload)
	{
		digest_to_hex(entry->digest, hex);
		ereport(WARNING, errcode(error_sqlstate(error->code)),
				errmsg("could not preload model %s: %s", hex, error->message));
	}
	queue_fail_waiting(index, this_engine, error);
}

static void
load_succeeded(Resident *resident, bool preload)
{
	ModelEntry *entry = registry_entry(resident->entry);

	set_resident(resident->entry, resident);
	registry_lock(LW_EXCLUSIVE);
	entry->size = resident->image.map.size;
	if (entry->mapped == 0)
		entry->loaded_at = GetCurrentTimestamp();
	entry->mapped |= UINT64CONST(1) << this_engine;
	entry->pinned |= preload;
	pg_atomic_write_u32(&entry->residency, MODEL_RESIDENT);
	registry_unlock();
}

static void
finish_load(void)
{
	Resident *resident = loader.resident;
	int		  entry = loader.entry;

	pthread_join(loader.thread, NULL);
	loader.entry = -1;
	pg_atomic_write_u32(&engine_shared(this_engine)->loading, 0);
	if (!loader.ok)
		pfree(resident);
	else if (!runner_reserve(team_runner, &resident->model, &loader.error))
	{
		close_resident(resident);
		loader.ok = false;
	}
	if (loader.ok)
		load_succeeded(resident, loader.preload);
	else
		load_failed(entry, &loader.error, loader.preload);
	registry_release(entry);
	engines_wake_all(); /* others may have waited to know whether there is room */
}

/*
 * Whether bytes more for a candidate fit under pg_infer.memory.  With false and no error they will: models are leaving to make
 * room, and *marked says that this call made some of them.  The registry is locked exclusively.
 */
static bool
make_room(const ModelEntry *candidate, uint64 bytes, bool *marked, Error *error)
{
	uint64 cap = (uint64) infer_memory_kb * 1024, used = 0, going = 0, pinned = 0;

	if (infer_memory_kb == 0)
		return true;
	for (int i = 0; i < registry_count(); i++)
	{
		ModelEntry *entry = registry_entry(i);

		if (entry == candidate ||
			(entry->mapped == 0 && pg_atomic_read_u32(&entry->residency) != MODEL_LOADING))
			continue;
		used += entry->size;
		if (entry->leaving)
			going += entry->size;
		else if (entry->pinned)
			pinned += entry->size;
	}
	if (used + bytes <= cap)
		return true;
	if (pinned + bytes > cap)
	{
		error_set(error, ERR_MEMORY,
				  "its " UINT64_FORMAT " kB do not fit into pg_infer.memory of %d kB",
				  (bytes + 1023) / 1024, infer_memory_kb);
		if (pinned > 0)
			error_detail(error, "Models that are kept loaded take " UINT64_FORMAT " kB of it.",
						 pinned / 1024);
		error_hint(error, pinned > 0
							  ? "Unload models with infer.unload_model, or raise pg_infer.memory."
							  : "Raise pg_infer.memory.");
		return false;
	}
	while (used - going + bytes > cap)
	{
		ModelEntry *oldest = NULL;

		for (int i = 0; i < registry_count(); i++)
		{
			ModelEntry *entry = registry_entry(i);

			if (entry != candidate && entry->mapped != 0 && !entry->leaving && !entry->pinned &&
				(oldest == NULL ||
				 pg_atomic_read_u64(&entry->last_used) < pg_atomic_read_u64(&oldest->last_used)))
				oldest = entry;
		}
		if (oldest == NULL) /* another engine is loading what is in the way */
			return false;
		oldest->leaving = *marked = true;
		going += oldest->size;
	}
	return false;
}

void
residents_trim(void)
{
	bool  marked = false;
	Error error;

	registry_lock(LW_EXCLUSIVE);
	(void) make_room(NULL, 0, &marked, &error);
	registry_unlock();
	if (marked)
		engines_wake_all();
}

/* Begins a load.  False: not now, or not at all (error is set). */
static bool
begin_load(int index, bool preload, Error *error)
{
	ModelEntry *entry = registry_entry(index);
	char	   *path = image_path(entry->digest);
	struct stat file;
	bool		now, marked = false;

	error->code = ERR_NONE;
	if (stat(path, &file) != 0)
		return error_errno(error, "could not read \"%s\"", path);

	registry_lock(LW_EXCLUSIVE);
	now = !entry->leaving &&
		  (entry->mapped != 0 || make_room(entry, (uint64) file.st_size, &marked, error));
	if (now)
	{
		entry->size = (uint64) file.st_size;
		if (entry->mapped == 0)
			pg_atomic_write_u32(&entry->residency, MODEL_LOADING);
		pg_atomic_fetch_add_u32(&entry->users, 1);
	}
	registry_unlock();
	if (marked)
		engines_wake_all();
	if (!now)
		return false;

	loader.preload = preload;
	strlcpy(loader.path, path, sizeof loader.path);
	loader.resident = MemoryContextAllocZero(TopMemoryContext, sizeof(Resident));
	loader.resident->entry = index;
	if (!start_thread(error))
	{
		pfree(loader.resident);
		registry_release(index);
		return false;
	}
	loader.entry = index;
	pg_atomic_write_u32(&engine_shared(this_engine)->loading, index + 1);
	return true;
}

bool
resident_open_tokenizer(Resident *resident, Error *error)
{
	if (!resident->has_tokenizer)
		resident->has_tokenizer = tokenizer_open(&resident->tokenizer, &resident->image, error);
	return resident->has_tokenizer;
}

void
resident_want(int entry)
{
	Error error;

	if (residents_loading() || resident_find(entry) != NULL)
		return;
	if (!begin_load(entry, false, &error) && error.code != ERR_NONE)
		load_failed(entry, &error, false);
}

/* ---- preloads ---- */

static void
plan_preload(const uint8 *digest)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	uint8		 *copy = palloc(IMAGE_DIGEST_BYTES);

	memcpy(copy, digest, IMAGE_DIGEST_BYTES);
	preloads = lappend(preloads, copy);
	MemoryContextSwitchTo(old);
}

void
residents_preload(void)
{
	List	 *digests = preload_digests();
	ListCell *cell;

	foreach(cell, digests) plan_preload(lfirst(cell));

	/* what load_model had asked the engine before this one to keep */
	for (int i = 0; i < registry_count(); i++)
		if (registry_entry(i)->pinned && registry_entry(i)->mapped == 0)
			plan_preload(registry_entry(i)->digest);
}

/* True when the first of the preloads is dealt with, though it may be loading. */
static bool
next_preload(void)
{
	uint8 *digest = linitial(preloads);
	int	   index = registry_try_acquire(digest, -1);
	bool   finished = true;
	Error  error;

	if (index == REGISTRY_LATER)
		return false;
	if (index == REGISTRY_FULL)
	{
		ereport(
			WARNING, errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("could not preload a model: all that pg_infer can serve at a time are in use"));
		preloads = list_delete_first(preloads);
		pfree(digest);
		return true;
	}
	if (resident_find(index) != NULL)
	{
		registry_lock(LW_EXCLUSIVE);
		registry_entry(index)->pinned = true;
		registry_unlock();
	}
	else if (!begin_load(index, true, &error))
	{
		if (error.code != ERR_NONE)
			load_failed(index, &error, true);
		else
			finished = false;
	}
	registry_release(index);
	if (finished)
	{
		preloads = list_delete_first(preloads);
		pfree(digest);
	}
	return finished;
}

/* ---- going ---- */

static void
let_go(Resident *resident)
{
	ModelEntry *entry = registry_entry(resident->entry);

	residents[resident->entry] = NULL;
	close_resident(resident);
	registry_lock(LW_EXCLUSIVE);
	entry->mapped &= ~(UINT64CONST(1) << this_engine);
	if (entry->mapped == 0)
	{
		entry->leaving = false;
		entry->loaded_at = 0;
		pg_atomic_write_u32(&entry->residency, MODEL_ABSENT);
	}
	registry_unlock();
	engines_wake_all();
}

void
residents_step(void)
{
	if (residents_loading() && atomic_load(&loader.done))
		finish_load();
	for (int i = 0; i < n_residents; i++)
		if (residents[i] != NULL && residents[i]->n_active == 0 &&
			*(volatile bool *) &registry_entry(i)->leaving)
			let_go(residents[i]);
	/* what is there already, or can't be loaded, wakes nobody */
	while (!residents_loading() && preloads != NIL && next_preload())
		;
}

void
residents_close(void)
{
	if (residents_loading())
	{
		atomic_store(&loader.cancel, true);
		pthread_join(loader.thread, NULL);
		if (loader.ok)
			close_resident(loader.resident);
		registry_lock(LW_EXCLUSIVE);
		if (registry_entry(loader.entry)->mapped == 0)
			pg_atomic_write_u32(&registry_entry(loader.entry)->residency, MODEL_ABSENT);
		registry_unlock();
		registry_release(loader.entry);
		loader.entry = -1;
	}
	for (int i = 0; i < n_residents; i++)
		if (residents[i] != NULL)
			let_go(residents[i]);
}
