// SPDX-License-Identifier: GPL-2.0
/*
 * Files in the directory: names, attributes, listing, and unsupported operations.
 */
#include <dirent.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

#include "guestmemfs.h"

#define LONGEST 255

GM_FIXTURE(files)

/* The path of a name in the filesystem. */
static const char *path_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), GM "/%s", name);
	return path;
}

static const char *long_name(int length)
{
	static char name[1024];

	memset(name, 'n', length);
	name[length] = '\0';
	return name;
}

struct getdents {
	unsigned long ino;
	long off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int count_names(const char *wanted)
{
	DIR *dir = opendir(GM);
	struct dirent *entry;
	int found = 0;

	while ((entry = readdir(dir))) {
		if (wanted ? !strcmp(entry->d_name, wanted) :
			     entry->d_name[0] != '.')
			found++;
	}
	closedir(dir);
	return found;
}

TEST_F(files, are_created_empty)
{
	struct stat st;

	ASSERT_EQ(0, make(FILE_A));
	st = stat_of(FILE_A);
	EXPECT_EQ(S_IFREG | 0644, st.st_mode);
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(0, st.st_blocks);
	EXPECT_EQ(1, st.st_nlink);
	EXPECT_EQ(BLOCK, st.st_blksize);
	EXPECT_LT(1, st.st_ino);
}

TEST_F(files, are_created_once)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-EEXIST, make(FILE_A));
	EXPECT_LE(0, try_open(FILE_A, O_CREAT | O_RDWR));
	EXPECT_EQ(1, count_names("a"));
}

TEST_F(files, are_not_found_before_they_are_created)
{
	EXPECT_EQ(-ENOENT, try_open(FILE_A, O_RDWR));
	EXPECT_EQ(-ENOENT, size_of(FILE_A));
	EXPECT_EQ(-1, unlink(FILE_A));
	EXPECT_EQ(ENOENT, errno);
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(0, size_of(FILE_A));
}

TEST_F(files, have_the_mode_they_are_created_with)
{
	umask(0);
	ASSERT_LE(0, open(FILE_A, O_CREAT | O_RDWR, 0604));
	EXPECT_EQ(S_IFREG | 0604, stat_of(FILE_A).st_mode);
	umask(077);
	ASSERT_LE(0, open(FILE_B, O_CREAT | O_RDWR, 0666));
	EXPECT_EQ(S_IFREG | 0600, stat_of(FILE_B).st_mode);
}

TEST_F(files, belong_to_their_creator)
{
	ASSERT_EQ(0, chmod(GM, 01777));
	ASSERT_EQ(0, AS_USER(make(FILE_A)));
	EXPECT_EQ(USER, stat_of(FILE_A).st_uid);
	EXPECT_EQ(USER, stat_of(FILE_A).st_gid);
}

TEST_F(files, inherit_the_group_of_a_setgid_directory)
{
	ASSERT_EQ(0, chown(GM, 0, 77));
	ASSERT_EQ(0, chmod(GM, 02775));
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(77, stat_of(FILE_A).st_gid);
}

TEST_F(files, are_created_by_whoever_may_write_the_directory)
{
	EXPECT_EQ(-EACCES, AS_USER(make(FILE_A)));
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-EACCES, AS_USER(or_errno(unlink(FILE_A))));
	EXPECT_EQ(-EACCES, AS_USER(try_open(FILE_A, O_RDWR)));
	EXPECT_LE(0, AS_USER(try_open(FILE_A, O_RDONLY)));
}

TEST_F(files, attributes_change_and_stay)
{
	struct timespec times[2] = { { 1000, 1 }, { 2000000000, 987654321 } };
	struct stat st;

	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, chown(FILE_A, 12, 0x89abcdef));
	ASSERT_EQ(0, chmod(FILE_A, 04751));
	ASSERT_EQ(0, utimensat(AT_FDCWD, FILE_A, times, 0));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	st = stat_of(FILE_A);
	EXPECT_EQ(12, st.st_uid);
	EXPECT_EQ(0x89abcdef, st.st_gid);
	EXPECT_EQ(S_IFREG | 04751, st.st_mode);
	EXPECT_EQ(2000000000, st.st_mtim.tv_sec);
	EXPECT_EQ(987654321, st.st_mtim.tv_nsec);
}

TEST_F(files, may_be_older_than_1970)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { -86400, 5 } };

	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, utimensat(AT_FDCWD, FILE_A, times, 0));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(-86400, stat_of(FILE_A).st_mtim.tv_sec);
	EXPECT_EQ(5, stat_of(FILE_A).st_mtim.tv_nsec);
}

TEST_F(files, attributes_of_the_directory_stay)
{
	ASSERT_EQ(0, chmod(GM, 01777));
	ASSERT_EQ(0, chown(GM, 5, 6));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(S_IFDIR | 01777, stat_of(GM).st_mode);
	EXPECT_EQ(5, stat_of(GM).st_uid);
	EXPECT_EQ(6, stat_of(GM).st_gid);
}

TEST_F(files, a_change_of_owner_clears_the_set_id_bits)
{
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, chmod(FILE_A, 06755));
	ASSERT_EQ(0, chown(FILE_A, USER, USER));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(S_IFREG | 0755, stat_of(FILE_A).st_mode);
}

TEST_F(files, only_the_owner_changes_attributes)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-EPERM, AS_USER(or_errno(chmod(FILE_A, 0777))));
	EXPECT_EQ(-EPERM, AS_USER(or_errno(chown(FILE_A, USER, USER))));
	EXPECT_EQ(S_IFREG | 0644, stat_of(FILE_A).st_mode);
}

TEST_F(files, creating_and_unlinking_changes_the_directory)
{
	struct timespec old[2] = { { 5, 0 }, { 5, 0 } };

	ASSERT_EQ(0, utimensat(AT_FDCWD, GM, old, 0));
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_LT(5, stat_of(GM).st_mtime);
	ASSERT_EQ(0, utimensat(AT_FDCWD, GM, old, 0));
	ASSERT_EQ(0, unlink(FILE_A));
	EXPECT_LT(5, stat_of(GM).st_mtime);
}

TEST_F(files, names_have_up_to_255_bytes)
{
	int fd;

	EXPECT_EQ(0, make(path_of(long_name(LONGEST))));
	EXPECT_EQ(1, count_names(long_name(LONGEST)));
	EXPECT_EQ(-ENAMETOOLONG, make(path_of(long_name(LONGEST + 1))));
	EXPECT_EQ(-ENAMETOOLONG, size_of(path_of(long_name(LONGEST + 1))));
	EXPECT_EQ(-ENOENT, size_of(path_of(long_name(LONGEST - 1))));
	EXPECT_EQ(LONGEST, statfs_gm().f_namelen);
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	fd = try_open(path_of(long_name(LONGEST)), O_RDWR);
	EXPECT_LE(0, fd);
}

TEST_F(files, names_are_bytes)
{
	static const char * const names[] = {
		"x", "...", " ", "\\", "\n", "\xff\xfe", "\001", "A", ".x",
		"\xc3\xa4", "-", "x ", "xx",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(0, make(path_of(names[i])));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(1, count_names(names[i]));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(0, unlink(path_of(names[i])));
	EXPECT_EQ(0, count_names(NULL));
}

TEST_F(files, a_name_does_not_inherit_from_one_it_follows)
{
	/* The second file gets the record of the first. */
	ASSERT_EQ(0, make(path_of(long_name(200))));
	ASSERT_EQ(0, unlink(path_of(long_name(200))));
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(1, count_names("a"));
	EXPECT_EQ(1, count_names(NULL));
}

TEST_F(files, are_unlinked_at_once)
{
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, unlink(FILE_A));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(0, count_names("a"));
	EXPECT_EQ(0, make(FILE_A));
}

TEST_F(files, live_on_unlinked_while_open)
{
	long blocks = free_blocks(), inodes = free_inodes();
	int fd = make_sized(FILE_A, 3 * BLOCK);
	struct stat st;
	char *at;

	ASSERT_EQ(0, unlink(FILE_A));
	EXPECT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(0, st.st_nlink);
	EXPECT_EQ(3 * BLOCK, st.st_size);
	EXPECT_EQ(blocks - 3, free_blocks());
	EXPECT_EQ(inodes - 1, free_inodes());
	EXPECT_EQ(0, ftruncate(fd, 4 * BLOCK));
	at = map_fd(fd, 4 * BLOCK, 0);
	ASSERT_NE(NULL, at);
	fill(at, 4 * BLOCK, 1);
	/* A new file of the same name is another file. */
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_NE(st.st_ino, stat_of(FILE_A).st_ino);
	EXPECT_TRUE(is_filled(at, 4 * BLOCK, 1));
	close(fd);
	EXPECT_EQ(blocks - 4, free_blocks());
	munmap(at, 4 * BLOCK);
	EXPECT_TRUE(EVENTUALLY(free_blocks() == blocks));
	EXPECT_TRUE(EVENTUALLY(free_inodes() == inodes - 1));
}

TEST_F(files, unlinked_but_open_are_gone_after_the_next_mount)
{
	int fd = make_sized(FILE_A, BLOCK);

	ASSERT_EQ(0, unlink(FILE_A));
	close(fd);
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(statfs_gm().f_blocks, free_blocks());
	EXPECT_EQ(INODES - 1, free_inodes());
}

/* A reused record must not bring back the old file. */
TEST_F(files, reuse_an_inode_number_with_nothing_left)
{
	unsigned long ino;
	int i, fd;

	for (i = 0; i < 20; i++) {
		fd = make_sized(FILE_A, (i % 3 + 1) * BLOCK);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fchmod(fd, 0600 + i));
		ino = stat_of(FILE_A).st_ino;
		ASSERT_EQ(0, unlink(FILE_A));
		close(fd);
		ASSERT_EQ(0, make(FILE_B));
		EXPECT_EQ(ino, stat_of(FILE_B).st_ino);
		EXPECT_EQ(0, size_of(FILE_B));
		EXPECT_EQ(S_IFREG | 0644, stat_of(FILE_B).st_mode);
		ASSERT_EQ(0, unlink(FILE_B));
	}
}

TEST_F_TIMEOUT(files, are_limited_in_number, SLOW)
{
	char name[32];
	int i, made = 0;

	for (i = 0; i < 2 * INODES; i++) {
		snprintf(name, sizeof(name), GM "/%d", i);
		if (make(name))
			break;
		made++;
	}
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(INODES - 1, made);
	EXPECT_EQ(0, free_inodes());
	EXPECT_EQ(made, count_names(NULL));
	EXPECT_EQ(-ENOSPC, make(FILE_A));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(0, unlink(GM "/77"));
	EXPECT_EQ(0, make(FILE_A));
	EXPECT_EQ(-ENOSPC, make(FILE_B));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(made, count_names(NULL));
	EXPECT_EQ(1, count_names("a"));
}

TEST_F(files, are_listed_once_with_a_small_buffer)
{
	char name[2 * LONGEST], buffer[320];
	int dir, i, seen[100] = { };
	long size, at;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%d-%.250s", i, long_name(i * 2));
		ASSERT_EQ(0, make(path_of(name)));
	}
	dir = try_open(GM, O_RDONLY | O_DIRECTORY);
	while ((size = syscall(SYS_getdents64, dir, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < size;) {
			struct getdents *entry = (void *)(buffer + at);

			at += entry->reclen;
			if (entry->name[0] == '.')
				continue;
			i = atoi(entry->name);
			ASSERT_TRUE(i >= 0 && i < 100);
			seen[i]++;
			EXPECT_EQ(DT_REG, entry->type);
			EXPECT_EQ(stat_of(path_of(entry->name)).st_ino,
				  entry->ino);
			EXPECT_EQ(i * 2 + 1 + (i > 9 ? 2 : 1),
				  strlen(entry->name));
		}
	}
	EXPECT_EQ(0, size);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(1, seen[i]);
}

TEST_F(files, are_listed_once_while_others_come_and_go)
{
	char buffer[64];
	int dir, i, seen = 0, n = 0;
	long size;

	for (i = 0; i < 20; i++) {
		snprintf(buffer, sizeof(buffer), "keep%d", i);
		ASSERT_EQ(0, make(path_of(buffer)));
		snprintf(buffer, sizeof(buffer), "go%d", i);
		ASSERT_EQ(0, make(path_of(buffer)));
	}
	dir = try_open(GM, O_RDONLY | O_DIRECTORY);
	while ((size = syscall(SYS_getdents64, dir, buffer, 40)) > 0) {
		struct getdents *entry = (void *)buffer;

		seen += !strncmp(entry->name, "keep", 4);
		snprintf(buffer, sizeof(buffer), "go%d", n % 20);
		unlink(path_of(buffer));
		/* New entries can be before or after the position. */
		snprintf(buffer, sizeof(buffer), "new%d", n);
		if (n++ < 50)
			make(path_of(buffer));
		ASSERT_GT(200, n);
	}
	EXPECT_EQ(0, size);
	EXPECT_EQ(20, seen);
}

TEST_F(files, a_listing_can_be_rewound_and_resumed)
{
	DIR *dir;
	struct dirent *entry;
	char third[256];
	long place;

	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, make(FILE_B));
	ASSERT_EQ(0, make(GM "/c"));
	dir = opendir(GM);
	EXPECT_STREQ(".", readdir(dir)->d_name);
	EXPECT_STREQ("..", readdir(dir)->d_name);
	place = telldir(dir);
	strcpy(third, readdir(dir)->d_name);
	while ((entry = readdir(dir)))
		;
	seekdir(dir, place);
	EXPECT_STREQ(third, readdir(dir)->d_name);
	rewinddir(dir);
	EXPECT_STREQ(".", readdir(dir)->d_name);
	closedir(dir);
}

TEST_F(files, nothing_else_can_be_created)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-1, mkdir(FILE_B, 0755));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mknod(FILE_B, S_IFIFO | 0644, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mknod(FILE_B, S_IFCHR | 0644, 0x103));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, symlink("a", FILE_B));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, link(FILE_A, FILE_B));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, rmdir(FILE_A));
	EXPECT_EQ(ENOTDIR, errno);
	EXPECT_EQ(-EOPNOTSUPP, try_open(GM, O_TMPFILE | O_RDWR));
	EXPECT_EQ(0, mknod(FILE_B, S_IFREG | 0644, 0));
	EXPECT_EQ(2, count_names(NULL));
}

TEST_F(files, are_not_read_or_written)
{
	int fd = make_sized(FILE_A, BLOCK), other = try_open("/tmp/x", O_RDWR | O_CREAT);
	int pipes[2];
	char c = 'c';

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(1, write(pipes[1], &c, 1));
	ASSERT_EQ(1, write(other, &c, 1));
	lseek(other, 0, SEEK_SET);

	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pread(fd, &c, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, splice(fd, NULL, pipes[1], NULL, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, splice(pipes[0], NULL, fd, NULL, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, sendfile(other, fd, NULL, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, sendfile(fd, other, NULL, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, copy_file_range(fd, NULL, fd, (off_t[]){ MiB }, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(BLOCK, size_of(FILE_A));
}

TEST_F(files, are_not_opened_for_direct_io)
{
	ASSERT_EQ(0, make(FILE_A));
	EXPECT_EQ(-EINVAL, try_open(FILE_A, O_RDWR | O_DIRECT));
}

TEST_F(files, have_no_other_operations)
{
	int fd = make_sized(FILE_A, BLOCK);
	char c;

	EXPECT_EQ(-1, fallocate(fd, 0, 0, 2 * BLOCK));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				0, BLOCK));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, setxattr(FILE_A, "user.x", "x", 1, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, getxattr(FILE_A, "user.x", &c, 1));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

TEST_F(files, can_be_synced)
{
	int fd = make_sized(FILE_A, BLOCK), dir = try_open(GM, O_RDONLY);

	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, fdatasync(fd));
	EXPECT_EQ(0, fsync(dir));
	EXPECT_EQ(0, syncfs(fd));
}

TEST_F(files, are_seekable_to_their_end)
{
	int fd = make_sized(FILE_A, 3 * BLOCK);

	EXPECT_EQ(3 * BLOCK, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(3 * BLOCK, lseek(fd, 0, SEEK_HOLE));
}

TEST_F(files, survive_that_the_kernel_forgets_them)
{
	unsigned long ino;
	int fd, drop;
	char *at;

	fd = make_sized(FILE_A, 2 * BLOCK);
	ino = stat_of(FILE_A).st_ino;
	at = map_fd(fd, 2 * BLOCK, 0);
	fill(at, 2 * BLOCK, 9);
	munmap(at, 2 * BLOCK);
	close(fd);
	drop = try_open("/proc/sys/vm/drop_caches", O_WRONLY);
	ASSERT_EQ(1, write(drop, "2", 1));
	EXPECT_EQ(ino, stat_of(FILE_A).st_ino);
	fd = try_open(FILE_A, O_RDWR);
	at = map_fd(fd, 2 * BLOCK, 0);
	ASSERT_NE(NULL, at);
	EXPECT_TRUE(is_filled(at, 2 * BLOCK, 9));
}

TEST_HARNESS_MAIN
