/*
 * processors.c: asks the scheduler, then the cgroups.
 */
#include "base/processors.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASK_MAX (1 << 20) /* processors in the longest affinity mask asked for */

/* The processors that this thread may run on. */
static int
affinity_count(void)
{
	for (int n = CPU_SETSIZE; n <= MASK_MAX; n *= 2)
	{
		cpu_set_t *cpus = CPU_ALLOC(n);
		size_t	   size = CPU_ALLOC_SIZE(n);
		int		   count = 0, failure = 0;

		if (cpus == NULL)
			return 1;
		if (sched_getaffinity(0, size, cpus) == 0)
			count = CPU_COUNT_S(size, cpus);
		else
			failure = errno;
		CPU_FREE(cpus);
		if (failure != EINVAL) /* EINVAL: the kernel's mask is longer */
			return count > 0 ? count : 1;
	}
	return 1;
}

/* Reads up to room numbers from a one-line file; "max" reads as -1.  Returns how many there were.
 */
static int
read_numbers(const char *path, long *numbers, int room)
{
	char  line[128];
	char *at = line;
	FILE *file = fopen(path, "r");
	int	  n = 0;

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof line, file) == NULL)
		line[0] = '\0';
	fclose(file);
	while (n < room)
	{
		char *end;

		while (isspace((unsigned char) *at))
			at++;
		if (strncmp(at, "max", 3) == 0)
		{
			numbers[n] = -1;
			end = at + 3;
		}
		else
			numbers[n] = strtol(at, &end, 10);
		if (end == at)
			break;
		at = end;
		n++;
	}
	return n;
}

/* The quota of one cgroup directory in processors, rounded up, or INT_MAX without one. */
static int
directory_quota(const char *directory, bool v2)
{
	char path[PATH_MAX + 32];
	long quota[2] = {-1, -1};

	if (v2)
	{
		snprintf(path, sizeof path, "%s/cpu.max", directory);
		if (read_numbers(path, quota, 2) < 2)
			return INT_MAX;
	}
	else
	{
		snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", directory);
		if (read_numbers(path, &quota[0], 1) < 1)
			return INT_MAX;
		snprintf(path, sizeof path, "%s/cpu.cfs_period_us", directory);
		if (read_numbers(path, &quota[1], 1) < 1)
			return INT_MAX;
	}
	if (quota[0] <= 0 || quota[1] <= 0 || quota[0] / quota[1] >= INT_MAX - 1)
		return INT_MAX;
	return (int) (quota[0] / quota[1] + (quota[0] % quota[1] != 0));
}

/* The least quota of a cgroup and its ancestors under a hierarchy's mount point. */
static int
hierarchy_quota(const char *mount, const char *group, bool v2)
{
	char   path[PATH_MAX];
	size_t root = strlen(mount);
	int	   least = INT_MAX;

	if (snprintf(path, sizeof path, "%s%s", mount, group) >= (int) sizeof path)
		return INT_MAX;
	for (;;)
	{
		char *slash;
		int	  quota = directory_quota(path, v2);

		if (quota < least)
			least = quota;
		slash = strrchr(path + root, '/');
		if (slash == NULL)
			return least;
		*slash = '\0';
	}
}

/* True when a comma-separated list has an item. */
static bool
list_has(const char *list, const char *item)
{
	size_t length = strlen(item);

	for (const char *at = list; (at = strstr(at, item)) != NULL; at += length)
		if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
			return true;
	return false;
}

int
processors_quota(const char *cgroups, const char *root)
{
	char  line[PATH_MAX + 64];
	FILE *file = fopen(cgroups, "r");
	int	  least = INT_MAX;

	if (file == NULL)
		return INT_MAX;
	while (fgets(line, sizeof line, file) != NULL) /* id:controllers:path, v2 without controllers */
	{
		char  mount[PATH_MAX];
		char *controllers = strchr(line, ':');
		char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		bool  v2;
		int	  quota;

		if (group == NULL)
			continue;
		controllers++;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		v2 = controllers[0] == '\0';
		if (!v2 && !list_has(controllers, "cpu"))
			continue;
		snprintf(mount, sizeof mount, v2 ? "%s" : "%s/cpu", root);
		quota = hierarchy_quota(mount, group, v2);
		if (quota < least)
			least = quota;
	}
	fclose(file);
	return least;
}

int
processors_available(void)
{
	int affinity = affinity_count();
	int quota = processors_quota("/proc/self/cgroup", "/sys/fs/cgroup");

	return quota < affinity ? quota : affinity;
}
