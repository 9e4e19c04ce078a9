// SPDX-License-Identifier: GPL-2.0
/*
 * Instances that are no longer mounted anywhere.  A stored file can be what keeps
 * such an instance alive, so its entries become empty.
 *
 * A mount that left its namespace can still have mounts below it.  Here /tmp has
 * the instance below it, and a directory of /tmp is stored in the instance.
 */
#include "srvfs.h"

FIXTURE(detached) {
	int witness;
};

FIXTURE_SETUP(detached)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->witness = publish_witness(SRV "/witness");
	ASSERT_LE(0, self->witness);
}

FIXTURE_TEARDOWN(detached)
{
	srv_leave();
}

static int open_directory(int dir, const char *path)
{
	return or_errno(openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

TEST_F(detached, a_file_of_a_tree_whose_descriptor_is_closed)
{
	int tree = or_errno(open_tree(AT_FDCWD, "/tmp", OPEN_TREE_CLONE |
				      AT_RECURSIVE | OPEN_TREE_CLOEXEC));
	int directory;

	ASSERT_LE(0, tree);
	directory = open_directory(tree, ".");
	ASSERT_EQ(0, publish(ENTRY, directory));
	ASSERT_EQ(0, close(directory));
	ASSERT_EQ(0, close(tree));
	EXPECT_TRUE(is_held(self->witness));
	ASSERT_EQ(0, umount(SRV));
	EXPECT_TRUE(was_dropped(self->witness));
}

/* A child that stays in its mount namespace until the parent lets it go. */
struct child {
	pid_t pid;
	int hold;	/* the child ends when this is closed */
};

/* Start a child and wait until it has done its step.  Returns the step's result. */
static int start_child(struct child *child, int (*step)(void))
{
	int ready[2], hold[2];
	char result = EIO;

	if (pipe2(ready, O_CLOEXEC) || pipe2(hold, O_CLOEXEC))
		return -errno;
	child->hold = hold[1];
	child->pid = fork();
	if (child->pid == 0) {
		be_a_child();
		close(hold[1]);
		result = -step();
		if (write(ready[1], &result, 1) != 1)
			_exit(1);
		/* Nothing is written: this returns at the end of the file. */
		_exit(read(hold[0], &result, 1) ? 1 : 0);
	}
	close(ready[1]);
	close(hold[0]);
	if (read(ready[0], &result, 1) != 1)
		result = EIO;
	close(ready[0]);
	return -result;
}

static int end_child(const struct child *child)
{
	close(child->hold);
	return reap(child->pid);
}

/* The mounts of a namespace that another user has copied are locked together. */
static int publish_from_another_user_namespace(int control)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	return write_number(control, open_directory(AT_FDCWD, "/tmp"));
}

TEST_F(detached, a_file_of_a_namespace_that_has_ended)
{
	int control = new_entry(ENTRY);
	int err = IN_CHILD(publish_from_another_user_namespace(control));

	if (err == -EINVAL || err == -ENOSPC)
		SKIP(return, "no user namespaces: %s", strerror(-err));
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, close(control));
	EXPECT_TRUE(is_held(self->witness));
	ASSERT_EQ(0, umount(SRV));
	EXPECT_TRUE(was_dropped(self->witness));
}

/* A tree with the instance, mounted on /tmp/point of this namespace only. */
static int publish_from_a_mount(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/tmp/point", "tmpfs", 0, NULL) ||
	    mkdir("/tmp/point/srv", 0755) ||
	    mount(SRV, "/tmp/point/srv", NULL, MS_BIND, NULL))
		return -errno;
	return publish(ENTRY, open_directory(AT_FDCWD, "/tmp/point"));
}

TEST_F(detached, a_file_of_a_mount_whose_directory_was_removed)
{
	struct child child;

	ASSERT_EQ(0, mkdir("/tmp/point", 0755));
	ASSERT_EQ(0, start_child(&child, publish_from_a_mount));
	ASSERT_EQ(0, rmdir("/tmp/point"));
	ASSERT_EQ(0, end_child(&child));
	EXPECT_TRUE(is_held(self->witness));
	ASSERT_EQ(0, umount(SRV));
	EXPECT_TRUE(was_dropped(self->witness));
}

TEST_F(detached, an_instance_with_a_control_descriptor_is_empty)
{
	int control = new_entry(ENTRY);

	ASSERT_LE(0, control);
	ASSERT_EQ(0, umount2(SRV, MNT_DETACH));
	EXPECT_TRUE(was_dropped(self->witness));
	EXPECT_TRUE(is_control(control));
}

TEST_F(detached, an_instance_stores_nothing)
{
	int control = new_entry(ENTRY);
	int directory = open_directory(AT_FDCWD, SRV);
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, umount2(SRV, MNT_DETACH));
	EXPECT_EQ(-ENOENT, write_number(control, ends[1]));
	EXPECT_EQ(-ENOENT, store(control, ends[1]));
	EXPECT_EQ(0, write_number(control, -1));
	ASSERT_LE(0, directory);
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_TRUE(was_dropped(ends[0]));
}

TEST_F(detached, a_second_mount_keeps_the_entries)
{
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, mount(SRV, "/tmp/second", NULL, MS_BIND, NULL));
	ASSERT_EQ(0, umount(SRV));
	EXPECT_FALSE(hangs_up_within(self->witness, 200));
	ASSERT_EQ(0, umount("/tmp/second"));
	EXPECT_TRUE(was_dropped(self->witness));
}

static int copy_mounts(void)
{
	return or_errno(unshare(CLONE_NEWNS));
}

TEST_F(detached, a_mount_of_another_namespace_keeps_the_entries)
{
	struct child child;

	ASSERT_EQ(0, start_child(&child, copy_mounts));
	ASSERT_EQ(0, umount(SRV));
	EXPECT_FALSE(hangs_up_within(self->witness, 200));
	ASSERT_EQ(0, end_child(&child));
	EXPECT_TRUE(was_dropped(self->witness));
}

TEST_F(detached, an_instance_stores_files_once_it_is_mounted)
{
	int context = or_errno(fsopen("srvfs", FSOPEN_CLOEXEC));
	int fd = regular_file("/tmp/file", "content");
	int tree, control;

	ASSERT_EQ(0, fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	tree = fsmount(context, FSMOUNT_CLOEXEC, 0);
	ASSERT_LE(0, tree);
	control = or_errno(openat(tree, "entry", O_RDWR | O_CREAT | O_CLOEXEC,
				  0644));
	EXPECT_EQ(-ENOENT, write_number(control, fd));
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, move_mount(tree, "", AT_FDCWD, "/tmp/second",
				MOVE_MOUNT_F_EMPTY_PATH));
	EXPECT_EQ(0, write_number(control, fd));
	EXPECT_EQ(1, holds("/tmp/second/entry", fd));
}

TEST_F(detached, an_instance_that_moves_keeps_its_entries)
{
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, mount(SRV, "/tmp/second", NULL, MS_MOVE, NULL));
	EXPECT_FALSE(hangs_up_within(self->witness, 200));
	EXPECT_EQ(0, is_empty("/tmp/second/witness"));
	ASSERT_EQ(0, umount("/tmp/second"));
	EXPECT_TRUE(was_dropped(self->witness));
}

TEST_HARNESS_MAIN
