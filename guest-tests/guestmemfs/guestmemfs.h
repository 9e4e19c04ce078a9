/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the guestmemfs test programs.
 *
 * "settings" puts the range of memory on the command line.  Every case runs in
 * its own mount namespace, with a private tmpfs on /tmp and a newly formatted
 * filesystem at GM.
 *
 * Functions return a value, or -errno.
 */
#ifndef GUESTMEMFS_TEST_H
#define GUESTMEMFS_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

#include "../include/access.h"
#include "../include/eventually.h"
#include "../include/file.h"
#include "../include/harness.h"
#include "../include/process.h"
#include "../include/size.h"

#ifndef GUESTMEMFS_MAGIC
#define GUESTMEMFS_MAGIC 0x676d6673
#endif

#define GM	"/tmp/gm"
#define FILE_A	GM "/a"
#define FILE_B	GM "/b"
#define BLOCK	(2 * MiB)

#define RANGE_BASE	(256 * MiB)
#define RANGE_SIZE	(1280 * MiB)
#define INODES		1024

/* Seconds for a long case on a debug kernel. */
#define SLOW		200
/* For a case whose duration is a parameter; the settings limit it. */
#define ANY_TIME	36000

/* A fixture with an empty filesystem at GM and nothing else. */
#define GM_FIXTURE(name)						\
	FIXTURE(name) { };						\
	FIXTURE_SETUP(name) { gm_enter(_metadata); }			\
	FIXTURE_TEARDOWN(name) { gm_leave(); }

/* The seed of random numbers; a new one each time, which is printed. */
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

static inline int mount_read_only(const char *options)
{
	return or_errno(mount("none", GM, "guestmemfs", MS_RDONLY, options));
}

static inline int umount_gm(void)
{
	return or_errno(umount(GM));
}

static inline void gm_enter(struct __test_metadata *_metadata)
{
	int err;

	private_tmp(_metadata, GM);
	/* The namespace of a killed case may take a moment to disappear. */
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

/* Write a value to every page that depends on the seed and the page. */
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

/* Read a byte and optionally write it back.  Returns 0, or the signal raised. */
static inline int touch(char *at, bool write)
{
	int c = peek(at);

	if (c >= 0 && write)
		c = poke(at, c);
	return c < 0 ? -c : 0;
}

#endif
