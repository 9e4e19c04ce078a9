// SPDX-License-Identifier: MIT
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Tar streams over the files port. Each runs in its own process, so that a file
 * system that hangs, a huge tree or a fault in the tar code can't stop PID 1.
 */

void transfer_put(int64_t id, const char *dir, uint64_t bytes);
void transfer_get(int64_t id, const char *dir, uint64_t limit);

/* The host sends this many bytes for a refused put; the next transfer skips them. */
void transfer_skip_later(uint64_t bytes);

bool transfer_is_running(void);

/* Answers the host if `pid` is the transfer process. */
void transfer_reaped(pid_t pid, int status);

#endif
