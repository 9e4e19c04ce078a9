// SPDX-License-Identifier: MIT
#ifndef TEST_H
#define TEST_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The running test, from `run` to `end`. There is one at a time. */

struct test_params {
	int64_t id;
	const char *path, *cwd;
	const char *const *args;
	size_t arg_count;
	int64_t timeout_ms;
	/* Of how many kernels this is which, for the test to know. */
	int64_t generation, generations;
};

/* Makes what the next test needs. Slow; best before anybody waits. */
void test_prepare(void);

/* Copies the order. Returns NULL or why it can't be carried out. */
const char *test_start(const struct test_params *params);

/* Ends the test now; false if none is running. */
bool test_kill(void);
bool test_is_running(void);

/* The test is over on this kernel, and wants to go on in the next one; `how` to get
 * there is a string constant. Its processes run on. */
void test_leave(const char *how, int generation);
/* All that it said is handed over: NULL if not, else `how`. */
const char *test_leave_method(void);

/* Takes the test one or more stages further if it is time. */
void test_step(void);
/* When test_step() has something to do at the latest (now_ms()), or NEVER. */
uint64_t test_deadline(void);

/* Moves output to its port while that takes it. True: the pipe holds no more. */
bool test_forward_output(void);
struct pollfd test_poll(void);

/* True if it was the test's program that ended. */
bool test_reaped(pid_t pid, int status);
/* PID 1 has no child, and all orphans become its children: none is left. */
void test_all_reaped(void);

#endif
