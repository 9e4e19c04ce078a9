// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that open, publish, replace, clear, unlink and unmount at once.
 * Every successful open returns a published file or a control descriptor, and
 * at the end no reference is left.
 *
 * The two files published are the write ends of two pipes.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "srvfs.h"

#define SECONDS	2
/* On a busy machine, the others can starve a thread. */
#define PATIENCE	40
#define LIMIT	60
#define NUMBER	77

static struct {
	atomic_bool stop;
	atomic_int wrong;	/* what must not happen */
	atomic_int boxed;	/* opens that returned a published file */
	atomic_int control;	/* opens that returned a control descriptor */
	atomic_int rounds;	/* completed rounds of the other threads */
	int one, two;
	int shared;		/* a control descriptor used by all */
} race;

FIXTURE(races) {
	int one, two;		/* read ends: the witnesses */
};

FIXTURE_SETUP(races)
{
	int ends[2];

	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	self->one = ends[0];
	race.one = ends[1];
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	self->two = ends[0];
	race.two = ends[1];
}

FIXTURE_TEARDOWN(races)
{
	srv_leave();
}

static void wrong(const char *what, int value)
{
	if (atomic_fetch_add(&race.wrong, 1) < 5)
		printf("# %s: %d (%s)\n", what, value,
		       value < 0 ? strerror(-value) : "a descriptor");
}

static void *open_again_and_again(void *path)
{
	while (!race.stop) {
		int fd = try_open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0 && fd != -ENOENT)
			wrong("open", fd);
		else if (fd >= 0 && (same_description(fd, race.one) == 1 ||
				     same_description(fd, race.two) == 1))
			race.boxed++;
		else if (fd >= 0 && is_control(fd))
			race.control++;
		else if (fd >= 0)
			wrong("open returned a stranger", fd);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static void publish_by(int control, int number)
{
	int err = write_number(control, number);

	if (err && err != -ENOENT)
		wrong("write", err);
	race.rounds++;
}

static void *create_and_publish(void *path)
{
	while (!race.stop) {
		int control = new_entry(path);
		int i;

		if (control == -EEXIST)
			continue;
		if (control < 0) {
			wrong("create", control);
			continue;
		}
		for (i = 0; i < 8; i++) {
			publish_by(control, race.one);
			publish_by(control, race.two);
			publish_by(control, -1);
			publish_by(control, race.one);
		}
		close(control);
	}
	return NULL;
}

static void *unlink_again_and_again(void *path)
{
	while (!race.stop) {
		if (unlink(path) && errno != ENOENT)
			wrong("unlink", -errno);
		race.rounds++;
		sched_yield();
	}
	return NULL;
}

static void *write_the_first(void *unused)
{
	while (!race.stop)
		publish_by(race.shared, race.one);
	return NULL;
}

static void *write_the_second(void *unused)
{
	while (!race.stop)
		publish_by(race.shared, race.two);
	return NULL;
}

static void *clear_again_and_again(void *unused)
{
	while (!race.stop)
		publish_by(race.shared, -1);
	return NULL;
}

static pthread_t threads[8];

/* Start the threads, each with ENTRY as its argument. */
static int start_threads(void *(* const *bodies)(void *), int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, bodies[i], ENTRY))
			abort();
	}
	return count;
}

static void stop_threads(int count)
{
	int i;

	race.stop = true;
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	printf("# boxed %d, control %d, rounds %d\n", race.boxed, race.control,
	       race.rounds);
}

/* Run threads for some seconds, then until the expected events have happened. */
#define RUN(seen, ...) do {						\
	void *(* const _bodies[])(void *) = { __VA_ARGS__ };		\
	int _count = start_threads(_bodies, ARRAY_SIZE(_bodies));	\
									\
	sleep(SECONDS);							\
	EVENTUALLY_WITHIN(PATIENCE * 1000, seen);			\
	stop_threads(_count);						\
} while (0)

/* When the entry is removed and our write ends are closed, both pipes must hang up. */
static bool nobody_holds(int one, int two)
{
	unlink(ENTRY);
	close(race.one);
	close(race.two);
	return was_dropped(one) && was_dropped(two);
}

TEST_F_TIMEOUT(races, concurrent_set_open_unlink, LIMIT)
{
	RUN(race.boxed && race.rounds, open_again_and_again,
	    open_again_and_again, create_and_publish, unlink_again_and_again);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.boxed);
	EXPECT_LT(0, race.rounds);
	EXPECT_TRUE(nobody_holds(self->one, self->two));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F_TIMEOUT(races, concurrent_set_open_unlink_of_several_publishers, LIMIT)
{
	RUN(race.rounds, open_again_and_again, create_and_publish,
	    create_and_publish,
	    unlink_again_and_again, unlink_again_and_again);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.rounds);
	EXPECT_TRUE(nobody_holds(self->one, self->two));
	EXPECT_EQ(0, umount(SRV));
}

TEST_F_TIMEOUT(races, opening_while_one_descriptor_replaces_and_clears, LIMIT)
{
	race.shared = new_entry(ENTRY);
	ASSERT_LE(0, race.shared);
	RUN(race.boxed && race.control, open_again_and_again, write_the_first,
	    write_the_second, clear_again_and_again);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.boxed);
	EXPECT_LT(0, race.control);
	EXPECT_TRUE(nobody_holds(self->one, self->two));
}

/*
 * Entries are created relative to the directory of the new instance.  By path they
 * could end up in the tmpfs below, if the instance is already unmounted.
 */
static void *mount_publish_and_detach(void *path)
{
	while (!race.stop) {
		int directory, control;

		if (mount_srv(SRV, NULL))
			wrong("mount", -errno);
		directory = try_open(SRV, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		control = !on_srvfs(directory) ? -ENOENT :
			or_errno(openat(directory, "entry", O_RDWR | O_CREAT |
					O_CLOEXEC, 0644));
		if (control >= 0) {
			publish_by(control, race.one);
			publish_by(control, race.two);
			close(control);
		}
		close(directory);
		umount2(SRV, MNT_DETACH);
	}
	return NULL;
}

static void *force_umount(void *path)
{
	while (!race.stop) {
		if (umount2(SRV, MNT_FORCE) && errno != EBUSY &&
		    errno != EINVAL)
			wrong("umount", -errno);
		race.rounds++;
		sched_yield();
	}
	return NULL;
}

TEST_F_TIMEOUT(races, opening_while_instances_come_and_are_forced_to_go, LIMIT)
{
	ASSERT_EQ(0, umount(SRV));
	RUN(race.boxed, open_again_and_again, open_again_and_again,
	    mount_publish_and_detach, force_umount);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.boxed);
	while (umount2(SRV, MNT_DETACH) == 0)
		;
	EXPECT_TRUE(nobody_holds(self->one, self->two));
}

TEST_F_TIMEOUT(races, publishing_while_a_forced_umount_empties_entries, LIMIT)
{
	race.shared = new_entry(ENTRY);
	ASSERT_LE(0, race.shared);
	RUN(race.boxed, open_again_and_again, write_the_first,
	    write_the_second, force_umount);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.boxed);
	close(race.shared);
	EXPECT_TRUE(nobody_holds(self->one, self->two));
	EXPECT_TRUE(EVENTUALLY(umount(SRV) == 0 || errno == EINVAL));
}

static void *publish_a_number(void *unused)
{
	while (!race.stop) {
		int err = write_number(race.shared, NUMBER);

		if (err && err != -EBADF)
			wrong("write", err);
	}
	return NULL;
}

static void *open_and_close_the_number(void *unused)
{
	while (!race.stop) {
		dup2(race.one, NUMBER);
		close(NUMBER);
		dup2(race.two, NUMBER);
		dup2(race.one, NUMBER);
		close(NUMBER);
		race.rounds++;
	}
	return NULL;
}

TEST_F_TIMEOUT(races, publishing_a_number_that_is_being_closed, LIMIT)
{
	race.shared = new_entry(ENTRY);
	ASSERT_LE(0, race.shared);
	RUN(race.rounds, publish_a_number, open_and_close_the_number,
	    clear_again_and_again);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.rounds);
	EXPECT_TRUE(nobody_holds(self->one, self->two));
}

#define TAG	0x5bf50000u

/* A file that has its tag as contents, or -errno. */
static int tagged_file(unsigned int tag)
{
	int fd = or_errno(memfd_create("tagged", MFD_CLOEXEC));

	if (fd >= 0 && pwrite(fd, &tag, sizeof(tag), 0) != sizeof(tag))
		wrong("pwrite", -errno);
	return fd;
}

/* Close each file once it is published, so that the entry holds the last reference. */
static void *publish_and_close(void *unused)
{
	unsigned int round = 0;

	while (!race.stop) {
		int fd = tagged_file(TAG | (round++ & 0xffff));

		publish_by(race.shared, fd);
		close(fd);
	}
	return NULL;
}

static void *open_and_read_the_tag(void *path)
{
	while (!race.stop) {
		int fd = try_open(path, O_RDWR | O_CLOEXEC);
		unsigned int tag = 0;

		if (fd < 0) {
			wrong("open", fd);
			continue;
		}
		if (is_control(fd))
			race.control++;
		else if (pread(fd, &tag, sizeof(tag), 0) != sizeof(tag))
			wrong("pread", -errno);
		else if ((tag & 0xffff0000u) != TAG)
			wrong("tag", tag);
		else
			race.boxed++;
		if (close(fd))
			wrong("close", -errno);
	}
	return NULL;
}

/* A kernel that takes a reference too late finds the count at zero, and says so. */
TEST_F_TIMEOUT(races, opening_files_that_only_the_entry_holds, LIMIT)
{
	race.shared = new_entry(ENTRY);
	ASSERT_LE(0, race.shared);
	RUN(race.boxed > 10000 && race.rounds > 10000, open_and_read_the_tag,
	    open_and_read_the_tag, publish_and_close, publish_and_close);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.boxed);
	EXPECT_LT(0, race.rounds);
	EXPECT_EQ(0, write_number(race.shared, -1));
	close(race.shared);
	EXPECT_EQ(0, umount(SRV));
}

#define CREATORS	3
#define CREATIONS	300

static pthread_barrier_t gate;
static atomic_int winners[CREATIONS];

static void *create_exclusively(void *unused)
{
	char path[64];
	int i, control;

	for (i = 0; i < CREATIONS; i++) {
		sprintf(path, SRV "/n%d", i);
		pthread_barrier_wait(&gate);
		control = new_entry(path);
		if (control >= 0) {
			winners[i]++;
			close(control);
		} else if (control != -EEXIST) {
			wrong("create", control);
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(races, one_of_several_creators_wins, LIMIT)
{
	int i;

	pthread_barrier_init(&gate, NULL, CREATORS);
	for (i = 0; i < CREATORS; i++)
		pthread_create(&threads[i], NULL, create_exclusively, NULL);
	for (i = 0; i < CREATORS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, race.wrong);
	for (i = 0; i < CREATIONS; i++) {
		ASSERT_EQ(1, winners[i]);
	}
	EXPECT_EQ(0, umount(SRV));
}

static void *list_again_and_again(void *unused)
{
	while (!race.stop) {
		DIR *directory = opendir(SRV);
		struct dirent *entry;
		int times = 0;

		if (!directory) {
			wrong("opendir", -errno);
			continue;
		}
		while ((entry = readdir(directory)))
			times += !strcmp(entry->d_name, ".");
		if (times != 1)
			wrong("times the directory lists itself", times);
		closedir(directory);
	}
	return NULL;
}

TEST_F_TIMEOUT(races, listing_while_entries_come_and_go, LIMIT)
{
	RUN(race.rounds, list_again_and_again, create_and_publish,
	    unlink_again_and_again);
	EXPECT_EQ(0, race.wrong);
	EXPECT_LT(0, race.rounds);
	EXPECT_TRUE(nobody_holds(self->one, self->two));
	EXPECT_EQ(0, umount(SRV));
}

TEST_HARNESS_MAIN
