// SPDX-License-Identifier: GPL-2.0
/*
 * How long a region lives: as long as its file, even if its creator has exited.
 * Afterwards nothing is left of it.
 */
#include "msharefs.h"

#define SIZE	(4 * MiB)

MSHARE_FIXTURE(lifetime)

static int region_with_object(void)
{
	int fd = make_region(REGION, 1);

	if (fd >= 0 && map_anon(fd, 0, SIZE))
		return -ENOMEM;
	return fd;
}

TEST_F(lifetime, a_region_outlives_its_descriptors)
{
	int fd = region_with_object();
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	close(fd);
	EXPECT_EQ(0, fill_pages(addr, SIZE, 1));
	EXPECT_EQ(0, detach(addr));
	/* The name keeps the region. */
	fd = try_open(REGION, O_RDWR);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, check_pages(addr, SIZE, 1));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(lifetime, a_region_outlives_its_name)
{
	int fd = region_with_object();
	struct peer peer;
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	peer = peer_start();
	ASSERT_EQ(0, unlink(REGION));
	EXPECT_EQ(0, poke(addr, 1));
	EXPECT_EQ(1, peer_peek(&peer, (long)addr));
	/* The region can still be changed and attached. */
	EXPECT_EQ(0, map_anon(fd, SIZE, PAGE));
	EXPECT_EQ(1, CHILD(peek(attach(fd))));
	EXPECT_EQ(0, peer_stop(&peer));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(lifetime, a_region_lives_until_its_last_name_goes)
{
	int fd = region_with_object();

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, CHILD(poke(attach(fd), 3)));
	ASSERT_EQ(0, link(REGION, MNT "/second"));
	ASSERT_EQ(0, unlink(REGION));
	close(fd);
	fd = try_open(MNT "/second", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(3, CHILD(peek(attach(fd))));
	ASSERT_EQ(0, unlink(MNT "/second"));
	EXPECT_EQ(3, CHILD(peek(attach(fd))));
}

TEST_F(lifetime, a_region_outlives_its_creator)
{
	struct peer creator = peer_start();
	int fd;

	ASSERT_LE(0, peer_tell(&creator, (struct peer_order) {
		.verb = PEER_CREATE, .addr = REGION }));
	fd = try_open(REGION, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, map_anon(fd, 0, PAGE));
	ASSERT_EQ(0, CHILD(poke(attach(fd), 5)));
	ASSERT_EQ(0, kill(creator.pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, peer_stop(&creator));
	/* Old pages, new pages, new objects, new containers. */
	EXPECT_EQ(5, CHILD(peek(attach(fd))));
	EXPECT_EQ(0, map_anon(fd, PAGE, PAGE));
	EXPECT_EQ(0, CHILD(poke(attach(fd) + PAGE, 6)));
	EXPECT_EQ(0, unmap_object(fd, 0, SIZE));
}

TEST_F(lifetime, a_region_outlives_a_process_that_is_killed_in_it)
{
	int fd = region_with_object();
	char *addr;
	pid_t pid;
	int i;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	for (i = 0; i < 20; i++) {
		*(volatile int *)addr = 0;
		pid = fork();
		if (!pid) {
			be_a_child();
			for (;;)
				fill_pages(addr, SIZE, 1);
		}
		ASSERT_TRUE(EVENTUALLY(*(volatile int *)addr));
		kill(pid, SIGKILL);
		ASSERT_EQ(256 + SIGKILL, reap(pid));
		ASSERT_EQ(0, unmap_object(fd, 0, SIZE));
		ASSERT_EQ(0, map_anon(fd, 0, SIZE));
		ASSERT_EQ(0, fill_pages(addr, SIZE, 0));
	}
	EXPECT_EQ(1, fdinfo(fd, "mshare-attached"));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(lifetime, a_child_shares_with_its_parent)
{
	int fd = region_with_object();
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	/* No copy on write, neither for pages touched before the fork nor after it. */
	ASSERT_EQ(0, poke(addr, 1));
	EXPECT_EQ(0, CHILD(poke(addr, 2) ?: poke(addr + PAGE, 3)));
	EXPECT_EQ(2, peek(addr));
	EXPECT_EQ(3, peek(addr + PAGE));
	/* The exit of a child changes nothing. */
	EXPECT_EQ(0, CHILD(detach(addr)));
	EXPECT_EQ(2, peek(addr));
	EXPECT_EQ(1, fdinfo(fd, "mshare-attached"));
}

TEST_F(lifetime, a_grandchild_shares_as_well)
{
	int fd = region_with_object();
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	EXPECT_EQ(0, CHILD(CHILD(CHILD(poke(addr + PAGE, 9)))));
	EXPECT_EQ(9, peek(addr + PAGE));
}

TEST_F(lifetime, exec_detaches)
{
	int fd = region_with_object();
	char *addr;
	pid_t pid;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, poke(addr, 1));
	pid = fork();
	if (!pid) {
		/* Any program is suitable; this one lists its cases. */
		freopen("/dev/null", "w", stdout);
		execl("/proc/self/exe", "lifetime", "-l", NULL);
		_exit(99);
	}
	EXPECT_NE(99, reap(pid));
	EXPECT_EQ(1, fdinfo(fd, "mshare-attached"));
	EXPECT_EQ(1, peek(addr));
}

static int receive_fd(int channel)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) == 1 &&
	    CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return fd;
}

/* Wait until a value of /proc/meminfo, in kB, is at most this. */
static bool no_more_than(const char *key, long kilobytes)
{
	bool settled = EVENTUALLY(meminfo(key) <= kilobytes);

	if (!settled)
		printf("# %s: %ld, expected %ld\n", key, meminfo(key),
		       kilobytes);
	return settled;
}

TEST_F(lifetime, a_region_without_a_name_is_passed_on)
{
	long before = meminfo("Shmem");
	int fd, ends[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	pid = fork();
	if (!pid) {
		char *addr;

		fd = receive_fd(ends[1]);
		addr = attach(fd);
		close(fd);
		_exit(addr ? !!check_pages(addr, SIZE, 4) : 98);
	}
	fd = region_with_object();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, unlink(REGION));
	EXPECT_EQ(0, CHILD(fill_pages(attach(fd), SIZE, 4)));
	EXPECT_LE(before + (long)SIZE / 2048, meminfo("Shmem"));
	ASSERT_EQ(0, send_descriptors(ends[0], &fd, 1));
	close(fd);
	EXPECT_EQ(0, reap(pid));
	/* The last user of the region has exited. */
	EXPECT_TRUE(no_more_than("Shmem", before + 64));
}

TEST_F(lifetime, memory_is_given_back)
{
	long memory = meminfo("Shmem");
	long tables = meminfo("PageTables");
	int fd = region_with_object();
	char *addr;

	ASSERT_LE(0, fd);
	addr = attach(fd);
	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, map_anon(fd, 1UL << 30, 64 * MiB));
	ASSERT_EQ(0, fill_pages(addr, SIZE, 1));
	ASSERT_EQ(0, fill_pages(addr + (1UL << 30), 64 * MiB, 1));
	/* The rest of the guest may have freed a little. */
	EXPECT_LE(memory + 67 * 1024, meminfo("Shmem"));
	EXPECT_LE(tables + 17 * 4, meminfo("PageTables"));
	ASSERT_EQ(0, unlink(REGION));
	close(fd);
	EXPECT_LE(memory + 67 * 1024, meminfo("Shmem"));
	ASSERT_EQ(0, detach(addr));
	EXPECT_TRUE(no_more_than("Shmem", memory + 64));
	EXPECT_TRUE(no_more_than("PageTables", tables + 32));
}

TEST_F(lifetime, memory_is_given_back_when_the_instance_goes)
{
	long memory = meminfo("Shmem");
	int fd = region_with_object();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, CHILD(fill_pages(attach(fd), SIZE, 1)));
	close(fd);
	EXPECT_LE(memory + (long)SIZE / 2048, meminfo("Shmem"));
	ASSERT_EQ(0, umount(MNT));
	EXPECT_TRUE(no_more_than("Shmem", memory + 64));
}

#define ROUNDS	2000

/* A leak adds one per round; the tolerance is for the rest of the guest. */
static bool slab_settles(const char *name, long before)
{
	bool settled = EVENTUALLY(slab(name) < before + ROUNDS / 4);

	if (!settled)
		printf("# %s: %ld before, %ld after\n", name, before,
		       slab(name));
	return settled;
}

TEST_F(lifetime, regions_without_a_size_leave_nothing_behind)
{
	long mms = slab("mm_struct"), tables = meminfo("PageTables");
	int i;

	for (i = 0; i < ROUNDS; i++) {
		close(new_region(REGION));
		ASSERT_EQ(0, unlink(REGION));
	}
	EXPECT_TRUE(slab_settles("mm_struct", mms));
	EXPECT_TRUE(no_more_than("PageTables", tables + ROUNDS));
}

TEST_F(lifetime, regions_that_were_used_leave_nothing_behind)
{
	long mms = slab("mm_struct"), vmas = slab("vm_area_struct");
	long tables = meminfo("PageTables"), memory = meminfo("Shmem");
	int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = make_region(REGION, 1);
		char *addr = attach(fd);

		ASSERT_NE(NULL, addr);
		ASSERT_EQ(0, map_anon(fd, 0, PAGE));
		*(volatile char *)addr = 1;
		/* Both orders alternate: objects first, or the container first. */
		if (i % 2)
			ASSERT_EQ(0, unmap_object(fd, 0, UNIT));
		ASSERT_EQ(0, detach(addr));
		ASSERT_EQ(0, unlink(REGION));
		close(fd);
	}
	EXPECT_TRUE(slab_settles("mm_struct", mms));
	EXPECT_TRUE(slab_settles("vm_area_struct", vmas));
	EXPECT_TRUE(no_more_than("PageTables", tables + ROUNDS));
	EXPECT_TRUE(no_more_than("Shmem", memory + ROUNDS));
}

TEST_F(lifetime, instances_leave_nothing_behind)
{
	long mms = slab("mm_struct");
	int i, fd;

	for (i = 0; i < ROUNDS / 4; i++) {
		ASSERT_EQ(0, umount(MNT));
		ASSERT_EQ(0, mount_mshare(MNT, NULL));
		fd = make_region(REGION, 1);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, map_anon(fd, 0, PAGE));
		close(fd);
	}
	EXPECT_TRUE(EVENTUALLY(slab("mm_struct") < mms + ROUNDS / 8));
}

LEAVES_NOTHING
IS_ITS_SECTION
TEST_HARNESS_MAIN
