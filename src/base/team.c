/*
 * team.c: a fixed set of threads, and the step that they share.
 *
 * The leader publishes a step: what to run, and a ticket, which is the step's number and how many of its items
 * nobody has taken.  Taking an item is one compare-and-swap on the ticket.  The leader goes on only when all items
 * are done, so while a ticket has items left the fields beside it are that step's; a member that comes late and
 * reads the fields of the next step fails to take its item, and looks again.  Whoever finishes the last item
 * says so.
 *
 * Waiting is spinning for a moment and then sleeping.  Waking a thread costs tens of microseconds, a look at a
 * word a fraction of one; but a thread that spins takes its processor from others, so the spinning is bounded,
 * and a team with more members than processors does not spin at all.
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

#define SPIN_US 50	  /* longer than from one step to the next, or from one batch to the next */
#define SPIN_LOOKS 16 /* looks at a word between two looks at the clock */
#define CACHE_LINE 64

/* ---- gates ---- */

/* A word that one thread changes and others wait for. */
typedef struct Gate
{
	_Alignas(CACHE_LINE) atomic_uint word;
	atomic_int		sleepers; /* since the last waking; changed under the lock */
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

/* Sleeps until the word is no longer old. */
static void
gate_sleep(Gate *gate, unsigned old)
{
	pthread_mutex_lock(&gate->lock);
	atomic_fetch_add(&gate->sleepers, 1);
	if (atomic_load(&gate->word) != old)
		atomic_fetch_sub(&gate->sleepers, 1);
	else
		do
			pthread_cond_wait(&gate->opened, &gate->lock);
		while (atomic_load(&gate->word) == old);
	pthread_mutex_unlock(&gate->lock);
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
			for (int i = 0; i < SPIN_LOOKS && word == old; i++)
			{
				relax();
				word = atomic_load_explicit(&gate->word, memory_order_acquire);
			}
		while (word == old && now_ns() < end);
	}
	if (word == old)
	{
		gate_sleep(gate, old);
		word = atomic_load_explicit(&gate->word, memory_order_acquire);
	}
	return word;
}

/* Sets the word and wakes whoever sleeps.  The word is stored before sleepers is read, and a sleeper counts itself
 * before it reads the word, both sequentially consistent: one of the two sees the other.  Those that are woken
 * count no more, so that steps that follow at once do not wake them again. */
static void
gate_set(Gate *gate, unsigned word)
{
	atomic_store(&gate->word, word);
	if (atomic_load(&gate->sleepers) > 0)
	{
		pthread_mutex_lock(&gate->lock);
		atomic_store(&gate->sleepers, 0);
		pthread_cond_broadcast(&gate->opened);
		pthread_mutex_unlock(&gate->lock);
	}
}

/* ---- steps ---- */

typedef void (*ItemFunction)(void *argument, int item, int rank);

typedef struct Member
{
	Team	 *team;
	int		  rank;
	pthread_t thread;
} Member;

struct Team
{
	Gate published; /* the number of the present step */
	Gate finished;	/* the number of the last step whose last item a member did */
	_Alignas(CACHE_LINE) _Atomic uint64_t ticket; /* step << 32 | items that nobody has taken */
	_Alignas(CACHE_LINE) atomic_int left;		  /* items of the step that are not done */
	_Alignas(CACHE_LINE) _Atomic(ItemFunction) function; /* NULL: the end */
	_Atomic(void *) argument;
	atomic_int		n_items;
	int				size, spin_us;
	bool			leader_bound; /* then leader_cpus is where it ran before */
	cpu_set_t		leader_cpus;
	Member			members[]; /* (size); [0] is the leader's and has no thread */
};

/* Takes and does items until none are left to take.  When the last one to be done was among them, the number
 * of its step; else 0. */
static unsigned
take_items(Team *team, int rank)
{
	uint64_t ticket = atomic_load_explicit(&team->ticket, memory_order_acquire);
	unsigned last = 0;

	while ((uint32_t) ticket > 0)
	{
		ItemFunction function = atomic_load_explicit(&team->function, memory_order_relaxed);
		void		*argument = atomic_load_explicit(&team->argument, memory_order_relaxed);
		int			 n = atomic_load_explicit(&team->n_items, memory_order_relaxed);

		if (!atomic_compare_exchange_weak_explicit(&team->ticket, &ticket, ticket - 1,
												   memory_order_acq_rel, memory_order_acquire))
			continue;
		function(argument, n - (int) (uint32_t) ticket, rank);
		if (atomic_fetch_sub_explicit(&team->left, 1, memory_order_acq_rel) == 1)
			last = (unsigned) (ticket >> 32);
		ticket = atomic_load_explicit(&team->ticket, memory_order_acquire);
	}
	return last;
}

static void *
member_main(void *argument)
{
	Member	*member = argument;
	Team	*team = member->team;
	unsigned step = 0;

	for (;;)
	{
		unsigned last;

		step = gate_wait(&team->published, step, team->spin_us);
		if (atomic_load_explicit(&team->function, memory_order_relaxed) == NULL)
			return NULL;
		last = take_items(team, member->rank);
		if (last != 0)
			gate_set(&team->finished, last);
	}
}

/* Returns the step's number, which is never 0. */
static unsigned
publish(Team *team, ItemFunction function, void *argument, int n)
{
	unsigned step = atomic_load_explicit(&team->published.word, memory_order_relaxed) + 1;

	step += step == 0;
	atomic_store_explicit(&team->function, function, memory_order_relaxed);
	atomic_store_explicit(&team->argument, argument, memory_order_relaxed);
	atomic_store_explicit(&team->n_items, n, memory_order_relaxed);
	atomic_store_explicit(&team->left, n, memory_order_relaxed);
	atomic_store_explicit(&team->ticket, (uint64_t) step << 32 | (unsigned) n,
						  memory_order_release);
	gate_set(&team->published, step);
	return step;
}

void
crew_each(const Crew *crew, int n, ItemFunction function, void *argument)
{
	Team	*team = crew->team;
	unsigned before, step;

	if (team == NULL || n <= 1)
	{
		for (int item = 0; item < n; item++)
			function(argument, item, 0);
		return;
	}
	before = atomic_load_explicit(&team->finished.word, memory_order_relaxed);
	step = publish(team, function, argument, n);
	if (take_items(team, 0) != step)
		gate_wait(&team->finished, before, team->spin_us);
}

bool
crew_cancelled(const Crew *crew)
{
	return crew->cancel != NULL && atomic_load_explicit(crew->cancel, memory_order_relaxed);
}

Crew
crew_of_team(Team *team, const atomic_bool *cancel)
{
	return (Crew){.team = team->size > 1 ? team : NULL, .size = team->size, .cancel = cancel};
}

Crew
crew_alone(const atomic_bool *cancel)
{
	return (Crew){.size = 1, .cancel = cancel};
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
	publish(team, NULL, NULL, 0);
	for (int rank = 1; rank < n; rank++)
		pthread_join(team->members[rank].thread, NULL);
	if (team->leader_bound)
		pthread_setaffinity_np(pthread_self(), sizeof team->leader_cpus, &team->leader_cpus);
	gate_destroy(&team->published);
	gate_destroy(&team->finished);
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
	team->spin_us = size <= team_default_size() ? SPIN_US : 0;
	gate_init(&team->published);
	gate_init(&team->finished);
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
