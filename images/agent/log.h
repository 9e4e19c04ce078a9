// SPDX-License-Identifier: MIT
#ifndef LOG_H
#define LOG_H

/* What the agent has to say for itself: for people reading the console and the
 * kernel log, never part of the protocol. */

/* Something is missing or went wrong, and the agent goes on. */
__attribute__((format(printf, 1, 2)))
void warning(const char *format, ...);

/* The agent can't go on: one line on the console, power off. */
_Noreturn __attribute__((format(printf, 1, 2)))
void fatal(const char *format, ...);

/* Turns a fault of the agent itself into a fatal() line instead of a panic. */
void catch_faults(void);

_Noreturn void power_off(void);

#endif
