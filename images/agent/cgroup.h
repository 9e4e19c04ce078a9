// SPDX-License-Identifier: MIT
#ifndef CGROUP_H
#define CGROUP_H

/* The cgroup of the running test, /sys/fs/cgroup/test. On a kernel without cgroups
 * these functions do nothing, and tests run without one. */

/* Creates the cgroup. Returns its cgroup.procs, which a process enters by writing
 * "0", or -1. */
int cgroup_make(void);

/* Kills all processes in the cgroup and its descendants. */
void cgroup_kill(void);

/* Removes the cgroup and all cgroups that the test created below it. */
void cgroup_remove(void);

#endif
