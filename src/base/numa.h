/*
 * numa.h: the memory nodes of the machine and their processors, as Linux tells them under NUMA_ROOT.
 */
#ifndef BASE_NUMA_H
#define BASE_NUMA_H

#define NUMA_ROOT "/sys/devices/system/node"

/* The numbers of the nodes that have a processor this thread may run on, ascending, at most room of them.
 * Returns how many; 0 where the system tells nothing. */
extern int numa_nodes(const char *root, int *nodes, int room);

/* The processors of a node that this thread may run on, ascending, at most room.  Returns how many. */
extern int numa_processors(const char *root, int node, int *processors, int room);

#endif
