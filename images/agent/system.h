// SPDX-License-Identifier: MIT
#ifndef SYSTEM_H
#define SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

/* Tests leave files for the host here, and the kernel writes core dumps here. */
#define ARTIFACTS "/run/artifacts"

/* Sets up the system that kernel selftests expect: mounts, devices, limits. */
void system_set_up(void);

/* /proc and the cgroup root, opened before a test can unmount them; -1 if missing. */
int system_proc(void);
int system_cgroup(void);

/* The current taint flags of the kernel. */
uint64_t system_taint(void);

/* Makes ARTIFACTS an empty directory, however the last test left it. Returns a
 * descriptor that keeps its content even if a test unmounts it, or -1. */
int system_reset_artifacts(void);

const char *system_command_line(void);
/* Returns true if `name=value` is on the kernel command line. */
bool system_option(const char *name, const char *value);
/* Returns the text after `name=` on the command line, which ends at the next
 * space, or NULL. */
const char *system_option_value(const char *name);

/* The number of this kernel (kiln.generation=): 0 after a boot, plus one for each
 * kexec of the test. */
int system_generation(void);

/* Both return NULL or an error message. */
const char *system_set_clock(const char *decimal_ns);
const char *system_add_entropy(const char *hex);

#endif
