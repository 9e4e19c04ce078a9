// SPDX-License-Identifier: MIT
#ifndef KILN_REQUEST_H
#define KILN_REQUEST_H

#include <signal.h>

/*
 * A test (images/runtime/kexec.c) requests the next kernel by a signal to PID 1
 * with a value. A signal needs no file descriptor, so the test inherits none
 * that it does not expect.
 */
#define KILN_REQUEST_SIGNAL SIGUSR1
/* The number of the next generation. */
#define KILN_REQUEST_GENERATION 0x00ffffff
/* The test wants a reset of the machine instead of kexec. */
#define KILN_REQUEST_REBOOT 0x01000000

#endif
