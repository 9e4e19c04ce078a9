// SPDX-License-Identifier: GPL-2.0
/*
 * How a region is mapped: its container, and the addresses allowed for it.
 */
#include <sys/resource.h>

#include "msharefs.h"

#define AT	((char *)(20 * UNIT))

FIXTURE(container) {
	int fd;
};

FIXTURE_SETUP(container)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, MiB));
}

FIXTURE_TEARDOWN(container)
{
	close(self->fd);
	mshare_leave();
}

static long try_mmap(void *addr, unsigned long size, int prot, int flags,
		     int fd, off_t offset)
{
	void *result = mmap(addr, size, prot, flags, fd, offset);

	return result == MAP_FAILED ? -errno : (long)result;
}

/* ----- Refused mappings ----- */

FIXTURE(bad_mmap) {
	int fd;
};

FIXTURE_VARIANT(bad_mmap) {
	char *addr;
	unsigned long size;
	int prot, flags;
	off_t offset;
	int expected;
};

FIXTURE_SETUP(bad_mmap)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 2);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(bad_mmap)
{
	close(self->fd);
	mshare_leave();
}

#define BAD_MMAP(name, ...)						\
	FIXTURE_VARIANT_ADD(bad_mmap, name) { __VA_ARGS__ }

BAD_MMAP(map_private, NULL, 2 * UNIT, RW, MAP_PRIVATE, 0, -EINVAL);
BAD_MMAP(a_part_of_the_region, NULL, UNIT, RW, MAP_SHARED, 0, -EINVAL);
BAD_MMAP(one_page, NULL, PAGE, RW, MAP_SHARED, 0, -EINVAL);
BAD_MMAP(all_but_a_page, NULL, 2 * UNIT - PAGE, RW, MAP_SHARED, 0, -EINVAL);
BAD_MMAP(more_than_the_region, NULL, 3 * UNIT, RW, MAP_SHARED, 0, -EINVAL);
BAD_MMAP(an_offset, NULL, UNIT, RW, MAP_SHARED, UNIT, -EINVAL);
BAD_MMAP(an_offset_of_a_page, NULL, 2 * UNIT, RW, MAP_SHARED, PAGE, -EINVAL);
BAD_MMAP(an_unaligned_address, AT + PAGE, 2 * UNIT, RW, FIXED, 0, -EINVAL);
BAD_MMAP(an_address_aligned_to_half_of_a_unit,
	 AT + UNIT / 2, 2 * UNIT, RW, FIXED, 0, -EINVAL);
BAD_MMAP(map_hugetlb, NULL, 2 * UNIT, RW, MAP_SHARED | MAP_HUGETLB, 0, -EINVAL);
BAD_MMAP(map_32bit, NULL, 2 * UNIT, RW, MAP_SHARED | MAP_32BIT, 0, -ENOMEM);
BAD_MMAP(map_shared_validate_with_map_sync, NULL, 2 * UNIT, RW,
	 MAP_SHARED_VALIDATE | MAP_SYNC, 0, -EOPNOTSUPP);

TEST_F(bad_mmap, is_refused_and_nothing_is_attached)
{
	EXPECT_EQ(variant->expected,
		  try_mmap(variant->addr, variant->size, variant->prot,
			   variant->flags, self->fd, variant->offset));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-attached"));
}

TEST_F(container, a_descriptor_for_reading_is_not_mapped_for_writing)
{
	int fd = try_open(REGION, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, try_mmap(NULL, UNIT, RW, MAP_SHARED, fd, 0));
	EXPECT_LT(0, try_mmap(NULL, UNIT, PROT_READ, MAP_SHARED, fd, 0));
}

TEST_F(container, a_descriptor_for_writing_is_not_mapped)
{
	int fd = try_open(REGION, O_WRONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, try_mmap(NULL, UNIT, PROT_WRITE, MAP_SHARED, fd, 0));
}

TEST_F(container, counts_against_the_limit_of_address_space)
{
	struct rlimit limit = { 1UL << 30, RLIM_INFINITY };

	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(-ENOMEM, try_mmap(NULL, UNIT, RW, MAP_SHARED, self->fd, 0));
}

TEST_F(container, needs_room_in_the_address_space)
{
	int fd = make_region(MNT "/large", 200);

	ASSERT_LE(0, fd);
	EXPECT_LT(0, try_mmap(NULL, 200 * UNIT, RW, MAP_SHARED, fd, 0));
	EXPECT_EQ(-ENOMEM, try_mmap(NULL, 200 * UNIT, RW, MAP_SHARED, fd, 0));
}

TEST_F(container, is_not_put_over_another_if_that_is_not_wanted)
{
	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	EXPECT_EQ(-EEXIST, try_mmap(AT, UNIT, RW, MAP_SHARED |
				    MAP_FIXED_NOREPLACE, self->fd, 0));
}

/* ----- Addresses ----- */

TEST_F(container, is_aligned)
{
	long addr = try_mmap(NULL, UNIT, RW, MAP_SHARED, self->fd, 0);

	ASSERT_LT(0, addr);
	EXPECT_EQ(0, addr % UNIT);
}

TEST_F(container, goes_where_it_is_told_to)
{
	EXPECT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	EXPECT_EQ(0, poke(AT, 1));
}

TEST_F(container, follows_a_hint)
{
	EXPECT_EQ((long)AT, try_mmap(AT, UNIT, RW, MAP_SHARED, self->fd, 0));
}

TEST_F(container, rounds_a_hint_up)
{
	EXPECT_EQ((long)(AT + UNIT),
		  try_mmap(AT + PAGE, UNIT, RW, MAP_SHARED, self->fd, 0));
}

TEST_F(container, ignores_a_hint_to_where_something_is)
{
	long addr;

	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	addr = try_mmap(AT, UNIT, RW, MAP_SHARED, self->fd, 0);
	ASSERT_LT(0, addr);
	EXPECT_NE((long)AT, addr);
	EXPECT_EQ(0, addr % UNIT);
}

TEST_F(container, ignores_a_hint_to_nowhere)
{
	long addr = try_mmap((void *)(~0UL << 12), UNIT, RW, MAP_SHARED,
			     self->fd, 0);

	ASSERT_LT(0, addr);
	EXPECT_EQ(0, addr % UNIT);
}

TEST_F(container, fits_exactly_into_a_hole)
{
	long hole = (long)AT;

	ASSERT_EQ(hole - (long)PAGE,
		  try_mmap(AT - PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS |
			   MAP_FIXED, -1, 0));
	ASSERT_EQ(hole + (long)UNIT,
		  try_mmap(AT + UNIT, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS |
			   MAP_FIXED, -1, 0));
	EXPECT_EQ(hole, try_mmap(AT, UNIT, RW, MAP_SHARED, self->fd, 0));
	/* The neighbours have their own page tables. */
	EXPECT_EQ(0, poke(AT - PAGE, 1));
	EXPECT_EQ(0, poke(AT + UNIT, 2));
	EXPECT_EQ(0, poke(AT, 3));
	EXPECT_EQ(0, munmap(AT, UNIT));
	EXPECT_EQ(1, peek(AT - PAGE));
	EXPECT_EQ(2, peek(AT + UNIT));
}

TEST_F(container, replaces_what_is_there)
{
	ASSERT_EQ((long)AT, try_mmap(AT, 8 * PAGE, RW, MAP_PRIVATE |
				     MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, fill_pages(AT, 8 * PAGE, 1));
	ASSERT_EQ((long)(AT + UNIT - PAGE),
		  try_mmap(AT + UNIT - PAGE, PAGE, RW, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, poke(AT + UNIT - PAGE, 1));
	EXPECT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	EXPECT_EQ(0, peek(AT));
	EXPECT_EQ(-SIGSEGV, peek(AT + UNIT - PAGE));
}

TEST_F(container, is_replaced_as_a_whole)
{
	int other = make_region(MNT "/other", 1);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, map_anon(other, 0, MiB));
	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	ASSERT_EQ(0, poke(AT, 1));
	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, other, 0));
	EXPECT_EQ(0, peek(AT));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-attached"));
	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, MAP_PRIVATE | MAP_ANONYMOUS |
				     MAP_FIXED | MAP_NORESERVE, -1, 0));
	EXPECT_EQ(0, poke(AT, 2));
	EXPECT_EQ(0, fdinfo(other, "mshare-attached"));
}

TEST_F(container, is_not_merged_with_its_neighbour)
{
	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	ASSERT_EQ((long)(AT + UNIT),
		  try_mmap(AT + UNIT, UNIT, RW, FIXED, self->fd, 0));
	EXPECT_EQ(2, fdinfo(self->fd, "mshare-attached"));
	EXPECT_EQ(0, poke(AT, 1));
	EXPECT_EQ(1, peek(AT + UNIT));
	/* Unmap both at once. */
	EXPECT_EQ(0, munmap(AT, 2 * UNIT));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-attached"));
}

TEST_F(container, may_be_above_47_bits)
{
	long high = 1L << 50;
	long addr = try_mmap((void *)high, UNIT, RW, FIXED, self->fd, 0);

	if (addr == -ENOMEM)
		SKIP(return, "page tables have four levels");
	ASSERT_EQ(high, addr);
	EXPECT_EQ(0, poke((char *)addr, 1));
	EXPECT_EQ(1, CHILD(peek(attach(self->fd))));
	EXPECT_EQ(0, munmap((void *)addr, UNIT));
	/* Not unless it is requested. */
	addr = try_mmap(NULL, UNIT, RW, MAP_SHARED, self->fd, 0);
	EXPECT_LT(0, addr);
	EXPECT_GT(1L << 47, addr);
}

TEST_F(container, is_seen_in_maps)
{
	bool found = false;
	char line[512];
	FILE *file;

	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, PROT_READ, FIXED, self->fd, 0));
	file = fopen("/proc/self/maps", "re");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long start, end;
		char prot[8];

		if (sscanf(line, "%lx-%lx %7s", &start, &end, prot) == 3 &&
		    start == (unsigned long)AT)
			found = end == start + UNIT && !strcmp(prot, "r--s") &&
				strstr(line, REGION);
	}
	fclose(file);
	EXPECT_TRUE(found);
}

TEST_F(container, adds_its_size_and_no_pages_to_the_process)
{
	long size = number_in("/proc/self/status", "VmSize");
	long resident = number_in("/proc/self/status", "RssShmem");

	ASSERT_EQ((long)AT, try_mmap(AT, UNIT, RW, FIXED, self->fd, 0));
	EXPECT_EQ(0, fill_pages(AT, MiB, 1));
	EXPECT_EQ((long)(UNIT / 1024),
		  number_in("/proc/self/status", "VmSize") - size);
	EXPECT_EQ(resident, number_in("/proc/self/status", "RssShmem"));
}

LEAVES_NOTHING
IS_ITS_SECTION
TEST_HARNESS_MAIN
