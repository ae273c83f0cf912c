/*
 * team.c: a fixed set of threads, and the step that they share.
 *
 * The leader publishes a step: what to run, and a ticket for each thread, which is the step's
 * number and how many items of the thread's share nobody has taken.  Taking an item is one
 * compare-and-swap on a ticket, at first on one's own, then on those of others.  The leader goes on
 * only when all items are done, so while a ticket has items left the fields of the step are those
 * it was made with; a thread that comes late and reads the fields of the next step fails to take
 * its item, and looks again.
 *
 * Waiting is spinning for a moment and then sleeping.  Waking a thread costs tens of microseconds,
 * a look at a word a fraction of one; but a thread that spins takes its processor from others, so
 * the spinning is bounded, and a team with more members than processors does not spin at all.
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

/* A word that some threads change and others wait for. */
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

/* True when what a waiter waits for has come: the word is no longer (wanted false) or at last
 * (wanted true) value. */
static bool
gate_open(Gate *gate, unsigned value, bool wanted, memory_order order)
{
	return (atomic_load_explicit(&gate->word, order) == value) == wanted;
}

static void
gate_sleep(Gate *gate, unsigned value, bool wanted)
{
	pthread_mutex_lock(&gate->lock);
	atomic_fetch_add(&gate->sleepers, 1);
	while (!gate_open(gate, value, wanted, memory_order_seq_cst))
	{
		pthread_cond_wait(&gate->opened, &gate->lock);
		atomic_fetch_add(&gate->sleepers, 1); /* who woke it has counted it out */
	}
	atomic_fetch_sub(&gate->sleepers, 1);
	pthread_mutex_unlock(&gate->lock);
}

/* Waits until gate_open. */
static void
gate_wait(Gate *gate, unsigned value, bool wanted, int spin_us)
{
	int64_t end = 0;

	for (int i = 1; !gate_open(gate, value, wanted, memory_order_acquire); i++)
	{
		relax();
		if (i % SPIN_LOOKS != 0)
			continue;
		if (end == 0)
			end = now_ns() + (int64_t) spin_us * 1000;
		else if (now_ns() >= end)
		{
			gate_sleep(gate, value, wanted);
			return;
		}
	}
}

/* Wakes whoever sleeps, after the word was changed.  The word is changed before sleepers is read,
 * and a sleeper counts itself before it reads the word, all sequentially consistent: one of the two
 * sees the other.  Those that are woken count no more, so that changes that follow at once do not
 * wake them again. */
static void
gate_wake(Gate *gate)
{
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
	_Alignas(CACHE_LINE) _Atomic uint64_t ticket; /* step << 32 | items of its share to be taken */
	Team	 *team;
	int		  rank;
	pthread_t thread; /* the leader, rank 0, has none */
} Member;

struct Team
{
	Gate published;										 /* the number of the present step */
	Gate left;											 /* how many of its items are not done */
	_Alignas(CACHE_LINE) _Atomic(ItemFunction) function; /* NULL: the end */
	_Atomic(void *) argument;
	atomic_int		n_items;
	int				size, spin_us;
	bool			leader_bound; /* then leader_cpus is where it ran before */
	cpu_set_t		leader_cpus;
	Member			members[]; /* (size) */
};

/* Where the share of a rank begins. */
static int
share_begin(int n, int size, int rank)
{
	return (int) ((int64_t) n * rank / size);
}

/* Takes and does items of the share of rank owner; how many.  As long as one of them is not counted
 * in the team's gate "left", the step can't change. */
static unsigned
take_share(Team *team, int owner, int rank)
{
	_Atomic uint64_t *share = &team->members[owner].ticket;
	uint64_t		  ticket = atomic_load_explicit(share, memory_order_acquire);
	unsigned		  done = 0;

	while ((uint32_t) ticket > 0)
	{
		ItemFunction function = atomic_load_explicit(&team->function, memory_order_relaxed);
		void		*argument = atomic_load_explicit(&team->argument, memory_order_relaxed);
		int			 n = atomic_load_explicit(&team->n_items, memory_order_relaxed);

		if (!atomic_compare_exchange_weak_explicit(share, &ticket, ticket - 1, memory_order_acq_rel,
												   memory_order_acquire))
			continue;
		function(argument, share_begin(n, team->size, owner + 1) - (int) (uint32_t) ticket, rank);
		done++;
		ticket = atomic_load_explicit(share, memory_order_acquire);
	}
	return done;
}

/* One's own share, then what is left of others'. */
static void
take_items(Team *team, int rank)
{
	unsigned done = 0;

	for (int i = 0; i < team->size; i++)
		done += take_share(team, (rank + i) % team->size, rank);
	if (done > 0 && atomic_fetch_sub(&team->left.word, done) == done)
		gate_wake(&team->left);
}

static void *
member_main(void *argument)
{
	Member	*member = argument;
	Team	*team = member->team;
	unsigned step = 0;

	for (;;)
	{
		gate_wait(&team->published, step, false, team->spin_us);
		step = atomic_load_explicit(&team->published.word, memory_order_acquire);
		if (atomic_load_explicit(&team->function, memory_order_relaxed) == NULL)
			return NULL;
		take_items(team, member->rank);
	}
}

static void
publish(Team *team, ItemFunction function, void *argument, int n)
{
	unsigned step = atomic_load_explicit(&team->published.word, memory_order_relaxed) + 1;

	atomic_store_explicit(&team->function, function, memory_order_relaxed);
	atomic_store_explicit(&team->argument, argument, memory_order_relaxed);
	atomic_store_explicit(&team->n_items, n, memory_order_relaxed);
	atomic_store_explicit(&team->left.word, (unsigned) n, memory_order_relaxed);
	for (int rank = 0; rank < team->size; rank++)
	{
		int share = share_begin(n, team->size, rank + 1) - share_begin(n, team->size, rank);

		atomic_store_explicit(&team->members[rank].ticket, (uint64_t) step << 32 | (unsigned) share,
							  memory_order_release);
	}
	atomic_store(&team->published.word, step);
	gate_wake(&team->published);
}

void
crew_each(const Crew *crew, int n, ItemFunction function, void *argument)
{
	Team *team = crew->team;

	if (team == NULL || n <= 1)
	{
		for (int item = 0; item < n; item++)
			function(argument, item, 0);
		return;
	}
	publish(team, function, argument, n);
	take_items(team, 0);
	gate_wait(&team->left, 0, true, team->spin_us);
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
	gate_destroy(&team->left);
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
	gate_init(&team->left);
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

		member->team = team;
		member->rank = rank;
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
