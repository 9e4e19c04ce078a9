// SPDX-License-Identifier: GPL-2.0
/*
 * Files are cut off while other processes write to them.  When the call returns,
 * nobody reaches the blocks any more, and before that nobody else has them.
 *
 * GUESTMEMFS_RACE_SECONDS, in the environment or on the kernel's command line, sets
 * the duration of each case.
 */
#include "layout.h"

#define WRITERS		2
#define GROWERS		4
#define BLOCKS		4
#define SIZE		(BLOCKS * BLOCK)
#define TAG		0x6b

/* A writer maps whole blocks so often, or it would have few faults. */
#define COPIES		16

/* So often is the file cut off at least, however slow the guest is. */
#define ROUNDS		20

struct shared {
	volatile unsigned int turn;	/* odd: the file is cut off */
	volatile int stop;
	volatile int go;
	volatile int given;		/* the block has another owner */
	volatile unsigned long rounds[GROWERS];
	volatile unsigned long written;
	volatile unsigned long stale;	/* writes to what was cut off */
};

FIXTURE(truncation) {
	struct shared *shared;
	int fd, other;
};

FIXTURE_SETUP(truncation)
{
	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "only one CPU");
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	self->fd = make_sized(FILE_A, SIZE);
	self->other = make_sized(FILE_B, 0);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(truncation)
{
	gm_leave();
}

static long end_of_case(void)
{
	return now_ms() + chosen("GUESTMEMFS_RACE_SECONDS", 5) * 1000;
}

/* The block of the range that is the first one of a file, or -1. */
static long first_block_of(const char *path)
{
	uint64_t owner = OWNER(stat_of(path).st_ino - 1, 0);
	struct metadata *meta = malloc(BLOCK);
	long i, found = -1;

	if (!read_metadata(meta)) {
		for (i = 0; i < (long)DATA_BLOCKS && found < 0; i++)
			found = meta->owners[i] == owner ? i : -1;
	}
	free(meta);
	return found;
}

/* Is nothing of what the writers write in these blocks? */
static bool has_no_tag(const volatile char *at, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += PAGE) {
		if (at[i])
			return false;
	}
	return true;
}

static sigjmp_buf cut_off;

static void on_sigbus(int signal)
{
	siglongjmp(cut_off, 1);
}

/*
 * Write to one place after another, so that most writes are faults.  What was
 * written last is written again, so that a fault which comes too late is noticed.
 */
static void keep_writing(struct shared *shared, int number, char *at, size_t size,
			 size_t step)
{
	struct sigaction action = { .sa_handler = on_sigbus,
				    .sa_flags = SA_NODEFER };
	static volatile size_t last, next;

	sigaction(SIGBUS, &action, NULL);
	while (!shared->stop) {
		unsigned int turn = shared->turn;

		if (!sigsetjmp(cut_off, 0)) {
			*(volatile char *)(at + last) = TAG;
			if (turn % 2 && shared->turn == turn)
				shared->stale++;
			next = (last + step) % size;
			*(volatile char *)(at + next) = TAG;
			last = next;
			shared->written++;
		}
		shared->rounds[number]++;
	}
}

/* Map the file this often, one mapping behind the other. */
static char *map_copies(int fd, int copies)
{
	char *area = mmap(NULL, copies * SIZE + BLOCK, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = (char *)(((unsigned long)area + BLOCK - 1) & ~(BLOCK - 1));
	int i;

	for (i = 0; i < copies; i++) {
		if (mmap(at + i * SIZE, SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			return NULL;
	}
	return at;
}

static pid_t start_writer(FIXTURE_DATA(truncation) *self, int number, bool large)
{
	int copies = large ? COPIES : 1;
	pid_t pid = fork();
	char *at;

	if (pid)
		return pid;
	be_a_child();
	at = map_copies(self->fd, copies);
	if (!at || (!large && madvise(at, SIZE, MADV_NOHUGEPAGE)))
		_exit(1);
	keep_writing(self->shared, number, at, copies * SIZE,
		     large ? BLOCK : PAGE);
	_exit(0);
}

/* All writers have tried both of their writes since this began. */
static bool all_have_tried(struct shared *shared)
{
	unsigned long before[WRITERS];
	bool tried = true;
	int i;

	for (i = 0; i < WRITERS; i++)
		before[i] = shared->rounds[i];
	for (i = 0; i < WRITERS; i++)
		tried &= EVENTUALLY(shared->rounds[i] >= before[i] + 3);
	return tried;
}

/* Pass some time, but less than the writers need for all of the file. */
static void spend_time(unsigned int *seed)
{
	volatile unsigned int left = rand_r(seed) % 40000;

	while (left)
		left--;
}

static void cut_off_while_others_write(struct __test_metadata *_metadata,
				       FIXTURE_DATA(truncation) *self, bool large)
{
	long end = end_of_case(), block = first_block_of(FILE_A), rounds = 0;
	struct shared *shared = self->shared;
	unsigned int seed = chosen_seed();
	pid_t pids[WRITERS];
	char *others;
	int i;

	ASSERT_LE(0, block);
	others = map_fd(self->other, SIZE, 0);
	ASSERT_NE(NULL, others);
	for (i = 0; i < WRITERS; i++)
		pids[i] = start_writer(self, i, large);
	ASSERT_TRUE(EVENTUALLY(shared->written));
	while ((now_ms() < end || rounds < ROUNDS) && !shared->stale) {
		spend_time(&seed);
		ASSERT_EQ(0, ftruncate(self->fd, 0));
		shared->turn++;
		/* The other file gets the same blocks, and nobody writes to it. */
		ASSERT_EQ(0, ftruncate(self->other, SIZE));
		if (!rounds)
			ASSERT_EQ(block, first_block_of(FILE_B));
		ASSERT_TRUE(all_have_tried(shared));
		ASSERT_TRUE(has_no_tag(others, SIZE));
		ASSERT_EQ(0, ftruncate(self->other, 0));
		shared->turn++;
		ASSERT_EQ(0, ftruncate(self->fd, SIZE));
		rounds++;
	}
	shared->stop = 1;
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(0, reap(pids[i]));
	EXPECT_EQ(0, shared->stale);
	TH_LOG("cut off %ld times, %lu writes", rounds, shared->written);
}

TEST_F_TIMEOUT(truncation, ends_all_writing_by_small_pages, ANY_TIME)
{
	cut_off_while_others_write(_metadata, self, false);
}

TEST_F_TIMEOUT(truncation, ends_all_writing_by_large_pages, ANY_TIME)
{
	cut_off_while_others_write(_metadata, self, true);
}

/* ----- Before the call returns ----- */

/* So many mappings take the kernel a while to go through. */
#define MAPPINGS	4000

/* Map the first page again and again, in this process only. */
static int map_often(int fd)
{
	size_t size = MAPPINGS * PAGE, i;
	char *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	for (i = 0; i < size; i += PAGE) {
		if (mmap(area + i, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd,
			 0) == MAP_FAILED)
			return -errno;
	}
	return or_errno(madvise(area, size, MADV_DONTFORK));
}

/*
 * Write until the block is cut off.  The kernel goes through mappings in the order
 * in which they were made, so these are the last ones.
 */
static void write_until_cut_off(FIXTURE_DATA(truncation) *self, int number)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	struct shared *shared = self->shared;
	volatile char *at;

	EVENTUALLY(shared->go);
	at = map_fd(self->fd, BLOCK, 0);
	if (!at || madvise((void *)at, BLOCK, MADV_NOHUGEPAGE))
		_exit(1);
	sigaction(SIGBUS, &action, NULL);
	if (sigsetjmp(cut_off, 1))
		_exit(0);
	while (!shared->stop) {
		at[number * PAGE] = TAG;
		shared->rounds[number]++;
	}
	_exit(2);
}

/* Take the block as soon as it is free. */
static void take_block(FIXTURE_DATA(truncation) *self, long before)
{
	while (free_blocks() == before && !self->shared->stop)
		;
	if (ftruncate(self->other, BLOCK))
		_exit(1);
	self->shared->given = 1;
	_exit(0);
}

TEST_F_TIMEOUT(truncation, gives_no_block_away_that_is_mapped, ANY_TIME)
{
	long end = end_of_case(), block = first_block_of(FILE_A), rounds = 0;
	struct shared *shared = self->shared;
	pid_t pids[WRITERS + 1];
	long before;
	char *others;
	int i;

	ASSERT_LE(0, block);
	others = map_fd(self->other, BLOCK, 0);
	ASSERT_NE(NULL, others);
	ASSERT_EQ(0, map_often(self->fd));
	do {
		memset(shared, 0, sizeof(*shared));
		ASSERT_EQ(0, ftruncate(self->fd, BLOCK));
		before = free_blocks();
		for (i = 0; i <= WRITERS; i++) {
			pids[i] = fork();
			if (pids[i])
				continue;
			be_a_child();
			if (i < WRITERS)
				write_until_cut_off(self, i);
			take_block(self, before);
		}
		shared->go = 1;
		for (i = 0; i < WRITERS; i++)
			ASSERT_TRUE(EVENTUALLY(shared->rounds[i]));
		ASSERT_EQ(0, ftruncate(self->fd, 0));
		EXPECT_TRUE(EVENTUALLY(shared->given));
		shared->stop = 1;
		for (i = 0; i <= WRITERS; i++)
			EXPECT_EQ(0, reap(pids[i]));
		ASSERT_EQ(block, first_block_of(FILE_B));
		ASSERT_TRUE(has_no_tag(others, BLOCK));
		rounds++;
		ASSERT_EQ(0, ftruncate(self->other, 0));
	} while (now_ms() < end || rounds < 3);
	TH_LOG("cut off %ld times", rounds);
}

/* ----- Several files at once ----- */

/* Grow by a few blocks, which the kernel zeroes, and give them back. */
static int grow_and_shrink(FIXTURE_DATA(truncation) *self, int number)
{
	unsigned long round = 0;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), GM "/own%d", number);
	fd = make_sized(name, 0);
	if (fd < 0)
		return 1;
	while (!self->shared->stop) {
		if (ftruncate(fd, (1 + round++ % 3) * BLOCK))
			return 2;
		if (ftruncate(fd, 0))
			return 3;
		self->shared->rounds[number] = round;
	}
	return 0;
}

/* However slow the guest is. */
static bool all_have_grown(FIXTURE_DATA(truncation) *self)
{
	int i;

	for (i = 0; i < GROWERS; i++) {
		if (self->shared->rounds[i] < ROUNDS)
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(truncation, of_several_files_at_once_loses_no_block, ANY_TIME)
{
	struct metadata *meta = malloc(BLOCK);
	long end = end_of_case(), i;
	pid_t pids[GROWERS];

	ASSERT_EQ(0, ftruncate(self->fd, 0));
	for (i = 0; i < GROWERS; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			be_a_child();
			_exit(grow_and_shrink(self, i));
		}
	}
	while (now_ms() < end)
		usleep(10000);
	EXPECT_TRUE(EVENTUALLY(all_have_grown(self)));
	self->shared->stop = 1;
	for (i = 0; i < GROWERS; i++) {
		EXPECT_EQ(0, reap(pids[i]));
		TH_LOG("%lu times", (unsigned long)self->shared->rounds[i]);
	}
	/* What this kernel counts, and what is in the memory. */
	EXPECT_EQ(DATA_BLOCKS, free_blocks());
	ASSERT_EQ(0, read_metadata(meta));
	for (i = 0; i < (long)DATA_BLOCKS; i++)
		ASSERT_EQ(0, meta->owners[i]);
	/* Each of them can be had. */
	ASSERT_EQ(0, ftruncate(self->fd, DATA_BLOCKS * BLOCK));
	EXPECT_EQ(0, free_blocks());
	free(meta);
}

TEST_HARNESS_MAIN
