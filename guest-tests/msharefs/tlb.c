// SPDX-License-Identifier: GPL-2.0
/*
 * No CPU uses a stale translation.
 *
 * In each case a process reads one page continuously on a separate CPU, so that
 * the TLB of that CPU has its translation and no context switch removes it.  Then
 * another CPU removes the page.  A read that begins after the call has returned must
 * not find it any more: this shows a missing flush at once.  To wait whether the page
 * goes at all does not, because any other flush of that CPU would end the wait, and
 * with page table isolation each of its interrupts is one.
 */
#include <limits.h>

#include "msharefs.h"

#define SIZE	(4 * MiB)

/* Shared with the spinning process, outside of the region. */
struct shared {
	volatile int started;
	volatile int stop;
	volatile int gone;	/* what follows must not find the page */
	volatile unsigned long late;	/* reads that did */
	volatile unsigned int last;
	volatile int failed;	/* the signal */
	volatile unsigned long reads;
};

FIXTURE(tlb) {
	struct shared *shared;
	char *addr;
	pid_t pid;
	int fd;
};

FIXTURE_SETUP(tlb)
{
	mshare_enter(_metadata);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "only one CPU");
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	self->shared = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	ASSERT_EQ(0, pin(0));
}

FIXTURE_TEARDOWN(tlb)
{
	detach(self->addr);
	close(self->fd);
	mshare_leave();
}

static void spin(struct shared *shared, const char *addr)
{
	struct sigaction action = { .sa_handler = access_signal };

	pin(1);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	shared->failed = sigsetjmp(access_failed, 1);
	if (!shared->failed) {
		while (!shared->stop) {
			bool gone = shared->gone;

			shared->last = *(volatile unsigned char *)addr;
			shared->late += gone && shared->last == 7;
			shared->started = 1;
		}
	}
	_exit(0);
}

/* Start a process with its own container that reads a page continuously. */
#define SPIN(page)							\
	do {								\
		self->pid = fork();					\
		if (!self->pid) {					\
			be_a_child();					\
			spin(self->shared, self->addr + (page) * PAGE);	\
		}							\
		ASSERT_TRUE(EVENTUALLY(self->shared->started));		\
	} while (0)

/*
 * The call that removes the page has returned.  The process must have received the
 * signal, and never have read another value.
 */
#define EXPECT_STOPPED(signal)						\
	do {								\
		self->shared->gone = 1;					\
		EXPECT_TRUE(EVENTUALLY(self->shared->failed ||		\
				       self->shared->late));		\
		self->shared->stop = 1;					\
		EXPECT_EQ(0, reap(self->pid));				\
		EXPECT_EQ(signal, self->shared->failed);		\
		EXPECT_EQ(7, self->shared->last);			\
		EXPECT_EQ(0, self->shared->late);			\
	} while (0)

/* The call that puts a page of zeroes in its place has returned. */
#define EXPECT_ZEROES()							\
	do {								\
		self->shared->gone = 1;					\
		EXPECT_TRUE(EVENTUALLY(self->shared->last == 0 ||	\
				       self->shared->late));		\
		self->shared->stop = 1;					\
		EXPECT_EQ(0, reap(self->pid));				\
		EXPECT_EQ(0, self->shared->failed);			\
		EXPECT_EQ(0, self->shared->late);			\
	} while (0)

TEST_F(tlb, an_unmapped_object_is_gone_for_all)
{
	SPIN(3);
	ASSERT_EQ(0, unmap_object(self->fd, 0, SIZE));
	EXPECT_STOPPED(SIGSEGV);
}

TEST_F(tlb, the_end_of_one_does_not_end_the_flushes_for_others)
{
	char *other = attach(self->fd);

	ASSERT_NE(NULL, other);
	SPIN(3);
	ASSERT_EQ(0, detach(other));
	ASSERT_EQ(0, unmap_object(self->fd, 0, SIZE));
	EXPECT_STOPPED(SIGSEGV);
}

TEST_F(tlb, a_page_that_is_unmapped_is_not_seen_with_other_contents)
{
	int round;
	char *other;

	SPIN(3);
	ASSERT_EQ(0, unmap_object(self->fd, 3 * PAGE, PAGE));
	self->shared->gone = 1;
	/* The next owner of the freed page writes to it at once. */
	for (round = 0; round < 4; round++) {
		other = mmap(NULL, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
		ASSERT_NE(MAP_FAILED, other);
		memset(other, 0xee, SIZE);
	}
	EXPECT_STOPPED(SIGSEGV);
}

TEST_F(tlb, a_replaced_object_is_seen_by_all)
{
	SPIN(3);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	EXPECT_ZEROES();
}

TEST_F(tlb, an_object_without_access_is_closed_for_all)
{
	SPIN(3);
	ASSERT_EQ(0, protect_object(self->fd, 3 * PAGE, PAGE, PROT_NONE));
	EXPECT_STOPPED(SIGSEGV);
}

TEST_F(tlb, a_truncated_file_is_gone_for_all)
{
	int object = memfd_create("object", MFD_CLOEXEC);

	ASSERT_LE(0, object);
	ASSERT_EQ(0, ftruncate(object, SIZE));
	ASSERT_EQ(0, map_file(self->fd, 0, SIZE, object));
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	SPIN(3);
	ASSERT_EQ(0, ftruncate(object, 0));
	EXPECT_STOPPED(SIGBUS);
}

TEST_F(tlb, a_hole_in_a_file_is_seen_by_all)
{
	int object = memfd_create("object", MFD_CLOEXEC);

	ASSERT_LE(0, object);
	ASSERT_EQ(0, ftruncate(object, SIZE));
	ASSERT_EQ(0, map_file(self->fd, 0, SIZE, object));
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	SPIN(3);
	ASSERT_EQ(0, fallocate(object, FALLOC_FL_PUNCH_HOLE |
			       FALLOC_FL_KEEP_SIZE, 3 * PAGE, PAGE));
	EXPECT_ZEROES();
}

TEST_F(tlb, a_split_huge_page_is_gone_where_it_is_unmapped)
{
	const char *knob = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

	if (write_to(knob, "force"))
		SKIP(return, "no transparent huge pages");
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	SPIN(3);
	ASSERT_EQ(0, unmap_object(self->fd, 0, HUGE / 2));
	self->shared->gone = 1;
	EXPECT_EQ(0, write_to(knob, "never"));
	EXPECT_STOPPED(SIGSEGV);
}

TEST_F(tlb, a_table_that_is_freed_is_not_walked_any_more)
{
	struct shared *shared = self->shared;
	int round;

	/* Each round frees all tables below the link and makes new ones. */
	for (round = 0; round < 20; round++) {
		memset(shared, 0, sizeof(*shared));
		SPIN(3);
		ASSERT_EQ(0, unmap_object(self->fd, 0, SIZE));
		EXPECT_STOPPED(SIGSEGV);
		ASSERT_EQ(0, shared->late);
		ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
		ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	}
}

TEST_F(tlb, a_page_that_moves_is_followed)
{
	void *pages[4];
	int object, status[4], to[4], i, round;
	char *other;

	object = memfd_create("object", MFD_CLOEXEC);
	ASSERT_LE(0, object);
	ASSERT_EQ(0, ftruncate(object, SIZE));
	other = mmap(NULL, SIZE, RW, MAP_SHARED, object, 0);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, map_file(self->fd, 0, SIZE, object));
	ASSERT_EQ(0, fill_pages(other, SIZE, 7));
	SPIN(3);
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 4; i++) {
			pages[i] = other + i * PAGE;
			to[i] = round % 2;
		}
		/* MPOL_MF_MOVE_ALL: it is mapped here and in the region. */
		if (syscall(SYS_move_pages, 0, 4, pages, to, status, 4) < 0) {
			kill(self->pid, SIGKILL);
			reap(self->pid);
			SKIP(return, "no NUMA: %s", strerror(errno));
		}
		/* A page that is in use is moved at the next attempt. */
		EXPECT_TRUE(EVENTUALLY(
			!syscall(SYS_move_pages, 0, 4, pages, to, status, 4) &&
			status[3] == round % 2));
		/* Data written to the new page can be read from it. */
		ASSERT_EQ(0, poke(other + 3 * PAGE, 100 + round));
		ASSERT_TRUE(EVENTUALLY((int)self->shared->last == 100 + round));
	}
	self->shared->stop = 1;
	EXPECT_EQ(0, reap(self->pid));
	EXPECT_EQ(0, self->shared->failed);
}

/* ----- Detached containers ----- */

TEST_F(tlb, all_of_a_detached_region_is_gone)
{
	char *addr = attach(self->fd);
	int i;

	ASSERT_NE(NULL, addr);
	/* Far more pages than the kernel flushes one by one, some of them far away. */
	ASSERT_EQ(0, map_anon(self->fd, 1UL << 30, PAGE));
	ASSERT_EQ(0, map_anon(self->fd, UNIT - PAGE, PAGE));
	for (i = 0; i < 64; i++)
		ASSERT_EQ(7, *(volatile char *)(addr + 16 * i * PAGE));
	*(volatile char *)(addr + (1UL << 30)) = 7;
	*(volatile char *)(addr + UNIT - PAGE) = 7;
	ASSERT_EQ(0, munmap(addr, UNIT));
	/* One access to each, and nothing else that could cause a flush. */
	for (i = 0; i < 64; i++)
		EXPECT_EQ(-SIGSEGV, peek(addr + 16 * i * PAGE));
	EXPECT_EQ(-SIGSEGV, peek(addr + (1UL << 30)));
	EXPECT_EQ(-SIGSEGV, peek(addr + UNIT - PAGE));
}

/* A thread of this process, with the same page tables. */
static int spinning_thread(void *argument)
{
	FIXTURE_DATA(tlb) *self = argument;
	volatile char *page = self->addr + 33 * PAGE;

	pin(1);
	while (!self->shared->stop) {
		self->shared->last = *page;
		self->shared->reads++;
	}
	return 0;
}

TEST_F(tlb, a_detached_region_is_gone_for_other_threads)
{
	/* In a child, because SIGSEGV in one thread ends all of them. */
	EXPECT_EQ(256 + SIGSEGV, CHILD(({
		char *stack = malloc(MiB);
		unsigned long reads;

		clone(spinning_thread, stack + MiB, CLONE_VM | CLONE_THREAD |
		      CLONE_SIGHAND | CLONE_FS | CLONE_FILES, self);
		EVENTUALLY(self->shared->reads);
		munmap(self->addr, UNIT);
		/*
		 * A read from before munmap() may be counted now.  The next one
		 * must end the process.
		 */
		reads = self->shared->reads;
		EVENTUALLY(self->shared->reads > reads + 1);
		0;
	})));
	EXPECT_EQ(7, self->shared->last);
}

TEST_F(tlb, what_replaces_a_region_is_seen_at_once)
{
	char *addr = attach(self->fd);
	int i;

	ASSERT_NE(NULL, addr);
	for (i = 0; i < 64; i++)
		ASSERT_EQ(7, *(volatile char *)(addr + 16 * i * PAGE));
	ASSERT_EQ(addr, mmap(addr, UNIT, RW, MAP_PRIVATE | MAP_ANONYMOUS |
			     MAP_FIXED | MAP_NORESERVE, -1, 0));
	for (i = 0; i < 64; i++)
		EXPECT_EQ(0, *(volatile char *)(addr + 16 * i * PAGE));
	*(volatile char *)addr = 1;
	EXPECT_EQ(7, peek(self->addr));
	munmap(addr, UNIT);
}

TEST_F(tlb, what_replaces_another_region_is_seen_at_once)
{
	int other = make_region(MNT "/other", 1);
	char *addr = attach(self->fd);
	int i, round;

	ASSERT_LE(0, other);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, map_anon(other, 0, SIZE));
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 64; i++)
			ASSERT_EQ(round % 2 ? 0 : 7, *(volatile char *)
				  (addr + 16 * i * PAGE));
		ASSERT_EQ(addr, mmap(addr, UNIT, RW, FIXED,
				     round % 2 ? self->fd : other, 0));
	}
	munmap(addr, UNIT);
}

/* ----- The number of flushes ----- */

/*
 * The TLB flushes needed to unmap a MiB.  The kernel counts those of all processes,
 * and other processes flush now and then, so this is the minimum of several
 * attempts.  -1 if the kernel does not count them.
 */
static long flushes_of_unmap(FIXTURE_DATA(tlb) *self, unsigned long at,
			     int times)
{
	long before, flushes, fewest = LONG_MAX;
	int i;

	for (i = 0; i < times; i++) {
		before = vmstat("nr_tlb_remote_flush");
		if (before < 0 || unmap_object(self->fd, at + i * MiB, MiB))
			return -1;
		flushes = vmstat("nr_tlb_remote_flush") - before;
		if (flushes < fewest)
			fewest = flushes;
	}
	return fewest;
}

TEST_F(tlb, nobody_is_disturbed_while_nobody_is_attached)
{
	if (vmstat("nr_tlb_remote_flush") < 0)
		SKIP(return, "TLB flushes are not counted");
	/* With this process attached, there are flushes. */
	EXPECT_LT(0, flushes_of_unmap(self, 0, 1));

	ASSERT_EQ(0, detach(self->addr));
	EXPECT_EQ(0, flushes_of_unmap(self, MiB, 3));
}

TEST_F(tlb, the_number_of_processes_does_not_matter)
{
	struct peer peers[64];
	long few, many;
	int i;

	if (vmstat("nr_tlb_remote_flush") < 0)
		SKIP(return, "TLB flushes are not counted");
	few = flushes_of_unmap(self, 0, 1);
	EXPECT_LT(0, few);
	for (i = 0; i < 64; i++) {
		peers[i] = peer_start();
		ASSERT_LT(0, peers[i].pid);
		ASSERT_EQ(7, peer_peek(&peers[i], (long)self->addr + 2 * MiB));
	}
	ASSERT_EQ(65, fdinfo(self->fd, "mshare-attached"));
	many = flushes_of_unmap(self, MiB, 3);
	EXPECT_GE(few + 8, many) {
		TH_LOG("%ld flushes with one process, %ld with 65", few, many);
	}
	for (i = 0; i < 64; i++)
		EXPECT_EQ(0, peer_stop(&peers[i]));
}

LEAVES_NOTHING
IS_ITS_SECTION
TEST_HARNESS_MAIN
