// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command_line.h"
#include "kmsg.h"
#include "log.h"
#include "system.h"

#define ENTROPY_MAX 512

/* In this order, because some mount points are inside earlier mounts. */
static const struct {
	const char *type, *where, *options;
	unsigned long flags;
} mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID },
	{ "devpts", "/dev/pts", "gid=5,mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "mqueue", "/dev/mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "debugfs", "/sys/kernel/debug", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "tracefs", "/sys/kernel/tracing", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "configfs", "/sys/kernel/config", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "bpf", "/sys/fs/bpf", "mode=0700", MS_NOSUID | MS_NODEV | MS_NOEXEC },
};

static const struct {
	const char *target, *path;
} links[] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

/* Created if the image does not contain them. */
static const struct {
	const char *path, *text;
} files[] = {
	{ "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
			 "daemon:x:1:1:daemon:/:/bin/false\n"
			 "nobody:x:65534:65534:nobody:/:/bin/false\n" },
	{ "/etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n" },
	{ "/etc/hosts", "127.0.0.1 localhost kiln\n::1 localhost\n" },
};

/* A file that this kernel lacks is skipped. */
static const struct {
	const char *path, *value;
} settings[] = {
	/* The kernel must not rate-limit what tests write to /dev/kmsg. */
	{ "/proc/sys/kernel/printk_devkmsg", "on\n" },
	{ "/proc/sys/kernel/core_pattern", ARTIFACTS "/core.%e.%p" },
	/* The kernel would panic if the OOM killer chose the agent. */
	{ "/proc/self/oom_score_adj", "-1000" },
};

static char filesystems[8192];
static char command_line[8192];
static int proc = -1, cgroup = -1, urandom = -1, tainted = -1;

static void mount_all(void);
static bool kernel_has(const char *type);
static void open_standard_files(void);
static void enable_controllers(void);
static void make_files(void);
static void write_file(const char *path, int flags, const char *text);
static ssize_t read_file(const char *path, char *text, size_t size);
static void bring_up_loopback(void);
static void set_limits(void);

void system_set_up(void)
{
	umask(022);
	mount_all();
	open_standard_files();
	kmsg_open();
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tainted = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);
	urandom = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	read_file("/proc/cmdline", command_line, sizeof(command_line));
	command_line[strcspn(command_line, "\n")] = '\0';
	enable_controllers();
	make_files();
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		write_file(settings[i].path, 0, settings[i].value);
	bring_up_loopback();
	set_limits();
	sethostname("kiln", 4);
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		const char *type = mounts[i].type, *where = mounts[i].where;

		if (i > 0 && !kernel_has(type))
			continue;
		/* May fail: the directory exists, or the mount below it creates it. */
		mkdir(where, 0755);
		if (mount(type, where, type, mounts[i].flags, mounts[i].options) < 0 && errno != EBUSY &&
		    errno != ENODEV)
			warning("mount %s on %s: %s", type, where, strerror(errno));
		if (i == 0)
			read_file("/proc/filesystems", filesystems, sizeof(filesystems));
	}
}

/* mount() with an unknown type makes the kernel execute modprobe, once for each.
 * This check avoids that. Lines are "nodev<tab>type" or "<tab>type". */
static bool kernel_has(const char *type)
{
	char line[64];

	snprintf(line, sizeof(line), "\t%s\n", type);
	return strstr(filesystems, line) != NULL;
}

/*
 * Standard input is /dev/null; children inherit it. If the initramfs has no
 * /dev/console, PID 1 starts without open files. Then this function opens the
 * output, before another file takes descriptor 1 or 2.
 */
static void open_standard_files(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null > STDIN_FILENO) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/console", O_RDWR) < 0)
			dup2(STDIN_FILENO, fd);
	}
}

static void enable_controllers(void)
{
	char names[512], wanted[512] = "";
	char *rest = names, *name;
	int fd;

	cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		return;
	if (read_file("/sys/fs/cgroup/cgroup.controllers", names, sizeof(names)) < 0) {
		/* This kernel has no cgroups: the directory is empty. */
		close(cgroup);
		cgroup = -1;
		return;
	}
	/* One write for all controllers takes a third of the time of one write for each. */
	while ((name = strsep(&rest, " \n")))
		if (*name)
			snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "+%s ", name);
	fd = openat(cgroup, "cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, wanted, strlen(wanted)) < 0)
		warning("cgroup controllers %s: %s", wanted, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void make_files(void)
{
	static const char *const dirs[] = { "/root", "/etc", "/var", "/var/tmp" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		mkdir(dirs[i], 0755);
	chmod("/root", 0700);
	chmod("/var/tmp", 01777);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].target, links[i].path) < 0 && errno != EEXIST)
			warning("%s: %s", links[i].path, strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		write_file(files[i].path, O_CREAT | O_EXCL, files[i].text);
}

static void write_file(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);

	if (fd < 0) {
		if (errno != ENOENT && errno != EEXIST)
			warning("%s: %s", path, strerror(errno));
		return;
	}
	/* EINVAL: the kernel command line has fixed the value. */
	if (write(fd, text, strlen(text)) < 0 && errno != EINVAL)
		warning("%s: %s", path, strerror(errno));
	close(fd);
}

/* Terminates the text with a zero byte even if the read fails. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = -1;

	if (fd >= 0) {
		length = read(fd, text, size - 1);
		close(fd);
	}
	text[length > 0 ? length : 0] = '\0';
	return length;
}

static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* Not an error: the kernel has no IPv4. */
	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			warning("loopback: %s", strerror(errno));
	}
	close(fd);
}

/* Children inherit the limits. Core dumps need none: they go to the artifacts, a
 * file system of limited size. */
static void set_limits(void)
{
	const struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };
	const struct rlimit files_open = { 1024, 4096 };

	setrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_NOFILE, &files_open);
}

int system_proc(void)
{
	return proc;
}

int system_cgroup(void)
{
	return cgroup;
}

uint64_t system_taint(void)
{
	char text[32];
	ssize_t length = pread(tainted, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return 0;
	text[length] = '\0';
	return strtoull(text, NULL, 10);
}

/*
 * Detaching a tmpfs and mounting a new one takes the same time however deep the
 * tree of the last test is, and whatever it mounted there. The size of the tmpfs
 * limits the memory that core dumps and artifacts use.
 */
int system_reset_artifacts(void)
{
	umount2(ARTIFACTS, MNT_DETACH | UMOUNT_NOFOLLOW);
	mkdir("/run", 0755);
	mkdir(ARTIFACTS, 0755);
	if (mount("tmpfs", ARTIFACTS, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=25%") < 0)
		warning("mount tmpfs on %s: %s", ARTIFACTS, strerror(errno));
	return open(ARTIFACTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

const char *system_command_line(void)
{
	return command_line;
}

bool system_option(const char *name, const char *value)
{
	const char *found = system_option_value(name);
	size_t length = strlen(value);

	return found && strncmp(found, value, length) == 0 && (found[length] == ' ' || found[length] == '\0');
}

const char *system_option_value(const char *name)
{
	return command_line_value(command_line, name);
}

int system_generation(void)
{
	const char *value = system_option_value(GENERATION_WORD);

	return value ? atoi(value) : 0;
}

const char *system_set_clock(const char *decimal_ns)
{
	unsigned long long ns;
	struct timespec time;
	char *end;

	errno = 0;
	ns = strtoull(decimal_ns, &end, 10);
	if (!isdigit((unsigned char)*decimal_ns) || *end != '\0' || errno)
		return "time_ns isn't a decimal number";
	time.tv_sec = (time_t)(ns / 1000000000ULL);
	time.tv_nsec = (long)(ns % 1000000000ULL);
	if (clock_settime(CLOCK_REALTIME, &time) < 0)
		return "the clock can't be set to time_ns";
	return NULL;
}

const char *system_add_entropy(const char *hex)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[ENTROPY_MAX];
	} pool;
	size_t length = strlen(hex) / 2;

	if (strlen(hex) % 2 != 0 || length > ENTROPY_MAX || strspn(hex, "0123456789abcdefABCDEF") != length * 2)
		return "entropy isn't at most 512 bytes in hexadecimal";
	for (size_t i = 0; i < length; i++) {
		const char pair[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		pool.bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	pool.info.buf_size = (int)length;
	pool.info.entropy_count = (int)length * 8;
	if (ioctl(urandom, RNDADDENTROPY, &pool) < 0)
		return "RNDADDENTROPY failed";
	/* Without a reseed, the generator may use its old state for minutes.
	 * ENODATA: the generator was never seeded, so it has no old state. */
	if (ioctl(urandom, RNDRESEEDCRNG, NULL) < 0 && errno != ENODATA)
		return "RNDRESEEDCRNG failed";
	return NULL;
}
