// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics of a region in /proc/PID/fdinfo.
 */
#include "msharefs.h"

FIXTURE(numbers) {
	int fd;
};

FIXTURE_SETUP(numbers)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 2);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(numbers)
{
	close(self->fd);
	mshare_leave();
}

TEST_F(numbers, of_a_new_region)
{
	int fd = new_region(MNT "/other");

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fdinfo(fd, "mshare-size"));
	EXPECT_EQ(0, fdinfo(fd, "mshare-mappings"));
	EXPECT_EQ(0, fdinfo(fd, "mshare-resident"));
	EXPECT_EQ(0, fdinfo(fd, "mshare-page-tables"));
	EXPECT_EQ(0, fdinfo(fd, "mshare-attached"));
}

TEST_F(numbers, size)
{
	EXPECT_EQ(2 * (long)UNIT, fdinfo(self->fd, "mshare-size"));
}

TEST_F(numbers, mappings)
{
	int i;

	/* The gaps prevent merging. */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, map_anon(self->fd, 2 * i * PAGE, PAGE));
		EXPECT_EQ(i + 1, fdinfo(self->fd, "mshare-mappings"));
	}
	ASSERT_EQ(0, unmap_object(self->fd, 0, 10 * PAGE));
	EXPECT_EQ(5, fdinfo(self->fd, "mshare-mappings"));
}

TEST_F(numbers, resident_pages)
{
	char *addr = attach_units(self->fd, RW, 2);
	int i;

	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, map_anon(self->fd, 0, MiB));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-resident"));
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, poke(addr + i * PAGE, 1));
	EXPECT_EQ(100, fdinfo(self->fd, "mshare-resident"));
	ASSERT_EQ(0, unmap_object(self->fd, 0, 50 * PAGE));
	EXPECT_EQ(50, fdinfo(self->fd, "mshare-resident"));
	ASSERT_EQ(0, munmap(addr, 2 * UNIT));
	EXPECT_EQ(50, fdinfo(self->fd, "mshare-resident"));
	ASSERT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-resident"));
}

TEST_F(numbers, page_tables)
{
	char *addr = attach_units(self->fd, RW, 2);
	int i;

	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, map_anon(self->fd, 0, 8 * MiB));
	ASSERT_EQ(0, map_anon(self->fd, UNIT, PAGE));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-page-tables"));
	/* A PUD table, a PMD table and a table of PTEs. */
	ASSERT_EQ(0, poke(addr, 1));
	EXPECT_EQ(3 * (long)PAGE, fdinfo(self->fd, "mshare-page-tables"));
	/* One PTE table for each 2 MiB. */
	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, poke(addr + i * HUGE, 1));
		EXPECT_EQ((3 + i) * (long)PAGE,
			  fdinfo(self->fd, "mshare-page-tables"));
	}
	ASSERT_EQ(0, poke(addr + UNIT, 1));
	EXPECT_EQ(9 * (long)PAGE, fdinfo(self->fd, "mshare-page-tables"));
	/* Only the PUD tables remain. */
	ASSERT_EQ(0, unmap_object(self->fd, 0, 2 * UNIT));
	EXPECT_EQ(2 * (long)PAGE, fdinfo(self->fd, "mshare-page-tables"));
	ASSERT_EQ(0, munmap(addr, 2 * UNIT));
}

TEST_F(numbers, page_tables_do_not_grow_with_the_processes)
{
	long before = 0;
	int i;

	ASSERT_EQ(0, map_anon(self->fd, 0, 4 * MiB));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(0, CHILD(fill_pages(attach_units(self->fd, RW, 2),
					      4 * MiB, i)));
		if (!i)
			before = fdinfo(self->fd, "mshare-page-tables");
		EXPECT_EQ(before, fdinfo(self->fd, "mshare-page-tables"));
	}
}

TEST_F(numbers, attachments)
{
	struct peer peer;
	char *addr[4];
	int i;

	for (i = 0; i < 4; i++) {
		addr[i] = attach_units(self->fd, RW, 2);
		ASSERT_NE(NULL, addr[i]);
		EXPECT_EQ(i + 1, fdinfo(self->fd, "mshare-attached"));
	}
	/* A child inherits the container. */
	peer = peer_start();
	ASSERT_LT(0, peer.pid);
	EXPECT_EQ(8, fdinfo(self->fd, "mshare-attached"));
	EXPECT_EQ(0, peer_stop(&peer));
	EXPECT_EQ(4, fdinfo(self->fd, "mshare-attached"));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, munmap(addr[i], 2 * UNIT));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-attached"));
}

TEST_F(numbers, are_the_same_for_all_who_have_it_open)
{
	int other = try_open(REGION, O_RDONLY);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
	EXPECT_EQ(1, fdinfo(other, "mshare-mappings"));
	EXPECT_EQ(2 * (long)UNIT, fdinfo(other, "mshare-size"));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
