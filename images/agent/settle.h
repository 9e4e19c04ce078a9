// SPDX-License-Identifier: MIT
#ifndef SETTLE_H
#define SETTLE_H

#include <poll.h>
#include <stdbool.h>

/*
 * What the kernel still has to do for processes that are gone. A thread of its
 * own waits for it: no such wait has a bound.
 */

/* Opens what the waits need, and starts the thread. */
void settle_prepare(void);

/* Starts the wait for the RCU callbacks that are queued now. */
void settle_start_rcu(void);

/* Starts the wait for the work that is queued now on any CPU, and for delayed
 * work whose time has come. */
void settle_start_work(void);

/* Whether a wait is not over yet. */
bool settle_is_pending(void);

/* Wakes the loop when a wait is over. */
struct pollfd settle_poll(void);

#endif
