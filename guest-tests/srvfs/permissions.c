// SPDX-License-Identifier: GPL-2.0
/*
 * Who may open an entry, and whose descriptor numbers a control descriptor accepts.
 *
 * The program is also the set-uid program of one of its cases: started as
 * "permissions print-number N", it only prints N.
 */
#include <linux/capability.h>
#include <sys/fsuid.h>

#include "srvfs.h"

/*
 * Besides the permissions for the requested mode, the opener needs read permission
 * if the boxed file is readable, and write permission if it is writable.
 */
FIXTURE(access_mode_not_widened) {
	int fd;
};

FIXTURE_VARIANT(access_mode_not_widened) {
	mode_t entry;
	int boxed;
	int asked;
	int error;
};

#define ACCESS(name, mode, has, wants, result)				\
	FIXTURE_VARIANT_ADD(access_mode_not_widened, name) {		\
		.entry = mode, .boxed = has, .asked = wants,		\
		.error = result						\
	}

ACCESS(rdwr_behind_a_read_only_entry, 0444, O_RDWR, O_RDONLY, EACCES);
ACCESS(rdwr_behind_a_write_only_entry, 0222, O_RDWR, O_WRONLY, EACCES);
ACCESS(wronly_behind_a_read_only_entry, 0444, O_WRONLY, O_RDONLY, EACCES);
ACCESS(rdonly_behind_a_write_only_entry, 0222, O_RDONLY, O_WRONLY, EACCES);
ACCESS(anything_behind_a_closed_entry, 0600, O_RDONLY, O_RDONLY, EACCES);
ACCESS(more_asked_than_the_entry_grants, 0444, O_RDONLY, O_RDWR, EACCES);
ACCESS(rdwr_behind_an_open_entry, 0666, O_RDWR, O_RDONLY, 0);
ACCESS(rdwr_behind_an_open_entry_for_writing, 0666, O_RDWR, O_WRONLY, 0);
ACCESS(rdonly_behind_a_read_only_entry, 0444, O_RDONLY, O_RDONLY, 0);
ACCESS(wronly_behind_a_write_only_entry, 0222, O_WRONLY, O_WRONLY, 0);
ACCESS(less_boxed_than_the_entry_grants, 0666, O_RDONLY, O_RDWR, 0);

FIXTURE_SETUP(access_mode_not_widened)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, close(regular_file("/tmp/file", "content")));
	self->fd = try_open("/tmp/file", variant->boxed | O_CLOEXEC);
	ASSERT_EQ(0, publish(ENTRY, self->fd));
	ASSERT_EQ(0, chmod(ENTRY, variant->entry));
}

FIXTURE_TEARDOWN(access_mode_not_widened)
{
	srv_leave();
}

TEST_F(access_mode_not_widened, for_a_user)
{
	int opened = AS_USER(try_open(ENTRY, variant->asked));

	if (variant->error) {
		EXPECT_EQ(-variant->error, opened);
	} else {
		ASSERT_LE(0, opened);
		EXPECT_EQ(1, same_description(self->fd, opened));
		EXPECT_EQ(variant->boxed, fcntl(opened, F_GETFL) & O_ACCMODE);
	}
}

TEST_F(access_mode_not_widened, but_root_gets_it)
{
	int opened = try_open(ENTRY, variant->asked);

	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

FIXTURE(permissions) {
	int fd;
	int control;
};

FIXTURE_SETUP(permissions)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", "content");
	ASSERT_LE(0, self->fd);
	self->control = new_entry(ENTRY);
	ASSERT_LE(0, self->control);
}

FIXTURE_TEARDOWN(permissions)
{
	close(self->control);
	srv_leave();
}

TEST_F(permissions, a_user_may_not_create_entries)
{
	EXPECT_EQ(-EACCES, AS_USER(new_entry(SRV "/other")));
}

TEST_F(permissions, a_user_may_not_unlink_entries)
{
	EXPECT_EQ(-EACCES, AS_USER(or_errno(unlink(ENTRY))));
}

TEST_F(permissions, a_user_may_not_control_an_entry_of_root)
{
	EXPECT_EQ(-EACCES, AS_USER(try_open(ENTRY, O_WRONLY)));
}

TEST_F(permissions, a_user_may_not_chmod_an_entry_of_root)
{
	EXPECT_EQ(-EPERM, AS_USER(or_errno(chmod(ENTRY, 0666))));
}

TEST_F(permissions, a_user_publishes_through_an_entry_that_allows_it)
{
	ASSERT_EQ(0, chmod(ENTRY, 0666));
	EXPECT_EQ(0, AS_USER(write_number(try_open(ENTRY, O_WRONLY), self->fd)));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

TEST_F(permissions, the_owner_of_an_entry_opens_what_it_holds)
{
	int opened;

	ASSERT_EQ(0, write_number(self->control, self->fd));
	ASSERT_EQ(0, chmod(ENTRY, 0600));
	ASSERT_EQ(0, chown(ENTRY, USER, USER));
	opened = AS_USER(try_open(ENTRY, O_RDWR));
	ASSERT_LE(0, opened);
	EXPECT_EQ(1, same_description(self->fd, opened));
}

TEST_F(permissions, the_group_of_an_entry_opens_what_it_holds)
{
	ASSERT_EQ(0, write_number(self->control, self->fd));
	ASSERT_EQ(0, chmod(ENTRY, 0060));
	ASSERT_EQ(0, chown(ENTRY, 0, USER));
	EXPECT_LE(0, AS_USER(try_open(ENTRY, O_RDWR)));
}

TEST_F(permissions, of_the_boxed_file_do_not_matter)
{
	ASSERT_EQ(0, fchmod(self->fd, 0000));
	ASSERT_EQ(0, write_number(self->control, self->fd));
	ASSERT_EQ(0, chmod(ENTRY, 0666));
	EXPECT_LE(0, AS_USER(try_open(ENTRY, O_RDWR)));
}

TEST_F(permissions, error_paths_do_not_leak_when_opening_is_refused)
{
	int witness = publish_witness(SRV "/witness");

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, chmod(SRV "/witness", 0444));
	ASSERT_EQ(-EACCES, AS_USER(try_open(SRV "/witness", O_RDONLY)));
	ASSERT_EQ(0, unlink(SRV "/witness"));
	EXPECT_TRUE(was_dropped(witness));
}

/* A number refers to the descriptor table of the writer, not of the opener. */
TEST_F(permissions, writer_fdtable)
{
	int other = regular_file("/tmp/other", "other");
	pid_t child = fork();

	if (child == 0) {
		if (dup2(other, self->fd) != self->fd)
			_exit(1);
		_exit(-write_number(self->control, self->fd));
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(1, holds(ENTRY, other));
	EXPECT_EQ(0, holds(ENTRY, self->fd));
}

TEST_F(permissions, a_forked_child_may_write)
{
	EXPECT_EQ(0, IN_CHILD(write_number(self->control, self->fd)));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

static int clear_as_user(int control)
{
	if (setgid(USER) || setuid(USER))
		return -errno;
	return write_number(control, -1);
}

TEST_F(permissions, confused_deputy_of_another_user)
{
	EXPECT_EQ(-EPERM, AS_USER(write_number(self->control, self->fd)));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(permissions, confused_deputy_of_another_real_user)
{
	ASSERT_EQ(0, setresuid(USER, -1, -1));
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	ASSERT_EQ(0, setresuid(0, -1, -1));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(permissions, confused_deputy_of_another_file_system_user)
{
	setfsuid(USER);
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	setfsuid(0);
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(permissions, confused_deputy_of_another_file_system_group)
{
	setfsgid(USER);
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	setfsgid(0);
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(permissions, confused_deputy_may_not_clear_either)
{
	ASSERT_EQ(0, write_number(self->control, self->fd));
	EXPECT_EQ(-EPERM, IN_CHILD(clear_as_user(self->control)));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

TEST_F(permissions, confused_deputy_as_root_for_a_user)
{
	int control;

	ASSERT_EQ(0, chmod(ENTRY, 0666));
	control = AS_USER(try_open(ENTRY, O_WRONLY));
	ASSERT_LE(0, control);
	EXPECT_EQ(-EPERM, write_number(control, self->fd));
	EXPECT_EQ(1, is_empty(ENTRY));
}

static int set_effective(int capability, bool on)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	if (on)
		data[0].effective |= 1U << capability;
	else
		data[0].effective &= ~(1U << capability);
	return or_errno(syscall(SYS_capset, &header, data));
}

TEST_F(permissions, confused_deputy_with_more_capabilities)
{
	int control;

	ASSERT_EQ(0, set_effective(CAP_SYS_NICE, false));
	control = try_open(ENTRY, O_WRONLY);
	ASSERT_EQ(0, set_effective(CAP_SYS_NICE, true));
	EXPECT_EQ(-EPERM, write_number(control, self->fd));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(permissions, a_writer_with_fewer_capabilities_is_no_deputy)
{
	ASSERT_EQ(0, set_effective(CAP_SYS_NICE, false));
	EXPECT_EQ(0, write_number(self->control, self->fd));
	ASSERT_EQ(0, set_effective(CAP_SYS_NICE, true));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

static int copy_program(const char *path)
{
	char block[65536];
	int from = try_open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = try_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
	ssize_t size;

	while ((size = read(from, block, sizeof(block))) > 0)
		if (write_text(to, block, size))
			return -EIO;
	close(from);
	close(to);
	return size < 0 ? -errno : 0;
}

/* A user makes a set-uid program print a number to an entry. */
static int print_to(int control, const char *program, const char *number)
{
	if (dup2(control, STDOUT_FILENO) < 0)
		return -errno;
	execl(program, program, "print-number", number, NULL);
	return -errno;
}

TEST_F(permissions, confused_deputy_is_a_set_uid_program)
{
	char *program = "/tmp/deputy";
	pid_t child;

	ASSERT_EQ(0, copy_program(program));
	ASSERT_EQ(0, chmod(program, 04755));
	ASSERT_EQ(0, chmod(ENTRY, 0666));
	child = fork();
	if (child == 0) {
		if (setgid(USER) || setuid(USER))
			_exit(1);
		_exit(-print_to(try_open(ENTRY, O_WRONLY), program, "0"));
	}
	EXPECT_EQ(EPERM, reap(child));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(permissions, a_plain_program_may_print_a_number)
{
	char *program = "/tmp/printer";
	pid_t child;

	ASSERT_EQ(0, copy_program(program));
	ASSERT_EQ(0, chmod(program, 0755));
	ASSERT_EQ(0, chmod(ENTRY, 0666));
	ASSERT_EQ(STDIN_FILENO, dup2(self->fd, STDIN_FILENO));
	child = fork();
	if (child == 0) {
		if (setgid(USER) || setuid(USER))
			_exit(1);
		_exit(-print_to(try_open(ENTRY, O_WRONLY), program, "0"));
	}
	EXPECT_EQ(0, reap(child));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "print-number"))
		return -write_text(STDOUT_FILENO, argv[2], strlen(argv[2]));
	return test_harness_run(argc, argv);
}
