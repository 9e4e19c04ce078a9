// SPDX-License-Identifier: MIT
#ifndef TEST_H
#define TEST_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The running test, from `run` to `end`. Only one test runs at a time. */

struct test_params {
	int64_t id;
	const char *path, *cwd;
	const char *const *args;
	size_t arg_count;
	int64_t timeout_ms;
	/* The number of this kernel, and how many there are; the test gets both. */
	int64_t generation, generations;
	/* When the program calls kiln_ready(), it waits for test_proceed(). */
	bool waits;
};

/* Creates what the next test needs. It is slow, so it is called before the host waits. */
void test_prepare(void);

/* Copies the parameters and starts the test. Returns NULL or an error message. */
const char *test_start(const struct test_params *params);

/* The program goes on after kiln_ready(), as test `id`, with these arguments. Returns NULL
 * or an error message. */
const char *test_proceed(int64_t id, const char *const *args, size_t arg_count, int64_t timeout_ms);

/* Ends the test now. Returns false if no test is running. */
bool test_kill(void);
bool test_is_running(void);

/* The test requests the next kernel, by "kexec" or "reboot" (`how`, a string constant).
 * Its processes run on until that kernel starts. */
void test_leave(const char *how, int generation);
/* Returns `how` once all output of the leaving test is forwarded, else NULL. */
const char *test_leave_method(void);

/* The process `pid` has called kiln_ready(). */
void test_ready(pid_t pid);

/* Moves the test to its next stages if their conditions hold. */
void test_step(void);
/* When test_step() must be called at the latest (now_ms()), or NEVER. */
uint64_t test_deadline(void);

/* Moves output to the ktap port while it has space. Returns true if the pipe is
 * empty. */
bool test_forward_output(void);
struct pollfd test_poll(void);

/* Returns true if `pid` is the test's program. */
bool test_reaped(pid_t pid, int status);
/* PID 1 has no child left. As orphans become its children, all processes are gone. */
void test_all_reaped(void);

#endif
