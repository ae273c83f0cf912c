/*
 * numa.c: reads "online" and "node<n>/cpulist", lists like "0-3,8,10-11".
 */
#include "base/numa.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX (CPU_SETSIZE - 1) /* of a node or processor */

/* Calls take(number) for each number of the list in a file, ascending, until it says false. */
static void
read_list(const char *path, bool (*take)(void *argument, int number), void *argument)
{
	char		line[4096];
	const char *at = line;
	FILE	   *file = fopen(path, "r");
	bool		more = file != NULL && fgets(line, sizeof line, file) != NULL;

	if (file != NULL)
		fclose(file);
	while (more)
	{
		char *end;
		long  first = strtol(at, &end, 10), last = first;

		if (end == at || first < 0)
			return;
		if (*end == '-')
		{
			at = end + 1;
			last = strtol(at, &end, 10);
			if (end == at)
				return;
		}
		for (long number = first; more && number <= last && number <= NUMBER_MAX; number++)
			more = take(argument, (int) number);
		if (*end != ',')
			return;
		at = end + 1;
	}
}

typedef struct Numbers
{
	const char *root;
	int		   *out;
	int			n, room;
	cpu_set_t	allowed;
} Numbers;

static bool
take_processor(void *argument, int processor)
{
	Numbers *numbers = argument;

	if (CPU_ISSET(processor, &numbers->allowed))
		numbers->out[numbers->n++] = processor;
	return numbers->n < numbers->room;
}

int
numa_processors(const char *root, int node, int *processors, int room)
{
	char	path[PATH_MAX];
	Numbers numbers = {.root = root, .out = processors, .room = room};

	snprintf(path, sizeof path, "%s/node%d/cpulist", root, node);
	if (room > 0 && sched_getaffinity(0, sizeof numbers.allowed, &numbers.allowed) == 0)
		read_list(path, take_processor, &numbers);
	return numbers.n;
}

static bool
take_node(void *argument, int node)
{
	Numbers *numbers = argument;
	int		 processor;

	if (numa_processors(numbers->root, node, &processor, 1) > 0)
		numbers->out[numbers->n++] = node;
	return numbers->n < numbers->room;
}

int
numa_nodes(const char *root, int *nodes, int room)
{
	char	path[PATH_MAX];
	Numbers numbers = {.root = root, .out = nodes, .room = room};

	snprintf(path, sizeof path, "%s/online", root);
	if (room > 0)
		read_list(path, take_node, &numbers);
	return numbers.n;
}
