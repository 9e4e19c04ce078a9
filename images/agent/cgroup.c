// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "log.h"
#include "system.h"

#define NAME "test"
/* A test can nest cgroups without limit; the recursion must not overflow the agent's stack. */
#define DEPTH_MAX 32

static void remove_tree(int parent, const char *name, int depth);

int cgroup_make(void)
{
	if (system_cgroup() < 0)
		return -1;
	if (mkdirat(system_cgroup(), NAME, 0755) < 0 && errno != EEXIST)
		warning("cgroup %s: %s", NAME, strerror(errno));
	return openat(system_cgroup(), NAME "/cgroup.procs", O_WRONLY | O_CLOEXEC);
}

void cgroup_kill(void)
{
	int fd;

	if (system_cgroup() < 0)
		return;
	fd = openat(system_cgroup(), NAME "/cgroup.kill", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) < 0)
		warning("cgroup.kill: %s", strerror(errno));
	close(fd);
}

void cgroup_remove(void)
{
	if (system_cgroup() >= 0)
		remove_tree(system_cgroup(), NAME, 0);
}

/* rmdir() removes the files of a cgroup with it, and fails only while there are child cgroups. */
static void remove_tree(int parent, const char *name, int depth)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || depth == DEPTH_MAX)
		return;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_tree(fd, entry->d_name, depth + 1);
	if (dir)
		closedir(dir);
	else
		close(fd);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
		warning("cgroup %s can't be removed: %s", name, strerror(errno));
}
