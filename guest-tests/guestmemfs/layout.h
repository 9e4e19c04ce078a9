/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of the memory, for tests that write it behind the kernel's back.
 * Documentation/filesystems/guestmemfs.rst describes it.
 */
#ifndef GUESTMEMFS_TEST_LAYOUT_H
#define GUESTMEMFS_TEST_LAYOUT_H

#include "guestmemfs.h"

struct super_block {
	uint64_t magic;
	uint32_t version;
	uint32_t crc;
	uint64_t base;
	uint64_t size;
	uint32_t block_size;
	uint32_t meta_blocks;
	uint64_t data_blocks;
	uint8_t zero[4048];
};

struct words {
	uint64_t generation;
	uint64_t rename;
	uint8_t zero[4080];
};

#define STATE_FREE	0x00000000u
#define STATE_FILE0	0x5a3c96e1u
#define STATE_FILE1	0xa5c3691eu
#define STATE_ORPHAN	0x3c5a0ff1u
#define STATE_ROOT	0xc3a5f00eu

struct inode {
	uint32_t state;
	uint32_t mode;
	uint64_t owner;
	uint64_t size;
	uint64_t mtime;
	uint64_t ctime;
	uint8_t zero[472];
	char name[2][256];
};

struct metadata {
	struct super_block super;
	struct words words;
	struct inode inodes[INODES];
	uint64_t owners[];
};

#define DATA_BLOCKS	(RANGE_SIZE / BLOCK - 1)
#define OWNER(inode, index) \
	(0xb10cUL << 48 | (uint64_t)(inode) << 32 | (uint32_t)(index))

#define REPLACE		1UL
#define EXCHANGE	2UL

static inline uint64_t rename_word(uint64_t how, uint64_t inode, uint64_t other,
				   uint64_t name, uint64_t other_name)
{
	uint64_t word = how | inode << 8 | other << 24 | name << 40 |
			other_name << 41;

	return word | ~(word + (word >> 16) + (word >> 32)) << 48;
}

static inline struct super_block *copy_of_super(struct metadata *meta)
{
	return (void *)((char *)meta + BLOCK - sizeof(struct super_block));
}

static inline uint32_t crc32_of(const void *data, size_t size)
{
	const uint8_t *byte = data;
	uint32_t crc = ~0u;
	int bit;

	while (size--) {
		crc ^= *byte++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

static inline void seal(struct super_block *super)
{
	super->crc = 0;
	super->crc = crc32_of(super, sizeof(*super));
}

static inline int physical_memory(void)
{
	return try_open("/dev/mem", O_RDWR | O_CLOEXEC);
}

static inline int read_metadata(struct metadata *meta)
{
	int fd = physical_memory();
	ssize_t size = pread(fd, meta, BLOCK, RANGE_BASE);

	close(fd);
	return size == BLOCK ? 0 : -EIO;
}

static inline bool memory_is(const struct metadata *meta)
{
	static char now[BLOCK];

	return read_metadata((struct metadata *)now) == 0 &&
	       memcmp(meta, now, BLOCK) == 0;
}

static inline int write_metadata(const struct metadata *meta)
{
	int fd = physical_memory();
	ssize_t size = pwrite(fd, meta, BLOCK, RANGE_BASE);

	close(fd);
	return size == BLOCK ? 0 : -EIO;
}

/* Write only this part of the metadata, which is faster than all of it. */
static inline int write_part(const struct metadata *meta, const void *part,
			     size_t size)
{
	off_t offset = (const char *)part - (const char *)meta;
	int fd = physical_memory();
	ssize_t written = pwrite(fd, part, size, RANGE_BASE + offset);

	close(fd);
	return written == (ssize_t)size ? 0 : -EIO;
}

#endif
