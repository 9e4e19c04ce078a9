/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the msharefs test programs.
 *
 * Every case runs in its own mount namespace, with a private tmpfs on /tmp and
 * one msharefs instance at MNT.  Everything that a case leaves behind, even when
 * it is killed, disappears with that namespace.
 *
 * Functions return a value, or -errno.
 */
#ifndef MSHAREFS_TEST_H
#define MSHAREFS_TEST_H

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/msharefs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../include/access.h"
#include "../include/eventually.h"
#include "../include/file.h"
#include "../include/harness.h"
#include "../include/process.h"
#include "../include/size.h"

/* Seconds that a case may take: a debug kernel under emulation is slow. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

#ifndef MSHARE_MAGIC
#define MSHARE_MAGIC 0x4d534852
#endif
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21 << 26)
#endif

#define MNT	"/tmp/mshare"
#define REGION	MNT "/region"

/* The size of regions is a multiple of this. */
#define UNIT	(1UL << 39)
#define HUGE	(2 * MiB)

#define RW	(PROT_READ | PROT_WRITE)
#define FIXED	(MAP_SHARED | MAP_FIXED)
#define ANON	(FIXED | MAP_ANONYMOUS)

/* A fixture with an empty instance at MNT and nothing else. */
#define MSHARE_FIXTURE(name)						\
	FIXTURE(name) { };						\
	FIXTURE_SETUP(name) { mshare_enter(_metadata); }		\
	FIXTURE_TEARDOWN(name) { mshare_leave(); }

static inline int mount_mshare(const char *dir, const char *options)
{
	return or_errno(mount("none", dir, "msharefs", 0, options));
}

static inline void mshare_enter(struct __test_metadata *_metadata)
{
	int err;

	private_tmp(_metadata, MNT);
	err = mount_mshare(MNT, NULL);
	if (err == -ENODEV)
		SKIP(return, "this kernel has no msharefs (CONFIG_MSHARE)");
	ASSERT_EQ(0, err);
}

static inline void mshare_leave(void)
{
	umount2(MNT, MNT_DETACH);
	umount2("/tmp", MNT_DETACH);
}

static inline int try_open(const char *path, int flags)
{
	return or_errno(open(path, flags | O_CLOEXEC, 0644));
}

/* ----- Regions and objects ----- */

/* Create a region without a size. */
static inline int new_region(const char *path)
{
	return try_open(path, O_RDWR | O_CREAT | O_EXCL);
}

/* Create a region of this many units and return a descriptor. */
static inline int make_region(const char *path, unsigned long units)
{
	int fd = new_region(path);
	int err;

	if (fd < 0)
		return fd;
	err = or_errno(ftruncate(fd, units * UNIT));
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static inline int map_object(int fd, uint64_t at, uint64_t size, uint32_t prot,
			     uint32_t flags, int object, uint64_t offset)
{
	struct mshare_create create;

	/* The contents of the padding must not matter. */
	memset(&create, 0xff, sizeof(create));
	create.region_offset = at;
	create.size = size;
	create.offset = offset;
	create.prot = prot;
	create.flags = flags;
	create.fd = object;
	return or_errno(ioctl(fd, MSHAREFS_CREATE_MAPPING, &create));
}

static inline int map_anon(int fd, uint64_t at, uint64_t size)
{
	return map_object(fd, at, size, RW, ANON, -1, 0);
}

static inline int map_file(int fd, uint64_t at, uint64_t size, int object)
{
	return map_object(fd, at, size, RW, FIXED, object, 0);
}

static inline int unmap_object(int fd, uint64_t at, uint64_t size)
{
	struct mshare_unmap unmap = { .region_offset = at, .size = size };

	return or_errno(ioctl(fd, MSHAREFS_UNMAP, &unmap));
}

static inline int protect_object(int fd, uint64_t at, uint64_t size,
				 uint32_t prot)
{
	struct mshare_protect protect = {
		.region_offset = at, .size = size, .prot = prot,
	};

	return or_errno(ioctl(fd, MSHAREFS_PROTECT, &protect));
}

/* Map a whole region of this many units.  Returns NULL, with errno, on failure. */
static inline char *attach_units(int fd, int prot, unsigned long units)
{
	void *addr = mmap(NULL, units * UNIT, prot, MAP_SHARED, fd, 0);

	return addr == MAP_FAILED ? NULL : addr;
}

static inline char *attach(int fd)
{
	return attach_units(fd, RW, 1);
}

static inline int detach(void *addr)
{
	return or_errno(munmap(addr, UNIT));
}

/* ----- Other processes ----- */

/* A process with its own page tables that executes commands. */
struct peer {
	pid_t pid;
	int channel;
};

enum peer_verb {
	PEER_ATTACH, PEER_DETACH, PEER_PEEK, PEER_POKE, PEER_CHECK, PEER_FILL,
	PEER_CREATE,
};

struct peer_order {
	enum peer_verb verb;
	int fd;
	int value;
	char *addr;
	unsigned long size;
};

/* Returns 0 if each page begins with value, else 1 + the index of the first that does not. */
static inline long check_pages(const char *addr, unsigned long size, int value)
{
	struct sigaction action = { .sa_handler = access_signal };
	struct sigaction segv, bus;
	volatile unsigned long i = 0;
	long result = 0;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	if (sigsetjmp(access_failed, 1))
		result = 1 + i / PAGE;
	for (; !result && i < size; i += PAGE) {
		if (*(volatile unsigned char *)(addr + i) != value)
			result = 1 + i / PAGE;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return result;
}

/* Returns 0, or the negative signal that stopped the writes. */
static inline long fill_pages(char *addr, unsigned long size, int value)
{
	struct sigaction action = { .sa_handler = access_signal };
	struct sigaction segv, bus;
	volatile unsigned long i = 0;
	long result;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	result = -sigsetjmp(access_failed, 1);
	for (; !result && i < size; i += PAGE)
		*(volatile char *)(addr + i) = value;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return result;
}

static inline long peer_obey(const struct peer_order *order)
{
	void *addr;

	switch (order->verb) {
	case PEER_ATTACH:
		addr = mmap(order->addr, UNIT, order->value,
			    MAP_SHARED | (order->addr ? MAP_FIXED : 0),
			    order->fd, 0);
		return addr == MAP_FAILED ? -errno : (long)addr;
	case PEER_DETACH:
		return detach(order->addr);
	case PEER_PEEK:
		return peek(order->addr);
	case PEER_POKE:
		return poke(order->addr, order->value);
	case PEER_CHECK:
		return check_pages(order->addr, order->size, order->value);
	case PEER_FILL:
		return fill_pages(order->addr, order->size, order->value);
	case PEER_CREATE:
		return make_region((char *)order->addr, 1);
	}
	return -EINVAL;
}

static inline void peer_serve(int channel)
{
	struct peer_order order;

	while (read(channel, &order, sizeof(order)) == sizeof(order)) {
		long result = peer_obey(&order);

		if (write(channel, &result, sizeof(result)) < 0)
			break;
	}
	_exit(0);
}

/* Start a peer.  It inherits descriptors, and a container if there is one. */
static inline struct peer peer_start(void)
{
	struct peer peer = { .pid = -1 };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return peer;
	peer.pid = fork();
	if (!peer.pid) {
		be_a_child();
		close(ends[0]);
		peer_serve(ends[1]);
	}
	close(ends[1]);
	peer.channel = ends[0];
	return peer;
}

static inline long peer_tell(struct peer *peer, struct peer_order order)
{
	long result;

	if (write(peer->channel, &order, sizeof(order)) != sizeof(order) ||
	    read(peer->channel, &result, sizeof(result)) != sizeof(result))
		return -EPIPE;
	return result;
}

/* Returns the address at which the peer has attached the region, or -errno. */
static inline long peer_attach(struct peer *peer, int fd, int prot, void *at)
{
	return peer_tell(peer, (struct peer_order) {
		.verb = PEER_ATTACH, .fd = fd, .value = prot, .addr = at });
}

static inline long peer_detach(struct peer *peer, long at)
{
	return peer_tell(peer, (struct peer_order) {
		.verb = PEER_DETACH, .addr = (char *)at });
}

static inline int peer_peek(struct peer *peer, long addr)
{
	return peer_tell(peer, (struct peer_order) {
		.verb = PEER_PEEK, .addr = (char *)addr });
}

static inline int peer_poke(struct peer *peer, long addr, int value)
{
	return peer_tell(peer, (struct peer_order) {
		.verb = PEER_POKE, .addr = (char *)addr, .value = value });
}

static inline long peer_check(struct peer *peer, long addr, unsigned long size,
			      int value)
{
	return peer_tell(peer, (struct peer_order) {
		.verb = PEER_CHECK, .addr = (char *)addr, .size = size,
		.value = value });
}

static inline long peer_fill(struct peer *peer, long addr, unsigned long size,
			     int value)
{
	return peer_tell(peer, (struct peer_order) {
		.verb = PEER_FILL, .addr = (char *)addr, .size = size,
		.value = value });
}

/* End the peer.  Returns its exit code, or 256 + signal. */
static inline int peer_stop(struct peer *peer)
{
	shutdown(peer->channel, SHUT_RDWR);
	close(peer->channel);
	return reap(peer->pid);
}

/* ----- Nothing is left ----- */

/* The resources that the guest uses, in kB and in objects. */
struct usage {
	long page_tables;
	long mms;
	long memory;
};

/*
 * Objects in use in a slab cache.  The kernel also counts free objects on the
 * slabs that a CPU keeps to itself, up to a few hundred per CPU, until the CPU
 * has to return the slabs.
 */
static inline long slab(const char *name)
{
	char line[256], key[64];
	long active = -1;
	FILE *file;

	snprintf(line, sizeof(line), "/sys/kernel/slab/%s/shrink", name);
	write_to(line, "1");
	file = fopen("/proc/slabinfo", "re");
	if (!file)
		return -1;
	snprintf(key, sizeof(key), "%s ", name);
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key)))
			sscanf(line + strlen(key), "%ld", &active);
	}
	fclose(file);
	return active;
}

/* Free pages on the per-CPU lists, in kB; MemFree does not count them. */
static inline long pcp_free_kb(void)
{
	char line[256];
	long pages = 0, count;
	FILE *file = fopen("/proc/zoneinfo", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " count: %ld", &count) == 1)
			pages += count;
	}
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Free unused slabs, and the objects in KASAN's quarantine. */
static inline void shrink_slabs(void)
{
	glob_t found;
	size_t i;

	if (glob("/sys/kernel/slab/*/shrink", GLOB_NOSORT, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		write_to(found.gl_pathv[i], "1");
	globfree(&found);
}

static inline struct usage usage_now(void)
{
	/* Drop all caches, which would hide what is in use; 4: do not log it. */
	write_to("/proc/sys/vm/drop_caches", "7");
	shrink_slabs();
	return (struct usage) {
		.page_tables = meminfo("PageTables"),
		.mms = slab("mm_struct"),
		.memory = meminfo("MemTotal") - meminfo("MemFree") - pcp_free_kb(),
	};
}

/* The usage before the first case. */
static struct usage usage_before;

static inline __attribute__((constructor(65000))) void usage_constructor(void)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		return;
	pid = fork();
	if (!pid) {
		usage_before = usage_now();
		_exit(write(ends[1], &usage_before, sizeof(usage_before)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], &usage_before, sizeof(usage_before)) < 0)
		usage_before.mms = -1;
	close(ends[0]);
	waitpid(pid, NULL, 0);
}

/*
 * The usage may grow by this much without a leak: for other processes of the
 * guest, and for caches and pools of the kernel, which grow when a function is
 * used for the first time.
 */
#define SLACK_TABLES	96
#define SLACK_MMS	3
#define SLACK_MEMORY	(16 * 1024)

static inline bool usage_is_as_before(void)
{
	struct usage now = usage_now();

	return now.page_tables <= usage_before.page_tables + SLACK_TABLES &&
	       now.mms <= usage_before.mms + SLACK_MMS &&
	       now.memory <= usage_before.memory + SLACK_MEMORY;
}

/* The last case of each program. */
#define LEAVES_NOTHING							\
	FIXTURE(afterwards) { };					\
	FIXTURE_SETUP(afterwards) { }					\
	FIXTURE_TEARDOWN(afterwards) { }				\
	TEST_F_TIMEOUT(afterwards, nothing_is_left, 120)		\
	{								\
		bool settled = EVENTUALLY(usage_is_as_before());	\
		struct usage now = usage_now();				\
									\
		EXPECT_LT(0, usage_before.mms);				\
		EXPECT_TRUE(settled);					\
		TH_LOG("page tables %ld -> %ld kB, mm_structs %ld -> %ld, memory %ld -> %ld kB", \
		       usage_before.page_tables, now.page_tables,	\
		       usage_before.mms, now.mms, usage_before.memory,	\
		       now.memory);					\
	}

/* ----- The machine is what its section says ----- */

/* Is this among the flags of the processor, of which the kernel shows what it uses? */
static inline bool cpu_has_flag(const char *flag)
{
	char line[8192], wanted[32];
	FILE *file = fopen("/proc/cpuinfo", "re");
	bool found = false;

	if (!file)
		return false;
	snprintf(wanted, sizeof(wanted), " %s ", flag);
	while (!found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = ' ';
		found = !strncmp(line, "flags", 5) && strstr(line, wanted);
	}
	fclose(file);
	return found;
}

/* Is this a word of the kernel's command line? */
static inline bool was_booted_with(const char *word)
{
	char line[4096] = " ", wanted[64];
	int fd = try_open("/proc/cmdline", O_RDONLY);

	if (fd < 0 || read(fd, line + 1, sizeof(line) - 3) < 0)
		line[1] = '\0';
	close(fd);
	line[strcspn(line, "\n")] = ' ';
	snprintf(wanted, sizeof(wanted), " %s ", word);
	return strstr(line, wanted);
}

/* Can the processor do five levels, whatever the kernel makes of it? */
static inline bool cpu_has_five_levels(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ecx & 1 << 16;
}

/*
 * For programs whose settings have sections: a section that asks for five levels or
 * for page table isolation must not run without in silence.
 */
#define IS_ITS_SECTION							\
	FIXTURE(section) { };						\
	FIXTURE_SETUP(section) { }					\
	FIXTURE_TEARDOWN(section) { }					\
	TEST_F(section, has_the_page_tables_that_it_asks_for)		\
	{								\
		if (was_booted_with("pti=on"))				\
			EXPECT_TRUE(cpu_has_flag("pti"));		\
		if (!was_booted_with("mshare.levels=5"))		\
			return;						\
		if (was_booted_with("no5lvl") || !cpu_has_five_levels()) \
			SKIP(return, "four levels of page tables");	\
		EXPECT_TRUE(cpu_has_flag("la57"));			\
	}

#endif /* MSHAREFS_TEST_H */
