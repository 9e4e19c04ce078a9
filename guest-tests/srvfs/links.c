// SPDX-License-Identifier: GPL-2.0
/*
 * An assigned entry is followed like a link: whoever does not follow links, or must
 * not, does not get at the boxed file, which the owner of the entry has chosen.
 */
#include "srvfs.h"

FIXTURE(links) {
	int fd;
};

FIXTURE_SETUP(links)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", "content");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, publish(ENTRY, self->fd));
}

FIXTURE_TEARDOWN(links)
{
	srv_leave();
}

static int reopen(int fd, int flags)
{
	char link[32];

	sprintf(link, "/proc/self/fd/%d", fd);
	return try_open(link, flags);
}

TEST_F(links, are_not_followed_with_nofollow)
{
	EXPECT_EQ(-ELOOP, try_open(ENTRY, O_RDONLY | O_NOFOLLOW));
	EXPECT_EQ(-ELOOP, try_open(ENTRY, O_RDWR | O_NOFOLLOW));
	EXPECT_EQ(-ELOOP, try_open(ENTRY, O_RDWR | O_CREAT | O_NOFOLLOW));
}

TEST_F(links, an_empty_entry_is_none)
{
	ASSERT_EQ(0, close(new_entry(SRV "/empty")));
	EXPECT_TRUE(is_control(try_open(SRV "/empty", O_RDWR | O_NOFOLLOW)));
	EXPECT_TRUE(is_control(reopen(try_open(SRV "/empty", O_PATH), O_RDWR)));
}

TEST_F(links, a_path_descriptor_is_not_exchanged_for_the_boxed_file)
{
	int path = try_open(ENTRY, O_PATH | O_NOFOLLOW);

	ASSERT_LE(0, path);
	EXPECT_EQ(-ELOOP, reopen(path, O_RDONLY));
	EXPECT_EQ(-ELOOP, reopen(path, O_RDWR));
}

TEST_F(links, a_control_descriptor_is_not_exchanged_for_the_boxed_file)
{
	int control = new_entry(SRV "/other");

	ASSERT_LE(0, control);
	ASSERT_EQ(0, write_number(control, self->fd));
	EXPECT_EQ(-ELOOP, reopen(control, O_RDWR));
}

/* Only the last component counts: the directory was found through procfs. */
TEST_F(links, below_a_magic_link_are_followed)
{
	char path[64];
	int opened;

	sprintf(path, "/proc/self/fd/%d/entry",
		try_open(SRV, O_PATH | O_DIRECTORY));
	opened = try_open(path, O_RDWR);
	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

/* This is what a tool does that changes the owner of what it has found at a path. */
TEST_F(links, root_does_not_change_a_file_that_a_user_has_chosen)
{
	struct stat st;
	int path;

	ASSERT_EQ(0, chown(ENTRY, USER, USER));
	path = try_open(ENTRY, O_PATH | O_NOFOLLOW);
	ASSERT_EQ(0, fstat(path, &st));
	ASSERT_TRUE(S_ISREG(st.st_mode));
	EXPECT_GT(0, fchown(try_open(ENTRY, O_RDONLY | O_NOFOLLOW), USER, USER));
	EXPECT_GT(0, fchown(reopen(path, O_RDONLY), USER, USER));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(0U, st.st_uid);
}

/* The sysctls of sticky directories are global: a case restores them. */
#define PROTECTED_SYMLINKS	"/proc/sys/fs/protected_symlinks"
#define PROTECTED_REGULAR	"/proc/sys/fs/protected_regular"

FIXTURE(sticky) {
	int fd;
	long symlinks;
	long regular;
};

FIXTURE_SETUP(sticky)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", "content");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, chmod(SRV, 01777));
	ASSERT_EQ(0, publish(ENTRY, self->fd));
	ASSERT_EQ(0, chmod(ENTRY, 0666));
	ASSERT_EQ(0, chown(ENTRY, USER, USER));
	self->symlinks = first_number_in(PROTECTED_SYMLINKS);
	self->regular = first_number_in(PROTECTED_REGULAR);
	ASSERT_LE(0, self->symlinks);
	ASSERT_LE(0, self->regular);
	ASSERT_EQ(0, write_to(PROTECTED_SYMLINKS, "0"));
	ASSERT_EQ(0, write_to(PROTECTED_REGULAR, "0"));
}

FIXTURE_TEARDOWN(sticky)
{
	write_to(PROTECTED_SYMLINKS, self->symlinks == 1 ? "1" : "0");
	write_to(PROTECTED_REGULAR, self->regular == 0 ? "0" :
		 self->regular == 1 ? "1" : "2");
	srv_leave();
}

TEST_F(sticky, nobody_is_protected_by_default)
{
	EXPECT_EQ(1, holds(ENTRY, self->fd));
	EXPECT_LE(0, try_open(ENTRY, O_RDWR | O_CREAT));
}

TEST_F(sticky, protected_symlinks_keep_root_from_following)
{
	ASSERT_EQ(0, write_to(PROTECTED_SYMLINKS, "1"));
	EXPECT_EQ(-EACCES, try_open(ENTRY, O_RDONLY));
	EXPECT_EQ(-EACCES, try_openat2(AT_FDCWD, ENTRY, O_RDONLY, 0));
}

TEST_F(sticky, protected_symlinks_let_the_owner_follow)
{
	ASSERT_EQ(0, write_to(PROTECTED_SYMLINKS, "1"));
	EXPECT_EQ(1, AS_USER(holds(ENTRY, self->fd)));
}

TEST_F(sticky, protected_symlinks_trust_the_owner_of_the_directory)
{
	ASSERT_EQ(0, write_to(PROTECTED_SYMLINKS, "1"));
	ASSERT_EQ(0, chown(ENTRY, 0, 0));
	EXPECT_EQ(1, AS_USER(holds(ENTRY, self->fd)));
}

TEST_F(sticky, protected_symlinks_do_not_matter_elsewhere)
{
	ASSERT_EQ(0, write_to(PROTECTED_SYMLINKS, "1"));
	ASSERT_EQ(0, chmod(SRV, 0777));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
	ASSERT_EQ(0, chmod(SRV, 01775));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

TEST_F(sticky, protected_symlinks_let_everybody_open_an_empty_entry)
{
	ASSERT_EQ(0, close(AS_USER(new_entry(SRV "/empty"))));
	ASSERT_EQ(0, write_to(PROTECTED_SYMLINKS, "1"));
	EXPECT_TRUE(is_control(try_open(SRV "/empty", O_RDWR)));
}

TEST_F(sticky, protected_regular_keeps_root_from_creating)
{
	ASSERT_EQ(0, write_to(PROTECTED_REGULAR, "1"));
	EXPECT_EQ(-EACCES, try_open(ENTRY, O_RDWR | O_CREAT));
	EXPECT_LE(0, try_open(ENTRY, O_RDWR));
}

TEST_HARNESS_MAIN
