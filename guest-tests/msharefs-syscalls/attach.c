// SPDX-License-Identifier: GPL-2.0
/*
 * mshare() of a region that exists.
 */
#include "mshare.h"

FIXTURE(attach) { };

/* The region exists, and this process has not mapped it. */
FIXTURE_SETUP(attach)
{
	mshare_enter(_metadata);
	ASSERT_EQ(0, create());
	ASSERT_EQ(0, poke(AT, 5));
	ASSERT_EQ(0, poke(AT + UNIT - 1, 6));
	ASSERT_EQ(0, munmap(AT, UNIT));
}

FIXTURE_TEARDOWN(attach)
{
	umount2(DIR, MNT_DETACH);
}

TEST_F(attach, shares_the_memory)
{
	ASSERT_EQ(0, attach());
	EXPECT_EQ(5, peek(AT));
	EXPECT_EQ(6, peek(AT + UNIT - 1));
	EXPECT_EQ(0, CHILD(munmap(AT, UNIT) ?: attach() ?: poke(AT + PAGE, 7)));
	EXPECT_EQ(7, peek(AT + PAGE));
}

TEST_F(attach, shares_the_page_tables)
{
	long tables[2];
	FILE *status;
	char line[256];
	int i;

	/* The page tables of this process must not grow. */
	for (i = 0; i < 2; i++) {
		status = fopen("/proc/self/status", "re");
		while (fgets(line, sizeof(line), status))
			sscanf(line, "VmPTE: %ld", &tables[i]);
		fclose(status);
		if (i)
			break;
		ASSERT_EQ(0, attach());
		for (unsigned long at = 0; at < 64 * MiB; at += PAGE)
			AT[at] = 1;
	}
	/* Page tables for 64 MiB would take 128 kB. */
	EXPECT_GT(tables[0] + 64, tables[1]);
	EXPECT_EQ(1, attached());
}

TEST_F(attach, o_creat_does_not_matter)
{
	EXPECT_EQ(0, mshare(NAME, AT, UNIT, O_RDWR | O_CREAT, 0));
	EXPECT_EQ(5, peek(AT));
}

TEST_F(attach, an_unknown_name_is_not_made)
{
	EXPECT_EQ(-ENOENT, mshare("other", AT, UNIT, O_RDWR, 0444));
	EXPECT_FALSE(exists(DIR "/other"));
}

TEST_F(attach, the_range_is_the_same_for_all)
{
	EXPECT_EQ(-EINVAL, mshare(NAME, AT + UNIT, UNIT, O_RDWR, 0));
	EXPECT_EQ(-EINVAL, mshare(NAME, AT, 2 * UNIT, O_RDWR, 0));
	EXPECT_EQ(-EINVAL, mshare(NAME, AT - UNIT, 2 * UNIT, O_RDWR, 0));
	EXPECT_EQ(-EINVAL, mshare(NAME, AT + PAGE, UNIT, O_RDWR, 0));
	EXPECT_EQ(-EINVAL, mshare(NAME, AT, UNIT / 2, O_RDWR, 0));
	EXPECT_EQ(0, attach());
}

TEST_F(attach, nothing_may_be_mapped_there)
{
	ASSERT_EQ(AT + MiB, mmap(AT + MiB, PAGE, RW, MAP_PRIVATE |
				 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	ASSERT_EQ(0, poke(AT + MiB, 9));
	EXPECT_EQ(-EINVAL, attach());
	EXPECT_EQ(9, peek(AT + MiB));
	ASSERT_EQ(0, munmap(AT + MiB, PAGE));
	EXPECT_EQ(0, attach());
	/* The region itself can't be attached twice, either. */
	EXPECT_EQ(-EINVAL, attach());
	EXPECT_EQ(5, peek(AT));
}

TEST_F(attach, for_reading_can_not_write)
{
	ASSERT_EQ(0, mshare(NAME, AT, UNIT, O_RDONLY, 0));
	EXPECT_EQ(5, peek(AT));
	EXPECT_EQ(-SIGSEGV, poke(AT, 1));
	/* Other processes can. */
	EXPECT_EQ(0, CHILD(munmap(AT, UNIT) ?: attach() ?: poke(AT, 8)));
	EXPECT_EQ(8, peek(AT));
	EXPECT_EQ(-SIGSEGV, poke(AT, 1));
}

TEST_F(attach, for_writing_can_write)
{
	ASSERT_EQ(0, mshare(NAME, AT, UNIT, O_WRONLY, 0));
	EXPECT_EQ(0, poke(AT, 8));
	EXPECT_EQ(8, CHILD(munmap(AT, UNIT) ?: attach() ?: peek(AT)));
}

TEST_F(attach, impossible_flags_are_refused)
{
	EXPECT_EQ(-EINVAL, mshare(NAME, AT, UNIT, O_ACCMODE, 0));
	EXPECT_EQ(-EINVAL, mshare(NAME, AT, UNIT, O_RDWR | O_EXCL, 0));
	EXPECT_EQ(-EINVAL, mshare(NAME, AT, UNIT, O_RDWR | O_TRUNC, 0));
	EXPECT_EQ(5, ({ attach(); peek(AT); }));
}

/* All pairs of the creator's access and the access of another process. */
TEST_F(attach, access_is_not_more_than_the_creators)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	static const bool allowed[3][3] = {
		{ true, false, false },
		{ false, true, false },
		{ true, true, true },
	};
	int i, j;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, mshare("other", AT + UNIT, UNIT,
				    modes[i] | O_CREAT, 0444));
		for (j = 0; j < 3; j++) {
			EXPECT_EQ(allowed[i][j] ? 0 : EPERM,
				  CHILD(munmap(AT + UNIT, UNIT) ?:
					-mshare("other", AT + UNIT, UNIT,
						modes[j], 0))) {
				TH_LOG("%d after %d", modes[j], modes[i]);
			}
		}
		ASSERT_EQ(0, mshare_unlink("other"));
	}
}

TEST_F(attach, what_can_not_be_read_can_not_be_attached)
{
	ASSERT_EQ(0, mshare("private", AT + UNIT, UNIT, CREATE, 0400));
	EXPECT_EQ(EACCES, CHILD_AS_USER(munmap(AT + UNIT, UNIT) ?:
				  -mshare("private", AT + UNIT, UNIT, O_RDWR,
					  0)));
	EXPECT_EQ(EACCES, CHILD_AS_USER(munmap(AT + UNIT, UNIT) ?:
				  -mshare("private", AT + UNIT, UNIT, O_RDONLY,
					  0)));
	/* This region is accessible to all users. */
	EXPECT_EQ(5, CHILD_AS_USER(attach() ?: peek(AT)));
}

TEST_F(attach, a_users_region_is_his)
{
	EXPECT_EQ(0, CHILD_AS_USER(mshare("his", AT + UNIT, UNIT, CREATE, 0) ?:
			     poke(AT + UNIT, 4)));
	EXPECT_EQ(4, CHILD_AS_USER(mshare("his", AT + UNIT, UNIT, O_RDWR, 0) ?:
			     peek(AT + UNIT)));
	EXPECT_EQ(EACCES, CHILD(setresuid(USER + 1, USER + 1, USER + 1) ?:
				-mshare("his", AT + UNIT, UNIT, O_RDWR, 0)));
}

TEST_F(attach, a_limit_of_the_address_space_is_kept_to)
{
	struct rlimit limit = { 64 * MiB, 64 * MiB };

	EXPECT_EQ(ENOMEM, CHILD(setrlimit(RLIMIT_AS, &limit) ?: -attach()));
	EXPECT_TRUE(exists(FILE_));
}

TEST_F(attach, many_processes_share)
{
	pid_t pids[32];
	int i;

	for (i = 0; i < 32; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(attach() ?: poke(AT + (1 + i) * PAGE, i));
	}
	for (i = 0; i < 32; i++)
		EXPECT_EQ(0, reap(pids[i]));
	ASSERT_EQ(0, attach());
	for (i = 0; i < 32; i++)
		EXPECT_EQ(i, peek(AT + (1 + i) * PAGE));
}

/* Many processes race to create the region: one creates it, and all attach it. */
TEST_F(attach, of_many_creators_one_creates)
{
	int round, i, created;
	pid_t pids[8];

	for (round = 0; round < 10; round++) {
		for (i = 0; i < 8; i++) {
			pids[i] = fork();
			if (!pids[i]) {
				int ret = mshare("race", AT, UNIT, CREATE, 0);

				if (ret == -EEXIST)
					_exit(mshare("race", AT, UNIT,
						     O_RDWR | O_CREAT, 0) ?:
					      1);
				_exit(ret ? 9 : 0);
			}
		}
		for (i = 0, created = 0; i < 8; i++) {
			int code = reap(pids[i]);

			created += !code;
			EXPECT_GE(1, code);
		}
		EXPECT_EQ(1, created);
		ASSERT_EQ(0, mshare("race", AT, UNIT, O_RDWR, 0));
		ASSERT_EQ(0, mshare_unlink("race"));
	}
}

/* ----- The mapping is a normal container ----- */

TEST_F(attach, fork_shares)
{
	ASSERT_EQ(0, attach());
	EXPECT_EQ(0, CHILD(poke(AT, 9)));
	EXPECT_EQ(9, peek(AT));
}

TEST_F(attach, parts_can_not_be_changed)
{
	ASSERT_EQ(0, attach());
	EXPECT_EQ(-EINVAL, or_errno(munmap(AT, PAGE)));
	EXPECT_EQ(-EINVAL, or_errno(mprotect(AT, UNIT, PROT_READ)));
	EXPECT_EQ(-EINVAL, or_errno((long)mmap(AT, PAGE, RW, MAP_PRIVATE |
					       MAP_ANONYMOUS | MAP_FIXED, -1,
					       0)));
	EXPECT_EQ(-EINVAL, or_errno((long)mremap(AT, UNIT, UNIT,
						 MREMAP_MAYMOVE | MREMAP_FIXED,
						 AT + 4 * UNIT)));
	EXPECT_EQ(0, poke(AT, 9));
}

TEST_F(attach, other_maps_of_the_process_show_the_name)
{
	char line[512];
	bool seen = false;
	FILE *maps;

	ASSERT_EQ(0, attach());
	maps = fopen("/proc/self/maps", "re");
	ASSERT_NE(NULL, maps);
	while (fgets(line, sizeof(line), maps))
		seen |= strstr(line, FILE_ "\n") && strstr(line, " rw-s ");
	fclose(maps);
	EXPECT_TRUE(seen);
}

TEST_HARNESS_MAIN
