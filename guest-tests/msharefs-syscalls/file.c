// SPDX-License-Identifier: GPL-2.0
/*
 * The file that represents a name.
 */
#include <linux/fs.h>
#include <utime.h>

#include "mshare.h"

FIXTURE(file) { };

FIXTURE_SETUP(file)
{
	mshare_enter(_metadata);
	ASSERT_EQ(0, create());
}

FIXTURE_TEARDOWN(file)
{
	umount2(DIR, MNT_DETACH);
}

TEST_F(file, says_where_the_region_is)
{
	struct mshare_info info[2] = { };
	int fd = try_open(FILE_, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(16, read(fd, info, sizeof(info)));
	EXPECT_EQ((unsigned long)AT, info[0].start);
	EXPECT_EQ(UNIT, info[0].size);
	EXPECT_EQ(0, read(fd, info, sizeof(info)));
	EXPECT_EQ(8, pread(fd, info, 8, 8));
	EXPECT_EQ(UNIT, info[0].start);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(4, read(fd, info, 4));
	EXPECT_EQ(-EFAULT, or_errno(syscall(SYS_pread64, fd, 8, 16, 0)));
	close(fd);
}

TEST_F(file, is_a_regular_file_of_16_bytes)
{
	struct stat st;

	ASSERT_EQ(0, stat(FILE_, &st));
	EXPECT_EQ(S_IFREG | 0444, st.st_mode);
	EXPECT_EQ(16, st.st_size);
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(0, st.st_uid);
}

/* Only the read bits of the mode are kept, and the owner's is always set. */
TEST_F(file, has_a_mode_for_reading)
{
	static const mode_t modes[][2] = {
		{ 0, 0400 }, { 0400, 0400 }, { 0444, 0444 }, { 0777, 0444 },
		{ 0040, 0440 }, { 0004, 0404 }, { 0222, 0400 },
		{ 07111, 0400 }, { 0666, 0444 },
	};
	struct stat st;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, mshare("other", AT + UNIT, UNIT, CREATE,
				    modes[i][0]));
		ASSERT_EQ(0, stat(DIR "/other", &st));
		EXPECT_EQ(modes[i][1], st.st_mode & 07777);
		ASSERT_EQ(0, mshare_unlink("other"));
	}
	umask(0077);
	ASSERT_EQ(0, mshare("other", AT + UNIT, UNIT, CREATE, 0444));
	ASSERT_EQ(0, stat(DIR "/other", &st));
	EXPECT_EQ(0400, st.st_mode & 07777);
}

TEST_F(file, belongs_to_its_creator)
{
	struct stat st;

	EXPECT_EQ(0, CHILD_AS_USER(mshare("his", AT + UNIT, UNIT, CREATE, 0)));
	ASSERT_EQ(0, stat(DIR "/his", &st));
	EXPECT_EQ(USER, st.st_uid);
	EXPECT_EQ(USER, st.st_gid);
}

TEST_F(file, can_not_be_opened_for_writing)
{
	EXPECT_EQ(-EPERM, try_open(FILE_, O_RDWR));
	EXPECT_EQ(-EPERM, try_open(FILE_, O_WRONLY));
	EXPECT_EQ(-EPERM, try_open(FILE_, O_RDONLY | O_TRUNC));
	EXPECT_EQ(-EPERM, or_errno(truncate(FILE_, UNIT)));
}

TEST_F(file, can_not_be_changed)
{
	int fd = try_open(FILE_, O_RDONLY), flags = 0;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, or_errno(chmod(FILE_, 0666)));
	EXPECT_EQ(-EPERM, or_errno(chown(FILE_, USER, USER)));
	EXPECT_EQ(-EPERM, or_errno(utime(FILE_, NULL)));
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(fd, FS_IOC_SETFLAGS, &flags)));
	EXPECT_GT(0, ftruncate(fd, UNIT));
	EXPECT_GT(0, fallocate(fd, 0, 0, UNIT));
	EXPECT_GT(0, write(fd, "x", 1));
	close(fd);
}

TEST_F(file, can_not_be_removed_or_renamed)
{
	EXPECT_EQ(-EPERM, or_errno(unlink(FILE_)));
	EXPECT_EQ(-EPERM, or_errno(rename(FILE_, DIR "/other")));
	EXPECT_EQ(-EPERM, or_errno(link(FILE_, DIR "/other")));
	close(try_open(DIR "/region", O_RDWR | O_CREAT));
	EXPECT_EQ(-EPERM, or_errno(rename(DIR "/region", FILE_)));
	EXPECT_TRUE(exists(FILE_));
	EXPECT_EQ(0, poke(AT, 1));
}

TEST_F(file, can_not_be_mapped)
{
	int fd = try_open(FILE_, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENODEV, or_errno((long)mmap(NULL, UNIT, PROT_READ,
					       MAP_SHARED, fd, 0)));
	EXPECT_EQ(-ENODEV, or_errno((long)mmap(NULL, PAGE, PROT_READ,
					       MAP_PRIVATE, fd, 0)));
	close(fd);
}

TEST_F(file, takes_no_ioctl)
{
	struct mshare_create object = {
		.size = PAGE, .prot = RW,
		.flags = MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, .fd = -1,
	};
	struct mshare_unmap range = { .size = PAGE };
	struct mshare_protect protect = { .size = PAGE };
	int fd = try_open(FILE_, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(fd, MSHAREFS_CREATE_MAPPING,
					  &object)));
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(fd, MSHAREFS_UNMAP, &range)));
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(fd, MSHAREFS_PROTECT, &protect)));
	close(fd);
}

TEST_F(file, is_no_object_of_another_region)
{
	struct mshare_create object = {
		.size = PAGE, .prot = PROT_READ,
		.flags = MAP_SHARED | MAP_FIXED,
	};
	int fd = try_open(DIR "/region", O_RDWR | O_CREAT);
	int name = try_open(FILE_, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, name);
	ASSERT_EQ(0, ftruncate(fd, UNIT));
	object.fd = name;
	EXPECT_EQ(-ENODEV, or_errno(ioctl(fd, MSHAREFS_CREATE_MAPPING,
					  &object)));
	close(name);
	close(fd);
}

TEST_F(file, can_be_read_when_its_name_has_gone)
{
	struct mshare_info info;
	int fd = try_open(FILE_, O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, mshare_unlink(NAME));
	/* An open descriptor keeps the region, but not the name. */
	EXPECT_EQ(16, read(fd, &info, sizeof(info)));
	ASSERT_EQ(0, create());
	EXPECT_EQ(0, peek(AT));
	close(fd);
}

TEST_F(file, shows_the_numbers_of_the_region)
{
	EXPECT_EQ(1, attached());
	EXPECT_EQ(0, CHILD(attached() != 2));
}

TEST_F(file, keeps_the_file_system_mounted)
{
	EXPECT_EQ(-EBUSY, or_errno(umount(DIR)));
	ASSERT_EQ(0, munmap(AT, UNIT));
	EXPECT_EQ(0, umount(DIR));
}

TEST_HARNESS_MAIN
