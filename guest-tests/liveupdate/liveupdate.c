// SPDX-License-Identifier: GPL-2.0
#include <sys/random.h>
#include <time.h>

#include "liveupdate.h"

int mount_gm(void)
{
	const char *options = kiln_generation() ? NULL : "format";
	int err;

	if (mkdir(GM, 0755) && errno != EEXIST)
		return -errno;
	/* Another program's processes may take a moment to go. */
	EVENTUALLY((err = or_errno(mount("none", GM, "guestmemfs", 0,
					 options))) != -EBUSY);
	return err;
}

unsigned long knob(const char *name, unsigned long otherwise)
{
	char line[4096] = "", word[64], *at;
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		return otherwise;
	close(fd);
	snprintf(word, sizeof(word), "liveupdate.%s=", name);
	at = strstr(line, word);
	return at ? strtoul(at + strlen(word), NULL, 0) : otherwise;
}

int make_sized(const char *path, size_t size)
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

void *map_file(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *at = MAP_FAILED;

	if (fd >= 0 && size_of(path) == (long)size)
		at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return at == MAP_FAILED ? NULL : at;
}

bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

long size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -errno : st.st_size;
}

uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

uint64_t random_number(void)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		abort();
	return number;
}

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15 + b;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

double seconds_of_kernel(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

double seconds_to_init(void)
{
	char record[8192];
	unsigned long microseconds = 0;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t size;

	while ((size = read(fd, record, sizeof(record) - 1)) > 0) {
		record[size] = '\0';
		if (!strstr(record, ";Run /"))
			continue;
		sscanf(record, "%*u,%*u,%lu", &microseconds);
		break;
	}
	close(fd);
	return microseconds * 1e-6;
}
