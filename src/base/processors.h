/*
 * processors.h: how many processors this process may use.
 */
#ifndef BASE_PROCESSORS_H
#define BASE_PROCESSORS_H

/* The affinity mask, bounded by the cgroup's quota (v1 and v2, rounded up); at least 1. */
extern int processors_available(void);

/* What the cgroups named in a file like /proc/self/cgroup may use, with their hierarchies mounted
 * under root (v1's in root/cpu), rounded up; INT_MAX: no limit. */
extern int processors_quota(const char *cgroups, const char *root);

#endif
