/*
 * test_numa.c: NUMA nodes as the system's folder tells them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/numa.h"

static char root[] = "/tmp/pg_infer_numa.XXXXXX";

static void
write_list(const char *name, const char *list)
{
	char  path[256];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(list, file);
	fclose(file);
}

static void
remove_file(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", root, name);
	remove(path);
}

static int
make_root(void **state)
{
	char path[256];

	if (mkdtemp(root) == NULL)
		return -1;
	for (int node = 0; node < 3; node++)
	{
		snprintf(path, sizeof path, "%s/node%d", root, node);
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	return 0;
}

static int
remove_root(void **state)
{
	remove_file("online");
	for (int node = 0; node < 3; node++)
	{
		char name[32];

		snprintf(name, sizeof name, "node%d/cpulist", node);
		remove_file(name);
		snprintf(name, sizeof name, "node%d", node);
		remove_file(name);
	}
	return rmdir(root);
}

/* The first processors that this process may run on. */
static int
allowed(int *processors, int room)
{
	cpu_set_t mask;
	int		  n = 0;

	assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
	for (int i = 0; i < CPU_SETSIZE && n < room; i++)
		if (CPU_ISSET(i, &mask))
			processors[n++] = i;
	return n;
}

static void
nodes_without_processors_do_not_count(void **state)
{
	int	 first, nodes[8], processors[8];
	char list[64];

	assert_int_equal(allowed(&first, 1), 1);
	snprintf(list, sizeof list, "%d\n", first);
	write_list("online", "0-2\n");
	write_list("node0/cpulist", "\n"); /* memory only */
	write_list("node1/cpulist", list);
	write_list("node2/cpulist", "1023\n"); /* not ours */
	assert_int_equal(numa_nodes(root, nodes, 8), 1);
	assert_int_equal(nodes[0], 1);
	assert_int_equal(numa_processors(root, 1, processors, 8), 1);
	assert_int_equal(processors[0], first);
	assert_int_equal(numa_processors(root, 0, processors, 8), 0);
	assert_int_equal(numa_processors(root, 7, processors, 8), 0);
}

static void
lists_have_ranges(void **state)
{
	int ours[64], n = allowed(ours, 64), processors[64], nodes[8];

	write_list("online", "0,2\n");
	write_list("node0/cpulist", "0-1023\n");
	write_list("node2/cpulist", "0-3,5,7-1023\n");
	assert_int_equal(numa_processors(root, 0, processors, 64), n);
	for (int i = 0; i < n; i++)
		assert_int_equal(processors[i], ours[i]);
	assert_int_equal(numa_processors(root, 0, processors, 1), 1);
	assert_int_equal(numa_nodes(root, nodes, 8), 2);
	assert_int_equal(nodes[1], 2);
	assert_int_equal(numa_nodes(root, nodes, 1), 1);
}

static void
odd_lists_end_early(void **state)
{
	static const char *const lists[] = {"",
										"\n",
										"x",
										"-3",
										"0-",
										",",
										"0,x",
										"5-2",
										"99999999999999999999",
										"1-99999999999999999999"};
	int						 processors[2048];

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
	{
		write_list("node0/cpulist", lists[i]);
		assert_in_range(numa_processors(root, 0, processors, 2048), 0, CPU_SETSIZE);
	}
	assert_int_equal(numa_processors(root, 0, processors, 0), 0);
}

static void
no_folder_is_no_node(void **state)
{
	int nodes[8];

	assert_int_equal(numa_nodes("/nonexistent", nodes, 8), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_without_processors_do_not_count),
		cmocka_unit_test(lists_have_ranges),
		cmocka_unit_test(odd_lists_end_early),
		cmocka_unit_test(no_folder_is_no_node),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
