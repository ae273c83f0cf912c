/*
 * lookahead_stats.c: counters of a node that looks ahead, shared with parallel workers.
 *
 * Each worker counts in a place of its own, in the dynamic shared memory of its Gather.  Nobody else
 * writes there, and the leader reads it when all workers have ended: just before that memory goes, which may happen
 * several times in a query, the counters are added to those that the leader keeps.
 */
#include "postgres.h"

#include "storage/dsm.h"
#include "utils/memutils.h"

#include "pg/lookahead_stats.h"

struct SharedStats
{
	int		   n;
	AheadStats workers[FLEXIBLE_ARRAY_MEMBER];
};

/* ---- counting ---- */

void
lookahead_stats_init(LookaheadStats *stats)
{
	*stats = (LookaheadStats){.mine = &stats->own, .context = CurrentMemoryContext};
}

static void
add(AheadStats *to, const AheadStats *stats)
{
	to->batches += stats->batches;
	to->items += stats->items;
	to->tokens += stats->tokens;
	to->shared += stats->shared;
	to->engine_ns += stats->engine_ns;
	to->wait_us += stats->wait_us;
}

/* ---- shared memory ---- */

static Size
shared_size(int n_workers)
{
	return add_size(offsetof(SharedStats, workers), mul_size(n_workers, sizeof(AheadStats)));
}

Size
lookahead_stats_size(const ParallelContext *parallel)
{
	return shared_size(parallel->nworkers);
}

/* The workers' shared memory is about to go. */
static void
keep(dsm_segment *segment, Datum argument)
{
	LookaheadStats	  *stats = (LookaheadStats *) DatumGetPointer(argument);
	const SharedStats *shared = stats->shared;

	for (int i = 0; i < Min(shared->n, stats->n_workers); i++)
		add(&stats->workers[i], &shared->workers[i]);
	stats->shared = NULL;
}

/* Room for the counters of so many workers that have ended. */
static void
reserve(LookaheadStats *stats, int n)
{
	AheadStats *workers;

	if (n <= stats->n_workers)
		return;
	workers = MemoryContextAllocZero(stats->context, n * sizeof(AheadStats));
	for (int i = 0; i < stats->n_workers; i++)
		workers[i] = stats->workers[i];
	stats->workers = workers;
	stats->n_workers = n;
}

void
lookahead_stats_share(LookaheadStats *stats, ParallelContext *parallel, void *shared)
{
	/* without a segment there won't be workers */
	if (parallel->seg == NULL || parallel->nworkers == 0)
		return;
	reserve(stats, parallel->nworkers);
	memset(shared, 0, shared_size(parallel->nworkers));
	stats->shared = shared;
	stats->shared->n = parallel->nworkers;
	on_dsm_detach(parallel->seg, keep, PointerGetDatum(stats));
}

void
lookahead_stats_attach(LookaheadStats *stats, void *shared)
{
	stats->mine = &((SharedStats *) shared)->workers[ParallelWorkerNumber];
}

/* ---- EXPLAIN ---- */

static AheadStats
of_worker(const LookaheadStats *stats, int number)
{
	AheadStats worker = stats->workers[number];

	if (stats->shared != NULL && number < stats->shared->n)
		add(&worker, &stats->shared->workers[number]);
	return worker;
}

static void
put_properties(const AheadStats *stats, ExplainState *es)
{
	ExplainPropertyInteger("Batches", NULL, stats->batches, es);
	ExplainPropertyInteger("Items", NULL, stats->items, es);
	ExplainPropertyInteger("Shared Items", NULL, stats->shared, es);
	ExplainPropertyInteger("Tokens", NULL, stats->tokens, es);
	if (!es->timing)
		return;
	ExplainPropertyFloat("Engine Time", "ms", stats->engine_ns / 1e6, 3, es);
	ExplainPropertyFloat("Wait Time", "ms", stats->wait_us / 1e3, 3, es);
}

/* In text, a line. */
static void
put_worker(int number, const AheadStats *stats, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT)
	{
		ExplainOpenGroup("Worker", NULL, true, es);
		ExplainPropertyInteger("Worker Number", NULL, number, es);
		put_properties(stats, es);
		ExplainCloseGroup("Worker", NULL, true, es);
		return;
	}
	appendStringInfoSpaces(es->str, es->indent * 2);
	appendStringInfo(es->str,
					 "Worker %d:  Batches: " INT64_FORMAT "  Items: " INT64_FORMAT
					 "  Shared Items: " INT64_FORMAT "  Tokens: " INT64_FORMAT,
					 number, stats->batches, stats->items, stats->shared, stats->tokens);
	if (es->timing)
		appendStringInfo(es->str, "  Engine Time: %.3f ms  Wait Time: %.3f ms",
						 stats->engine_ns / 1e6, stats->wait_us / 1e3);
	appendStringInfoChar(es->str, '\n');
}

void
lookahead_stats_explain(const LookaheadStats *stats, ExplainState *es)
{
	AheadStats total = stats->own;

	for (int i = 0; i < stats->n_workers; i++)
	{
		AheadStats worker = of_worker(stats, i);

		add(&total, &worker);
	}
	put_properties(&total, es);
	if (!es->verbose || es->hide_workers || stats->n_workers == 0)
		return;
	ExplainOpenGroup("Lookahead Workers", "Lookahead Workers", false, es);
	for (int i = 0; i < stats->n_workers; i++)
	{
		AheadStats worker = of_worker(stats, i);

		if (worker.batches + worker.shared > 0)
			put_worker(i, &worker, es);
	}
	ExplainCloseGroup("Lookahead Workers", "Lookahead Workers", false, es);
}
