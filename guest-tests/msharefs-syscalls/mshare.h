/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of mshare() and mshare_unlink().
 *
 * Every case runs in its own mount namespace with one msharefs instance at DIR, so
 * names that a case leaves behind disappear with it.
 *
 * Functions return a value, or -errno.
 */
#ifndef MSHARE_TEST_H
#define MSHARE_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/msharefs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../include/access.h"
#include "../include/eventually.h"
#include "../include/file.h"
#include "../include/harness.h"
#include "../include/process.h"
#include "../include/size.h"

/* Seconds that a case may take: a debug kernel under emulation is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

#ifndef __NR_mshare
#define __NR_mshare		463
#define __NR_mshare_unlink	464
#endif

#define DIR	"/sys/fs/mshare"
#define NAME	"pool"
#define FILE_	DIR "/" NAME

#define UNIT	(1UL << 39)

/* An address where a process has no mapping. */
#define AT	((char *)(16 * UNIT))

#define RW	(PROT_READ | PROT_WRITE)
#define CREATE	(O_RDWR | O_CREAT | O_EXCL)

#define MSHARE_FIXTURE(name)						\
	FIXTURE(name) { };						\
	FIXTURE_SETUP(name) { mshare_enter(_metadata); }		\
	FIXTURE_TEARDOWN(name) { umount2(DIR, MNT_DETACH); }

/* ----- The system calls ----- */

static inline int mshare(const char *name, void *addr, size_t length, int oflag,
			 mode_t mode)
{
	return or_errno(syscall(__NR_mshare, name, addr, length, oflag, mode));
}

static inline int mshare_unlink(const char *name)
{
	return or_errno(syscall(__NR_mshare_unlink, name));
}

static inline int create(void)
{
	return mshare(NAME, AT, UNIT, CREATE, 0444);
}

static inline int attach(void)
{
	return mshare(NAME, AT, UNIT, O_RDWR, 0);
}

static inline void mshare_enter(struct __test_metadata *_metadata)
{
	umask(0);
	private_mounts(_metadata);
	if (mshare_unlink("") == -ENOSYS)
		SKIP(return, "this kernel has no mshare() (CONFIG_MSHARE_SYSCALLS)");
	ASSERT_EQ(0, mount("none", DIR, "msharefs", 0, NULL));
}

/* ----- Files ----- */

static inline int try_open(const char *path, int flags)
{
	return or_errno(open(path, flags | O_CLOEXEC, 0644));
}

/* The number of containers, from the file's fdinfo. */
static inline long attached(void)
{
	int fd = try_open(FILE_, O_RDONLY);
	long value;

	if (fd < 0)
		return fd;
	value = fdinfo(fd, "mshare-attached");
	close(fd);
	return value;
}

#endif /* MSHARE_TEST_H */
