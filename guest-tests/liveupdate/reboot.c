// SPDX-License-Identifier: GPL-2.0
/*
 * A reset of the machine instead of kexec.  The firmware decides whether memory
 * keeps its contents.  So either all files are unchanged, or guestmemfs formats the
 * memory, logs that, and has no files.
 */
#include <dirent.h>

#include "../kselftest.h"
#include "liveupdate.h"

#define NUMBERS	GM "/numbers"
#define SIZE	(8 * BLOCK)

static void result(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\n", name);
}

/* True if the log of this kernel contains the words. */
static bool kernel_log_contains(const char *words)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool said = log_says(log, words);

	close(log);
	return said;
}

static unsigned int files(void)
{
	unsigned int number = 0;
	DIR *dir = opendir(GM);

	while (readdir(dir))
		number++;
	closedir(dir);
	return number - 2;
}

static bool all_is_free(void)
{
	struct statfs fs;

	return !statfs(GM, &fs) && fs.f_bfree == fs.f_blocks;
}

static bool numbers_are_right(const uint64_t *numbers)
{
	for (size_t i = 0; i < SIZE / sizeof(*numbers); i++) {
		if (numbers[i] != mix(1, i))
			return false;
	}
	return true;
}

static bool write_numbers(void)
{
	uint64_t *numbers;

	close(make_sized(NUMBERS, SIZE));
	numbers = map_file(NUMBERS, SIZE);
	for (size_t i = 0; numbers && i < SIZE / sizeof(*numbers); i++)
		numbers[i] = mix(1, i);
	return numbers;
}

int main(void)
{
	unsigned int generation = kiln_generation();
	bool formatted;
	uint64_t *numbers;
	int err;

	/* Not mount_gm(): it requests formatting. */
	mkdir(GM, 0755);
	err = or_errno(mount("none", GM, "guestmemfs", 0, NULL));
	formatted = kernel_log_contains("guestmemfs: formatted");
	ksft_print_header();
	if (err == -ENODEV && !generation)
		ksft_exit_skip("no guestmemfs\n");
	ksft_set_plan(4);
	ksft_test_result(!err, "guestmemfs is mounted\n");
	if (!generation) {
		result(formatted, "it was formatted, and says so");
		result(!files() && all_is_free(), "it is empty");
		result(write_numbers(), "a file is made");
		ksft_print_cnts();
		if (ksft_get_fail_cnt())
			return KSFT_FAIL;
		reboot_to(1);
	}
	ksft_print_msg("the memory was %s\n", formatted ? "cleared" : "kept");
	result(formatted == kernel_log_contains("in use by kernel number 1,"),
	       "the log says whether it was formatted");
	numbers = map_file(NUMBERS, SIZE);
	result(formatted ? !files() && all_is_free() : files() == 1,
	       "there is no file, or that which was made");
	result(formatted ? !numbers : numbers && numbers_are_right(numbers),
	       "the file has its contents, if it is there");
	ksft_finished();
}
