// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: their addresses, the size of their entries, and their end.
 */
#include <sys/resource.h>

#include "guestmemfs.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define BLOCKS 4

FIXTURE(mapping) {
	int fd;
	char *at;
};

FIXTURE_SETUP(mapping)
{
	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = make_sized(FILE_A, BLOCKS * BLOCK);
	ASSERT_LE(0, self->fd);
	self->at = map_fd(self->fd, BLOCKS * BLOCK, 0);
	ASSERT_NE(NULL, self->at);
}

FIXTURE_TEARDOWN(mapping)
{
	gm_leave();
}

/* A value of /proc/self/smaps in KiB for the mapping that begins there. */
static long smaps(const void *at, const char *key)
{
	char line[512], begin[32];
	FILE *file = fopen("/proc/self/smaps", "r");
	bool here = false;
	long value = -1;

	snprintf(begin, sizeof(begin), "%lx-", (unsigned long)at);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "rw-s ") || strstr(line, "r--s "))
			here = !strncmp(line, begin, strlen(begin));
		if (here && !strncmp(line, key, strlen(key))) {
			sscanf(line + strlen(key), ": %ld", &value);
			break;
		}
	}
	fclose(file);
	return value;
}

static long faults_of_touching(char *at, size_t size)
{
	struct rusage before, after;
	size_t i;

	/* The first call may cause faults of its own. */
	getrusage(RUSAGE_THREAD, &after);
	getrusage(RUSAGE_THREAD, &before);
	for (i = 0; i < size; i += PAGE)
		*(volatile char *)(at + i) = 1;
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_minflt - before.ru_minflt;
}

TEST_F(mapping, shows_the_offset_it_was_asked_for)
{
	int i;

	for (i = 0; i < BLOCKS; i++)
		*(long *)(self->at + i * BLOCK) = i + 1;
	*(long *)(self->at + BLOCK + 5 * PAGE) = 77;
	for (i = 0; i < BLOCKS; i++) {
		long *one = (long *)map_fd(self->fd, PAGE, i * BLOCK);

		EXPECT_EQ(i + 1, *one);
	}
	EXPECT_EQ(77, *(long *)map_fd(self->fd, PAGE, BLOCK + 5 * PAGE));
}

TEST_F(mapping, is_shared_between_mappings_and_processes)
{
	char *other = map_fd(self->fd, BLOCK, BLOCK);

	self->at[BLOCK + 123] = 'x';
	EXPECT_EQ('x', other[123]);
	EXPECT_EQ(0, CHILD((other[5] = 'y', 0)));
	EXPECT_EQ('y', self->at[BLOCK + 5]);
}

TEST_F(mapping, keeps_its_data_when_it_is_made_again)
{
	fill(self->at, BLOCKS * BLOCK, 21);
	ASSERT_EQ(0, munmap(self->at, BLOCKS * BLOCK));
	self->at = map_fd(self->fd, BLOCKS * BLOCK, 0);
	EXPECT_TRUE(is_filled(self->at, BLOCKS * BLOCK, 21));
}

TEST_F(mapping, is_aligned_to_blocks_and_made_with_one_fault_for_each)
{
	EXPECT_EQ(0, (unsigned long)self->at % BLOCK);
	EXPECT_EQ(BLOCKS, faults_of_touching(self->at, BLOCKS * BLOCK));
}

TEST_F(mapping, is_made_of_pages_if_the_address_does_not_fit)
{
	char *area = mmap(NULL, 4 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	char *place = (char *)(((unsigned long)area + BLOCK) & ~(BLOCK - 1)) + PAGE;
	char *at = mmap(place, BLOCK, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, self->fd, 0);

	ASSERT_EQ(place, at);
	EXPECT_EQ(BLOCK / PAGE, faults_of_touching(at, BLOCK));
	fill(at, BLOCK, 3);
	EXPECT_TRUE(is_filled(self->at, BLOCK, 3));
}

TEST_F(mapping, is_made_of_pages_if_the_offset_does_not_fit)
{
	char *at = map_fd(self->fd, 2 * BLOCK, BLOCK / 2);

	/* All of the middle block is mapped, but not at an aligned address. */
	*(volatile char *)at = 1;
	EXPECT_EQ(1, self->at[BLOCK / 2]);
	EXPECT_LE(BLOCK / PAGE, faults_of_touching(at, 2 * BLOCK));
	fill(at, 2 * BLOCK, 3);
	EXPECT_TRUE(is_filled(self->at + BLOCK / 2, 2 * BLOCK, 3));
}

TEST_F(mapping, is_made_of_pages_where_a_block_is_not_mapped_whole)
{
	char *at = map_fd(self->fd, BLOCK + 5 * PAGE, 0);

	EXPECT_EQ(1 + 5, faults_of_touching(at, BLOCK + 5 * PAGE));
}

TEST_F(mapping, is_made_of_pages_if_that_is_asked_for)
{
	ASSERT_EQ(0, madvise(self->at, BLOCKS * BLOCK, MADV_NOHUGEPAGE));
	EXPECT_EQ(BLOCK / PAGE, faults_of_touching(self->at, BLOCK));
}

/* The policy is for memory that the kernel compacts, and this is not. */
TEST_F(mapping, does_not_go_by_the_policy_for_huge_pages)
{
	const char *policy = "/sys/kernel/mm/transparent_hugepage/enabled";

	ASSERT_EQ(0, write_to(policy, "never"));
	EXPECT_EQ(1, faults_of_touching(self->at, BLOCK));
	EXPECT_EQ(0, write_to(policy, "madvise"));
	EXPECT_EQ(1, faults_of_touching(self->at + BLOCK, BLOCK));
	EXPECT_EQ(0, write_to(policy, "always"));
	EXPECT_EQ(1, faults_of_touching(self->at + 2 * BLOCK, BLOCK));
}

TEST_F(mapping, large_needs_a_twentieth_of_the_faults_at_most)
{
	char *small = map_fd(self->fd, BLOCKS * BLOCK, 0);
	long large;

	ASSERT_EQ(0, madvise(small, BLOCKS * BLOCK, MADV_NOHUGEPAGE));
	large = faults_of_touching(self->at, BLOCKS * BLOCK);
	EXPECT_LE(20 * large, faults_of_touching(small, BLOCKS * BLOCK));
}

TEST_F(mapping, can_be_split_by_unmapping_a_part)
{
	fill(self->at, BLOCKS * BLOCK, 6);
	ASSERT_EQ(0, munmap(self->at + BLOCK + PAGE, PAGE));
	EXPECT_TRUE(is_filled(self->at, BLOCK, 6));
	EXPECT_EQ(SIGSEGV, touch(self->at + BLOCK + PAGE, false));
	EXPECT_EQ(6 ^ (BLOCK + 1), *(unsigned long *)(self->at + BLOCK));
	EXPECT_EQ(6 ^ (BLOCK + 2 * PAGE + 1),
		  *(unsigned long *)(self->at + BLOCK + 2 * PAGE));
	EXPECT_EQ(6 ^ (2 * BLOCK + 1), *(unsigned long *)(self->at + 2 * BLOCK));
}

TEST_F(mapping, can_be_split_by_protecting_a_part)
{
	fill(self->at, BLOCKS * BLOCK, 6);
	ASSERT_EQ(0, mprotect(self->at + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(SIGSEGV, touch(self->at + PAGE, true));
	EXPECT_EQ(0, touch(self->at + PAGE, false));
	EXPECT_EQ(0, touch(self->at, true));
	EXPECT_EQ(0, touch(self->at + 2 * PAGE, true));
	EXPECT_TRUE(is_filled(self->at, BLOCKS * BLOCK, 6));
	ASSERT_EQ(0, mprotect(self->at + PAGE, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(self->at + PAGE, true));
}

TEST_F(mapping, can_be_protected_as_a_whole)
{
	fill(self->at, BLOCKS * BLOCK, 6);
	ASSERT_EQ(0, mprotect(self->at, BLOCKS * BLOCK, PROT_NONE));
	EXPECT_EQ(SIGSEGV, touch(self->at, false));
	ASSERT_EQ(0, mprotect(self->at, BLOCKS * BLOCK, PROT_READ));
	EXPECT_EQ(SIGSEGV, touch(self->at, true));
	EXPECT_TRUE(is_filled(self->at, BLOCKS * BLOCK, 6));
	ASSERT_EQ(0, mprotect(self->at, BLOCKS * BLOCK, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(self->at, true));
}

TEST_F(mapping, is_writable_after_it_was_read)
{
	EXPECT_EQ(0, touch(self->at, false));
	self->at[0] = 'w';
	self->at[PAGE] = 'w';
	EXPECT_EQ('w', map_fd(self->fd, PAGE, 0)[0]);
}

TEST_F(mapping, of_a_read_only_file_is_read_only)
{
	int fd = try_open(FILE_A, O_RDONLY);
	char *at = mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, at);
	self->at[1] = 'r';
	EXPECT_EQ('r', at[1]);
	EXPECT_EQ(SIGSEGV, touch(at, true));
	EXPECT_EQ(-1, mprotect(at, BLOCK, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-EACCES, map_errno(PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
}

TEST_F(mapping, of_a_write_only_file_is_refused)
{
	int fd = try_open(FILE_A, O_WRONLY);

	EXPECT_EQ(-EACCES, map_errno(PROT_WRITE, MAP_SHARED, fd, 0));
}

TEST_F(mapping, is_not_private)
{
	int fd = try_open(FILE_A, O_RDONLY);

	EXPECT_EQ(-EINVAL, map_errno(PROT_READ | PROT_WRITE, MAP_PRIVATE,
				     self->fd, 0));
	EXPECT_EQ(-EINVAL, map_errno(PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(-EINVAL, map_errno(PROT_READ, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(-EINVAL, map_errno(PROT_NONE, MAP_PRIVATE, fd, 0));
}

TEST_F(mapping, needs_a_page_aligned_offset)
{
	EXPECT_EQ(-EINVAL, map_errno(PROT_READ, MAP_SHARED, self->fd, 512));
	EXPECT_EQ(0, map_errno(PROT_READ, MAP_SHARED, self->fd, PAGE));
}

TEST_F(mapping, beyond_the_end_raises_sigbus)
{
	char *at = map_fd(self->fd, 2 * BLOCK, (BLOCKS - 1) * BLOCK);

	ASSERT_NE(NULL, at);
	EXPECT_EQ(0, touch(at + BLOCK - 1, true));
	EXPECT_EQ(SIGBUS, touch(at + BLOCK, false));
	EXPECT_EQ(SIGBUS, touch(at + BLOCK, true));
	EXPECT_EQ(SIGBUS, touch(at + 2 * BLOCK - 1, true));
	at = map_fd(self->fd, PAGE, 1UL << 40);
	if (at)
		EXPECT_EQ(SIGBUS, touch(at, false));
}

TEST_F(mapping, of_an_empty_file_raises_sigbus)
{
	int fd = make_sized(FILE_B, 0);
	char *at = map_fd(fd, BLOCK, 0);

	EXPECT_EQ(SIGBUS, touch(at, false));
	ASSERT_EQ(0, ftruncate(fd, BLOCK));
	EXPECT_EQ(0, touch(at, true));
}

TEST_F(mapping, loses_what_is_cut_off)
{
	char *pages = map_fd(self->fd, BLOCKS * BLOCK, 0);

	ASSERT_EQ(0, madvise(pages, BLOCKS * BLOCK, MADV_NOHUGEPAGE));
	fill(self->at, BLOCKS * BLOCK, 9);
	EXPECT_TRUE(is_filled(pages, BLOCKS * BLOCK, 9));
	ASSERT_EQ(0, ftruncate(self->fd, 2 * BLOCK));
	EXPECT_TRUE(is_filled(self->at, 2 * BLOCK, 9));
	EXPECT_TRUE(is_filled(pages, 2 * BLOCK, 9));
	EXPECT_EQ(SIGBUS, touch(self->at + 2 * BLOCK, false));
	EXPECT_EQ(SIGBUS, touch(pages + 2 * BLOCK, false));
	EXPECT_EQ(SIGBUS, touch(pages + 3 * BLOCK + PAGE, true));
	ASSERT_EQ(0, ftruncate(self->fd, 3 * BLOCK));
	EXPECT_TRUE(is_zero(self->at + 2 * BLOCK, BLOCK));
	EXPECT_EQ(SIGBUS, touch(self->at + 3 * BLOCK, false));
}

TEST_F(mapping, of_other_processes_loses_what_is_cut_off)
{
	int ready[2], go[2], status;
	char c;
	pid_t child;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (!child) {
		fill(self->at, BLOCKS * BLOCK, 9);
		if (write(ready[1], "", 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(touch(self->at + BLOCK, true) != SIGBUS ||
		      touch(self->at, true));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, ftruncate(self->fd, BLOCK));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F_TIMEOUT(mapping, holds_the_blocks_of_an_unlinked_file, SLOW)
{
	long before = free_blocks();

	fill(self->at, BLOCKS * BLOCK, 9);
	ASSERT_EQ(0, unlink(FILE_A));
	close(self->fd);
	ASSERT_LE(0, make_sized(FILE_B, before * BLOCK));
	EXPECT_TRUE(is_filled(self->at, BLOCKS * BLOCK, 9));
	EXPECT_EQ(0, free_blocks());
	/* So does a part of a mapping. */
	ASSERT_EQ(0, munmap(self->at, BLOCKS * BLOCK - PAGE));
	EXPECT_EQ(0, free_blocks());
	ASSERT_EQ(0, munmap(self->at + BLOCKS * BLOCK - PAGE, PAGE));
	EXPECT_TRUE(EVENTUALLY(free_blocks() == BLOCKS));
}

TEST_F(mapping, held_by_a_process_that_is_killed_is_freed)
{
	long before = free_blocks();
	pid_t child = fork();
	int status;

	if (!child) {
		unlink(FILE_A);
		fill(self->at, BLOCKS * BLOCK, 9);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(before, free_blocks());
	munmap(self->at, BLOCKS * BLOCK);
	close(self->fd);
	EXPECT_TRUE(EVENTUALLY(free_blocks() == before + BLOCKS));
}

TEST_F(mapping, is_inherited_by_fork)
{
	fill(self->at, 2 * BLOCK, 5);
	EXPECT_EQ(0, CHILD((is_filled(self->at, 2 * BLOCK, 5) &&
			       (fill(self->at, BLOCK, 6), true) &&
			       (fill(self->at + 3 * BLOCK, BLOCK, 7), true)) ?
			      0 : 1));
	EXPECT_TRUE(is_filled(self->at, BLOCK, 6));
	EXPECT_TRUE(is_filled(self->at + 3 * BLOCK, BLOCK, 7));
}

TEST_F(mapping, does_not_grow_by_mremap)
{
	char *at = map_fd(self->fd, BLOCK, 0);

	EXPECT_EQ(MAP_FAILED, mremap(at, BLOCK, 2 * BLOCK, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, touch(at, true));
}

TEST_F(mapping, shrinks_by_mremap)
{
	fill(self->at, BLOCKS * BLOCK, 5);
	EXPECT_EQ(self->at, mremap(self->at, BLOCKS * BLOCK, BLOCK + PAGE, 0));
	EXPECT_EQ(SIGSEGV, touch(self->at + BLOCK + PAGE, false));
	EXPECT_TRUE(is_filled(self->at, BLOCK + PAGE, 5));
}

TEST_F(mapping, moves_by_mremap)
{
	char *area = mmap(NULL, 8 * BLOCK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	char *place = (char *)(((unsigned long)area + BLOCK) & ~(BLOCK - 1));
	char *odd = place + PAGE;

	fill(self->at, BLOCKS * BLOCK, 5);
	ASSERT_EQ(place, mremap(self->at, BLOCKS * BLOCK, BLOCKS * BLOCK,
				MREMAP_MAYMOVE | MREMAP_FIXED, place));
	EXPECT_TRUE(is_filled(place, BLOCKS * BLOCK, 5));
	EXPECT_EQ(SIGSEGV, touch(self->at, false));
	/* Move it to an address that is not aligned for large pages. */
	ASSERT_EQ(odd + BLOCKS * BLOCK,
		  mremap(place, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED,
			 odd + BLOCKS * BLOCK));
	EXPECT_TRUE(is_filled(odd + BLOCKS * BLOCK, BLOCK, 5));
	EXPECT_EQ(0, touch(odd + BLOCKS * BLOCK, true));
}

TEST_F(mapping, can_be_locked_without_effect)
{
	EXPECT_EQ(0, mlock(self->at, BLOCKS * BLOCK));
	EXPECT_EQ(0, smaps(self->at, "Locked"));
	EXPECT_EQ(0, munlock(self->at, BLOCKS * BLOCK));
	EXPECT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	EXPECT_NE(NULL, map_fd(self->fd, BLOCK, 0));
	EXPECT_EQ(0, munlockall());
	EXPECT_EQ(0, touch(self->at, true));
}

TEST_F(mapping, is_not_populated_in_advance)
{
	char *at = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, self->fd, 0);

	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(0, touch(at, true));
	EXPECT_EQ(-1, madvise(at, BLOCK, MADV_POPULATE_READ));
	EXPECT_TRUE(errno == EFAULT || errno == EINVAL);
}

TEST_F(mapping, keeps_its_data_whatever_is_advised)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_PAGEOUT, MADV_COLD,
		MADV_MERGEABLE, MADV_COLLAPSE, MADV_HUGEPAGE, MADV_WILLNEED,
		MADV_DONTFORK, MADV_DOFORK, MADV_DODUMP,
	};
	unsigned int i;

	fill(self->at, BLOCKS * BLOCK, 5);
	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		madvise(self->at, BLOCKS * BLOCK, advices[i]);
		ASSERT_TRUE(is_filled(self->at, BLOCKS * BLOCK, 5)) {
			TH_LOG("advice %d", advices[i]);
		}
	}
	EXPECT_EQ(-1, madvise(self->at, BLOCK, MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, madvise(self->at, BLOCK, MADV_DODUMP));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(mapping, can_be_synced)
{
	fill(self->at, BLOCK, 5);
	EXPECT_EQ(0, msync(self->at, BLOCKS * BLOCK, MS_SYNC));
	EXPECT_EQ(0, msync(self->at, BLOCKS * BLOCK, MS_ASYNC));
}

TEST_F(mapping, has_pages_in_core_where_it_was_touched)
{
	unsigned char in_core[2];

	EXPECT_EQ(0, touch(self->at, true));
	EXPECT_EQ(0, mincore(self->at, 2 * PAGE, in_core));
}

TEST_F(mapping, is_not_counted_as_resident_memory)
{
	fill(self->at, BLOCKS * BLOCK, 5);
	EXPECT_EQ(BLOCKS * BLOCK / KiB, smaps(self->at, "Size"));
	EXPECT_EQ(0, smaps(self->at, "Rss"));
}

TEST_F_TIMEOUT(mapping, can_be_large, SLOW)
{
	long all = free_blocks();
	int fd = make_sized(FILE_B, all * BLOCK);
	char *at = map_fd(fd, all * BLOCK, 0);

	EXPECT_EQ(all, faults_of_touching(at, all * BLOCK));
}

TEST_HARNESS_MAIN
