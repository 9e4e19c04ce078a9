// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of a region are reclaimed and come back.
 */
#include <sys/swap.h>

#include "msharefs.h"
#include "../include/cgroup.h"

#define SIZE	(2 * MiB)
#define PAGES	((long)(SIZE / PAGE))

FIXTURE(swap) {
	struct peer peer;
	long there;
	char *addr;
	int fd;
};

/* Swap space on compressed memory. */
static int swap_on(void)
{
	static const char signature[] = "SWAPSPACE2";
	uint32_t header[PAGE / 4] = { };
	int fd, err;

	write_to("/sys/block/zram0/reset", "1");
	if (write_to("/sys/block/zram0/disksize", "67108864"))
		return -ENODEV;
	fd = try_open("/dev/zram0", O_RDWR);
	if (fd < 0)
		return fd;
	header[1024 / 4] = 1;				/* version */
	header[1024 / 4 + 1] = 67108864 / PAGE - 1;	/* last page */
	memcpy((char *)header + PAGE - 10, signature, 10);
	err = pwrite(fd, header, PAGE, 0) == PAGE ? 0 : -EIO;
	close(fd);
	return err ?: or_errno(swapon("/dev/zram0", 0));
}

FIXTURE_SETUP(swap)
{
	mshare_enter(_metadata);
	swapoff("/dev/zram0");
	if (swap_on())
		SKIP(return, "no swap space");
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	self->peer = peer_start();
	self->there = peer_attach(&self->peer, self->fd, RW, NULL);
	ASSERT_LT(0, self->there);
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	ASSERT_EQ(PAGES, fdinfo(self->fd, "mshare-resident"));
}

FIXTURE_TEARDOWN(swap)
{
	peer_stop(&self->peer);
	detach(self->addr);
	close(self->fd);
	swapoff("/dev/zram0");
	write_to("/sys/block/zram0/reset", "1");
	mshare_leave();
}

static int page_out(char *addr, unsigned long size)
{
	return or_errno(madvise(addr, size, MADV_PAGEOUT));
}

TEST_F(swap, pages_go_out_and_come_back_for_all)
{
	EXPECT_EQ(0, page_out(self->addr, UNIT));
	EXPECT_GT(PAGES / 4, fdinfo(self->fd, "mshare-resident"));
	EXPECT_LE(PAGES / 2, vmstat("pswpout"));
	EXPECT_EQ(0, peer_check(&self->peer, self->there, SIZE, 7));
	EXPECT_LE(PAGES / 2, vmstat("pswpin"));
	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7));
	EXPECT_EQ(PAGES, fdinfo(self->fd, "mshare-resident"));
}

TEST_F(swap, only_the_advised_range_goes_out)
{
	EXPECT_EQ(0, page_out(self->addr + SIZE / 2, SIZE / 2));
	EXPECT_LE(PAGES / 2, fdinfo(self->fd, "mshare-resident"));
	EXPECT_GT(PAGES, fdinfo(self->fd, "mshare-resident"));
	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7));
}

TEST_F(swap, another_process_gives_the_advice)
{
	struct iovec range = { (void *)self->there, SIZE };
	int pidfd = syscall(SYS_pidfd_open, self->peer.pid, 0);

	ASSERT_LE(0, pidfd);
	EXPECT_EQ((long)SIZE, syscall(SYS_process_madvise, pidfd, &range, 1,
				      MADV_PAGEOUT, 0));
	EXPECT_GT(PAGES / 4, fdinfo(self->fd, "mshare-resident"));
	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7));
	close(pidfd);
}

TEST_F(swap, pages_are_swapped_in_for_system_calls)
{
	struct iovec local, remote = { (void *)self->there, SIZE };
	char *buffer = malloc(SIZE);

	ASSERT_EQ(0, page_out(self->addr, SIZE));
	local = (struct iovec) { buffer, SIZE };
	EXPECT_EQ((ssize_t)SIZE, process_vm_readv(self->peer.pid, &local, 1,
						  &remote, 1, 0));
	EXPECT_EQ(0, check_pages(buffer, SIZE, 7));
	free(buffer);
}

TEST_F(swap, an_object_goes_while_it_is_out)
{
	ASSERT_EQ(0, page_out(self->addr, SIZE));
	ASSERT_EQ(0, unmap_object(self->fd, 0, SIZE / 2));
	EXPECT_EQ(-SIGSEGV, peer_peek(&self->peer, self->there));
	EXPECT_EQ(0, check_pages(self->addr + SIZE / 2, SIZE / 2, 7));
}

TEST_F(swap, swapoff_brings_all_back)
{
	ASSERT_EQ(0, page_out(self->addr, SIZE));
	ASSERT_EQ(0, swapoff("/dev/zram0"));
	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7));
	EXPECT_EQ(0, peer_check(&self->peer, self->there, SIZE, 7));
}

TEST_F(swap, a_region_without_users_is_swapped_out_too)
{
	char *addr;

	ASSERT_EQ(0, peer_detach(&self->peer, self->there));
	addr = attach(self->fd);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, page_out(addr, SIZE));
	ASSERT_EQ(0, detach(addr));
	ASSERT_EQ(0, detach(self->addr));
	EXPECT_GT(PAGES / 4, fdinfo(self->fd, "mshare-resident"));
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7));
}

/* Threads of several processes wait for the same pages, and some are killed. */
TEST_F(swap, killed_while_pages_come_in)
{
	int round, i;

	for (round = 0; round < 6; round++) {
		pid_t pids[4];

		ASSERT_EQ(0, page_out(self->addr, SIZE));
		for (i = 0; i < 4; i++) {
			pids[i] = fork();
			if (!pids[i])
				_exit(!!check_pages(self->addr, SIZE, 7));
		}
		usleep(800 * round);
		kill(pids[0], SIGKILL);
		kill(pids[1], SIGKILL);
		for (i = 0; i < 2; i++)
			reap(pids[i]);
		for (; i < 4; i++)
			ASSERT_EQ(0, reap(pids[i]));
	}
	/* No lock of the region is held. */
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
}

/* ----- Reclaim by the limit of a group ----- */

#define OWNER	CGROUP "/mshare_swap"
#define BIG	(4 * MiB)
/* The kernel chooses the page to reclaim, so this can take long. */
#define PRESSURE_MS	100000

struct spinner {
	volatile int started;
	volatile int stop;
	volatile int wrong;	/* a wrong value, or -signal */
};

static int enter_owner(void)
{
	return enter_cgroup(OWNER);
}

/* Read one page continuously, on a separate CPU. */
static void spin(struct spinner *spinner, volatile unsigned char *page)
{
	struct sigaction action = { .sa_handler = access_signal };

	pin(1);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	spinner->wrong = -sigsetjmp(access_failed, 1);
	while (!spinner->wrong && !spinner->stop) {
		unsigned int value = *page;

		if (value != 7)
			spinner->wrong = value ?: 256;
		spinner->started = 1;
	}
	_exit(0);
}

/* Page faults of a process. */
static long faults_of(pid_t pid)
{
	long minor = -1, major = -1;
	char path[64], text[512] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = try_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	if (read(fd, text, sizeof(text) - 1) > 0)
		sscanf(text, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %ld %*u %ld",
		       &minor, &major);
	close(fd);
	return minor + major;
}

/* Use more memory in the group than its limit. */
static int exceed_limit(void)
{
	char *memory;

	if (enter_owner())
		return 1;
	memory = mmap(NULL, 2 * BIG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	memset(memory, 0xee, 2 * BIG);
	return 0;
}

TEST_F(swap, a_page_reclaimed_at_a_limit_is_not_used_any_more)
{
	struct spinner *spinner;
	int fd, round;
	long before;
	char *addr;
	pid_t pid;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "only one CPU");
	if (enable_memory_cgroups())
		SKIP(return, "no memory cgroups");
	ASSERT_EQ(0, new_cgroup(OWNER));
	ASSERT_EQ(0, CHILD(enter_owner() || make_region(MNT "/limited", 1) < 0));
	fd = try_open(MNT "/limited", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, BIG));
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, fill_pages(addr, BIG, 7));
	spinner = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, spinner);
	pid = fork();
	if (!pid) {
		be_a_child();
		spin(spinner, (unsigned char *)addr + 3 * PAGE);
	}
	ASSERT_TRUE(EVENTUALLY(spinner->started));
	before = faults_of(pid);

	ASSERT_EQ(0, write_to(OWNER "/memory.max", "6291456"));
	/* Until its page was swapped out and in. */
	EXPECT_TRUE(EVENTUALLY_WITHIN(PRESSURE_MS, CHILD(exceed_limit()) ||
				      faults_of(pid) > before));
	EXPECT_LT(before, faults_of(pid));
	for (round = 0; round < 4; round++)
		ASSERT_EQ(0, CHILD(exceed_limit()));
	spinner->stop = 1;
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, spinner->wrong);
	EXPECT_EQ(0, check_pages(addr, BIG, 7));
	EXPECT_EQ(0, detach(addr));
	close(fd);
	ASSERT_EQ(0, unlink(MNT "/limited"));
	EXPECT_TRUE(remove_cgroup(OWNER));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
