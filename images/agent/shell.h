// SPDX-License-Identifier: MIT
#ifndef SHELL_H
#define SHELL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A login shell on the serial console. The guest powers off when the shell exits. */

/* Installs the commands of busybox if the image has it. */
void shell_prepare(void);

/* For kiln.mode=shell: runs the shell instead of the protocol. */
_Noreturn void shell_run(void);

/* Starts a shell while the protocol continues. Returns NULL or an error message. */
const char *shell_start(void);
bool shell_is_running(void);

/* Sets the window size of the console. Returns NULL or an error message. */
const char *shell_set_window(int64_t rows, int64_t columns);

/* Powers off if `pid` is the shell's session leader. */
void shell_reaped(pid_t pid);

#endif
