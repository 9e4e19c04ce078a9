// SPDX-License-Identifier: GPL-2.0
/*
 * Renaming, to a new name and over another file.
 */
#include "guestmemfs.h"

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT 4
#endif

GM_FIXTURE(rename)

static int remount(void)
{
	int err = umount_gm();

	return err ? err : mount_gm(NULL);
}

TEST_F(rename, gives_a_file_another_name)
{
	unsigned long ino;

	ASSERT_EQ(0, close(make_sized(FILE_A, BLOCK)));
	ino = stat_of(FILE_A).st_ino;
	ASSERT_EQ(0, rename(FILE_A, FILE_B));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(ino, stat_of(FILE_B).st_ino);
	ASSERT_EQ(0, remount());
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(ino, stat_of(FILE_B).st_ino);
	EXPECT_EQ(BLOCK, size_of(FILE_B));
}

TEST_F(rename, can_be_repeated)
{
	char from[300], to[300];
	int i;

	ASSERT_EQ(0, make(GM "/0"));
	for (i = 0; i < 100; i++) {
		/* Alternate between short and long names. */
		snprintf(from, sizeof(from), GM "/%0*d", i ? i % 2 * 200 + 1 : 1, i);
		snprintf(to, sizeof(to), GM "/%0*d", (i + 1) % 2 * 200 + 1, i + 1);
		ASSERT_EQ(0, rename(from, to));
		ASSERT_FALSE(exists(from));
		ASSERT_TRUE(exists(to));
	}
	ASSERT_EQ(0, remount());
	EXPECT_TRUE(exists(to));
	EXPECT_EQ(INODES - 2, free_inodes());
}

TEST_F(rename, replaces_the_file_of_that_name)
{
	unsigned long ino;

	ASSERT_EQ(0, close(make_sized(FILE_A, BLOCK)));
	ASSERT_EQ(0, close(make_sized(FILE_B, 5 * BLOCK)));
	ino = stat_of(FILE_A).st_ino;
	ASSERT_EQ(0, rename(FILE_A, FILE_B));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(ino, stat_of(FILE_B).st_ino);
	EXPECT_EQ(BLOCK, size_of(FILE_B));
	EXPECT_EQ(statfs_gm().f_blocks - 1, free_blocks());
	EXPECT_EQ(INODES - 2, free_inodes());
	ASSERT_EQ(0, remount());
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(BLOCK, size_of(FILE_B));
	EXPECT_EQ(statfs_gm().f_blocks - 1, free_blocks());
}

TEST_F(rename, leaves_a_replaced_file_to_its_users)
{
	long blocks = free_blocks();
	char *at;
	int fd;

	ASSERT_EQ(0, make(FILE_A));
	fd = make_sized(FILE_B, BLOCK);
	at = map_fd(fd, BLOCK, 0);
	fill(at, BLOCK, 4);
	close(fd);
	ASSERT_EQ(0, rename(FILE_A, FILE_B));
	EXPECT_TRUE(is_filled(at, BLOCK, 4));
	EXPECT_EQ(blocks - 1, free_blocks());
	munmap(at, BLOCK);
	EXPECT_TRUE(EVENTUALLY(free_blocks() == blocks));
}

TEST_F_TIMEOUT(rename, always_shows_one_of_both_files, SLOW)
{
	volatile unsigned long *looks;
	unsigned long misses = 0;
	pid_t child;
	int status;

	ASSERT_EQ(0, make(FILE_B));
	looks = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, looks);
	child = fork();
	if (!child) {
		int i;

		/* Continue until the other process has looked often enough. */
		for (i = 0; i < 300 || *looks <= 10; i++) {
			if (make(FILE_A) || rename(FILE_A, FILE_B))
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		int fd = try_open(FILE_B, O_RDONLY);

		(*looks)++;
		misses += fd < 0;
		if (fd >= 0)
			close(fd);
	}
	EXPECT_EQ(0, status);
	EXPECT_LT(10, *looks);
	EXPECT_EQ(0, misses);
}

TEST_F(rename, to_itself_does_nothing)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(0, rename(FILE_A, FILE_A));
	EXPECT_TRUE(exists(FILE_A));
	EXPECT_EQ(INODES - 2, free_inodes());
}

TEST_F(rename, can_be_told_not_to_replace)
{
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, make(FILE_B));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, FILE_A, AT_FDCWD, FILE_B,
				RENAME_NOREPLACE));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(0, renameat2(AT_FDCWD, FILE_A, AT_FDCWD, GM "/c",
			       RENAME_NOREPLACE));
	EXPECT_TRUE(exists(FILE_B));
	EXPECT_TRUE(exists(GM "/c"));
}

TEST_F(rename, can_exchange_two_files)
{
	int i;

	ASSERT_EQ(0, close(make_sized(FILE_A, BLOCK)));
	ASSERT_EQ(0, close(make_sized(FILE_B, 2 * BLOCK)));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, renameat2(AT_FDCWD, FILE_A, AT_FDCWD, FILE_B,
				       RENAME_EXCHANGE));
		EXPECT_EQ((i % 2 ? 1 : 2) * BLOCK, size_of(FILE_A));
		EXPECT_EQ((i % 2 ? 2 : 1) * BLOCK, size_of(FILE_B));
	}
	ASSERT_EQ(0, remount());
	EXPECT_EQ(2 * BLOCK, size_of(FILE_A));
	EXPECT_EQ(BLOCK, size_of(FILE_B));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, FILE_A, AT_FDCWD, GM "/c",
				RENAME_EXCHANGE));
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(rename, makes_no_whiteouts)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, FILE_A, AT_FDCWD, FILE_B,
				RENAME_WHITEOUT));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(exists(FILE_A));
}

TEST_F(rename, does_not_leave_the_filesystem)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-1, rename(FILE_A, "/tmp/a"));
	EXPECT_EQ(EXDEV, errno);
	ASSERT_EQ(0, make("/tmp/a"));
	EXPECT_EQ(-1, rename("/tmp/a", FILE_A));
	EXPECT_EQ(EXDEV, errno);
}

TEST_F(rename, refuses_a_name_that_is_too_long)
{
	char name[300] = GM "/";

	memset(name + strlen(name), 'n', 256);
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-1, rename(FILE_A, name));
	EXPECT_EQ(ENAMETOOLONG, errno);
	EXPECT_TRUE(exists(FILE_A));
	name[strlen(name) - 1] = '\0';
	EXPECT_EQ(0, rename(FILE_A, name));
	EXPECT_EQ(0, rename(name, FILE_A));
}

TEST_F_TIMEOUT(rename, works_when_no_inode_is_left, SLOW)
{
	char name[32];
	int i;

	for (i = 0; i < INODES - 1; i++) {
		snprintf(name, sizeof(name), GM "/%d", i);
		ASSERT_EQ(0, make(name));
	}
	EXPECT_EQ(0, rename(GM "/1", GM "/a"));
	EXPECT_EQ(0, rename(GM "/2", GM "/3"));
	EXPECT_EQ(1, free_inodes());
}

TEST_F(rename, of_an_open_file_keeps_it_open)
{
	int fd = make_sized(FILE_A, BLOCK);
	char *at = map_fd(fd, BLOCK, 0);
	struct stat st;

	fill(at, BLOCK, 2);
	ASSERT_EQ(0, rename(FILE_A, FILE_B));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(stat_of(FILE_B).st_ino, st.st_ino);
	EXPECT_TRUE(is_filled(at, BLOCK, 2));
	EXPECT_EQ(0, ftruncate(fd, 0));
	EXPECT_EQ(0, size_of(FILE_B));
}

TEST_HARNESS_MAIN
