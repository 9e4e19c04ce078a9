// SPDX-License-Identifier: GPL-2.0
/*
 * Several processes at once.  Whatever they do, the metadata stays consistent, and
 * no process sees the data of another file.
 *
 * Both parameters can be in the environment or on the kernel's command line:
 * GUESTMEMFS_RACE_SECONDS sets the duration of each case, GUESTMEMFS_SEED repeats
 * the operations of an earlier run.  Each case prints its seed.
 */
#include <dirent.h>

#include "layout.h"

#define WORKERS	4

GM_FIXTURE(races)

/* Run a function in several processes for a time.  Returns how many failed. */
static int race(int (*work)(int worker, unsigned int *seed))
{
	long end = now_ms() + chosen("GUESTMEMFS_RACE_SECONDS", 5) * 1000;
	unsigned int first = chosen_seed();
	int i, status, failed = 0;
	pid_t children[WORKERS];

	for (i = 0; i < WORKERS; i++) {
		children[i] = fork();
		if (!children[i]) {
			unsigned int seed = first + i;
			int err;

			do {
				err = work(i, &seed);
			} while (!err && now_ms() < end);
			if (err)
				printf("# worker %d: %d\n", i, err);
			_exit(err != 0);
		}
	}
	for (i = 0; i < WORKERS; i++) {
		waitpid(children[i], &status, 0);
		failed += status != 0;
	}
	return failed;
}

/*
 * Compare what the kernel counts with the tables in the memory.  Returns 0 if both
 * are equal.
 */
static int compare_counts(void)
{
	struct metadata *meta = malloc(BLOCK);
	long used = 0, inodes = 0, i;
	int err = read_metadata(meta);

	for (i = 0; !err && i < (long)DATA_BLOCKS; i++)
		used += meta->owners[i] != 0;
	for (i = 0; !err && i < INODES; i++)
		inodes += meta->inodes[i].state != STATE_FREE;
	free(meta);
	if (err)
		return err;
	if (used != (long)DATA_BLOCKS - free_blocks())
		return 1000;
	if (inodes != INODES - free_inodes())
		return 1001;
	return 0;
}

/*
 * Compare before an umount, too: a mount counts again, and that finds nothing of
 * what was lost.
 */
static int check_consistency(void)
{
	int err = compare_counts();

	if (err)
		return err;
	if (!EVENTUALLY(umount_gm() == 0))
		return -EBUSY;
	err = mount_gm(NULL);
	return err ? err : compare_counts();
}

static int create_rename_unlink(int worker, unsigned int *seed)
{
	char a[32], b[32];
	int fd;

	snprintf(a, sizeof(a), GM "/%u", rand_r(seed) % 8);
	snprintf(b, sizeof(b), GM "/%u", rand_r(seed) % 8);
	switch (rand_r(seed) % 6) {
	case 0:
		fd = try_open(a, O_RDWR | O_CREAT);
		if (fd < 0)
			return fd == -ENOENT ? 0 : fd;
		if (ftruncate(fd, rand_r(seed) % 8 * BLOCK) && errno != ENOSPC)
			return -errno;
		close(fd);
		return 0;
	case 1:
		return unlink(a) && errno != ENOENT ? -errno : 0;
	case 2:
		return rename(a, b) && errno != ENOENT ? -errno : 0;
	case 3:
		return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) &&
		       errno != ENOENT ? -errno : 0;
	case 4:
		return truncate(a, rand_r(seed) % 4 * BLOCK) &&
		       errno != ENOENT && errno != ENOSPC ? -errno : 0;
	default:
		return chmod(a, rand_r(seed) % 0777) && errno != ENOENT ?
		       -errno : 0;
	}
}

TEST_F_TIMEOUT(races, of_names_leave_the_books_balanced, ANY_TIME)
{
	EXPECT_EQ(0, race(create_rename_unlink));
	EXPECT_EQ(0, check_consistency());
}

/* All workers share one file; each fills blocks and truncates. */
static int touch_and_truncate(int worker, unsigned int *seed)
{
	int fd = try_open(FILE_A, O_RDWR | O_CREAT), i;
	char *at;

	if (fd < 0)
		return fd;
	at = map_fd(fd, 8 * BLOCK, 0);
	close(fd);
	if (!at)
		return -ENOMEM;
	if (rand_r(seed) % 2)
		madvise(at, 8 * BLOCK, MADV_NOHUGEPAGE);
	for (i = 0; i < 20; i++)
		touch(at + rand_r(seed) % (8 * BLOCK), rand_r(seed) % 2);
	if (truncate(FILE_A, rand_r(seed) % 9 * BLOCK))
		return -errno;
	for (i = 0; i < 20; i++)
		touch(at + rand_r(seed) % (8 * BLOCK), rand_r(seed) % 2);
	munmap(at, 8 * BLOCK);
	return 0;
}

TEST_F_TIMEOUT(races, of_faults_with_truncation_are_harmless, ANY_TIME)
{
	EXPECT_EQ(0, race(touch_and_truncate));
	EXPECT_EQ(0, check_consistency());
}

/* Each worker has a file.  Blocks move between files; a worker reads only its own data. */
static int check_own_data(int worker, unsigned int *seed)
{
	long blocks = 1 + rand_r(seed) % 16, i;
	char name[32];
	char *at;
	int fd;

	snprintf(name, sizeof(name), GM "/own%d", worker);
	fd = make_sized(name, blocks * BLOCK);
	if (fd < 0)
		return fd;
	at = map_fd(fd, blocks * BLOCK, 0);
	close(fd);
	if (!at)
		return -ENOMEM;
	for (i = 0; i < blocks * (long)BLOCK; i += 64 * PAGE) {
		if (*(long *)(at + i))
			return 1;
		*(long *)(at + i) = worker + 1;
	}
	for (i = 0; i < blocks * (long)BLOCK; i += 64 * PAGE) {
		if (*(long *)(at + i) != worker + 1)
			return 2;
	}
	if (truncate(name, blocks / 2 * BLOCK) || unlink(name))
		return -errno;
	for (i = 0; i < blocks / 2 * (long)BLOCK; i += 64 * PAGE) {
		if (*(long *)(at + i) != worker + 1)
			return 3;
	}
	munmap(at, blocks * BLOCK);
	return 0;
}

TEST_F_TIMEOUT(races, for_blocks_never_show_foreign_data, ANY_TIME)
{
	EXPECT_EQ(0, race(check_own_data));
	EXPECT_EQ(0, check_consistency());
}

/* Each worker allocates all free blocks. */
static int take_all(int worker, unsigned int *seed)
{
	char name[32];
	int fd, err;

	snprintf(name, sizeof(name), GM "/all%d", worker);
	fd = make_sized(name, (1 + rand_r(seed) % DATA_BLOCKS) * BLOCK);
	if (fd < 0 && fd != -ENOSPC)
		return fd;
	close(fd);
	err = or_errno(unlink(name));
	return err;
}

TEST_F_TIMEOUT(races, for_the_last_block_lose_none, ANY_TIME)
{
	EXPECT_EQ(0, race(take_all));
	EXPECT_EQ(0, check_consistency());
	EXPECT_EQ(DATA_BLOCKS, free_blocks());
}

static int take_all_inodes(int worker, unsigned int *seed)
{
	char name[32];
	int i, err;

	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), GM "/%d.%d", worker, i);
		err = make(name);
		if (err && err != -ENOSPC)
			return err;
	}
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), GM "/%d.%d", worker, i);
		unlink(name);
	}
	return 0;
}

TEST_F_TIMEOUT(races, for_the_last_inode_lose_none, ANY_TIME)
{
	EXPECT_EQ(0, race(take_all_inodes));
	EXPECT_EQ(0, check_consistency());
	EXPECT_EQ(INODES - 1, free_inodes());
}

/* The directory is listed while it changes; each unchanged file is listed once. */
static int list_it(int worker, unsigned int *seed)
{
	char name[32];
	struct dirent *entry;
	int kept = 0;
	DIR *dir;

	if (worker) {
		snprintf(name, sizeof(name), GM "/x%u", rand_r(seed) % 100);
		if (make(name))
			unlink(name);
		return 0;
	}
	dir = opendir(GM);
	while ((entry = readdir(dir)))
		kept += !strncmp(entry->d_name, "keep", 4);
	closedir(dir);
	return kept == 10 ? 0 : 1000 + kept;
}

TEST_F_TIMEOUT(races, with_listing_lose_and_double_nothing, ANY_TIME)
{
	char name[32];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), GM "/keep%d", i);
		ASSERT_EQ(0, make(name));
	}
	EXPECT_EQ(0, race(list_it));
	EXPECT_EQ(0, check_consistency());
}

/* The kernel evicts inodes while they are looked up, unlinked and created. */
static int evict_inodes(int worker, unsigned int *seed)
{
	int fd;

	if (worker)
		return create_rename_unlink(worker, seed);
	fd = try_open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (write(fd, "2", 1) != 1)
		return -errno;
	close(fd);
	usleep(2000);
	return 0;
}

TEST_F_TIMEOUT(races, with_reclaim_of_inodes_are_harmless, ANY_TIME)
{
	EXPECT_EQ(0, race(evict_inodes));
	EXPECT_EQ(0, check_consistency());
}

/* Mappings are copied, split and moved while the file changes under them. */
static int rearrange(int worker, unsigned int *seed)
{
	int fd = try_open(FILE_A, O_RDWR | O_CREAT);
	char *at, *moved;

	if (!worker) {
		close(fd);
		usleep(1000);
		return or_errno(truncate(FILE_A, rand_r(seed) % 5 * BLOCK));
	}
	at = map_fd(fd, 4 * BLOCK, 0);
	close(fd);
	if (!at)
		return -ENOMEM;
	touch(at + rand_r(seed) % (4 * BLOCK), true);
	mprotect(at + BLOCK + rand_r(seed) % 512 * PAGE, PAGE, PROT_READ);
	touch(at + rand_r(seed) % (4 * BLOCK), true);
	munmap(at + 2 * BLOCK + rand_r(seed) % 512 * PAGE, PAGE);
	if (rand_r(seed) % 4 == 0)
		CHILD((touch(at + rand_r(seed) % (4 * BLOCK), true), 0));
	moved = mremap(at, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (moved != MAP_FAILED)
		munmap(moved, BLOCK);
	moved = mremap(at, 0, BLOCK, MREMAP_MAYMOVE);
	if (moved != MAP_FAILED) {
		touch(moved + 5 * PAGE, true);
		munmap(moved, BLOCK);
	}
	munmap(at, 4 * BLOCK);
	return 0;
}

TEST_F_TIMEOUT(races, of_mappings_with_truncation_are_harmless, ANY_TIME)
{
	EXPECT_EQ(0, race(rearrange));
	EXPECT_EQ(0, check_consistency());
}

/* One process mounts and unmounts while another works in the filesystem. */
static int mount_and_work(int worker, unsigned int *seed)
{
	int err;

	if (worker > 1) {
		create_rename_unlink(worker, seed);
		return 0;
	}
	err = umount_gm();
	if (!err || err == -EINVAL)
		err = mount_gm(NULL);
	return err == -EBUSY ? 0 : err;
}

TEST_F_TIMEOUT(races, with_umount_are_harmless, ANY_TIME)
{
	EXPECT_EQ(0, race(mount_and_work));
	/* Mounts can be stacked: unmount until none is left. */
	EXPECT_TRUE(EVENTUALLY(umount_gm() == -EINVAL));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(0, check_consistency());
}

TEST_HARNESS_MAIN
