// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "processes.h"
#include "system.h"

/* From include/linux/sched.h; field 9 of /proc/PID/stat shows it. */
#define PF_KTHREAD 0x00200000u

static bool is_live_user_process(int proc, const char *pid);

unsigned int processes_count(pid_t except)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *all = NULL;
	int fd;

	if (system_proc() < 0)
		return 0;
	fd = openat(system_proc(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		all = fdopendir(fd);
	while (all && count < PROCESSES_COUNTED && (entry = readdir(all))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (atoi(entry->d_name) == 1 || atoi(entry->d_name) == except)
			continue;
		count += is_live_user_process(fd, entry->d_name);
	}
	if (all)
		closedir(all);
	return count;
}

static bool is_live_user_process(int proc, const char *pid)
{
	char path[300], stat[512];
	const char *name_end;
	unsigned int flags;
	ssize_t length;
	char state;
	int fd;

	snprintf(path, sizeof(path), "%s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (length <= 0)
		return false;
	stat[length] = '\0';
	/* The name of a process may contain ")", but no later field does. */
	name_end = strrchr(stat, ')');
	if (!name_end || sscanf(name_end, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	return state != 'Z' && state != 'X' && !(flags & PF_KTHREAD);
}

/*
 * Every process except PID 1 and kernel threads belongs to the test, even if it
 * has left the test's cgroup, session or pid namespace. No process escapes by
 * fork(), because the kernel signals all of them under the lock that fork() takes.
 */
void processes_kill(void)
{
	kill(-1, SIGKILL);
}
