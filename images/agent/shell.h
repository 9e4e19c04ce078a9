// SPDX-License-Identifier: MIT
#ifndef SHELL_H
#define SHELL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A login shell on the serial console; the guest goes when the shell does. */

/* Before all else: gives an image that has busybox its commands. */
void shell_prepare(void);

/* kiln.mode=shell: instead of the protocol. */
_Noreturn void shell_run(void);

/* Starts it beside the protocol. Returns NULL or why it can't be. */
const char *shell_start(void);
bool shell_is_running(void);

/* The size of the console's window. Returns NULL or what is wrong. */
const char *shell_set_window(int64_t rows, int64_t columns);

/* Powers off if it was the shell that ended. */
void shell_reaped(pid_t pid);

#endif
