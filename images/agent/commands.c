// SPDX-License-Identifier: MIT
/* The messages of the host: one handler for each type. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <linux/reboot.h>
#include <string.h>
#include <sys/reboot.h>

#include "clock.h"
#include "commands.h"
#include "control.h"
#include "kmsg.h"
#include "log.h"
#include "ports.h"
#include "shell.h"
#include "system.h"
#include "test.h"
#include "transfer.h"

#define FLUSH_MS 2000

static void handle(struct json_object *message);
static void handle_setup(int64_t id, struct json_object *message);
static void handle_run(int64_t id, struct json_object *message);
static void handle_prepare(int64_t id, struct json_object *message);
static void handle_proceed(int64_t id, struct json_object *message);
static void handle_kill(int64_t id, struct json_object *message);
static void handle_put(int64_t id, struct json_object *message);
static void handle_get(int64_t id, struct json_object *message);
static void handle_window(int64_t id, struct json_object *message);
static void handle_shell(int64_t id, struct json_object *message);
static void handle_ping(int64_t id, struct json_object *message);
static void handle_leave(int64_t id, struct json_object *message);
static void handle_poweroff(int64_t id, struct json_object *message);

static const struct {
	const char *type;
	void (*handle)(int64_t id, struct json_object *message);
} commands[] = {
	{ "setup", handle_setup },
	{ "run", handle_run },
	{ "prepare", handle_prepare },
	{ "proceed", handle_proceed },
	{ "kill", handle_kill },
	{ "put", handle_put },
	{ "get", handle_get },
	{ "window", handle_window },
	{ "shell", handle_shell },
	{ "ping", handle_ping },
	{ "leave", handle_leave },
	{ "poweroff", handle_poweroff },
};

void commands_handle(void)
{
	struct json_object *message;

	while (commands_can_receive() && (message = control_receive()))
		handle(message);
}

/*
 * No message is read during a transfer, because the streams on the files port
 * must arrive in the order in which the control port announces them.
 */
bool commands_can_receive(void)
{
	return !transfer_is_running() && control_has_room();
}

static void handle(struct json_object *message)
{
	const char *type = json_string(message, "type");
	int64_t id = 0;

	if (!type) {
		send_error(0, "a message has no type");
		return;
	}
	if ((!json_integer(message, "id", &id) || id <= 0) && strcmp(type, "poweroff") != 0) {
		send_error(0, "%s: it needs a positive id", type);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(type, commands[i].type) == 0) {
			commands[i].handle(id, message);
			return;
		}
	}
	send_error(id, "unknown message type %s", type);
}

static void handle_setup(int64_t id, struct json_object *message)
{
	const char *time_ns = json_string(message, "time_ns");
	const char *entropy = json_string(message, "entropy");
	const char *error = NULL;

	if (!time_ns || !entropy)
		error = "it needs the strings time_ns and entropy";
	if (!error)
		error = system_set_clock(time_ns);
	if (!error)
		error = system_add_entropy(entropy);
	if (error)
		send_error(id, "setup: %s", error);
	else
		send_ready(id);
	kmsg_resume();
}

static void start(int64_t id, struct json_object *message, const char *type, bool waits)
{
	struct test_params params = { .id = id, .waits = waits };
	const char *error;
	int args;

	json_integer(message, "generation", &params.generation);
	json_integer(message, "generations", &params.generations);
	params.path = json_string(message, "path");
	params.cwd = json_string(message, "cwd");
	args = json_strings(message, "args", &params.args);
	params.arg_count = args < 0 ? 0 : (size_t)args;
	if (!params.path || !params.cwd || args < 0 || !json_integer(message, "timeout_ms", &params.timeout_ms) ||
	    params.timeout_ms <= 0) {
		send_error(id, "%s: it needs path, args, cwd and a positive timeout_ms", type);
		return;
	}
	error = shell_is_running() ? "a shell is running" : test_start(&params);
	if (error)
		send_error(id, "%s: %s", type, error);
}

static void handle_run(int64_t id, struct json_object *message)
{
	start(id, message, "run", false);
}

static void handle_prepare(int64_t id, struct json_object *message)
{
	start(id, message, "prepare", true);
}

static void handle_proceed(int64_t id, struct json_object *message)
{
	const char *const *args;
	int count = json_strings(message, "args", &args);
	int64_t timeout_ms;
	const char *error = "it needs args and a positive timeout_ms";

	if (count >= 0 && json_integer(message, "timeout_ms", &timeout_ms) && timeout_ms > 0)
		error = test_proceed(id, args, (size_t)count, timeout_ms);
	if (error)
		send_error(id, "proceed: %s", error);
}

static void handle_kill(int64_t id, struct json_object *message)
{
	(void)message;
	if (test_kill())
		send_ready(id);
	else
		send_error(id, "kill: no test is running");
}

static void handle_put(int64_t id, struct json_object *message)
{
	const char *dir = json_string(message, "dir");
	int64_t bytes;

	if (!json_integer(message, "bytes", &bytes) || bytes < 0) {
		send_error(id, "put: it needs dir and bytes");
		return;
	}
	if (dir && !test_is_running()) {
		transfer_put(id, dir, (uint64_t)bytes);
		return;
	}
	/* The host sends the bytes even if the put is refused. */
	transfer_skip_later((uint64_t)bytes);
	send_error(id, dir ? "put: a test is running" : "put: it needs dir and bytes");
}

static void handle_get(int64_t id, struct json_object *message)
{
	const char *dir = json_string(message, "dir");
	int64_t limit;

	if (!dir || !json_integer(message, "limit", &limit) || limit < 0)
		send_error(id, "get: it needs dir and limit");
	else if (test_is_running())
		send_error(id, "get: a test is running");
	else
		transfer_get(id, dir, (uint64_t)limit);
}

static void handle_window(int64_t id, struct json_object *message)
{
	int64_t rows, columns;
	const char *error = "it needs rows and columns";

	if (json_integer(message, "rows", &rows) && json_integer(message, "columns", &columns))
		error = shell_set_window(rows, columns);
	if (error)
		send_error(id, "window: %s", error);
	else
		send_ready(id);
}

static void handle_shell(int64_t id, struct json_object *message)
{
	const char *error = test_is_running() ? "a test is running" : shell_start();

	(void)message;
	if (error)
		send_error(id, "shell: %s", error);
	else
		send_ready(id);
}

static void handle_ping(int64_t id, struct json_object *message)
{
	struct json_writer *pong = control_message("pong");

	(void)message;
	json_add_integer(pong, "id", id);
	json_add_integer(pong, "uptime_ms", (int64_t)uptime_ms());
	control_send();
}

/* On success, the answer is the hello of the next kernel. */
static void handle_leave(int64_t id, struct json_object *message)
{
	const char *how = test_leave_method();

	(void)message;
	if (!how) {
		send_error(id, "leave: no test has requested it");
		return;
	}
	ports_flush_all(FLUSH_MS);
	reboot(strcmp(how, "kexec") == 0 ? LINUX_REBOOT_CMD_KEXEC : LINUX_REBOOT_CMD_RESTART);
	send_error(id, "leave: %s: %s", how, strerror(errno));
}

static void handle_poweroff(int64_t id, struct json_object *message)
{
	(void)id;
	(void)message;
	control_message("bye");
	control_send();
	ports_flush_all(FLUSH_MS);
	power_off();
}
