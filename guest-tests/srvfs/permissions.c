// SPDX-License-Identifier: GPL-2.0
/*
 * Who may open an entry, and whose descriptor numbers a control descriptor accepts.
 *
 * The program is also the privileged program of some of its cases: started as
 * "permissions print-number N", it only prints N, and as "print-number-lowered N"
 * it lowers its privileges before.
 */
#include <grp.h>
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
ACCESS(ioctl_only_behind_a_read_only_entry, 0444, O_ACCMODE, O_RDONLY, EACCES);
ACCESS(ioctl_only_behind_a_write_only_entry, 0222, O_ACCMODE, O_WRONLY, EACCES);
ACCESS(ioctl_only_behind_an_open_entry, 0666, O_ACCMODE, O_RDONLY, 0);
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

TEST_F(permissions, confused_deputy_of_another_saved_user)
{
	ASSERT_EQ(0, setresuid(-1, -1, USER));
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	ASSERT_EQ(0, setresuid(-1, -1, 0));
	EXPECT_EQ(1, is_empty(ENTRY));
}

FIXTURE(confused_deputy_of_another_group) {
	int fd;
	int control;
};

FIXTURE_VARIANT(confused_deputy_of_another_group) {
	gid_t real, effective, saved;
};

#define GROUPS(name, ...) \
	FIXTURE_VARIANT_ADD(confused_deputy_of_another_group, name) { __VA_ARGS__ }

GROUPS(real, USER, 0, 0);
GROUPS(effective, 0, USER, 0);
GROUPS(saved, 0, 0, USER);

FIXTURE_SETUP(confused_deputy_of_another_group)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", "content");
	self->control = new_entry(ENTRY);
	ASSERT_LE(0, self->control);
}

FIXTURE_TEARDOWN(confused_deputy_of_another_group)
{
	close(self->control);
	srv_leave();
}

/* The effective group sets that of the file system, so put this one back. */
TEST_F(confused_deputy_of_another_group, is_refused)
{
	ASSERT_EQ(0, setresgid(variant->real, variant->effective,
			       variant->saved));
	setfsgid(0);
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	ASSERT_EQ(0, setresgid(0, 0, 0));
	EXPECT_EQ(0, write_number(self->control, self->fd));
}

TEST_F(permissions, confused_deputy_of_other_supplementary_groups)
{
	gid_t groups[] = { USER, USER + 1 };

	ASSERT_EQ(0, setgroups(1, groups));
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	ASSERT_EQ(0, setgroups(2, groups));
	EXPECT_EQ(-EPERM, write_number(self->control, self->fd));
	ASSERT_EQ(0, setgroups(0, NULL));
	EXPECT_EQ(0, write_number(self->control, self->fd));
}

/* As many groups, and others. */
TEST_F(permissions, confused_deputy_of_another_supplementary_group)
{
	gid_t group = USER;
	int control;

	ASSERT_EQ(0, setgroups(1, &group));
	control = try_open(ENTRY, O_WRONLY);
	group++;
	ASSERT_EQ(0, setgroups(1, &group));
	EXPECT_EQ(-EPERM, write_number(control, self->fd));
	group--;
	ASSERT_EQ(0, setgroups(1, &group));
	EXPECT_EQ(0, write_number(control, self->fd));
}

TEST_F(permissions, an_ioctl_is_no_accident)
{
	EXPECT_EQ(0, AS_USER(store(self->control, self->fd)));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
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

/* Change one capability, in the effective set only or in the permitted one too. */
static int set_capability(int capability, bool on, bool permitted)
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
	if (permitted)
		data[0].permitted = data[0].effective;
	return or_errno(syscall(SYS_capset, &header, data));
}

static int set_effective(int capability, bool on)
{
	return set_capability(capability, on, false);
}

/*
 * Evaluate an expression in a child that has the same descriptors: what it opens
 * stays open here.
 */
#define CHILD_THAT_SHARES_FILES(expression) ({				\
	pid_t _pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0); \
	if (!_pid) {							\
		be_a_child();						\
		_exit(expression);					\
	}								\
	reap(_pid);							\
})

static int open_without(int capability)
{
	int err = set_capability(capability, false, true);

	return err ? 255 : try_open(ENTRY, O_WRONLY);
}

/* A program with file capabilities that has lowered the effective ones. */
TEST_F(permissions, confused_deputy_with_more_permitted_capabilities)
{
	int control = CHILD_THAT_SHARES_FILES(open_without(CAP_SYS_NICE));

	ASSERT_TRUE(is_control(control));
	ASSERT_EQ(0, set_effective(CAP_SYS_NICE, false));
	EXPECT_EQ(-EPERM, write_number(control, self->fd));
	ASSERT_EQ(0, set_effective(CAP_SYS_NICE, true));
	EXPECT_EQ(1, is_empty(ENTRY));
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

/* A user makes a program print a number to an entry. */
static int print_to(int control, const char *program, const char *how,
		    const char *number)
{
	if (dup2(control, STDOUT_FILENO) < 0)
		return -errno;
	execl(program, program, how, number, NULL);
	return -errno;
}

/* The program is privileged by its mode: by its user, or by its group. */
FIXTURE(confused_deputy_is_a_program) {
	const char *program;
};

FIXTURE_VARIANT(confused_deputy_is_a_program) {
	mode_t mode;
	const char *how;
};

#define DEPUTY(name, bits, does)					\
	FIXTURE_VARIANT_ADD(confused_deputy_is_a_program, name) {	\
		.mode = bits, .how = does				\
	}

DEPUTY(set_uid, 04755, "print-number");
DEPUTY(set_gid, 02755, "print-number");
DEPUTY(set_uid_and_lowered, 04755, "print-number-lowered");
DEPUTY(set_gid_and_lowered, 02755, "print-number-lowered");

FIXTURE_SETUP(confused_deputy_is_a_program)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->program = "/tmp/deputy";
	ASSERT_EQ(0, copy_program(self->program));
	ASSERT_EQ(0, chmod(self->program, variant->mode));
	ASSERT_EQ(0, close(new_entry(ENTRY)));
	ASSERT_EQ(0, chmod(ENTRY, 0666));
}

FIXTURE_TEARDOWN(confused_deputy_is_a_program)
{
	srv_leave();
}

TEST_F(confused_deputy_is_a_program, and_is_refused)
{
	pid_t child = fork();

	if (child == 0) {
		be_a_child();
		if (setgid(USER) || setuid(USER))
			_exit(1);
		_exit(-print_to(try_open(ENTRY, O_WRONLY), self->program,
				variant->how, "0"));
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
		_exit(-print_to(try_open(ENTRY, O_WRONLY), program,
				"print-number", "0"));
	}
	EXPECT_EQ(0, reap(child));
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

/* RLIMIT_NOFILE and a number of entries that are all assigned to one file. */
#define FILES	20

static int store_as_many_as(int count, int limit)
{
	struct rlimit files = { limit, limit };
	char path[64];
	int i, err;

	if (setrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	for (i = 0; i < count; i++) {
		sprintf(path, SRV "/entry%d", i);
		err = publish(path, STDIN_FILENO);
		if (err)
			return i == FILES ? err : -EIO;
	}
	return 0;
}

static int unlink_and_store_again(void)
{
	int err = store_as_many_as(FILES, FILES);

	if (err)
		return err;
	return unlink(SRV "/entry0") ? -errno : publish(SRV "/again",
							STDIN_FILENO);
}

FIXTURE(in_flight) { };

FIXTURE_SETUP(in_flight)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, chmod(SRV, 0777));
}

FIXTURE_TEARDOWN(in_flight)
{
	srv_leave();
}

TEST_F(in_flight, a_user_stores_as_many_files_as_it_may_open)
{
	EXPECT_EQ(0, CHILD_AS_USER(-store_as_many_as(FILES, FILES)));
}

TEST_F(in_flight, a_user_stores_no_more)
{
	EXPECT_EQ(ETOOMANYREFS,
		  CHILD_AS_USER(-store_as_many_as(FILES + 1, FILES)));
}

static int store_one_within(int limit)
{
	struct rlimit files = { limit, limit };

	if (setrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	return publish(ENTRY, STDIN_FILENO);
}

TEST_F(in_flight, stored_files_count_when_their_publisher_is_gone)
{
	ASSERT_EQ(0, CHILD_AS_USER(-store_as_many_as(FILES, FILES)));
	EXPECT_EQ(ETOOMANYREFS, CHILD_AS_USER(-store_one_within(FILES)));
	EXPECT_EQ(0, CHILD_AS_USER(-(unlink(ENTRY) ? -errno :
				     store_one_within(FILES + 1))));
}

TEST_F(in_flight, unlinking_makes_room)
{
	EXPECT_EQ(0, CHILD_AS_USER(-unlink_and_store_again()));
}

TEST_F(in_flight, root_stores_more)
{
	EXPECT_EQ(0, IN_CHILD(store_as_many_as(2 * FILES, FILES)));
}

int main(int argc, char **argv)
{
	bool lowered = argc == 3 && !strcmp(argv[1], "print-number-lowered");

	/* Give up for the time being what the mode of the program gives. */
	if (lowered && (setegid(getgid()) || seteuid(getuid())))
		return 1;
	if (lowered || (argc == 3 && !strcmp(argv[1], "print-number")))
		return -write_text(STDOUT_FILENO, argv[2], strlen(argv[2]));
	return test_harness_run(argc, argv);
}
