// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of a region fails in turn.
 */
#include "msharefs.h"

#define DEBUGFS	"/sys/kernel/debug"
#define SIZE	MiB

FIXTURE(faults) {
	int fd;
};

static int set(const char *what, const char *knob, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", what, knob);
	return write_to(path, value);
}

static int fail_nth(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	return write_to("/proc/thread-self/fail-nth", text);
}

/* Stop the failures.  Returns true if an allocation has failed. */
static bool has_failed(void)
{
	char text[16] = "";
	int fd = try_open("/proc/thread-self/fail-nth", O_RDWR);
	int left;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return false;
	left = atoi(text);
	if (write(fd, "0", 1) != 1)
		left = 0;
	close(fd);
	return left == 0;
}

FIXTURE_SETUP(faults)
{
	mshare_enter(_metadata);
	/* Fail allocations of slabs and of pages, including those that may sleep. */
	if (set("failslab", "ignore-gfp-wait", "0") ||
	    set("failslab", "verbose", "0") ||
	    set("fail_page_alloc", "ignore-gfp-wait", "0") ||
	    set("fail_page_alloc", "min-order", "0") ||
	    set("fail_page_alloc", "verbose", "0"))
		SKIP(return, "no fault injection");
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(faults)
{
	fail_nth(0);
	close(self->fd);
	mshare_leave();
}

#define MOST	400

/* The error is ENOSPC if the file can't be created, as for mmap(2). */
static bool is_no_memory(long error)
{
	return error == -ENOMEM || error == -ENOSPC;
}

/*
 * Run the action with a failure of the first allocation, then of the second, and
 * so on until all succeed.  Then the action must return what is expected; before
 * that, it may also fail for want of memory.
 */
#define EACH_FAILS(action, good, undo) do {			\
	int _nth, _failures = 0;					\
	for (_nth = 1; _nth < MOST; _nth++) {				\
		long _result;						\
		bool _failed;						\
		ASSERT_EQ(0, fail_nth(_nth));				\
		_result = (action);					\
		_failed = has_failed();					\
		if (_result != (good)) {				\
			ASSERT_TRUE(_failed);				\
			ASSERT_TRUE(is_no_memory(_result));		\
			_failures++;					\
		} else {						\
			undo;						\
		}							\
		if (!_failed)						\
			break;						\
	}								\
	EXPECT_GT(MOST, _nth);						\
	EXPECT_LT(0, _failures);					\
} while (0)

TEST_F(faults, creating_a_region)
{
	int fd = -1;

	EACH_FAILS(({
		fd = new_region(MNT "/other");
		fd < 0 ? fd : 0;
	}), 0, ({
		close(fd);
		unlink(MNT "/other");
	}));
	unlink(MNT "/other");
}

TEST_F(faults, mounting)
{
	ASSERT_EQ(0, mkdir("/tmp/other", 0755));
	EACH_FAILS(mount_mshare("/tmp/other", NULL), 0,
		   umount("/tmp/other"));
}

TEST_F(faults, creating_an_object)
{
	EACH_FAILS(map_anon(self->fd, 0, SIZE), 0,
		   unmap_object(self->fd, 0, UNIT));
	EXPECT_EQ(0, map_anon(self->fd, 0, SIZE));
	EXPECT_EQ(0, CHILD(fill_pages(attach(self->fd), SIZE, 1)));
}

TEST_F(faults, splitting_an_object)
{
	EACH_FAILS(({
		map_anon(self->fd, 0, 3 * PAGE) ? 0 :
			unmap_object(self->fd, PAGE, PAGE);
	}), 0, unmap_object(self->fd, 0, UNIT));
}

TEST_F(faults, protecting)
{
	ASSERT_EQ(0, map_anon(self->fd, 0, 3 * PAGE));
	EACH_FAILS(protect_object(self->fd, PAGE, PAGE, PROT_READ), 0,
		   protect_object(self->fd, 0, 3 * PAGE, RW));
}

TEST_F(faults, attaching)
{
	char *addr = NULL;

	EACH_FAILS(({
		addr = attach(self->fd);
		addr ? 0 : -errno;
	}), 0, detach(addr));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-attached"));
}

/*
 * The kernel repeats a fault that finds no memory, so the process does not notice;
 * at most it gets an error for the page.
 */
TEST_F(faults, the_first_fault)
{
	int nth;

	for (nth = 1; nth < 40; nth++) {
		volatile char *addr;
		bool failed;

		ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
		addr = attach(self->fd);
		ASSERT_NE(NULL, addr);
		/* Not peek(): its system calls allocate, too. */
		ASSERT_EQ(0, fail_nth(nth));
		*addr = 1;
		failed = has_failed();
		EXPECT_EQ(1, *addr);
		ASSERT_EQ(0, detach((void *)addr));
		ASSERT_EQ(0, unmap_object(self->fd, 0, UNIT));
		if (!failed)
			break;
		/* So that each round allocates the upper page tables again. */
		close(self->fd);
		ASSERT_EQ(0, unlink(REGION));
		self->fd = make_region(REGION, 1);
		ASSERT_LE(0, self->fd);
	}
	EXPECT_LT(1, nth);
	EXPECT_GT(40, nth);
}

TEST_F(faults, a_fault_by_a_system_call)
{
	int nth, pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	for (nth = 1; nth < 40; nth++) {
		char *addr = attach(self->fd);
		bool failed;
		long result;

		ASSERT_NE(NULL, addr);
		ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
		ASSERT_EQ(0, fail_nth(nth));
		result = or_errno(write(pipes[1], addr, 1));
		failed = has_failed();
		if (result != 1)
			EXPECT_TRUE(result == -EFAULT || result == -ENOMEM);
		ASSERT_EQ(0, detach(addr));
		close(self->fd);
		ASSERT_EQ(0, unlink(REGION));
		self->fd = make_region(REGION, 1);
		ASSERT_LE(0, self->fd);
		if (!failed)
			break;
	}
	EXPECT_GT(40, nth);
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
