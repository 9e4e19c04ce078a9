/* SPDX-License-Identifier: GPL-2.0 */
/* For programs of kselftest_harness.h: where each of their cases runs. */
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
 * The harness jumps over its own variable when an ASSERT fails.  At worst a
 * teardown is left out, and then the namespace takes care of the rest.
 */
#pragma GCC diagnostic ignored "-Wclobbered"

/* A mount namespace of the case's own. */
static inline void private_mounts(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, unshare(CLONE_NEWNS)) {
		TH_LOG("these tests need root: %s", strerror(errno));
	}
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* The same, and in it an empty /tmp with one directory, to mount on. */
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
