// SPDX-License-Identifier: MIT
#ifndef PROCESSES_H
#define PROCESSES_H

#include <sys/types.h>

/* No more are counted: with a fork bomb it is the killing that is urgent. */
#define PROCESSES_COUNTED 1000

/* The living processes but PID 1, kernel threads and `except`. */
unsigned int processes_count(pid_t except);

/* Sends SIGKILL to all processes but PID 1. A few kernel threads heed it too. */
void processes_kill(void);

#endif
