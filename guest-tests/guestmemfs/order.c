// SPDX-License-Identifier: GPL-2.0
/*
 * The order in which the kernel writes metadata.  The machine may stop between any
 * two stores, so whatever another CPU sees at any moment must be good for the next
 * kernel.  superblock.c tests what that makes of it.
 *
 * A process on CPU 1 reads the metadata from physical memory without a pause, while
 * this one repeats an operation on CPU 0.  A case goes on until that process has
 * also seen operations half done, because otherwise it was too slow to see anything.
 *
 * GUESTMEMFS_RACE_SECONDS, in the environment or on the kernel's command line, sets
 * the duration of each case.
 */
#include "layout.h"

#define SEEN		3	/* operations half done, at least */
#define BLOCKS		5

/* Shared with the watching process. */
struct watch {
	volatile unsigned long step;	/* the operation that goes on, or the last one */
	volatile unsigned long seen;	/* those half done, as they may be */
	volatile unsigned long wrong;	/* sights of one as it must not be */
	volatile int started;
	volatile int stop;
};

FIXTURE(order) {
	const volatile struct metadata *meta;
	struct watch *watch;
	pid_t pid;
	unsigned int a, b;
};

FIXTURE_SETUP(order)
{
	int fd = physical_memory();

	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "only one CPU");
	ASSERT_LE(0, fd);
	self->meta = mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, fd, RANGE_BASE);
	ASSERT_NE(MAP_FAILED, self->meta);
	close(fd);
	self->watch = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->watch);
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, make(FILE_B));
	self->a = stat_of(FILE_A).st_ino - 1;
	self->b = stat_of(FILE_B).st_ino - 1;
	ASSERT_EQ(0, pin(0));
}

FIXTURE_TEARDOWN(order)
{
	gm_leave();
}

static long seconds(void)
{
	return chosen("GUESTMEMFS_RACE_SECONDS", 5);
}

enum sight { NOTHING, HALF_DONE, WRONG };

/* Look once.  Compares what is read later with what was read before. */
typedef enum sight look_t(FIXTURE_DATA(order) *self, unsigned long step);

static void start_watching(FIXTURE_DATA(order) *self, look_t *look)
{
	struct watch *watch = self->watch;
	unsigned long last = 0;

	self->pid = fork();
	if (self->pid)
		return;
	be_a_child();
	pin(1);
	while (!watch->stop) {
		unsigned long step = watch->step;
		enum sight sight = look(self, step);

		watch->started = 1;
		/* Nothing follows from two looks at different operations. */
		if (watch->step != step)
			continue;
		watch->wrong += sight == WRONG;
		if (sight == HALF_DONE && step != last) {
			watch->seen++;
			last = step;
		}
	}
	_exit(0);
}

/*
 * Repeat an operation for some time, and until it was seen half done often enough.
 * It has the number of the step, and is complete when it returns 0.
 */
#define WATCH(look, operation)						\
	do {								\
		struct patience patience = patience_of(6 * PATIENCE_MS); \
		long end = now_ms() + seconds() * 1000;			\
		struct watch *watch = self->watch;			\
		unsigned long step = 0;					\
									\
		start_watching(self, look);				\
		ASSERT_TRUE(EVENTUALLY(watch->started));		\
		while ((now_ms() < end || watch->seen < SEEN) &&	\
		       !watch->wrong && has_patience(&patience)) {	\
			watch->step = ++step;				\
			ASSERT_EQ(0, operation);			\
		}							\
		watch->stop = 1;					\
		EXPECT_EQ(0, reap(self->pid));				\
		EXPECT_EQ(0, watch->wrong);				\
		EXPECT_LE(SEEN, watch->seen);				\
		TH_LOG("%lu operations, %lu seen half done", step,	\
		       watch->seen);					\
	} while (0)

/* The states that exchanging names gives to the inodes, in turn. */
static uint32_t state_after(unsigned long step)
{
	return step % 2 ? STATE_FILE1 : STATE_FILE0;
}

/* One has changed, the other one has not, and that is not written down. */
static bool is_forgotten(const volatile struct metadata *meta, unsigned int one,
			 unsigned int other, unsigned long step)
{
	bool changed = meta->inodes[one].state == state_after(step);
	bool written_down = meta->words.rename != 0;

	return changed && !written_down &&
	       meta->inodes[other].state != state_after(step);
}

static enum sight look_at_exchange(FIXTURE_DATA(order) *self, unsigned long step)
{
	if (is_forgotten(self->meta, self->a, self->b, step) ||
	    is_forgotten(self->meta, self->b, self->a, step))
		return WRONG;
	return self->meta->words.rename ? HALF_DONE : NOTHING;
}

TEST_F_TIMEOUT(order, a_rename_of_two_files_is_written_down_first, ANY_TIME)
{
	/* Inode a has the first name at one time, and the second one at another. */
	WATCH(look_at_exchange,
	      renameat2(AT_FDCWD, step % 2 ? FILE_A : FILE_B,
			AT_FDCWD, step % 2 ? FILE_B : FILE_A, RENAME_EXCHANGE));
}

/* A name of 200 equal letters, other ones in each step. */
static const char *name_of_step(unsigned long step)
{
	static char names[2][256];
	char *name = names[step % 2];

	snprintf(name, 256, GM "/%0*d", 200, 0);
	memset(name + strlen(GM "/"), 'a' + step % 20, 200);
	return name;
}

static enum sight look_at_name(FIXTURE_DATA(order) *self, unsigned long step)
{
	const volatile struct inode *inode = &self->meta->inodes[self->a];
	char letter = 'a' + step % 20;
	uint32_t state = inode->state;
	const volatile char *name = inode->name[state == STATE_FILE1];
	const volatile char *other = inode->name[state != STATE_FILE1];
	char last = name[199], first = name[0];
	bool prepared = other[0] == letter;

	if (inode->state != state)
		return NOTHING;
	if (first != last || !first)
		return WRONG;
	return prepared && first != letter ? HALF_DONE : NOTHING;
}

TEST_F_TIMEOUT(order, a_new_name_is_written_where_the_present_one_is_not, ANY_TIME)
{
	ASSERT_EQ(0, rename(FILE_A, name_of_step(0)));
	WATCH(look_at_name, rename(name_of_step(step - 1), name_of_step(step)));
}

/* The next new file gets the record of the one that was removed. */
static enum sight look_at_new_file(FIXTURE_DATA(order) *self, unsigned long step)
{
	const volatile struct inode *inode = &self->meta->inodes[self->a];
	char letter = 'a' + step % 20;
	bool named = inode->name[0][0] == letter;
	uint32_t state = inode->state;

	if (step % 2 == 0)
		return NOTHING;
	if (state != STATE_FREE && (inode->name[0][0] != letter ||
				    inode->name[0][199] != letter))
		return WRONG;
	return named && state == STATE_FREE ? HALF_DONE : NOTHING;
}

TEST_F_TIMEOUT(order, a_new_file_has_its_name_before_its_state, ANY_TIME)
{
	ASSERT_EQ(0, unlink(FILE_A));
	WATCH(look_at_new_file,
	      step % 2 ? make(name_of_step(step)) : unlink(name_of_step(step - 1)));
}

/* How many blocks behind the first one have the inode as their owner? */
static unsigned int owned(FIXTURE_DATA(order) *self)
{
	unsigned int i, count = 0;

	for (i = 1; i < BLOCKS; i++)
		count += self->meta->owners[i] == OWNER(self->a, i);
	return count;
}

static enum sight look_at_growth(FIXTURE_DATA(order) *self, unsigned long step)
{
	unsigned int before = owned(self);
	uint64_t size = self->meta->inodes[self->a].size;

	if (step % 2 == 0)
		return NOTHING;
	if (size == BLOCKS * BLOCK && owned(self) != BLOCKS - 1)
		return WRONG;
	return before && size == BLOCK ? HALF_DONE : NOTHING;
}

/* Grow the file in one step, and shrink it in the next one. */
static int resize(unsigned long step)
{
	return truncate(FILE_A, (step % 2 ? BLOCKS : 1) * BLOCK);
}

TEST_F_TIMEOUT(order, owners_are_written_before_a_larger_size, ANY_TIME)
{
	ASSERT_EQ(0, truncate(FILE_A, BLOCKS * BLOCK));
	ASSERT_EQ(BLOCKS - 1, owned(self));
	ASSERT_EQ(0, truncate(FILE_A, BLOCK));
	WATCH(look_at_growth, resize(step));
}

static enum sight look_at_shrinking(FIXTURE_DATA(order) *self, unsigned long step)
{
	unsigned int before = owned(self);
	uint64_t size = self->meta->inodes[self->a].size;

	if (step % 2)
		return NOTHING;
	if (before != BLOCKS - 1 && size == BLOCKS * BLOCK)
		return WRONG;
	return size == BLOCK && owned(self) ? HALF_DONE : NOTHING;
}

TEST_F_TIMEOUT(order, owners_are_cleared_after_a_smaller_size, ANY_TIME)
{
	ASSERT_EQ(0, truncate(FILE_A, BLOCK));
	WATCH(look_at_shrinking, resize(step));
}

static enum sight look_at_removal(FIXTURE_DATA(order) *self, unsigned long step)
{
	uint32_t state = self->meta->inodes[self->a].state;
	unsigned int left = owned(self);

	if (step % 2)
		return NOTHING;
	if (state == STATE_FREE && left)
		return WRONG;
	/* The same few instructions as between both the other way round. */
	return state == STATE_ORPHAN && left < BLOCKS - 1 ? HALF_DONE : NOTHING;
}

static int make_and_remove(unsigned long step)
{
	if (step % 2)
		return close(make_sized(FILE_A, BLOCKS * BLOCK));
	return unlink(FILE_A);
}

TEST_F_TIMEOUT(order, the_blocks_of_an_inode_are_free_before_it, ANY_TIME)
{
	ASSERT_EQ(0, unlink(FILE_A));
	WATCH(look_at_removal, make_and_remove(step));
}

TEST_HARNESS_MAIN
