/*
 * team.h: the threads that compute, and how they meet.
 *
 * A Team is a fixed set of threads of one process; its leader is the thread that created it.  The leader
 * hands the team a function; every member runs it with its own Crew, which tells it its rank and lets it
 * meet the others.  A crew of one never waits: code written for a crew is the code for one thread.
 * Threads of a team block all signals and never call PostgreSQL.
 */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

typedef struct Team	   Team;
typedef struct Barrier Barrier;

typedef struct Crew
{
	int			 rank;	  /* 0 .. size - 1; 0 is the leader */
	int			 size;
	Barrier		*barrier; /* NULL when size is 1 */
	atomic_bool *cancel;  /* somebody wants this work stopped; may be NULL */
} Crew;

#define TEAM_MAX 1024 /* threads of one team */

/* How many threads may compute here: processors_available(), at most TEAM_MAX. */
extern int team_default_size(void);

/* Starts size - 1 threads; NULL on error.  cpus, when not NULL, names the processor each rank is bound to; the
 * leader goes back to where it was with team_destroy. */
extern Team *team_create(int size, const int *cpus, Error *error);
extern void	 team_destroy(Team *team);
extern int	 team_size(const Team *team);

/* Every member runs function(argument, crew), crew.size = the team's size and one barrier for all;
 * returns when all are back. */
extern void team_run(Team *team, void (*function)(void *argument, Crew *crew), void *argument,
					 atomic_bool *cancel);

/* Every member runs function with a crew of one; member tells them apart.  Returns when all are back. */
extern void team_run_apart(Team *team, void (*function)(void *argument, Crew *crew, int member),
						   void *argument, atomic_bool *cancel);

/* All of the crew meet here.  Memory written before is visible after.  Returns false, to all of them
 * alike, when *cancel was seen set by the leader: then the work is to be dropped. */
extern bool crew_wait(Crew *crew);

/* The share of items 0 .. n - 1 that is this rank's: [*begin, *end). */
static inline void
crew_share(const Crew *crew, int n, int *begin, int *end)
{
	*begin = (int) ((long) n * crew->rank / crew->size);
	*end = (int) ((long) n * (crew->rank + 1) / crew->size);
}

#endif
