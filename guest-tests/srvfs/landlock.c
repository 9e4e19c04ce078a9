// SPDX-License-Identifier: GPL-2.0
/*
 * A sandbox of Landlock gets no more from an entry than the rights it has there,
 * whatever access mode it asks for.
 */
#include <linux/landlock.h>
#include <sys/prctl.h>

#include "srvfs.h"

#define READ_FILE	LANDLOCK_ACCESS_FS_READ_FILE
#define WRITE_FILE	LANDLOCK_ACCESS_FS_WRITE_FILE

FIXTURE(landlock) { };

FIXTURE_VARIANT(landlock) {
	int boxed;
	int asked;
	unsigned long allowed;
	int error;
};

#define SANDBOX(name, has, wants, rights, result)			\
	FIXTURE_VARIANT_ADD(landlock, name) {				\
		.boxed = has, .asked = wants, .allowed = rights,	\
		.error = result						\
	}

SANDBOX(rdwr_for_a_reader, O_RDWR, O_RDONLY, READ_FILE, EACCES);
SANDBOX(rdwr_for_a_writer, O_RDWR, O_WRONLY, WRITE_FILE, EACCES);
SANDBOX(wronly_for_a_reader, O_WRONLY, O_RDONLY, READ_FILE, EACCES);
SANDBOX(ioctl_only_for_a_reader, 3, O_RDONLY, READ_FILE, EACCES);
SANDBOX(rdonly_for_a_reader, O_RDONLY, O_RDONLY, READ_FILE, 0);
SANDBOX(rdwr_for_both, O_RDWR, O_RDONLY, READ_FILE | WRITE_FILE, 0);

FIXTURE_SETUP(landlock)
{
	int fd;

	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, close(regular_file("/tmp/file", "content")));
	fd = try_open("/tmp/file", variant->boxed | O_CLOEXEC);
	ASSERT_EQ(0, publish(ENTRY, fd));
}

FIXTURE_TEARDOWN(landlock)
{
	srv_leave();
}

/* Below path, allow of reading and writing only what is in rights. */
static int enter_sandbox(const char *path, unsigned long rights)
{
	struct landlock_ruleset_attr handled = {
		.handled_access_fs = READ_FILE | WRITE_FILE,
	};
	struct landlock_path_beneath_attr rule = { .allowed_access = rights };
	int ruleset = or_errno(syscall(SYS_landlock_create_ruleset, &handled,
				       sizeof(handled), 0));

	if (ruleset < 0)
		return ruleset;
	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		    &rule, 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0))
		return -errno;
	return 0;
}

static int open_in_sandbox(int flags, unsigned long rights)
{
	int err = enter_sandbox(SRV, rights);
	int fd;

	if (err)
		return err;
	fd = try_open(ENTRY, flags);
	return fd < 0 ? fd : 0;
}

TEST_F(landlock, decides_by_the_mode_handed_out)
{
	int err = IN_CHILD(open_in_sandbox(variant->asked, variant->allowed));

	if (err == -ENOSYS || err == -EOPNOTSUPP)
		SKIP(return, "no Landlock (CONFIG_SECURITY_LANDLOCK)");
	EXPECT_EQ(-variant->error, err);
}

TEST_HARNESS_MAIN
