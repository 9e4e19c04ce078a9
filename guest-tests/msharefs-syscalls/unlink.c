// SPDX-License-Identifier: GPL-2.0
/*
 * mshare_unlink(), and how long a name and its region live.
 */
#include "mshare.h"

MSHARE_FIXTURE(unlink)

TEST_F(unlink, detaches_and_takes_the_name_away)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 1));
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_EQ(-SIGSEGV, peek(AT));
	EXPECT_FALSE(exists(FILE_));
	EXPECT_EQ(-ENOENT, attach());
	/* A new region of this name is empty. */
	ASSERT_EQ(0, create());
	EXPECT_EQ(0, peek(AT));
}

TEST_F(unlink, an_unknown_name_is_refused)
{
	EXPECT_EQ(-EINVAL, mshare_unlink(NAME));
	ASSERT_EQ(0, create());
	EXPECT_EQ(-EINVAL, mshare_unlink("other"));
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_EQ(-EINVAL, mshare_unlink(NAME));
}

TEST_F(unlink, who_has_not_attached_is_refused)
{
	ASSERT_EQ(0, create());
	EXPECT_EQ(EINVAL, CHILD(munmap(AT, UNIT) ?: -mshare_unlink(NAME)));
	EXPECT_TRUE(exists(FILE_));
	EXPECT_EQ(0, poke(AT, 1));
	/* A process with another mapping at that address can't unlink it, either. */
	EXPECT_EQ(EINVAL, CHILD(munmap(AT, UNIT) ?:
				mshare("other", AT, UNIT, CREATE, 0) ?:
				-mshare_unlink(NAME)));
	EXPECT_EQ(EINVAL, CHILD(munmap(AT, UNIT) ?:
				mmap(AT, UNIT, RW, MAP_PRIVATE | MAP_FIXED |
				     MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
				AT ? 1 : -mshare_unlink(NAME)));
	EXPECT_EQ(0, mshare_unlink(NAME));
}

TEST_F(unlink, the_name_stays_while_another_has_it)
{
	int ends[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 5));
	pid = fork();
	if (!pid) {
		close(ends[1]);
		read(ends[0], &byte, 1);
		_exit(peek(AT) != 5 ? 1 : mshare_unlink(NAME) ?: exists(FILE_));
	}
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_EQ(-SIGSEGV, peek(AT));
	EXPECT_TRUE(exists(FILE_));
	/* The region can be attached again. */
	EXPECT_EQ(0, attach());
	EXPECT_EQ(5, peek(AT));
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_TRUE(exists(FILE_));
	/* The child is the last user. */
	close(ends[1]);
	EXPECT_EQ(0, reap(pid));
	EXPECT_FALSE(exists(FILE_));
	close(ends[0]);
}

TEST_F(unlink, the_dead_do_not_count)
{
	pid_t pid;

	ASSERT_EQ(0, create());
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	kill(pid, SIGKILL);
	ASSERT_EQ(256 + SIGKILL, reap(pid));
	EXPECT_EQ(0, CHILD(0));
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
}

TEST_F(unlink, a_region_outlives_its_creator)
{
	EXPECT_EQ(0, CHILD(create() ?: poke(AT, 5)));
	EXPECT_EQ(256 + SIGKILL, CHILD(attach() ?: poke(AT + PAGE, 6) ?:
				       kill(getpid(), SIGKILL)));
	EXPECT_TRUE(exists(FILE_));
	ASSERT_EQ(0, attach());
	EXPECT_EQ(5, peek(AT));
	EXPECT_EQ(6, peek(AT + PAGE));
	EXPECT_EQ(0, poke(AT + MiB, 7));
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
}

TEST_F(unlink, munmap_and_exec_keep_the_name)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 5));
	ASSERT_EQ(0, munmap(AT, UNIT));
	EXPECT_TRUE(exists(FILE_));
	EXPECT_EQ(-EINVAL, mshare_unlink(NAME));
	ASSERT_EQ(0, attach());
	EXPECT_EQ(5, peek(AT));
	EXPECT_EQ(0, CHILD(({
		/* Any program is suitable; this one lists its cases. */
		freopen("/dev/null", "w", stdout);
		execl("/proc/self/exe", "unlink", "-l", NULL);
		99;
	})) == 99);
	EXPECT_EQ(1, attached());
	EXPECT_EQ(0, mshare_unlink(NAME));
}

TEST_F(unlink, who_may_not_remove_the_file_only_detaches)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, munmap(AT, UNIT));
	EXPECT_EQ(0, CHILD_AS_USER(attach() ?: mshare_unlink(NAME) ?:
			     peek(AT) != -SIGSEGV));
	EXPECT_TRUE(exists(FILE_));
	ASSERT_EQ(0, attach());
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
	/* The owner can. */
	EXPECT_EQ(0, CHILD_AS_USER(create() ?: mshare_unlink(NAME)));
	EXPECT_FALSE(exists(FILE_));
	/* The owner can't, if the directory is not writable. */
	EXPECT_EQ(0, CHILD_AS_USER(create()));
	ASSERT_EQ(0, chmod(DIR, 0755));
	EXPECT_EQ(0, CHILD_AS_USER(attach() ?: mshare_unlink(NAME)));
	EXPECT_TRUE(exists(FILE_));
	/* Root can, whoever the owner is. */
	ASSERT_EQ(0, attach());
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
}

TEST_F(unlink, what_is_mounted_on_the_file_goes)
{
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, mount("/dev/null", FILE_, NULL, MS_BIND, NULL));
	/* mshare_unlink() removes the name, not the file that is mounted on it. */
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
	ASSERT_EQ(0, create());
}

TEST_F(unlink, memory_is_given_back)
{
	long shmem = meminfo("Shmem"), tables = meminfo("PageTables");
	unsigned long at;

	ASSERT_EQ(0, create());
	for (at = 0; at < 32 * MiB; at += PAGE)
		AT[at] = 1;
	EXPECT_LE(shmem + 31 * 1024, meminfo("Shmem"));
	ASSERT_EQ(0, mshare_unlink(NAME));
	EXPECT_TRUE(EVENTUALLY(meminfo("Shmem") < shmem + 64));
	EXPECT_TRUE(EVENTUALLY(meminfo("PageTables") < tables + 32));
}

TEST_F(unlink, memory_is_given_back_with_the_file_system)
{
	long shmem = meminfo("Shmem");
	unsigned long at;

	ASSERT_EQ(0, create());
	for (at = 0; at < 32 * MiB; at += PAGE)
		AT[at] = 1;
	ASSERT_EQ(0, munmap(AT, UNIT));
	EXPECT_LE(shmem + 31 * 1024, meminfo("Shmem"));
	ASSERT_EQ(0, umount(DIR));
	EXPECT_TRUE(EVENTUALLY(meminfo("Shmem") < shmem + 64));
}

/* KASAN's quarantine keeps freed memory for a while, and would look like a leak. */
static bool freed_memory_is_kept(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[512];
	bool found = false;

	while (!found && symbols && fgets(line, sizeof(line), symbols))
		found = strstr(line, " kasan_quarantine_put\n");
	if (symbols)
		fclose(symbols);
	return found;
}

TEST_F(unlink, nothing_is_left_of_many)
{
	long tables = meminfo("PageTables"), slab = meminfo("SUnreclaim");
	int i;

	for (i = 0; i < 500; i++) {
		ASSERT_EQ(0, create());
		AT[0] = 1;
		ASSERT_EQ(0, mshare_unlink(NAME));
	}
	EXPECT_TRUE(EVENTUALLY(meminfo("PageTables") < tables + 200));
	if (freed_memory_is_kept())
		return;
	/* A leaked mm_struct and its counters would be more than 2 kB per round. */
	EXPECT_TRUE(EVENTUALLY(meminfo("SUnreclaim") < slab + 900)) {
		TH_LOG("%ld kB before, %ld after", slab, meminfo("SUnreclaim"));
	}
}

/* Attach and unlink race: the region that is left at the end must be intact. */
TEST_F(unlink, races_with_attaching)
{
	volatile int *stop = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS,
				  -1, 0);
	pid_t pids[6];
	int i;

	for (i = 0; i < 6; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		be_a_child();
		while (!*stop) {
			int ret = mshare(NAME, AT, UNIT, O_RDWR | O_CREAT, 0);

			if (ret)
				_exit(-ret);
			if (poke(AT + i * PAGE, i) ||
			    peek(AT + i * PAGE) != i)
				_exit(201);
			if (i % 3 == 2)
				ret = or_errno(munmap(AT, UNIT));
			else
				ret = mshare_unlink(NAME);
			/*
			 * The region may have lost its name while it was attached,
			 * and the name may belong to a newer region.
			 */
			if (ret == -EINVAL)
				ret = or_errno(munmap(AT, UNIT));
			if (ret)
				_exit(202);
		}
		_exit(0);
	}
	sleep(3);
	*stop = 1;
	for (i = 0; i < 6; i++)
		EXPECT_EQ(0, reap(pids[i]));
	ASSERT_EQ(0, mshare(NAME, AT, UNIT, O_RDWR | O_CREAT, 0));
	EXPECT_EQ(1, attached());
	EXPECT_EQ(0, mshare_unlink(NAME));
	EXPECT_FALSE(exists(FILE_));
}

TEST_HARNESS_MAIN
