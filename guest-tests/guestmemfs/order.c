// SPDX-License-Identifier: GPL-2.0
/*
 * The order in which the kernel writes metadata.  The machine may stop between any
 * two stores, so the order decides what the next kernel finds; superblock.c tests
 * what that makes of it.
 *
 * Hardware breakpoints on up to four words of the metadata, for writes by the kernel,
 * note each store in the order in which it is done.  Nothing here depends on time.
 */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>

#include "layout.h"

#define WATCHES		4
#define STORES		64
#define RING		(8 * PAGE)

FIXTURE(order) {
	unsigned long meta;	/* where the kernel has mapped the metadata */
	int watches[WATCHES];
	unsigned long watched[WATCHES];
	char *ring;
	unsigned int a, b;
};

/* The kernel's address of the metadata, or 0. */
static unsigned long address_of_metadata(void)
{
	char line[512];
	unsigned long begin = 0;
	FILE *file;

	/* With 0, addresses are hashed; with 1, privileged readers get them. */
	if (write_to("/proc/sys/kernel/kptr_restrict", "1"))
		return 0;
	file = fopen("/proc/vmallocinfo", "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *phys = strstr(line, "phys=");

		if (phys && strtoul(phys + 5, NULL, 0) == RANGE_BASE &&
		    sscanf(line, "0x%lx-", &begin) == 1)
			break;
	}
	if (file)
		fclose(file);
	write_to("/proc/sys/kernel/kptr_restrict", "0");
	return begin;
}

FIXTURE_SETUP(order)
{
	int i;

	for (i = 0; i < WATCHES; i++)
		self->watches[i] = -1;
	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->meta = address_of_metadata();
	ASSERT_NE(0, self->meta);
	ASSERT_EQ(0, make(FILE_A));
	ASSERT_EQ(0, make(FILE_B));
	self->a = stat_of(FILE_A).st_ino - 1;
	self->b = stat_of(FILE_B).st_ino - 1;
}

FIXTURE_TEARDOWN(order)
{
	int i;

	for (i = 0; i < WATCHES; i++)
		close(self->watches[i]);
	gm_leave();
}

/* Watch the stores of this process to a word of the metadata, until the case ends. */
static int watch(FIXTURE_DATA(order) *self, int number, size_t offset, int size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = self->meta + offset,
		.bp_len = size,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR,
		.exclude_user = 1,
	};
	int fd = or_errno(syscall(SYS_perf_event_open, &attr, 0, -1, -1,
				  PERF_FLAG_FD_CLOEXEC));

	if (fd < 0)
		return fd;
	self->watches[number] = fd;
	self->watched[number] = attr.bp_addr;
	/* All of them write to one ring, which shows their order. */
	if (number)
		return or_errno(ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT,
				      self->watches[0]));
	self->ring = map_fd(fd, PAGE + RING, 0);
	return self->ring ? 0 : -errno;
}

/*
 * The stores since the last call in their order: a letter of names for each, which
 * has one for each watch.
 */
static const char *stores(FIXTURE_DATA(order) *self, const char *names)
{
	struct perf_event_mmap_page *page = (void *)self->ring;
	static char order[STORES + 1];
	unsigned int count = 0, i;

	while (page->data_tail < page->data_head && count < STORES) {
		/* A record has a header and an address; none wraps around. */
		uint64_t *record = (void *)(self->ring + PAGE +
					    page->data_tail % RING);
		struct perf_event_header *header = (void *)record;

		for (i = 0; header->type == PERF_RECORD_SAMPLE && names[i]; i++) {
			if (self->watched[i] == record[1])
				order[count++] = names[i];
		}
		page->data_tail += header->size;
	}
	order[count] = '\0';
	return order;
}

static size_t offset_of_inode(unsigned int inode)
{
	return offsetof(struct metadata, inodes) + inode * sizeof(struct inode);
}

static size_t offset_of_state(unsigned int inode)
{
	return offset_of_inode(inode) + offsetof(struct inode, state);
}

static size_t offset_of_size(unsigned int inode)
{
	return offset_of_inode(inode) + offsetof(struct inode, size);
}

static size_t offset_of_name(unsigned int inode, unsigned int name)
{
	return offset_of_inode(inode) + offsetof(struct inode, name[name]);
}

static size_t offset_of_owner(unsigned int block)
{
	return offsetof(struct metadata, owners[block]);
}

TEST_F(order, a_rename_of_two_files_is_written_down_first)
{
	ASSERT_EQ(0, watch(self, 0, offsetof(struct metadata, words.rename), 8));
	ASSERT_EQ(0, watch(self, 1, offset_of_state(self->a), 4));
	ASSERT_EQ(0, watch(self, 2, offset_of_state(self->b), 4));
	ASSERT_EQ(0, renameat2(AT_FDCWD, FILE_A, AT_FDCWD, FILE_B,
			       RENAME_EXCHANGE));
	/* The word, both states, and the word again. */
	EXPECT_STREQ("wabw", stores(self, "wab"));
	/* Inode a has the second name, and replaces inode b under the first one. */
	ASSERT_EQ(0, rename(FILE_B, FILE_A));
	/* Inode b is an orphan, and then free. */
	EXPECT_STREQ("wabwb", stores(self, "wab"));
}

TEST_F(order, a_new_name_is_written_where_the_present_one_is_not)
{
	int i;

	ASSERT_EQ(0, watch(self, 0, offset_of_name(self->a, 0), 1));
	ASSERT_EQ(0, watch(self, 1, offset_of_name(self->a, 1), 1));
	ASSERT_EQ(0, watch(self, 2, offset_of_state(self->a), 4));
	for (i = 0; i < 4; i++) {
		const char *order;

		ASSERT_EQ(0, i % 2 ? rename(GM "/c", FILE_A) :
				     rename(FILE_A, GM "/c"));
		order = stores(self, "01s");
		/* One name, erased and written, and then the state, once. */
		EXPECT_EQ(i % 2 ? '0' : '1', order[0]) {
			TH_LOG("%s", order);
		}
		EXPECT_EQ(strlen(order) - 1, strspn(order, i % 2 ? "0" : "1"));
		EXPECT_EQ(strlen(order) - 1, strcspn(order, "s"));
	}
}

TEST_F(order, a_new_file_has_its_name_before_its_state)
{
	const char *order;

	/* The next file gets the record of the one that is removed. */
	ASSERT_EQ(0, unlink(FILE_A));
	ASSERT_EQ(0, watch(self, 0, offset_of_name(self->a, 0), 1));
	ASSERT_EQ(0, watch(self, 1, offset_of_state(self->a), 4));
	ASSERT_EQ(0, make(FILE_A));
	order = stores(self, "ns");
	EXPECT_EQ('n', order[0]) {
		TH_LOG("%s", order);
	}
	EXPECT_EQ(strlen(order) - 1, strspn(order, "n"));
	EXPECT_EQ(strlen(order) - 1, strcspn(order, "s"));
}

TEST_F(order, owners_are_written_before_a_larger_size)
{
	ASSERT_EQ(0, watch(self, 0, offset_of_owner(0), 8));
	ASSERT_EQ(0, watch(self, 1, offset_of_owner(1), 8));
	ASSERT_EQ(0, watch(self, 2, offset_of_size(self->a), 8));
	ASSERT_EQ(0, truncate(FILE_A, 2 * BLOCK));
	EXPECT_STREQ("01s", stores(self, "01s"));
}

TEST_F(order, owners_are_cleared_after_a_smaller_size)
{
	ASSERT_EQ(0, truncate(FILE_A, 3 * BLOCK));
	ASSERT_EQ(0, watch(self, 0, offset_of_owner(1), 8));
	ASSERT_EQ(0, watch(self, 1, offset_of_owner(2), 8));
	ASSERT_EQ(0, watch(self, 2, offset_of_size(self->a), 8));
	ASSERT_EQ(0, truncate(FILE_A, BLOCK));
	EXPECT_STREQ("s12", stores(self, "12s"));
}

TEST_F(order, the_blocks_of_an_inode_are_free_before_it)
{
	ASSERT_EQ(0, truncate(FILE_A, 2 * BLOCK));
	ASSERT_EQ(0, watch(self, 0, offset_of_owner(0), 8));
	ASSERT_EQ(0, watch(self, 1, offset_of_owner(1), 8));
	ASSERT_EQ(0, watch(self, 2, offset_of_state(self->a), 4));
	ASSERT_EQ(0, unlink(FILE_A));
	/* It is an orphan, then its blocks are free, and then it is. */
	EXPECT_STREQ("s01s", stores(self, "01s"));
}

TEST_HARNESS_MAIN
