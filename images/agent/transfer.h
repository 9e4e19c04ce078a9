// SPDX-License-Identifier: MIT
#ifndef TRANSFER_H
#define TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Tar streams over the files port, each in a process of its own: a file system
 * that hangs, a huge tree or a fault in the tar code then can't stop PID 1.
 */

void transfer_put(int64_t id, const char *dir, uint64_t bytes);
void transfer_get(int64_t id, const char *dir, uint64_t limit);

/* So many bytes will come that nobody wants: the next transfer passes over them. */
void transfer_skip_later(uint64_t bytes);

bool transfer_is_running(void);

/* Answers the host if it was the transfer that ended. */
void transfer_reaped(pid_t pid, int status);

#endif
