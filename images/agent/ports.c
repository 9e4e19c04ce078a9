// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "ports.h"

#define FILES "kiln.files"
#define PROBE_MS 5000
/* poll() returns at once while the host side is not connected. This pause avoids a busy loop. */
#define RETRY_MS 20

struct port control_port = { .name = "kiln.control", .fd = -1 };
struct port ktap_port = { .name = "kiln.ktap", .fd = -1 };
struct port kmsg_port = { .name = "kiln.kmsg", .fd = -1 };
int files_port = -1;

static struct port *const ports[] = { &control_port, &ktap_port, &kmsg_port };
#define PORTS (sizeof(ports) / sizeof(ports[0]))

static void open_present_ports(void);
static bool read_name(int dir, const char *device, char *name, size_t size);
static int open_device(const char *device, int flags);
static const char *missing_port(void);
static void flush(struct port *port);

void ports_open(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t deadline = now_ms() + PROBE_MS;

	/* The driver names its ports in a work item, possibly after PID 1 has started. */
	for (open_present_ports(); missing_port(); open_present_ports()) {
		if (now_ms() >= deadline)
			fatal("there is no virtio port called %s", missing_port());
		nanosleep(&pause, NULL);
	}
}

static void open_present_ports(void)
{
	DIR *all = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	char name[64];

	while (all && (entry = readdir(all))) {
		if (!read_name(dirfd(all), entry->d_name, name, sizeof(name)))
			continue;
		for (size_t i = 0; i < PORTS; i++)
			if (ports[i]->fd < 0 && strcmp(name, ports[i]->name) == 0)
				ports[i]->fd = open_device(entry->d_name, O_NONBLOCK);
		if (files_port < 0 && strcmp(name, FILES) == 0)
			files_port = open_device(entry->d_name, 0);
	}
	if (all)
		closedir(all);
}

static bool read_name(int dir, const char *device, char *name, size_t size)
{
	char file[300];
	ssize_t length;
	int fd;

	snprintf(file, sizeof(file), "%s/name", device);
	fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, name, size - 1);
	close(fd);
	if (length <= 0)
		return false;
	name[length] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return true;
}

static int open_device(const char *device, int flags)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", device);
	fd = open(path, O_RDWR | O_CLOEXEC | flags);
	if (fd < 0 && errno != ENOENT)
		fatal("%s: %s", path, strerror(errno));
	return fd;
}

static const char *missing_port(void)
{
	for (size_t i = 0; i < PORTS; i++)
		if (ports[i]->fd < 0)
			return ports[i]->name;
	return files_port < 0 ? FILES : NULL;
}

size_t port_read(struct port *port, void *buffer, size_t size)
{
	ssize_t length = read(port->fd, buffer, size);

	return length > 0 ? (size_t)length : 0;
}

void ports_flush(void)
{
	for (size_t i = 0; i < PORTS; i++)
		flush(ports[i]);
}

static void flush(struct port *port)
{
	struct queue *queue = &port->out;

	while (queue->length > 0) {
		size_t piece = QUEUE_SIZE - queue->head;
		ssize_t written;

		if (piece > queue->length)
			piece = queue->length;
		written = write(port->fd, queue->bytes + queue->head, piece);
		if (written <= 0)
			return;
		queue->head = (queue->head + (size_t)written) % QUEUE_SIZE;
		queue->length -= (size_t)written;
	}
	queue->head = 0;
}

void ports_flush_all(uint64_t within_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t deadline = now_ms() + within_ms;

	for (;;) {
		size_t left = 0;

		ports_flush();
		for (size_t i = 0; i < PORTS; i++)
			left += ports[i]->out.length;
		if (left == 0 || now_ms() >= deadline)
			return;
		nanosleep(&pause, NULL);
	}
}

struct pollfd port_poll(struct port *port, short wanted)
{
	struct pollfd poll = { .fd = port->fd, .events = wanted };

	if (port->out.length > 0)
		poll.events |= POLLOUT;
	/* poll() reports POLLHUP even if no event is requested. */
	if (poll.events == 0 || now_ms() < port->retry_at)
		poll.fd = -1;
	return poll;
}

void port_handle_events(struct port *port, short seen)
{
	/* A disconnected port reports POLLIN too, although there is nothing to read. */
	if (seen & POLLHUP)
		port->retry_at = now_ms() + RETRY_MS;
}

uint64_t ports_next_retry(void)
{
	uint64_t now = now_ms(), when = NEVER;

	for (size_t i = 0; i < PORTS; i++)
		if (ports[i]->retry_at > now && ports[i]->retry_at < when)
			when = ports[i]->retry_at;
	return when;
}

void queue_put(struct queue *queue, const void *bytes, size_t length)
{
	const char *from = bytes;

	while (length > 0) {
		size_t piece;
		char *to = queue_free_span(queue, &piece);

		if (piece == 0)
			fatal("a queue overflowed");
		if (piece > length)
			piece = length;
		memcpy(to, from, piece);
		queue_commit(queue, piece);
		from += piece;
		length -= piece;
	}
}

char *queue_free_span(struct queue *queue, size_t *length)
{
	size_t tail = (queue->head + queue->length) % QUEUE_SIZE;

	*length = queue->head > tail ? queue->head - tail : QUEUE_SIZE - tail;
	if (*length > queue_space(queue))
		*length = queue_space(queue);
	return queue->bytes + tail;
}

void queue_commit(struct queue *queue, size_t length)
{
	queue->length += length;
}
