// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "clock.h"
#include "kmsg.h"
#include "log.h"

#define DRAIN_MS 2000

static void print_on_console(const char *kind, const char *text);
static void drain_console(void);

void warning(const char *format, ...)
{
	char text[512];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	kmsg_write(KMSG_WARNING, text);
	print_on_console("", text);
}

void fatal(const char *format, ...)
{
	char text[512];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	print_on_console("fatal: ", text);
	drain_console();
	power_off();
}

/* Until the line is out, the kernel can print into the middle of it. The wait has
 * a limit, because a test may have stopped the output. */
static void drain_console(void)
{
	const uint64_t until = now_ms() + DRAIN_MS;
	int left;

	while (ioctl(STDERR_FILENO, TIOCOUTQ, &left) == 0 && left > 0 && now_ms() < until)
		usleep(1000);
}

static void print_on_console(const char *kind, const char *text)
{
	char line[600];
	int length = snprintf(line, sizeof(line), "kiln-agent: %s%.500s\n", kind, text);

	/* A single write: no other process can print into the middle of the line. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	/* A process sent the signal, so it is no fault of the agent. The kernel ignores
	 * a signal to PID 1 that has no handler; so does this one. */
	if (info->si_code <= 0)
		return;
	fatal("signal %d (%s) at address %p", signal, sigdescr_np(signal), info->si_addr);
}

void catch_faults(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
}

/*
 * The kernel log reaches the console in order, so the host knows that kernel
 * messages after this line are from the shutdown.
 */
void power_off(void)
{
	kmsg_write(KMSG_INFO, "powering off");
	sync();
	reboot(RB_POWER_OFF);
	/* PID 1 must not exit: the kernel would panic and hide the reason. */
	for (;;)
		pause();
}
