// SPDX-License-Identifier: GPL-2.0
/*
 * Pages and page tables of a region are charged to the memory cgroup in which it
 * was created.
 */
#include "msharefs.h"
#include "../include/cgroup.h"

#define OWNER	CGROUP "/mshare_owner"
#define OTHER	CGROUP "/mshare_other"

#define SIZE	(16 * MiB)

FIXTURE(memcg) {
	int fd;
};

/* A process in the group creates the region and exits. */
FIXTURE_SETUP(memcg)
{
	mshare_enter(_metadata);
	if (enable_memory_cgroups())
		SKIP(return, "no memory cgroups");
	ASSERT_EQ(0, new_cgroup(OWNER));
	ASSERT_EQ(0, new_cgroup(OTHER));
	ASSERT_EQ(0, CHILD(enter_cgroup(OWNER) || make_region(REGION, 1) < 0));
	self->fd = try_open(REGION, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
}

FIXTURE_TEARDOWN(memcg)
{
	close(self->fd);
	unlink(REGION);
	remove_cgroup(OWNER);
	remove_cgroup(OTHER);
	mshare_leave();
}

TEST_F(memcg, the_creators_group_pays_for_pages)
{
	long other;

	EXPECT_EQ(0, CHILD(enter_cgroup(OTHER) ||
			   fill_pages(attach(self->fd), SIZE, 1)));
	EXPECT_LE((long)SIZE, cgroup_usage(OWNER));
	EXPECT_LE((long)SIZE, cgroup_stat(OWNER, "shmem"));
	other = cgroup_usage(OTHER);
	EXPECT_GT((long)SIZE / 4, other) {
		TH_LOG("%ld bytes are charged to the other group", other);
	}
	EXPECT_EQ(0, cgroup_stat(OTHER, "shmem"));
	/* Unmapping uncharges them. */
	ASSERT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_TRUE(EVENTUALLY(cgroup_stat(OWNER, "shmem") == 0));
}

TEST_F(memcg, the_creators_group_pays_for_page_tables)
{
	char *addr;

	ASSERT_EQ(0, map_object(self->fd, 1UL << 30, 256 * MiB, RW,
				ANON | MAP_NORESERVE, -1, 0));
	EXPECT_EQ(0, CHILD(({
		long i;

		enter_cgroup(OTHER);
		addr = attach(self->fd) + (1UL << 30);
		for (i = 0; i < 128; i++)
			addr[i * HUGE] = 1;
		0;
	})));
	EXPECT_LE(128 * (long)PAGE, cgroup_stat(OWNER, "pagetables"));
	EXPECT_GT(64 * (long)PAGE, cgroup_stat(OTHER, "pagetables"));
}

TEST_F(memcg, the_limit_of_the_creators_group_is_kept_to)
{
	ASSERT_EQ(0, write_to(OWNER "/memory.max", "8388608"));
	/* A process of another group is not killed and does not hang. */
	EXPECT_EQ(SIGBUS, CHILD(enter_cgroup(OTHER) ? 98 :
				-fill_pages(attach(self->fd), SIZE, 1)));
	EXPECT_GE(8388608, cgroup_usage(OWNER));
	EXPECT_EQ(0, cgroup_event(OTHER, "oom_kill"));
	/* Without the limit, it continues. */
	ASSERT_EQ(0, write_to(OWNER "/memory.max", "max"));
	EXPECT_EQ(0, CHILD(enter_cgroup(OTHER) ||
			   fill_pages(attach(self->fd), SIZE, 1)));
}

TEST_F(memcg, a_system_call_at_the_limit_gets_an_error)
{
	int zero = try_open("/dev/zero", O_RDONLY);

	ASSERT_LE(0, zero);
	ASSERT_EQ(0, write_to(OWNER "/memory.max", "8388608"));
	EXPECT_EQ(0, CHILD(({
		ssize_t size;

		enter_cgroup(OTHER);
		size = read(zero, attach(self->fd), SIZE);
		!(size > 0 && size < (ssize_t)SIZE);
	})));
}

TEST_F(memcg, a_process_of_the_creators_group_is_killed_at_the_limit)
{
	ASSERT_EQ(0, write_to(OWNER "/memory.max", "8388608"));
	EXPECT_EQ(256 + SIGKILL,
		  CHILD(enter_cgroup(OWNER) ? 98 :
			-fill_pages(attach(self->fd), SIZE, 1)));
	EXPECT_LE(1, cgroup_event(OWNER, "oom_kill"));
}

TEST_F(memcg, the_limit_of_another_group_is_not_touched)
{
	ASSERT_EQ(0, write_to(OTHER "/memory.max", "8388608"));
	EXPECT_EQ(0, CHILD(enter_cgroup(OTHER) ||
			   fill_pages(attach(self->fd), SIZE, 1)));
	EXPECT_EQ(0, cgroup_event(OTHER, "oom_kill"));
}

static long cgroups(void)
{
	/* Pages in the CPUs' LRU batches keep a group alive, too. */
	write_to("/proc/sys/vm/drop_caches", "1");
	return number_in("/sys/fs/cgroup/cgroup.stat",
			 "nr_dying_descendants");
}

TEST_F(memcg, the_creators_group_may_be_removed)
{
	long dying = cgroups();
	char *addr;

	addr = attach(self->fd);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, fill_pages(addr, SIZE / 2, 1));
	ASSERT_TRUE(remove_cgroup(OWNER));
	/* From now on its parent is charged. */
	EXPECT_EQ(0, check_pages(addr, SIZE / 2, 1));
	EXPECT_EQ(0, fill_pages(addr + SIZE / 2, SIZE / 2, 1));
	EXPECT_EQ(0, CHILD(enter_cgroup(OTHER) ||
			   fill_pages(addr, SIZE, 2)));
	EXPECT_EQ(0, map_anon(self->fd, SIZE, SIZE));
	EXPECT_EQ(0, fill_pages(addr + SIZE, SIZE, 1));
	/* The region does not keep the group alive once its pages are freed. */
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_TRUE(EVENTUALLY(cgroups() <= dying));
	EXPECT_EQ(0, map_anon(self->fd, 0, PAGE));
	EXPECT_EQ(0, poke(addr, 1));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(memcg, reclaim_in_the_creators_group_is_seen_by_all)
{
	char *addr = attach(self->fd);

	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, fill_pages(addr, SIZE, 7));
	/* Without swap space, nothing is reclaimed, and nothing breaks. */
	write_to(OWNER "/memory.reclaim", "16777216");
	EXPECT_EQ(0, check_pages(addr, SIZE, 7));
	EXPECT_EQ(0, detach(addr));
}

/* A mount option of the hierarchy decides whether huge pages are charged. */
static int count_huge_pages(bool count)
{
	return or_errno(mount(NULL, CGROUP, NULL, MS_REMOUNT,
			      count ? "memory_hugetlb_accounting" : ""));
}

TEST_F(memcg, the_creators_group_pays_for_huge_pages)
{
	long other;

	ASSERT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "4"));
	if (count_huge_pages(true))
		SKIP(return, "huge pages are not counted");
	ASSERT_EQ(0, map_object(self->fd, 1UL << 30, 4 * HUGE, RW,
				ANON | MAP_HUGETLB, -1, 0));
	EXPECT_EQ(0, CHILD(enter_cgroup(OTHER) ||
			   fill_pages(attach(self->fd) + (1UL << 30),
				      4 * HUGE, 1)));
	EXPECT_LE(4 * (long)HUGE, cgroup_usage(OWNER));
	other = cgroup_usage(OTHER);
	EXPECT_GT((long)HUGE, other) {
		TH_LOG("%ld bytes are charged to the other group", other);
	}
	EXPECT_EQ(0, unmap_object(self->fd, 1UL << 30, 4 * HUGE));
	EXPECT_TRUE(EVENTUALLY(cgroup_usage(OWNER) < (long)HUGE));
	EXPECT_EQ(0, count_huge_pages(false));
	EXPECT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "0"));
}

TEST_F(memcg, the_limit_of_the_creators_group_holds_for_huge_pages)
{
	ASSERT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "4"));
	if (count_huge_pages(true))
		SKIP(return, "huge pages are not counted");
	ASSERT_EQ(0, map_object(self->fd, 1UL << 30, 4 * HUGE, RW,
				ANON | MAP_HUGETLB, -1, 0));
	ASSERT_EQ(0, write_to(OWNER "/memory.max", "5242880"));
	EXPECT_EQ(SIGBUS, CHILD(enter_cgroup(OTHER) ? 98 :
				-fill_pages(attach(self->fd) + (1UL << 30),
					    4 * HUGE, 1)));
	EXPECT_EQ(0, cgroup_event(OTHER, "oom_kill"));
	ASSERT_EQ(0, write_to(OWNER "/memory.max", "max"));
	EXPECT_EQ(0, CHILD(enter_cgroup(OTHER) ||
			   fill_pages(attach(self->fd) + (1UL << 30),
				      4 * HUGE, 1)));
	EXPECT_EQ(0, unmap_object(self->fd, 1UL << 30, 4 * HUGE));
	EXPECT_EQ(0, count_huge_pages(false));
	EXPECT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "0"));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
