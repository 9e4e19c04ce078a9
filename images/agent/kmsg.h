// SPDX-License-Identifier: MIT
#ifndef KMSG_H
#define KMSG_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Levels of printk with the facility "user", by which the host recognizes that
 * the record is not from the kernel. */
#define KMSG_WARNING 12
#define KMSG_INFO 14
#define KMSG_DEBUG 15

/* Opens /dev/kmsg, for as long as the agent runs. The first record read is the oldest. */
void kmsg_open(void);

/* Moves records to the kmsg port while it has space. Returns true if the log is
 * empty. */
bool kmsg_forward(void);

/* kmsg_forward() moves nothing between these two. */
void kmsg_pause(void);
void kmsg_resume(void);

/* The sequence number that follows the last forwarded record. */
uint64_t kmsg_next_seq(void);

/* When the last record was forwarded (now_ms()). */
uint64_t kmsg_last_ms(void);

void kmsg_write(int level, const char *text);
struct pollfd kmsg_poll(void);

#endif
