// SPDX-License-Identifier: GPL-2.0
/*
 * The control descriptor of an empty entry: it accepts a number, and supports
 * nothing else.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "srvfs.h"

/* The descriptor of the file in the cases that write a number by hand. */
#define NUMBER	77

FIXTURE(control) {
	int fd;
	int control;
};

FIXTURE_SETUP(control)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", "content");
	ASSERT_EQ(NUMBER, dup2(self->fd, NUMBER));
	self->control = new_entry(ENTRY);
	ASSERT_LE(0, self->control);
}

FIXTURE_TEARDOWN(control)
{
	close(self->control);
	srv_leave();
}

TEST_F(control, creating_an_entry_gives_a_control_descriptor)
{
	EXPECT_TRUE(is_control(self->control));
}

TEST_F(control, opening_an_empty_entry_gives_a_control_descriptor)
{
	EXPECT_TRUE(is_control(try_open(ENTRY, O_RDONLY)));
	EXPECT_TRUE(is_control(try_open(ENTRY, O_WRONLY)));
	EXPECT_TRUE(is_control(try_open(ENTRY, O_RDWR)));
	EXPECT_TRUE(is_control(try_open(ENTRY, O_WRONLY | O_CREAT | O_TRUNC)));
}

TEST_F(control, takes_a_number)
{
	EXPECT_EQ(2, write(self->control, "77", 2));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

TEST_F(control, takes_a_number_and_a_newline)
{
	EXPECT_EQ(3, write(self->control, "77\n", 3));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

TEST_F(control, takes_zero)
{
	ASSERT_EQ(0, dup2(self->fd, 0));
	EXPECT_EQ(1, write(self->control, "0", 1));
	EXPECT_EQ(1, holds(ENTRY, 0));
}

TEST_F(control, takes_a_number_at_offset_zero)
{
	ssize_t written = pwrite(self->control, "77", 2, 0);

	/* ESPIPE: a control descriptor may be a stream, without offsets. */
	EXPECT_TRUE(written == 2 || errno == ESPIPE);
	EXPECT_EQ(written == 2, holds(ENTRY, NUMBER));
}

TEST_F(control, a_write_at_an_offset_is_refused)
{
	EXPECT_EQ(-1, pwrite(self->control, "77", 2, 1));
	EXPECT_TRUE(errno == EINVAL || errno == ESPIPE);
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, repeated_writes_start_over)
{
	int other = regular_file("/tmp/other", "other");

	ASSERT_EQ(0, write_number(self->control, other));
	ASSERT_EQ(0, write_number(self->control, -1));
	EXPECT_EQ(1, is_empty(ENTRY));
	ASSERT_EQ(0, write_number(self->control, NUMBER));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

TEST_F(control, stays_a_control_descriptor_once_the_entry_is_assigned)
{
	char c;

	ASSERT_EQ(0, write_number(self->control, NUMBER));
	EXPECT_TRUE(is_control(self->control));
	EXPECT_EQ(-1, read(self->control, &c, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(control, several_descriptors_control_one_entry)
{
	int second = try_open(ENTRY, O_WRONLY);

	ASSERT_EQ(0, write_number(self->control, NUMBER));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
	ASSERT_EQ(0, write_number(second, -1));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, cannot_publish_when_opened_for_reading)
{
	EXPECT_EQ(-EBADF, write_number(try_open(ENTRY, O_RDONLY), NUMBER));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, read_is_invalid)
{
	char c;

	EXPECT_EQ(-1, read(self->control, &c, 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(control, mmap_is_no_device)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED,
				   self->control, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE,
				   self->control, 0));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(control, ioctl_is_no_terminal)
{
	char buffer[64];

	EXPECT_EQ(-1, ioctl(self->control, TCGETS, buffer));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->control, 0xdead, buffer));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(control, lseek_is_an_illegal_seek)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(whence); i++) {
		EXPECT_EQ(-1, lseek(self->control, 0, whence[i]));
		EXPECT_EQ(ESPIPE, errno);
	}
}

TEST_F(control, poll_says_ready)
{
	struct pollfd poll_one = { .fd = self->control, .events = POLLOUT };

	EXPECT_EQ(1, poll(&poll_one, 1, 0));
	EXPECT_EQ(POLLOUT, poll_one.revents);
}

TEST_F(control, splice_into_control)
{
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
	ASSERT_EQ(2, write(ends[1], "77", 2));
	EXPECT_EQ(-1, splice(ends[0], NULL, self->control, NULL, 2, 0));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, sendfile_into_control)
{
	int number = regular_file("/tmp/number", "77");
	off_t start = 0;

	EXPECT_EQ(-1, sendfile(self->control, number, &start, 2));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, copy_file_range_into_control)
{
	int number = regular_file("/tmp/number", "77");
	off64_t start = 0;

	EXPECT_GE(0, copy_file_range(number, &start, self->control, NULL, 2, 0));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, splice_out_of_control)
{
	int ends[2];

	ASSERT_EQ(0, pipe2(ends, O_NONBLOCK));
	EXPECT_EQ(-1, splice(self->control, NULL, ends[1], NULL, 2,
			     SPLICE_F_NONBLOCK));
}

TEST_F(control, has_no_size_to_change)
{
	EXPECT_EQ(-1, ftruncate(self->control, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, ftruncate(self->control, 0));
	EXPECT_EQ(-1, fallocate(self->control, 0, 0, 4096));
}

TEST_F(control, writing_after_unlink_is_refused)
{
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_EQ(-ENOENT, write_number(self->control, NUMBER));
}

TEST_F(control, of_an_unlinked_entry_does_not_reach_its_successor)
{
	ASSERT_EQ(0, unlink(ENTRY));
	ASSERT_EQ(0, close(new_entry(ENTRY)));
	write_number(self->control, NUMBER);
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, a_bad_pointer_is_a_fault)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, write_number(self->control, NUMBER));
	EXPECT_EQ(-EFAULT, write_text(self->control, page, 2));
	EXPECT_EQ(-EFAULT, write_text(self->control, (char *)-4096, 2));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

TEST_F(control, a_number_that_runs_into_an_unmapped_page_is_a_fault)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + 4096, 4096));
	pages[4095] = '7';
	EXPECT_EQ(-EFAULT, write_text(self->control, pages + 4095, 2));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, an_empty_write_publishes_nothing)
{
	ASSERT_EQ(0, write_number(self->control, NUMBER));
	EXPECT_GE(0, write(self->control, "", 0));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

/*
 * Numbers that must not publish, clear or replace anything.  Descriptors 0
 * and 77 are open, so that a careless parser finds a file to publish.
 */
FIXTURE(bad_numbers) {
	int fd;
	int control;
};

FIXTURE_VARIANT(bad_numbers) {
	const char *text;
	size_t size;
	int error;
	bool out_of_range;	/* ERANGE and EBADF are accepted as well */
};

#define BAD_NUMBER(name, string, ...)					\
	FIXTURE_VARIANT_ADD(bad_numbers, name) {			\
		.text = string, .size = sizeof(string) - 1, __VA_ARGS__	\
	}

#define INVALID		.error = EINVAL
#define NOT_OPEN	.error = EBADF
#define OUT_OF_RANGE	.error = EINVAL, .out_of_range = true

BAD_NUMBER(a_newline, "\n", INVALID);
BAD_NUMBER(a_space, " ", INVALID);
BAD_NUMBER(a_nul, "\0", INVALID);
BAD_NUMBER(a_word, "abc", INVALID);
BAD_NUMBER(a_sign, "-", INVALID);
BAD_NUMBER(two_signs, "--1", INVALID);
BAD_NUMBER(hexadecimal, "0x4d", INVALID);
BAD_NUMBER(bare_hexadecimal, "4d", INVALID);
BAD_NUMBER(a_fraction, "77.0", INVALID);
BAD_NUMBER(a_leading_space, " 77", INVALID);
BAD_NUMBER(a_leading_newline, "\n77", INVALID);
BAD_NUMBER(a_trailing_space, "77 ", INVALID);
BAD_NUMBER(a_trailing_letter, "77x", INVALID);
BAD_NUMBER(a_trailing_carriage_return, "77\r\n", INVALID);
BAD_NUMBER(two_newlines, "77\n\n", INVALID);
BAD_NUMBER(two_numbers, "77 77", INVALID);
BAD_NUMBER(two_lines, "77\n77\n", INVALID);
BAD_NUMBER(junk_after_a_nul, "77\0x", INVALID);
BAD_NUMBER(minus_one_and_junk, "-1x", INVALID);
BAD_NUMBER(too_long, "0000000000000000000000000000000077", INVALID);
BAD_NUMBER(too_long_behind_a_newline,
	   "77\n0000000000000000000000000000000000", INVALID);
BAD_NUMBER(minus_two, "-2", NOT_OPEN);
BAD_NUMBER(minus_seventy_seven, "-77", NOT_OPEN);
BAD_NUMBER(the_smallest_int, "-2147483648", NOT_OPEN, .out_of_range = true);
BAD_NUMBER(a_closed_descriptor, "99", NOT_OPEN);
BAD_NUMBER(a_number_beyond_the_table, "1000000", NOT_OPEN);
BAD_NUMBER(the_biggest_int, "2147483647", NOT_OPEN);
BAD_NUMBER(one_more_than_int, "2147483648", OUT_OF_RANGE);
BAD_NUMBER(one_less_than_int, "-2147483649", OUT_OF_RANGE);
BAD_NUMBER(the_biggest_unsigned, "4294967295", OUT_OF_RANGE);
BAD_NUMBER(wraps_to_zero, "4294967296", OUT_OF_RANGE);
BAD_NUMBER(wraps_to_an_open_descriptor, "4294967373", OUT_OF_RANGE);
BAD_NUMBER(wraps_64_bits, "18446744073709551693", OUT_OF_RANGE);

FIXTURE_SETUP(bad_numbers)
{
	srv_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = regular_file("/tmp/file", "content");
	ASSERT_EQ(0, dup2(self->fd, 0));
	ASSERT_EQ(NUMBER, dup2(self->fd, NUMBER));
	self->fd = regular_file("/tmp/published", "published");
	self->control = new_entry(ENTRY);
	ASSERT_LE(0, self->control);
}

FIXTURE_TEARDOWN(bad_numbers)
{
	close(self->control);
	srv_leave();
}

static bool is_expected(const FIXTURE_VARIANT(bad_numbers) *variant, int error)
{
	if (variant->out_of_range && (error == ERANGE || error == EBADF ||
				      error == EINVAL))
		return true;
	return error == variant->error;
}

TEST_F(bad_numbers, leave_an_empty_entry_empty)
{
	int err = write_text(self->control, variant->text, variant->size);

	EXPECT_TRUE(is_expected(variant, -err)) {
		TH_LOG("write: %s", strerror(-err));
	}
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(bad_numbers, leave_an_assigned_entry_as_it_is)
{
	int err;

	ASSERT_EQ(0, write_number(self->control, self->fd));
	err = write_text(self->control, variant->text, variant->size);
	EXPECT_TRUE(is_expected(variant, -err)) {
		TH_LOG("write: %s", strerror(-err));
	}
	EXPECT_EQ(1, holds(ENTRY, self->fd));
}

TEST_F(control, an_ioctl_stores_a_file)
{
	EXPECT_EQ(0, store(self->control, NUMBER));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

TEST_F(control, an_ioctl_replaces_a_file)
{
	int other = regular_file("/tmp/other", "other");

	ASSERT_EQ(0, store(self->control, NUMBER));
	EXPECT_EQ(0, store(self->control, other));
	EXPECT_EQ(1, holds(ENTRY, other));
}

TEST_F(control, an_ioctl_clears_an_entry)
{
	ASSERT_EQ(0, store(self->control, NUMBER));
	EXPECT_EQ(0, ioctl(self->control, SRVFS_IOC_CLEAR));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, an_ioctl_with_a_bad_number_changes_nothing)
{
	ASSERT_EQ(0, store(self->control, NUMBER));
	EXPECT_EQ(-EBADF, store(self->control, -1));
	EXPECT_EQ(-EBADF, store(self->control, -2));
	EXPECT_EQ(-EBADF, store(self->control, 12345));
	EXPECT_EQ(-EBADF, store(self->control, try_open("/tmp", O_PATH)));
	EXPECT_EQ(-EBADF, or_errno(syscall(SYS_ioctl, self->control,
					   SRVFS_IOC_STORE,
					   (1UL << 32) + NUMBER)));
	EXPECT_EQ(1, holds(ENTRY, NUMBER));
}

TEST_F(control, an_ioctl_refuses_a_loop)
{
	EXPECT_EQ(-ELOOP, store(self->control, self->control));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, an_ioctl_takes_a_descriptor_for_writing)
{
	int readable = try_open(ENTRY, O_RDONLY);

	ASSERT_TRUE(is_control(readable));
	EXPECT_EQ(-EBADF, store(readable, NUMBER));
	EXPECT_EQ(-EBADF, or_errno(ioctl(readable, SRVFS_IOC_CLEAR)));
	EXPECT_EQ(1, is_empty(ENTRY));
}

TEST_F(control, an_ioctl_of_an_unlinked_entry_stores_nothing)
{
	ASSERT_EQ(0, unlink(ENTRY));
	EXPECT_EQ(-ENOENT, store(self->control, NUMBER));
}

TEST_F(control, an_unknown_ioctl_is_refused)
{
	struct winsize size;

	EXPECT_EQ(-ENOTTY, or_errno(ioctl(self->control, _IO(0xBB, 0x02))));
	EXPECT_EQ(-ENOTTY, or_errno(ioctl(self->control, TIOCGWINSZ, &size)));
}

TEST_HARNESS_MAIN
