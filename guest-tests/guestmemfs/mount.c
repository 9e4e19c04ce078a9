// SPDX-License-Identifier: GPL-2.0
/*
 * Mounting: there is one instance, only the administrator mounts it, and an umount
 * keeps the files.
 */
#include "guestmemfs.h"

GM_FIXTURE(mount)

TEST_F(mount, is_listed_as_a_filesystem_without_device)
{
	char text[4096] = "";
	int fd = try_open("/proc/filesystems", O_RDONLY);

	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	EXPECT_NE(NULL, strstr(text, "nodev\tguestmemfs\n"));
}

TEST_F(mount, shows_an_empty_directory_of_root)
{
	struct stat st = stat_of(GM);

	EXPECT_EQ(S_IFDIR | 0755, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
	EXPECT_EQ(2, st.st_nlink);
	EXPECT_EQ(1, st.st_ino);
}

TEST_F(mount, unknown_options_are_refused)
{
	ASSERT_EQ(0, umount_gm());
	EXPECT_EQ(-EINVAL, mount_gm("size=1G"));
	EXPECT_EQ(-EINVAL, mount_gm("format=1"));
	EXPECT_EQ(-EINVAL, mount_gm("noformat"));
	EXPECT_EQ(0, mount_gm(NULL));
}

TEST_F(mount, a_second_mount_shows_the_same_files)
{
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, mount("none", "/tmp/second", "guestmemfs", 0, NULL));
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(stat_of(FILE_A).st_ino, stat_of("/tmp/second/a").st_ino);
	EXPECT_EQ(stat_of(GM).st_dev, stat_of("/tmp/second").st_dev);
	EXPECT_EQ(0, unlink("/tmp/second/a"));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(0, umount("/tmp/second"));
}

TEST_F(mount, files_stay_when_the_last_mount_goes)
{
	struct stat before, after;
	char *at;
	int fd = make_sized(FILE_A, 2 * BLOCK);

	ASSERT_LE(0, fd);
	at = map_fd(fd, 2 * BLOCK, 0);
	ASSERT_NE(NULL, at);
	fill(at, 2 * BLOCK, 7);
	munmap(at, 2 * BLOCK);
	close(fd);
	before = stat_of(FILE_A);
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));

	after = stat_of(FILE_A);
	EXPECT_EQ(before.st_ino, after.st_ino);
	EXPECT_EQ(before.st_size, after.st_size);
	EXPECT_EQ(before.st_mtime, after.st_mtime);
	fd = try_open(FILE_A, O_RDWR);
	at = map_fd(fd, 2 * BLOCK, 0);
	ASSERT_NE(NULL, at);
	EXPECT_TRUE(is_filled(at, 2 * BLOCK, 7));
}

/* The number of kernel mappings of the start of the metadata. */
static int metadata_mappings(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	char line[512], phys[64];
	int found = 0;

	snprintf(phys, sizeof(phys), "phys=0x%016lx ", RANGE_BASE);
	while (file && fgets(line, sizeof(line), file))
		found += strstr(line, phys) != NULL;
	if (file)
		fclose(file);
	return found;
}

TEST_F_TIMEOUT(mount, can_be_done_and_undone_many_times, SLOW)
{
	int i, log = watch_kernel_log();

	ASSERT_EQ(0, close(make_sized(FILE_A, BLOCK)));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, umount_gm());
		ASSERT_EQ(0, mount_gm(NULL));
		ASSERT_EQ(BLOCK, size_of(FILE_A));
	}
	EXPECT_EQ(1, metadata_mappings());
	EXPECT_FALSE(log_says(log, "WARNING"));
}

TEST_F(mount, cannot_be_undone_while_a_file_is_open)
{
	int fd = make_sized(FILE_A, BLOCK);

	EXPECT_EQ(-EBUSY, umount_gm());
	close(fd);
	EXPECT_EQ(0, umount_gm());
}

TEST_F(mount, cannot_be_undone_while_a_file_is_mapped)
{
	int fd = make_sized(FILE_A, BLOCK);
	char *at = map_fd(fd, BLOCK, 0);

	close(fd);
	EXPECT_EQ(-EBUSY, umount_gm());
	munmap(at, BLOCK);
	EXPECT_EQ(0, umount_gm());
}

TEST_F(mount, a_mapping_outlives_a_lazy_umount)
{
	int fd = make_sized(FILE_A, BLOCK);
	char *at = map_fd(fd, BLOCK, 0);

	close(fd);
	ASSERT_EQ(0, umount2(GM, MNT_DETACH));
	fill(at, BLOCK, 3);
	EXPECT_TRUE(is_filled(at, BLOCK, 3));
	/* Both mounts are the same filesystem. */
	ASSERT_EQ(0, mount_gm(NULL));
	fd = try_open(FILE_A, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(*(long *)at, *(long *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED,
					     fd, 0));
}

TEST_F(mount, is_not_for_user_namespaces)
{
	ASSERT_EQ(0, umount_gm());
	EXPECT_EQ(EPERM, CHILD(unshare(CLONE_NEWUSER | CLONE_NEWNS) ? 99 :
				  -mount_gm(NULL)));
}

TEST_F(mount, needs_privilege)
{
	ASSERT_EQ(0, umount_gm());
	EXPECT_EQ(-EPERM, AS_USER(mount_gm(NULL)));
}

TEST_F(mount, files_cannot_be_executed)
{
	int fd = make_sized(FILE_A, BLOCK);

	ASSERT_EQ(0, fchmod(fd, 0755));
	EXPECT_EQ(-EPERM, map_errno(PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
	close(fd);
	EXPECT_EQ(EACCES, CHILD((execl(FILE_A, "a", NULL), errno)));
}

TEST_F(mount, format_forgets_the_files)
{
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm("format"));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(free_blocks(), statfs_gm().f_blocks);
	EXPECT_EQ(INODES - 1, free_inodes());
}

TEST_F(mount, format_is_not_remembered)
{
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(exists(FILE_A));
}

TEST_F(mount, what_is_mounted_is_not_formatted)
{
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	EXPECT_EQ(-1, mount("none", "/tmp/second", "guestmemfs", 0, "format"));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, mount("none", GM, NULL, MS_REMOUNT, "format"));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_TRUE(exists(FILE_A));
	/* The attempts leave nothing behind. */
	EXPECT_EQ(0, umount_gm());
	EXPECT_EQ(0, mount_gm("format"));
}

TEST_F(mount, read_only_is_read_only)
{
	int fd = make_sized(FILE_A, BLOCK);

	close(fd);
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount("none", GM, "guestmemfs", MS_RDONLY, NULL));
	EXPECT_EQ(-EROFS, make(FILE_B));
	EXPECT_EQ(-1, unlink(FILE_A));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(-1, truncate(FILE_A, 0));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(-EROFS, try_open(FILE_A, O_RDWR));
	EXPECT_EQ(0, map_errno(PROT_READ, MAP_SHARED, try_open(FILE_A, O_RDONLY),
			       0));
	EXPECT_EQ(0, mount("none", GM, NULL, MS_REMOUNT, NULL));
	EXPECT_EQ(0, make(FILE_B));
}

TEST_F(mount, works_with_the_new_mount_interface)
{
	int context, fd;

	ASSERT_EQ(0, umount_gm());
	context = syscall(SYS_fsopen, "guestmemfs", 0);
	ASSERT_LE(0, context);
	EXPECT_EQ(-1, syscall(SYS_fsconfig, context, 0, "nonsense", NULL, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, syscall(SYS_fsconfig, context, 0, "format", NULL, 0));
	EXPECT_EQ(0, syscall(SYS_fsconfig, context, 6, NULL, NULL, 0));
	fd = syscall(SYS_fsmount, context, 0, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, faccessat(fd, ".", R_OK, 0));
	close(fd);
	close(context);
}

/* The generation counts kernels, not mounts. */
TEST_F(mount, says_which_kernel_it_is_for_the_files)
{
	int log;

	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm("format"));
	ASSERT_EQ(0, umount_gm());
	log = watch_kernel_log();
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(log_says(log, "guestmemfs: in use by kernel number 1,"));
}

TEST_HARNESS_MAIN
