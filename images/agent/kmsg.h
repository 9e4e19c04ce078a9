// SPDX-License-Identifier: MIT
#ifndef KMSG_H
#define KMSG_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/* Levels of printk, with the facility "user": the host tells by it that the
 * kernel didn't say this. */
#define KMSG_WARNING 12
#define KMSG_INFO 14
#define KMSG_DEBUG 15

/* Opens /dev/kmsg for good; reading starts at the oldest record. */
void kmsg_open(void);

/* Moves records to their port while it takes them. True: the log holds no more. */
bool kmsg_forward(void);

/* Nothing is moved until kmsg_resume(). */
void kmsg_pause(void);
void kmsg_resume(void);

/* The number of the record that would come next after those forwarded. */
uint64_t kmsg_next_seq(void);

/* When the last one was forwarded (now_ms()). */
uint64_t kmsg_last_ms(void);

void kmsg_write(int level, const char *text);
struct pollfd kmsg_poll(void);

#endif
