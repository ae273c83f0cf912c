/*
 * test_team.c: team, processors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/processors.h"
#include "base/team.h"

#define SIZES 4 /* teams of 1 .. SIZES, on any number of processors */

static void
pause_us(long us)
{
	struct timespec rest = {0, us * 1000};

	nanosleep(&rest, NULL);
}

static Team *
team_of(int size)
{
	Error error;
	Team *team = team_create(size, NULL, &error);

	if (team == NULL)
		fail_msg("%s", error.message);
	assert_int_equal(team_size(team), size);
	return team;
}

/* ---- together ---- */

typedef struct Relay
{
	int		   steps;
	int		   cells[SIZES][2]; /* what each rank wrote at an even and at an odd step */
	atomic_int wrong;
	bool	   late; /* ranks come to a meeting at different times */
} Relay;

/* Each rank writes a number, meets the others and reads all of theirs. */
static void
relay_run(void *argument, Crew *crew)
{
	Relay *relay = argument;

	for (int step = 0; step < relay->steps; step++)
	{
		relay->cells[crew->rank][step % 2] = step;
		if (relay->late && step % crew->size == crew->rank)
			pause_us(200);
		if (!crew_wait(crew))
			atomic_fetch_add(&relay->wrong, 1);
		for (int rank = 0; rank < crew->size; rank++)
			if (relay->cells[rank][step % 2] != step)
				atomic_fetch_add(&relay->wrong, 1);
	}
}

static void
meetings_order_memory(void **state)
{
	(void) state;
	for (int size = 1; size <= SIZES; size++)
	{
		Team *team = team_of(size);

		for (int late = 0; late < 2; late++)
		{
			Relay relay = {.steps = late ? 40 : 2000, .late = late};

			team_run(team, relay_run, &relay, NULL);
			assert_int_equal(atomic_load(&relay.wrong), 0);
		}
		team_destroy(team);
	}
}

typedef struct Stop
{
	atomic_bool cancel;
	int			cancel_at;		/* the step at which the last rank asks to stop */
	int			passed[SIZES];	/* meetings that returned true */
	int			threads[SIZES]; /* how often each rank ran */
} Stop;

static void
stop_run(void *argument, Crew *crew)
{
	Stop *stop = argument;

	stop->threads[crew->rank]++;
	for (int step = 0; step < 10000; step++)
	{
		if (crew->rank == crew->size - 1 && step == stop->cancel_at)
			atomic_store(&stop->cancel, true);
		if (!crew_wait(crew))
			return;
		stop->passed[crew->rank]++;
	}
}

static void
cancel_stops_all_at_the_same_meeting(void **state)
{
	(void) state;
	for (int size = 1; size <= SIZES; size++)
	{
		Team *team = team_of(size);

		for (int round = 0; round < 50; round++)
		{
			Stop stop = {.cancel_at = round * 3};

			team_run(team, stop_run, &stop, &stop.cancel);
			for (int rank = 0; rank < size; rank++)
			{
				assert_int_equal(stop.passed[rank], stop.passed[0]);
				assert_int_equal(stop.threads[rank], 1);
			}
			assert_in_range(stop.passed[0], stop.cancel_at, stop.cancel_at + 1);
		}
		team_destroy(team);
	}
}

static void
work_is_shared_without_gaps(void **state)
{
	(void) state;
	for (int size = 1; size <= 7; size++)
		for (int n = 0; n < 40; n++)
		{
			int next = 0;

			for (int rank = 0; rank < size; rank++)
			{
				Crew crew = {.rank = rank, .size = size};
				int	 begin, end;

				crew_share(&crew, n, &begin, &end);
				assert_int_equal(begin, next);
				assert_in_range(end - begin, n / size, n / size + 1);
				next = end;
			}
			assert_int_equal(next, n);
		}
}

/* ---- apart ---- */

typedef struct Pile
{
	atomic_int next;
	int		   taken[1000];
	atomic_int members, wrong;
	pthread_t  leader;
} Pile;

static void
pile_run(void *argument, Crew *crew, int member)
{
	Pile	*pile = argument;
	sigset_t blocked;
	int		 item;

	atomic_fetch_add(&pile->members, 1 << 8 * member);
	if (crew->rank != 0 || crew->size != 1 || !crew_wait(crew))
		atomic_fetch_add(&pile->wrong, 1);
	if ((member == 0) != (pthread_equal(pile->leader, pthread_self()) != 0))
		atomic_fetch_add(&pile->wrong, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	for (int signal = 1; signal < NSIG; signal++)
		if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33 &&
			sigismember(&blocked, signal) != (member > 0)) /* 32, 33: the C library's own */
			atomic_fetch_add(&pile->wrong, 1);
	while ((item = atomic_fetch_add(&pile->next, 1)) < 1000)
		pile->taken[item]++;
}

static void
members_work_apart_with_signals_blocked(void **state)
{
	(void) state;
	for (int size = 1; size <= SIZES; size++)
	{
		Team *team = team_of(size);

		for (int round = 0; round < 20; round++)
		{
			Pile pile = {.leader = pthread_self()};

			team_run_apart(team, pile_run, &pile, NULL);
			assert_int_equal(atomic_load(&pile.wrong), 0);
			assert_int_equal(atomic_load(&pile.members), 0x01010101 & ((1ll << 8 * size) - 1));
			for (int i = 0; i < 1000; i++)
				assert_int_equal(pile.taken[i], 1);
			if (round % 4 == 0)
				pause_us(300); /* members fall asleep between jobs */
		}
		team_destroy(team);
	}
}

static void
refuses_impossible_teams(void **state)
{
	Error error;
	int	  nowhere[] = {-1};
	(void) state;

	assert_null(team_create(0, NULL, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	assert_string_equal(error.message, "0 threads are not between 1 and 1024");
	assert_null(team_create(TEAM_MAX + 1, NULL, &error));
	assert_null(team_create(1, nowhere, &error));
	assert_int_equal(error.code, ERR_ARGUMENT);
	team_destroy(NULL);
}

static void
note_processor(void *argument, Crew *crew, int member)
{
	(void) crew;
	((int *) argument)[member] = sched_getcpu();
}

static void
members_are_bound(void **state)
{
	cpu_set_t before, after;
	int		  cpu = 0, cpus[2], seen[2];
	Error	  error;
	Team	 *team;
	(void) state;

	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	cpus[0] = cpus[1] = cpu;
	team = team_create(2, cpus, &error);
	assert_non_null(team);
	team_run_apart(team, note_processor, seen, NULL);
	assert_int_equal(seen[0], cpu);
	assert_int_equal(seen[1], cpu);
	team_destroy(team);
	assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

/* ---- processors ---- */

static char directory[] = "/tmp/test_team.XXXXXX";

static void
put(const char *name, const char *text)
{
	char  path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	for (char *slash = path + strlen(directory) + 1; (slash = strchr(slash, '/')) != NULL; slash++)
	{
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int
quota_of(const char *cgroups)
{
	char path[PATH_MAX];

	put("cgroups", cgroups);
	snprintf(path, sizeof path, "%s/cgroups", directory);
	return processors_quota(path, directory);
}

static void
quotas_of_cgroups_are_found(void **state)
{
	char command[PATH_MAX];
	(void) state;

	assert_non_null(mkdtemp(directory));
	put("a/cpu.max", "250000 100000\n");
	put("a/b/cpu.max", "max 100000\n");
	put("c/cpu.max", "100000 100000\n");
	put("c/d/cpu.max", "300000 100000\n");
	put("odd/cpu.max", "-5 x\n");
	put("empty/cpu.max", "");
	put("cpu/v1/cpu.cfs_quota_us", "150000\n");
	put("cpu/v1/cpu.cfs_period_us", "100000\n");
	put("cpu/free/cpu.cfs_quota_us", "-1\n");
	put("cpu/free/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota_of("0::/a\n"), 3);	/* rounded up */
	assert_int_equal(quota_of("0::/a/b\n"), 3); /* the parent's */
	assert_int_equal(quota_of("0::/c/d\n"), 1); /* the least */
	assert_int_equal(quota_of("0::/none/such\n"), INT_MAX);
	assert_int_equal(quota_of("0::/odd\n"), INT_MAX);
	assert_int_equal(quota_of("0::/empty\n"), INT_MAX);
	assert_int_equal(quota_of("7:memory:/a\n4:cpu,cpuacct:/v1\n"), 2);
	assert_int_equal(quota_of("4:cpuacct,cpu:/free\n3:cpuset:/v1\n"), INT_MAX);
	assert_int_equal(quota_of("4:cpuset:/v1\nmalformed\n:\n"), INT_MAX);
	assert_int_equal(quota_of(""), INT_MAX);
	put("cpu.max", "50000 100000\n"); /* a container sees its own cgroup as the root */
	assert_int_equal(quota_of("0::/\n"), 1);
	assert_int_equal(quota_of("0::/none/such\n"), 1);
	assert_int_equal(processors_quota("/nonexistent/cgroup", directory), INT_MAX);
	assert_in_range(processors_available(), 1, sysconf(_SC_NPROCESSORS_CONF));
	assert_in_range(team_default_size(), 1, TEAM_MAX);
	snprintf(command, sizeof command, "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meetings_order_memory),
		cmocka_unit_test(cancel_stops_all_at_the_same_meeting),
		cmocka_unit_test(work_is_shared_without_gaps),
		cmocka_unit_test(members_work_apart_with_signals_blocked),
		cmocka_unit_test(refuses_impossible_teams),
		cmocka_unit_test(members_are_bound),
		cmocka_unit_test(quotas_of_cgroups_are_found),
	};

	return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
