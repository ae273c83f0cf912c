/*
 * stats.c: what the views of "Watching" read: the registry, the engines and the slots, as they are now.
 *
 * Everybody sees models and engines. Of the requests of other roles only the process is shown, unless the reader
 * may read all statistics (pg_read_all_stats, which pg_monitor includes), as in pg_stat_activity.
 */
#include "pg/engine.h"
#include "pg/queue.h"

#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/* A row that is being filled, column by column. */
typedef struct Row
{
	Datum values[20];
	bool  nulls[20];
	int	  n;
} Row;

static void
put(Row *row, Datum value)
{
	Assert(row->n < lengthof(row->values));
	row->nulls[row->n] = false;
	row->values[row->n++] = value;
}

static void
put_null(Row *row)
{
	row->nulls[row->n] = true;
	row->values[row->n++] = (Datum) 0;
}

static void
put_text(Row *row, const char *text)
{
	put(row, CStringGetTextDatum(text));
}

static void
put_time(Row *row, TimestampTz time)
{
	if (time == 0)
		put_null(row);
	else
		put(row, TimestampTzGetDatum(time));
}

static void
put_digest(Row *row, const uint8 *digest)
{
	char hex[2 * IMAGE_DIGEST_BYTES + 1];

	digest_to_hex(digest, hex);
	put_text(row, hex);
}

/* The digest of a registry entry; index -1 or out of use: null. */
static void
put_entry(Row *row, int index)
{
	uint8 digest[IMAGE_DIGEST_BYTES];
	bool  used = index >= 0 && index < registry_count();

	if (used)
	{
		registry_lock(LW_SHARED);
		memcpy(digest, registry_entry(index)->digest, IMAGE_DIGEST_BYTES);
		registry_unlock();
		put_digest(row, digest);
	}
	else
		put_null(row);
}

static void
put_count(Row *row, pg_atomic_uint64 *counters, Counter counter)
{
	put(row, Int64GetDatum((int64) pg_atomic_read_u64(&counters[counter])));
}

/* Microseconds, shown as milliseconds. */
static void
put_ms(Row *row, pg_atomic_uint64 *counters, Counter counter)
{
	put(row, Float8GetDatum(pg_atomic_read_u64(&counters[counter]) / 1000.0));
}

static void
add_row(FunctionCallInfo fcinfo, Row *row)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	Assert(row->n == result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
}

static const char *
residency_name(Residency residency)
{
	switch (residency)
	{
		case MODEL_ABSENT:
			break;
		case MODEL_LOADING:
			return "loading";
		case MODEL_RESIDENT:
			return "resident";
		case MODEL_FAILED:
			return "failed";
	}
	return "absent";
}

static const char *
kind_name(RequestKind kind)
{
	switch (kind)
	{
		case REQUEST_TEXTS:
			break;
		case REQUEST_LOAD:
			return "load";
		case REQUEST_UNLOAD:
			return "unload";
		case REQUEST_FORWARD:
			return "forward";
		case REQUEST_VERIFY:
			return "verify";
		case REQUEST_GENERATE:
			return "generate";
	}
	return "texts";
}

/* What a slot that is not free does, in the words of the view. */
static const char *
state_name(SlotState state, bool waits_for_cache)
{
	switch (state)
	{
		case SLOT_FREE:
		case SLOT_FILLING:
			break;
		case SLOT_WAITING:
			return "waiting";
		case SLOT_RUNNING:
			return waits_for_cache ? "waiting for cache" : "running";
		case SLOT_DONE:
		case SLOT_FAILED:
			return "done";
		case SLOT_ABANDONED:
			return "abandoned";
	}
	return "preparing";
}

/* One row a digest that the cluster has used since its start; so has the next. */
PG_FUNCTION_INFO_V1(infer_residency);
Datum
infer_residency(PG_FUNCTION_ARGS)
{
	require_preload();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < registry_count(); i++)
	{
		ModelEntry entry;
		Residency  residency;
		Row		   row = {.n = 0};

		registry_lock(LW_SHARED);
		entry = *registry_entry(i);
		registry_unlock();
		residency = (Residency) pg_atomic_read_u32(&entry.residency);
		put_digest(&row, entry.digest);
		put_text(&row, residency_name(residency));
		put(&row, BoolGetDatum(entry.pinned));
		put(&row, Int64GetDatum((int64) entry.size));
		put_time(&row, entry.loaded_at);
		put_time(&row, (TimestampTz) pg_atomic_read_u64(&entry.last_used));
		if (residency == MODEL_FAILED)
			put_text(&row, entry.error);
		else
			put_null(&row);
		add_row(fcinfo, &row);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_stat_get_models);
Datum
infer_stat_get_models(PG_FUNCTION_ARGS)
{
	require_preload();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < registry_count(); i++)
	{
		pg_atomic_uint64 *counters = registry_entry(i)->counters;
		uint64			  capacity = pg_atomic_read_u64(&counters[COUNT_CAPACITY]);
		uint64			  tokens = pg_atomic_read_u64(&counters[COUNT_TOKENS]);
		Row				  row = {.n = 0};

		put_entry(&row, i);
		put_count(&row, counters, COUNT_REQUESTS);
		put_count(&row, counters, COUNT_ITEMS);
		put_count(&row, counters, COUNT_TOKENS);
		put_count(&row, counters, COUNT_BATCHES);
		if (capacity > 0)
			put(&row, Float8GetDatum((double) tokens / (double) capacity));
		else
			put_null(&row);
		put_ms(&row, counters, COUNT_QUEUE_US);
		put_ms(&row, counters, COUNT_RUN_US);
		put_count(&row, counters, COUNT_ERRORS);
		put_count(&row, counters, COUNT_CANCELS);
		add_row(fcinfo, &row);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_stat_get_workers);
Datum
infer_stat_get_workers(PG_FUNCTION_ARGS)
{
	require_preload();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < engine_count(); i++)
	{
		EngineShared *engine = engine_shared(i);
		bool		  runs = engine->proc != NULL;
		bool		  computes = runs && pg_atomic_read_u32(&engine->state) == ENGINE_RUNNING;
		int			  loading = (int) pg_atomic_read_u32(&engine->loading) - 1;
		Row			  row = {.n = 0};

		put(&row, Int32GetDatum(i));
		if (runs)
		{
			put(&row, Int32GetDatum(engine->pid));
			put_text(&row, computes ? "running" : loading >= 0 ? "loading" : "idle");
			put(&row, Int32GetDatum(engine->threads));
			put_text(&row, engine->isa);
			if (engine->node >= 0)
				put(&row, Int32GetDatum(engine->node));
			else
				put_null(&row);
			put_time(&row, engine->started_at);
			put_entry(&row, computes ? (int) pg_atomic_read_u32(&engine->entry) : -1);
			put_entry(&row, loading);
		}
		else
		{
			put_null(&row);
			put_text(&row, "stopped");
			for (int column = 0; column < 6; column++)
				put_null(&row);
		}
		put_count(&row, engine->counters, COUNT_REQUESTS);
		put_count(&row, engine->counters, COUNT_ITEMS);
		put_count(&row, engine->counters, COUNT_TOKENS);
		put_count(&row, engine->counters, COUNT_BATCHES);
		put_ms(&row, engine->counters, COUNT_RUN_US);
		put(&row, Int32GetDatum((int32) pg_atomic_read_u32(&engine->generating)));
		put(&row, Int32GetDatum((int32) pg_atomic_read_u32(&engine->waiting_for_cache)));
		put(&row, Int64GetDatum((int64) pg_atomic_read_u64(&engine->cache_held)));
		put(&row, Int64GetDatum((int64) pg_atomic_read_u64(&engine->cache_reserved)));
		add_row(fcinfo, &row);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_stat_get_requests);
Datum
infer_stat_get_requests(PG_FUNCTION_ARGS)
{
	bool all = (require_preload(), has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS));

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < queue_slots(); i++)
	{
		Slot	  slot;
		SlotState state;
		Row		  row = {.n = 0};

		queue_lock(LW_SHARED);
		slot = *queue_slot(i);
		queue_unlock();
		state = (SlotState) pg_atomic_read_u32(&slot.state);
		if (state == SLOT_FREE)
			continue;
		put(&row, Int32GetDatum(slot.pid));
		put(&row, ObjectIdGetDatum(slot.database));
		put(&row, ObjectIdGetDatum(slot.role));
		if (all || has_privs_of_role(GetUserId(), slot.role))
		{
			put_text(&row, state_name(state, pg_atomic_read_u32(&slot.waits_for_cache) != 0));
			put_text(&row, kind_name(slot.kind));
			put_text(&row, slot.model);
			put_entry(&row, slot.entry);
			put(&row, Int32GetDatum(slot.n_items));
			put(&row, Int32GetDatum(slot.n_done));
			put(&row, Int32GetDatum(slot.n_tokens));
			put_time(&row, slot.submitted_at);
			if (slot.engine >= 0)
				put(&row, Int32GetDatum(slot.engine));
			else
				put_null(&row);
		}
		else
			for (int column = 0; column < 9; column++)
				put_null(&row);
		add_row(fcinfo, &row);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(infer_stat_reset);
Datum
infer_stat_reset(PG_FUNCTION_ARGS)
{
	require_preload();
	registry_reset_stats();
	engines_reset_stats();
	PG_RETURN_VOID();
}
