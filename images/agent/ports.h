// SPDX-License-Identifier: MIT
#ifndef PORTS_H
#define PORTS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A ring of bytes on its way out. It never grows: who fills it looks at the
 * space first, and stops reading its own source while there is none. */
#define QUEUE_SIZE 65536

struct queue {
	size_t head, length;
	char bytes[QUEUE_SIZE];
};

static inline size_t queue_space(const struct queue *queue)
{
	return QUEUE_SIZE - queue->length;
}

/* The caller has checked the space. */
void queue_put(struct queue *queue, const void *bytes, size_t length);

/* The free bytes that lie in one piece after the content, to be read into; what
 * was read is then counted with queue_commit(). */
char *queue_free_span(struct queue *queue, size_t *length);
void queue_commit(struct queue *queue, size_t length);

struct port {
	const char *name;
	int fd;
	/* Not before this time (now_ms): the host side was not connected. */
	uint64_t retry_at;
	struct queue out;
};

extern struct port control_port, ktap_port, kmsg_port;
/* Blocking, for the transfer process alone; see transfer.c. */
extern int files_port;

/* Opens the four ports; fatal if one of them doesn't appear within 5 s. */
void ports_open(void);

/* Bytes read, or 0 if there are none now. */
size_t port_read(struct port *port, void *buffer, size_t size);

/* Writes what the ports take now. */
void ports_flush(void);

/* For the last words: waits until everything is written, at most so long. */
void ports_flush_all(uint64_t within_ms);

/* What to wait for: `wanted`, and POLLOUT if bytes are queued. */
struct pollfd port_poll(struct port *port, short wanted);
void port_handle_events(struct port *port, short seen);
uint64_t ports_next_retry(void);

#endif
