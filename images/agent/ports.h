// SPDX-License-Identifier: MIT
#ifndef PORTS_H
#define PORTS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A ring buffer of output. It never grows: a writer checks the space first, and
 * stops reading its source while there is none. */
#define QUEUE_SIZE 65536

struct queue {
	size_t head, length;
	char bytes[QUEUE_SIZE];
};

static inline size_t queue_space(const struct queue *queue)
{
	return QUEUE_SIZE - queue->length;
}

/* The caller must have checked the space. */
void queue_put(struct queue *queue, const void *bytes, size_t length);

/* Returns the contiguous free space after the content. The caller reads into it,
 * then adds what it has read with queue_commit(). */
char *queue_free_span(struct queue *queue, size_t *length);
void queue_commit(struct queue *queue, size_t length);

struct port {
	const char *name;
	int fd;
	/* The host side was not connected; not polled before this time (now_ms). */
	uint64_t retry_at;
	struct queue out;
};

extern struct port control_port, ktap_port, kmsg_port;
/* Blocking; only the transfer process (transfer.c) uses it. */
extern int files_port;

/* Opens the four ports; fatal if one of them doesn't appear within 5 s. */
void ports_open(void);

/* Returns the number of bytes read, 0 if none are available. */
size_t port_read(struct port *port, void *buffer, size_t size);

/* Writes as much as the ports accept without blocking. */
void ports_flush(void);

/* Waits until everything is written, at most `within_ms`; before the guest goes down. */
void ports_flush_all(uint64_t within_ms);

/* Requests the events `wanted`, and POLLOUT if bytes are queued. */
struct pollfd port_poll(struct port *port, short wanted);
void port_handle_events(struct port *port, short seen);
uint64_t ports_next_retry(void);

#endif
