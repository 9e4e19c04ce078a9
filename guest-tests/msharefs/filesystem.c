// SPDX-License-Identifier: GPL-2.0
/*
 * The file system of the regions: instances, directories, names, permissions.
 */
#include "msharefs.h"

#define INFO	MNT "/mshare_info"

MSHARE_FIXTURE(filesystem)

static long read_info(const char *path)
{
	char text[64] = "";
	int fd = try_open(path, O_RDONLY);
	long value = -EINVAL;
	ssize_t size;

	if (fd < 0)
		return fd;
	size = read(fd, text, sizeof(text) - 1);
	/* A number and a newline. */
	if (size > 1 && text[size - 1] == '\n')
		sscanf(text, "%ld", &value);
	close(fd);
	return value;
}

TEST_F(filesystem, has_its_name_magic_and_mount_point)
{
	char line[64];
	bool found = false;
	struct statfs fs;
	struct stat st;
	FILE *file;

	ASSERT_EQ(0, statfs(MNT, &fs));
	EXPECT_EQ(MSHARE_MAGIC, fs.f_type);
	EXPECT_EQ(0, stat("/sys/fs/mshare", &st));
	EXPECT_TRUE(S_ISDIR(st.st_mode));
	file = fopen("/proc/filesystems", "re");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file))
		found |= !strcmp(line, "nodev\tmsharefs\n");
	fclose(file);
	EXPECT_TRUE(found);
}

TEST_F(filesystem, can_be_mounted_where_sysfs_offers_it)
{
	ASSERT_EQ(0, mount_mshare("/sys/fs/mshare", NULL));
	EXPECT_EQ((long)UNIT, read_info("/sys/fs/mshare/mshare_info"));
	EXPECT_EQ(0, umount("/sys/fs/mshare"));
}

TEST_F(filesystem, takes_no_mount_options)
{
	ASSERT_EQ(0, mkdir("/tmp/other", 0755));
	EXPECT_EQ(-EINVAL, mount_mshare("/tmp/other", "size=1G"));
}

TEST_F(filesystem, cannot_be_mounted_by_the_root_of_a_user_namespace)
{
	ASSERT_EQ(0, mkdir("/tmp/other", 0755));
	EXPECT_EQ(EPERM, CHILD(unshare(CLONE_NEWUSER | CLONE_NEWNS) ? 98 :
			       -mount_mshare("/tmp/other", NULL)));
}

TEST_F(filesystem, each_mount_is_an_instance_of_its_own)
{
	int a, b;

	ASSERT_EQ(0, mkdir("/tmp/other", 0755));
	ASSERT_EQ(0, mount_mshare("/tmp/other", NULL));
	EXPECT_EQ((long)UNIT, read_info("/tmp/other/mshare_info"));
	a = make_region(REGION, 1);
	ASSERT_LE(0, a);
	EXPECT_EQ(-ENOENT, try_open("/tmp/other/region", O_RDWR));
	b = make_region("/tmp/other/region", 1);
	ASSERT_LE(0, b);

	/* The same name, different contents. */
	ASSERT_EQ(0, map_anon(a, 0, PAGE));
	ASSERT_EQ(0, map_anon(b, 0, PAGE));
	EXPECT_EQ(0, CHILD(poke(attach(a), 1)));
	EXPECT_EQ(0, CHILD(poke(attach(b), 2)));
	EXPECT_EQ(1, CHILD(peek(attach(a))));
	EXPECT_EQ(2, CHILD(peek(attach(b))));
	close(a);
	close(b);
	EXPECT_EQ(0, umount("/tmp/other"));
}

TEST_F(filesystem, an_instance_is_seen_from_another_mount_namespace)
{
	int fd = make_region(REGION, 1);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, PAGE));
	EXPECT_EQ(0, CHILD(poke(attach(fd), 5)));
	EXPECT_EQ(5, CHILD(unshare(CLONE_NEWNS) ? 98 :
			   peek(attach(try_open(REGION, O_RDWR)))));
	EXPECT_EQ(ENOENT, CHILD(unshare(CLONE_NEWNS) || umount(MNT) ? 98 :
				-try_open(REGION, O_RDWR)));
}

TEST_F(filesystem, the_unit_is_in_a_file)
{
	struct stat st;

	EXPECT_EQ((long)UNIT, read_info(INFO));
	ASSERT_EQ(0, stat(INFO, &st));
	EXPECT_EQ(S_IFREG | 0444, st.st_mode);
}

TEST_F(filesystem, the_unit_can_be_read_by_everybody_and_in_pieces)
{
	char text[8] = "";
	int fd;

	EXPECT_EQ(0, CHILD_AS_USER(read_info(INFO) != (long)UNIT));
	fd = try_open(INFO, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(3, pread(fd, text, 3, 0));
	EXPECT_STREQ("549", text);
	EXPECT_EQ(3, pread(fd, text, 3, 3));
	EXPECT_STREQ("755", text);
	EXPECT_EQ(0, pread(fd, text, 3, 100));
}

TEST_F(filesystem, the_information_file_cannot_be_removed)
{
	EXPECT_EQ(-EPERM, or_errno(unlink(INFO)));
	EXPECT_EQ((long)UNIT, read_info(INFO));
}

TEST_F(filesystem, the_information_file_cannot_be_renamed)
{
	EXPECT_EQ(-EPERM, or_errno(rename(INFO, MNT "/other")));
	EXPECT_EQ((long)UNIT, read_info(INFO));
}

TEST_F(filesystem, the_information_file_cannot_be_replaced)
{
	ASSERT_LE(0, new_region(REGION));
	EXPECT_EQ(-EPERM, or_errno(rename(REGION, INFO)));
	EXPECT_EQ((long)UNIT, read_info(INFO));
	EXPECT_EQ(0, access(REGION, F_OK));
}

TEST_F(filesystem, the_information_file_cannot_be_linked)
{
	EXPECT_EQ(-EPERM, or_errno(link(INFO, MNT "/other")));
}

TEST_F(filesystem, the_information_file_cannot_be_written)
{
	EXPECT_EQ(-EPERM, try_open(INFO, O_RDWR));
	EXPECT_EQ(-EPERM, or_errno(truncate(INFO, 0)));
	EXPECT_EQ(-EPERM, or_errno(chmod(INFO, 0666)));
}

TEST_F(filesystem, the_information_file_is_no_region)
{
	int fd = try_open(INFO, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOTTY, unmap_object(fd, 0, PAGE));
	EXPECT_EQ(NULL, attach_units(fd, PROT_READ, 1));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(filesystem, directories_can_be_made_and_removed)
{
	struct stat st;

	ASSERT_EQ(0, mkdir(MNT "/dir", 0700));
	ASSERT_EQ(0, stat(MNT, &st));
	EXPECT_EQ(3, st.st_nlink);
	ASSERT_LE(0, make_region(MNT "/dir/region", 1));
	EXPECT_EQ(-ENOTEMPTY, or_errno(rmdir(MNT "/dir")));
	EXPECT_EQ(0, unlink(MNT "/dir/region"));
	EXPECT_EQ(0, rmdir(MNT "/dir"));
	ASSERT_EQ(0, stat(MNT, &st));
	EXPECT_EQ(2, st.st_nlink);
}

TEST_F(filesystem, a_region_can_be_renamed)
{
	int fd = make_region(REGION, 1);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, PAGE));
	EXPECT_EQ(0, CHILD(poke(attach(fd), 3)));
	ASSERT_EQ(0, mkdir(MNT "/dir", 0700));
	ASSERT_EQ(0, rename(REGION, MNT "/dir/other"));
	fd = try_open(MNT "/dir/other", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(3, CHILD(peek(attach(fd))));
}

TEST_F(filesystem, other_kinds_of_files_are_refused)
{
	EXPECT_EQ(-EPERM, or_errno(symlink("x", MNT "/link")));
	EXPECT_EQ(-EPERM, or_errno(mknod(MNT "/fifo", S_IFIFO | 0600, 0)));
	EXPECT_EQ(-EPERM, or_errno(mknod(MNT "/null", S_IFCHR | 0600, 0x103)));
	EXPECT_EQ(-EOPNOTSUPP, try_open(MNT, O_TMPFILE | O_RDWR));
}

TEST_F(filesystem, the_root_is_sticky)
{
	struct stat st;

	ASSERT_EQ(0, stat(MNT, &st));
	EXPECT_EQ(S_IFDIR | 01777, st.st_mode);
}

TEST_F(filesystem, a_user_makes_regions_of_his_own)
{
	EXPECT_EQ(0, CHILD_AS_USER(({
		int fd = make_region(MNT "/mine", 1);

		fd < 0 || map_anon(fd, 0, PAGE) || unlink(MNT "/mine");
	})));
}

TEST_F(filesystem, a_user_cannot_take_the_names_of_others)
{
	ASSERT_LE(0, make_region(REGION, 1));
	EXPECT_EQ(EPERM, CHILD_AS_USER(unlink(REGION) ? errno : 0));
	EXPECT_EQ(EPERM, CHILD_AS_USER(rename(REGION, MNT "/x") ? errno : 0));
}

TEST_F(filesystem, modes_of_files_are_kept_to)
{
	ASSERT_LE(0, make_region(REGION, 1));
	ASSERT_EQ(0, chmod(REGION, 0600));
	EXPECT_EQ(EACCES, CHILD_AS_USER(-try_open(REGION, O_RDONLY)));
	ASSERT_EQ(0, chmod(REGION, 0644));
	EXPECT_EQ(0, CHILD_AS_USER(try_open(REGION, O_RDONLY) < 0));
	EXPECT_EQ(EACCES, CHILD_AS_USER(-try_open(REGION, O_RDWR)));
	ASSERT_EQ(0, chown(REGION, USER, USER));
	EXPECT_EQ(0, CHILD_AS_USER(try_open(REGION, O_RDWR) < 0));
}

TEST_F(filesystem, modes_of_directories_are_kept_to)
{
	ASSERT_EQ(0, mkdir(MNT "/dir", 0700));
	ASSERT_LE(0, make_region(MNT "/dir/region", 1));
	ASSERT_EQ(0, chmod(MNT "/dir/region", 0666));
	EXPECT_EQ(EACCES, CHILD_AS_USER(-try_open(MNT "/dir/region", O_RDWR)));
	ASSERT_EQ(0, chmod(MNT "/dir", 0711));
	EXPECT_EQ(0, CHILD_AS_USER(try_open(MNT "/dir/region", O_RDWR) < 0));
}

TEST_F(filesystem, an_open_region_keeps_the_mount_busy)
{
	int fd = make_region(REGION, 1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, or_errno(umount(MNT)));
	close(fd);
	EXPECT_EQ(0, umount(MNT));
}

TEST_F(filesystem, a_container_keeps_the_mount_busy)
{
	int fd = make_region(REGION, 1);
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	close(fd);
	EXPECT_EQ(-EBUSY, or_errno(umount(MNT)));
	EXPECT_EQ(0, detach(addr));
	EXPECT_EQ(0, umount(MNT));
}

TEST_F(filesystem, a_region_is_neither_read_nor_written)
{
	int fd = make_region(REGION, 1);
	char byte = 0;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, or_errno(read(fd, &byte, 1)));
	EXPECT_EQ(-EINVAL, or_errno(write(fd, &byte, 1)));
	EXPECT_EQ(-EINVAL, or_errno(pread(fd, &byte, 1, 0)));
	EXPECT_EQ(-ESPIPE, or_errno(lseek(fd, 0, SEEK_SET)));
	EXPECT_EQ(0, fsync(fd));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
