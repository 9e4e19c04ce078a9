// SPDX-License-Identifier: GPL-2.0
/*
 * How the kernel parses its command line.
 *
 * The program checks the command line that the guest was booted with.  With the
 * default one of the suite, the memory is usable.  With any other of the table
 * below, the log has the reason once, and a mount fails with ENODEV.
 */
#include "guestmemfs.h"

#define NOT_USABLE "guestmemfs: guestmemfs= on the command line is not usable: "

/*
 * All guestmemfs= parameters of a command line, then its memmap=; NULL stands for
 * 1280M$256M.  The machine has 2 GiB.
 */
static const struct {
	const char *parameters;
	const char *memmap;
	const char *reason;
} wrong[] = {
	{ "guestmemfs", NULL, "no size and base given" },
	{ "guestmemfs=", NULL, "no size and base given" },
	{ "guestmemfs=1280M", NULL, "no ':' between size and base" },
	{ "guestmemfs=1280M@256M", NULL, "no ':' between size and base" },
	{ "guestmemfs=:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=1280M:", NULL, "the base is not a number of bytes" },
	{ "guestmemfs=:", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=lots:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=-1280M:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=+1280M:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=1280Q:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=1280MB:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=1280M:256MM", NULL, "the base is not a number of bytes" },
	{ "guestmemfs=1280M:256M:0", NULL, "the base is not a number of bytes" },
	{ "guestmemfs=1280M:256M,format", NULL,
	  "the base is not a number of bytes" },
	{ "guestmemfs=1280M:0x", NULL, "the base is not a number of bytes" },
	{ "guestmemfs=18446744073709551616:256M", NULL,
	  "the size is not a number of bytes" },
	{ "guestmemfs=16E:256M", NULL, "the size is not a number of bytes" },
	{ "guestmemfs=1280M:999999999999999999999999", NULL,
	  "the base is not a number of bytes" },
	{ "guestmemfs=0:256M", NULL, "the size is 0" },
	{ "guestmemfs=0x0:0", NULL, "the size is 0" },
	{ "guestmemfs=1280:256M", NULL,
	  "the size is not a multiple of 128 MiB" },
	{ "guestmemfs=1281M:256M", NULL,
	  "the size is not a multiple of 128 MiB" },
	{ "guestmemfs=1278M:256M", NULL,
	  "the size is not a multiple of 128 MiB" },
	{ "guestmemfs=1152M:258M", NULL,
	  "the base is not a multiple of 128 MiB" },
	{ "guestmemfs=1152M:257M", NULL,
	  "the base is not a multiple of 128 MiB" },
	{ "guestmemfs=8E:8E", NULL, "the range ends beyond all memory" },
	{ "guestmemfs=1280M:15E", NULL, "the range ends beyond all memory" },
	{ "guestmemfs=8P:256M", NULL, "the range ends beyond all memory" },
	{ "guestmemfs=1280M:256M guestmemfs=1280M:256M", NULL,
	  "given more than once" },
	{ "guestmemfs=oops guestmemfs=1280M:256M", NULL,
	  "given more than once" },
	{ "guestmemfs=1280M:256M", "",
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	{ "guestmemfs=1408M:256M", NULL,
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	{ "guestmemfs=1280M:128M", NULL,
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	{ "guestmemfs=256M:128M", "memmap=128M$256M",
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	{ "guestmemfs=1280M:256M", "memmap=1280M@256M",
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	{ "guestmemfs=128M:256M", "memmap=127M$256M",
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	{ "guestmemfs=1280M:0", NULL,
	  "the kernel uses memory in the range, memmap= is missing or differs" },
	/* No RAM at all, the PCI hole, half of the range RAM. */
	{ "guestmemfs=1G:64G", NULL, "not all of the range is RAM" },
	{ "guestmemfs=128M:3G", NULL, "not all of the range is RAM" },
	{ "guestmemfs=256M:1920M", "memmap=256M$1920M",
	  "not all of the range is RAM" },
};

static char command_line[4096];

static void read_command_line(void)
{
	int fd = try_open("/proc/cmdline", O_RDONLY);
	ssize_t size = read(fd, command_line, sizeof(command_line) - 1);

	command_line[size > 0 ? size : 0] = '\0';
	command_line[strcspn(command_line, "\n")] = '\0';
	close(fd);
}

/* All words of the command line that begin with `begin`, separated by spaces. */
static const char *words(const char *begin, char *out)
{
	char copy[sizeof(command_line)], *word, *rest = copy;

	strcpy(copy, command_line);
	*out = '\0';
	while ((word = strsep(&rest, " "))) {
		if (strncmp(word, begin, strlen(begin)))
			continue;
		if (*out)
			strcat(out, " ");
		strcat(out, word);
	}
	return out;
}

static int log_records(const char *text)
{
	int log = try_open("/dev/kmsg", O_RDONLY | O_NONBLOCK), found = 0;
	char record[8192];
	ssize_t size;

	/* EPIPE: the oldest records were overwritten. */
	while ((size = read(log, record, sizeof(record) - 1)) > 0 ||
	       errno == EPIPE) {
		record[size > 0 ? size : 0] = '\0';
		found += strstr(record, text) != NULL;
		errno = 0;
	}
	close(log);
	return found;
}

static const char *expected_reason(void)
{
	static char parameters[4096], memmap[4096];
	unsigned int i;

	read_command_line();
	words("guestmemfs", parameters);
	words("memmap", memmap);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		const char *range = wrong[i].memmap ? : "memmap=1280M$256M";

		if (!strcmp(parameters, wrong[i].parameters) &&
		    !strcmp(memmap, range))
			return wrong[i].reason;
	}
	return NULL;
}

static bool is_absent(void)
{
	char parameters[4096];

	read_command_line();
	return !*words("guestmemfs", parameters);
}

FIXTURE(cmdline) { };

FIXTURE_SETUP(cmdline)
{
	private_tmp(_metadata, GM);
}

FIXTURE_TEARDOWN(cmdline)
{
	gm_leave();
}

TEST_F(cmdline, that_is_wrong_gives_a_reason_and_no_filesystem)
{
	const char *reason = expected_reason();
	char record[512];

	if (!reason)
		SKIP(return, "not an invalid command line: %.500s",
		     command_line);
	snprintf(record, sizeof(record), NOT_USABLE "%s\n", reason);
	EXPECT_EQ(1, log_records(record));
	EXPECT_EQ(1, log_records("guestmemfs: "));
	EXPECT_EQ(-ENODEV, mount_gm(NULL));
	EXPECT_EQ(-ENODEV, mount_gm("format"));
	EXPECT_EQ(-EINVAL, mount_gm("nonsense"));
}

TEST_F(cmdline, without_the_parameter_there_is_no_filesystem)
{
	if (!is_absent())
		SKIP(return, "guestmemfs= is present: %.500s", command_line);
	EXPECT_EQ(0, log_records("guestmemfs: "));
	EXPECT_EQ(-ENODEV, mount_gm(NULL));
}

TEST_F(cmdline, that_is_right_gives_a_filesystem)
{
	if (expected_reason() || is_absent())
		SKIP(return, "not a valid command line: %.500s", command_line);
	EXPECT_EQ(0, log_records(NOT_USABLE));
	EXPECT_EQ(1, log_records("guestmemfs: 1280 MiB of memory at 0x10000000\n"));
	EXPECT_EQ(0, mount_gm("format"));
}

/* Otherwise the program would pass on any command line that is not in the table. */
TEST_F(cmdline, is_one_that_this_program_knows)
{
	char parameters[4096];

	if (expected_reason() || is_absent())
		return;
	EXPECT_STREQ("guestmemfs=1280M:256M", words("guestmemfs", parameters));
}

TEST_HARNESS_MAIN
