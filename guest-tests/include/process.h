/* SPDX-License-Identifier: GPL-2.0 */
/* Other processes, and processors. */
#ifndef GUEST_TESTS_PROCESS_H
#define GUEST_TESTS_PROCESS_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The user that a test becomes. */
#define USER	1000

/* What each child does first: it dies with its parent, and by its limit. */
static inline void be_a_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
}

/* Wait for a child: its exit code, or 256 and the signal. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

/* Evaluate something in a child: its value from 0 to 255, or 256 + signal. */
#define CHILD(expression) ({						\
	pid_t _pid = fork();						\
	if (!_pid) {							\
		be_a_child();						\
		_exit(expression);					\
	}								\
	reap(_pid);							\
})

/* Evaluate something in a child that is USER. */
#define CHILD_AS_USER(expression)					\
	CHILD(setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ? \
	      99 : (expression))

/* Become USER for one expression; root again afterwards. */
#define AS_USER(expression) ({						\
	long _result;							\
	if (setegid(USER) || seteuid(USER))				\
		abort();						\
	_result = (expression);						\
	if (seteuid(0) || setegid(0))					\
		abort();						\
	_result;							\
})

/* Page faults of this process that read nothing from a disk. */
static inline long faults_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Run on one processor only, from now on. */
static inline int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

#endif
