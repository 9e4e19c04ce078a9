// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "settle.h"

#define STACK_SIZE 65536

/* Opened before the first test, which may unmount them; -1 if this kernel lacks them. */
static int rcu_barrier = -1, stat_refresh = -1;
/* The loop requests a wait with one byte, and the thread answers with one byte. */
static int requests[2] = { -1, -1 }, answers[2] = { -1, -1 };
/* The number of requests without an answer. */
static unsigned int pending;

enum { CALLBACKS = 'c', WORK = 'w' };

static int start_thread(void);
static void *wait_for_kernel(void *unused);
static void start_wait(char what);

void settle_prepare(void)
{
	int error;

	rcu_barrier = open("/sys/module/rcutree/parameters/do_rcu_barrier", O_WRONLY | O_CLOEXEC);
	stat_refresh = open("/proc/sys/vm/stat_refresh", O_RDONLY | O_CLOEXEC);
	if (rcu_barrier < 0 && stat_refresh < 0)
		return;
	error = start_thread();
	if (error == 0)
		return;
	warning("can't start the thread that waits for the kernel: %s", strerror(error));
	rcu_barrier = stat_refresh = -1;
}

/* Returns 0 or an errno. The thread blocks all signals: the loop handles them. */
static int start_thread(void)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (pipe2(requests, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
		return errno;
	fcntl(answers[0], F_SETFL, O_NONBLOCK);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, wait_for_kernel, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}

static void *wait_for_kernel(void *unused)
{
	char what, none;

	while (read(requests[0], &what, 1) == 1) {
		if (what == CALLBACKS && pwrite(rcu_barrier, "1", 1, 0) < 0)
			warning("rcu_barrier: %s", strerror(errno));
		/*
		 * A read of stat_refresh queues a work item on each CPU and waits for it,
		 * and so for all work that was queued before it. The second read is for
		 * delayed work: once a CPU has run the first work item, it has also
		 * handled the timers that were due, which queue delayed work behind it.
		 */
		for (int i = 0; what == WORK && i < 2; i++)
			if (pread(stat_refresh, &none, 1, 0) < 0)
				warning("stat_refresh: %s", strerror(errno));
		if (write(answers[1], &what, 1) < 0)
			break;
	}
	return unused;
}

void settle_start_rcu(void)
{
	if (rcu_barrier >= 0)
		start_wait(CALLBACKS);
}

void settle_start_work(void)
{
	if (stat_refresh >= 0)
		start_wait(WORK);
}

static void start_wait(char what)
{
	if (write(requests[1], &what, 1) == 1)
		pending++;
}

bool settle_is_pending(void)
{
	char what;

	while (pending > 0 && read(answers[0], &what, 1) == 1)
		pending--;
	return pending > 0;
}

struct pollfd settle_poll(void)
{
	return (struct pollfd){ .fd = pending > 0 ? answers[0] : -1, .events = POLLIN };
}
