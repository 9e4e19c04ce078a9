/* SPDX-License-Identifier: GPL-2.0 */
/* Memory cgroups.  Functions return a value, or -errno. */
#ifndef GUEST_TESTS_CGROUP_H
#define GUEST_TESTS_CGROUP_H

#include "file.h"
#include "eventually.h"

#define CGROUP	"/sys/fs/cgroup"

/* Enable the memory controller for child groups; fails if the kernel has none. */
static inline int enable_memory_cgroups(void)
{
	return write_to(CGROUP "/cgroup.subtree_control", "+memory");
}

/* Create a group; replaces one that an earlier case may have left. */
static inline int new_cgroup(const char *group)
{
	rmdir(group);
	return or_errno(mkdir(group, 0755));
}

/* Wait until all memory charged to the group is freed; true if it was removed. */
static inline bool remove_cgroup(const char *group)
{
	return EVENTUALLY(!rmdir(group) || errno == ENOENT);
}

static inline int enter_cgroup(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	return write_to(path, "0");
}

/* The memory charged to the group, in bytes. */
static inline long cgroup_usage(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.current", group);
	return first_number_in(path);
}

/*
 * The kernel flushes its per-CPU statistics every two seconds.  A read of
 * memory.stat flushes only if many are pending; a read of cpu.stat always
 * flushes, those of memory too.
 */
static inline long cgroup_stat(const char *group, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/cpu.stat", group);
	if (number_in(path, "usage_usec") < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/memory.stat", group);
	return number_in(path, key);
}

static inline long cgroup_event(const char *group, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.events", group);
	return number_in(path, key);
}

#endif
