// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "kmsg.h"
#include "log.h"
#include "ports.h"

/* More than the largest record of any kernel: CONSOLE_EXT_LOG_MAX was 8192. */
#define RECORD_MAX 16384

/* Opened once and kept open, because a test may unmount /dev. */
static int kmsg = -1;
static uint64_t next, last;
static bool paused;

static void note_seq(const char *record);

void kmsg_open(void)
{
	kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (kmsg < 0)
		warning("/dev/kmsg: %s; the kernel log will not be forwarded", strerror(errno));
}

bool kmsg_forward(void)
{
	static char record[RECORD_MAX + 1];

	while (kmsg >= 0 && !paused) {
		ssize_t length;

		if (queue_space(&kmsg_port.out) < RECORD_MAX)
			return false;
		length = read(kmsg, record, RECORD_MAX);
		if (length < 0) {
			/* EPIPE: records were overwritten. The next read continues with the oldest one left. */
			if (errno == EPIPE || errno == EINTR)
				continue;
			/* The record does not fit. The kernel has already skipped it. */
			if (errno == EINVAL)
				continue;
			return true;
		}
		record[length] = '\0';
		note_seq(record);
		last = now_ms();
		queue_put(&kmsg_port.out, record, (size_t)length);
	}
	return true;
}

void kmsg_pause(void)
{
	paused = true;
}

void kmsg_resume(void)
{
	paused = false;
}

/* A record begins with "priority,sequence number,". */
static void note_seq(const char *record)
{
	const char *comma = strchr(record, ',');

	if (comma)
		next = strtoull(comma + 1, NULL, 10) + 1;
}

uint64_t kmsg_next_seq(void)
{
	return next;
}

uint64_t kmsg_last_ms(void)
{
	return last;
}

void kmsg_write(int level, const char *text)
{
	char line[600];
	int length = snprintf(line, sizeof(line), "<%d>kiln-agent: %.500s\n", level, text);

	/* Not dprintf(): it seeks first, and /dev/kmsg does not allow that. */
	if (kmsg >= 0 && write(kmsg, line, (size_t)length) < 0)
		return;
}

struct pollfd kmsg_poll(void)
{
	bool room = queue_space(&kmsg_port.out) >= RECORD_MAX;

	return (struct pollfd){ .fd = room && !paused ? kmsg : -1, .events = POLLIN };
}
