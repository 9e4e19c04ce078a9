/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mshare() and mshare_unlink() share.
 *
 * Every case runs in a mount namespace of its own with one msharefs instance at
 * DIR, so names that a case leaves behind disappear with it.
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

#include "../kselftest_harness.h"

/* Seconds a case may take: a debugging kernel under emulation takes its time. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

/* The harness jumps over its own variable when an ASSERT fails. */
#pragma GCC diagnostic ignored "-Wclobbered"

#ifndef __NR_mshare
#define __NR_mshare		463
#define __NR_mshare_unlink	464
#endif

#define DIR	"/sys/fs/mshare"
#define NAME	"pool"
#define FILE_	DIR "/" NAME
#define USER	1000

#define UNIT	(1UL << 39)
#define PAGE	4096UL
#define MiB	(1UL << 20)

/* Where nothing is mapped in a process. */
#define AT	((char *)(16 * UNIT))

#define RW	(PROT_READ | PROT_WRITE)
#define CREATE	(O_RDWR | O_CREAT | O_EXCL)

#define PATIENCE_MS	20000

#define EVENTUALLY(condition) ({					\
	int _left = PATIENCE_MS / 5;					\
	bool _ok;							\
	while (!(_ok = (condition)) && _left-- > 0)			\
		usleep(5000);						\
	_ok;								\
})

#define MSHARE_FIXTURE(name)						\
	FIXTURE(name) { };						\
	FIXTURE_SETUP(name) { mshare_enter(_metadata); }		\
	FIXTURE_TEARDOWN(name) { umount2(DIR, MNT_DETACH); }

static inline long or_errno(long result)
{
	return result < 0 ? -errno : result;
}

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
	ASSERT_EQ(0, unshare(CLONE_NEWNS)) {
		TH_LOG("these tests need root: %s", strerror(errno));
	}
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mshare_unlink("") == -ENOSYS)
		SKIP(return, "this kernel has no mshare() (CONFIG_MSHARE_SYSCALLS)");
	ASSERT_EQ(0, mount("none", DIR, "msharefs", 0, NULL));
}

/* ----- Files ----- */

static inline int try_open(const char *path, int flags)
{
	return or_errno(open(path, flags | O_CLOEXEC, 0644));
}

/* Does the name exist? */
static inline bool is_there(const char *path)
{
	return !access(path, F_OK);
}

/* The number of containers, by the file's fdinfo. */
static inline long attached(void)
{
	char path[64], line[128];
	int fd = try_open(FILE_, O_RDONLY);
	long value = -ENOENT;
	FILE *file;

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "mshare-attached:%ld", &value);
	if (file)
		fclose(file);
	close(fd);
	return value;
}

/* ----- Single accesses ----- */

static sigjmp_buf access_failed;

static void access_signal(int signal)
{
	siglongjmp(access_failed, signal);
}

/* Read or write a byte: the byte that was read, 0, or the negative signal. */
static inline int access_byte(volatile char *addr, int value)
{
	struct sigaction action = { .sa_handler = access_signal };
	struct sigaction segv, bus;
	int result;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	result = -sigsetjmp(access_failed, 1);
	if (!result) {
		if (value < 0)
			result = (unsigned char)*addr;
		else
			*addr = value;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return result;
}

static inline int peek(char *addr)
{
	return access_byte(addr, -1);
}

static inline int poke(char *addr, int value)
{
	return access_byte(addr, value);
}

/* ----- Other processes ----- */

/* Wait for a child: its exit code, or 256 and the signal. */
static inline int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

/* Evaluate something in a child: 0 to 255, or 256 + signal. */
#define CHILD(expression) ({						\
	pid_t _pid = fork();						\
	if (!_pid) {							\
		prctl(PR_SET_PDEATHSIG, SIGKILL);			\
		signal(SIGALRM, SIG_DFL);				\
		_exit(expression);					\
	}								\
	reap(_pid);							\
})

/* The same, as a user who is not root. */
#define AS_USER(expression)						\
	CHILD(setresgid(USER, USER, USER) || setresuid(USER, USER, USER) ? \
	      99 : (expression))

#endif /* MSHARE_TEST_H */
