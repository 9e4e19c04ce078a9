// SPDX-License-Identifier: MIT
#ifndef SETTLE_H
#define SETTLE_H

#include <poll.h>
#include <stdbool.h>

/*
 * Waits for what the kernel still does on behalf of processes that have exited.
 * These waits have no bound, so they run in a thread.
 */

/* Opens what the waits need, and starts the thread. */
void settle_prepare(void);

/* Starts a wait for all RCU callbacks that are queued now. */
void settle_start_rcu(void);

/* Starts a wait for all work that is queued now on any CPU, and for delayed work
 * whose timer has expired. */
void settle_start_work(void);

/* Returns true while a wait is in progress. */
bool settle_is_pending(void);

/* Wakes the loop when a wait ends. */
struct pollfd settle_poll(void);

#endif
