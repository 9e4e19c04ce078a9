// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation of each operation fails in turn.  The operation then returns an
 * error and changes nothing, and the next attempt succeeds.
 */
#include <sys/resource.h>

#include "layout.h"

#define DEBUGFS	"/sys/kernel/debug"
#define SIZE	(2 * BLOCK)
/* An address where no page table exists yet. */
#define FAR	((char *)(32UL << 40))

/* A failed attempt must not change any of this. */
struct state {
	struct metadata *meta;
	struct statfs fs;
	long sizes[2];
	int mappings;
};

FIXTURE(faults) {
	struct state before;
	struct state after;
	char *at;
	int nth_fd;
	int log;
	int fd;
};

static int set(const char *what, const char *knob, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", what, knob);
	return write_to(path, value);
}

static int remount(void)
{
	int err = umount_gm();

	return err ? err : mount_gm(NULL);
}

FIXTURE_SETUP(faults)
{
	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->nth_fd = try_open("/proc/thread-self/fail-nth", O_RDWR);
	/* Fail allocations of slabs and of pages, including those that may sleep. */
	if (self->nth_fd < 0 ||
	    set("failslab", "ignore-gfp-wait", "0") ||
	    set("failslab", "verbose", "0") ||
	    set("fail_page_alloc", "ignore-gfp-wait", "0") ||
	    set("fail_page_alloc", "min-order", "0") ||
	    set("fail_page_alloc", "verbose", "0"))
		SKIP(return, "no fault injection");
	self->before.meta = malloc(BLOCK);
	self->after.meta = malloc(BLOCK);
	ASSERT_EQ(0, close(make_sized(FILE_A, SIZE)));
	ASSERT_EQ(0, close(make_sized(FILE_B, 3 * BLOCK)));
	self->fd = -1;
	self->log = watch_kernel_log();
	ASSERT_LE(0, self->log);
}

FIXTURE_TEARDOWN(faults)
{
	umount2(GM, MNT_DETACH);
	mount_gm("format");
	gm_leave();
}

/* ----- Which allocation fails ----- */

/* Neither this function nor the next allocates memory itself. */
static int fail_nth(FIXTURE_DATA(faults) *self, int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth);

	return write(self->nth_fd, text, length) == length ? 0 : -errno;
}

/* Stop the failures.  Returns true if an allocation has failed. */
static bool has_failed(FIXTURE_DATA(faults) *self)
{
	char text[16] = "";

	if (pread(self->nth_fd, text, sizeof(text) - 1, 0) <= 0)
		return false;
	fail_nth(self, 0);
	return atoi(text) == 0;
}

/* ----- What has changed ----- */

/* The number of kernel mappings of the range. */
static int kernel_mappings(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	char line[512], *phys;
	int found = 0;

	while (file && fgets(line, sizeof(line), file)) {
		unsigned long at;

		phys = strstr(line, "phys=");
		at = phys ? strtoul(phys + 5, NULL, 0) : 0;
		found += at >= RANGE_BASE && at < RANGE_BASE + RANGE_SIZE;
	}
	if (file)
		fclose(file);
	return found;
}

static int look(struct state *state)
{
	state->fs = statfs_gm();
	state->sizes[0] = size_of(FILE_A);
	state->sizes[1] = size_of(FILE_B);
	state->mappings = kernel_mappings();
	return read_metadata(state->meta);
}

static bool is_as_before(FIXTURE_DATA(faults) *self)
{
	struct state *before = &self->before, *after = &self->after;

	return look(after) == 0 &&
	       after->fs.f_type == before->fs.f_type &&
	       after->fs.f_bfree == before->fs.f_bfree &&
	       after->fs.f_ffree == before->fs.f_ffree &&
	       after->sizes[0] == before->sizes[0] &&
	       after->sizes[1] == before->sizes[1] &&
	       after->mappings == before->mappings &&
	       !memcmp(after->meta, before->meta, BLOCK);
}

/* Warnings that are not caused by our operations. */
static bool is_unrelated(const char *record)
{
	static const char *const words[] = {
		/* An allocation in any process fails: the page fault is repeated. */
		";ioremap memtype_reserve failed -12\n",
		";Huh VM_FAULT_OOM leaked out to the #PF",
		/* The host is busy. */
		";hrtimer: interrupt took ",
		";clocksource: ",
		";sched: RT throttling activated\n",
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(record, words[i]))
			return true;
	return false;
}

/* True if the kernel log has no other record of level warning or higher. */
static bool log_is_quiet(FIXTURE_DATA(faults) *self)
{
	char record[8192];
	bool quiet = true;
	ssize_t size;

	while ((size = read(self->log, record, sizeof(record) - 1)) > 0) {
		record[size] = '\0';
		if ((atoi(record) & 7) > 4 || is_unrelated(record))
			continue;
		printf("# %s", record);
		quiet = false;
	}
	return quiet;
}

/* ----- Repetition ----- */

#define MOST	1000

/*
 * Run the action with a failure of the first allocation, then of the second, and
 * so on until none fails.  The action must return 0, or -ENOMEM without any change;
 * then a repetition must return 0.  prepare runs before each attempt, undo after
 * each success.
 */
#define EACH_FAILS(prepare, action, undo) do {				\
	int _nth, _failures = 0;					\
	bool _failed = true;						\
	for (_nth = 1; _failed && _nth < MOST; _nth++) {		\
		long _result;						\
		ASSERT_EQ(0, (prepare));				\
		ASSERT_EQ(0, look(&self->before));			\
		ASSERT_EQ(0, (prepare));				\
		ASSERT_EQ(0, fail_nth(self, _nth));			\
		_result = (action);					\
		_failed = has_failed(self);				\
		if (_result) {						\
			ASSERT_EQ(-ENOMEM, _result) {			\
				TH_LOG("allocation %d", _nth);		\
			}						\
			ASSERT_TRUE(_failed);				\
			ASSERT_TRUE(is_as_before(self)) {		\
				TH_LOG("allocation %d", _nth);		\
			}						\
			ASSERT_EQ(0, (action));				\
			_failures++;					\
		}							\
		ASSERT_EQ(0, (undo));					\
		ASSERT_TRUE(log_is_quiet(self));			\
	}								\
	TH_LOG("%d of %d allocations made it fail", _failures, _nth - 2); \
	EXPECT_FALSE(_failed);						\
	EXPECT_LT(0, _failures);					\
} while (0)

static int mount_away(void)
{
	int err = umount_gm();

	return err == -EINVAL ? 0 : err;
}

TEST_F_TIMEOUT(faults, mounting_what_is_there, SLOW)
{
	EACH_FAILS(mount_away(), mount_gm(NULL), ({
		EXPECT_EQ(SIZE, size_of(FILE_A));
		EXPECT_EQ(3 * BLOCK, size_of(FILE_B));
		EXPECT_EQ(DATA_BLOCKS - 5, free_blocks());
		0;
	}));
}

TEST_F_TIMEOUT(faults, mounting_read_only, SLOW)
{
	EACH_FAILS(mount_away(), mount_read_only(NULL), ({
		EXPECT_EQ(SIZE, size_of(FILE_A));
		EXPECT_EQ(DATA_BLOCKS - 5, free_blocks());
		0;
	}));
}

static int mount_read_only_again(void)
{
	int err = mount_away();

	return err ? err : mount_read_only(NULL);
}

TEST_F_TIMEOUT(faults, making_it_writable, SLOW)
{
	EACH_FAILS(mount_read_only_again(),
		   or_errno(mount("none", GM, NULL, MS_REMOUNT, NULL)), ({
		EXPECT_EQ(0, make(GM "/new"));
		EXPECT_EQ(0, unlink(GM "/new"));
		0;
	}));
}

static int forget_it_was_formatted(struct metadata *meta)
{
	int err = mount_away();

	memset(meta, 0x5a, BLOCK);
	return err ? err : write_metadata(meta);
}

/* After a failed first mount, the next mount must accept the partly formatted memory. */
TEST_F_TIMEOUT(faults, mounting_for_the_first_time, SLOW)
{
	int nth, failures = 0;
	bool failed = true;

	for (nth = 1; failed && nth < MOST; nth++) {
		long result;

		ASSERT_EQ(0, forget_it_was_formatted(self->before.meta));
		ASSERT_EQ(0, fail_nth(self, nth));
		result = mount_gm(NULL);
		failed = has_failed(self);
		if (result) {
			ASSERT_EQ(-ENOMEM, result);
			ASSERT_TRUE(failed);
			ASSERT_EQ(0, kernel_mappings());
			ASSERT_EQ(0, mount_gm(NULL));
			failures++;
		}
		ASSERT_EQ(DATA_BLOCKS, free_blocks());
		ASSERT_EQ(INODES - 1, free_inodes());
		ASSERT_EQ(0, make(FILE_A));
		ASSERT_EQ(0, remount());
		ASSERT_EQ(0, size_of(FILE_A));
		ASSERT_TRUE(log_is_quiet(self));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, failures);
}

/*
 * Either all files exist or none: after it has formatted the memory, the kernel
 * still allocates for the mount itself, and that can fail.
 */
TEST_F_TIMEOUT(faults, formatting_again, SLOW)
{
	int nth, failures = 0, untouched = 0;
	bool failed = true;

	for (nth = 1; failed && nth < MOST; nth++) {
		long result;

		ASSERT_EQ(0, mount_away());
		ASSERT_EQ(0, look(&self->before));
		ASSERT_EQ(0, fail_nth(self, nth));
		result = mount_gm("format");
		failed = has_failed(self);
		if (result) {
			bool same = is_as_before(self);

			ASSERT_EQ(-ENOMEM, result);
			ASSERT_TRUE(failed);
			ASSERT_EQ(0, kernel_mappings());
			ASSERT_EQ(0, mount_gm(NULL));
			ASSERT_EQ(same ? SIZE : -ENOENT, size_of(FILE_A));
			ASSERT_EQ(same ? 3 * BLOCK : -ENOENT, size_of(FILE_B));
			ASSERT_EQ(DATA_BLOCKS - 5 * same, free_blocks());
			ASSERT_EQ(INODES - 1 - 2 * same, free_inodes());
			ASSERT_EQ(0, umount_gm());
			ASSERT_EQ(0, mount_gm("format"));
			untouched += same;
			failures++;
		}
		ASSERT_EQ(DATA_BLOCKS, free_blocks());
		ASSERT_EQ(0, close(make_sized(FILE_A, SIZE)));
		ASSERT_EQ(0, close(make_sized(FILE_B, 3 * BLOCK)));
		ASSERT_TRUE(log_is_quiet(self));
	}
	TH_LOG("%d of %d failures left the files", untouched, failures);
	EXPECT_FALSE(failed);
	EXPECT_LT(0, untouched);
}

/* A rename of "a" to "b" has begun, and another file is to be freed. */
static int leave_half_done(struct metadata *meta, const struct metadata *good,
			   unsigned int a, unsigned int b)
{
	memcpy(meta, good, BLOCK);
	strcpy(meta->inodes[a].name[1], "b");
	meta->words.rename = rename_word(REPLACE, a, b, 1, 0);
	return write_metadata(meta);
}

TEST_F_TIMEOUT(faults, mounting_what_was_left_half_done, SLOW)
{
	unsigned int a = stat_of(FILE_A).st_ino - 1;
	unsigned int b = stat_of(FILE_B).st_ino - 1;
	struct metadata *good = malloc(BLOCK);
	int nth, failures = 0;
	bool failed = true;

	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, read_metadata(good));
	for (nth = 1; failed && nth < MOST; nth++) {
		long result;

		ASSERT_EQ(0, mount_away());
		ASSERT_EQ(0, leave_half_done(self->before.meta, good, a, b));
		ASSERT_EQ(0, fail_nth(self, nth));
		result = mount_gm(NULL);
		failed = has_failed(self);
		if (result) {
			ASSERT_EQ(-ENOMEM, result);
			ASSERT_TRUE(failed);
			ASSERT_EQ(0, mount_gm(NULL));
			failures++;
		}
		ASSERT_FALSE(exists(FILE_A));
		ASSERT_EQ(SIZE, size_of(FILE_B));
		ASSERT_EQ(DATA_BLOCKS - 2, free_blocks());
		ASSERT_EQ(INODES - 2, free_inodes());
		ASSERT_TRUE(log_is_quiet(self));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, failures);
}

TEST_F_TIMEOUT(faults, unmounting, SLOW)
{
	EACH_FAILS(0, umount_gm(), mount_gm(NULL));
}

TEST_F_TIMEOUT(faults, creating, SLOW)
{
	EACH_FAILS(remount(), make(GM "/new"), or_errno(unlink(GM "/new")));
}

/* The kernel has cached neither the name nor the inode, so it reads the blocks. */
TEST_F_TIMEOUT(faults, opening, SLOW)
{
	EACH_FAILS(remount(), ({
		self->fd = try_open(FILE_A, O_RDWR);
		self->fd < 0 ? self->fd : 0;
	}), close(self->fd));
}

TEST_F_TIMEOUT(faults, looking_at_attributes, SLOW)
{
	struct stat st;

	EACH_FAILS(remount(), or_errno(stat(FILE_A, &st)), 0);
}

TEST_F_TIMEOUT(faults, changing_attributes, SLOW)
{
	EACH_FAILS(remount(), or_errno(chmod(FILE_A, 0600)),
		   or_errno(chmod(FILE_A, 0644)));
}

TEST_F_TIMEOUT(faults, listing, SLOW)
{
	char buffer[4096];

	EACH_FAILS(remount(), ({
		int _dir = try_open(GM, O_RDONLY | O_DIRECTORY);
		long _got = _dir;

		if (_dir >= 0) {
			_got = or_errno(syscall(SYS_getdents64, _dir, buffer,
						sizeof(buffer)));
			close(_dir);
		}
		_got > 0 ? 0 : _got;
	}), 0);
}

TEST_F_TIMEOUT(faults, renaming, SLOW)
{
	EACH_FAILS(remount(), or_errno(rename(FILE_A, GM "/new")),
		   or_errno(rename(GM "/new", FILE_A)));
}

TEST_F_TIMEOUT(faults, renaming_over_another, SLOW)
{
	EACH_FAILS(remount(), or_errno(rename(FILE_A, FILE_B)), ({
		ASSERT_EQ(SIZE, size_of(FILE_B));
		ASSERT_EQ(DATA_BLOCKS - 2, free_blocks());
		ASSERT_EQ(0, rename(FILE_B, FILE_A));
		close(make_sized(FILE_B, 3 * BLOCK));
	}));
}

TEST_F_TIMEOUT(faults, exchanging, SLOW)
{
	EACH_FAILS(remount(), or_errno(renameat2(AT_FDCWD, FILE_A, AT_FDCWD,
						 FILE_B, RENAME_EXCHANGE)), ({
		ASSERT_EQ(SIZE, size_of(FILE_B));
		ASSERT_EQ(3 * BLOCK, size_of(FILE_A));
		or_errno(renameat2(AT_FDCWD, FILE_A, AT_FDCWD, FILE_B,
				   RENAME_EXCHANGE));
	}));
}

TEST_F_TIMEOUT(faults, unlinking, SLOW)
{
	EACH_FAILS(remount(), or_errno(unlink(FILE_B)), ({
		ASSERT_EQ(DATA_BLOCKS - 2, free_blocks());
		ASSERT_EQ(INODES - 2, free_inodes());
		close(make_sized(FILE_B, 3 * BLOCK));
	}));
}

TEST_F_TIMEOUT(faults, growing, SLOW)
{
	EACH_FAILS(remount(), or_errno(truncate(FILE_A, 6 * BLOCK)), ({
		ASSERT_EQ(6 * BLOCK, size_of(FILE_A));
		ASSERT_EQ(DATA_BLOCKS - 9, free_blocks());
		or_errno(truncate(FILE_A, SIZE));
	}));
}

TEST_F_TIMEOUT(faults, growing_by_a_descriptor, SLOW)
{
	self->fd = try_open(FILE_A, O_RDWR);
	EACH_FAILS(0, or_errno(ftruncate(self->fd, 6 * BLOCK)), ({
		ASSERT_EQ(DATA_BLOCKS - 9, free_blocks());
		or_errno(ftruncate(self->fd, SIZE));
	}));
}

TEST_F_TIMEOUT(faults, shrinking, SLOW)
{
	EACH_FAILS(remount(), or_errno(truncate(FILE_B, BLOCK)), ({
		ASSERT_EQ(DATA_BLOCKS - 3, free_blocks());
		or_errno(truncate(FILE_B, 3 * BLOCK));
	}));
}

/* The memory that it frees is mapped, by blocks and by pages. */
TEST_F(faults, shrinking_by_a_descriptor_takes_no_memory)
{
	int nth;

	self->fd = try_open(FILE_B, O_RDWR);
	for (nth = 1; nth < 10; nth++) {
		char *huge = map_fd(self->fd, 3 * BLOCK, 0);
		char *small = map_fd(self->fd, 3 * BLOCK, 0);

		ASSERT_NE(NULL, huge);
		ASSERT_NE(NULL, small);
		ASSERT_EQ(0, madvise(small, 3 * BLOCK, MADV_NOHUGEPAGE));
		fill(huge, 3 * BLOCK, nth);
		fill(small, 3 * BLOCK, nth);
		ASSERT_EQ(0, fail_nth(self, nth));
		ASSERT_EQ(0, ftruncate(self->fd, BLOCK));
		has_failed(self);
		EXPECT_EQ(0, touch(huge, true));
		EXPECT_EQ(SIGBUS, touch(huge + BLOCK, true));
		EXPECT_EQ(SIGBUS, touch(small + 2 * BLOCK, true));
		EXPECT_EQ(DATA_BLOCKS - 3, free_blocks());
		munmap(huge, 3 * BLOCK);
		munmap(small, 3 * BLOCK);
		ASSERT_EQ(0, ftruncate(self->fd, 3 * BLOCK));
	}
	EXPECT_TRUE(log_is_quiet(self));
}

TEST_F_TIMEOUT(faults, asking_for_free_space, SLOW)
{
	struct statfs fs;

	EACH_FAILS(remount(), or_errno(statfs(FILE_A, &fs)), 0);
}

/* ----- Mappings ----- */

static long map_far(FIXTURE_DATA(faults) *self)
{
	self->at = mmap(FAR, SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED_NOREPLACE, self->fd, 0);
	return self->at == MAP_FAILED ? -errno : 0;
}

TEST_F_TIMEOUT(faults, mapping, SLOW)
{
	self->fd = try_open(FILE_A, O_RDWR);
	EACH_FAILS(0, map_far(self), ({
		ASSERT_EQ(0, touch(self->at + SIZE - 1, true));
		or_errno(munmap(self->at, SIZE));
	}));
}

TEST_F_TIMEOUT(faults, splitting_a_mapping, SLOW)
{
	self->fd = try_open(FILE_A, O_RDWR);
	EACH_FAILS(({
		munmap(FAR, SIZE);
		ASSERT_EQ(0, map_far(self));
		fill(self->at, SIZE, 7);
		0;
	}), or_errno(munmap(FAR + BLOCK / 2, PAGE)), ({
		EXPECT_EQ(SIGSEGV, touch(FAR + BLOCK / 2, false));
		EXPECT_TRUE(is_filled(FAR, BLOCK / 2, 7));
		EXPECT_EQ(0, touch(FAR + SIZE - 1, true));
		0;
	}));
	munmap(FAR, SIZE);
}

/*
 * The copy of the mapping is a small part of fork(), so this checks less.  The
 * kernel logs much if it has no memory for the stack of a process.
 */
TEST_F_TIMEOUT(faults, forking_with_a_mapping, SLOW)
{
	int nth, failures = 0;
	bool failed = true;

	self->fd = try_open(FILE_A, O_RDWR);
	ASSERT_EQ(0, map_far(self));
	fill(self->at, SIZE, 7);
	for (nth = 1; failed && nth < MOST; nth++) {
		pid_t child;

		ASSERT_EQ(0, fail_nth(self, nth));
		child = fork();
		if (!child)
			_exit(!is_filled(self->at, SIZE, 7));
		failed = has_failed(self);
		if (child < 0) {
			ASSERT_EQ(ENOMEM, errno);
			ASSERT_TRUE(failed);
			failures++;
		} else {
			ASSERT_EQ(0, reap(child));
		}
	}
	TH_LOG("%d of %d allocations made it fail", failures, nth - 2);
	EXPECT_FALSE(failed);
	EXPECT_LT(0, failures);
	EXPECT_TRUE(is_filled(self->at, SIZE, 7));
	EXPECT_EQ(DATA_BLOCKS - 5, free_blocks());
	munmap(self->at, SIZE);
}

/*
 * A page fault that finds no memory is repeated, and keeps the page tables that it
 * has allocated.  The process does not notice, and above all gets no SIGBUS.
 */
static void fault_in(struct __test_metadata *_metadata,
		     FIXTURE_DATA(faults) *self, bool huge)
{
	int nth, failures = 0;
	bool failed = true;
	long faults;

	self->fd = try_open(FILE_A, O_RDWR);
	ASSERT_LE(0, self->fd);
	for (nth = 1; failed && nth < MOST; nth++) {
		ASSERT_EQ(0, map_far(self));
		if (!huge)
			ASSERT_EQ(0, madvise(self->at, SIZE, MADV_NOHUGEPAGE));
		ASSERT_EQ(0, look(&self->before));
		ASSERT_EQ(0, fail_nth(self, nth));
		ASSERT_EQ(0, touch(self->at, nth % 2));
		failed = has_failed(self);
		failures += failed;
		/* The mapping has the same page size as without failures. */
		faults = faults_so_far();
		ASSERT_EQ(0, touch(self->at + 7 * PAGE, nth % 2));
		ASSERT_EQ(huge ? 0 : 1, faults_so_far() - faults);
		fill(self->at, SIZE, nth);
		ASSERT_TRUE(is_filled(self->at, SIZE, nth));
		ASSERT_TRUE(is_as_before(self));
		ASSERT_EQ(0, munmap(self->at, SIZE));
		ASSERT_TRUE(log_is_quiet(self));
	}
	EXPECT_FALSE(failed);
	/* At least the page tables of three levels; a block needs one level less. */
	EXPECT_LE(huge ? 2 : 3, failures);
}

TEST_F_TIMEOUT(faults, faulting_in_a_block, SLOW)
{
	fault_in(_metadata, self, true);
}

TEST_F_TIMEOUT(faults, faulting_in_a_page, SLOW)
{
	fault_in(_metadata, self, false);
}

/* A fault in the kernel is not repeated: the system call fails. */
TEST_F_TIMEOUT(faults, faulting_in_a_block_in_a_system_call, SLOW)
{
	int nth, failures = 0, pipes[2];
	bool failed = true;
	char c;

	ASSERT_EQ(0, pipe(pipes));
	/* So that the pipe has its page. */
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	self->fd = try_open(FILE_A, O_RDWR);
	for (nth = 1; failed && nth < MOST; nth++) {
		long result;

		ASSERT_EQ(0, map_far(self));
		ASSERT_EQ(0, look(&self->before));
		ASSERT_EQ(0, fail_nth(self, nth));
		result = or_errno(read(pipes[0], self->at, 1));
		failed = has_failed(self);
		ASSERT_TRUE(is_as_before(self));
		if (result != 1) {
			ASSERT_EQ(-EFAULT, result);
			ASSERT_TRUE(failed);
			failures++;
			ASSERT_EQ(1, read(pipes[0], self->at, 1));
		}
		c = *self->at;
		EXPECT_EQ('x', c);
		*self->at = 0;
		ASSERT_EQ(1, write(pipes[1], "x", 1));
		ASSERT_EQ(0, munmap(self->at, SIZE));
		ASSERT_TRUE(log_is_quiet(self));
	}
	EXPECT_FALSE(failed);
	EXPECT_LT(0, failures);
}

TEST_HARNESS_MAIN
