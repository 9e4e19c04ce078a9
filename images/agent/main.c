// SPDX-License-Identifier: MIT
/*
 * The guest agent: PID 1 of a Kiln guest. It sets the system up, then runs
 * one test at a time for the host, or a shell. docs/protocol.md describes the
 * protocol.
 *
 * The agent is one ppoll() loop, and nothing in it blocks. Waits for the kernel
 * that have no bound run in a thread (settle.c). Each iteration tries every step,
 * whatever the event was; a step that has nothing to do costs at most one system call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "commands.h"
#include "control.h"
#include "kiln_request.h"
#include "kmsg.h"
#include "log.h"
#include "ports.h"
#include "settle.h"
#include "shell.h"
#include "system.h"
#include "test.h"
#include "transfer.h"

/* The loop reaps at most this many children per iteration, so that a fork bomb can't stall it. */
#define REAP_AT_ONCE 1000

/* The value of the test's request (kiln_request.h); 0 if there is none. And who sent it. */
static volatile sig_atomic_t request, requester;

static void set_up_signals(void);
static void handle_request(void);
static void set_realtime_priority(void);
static bool reap_children(void);
static void wait_for_events(bool again);
static int milliseconds_until(uint64_t when);

int main(void)
{
	set_up_signals();
	set_realtime_priority();
	system_set_up();
	shell_prepare();
	if (system_option("kiln.mode", "shell"))
		shell_run();

	ports_open();
	/* The log is held back until the host knows that another kernel runs. */
	if (system_generation() > 0)
		kmsg_pause();
	settle_prepare();
	test_prepare();
	send_hello();

	for (;;) {
		ports_flush();
		bool again = reap_children();

		handle_request();
		commands_handle();
		kmsg_forward();
		test_forward_output();
		test_step();
		control_tick();
		ports_flush();
		wait_for_events(again);
	}
}

static void on_sigchld(int signal)
{
	(void)signal;
}

static void on_request_signal(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (info->si_code != SI_QUEUE)
		return;
	request = info->si_value.sival_int;
	requester = info->si_pid;
}

/*
 * The kernel ignores signals to PID 1 that have no handler. So only SIGCHLD, which
 * wakes ppoll(), and the request signal need one. Both are blocked outside ppoll(),
 * so that none is lost between the last look for work and the sleep.
 */
static void set_up_signals(void)
{
	struct sigaction on_child = { .sa_handler = on_sigchld };
	struct sigaction on_request = { .sa_sigaction = on_request_signal, .sa_flags = SA_SIGINFO };
	sigset_t ours;

	sigaction(SIGCHLD, &on_child, NULL);
	sigaction(KILN_REQUEST_SIGNAL, &on_request, NULL);
	sigemptyset(&ours);
	sigaddset(&ours, SIGCHLD);
	sigaddset(&ours, KILN_REQUEST_SIGNAL);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	catch_faults();
}

static void handle_request(void)
{
	if (request & KILN_REQUEST_READY)
		test_ready(requester);
	else if (request)
		test_leave(request & KILN_REQUEST_REBOOT ? "reboot" : "kexec", request & KILN_REQUEST_GENERATION);
	request = 0;
}

/*
 * The agent must be able to end a test that uses all CPU time, with real-time
 * priority or with thousands of processes. SCHED_RESET_ON_FORK gives children
 * the default policy. A test that spins at the same priority on every CPU still
 * starves the agent; then the host's deadline ends the guest.
 */
static void set_realtime_priority(void)
{
	struct sched_param highest = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &highest) < 0)
		warning("no real-time priority: %s", strerror(errno));
}

/* Returns true if it reached its limit, so that there may be more children to reap. */
static bool reap_children(void)
{
	int status;

	for (int i = 0; i < REAP_AT_ONCE; i++) {
		pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

		if (pid <= 0) {
			if (pid < 0 && errno == ECHILD)
				test_all_reaped();
			return false;
		}
		if (test_reaped(pid, status))
			continue;
		shell_reaped(pid);
		transfer_reaped(pid, status);
	}
	return true;
}

static void wait_for_events(bool again)
{
	struct pollfd fds[] = {
		port_poll(&control_port, commands_can_receive() ? POLLIN : 0),
		port_poll(&ktap_port, 0),
		port_poll(&kmsg_port, 0),
		kmsg_poll(),
		test_poll(),
		settle_poll(),
	};
	const int count = sizeof(fds) / sizeof(fds[0]);
	uint64_t when = earlier(control_next_tick(), earlier(test_deadline(), ports_next_retry()));
	struct timespec timeout = { 0 };
	sigset_t none;
	int ms;

	ms = again ? 0 : milliseconds_until(when);
	timeout.tv_sec = ms / 1000;
	timeout.tv_nsec = ms % 1000 * 1000000L;

	sigemptyset(&none);
	if (ppoll(fds, count, &timeout, &none) < 0) {
		if (errno != EINTR)
			fatal("ppoll: %s", strerror(errno));
		return;
	}
	port_handle_events(&control_port, fds[0].revents);
	port_handle_events(&ktap_port, fds[1].revents);
	port_handle_events(&kmsg_port, fds[2].revents);
}

static int milliseconds_until(uint64_t when)
{
	uint64_t now = now_ms();

	return when > now ? (int)(when - now) : 0;
}
