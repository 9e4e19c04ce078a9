/* SPDX-License-Identifier: GPL-2.0 */
/* Child processes, users and CPUs. */
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

/* Each child calls this first: it is killed with its parent, or at its time limit. */
static inline void be_a_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGALRM, SIG_DFL);
}

/* Wait for a child.  Returns its exit code, or 256 + signal. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

/* Evaluate an expression in a child.  Returns its value, 0 to 255, or 256 + signal. */
#define CHILD(expression) ({						\
	pid_t _pid = fork();						\
	if (!_pid) {							\
		be_a_child();						\
		_exit(expression);					\
	}								\
	reap(_pid);							\
})

/* Evaluate an expression in a child that runs as USER. */
#define CHILD_AS_USER(expression)					\
	CHILD(setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ? \
	      99 : (expression))

/* Evaluate an expression as USER, then become root again. */
#define AS_USER(expression) ({						\
	long _result;							\
	if (setegid(USER) || seteuid(USER))				\
		abort();						\
	_result = (expression);						\
	if (seteuid(0) || setegid(0))					\
		abort();						\
	_result;							\
})

/* The minor page faults of this process. */
static inline long faults_so_far(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Bind this thread to one CPU. */
static inline int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

#endif
