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
	/* The processes of another program may take a moment to exit. */
	EVENTUALLY((err = or_errno(mount("none", GM, "guestmemfs", 0,
					 options))) != -EBUSY);
	return err;
}

unsigned long knob(const char *name, unsigned long otherwise)
{
	char word[64];

	snprintf(word, sizeof(word), "liveupdate.%s", name);
	return number_of_boot(word, otherwise);
}

void *map_file(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *at = NULL;

	if (fd >= 0 && size_of(path) == (long)size)
		at = map_fd(fd, size, 0);
	if (fd >= 0)
		close(fd);
	return at;
}

/* Copy a file to guestmemfs.  Files there are whole blocks, so the size is stored first. */
static int save_file(const char *from, const char *to)
{
	uint64_t size = size_of(from);
	size_t room = (sizeof(size) + size + BLOCK - 1) / BLOCK * BLOCK;
	char *source = map_file(from, size), *kept;
	int fd = make_sized(to, room);

	kept = map_file(to, room);
	if (!source || fd < 0 || !kept)
		return -EIO;
	memcpy(kept, &size, sizeof(size));
	memcpy(kept + sizeof(size), source, size);
	close(fd);
	munmap(source, size);
	munmap(kept, room);
	return 0;
}

static int load_file(const char *from, const char *to)
{
	size_t room = size_of(from);
	char *kept = map_file(from, room), *copy;
	uint64_t size;
	int fd;

	if (!kept)
		return -ENOENT;
	memcpy(&size, kept, sizeof(size));
	fd = make_sized(to, size);
	copy = map_file(to, size);
	if (fd < 0 || !copy)
		return -EIO;
	memcpy(copy, kept + sizeof(size), size);
	close(fd);
	munmap(copy, size);
	munmap(kept, room);
	return 0;
}

int keep_next_kernel(void)
{
	static const char * const names[] = { "bzImage", "initramfs.cpio" };
	char sent[64], kept[64];
	int err = 0;

	mkdir("/run/next", 0755);
	for (int i = 0; !err && i < 2; i++) {
		snprintf(sent, sizeof(sent), "/run/next/%s", names[i]);
		snprintf(kept, sizeof(kept), GM "/%s", names[i]);
		err = exists(sent) ? save_file(sent, kept) : load_file(kept, sent);
	}
	return err;
}

int bring_processors_online(void)
{
	long all = sysconf(_SC_NPROCESSORS_CONF);
	int brought = 0;
	char path[64];

	for (long cpu = 1; cpu < all; cpu++) {
		char online = '1';
		int fd, err;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online", cpu);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || read(fd, &online, 1) != 1 || online == '1') {
			close(fd);
			continue;
		}
		err = pwrite(fd, "1", 1, 0) == 1 ? 0 : -errno;
		close(fd);
		if (err)
			return err;
		brought++;
	}
	return brought;
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
