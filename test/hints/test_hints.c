/*
 * test_hints.c: a module that lets comments choose joins and scans, for test/t/130_hints.pl.
 *
 * It goes about it as pg_hint_plan does: a planner hook reads the query's comment, a join search hook plans the joins
 * with other enable_ settings, and a hook for a relation's paths plans its scan anew with others.  It knows of a method
 * for all joins of a statement, as in NestLoop(t n), and of one for a relation by its alias, as in IndexScan(t).
 *
 * The hints of the statement being planned are this process's; planner() saves and restores them, as planning nests.
 */
#include "postgres.h"

#include "fmgr.h"
#include "optimizer/cost.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

static planner_hook_type		  previous_planner_hook;
static join_search_hook_type	  previous_join_search_hook;
static set_rel_pathlist_hook_type previous_pathlist_hook;

/* What stands between the comment's begin and its end; NULL: none. */
static const char *hints = NULL;
static int		   hints_length = 0;

/* Whether the comment has method( with alias as its first argument, or with any for NULL. */
static bool
hinted(const char *method, const char *alias)
{
	char *wanted = psprintf("%s(%s", method, alias ? alias : "");
	int	  n = (int) strlen(wanted);

	for (int i = 0; i + n < hints_length; i++)
		if (strncmp(hints + i, wanted, n) == 0 &&
			(!alias || hints[i + n] == ')' || hints[i + n] == ' '))
			return true;
	return false;
}

static PlannedStmt *
plan_hinted(Query *query, const char *text, int options, ParamListInfo params)
{
	const char		  *outer = hints, *begin = text ? strstr(text, "/*+") : NULL;
	const char		  *end = begin ? strstr(begin, "*/") : NULL;
	int				   outer_length = hints_length;
	PlannedStmt		  *statement;
	planner_hook_type next = previous_planner_hook ? previous_planner_hook : standard_planner;

	hints = end ? begin : NULL;
	hints_length = end ? (int) (end - begin) : 0;
	PG_TRY();
	{
		statement = next(query, text, options, params);
	}
	PG_FINALLY();
	{
		hints = outer;
		hints_length = outer_length;
	}
	PG_END_TRY();
	return statement;
}

static RelOptInfo *
search_joins(PlannerInfo *root, int levels, List *initial)
{
	bool				  loop = enable_nestloop, merge = enable_mergejoin, hash = enable_hashjoin;
	join_search_hook_type next =
		previous_join_search_hook ? previous_join_search_hook : standard_join_search;
	RelOptInfo *joined;

	if (hinted("NestLoop", NULL) || hinted("MergeJoin", NULL) || hinted("HashJoin", NULL))
	{
		enable_nestloop = hinted("NestLoop", NULL);
		enable_mergejoin = hinted("MergeJoin", NULL);
		enable_hashjoin = hinted("HashJoin", NULL);
	}
	PG_TRY();
	{
		joined = next(root, levels, initial);
	}
	PG_FINALLY();
	{
		enable_nestloop = loop;
		enable_mergejoin = merge;
		enable_hashjoin = hash;
	}
	PG_END_TRY();
	return joined;
}

static void
choose_scan(PlannerInfo *root, RelOptInfo *relation, Index index, RangeTblEntry *entry)
{
	bool		seq = enable_seqscan, by_index = enable_indexscan, bitmap = enable_bitmapscan;
	bool		only = enable_indexonlyscan;
	const char *alias = entry->eref ? entry->eref->aliasname : NULL;

	if (previous_pathlist_hook)
		previous_pathlist_hook(root, relation, index, entry);
	if (entry->rtekind != RTE_RELATION || relation->reloptkind != RELOPT_BASEREL || !alias ||
		!(hinted("SeqScan", alias) || hinted("IndexScan", alias) || hinted("BitmapScan", alias)))
		return;
	enable_seqscan = hinted("SeqScan", alias);
	enable_indexscan = enable_indexonlyscan = hinted("IndexScan", alias);
	enable_bitmapscan = hinted("BitmapScan", alias);
	relation->pathlist = relation->partial_pathlist = NIL;
	PG_TRY();
	{
		add_path(relation, create_seqscan_path(root, relation, relation->lateral_relids, 0));
		create_index_paths(root, relation);
	}
	PG_FINALLY();
	{
		enable_seqscan = seq;
		enable_indexscan = by_index;
		enable_indexonlyscan = only;
		enable_bitmapscan = bitmap;
	}
	PG_END_TRY();
}

void
_PG_init(void)
{
	previous_planner_hook = planner_hook;
	planner_hook = plan_hinted;
	previous_join_search_hook = join_search_hook;
	join_search_hook = search_joins;
	previous_pathlist_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = choose_scan;
}
