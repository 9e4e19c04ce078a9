// SPDX-License-Identifier: GPL-2.0
/*
 * All operations race with each other.  The kernel's own checks detect errors;
 * the program checks only that all processes end well and that nothing is left.
 *
 * MSHARE_RACE_SECONDS, in the environment or on the kernel's command line, sets
 * the duration of each case.
 */
#include <pthread.h>

#include "msharefs.h"

#define SIZE	(2 * MiB)

FIXTURE(races) {
	volatile int *stop;
	pid_t pids[16];
	int count;
	char *addr;
	int fd;
};

FIXTURE_SETUP(races)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	self->stop = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stop);
	self->count = 0;
}

FIXTURE_TEARDOWN(races)
{
	detach(self->addr);
	close(self->fd);
	mshare_leave();
}

typedef void racer_t(FIXTURE_DATA(races) *self, unsigned int round);

static unsigned long somewhere(unsigned int *seed)
{
	return rand_r(seed) % (SIZE / PAGE) * PAGE;
}

/* Start a process that repeats an operation. */
static void start(FIXTURE_DATA(races) *self, racer_t *racer)
{
	unsigned int round = 0;
	pid_t pid = fork();

	if (pid) {
		self->pids[self->count++] = pid;
		return;
	}
	be_a_child();
	while (!*self->stop)
		racer(self, round++);
	_exit(0);
}

static unsigned int seconds(void)
{
	return chosen("MSHARE_RACE_SECONDS", 3);
}

/* End all processes.  Returns how many failed. */
static int finish(FIXTURE_DATA(races) *self)
{
	int i, bad = 0;

	sleep(seconds());
	*self->stop = 1;
	for (i = 0; i < self->count; i++) {
		int code = reap(self->pids[i]);

		if (code) {
			printf("# process %d: %d\n", i, code);
			bad++;
		}
	}
	return bad;
}

/* ----- Operations ----- */

static void change_objects(FIXTURE_DATA(races) *self, unsigned int round)
{
	unsigned int seed = round;
	unsigned long at = somewhere(&seed), size = somewhere(&seed);

	if (size > SIZE - at || !size)
		size = SIZE - at;
	switch (round % 4) {
	case 0:
		unmap_object(self->fd, at, size);
		break;
	case 1:
		map_anon(self->fd, at, size);
		break;
	case 2:
		protect_object(self->fd, at, size,
			       round % 8 < 4 ? PROT_READ : RW);
		break;
	case 3:
		map_anon(self->fd, 0, SIZE);
	}
}

static void touch(FIXTURE_DATA(races) *self, unsigned int round)
{
	unsigned int seed = round;
	int i;

	for (i = 0; i < 64; i++) {
		peek(self->addr + somewhere(&seed));
		poke(self->addr + somewhere(&seed), round);
	}
}

static void attach_and_detach(FIXTURE_DATA(races) *self, unsigned int round)
{
	char *addr = attach_units(self->fd, round % 2 ? RW : PROT_READ, 1);
	unsigned int seed = round;

	if (!addr)
		_exit(1);
	peek(addr + somewhere(&seed));
	poke(addr + somewhere(&seed), 1);
	if (round % 3)
		madvise(addr, UNIT, MADV_DONTNEED);
	peek(addr + somewhere(&seed));
	if (detach(addr))
		_exit(2);
}

static void fork_and_exit(FIXTURE_DATA(races) *self, unsigned int round)
{
	unsigned int seed = round;
	pid_t pid = fork();

	if (!pid) {
		poke(self->addr + somewhere(&seed), 1);
		_exit(0);
	}
	if (pid > 0 && round % 2)
		kill(pid, SIGKILL);
	reap(pid);
}

/* Everything that walks the page tables of a process. */
static void walk(FIXTURE_DATA(races) *self, unsigned int round)
{
	static char buffer[1 << 16];
	static const char * const files[] = {
		"/proc/self/smaps", "/proc/self/smaps_rollup",
		"/proc/self/numa_maps", "/proc/self/maps",
	};
	void *pages[4] = { self->addr, self->addr + PAGE };
	struct iovec local, remote;
	unsigned char core[512];
	int i, fd, status[4], pipes[2];

	fd = try_open(files[round % 4], O_RDONLY);
	if (fd >= 0) {
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		close(fd);
	}
	fd = try_open("/proc/self/pagemap", O_RDONLY);
	if (fd >= 0) {
		if (pread(fd, buffer, 4096, (long)self->addr / PAGE * 8) < 0)
			_exit(1);
		close(fd);
	}
	mincore(self->addr, SIZE, core);
	madvise(self->addr, SIZE, round % 2 ? MADV_COLD : MADV_PAGEOUT);
	madvise(self->addr, SIZE, 22 + round % 2 /* populate */);
	mlock(self->addr, SIZE);
	munlock(self->addr, SIZE);
	mprotect(self->addr, UNIT, PROT_READ);
	mremap(self->addr, UNIT, UNIT, MREMAP_MAYMOVE | MREMAP_FIXED,
	       (void *)(24 * UNIT));
	syscall(SYS_move_pages, 0, 2, pages, NULL, status, 0);
	write_to("/proc/self/clear_refs", round % 2 ? "1" : "4");
	for (i = 0; i < 8; i++) {
		local = (struct iovec) { buffer, sizeof(buffer) };
		remote = (struct iovec) { self->addr + i * sizeof(buffer),
					  sizeof(buffer) };
		process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
		process_vm_writev(getppid(), &local, 1, &remote, 1, 0);
	}
	/* Fast get_user_pages(). */
	if (!pipe(pipes)) {
		for (i = 0; i < 8; i++) {
			remote = (struct iovec) { self->addr + i * PAGE, PAGE };
			vmsplice(pipes[1], &remote, 1, SPLICE_F_NONBLOCK);
		}
		close(pipes[0]);
		close(pipes[1]);
	}
}

static void make_and_remove(FIXTURE_DATA(races) *self, unsigned int round)
{
	static const char * const names[] = { MNT "/a", MNT "/b" };
	const char *name = names[round % 2];
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char *addr;

	if (fd < 0)
		return;
	if (!ftruncate(fd, UNIT))
		map_anon(fd, 0, PAGE);
	addr = attach(fd);
	if (addr) {
		poke(addr, 1);
		if (round % 3)
			detach(addr);
	}
	unlink(name);
	close(fd);
	if (addr && !(round % 3))
		detach(addr);
}

/* ----- Combinations ----- */

TEST_F_TIMEOUT(races, objects_change_while_they_are_touched, 700)
{
	start(self, change_objects);
	start(self, touch);
	start(self, touch);
	start(self, touch);
	EXPECT_EQ(0, finish(self));
}

TEST_F_TIMEOUT(races, containers_come_and_go_while_objects_change, 700)
{
	start(self, change_objects);
	start(self, attach_and_detach);
	start(self, attach_and_detach);
	start(self, fork_and_exit);
	EXPECT_EQ(0, finish(self));
	EXPECT_EQ(1, fdinfo(self->fd, "mshare-attached"));
}

TEST_F_TIMEOUT(races, walkers_while_objects_change, 700)
{
	start(self, change_objects);
	start(self, walk);
	start(self, walk);
	start(self, touch);
	EXPECT_EQ(0, finish(self));
}

TEST_F_TIMEOUT(races, regions_come_and_go, 700)
{
	int i;

	for (i = 0; i < 6; i++)
		start(self, make_and_remove);
	EXPECT_EQ(0, finish(self));
}

TEST_F_TIMEOUT(races, everything_against_everything, 700)
{
	start(self, change_objects);
	start(self, change_objects);
	start(self, touch);
	start(self, touch);
	start(self, attach_and_detach);
	start(self, fork_and_exit);
	start(self, walk);
	start(self, make_and_remove);
	EXPECT_EQ(0, finish(self));
	EXPECT_EQ(1, fdinfo(self->fd, "mshare-attached"));
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	EXPECT_EQ(0, fill_pages(self->addr, SIZE, 3));
	EXPECT_EQ(0, CHILD(!!check_pages(self->addr, SIZE, 3)));
}

/* Threads of one process map and unmap at one address while others touch it. */
struct storm {
	volatile int stop;
	int fd;
	char *at;
};

static void *map_storm(void *argument)
{
	struct storm *storm = argument;
	unsigned int i;

	for (i = 0; !storm->stop; i++) {
		mmap(storm->at, UNIT, i % 2 ? RW : PROT_READ, FIXED, storm->fd,
		     0);
		if (i % 3 == 0)
			munmap(storm->at, UNIT);
		if (i % 3 == 1)
			mmap(storm->at, 16 * PAGE, RW, MAP_PRIVATE |
			     MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	return NULL;
}

static void *touch_storm(void *argument)
{
	struct storm *storm = argument;
	char byte = 0;
	unsigned int i;

	/* Access by system calls, because a signal would end all threads. */
	for (i = 0; !storm->stop; i++) {
		char *addr = storm->at + i % 16 * PAGE;
		struct iovec local = { &byte, 1 }, remote = { addr, 1 };
		int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

		process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
		if (read(fd, addr, 1) < 0)
			sched_yield();
		close(fd);
	}
	return NULL;
}

TEST_F_TIMEOUT(races, threads_at_one_address, 700)
{
	struct storm storm = { .fd = self->fd, .at = (char *)(20 * UNIT) };
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    i < 2 ? map_storm : touch_storm,
					    &storm));
	sleep(seconds());
	storm.stop = 1;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	munmap(storm.at, UNIT);
	EXPECT_EQ(1, fdinfo(self->fd, "mshare-attached"));
}

LEAVES_NOTHING
IS_ITS_SECTION
TEST_HARNESS_MAIN
