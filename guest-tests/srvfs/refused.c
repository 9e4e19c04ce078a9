// SPDX-License-Identifier: GPL-2.0
/*
 * Files that must not be published, because they would pin an instance for ever,
 * and opens by the kernel, which must not get a published file.
 */
#include <linux/io_uring.h>
#include <sys/fanotify.h>

#include "srvfs.h"

FIXTURE(refused) {
	int control;
};

FIXTURE_SETUP(refused)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->control = new_entry(ENTRY);
	ASSERT_LE(0, self->control);
}

FIXTURE_TEARDOWN(refused)
{
	close(self->control);
	srv_leave();
}

TEST_F(refused, loops_refused_own_control_descriptor)
{
	EXPECT_EQ(-ELOOP, write_number(self->control, self->control));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, loops_refused_control_descriptor_of_a_neighbour)
{
	EXPECT_EQ(-ELOOP, write_number(self->control, new_entry(SRV "/other")));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, loops_refused_own_root_directory)
{
	int root = try_open(SRV, O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, root);
	EXPECT_EQ(-ELOOP, write_number(self->control, root));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, loops_refused_through_a_bind_mount)
{
	int root;

	ASSERT_EQ(0, mkdir("/tmp/bind", 0755));
	ASSERT_EQ(0, mount(SRV, "/tmp/bind", NULL, MS_BIND, NULL));
	root = try_open("/tmp/bind", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, root);
	EXPECT_EQ(-ELOOP, write_number(self->control, root));
}

TEST_F(refused, loops_refused_foreign_root_directory)
{
	int root;

	ASSERT_EQ(0, mkdir("/tmp/foreign", 0755));
	ASSERT_EQ(0, mount_srv("/tmp/foreign", NULL));
	root = try_open("/tmp/foreign", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, root);
	EXPECT_EQ(-ELOOP, write_number(self->control, root));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, loops_refused_foreign_control_descriptor)
{
	ASSERT_EQ(0, mkdir("/tmp/foreign", 0755));
	ASSERT_EQ(0, mount_srv("/tmp/foreign", NULL));
	EXPECT_EQ(-ELOOP, write_number(self->control,
				       new_entry("/tmp/foreign/entry")));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, loops_refused_without_touching_what_was_published)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, write_number(self->control, fd));
	EXPECT_EQ(-ELOOP, write_number(self->control, self->control));
	EXPECT_EQ(1, holds(ENTRY, fd));
}

TEST_F(refused, mount_namespace_fd)
{
	int namespace = try_open("/proc/self/ns/mnt", O_RDONLY);

	ASSERT_LE(0, namespace);
	EXPECT_EQ(-ELOOP, write_number(self->control, namespace));
	EXPECT_EQ(1, is_empty(ENTRY));
}

/* These pin a mount namespace and a super block as well. */
TEST_F(refused, loops_refused_lists_of_mounts)
{
	static const char * const lists[] = {
		"/proc/self/mounts",
		"/proc/self/mountinfo",
		"/proc/self/mountstats",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		int list = try_open(lists[i], O_RDONLY);

		ASSERT_LE(0, list);
		EXPECT_EQ(-ELOOP, write_number(self->control, list)) {
			TH_LOG("%s", lists[i]);
		}
	}
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, loops_refused_filesystem_context)
{
	int context = or_errno(fspick(AT_FDCWD, SRV, FSPICK_CLOEXEC));

	ASSERT_LE(0, context);
	EXPECT_EQ(-ELOOP, write_number(self->control, context));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, a_namespace_of_another_kind_is_accepted)
{
	int namespace = try_open("/proc/self/ns/uts", O_RDONLY);

	if (namespace == -ENOENT)
		SKIP(return, "no UTS namespaces (CONFIG_UTS_NS)");
	ASSERT_LE(0, namespace);
	EXPECT_EQ(0, write_number(self->control, namespace));
	EXPECT_EQ(1, holds(ENTRY, namespace));
}

TEST_F(refused, io_uring_fd)
{
	struct io_uring_params params = { };
	int ring = or_errno(syscall(SYS_io_uring_setup, 1, &params));

	if (ring == -ENOSYS)
		SKIP(return, "no io_uring (CONFIG_IO_URING)");
	ASSERT_LE(0, ring);
	EXPECT_EQ(-EINVAL, write_number(self->control, ring));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, a_path_descriptor_of_a_file)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADF, write_number(self->control,
				       try_open("/tmp/file", O_PATH)));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, a_path_descriptor_of_an_entry)
{
	EXPECT_EQ(-EBADF, write_number(self->control, try_open(ENTRY, O_PATH)));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(refused, a_detached_mount)
{
	int tree = or_errno(open_tree(AT_FDCWD, SRV, OPEN_TREE_CLONE));

	ASSERT_LE(0, tree);
	EXPECT_EQ(-EBADF, write_number(self->control, tree));
	EXPECT_EQ(1, is_empty(ENTRY));
}

/* The exit code of the child is an errno: execve() returns only on failure. */
static int exec_error(const char *path)
{
	char *argv[] = { "entry", NULL };

	return IN_CHILD((execve(path, argv, NULL), -errno));
}

TEST_F(refused, exec_refused_of_an_empty_entry)
{
	ASSERT_EQ(0, chmod(ENTRY, 0777));
	EXPECT_EQ(-EACCES, exec_error(ENTRY));
}

TEST_F(refused, exec_refused_of_a_boxed_program)
{
	int program = try_open("/proc/self/exe", O_RDONLY);

	ASSERT_LE(0, program);
	ASSERT_EQ(0, write_number(self->control, program));
	ASSERT_EQ(0, chmod(ENTRY, 0777));
	EXPECT_EQ(-EACCES, exec_error(ENTRY));
}

TEST_F(refused, exec_refused_without_any_execute_permission)
{
	int program = try_open("/proc/self/exe", O_RDONLY);

	ASSERT_EQ(0, write_number(self->control, program));
	ASSERT_EQ(0, chmod(ENTRY, 0600));
	EXPECT_EQ(-EACCES, exec_error(ENTRY));
}

TEST_F(refused, exec_refused_of_a_boxed_pipe_without_a_warning)
{
	int log = watch_kernel_log();
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, write_number(self->control, ends[0]));
	ASSERT_EQ(0, chmod(ENTRY, 0777));
	EXPECT_EQ(-EACCES, exec_error(ENTRY));
	EXPECT_TRUE(kernel_log_is_quiet(log));
}

TEST_F(refused, exec_refused_through_a_path_descriptor)
{
	int program = try_open("/proc/self/exe", O_RDONLY);
	char *argv[] = { "entry", NULL };
	int path;

	ASSERT_EQ(0, write_number(self->control, program));
	ASSERT_EQ(0, chmod(ENTRY, 0777));
	path = try_open(ENTRY, O_PATH);
	EXPECT_EQ(-EACCES, IN_CHILD((syscall(SYS_execveat, path, "", argv, NULL,
					     AT_EMPTY_PATH), -errno)));
}

TEST_F(refused, exec_refused_as_an_interpreter)
{
	int program = try_open("/proc/self/exe", O_RDONLY);

	ASSERT_EQ(0, write_number(self->control, program));
	ASSERT_EQ(0, chmod(ENTRY, 0777));
	ASSERT_EQ(0, close(regular_file("/tmp/script", "#!" ENTRY "\n")));
	ASSERT_EQ(0, chmod("/tmp/script", 0755));
	EXPECT_EQ(-EACCES, exec_error("/tmp/script"));
}

TEST_F(refused, accounting_does_not_reach_the_boxed_file)
{
	int fd = regular_file("/tmp/file", "content");
	int err;

	ASSERT_EQ(0, close(regular_file("/tmp/account", "")));
	err = or_errno(acct("/tmp/account"));
	if (err == -ENOSYS)
		SKIP(return, "no accounting (CONFIG_BSD_PROCESS_ACCT)");
	ASSERT_EQ(0, err);
	IN_CHILD(0);
	ASSERT_LT(0, size_of("/tmp/account"));

	/* The kernel gets a file that it cannot write to. */
	ASSERT_EQ(0, write_number(self->control, fd));
	err = or_errno(acct(ENTRY));
	EXPECT_TRUE(err == 0 || err == -EIO) {
		TH_LOG("acct: %s", strerror(-err));
	}
	IN_CHILD(0);
	acct(NULL);
	EXPECT_EQ(7, size_of("/tmp/file"));
}

TEST_F(refused, an_fanotify_event_does_not_carry_the_boxed_file)
{
	int group = or_errno(fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC |
					   FAN_NONBLOCK, O_RDONLY));
	struct fanotify_event_metadata event = { .fd = FAN_NOFD };
	int fd = regular_file("/tmp/file", "content");

	if (group == -ENOSYS)
		SKIP(return, "no fanotify (CONFIG_FANOTIFY)");
	ASSERT_LE(0, group);
	ASSERT_EQ(0, write_number(self->control, fd));
	ASSERT_EQ(0, fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD,
				   ENTRY));
	ASSERT_LE(0, try_open(ENTRY, O_RDONLY));
	/* EACCES or similar: the kernel could not open the entry, as it must be. */
	if (read(group, &event, sizeof(event)) != sizeof(event)) {
		ASSERT_NE(EAGAIN, errno);
	}
	if (event.fd >= 0) {
		EXPECT_EQ(0, same_description(fd, event.fd));
		EXPECT_TRUE(on_srvfs(event.fd));
		close(event.fd);
	}
}

TEST_F(refused, a_descriptor_from_an_fanotify_event_is_no_control_descriptor)
{
	int group = or_errno(fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC |
					   FAN_NONBLOCK, O_RDWR));
	struct fanotify_event_metadata event = { .fd = FAN_NOFD };
	int fd = regular_file("/tmp/file", "content");

	if (group == -ENOSYS)
		SKIP(return, "no fanotify (CONFIG_FANOTIFY)");
	ASSERT_LE(0, group);
	ASSERT_EQ(0, write_number(self->control, fd));
	ASSERT_EQ(0, fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD,
				   ENTRY));
	ASSERT_LE(0, try_open(ENTRY, O_RDONLY));
	if (read(group, &event, sizeof(event)) == sizeof(event) &&
	    event.fd >= 0) {
		EXPECT_NE(0, write_number(event.fd, -1));
		close(event.fd);
	}
	EXPECT_EQ(1, holds(ENTRY, fd));
}

TEST_HARNESS_MAIN
