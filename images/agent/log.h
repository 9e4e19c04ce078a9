// SPDX-License-Identifier: MIT
#ifndef LOG_H
#define LOG_H

/* Messages for people who read the console and the kernel log. They are not part
 * of the protocol. */

/* Reports that something is missing or failed; the agent continues. */
__attribute__((format(printf, 1, 2)))
void warning(const char *format, ...);

/* Reports why the agent can't continue, as one line on the console, and powers off. */
_Noreturn __attribute__((format(printf, 1, 2)))
void fatal(const char *format, ...);

/* Reports a fault in the agent by fatal(). Otherwise the kernel panics without the reason. */
void catch_faults(void);

_Noreturn void power_off(void);

#endif
