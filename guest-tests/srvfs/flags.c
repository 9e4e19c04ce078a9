// SPDX-License-Identifier: GPL-2.0
/*
 * The flags of open(2) and openat2(2) for an assigned entry: either the open
 * returns the published description unchanged, or it fails.
 */
#include "srvfs.h"

#define CONTENT	"content"

FIXTURE(open_flags_have_no_effect) {
	int fd;
};

FIXTURE_VARIANT(open_flags_have_no_effect) {
	int flags;
};

#define FLAGS(name, value) \
	FIXTURE_VARIANT_ADD(open_flags_have_no_effect, name) { .flags = value }

FLAGS(rdonly, O_RDONLY);
FLAGS(wronly, O_WRONLY);
FLAGS(rdwr, O_RDWR);
FLAGS(accmode_3, O_ACCMODE);
FLAGS(append, O_WRONLY | O_APPEND);
FLAGS(nonblock, O_RDONLY | O_NONBLOCK);
FLAGS(sync, O_WRONLY | O_SYNC);
FLAGS(dsync, O_WRONLY | O_DSYNC);
FLAGS(noatime, O_RDONLY | O_NOATIME);
FLAGS(direct, O_RDWR | O_DIRECT);
FLAGS(async, O_RDONLY | O_ASYNC);
FLAGS(trunc, O_WRONLY | O_TRUNC);
FLAGS(creat, O_WRONLY | O_CREAT);
FLAGS(creat_and_trunc, O_WRONLY | O_CREAT | O_TRUNC);
FLAGS(noctty, O_RDONLY | O_NOCTTY);
FLAGS(largefile, O_RDONLY | 0100000);	/* glibc defines it as 0 */
FLAGS(many_at_once, O_RDWR | O_APPEND | O_NONBLOCK | O_SYNC | O_TRUNC);

FIXTURE_SETUP(open_flags_have_no_effect)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", CONTENT);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, publish(ENTRY, self->fd));
}

FIXTURE_TEARDOWN(open_flags_have_no_effect)
{
	srv_leave();
}

TEST_F(open_flags_have_no_effect, on_the_description)
{
	int before = fcntl(self->fd, F_GETFL);
	int opened = try_open(ENTRY, variant->flags);

	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
	EXPECT_EQ(before, fcntl(self->fd, F_GETFL));
}

TEST_F(open_flags_have_no_effect, on_the_content)
{
	struct stat st;

	ASSERT_LE(0, try_open(ENTRY, variant->flags));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ((off_t)strlen(CONTENT), st.st_size);
}

TEST_F(open_flags_have_no_effect, on_flags_that_are_set)
{
	int set = O_RDWR | O_APPEND | O_NONBLOCK;
	int before;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, set));
	before = fcntl(self->fd, F_GETFL);
	ASSERT_EQ(set, before & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	ASSERT_LE(0, try_open(ENTRY, variant->flags));
	EXPECT_EQ(before, fcntl(self->fd, F_GETFL));
}

FIXTURE(flags) {
	int fd;
};

FIXTURE_SETUP(flags)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", CONTENT);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, publish(ENTRY, self->fd));
}

FIXTURE_TEARDOWN(flags)
{
	srv_leave();
}

TEST_F(flags, cloexec_is_per_fd)
{
	int kept = try_open(ENTRY, O_RDONLY);
	int closed = try_open(ENTRY, O_RDONLY | O_CLOEXEC);

	ASSERT_EQ(0, fcntl(self->fd, F_SETFD, 0));
	EXPECT_EQ(0, fcntl(kept, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(closed, F_GETFD));
	EXPECT_EQ(0, fcntl(self->fd, F_GETFD));
}

TEST_F(flags, cloexec_of_the_published_fd_is_not_inherited)
{
	ASSERT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_EQ(0, fcntl(try_open(ENTRY, O_RDONLY), F_GETFD));
}

TEST_F(flags, creat_returns_the_boxed_file_untruncated)
{
	struct stat st;
	int opened = creat(ENTRY, 0600);

	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ((off_t)strlen(CONTENT), st.st_size);
}

TEST_F(flags, exclusive_creation_finds_the_entry)
{
	EXPECT_EQ(-EEXIST, try_open(ENTRY, O_RDWR | O_CREAT | O_EXCL));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

TEST_F(flags, exclusive_creation_finds_an_empty_entry)
{
	ASSERT_LE(0, new_entry(SRV "/empty"));
	EXPECT_EQ(-EEXIST, new_entry(SRV "/empty"));
}

TEST_F(flags, an_assigned_entry_is_no_directory)
{
	EXPECT_EQ(-ENOTDIR, try_open(ENTRY, O_RDONLY | O_DIRECTORY));
}

TEST_F(flags, an_empty_entry_is_no_directory)
{
	ASSERT_LE(0, new_entry(SRV "/empty"));
	EXPECT_EQ(-ENOTDIR, try_open(SRV "/empty", O_RDONLY | O_DIRECTORY));
}

TEST_F(flags, an_entry_holding_a_directory_is_no_directory)
{
	int directory = try_open("/tmp", O_RDONLY | O_DIRECTORY);

	ASSERT_EQ(0, publish(SRV "/directory", directory));
	EXPECT_EQ(-ENOTDIR, try_open(SRV "/directory", O_RDONLY | O_DIRECTORY));
}

TEST_F(flags, tmpfile_is_refused)
{
	EXPECT_EQ(-EOPNOTSUPP, try_open(SRV, O_TMPFILE | O_RDWR));
}

TEST_F(flags, o_path)
{
	int opened = try_open(ENTRY, O_PATH);

	ASSERT_LE(0, opened);
	EXPECT_EQ(0, same_description(self->fd, opened));
	EXPECT_TRUE(on_srvfs(opened));
	EXPECT_EQ(O_PATH, fcntl(opened, F_GETFL) & O_PATH);
}

TEST_F(flags, o_path_cannot_be_written)
{
	int opened = try_open(ENTRY, O_PATH | O_RDWR);

	ASSERT_LE(0, opened);
	EXPECT_EQ(-EBADF, write_number(opened, 0));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

TEST_F(flags, a_file_handle_does_not_lead_to_a_control_descriptor)
{
	struct {
		struct file_handle handle;
		unsigned char space[MAX_HANDLE_SZ];
	} entry = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;
	int opened;

	if (name_to_handle_at(AT_FDCWD, ENTRY, &entry.handle, &mount_id, 0)) {
		EXPECT_EQ(EOPNOTSUPP, errno);
		return;
	}
	opened = or_errno(open_by_handle_at(try_open(SRV, O_RDONLY),
					    &entry.handle, O_RDWR));
	if (opened >= 0) {
		EXPECT_EQ(1, same_description(self->fd, opened));
	}
}

FIXTURE(resolve) {
	int fd;
	int directory;
};

FIXTURE_VARIANT(resolve) {
	int flags;
};

FIXTURE_VARIANT_ADD(resolve, no_magiclinks) { .flags = RESOLVE_NO_MAGICLINKS };
FIXTURE_VARIANT_ADD(resolve, no_symlinks) { .flags = RESOLVE_NO_SYMLINKS };
FIXTURE_VARIANT_ADD(resolve, beneath) { .flags = RESOLVE_BENEATH };
FIXTURE_VARIANT_ADD(resolve, in_root) { .flags = RESOLVE_IN_ROOT };
FIXTURE_VARIANT_ADD(resolve, no_xdev) { .flags = RESOLVE_NO_XDEV };

FIXTURE_SETUP(resolve)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", CONTENT);
	self->directory = try_open(SRV, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, self->directory);
	ASSERT_EQ(0, publish(ENTRY, self->fd));
}

FIXTURE_TEARDOWN(resolve)
{
	close(self->directory);
	srv_leave();
}

TEST_F(resolve, refuses_an_assigned_entry)
{
	EXPECT_EQ(-ELOOP, try_openat2(self->directory, "entry", O_RDONLY,
				      variant->flags));
}

TEST_F(resolve, allows_an_empty_entry)
{
	int control;

	ASSERT_EQ(0, close(new_entry(SRV "/empty")));
	control = try_openat2(self->directory, "empty", O_RDWR, variant->flags);
	ASSERT_LE(0, control);
	EXPECT_TRUE(is_control(control));
}

TEST_F(resolve, allows_a_path_descriptor)
{
	int opened = try_openat2(self->directory, "entry", O_PATH,
				 variant->flags);

	ASSERT_LE(0, opened);
	EXPECT_TRUE(on_srvfs(opened));
}

TEST_F(flags, openat2_returns_the_boxed_file)
{
	int opened = try_openat2(AT_FDCWD, ENTRY, O_RDONLY, 0);

	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

TEST_F(flags, resolve_cached_returns_the_boxed_file_or_eagain)
{
	int opened = try_openat2(AT_FDCWD, ENTRY, O_RDONLY, RESOLVE_CACHED);

	if (opened < 0) {
		EXPECT_EQ(-EAGAIN, opened);
	} else {
		EXPECT_EQ(1, same_description(self->fd, opened));
	}
}

TEST_HARNESS_MAIN
