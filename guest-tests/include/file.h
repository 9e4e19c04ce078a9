/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files, and numbers read from files of the kernel.  Functions return a value, or
 * -errno.
 */
#ifndef GUEST_TESTS_FILE_H
#define GUEST_TESTS_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static inline long or_errno(long result)
{
	return result < 0 ? -errno : result;
}

static inline bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static inline long size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -errno : st.st_size;
}

/* Create a file of a size and return a descriptor of it. */
static inline int make_sized(const char *path, off_t size)
{
	int fd = or_errno(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			       0644));
	int err;

	if (fd < 0)
		return fd;
	err = or_errno(ftruncate(fd, size));
	if (err)
		close(fd);
	return err ? err : fd;
}

/* Map a file shared, readable and writable; NULL if that fails. */
static inline char *map_fd(int fd, size_t size, off_t offset)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			offset);

	return at == MAP_FAILED ? NULL : at;
}

/* Write to a file in /proc, /sys or a cgroup. */
static inline int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* The number that a file begins with. */
static inline long first_number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long value;

	if (fd < 0)
		return -errno;
	value = read(fd, text, sizeof(text) - 1) > 0 ? atol(text) : -EIO;
	close(fd);
	return value;
}

/* The number that follows key at the start of a line of a file. */
static inline long number_in(const char *path, const char *key)
{
	char line[512];
	long value = -ENOENT;
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, strlen(key)) &&
		    sscanf(line + strlen(key), "%*[: \t]%ld", &value) == 1)
			break;
	}
	fclose(file);
	return value;
}

static inline long fdinfo(int fd, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return number_in(path, key);
}

/* A value of /proc/meminfo in kB. */
static inline long meminfo(const char *key)
{
	/* Each CPU keeps small changes to itself until a refresh. */
	write_to("/proc/sys/vm/stat_refresh", "1");
	return number_in("/proc/meminfo", key);
}

static inline long vmstat(const char *key)
{
	return number_in("/proc/vmstat", key);
}

/* The number after "<name>=" on the kernel's command line. */
static inline unsigned long number_of_boot(const char *name,
					   unsigned long otherwise)
{
	char line[4096] = " ", wanted[64], *word;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return otherwise;
	if (read(fd, line + 1, sizeof(line) - 2) < 0)
		line[1] = '\0';
	close(fd);
	snprintf(wanted, sizeof(wanted), " %s=", name);
	word = strstr(line, wanted);
	return word ? strtoul(word + strlen(wanted), NULL, 0) : otherwise;
}

/*
 * A number that the user chooses: NAME=NUMBER in the environment of the program,
 * or on the command line of the kernel.
 */
static inline unsigned long chosen(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) :
		       number_of_boot(name, otherwise);
}

/* Open the kernel log; reads begin with the next record. */
static inline int watch_kernel_log(void)
{
	int log = or_errno(open("/dev/kmsg",
				O_RDONLY | O_NONBLOCK | O_CLOEXEC));

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	return log;
}

/* True if a record since the last read of the log contains these words. */
static inline bool log_says(int log, const char *words)
{
	char record[8192];
	ssize_t size;

	while ((size = read(log, record, sizeof(record) - 1)) > 0) {
		record[size] = '\0';
		if (strstr(record, words))
			return true;
	}
	return false;
}

/* Send up to eight descriptors with one byte of data. */
static inline int send_descriptors(int socket, const int *fds, int count)
{
	char control[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8))) = "";
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -errno;
}

#endif
