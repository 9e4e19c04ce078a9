// SPDX-License-Identifier: GPL-2.0
/*
 * How a region gets its size: once, in units, by one of three calls.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "msharefs.h"

enum how { FTRUNCATE, TRUNCATE, FALLOCATE };

FIXTURE(size) {
	int fd;
};

FIXTURE_VARIANT(size) {
	enum how how;
};

FIXTURE_VARIANT_ADD(size, ftruncate) { .how = FTRUNCATE };
FIXTURE_VARIANT_ADD(size, truncate) { .how = TRUNCATE };
FIXTURE_VARIANT_ADD(size, fallocate) { .how = FALLOCATE };

FIXTURE_SETUP(size)
{
	mshare_enter(_metadata);
	self->fd = new_region(REGION);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(size)
{
	close(self->fd);
	mshare_leave();
}

static int set_size(int fd, enum how how, off_t size)
{
	switch (how) {
	case FTRUNCATE:
		return or_errno(ftruncate(fd, size));
	case TRUNCATE:
		return or_errno(truncate(REGION, size));
	case FALLOCATE:
		return or_errno(fallocate(fd, 0, 0, size));
	}
	return -ENOSYS;
}

static long region_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : st.st_size;
}

TEST_F(size, is_zero_at_first)
{
	EXPECT_EQ(0, region_size(self->fd));
}

TEST_F(size, is_seen_by_stat)
{
	EXPECT_EQ(0, set_size(self->fd, variant->how, 2 * UNIT));
	EXPECT_EQ(2 * (long)UNIT, region_size(self->fd));
}

TEST_F(size, cannot_be_set_again)
{
	EXPECT_EQ(0, set_size(self->fd, variant->how, UNIT));
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, UNIT));
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, 2 * UNIT));
	EXPECT_EQ((long)UNIT, region_size(self->fd));
}

TEST_F(size, is_a_multiple_of_the_unit)
{
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, PAGE));
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, UNIT - PAGE));
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, UNIT + 1));
	EXPECT_EQ(0, region_size(self->fd));
	EXPECT_EQ(0, set_size(self->fd, variant->how, UNIT));
}

TEST_F(size, is_not_zero)
{
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, 0));
	/* The failed call has not fixed the size. */
	EXPECT_EQ(0, set_size(self->fd, variant->how, UNIT));
}

TEST_F(size, is_not_negative)
{
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, -(off_t)UNIT));
}

TEST_F(size, fits_into_an_address_space)
{
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, 256 * UNIT));
	EXPECT_EQ(-EINVAL, set_size(self->fd, variant->how, 1024 * UNIT));
	/* The largest one. */
	EXPECT_EQ(0, set_size(self->fd, variant->how, 254 * UNIT));
}

TEST_F(size, obeys_the_limit_of_file_sizes)
{
	struct rlimit limit = { UNIT, RLIM_INFINITY };

	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_EQ(256 + SIGXFSZ,
		  CHILD(-set_size(self->fd, variant->how, 2 * UNIT)));
	signal(SIGXFSZ, SIG_IGN);
	EXPECT_EQ(-EFBIG, set_size(self->fd, variant->how, 2 * UNIT));
	EXPECT_EQ(0, set_size(self->fd, variant->how, UNIT));
}

TEST_F(size, is_not_set_without_write_access)
{
	int fd = try_open(REGION, O_RDONLY);

	ASSERT_LE(0, fd);
	if (variant->how == TRUNCATE)
		SKIP(return, "there is no descriptor");
	EXPECT_EQ(variant->how == FTRUNCATE ? -EINVAL : -EBADF,
		  set_size(fd, variant->how, UNIT));
}

struct racer {
	pthread_barrier_t *start;
	enum how how;
	int fd;
	int units;
	int result;
};

static void *race(void *argument)
{
	struct racer *racer = argument;

	pthread_barrier_wait(racer->start);
	racer->result = set_size(racer->fd, racer->how, racer->units * UNIT);
	return NULL;
}

TEST_F(size, of_two_who_set_it_one_wins)
{
	int i, round;

	for (round = 0; round < 50; round++) {
		pthread_barrier_t start;
		struct racer racers[2];
		pthread_t threads[2];
		int won;

		ASSERT_EQ(0, unlink(REGION));
		close(self->fd);
		self->fd = new_region(REGION);
		ASSERT_LE(0, self->fd);
		pthread_barrier_init(&start, NULL, 2);
		for (i = 0; i < 2; i++) {
			racers[i] = (struct racer) {
				.start = &start, .how = variant->how,
				.fd = self->fd, .units = 1 + i,
			};
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, race,
						    &racers[i]));
		}
		for (i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		pthread_barrier_destroy(&start);
		won = racers[1].result == 0;
		ASSERT_EQ(0, racers[won].result);
		ASSERT_EQ(-EINVAL, racers[!won].result);
		ASSERT_EQ((1 + won) * (long)UNIT, region_size(self->fd));
	}
}

TEST_F(size, survives_o_trunc)
{
	EXPECT_LE(0, try_open(REGION, O_RDWR | O_TRUNC));
	EXPECT_EQ(0, set_size(self->fd, variant->how, UNIT));
	EXPECT_EQ(-EINVAL, try_open(REGION, O_RDWR | O_TRUNC));
	EXPECT_EQ((long)UNIT, region_size(self->fd));
}

/* Arguments that only one of the calls has. */

MSHARE_FIXTURE(fallocate)

TEST_F(fallocate, has_no_modes)
{
	int fd = new_region(REGION);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP,
		  or_errno(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, UNIT)));
	EXPECT_EQ(-EOPNOTSUPP,
		  or_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				     FALLOC_FL_KEEP_SIZE, 0, UNIT)));
	EXPECT_EQ(-EOPNOTSUPP,
		  or_errno(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, UNIT)));
}

TEST_F(fallocate, begins_at_zero)
{
	int fd = new_region(REGION);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, or_errno(fallocate(fd, 0, UNIT, UNIT)));
	EXPECT_EQ(-EINVAL, or_errno(fallocate(fd, 0, -1, UNIT)));
	EXPECT_EQ(0, fallocate(fd, 0, 0, UNIT));
}

/* Operations that need a size, on a region without one. */

MSHARE_FIXTURE(unsized)

TEST_F(unsized, has_no_objects)
{
	int fd = new_region(REGION);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, map_anon(fd, 0, PAGE));
	EXPECT_EQ(-EINVAL, unmap_object(fd, 0, PAGE));
	EXPECT_EQ(-EINVAL, protect_object(fd, 0, PAGE, RW));
	/* The size is checked before the command. */
	EXPECT_EQ(-EINVAL, or_errno(ioctl(fd, _IO('x', 31))));
}

TEST_F(unsized, cannot_be_attached)
{
	int fd = new_region(REGION);

	ASSERT_LE(0, fd);
	EXPECT_EQ(NULL, attach(fd));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, ftruncate(fd, UNIT));
	EXPECT_NE(NULL, attach(fd));
}

LEAVES_NOTHING
TEST_HARNESS_MAIN
