// SPDX-License-Identifier: MIT
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/* Where tests leave files for the host, and the kernel their cores. */
#define ARTIFACTS "/run/artifacts"

/* Makes of an initramfs the system that kernel selftests expect. */
void system_set_up(void);

/* Held open from the start, for a test may unmount them; -1 if not there. */
int system_proc(void);
int system_cgroup(void);

/* The flags that taint the kernel now. */
uint64_t system_taint(void);

/* Makes ARTIFACTS an empty directory, however the last test left it; returns it
 * opened, to be held for as long as its content matters, or -1. */
int system_reset_artifacts(void);

const char *system_command_line(void);
/* Whether `name=value` stands on the kernel command line. */
bool system_option(const char *name, const char *value);
/* What follows `name=` there, up to the next blank, or NULL. */
const char *system_option_value(const char *name);

/* Of this kernel: 0 after a boot, one more after each kexec of a test (kiln.generation=). */
int system_generation(void);

/* Both return NULL or what is wrong. */
const char *system_set_clock(const char *decimal_ns);
const char *system_add_entropy(const char *hex);

#endif
