// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata that no kernel writes: damaged, foreign, or of files that do not exist.
 * A mount either refuses it and changes nothing, or works.
 */
#include <dirent.h>

#include "layout.h"

FIXTURE(superblock) {
	struct metadata *good;
	struct metadata *bad;
	unsigned int a;
	unsigned int b;
};

/* Two files with contents, and a copy of their metadata. */
FIXTURE_SETUP(superblock)
{
	char *at;
	int fd;

	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->good = malloc(BLOCK);
	self->bad = malloc(BLOCK);
	fd = make_sized(FILE_A, 2 * BLOCK);
	ASSERT_LE(0, fd);
	at = map_fd(fd, 2 * BLOCK, 0);
	fill(at, 2 * BLOCK, 99);
	munmap(at, 2 * BLOCK);
	close(fd);
	ASSERT_EQ(0, close(make_sized(FILE_B, 3 * BLOCK)));
	self->a = stat_of(FILE_A).st_ino - 1;
	self->b = stat_of(FILE_B).st_ino - 1;
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, read_metadata(self->good));
	memcpy(self->bad, self->good, BLOCK);
}

FIXTURE_TEARDOWN(superblock)
{
	umount2(GM, MNT_DETACH);
	mount_gm("format");
	gm_leave();
}

/* Write and mount bad.  The mount must be refused, and must not change it. */
static int refusal(struct metadata *bad)
{
	int err;

	if (write_metadata(bad))
		return -EIO;
	err = mount_gm(NULL);
	if (!err)
		umount_gm();
	return memory_is(bad) ? err : 1;
}

/* The same if bad differs from good only in this part; restores the part. */
static int refusal_of_part(struct metadata *bad, struct metadata *good,
			   void *part, size_t size)
{
	size_t offset = (char *)part - (char *)bad;
	int err;

	if (write_part(bad, part, size))
		return -EIO;
	err = mount_gm(NULL);
	if (!err)
		umount_gm();
	memcpy(part, (char *)good + offset, size);
	if (write_part(good, (char *)good + offset, size))
		return -EIO;
	return err;
}

static bool file_a_is_well(void)
{
	int fd = try_open(FILE_A, O_RDWR);
	char *at = map_fd(fd, 2 * BLOCK, 0);
	bool well = at && is_filled(at, 2 * BLOCK, 99) &&
		    size_of(FILE_A) == 2 * BLOCK;

	if (at)
		munmap(at, 2 * BLOCK);
	close(fd);
	return well;
}

TEST_F(superblock, the_layout_is_the_documented_one)
{
	struct metadata *meta = self->good;

	EXPECT_EQ(0x53464d454d545347UL, meta->super.magic);
	EXPECT_EQ(1, meta->super.version);
	EXPECT_EQ(RANGE_BASE, meta->super.base);
	EXPECT_EQ(RANGE_SIZE, meta->super.size);
	EXPECT_EQ(BLOCK, meta->super.block_size);
	EXPECT_EQ(1, meta->super.meta_blocks);
	EXPECT_EQ(DATA_BLOCKS, meta->super.data_blocks);
	seal(&self->bad->super);
	EXPECT_EQ(self->bad->super.crc, meta->super.crc);
	EXPECT_EQ(0, memcmp(&meta->super, copy_of_super(meta), 4096));
	EXPECT_EQ(1, (uint32_t)meta->words.generation);
	EXPECT_EQ(0, meta->words.rename);
	EXPECT_EQ(STATE_ROOT, meta->inodes[0].state);
	EXPECT_EQ(STATE_FILE0, meta->inodes[self->a].state);
	EXPECT_STREQ("a", meta->inodes[self->a].name[0]);
	EXPECT_EQ(2 * BLOCK, meta->inodes[self->a].size);
	EXPECT_EQ(OWNER(self->a, 0), meta->owners[0]);
	EXPECT_EQ(OWNER(self->b, 0), meta->owners[2]);
}

TEST_F(superblock, unchanged_is_accepted)
{
	ASSERT_EQ(0, write_metadata(self->good));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(file_a_is_well());
	EXPECT_EQ(3 * BLOCK, size_of(FILE_B));
}

TEST_F_TIMEOUT(superblock, every_damaged_bit_is_refused, SLOW)
{
	unsigned char *byte = (unsigned char *)&self->bad->super;
	unsigned int i, step;

	for (i = 0; i < 4096 * 8; i += step) {
		/* All bits of the fields, and a sample of the rest. */
		step = i < 48 * 8 ? 1 : 251;
		byte[i / 8] ^= 1 << i % 8;
		ASSERT_GT(0, refusal_of_part(self->bad, self->good,
					     byte + i / 8, 1)) {
			TH_LOG("bit %u", i);
		}
	}
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(file_a_is_well());
}

TEST_F(superblock, a_damaged_one_is_left_alone)
{
	self->bad->super.zero[77] = 1;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
}

TEST_F(superblock, another_version_is_refused)
{
	self->bad->super.version = 2;
	seal(&self->bad->super);
	EXPECT_EQ(-EINVAL, refusal(self->bad));
	self->bad->super.version = 0;
	seal(&self->bad->super);
	EXPECT_EQ(-EINVAL, refusal(self->bad));
}

TEST_F(superblock, another_range_is_refused)
{
	self->bad->super.base += 128 * MiB;
	seal(&self->bad->super);
	EXPECT_EQ(-EINVAL, refusal(self->bad));
	self->bad->super.base = RANGE_BASE;
	self->bad->super.size -= 128 * MiB;
	seal(&self->bad->super);
	EXPECT_EQ(-EINVAL, refusal(self->bad));
}

TEST_F(superblock, one_that_contradicts_itself_is_refused)
{
	self->bad->super.block_size = 4096;
	seal(&self->bad->super);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	self->bad->super = self->good->super;
	self->bad->super.meta_blocks = 0;
	seal(&self->bad->super);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	self->bad->super = self->good->super;
	self->bad->super.data_blocks++;
	seal(&self->bad->super);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
}

TEST_F(superblock, the_reason_is_in_the_log)
{
	int log = watch_kernel_log();

	self->bad->super.zero[0] = 1;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	EXPECT_TRUE(log_says(log, "guestmemfs: refused, the checksum"));
	self->bad->super = self->good->super;
	self->bad->super.version = 7;
	EXPECT_EQ(-EINVAL, refusal(self->bad));
	EXPECT_TRUE(log_says(log, "guestmemfs: refused, the super block has version 7"));
	self->bad->super = self->good->super;
	self->bad->super.magic = 0;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	EXPECT_TRUE(log_says(log, "guestmemfs: refused, the magic number"));
}

TEST_F(superblock, memory_without_any_is_formatted)
{
	memset(self->bad, 0x5a, BLOCK);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(DATA_BLOCKS, free_blocks());
	EXPECT_EQ(INODES - 1, free_inodes());
	ASSERT_LE(0, make_sized(FILE_B, DATA_BLOCKS * BLOCK));
}

TEST_F(superblock, is_not_formatted_while_its_copy_is_there)
{
	memset(&self->bad->super, 0, 4096);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	ASSERT_EQ(0, write_metadata(self->good));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(file_a_is_well());
}

TEST_F(superblock, a_damaged_copy_is_mended)
{
	copy_of_super(self->bad)->version = 5;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(file_a_is_well());
	ASSERT_EQ(0, umount_gm());
	memset(copy_of_super(self->bad), 0, 4096);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, read_metadata(self->bad));
	EXPECT_EQ(0, memcmp(copy_of_super(self->good), copy_of_super(self->bad),
			    4096));
}

TEST_F(superblock, a_damaged_one_is_formatted_if_asked_to)
{
	self->bad->super.crc ^= 1;
	ASSERT_EQ(-EUCLEAN, refusal(self->bad));
	ASSERT_EQ(0, mount_gm("format"));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(DATA_BLOCKS, free_blocks());
	ASSERT_EQ(0, umount_gm());
	EXPECT_EQ(0, mount_gm(NULL));
}

TEST_F(superblock, formatting_that_was_interrupted_begins_again)
{
	/* Formatting first erases both magic numbers, beginning with the copy's. */
	copy_of_super(self->bad)->magic = 0;
	self->bad->super.magic = 0;
	memset(self->bad->inodes, 0xff, 4096);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(DATA_BLOCKS, free_blocks());
}

TEST_F(superblock, a_damaged_count_of_kernels_starts_again)
{
	int log = watch_kernel_log();

	self->bad->words.generation ^= 1UL << 40;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(log_says(log, "guestmemfs: the number of kernels was damaged"));
	EXPECT_TRUE(file_a_is_well());
}

TEST_F_TIMEOUT(superblock, every_damaged_bit_of_a_rename_is_refused, SLOW)
{
	int i;

	for (i = 0; i < 64; i++) {
		self->bad->words.rename = 1UL << i;
		ASSERT_EQ(-EUCLEAN, refusal_of_part(self->bad, self->good,
						    &self->bad->words.rename, 8));
		self->bad->words.rename = rename_word(REPLACE, self->a, self->b,
						      1, 0) ^ 1UL << i;
		ASSERT_EQ(-EUCLEAN, refusal_of_part(self->bad, self->good,
						    &self->bad->words.rename, 8));
	}
}

TEST_F(superblock, a_rename_of_what_is_no_file_is_refused)
{
	static const unsigned int inodes[] = { 0, 5, INODES - 1, INODES, 65535 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(inodes); i++) {
		self->bad->words.rename = rename_word(REPLACE, inodes[i], self->b,
						      0, 0);
		EXPECT_EQ(-EUCLEAN, refusal(self->bad));
		self->bad->words.rename = rename_word(EXCHANGE, self->a,
						      inodes[i], 0, 0);
		EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	}
	self->bad->words.rename = rename_word(EXCHANGE, self->a, self->a, 0, 0);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
}

TEST_F_TIMEOUT(superblock, every_damaged_bit_of_a_state_is_refused, SLOW)
{
	static const unsigned int others[] = { 0, 500, INODES - 1 };
	unsigned int i, bit;

	for (bit = 0; bit < 32; bit++) {
		uint32_t *state = &self->bad->inodes[self->a].state;

		*state ^= 1u << bit;
		ASSERT_EQ(-EUCLEAN, refusal_of_part(self->bad, self->good, state,
						    4));
		for (i = 0; i < ARRAY_SIZE(others); i++) {
			state = &self->bad->inodes[others[i]].state;
			*state ^= 1u << bit;
			ASSERT_EQ(-EUCLEAN, refusal_of_part(self->bad, self->good,
							    state, 4));
		}
	}
}

TEST_F(superblock, files_that_are_none_are_refused)
{
	struct inode *inode = &self->bad->inodes[self->a];
	static const unsigned int modes[] = {
		S_IFDIR | 0755, S_IFLNK | 0777, S_IFCHR | 0666, 0644, 0xffffffff,
		S_IFREG | 0x10000,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		inode->mode = modes[i];
		EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	}
	*inode = self->good->inodes[self->a];
	self->bad->inodes[0].mode = S_IFREG | 0644;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	self->bad->inodes[0] = self->good->inodes[0];
	inode->state = STATE_ROOT;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
}

TEST_F(superblock, names_that_are_none_are_refused)
{
	static const char * const names[] = { "", ".", "..", "/", "a/b", "x/" };
	char *name = self->bad->inodes[self->a].name[0];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		strcpy(name, names[i]);
		EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	}
	memset(name, 'n', 256);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
}

TEST_F(superblock, names_that_are_there_twice_are_refused)
{
	strcpy(self->bad->inodes[self->b].name[0], "a");
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
}

TEST_F_TIMEOUT(superblock, sizes_that_do_not_fit_the_blocks_are_refused, SLOW)
{
	static const uint64_t sizes[] = {
		1, BLOCK + 1, 3 * BLOCK, 1UL << 40, DATA_BLOCKS * BLOCK,
		1UL << 63, -BLOCK, ~0UL, (1UL << 32) * BLOCK,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->bad->inodes[self->a].size = sizes[i];
		EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	}
}

TEST_F(superblock, blocks_with_wrong_owners_are_refused)
{
	uint64_t *owners = self->bad->owners;

	/* A wrong tag, an inode that does not exist, a free inode, the directory. */
	owners[10] = 1;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	owners[10] = OWNER(INODES, 0);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	owners[10] = OWNER(500, 0);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	owners[10] = OWNER(0, 0);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	/* Two blocks for the same offset of a file. */
	owners[10] = OWNER(self->a, 1);
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	/* A missing block. */
	owners[10] = 0;
	owners[1] = 0;
	EXPECT_EQ(-EUCLEAN, refusal(self->bad));
	owners[DATA_BLOCKS - 1] = OWNER(self->a, 1);
	ASSERT_EQ(0, write_metadata(self->bad));
	EXPECT_EQ(0, mount_gm(NULL));
}

TEST_F_TIMEOUT(superblock,
	       every_damaged_bit_of_an_owner_is_refused_or_repaired, SLOW)
{
	unsigned int bit, refused = 0;

	for (bit = 0; bit < 64; bit++) {
		uint64_t *owner = &self->bad->owners[0];

		*owner ^= 1UL << bit;
		refused += refusal_of_part(self->bad, self->good, owner, 8) != 0;
		owner = &self->bad->owners[100];
		*owner ^= 1UL << bit;
		refused += refusal_of_part(self->bad, self->good, owner, 8) != 0;
	}
	/* No flip of a single bit turns an owner word into another valid one. */
	EXPECT_EQ(128, refused);
}

/* The state that a machine leaves if it stops during an operation. */

TEST_F(superblock, a_file_that_was_being_created_is_not_there)
{
	self->bad->inodes[9] = self->good->inodes[self->a];
	self->bad->inodes[9].state = STATE_FREE;
	strcpy(self->bad->inodes[9].name[0], "new");
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_FALSE(exists(GM "/new"));
	EXPECT_EQ(INODES - 3, free_inodes());
	EXPECT_TRUE(file_a_is_well());
}

TEST_F(superblock, a_file_that_was_unlinked_in_use_is_freed)
{
	self->bad->inodes[self->b].state = STATE_ORPHAN;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_FALSE(exists(FILE_B));
	EXPECT_EQ(DATA_BLOCKS - 2, free_blocks());
	EXPECT_EQ(INODES - 2, free_inodes());
	EXPECT_TRUE(file_a_is_well());
}

TEST_F(superblock, an_orphan_with_some_blocks_freed_is_freed)
{
	self->bad->inodes[self->b].state = STATE_ORPHAN;
	self->bad->owners[2] = 0;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(DATA_BLOCKS - 2, free_blocks());
	EXPECT_TRUE(file_a_is_well());
}

TEST_F(superblock, a_file_that_was_growing_has_its_old_size)
{
	self->bad->owners[50] = OWNER(self->a, 2);
	self->bad->owners[51] = OWNER(self->a, 4);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(file_a_is_well());
	EXPECT_EQ(DATA_BLOCKS - 5, free_blocks());
	ASSERT_EQ(0, truncate(FILE_A, 5 * BLOCK));
	EXPECT_EQ(DATA_BLOCKS - 8, free_blocks());
}

TEST_F(superblock, a_file_that_was_shrinking_has_its_new_size)
{
	self->bad->inodes[self->b].size = BLOCK;
	self->bad->owners[4] = 0;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_EQ(BLOCK, size_of(FILE_B));
	EXPECT_EQ(DATA_BLOCKS - 3, free_blocks());
	EXPECT_TRUE(file_a_is_well());
}

TEST_F(superblock, a_rename_that_did_not_begin_has_no_effect)
{
	strcpy(self->bad->inodes[self->a].name[1], "new");
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_FALSE(exists(GM "/new"));
	EXPECT_TRUE(file_a_is_well());
}

/* A rename of "a" to "b" that stops after each of the four relevant stores. */
TEST_F(superblock, a_rename_that_replaces_is_completed)
{
	struct metadata *bad = self->bad;
	int stage;

	strcpy(bad->inodes[self->a].name[1], "b");
	for (stage = 0; stage < 4; stage++) {
		if (stage == 0)
			bad->words.rename = rename_word(REPLACE, self->a, self->b,
							1, 0);
		if (stage == 1)
			bad->inodes[self->a].state = STATE_FILE1;
		if (stage == 2)
			bad->inodes[self->b].state = STATE_ORPHAN;
		if (stage == 3)
			bad->words.rename = 0;
		ASSERT_EQ(0, write_metadata(bad));
		ASSERT_EQ(0, mount_gm(NULL));
		EXPECT_FALSE(exists(FILE_A));
		EXPECT_EQ(2 * BLOCK, size_of(FILE_B));
		EXPECT_EQ(self->a + 1, stat_of(FILE_B).st_ino);
		EXPECT_EQ(DATA_BLOCKS - 2, free_blocks());
		EXPECT_EQ(INODES - 2, free_inodes());
		/* The rename is not done again. */
		ASSERT_EQ(0, rename(FILE_B, FILE_A));
		ASSERT_EQ(0, make(FILE_B));
		ASSERT_EQ(0, umount_gm());
		ASSERT_EQ(0, mount_gm(NULL));
		EXPECT_EQ(2 * BLOCK, size_of(FILE_A));
		EXPECT_EQ(0, size_of(FILE_B));
		ASSERT_EQ(0, umount_gm());
	}
}

TEST_F(superblock, a_rename_that_exchanges_is_completed)
{
	struct metadata *bad = self->bad;
	int stage;

	strcpy(bad->inodes[self->a].name[1], "b");
	strcpy(bad->inodes[self->b].name[1], "a");
	for (stage = 0; stage < 4; stage++) {
		if (stage == 0)
			bad->words.rename = rename_word(EXCHANGE, self->a,
							self->b, 1, 1);
		if (stage == 1)
			bad->inodes[self->a].state = STATE_FILE1;
		if (stage == 2)
			bad->inodes[self->b].state = STATE_FILE1;
		if (stage == 3)
			bad->words.rename = 0;
		ASSERT_EQ(0, write_metadata(bad));
		ASSERT_EQ(0, mount_gm(NULL));
		EXPECT_EQ(3 * BLOCK, size_of(FILE_A));
		EXPECT_EQ(2 * BLOCK, size_of(FILE_B));
		EXPECT_EQ(DATA_BLOCKS - 5, free_blocks());
		ASSERT_EQ(0, umount_gm());
	}
}

/* A mount that may not write shows what a repair would leave, and writes nothing. */

static int remount(unsigned long flags)
{
	return or_errno(mount("none", GM, NULL, MS_REMOUNT | flags, NULL));
}

static bool has_contents(const char *path, size_t size, unsigned long seed)
{
	int fd = try_open(path, O_RDONLY);
	char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	bool right = at != MAP_FAILED && is_filled(at, size, seed) &&
		     size_of(path) == (long)size;

	if (at != MAP_FAILED)
		munmap(at, size);
	close(fd);
	return right;
}

TEST_F(superblock, read_only_changes_nothing)
{
	self->bad->words.generation = ~6UL << 32 | 6;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_read_only(NULL));
	EXPECT_TRUE(has_contents(FILE_A, 2 * BLOCK, 99));
	EXPECT_EQ(3 * BLOCK, size_of(FILE_B));
	EXPECT_EQ(-EROFS, make(GM "/new"));
	ASSERT_EQ(0, umount_gm());
	EXPECT_TRUE(memory_is(self->bad));
}

TEST_F(superblock, read_only_shows_a_rename_as_completed)
{
	strcpy(self->bad->inodes[self->a].name[1], "b");
	self->bad->words.rename = rename_word(REPLACE, self->a, self->b, 1, 0);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_read_only(NULL));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_TRUE(has_contents(FILE_B, 2 * BLOCK, 99));
	EXPECT_EQ(DATA_BLOCKS - 2, free_blocks());
	EXPECT_EQ(INODES - 2, free_inodes());
	EXPECT_TRUE(memory_is(self->bad));
	ASSERT_EQ(0, umount_gm());
	EXPECT_TRUE(memory_is(self->bad));
}

TEST_F(superblock, read_only_frees_nothing)
{
	self->bad->inodes[self->b].state = STATE_ORPHAN;
	self->bad->owners[50] = OWNER(self->a, 2);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_read_only(NULL));
	EXPECT_FALSE(exists(FILE_B));
	EXPECT_TRUE(has_contents(FILE_A, 2 * BLOCK, 99));
	EXPECT_EQ(DATA_BLOCKS - 2, free_blocks());
	EXPECT_EQ(INODES - 2, free_inodes());
	ASSERT_EQ(0, umount_gm());
	EXPECT_TRUE(memory_is(self->bad));
}

TEST_F(superblock, read_only_mends_no_copy)
{
	copy_of_super(self->bad)->version = 5;
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_read_only(NULL));
	EXPECT_TRUE(has_contents(FILE_A, 2 * BLOCK, 99));
	ASSERT_EQ(0, umount_gm());
	EXPECT_TRUE(memory_is(self->bad));
}

TEST_F(superblock, read_only_formats_nothing)
{
	int log = watch_kernel_log();

	EXPECT_EQ(-EROFS, mount_read_only("format"));
	EXPECT_TRUE(memory_is(self->good));
	memset(self->bad, 0x5a, BLOCK);
	ASSERT_EQ(0, write_metadata(self->bad));
	EXPECT_EQ(-EROFS, mount_read_only(NULL));
	EXPECT_TRUE(log_says(log, "guestmemfs: refused, a read-only mount does not format"));
	EXPECT_EQ(-EROFS, mount_read_only("format"));
	EXPECT_TRUE(memory_is(self->bad));
}

TEST_F(superblock, read_only_refuses_damage)
{
	self->bad->owners[0] ^= 1UL << 40;
	ASSERT_EQ(0, write_metadata(self->bad));
	EXPECT_EQ(-EUCLEAN, mount_read_only(NULL));
	EXPECT_TRUE(memory_is(self->bad));
}

TEST_F(superblock, what_is_read_only_can_become_writable)
{
	char *at;
	int fd;

	strcpy(self->bad->inodes[self->a].name[1], "b");
	self->bad->words.rename = rename_word(REPLACE, self->a, self->b, 1, 0);
	ASSERT_EQ(0, write_metadata(self->bad));
	ASSERT_EQ(0, mount_read_only(NULL));
	fd = try_open(FILE_B, O_RDONLY);
	ASSERT_LE(0, fd);
	at = mmap(NULL, 2 * BLOCK, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, at);

	ASSERT_EQ(0, remount(0));
	EXPECT_FALSE(memory_is(self->bad));
	EXPECT_TRUE(is_filled(at, 2 * BLOCK, 99));
	EXPECT_EQ(0, make(GM "/new"));
	EXPECT_EQ(0, truncate(FILE_B, 3 * BLOCK));
	EXPECT_EQ(DATA_BLOCKS - 3, free_blocks());
	munmap(at, 2 * BLOCK);
	close(fd);

	ASSERT_EQ(0, umount_gm());
	ASSERT_EQ(0, read_metadata(self->bad));
	EXPECT_EQ(0, self->bad->words.rename);
	ASSERT_EQ(0, mount_gm(NULL));
	EXPECT_TRUE(exists(GM "/new"));
	EXPECT_FALSE(exists(FILE_A));
	EXPECT_EQ(3 * BLOCK, size_of(FILE_B));
	EXPECT_EQ(DATA_BLOCKS - 3, free_blocks());
}

TEST_F(superblock, what_was_damaged_meanwhile_does_not_become_writable)
{
	ASSERT_EQ(0, mount_read_only(NULL));
	self->bad->words.rename = 1;
	ASSERT_EQ(0, write_metadata(self->bad));
	EXPECT_EQ(-EUCLEAN, remount(0));
	EXPECT_EQ(-EROFS, make(GM "/new"));
	EXPECT_TRUE(has_contents(FILE_A, 2 * BLOCK, 99));
	EXPECT_TRUE(memory_is(self->bad));
	ASSERT_EQ(0, write_metadata(self->good));
	EXPECT_EQ(0, remount(0));
	EXPECT_EQ(0, make(GM "/new"));
}

TEST_F(superblock, what_became_read_only_is_not_written)
{
	ASSERT_EQ(0, mount_gm(NULL));
	ASSERT_EQ(0, make(GM "/new"));
	ASSERT_EQ(0, remount(MS_RDONLY));
	ASSERT_EQ(0, read_metadata(self->good));
	EXPECT_EQ(-EROFS, make(GM "/more"));
	EXPECT_TRUE(exists(GM "/new"));
	ASSERT_EQ(0, umount_gm());
	EXPECT_TRUE(memory_is(self->good));
}

TEST_F(superblock, a_second_mount_does_not_make_it_writable)
{
	ASSERT_EQ(0, mkdir("/tmp/second", 0755));
	ASSERT_EQ(0, mount_read_only(NULL));
	EXPECT_EQ(-EBUSY, or_errno(mount("none", "/tmp/second", "guestmemfs", 0,
					 NULL)));
	EXPECT_EQ(0, or_errno(mount("none", "/tmp/second", "guestmemfs",
				    MS_RDONLY, NULL)));
	EXPECT_EQ(0, umount("/tmp/second"));
	ASSERT_EQ(0, umount_gm());
	EXPECT_TRUE(memory_is(self->good));
}

/* A filesystem that was mounted can be used, and all its files removed. */
static int use_it(void)
{
	DIR *dir = opendir(GM);
	struct dirent *entry;
	char path[512];

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		volatile char *at;
		long size;
		int fd;

		if (entry->d_type != DT_REG)
			continue;
		snprintf(path, sizeof(path), GM "/%s", entry->d_name);
		fd = try_open(path, O_RDWR);
		if (fd < 0)
			continue;
		size = size_of(path);
		if (size > 0) {
			at = map_fd(fd, size, 0);
			if (at) {
				at[0] = at[size - 1];
				munmap((void *)at, size);
			}
		}
		ftruncate(fd, BLOCK);
		close(fd);
		rename(path, GM "/renamed");
		unlink(GM "/renamed");
	}
	closedir(dir);
	close(make_sized(GM "/more", BLOCK));
	unlink(GM "/more");
	return 0;
}

/* Damage to one to four bytes of the metadata, most often of single bits. */
struct damage {
	unsigned int count;
	size_t place[4];
	unsigned char flip[4];
};

/* Of six bytes, about one is anywhere; the others are in fields that matter. */
static struct damage random_damage(unsigned int *seed)
{
	struct damage damage = { .count = 1 + rand_r(seed) % 4 };
	unsigned int i;

	for (i = 0; i < damage.count; i++) {
		size_t places[] = {
			rand_r(seed) % 48,
			4096 + rand_r(seed) % 16,
			8192 + rand_r(seed) % 4096,
			8192 + 1024 * (rand_r(seed) % 4) + rand_r(seed) % 40,
			8192 + INODES * 1024 + rand_r(seed) % 64,
			rand_r(seed) % BLOCK,
		};

		damage.place[i] = places[rand_r(seed) % ARRAY_SIZE(places)];
		damage.flip[i] = rand_r(seed) % 4 ? 1 << rand_r(seed) % 8 :
				 rand_r(seed) % 255 + 1;
	}
	return damage;
}

static int apply_damage(struct metadata *bad, const struct damage *damage)
{
	unsigned char *byte = (unsigned char *)bad;
	unsigned int i;
	int err = 0;

	for (i = 0; i < damage->count && !err; i++) {
		byte[damage->place[i]] ^= damage->flip[i];
		err = write_part(bad, byte + damage->place[i], 1);
	}
	return err;
}

/* A hash of the damage, to find duplicates. */
static uint64_t number_of(const struct damage *damage)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < damage->count; i++) {
		uint64_t x = damage->place[i] << 8 | damage->flip[i];

		x = (x + 1) * 0x9e3779b97f4a7c15UL;
		sum += (x ^ x >> 29) * 0xbf58476d1ce4e5b9UL;
	}
	return sum;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned int count_different(uint64_t *numbers, unsigned int count)
{
	unsigned int i, different = count != 0;

	qsort(numbers, count, sizeof(*numbers), compare_numbers);
	for (i = 1; i < count; i++)
		different += numbers[i] != numbers[i - 1];
	return different;
}

/*
 * GUESTMEMFS_DAMAGES sets how many, and GUESTMEMFS_SEED repeats those of an earlier
 * run, which has printed its seed.  Both can be in the environment or on the kernel's
 * command line.
 */
TEST_F_TIMEOUT(superblock, damage_anywhere_is_refused_or_survived, ANY_TIME)
{
	unsigned int rounds = chosen("GUESTMEMFS_DAMAGES", 150);
	uint64_t *numbers = calloc(rounds, sizeof(*numbers));
	unsigned int round, mounted = 0, seed = chosen_seed();

	ASSERT_NE(NULL, numbers);
	for (round = 0; round < rounds; round++) {
		struct damage damage = random_damage(&seed);

		numbers[round] = number_of(&damage);
		ASSERT_EQ(0, apply_damage(self->bad, &damage));
		if (mount_gm(NULL) == 0) {
			mounted++;
			EXPECT_EQ(0, use_it()) {
				TH_LOG("damage %u", round);
			}
			ASSERT_EQ(0, umount_gm());
			/* The metadata that this kernel has written is valid. */
			ASSERT_EQ(0, mount_gm(NULL)) {
				TH_LOG("damage %u", round);
			}
			ASSERT_EQ(0, umount_gm());
			memcpy(self->bad, self->good, BLOCK);
			ASSERT_EQ(0, write_metadata(self->good));
		} else {
			/* A second flip restores the bits. */
			ASSERT_EQ(0, apply_damage(self->bad, &damage));
		}
	}
	TH_LOG("%u damages, %u different, %u mounted", rounds,
	       count_different(numbers, rounds), mounted);
	EXPECT_LT(0, mounted);
	EXPECT_GT(rounds, mounted);
}

TEST_HARNESS_MAIN
