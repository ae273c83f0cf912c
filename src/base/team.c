/*
 * team.c: a fixed set of threads, and the words they wait on.
 *
 * Everything that waits, waits on a Gate: a word that one thread changes and others watch, spinning
 * for a moment and then asleep.  Waking a thread costs tens of microseconds, a look at a word a
 * fraction of one; but a thread that spins while another process holds its peer's core keeps that
 * peer from running, so the spinning is bounded, and a team with more members than processors does
 * not spin at all.
 *
 * The leader writes the job's fields, then changes the gate "job"; members read them after they saw
 * it change.  The last member that is back changes the gate "back".  A Team is used by its leader
 * alone.
 */
#include "base/team.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/processors.h"

#define BARRIER_SPIN_US 50 /* longer than peers of one step differ */
#define JOB_SPIN_US 40	   /* from one group of a batch to the next */
#define CACHE_LINE 64

/* ---- gates ---- */

typedef struct Gate
{
	_Alignas(CACHE_LINE) atomic_uint word;
	atomic_int		sleepers;
	pthread_mutex_t lock;
	pthread_cond_t	opened;
} Gate;

static void
gate_init(Gate *gate)
{
	atomic_init(&gate->word, 0);
	atomic_init(&gate->sleepers, 0);
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->opened, NULL);
}

static void
gate_destroy(Gate *gate)
{
	pthread_cond_destroy(&gate->opened);
	pthread_mutex_destroy(&gate->lock);
}

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Waits until the word is no longer old, and returns it. */
static unsigned
gate_wait(Gate *gate, unsigned old, int spin_us)
{
	unsigned word = atomic_load_explicit(&gate->word, memory_order_acquire);

	if (word == old && spin_us > 0)
	{
		int64_t end = now_ns() + (int64_t) spin_us * 1000;

		do
		{
			for (int i = 0; i < 16 && word == old; i++)
			{
				relax();
				word = atomic_load_explicit(&gate->word, memory_order_acquire);
			}
		} while (word == old && now_ns() < end);
	}
	if (word == old)
	{
		pthread_mutex_lock(&gate->lock);
		atomic_fetch_add(&gate->sleepers, 1);
		while ((word = atomic_load(&gate->word)) == old)
			pthread_cond_wait(&gate->opened, &gate->lock);
		atomic_fetch_sub(&gate->sleepers, 1);
		pthread_mutex_unlock(&gate->lock);
	}
	return word;
}

/* Sets the word and wakes whoever sleeps.  The word is stored before sleepers is read, and a
 * sleeper counts itself before it reads the word, both sequentially consistent: one of the two sees
 * the other. */
static void
gate_set(Gate *gate, unsigned word)
{
	atomic_store(&gate->word, word);
	if (atomic_load(&gate->sleepers) > 0)
	{
		pthread_mutex_lock(&gate->lock);
		pthread_cond_broadcast(&gate->opened);
		pthread_mutex_unlock(&gate->lock);
	}
}

/* ---- meeting ---- */

/* The gate's word is twice the number of meetings so far, plus 1 when the leader came to the last
 * one with the work cancelled: so whoever passes a meeting knows the decision of just that one. */
struct Barrier
{
	Gate gate;
	_Alignas(CACHE_LINE) atomic_int arrived;
	atomic_uint cancelled; /* the leader's decision, written before it arrives */
	int			size, spin_us;
};

static void
barrier_init(Barrier *barrier, int size, int spin_us)
{
	gate_init(&barrier->gate);
	atomic_init(&barrier->arrived, 0);
	atomic_init(&barrier->cancelled, 0);
	barrier->size = size;
	barrier->spin_us = spin_us;
}

bool
crew_wait(Crew *crew)
{
	Barrier *barrier = crew->barrier;
	bool	 cancelled = crew->rank == 0 && crew->cancel != NULL &&
					 atomic_load_explicit(crew->cancel, memory_order_relaxed);
	unsigned word;

	if (barrier == NULL)
		return !cancelled;
	word = atomic_load_explicit(&barrier->gate.word, memory_order_relaxed);
	if (crew->rank == 0)
		atomic_store_explicit(&barrier->cancelled, cancelled, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) + 1 < barrier->size)
		word = gate_wait(&barrier->gate, word, barrier->spin_us);
	else
	{
		word = (word & ~1u) + 2 + atomic_load_explicit(&barrier->cancelled, memory_order_relaxed);
		atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
		gate_set(&barrier->gate, word);
	}
	return (word & 1) == 0;
}

/* ---- the team ---- */

typedef struct Member
{
	Team	 *team;
	int		  rank;
	pthread_t thread;
} Member;

struct Team
{
	Gate		 job;  /* counts jobs */
	Gate		 back; /* the number of the job that all members have finished */
	Barrier		 barrier;
	int			 size, spin_us;
	atomic_int	 busy; /* members, the leader not among them, that are not back */
	bool		 stop;
	void		*argument;
	atomic_bool *cancel;
	void (*together)(void *argument, Crew *crew);
	void (*apart)(void *argument, Crew *crew, int member);
	bool	  leader_bound; /* then leader_cpus is where it ran before */
	cpu_set_t leader_cpus;
	Member	  members[]; /* (size); [0] is the leader's and has no thread */
};

static void
take_part(Team *team, int rank)
{
	if (team->together != NULL)
	{
		Crew crew = {rank, team->size, team->size > 1 ? &team->barrier : NULL, team->cancel};

		team->together(team->argument, &crew);
	}
	else
	{
		Crew crew = {0, 1, NULL, team->cancel};

		team->apart(team->argument, &crew, rank);
	}
}

static void *
member_main(void *argument)
{
	Member	*member = argument;
	Team	*team = member->team;
	unsigned job = 0;

	for (;;)
	{
		job = gate_wait(&team->job, job, team->spin_us);
		if (team->stop)
			return NULL;
		take_part(team, member->rank);
		if (atomic_fetch_sub_explicit(&team->busy, 1, memory_order_acq_rel) == 1)
			gate_set(&team->back, job);
	}
}

static void
run(Team *team, atomic_bool *cancel)
{
	unsigned job = atomic_load_explicit(&team->job.word, memory_order_relaxed) + 1;

	team->cancel = cancel;
	atomic_store_explicit(&team->busy, team->size - 1, memory_order_relaxed);
	if (team->size > 1)
		gate_set(&team->job, job);
	take_part(team, 0);
	if (team->size > 1)
		while (gate_wait(&team->back, job - 1, team->spin_us) != job)
			;
}

void
team_run(Team *team, void (*function)(void *argument, Crew *crew), void *argument,
		 atomic_bool *cancel)
{
	team->together = function;
	team->argument = argument;
	run(team, cancel);
}

void
team_run_apart(Team *team, void (*function)(void *argument, Crew *crew, int member), void *argument,
			   atomic_bool *cancel)
{
	team->together = NULL;
	team->apart = function;
	team->argument = argument;
	run(team, cancel);
}

int
team_size(const Team *team)
{
	return team->size;
}

static bool
bind_thread(pthread_t thread, int cpu, Error *error)
{
	cpu_set_t cpus;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return error_set(error, ERR_ARGUMENT, "processor %d is not between 0 and %d", cpu,
						 CPU_SETSIZE - 1);
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	errno = pthread_setaffinity_np(thread, sizeof cpus, &cpus);
	if (errno != 0)
		return error_errno(error, "could not bind a thread to processor %d", cpu);
	return true;
}

/* Threads must not take the process's signals: PostgreSQL's handlers belong to its main thread. */
static bool
start_member(Member *member, Error *error)
{
	sigset_t all, before;
	int		 failure;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failure = pthread_create(&member->thread, NULL, member_main, member);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = failure;
	return failure == 0 || error_errno(error, "could not start thread %d of a team of %d",
									   member->rank, member->team->size);
}

/* Stops the threads of ranks 1 .. n - 1. */
static void
team_stop(Team *team, int n)
{
	team->stop = true;
	gate_set(&team->job, atomic_load_explicit(&team->job.word, memory_order_relaxed) + 1);
	for (int rank = 1; rank < n; rank++)
		pthread_join(team->members[rank].thread, NULL);
	if (team->leader_bound)
		pthread_setaffinity_np(pthread_self(), sizeof team->leader_cpus, &team->leader_cpus);
	gate_destroy(&team->barrier.gate);
	gate_destroy(&team->job);
	gate_destroy(&team->back);
	free(team);
}

Team *
team_create(int size, const int *cpus, Error *error)
{
	Team  *team;
	size_t bytes;

	if (size < 1 || size > TEAM_MAX)
	{
		error_set(error, ERR_ARGUMENT, "%d threads are not between 1 and %d", size, TEAM_MAX);
		return NULL;
	}
	bytes = sizeof(Team) + (size_t) size * sizeof(Member);
	team = aligned_alloc(_Alignof(Team),
						 (bytes + _Alignof(Team) - 1) / _Alignof(Team) * _Alignof(Team));
	if (team == NULL)
	{
		error_set(error, ERR_MEMORY, "out of memory for a team of %d threads", size);
		return NULL;
	}
	memset(team, 0, bytes);
	team->size = size;
	team->spin_us = size <= team_default_size() ? JOB_SPIN_US : 0;
	gate_init(&team->job);
	gate_init(&team->back);
	barrier_init(&team->barrier, size, team->spin_us > 0 ? BARRIER_SPIN_US : 0);
	if (cpus != NULL)
	{
		pthread_getaffinity_np(pthread_self(), sizeof team->leader_cpus, &team->leader_cpus);
		team->leader_bound = bind_thread(pthread_self(), cpus[0], error);
		if (!team->leader_bound)
		{
			team_stop(team, 1);
			return NULL;
		}
	}
	for (int rank = 1; rank < size; rank++)
	{
		Member *member = &team->members[rank];

		*member = (Member){.team = team, .rank = rank};
		if (!start_member(member, error))
		{
			team_stop(team, rank);
			return NULL;
		}
		if (cpus != NULL && !bind_thread(member->thread, cpus[rank], error))
		{
			team_stop(team, rank + 1);
			return NULL;
		}
	}
	return team;
}

void
team_destroy(Team *team)
{
	if (team != NULL)
		team_stop(team, team->size);
}

int
team_default_size(void)
{
	int size = processors_available();

	return size > TEAM_MAX ? TEAM_MAX : size;
}
