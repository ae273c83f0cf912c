/*
 * team.h: the threads that compute, and how they share work.
 *
 * A Team is a fixed set of threads of one process; its leader is the thread that created it, and
 * the only one that may use it.  The leader runs the program; where a step of it has items that do
 * not depend on each other, it hands them to its crew, and whoever is through with his own takes
 * those of others.  Nobody waits for a thread that sleeps or has lost its processor, except for the
 * one item that it may hold: on a busy machine a team is
 * hardly slower than its leader alone.
 *
 * Threads of a team block all signals and never call PostgreSQL.
 */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

#define TEAM_MAX 1024 /* threads of one team */

typedef struct Team Team;

/* Who shares the steps of a piece of work: a team, or the calling thread alone. */
typedef struct Crew
{
	Team			  *team;   /* NULL: alone */
	int				   size;   /* threads: 1 when alone */
	const atomic_bool *cancel; /* somebody wants this work stopped; may be NULL */
} Crew;

/* How many threads may compute here: processors_available(), at most TEAM_MAX. */
extern int team_default_size(void);

/* Starts size - 1 threads; NULL on error.  cpus, when not NULL, names the processor each rank is
 * bound to; the leader, rank 0, goes back to where it was with team_destroy. */
extern Team *team_create(int size, const int *cpus, Error *error);
extern void	 team_destroy(Team *team);
extern int	 team_size(const Team *team);

extern Crew crew_of_team(Team *team, const atomic_bool *cancel);
extern Crew crew_alone(const atomic_bool *cancel);

/* Runs function(argument, item, rank) for every item 0 .. n - 1 and returns when all are done; what
 * they wrote is visible then.  rank, 0 .. size - 1, is the thread's: no two items run at once under
 * the same one.  Each thread begins with a share of consecutive items, in their order, and then
 * takes what others have left.  An item may have its own crew_alone, but not the team's. */
extern void crew_each(const Crew *crew, int n, void (*function)(void *argument, int item, int rank),
					  void *argument);

/* True when the work is to be dropped. */
extern bool crew_cancelled(const Crew *crew);

#endif
