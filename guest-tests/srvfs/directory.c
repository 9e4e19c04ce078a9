// SPDX-License-Identifier: GPL-2.0
/*
 * The directory of an instance, which is flat and contains only entries, and
 * the inode of an entry, which is not that of its file.
 */
#include <dirent.h>

#include "srvfs.h"

SRV_FIXTURE(directory)

/* How often the directory lists name, and with which type. */
static int times_listed(const char *name, unsigned char *type)
{
	DIR *directory = opendir(SRV);
	struct dirent *entry;
	int times = 0;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		if (!strcmp(entry->d_name, name)) {
			*type = entry->d_type;
			times++;
		}
	}
	closedir(directory);
	return times;
}

TEST_F(directory, create_list_unlink)
{
	unsigned char type = DT_UNKNOWN;

	EXPECT_EQ(0, times_listed("entry", &type));
	ASSERT_EQ(0, close(new_entry(ENTRY)));
	EXPECT_EQ(1, times_listed("entry", &type));
	EXPECT_EQ(DT_REG, type);
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_EQ(0, times_listed("entry", &type));
	EXPECT_EQ(-ENOENT, try_open(ENTRY, O_RDONLY));
	EXPECT_EQ(-1, unlink(ENTRY));
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(directory, create_list_unlink_of_many_names)
{
	unsigned char type;
	char path[64];
	int i;

	for (i = 0; i < 300; i++) {
		sprintf(path, SRV "/n%d", i);
		ASSERT_EQ(0, close(new_entry(path)));
	}
	for (i = 0; i < 300; i++) {
		sprintf(path, "n%d", i);
		ASSERT_EQ(1, times_listed(path, &type));
	}
	for (i = 0; i < 300; i++) {
		sprintf(path, SRV "/n%d", i);
		ASSERT_EQ(0, unlink(path));
	}
	EXPECT_EQ(0, times_listed("n7", &type));
}

TEST_F(directory, lists_itself_and_its_parent)
{
	unsigned char type = DT_UNKNOWN;

	EXPECT_EQ(1, times_listed(".", &type));
	EXPECT_EQ(DT_DIR, type);
	EXPECT_EQ(1, times_listed("..", &type));
	EXPECT_EQ(DT_DIR, type);
}

TEST_F(directory, a_name_unlinked_while_open_has_no_links)
{
	int control = new_entry(ENTRY);
	struct stat st;

	ASSERT_EQ(0, fstat(control, &st));
	EXPECT_EQ(1U, (unsigned int)st.st_nlink);
	ASSERT_EQ(0, unlink(ENTRY));
	ASSERT_EQ(0, fstat(control, &st));
	EXPECT_EQ(0U, (unsigned int)st.st_nlink);
}

TEST_F(directory, a_name_can_be_used_again)
{
	int one = regular_file("/tmp/one", "1");
	int two = regular_file("/tmp/two", "2");

	ASSERT_EQ(0, publish(ENTRY, one));
	ASSERT_EQ(0, unlink(ENTRY));
	ASSERT_EQ(0, publish(ENTRY, two));
	EXPECT_EQ(1, holds(ENTRY, two));
}

TEST_F(directory, creating_and_unlinking_change_its_times)
{
	struct timespec long_ago[2] = { { 1, 0 }, { 1, 0 } };
	struct stat st;

	ASSERT_EQ(0, utimensat(AT_FDCWD, SRV, long_ago, 0));
	ASSERT_EQ(0, close(new_entry(ENTRY)));
	ASSERT_EQ(0, stat(SRV, &st));
	EXPECT_LT(1, st.st_mtime);

	ASSERT_EQ(0, utimensat(AT_FDCWD, SRV, long_ago, 0));
	ASSERT_EQ(0, unlink(ENTRY));
	ASSERT_EQ(0, stat(SRV, &st));
	EXPECT_LT(1, st.st_mtime);
}

TEST_F(directory, takes_names_of_255_bytes_and_no_longer_ones)
{
	char path[300];
	size_t base = strlen(SRV "/");

	strcpy(path, SRV "/");
	memset(path + base, 'n', 256);
	path[base + 255] = '\0';
	EXPECT_EQ(0, publish_something(path));
	path[base + 255] = 'n';
	path[base + 256] = '\0';
	EXPECT_EQ(-ENAMETOOLONG, new_entry(path));
}

TEST_F(directory, mkdir_is_not_permitted)
{
	EXPECT_EQ(-1, mkdir(SRV "/dir", 0755));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(directory, mknod_is_not_permitted)
{
	EXPECT_EQ(-1, mknod(SRV "/fifo", S_IFIFO | 0644, 0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mknod(SRV "/device", S_IFCHR | 0644, 0x103));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(directory, binding_a_socket_is_not_permitted)
{
	struct sockaddr_un address = {
		.sun_family = AF_UNIX, .sun_path = SRV "/socket",
	};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, bind(fd, (struct sockaddr *)&address, sizeof(address)));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(directory, symlink_is_not_permitted)
{
	EXPECT_EQ(-1, symlink("/tmp", SRV "/symlink"));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(directory, link_is_not_permitted)
{
	ASSERT_EQ(0, publish_something(ENTRY));
	EXPECT_EQ(-1, link(ENTRY, SRV "/link"));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(directory, rename_is_not_permitted)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, publish(ENTRY, fd));
	EXPECT_EQ(-1, rename(ENTRY, SRV "/renamed"));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(1, holds(ENTRY, fd));
}

TEST_F(directory, exchange_is_not_permitted)
{
	ASSERT_EQ(0, publish_something(SRV "/one"));
	ASSERT_EQ(0, publish_something(SRV "/two"));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, SRV "/one", AT_FDCWD, SRV "/two",
				RENAME_EXCHANGE));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(directory, rename_into_it_crosses_file_systems)
{
	ASSERT_EQ(0, close(regular_file("/tmp/file", "content")));
	EXPECT_EQ(-1, rename("/tmp/file", ENTRY));
	EXPECT_EQ(EXDEV, errno);
}

TEST_F(directory, rmdir_does_not_remove_entries)
{
	ASSERT_EQ(0, publish_something(ENTRY));
	EXPECT_EQ(-1, rmdir(ENTRY));
	EXPECT_EQ(ENOTDIR, errno);
}

TEST_F(directory, create_honours_mode)
{
	static const struct {
		mode_t asked, mask, given;
	} cases[] = {
		{ 0666, 0000, 0666 },
		{ 0666, 0022, 0644 },
		{ 0666, 0077, 0600 },
		{ 0777, 0000, 0666 },	/* execute bits mean nothing here */
		{ 0400, 0000, 0400 },
		{ 0000, 0000, 0000 },
		{ 07666, 0000, 0666 },
	};
	struct stat st;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		umask(cases[i].mask);
		ASSERT_LE(0, open(ENTRY, O_RDWR | O_CREAT | O_EXCL,
				  cases[i].asked));
		ASSERT_EQ(0, stat(ENTRY, &st));
		EXPECT_EQ(S_IFREG | cases[i].given, st.st_mode) {
			TH_LOG("mode %04o, umask %04o gave %04o, not %04o",
			       cases[i].asked, cases[i].mask,
			       st.st_mode & 07777, cases[i].given);
		}
		ASSERT_EQ(0, unlink(ENTRY));
	}
}

TEST_F(directory, an_entry_belongs_to_its_creator)
{
	struct stat st;

	ASSERT_EQ(0, chmod(SRV, 0777));
	ASSERT_LE(0, AS_USER(new_entry(ENTRY)));
	ASSERT_EQ(0, stat(ENTRY, &st));
	EXPECT_EQ((uid_t)USER, st.st_uid);
	EXPECT_EQ((gid_t)USER, st.st_gid);
}

TEST_F(directory, entries_have_inode_numbers_of_their_own)
{
	struct stat root, one, two;

	ASSERT_EQ(0, publish_something(SRV "/one"));
	ASSERT_EQ(0, publish_something(SRV "/two"));
	ASSERT_EQ(0, stat(SRV, &root));
	ASSERT_EQ(0, stat(SRV "/one", &one));
	ASSERT_EQ(0, stat(SRV "/two", &two));
	EXPECT_NE(root.st_ino, one.st_ino);
	EXPECT_NE(root.st_ino, two.st_ino);
	EXPECT_NE(one.st_ino, two.st_ino);
}

TEST_F(directory, chmod_changes_the_entry_only)
{
	int fd = regular_file("/tmp/file", "content");
	struct stat entry, boxed;

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, chmod(ENTRY, 0600));
	ASSERT_EQ(0, stat(ENTRY, &entry));
	ASSERT_EQ(0, fstat(fd, &boxed));
	EXPECT_EQ((mode_t)(S_IFREG | 0600), entry.st_mode);
	EXPECT_EQ((mode_t)(S_IFREG | 0644), boxed.st_mode);
}

TEST_F(directory, chown_changes_the_entry_only)
{
	int fd = regular_file("/tmp/file", "content");
	struct stat entry, boxed;

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, chown(ENTRY, 7, 8));
	ASSERT_EQ(0, stat(ENTRY, &entry));
	ASSERT_EQ(0, fstat(fd, &boxed));
	EXPECT_EQ(7U, entry.st_uid);
	EXPECT_EQ(8U, entry.st_gid);
	EXPECT_EQ(0U, boxed.st_uid);
	EXPECT_EQ(0U, boxed.st_gid);
}

TEST_F(directory, utimens_changes_the_entry_only)
{
	struct timespec times[2] = { { 11, 0 }, { 22, 33 } };
	int fd = regular_file("/tmp/file", "content");
	struct stat entry, boxed;

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, utimensat(AT_FDCWD, ENTRY, times, 0));
	ASSERT_EQ(0, stat(ENTRY, &entry));
	ASSERT_EQ(0, fstat(fd, &boxed));
	EXPECT_EQ(22, entry.st_mtim.tv_sec);
	EXPECT_EQ(33, entry.st_mtim.tv_nsec);
	EXPECT_NE(22, boxed.st_mtim.tv_sec);
}

TEST_F(directory, entry_has_no_size)
{
	struct stat st;

	ASSERT_EQ(0, publish_something(ENTRY));
	EXPECT_EQ(-1, truncate(ENTRY, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, truncate(ENTRY, 1L << 40));
	EXPECT_EQ(0, truncate(ENTRY, 0));
	ASSERT_EQ(0, stat(ENTRY, &st));
	EXPECT_EQ(0, st.st_size);
	EXPECT_EQ(0, st.st_blocks);
	EXPECT_EQ(1U, (unsigned int)st.st_nlink);
}

TEST_F(directory, truncating_an_entry_does_not_truncate_the_boxed_file)
{
	int fd = regular_file("/tmp/file", "content");
	struct stat st;

	ASSERT_EQ(0, publish(ENTRY, fd));
	EXPECT_EQ(0, truncate(ENTRY, 0));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(7, st.st_size);
}

TEST_HARNESS_MAIN
