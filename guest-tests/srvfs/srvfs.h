/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the srvfs test programs.
 *
 * Every case runs in its own mount namespace, with a private tmpfs on /tmp and
 * one srvfs instance at SRV.  Everything that a case leaves behind, even when it
 * is killed, disappears with that namespace.
 *
 * Functions return a value, or -errno.
 */
#ifndef SRVFS_TEST_H
#define SRVFS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../include/eventually.h"
#include "../include/file.h"
#include "../include/harness.h"
#include "../include/process.h"

#ifndef SRVFS_MAGIC
#define SRVFS_MAGIC 0x29980123
#endif

/* As in <linux/srvfs.h>, which only the kernel with the series has. */
#define SRVFS_IOC_STORE	_IOW(0xBB, 0x00, int)
#define SRVFS_IOC_CLEAR	_IO(0xBB, 0x01)

#define SRV	"/tmp/srv"
#define ENTRY	SRV "/entry"

/* A fixture with an empty instance at SRV and nothing else. */
#define SRV_FIXTURE(name)						\
	FIXTURE(name) { };						\
	FIXTURE_SETUP(name) { srv_enter(_metadata); }			\
	FIXTURE_TEARDOWN(name) { srv_leave(); }

static inline int mount_srv(const char *dir, const char *options)
{
	return or_errno(mount("none", dir, "srvfs", 0, options));
}

static inline void srv_enter(struct __test_metadata *_metadata)
{
	int err;

	private_tmp(_metadata, SRV);
	err = mount_srv(SRV, NULL);
	if (err == -ENODEV)
		SKIP(return, "this kernel has no srvfs (CONFIG_SRV_FS)");
	ASSERT_EQ(0, err);
}

static inline void srv_leave(void)
{
	/* MNT_FORCE also breaks a cycle that a failing case has left. */
	umount2(SRV, MNT_FORCE | MNT_DETACH);
	umount2("/tmp", MNT_DETACH);
}

static inline int try_open(const char *path, int flags)
{
	return or_errno(open(path, flags, 0644));
}

static inline int try_openat2(int dir, const char *path, int flags, int resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };

	return or_errno(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

/* Create an entry and return its control descriptor. */
static inline int new_entry(const char *path)
{
	return try_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
}

/* Write text to a control descriptor: 0 if all of it was taken. */
static inline int write_text(int control, const char *text, size_t size)
{
	ssize_t written = write(control, text, size);

	if (written < 0)
		return -errno;
	return written == (ssize_t)size ? 0 : -EIO;
}

static inline int write_number(int control, int fd)
{
	char text[16];

	return write_text(control, text, sprintf(text, "%d\n", fd));
}

static inline int store(int control, int fd)
{
	return or_errno(ioctl(control, SRVFS_IOC_STORE, fd));
}

/* Create an entry that holds fd. */
static inline int publish(const char *path, int fd)
{
	int control = new_entry(path);
	int err;

	if (control < 0)
		return control;
	err = write_number(control, fd);
	close(control);
	return err;
}

/* Create an entry that holds any file. */
static inline int publish_something(const char *path)
{
	int fd = try_open("/dev/null", O_RDWR | O_CLOEXEC);
	int err = fd < 0 ? fd : publish(path, fd);

	close(fd);
	return err;
}

/* 1 if both descriptors refer to one open file description, else 0. */
static inline int same_description(int a, int b)
{
	long order = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);

	return order < 0 ? -errno : order == 0;
}

static inline bool on_srvfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == SRVFS_MAGIC;
}

static inline bool is_control(int fd)
{
	struct stat st;

	return on_srvfs(fd) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       !(fcntl(fd, F_GETFL) & O_PATH);
}

/* 1 if opening path yields the description of fd, else 0. */
static inline int holds(const char *path, int fd)
{
	int opened = try_open(path, O_RDONLY | O_CLOEXEC);
	int same;

	if (opened < 0)
		return opened;
	same = same_description(opened, fd);
	close(opened);
	return same;
}

/* 1 if opening path yields a control descriptor, else 0. */
static inline int is_empty(const char *path)
{
	int opened = try_open(path, O_RDONLY | O_CLOEXEC);
	int control;

	if (opened < 0)
		return opened;
	control = is_control(opened);
	close(opened);
	return control;
}

static inline int regular_file(const char *path, const char *content)
{
	int fd = try_open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC);

	if (fd >= 0 && write_text(fd, content, strlen(content)))
		return -EIO;
	return fd;
}

/*
 * A witness shows whether a reference to the write end of a pipe is left: the
 * read end hangs up when the last one is dropped.
 */
static inline int publish_witness(const char *path)
{
	int ends[2];
	int err;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	err = publish(path, ends[1]);
	close(ends[1]);
	if (err)
		close(ends[0]);
	return err ? err : ends[0];
}

static inline bool hangs_up_within(int read_end, int milliseconds)
{
	struct pollfd poll_one = { .fd = read_end };

	return poll(&poll_one, 1, milliseconds) == 1 &&
	       (poll_one.revents & POLLHUP);
}

static inline bool is_held(int read_end)
{
	return !hangs_up_within(read_end, 0);
}

static inline bool was_dropped(int read_end)
{
	return EVENTUALLY(!is_held(read_end));
}

/* Evaluate in a child an expression that returns 0 or -errno. */
#define IN_CHILD(expression)	({ -CHILD(-(expression)); })

static inline int listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 128))
		return -errno;
	return fd;
}

/* True if no record since the last read of the log reports a problem. */
static inline bool kernel_log_is_quiet(int log)
{
	static const char * const trouble[] = {
		"srvfs", "WARNING", "BUG", "INFO:", "Oops", "leak",
	};
	char record[8192];
	ssize_t size;
	unsigned int i;

	while ((size = read(log, record, sizeof(record) - 1)) > 0) {
		record[size] = '\0';
		for (i = 0; i < ARRAY_SIZE(trouble); i++) {
			if (strstr(record, trouble[i])) {
				printf("# kernel log: %s\n", record);
				return false;
			}
		}
	}
	return true;
}

#endif
