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

/* ---- steps ---- */

#define ITEMS 300

typedef struct Relay
{
	int cells[2][ITEMS]; /* what this step's items write, and what those of the step before wrote */
	int step, n;
	bool	   late; /* some items take long */
	atomic_int done[ITEMS], busy[SIZES], wrong;
} Relay;

/* Writes a number that the items of the next step read. */
static void
relay_item(void *argument, int item, int rank)
{
	Relay *relay = argument;

	if (rank < 0 || rank >= SIZES || atomic_fetch_add(&relay->busy[rank], 1) != 0)
		atomic_fetch_add(&relay->wrong, 1);
	if (item < 0 || item >= relay->n || atomic_fetch_add(&relay->done[item], 1) != 0)
		atomic_fetch_add(&relay->wrong, 1);
	for (int i = 0; relay->step > 0 && i < ITEMS; i += 37)
		if (relay->cells[(relay->step + 1) % 2][i] != relay->step - 1)
			atomic_fetch_add(&relay->wrong, 1);
	relay->cells[relay->step % 2][item] = relay->step;
	if (relay->late && item % 7 == relay->step % 7)
		pause_us(70);
	atomic_fetch_sub(&relay->busy[rank], 1);
}

static void
every_item_is_done_once_and_seen_by_the_next_step(void **state)
{
	(void) state;
	for (int size = 1; size <= SIZES; size++)
	{
		Team *team = team_of(size);
		Crew  crew = crew_of_team(team, NULL);

		for (int late = 0; late < 2; late++)
		{
			Relay relay = {.late = late, .n = ITEMS};

			for (relay.step = 0; relay.step < (late ? 20 : 2000); relay.step++)
			{
				crew_each(&crew, ITEMS, relay_item, &relay);
				for (int i = 0; i < ITEMS; i++)
					if (atomic_exchange(&relay.done[i], 0) != 1)
						fail_msg("item %d of step %d was not done once", i, relay.step);
				if (relay.step % 50 == 7)
					pause_us(150); /* members fall asleep */
			}
			assert_int_equal(atomic_load(&relay.wrong), 0);
		}
		team_destroy(team);
	}
}

/* Steps of few items follow each other so fast that members come late to most. */
static void
steps_of_any_size_follow_each_other(void **state)
{
	(void) state;
	for (int size = 1; size <= SIZES; size++)
	{
		Team *team = team_of(size);
		Crew  crew = crew_of_team(team, NULL);
		Relay relay = {.step = 0};

		for (int round = 0; round < 20000; round++)
		{
			relay.n = round % 6;
			crew_each(&crew, relay.n, relay_item, &relay);
			for (int i = 0; i < relay.n; i++)
				if (atomic_exchange(&relay.done[i], 0) != 1)
					fail_msg("item %d of round %d was not done once", i, round);
		}
		assert_int_equal(atomic_load(&relay.wrong), 0);
		team_destroy(team);
	}
}

/* One member is kept from working; the others must get everything done. */
typedef struct Slow
{
	atomic_bool held; /* somebody holds the slow item */
	atomic_bool release;
	atomic_int	others;
} Slow;

static void
slow_item(void *argument, int item, int rank)
{
	Slow *slow = argument;

	(void) rank;
	if (item == 0)
	{
		atomic_store(&slow->held, true);
		while (!atomic_load(&slow->release))
			pause_us(50);
	}
	else if (atomic_fetch_add(&slow->others, 1) + 1 == 99)
		atomic_store(&slow->release, true);
}

static void
others_take_the_items_of_a_slow_thread(void **state)
{
	(void) state;
	for (int size = 2; size <= SIZES; size++)
	{
		Team *team = team_of(size);
		Crew  crew = crew_of_team(team, NULL);
		Slow  slow = {.held = false};

		crew_each(&crew, 100, slow_item, &slow);
		assert_true(atomic_load(&slow.held));
		assert_int_equal(atomic_load(&slow.others), 99);
		team_destroy(team);
	}
}

static void
signals_item(void *argument, int item, int rank)
{
	atomic_int *wrong = argument;
	sigset_t	blocked;

	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	for (int signal = 1; signal < NSIG; signal++)
		if (signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33 &&
			sigismember(&blocked, signal) != (rank > 0)) /* 32, 33: the C library's own */
			atomic_fetch_add(wrong, 1);
	if (item % 2)
		pause_us(100);
}

static void
members_block_all_signals(void **state)
{
	atomic_int wrong = 0;
	Team	  *team = team_of(2);
	Crew	   crew = crew_of_team(team, NULL);
	(void) state;

	crew_each(&crew, 40, signals_item, &wrong);
	assert_int_equal(atomic_load(&wrong), 0);
	team_destroy(team);
}

static void
crews_can_be_cancelled(void **state)
{
	atomic_bool cancel = false;
	Crew		crew = crew_alone(&cancel);
	(void) state;

	assert_int_equal(crew.size, 1);
	assert_false(crew_cancelled(&crew));
	atomic_store(&cancel, true);
	assert_true(crew_cancelled(&crew));
	crew = crew_alone(NULL);
	assert_false(crew_cancelled(&crew));
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
note_processor(void *argument, int item, int rank)
{
	(void) item;
	((int *) argument)[rank] = sched_getcpu();
	pause_us(50);
}

static void
members_are_bound(void **state)
{
	cpu_set_t before, after;
	int		  cpu = 0, cpus[2], seen[2];
	Error	  error;
	Team	 *team;
	Crew	  crew;
	(void) state;

	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	cpus[0] = cpus[1] = seen[0] = seen[1] = cpu;
	team = team_create(2, cpus, &error);
	assert_non_null(team);
	crew = crew_of_team(team, NULL);
	crew_each(&crew, 20, note_processor, seen);
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

/* ---- waking ---- */

static void
no_work(void *argument, int item, int rank)
{
}

static void
busy_ns(long ns)
{
	struct timespec now, start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < ns);
}

/* More threads than processors, which go to sleep at once, and steps so near to each other that the waking of one
 * meets the falling asleep of the next.  Who misses its waking would keep team_destroy waiting: then the alarm
 * ends the test. */
static void
no_waking_is_lost(void **state)
{
	unsigned seed = 1;
	int		 size = team_default_size() + 2;

	alarm(120);
	for (int round = 0; round < 40 && size <= TEAM_MAX; round++)
	{
		Team *team = team_of(size);
		Crew  crew = crew_of_team(team, NULL);

		for (int step = 0; step < 2000; step++)
		{
			crew_each(&crew, size, no_work, NULL);
			busy_ns(rand_r(&seed) % 30000);
		}
		team_destroy(team);
	}
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_is_done_once_and_seen_by_the_next_step),
		cmocka_unit_test(steps_of_any_size_follow_each_other),
		cmocka_unit_test(others_take_the_items_of_a_slow_thread),
		cmocka_unit_test(no_waking_is_lost),
		cmocka_unit_test(members_block_all_signals),
		cmocka_unit_test(crews_can_be_cancelled),
		cmocka_unit_test(refuses_impossible_teams),
		cmocka_unit_test(members_are_bound),
		cmocka_unit_test(quotas_of_cgroups_are_found),
	};

	return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
