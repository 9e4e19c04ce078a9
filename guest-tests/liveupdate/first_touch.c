// SPDX-License-Identifier: GPL-2.0
/*
 * The first touch of memory: there are fewer faults with 2 MiB entries than with
 * pages, because one fault maps a whole block.
 */
#include "../kselftest.h"
#include "liveupdate.h"
#include "../include/process.h"

#define SIZE (64 * BLOCK)

/* Map a file at an address and write to each page.  Returns the number of faults. */
static long touch_all(int fd, char *at, uint64_t *cycles)
{
	long before = faults_so_far();
	uint64_t start = rdtsc();
	char *memory = mmap(at, SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, fd, 0);
	size_t i;

	if (memory == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	for (i = 0; i < SIZE; i += PAGE)
		*(volatile char *)(memory + i) = 1;
	*cycles = rdtsc() - start;
	munmap(memory, SIZE);
	return faults_so_far() - before;
}

int main(void)
{
	int err = mount_gm(), fd;
	uint64_t large_cycles, small_cycles;
	long large, small;
	char *room;

	ksft_print_header();
	if (err == -ENODEV)
		ksft_exit_skip("no guestmemfs\n");
	ksft_set_plan(3);
	fd = err ? err : make_sized(GM "/file", SIZE);
	ksft_test_result(fd >= 0, "there is a file\n");
	room = mmap(NULL, SIZE + 2 * BLOCK, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fd < 0 || room == MAP_FAILED)
		ksft_exit_fail();
	room = (char *)(((uintptr_t)room + BLOCK - 1) & ~(BLOCK - 1));
	large = touch_all(fd, room, &large_cycles);
	/* At an offset of one page, no block is aligned for a 2 MiB entry. */
	small = touch_all(fd, room + PAGE, &small_cycles);
	ksft_print_msg("faults_2m %ld, faults_4k %ld, ratio %ld\n", large, small,
		       small / (large ?: 1));
	ksft_print_msg("time_ratio %.1f\n",
		       (double)small_cycles / large_cycles);
	ksft_test_result(small >= (long)(SIZE / PAGE),
			 "pages take a fault each\n");
	ksft_test_result(large > 0 && large * 20 <= small,
			 "blocks take at most a twentieth of the faults\n");
	ksft_finished();
}
