// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tar.h"

#define BLOCK 512
#define END_SIZE (2 * BLOCK)
/* The most that the virtio driver accepts in one write. */
#define PIECE 32768
/* The largest size that eleven octal digits can represent. */
#define FILE_MAX 077777777777ULL
/* Each level of the recursion keeps a descriptor open. */
#define DEPTH_MAX 64
/* prefix, slash, name, and a terminating zero, which neither field must have */
#define NAME_SIZE (155 + 1 + 100 + 1)

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

struct receiver {
	int port, dir;
	uint64_t left;
	struct tar_result *result;
};

struct sender {
	int port;
	uint64_t limit;
	struct tar_result *result;
};

static void receive_entries(struct receiver *receiver);
static bool check_header(struct receiver *receiver, const struct header *header, char *name, uint64_t *size);
static bool parse_octal(const char *field, size_t width, uint64_t *value);
static unsigned int checksum(const struct header *header);
static bool receive_file(struct receiver *receiver, const char *name, mode_t mode, uint64_t size);
static int open_parent(struct receiver *receiver, const char *name, char *last);
static int make_and_open_dir(int parent, const char *name);
static bool read_exactly(struct receiver *receiver, void *buffer, size_t size);
static int make_directories(const char *path);
static void send_tree(struct sender *sender, int dir, char *path, int depth);
static void send_file(struct sender *sender, int dir, const char *name, const char *path);
static bool fill_header(struct header *header, const char *path, const struct stat *info);
static bool fill_name(struct header *header, const char *path);
static void send_bytes(struct sender *sender, const void *bytes, size_t length);
static bool fail(struct tar_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

void tar_receive(int port, const char *dir, uint64_t bytes, struct tar_result *result)
{
	struct receiver receiver = { .port = port, .dir = make_directories(dir), .left = bytes, .result = result };

	if (receiver.dir < 0) {
		fail(result, "%s: %s", dir, strerror(errno));
	} else {
		receive_entries(&receiver);
		close(receiver.dir);
	}
	tar_skip(port, receiver.left);
}

static void receive_entries(struct receiver *receiver)
{
	static const struct header zero;
	char name[NAME_SIZE], padding[BLOCK];
	struct header header;
	uint64_t size = 0;

	while (receiver->left > 0) {
		bool done = false;

		if (!read_exactly(receiver, &header, sizeof(header)))
			return;
		if (memcmp(&header, &zero, sizeof(zero)) == 0)
			return;
		if (!check_header(receiver, &header, name, &size))
			return;
		if (header.type == '5') {
			char last[NAME_MAX + 1];
			int parent = open_parent(receiver, name, last);
			int fd = parent < 0 ? -1 : make_and_open_dir(parent, last);

			done = fd >= 0 || fail(receiver->result, "%s: %s", name, strerror(errno));
			if (parent >= 0)
				close(parent);
			if (fd >= 0)
				close(fd);
		} else {
			uint64_t mode = 0;

			parse_octal(header.mode, sizeof(header.mode), &mode);
			done = receive_file(receiver, name, mode & 0777, size) &&
			       read_exactly(receiver, padding, (size_t)(-size % BLOCK));
		}
		if (!done)
			return;
	}
}

static bool check_header(struct receiver *receiver, const struct header *header, char *name, uint64_t *size)
{
	uint64_t sum;
	/* The GNU format ("ustar ") has other data in place of the prefix. */
	bool posix = memcmp(header->magic, "ustar", 6) == 0;

	if (!parse_octal(header->checksum, sizeof(header->checksum), &sum) || sum != checksum(header))
		return fail(receiver->result, "a tar header has a wrong checksum");
	if (posix && header->prefix[0] != '\0')
		snprintf(name, NAME_SIZE, "%.155s/%.100s", header->prefix, header->name);
	else
		snprintf(name, NAME_SIZE, "%.100s", header->name);
	if (header->type != '0' && header->type != '\0' && header->type != '5')
		return fail(receiver->result, "%s is neither a file nor a directory (type %d)", name, header->type);
	if (!parse_octal(header->size, sizeof(header->size), size))
		return fail(receiver->result, "%s has no valid size", name);
	if (header->type == '5')
		*size = 0;
	if (*size > receiver->left)
		return fail(receiver->result, "%s is larger than what is left of the tar", name);
	return true;
}

/* Octal digits after optional spaces, up to a space, a zero byte or the end of the field. */
static bool parse_octal(const char *field, size_t width, uint64_t *value)
{
	size_t i = 0, first;

	*value = 0;
	while (i < width && field[i] == ' ')
		i++;
	for (first = i; i < width && field[i] >= '0' && field[i] <= '7'; i++)
		*value = *value * 8 + (uint64_t)(field[i] - '0');
	return i > first && (i == width || field[i] == ' ' || field[i] == '\0');
}

static unsigned int checksum(const struct header *header)
{
	const unsigned char *bytes = (const unsigned char *)header;
	unsigned int sum = 0;

	/* The checksum field itself counts as spaces. */
	for (size_t i = 0; i < BLOCK; i++) {
		bool own = i >= offsetof(struct header, checksum) && i < offsetof(struct header, type);

		sum += own ? ' ' : bytes[i];
	}
	return sum;
}

static bool receive_file(struct receiver *receiver, const char *name, mode_t mode, uint64_t size)
{
	static char piece[PIECE];
	char last[NAME_MAX + 1];
	int parent = open_parent(receiver, name, last);
	int fd = -1;
	bool well = true;

	if (parent >= 0) {
		/* Always a new file: the old one may be a link, or a running program. */
		unlinkat(parent, last, 0);
		fd = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	}
	if (fd < 0)
		well = fail(receiver->result, "%s: %s", name, strerror(errno));
	while (well && size > 0) {
		size_t length = size < PIECE ? (size_t)size : PIECE;

		well = read_exactly(receiver, piece, length);
		/* A short write does not set errno; it means that there is no space. */
		errno = ENOSPC;
		if (well && write(fd, piece, length) != (ssize_t)length)
			well = fail(receiver->result, "%s: %s", name, strerror(errno));
		size -= length;
	}
	if (fd >= 0)
		close(fd);
	if (parent >= 0)
		close(parent);
	return well;
}

/*
 * Opens the directory that contains `name`, creating missing components and never
 * following a link. Stores the last component in `last` ("." if there is none).
 * Returns -1 with errno on failure.
 */
static int open_parent(struct receiver *receiver, const char *name, char *last)
{
	int fd = fcntl(receiver->dir, F_DUPFD_CLOEXEC, 0);

	strcpy(last, ".");
	if (*name == '/') {
		close(fd);
		errno = EPERM;
		return -1;
	}
	while (fd >= 0 && *name) {
		size_t length = strcspn(name, "/");

		if ((length == 2 && memcmp(name, "..", 2) == 0) || length > NAME_MAX) {
			close(fd);
			errno = length > NAME_MAX ? ENAMETOOLONG : EPERM;
			return -1;
		}
		/* "a//b" and "./a" are common and harmless. */
		if (length > 0 && !(length == 1 && *name == '.')) {
			int next = make_and_open_dir(fd, last);

			close(fd);
			fd = next;
			memcpy(last, name, length);
			last[length] = '\0';
		}
		name += length;
		name += strspn(name, "/");
	}
	return fd;
}

static int make_and_open_dir(int parent, const char *name)
{
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool read_exactly(struct receiver *receiver, void *buffer, size_t size)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char *at = buffer;

	if (size > receiver->left)
		return fail(receiver->result, "the tar ends within an entry");
	while (size > 0) {
		ssize_t length = read(receiver->port, at, size);

		if (length > 0) {
			at += length;
			size -= (size_t)length;
			receiver->left -= (uint64_t)length;
		} else if (length == 0) {
			/* The host side is not connected. */
			nanosleep(&pause, NULL);
		} else if (errno != EINTR) {
			receiver->left = 0;
			return fail(receiver->result, "files port: %s", strerror(errno));
		}
	}
	return true;
}

void tar_skip(int port, uint64_t bytes)
{
	struct tar_result unused;
	struct receiver receiver = { .port = port, .left = bytes, .result = &unused };
	static char piece[PIECE];

	while (receiver.left > 0)
		read_exactly(&receiver, piece, receiver.left < PIECE ? (size_t)receiver.left : PIECE);
}

static int make_directories(const char *path)
{
	char part[PATH_MAX];

	for (size_t i = 1; path[0] && path[i] && i < sizeof(part); i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		mkdir(part, 0755);
	}
	mkdir(path, 0755);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void tar_send(int port, const char *dir, uint64_t limit, struct tar_result *result)
{
	static const char end[END_SIZE];
	struct sender sender = { .port = port, .limit = limit, .result = result };
	char path[NAME_SIZE] = "";
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		fail(result, "%s: %s", dir, strerror(errno));
		return;
	}
	if (limit < sizeof(end)) {
		fail(result, "a limit of less than %zu bytes can't hold a tar", sizeof(end));
		return;
	}
	send_tree(&sender, fd, path, 0);
	send_bytes(&sender, end, sizeof(end));
}

/* Closes `dir`. `path` is relative to the top directory, "" for the top itself. */
static void send_tree(struct sender *sender, int dir, char *path, int depth)
{
	size_t length = strlen(path);
	struct dirent *entry;
	struct stat info;
	DIR *all = fdopendir(dir);

	if (!all)
		close(dir);
	while (all && (entry = readdir(all))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (fstatat(dir, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		/* Checked before open(), which can have side effects on a device. */
		if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
			continue;
		if (length + strlen(entry->d_name) + 2 > NAME_SIZE || depth == DEPTH_MAX) {
			sender->result->truncated = true;
			continue;
		}
		sprintf(path + length, "%s%s", length ? "/" : "", entry->d_name);
		if (S_ISREG(info.st_mode)) {
			send_file(sender, dir, entry->d_name, path);
		} else {
			int sub = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				send_tree(sender, sub, path, depth + 1);
		}
		path[length] = '\0';
	}
	if (all)
		closedir(all);
}

static void send_file(struct sender *sender, int dir, const char *name, const char *path)
{
	/* O_NONBLOCK, because a pipe may have replaced the file since the check. */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	static char piece[PIECE];
	struct header header;
	struct stat info;
	uint64_t left, room;

	if (fd < 0)
		return;
	room = sender->limit - END_SIZE - sender->result->bytes;
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || !fill_header(&header, path, &info) ||
	    room < BLOCK || (uint64_t)info.st_size > (room - BLOCK) / BLOCK * BLOCK) {
		sender->result->truncated = true;
		close(fd);
		return;
	}
	send_bytes(sender, &header, sizeof(header));
	/* The header has the size. If the file shrinks meanwhile, zeros fill the rest. */
	for (left = (uint64_t)info.st_size + -(uint64_t)info.st_size % BLOCK; left > 0;) {
		size_t length = left < PIECE ? (size_t)left : PIECE;
		ssize_t got = read(fd, piece, length);

		got = got < 0 ? 0 : got;
		memset(piece + got, 0, length - (size_t)got);
		/* A read is short only for the last piece, or if the file has shrunk. */
		send_bytes(sender, piece, length);
		left -= length;
	}
	close(fd);
}

static bool fill_header(struct header *header, const char *path, const struct stat *info)
{
	memset(header, 0, sizeof(*header));
	if (!fill_name(header, path) || (uint64_t)info->st_size > FILE_MAX)
		return false;
	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	header->type = '0';
	snprintf(header->mode, sizeof(header->mode), "%07o", (unsigned int)info->st_mode & 0777);
	snprintf(header->uid, sizeof(header->uid), "%07o", 0);
	snprintf(header->gid, sizeof(header->gid), "%07o", 0);
	snprintf(header->size, sizeof(header->size), "%011llo", (unsigned long long)info->st_size);
	snprintf(header->mtime, sizeof(header->mtime), "%011llo",
		 (unsigned long long)info->st_mtime & FILE_MAX);
	snprintf(header->checksum, sizeof(header->checksum), "%06o", checksum(header));
	header->checksum[7] = ' ';
	return true;
}

/* A name of more than 100 bytes is split at a slash into prefix and name. */
static bool fill_name(struct header *header, const char *path)
{
	size_t length = strlen(path);

	if (length <= sizeof(header->name)) {
		memcpy(header->name, path, length);
		return true;
	}
	for (size_t cut = length - sizeof(header->name) - 1; cut <= sizeof(header->prefix) && cut < length; cut++) {
		if (path[cut] != '/' || cut == 0)
			continue;
		memcpy(header->prefix, path, cut);
		memcpy(header->name, path + cut + 1, length - cut - 1);
		return true;
	}
	return false;
}

static void send_bytes(struct sender *sender, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t written = write(sender->port, at, length);

		if (written > 0) {
			at += written;
			length -= (size_t)written;
			sender->result->bytes += (uint64_t)written;
		} else if (written < 0 && errno != EINTR) {
			fail(sender->result, "files port: %s", strerror(errno));
			return;
		}
	}
}

/* Stores the first error only. Returns false. */
static bool fail(struct tar_result *result, const char *format, ...)
{
	va_list values;

	if (result->error[0] != '\0')
		return false;
	va_start(values, format);
	vsnprintf(result->error, sizeof(result->error), format, values);
	va_end(values);
	return false;
}
