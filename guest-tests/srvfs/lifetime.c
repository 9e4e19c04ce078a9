// SPDX-License-Identifier: GPL-2.0
/*
 * How long an entry references its file: until unlink, clear, replacement or
 * umount, and no longer.  A failed open adds no reference.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "srvfs.h"

#define ROUNDS		10000
#define INSTANCES	1000

SRV_FIXTURE(lifetime)

/* The first number of a file in /proc/sys/fs. */
static long count_of(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/fs/%s", name);
	return first_number_in(path);
}

/*
 * A leak adds one per round.  The tolerance is a tenth of that: for the rest of the
 * guest, and for the kernel's count of files, which is off by some dozens per CPU.
 */
static bool settles_near(const char *name, long before, int rounds)
{
	bool near = EVENTUALLY(count_of(name) < before + rounds / 10);

	if (!near)
		printf("# %s: %ld before, %ld after\n", name, before,
		       count_of(name));
	return near;
}

TEST_F_TIMEOUT(lifetime, ten_thousand_publications_leave_nothing_behind, 180)
{
	long files = count_of("file-nr");
	long inodes = count_of("inode-nr");
	long dentries = count_of("dentry-state");
	int ends[2];
	int i;

	ASSERT_LE(0, files);
	ASSERT_LT(0, inodes);
	ASSERT_LT(0, dentries);
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, publish(ENTRY, ends[1]));
		ASSERT_EQ(0, unlink(ENTRY));
	}
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_TRUE(was_dropped(ends[0]));
	EXPECT_TRUE(settles_near("file-nr", files, ROUNDS));
	EXPECT_TRUE(settles_near("inode-nr", inodes, ROUNDS));
	EXPECT_TRUE(settles_near("dentry-state", dentries, ROUNDS));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F_TIMEOUT(lifetime, ten_thousand_different_files_are_all_released, 180)
{
	long files = count_of("file-nr");
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, publish_something(ENTRY));
		ASSERT_EQ(0, unlink(ENTRY));
	}
	EXPECT_TRUE(settles_near("file-nr", files, ROUNDS));
}

TEST_F_TIMEOUT(lifetime, ten_thousand_replacements_keep_the_last_file_only, 180)
{
	long files = count_of("file-nr");
	int control = new_entry(ENTRY);
	int fd = -1;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		close(fd);
		fd = try_open("/dev/null", O_RDWR);
		ASSERT_EQ(0, write_number(control, fd));
	}
	EXPECT_EQ(1, holds(ENTRY, fd));
	EXPECT_TRUE(settles_near("file-nr", files, ROUNDS));
}

TEST_F_TIMEOUT(lifetime, many_opens, 180)
{
	long files = count_of("file-nr");
	int witness = publish_witness(ENTRY);
	int i, fd;

	ASSERT_LE(0, witness);
	for (i = 0; i < ROUNDS; i++) {
		fd = try_open(ENTRY, O_WRONLY);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, close(fd));
	}
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_TRUE(settles_near("file-nr", files, ROUNDS));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F(lifetime, many_opens_at_the_same_time)
{
	struct rlimit limit = { 2000, 2000 };
	int witness = publish_witness(ENTRY);
	int fds[1000];
	int i;

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < 1000; i++) {
		fds[i] = try_open(ENTRY, O_WRONLY);
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_EQ(0, unlink(ENTRY));
	for (i = 0; i < 999; i++) {
		ASSERT_EQ(0, close(fds[i]));
	}
	EXPECT_TRUE(is_held(witness));
	ASSERT_EQ(0, close(fds[999]));
	EXPECT_TRUE(was_dropped(witness));
}

TEST_F_TIMEOUT(lifetime, a_thousand_instances_leave_nothing_behind, 180)
{
	long inodes = count_of("inode-nr");
	int i;

	ASSERT_EQ(0, umount(SRV));
	for (i = 0; i < INSTANCES; i++) {
		ASSERT_EQ(0, mount_srv(SRV, NULL));
		ASSERT_EQ(0, publish_something(ENTRY));
		ASSERT_TRUE(EVENTUALLY(umount(SRV) == 0));
	}
	EXPECT_TRUE(settles_near("inode-nr", inodes, INSTANCES));
}

TEST_F(lifetime, an_entry_keeps_what_its_publisher_closed)
{
	int witness = publish_witness(ENTRY);

	ASSERT_LE(0, witness);
	EXPECT_FALSE(hangs_up_within(witness, 200));
}

TEST_F(lifetime, unlink_drops_the_reference)
{
	int witness = publish_witness(ENTRY);

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(was_dropped(witness));
}

TEST_F(lifetime, unlink_drops_the_reference_while_a_control_descriptor_is_open)
{
	int control = new_entry(ENTRY);
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, write_number(control, ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	ASSERT_TRUE(is_held(ends[0]));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(was_dropped(ends[0]));
	EXPECT_TRUE(is_control(control));
}

TEST_F(lifetime, clearing_drops_the_reference)
{
	int witness = publish_witness(ENTRY);
	int control = new_entry(SRV "/other");
	int ends[2];

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, write_number(control, ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	ASSERT_TRUE(is_held(ends[0]));
	ASSERT_EQ(0, write_number(control, -1));
	EXPECT_TRUE(was_dropped(ends[0]));
	EXPECT_TRUE(is_held(witness));
}

TEST_F(lifetime, replacing_drops_the_reference)
{
	int fd = regular_file("/tmp/file", "content");
	int control = new_entry(ENTRY);
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, write_number(control, ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	ASSERT_TRUE(is_held(ends[0]));
	ASSERT_EQ(0, write_number(control, fd));
	EXPECT_TRUE(was_dropped(ends[0]));
}

TEST_F(lifetime, closing_the_control_descriptor_keeps_the_reference)
{
	int control = new_entry(ENTRY);
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, write_number(control, ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	ASSERT_EQ(0, close(control));
	EXPECT_FALSE(hangs_up_within(ends[0], 200));
}

TEST_F(lifetime, what_was_opened_outlives_its_entry)
{
	int witness = publish_witness(ENTRY);
	int opened = try_open(ENTRY, O_WRONLY);

	ASSERT_LE(0, opened);
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_FALSE(hangs_up_within(witness, 200));
	ASSERT_EQ(0, close(opened));
	EXPECT_TRUE(was_dropped(witness));
}

/* As an open does that has found the name and then loses against unlink. */
TEST_F(lifetime, an_unlinked_entry_cannot_be_opened)
{
	char link[32];

	ASSERT_EQ(0, publish_something(ENTRY));
	sprintf(link, "/proc/self/fd/%d", try_open(ENTRY, O_PATH));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_EQ(-ENOENT, try_open(link, O_RDONLY));
	EXPECT_EQ(-ENOENT, try_open(link, O_RDWR));
}

TEST_F(lifetime, a_path_descriptor_holds_no_reference_to_the_boxed_file)
{
	int witness = publish_witness(ENTRY);

	ASSERT_LE(0, try_open(ENTRY, O_PATH));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(was_dropped(witness));
}

/* Opens that fail, or that look as if they should, must not keep a reference. */
FIXTURE(error_paths_do_not_leak) {
	int witness;
};

FIXTURE_VARIANT(error_paths_do_not_leak) {
	int flags;
	int resolve;
	bool no_descriptors;
	int error;	/* 0: any result is accepted */
};

#define ERROR_PATH(name, ...) \
	FIXTURE_VARIANT_ADD(error_paths_do_not_leak, name) { __VA_ARGS__ }

ERROR_PATH(exclusive, .flags = O_CREAT | O_EXCL | O_RDWR, .error = EEXIST);
ERROR_PATH(directory, .flags = O_DIRECTORY, .error = ENOTDIR);
ERROR_PATH(direct, .flags = O_DIRECT | O_RDWR);
ERROR_PATH(truncate, .flags = O_TRUNC | O_RDWR);
ERROR_PATH(no_magiclinks, .resolve = RESOLVE_NO_MAGICLINKS, .error = ELOOP);
ERROR_PATH(no_xdev, .resolve = RESOLVE_NO_XDEV, .error = ELOOP);
ERROR_PATH(beneath, .resolve = RESOLVE_BENEATH, .error = ELOOP);
ERROR_PATH(cached, .resolve = RESOLVE_CACHED);
ERROR_PATH(no_descriptors, .no_descriptors = true, .error = EMFILE);

FIXTURE_SETUP(error_paths_do_not_leak)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->witness = publish_witness(ENTRY);
	ASSERT_LE(0, self->witness);
}

FIXTURE_TEARDOWN(error_paths_do_not_leak)
{
	srv_leave();
}

static int open_and_close(int directory, int flags, int resolve)
{
	struct open_how how = {
		.flags = flags,
		.mode = flags & O_CREAT ? 0600 : 0,
		.resolve = resolve,
	};
	int fd = or_errno(syscall(SYS_openat2, directory, "entry", &how,
				  sizeof(how)));

	if (fd >= 0)
		close(fd);
	return fd;
}

TEST_F(error_paths_do_not_leak, references)
{
	int directory = try_open(SRV, O_RDONLY | O_DIRECTORY);
	struct rlimit limit, none;
	int i, err = 0;

	ASSERT_LE(0, directory);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	if (variant->no_descriptors) {
		none = limit;
		none.rlim_cur = 0;
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	}
	for (i = 0; i < 100; i++)
		err = open_and_close(directory, variant->flags,
				     variant->resolve);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	if (variant->error) {
		EXPECT_EQ(-variant->error, err);
	}
	EXPECT_TRUE(is_held(self->witness));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(was_dropped(self->witness));
	ASSERT_EQ(0, close(directory));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F(lifetime, error_paths_do_not_leak_when_writing_is_not_permitted)
{
	int control = new_entry(ENTRY);
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(-EPERM, AS_USER(write_number(control, ends[1])));
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_TRUE(was_dropped(ends[0]));
}

TEST_F(lifetime, error_paths_do_not_leak_when_writing_after_unlink)
{
	int control = new_entry(ENTRY);
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, unlink(ENTRY));
	ASSERT_EQ(-ENOENT, write_number(control, ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_TRUE(was_dropped(ends[0]));
}

TEST_F(lifetime, error_paths_do_not_leak_when_a_loop_is_refused)
{
	int control = new_entry(ENTRY);

	ASSERT_EQ(-ELOOP, write_number(control, control));
	ASSERT_EQ(0, close(control));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F(lifetime, error_paths_do_not_leak_when_creating_fails)
{
	char path[300] = SRV "/";

	memset(path + strlen(path), 'n', 256);
	ASSERT_EQ(-ENAMETOOLONG, new_entry(path));
	ASSERT_EQ(0, publish_something(ENTRY));
	ASSERT_EQ(-EEXIST, new_entry(ENTRY));
	EXPECT_EQ(0, umount(SRV));
}

/* Returns 0 if another process can take the lock, else its errno. */
static int lock_elsewhere(const char *path, int command)
{
	struct flock whole = { .l_type = F_WRLCK };
	int fd = try_open(path, O_RDWR | O_CLOEXEC);

	if (command == LOCK_EX)
		return or_errno(flock(fd, LOCK_EX | LOCK_NB));
	return or_errno(fcntl(fd, command, &whole));
}

TEST_F(lifetime, a_flock_lives_while_the_file_is_only_boxed)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, flock(fd, LOCK_EX));
	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EAGAIN, IN_CHILD(lock_elsewhere("/tmp/file", LOCK_EX)));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(EVENTUALLY(!IN_CHILD(lock_elsewhere("/tmp/file", LOCK_EX))));
}

TEST_F(lifetime, a_description_lock_lives_while_the_file_is_only_boxed)
{
	struct flock whole = { .l_type = F_WRLCK };
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, fcntl(fd, F_OFD_SETLK, &whole));
	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EAGAIN, IN_CHILD(lock_elsewhere("/tmp/file", F_OFD_SETLK)));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(EVENTUALLY(!IN_CHILD(lock_elsewhere("/tmp/file",
							F_OFD_SETLK))));
}

TEST_F(lifetime, a_process_lock_ends_when_the_publisher_closes)
{
	struct flock whole = { .l_type = F_WRLCK };
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, fcntl(fd, F_SETLK, &whole));
	ASSERT_EQ(0, publish(ENTRY, fd));
	EXPECT_EQ(-EAGAIN, IN_CHILD(lock_elsewhere("/tmp/file", F_SETLK)));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, IN_CHILD(lock_elsewhere("/tmp/file", F_SETLK)));
}

TEST_F(lifetime, an_epoll_registration_lives_while_the_file_is_only_boxed)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int source = eventfd(1, EFD_CLOEXEC);
	int opened;

	ASSERT_EQ(0, publish(ENTRY, source));
	ASSERT_EQ(0, close(source));
	opened = try_open(ENTRY, O_RDWR);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, opened, &event));
	ASSERT_EQ(0, close(opened));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(EVENTUALLY(epoll_wait(epoll, &event, 1, 0) == 0));
}

TEST_F(lifetime, leaves_the_kernel_log_quiet)
{
	int log = watch_kernel_log();
	int control, i;

	ASSERT_LE(0, log);
	ASSERT_EQ(0, umount(SRV));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, mount_srv(SRV, NULL));
		ASSERT_EQ(0, publish_something(ENTRY));
		control = new_entry(SRV "/other");
		write_number(control, control);
		write_number(control, 12345);
		ASSERT_EQ(0, close(control));
		ASSERT_EQ(0, unlink(SRV "/other"));
		ASSERT_TRUE(EVENTUALLY(umount(SRV) == 0));
	}
	EXPECT_TRUE(kernel_log_is_quiet(log));
}

TEST_HARNESS_MAIN
