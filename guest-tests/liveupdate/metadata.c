// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>

#include "metadata.h"

#define INODES		1024

#define STATE_FREE	0x00000000u
#define STATE_NAME0	0x5a3c96e1u
#define STATE_NAME1	0xa5c3691eu
#define STATE_ORPHAN	0x3c5a0ff1u
#define STATE_ROOT	0xc3a5f00eu

#define REPLACE		1
#define EXCHANGE	2

struct super {
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

struct record {
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
	struct super super;
	uint64_t generation;
	uint64_t rename;
	uint8_t zero[4080];
	struct record inodes[INODES];
	uint64_t owners[];
};

/* ----- Reading ----- */

/* The base of "guestmemfs=<size>:<base>". */
static uint64_t base_on_command_line(void)
{
	char line[4096] = "", *at;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	uint64_t base;

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		return 0;
	close(fd);
	at = strstr(line, "guestmemfs=");
	at = at ? strchr(at, ':') : NULL;
	if (!at)
		return 0;
	base = strtoull(at + 1, &at, 0);
	return *at == 'M' ? base << 20 : *at == 'G' ? base << 30 : base;
}

struct metadata *metadata_read(void)
{
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	struct metadata *meta = malloc(BLOCK);

	if (fd < 0 || pread(fd, meta, BLOCK, base_on_command_line()) != BLOCK) {
		free(meta);
		meta = NULL;
	}
	close(fd);
	return meta;
}

uint32_t metadata_generation(const struct metadata *meta)
{
	return meta->generation;
}

/* ----- Checking ----- */

static unsigned int complain(const char *format, ...)
{
	va_list arguments;

	printf("# metadata: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	return 1;
}

static uint32_t crc32_of(const struct super *super)
{
	struct super copy = *super;
	const uint8_t *byte = (const uint8_t *)&copy;
	uint32_t crc = ~0u;

	copy.crc = 0;
	for (size_t i = 0; i < sizeof(copy); i++) {
		crc ^= byte[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

static unsigned int check_super(const struct metadata *meta)
{
	const struct super *super = &meta->super;
	const char *copy = (const char *)meta + BLOCK - sizeof(*super);
	unsigned int wrong = 0;

	if (super->magic != 0x53464d454d545347 || super->version != 1 ||
	    super->crc != crc32_of(super) || super->meta_blocks != 1)
		wrong += complain("the super block is damaged");
	if (memcmp(super, copy, sizeof(*super)))
		wrong += complain("the copy of the super block is different");
	if ((uint32_t)meta->generation != (uint32_t)~(meta->generation >> 32))
		wrong += complain("the generation is %#lx", meta->generation);
	return wrong;
}

static bool is_file(uint32_t state)
{
	return state == STATE_NAME0 || state == STATE_NAME1;
}

static const char *name_of(const struct metadata *meta, const uint32_t *states,
			   unsigned int inode)
{
	if (!is_file(states[inode]))
		return NULL;
	return meta->inodes[inode].name[states[inode] == STATE_NAME1];
}

/* Apply a recorded rename to the states, as the next mount does. */
static unsigned int finish_rename(const struct metadata *meta, uint32_t *states,
				  struct leftovers *left)
{
	static const uint32_t called[] = { STATE_NAME0, STATE_NAME1 };
	uint64_t word = meta->rename;
	unsigned int how = word & 0xff;
	unsigned int inode = word >> 8 & 0xffff, other = word >> 24 & 0xffff;
	uint64_t parts = word + (word >> 16) + (word >> 32);

	if (!word)
		return 0;
	left->renames++;
	if (word >> 48 != (~parts & 0xffff) || inode >= INODES ||
	    other >= INODES || (how != REPLACE && how != EXCHANGE))
		return complain("the rename is %#lx", word);
	states[inode] = called[word >> 40 & 1];
	states[other] = how == REPLACE ? STATE_ORPHAN : called[word >> 41 & 1];
	return 0;
}

static unsigned int check_inode(const struct metadata *meta,
				const uint32_t *states, unsigned int i)
{
	const char *name = name_of(meta, states, i), *other;
	const struct record *inode = &meta->inodes[i];
	unsigned int wrong = 0, k;

	if (!name) {
		bool legal = i ? states[i] == STATE_FREE ||
				 states[i] == STATE_ORPHAN :
				 states[i] == STATE_ROOT;

		return legal ? 0 : complain("state %#x of inode %u", states[i],
					    i + 1);
	}
	if (!*name || strnlen(name, 256) == 256 || strchr(name, '/'))
		wrong += complain("the name of inode %u", i + 1);
	if (inode->size % BLOCK || (inode->mode & ~07777) != S_IFREG)
		wrong += complain("inode %u has mode %o and size %lu", i + 1,
				  inode->mode, inode->size);
	for (k = 0; k < i; k++) {
		other = name_of(meta, states, k);
		if (other && !strcmp(name, other))
			wrong += complain("%s is inode %u and %u", name, k + 1,
					  i + 1);
	}
	return wrong;
}

/* Each block has at most one owner, and each file each of its blocks once. */
static unsigned int check_owners(const struct metadata *meta,
				 const uint32_t *states, struct leftovers *left)
{
	uint64_t blocks = meta->super.data_blocks, i;
	uint32_t *found = calloc(INODES, sizeof(*found));
	unsigned int wrong = 0;

	for (i = 0; i < blocks; i++) {
		uint64_t word = meta->owners[i];
		uint32_t inode = word >> 32 & 0xffff, index = word, k;

		if (!word)
			continue;
		if (word >> 48 != 0xb10c || inode >= INODES ||
		    !(is_file(states[inode]) || states[inode] == STATE_ORPHAN)) {
			wrong += complain("the owner of block %lu is %#lx", i,
					  word);
			continue;
		}
		if (!is_file(states[inode]) ||
		    index >= meta->inodes[inode].size / BLOCK) {
			left->blocks++;
			continue;
		}
		found[inode]++;
		for (k = 0; k < i; k++) {
			if (meta->owners[k] == word)
				wrong += complain("inode %u has two blocks %u",
						  inode + 1, index);
		}
	}
	for (i = 0; i < INODES; i++) {
		if (is_file(states[i]) &&
		    found[i] != meta->inodes[i].size / BLOCK)
			wrong += complain("inode %lu has %u blocks, not %lu",
					  i + 1, found[i],
					  meta->inodes[i].size / BLOCK);
	}
	free(found);
	return wrong;
}

unsigned int metadata_check(const struct metadata *meta, struct leftovers *left)
{
	uint32_t states[INODES];
	unsigned int wrong = check_super(meta), i;

	*left = (struct leftovers){ };
	for (i = 0; i < INODES; i++)
		states[i] = meta->inodes[i].state;
	wrong += finish_rename(meta, states, left);
	for (i = 0; i < INODES; i++) {
		wrong += check_inode(meta, states, i);
		left->orphans += states[i] == STATE_ORPHAN;
		left->files += is_file(states[i]);
	}
	return wrong + check_owners(meta, states, left);
}
