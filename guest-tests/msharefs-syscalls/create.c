// SPDX-License-Identifier: GPL-2.0
/*
 * mshare() that creates a region, and its errors.
 */
#include "mshare.h"

MSHARE_FIXTURE(create)

TEST_F(create, makes_memory_at_the_address)
{
	ASSERT_EQ(0, create());
	EXPECT_EQ(0, peek(AT));
	EXPECT_EQ(0, poke(AT, 1));
	EXPECT_EQ(0, poke(AT + UNIT - 1, 2));
	EXPECT_EQ(0, poke(AT + UNIT / 2, 3));
	EXPECT_EQ(1, peek(AT));
	EXPECT_EQ(2, peek(AT + UNIT - 1));
	EXPECT_EQ(3, peek(AT + UNIT / 2));
	EXPECT_EQ(-SIGSEGV, peek(AT + UNIT));
	EXPECT_EQ(-SIGSEGV, peek(AT - 1));
}

TEST_F(create, makes_memory_of_several_units)
{
	ASSERT_EQ(0, mshare(NAME, AT, 3 * UNIT, CREATE, 0));
	EXPECT_EQ(0, poke(AT, 1));
	EXPECT_EQ(0, poke(AT + 3 * UNIT - 1, 2));
	EXPECT_EQ(2, CHILD(peek(AT + 3 * UNIT - 1)));
}

TEST_F(create, o_creat_alone_is_enough)
{
	EXPECT_EQ(0, mshare(NAME, AT, UNIT, O_RDWR | O_CREAT, 0400));
	EXPECT_EQ(0, poke(AT, 1));
}

TEST_F(create, names_are_independent)
{
	ASSERT_EQ(0, mshare("a", AT, UNIT, CREATE, 0));
	ASSERT_EQ(0, mshare("b", AT + UNIT, UNIT, CREATE, 0));
	EXPECT_EQ(0, poke(AT, 1));
	EXPECT_EQ(0, peek(AT + UNIT));
	/* Another process can use the same address. */
	EXPECT_EQ(0, CHILD(munmap(AT, UNIT) ?:
			   mshare("c", AT, UNIT, CREATE, 0) ?: peek(AT)));
	EXPECT_EQ(1, peek(AT));
}

/* ----- The range ----- */


FIXTURE(range) { };
FIXTURE_SETUP(range) { mshare_enter(_metadata); }
FIXTURE_TEARDOWN(range) { umount2(DIR, MNT_DETACH); }

FIXTURE_VARIANT(range) {
	unsigned long addr, length;
};

#define BAD_RANGE(name, where, size)					\
	FIXTURE_VARIANT_ADD(range, name) { .addr = (where), .length = (size) }

BAD_RANGE(address_not_aligned, 16 * UNIT + PAGE, UNIT);
BAD_RANGE(address_of_half_a_unit, 16 * UNIT + UNIT / 2, UNIT);
BAD_RANGE(no_address, 0, UNIT);
BAD_RANGE(length_not_aligned, 16 * UNIT, UNIT + PAGE);
BAD_RANGE(length_of_a_page, 16 * UNIT, PAGE);
BAD_RANGE(no_length, 16 * UNIT, 0);
BAD_RANGE(beyond_the_address_space, 1UL << 56, UNIT);
BAD_RANGE(across_the_end_of_the_address_space, (1UL << 56) - UNIT, 2 * UNIT);
BAD_RANGE(in_the_kernel, 0xffff800000000000, UNIT);
BAD_RANGE(that_wraps, 16 * UNIT, -16 * UNIT);
BAD_RANGE(the_largest_length, 16 * UNIT, -UNIT);

TEST_F(range, is_refused)
{
	EXPECT_EQ(-EINVAL, mshare(NAME, (void *)variant->addr,
				  variant->length, CREATE, 0444));
	EXPECT_FALSE(exists(FILE_));
}

/* ----- Existing mappings ----- */

static void *map_private(char *addr, size_t size)
{
	return mmap(addr, size, RW, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
}

TEST_F(create, mappings_that_exist_are_not_taken_over)
{
	ASSERT_EQ(AT + MiB, map_private(AT + MiB, PAGE));
	EXPECT_EQ(0, poke(AT + MiB, 7));
	EXPECT_EQ(-EINVAL, create());
	EXPECT_FALSE(exists(FILE_));
	/* The mappings are unchanged. */
	EXPECT_EQ(7, peek(AT + MiB));
	EXPECT_EQ(-SIGSEGV, peek(AT));
	ASSERT_EQ(0, munmap(AT + MiB, PAGE));
	EXPECT_EQ(0, create());
}

TEST_F(create, mappings_at_both_ends_are_seen)
{
	ASSERT_EQ(AT, map_private(AT, PAGE));
	EXPECT_EQ(-EINVAL, create());
	ASSERT_EQ(0, munmap(AT, PAGE));
	ASSERT_EQ(AT + UNIT - PAGE, map_private(AT + UNIT - PAGE, PAGE));
	EXPECT_EQ(-EINVAL, create());
	ASSERT_EQ(0, munmap(AT + UNIT - PAGE, PAGE));
	/* A mapping that covers the range, and one that overlaps it. */
	ASSERT_EQ(AT - UNIT, map_private(AT - UNIT, 3 * UNIT));
	EXPECT_EQ(-EINVAL, create());
	ASSERT_EQ(0, munmap(AT + PAGE, 2 * UNIT - PAGE));
	EXPECT_EQ(-EINVAL, create());
	ASSERT_EQ(0, munmap(AT, PAGE));
	EXPECT_EQ(0, create());
}

TEST_F(create, shared_mappings_are_not_taken_over_either)
{
	ASSERT_EQ(AT, mmap(AT, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS |
			   MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_EQ(-EINVAL, create());
}

TEST_F(create, neighbours_do_not_matter)
{
	ASSERT_EQ(AT - PAGE, map_private(AT - PAGE, PAGE));
	ASSERT_EQ(AT + UNIT, map_private(AT + UNIT, PAGE));
	EXPECT_EQ(0, create());
	EXPECT_EQ(0, poke(AT - 1, 1));
	EXPECT_EQ(0, poke(AT + UNIT, 1));
	EXPECT_EQ(0, peek(AT));
	EXPECT_EQ(0, peek(AT + UNIT - 1));
}

/* ----- Flags ----- */

static const int bad_flags[] = {
	O_ACCMODE | O_CREAT, O_RDWR | O_EXCL, O_RDWR | O_CREAT | O_TRUNC,
	O_RDWR | O_CREAT | O_APPEND, O_RDWR | O_CREAT | O_CLOEXEC,
	O_RDWR | O_CREAT | O_NONBLOCK, O_RDWR | O_CREAT | O_DIRECTORY,
	O_RDWR | O_CREAT | O_PATH, O_RDWR | O_CREAT | O_TMPFILE,
	O_RDWR | O_CREAT | 1 << 30, O_RDWR | O_CREAT | INT32_MIN,
};

TEST_F(create, impossible_flags_are_refused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_flags); i++)
		EXPECT_EQ(-EINVAL, mshare(NAME, AT, UNIT, bad_flags[i], 0)) {
			TH_LOG("flags %#x", bad_flags[i]);
		}
	EXPECT_FALSE(exists(FILE_));
}

TEST_F(create, o_excl_refuses_a_name_that_is_there)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 5));
	EXPECT_EQ(-EEXIST, mshare(NAME, AT, UNIT, CREATE, 0));
	EXPECT_EQ(EEXIST, CHILD(-mshare(NAME, AT + UNIT, UNIT, CREATE, 0)));
	EXPECT_EQ(5, peek(AT));
}

TEST_F(create, a_region_for_reading_can_not_be_written)
{
	ASSERT_EQ(0, mshare(NAME, AT, UNIT, O_RDONLY | O_CREAT, 0));
	EXPECT_EQ(0, peek(AT));
	EXPECT_EQ(-SIGSEGV, poke(AT, 1));
	EXPECT_EQ(EPERM, CHILD(munmap(AT, UNIT) ?: -attach()));
}

TEST_F(create, a_region_for_writing_can_be_written)
{
	ASSERT_EQ(0, mshare(NAME, AT, UNIT, O_WRONLY | O_CREAT, 0));
	EXPECT_EQ(0, poke(AT, 1));
}

/* ----- Names ----- */

TEST_F(create, names_are_single)
{
	static const char * const bad[] = {
		"/pool", "dir/pool", "pool/", "./pool", "/", "//", ".", "..",
		"../mshare/pool", "/sys/fs/mshare/pool",
	};
	unsigned int i;

	ASSERT_EQ(0, mkdir(DIR "/dir", 0777));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, mshare(bad[i], AT, UNIT, CREATE, 0)) {
			TH_LOG("name %s", bad[i]);
		}
		EXPECT_EQ(-EINVAL, mshare_unlink(bad[i])) {
			TH_LOG("name %s", bad[i]);
		}
	}
	EXPECT_EQ(-ENOENT, mshare("", AT, UNIT, CREATE, 0));
	EXPECT_EQ(-ENOENT, mshare_unlink(""));
	EXPECT_FALSE(exists(DIR "/dir/pool"));
}

TEST_F(create, names_may_have_255_bytes)
{
	char name[300] = "", path[400];

	memset(name, 'x', 255);
	snprintf(path, sizeof(path), DIR "/%s", name);
	EXPECT_EQ(0, mshare(name, AT, UNIT, CREATE, 0));
	EXPECT_TRUE(exists(path));
	EXPECT_EQ(0, mshare_unlink(name));
	EXPECT_FALSE(exists(path));
	name[255] = 'x';
	EXPECT_EQ(-ENAMETOOLONG, mshare(name, AT, UNIT, CREATE, 0));
	EXPECT_EQ(-ENAMETOOLONG, mshare_unlink(name));
}

TEST_F(create, names_longer_than_a_path_are_refused)
{
	static char name[8192];

	memset(name, 'x', sizeof(name) - 1);
	EXPECT_EQ(-ENAMETOOLONG, mshare(name, AT, UNIT, CREATE, 0));
	EXPECT_EQ(-ENAMETOOLONG, mshare_unlink(name));
}

TEST_F(create, bad_pointers_are_refused)
{
	EXPECT_EQ(-EFAULT, mshare(NULL, AT, UNIT, CREATE, 0));
	EXPECT_EQ(-EFAULT, mshare((char *)8, AT, UNIT, CREATE, 0));
	EXPECT_EQ(-EFAULT, mshare_unlink(NULL));
	EXPECT_EQ(-EFAULT, mshare_unlink((char *)8));
}

TEST_F(create, names_of_other_files_are_refused)
{
	int fd = try_open(DIR "/region", O_RDWR | O_CREAT);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, UNIT));
	ASSERT_EQ(0, mkdir(DIR "/directory", 0777));
	EXPECT_EQ(-EINVAL, mshare("region", AT, UNIT, O_RDWR, 0));
	EXPECT_EQ(-EINVAL, mshare("region", AT, UNIT, O_RDWR | O_CREAT, 0));
	EXPECT_EQ(-EEXIST, mshare("region", AT, UNIT, CREATE, 0));
	EXPECT_EQ(-EINVAL, mshare("directory", AT, UNIT, O_RDWR, 0));
	EXPECT_EQ(-EINVAL, mshare("mshare_info", AT, UNIT, O_RDONLY, 0));
	EXPECT_EQ(-EINVAL, mshare_unlink("region"));
	EXPECT_EQ(-EINVAL, mshare_unlink("directory"));
	EXPECT_EQ(-EINVAL, mshare_unlink("mshare_info"));
	EXPECT_TRUE(exists(DIR "/region"));
	EXPECT_TRUE(exists(DIR "/mshare_info"));
}

/* ----- The file system of the names ----- */

TEST_F(create, without_a_file_system_there_are_no_names)
{
	ASSERT_EQ(0, umount(DIR));
	EXPECT_EQ(-ENOENT, create());
	EXPECT_EQ(-ENOENT, mshare_unlink(NAME));
	/* Another file system type is not accepted. */
	ASSERT_EQ(0, mount("none", DIR, "tmpfs", 0, NULL));
	EXPECT_EQ(-ENOENT, create());
	EXPECT_EQ(-ENOENT, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
	ASSERT_EQ(0, umount(DIR));
}

TEST_F(create, a_part_of_the_file_system_will_not_do)
{
	ASSERT_EQ(0, mkdir(DIR "/dir", 0777));
	ASSERT_EQ(0, mount(DIR "/dir", DIR, NULL, MS_BIND, NULL));
	EXPECT_EQ(-ENOENT, create());
	ASSERT_EQ(0, umount(DIR));
	EXPECT_FALSE(exists(DIR "/dir/" NAME));
}

TEST_F(create, each_mount_namespace_has_names_of_its_own)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 5));
	EXPECT_EQ(0, CHILD(munmap(AT, UNIT) ?: unshare(CLONE_NEWNS) ?:
			   mount("none", DIR, "msharefs", 0, NULL) ?:
			   attach() != -ENOENT ? 1 : create() ?: peek(AT)));
	EXPECT_EQ(5, peek(AT));
}

TEST_F(create, a_read_only_mount_takes_no_names)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 5));
	/* A writable mapping keeps the mount writable. */
	EXPECT_EQ(-EBUSY, or_errno(mount(NULL, DIR, NULL, MS_REMOUNT | MS_BIND |
					 MS_RDONLY, NULL)));
	ASSERT_EQ(0, munmap(AT, UNIT));
	ASSERT_EQ(0, mount(NULL, DIR, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
			   NULL));
	EXPECT_EQ(-EROFS, mshare("other", AT, UNIT, CREATE, 0));
	EXPECT_EQ(-EROFS, mshare_unlink(NAME));
	EXPECT_EQ(-EROFS, attach());
	/* An existing region can be read. */
	EXPECT_EQ(0, mshare(NAME, AT, UNIT, O_RDONLY, 0));
	EXPECT_EQ(5, peek(AT));
	EXPECT_EQ(-EROFS, mshare_unlink(NAME));
	EXPECT_EQ(5, peek(AT));
}

TEST_F(create, a_directory_that_is_not_writable_takes_no_names)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, chmod(DIR, 0755));
	EXPECT_EQ(EACCES, CHILD_AS_USER(-mshare("other", AT + UNIT, UNIT, CREATE, 0)));
	EXPECT_EQ(0, CHILD_AS_USER(munmap(AT, UNIT) ?: attach()));
	ASSERT_EQ(0, chmod(DIR, 0700));
	EXPECT_EQ(EACCES, CHILD_AS_USER(munmap(AT, UNIT) ?: -attach()));
}

/* ----- Limits ----- */

TEST_F(create, a_limit_of_the_address_space_is_kept_to)
{
	struct rlimit limit = { 64 * MiB, 64 * MiB };

	EXPECT_EQ(ENOMEM, CHILD(setrlimit(RLIMIT_AS, &limit) ?: -create()));
	/* The failed call has not created the file. */
	EXPECT_FALSE(exists(FILE_));
	EXPECT_EQ(0, create());
}

TEST_F(create, memory_that_must_not_be_overcommitted_is_refused)
{
	int fd = try_open("/proc/sys/vm/overcommit_memory", O_RDWR);
	int result;

	ASSERT_LE(0, fd);
	ASSERT_EQ(1, pwrite(fd, "2", 1, 0));
	result = create();
	EXPECT_EQ(1, pwrite(fd, "0", 1, 0));
	EXPECT_EQ(-ENOMEM, result);
	EXPECT_FALSE(exists(FILE_));
	close(fd);
}

TEST_F(create, a_process_with_a_virtual_machine_is_refused)
{
	int kvm = try_open("/dev/kvm", O_RDWR), machine;

	if (kvm < 0)
		SKIP(return, "no KVM: %s", strerror(-kvm));
	machine = or_errno(ioctl(kvm, 0xae01 /* KVM_CREATE_VM */, 0));
	if (machine < 0)
		SKIP(return, "no virtual machine: %s", strerror(-machine));
	EXPECT_EQ(-EBUSY, create());
	EXPECT_FALSE(exists(FILE_));
	close(machine);
	close(kvm);
}

TEST_F(create, a_virtual_machine_is_refused_after_it)
{
	int kvm = try_open("/dev/kvm", O_RDWR);

	if (kvm < 0)
		SKIP(return, "no KVM: %s", strerror(-kvm));
	ASSERT_EQ(0, create());
	EXPECT_EQ(-EBUSY, or_errno(ioctl(kvm, 0xae01, 0)));
	close(kvm);
}

TEST_HARNESS_MAIN
