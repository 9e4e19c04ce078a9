// SPDX-License-Identifier: MIT
#ifndef TAR_H
#define TAR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * POSIX ustar over a blocking virtio port. Only regular files and directories
 * are received or sent, and none outside `dir`.
 */

struct tar_result {
	uint64_t bytes;		/* sent */
	bool truncated;		/* files are missing */
	char error[400];	/* empty on success */
};

/* Reads exactly `bytes` from the port even if unpacking fails. */
void tar_receive(int port, const char *dir, uint64_t bytes, struct tar_result *result);

/* Sends at most `limit` bytes. A file that does not fit is skipped as a whole. */
void tar_send(int port, const char *dir, uint64_t limit, struct tar_result *result);

void tar_skip(int port, uint64_t bytes);

#endif
