// SPDX-License-Identifier: GPL-2.0
/*
 * MSHAREFS_PROTECT: one call, and every process has the new protection.
 */
#include "msharefs.h"

#define SIZE	(2 * MiB)
#define CROWD	8

FIXTURE(protect) {
	struct peer peers[CROWD];
	long there[CROWD];
	char *addr;
	int fd;
};

FIXTURE_SETUP(protect)
{
	int i;

	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	for (i = 0; i < CROWD; i++) {
		self->peers[i] = peer_start();
		self->there[i] = peer_attach(&self->peers[i], self->fd, RW,
					     NULL);
		ASSERT_LT(0, self->there[i]);
	}
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
}

FIXTURE_TEARDOWN(protect)
{
	int i;

	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, peer_stop(&self->peers[i]));
	detach(self->addr);
	close(self->fd);
	mshare_leave();
}

TEST_F(protect, what_all_could_write_nobody_can)
{
	int i;

	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, peer_poke(&self->peers[i], self->there[i], 7));
	EXPECT_EQ(0, protect_object(self->fd, 0, SIZE, PROT_READ));
	for (i = 0; i < CROWD; i++) {
		EXPECT_EQ(-SIGSEGV,
			  peer_poke(&self->peers[i], self->there[i], 8));
		EXPECT_EQ(7, peer_peek(&self->peers[i], self->there[i]));
	}
	EXPECT_EQ(-SIGSEGV, poke(self->addr, 8));
	EXPECT_EQ(7, peek(self->addr));
}

TEST_F(protect, what_all_could_read_nobody_can)
{
	int i;

	EXPECT_EQ(0, protect_object(self->fd, 0, SIZE, PROT_NONE));
	for (i = 0; i < CROWD; i++) {
		EXPECT_EQ(-SIGSEGV,
			  peer_peek(&self->peers[i], self->there[i]));
	}
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
	/* The contents are still there. */
	EXPECT_EQ(0, protect_object(self->fd, 0, SIZE, RW));
	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7));
	EXPECT_EQ(0, peer_fill(&self->peers[0], self->there[0], SIZE, 9));
	EXPECT_EQ(0, peer_check(&self->peers[1], self->there[1], SIZE, 9));
}

TEST_F(protect, what_nobody_could_write_all_can)
{
	int i;

	ASSERT_EQ(0, map_object(self->fd, SIZE, SIZE, PROT_READ, ANON, -1, 0));
	for (i = 0; i < CROWD; i++) {
		ASSERT_EQ(0, peer_peek(&self->peers[i], self->there[i] + SIZE));
		ASSERT_EQ(-SIGSEGV, peer_poke(&self->peers[i],
					      self->there[i] + SIZE, 1));
	}
	EXPECT_EQ(0, protect_object(self->fd, SIZE, SIZE, RW));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, peer_poke(&self->peers[i],
				       self->there[i] + SIZE, i));
	EXPECT_EQ(CROWD - 1, peek(self->addr + SIZE));
}

TEST_F(protect, is_for_pages_and_not_for_objects)
{
	EXPECT_EQ(0, protect_object(self->fd, PAGE, PAGE, PROT_READ));
	EXPECT_EQ(0, poke(self->addr, 7));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + PAGE, 7));
	EXPECT_EQ(0, poke(self->addr + 2 * PAGE, 7));
	EXPECT_EQ(3, fdinfo(self->fd, "mshare-mappings"));
	/* The parts are merged again. */
	EXPECT_EQ(0, protect_object(self->fd, PAGE, PAGE, RW));
	EXPECT_EQ(1, fdinfo(self->fd, "mshare-mappings"));
}

TEST_F(protect, is_for_several_objects_at_once)
{
	int object = memfd_create("object", MFD_CLOEXEC);

	ASSERT_LE(0, object);
	ASSERT_EQ(0, ftruncate(object, SIZE));
	ASSERT_EQ(0, map_file(self->fd, SIZE, SIZE, object));
	EXPECT_EQ(0, protect_object(self->fd, SIZE - PAGE, 2 * PAGE, PROT_READ));
	EXPECT_EQ(0, poke(self->addr, 7));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + SIZE - PAGE, 7));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + SIZE, 7));
	EXPECT_EQ(0, poke(self->addr + SIZE + PAGE, 7));
}

TEST_F(protect, does_not_cross_holes)
{
	ASSERT_EQ(0, unmap_object(self->fd, PAGE, PAGE));
	EXPECT_EQ(-ENOMEM, protect_object(self->fd, 0, 3 * PAGE, PROT_READ));
	/* Nothing was changed before the hole was found. */
	EXPECT_EQ(0, poke(self->addr, 7));
	EXPECT_EQ(-ENOMEM, protect_object(self->fd, PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-ENOMEM, protect_object(self->fd, PAGE, 2 * PAGE, PROT_READ));
	EXPECT_EQ(-ENOMEM, protect_object(self->fd, SIZE - PAGE, 2 * PAGE,
					  PROT_READ));
	EXPECT_EQ(0, poke(self->addr + SIZE - PAGE, 7));
}

TEST_F(protect, does_not_exceed_the_access_to_the_file)
{
	int object = try_open("/tmp/file", O_RDONLY | O_CREAT);

	ASSERT_LE(0, object);
	ASSERT_EQ(0, truncate("/tmp/file", PAGE));
	ASSERT_EQ(0, map_object(self->fd, SIZE, PAGE, PROT_READ, FIXED, object,
				0));
	EXPECT_EQ(-EACCES, protect_object(self->fd, SIZE, PAGE, RW));
	/* Not even a part is changed. */
	EXPECT_EQ(-EACCES, protect_object(self->fd, SIZE - PAGE, 2 * PAGE, RW));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + SIZE, 1));
}

TEST_F(protect, does_not_give_a_container_more_than_it_has)
{
	char *readonly = attach_units(self->fd, PROT_READ, 1);

	ASSERT_NE(NULL, readonly);
	EXPECT_EQ(0, protect_object(self->fd, 0, SIZE, PROT_READ));
	EXPECT_EQ(7, peek(readonly));
	EXPECT_EQ(0, protect_object(self->fd, 0, SIZE, RW));
	EXPECT_EQ(-SIGSEGV, poke(readonly, 8));
	EXPECT_EQ(0, poke(self->addr, 7));
	EXPECT_EQ(0, detach(readonly));
}

TEST_F(protect, works_without_anybody_attached)
{
	int i;

	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, peer_detach(&self->peers[i], self->there[i]));
	ASSERT_EQ(0, detach(self->addr));
	ASSERT_EQ(0, fdinfo(self->fd, "mshare-attached"));
	EXPECT_EQ(0, protect_object(self->fd, 0, SIZE, PROT_READ));
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	EXPECT_EQ(7, peek(self->addr));
	EXPECT_EQ(-SIGSEGV, poke(self->addr, 8));
}

TEST_F(protect, of_huge_pages)
{
	ASSERT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "2"));
	if (map_object(self->fd, 4 * HUGE, 2 * HUGE, RW, ANON | MAP_HUGETLB,
		       -1, 0))
		SKIP(return, "no huge pages");
	ASSERT_EQ(0, fill_pages(self->addr + 4 * HUGE, 2 * HUGE, 1));
	EXPECT_EQ(0, protect_object(self->fd, 4 * HUGE, HUGE, PROT_READ));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + 4 * HUGE, 2));
	EXPECT_EQ(1, peek(self->addr + 4 * HUGE));
	EXPECT_EQ(0, poke(self->addr + 5 * HUGE, 2));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, 5 * HUGE, PAGE, PROT_READ));
	EXPECT_EQ(0, protect_object(self->fd, 4 * HUGE, HUGE, RW));
	EXPECT_EQ(0, poke(self->addr + 4 * HUGE, 2));
	EXPECT_EQ(0, unmap_object(self->fd, 4 * HUGE, 2 * HUGE));
	EXPECT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "0"));
}

TEST_F(protect, of_transparent_huge_pages)
{
	const char *knob = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

	if (write_to(knob, "force"))
		SKIP(return, "no transparent huge pages");
	ASSERT_EQ(0, map_anon(self->fd, 4 * HUGE, 2 * HUGE));
	ASSERT_EQ(0, peer_fill(&self->peers[0], self->there[0] + 4 * HUGE,
			       2 * HUGE, 1));
	EXPECT_EQ(0, protect_object(self->fd, 4 * HUGE, HUGE, PROT_READ));
	EXPECT_EQ(-SIGSEGV, peer_poke(&self->peers[0],
				      self->there[0] + 4 * HUGE, 2));
	EXPECT_EQ(0, protect_object(self->fd, 5 * HUGE, PAGE, PROT_READ));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + 5 * HUGE, 2));
	EXPECT_EQ(0, poke(self->addr + 5 * HUGE + PAGE, 1));
	EXPECT_EQ(0, check_pages(self->addr + 4 * HUGE, 2 * HUGE, 1));
	EXPECT_EQ(0, write_to(knob, "never"));
}

TEST_F(protect, bad_orders_are_refused)
{
	struct mshare_protect order = { .size = PAGE, .prot = RW, .flags = 1 };

	EXPECT_EQ(-EINVAL, or_errno(ioctl(self->fd, MSHAREFS_PROTECT, &order)));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, 0, PAGE, RW | PROT_EXEC));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, 0, PAGE, 0x40));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, 1, PAGE, RW));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, 0, 0, RW));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, UNIT, PAGE, RW));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, UNIT - PAGE, 2 * PAGE, RW));
	EXPECT_EQ(-EINVAL, protect_object(self->fd, PAGE, ~0UL, RW));
	EXPECT_EQ(0, poke(self->addr, 7));
}

/* A process counts in a page until the page is protected. */
struct counter {
	volatile long count;
	volatile int stop;
};

static void *count(void *argument)
{
	struct counter *counter = argument;

	while (!counter->stop)
		counter->count++;
	return NULL;
}

TEST_F(protect, holds_when_the_call_returns)
{
	struct counter *counter = (struct counter *)self->addr;
	int round;

	for (round = 0; round < 20; round++) {
		struct patience patience = patience_of(PATIENCE_MS);
		pid_t pid;
		long seen;

		counter->count = counter->stop = 0;
		pid = fork();
		if (!pid) {
			be_a_child();
			count(counter);
			_exit(0);
		}
		/* Busy waiting, so that the counter can't move to this CPU. */
		while (counter->count < 1000 && has_patience(&patience))
			;
		ASSERT_LE(1000, counter->count);
		/* The counter runs on another CPU, which has the translation in its TLB. */
		ASSERT_EQ(0, protect_object(self->fd, 0, PAGE, PROT_READ));
		seen = counter->count;
		usleep(1000);
		EXPECT_EQ(seen, counter->count);
		EXPECT_EQ(256 + SIGSEGV, reap(pid));
		EXPECT_EQ(seen, counter->count);
		ASSERT_EQ(0, protect_object(self->fd, 0, PAGE, RW));
	}
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
