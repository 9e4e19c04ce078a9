// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of shared memory, with page tables for each process and with one set
 * for all processes.  For ../bench.ts.
 *
 *	figures PROCESSES MIB PROTECTED ROUNDS
 *
 * Up to PROCESSES processes touch each page of MIB MiB.  In each of ROUNDS rounds,
 * a single process does so, and the protection of PROTECTED MiB is changed.  Both
 * ways alternate.  The program writes the figures as JSON to a file in
 * KILN_ARTIFACTS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/msharefs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096UL
#define MiB	(1UL << 20)
#define UNIT	(1UL << 39)
#define MOST	256
#define RW	(PROT_READ | PROT_WRITE)

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static long page_tables_kib(void)
{
	char line[256];
	long value = -1;
	FILE *file;
	int fd;

	/* Each CPU keeps small changes to itself until a refresh. */
	fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	check(fd >= 0 && write(fd, "1", 1) == 1, "stat_refresh");
	close(fd);
	file = fopen("/proc/meminfo", "re");
	check(file, "/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		sscanf(line, "PageTables: %ld", &value);
	fclose(file);
	return value;
}

static long own_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* ----- Memory that is shared, in either way ----- */

struct memory {
	bool is_region;
	unsigned long size;
	int memfd;
	int region;
};

static struct memory make_memory(bool is_region, unsigned long size)
{
	struct memory memory = { is_region, size, -1, -1 };
	struct mshare_create object = {
		.size = size, .prot = RW, .flags = MAP_SHARED | MAP_FIXED,
	};

	memory.memfd = memfd_create("memory", MFD_CLOEXEC);
	check(memory.memfd >= 0 && !ftruncate(memory.memfd, size), "memfd");
	if (!is_region)
		return memory;
	memory.region = open("/tmp/mshare/region", O_RDWR | O_CREAT | O_CLOEXEC,
			     0600);
	check(memory.region >= 0 && !ftruncate(memory.region, UNIT), "region");
	object.fd = memory.memfd;
	check(!ioctl(memory.region, MSHAREFS_CREATE_MAPPING, &object), "object");
	return memory;
}

static char *map_memory(const struct memory *memory)
{
	char *addr = mmap(NULL, memory->is_region ? UNIT : memory->size, RW,
			  MAP_SHARED,
			  memory->is_region ? memory->region : memory->memfd,
			  0);

	check(addr != MAP_FAILED, "mmap");
	return addr;
}

static void give_up(struct memory *memory)
{
	close(memory->memfd);
	if (!memory->is_region)
		return;
	close(memory->region);
	check(!unlink("/tmp/mshare/region"), "unlink");
}

/* ----- Many processes ----- */

struct crowd {
	int count;
	pid_t pids[MOST];
	/*
	 * The parent writes a byte for each process that is to work, and another
	 * when all are done.  Each process answers both.
	 */
	int go[2], done[2], next[2];
	/* Shared with the processes. */
	volatile long *faults;
};

/* The work of each process between two bytes, and the number of rounds. */
struct work {
	struct memory *memory;
	bool protects;
	int rounds;
};

/* Even rounds remove write permission, odd rounds restore it. */
static int protection(int round)
{
	return round % 2 ? RW : PROT_READ;
}

/*
 * Each process begins at a different page and wraps around.  In step, all would
 * fault on the same page at the same time, and the result would depend more on
 * the number of CPUs than on page tables.
 */
static void touch(volatile char *addr, unsigned long size, unsigned long from)
{
	unsigned long at;

	for (at = 0; at < size; at += PAGE)
		addr[(from + at) % size] = 1;
}

static void run_member(struct crowd *crowd, int number, const struct work *work)
{
	unsigned long size = work->memory->size;
	unsigned long from = size / PAGE / crowd->count * number * PAGE;
	char *addr = map_memory(work->memory);
	char byte = 0;
	long before;
	int round;

	if (work->protects)
		touch(addr, size, from);
	/* Report ready, do the work, keep all page tables until the parent is done. */
	check(write(crowd->done[1], &byte, 1) == 1, "write");
	before = own_faults();
	for (round = 0; round < work->rounds; round++) {
		check(read(crowd->go[0], &byte, 1) == 1, "read");
		if (!work->protects)
			touch(addr, size, from);
		else if (!work->memory->is_region)
			check(!mprotect(addr, size, protection(round)), "mprotect");
		crowd->faults[number] = own_faults() - before;
		check(write(crowd->done[1], &byte, 1) == 1, "write");
		/* No process may take the byte of another one. */
		check(read(crowd->next[0], &byte, 1) == 1 &&
		      write(crowd->done[1], &byte, 1) == 1, "next");
	}
	pause();
}

static void wait_for_all(struct crowd *crowd)
{
	char byte;
	int i;

	for (i = 0; i < crowd->count; i++)
		check(read(crowd->done[0], &byte, 1) == 1, "read");
}

/* No process may exit by itself: the parent would wait for ever. */
static void lost(int signal)
{
	static const char text[] = "a process has ended\n";

	_exit(write(STDERR_FILENO, text, sizeof(text) - 1) ? 1 : 2);
}

static void gather(struct crowd *crowd, int count, const struct work *work)
{
	int i;

	signal(SIGCHLD, lost);
	crowd->count = count;
	crowd->faults = mmap(NULL, MOST * sizeof(long), RW,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(crowd->faults != MAP_FAILED && !pipe(crowd->go) &&
	      !pipe(crowd->done) && !pipe(crowd->next), "pipe");
	memset((void *)crowd->faults, 0, MOST * sizeof(long));
	for (i = 0; i < count; i++) {
		crowd->pids[i] = fork();
		check(crowd->pids[i] >= 0, "fork");
		if (!crowd->pids[i])
			run_member(crowd, i, work);
	}
	wait_for_all(crowd);
}

/* Let all processes work.  Returns the milliseconds until the last one is done. */
static double run_all(struct crowd *crowd)
{
	double start = now_ms(), took;
	char bytes[MOST] = "";

	check(write(crowd->go[1], bytes, crowd->count) == crowd->count, "write");
	wait_for_all(crowd);
	took = now_ms() - start;
	check(write(crowd->next[1], bytes, crowd->count) == crowd->count,
	      "write");
	wait_for_all(crowd);
	return took;
}

static void dismiss(struct crowd *crowd)
{
	int i, status;

	signal(SIGCHLD, SIG_DFL);
	for (i = 0; i < crowd->count; i++)
		kill(crowd->pids[i], SIGKILL);
	for (i = 0; i < crowd->count; i++)
		check(waitpid(crowd->pids[i], &status, 0) == crowd->pids[i] &&
		      WIFSIGNALED(status), "a process");
	for (i = 0; i < 2; i++) {
		close(crowd->go[i]);
		close(crowd->done[i]);
		close(crowd->next[i]);
	}
	munmap((void *)crowd->faults, MOST * sizeof(long));
}

/* ----- Figures ----- */

static const char * const ways[] = { "ordinary", "mshare" };

struct figures {
	long page_tables;
	long faults;
	double ms;
};

/* Measure a number of processes that touch each page. */
static struct figures touch_all(bool is_region, int processes,
				unsigned long size)
{
	struct memory memory = make_memory(is_region, size);
	struct work work = { .memory = &memory, .rounds = 1 };
	struct figures figures = { };
	struct crowd crowd;
	int i;

	gather(&crowd, processes, &work);
	figures.page_tables = -page_tables_kib();
	figures.ms = run_all(&crowd);
	figures.page_tables += page_tables_kib();
	for (i = 0; i < processes; i++)
		figures.faults += crowd.faults[i];
	dismiss(&crowd);
	give_up(&memory);
	return figures;
}

/* Write the times in which all processes lose and regain write permission. */
static void protect_all(FILE *out, bool is_region, int processes,
			unsigned long size, int rounds)
{
	struct memory memory = make_memory(is_region, size);
	struct work work = {
		.memory = &memory, .protects = true, .rounds = rounds,
	};
	struct mshare_protect protect = { .size = size };
	struct crowd crowd;
	double ms;
	int round;

	gather(&crowd, processes, &work);
	for (round = 0; round < rounds; round++) {
		if (is_region) {
			protect.prot = protection(round);
			ms = -now_ms();
			check(!ioctl(memory.region, MSHAREFS_PROTECT, &protect),
			      "protect");
			ms += now_ms();
		} else {
			ms = run_all(&crowd);
		}
		fprintf(out, "%s%.3f", round ? ", " : "", ms);
	}
	dismiss(&crowd);
	give_up(&memory);
}

int main(int argc, char **argv)
{
	const char *dir = getenv("KILN_ARTIFACTS");
	int processes = argc > 4 ? atoi(argv[1]) : 64;
	unsigned long size = (argc > 4 ? atol(argv[2]) : 16) * MiB;
	unsigned long protected = (argc > 4 ? atol(argv[3]) : 16) * MiB;
	int rounds = argc > 4 ? atoi(argv[4]) : 3;
	char path[256];
	FILE *out;
	int way, n;

	check(processes > 0 && processes <= MOST, "number of processes");
	check(!mkdir("/tmp/mshare", 0755) &&
	      !mount("none", "/tmp/mshare", "msharefs", 0, NULL), "msharefs");
	snprintf(path, sizeof(path), "%s/figures.json", dir ?: "/tmp");
	out = fopen(path, "we");
	check(out, path);

	fprintf(out, "{ \"processes\": %d, \"mib\": %lu,\n  \"steps\": [", processes,
		size / MiB);
	for (n = 1; n <= processes; n *= 2) {
		fprintf(out, "%s\n    { \"processes\": %d", n > 1 ? "," : "", n);
		for (way = 0; way < 2; way++) {
			struct figures figures = touch_all(way, n, size);

			fprintf(out, ",\n      \"%s\": { \"page_tables_kib\": %ld, \"faults\": %ld, \"ms\": %.2f }",
				ways[way], figures.page_tables, figures.faults,
				figures.ms);
		}
		fprintf(out, " }");
		printf("# %d processes\n", n);
	}

	fprintf(out, " ],\n  \"alone\": [");
	for (n = 0; n < rounds; n++) {
		fprintf(out, "%s\n    { ", n ? "," : "");
		for (way = 0; way < 2; way++) {
			/* Each way is first equally often. */
			int first = (way + n) % 2;
			struct figures figures = touch_all(first, 1, size);

			fprintf(out, "%s\"%s\": { \"faults\": %ld, \"ms\": %.3f }",
				way ? ", " : "", ways[first], figures.faults,
				figures.ms);
		}
		fprintf(out, " }");
	}

	fprintf(out, " ],\n  \"protect\": { \"processes\": %d, \"mib\": %lu",
		processes, protected / MiB);
	for (way = 0; way < 2; way++) {
		fprintf(out, ",\n    \"%s_ms\": [", ways[way]);
		protect_all(out, way, processes, protected, rounds);
		fprintf(out, "]");
	}
	fprintf(out, " } }\n");
	check(!fclose(out), path);
	return 0;
}
