// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "ports.h"
#include "system.h"

#define PROTOCOL 1
#define LINE_MAX_BYTES 65536
#define TICK_MS 1000
/* The longest message is `hello`: it has the command line, at most 2048 bytes, escaped. */
#define MESSAGE_MAX 16384
/* The rest of the queue is for messages that the host does not request: `begin`, `end`, `got`. */
#define ROOM_FOR_ANSWERS 16384
#define ROOM_FOR_TICKS 8192

static uint64_t next_tick;

static char *next_line(void);
static void check_seq(const struct json_object *message);

struct json_object *control_receive(void)
{
	static struct json_object message;
	char *line;

	while (control_has_room() && (line = next_line())) {
		const char *error = json_parse(&message, line);

		if (!error) {
			check_seq(&message);
			return &message;
		}
		send_error(0, "a line can't be read: %s", error);
	}
	return NULL;
}

/*
 * Returns the next line without its newline, or NULL if no complete line has
 * arrived. If a line is too long, its rest is read and discarded.
 */
static char *next_line(void)
{
	static char buffer[LINE_MAX_BYTES];
	static size_t length, consumed;
	static bool discarding;

	for (;;) {
		char *line = buffer + consumed;
		char *end = memchr(line, '\n', length - consumed);

		if (end) {
			bool rest = discarding;

			consumed = (size_t)(end - buffer) + 1;
			discarding = false;
			if (rest)
				continue;
			/* A zero byte would hide the rest of the line, so make such a line invalid. */
			if (memchr(line, '\0', (size_t)(end - line)))
				*line = '\0';
			*end = '\0';
			return line;
		}
		length -= consumed;
		memmove(buffer, line, length);
		consumed = 0;
		if (length == sizeof(buffer)) {
			if (!discarding)
				send_error(0, "a line is longer than %d bytes", LINE_MAX_BYTES);
			discarding = true;
		}
		if (discarding)
			length = 0;
		size_t more = port_read(&control_port, buffer + length, sizeof(buffer) - length);

		if (more == 0)
			return NULL;
		length += more;
	}
}

/* The agent only reports a gap and counts on from the number received. The host
 * decides: it ends a guest whose channel is broken. */
static void check_seq(const struct json_object *message)
{
	static int64_t expected = 1;
	int64_t number = 0;

	if (!json_integer(message, "seq", &number))
		send_error(0, "a message has no seq");
	else if (number != expected)
		send_error(0, "seq is %lld where %lld was expected", (long long)number, (long long)expected);
	expected = number + 1;
}

static char message_text[MESSAGE_MAX];
static struct json_writer message;

struct json_writer *control_message(const char *type)
{
	static int64_t number;

	json_begin(&message, message_text, sizeof(message_text));
	json_add_integer(&message, "seq", ++number);
	json_add_string(&message, "type", type);
	return &message;
}

void control_send(void)
{
	json_end(&message);
	if (message.overflow)
		fatal("a message is longer than %d bytes", MESSAGE_MAX);
	queue_put(&control_port.out, message.text, message.length);
}

void send_hello(void)
{
	/* The previous kernel may have died in the middle of a line. */
	if (system_generation() > 0)
		queue_put(&control_port.out, "\n", 1);

	struct json_writer *hello = control_message("hello");
	struct utsname name;
	struct sysinfo info;

	uname(&name);
	sysinfo(&info);
	json_add_integer(hello, "protocol", PROTOCOL);
	json_add_integer(hello, "generation", system_generation());
	json_add_string(hello, "release", name.release);
	json_add_string(hello, "machine", name.machine);
	json_add_string(hello, "cmdline", system_command_line());
	json_add_integer(hello, "boot_ms", (int64_t)uptime_ms());
	json_add_integer(hello, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	json_add_integer(hello, "memory_kb", (int64_t)(info.totalram * info.mem_unit / 1024));
	control_send();
	next_tick = now_ms() + TICK_MS;
}

void send_ready(int64_t id)
{
	json_add_integer(control_message("ready"), "id", id);
	control_send();
}

void send_error(int64_t id, const char *format, ...)
{
	struct json_writer *error = control_message("error");
	char text[512];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	json_add_integer(error, "id", id);
	json_add_string(error, "message", text);
	control_send();
}

void control_tick(void)
{
	uint64_t now = now_ms();

	if (now < next_tick)
		return;
	/* Not +=: one tick is enough after the guest was paused. */
	next_tick = now + TICK_MS;
	if (queue_space(&control_port.out) < ROOM_FOR_TICKS)
		return;
	json_add_integer(control_message("alive"), "uptime_ms", (int64_t)uptime_ms());
	control_send();
}

uint64_t control_next_tick(void)
{
	return next_tick;
}

bool control_has_room(void)
{
	return queue_space(&control_port.out) >= ROOM_FOR_ANSWERS;
}
