// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../agent/kiln_request.h"
#include "bail_out.h"
#include "kiln.h"

static int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			count++;
	if (dir)
		closedir(dir);
	return count;
}

/* Asks PID 1, and returns when it has answered. */
static void ask(void)
{
	sigset_t answer, before;
	siginfo_t info;
	int signal;

	sigemptyset(&answer);
	sigaddset(&answer, KILN_REQUEST_SIGNAL);
	/* Blocked, the answer stays pending if it comes before sigwaitinfo(). */
	sigprocmask(SIG_BLOCK, &answer, &before);
	if (sigqueue(1, KILN_REQUEST_SIGNAL, (union sigval){ .sival_int = KILN_REQUEST_READY }) < 0)
		bail_out("kiln_ready(): the agent can't be asked: %s", strerror(errno));
	do
		signal = sigwaitinfo(&answer, &info);
	while (signal != KILN_REQUEST_SIGNAL || info.si_code != SI_QUEUE || info.si_pid != 1);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Puts the words of `text`, each with a NUL behind it, in place of all arguments but argv[0]. */
static void replace(int *argc, char ***argv, char *text, size_t length)
{
	int count = 1;
	char **words;

	for (size_t i = 0; i < length; i++)
		count += text[i] == '\0';
	words = calloc((size_t)count + 1, sizeof(*words));
	if (!words)
		bail_out("kiln_ready(): no memory for the arguments");
	words[0] = (*argv)[0];
	for (int i = 1; i < count; i++) {
		words[i] = text;
		text += strlen(text) + 1;
	}
	*argc = count;
	*argv = words;
}

void kiln_ready(int *argc, char ***argv)
{
	static bool was_called;
	struct stat status;
	char *text;
	int fd;

	/* The agent sets it. */
	if (!getenv("KILN_GENERATION"))
		return;
	if (was_called)
		bail_out("kiln_ready() was called for a second time");
	was_called = true;
	if (getppid() != 1)
		bail_out("kiln_ready() is for the test's own process, not for a child of it");
	if (count_threads() != 1)
		bail_out("kiln_ready() needs a program with one thread; this one has %d", count_threads());
	fd = open(KILN_READY_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bail_out("kiln_ready(): %s: %s", KILN_READY_FILE, strerror(errno));
	fflush(NULL);
	ask();
	if (fstat(fd, &status) < 0 || !(text = malloc((size_t)status.st_size + 1)))
		bail_out("kiln_ready(): %s: %s", KILN_READY_FILE, strerror(errno));
	if (read(fd, text, (size_t)status.st_size) != status.st_size)
		bail_out("kiln_ready(): %s can't be read", KILN_READY_FILE);
	close(fd);
	text[status.st_size] = '\0';
	/* The words belong to the program from now on, as argv does. */
	if (strcmp(text, KILN_READY_REPLACE) == 0)
		replace(argc, argv, text + sizeof(KILN_READY_REPLACE),
			(size_t)status.st_size - sizeof(KILN_READY_REPLACE));
	else
		free(text);
}
