// SPDX-License-Identifier: MIT
#ifndef KILN_REQUEST_H
#define KILN_REQUEST_H

#include <signal.h>

/*
 * A test (images/runtime/) requests something by a signal to PID 1 with a value. A
 * signal needs no file descriptor, so the test inherits none that it does not
 * expect.
 */
#define KILN_REQUEST_SIGNAL SIGUSR1
/* The number of the next generation. */
#define KILN_REQUEST_GENERATION 0x00ffffff
/* The test wants a reset of the machine instead of kexec. */
#define KILN_REQUEST_REBOOT 0x01000000
/*
 * The test has called kiln_ready(), and waits until PID 1 sends it the same signal.
 * The file then holds the program's new arguments, each with a NUL behind it: the
 * first is KILN_READY_KEEP or KILN_READY_REPLACE, and is none itself.
 */
#define KILN_REQUEST_READY 0x02000000
#define KILN_READY_FILE "/run/kiln-ready"
#define KILN_READY_KEEP "keep"
#define KILN_READY_REPLACE "replace"

#endif
