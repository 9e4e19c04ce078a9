// SPDX-License-Identifier: MIT
#ifndef KILN_REQUEST_H
#define KILN_REQUEST_H

#include <signal.h>

/*
 * How a test (images/runtime/kexec.c) tells the agent that it wants to leave for
 * the next kernel: a signal to PID 1 with a value, which needs no descriptor that
 * a test would find among its own.
 */
#define KILN_REQUEST_SIGNAL SIGUSR1
/* The generation that is to come next. */
#define KILN_REQUEST_GENERATION 0x00ffffff
/* By a reset of the machine instead of kexec. */
#define KILN_REQUEST_REBOOT 0x01000000

#endif
