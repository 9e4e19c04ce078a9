/* SPDX-License-Identifier: GPL-2.0 */
/* The environment of each case, for programs that use kselftest_harness.h. */
#ifndef GUEST_TESTS_HARNESS_H
#define GUEST_TESTS_HARNESS_H

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/*
 * When an ASSERT fails, the harness jumps over one of its own variables.  At worst
 * a teardown is skipped, and the end of the namespace cleans up.
 */
#pragma GCC diagnostic ignored "-Wclobbered"

/* Give the case its own mount namespace. */
static inline void private_mounts(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNS)) {
		TH_LOG("these tests need root: %s", strerror(errno));
	}
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* The same, with an empty /tmp that has one directory to mount on. */
static inline void private_tmp(struct __test_metadata *_metadata,
			       const char *directory)
{
	umask(022);
	private_mounts(_metadata);
	ASSERT_EQ(0, mount("none", "/tmp", "tmpfs", 0, NULL));
	ASSERT_EQ(0, chdir("/tmp"));
	ASSERT_EQ(0, mkdir(directory, 0755));
}

#endif
