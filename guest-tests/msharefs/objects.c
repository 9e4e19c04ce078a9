// SPDX-License-Identifier: GPL-2.0
/*
 * MSHAREFS_CREATE_MAPPING and MSHAREFS_UNMAP: valid and invalid arguments, and the
 * kinds of files that can be objects.
 */
#include <sys/sysmacros.h>

#include "msharefs.h"

FIXTURE(objects) {
	int fd;
	char *addr;
};

FIXTURE_SETUP(objects)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
}

FIXTURE_TEARDOWN(objects)
{
	detach(self->addr);
	close(self->fd);
	mshare_leave();
}

/* A memfd whose pages begin with value. */
static int filled_memfd(unsigned long size, int value, unsigned int flags)
{
	int fd = memfd_create("object", MFD_CLOEXEC | flags);
	char byte = value;
	unsigned long i;

	if (fd < 0 || ftruncate(fd, size))
		return -errno;
	if (flags & MFD_HUGETLB)
		return fd;
	for (i = 0; i < size; i += PAGE) {
		if (pwrite(fd, &byte, 1, i) != 1)
			return -errno;
	}
	return fd;
}

static int huge_pages(const char *number)
{
	return write_to("/proc/sys/vm/nr_hugepages", number);
}

/* ----- Refused: creation ----- */

struct bad_create {
	uint64_t at, size, offset;
	uint32_t prot, flags;
	int object, expected;
};

FIXTURE(bad_create) {
	int fd;
};

FIXTURE_VARIANT(bad_create) {
	struct bad_create call;
};

FIXTURE_SETUP(bad_create)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(bad_create)
{
	close(self->fd);
	mshare_leave();
}

#define BAD_CREATE(name, ...)						\
	FIXTURE_VARIANT_ADD(bad_create, name) { .call = { __VA_ARGS__ } }

BAD_CREATE(offset_behind_the_region, UNIT, PAGE, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(offset_far_behind_the_region,
	   ~0UL & ~(PAGE - 1), PAGE, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(end_behind_the_region,
	   UNIT - PAGE, 2 * PAGE, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(end_that_wraps, PAGE, ~0UL, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(end_that_wraps_to_inside,
	   2 * PAGE, ~0UL - PAGE + 1, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(size_of_zero, 0, 0, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(offset_within_a_page, 1, PAGE, 0, RW, ANON, -1, -EINVAL);
BAD_CREATE(offset_of_file_within_a_page, 0, PAGE, 1, RW, ANON, -1, -EINVAL);
BAD_CREATE(without_map_shared,
	   0, PAGE, 0, RW, MAP_FIXED | MAP_ANONYMOUS, -1, -EINVAL);
BAD_CREATE(without_map_fixed,
	   0, PAGE, 0, RW, MAP_SHARED | MAP_ANONYMOUS, -1, -EINVAL);
BAD_CREATE(map_private,
	   0, PAGE, 0, RW, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, -EINVAL);
BAD_CREATE(map_shared_validate, 0, PAGE, 0, RW,
	   MAP_SHARED_VALIDATE | MAP_FIXED | MAP_ANONYMOUS, -1, -EINVAL);
BAD_CREATE(map_locked, 0, PAGE, 0, RW, ANON | MAP_LOCKED, -1, -EINVAL);
BAD_CREATE(map_populate, 0, PAGE, 0, RW, ANON | MAP_POPULATE, -1, -EINVAL);
BAD_CREATE(map_growsdown, 0, PAGE, 0, RW, ANON | MAP_GROWSDOWN, -1, -EINVAL);
BAD_CREATE(map_fixed_noreplace,
	   0, PAGE, 0, RW, ANON | MAP_FIXED_NOREPLACE, -1, -EINVAL);
BAD_CREATE(map_sync, 0, PAGE, 0, RW, ANON | MAP_SYNC, -1, -EINVAL);
BAD_CREATE(huge_size_without_map_hugetlb,
	   0, HUGE, 0, RW, ANON | MAP_HUGE_2MB, -1, -EINVAL);
BAD_CREATE(huge_size_that_does_not_exist, 0, HUGE, 0, RW,
	   ANON | MAP_HUGETLB | (13 << 26), -1, -EINVAL);
BAD_CREATE(flag_without_meaning, 0, PAGE, 0, RW, ANON | (1U << 31), -1, -EINVAL);
BAD_CREATE(prot_exec, 0, PAGE, 0, RW | PROT_EXEC, ANON, -1, -EINVAL);
BAD_CREATE(prot_growsdown, 0, PAGE, 0, RW | PROT_GROWSDOWN, ANON, -1, -EINVAL);
BAD_CREATE(prot_without_meaning, 0, PAGE, 0, RW | 0x40, ANON, -1, -EINVAL);
BAD_CREATE(bad_descriptor, 0, PAGE, 0, RW, FIXED, -1, -EBADF);
BAD_CREATE(closed_descriptor, 0, PAGE, 0, RW, FIXED, 1000, -EBADF);

TEST_F(bad_create, is_refused_and_nothing_is_mapped)
{
	const struct bad_create *call = &variant->call;

	EXPECT_EQ(call->expected,
		  map_object(self->fd, call->at, call->size, call->prot,
			     call->flags, call->object, call->offset));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-mappings"));
	EXPECT_EQ(0, map_anon(self->fd, 0, PAGE));
}

/* ----- Refused: unmapping ----- */

FIXTURE(bad_unmap) {
	int fd;
};

FIXTURE_VARIANT(bad_unmap) {
	uint64_t at, size;
};

FIXTURE_SETUP(bad_unmap)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(bad_unmap)
{
	close(self->fd);
	mshare_leave();
}

#define BAD_UNMAP(name, ...)						\
	FIXTURE_VARIANT_ADD(bad_unmap, name) { __VA_ARGS__ }

BAD_UNMAP(offset_behind_the_region, UNIT, PAGE);
BAD_UNMAP(size_larger_than_the_region, 0, UNIT + PAGE);
BAD_UNMAP(end_behind_the_region, UNIT - PAGE, 2 * PAGE);
BAD_UNMAP(end_that_wraps, PAGE, ~0UL);
BAD_UNMAP(offset_within_a_page, 1, PAGE);
BAD_UNMAP(size_of_zero, 0, 0);

TEST_F(bad_unmap, is_refused_and_nothing_is_unmapped)
{
	ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
	ASSERT_EQ(0, map_anon(self->fd, UNIT - PAGE, PAGE));
	EXPECT_EQ(-EINVAL, unmap_object(self->fd, variant->at, variant->size));
	EXPECT_EQ(2, fdinfo(self->fd, "mshare-mappings"));
}

/* ----- Refused: other commands and files ----- */

TEST_F(objects, an_unknown_command_is_refused)
{
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(self->fd, _IO('x', 31))));
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(self->fd, _IOW('x', 0, int), NULL)));
}

TEST_F(objects, a_bad_pointer_is_refused)
{
	EXPECT_EQ(-EFAULT, or_errno(ioctl(self->fd, MSHAREFS_CREATE_MAPPING, 1)));
	EXPECT_EQ(-EFAULT, or_errno(ioctl(self->fd, MSHAREFS_UNMAP, 1)));
	EXPECT_EQ(-EFAULT, or_errno(ioctl(self->fd, MSHAREFS_PROTECT, 1)));
}

TEST_F(objects, orders_may_be_inside_of_the_region_they_are_for)
{
	struct mshare_unmap *unmap;

	ASSERT_EQ(0, map_anon(self->fd, 0, MiB));
	unmap = (struct mshare_unmap *)self->addr;
	unmap->region_offset = 0;
	unmap->size = MiB;
	EXPECT_EQ(0, ioctl(self->fd, MSHAREFS_UNMAP, unmap));
	EXPECT_EQ(-EFAULT, or_errno(ioctl(self->fd, MSHAREFS_UNMAP, unmap)));
}

TEST_F(objects, a_descriptor_for_reading_changes_nothing)
{
	int fd = try_open(REGION, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
	EXPECT_EQ(-EBADF, map_anon(fd, 0, PAGE));
	EXPECT_EQ(-EBADF, unmap_object(fd, 0, PAGE));
	EXPECT_EQ(-EBADF, protect_object(fd, 0, PAGE, PROT_READ));
	EXPECT_EQ(0, poke(self->addr, 1));
}

TEST_F(objects, the_numbers_of_the_commands_are_fixed)
{
	EXPECT_EQ(0x40287800, MSHAREFS_CREATE_MAPPING);
	EXPECT_EQ(0x40107801, MSHAREFS_UNMAP);
	EXPECT_EQ(0x40187802, MSHAREFS_PROTECT);
}

TEST_F(objects, a_region_cannot_be_in_a_region)
{
	int other = make_region(MNT "/other", 1);

	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, map_object(self->fd, 0, UNIT, RW, FIXED, other, 0));
	EXPECT_EQ(-EINVAL, map_object(self->fd, 0, UNIT, RW, FIXED, self->fd, 0));
}

TEST_F(objects, a_region_cannot_be_in_a_region_by_way_of_overlayfs)
{
	int other;

	ASSERT_LE(0, make_region(MNT "/other", 1));
	ASSERT_EQ(0, mkdir("/tmp/lower", 0755));
	ASSERT_EQ(0, mkdir("/tmp/merged", 0755));
	if (mount("o", "/tmp/merged", "overlay", 0,
		  "lowerdir=" MNT ":/tmp/lower"))
		SKIP(return, "no overlayfs: %s", strerror(errno));
	other = try_open("/tmp/merged/other", O_RDONLY);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL,
		  map_object(self->fd, 0, UNIT, PROT_READ, FIXED, other, 0));
	close(other);
	EXPECT_EQ(0, umount("/tmp/merged"));
}

TEST_F(objects, a_file_without_mmap_is_refused)
{
	int fd = try_open("/tmp", O_RDONLY);

	EXPECT_EQ(-ENODEV, map_object(self->fd, 0, PAGE, PROT_READ, FIXED, fd, 0));
}

TEST_F(objects, devices_are_refused)
{
	int fd = try_open("/dev/zero", O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, map_file(self->fd, 0, PAGE, fd));
	close(fd);
	fd = try_open("/dev/mem", O_RDWR);
	if (fd < 0)
		return;
	EXPECT_EQ(-EINVAL, map_file(self->fd, 0, PAGE, fd));
}

TEST_F(objects, files_of_the_kernel_are_refused)
{
	int fd = try_open("/proc/self/status", O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_GT(0, map_object(self->fd, 0, PAGE, PROT_READ, FIXED, fd, 0));
	fd = syscall(SYS_memfd_secret, 0);
	if (fd < 0)
		return;
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	EXPECT_EQ(-EINVAL, map_file(self->fd, 0, PAGE, fd));
}

TEST_F(objects, map_hugetlb_needs_a_file_of_huge_pages)
{
	int fd = filled_memfd(HUGE, 1, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, map_object(self->fd, 0, HUGE, RW,
				      FIXED | MAP_HUGETLB, fd, 0));
}

TEST_F(objects, a_file_open_for_reading_is_not_written)
{
	int fd = try_open("/tmp/file", O_RDONLY | O_CREAT);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, map_file(self->fd, 0, PAGE, fd));
	EXPECT_EQ(0, map_object(self->fd, 0, PAGE, PROT_READ, FIXED, fd, 0));
}

TEST_F(objects, a_file_open_for_writing_is_not_read)
{
	int fd = try_open("/tmp/file", O_WRONLY | O_CREAT);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES,
		  map_object(self->fd, 0, PAGE, PROT_READ, FIXED, fd, 0));
}

TEST_F(objects, a_sealed_memfd_is_not_written)
{
	int fd = filled_memfd(PAGE, 7, MFD_ALLOW_SEALING);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(-EPERM, map_file(self->fd, 0, PAGE, fd));
	EXPECT_EQ(0, map_object(self->fd, 0, PAGE, PROT_READ, FIXED, fd, 0));
	EXPECT_EQ(7, peek(self->addr));
	EXPECT_EQ(-EACCES, protect_object(self->fd, 0, PAGE, RW));
}

TEST_F(objects, an_object_that_may_be_written_keeps_a_memfd_from_being_sealed)
{
	int fd = filled_memfd(PAGE, 7, MFD_ALLOW_SEALING);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_file(self->fd, 0, PAGE, fd));
	EXPECT_EQ(-EBUSY, or_errno(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
	ASSERT_EQ(0, unmap_object(self->fd, 0, PAGE));
	EXPECT_TRUE(EVENTUALLY(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
}

/* ----- Ranges ----- */

TEST_F(objects, sizes_are_rounded_up_to_pages)
{
	ASSERT_EQ(0, map_anon(self->fd, 0, 1));
	EXPECT_EQ(0, poke(self->addr + PAGE - 1, 1));
	EXPECT_EQ(-SIGSEGV, peek(self->addr + PAGE));
	EXPECT_EQ(0, unmap_object(self->fd, 0, 1));
	EXPECT_EQ(-SIGSEGV, peek(self->addr + PAGE - 1));
}

TEST_F(objects, an_object_may_have_the_size_of_the_region)
{
	ASSERT_EQ(0, map_object(self->fd, 0, UNIT, RW, ANON | MAP_NORESERVE,
				-1, 0));
	EXPECT_EQ(0, poke(self->addr, 1));
	EXPECT_EQ(0, poke(self->addr + UNIT - 1, 2));
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
	EXPECT_EQ(-SIGSEGV, peek(self->addr + UNIT - 1));
}

TEST_F(objects, what_cannot_be_reserved_is_refused)
{
	/* The guest has far less memory. */
	EXPECT_EQ(-ENOMEM, map_anon(self->fd, 0, UNIT));
	EXPECT_EQ(-ENOMEM, map_object(self->fd, 0, 512 * HUGE, RW,
				      ANON | MAP_HUGETLB, -1, 0));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-mappings"));
}

TEST_F(objects, a_new_object_replaces_what_it_overlaps)
{
	ASSERT_EQ(0, map_anon(self->fd, 0, 3 * PAGE));
	ASSERT_EQ(0, fill_pages(self->addr, 3 * PAGE, 1));
	ASSERT_EQ(0, map_anon(self->fd, PAGE, PAGE));
	EXPECT_EQ(1, peek(self->addr));
	EXPECT_EQ(0, peek(self->addr + PAGE));
	EXPECT_EQ(1, peek(self->addr + 2 * PAGE));
	EXPECT_EQ(3, fdinfo(self->fd, "mshare-mappings"));
}

TEST_F(objects, an_object_is_split_when_its_middle_is_unmapped)
{
	struct peer peer = peer_start();

	ASSERT_EQ(0, map_anon(self->fd, 0, 3 * PAGE));
	ASSERT_EQ(0, fill_pages(self->addr, 3 * PAGE, 1));
	ASSERT_EQ(0, unmap_object(self->fd, PAGE, PAGE));
	EXPECT_EQ(1, peer_peek(&peer, (long)self->addr));
	EXPECT_EQ(-SIGSEGV, peer_peek(&peer, (long)self->addr + PAGE));
	EXPECT_EQ(1, peer_peek(&peer, (long)self->addr + 2 * PAGE));
	EXPECT_EQ(2, fdinfo(self->fd, "mshare-mappings"));
	EXPECT_EQ(0, peer_stop(&peer));
}

TEST_F(objects, holes_may_be_unmapped)
{
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	ASSERT_EQ(0, map_anon(self->fd, 4 * PAGE, PAGE));
	ASSERT_EQ(0, map_anon(self->fd, 8 * PAGE, PAGE));
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-mappings"));
}

TEST_F(objects, protection_is_that_of_the_object)
{
	ASSERT_EQ(0, map_object(self->fd, 0, PAGE, PROT_READ, ANON, -1, 0));
	ASSERT_EQ(0, map_object(self->fd, PAGE, PAGE, PROT_NONE, ANON, -1, 0));
	EXPECT_EQ(0, peek(self->addr));
	EXPECT_EQ(-SIGSEGV, poke(self->addr, 1));
	EXPECT_EQ(-SIGSEGV, peek(self->addr + PAGE));
	EXPECT_EQ(-SIGSEGV, poke(self->addr + PAGE, 1));
}

static int run_code(const char *addr)
{
	((void (*)(void))addr)();
	return 0;
}

TEST_F(objects, nothing_in_a_region_is_executed)
{
	char *addr = mmap(NULL, UNIT, RW | PROT_EXEC, MAP_SHARED, self->fd, 0);

	ASSERT_EQ(0, map_anon(self->fd, 0, PAGE));
	ASSERT_EQ(0, poke(self->addr, 0xc3));
	EXPECT_EQ(256 + SIGSEGV, CHILD(run_code(self->addr)));
	if (addr == MAP_FAILED)
		return;
	EXPECT_EQ(0xc3, peek(addr));
	EXPECT_EQ(256 + SIGSEGV, CHILD(run_code(addr)));
	munmap(addr, UNIT);
}

TEST_F(objects, an_old_personality_does_not_make_them_executable)
{
	/* READ_IMPLIES_EXEC */
	EXPECT_EQ(0, CHILD(syscall(SYS_personality, 0x0400000) < 0 ? 98 :
			   -map_anon(self->fd, 0, PAGE)));
	ASSERT_EQ(0, poke(self->addr, 0xc3));
	EXPECT_EQ(256 + SIGSEGV, CHILD(run_code(self->addr)));
}

/* ----- Kinds ----- */

TEST_F(objects, a_memfd_is_shared_with_its_other_mappings)
{
	int fd = filled_memfd(4 * PAGE, 7, 0);
	char *other;

	ASSERT_LE(0, fd);
	other = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, map_file(self->fd, 0, 4 * PAGE, fd));
	EXPECT_EQ(0, check_pages(self->addr, 4 * PAGE, 7));
	EXPECT_EQ(0, poke(self->addr, 8));
	EXPECT_EQ(8, peek(other));
	EXPECT_EQ(0, poke(other + PAGE, 9));
	EXPECT_EQ(9, peek(self->addr + PAGE));
	EXPECT_EQ(0, CHILD(check_pages(self->addr + 2 * PAGE, 2 * PAGE, 7)));
}

TEST_F(objects, a_file_is_mapped_from_an_offset)
{
	int fd = filled_memfd(4 * PAGE, 7, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(1, pwrite(fd, "x", 1, 3 * PAGE));
	ASSERT_EQ(0, map_object(self->fd, MiB, PAGE, RW, FIXED, fd, 3 * PAGE));
	EXPECT_EQ('x', peek(self->addr + MiB));
}

TEST_F(objects, an_object_outlives_the_descriptor_and_name_of_its_file)
{
	int fd = try_open("/tmp/file", O_RDWR | O_CREAT);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	ASSERT_EQ(0, map_file(self->fd, 0, PAGE, fd));
	close(fd);
	ASSERT_EQ(0, unlink("/tmp/file"));
	EXPECT_EQ(0, poke(self->addr, 1));
	EXPECT_EQ(1, CHILD(peek(self->addr)));
}

static void file_is_shared(struct __test_metadata *_metadata, int region,
			   char *addr, const char *path)
{
	int fd = try_open(path, O_RDWR | O_CREAT);
	char byte = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 2 * PAGE));
	ASSERT_EQ(1, pwrite(fd, "a", 1, 0));
	ASSERT_EQ(0, map_file(region, 0, 2 * PAGE, fd));
	EXPECT_EQ('a', CHILD(peek(addr)));
	EXPECT_EQ(0, CHILD(poke(addr + PAGE, 'b')));
	ASSERT_EQ(1, pread(fd, &byte, 1, PAGE));
	EXPECT_EQ('b', byte);
	/* Data of write(2) is visible as well. */
	ASSERT_EQ(1, pwrite(fd, "c", 1, PAGE + 1));
	EXPECT_EQ('c', peek(addr + PAGE + 1));
	EXPECT_EQ(0, msync(addr, UNIT, MS_SYNC));
	close(fd);
}

TEST_F(objects, a_file_of_tmpfs)
{
	file_is_shared(_metadata, self->fd, self->addr, "/tmp/file");
}

TEST_F(objects, a_file_of_ramfs)
{
	ASSERT_EQ(0, mkdir("/tmp/ram", 0755));
	if (mount("none", "/tmp/ram", "ramfs", 0, NULL))
		SKIP(return, "no ramfs");
	file_is_shared(_metadata, self->fd, self->addr, "/tmp/ram/file");
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_TRUE(EVENTUALLY(!umount("/tmp/ram")));
}

TEST_F(objects, a_file_of_overlayfs)
{
	ASSERT_EQ(0, mkdir("/tmp/o", 0755));
	ASSERT_EQ(0, mkdir("/tmp/o/lower", 0755));
	ASSERT_EQ(0, mkdir("/tmp/o/upper", 0755));
	ASSERT_EQ(0, mkdir("/tmp/o/work", 0755));
	ASSERT_EQ(0, mkdir("/tmp/merged", 0755));
	if (mount("o", "/tmp/merged", "overlay", 0,
		  "lowerdir=/tmp/o/lower,upperdir=/tmp/o/upper,workdir=/tmp/o/work"))
		SKIP(return, "no overlayfs: %s", strerror(errno));
	file_is_shared(_metadata, self->fd, self->addr, "/tmp/merged/file");
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_TRUE(EVENTUALLY(!umount("/tmp/merged")));
}

TEST_F(objects, beyond_the_end_of_a_file_is_sigbus)
{
	int fd = filled_memfd(PAGE, 1, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_file(self->fd, 0, 4 * PAGE, fd));
	EXPECT_EQ(1, peek(self->addr));
	EXPECT_EQ(-SIGBUS, peek(self->addr + PAGE));
	ASSERT_EQ(0, ftruncate(fd, 2 * PAGE));
	EXPECT_EQ(0, peek(self->addr + PAGE));
}

TEST_F(objects, huge_pages_without_a_file)
{
	ASSERT_EQ(0, huge_pages("8"));
	if (map_object(self->fd, 0, HUGE, RW, ANON | MAP_HUGETLB, -1, 0))
		SKIP(return, "no huge pages");
	ASSERT_EQ(0, unmap_object(self->fd, 0, HUGE));

	/* The size is rounded up to two huge pages. */
	ASSERT_EQ(0, map_object(self->fd, 4 * HUGE, HUGE + 1, RW,
				ANON | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0));
	EXPECT_EQ(2, meminfo("HugePages_Rsvd"));
	EXPECT_EQ(0, fill_pages(self->addr + 4 * HUGE, 2 * HUGE, 3));
	EXPECT_EQ(0, CHILD(!!check_pages(self->addr + 4 * HUGE, 2 * HUGE, 3)));
	EXPECT_EQ(-SIGSEGV, peek(self->addr + 6 * HUGE));
	EXPECT_EQ(6, meminfo("HugePages_Free"));
	EXPECT_EQ(1024, fdinfo(self->fd, "mshare-resident-huge"));

	EXPECT_EQ(-EINVAL, unmap_object(self->fd, 4 * HUGE, PAGE));
	EXPECT_EQ(0, unmap_object(self->fd, 4 * HUGE, HUGE));
	EXPECT_EQ(-SIGSEGV, peek(self->addr + 4 * HUGE));
	EXPECT_EQ(3, peek(self->addr + 5 * HUGE));
	EXPECT_EQ(0, unmap_object(self->fd, 5 * HUGE, HUGE));
	EXPECT_TRUE(EVENTUALLY(meminfo("HugePages_Free") == 8));
	EXPECT_EQ(0, fdinfo(self->fd, "mshare-resident-huge"));
	EXPECT_EQ(0, huge_pages("0"));
	EXPECT_EQ(0, meminfo("HugePages_Total"));
}

TEST_F(objects, huge_pages_have_to_be_aligned)
{
	ASSERT_EQ(0, huge_pages("2"));
	EXPECT_EQ(-EINVAL, map_object(self->fd, PAGE, HUGE, RW,
				      ANON | MAP_HUGETLB, -1, 0));
	EXPECT_EQ(-EINVAL, map_object(self->fd, UNIT - PAGE, PAGE, RW,
				      ANON | MAP_HUGETLB, -1, 0));
	EXPECT_EQ(0, huge_pages("0"));
}

TEST_F(objects, a_memfd_of_huge_pages)
{
	int fd = filled_memfd(2 * HUGE, 0, MFD_HUGETLB);
	char *other;

	if (fd < 0)
		SKIP(return, "no huge pages");
	ASSERT_EQ(0, huge_pages("4"));
	ASSERT_EQ(0, map_file(self->fd, 0, 2 * HUGE, fd));
	other = mmap(NULL, 2 * HUGE, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(0, poke(self->addr, 1));
	EXPECT_EQ(1, peek(other));
	EXPECT_EQ(0, poke(other + HUGE, 2));
	EXPECT_EQ(2, CHILD(peek(self->addr + HUGE)));
	/* Truncation reaches the region. */
	ASSERT_EQ(0, ftruncate(fd, HUGE));
	EXPECT_EQ(-SIGBUS, peek(self->addr + HUGE));
	EXPECT_EQ(0, munmap(other, 2 * HUGE));
	close(fd);
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_TRUE(EVENTUALLY(meminfo("HugePages_Free") == 4));
	EXPECT_EQ(0, huge_pages("0"));
}

TEST_F(objects, huge_pages_share_pmd_tables_with_other_mappings)
{
	unsigned long size = 1UL << 30;
	int fd = filled_memfd(size, 0, MFD_HUGETLB);
	char *hint = (char *)(32 * UNIT);
	char *other;

	if (fd < 0)
		SKIP(return, "no huge pages");
	ASSERT_EQ(0, huge_pages("4"));
	ASSERT_EQ(0, map_object(self->fd, 0, size, RW, FIXED | MAP_NORESERVE,
				fd, 0));
	other = mmap(hint, size, RW, MAP_SHARED | MAP_NORESERVE | MAP_FIXED,
		     fd, 0);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(0, poke(self->addr, 1));
	EXPECT_EQ(1, peek(other));
	EXPECT_EQ(0, poke(other + HUGE, 2));
	EXPECT_EQ(2, peek(self->addr + HUGE));
	/* Undo the sharing from the one side, then from the other. */
	EXPECT_EQ(0, munmap(other + HUGE, HUGE));
	EXPECT_EQ(2, CHILD(peek(self->addr + HUGE)));
	EXPECT_EQ(0, unmap_object(self->fd, 0, size));
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
	EXPECT_EQ(1, peek(other));
	EXPECT_EQ(0, munmap(other, size));
	close(fd);
	EXPECT_EQ(0, huge_pages("0"));
}

static int set_shmem_huge(const char *value)
{
	return write_to("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
			value);
}

TEST_F(objects, transparent_huge_pages)
{
	long before = meminfo("ShmemPmdMapped");

	if (set_shmem_huge("force"))
		SKIP(return, "no transparent huge pages");
	ASSERT_EQ(0, map_anon(self->fd, 0, 4 * HUGE));
	EXPECT_EQ(0, fill_pages(self->addr, 4 * HUGE, 1));
	EXPECT_EQ(4 * 2048, meminfo("ShmemPmdMapped") - before);
	EXPECT_EQ(0, CHILD(!!check_pages(self->addr, 4 * HUGE, 1)));
	/* Half of a huge page is unmapped; the rest is then mapped by pages. */
	EXPECT_EQ(0, unmap_object(self->fd, 0, HUGE / 2));
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
	EXPECT_EQ(0, CHILD(!!check_pages(self->addr + HUGE / 2,
					 HUGE / 2 + 3 * HUGE, 1)));
	EXPECT_EQ(0, unmap_object(self->fd, 0, UNIT));
	EXPECT_EQ(before, meminfo("ShmemPmdMapped"));
	EXPECT_EQ(0, set_shmem_huge("never"));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
