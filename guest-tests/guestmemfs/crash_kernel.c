// SPDX-License-Identifier: GPL-2.0
/*
 * A crash kernel takes over files, but does not format: a wrong address among its
 * parameters is memory of the kernel that is to be dumped.
 *
 * The kernel takes itself for a crash kernel, because the command line says where
 * the headers of a dump are.  There are none, so there is no dump.
 */
#include "layout.h"

FIXTURE(crash_kernel) {
	struct metadata *meta;
};

FIXTURE_SETUP(crash_kernel)
{
	private_tmp(_metadata, GM);
	self->meta = calloc(1, BLOCK);
	ASSERT_NE(NULL, self->meta);
}

FIXTURE_TEARDOWN(crash_kernel)
{
	gm_leave();
}

/* What formatting writes. */
static void fill_in(struct metadata *meta)
{
	meta->super = (struct super_block) {
		.magic = 0x53464d454d545347UL,
		.version = 1,
		.base = RANGE_BASE,
		.size = RANGE_SIZE,
		.block_size = BLOCK,
		.meta_blocks = 1,
		.data_blocks = DATA_BLOCKS,
	};
	seal(&meta->super);
	*copy_of_super(meta) = meta->super;
	meta->words.generation = ~1UL << 32 | 1;
	meta->inodes[0].state = STATE_ROOT;
	meta->inodes[0].mode = S_IFDIR | 0755;
}

TEST_F(crash_kernel, formats_nothing)
{
	int log = watch_kernel_log();

	memset(self->meta, 0x5a, BLOCK);
	ASSERT_EQ(0, write_metadata(self->meta));
	EXPECT_EQ(-EROFS, mount_gm(NULL));
	EXPECT_TRUE(log_says(log, "guestmemfs: refused, a crash kernel does not format"));
	EXPECT_EQ(-EROFS, mount_gm("format"));
	EXPECT_TRUE(memory_is(self->meta));
}

TEST_F(crash_kernel, formats_nothing_again)
{
	fill_in(self->meta);
	ASSERT_EQ(0, write_metadata(self->meta));
	EXPECT_EQ(-EROFS, mount_gm("format"));
	EXPECT_TRUE(memory_is(self->meta));
}

TEST_F(crash_kernel, takes_files_over)
{
	fill_in(self->meta);
	self->meta->inodes[7].state = STATE_FILE0;
	self->meta->inodes[7].mode = S_IFREG | 0600;
	strcpy(self->meta->inodes[7].name[0], "a");
	ASSERT_EQ(0, write_metadata(self->meta));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(8, stat_of(FILE_A).st_ino);
	EXPECT_EQ(0, unlink(FILE_A));
	EXPECT_EQ(0, make(FILE_B));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_TRUE(exists(FILE_B));
}

TEST_HARNESS_MAIN
