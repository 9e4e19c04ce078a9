// SPDX-License-Identifier: MIT
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"

/* The control channel: one JSON object a line, numbered in each direction. */

/* The next message of the host, or NULL if none has come in full. It is valid
 * until the next call. Lines that can't be read are answered here. */
struct json_object *control_receive(void);

/* Starts a message; json_add_...() its fields, then control_send(). */
struct json_writer *control_message(const char *type);
void control_send(void);

void send_hello(void);
void send_ready(int64_t id);
__attribute__((format(printf, 2, 3)))
void send_error(int64_t id, const char *format, ...);

/* Sends `alive` when it is due. */
void control_tick(void);
uint64_t control_next_tick(void);

/* Room enough for the answers to one more message of the host. Without it no
 * message is taken, so that none of ours has to be dropped: `seq` has no gaps. */
bool control_has_room(void);

#endif
