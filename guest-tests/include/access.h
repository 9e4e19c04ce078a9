/* SPDX-License-Identifier: GPL-2.0 */
/* Single accesses to memory, and their results. */
#ifndef GUEST_TESTS_ACCESS_H
#define GUEST_TESTS_ACCESS_H

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static sigjmp_buf access_failed;

static void access_signal(int signal)
{
	siglongjmp(access_failed, signal);
}

/* Read or write a byte.  Returns the byte read, 0 after a write, or the negative signal. */
static inline int access_byte(volatile char *addr, int value)
{
	struct sigaction action = { .sa_handler = access_signal };
	struct sigaction segv, bus;
	int result;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	result = -sigsetjmp(access_failed, 1);
	if (!result) {
		if (value < 0)
			result = (unsigned char)*addr;
		else
			*addr = value;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return result;
}

static inline int peek(const char *addr)
{
	return access_byte((char *)addr, -1);
}

static inline int poke(char *addr, int value)
{
	return access_byte(addr, value);
}

#endif
