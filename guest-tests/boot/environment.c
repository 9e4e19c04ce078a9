// SPDX-License-Identifier: GPL-2.0
/*
 * What every guest guarantees to its tests (docs/writing-a-test.md): one case for each guarantee. The suite runs on
 * any tree, so that Kiln can at least boot a series that has no tests.
 */
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <linux/magic.h>

#include "../kselftest_harness.h"

static long magic_of(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) ? -1 : (long)fs.f_type;
}

TEST(file_systems_are_mounted)
{
	EXPECT_EQ(PROC_SUPER_MAGIC, magic_of("/proc"));
	EXPECT_EQ(SYSFS_MAGIC, magic_of("/sys"));
	EXPECT_EQ(TMPFS_MAGIC, magic_of("/dev"));
	EXPECT_EQ(DEVPTS_SUPER_MAGIC, magic_of("/dev/pts"));
	EXPECT_EQ(TMPFS_MAGIC, magic_of("/dev/shm"));
	EXPECT_EQ(TMPFS_MAGIC, magic_of("/tmp"));
	EXPECT_EQ(TMPFS_MAGIC, magic_of("/run"));
	EXPECT_EQ(CGROUP2_SUPER_MAGIC, magic_of("/sys/fs/cgroup"));
	EXPECT_EQ(DEBUGFS_MAGIC, magic_of("/sys/kernel/debug"));
	EXPECT_EQ(TRACEFS_MAGIC, magic_of("/sys/kernel/tracing"));
}

TEST(standard_descriptors_have_names)
{
	struct stat by_name, by_number;

	ASSERT_EQ(0, stat("/dev/stdout", &by_name));
	ASSERT_EQ(0, fstat(1, &by_number));
	EXPECT_EQ(by_number.st_ino, by_name.st_ino);
	EXPECT_EQ(0, access("/dev/fd/0", R_OK));
	EXPECT_EQ(0, access("/dev/stderr", W_OK));
}

TEST(standard_input_is_empty)
{
	char byte;

	EXPECT_EQ(0, read(0, &byte, 1));
}

TEST(a_terminal_can_be_had)
{
	int master, slave;

	ASSERT_EQ(0, openpty(&master, &slave, NULL, NULL, NULL));
	EXPECT_EQ(1, isatty(slave));
	close(slave);
	close(master);
}

TEST(shared_memory_works)
{
	int fd = shm_open("/kiln", O_RDWR | O_CREAT | O_EXCL, 0600);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ftruncate(fd, 4096));
	close(fd);
	EXPECT_EQ(0, shm_unlink("/kiln"));
}

TEST(scratch_directories_are_writable)
{
	static const char * const dirs[] = { "/tmp", "/run", "/dev/shm", "/var/tmp", "/root" };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/XXXXXX", dirs[i]);
		fd = mkstemp(path);
		EXPECT_LE(0, fd) TH_LOG("in %s", dirs[i]);
		close(fd);
		unlink(path);
	}
}

TEST(loopback_is_up_and_carries)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	struct ifreq request = { .ifr_name = "lo" };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	ASSERT_EQ(0, ioctl(listener, SIOCGIFFLAGS, &request));
	EXPECT_TRUE(request.ifr_flags & IFF_UP);
	ASSERT_EQ(0, bind(listener, (struct sockaddr *)&address, length));
	ASSERT_EQ(0, listen(listener, 1));
	ASSERT_EQ(0, getsockname(listener, (struct sockaddr *)&address, &length));
	EXPECT_EQ(0, connect(client, (struct sockaddr *)&address, length));
	close(client);
	close(listener);
}

TEST(the_path_leads_to_the_usual_places)
{
	ASSERT_NE(NULL, getenv("PATH"));
	EXPECT_NE(NULL, strstr(getenv("PATH"), "/usr/bin"));
	EXPECT_NE(NULL, strstr(getenv("PATH"), "/sbin"));
	EXPECT_NE(NULL, getenv("HOME"));
}

TEST(limits_let_cores_be_written)
{
	struct rlimit limit;
	char pattern[128] = "";
	int fd;

	ASSERT_EQ(0, getrlimit(RLIMIT_CORE, &limit));
	EXPECT_EQ(RLIM_INFINITY, limit.rlim_cur);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_LE(1024, limit.rlim_cur);
	fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, read(fd, pattern, sizeof(pattern) - 1));
	close(fd);
	EXPECT_EQ(0, strncmp(pattern, "/run/artifacts/", 15)) TH_LOG("it is %s", pattern);
}

TEST(the_artifacts_directory_is_there)
{
	const char *dir = getenv("KILN_ARTIFACTS");

	ASSERT_NE(NULL, dir);
	EXPECT_EQ(0, access(dir, W_OK));
}

TEST(all_processors_run)
{
	EXPECT_LE(1, sysconf(_SC_NPROCESSORS_ONLN));
	EXPECT_EQ(sysconf(_SC_NPROCESSORS_CONF), sysconf(_SC_NPROCESSORS_ONLN));
}

TEST(the_clock_has_the_hosts_date)
{
	/* 2026-01-01: the clock is that late only if the host has set it. */
	EXPECT_LT(1767225600, time(NULL));
}

TEST(random_numbers_do_not_block)
{
	char bytes[16];
	int fd = open("/dev/random", O_RDONLY | O_NONBLOCK);

	ASSERT_LE(0, fd);
	EXPECT_EQ(16, read(fd, bytes, sizeof(bytes)));
	close(fd);
}

TEST_HARNESS_MAIN
