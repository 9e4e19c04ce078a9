// SPDX-License-Identifier: MIT
#ifndef PROCESSES_H
#define PROCESSES_H

#include <sys/types.h>

/* The count stops here: if there is a fork bomb, it is more urgent to kill it. */
#define PROCESSES_COUNTED 1000

/* Counts the live processes other than PID 1, kernel threads and `except`. */
unsigned int processes_count(pid_t except);

/* Sends SIGKILL to all processes other than PID 1. A few kernel threads react to it, too. */
void processes_kill(void);

#endif
