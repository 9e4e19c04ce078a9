// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on a container.  None of them, allowed or not, changes the region for
 * other processes.
 */
#include <linux/userfaultfd.h>
#include <sys/resource.h>
#include <time.h>

#include "msharefs.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define SIZE	(4 * MiB)

/* A region attached by this process and by a peer that checks it. */
FIXTURE(operations) {
	struct peer peer;
	char *addr;
	long there;
	int fd;
};

FIXTURE_SETUP(operations)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	self->peer = peer_start();
	self->there = peer_attach(&self->peer, self->fd, RW, NULL);
	ASSERT_LT(0, self->there);
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
	ASSERT_EQ(0, peer_check(&self->peer, self->there, SIZE, 7));
}

/* Whatever the case did, the peer sees the region unchanged. */
FIXTURE_TEARDOWN(operations)
{
	EXPECT_EQ(0, peer_check(&self->peer, self->there, SIZE, 7));
	EXPECT_EQ(0, peer_poke(&self->peer, self->there, 7));
	EXPECT_EQ(0, peer_stop(&self->peer));
	munmap(self->addr, UNIT);
	close(self->fd);
	mshare_leave();
}

#define INTACT()	EXPECT_EQ(0, check_pages(self->addr, SIZE, 7))

static long try_mremap(void *addr, unsigned long old, unsigned long new,
		       int flags, void *to)
{
	void *result = mremap(addr, old, new, flags, to);

	return result == MAP_FAILED ? -errno : (long)result;
}

/* ----- munmap, mprotect, mremap ----- */

TEST_F(operations, munmap_of_all)
{
	EXPECT_EQ(0, munmap(self->addr, UNIT));
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
}

TEST_F(operations, munmap_of_all_and_the_surroundings)
{
	EXPECT_EQ(0, munmap(self->addr - PAGE, UNIT + 2 * PAGE));
	EXPECT_EQ(-SIGSEGV, peek(self->addr));
}

TEST_F(operations, munmap_of_a_part)
{
	EXPECT_EQ(-EINVAL, or_errno(munmap(self->addr, PAGE)));
	EXPECT_EQ(-EINVAL, or_errno(munmap(self->addr, UNIT - PAGE)));
	EXPECT_EQ(-EINVAL, or_errno(munmap(self->addr + PAGE, PAGE)));
	EXPECT_EQ(-EINVAL, or_errno(munmap(self->addr + UNIT - PAGE, PAGE)));
	INTACT();
}

TEST_F(operations, mmap_over_a_part)
{
	void *result = mmap(self->addr + PAGE, PAGE, RW, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	EXPECT_EQ(MAP_FAILED, result);
	EXPECT_EQ(EINVAL, errno);
	INTACT();
}

TEST_F(operations, mprotect)
{
	EXPECT_EQ(-EINVAL, or_errno(mprotect(self->addr, UNIT, PROT_READ)));
	EXPECT_EQ(-EINVAL, or_errno(mprotect(self->addr, UNIT, PROT_NONE)));
	EXPECT_EQ(-EINVAL, or_errno(mprotect(self->addr, PAGE, PROT_READ)));
	EXPECT_EQ(0, poke(self->addr, 7));
	INTACT();
}

TEST_F(operations, pkey_mprotect)
{
	EXPECT_EQ(-EINVAL, or_errno(pkey_mprotect(self->addr, UNIT, RW, -1)));
	EXPECT_EQ(-EINVAL, or_errno(pkey_mprotect(self->addr, UNIT, RW, 0)));
	INTACT();
}

TEST_F(operations, mremap_that_grows)
{
	EXPECT_EQ(-EFAULT, try_mremap(self->addr, UNIT, 2 * UNIT,
				      MREMAP_MAYMOVE, NULL));
	EXPECT_EQ(-EFAULT, try_mremap(self->addr, UNIT, 2 * UNIT, 0, NULL));
	INTACT();
}

TEST_F(operations, mremap_that_shrinks)
{
	EXPECT_EQ(-EINVAL, try_mremap(self->addr, UNIT, PAGE, 0, NULL));
	INTACT();
}

TEST_F(operations, mremap_that_moves)
{
	char *to = (char *)(24 * UNIT);

	EXPECT_EQ(-EINVAL, try_mremap(self->addr, UNIT, UNIT,
				      MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(-EINVAL, try_mremap(self->addr, PAGE, PAGE,
				      MREMAP_MAYMOVE | MREMAP_FIXED, to));
	INTACT();
	EXPECT_EQ(-SIGSEGV, peek(to));
}

TEST_F(operations, mremap_to_the_same_size)
{
	/* There is nothing to do, and nothing is done. */
	EXPECT_EQ((long)self->addr,
		  try_mremap(self->addr, UNIT, UNIT, 0, NULL));
	INTACT();
}

TEST_F(operations, mremap_that_duplicates)
{
	EXPECT_EQ(-EINVAL, try_mremap(self->addr, 0, UNIT, MREMAP_MAYMOVE,
				      NULL));
	EXPECT_EQ(-EINVAL, try_mremap(self->addr, 0, PAGE, MREMAP_MAYMOVE,
				      NULL));
	INTACT();
}

TEST_F(operations, mremap_that_leaves_the_old_one)
{
	EXPECT_EQ(-EINVAL, try_mremap(self->addr, UNIT, UNIT, MREMAP_MAYMOVE |
				      MREMAP_DONTUNMAP, NULL));
	INTACT();
}

TEST_F(operations, mremap_of_something_else_into_it)
{
	char *other = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, other);
	EXPECT_EQ(-EINVAL, try_mremap(other, PAGE, PAGE, MREMAP_MAYMOVE |
				      MREMAP_FIXED, self->addr + PAGE));
	INTACT();
}

TEST_F(operations, remap_file_pages)
{
	EXPECT_EQ(-EINVAL, or_errno(remap_file_pages(self->addr, PAGE, 0, 1, 0)));
	INTACT();
}

/* ----- madvise ----- */

FIXTURE(advice) {
	struct peer peer;
	char *addr;
	long there;
	int fd;
};

FIXTURE_VARIANT(advice) {
	int advice;
	int whole, part;	/* the expected result */
};

#define ADVICE(name, ...)						\
	FIXTURE_VARIANT_ADD(advice, name) { __VA_ARGS__ }

ADVICE(normal, MADV_NORMAL, 0, 0);
ADVICE(random, MADV_RANDOM, 0, -EINVAL);
ADVICE(sequential, MADV_SEQUENTIAL, 0, -EINVAL);
ADVICE(willneed, MADV_WILLNEED, 0, 0);
ADVICE(dontneed, MADV_DONTNEED, 0, 0);
ADVICE(dontneed_locked, MADV_DONTNEED_LOCKED, 0, 0);
ADVICE(free, MADV_FREE, -EINVAL, -EINVAL);
ADVICE(remove, MADV_REMOVE, -EOPNOTSUPP, -EOPNOTSUPP);
ADVICE(dontfork, MADV_DONTFORK, 0, -EINVAL);
ADVICE(dofork, MADV_DOFORK, 0, 0);
ADVICE(mergeable, MADV_MERGEABLE, 0, 0);
ADVICE(unmergeable, MADV_UNMERGEABLE, 0, 0);
ADVICE(hugepage, MADV_HUGEPAGE, 0, -EINVAL);
ADVICE(nohugepage, MADV_NOHUGEPAGE, 0, -EINVAL);
ADVICE(collapse, MADV_COLLAPSE, -EINVAL, -EINVAL);
ADVICE(dontdump, MADV_DONTDUMP, 0, 0);
ADVICE(dodump, MADV_DODUMP, -EINVAL, -EINVAL);
ADVICE(wipeonfork, MADV_WIPEONFORK, -EINVAL, -EINVAL);
ADVICE(keeponfork, MADV_KEEPONFORK, 0, 0);
ADVICE(cold, MADV_COLD, 0, 0);
ADVICE(pageout, MADV_PAGEOUT, 0, 0);
/* They stop at the first hole, as for a file. */
ADVICE(populate_read, MADV_POPULATE_READ, -EFAULT, 0);
ADVICE(populate_write, MADV_POPULATE_WRITE, -EFAULT, 0);

FIXTURE_SETUP(advice)
{
	mshare_enter(_metadata);
	self->fd = make_region(REGION, 1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, map_anon(self->fd, 0, SIZE));
	self->peer = peer_start();
	self->there = peer_attach(&self->peer, self->fd, RW, NULL);
	ASSERT_LT(0, self->there);
	self->addr = attach(self->fd);
	ASSERT_NE(NULL, self->addr);
	ASSERT_EQ(0, fill_pages(self->addr, SIZE, 7));
}

FIXTURE_TEARDOWN(advice)
{
	EXPECT_EQ(0, peer_stop(&self->peer));
	detach(self->addr);
	close(self->fd);
	mshare_leave();
}

TEST_F(advice, has_its_result_and_leaves_the_contents)
{
	EXPECT_EQ(variant->part,
		  or_errno(madvise(self->addr, SIZE, variant->advice)));
	INTACT();
	EXPECT_EQ(0, peer_check(&self->peer, self->there, SIZE, 7));
	EXPECT_EQ(variant->whole,
		  or_errno(madvise(self->addr, UNIT, variant->advice)));
	INTACT();
	EXPECT_EQ(0, peer_check(&self->peer, self->there, SIZE, 7));
	EXPECT_EQ(0, poke(self->addr, 8));
	EXPECT_EQ(8, peer_peek(&self->peer, self->there));
}

TEST_F(operations, populate_brings_pages_in)
{
	ASSERT_EQ(0, map_anon(self->fd, SIZE, SIZE));
	EXPECT_EQ(1024, fdinfo(self->fd, "mshare-resident"));
	EXPECT_EQ(0, madvise(self->addr + SIZE, SIZE, MADV_POPULATE_WRITE));
	EXPECT_EQ(2048, fdinfo(self->fd, "mshare-resident"));
}

TEST_F(operations, dontneed_takes_no_pages_from_anybody)
{
	EXPECT_EQ(0, madvise(self->addr, UNIT, MADV_DONTNEED));
	EXPECT_EQ(1024, fdinfo(self->fd, "mshare-resident"));
	INTACT();
}

TEST_F(operations, a_container_that_is_not_inherited)
{
	ASSERT_EQ(0, madvise(self->addr, UNIT, MADV_DONTFORK));
	EXPECT_EQ(256 + SIGSEGV, CHILD(*(volatile char *)self->addr));
	INTACT();
}

/* ----- Memory locks, policies, other walkers of page tables ----- */

TEST_F(operations, mlock)
{
	EXPECT_EQ(0, mlock(self->addr, PAGE));
	EXPECT_EQ(0, mlock(self->addr, SIZE));
	/* mlock() faults pages in up to the first hole. */
	EXPECT_EQ(-ENOMEM, or_errno(mlock(self->addr, UNIT)));
	EXPECT_EQ(0, number_in("/proc/self/status", "VmLck"));
	EXPECT_EQ(0, munlock(self->addr, UNIT));
	INTACT();
}

TEST_F(operations, mlockall)
{
	EXPECT_EQ(0, CHILD(-or_errno(mlockall(MCL_CURRENT | MCL_FUTURE)) ?:
			   !!check_pages(self->addr, SIZE, 7)));
}

TEST_F(operations, map_locked_and_map_populate)
{
	void *addr = mmap(NULL, UNIT, RW, MAP_SHARED | MAP_LOCKED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(0, number_in("/proc/self/status", "VmLck"));
	EXPECT_EQ(7, peek(addr));
	EXPECT_EQ(0, munmap(addr, UNIT));
	addr = mmap(NULL, UNIT, RW, MAP_SHARED | MAP_POPULATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, addr);
	EXPECT_EQ(7, peek(addr));
	EXPECT_EQ(0, munmap(addr, UNIT));
}

TEST_F(operations, mseal)
{
	EXPECT_EQ(0, CHILD(({
		int value = 0;

		if (!syscall(462 /* mseal */, self->addr, UNIT, 0))
			value = munmap(self->addr, UNIT) ? errno != EPERM : 1;
		value ?: !!check_pages(self->addr, SIZE, 7);
	})));
}

TEST_F(operations, msync)
{
	EXPECT_EQ(0, msync(self->addr, UNIT, MS_SYNC));
	EXPECT_EQ(0, msync(self->addr, PAGE, MS_ASYNC));
	EXPECT_EQ(0, msync(self->addr, UNIT, MS_INVALIDATE));
	INTACT();
}

TEST_F(operations, mincore_shows_a_hole)
{
	unsigned char pages[1024];
	int i;

	memset(pages, 0xff, sizeof(pages));
	ASSERT_EQ(0, mincore(self->addr, SIZE, pages));
	for (i = 0; i < 1024; i++)
		ASSERT_EQ(0, pages[i] & 1);
	INTACT();
}

TEST_F(operations, mbind)
{
	unsigned long nodes = 1;
	long result = or_errno(syscall(SYS_mbind, self->addr, PAGE, 2, &nodes,
				       64, 0));

	if (result == -ENOSYS)
		SKIP(return, "no NUMA");
	EXPECT_EQ(-EINVAL, result);
	/* MPOL_MF_MOVE */
	EXPECT_EQ(0, syscall(SYS_mbind, self->addr, UNIT, 2, &nodes, 64, 2));
	INTACT();
}

TEST_F(operations, move_pages_finds_none)
{
	void *pages[2] = { self->addr, self->addr + PAGE };
	int status[2] = { 1, 1 }, to[2] = { 1, 1 };

	if (syscall(SYS_move_pages, 0, 2, pages, NULL, status, 0))
		SKIP(return, "no NUMA");
	EXPECT_EQ(-ENOENT, status[0]);
	EXPECT_EQ(-ENOENT, status[1]);
	syscall(SYS_move_pages, 0, 2, pages, to, status, 2);
	EXPECT_EQ(-EFAULT, status[0]);
	INTACT();
}

TEST_F(operations, migrate_pages_moves_none)
{
	unsigned long from = 1, to = 2;
	long result = or_errno(syscall(SYS_migrate_pages, 0, 64, &from, &to));

	if (result < 0)
		SKIP(return, "no NUMA");
	INTACT();
	result = or_errno(syscall(SYS_migrate_pages, 0, 64, &to, &from));
	EXPECT_LE(0, result);
	INTACT();
}

TEST_F(operations, userfaultfd_is_refused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register order = {
		.range = { (unsigned long)self->addr, UNIT },
	};
	unsigned long modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MINOR,
	};
	int fd, i;

	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	for (i = 0; i < 3; i++) {
		order.mode = modes[i];
		EXPECT_EQ(-EINVAL, or_errno(ioctl(fd, UFFDIO_REGISTER, &order)));
	}
	close(fd);
	INTACT();
}

/* The value of a key of smaps for the mapping at addr. */
static long smaps(const char *addr, const char *key)
{
	bool here = false;
	char line[512];
	long value = -1;
	FILE *file = fopen("/proc/self/smaps", "re");

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)addr;
		else if (here && !strncmp(line, key, strlen(key)) &&
			 line[strlen(key)] == ':')
			sscanf(line + strlen(key) + 1, "%ld", &value);
	}
	fclose(file);
	return value;
}

TEST_F(operations, smaps_shows_a_hole)
{
	EXPECT_EQ((long)(UNIT / 1024), smaps(self->addr, "Size"));
	EXPECT_EQ(0, smaps(self->addr, "Rss"));
	EXPECT_EQ(0, smaps(self->addr, "Swap"));
	EXPECT_LE(0, number_in("/proc/self/smaps_rollup", "Rss"));
	INTACT();
}

TEST_F(operations, pagemap_shows_a_hole)
{
	uint64_t entries[1024];
	int i, fd = try_open("/proc/self/pagemap", O_RDONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ((ssize_t)sizeof(entries),
		  pread(fd, entries, sizeof(entries),
			(unsigned long)self->addr / PAGE * 8));
	for (i = 0; i < 1024; i++)
		ASSERT_EQ(0, entries[i] >> 62);
	close(fd);
}

TEST_F(operations, clear_refs)
{
	const char *value[] = { "1", "2", "3", "4", "5" };
	int i;

	for (i = 0; i < 5; i++) {
		write_to("/proc/self/clear_refs", value[i]);
		INTACT();
	}
}

TEST_F(operations, numa_maps)
{
	char buffer[4096];
	int fd = try_open("/proc/self/numa_maps", O_RDONLY);

	if (fd < 0)
		SKIP(return, "no NUMA");
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
	INTACT();
}

#define NUMA_SIZE	(16 * MiB)
#define NUMA_PAGES	((long)(NUMA_SIZE / PAGE))

static void tune(const char *knob, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/sched/numa_balancing/%s",
		 knob);
	write_to(path, value);
}

/*
 * Use memory for some time, or until most of it was marked for hinting faults.
 * Returns how many pages were marked in the guest.
 */
static long marked_pages(char *addr, long milliseconds)
{
	long before = vmstat("numa_pte_updates"), marked;
	struct patience patience = patience_of(milliseconds);

	do {
		if (check_pages(addr, NUMA_SIZE, 7))
			return -1;
		marked = vmstat("numa_pte_updates") - before;
	} while (marked <= NUMA_PAGES / 2 && has_patience(&patience));
	return marked;
}

TEST_F(operations, numa_balancing_leaves_it_alone)
{
	/* Shared memory: private memory of one thread is marked only on another node. */
	char *ordinary = mmap(NULL, NUMA_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);
	char *region = self->addr + (1UL << 30);
	long marked, took;

	ASSERT_NE(MAP_FAILED, ordinary);
	ASSERT_EQ(0, map_anon(self->fd, 1UL << 30, NUMA_SIZE));
	ASSERT_EQ(0, fill_pages(ordinary, NUMA_SIZE, 7));
	ASSERT_EQ(0, fill_pages(region, NUMA_SIZE, 7));
	if (write_to("/proc/sys/kernel/numa_balancing", "1"))
		SKIP(return, "no NUMA balancing");
	tune("scan_delay_ms", "50");
	tune("scan_period_min_ms", "50");
	tune("scan_period_max_ms", "100");

	/* NUMA balancing works: the process' own memory is marked. */
	took = -now_ms();
	marked = marked_pages(ordinary, 60000);
	took += now_ms();
	EXPECT_LT(NUMA_PAGES / 2, marked);
	ASSERT_EQ(0, munmap(ordinary, NUMA_SIZE));
	/* In more than the same time, no page of the region is marked. */
	marked = marked_pages(region, took + 500);
	EXPECT_GT(NUMA_PAGES / 2, marked) {
		TH_LOG("%ld of %ld pages", marked, NUMA_PAGES);
	}
	EXPECT_EQ(0, write_to("/proc/sys/kernel/numa_balancing", "0"));
	EXPECT_EQ(0, check_pages(region, NUMA_SIZE, 7));
	EXPECT_EQ(0, unmap_object(self->fd, 1UL << 30, NUMA_SIZE));
	INTACT();
}

/* debugfs shows the page tables of the process, which exclude those of the region. */
TEST_F(operations, debugfs_page_tables)
{
	FILE *tables = fopen("/sys/kernel/debug/page_tables/current_user", "re");
	unsigned long addr = (unsigned long)self->addr, own = (unsigned long)&tables;
	unsigned long from, to;
	char line[256];
	bool seen = false;

	if (!tables)
		SKIP(return, "no dump of page tables");
	while (fgets(line, sizeof(line), tables)) {
		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (from <= own && own < to && strstr(line, " RW "))
			seen = true;
		if (from < addr + UNIT && to > addr)
			EXPECT_EQ(NULL, strstr(line, " RW ")) {
				TH_LOG("%s", line);
			}
	}
	fclose(tables);
	EXPECT_TRUE(seen);
	INTACT();
}

TEST_F(operations, a_core_dump_leaves_it_out)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	ASSERT_EQ(0, setrlimit(RLIMIT_CORE, &limit));
	/* Dump all kinds of mappings; a dump of the region would take for ever. */
	write_to("/proc/self/coredump_filter", "0x7f");
	EXPECT_EQ(256 + SIGABRT, CHILD((abort(), 0)));
	INTACT();
	ASSERT_EQ(0, unlink(REGION));
	EXPECT_EQ(256 + SIGABRT, CHILD((abort(), 0)));
	INTACT();
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
