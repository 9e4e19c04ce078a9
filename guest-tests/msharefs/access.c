// SPDX-License-Identifier: GPL-2.0
/*
 * How the kernel itself accesses the memory of a process, and read-only
 * containers.
 */
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sys/ptrace.h>

#include "msharefs.h"

#define SIZE	MiB

FIXTURE(access) {
	struct peer peer;
	char *addr, *readonly;
	long there;
	int fd;
};

FIXTURE_SETUP(access)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	self->peer = peer_start();
	self->there = peer_attach(&self->peer, self->fd, RW, NULL);
	ASSERT_LT(0, self->there);
	self->addr = attach(self->fd);
	self->readonly = attach_units(self->fd, PROT_READ, 1);
	ASSERT_NE(NULL, self->addr);
	ASSERT_NE(NULL, self->readonly);
}

FIXTURE_TEARDOWN(access)
{
	kill(self->peer.pid, SIGKILL);
	peer_stop(&self->peer);
	detach(self->addr);
	detach(self->readonly);
	close(self->fd);
	mshare_leave();
}

static long vm_read(pid_t pid, const void *addr, void *buffer, size_t size)
{
	struct iovec local = { buffer, size }, remote = { (void *)addr, size };

	return or_errno(process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

static long vm_write(pid_t pid, void *addr, void *buffer, size_t size)
{
	struct iovec local = { buffer, size }, remote = { addr, size };

	return or_errno(process_vm_writev(pid, &local, 1, &remote, 1, 0));
}

/* ----- Slow get_user_pages(), of another process ----- */

TEST_F(access, another_process_is_read_where_it_has_not_been)
{
	char byte = 1;

	/* Neither the link nor the page exists. */
	EXPECT_EQ(1, vm_read(self->peer.pid, (char *)self->there + PAGE,
			     &byte, 1));
	EXPECT_EQ(0, byte);
	ASSERT_EQ(0, poke(self->addr + PAGE, 5));
	EXPECT_EQ(1, vm_read(self->peer.pid, (char *)self->there + PAGE,
			     &byte, 1));
	EXPECT_EQ(5, byte);
}

TEST_F(access, another_process_is_written_where_it_has_not_been)
{
	char byte = 6;

	EXPECT_EQ(1, vm_write(self->peer.pid, (char *)self->there + PAGE,
			      &byte, 1));
	EXPECT_EQ(6, peek(self->addr + PAGE));
	EXPECT_EQ(6, peer_peek(&self->peer, self->there + PAGE));
}

TEST_F(access, many_pages_are_read_at_once)
{
	char *buffer = malloc(SIZE);

	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	EXPECT_EQ((long)SIZE, vm_read(self->peer.pid, (char *)self->there,
				      buffer, SIZE));
	EXPECT_EQ(0, check_pages(buffer, SIZE, 7));
	/* A read stops at the end of the object. */
	EXPECT_EQ((long)SIZE, vm_read(self->peer.pid, (char *)self->there,
				      buffer, SIZE) ?: 0);
	EXPECT_EQ(-EFAULT, vm_read(self->peer.pid, (char *)self->there + SIZE,
				   buffer, 1));
	free(buffer);
}

TEST_F(access, holes_and_protection_are_respected)
{
	char byte = 1;

	ASSERT_EQ(0, map_object(self->fd, SIZE, PAGE, PROT_READ, ANON, -1, 0));
	ASSERT_EQ(0, map_object(self->fd, SIZE + PAGE, PAGE, PROT_NONE, ANON,
				-1, 0));
	EXPECT_EQ(-EFAULT, vm_read(self->peer.pid, (char *)self->there + 2 *
				   SIZE, &byte, 1));
	EXPECT_EQ(1, vm_read(self->peer.pid, (char *)self->there + SIZE, &byte,
			     1));
	EXPECT_EQ(-EFAULT, vm_write(self->peer.pid, (char *)self->there + SIZE,
				    &byte, 1));
	EXPECT_EQ(-EFAULT, vm_read(self->peer.pid, (char *)self->there + SIZE +
				   PAGE, &byte, 1));
}

TEST_F(access, huge_pages_of_another_process_are_read)
{
	char bytes[2] = { 1, 1 };

	ASSERT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "2"));
	if (map_object(self->fd, 4 * HUGE, 2 * HUGE, RW, ANON | MAP_HUGETLB,
		       -1, 0))
		SKIP(return, "no huge pages");
	EXPECT_EQ(2, vm_read(self->peer.pid, (char *)self->there + 5 * HUGE - 1,
			     bytes, 2));
	EXPECT_EQ(0, bytes[0] | bytes[1]);
	bytes[0] = bytes[1] = 3;
	EXPECT_EQ(2, vm_write(self->peer.pid, (char *)self->there + 5 * HUGE - 1,
			      bytes, 2));
	EXPECT_EQ(3, peek(self->addr + 5 * HUGE));
	EXPECT_EQ(3, peek(self->addr + 5 * HUGE - 1));
	ASSERT_EQ(0, unmap_object(self->fd, 4 * HUGE, 2 * HUGE));
	EXPECT_EQ(0, write_to("/proc/sys/vm/nr_hugepages", "0"));
}

static long poke_text(pid_t pid, void *addr, long value)
{
	return or_errno(ptrace(PTRACE_POKEDATA, pid, addr, value));
}

TEST_F(access, a_debugger_reads_and_writes)
{
	char *there = (char *)self->there;
	int status;

	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, self->peer.pid, 0, 0));
	ASSERT_EQ(self->peer.pid, waitpid(self->peer.pid, &status, 0));
	EXPECT_EQ(0, poke_text(self->peer.pid, there + PAGE, 0x1234));
	EXPECT_EQ(0x1234, ptrace(PTRACE_PEEKDATA, self->peer.pid, there + PAGE,
				 0));
	EXPECT_EQ(0x1234, *(long *)(self->addr + PAGE));
	EXPECT_EQ(-EIO, poke_text(self->peer.pid, there + SIZE, 1));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->peer.pid, 0, 0));
}

TEST_F(access, proc_mem_reads_and_writes)
{
	char path[64], byte = 9;
	int fd;

	sprintf(path, "/proc/%d/mem", self->peer.pid);
	fd = try_open(path, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, pwrite(fd, &byte, 1, self->there + PAGE));
	byte = 0;
	EXPECT_EQ(1, pread(fd, &byte, 1, self->there + PAGE));
	EXPECT_EQ(9, byte);
	EXPECT_EQ(9, peek(self->addr + PAGE));
	EXPECT_GT(0, pread(fd, &byte, 1, self->there + SIZE));
	close(fd);
}

/* ----- Read-only containers ----- */

TEST_F(access, a_readonly_container_is_read_and_not_written)
{
	EXPECT_EQ(0, peek(self->readonly));
	EXPECT_EQ(-SIGSEGV, poke(self->readonly, 1));
	/* Even if another process has written, so that the entry is writable. */
	EXPECT_EQ(0, poke(self->addr, 5));
	EXPECT_EQ(5, peek(self->readonly));
	EXPECT_EQ(-SIGSEGV, poke(self->readonly, 6));
	EXPECT_EQ(5, peek(self->addr));
	EXPECT_EQ(0, peer_poke(&self->peer, self->there, 7));
	EXPECT_EQ(7, peek(self->readonly));
}

TEST_F(access, a_readonly_container_cannot_become_writable)
{
	EXPECT_EQ(-EINVAL, or_errno(mprotect(self->readonly, UNIT, RW)));
	EXPECT_EQ(-SIGSEGV, poke(self->readonly, 1));
}

TEST_F(access, a_readonly_container_of_a_readonly_descriptor)
{
	int fd = try_open(REGION, O_RDONLY);
	char *addr = attach_units(fd, PROT_READ, 1);

	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, poke(self->addr, 5));
	EXPECT_EQ(5, peek(addr));
	EXPECT_EQ(-SIGSEGV, poke(addr, 6));
	EXPECT_EQ(5, CHILD(peek(addr)));
	EXPECT_EQ(0, detach(addr));
}

TEST_F(access, a_container_without_access_is_not_accessed)
{
	char *none = attach_units(self->fd, PROT_NONE, 1);

	ASSERT_NE(NULL, none);
	ASSERT_EQ(0, poke(self->addr, 5));
	EXPECT_EQ(-SIGSEGV, peek(none));
	EXPECT_EQ(-SIGSEGV, poke(none, 1));
	EXPECT_EQ(0, detach(none));
}

TEST_F(access, a_debugger_does_not_open_a_container_without_access)
{
	struct peer peer = peer_start();
	long there = peer_attach(&peer, self->fd, PROT_NONE, NULL);
	int status;

	ASSERT_LT(0, there);
	ASSERT_EQ(0, poke(self->addr, 5));
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, peer.pid, 0, 0));
	ASSERT_EQ(peer.pid, waitpid(peer.pid, &status, 0));
	ptrace(PTRACE_PEEKDATA, peer.pid, there, 0);
	ptrace(PTRACE_PEEKDATA, peer.pid, there + PAGE, 0);
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, peer.pid, 0, 0));
	EXPECT_EQ(-SIGSEGV, peer_peek(&peer, there));
	EXPECT_EQ(-SIGSEGV, peer_peek(&peer, there + PAGE));
	EXPECT_EQ(0, peer_stop(&peer));
}

TEST_F(access, a_system_call_does_not_write_to_a_readonly_container)
{
	int pipes[2];

	ASSERT_EQ(0, pipe2(pipes, O_NONBLOCK));
	ASSERT_EQ(0, poke(self->addr, 5));
	ASSERT_EQ(5, peek(self->readonly));
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	EXPECT_EQ(-EFAULT, or_errno(read(pipes[0], self->readonly, 1)));
	EXPECT_EQ(5, peek(self->addr));
	/* The page does not exist yet. */
	EXPECT_EQ(-EFAULT, or_errno(read(pipes[0], self->readonly + PAGE, 1)));
	EXPECT_EQ(1, read(pipes[0], self->addr, 1));
	EXPECT_EQ('x', peek(self->readonly));
}

/* io_uring pins its buffers for writing, by fast get_user_pages(). */
static long pin_for_writing(void *addr, size_t size)
{
	struct io_uring_params params = { };
	struct iovec buffer = { addr, size };
	long fd, result;

	fd = or_errno(syscall(SYS_io_uring_setup, 4, &params));
	if (fd < 0)
		return fd;
	result = or_errno(syscall(SYS_io_uring_register, fd,
				  IORING_REGISTER_BUFFERS, &buffer, 1));
	close(fd);
	return result;
}

TEST_F(access, pages_of_a_readonly_container_are_not_pinned_for_writing)
{
	if (pin_for_writing(self->fd ? malloc(PAGE) : NULL, PAGE))
		SKIP(return, "no io_uring");
	/* The pages exist, and their entries are linked and writable. */
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	ASSERT_EQ(0, check_pages(self->readonly, SIZE, 7));
	EXPECT_EQ(-EFAULT, pin_for_writing(self->readonly, PAGE));
	EXPECT_EQ(-EFAULT, pin_for_writing(self->readonly, SIZE));
	EXPECT_EQ(0, pin_for_writing(self->addr, SIZE));
}

TEST_F(access, pages_are_pinned_before_they_are_touched)
{
	if (pin_for_writing(malloc(PAGE), PAGE))
		SKIP(return, "no io_uring");
	EXPECT_EQ(0, pin_for_writing(self->addr, SIZE));
	EXPECT_EQ(256, fdinfo(self->fd, "mshare-resident"));
	/* A buffer that reaches into a hole. */
	EXPECT_EQ(-EFAULT, pin_for_writing(self->addr + SIZE - PAGE, 2 * PAGE));
}

TEST_F(access, another_process_is_not_written_through_a_readonly_container)
{
	struct peer peer = peer_start();
	long there = peer_attach(&peer, self->fd, PROT_READ, NULL);
	char byte = 9;
	int status;

	ASSERT_LT(0, there);
	ASSERT_EQ(0, poke(self->addr, 5));
	ASSERT_EQ(5, peer_peek(&peer, there));
	EXPECT_EQ(-EFAULT, vm_write(peer.pid, (char *)there, &byte, 1));
	EXPECT_EQ(-EFAULT, vm_write(peer.pid, (char *)there + PAGE, &byte, 1));
	EXPECT_EQ(1, vm_read(peer.pid, (char *)there, &byte, 1));
	EXPECT_EQ(5, byte);
	/* Nor can a debugger write, although it can write to other read-only pages. */
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, peer.pid, 0, 0));
	ASSERT_EQ(peer.pid, waitpid(peer.pid, &status, 0));
	EXPECT_EQ(-EIO, poke_text(peer.pid, (char *)there, 1));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, peer.pid, 0, 0));
	EXPECT_EQ(5, peek(self->addr));
	EXPECT_EQ(0, peer_stop(&peer));
}

TEST_F(access, a_readonly_container_is_inherited_as_such)
{
	ASSERT_EQ(0, poke(self->addr, 5));
	EXPECT_EQ(5, CHILD(peek(self->readonly)));
	EXPECT_EQ(SIGSEGV, CHILD(-poke(self->readonly, 1)));
	EXPECT_EQ(0, CHILD(poke(self->addr, 6)));
	EXPECT_EQ(6, peek(self->readonly));
}

/* ----- Other users of user memory ----- */

TEST_F(access, system_calls_read_and_write_untouched_pages)
{
	int fd = try_open("/dev/zero", O_RDONLY);
	int pipes[2];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ((ssize_t)SIZE, read(fd, self->addr, SIZE));
	EXPECT_EQ(1, write(pipes[1], self->readonly + PAGE, 1));
	EXPECT_EQ(-EFAULT, or_errno(write(pipes[1], self->addr + SIZE, 1)));
	EXPECT_EQ(-EFAULT, or_errno(read(fd, self->addr + SIZE, 1)));
}

TEST_F(access, a_futex_is_the_same_for_all)
{
	int *here = (int *)(self->addr + 8);
	pid_t pid;

	*here = 0;
	pid = fork();
	if (!pid) {
		int *mine = (int *)(attach(self->fd) + 8);

		be_a_child();
		_exit(syscall(SYS_futex, mine, FUTEX_WAIT, 0, NULL) != 0);
	}
	/* A process that waits there is woken through another address. */
	EXPECT_TRUE(EVENTUALLY(syscall(SYS_futex, here, FUTEX_WAKE, 1) == 1)) {
		kill(pid, SIGKILL);
	}
	EXPECT_EQ(0, reap(pid));
}

TEST_F(access, a_process_shared_mutex_works)
{
	struct {
		pthread_mutex_t mutex;
		long count;
	} *shared = (void *)self->addr;
	pthread_mutexattr_t attributes;
	pid_t pids[3];
	int i, j;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->mutex, &attributes);
	for (i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			shared = (void *)attach(self->fd);
			for (j = 0; j < 2000; j++) {
				pthread_mutex_lock(&shared->mutex);
				shared->count++;
				pthread_mutex_unlock(&shared->mutex);
			}
			_exit(0);
		}
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, reap(pids[i]));
	EXPECT_EQ(6000, shared->count);
}

TEST_F(access, pages_are_given_to_a_pipe)
{
	struct iovec page = { self->addr, PAGE };
	char buffer[PAGE];
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, poke(self->addr, 5));
	ASSERT_EQ((ssize_t)PAGE, vmsplice(pipes[1], &page, 1, 0));
	ASSERT_EQ(0, unmap_object(self->fd, 0, SIZE));
	/* The pipe pins the page, even if the object is gone. */
	EXPECT_EQ((ssize_t)PAGE, read(pipes[0], buffer, PAGE));
	EXPECT_EQ(5, buffer[0]);
}

LEAVES_NOTHING
IS_ITS_SECTION
TEST_HARNESS_MAIN
