// SPDX-License-Identifier: GPL-2.0
/*
 * Instances: how they are mounted, distinguished, kept busy and unmounted.
 */
#include <sys/fanotify.h>

#include "srvfs.h"

SRV_FIXTURE(mounts)

/* Fails on a kernel without srvfs, where all other cases are skipped. */
TEST(the_file_system_type_is_known)
{
	char line[128];
	bool found = false;
	FILE *types = fopen("/proc/filesystems", "re");

	ASSERT_NE(NULL, types);
	while (fgets(line, sizeof(line), types))
		found |= !strcmp(line, "nodev\tsrvfs\n");
	fclose(types);
	EXPECT_TRUE(found);
}

TEST_F(mounts, statfs_tells_the_magic_number)
{
	struct statfs fs;

	ASSERT_EQ(0, statfs(SRV, &fs));
	EXPECT_EQ(SRVFS_MAGIC, fs.f_type);
	EXPECT_EQ(sysconf(_SC_PAGESIZE), fs.f_bsize);
}

TEST_F(mounts, the_root_directory_belongs_to_root)
{
	struct stat st;

	ASSERT_EQ(0, stat(SRV, &st));
	EXPECT_EQ((mode_t)(S_IFDIR | 0755), st.st_mode);
	EXPECT_EQ(0U, st.st_uid);
	EXPECT_EQ(0U, st.st_gid);
}

TEST_F(mounts, two_mounts_are_apart)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, mount_srv("/tmp/second", NULL));
	ASSERT_EQ(0, publish(ENTRY, fd));
	EXPECT_EQ(-ENOENT, try_open("/tmp/second/entry", O_RDONLY));
	ASSERT_EQ(0, publish_something("/tmp/second/entry"));
	EXPECT_EQ(0, holds("/tmp/second/entry", fd));
	EXPECT_EQ(1, holds(ENTRY, fd));
}

TEST_F(mounts, a_bind_mount_shows_the_same_instance)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, mkdir("/tmp/bind", 0755));
	ASSERT_EQ(0, mount(SRV, "/tmp/bind", NULL, MS_BIND, NULL));
	ASSERT_EQ(0, publish(ENTRY, fd));
	EXPECT_EQ(1, holds("/tmp/bind/entry", fd));
	ASSERT_EQ(0, unlink("/tmp/bind/entry"));
	EXPECT_EQ(-ENOENT, try_open(ENTRY, O_RDONLY));
}

TEST_F(mounts, an_entry_can_be_bind_mounted_and_opened)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, close(regular_file("/tmp/point", "")));
	ASSERT_EQ(0, mount(ENTRY, "/tmp/point", NULL, MS_BIND, NULL));
	EXPECT_EQ(1, holds("/tmp/point", fd));
	ASSERT_EQ(0, umount("/tmp/point"));
}

TEST_F(mounts, can_be_made_with_fsopen)
{
	int context = or_errno(fsopen("srvfs", FSOPEN_CLOEXEC));
	int tree;

	ASSERT_LE(0, context);
	ASSERT_EQ(0, fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	tree = fsmount(context, FSMOUNT_CLOEXEC, 0);
	ASSERT_LE(0, tree);
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, move_mount(tree, "", AT_FDCWD, "/tmp/second",
				MOVE_MOUNT_F_EMPTY_PATH));
	EXPECT_EQ(0, publish_something("/tmp/second/entry"));
}

FIXTURE(options) { };

FIXTURE_SETUP(options)
{
	int err;

	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, umount(SRV));
	err = mount_srv(SRV, "mode=0755");
	if (err == -EINVAL)
		SKIP(return, "srvfs without mount options");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, umount(SRV));
}

FIXTURE_TEARDOWN(options)
{
	srv_leave();
}

TEST_F(options, mode_is_the_mode_of_the_root_directory)
{
	struct stat st;

	ASSERT_EQ(0, mount_srv(SRV, "mode=0710"));
	ASSERT_EQ(0, stat(SRV, &st));
	EXPECT_EQ((mode_t)(S_IFDIR | 0710), st.st_mode);
}

TEST_F(options, uid_and_gid_own_the_root_directory)
{
	struct stat st;

	ASSERT_EQ(0, mount_srv(SRV, "uid=1000,gid=1001"));
	ASSERT_EQ(0, stat(SRV, &st));
	EXPECT_EQ(1000U, st.st_uid);
	EXPECT_EQ(1001U, st.st_gid);
}

TEST_F(options, let_a_user_create_and_publish)
{
	int fd = regular_file("/tmp/file", "content");

	ASSERT_EQ(0, mount_srv(SRV, "uid=1000"));
	EXPECT_EQ(0, AS_USER(publish(ENTRY, fd)));
	EXPECT_EQ(1, AS_USER(holds(ENTRY, fd)));
}

TEST_F(options, nr_inodes_limits_the_entries)
{
	ASSERT_EQ(0, mount_srv(SRV, "nr_inodes=3"));
	EXPECT_EQ(0, close(new_entry(SRV "/1")));
	EXPECT_EQ(0, close(new_entry(SRV "/2")));
	EXPECT_EQ(-ENOSPC, new_entry(SRV "/3"));
	ASSERT_EQ(0, unlink(SRV "/1"));
	EXPECT_TRUE(EVENTUALLY(close(new_entry(SRV "/3")) == 0));
}

/* An inode lives on while it is open. */
TEST_F(options, nr_inodes_counts_unlinked_entries_that_are_open)
{
	int control;

	ASSERT_EQ(0, mount_srv(SRV, "nr_inodes=2"));
	control = new_entry(SRV "/1");
	ASSERT_LE(0, control);
	ASSERT_EQ(0, unlink(SRV "/1"));
	EXPECT_EQ(-ENOSPC, new_entry(SRV "/2"));
	ASSERT_EQ(0, close(control));
	EXPECT_LE(0, new_entry(SRV "/2"));
}

TEST_F(options, nr_inodes_is_told_by_statfs)
{
	struct statfs fs;

	ASSERT_EQ(0, mount_srv(SRV, "nr_inodes=10"));
	ASSERT_EQ(0, close(new_entry(ENTRY)));
	ASSERT_EQ(0, statfs(SRV, &fs));
	EXPECT_EQ(10UL, fs.f_files);
	EXPECT_EQ(8UL, fs.f_ffree);
}

TEST_F(options, nr_inodes_can_be_changed_but_not_below_what_is_used)
{
	ASSERT_EQ(0, mount_srv(SRV, "nr_inodes=2"));
	ASSERT_EQ(0, close(new_entry(SRV "/1")));
	EXPECT_EQ(-EINVAL, or_errno(mount(NULL, SRV, NULL, MS_REMOUNT,
					  "nr_inodes=1")));
	EXPECT_EQ(-ENOSPC, new_entry(SRV "/2"));
	ASSERT_EQ(0, mount(NULL, SRV, NULL, MS_REMOUNT, "nr_inodes=3"));
	EXPECT_EQ(0, close(new_entry(SRV "/2")));
	EXPECT_EQ(-ENOSPC, new_entry(SRV "/3"));
	ASSERT_EQ(0, mount(NULL, SRV, NULL, MS_REMOUNT, "nr_inodes=0"));
	EXPECT_EQ(0, close(new_entry(SRV "/3")));
}

TEST_F(options, that_make_no_sense_are_invalid)
{
	EXPECT_EQ(-EINVAL, mount_srv(SRV, "mode=rwx"));
	EXPECT_EQ(-EINVAL, mount_srv(SRV, "mode="));
	EXPECT_EQ(-EINVAL, mount_srv(SRV, "uid=-1"));
	EXPECT_EQ(-EINVAL, mount_srv(SRV, "gid=nobody"));
}

TEST_F(mounts, an_unknown_option_is_invalid)
{
	ASSERT_EQ(0, umount(SRV));
	EXPECT_EQ(-EINVAL, mount_srv(SRV, "no_such_option"));
	EXPECT_EQ(-EINVAL, mount_srv(SRV, "no_such_option=1"));
}

static int mount_in_user_namespace(const char *type)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	return or_errno(mount("none", "/tmp", type, 0, NULL));
}

TEST_F(mounts, no_userns_mount)
{
	int allowed = IN_CHILD(mount_in_user_namespace("tmpfs"));

	if (allowed)
		SKIP(return, "no mounts in user namespaces: %s",
		     strerror(-allowed));
	EXPECT_EQ(-EPERM, IN_CHILD(mount_in_user_namespace("srvfs")));
}

TEST_F(mounts, no_mount_by_a_user)
{
	EXPECT_EQ(-EPERM, AS_USER(mount_srv("/tmp", NULL)));
}

static int mount_overlay(const char *options)
{
	return or_errno(mount("none", "/tmp/merged", "overlay", 0, options));
}

TEST_F(mounts, no_stacking)
{
	int allowed;

	ASSERT_EQ(0, mkdir("/tmp/lower", 0755));
	ASSERT_EQ(0, mkdir("/tmp/upper", 0755));
	ASSERT_EQ(0, mkdir("/tmp/work", 0755));
	ASSERT_EQ(0, mkdir("/tmp/merged", 0755));
	ASSERT_EQ(0, publish_something(ENTRY));

	allowed = mount_overlay("lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work");
	if (allowed == -ENODEV)
		SKIP(return, "no overlay file system (CONFIG_OVERLAY_FS)");
	ASSERT_EQ(0, allowed);
	ASSERT_EQ(0, umount("/tmp/merged"));

	EXPECT_GT(0, mount_overlay("lowerdir=" SRV ":/tmp/lower"));
	EXPECT_GT(0, mount_overlay("lowerdir=/tmp/lower:" SRV));
	EXPECT_GT(0, mount_overlay("lowerdir=" SRV ",upperdir=/tmp/upper,workdir=/tmp/work"));
}

TEST_F(mounts, umount_drops_reference)
{
	int witness = publish_witness(ENTRY);

	ASSERT_LE(0, witness);
	ASSERT_TRUE(is_held(witness));
	ASSERT_EQ(0, umount(SRV));
	EXPECT_TRUE(was_dropped(witness));
}

TEST_F(mounts, umount_drops_the_references_of_many_entries)
{
	int witnesses[50];
	char path[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(witnesses); i++) {
		sprintf(path, SRV "/entry%u", i);
		witnesses[i] = publish_witness(path);
		ASSERT_LE(0, witnesses[i]);
	}
	ASSERT_EQ(0, umount(SRV));
	for (i = 0; i < ARRAY_SIZE(witnesses); i++) {
		EXPECT_TRUE(was_dropped(witnesses[i]));
	}
}

TEST_F(mounts, umount_is_not_held_up_by_descriptors_of_boxed_files)
{
	int fd = regular_file("/tmp/file", "content");
	char c = 0;
	int opened;

	ASSERT_EQ(0, publish(ENTRY, fd));
	ASSERT_EQ(0, close(fd));
	opened = try_open(ENTRY, O_RDONLY);
	ASSERT_LE(0, opened);
	ASSERT_EQ(0, umount(SRV));
	EXPECT_EQ(1, pread(opened, &c, 1, 0));
	EXPECT_EQ('c', c);
}

TEST_F(mounts, umount_is_not_held_up_by_a_boxed_directory_elsewhere)
{
	int directory = try_open("/tmp", O_RDONLY | O_DIRECTORY);

	ASSERT_EQ(0, publish(ENTRY, directory));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F(mounts, a_control_descriptor_keeps_the_mount_busy)
{
	int control = new_entry(ENTRY);

	ASSERT_LE(0, control);
	EXPECT_EQ(-EBUSY, or_errno(umount(SRV)));
	ASSERT_EQ(0, close(control));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F(mounts, a_working_directory_keeps_the_mount_busy)
{
	ASSERT_EQ(0, chdir(SRV));
	EXPECT_EQ(-EBUSY, or_errno(umount(SRV)));
	ASSERT_EQ(0, chdir("/tmp"));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F(mounts, a_boxed_directory_keeps_its_own_mount_busy)
{
	int directory;

	ASSERT_EQ(0, mkdir("/tmp/other", 0755));
	ASSERT_EQ(0, mount("none", "/tmp/other", "tmpfs", 0, NULL));
	directory = try_open("/tmp/other", O_RDONLY | O_DIRECTORY);
	ASSERT_EQ(0, publish(ENTRY, directory));
	ASSERT_EQ(0, close(directory));
	EXPECT_EQ(-EBUSY, or_errno(umount("/tmp/other")));
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(EVENTUALLY(umount("/tmp/other") == 0));
}

TEST_F(mounts, a_forced_umount_empties_entries_of_a_busy_mount)
{
	int witness = publish_witness(ENTRY);
	int control = new_entry(SRV "/other");

	ASSERT_LE(0, control);
	EXPECT_EQ(-EBUSY, or_errno(umount2(SRV, MNT_FORCE)));
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(mounts, a_forced_umount_of_an_idle_mount_succeeds)
{
	int witness = publish_witness(ENTRY);

	ASSERT_LE(0, witness);
	EXPECT_EQ(0, umount2(SRV, MNT_FORCE));
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_EQ(-ENOENT, try_open(ENTRY, O_RDONLY));
}

TEST_F(mounts, a_forced_and_detached_umount_empties_entries)
{
	int witness = publish_witness(ENTRY);
	int control = new_entry(SRV "/other");

	ASSERT_LE(0, control);
	EXPECT_EQ(0, umount2(SRV, MNT_FORCE | MNT_DETACH));
	EXPECT_TRUE(was_dropped(witness));
}

TEST_F(mounts, a_forced_umount_leaves_other_instances_alone)
{
	int witness;

	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, mount_srv("/tmp/second", NULL));
	witness = publish_witness("/tmp/second/entry");
	ASSERT_LE(0, witness);
	ASSERT_EQ(0, umount2(SRV, MNT_FORCE));
	EXPECT_TRUE(is_held(witness));
	EXPECT_EQ(0, is_empty("/tmp/second/entry"));
}

TEST_F(mounts, the_end_of_a_mount_namespace_drops_references)
{
	int ends[2];
	pid_t child;

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) || mount_srv(SRV, NULL))
			_exit(1);
		_exit(-publish(ENTRY, ends[1]));
	}
	ASSERT_EQ(0, close(ends[1]));
	ASSERT_EQ(0, reap(child));
	EXPECT_TRUE(was_dropped(ends[0]));
}

/*
 * An entry holds a socket.  The queue of the socket contains the directory of the
 * same instance, and a witness.  No descriptor of any of them stays open.
 */
static int make_cycle(void)
{
	int sockets[2], pair[2], ends[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) ||
	    pipe2(ends, O_CLOEXEC))
		return -errno;
	pair[0] = try_open(SRV, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pair[1] = ends[1];
	err = send_descriptors(sockets[1], pair, 2);
	if (!err)
		err = publish(ENTRY, sockets[0]);
	close(pair[0]);
	close(pair[1]);
	close(sockets[0]);
	close(sockets[1]);
	return err ? err : ends[0];
}

TEST_F(mounts, unix_socket_cycle)
{
	int witness = make_cycle();

	ASSERT_LE(0, witness);
	EXPECT_EQ(-EBUSY, or_errno(umount(SRV)));
	EXPECT_TRUE(is_held(witness));
	umount2(SRV, MNT_FORCE);
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_TRUE(EVENTUALLY(umount(SRV) == 0 || errno == EINVAL));
}

TEST_F(mounts, unix_socket_cycle_of_a_detached_instance)
{
	int witness = make_cycle();

	ASSERT_LE(0, witness);
	EXPECT_EQ(0, umount2(SRV, MNT_DETACH));
	EXPECT_TRUE(was_dropped(witness));
}

static int leave_a_cycle(int witness)
{
	if (unshare(CLONE_NEWNS) || mount_srv(SRV, NULL))
		return -errno;
	if (make_cycle() < 0)
		return -EIO;
	return publish(SRV "/witness", witness);
}

TEST_F(mounts, unix_socket_cycle_of_a_namespace_that_has_ended)
{
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	ASSERT_EQ(0, IN_CHILD(leave_a_cycle(ends[1])));
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_TRUE(was_dropped(ends[0]));
}

TEST_F(mounts, unix_socket_cycle_is_broken_by_unlinking_the_entry)
{
	int witness = make_cycle();

	ASSERT_LE(0, witness);
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_TRUE(EVENTUALLY(umount(SRV) == 0));
}

/* Unread events reference the paths on which they happened. */
TEST_F(mounts, fanotify_queue_cycle)
{
	int group = or_errno(fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC,
					   O_RDONLY));
	int witness = publish_witness(SRV "/witness");

	if (group == -ENOSYS)
		SKIP(return, "no fanotify (CONFIG_FANOTIFY)");
	ASSERT_LE(0, group);
	ASSERT_EQ(0, fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD,
				   SRV "/witness"));
	ASSERT_EQ(0, close(try_open(SRV "/witness", O_WRONLY)));
	ASSERT_EQ(0, publish(ENTRY, group));
	ASSERT_EQ(0, close(group));
	EXPECT_EQ(-EBUSY, or_errno(umount(SRV)));
	umount2(SRV, MNT_FORCE);
	EXPECT_TRUE(was_dropped(witness));
	EXPECT_TRUE(EVENTUALLY(umount(SRV) == 0 || errno == EINVAL));
}

TEST_F(mounts, umount_right_after_an_open_succeeds)
{
	int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, publish_something(ENTRY));
		ASSERT_EQ(0, close(try_open(ENTRY, O_RDWR)));
		ASSERT_EQ(0, umount(SRV));
		ASSERT_EQ(0, mount_srv(SRV, NULL));
	}
}

TEST_F(mounts, a_read_only_mount_creates_nothing)
{
	ASSERT_EQ(0, publish_something(ENTRY));
	ASSERT_EQ(0, mount(NULL, SRV, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
			   NULL));
	EXPECT_EQ(-EROFS, new_entry(SRV "/other"));
	EXPECT_EQ(-EROFS, or_errno(unlink(ENTRY)));
}

/* What is handed out counts, and not the mode that is asked for. */
FIXTURE(read_only) {
	int readable;
	int writable;
};

FIXTURE_VARIANT(read_only) {
	unsigned long flags;
};

FIXTURE_VARIANT_ADD(read_only, bind_mount) {
	.flags = MS_REMOUNT | MS_BIND | MS_RDONLY,
};
FIXTURE_VARIANT_ADD(read_only, superblock) { .flags = MS_REMOUNT | MS_RDONLY };

FIXTURE_SETUP(read_only)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->writable = regular_file("/tmp/file", "content");
	self->readable = try_open("/tmp/file", O_RDONLY | O_CLOEXEC);
	ASSERT_EQ(0, publish(SRV "/writable", self->writable));
	ASSERT_EQ(0, publish(SRV "/readable", self->readable));
	ASSERT_EQ(0, publish(SRV "/neither", try_open("/tmp/file", O_ACCMODE)));
	ASSERT_EQ(0, mount(NULL, SRV, NULL, variant->flags, NULL));
}

FIXTURE_TEARDOWN(read_only)
{
	srv_leave();
}

TEST_F(read_only, mounts_hand_out_no_writable_file)
{
	EXPECT_EQ(-EROFS, try_open(SRV "/writable", O_RDWR));
	EXPECT_EQ(-EROFS, try_open(SRV "/writable", O_RDONLY));
	EXPECT_EQ(-EROFS, try_open(SRV "/neither", O_RDONLY));
}

TEST_F(read_only, mounts_hand_out_a_readable_file)
{
	EXPECT_EQ(1, holds(SRV "/readable", self->readable));
}

TEST_HARNESS_MAIN
