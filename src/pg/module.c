/*
 * module.c: what happens when PostgreSQL loads the library: settings, shared memory, the engines' registration.
 *
 * In shared_preload_libraries everything is set up; loaded later, only the settings that a session may have
 * exist, and whatever needs an engine ends in require_preload().
 */
#include "pg/engine.h"
#include "pg/lookahead.h"
#include "pg/queue.h"

#include <limits.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

#define QUEUE_MEMORY_MIN_KB 1024
#define CACHE_MEMORY_MIN_KB 64
#define PREFETCH_ROWS_MAX 65536

int	  infer_threads = 0, infer_engines = 0, infer_memory_kb = 0, infer_queue_memory_kb = 64 * 1024;
int	  infer_cache_memory_kb = 1024 * 1024;
int	  infer_batch_tokens = 0, infer_isa = ISA_AUTO, infer_prefetch_rows = 256;
bool  infer_prefetch = true;
char *infer_model_directory = "", *infer_preload_models = "";
bool  infer_preloaded = false;

static const struct config_enum_entry isa_options[] = {
	{"auto", ISA_AUTO, false},		 {"avx512", ISA_AVX512, false},		{"avx2", ISA_AVX2, false},
	{"generic", ISA_GENERIC, false}, {"openblas", ISA_OPENBLAS, false}, {NULL, 0, false}};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request_shared_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(registry_size()));
	RequestAddinShmemSpace(MAXALIGN(engines_size()));
	RequestAddinShmemSpace(queue_size());
	RequestNamedLWLockTranche("pg_infer_registry", 1);
	RequestNamedLWLockTranche("pg_infer_queue", 1);
}

/* In the postmaster: at its start, and again after a crash with fresh shared memory. */
static void
start_shared_memory(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	registry_init();
	engines_init();
	queue_init();
	LWLockRelease(AddinShmemInitLock);
}

/* Settings that shared memory and engines are made from: fixed when the server starts. */
static void
define_fixed_settings(void)
{
	DefineCustomIntVariable("pg_infer.threads", "Sets the number of threads that compute.",
							"0 means as many as CPU affinity and cgroup quota allow. "
							"With several engines each of them has this many.",
							&infer_threads, 0, 0, TEAM_MAX, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_infer.engines", "Sets the number of engine processes.",
							"0 means one per NUMA node.", &infer_engines, 0, 0, ENGINES_MAX,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"pg_infer.queue_memory", "Sets the shared memory for requests and their results.",
		"Sessions wait when it is in use.", &infer_queue_memory_kb, 64 * 1024, QUEUE_MEMORY_MIN_KB,
		MAX_KILOBYTES, PGC_POSTMASTER, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomEnumVariable("pg_infer.isa", "Sets the instruction set to compute with.",
							 "All but openblas give the same results.", &infer_isa, ISA_AUTO,
							 isa_options, PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	DefineCustomIntVariable("pg_infer.memory", "Limits the size of all models loaded at a time.",
							"0 means no limit.", &infer_memory_kb, 0, 0, MAX_KILOBYTES, PGC_SIGHUP,
							GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"pg_infer.cache_memory", "Limits what engines keep of the tokens of generations under way.",
		"Generations wait when it is in use.  Engines share it.", &infer_cache_memory_kb,
		1024 * 1024, CACHE_MEMORY_MIN_KB, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_infer.batch_tokens",
							"Sets how many tokens an engine computes at a time at most.",
							"0 means 2048 for each of its threads.", &infer_batch_tokens, 0, 0,
							1024 * 1024, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_infer.model_directory",
							   "Sets the directory that relative paths of create_model start from.",
							   NULL, &infer_model_directory, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"pg_infer.preload_models", "Lists models to load when the server starts.",
		"Names, name@digest or digests, separated by commas.", &infer_preload_models, "",
		PGC_SIGHUP, GUC_LIST_INPUT, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_infer.prefetch",
							 "Computes calls in queries ahead, for many rows at a time.", NULL,
							 &infer_prefetch, true, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"pg_infer.prefetch_rows", "Sets for how many rows a query looks ahead at most.", NULL,
		&infer_prefetch_rows, 256, 1, PREFETCH_ROWS_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("pg_infer");
}

void
_PG_init(void)
{
	infer_preloaded = process_shared_preload_libraries_in_progress;
	if (infer_preloaded)
		define_fixed_settings();
	define_settings();
	catalog_init();
	store_init();
	if (!infer_preloaded)
		return;

	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shared_memory;
	engines_register();
	lookahead_init();
}
