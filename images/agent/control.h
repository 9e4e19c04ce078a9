// SPDX-License-Identifier: MIT
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

/* The control channel: one JSON object per line, numbered in each direction. */

/* Returns the next message of the host, valid until the next call, or NULL if none
 * has arrived completely. Answers invalid lines with `error`. */
struct json_object *control_receive(void);

/* Starts a message. The caller adds its fields with json_add_...() and calls control_send(). */
struct json_writer *control_message(const char *type);
void control_send(void);

void send_hello(void);
void send_ready(int64_t id);
__attribute__((format(printf, 2, 3)))
void send_error(int64_t id, const char *format, ...);

/* Sends `alive` when it is due. */
void control_tick(void);
uint64_t control_next_tick(void);

/* True if the queue has space for the answers to one more message of the host.
 * Otherwise no message is read: dropping an answer would leave a gap in `seq`. */
bool control_has_room(void);

#endif
