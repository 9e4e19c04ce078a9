// SPDX-License-Identifier: MIT
#ifndef CGROUP_H
#define CGROUP_H

/* The running test's cgroup, /sys/fs/cgroup/test. A kernel without cgroups runs
 * tests all the same: everything here does nothing then. */

/* Makes it; returns its cgroup.procs, which a process joins by writing "0", or -1. */
int cgroup_make(void);

/* Kills all that is in it or below it. */
void cgroup_kill(void);

/* Removes it with what the test made below it. */
void cgroup_remove(void);

#endif
