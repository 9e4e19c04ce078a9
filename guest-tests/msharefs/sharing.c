// SPDX-License-Identifier: GPL-2.0
/*
 * Processes see the same memory, through the same page tables.
 */
#include "msharefs.h"

MSHARE_FIXTURE(sharing)

TEST_F(sharing, what_one_process_writes_the_other_reads)
{
	int fd = make_region(REGION, 1);
	struct peer peer;
	char *addr;
	long there;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, MiB));
	peer = peer_start();
	there = peer_attach(&peer, fd, RW, NULL);
	ASSERT_LT(0, there);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);

	EXPECT_EQ(0, poke(addr + 5 * PAGE, 42));
	EXPECT_EQ(42, peer_peek(&peer, there + 5 * PAGE));
	EXPECT_EQ(0, peer_poke(&peer, there + 6 * PAGE, 43));
	EXPECT_EQ(43, peek(addr + 6 * PAGE));
	EXPECT_EQ(0, peer_stop(&peer));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(sharing, three_processes_use_three_addresses)
{
	char *at = (char *)(16 * UNIT);
	int fd = make_region(REGION, 1);
	struct peer peers[3];
	long there[3];
	int i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, MiB));
	for (i = 0; i < 3; i++) {
		peers[i] = peer_start();
		there[i] = peer_attach(&peers[i], fd, RW, at + i * UNIT);
		ASSERT_EQ((long)at + i * (long)UNIT, there[i]);
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, peer_poke(&peers[i], there[i] + i * PAGE, 7 + i));
	for (i = 0; i < 9; i++)
		EXPECT_EQ(7 + i / 3, peer_peek(&peers[i % 3],
					       there[i % 3] + i / 3 * PAGE));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, peer_stop(&peers[i]));
}

TEST_F(sharing, one_process_attaches_twice)
{
	int fd = make_region(REGION, 1);
	char *a, *b;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, MiB));
	a = attach(fd);
	b = attach(fd);
	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	ASSERT_NE(a, b);
	EXPECT_EQ(0, poke(a, 1));
	EXPECT_EQ(1, peek(b));
	EXPECT_EQ(0, detach(a));
	EXPECT_EQ(-SIGSEGV, peek(a));
	EXPECT_EQ(1, peek(b));
	EXPECT_EQ(0, detach(b));
}

TEST_F(sharing, objects_come_and_go_while_attached)
{
	int fd = make_region(REGION, 1);
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(-SIGSEGV, peek(addr));
	ASSERT_EQ(0, map_anon(fd, 0, MiB));
	EXPECT_EQ(0, peek(addr));
	EXPECT_EQ(0, poke(addr, 1));
	ASSERT_EQ(0, unmap_object(fd, 0, MiB));
	EXPECT_EQ(-SIGSEGV, peek(addr));
	ASSERT_EQ(0, map_anon(fd, 0, MiB));
	EXPECT_EQ(0, peek(addr));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(sharing, a_region_of_several_units_is_one_piece)
{
	int fd = make_region(REGION, 3);
	struct peer peer = peer_start();
	char *addr;

	ASSERT_LE(0, fd);
	/* Across the border of two units, and at the very end. */
	ASSERT_EQ(0, map_anon(fd, 2 * UNIT - MiB, 2 * MiB));
	ASSERT_EQ(0, map_anon(fd, 3 * UNIT - PAGE, PAGE));
	addr = attach_units(fd, RW, 3);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, fill_pages(addr + 2 * UNIT - MiB, 2 * MiB, 9));
	EXPECT_EQ(0, poke(addr + 3 * UNIT - 1, 8));
	EXPECT_EQ(9, CHILD(peek(addr + 2 * UNIT)));
	EXPECT_EQ(8, CHILD(peek(addr + 3 * UNIT - 1)));
	EXPECT_EQ(-SIGSEGV, peek(addr));
	EXPECT_EQ(0, munmap(addr, 3 * UNIT));
	EXPECT_EQ(0, peer_stop(&peer));
}

TEST_F(sharing, a_page_is_faulted_in_once_for_all)
{
	int fd = make_region(REGION, 1);
	struct peer peer;
	long before;
	char *addr;
	long there;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, 8 * MiB));
	peer = peer_start();
	there = peer_attach(&peer, fd, RW, NULL);
	ASSERT_LT(0, there);
	ASSERT_EQ(0, peer_fill(&peer, there, 8 * MiB, 1));
	addr = attach(fd);
	ASSERT_NE(NULL, addr);

	before = faults_so_far();
	EXPECT_EQ(0, check_pages(addr, 8 * MiB, 1));
	/* One fault links the table; some may be for the stack and the like. */
	EXPECT_GT(20, faults_so_far() - before);
	EXPECT_EQ(0, detach(addr));
	EXPECT_EQ(0, peer_stop(&peer));
}

#define CROWD	32

TEST_F(sharing, a_crowd_has_the_page_tables_of_one)
{
	int fd = make_region(REGION, 1);
	struct peer peers[CROWD];
	long tables[CROWD + 1];
	long there;
	int i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, 64 * MiB));
	for (i = 0; i < CROWD; i++)
		peers[i] = peer_start();
	tables[0] = meminfo("PageTables");
	for (i = 0; i < CROWD; i++) {
		there = peer_attach(&peers[i], fd, RW, NULL);
		ASSERT_LT(0, there);
		ASSERT_EQ(0, i ? peer_check(&peers[i], there, 64 * MiB, 1) :
				 peer_fill(&peers[i], there, 64 * MiB, 1));
		tables[i + 1] = meminfo("PageTables");
	}
	/* 32 tables of PTEs and those above; others may have freed some. */
	EXPECT_LE(25 * 4, tables[1] - tables[0]);
	/* Ordinary sharing would take 128 kB per process; a region takes at most a P4D. */
	EXPECT_GE((CROWD - 1) * 12, tables[CROWD] - tables[1]) {
		TH_LOG("%ld kB for one, %ld kB for %d", tables[1] - tables[0],
		       tables[CROWD] - tables[0], CROWD);
	}
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, peer_stop(&peers[i]));
}

TEST_F(sharing, a_page_has_one_mapping_for_all)
{
	int fd = make_region(REGION, 1);
	struct peer peer;
	char *addr;
	long there;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, MiB));
	peer = peer_start();
	there = peer_attach(&peer, fd, RW, NULL);
	addr = attach(fd);
	ASSERT_LT(0, there);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, fill_pages(addr, MiB, 1));
	ASSERT_EQ(0, peer_check(&peer, there, MiB, 1));
	EXPECT_EQ(256, fdinfo(fd, "mshare-resident"));
	/* No page is charged to a process. */
	EXPECT_EQ(0, detach(addr));
	EXPECT_EQ(256, fdinfo(fd, "mshare-resident"));
	EXPECT_EQ(0, peer_check(&peer, there, MiB, 1));
	EXPECT_EQ(0, peer_stop(&peer));
}

/* The 64-bit number at an index of a file in /proc. */
static long long entry(const char *path, unsigned long index)
{
	int fd = try_open(path, O_RDONLY);
	uint64_t value = 0;

	if (fd < 0)
		return fd;
	if (pread(fd, &value, 8, index * 8) != 8)
		value = -1;
	close(fd);
	return value;
}

TEST_F(sharing, the_kernel_counts_one_mapping_of_a_page_in_use_by_many)
{
	int object = memfd_create("object", MFD_CLOEXEC);
	int fd = make_region(REGION, 1);
	struct peer peers[4];
	long long frame;
	char *addr;
	int i;

	ASSERT_LE(0, object);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(object, PAGE));
	ASSERT_EQ(0, map_file(fd, 0, PAGE, object));
	for (i = 0; i < 4; i++) {
		peers[i] = peer_start();
		ASSERT_EQ(0, peer_poke(&peers[i], peer_attach(&peers[i], fd, RW,
							      NULL), i));
	}
	/* pagemap shows the PFN only for an ordinary mapping, which adds to the map count. */
	addr = mmap(NULL, PAGE, RW, MAP_SHARED, object, 0);
	ASSERT_NE(MAP_FAILED, addr);
	ASSERT_EQ(3, peek(addr));
	frame = entry("/proc/self/pagemap", (unsigned long)addr / PAGE);
	ASSERT_LT(0, frame & 0x7fffffffffffff);
	frame &= 0x7fffffffffffff;
	EXPECT_EQ(2, entry("/proc/kpagecount", frame));
	ASSERT_EQ(0, munmap(addr, PAGE));
	EXPECT_EQ(1, entry("/proc/kpagecount", frame));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, peer_stop(&peers[i]));
}

LEAVES_NOTHING
IS_ITS_SECTION
TEST_HARNESS_MAIN
