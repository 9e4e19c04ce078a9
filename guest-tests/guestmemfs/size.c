// SPDX-License-Identifier: GPL-2.0
/*
 * The size of files, their blocks, and which data is visible in them.
 */
#include <sys/resource.h>

#include "guestmemfs.h"

GM_FIXTURE(size)

static int remount(void)
{
	int err = umount_gm();

	return err ? err : mount_gm(NULL);
}

/* The first word of a block, read through a new mapping. */
static long first_word(const char *path, long block)
{
	int fd = try_open(path, O_RDONLY);
	long *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, block * BLOCK);
	long word = at == MAP_FAILED ? -1 : *at;

	munmap(at, PAGE);
	close(fd);
	return word;
}

static void fill_file(int fd, size_t size, unsigned long seed)
{
	char *at = map_fd(fd, size, 0);

	fill(at, size, seed);
	munmap(at, size);
}

/* Write to each byte, so that what a word of a page hides does not stay zero. */
static bool fill_all_of_file(int fd, size_t size)
{
	char *at = map_fd(fd, size, 0);

	if (!at)
		return false;
	memset(at, 0xa5, size);
	return munmap(at, size) == 0;
}

static bool file_is_filled(const char *path, size_t size, unsigned long seed)
{
	int fd = try_open(path, O_RDONLY);
	char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	bool filled = at != MAP_FAILED && is_filled(at, size, seed);

	munmap(at, size);
	close(fd);
	return filled;
}

TEST_F(size, statfs_adds_up)
{
	struct statfs fs = statfs_gm();
	long data = fs.f_blocks;

	EXPECT_EQ(GUESTMEMFS_MAGIC, fs.f_type);
	EXPECT_EQ(BLOCK, fs.f_bsize);
	EXPECT_EQ(BLOCK, fs.f_frsize);
	/* One block holds the metadata of up to 250 GiB. */
	EXPECT_EQ(RANGE_SIZE / BLOCK - 1, data);
	EXPECT_EQ(data, fs.f_bfree);
	EXPECT_EQ(data, fs.f_bavail);
	EXPECT_EQ(INODES, fs.f_files);
	EXPECT_EQ(INODES - 1, fs.f_ffree);
	EXPECT_EQ(255, fs.f_namelen);

	ASSERT_LE(0, make_sized(FILE_A, 3 * BLOCK));
	ASSERT_LE(0, make_sized(FILE_B, 4 * BLOCK));
	ASSERT_EQ(0, truncate(FILE_A, BLOCK));
	fs = statfs_gm();
	EXPECT_EQ(data, fs.f_blocks);
	EXPECT_EQ(data - 5, fs.f_bfree);
	EXPECT_EQ(data - 5, fs.f_bavail);
	EXPECT_EQ(INODES - 3, fs.f_ffree);
}

TEST_F(size, is_what_it_was_set_to)
{
	struct stat st;
	int fd = make_sized(FILE_A, 3 * BLOCK);

	ASSERT_LE(0, fd);
	st = stat_of(FILE_A);
	EXPECT_EQ(3 * BLOCK, st.st_size);
	EXPECT_EQ(3 * BLOCK / 512, st.st_blocks);
	ASSERT_EQ(0, truncate(FILE_A, BLOCK));
	EXPECT_EQ(BLOCK, size_of(FILE_A));
	EXPECT_EQ(BLOCK / 512, stat_of(FILE_A).st_blocks);
	close(try_open(FILE_A, O_RDWR | O_TRUNC));
	EXPECT_EQ(0, size_of(FILE_A));
	EXPECT_EQ(0, stat_of(FILE_A).st_blocks);
	EXPECT_EQ(free_blocks(), statfs_gm().f_blocks);
}

TEST_F(size, stays_over_a_mount)
{
	ASSERT_EQ(0, close(make_sized(FILE_A, 7 * BLOCK)));
	ASSERT_EQ(0, truncate(FILE_A, 3 * BLOCK));
	ASSERT_EQ(0, remount());
	EXPECT_EQ(3 * BLOCK, size_of(FILE_A));
	EXPECT_EQ(statfs_gm().f_blocks - 3, free_blocks());
}

TEST_F(size, is_a_multiple_of_the_block_size)
{
	static const long wrong[] = {
		1, PAGE, BLOCK - 1, BLOCK + 1, BLOCK + PAGE, 3 * BLOCK / 2,
		5 * BLOCK - 512, -1, -(long)BLOCK,
	};
	int fd = make_sized(FILE_A, 2 * BLOCK);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-1, ftruncate(fd, wrong[i]));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(2 * BLOCK, size_of(FILE_A));
	}
}

TEST_F(size, of_what_it_is_already_changes_nothing)
{
	int fd = make_sized(FILE_A, 2 * BLOCK);

	fill_file(fd, 2 * BLOCK, 5);
	EXPECT_EQ(0, ftruncate(fd, 2 * BLOCK));
	EXPECT_TRUE(file_is_filled(FILE_A, 2 * BLOCK, 5));
}

TEST_F(size, growing_keeps_the_blocks_and_adds_zeroes)
{
	int fd = make_sized(FILE_A, 2 * BLOCK);
	char *at;

	fill_file(fd, 2 * BLOCK, 5);
	ASSERT_EQ(0, ftruncate(fd, 5 * BLOCK));
	EXPECT_TRUE(file_is_filled(FILE_A, 2 * BLOCK, 5));
	at = map_fd(fd, 5 * BLOCK, 0);
	EXPECT_TRUE(is_zero(at + 2 * BLOCK, 3 * BLOCK));
}

TEST_F(size, what_was_cut_off_does_not_come_back)
{
	int fd = make_sized(FILE_A, 4 * BLOCK);
	char *at;

	ASSERT_TRUE(fill_all_of_file(fd, 4 * BLOCK));
	fill_file(fd, BLOCK, 5);
	ASSERT_EQ(0, ftruncate(fd, BLOCK));
	ASSERT_EQ(0, ftruncate(fd, 4 * BLOCK));
	EXPECT_TRUE(file_is_filled(FILE_A, BLOCK, 5));
	at = map_fd(fd, 4 * BLOCK, 0);
	EXPECT_TRUE(is_zero(at + BLOCK, 3 * BLOCK));
}

TEST_F_TIMEOUT(size, a_block_does_not_show_what_its_last_owner_wrote, SLOW)
{
	size_t all = free_blocks() * BLOCK;
	int fd = make_sized(FILE_A, all);
	char *at;

	ASSERT_LE(0, fd);
	ASSERT_TRUE(fill_all_of_file(fd, all));
	close(fd);
	ASSERT_EQ(0, unlink(FILE_A));
	fd = make_sized(FILE_B, all);
	ASSERT_LE(0, fd);
	at = map_fd(fd, all, 0);
	EXPECT_TRUE(is_zero(at, all));
}

TEST_F(size, blocks_are_not_shared)
{
	int a = make_sized(FILE_A, 0), b = make_sized(FILE_B, 0), i;

	/* Both files grow in turn, so that their blocks are interleaved. */
	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, ftruncate(a, i * BLOCK));
		ASSERT_EQ(0, ftruncate(b, i * BLOCK));
	}
	fill_file(a, 20 * BLOCK, 0xa);
	fill_file(b, 20 * BLOCK, 0xb);
	EXPECT_TRUE(file_is_filled(FILE_A, 20 * BLOCK, 0xa));
	ASSERT_EQ(0, close(a));
	ASSERT_EQ(0, close(b));
	ASSERT_EQ(0, remount());
	EXPECT_TRUE(file_is_filled(FILE_A, 20 * BLOCK, 0xa));
	EXPECT_TRUE(file_is_filled(FILE_B, 20 * BLOCK, 0xb));
}

TEST_F_TIMEOUT(size, scattered_blocks_make_a_file, SLOW)
{
	long all = free_blocks(), i;
	char name[32];
	int fd;

	for (i = 0; i < all; i++) {
		snprintf(name, sizeof(name), GM "/%ld", i);
		fd = make_sized(name, BLOCK);
		ASSERT_LE(0, fd);
		close(fd);
	}
	EXPECT_EQ(0, free_blocks());
	for (i = 0; i < all; i += 2) {
		snprintf(name, sizeof(name), GM "/%ld", i);
		ASSERT_EQ(0, unlink(name));
	}
	fd = make_sized(FILE_A, (all + 1) / 2 * BLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, free_blocks());
	fill_file(fd, (all + 1) / 2 * BLOCK, 3);
	EXPECT_TRUE(file_is_filled(FILE_A, (all + 1) / 2 * BLOCK, 3));
	EXPECT_EQ(0, first_word(GM "/1", 0));
	EXPECT_EQ(0, first_word(GM "/3", 0));
}

TEST_F_TIMEOUT(size, the_largest_file_takes_everything, SLOW)
{
	long all = free_blocks();
	int fd = make_sized(FILE_A, 0);

	/* More than one page of block numbers. */
	ASSERT_LT(512, all);
	EXPECT_EQ(-1, ftruncate(fd, (all + 1) * BLOCK));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, size_of(FILE_A));
	EXPECT_EQ(all, free_blocks());
	ASSERT_EQ(0, ftruncate(fd, all * BLOCK));
	EXPECT_EQ(0, free_blocks());
	fill_file(fd, all * BLOCK, 11);
	close(fd);
	ASSERT_EQ(0, remount());
	EXPECT_EQ(all * BLOCK, size_of(FILE_A));
	EXPECT_TRUE(file_is_filled(FILE_A, all * BLOCK, 11));
	EXPECT_EQ(0, free_blocks());
}

TEST_F_TIMEOUT(size, without_space_nothing_changes, SLOW)
{
	long all = free_blocks();
	int a = make_sized(FILE_A, 2 * BLOCK);

	ASSERT_LE(0, make_sized(FILE_B, (all - 4) * BLOCK));
	fill_file(a, 2 * BLOCK, 8);
	EXPECT_EQ(-1, ftruncate(a, 5 * BLOCK));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(2 * BLOCK, size_of(FILE_A));
	EXPECT_EQ(2, free_blocks());
	EXPECT_TRUE(file_is_filled(FILE_A, 2 * BLOCK, 8));
	EXPECT_EQ(0, ftruncate(a, 4 * BLOCK));
	EXPECT_EQ(0, free_blocks());
}

TEST_F(size, has_limits)
{
	int fd = make_sized(FILE_A, BLOCK);

	EXPECT_EQ(-1, ftruncate(fd, 1UL << 50));
	EXPECT_EQ(ENOSPC, errno);
	/* A 32-bit number of blocks would wrap around to 1. */
	EXPECT_EQ(-1, ftruncate(fd, ((1UL << 32) + 1) * BLOCK));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, ftruncate(fd, (1UL << 63) - BLOCK));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(BLOCK, size_of(FILE_A));
}

TEST_F(size, respects_the_limit_of_the_process)
{
	struct rlimit limit = { 2 * BLOCK, RLIM_INFINITY };
	int fd = make_sized(FILE_A, 0);

	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	signal(SIGXFSZ, SIG_IGN);
	EXPECT_EQ(0, ftruncate(fd, 2 * BLOCK));
	EXPECT_EQ(-1, ftruncate(fd, 3 * BLOCK));
	EXPECT_EQ(EFBIG, errno);
}

TEST_F(size, needs_write_permission_to_change)
{
	int fd;

	ASSERT_EQ(0, close(make_sized(FILE_A, BLOCK)));
	EXPECT_EQ(-EACCES, AS_USER(or_errno(truncate(FILE_A, 0))));
	fd = try_open(FILE_A, O_RDONLY);
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, truncate(GM, 0));
	EXPECT_EQ(EISDIR, errno);
	EXPECT_EQ(BLOCK, size_of(FILE_A));
}

TEST_F(size, a_change_shows_in_the_time_of_modification)
{
	struct timespec old[2] = { { 5, 0 }, { 5, 0 } };

	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, utimensat(AT_FDCWD, FILE_A, old, 0));
	ASSERT_EQ(0, truncate(FILE_A, BLOCK));
	EXPECT_LT(5, stat_of(FILE_A).st_mtime);
	ASSERT_EQ(0, utimensat(AT_FDCWD, FILE_A, old, 0));
	ASSERT_EQ(0, truncate(FILE_A, 0));
	EXPECT_LT(5, stat_of(FILE_A).st_mtime);
}

/* Zeroing takes a while; a process that is killed meanwhile changes nothing. */
TEST_F_TIMEOUT(size, growing_can_be_killed, SLOW)
{
	long all = free_blocks(), left = all;
	int fd = make_sized(FILE_A, 0), i, status, killed = 0;

	for (i = 0; i < 50 && killed < 3; i++) {
		pid_t child = fork();

		if (!child)
			_exit(ftruncate(fd, all * BLOCK) != 0);
		while (free_blocks() == all && !waitpid(child, &status, WNOHANG))
			;
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		killed += size_of(FILE_A) == 0;
		left = size_of(FILE_A) ? 0 : all;
		ASSERT_EQ(left, free_blocks());
		ASSERT_EQ(0, ftruncate(fd, 0));
		ASSERT_EQ(all, free_blocks());
	}
	EXPECT_LT(0, killed);
}

TEST_F_TIMEOUT(size, unlink_gives_the_blocks_back, SLOW)
{
	long all = free_blocks();
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, close(make_sized(FILE_A, all / 3 * BLOCK)));
		ASSERT_EQ(0, unlink(FILE_A));
		ASSERT_EQ(all, free_blocks());
	}
}

TEST_HARNESS_MAIN
