// SPDX-License-Identifier: GPL-2.0
/*
 * The limits of a region, and waits for its lock.
 */
#include "msharefs.h"

#define COUNT	64

FIXTURE(limits) {
	char before[16];
	char *addr;
	int fd;
	/* The object that is mapped again for each attempt, or -1. */
	int renewed;
};

#define MAX_MAP_COUNT	"/proc/sys/vm/max_map_count"

FIXTURE_SETUP(limits)
{
	int fd = try_open(MAX_MAP_COUNT, O_RDONLY);

	mshare_enter(_metadata);
	ASSERT_LE(0, fd);
	memset(self->before, 0, sizeof(self->before));
	ASSERT_LT(0, read(fd, self->before, sizeof(self->before) - 1));
	close(fd);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	self->renewed = -1;
}

FIXTURE_TEARDOWN(limits)
{
	write_to(MAX_MAP_COUNT, self->before);
	detach(self->addr);
	close(self->fd);
	mshare_leave();
}

/* Map objects with gaps between them, up to the limit.  Returns how many. */
static int fill_up(FIXTURE_DATA(limits) *self, int *error)
{
	int i;

	for (i = 0; i < 4 * COUNT; i++) {
		*error = map_anon(self->fd, 4 * i * PAGE, 3 * PAGE);
		if (*error)
			break;
	}
	return i;
}

TEST_F(limits, a_region_has_no_more_mappings_than_a_process)
{
	int count, error;

	ASSERT_EQ(0, write_to(MAX_MAP_COUNT, "64"));
	count = fill_up(self, &error);
	EXPECT_EQ(-ENOMEM, error);
	/* The limit can be exceeded by one, as in a process. */
	EXPECT_LE(COUNT, count);
	EXPECT_GE(COUNT + 1, count);
	EXPECT_EQ(count, fdinfo(self->fd, "mshare-mappings"));
	/* The existing objects work, and unmapping makes room. */
	EXPECT_EQ(0, poke(self->addr, 1));
	EXPECT_EQ(0, unmap_object(self->fd, 0, 8 * PAGE));
	EXPECT_EQ(0, map_anon(self->fd, 0, PAGE));
	EXPECT_EQ(0, poke(self->addr, 1));
}

TEST_F(limits, an_object_is_not_split_beyond_the_limit)
{
	int count, error;

	ASSERT_EQ(0, write_to(MAX_MAP_COUNT, "64"));
	count = fill_up(self, &error);
	ASSERT_EQ(-ENOMEM, error);
	ASSERT_EQ(0, fill_pages(self->addr, 3 * PAGE, 5));
	EXPECT_EQ(-ENOMEM, unmap_object(self->fd, PAGE, PAGE));
	EXPECT_EQ(-ENOMEM, protect_object(self->fd, PAGE, PAGE, PROT_READ));
	/* The failed call has changed nothing. */
	EXPECT_EQ(count, fdinfo(self->fd, "mshare-mappings"));
	EXPECT_EQ(0, check_pages(self->addr, 3 * PAGE, 5));
	EXPECT_EQ(0, fill_pages(self->addr, 3 * PAGE, 6));
	/* A whole object can be unmapped. */
	EXPECT_EQ(0, unmap_object(self->fd, 0, 3 * PAGE));
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
}

/* ----- A process that waits for a region can be killed ----- */

#define FILE_SIZE	(16 * MiB)
#define COPIES		64
#define LUCK_MS		100000

struct waiting {
	volatile int stop;
	volatile int asks;
	volatile unsigned int changes;	/* completed changes */
};

typedef void ask_t(FIXTURE_DATA(limits) *self);

/* Make one long change after another, each under the lock of the region. */
static void keep_changing(FIXTURE_DATA(limits) *self, struct waiting *waiting)
{
	unsigned int i;

	for (i = 0; !waiting->stop; i++) {
		if (protect_object(self->fd, 0, COPIES * FILE_SIZE,
				   i % 2 ? RW : PROT_READ))
			_exit(1);
		waiting->changes++;
	}
	_exit(0);
}

static char state_of(pid_t pid)
{
	char path[64], text[128] = "", state = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = try_open(path, O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		sscanf(text, "%*d (%*[^)]) %c", &state);
	close(fd);
	return state;
}

/*
 * Start a child that needs the lock, and kill it while it waits.  Returns true if
 * it exited during the same change.
 */
static bool killed_while_waiting(FIXTURE_DATA(limits) *self,
				 struct waiting *waiting, ask_t *ask)
{
	unsigned int changes;
	bool asks, ended;
	char state;
	pid_t pid;

	waiting->asks = 0;
	pid = fork();
	if (!pid) {
		be_a_child();
		waiting->asks = 1;
		ask(self);
		_exit(0);
	}
	do {
		asks = waiting->asks;
		changes = waiting->changes;
		state = state_of(pid);
		ended = state == 'Z' || state == 'X' || !state;
	} while (!ended && !(asks && state == 'D'));
	kill(pid, SIGKILL);
	return reap(pid) == 256 + SIGKILL && changes == waiting->changes;
}

static void ask_by_ioctl(FIXTURE_DATA(limits) *self)
{
	unmap_object(self->fd, UNIT / 2, PAGE);
}

static void ask_by_access(FIXTURE_DATA(limits) *self)
{
	unsigned long at;

	/*
	 * Only a missing page causes a fault, and the fault also maps some of its
	 * neighbours.  The loop is slow, so that some faults happen during a
	 * change.  It touches the object that a change reaches first: before that,
	 * a fault needs only the lock of its object.
	 */
	for (at = FILE_SIZE; at; at -= 16 * PAGE) {
		peek(self->addr + FILE_SIZE - at);
		usleep(100);
	}
}

/* Make all pages missing again: a page that one process has touched exists for all. */
static int renew(FIXTURE_DATA(limits) *self)
{
	if (self->renewed < 0)
		return 0;
	return map_object(self->fd, 0, FILE_SIZE, RW, FIXED, self->renewed, 0);
}

static bool can_be_killed(FIXTURE_DATA(limits) *self, ask_t *ask)
{
	struct waiting *waiting;
	bool killed;
	pid_t pid;

	waiting = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (waiting == MAP_FAILED)
		return false;
	pid = fork();
	if (!pid) {
		be_a_child();
		keep_changing(self, waiting);
	}
	/* The child is killed and exits during one change only by chance. */
	killed = EVENTUALLY_WITHIN(LUCK_MS, !renew(self) &&
				   killed_while_waiting(self, waiting, ask));
	waiting->stop = 1;
	if (reap(pid))
		killed = false;
	munmap((void *)waiting, PAGE);
	return killed;
}

/* Map one file many times, so that there are many entries and few pages. */
static int map_copies(FIXTURE_DATA(limits) *self, int object, int copies)
{
	int i, err = 0;

	for (i = 0; i < copies && !err; i++)
		err = map_object(self->fd, i * FILE_SIZE, FILE_SIZE, RW, FIXED,
				 object, 0);
	return err;
}

TEST_F(limits, a_process_that_waits_to_change_it_can_be_killed)
{
	int object = memfd_create("object", MFD_CLOEXEC);

	ASSERT_LE(0, object);
	ASSERT_EQ(0, ftruncate(object, FILE_SIZE));
	ASSERT_EQ(0, map_copies(self, object, COPIES));
	ASSERT_EQ(0, check_pages(self->addr, COPIES * FILE_SIZE, 0));
	EXPECT_TRUE(can_be_killed(self, ask_by_ioctl));
	/* The lock is free. */
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
}

TEST_F(limits, a_process_that_waits_for_a_page_can_be_killed)
{
	int object = memfd_create("object", MFD_CLOEXEC);

	ASSERT_LE(0, object);
	ASSERT_EQ(0, ftruncate(object, FILE_SIZE));
	ASSERT_EQ(0, map_copies(self, object, COPIES));
	ASSERT_EQ(0, check_pages(self->addr + FILE_SIZE,
				 (COPIES - 1) * FILE_SIZE, 0));
	self->renewed = object;
	EXPECT_TRUE(can_be_killed(self, ask_by_access));
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
