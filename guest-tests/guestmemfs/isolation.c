// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of files is isolated: it is not in the page allocator, not in the
 * kernel's mappings, and it has no struct pages that could be pinned.
 */
#include <elf.h>
#include <linux/io_uring.h>
#include <linux/kernel-page-flags.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "guestmemfs.h"

#define SECRET "guestmemfs keeps this to itself, and to nobody else"

FIXTURE(isolation) {
	int fd;
	char *at;
};

FIXTURE_SETUP(isolation)
{
	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	self->fd = make_sized(FILE_A, 2 * BLOCK);
	ASSERT_LE(0, self->fd);
	self->at = map_fd(self->fd, 2 * BLOCK, 0);
	ASSERT_NE(NULL, self->at);
	strcpy(self->at + PAGE, SECRET);
}

FIXTURE_TEARDOWN(isolation)
{
	gm_leave();
}

/* Call a function for each line of a file until it returns true. */
static int each_line(const char *path, bool (*stop)(char *line))
{
	static char line[4096];
	FILE *file = fopen(path, "r");
	int stopped = 0;

	if (!file)
		return -errno;
	while (!stopped && fgets(line, sizeof(line), file))
		stopped = stop(line);
	fclose(file);
	return stopped;
}

static bool overlaps_range(unsigned long begin, unsigned long end)
{
	return begin < RANGE_BASE + RANGE_SIZE && end > RANGE_BASE;
}

static bool is_ram_in_range(char *line)
{
	unsigned long first, last;

	return strstr(line, "System RAM") &&
	       sscanf(line, "%lx-%lx", &first, &last) == 2 &&
	       overlaps_range(first, last + 1);
}

static bool is_claimed_range(char *line)
{
	unsigned long first, last;

	return strstr(line, ": guestmemfs\n") &&
	       sscanf(line, "%lx-%lx", &first, &last) == 2 &&
	       first == RANGE_BASE && last == RANGE_BASE + RANGE_SIZE - 1;
}

TEST_F(isolation, the_range_is_not_system_ram)
{
	EXPECT_EQ(0, each_line("/proc/iomem", is_ram_in_range));
}

TEST_F(isolation, the_range_is_claimed)
{
	EXPECT_EQ(1, each_line("/proc/iomem", is_claimed_range));
}

/* /proc/kcore shows the direct map of RAM. */
TEST_F(isolation, the_direct_map_leaves_the_range_out)
{
	int fd = try_open("/proc/kcore", O_RDONLY), i, ram = 0;
	Elf64_Phdr headers[64];
	Elf64_Ehdr head;

	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(head), read(fd, &head, sizeof(head)));
	ASSERT_GE(64, head.e_phnum);
	ASSERT_LT(0, pread(fd, headers, sizeof(headers), head.e_phoff));
	for (i = 0; i < head.e_phnum; i++) {
		if (headers[i].p_type != PT_LOAD || headers[i].p_paddr == -1UL)
			continue;
		ram += headers[i].p_memsz > MiB;
		EXPECT_FALSE(overlaps_range(headers[i].p_paddr,
					    headers[i].p_paddr +
					    headers[i].p_memsz));
	}
	EXPECT_LT(0, ram);
}

/*
 * The dump of the kernel's page tables has a headline for each area.  Each mapped
 * range shows whether it is writable.
 */
static bool in_direct_map;
static unsigned long direct_map;
static unsigned long mapped_directly;

static bool maps_the_range_directly(char *line)
{
	unsigned long begin, end;

	if (line[0] == '-') {
		in_direct_map = strstr(line, "Low Kernel Mapping");
		return false;
	}
	if (!in_direct_map || sscanf(line, "0x%lx-0x%lx", &begin, &end) != 2)
		return false;
	/* The area may begin with a hole. */
	if (!direct_map)
		direct_map = begin & ~(GiB - 1);
	if (!strstr(line, " RW ") && !strstr(line, " ro "))
		return false;
	mapped_directly += end - begin;
	return overlaps_range(begin - direct_map, end - direct_map);
}

TEST_F(isolation, the_page_tables_leave_the_range_out)
{
	int found = each_line("/sys/kernel/debug/page_tables/kernel",
			      maps_the_range_directly);

	if (found == -ENOENT)
		SKIP(return, "no CONFIG_PTDUMP_DEBUGFS");
	EXPECT_EQ(0, found);
	/* The rest of memory is in the direct map. */
	EXPECT_LT(500 * MiB, mapped_directly);
	EXPECT_GT(RANGE_SIZE, mapped_directly);
}

TEST_F(isolation, the_range_has_no_struct_pages)
{
	int flags = try_open("/proc/kpageflags", O_RDONLY);
	unsigned long word;
	size_t at;

	ASSERT_LE(0, flags);
	for (at = RANGE_BASE; at < RANGE_BASE + RANGE_SIZE; at += 64 * MiB) {
		word = 0;
		ASSERT_EQ(8, pread(flags, &word, 8, at / PAGE * 8));
		EXPECT_TRUE(word & (1UL << KPF_NOPAGE));
	}
	ASSERT_EQ(8, pread(flags, &word, 8, (RANGE_BASE - PAGE) / PAGE * 8));
	EXPECT_FALSE(word & (1UL << KPF_NOPAGE));
	ASSERT_EQ(8, pread(flags, &word, 8, (RANGE_BASE + RANGE_SIZE) / PAGE * 8));
	EXPECT_FALSE(word & (1UL << KPF_NOPAGE));
}

static unsigned long data_mapped;

static bool is_data_mapping(char *line)
{
	char *phys = strstr(line, "phys=0x");
	unsigned long address;

	if (phys && sscanf(phys, "phys=0x%lx", &address) == 1 &&
	    address >= RANGE_BASE + BLOCK && address < RANGE_BASE + RANGE_SIZE)
		data_mapped++;
	return false;
}

TEST_F(isolation, the_kernel_does_not_keep_blocks_mapped)
{
	ASSERT_LE(0, make_sized(FILE_B, 50 * BLOCK));
	ASSERT_EQ(0, each_line("/proc/vmallocinfo", is_data_mapping));
	EXPECT_EQ(0, data_mapped);
}

static bool is_write_back(char *line)
{
	unsigned long begin, end;

	return sscanf(strchr(line, '0') ? : "", "0x%lx-0x%lx", &begin, &end) == 2 &&
	       begin <= RANGE_BASE && end >= RANGE_BASE + RANGE_SIZE - 1 &&
	       strstr(line, "write-back");
}

TEST_F(isolation, the_range_is_recorded_as_write_back)
{
	EXPECT_EQ(1, each_line("/sys/kernel/debug/x86/pat_memtype_list",
			       is_write_back));
}

/* The address whose entry in the process's page table is wanted. */
static unsigned long wanted;
static char entry[4096];

static bool is_wanted(char *line)
{
	unsigned long begin, end;

	if (sscanf(line, "0x%lx-0x%lx", &begin, &end) != 2 ||
	    wanted < begin || wanted >= end)
		return false;
	strcpy(entry, line);
	return true;
}

TEST_F(isolation, mappings_are_large_and_write_back)
{
	int found;

	EXPECT_EQ(0, touch(self->at, true));
	EXPECT_EQ(0, touch(self->at + BLOCK, true));
	wanted = (unsigned long)self->at;
	found = each_line("/sys/kernel/debug/page_tables/current_kernel",
			  is_wanted);
	if (found == -ENOENT)
		SKIP(return, "no CONFIG_PTDUMP_DEBUGFS");
	ASSERT_EQ(1, found);
	TH_LOG("%s", entry);
	EXPECT_NE(NULL, strstr(entry, " USR "));
	EXPECT_NE(NULL, strstr(entry, " PSE "));
	EXPECT_EQ(NULL, strstr(entry, " PCD "));
	EXPECT_EQ(NULL, strstr(entry, " PWT "));
	EXPECT_EQ(NULL, strstr(entry, " PAT "));
}

TEST_F(isolation, small_mappings_are_write_back)
{
	char *at = map_fd(self->fd, BLOCK, 0);

	ASSERT_EQ(0, madvise(at, BLOCK, MADV_NOHUGEPAGE));
	EXPECT_EQ(0, touch(at + 5 * PAGE, true));
	wanted = (unsigned long)at + 5 * PAGE;
	if (each_line("/sys/kernel/debug/page_tables/current_kernel",
		      is_wanted) == -ENOENT)
		SKIP(return, "no CONFIG_PTDUMP_DEBUGFS");
	EXPECT_NE(NULL, strstr(entry, " pte"));
	EXPECT_EQ(NULL, strstr(entry, " PCD "));
	EXPECT_EQ(NULL, strstr(entry, " PWT "));
	EXPECT_EQ(NULL, strstr(entry, " PAT "));
}

TEST_F(isolation, plain_io_with_a_buffer_in_a_file_works)
{
	int fd = try_open("/tmp/x", O_RDWR | O_CREAT);

	ASSERT_EQ(sizeof(SECRET), write(fd, self->at + PAGE, sizeof(SECRET)));
	ASSERT_EQ(sizeof(SECRET), pread(fd, self->at + BLOCK, sizeof(SECRET), 0));
	EXPECT_STREQ(SECRET, self->at + BLOCK);
}

TEST_F(isolation, io_beyond_the_end_of_a_file_faults)
{
	int fd = try_open("/tmp/x", O_RDWR | O_CREAT);
	char *at = map_fd(self->fd, 2 * BLOCK, BLOCK);

	EXPECT_EQ(-1, write(fd, at + BLOCK, PAGE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(PAGE, write(fd, at + BLOCK - PAGE, 2 * PAGE));
}

TEST_F(isolation, vmsplice_is_refused)
{
	struct iovec vector = { self->at + PAGE, PAGE };
	int ends[2];

	ASSERT_EQ(0, pipe(ends));
	EXPECT_EQ(-1, vmsplice(ends[1], &vector, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, vmsplice(ends[1], &vector, 1, SPLICE_F_GIFT));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(isolation, process_vm_readv_is_refused)
{
	char buffer[64];
	struct iovec local = { buffer, sizeof(buffer) };
	struct iovec remote = { self->at + PAGE, sizeof(buffer) };

	EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_STREQ(SECRET, self->at + PAGE);
}

TEST_F(isolation, io_uring_buffers_are_refused)
{
	struct iovec vector = { self->at, BLOCK };
	struct io_uring_params params = { };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	ASSERT_LE(0, ring);
	EXPECT_EQ(-1, syscall(SYS_io_uring_register, ring,
			      IORING_REGISTER_BUFFERS, &vector, 1));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(isolation, a_debugger_reads_nothing)
{
	char buffer[64] = "";
	int fd, status;
	pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	errno = 0;
	EXPECT_EQ(-1, ptrace(PTRACE_PEEKDATA, child, self->at + PAGE, NULL));
	EXPECT_EQ(EIO, errno);
	ptrace(PTRACE_KILL, child, NULL, NULL);
	waitpid(child, &status, 0);
	fd = try_open("/proc/self/mem", O_RDWR);
	EXPECT_EQ(-1, pread(fd, buffer, sizeof(buffer),
			    (off_t)(self->at + PAGE)));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(fd, buffer, sizeof(buffer),
			     (off_t)(self->at + PAGE)));
	EXPECT_EQ(EIO, errno);
}

TEST_F(isolation, userfaultfd_is_refused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (unsigned long)self->at, BLOCK },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	EXPECT_EQ(-1, ioctl(fd, UFFDIO_REGISTER, &range));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(isolation, a_core_dump_leaves_the_memory_out)
{
	int pattern = try_open("/proc/sys/kernel/core_pattern", O_WRONLY);
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	int fd, status, i, dumped = 0;
	Elf64_Phdr headers[64];
	Elf64_Ehdr head;
	pid_t child;

	if (pattern < 0)
		SKIP(return, "no CONFIG_COREDUMP");
	ASSERT_LT(0, write(pattern, "/tmp/core", 9));
	ASSERT_EQ(0, setrlimit(RLIMIT_CORE, &limit));
	child = fork();
	if (!child) {
		fill(self->at, BLOCK, 1);
		abort();
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
	fd = try_open("/tmp/core", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(head), read(fd, &head, sizeof(head)));
	ASSERT_GE(64, head.e_phnum);
	ASSERT_LT(0, pread(fd, headers, sizeof(headers), head.e_phoff));
	for (i = 0; i < head.e_phnum; i++) {
		if (headers[i].p_type != PT_LOAD)
			continue;
		dumped += headers[i].p_filesz > 0;
		if (headers[i].p_vaddr == (unsigned long)self->at)
			EXPECT_EQ(0, headers[i].p_filesz);
	}
	EXPECT_LT(0, dumped);
}

TEST_F(isolation, physical_memory_shows_the_data)
{
	/* A process that can read all of /dev/mem can read this, too. */
	int fd = try_open("/dev/mem", O_RDONLY);
	char buffer[sizeof(SECRET)];
	bool found = false;
	size_t block;

	ASSERT_LE(0, fd);
	for (block = 1; block < RANGE_SIZE / BLOCK && !found; block++) {
		if (pread(fd, buffer, sizeof(buffer),
			  RANGE_BASE + block * BLOCK + PAGE) == sizeof(buffer))
			found = !memcmp(buffer, SECRET, sizeof(SECRET));
	}
	EXPECT_TRUE(found);
}

TEST_HARNESS_MAIN
