/* SPDX-License-Identifier: GPL-2.0 */
/* Memory cgroups.  Functions return a value, or -errno. */
#ifndef GUEST_TESTS_CGROUP_H
#define GUEST_TESTS_CGROUP_H

#include "file.h"
#include "eventually.h"

#define CGROUP	"/sys/fs/cgroup"

/* Let groups have memory controllers; an error if the kernel has none. */
static inline int enable_memory_cgroups(void)
{
	return write_to(CGROUP "/cgroup.subtree_control", "+memory");
}

/* Create a group, in place of one that an earlier case may have left. */
static inline int new_cgroup(const char *group)
{
	rmdir(group);
	return or_errno(mkdir(group, 0755));
}

/* Once all that was charged to it is given back; true if it is gone. */
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

/* In bytes. */
static inline long cgroup_usage(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.current", group);
	return first_number_in(path);
}

/*
 * The kernel brings its per-CPU numbers together every two seconds, and when
 * memory.stat is read only if there are many of them; for cpu.stat it always
 * does, for those of memory too.
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
