/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guestmemfs test programs share.
 *
 * The range of memory is the one that "settings" puts on the command line.
 * Every case runs in a mount namespace of its own, with a private tmpfs on
 * /tmp and the filesystem, formatted for it, at GM.
 *
 * Functions return a value, or -errno.
 */
#ifndef GUESTMEMFS_TEST_H
#define GUESTMEMFS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/*
 * The harness jumps over its own variable when an ASSERT fails.  At worst a
 * teardown is left out, and then the namespace takes care of the rest.
 */
#pragma GCC diagnostic ignored "-Wclobbered"

#ifndef GUESTMEMFS_MAGIC
#define GUESTMEMFS_MAGIC 0x676d6673
#endif

#define GM	"/tmp/gm"
#define FILE_A	GM "/a"
#define FILE_B	GM "/b"
#define USER	1000

#define KiB	1024UL
#define MiB	(1024 * KiB)
#define GiB	(1024 * MiB)
#define PAGE	(4 * KiB)
#define BLOCK	(2 * MiB)

#define RANGE_BASE	(256 * MiB)
#define RANGE_SIZE	(1280 * MiB)
#define INODES		1024

/*
 * What happens after the call that caused it returned, happens within this
 * time, even under emulation.
 */
#define PATIENCE_MS	10000

/* Seconds for a case that does much, on a kernel that checks much. */
#define SLOW		200
/* For one that takes as long as it was told to: the settings set the limit. */
#define ANY_TIME	36000

#define EVENTUALLY(condition) ({					\
	int _left = PATIENCE_MS / 5;					\
	bool _ok;							\
	while (!(_ok = (condition)) && _left-- > 0)			\
		usleep(5000);						\
	_ok;								\
})

/* A fixture that offers nothing but an empty filesystem at GM. */
#define GM_FIXTURE(name)						\
	FIXTURE(name) { };						\
	FIXTURE_SETUP(name) { gm_enter(_metadata); }			\
	FIXTURE_TEARDOWN(name) { gm_leave(); }

static inline long or_errno(long result)
{
	return result < 0 ? -errno : result;
}

/*
 * A number that whoever starts the program may choose: NAME=NUMBER in its
 * environment, or on the command line of the kernel.
 */
static inline unsigned long chosen(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);
	char cmdline[4096] = " ", wanted[64], *word;
	int fd;

	if (value)
		return strtoul(value, NULL, 0);
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return otherwise;
	if (read(fd, cmdline + 1, sizeof(cmdline) - 2) < 0)
		cmdline[1] = '\0';
	close(fd);
	snprintf(wanted, sizeof(wanted), " %s=", name);
	word = strstr(cmdline, wanted);
	return word ? strtoul(word + strlen(wanted), NULL, 0) : otherwise;
}

/* What random numbers begin with: another one each time, which is printed. */
static inline unsigned int chosen_seed(void)
{
	unsigned int seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		abort();
	seed = chosen("GUESTMEMFS_SEED", seed);
	printf("# GUESTMEMFS_SEED=%u\n", seed);
	return seed;
}

static inline int mount_gm(const char *options)
{
	return or_errno(mount("none", GM, "guestmemfs", 0, options));
}

static inline int umount_gm(void)
{
	return or_errno(umount(GM));
}

static inline void private_mounts(struct __test_metadata *_metadata)
{
	umask(022);
	ASSERT_EQ(0, unshare(CLONE_NEWNS)) {
		TH_LOG("these tests need root: %s", strerror(errno));
	}
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("none", "/tmp", "tmpfs", 0, NULL));
	ASSERT_EQ(0, chdir("/tmp"));
	ASSERT_EQ(0, mkdir(GM, 0755));
}

static inline void gm_enter(struct __test_metadata *_metadata)
{
	int err;

	private_mounts(_metadata);
	/* The namespace of a case that was killed may take a moment to go. */
	EVENTUALLY((err = mount_gm("format")) != -EBUSY);
	if (err == -ENODEV)
		SKIP(return, "no guestmemfs, or none on the command line");
	ASSERT_EQ(0, err);
}

static inline void gm_leave(void)
{
	umount2(GM, MNT_DETACH);
	umount2("/tmp", MNT_DETACH);
}

static inline int try_open(const char *path, int flags)
{
	return or_errno(open(path, flags, 0644));
}

/* Create an empty file and close it. */
static inline int make(const char *path)
{
	int fd = try_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);

	return fd < 0 ? fd : close(fd);
}

/* Create a file of a size and return a descriptor of it. */
static inline int make_sized(const char *path, off_t size)
{
	int fd = try_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
	int err;

	if (fd < 0)
		return fd;
	err = or_errno(ftruncate(fd, size));
	if (err)
		close(fd);
	return err ? err : fd;
}

/* Map a file shared, readable and writable; NULL if that fails. */
static inline char *map_fd(int fd, size_t size, off_t offset)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			offset);

	return at == MAP_FAILED ? NULL : at;
}

static inline int map_errno(int prot, int flags, int fd, off_t offset)
{
	void *at = mmap(NULL, PAGE, prot, flags, fd, offset);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, PAGE);
	return 0;
}

static inline struct stat stat_of(const char *path)
{
	struct stat st = { };

	if (stat(path, &st))
		st.st_mode = 0;
	return st;
}

static inline long size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -errno : st.st_size;
}

static inline bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static inline struct statfs statfs_gm(void)
{
	struct statfs fs = { };

	statfs(GM, &fs);
	return fs;
}

static inline long free_blocks(void)
{
	return statfs_gm().f_bfree;
}

static inline long free_inodes(void)
{
	return statfs_gm().f_ffree;
}

/* Write one value that depends on seed and place to every page. */
static inline void fill(char *at, size_t size, unsigned long seed)
{
	size_t i;

	for (i = 0; i < size; i += PAGE)
		*(volatile unsigned long *)(at + i) = seed ^ (i + 1);
}

static inline bool is_filled(const char *at, size_t size, unsigned long seed)
{
	size_t i;

	for (i = 0; i < size; i += PAGE) {
		if (*(volatile const unsigned long *)(at + i) != (seed ^ (i + 1)))
			return false;
	}
	return true;
}

static inline bool is_zero(const char *at, size_t size)
{
	const unsigned long *word = (const unsigned long *)at;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++) {
		if (word[i])
			return false;
	}
	return true;
}

static sigjmp_buf touch_back;

static inline void touch_failed(int signal)
{
	siglongjmp(touch_back, signal);
}

/* Read or write a byte: 0, or the signal that this raises. */
static inline int touch(volatile char *at, bool write)
{
	struct sigaction action = { .sa_handler = touch_failed };
	struct sigaction bus, segv;
	int signal;

	sigaction(SIGBUS, &action, &bus);
	sigaction(SIGSEGV, &action, &segv);
	signal = sigsetjmp(touch_back, 1);
	if (!signal) {
		char c = *at;

		if (write)
			*at = c;
	}
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return signal;
}

/* Become USER for one expression; root again afterwards. */
#define AS_USER(expression) ({						\
	long _result;							\
	if (setegid(USER) || seteuid(USER))				\
		abort();						\
	_result = (expression);						\
	if (seteuid(0) || setegid(0))					\
		abort();						\
	_result;							\
})

/* Wait for a child and return its exit code, or -1 if it died otherwise. */
static inline int exit_code_of(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* Run an expression in a forked child that exits with what it gives. */
#define IN_CHILD(expression) ({						\
	pid_t _child = fork();						\
	if (_child == 0)						\
		_exit(expression);					\
	exit_code_of(_child);						\
})

/* The kernel log from now on. */
static inline int watch_kernel_log(void)
{
	int log = try_open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	return log;
}

/* Is there a record with these words, from where the log was read last? */
static inline bool log_says(int log, const char *words)
{
	char record[8192];
	ssize_t size;

	while ((size = read(log, record, sizeof(record) - 1)) > 0) {
		record[size] = '\0';
		if (strstr(record, words))
			return true;
	}
	return false;
}

#endif
