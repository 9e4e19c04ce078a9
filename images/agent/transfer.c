// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "ports.h"
#include "tar.h"
#include "transfer.h"

static struct {
	enum { NONE, PUT, GET } kind;
	pid_t pid;
	int64_t id;
	int result;	/* the pipe that a struct tar_result comes through */
	uint64_t skip;
} transfer = { .result = -1 };

static void start(int kind, int64_t id, const char *dir, uint64_t bytes);
_Noreturn static void run_transfer(int kind, const char *dir, uint64_t bytes, int to_agent);
static void report(const struct tar_result *result);

void transfer_put(int64_t id, const char *dir, uint64_t bytes)
{
	start(PUT, id, dir, bytes);
}

void transfer_get(int64_t id, const char *dir, uint64_t limit)
{
	start(GET, id, dir, limit);
}

static void start(int kind, int64_t id, const char *dir, uint64_t bytes)
{
	int pipe[2] = { -1, -1 };
	pid_t pid = -1;

	/* O_NONBLOCK: a process that still has the other end open must not block PID 1. */
	if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) == 0)
		pid = fork();
	if (pid == 0)
		run_transfer(kind, dir, bytes, pipe[1]);
	if (pid < 0) {
		send_error(id, "the transfer can't be started: %s", strerror(errno));
		if (kind == PUT)
			transfer_skip_later(bytes);
		close(pipe[0]);
	} else {
		transfer.kind = kind;
		transfer.pid = pid;
		transfer.id = id;
		transfer.result = pipe[0];
	}
	close(pipe[1]);
}

static void run_transfer(int kind, const char *dir, uint64_t bytes, int to_agent)
{
	struct tar_result result = { 0 };

	tar_skip(files_port, transfer.skip);
	if (kind == PUT)
		tar_receive(files_port, dir, bytes, &result);
	else
		tar_send(files_port, dir, bytes, &result);
	/* The write is atomic, because the result is smaller than PIPE_BUF. */
	_exit(write(to_agent, &result, sizeof(result)) == sizeof(result) ? 0 : 1);
}

void transfer_skip_later(uint64_t bytes)
{
	transfer.skip += bytes;
}

bool transfer_is_running(void)
{
	return transfer.kind != NONE;
}

void transfer_reaped(pid_t pid, int status)
{
	struct tar_result result;

	if (transfer.kind == NONE || pid != transfer.pid)
		return;
	if (read(transfer.result, &result, sizeof(result)) == sizeof(result))
		report(&result);
	else
		send_error(transfer.id, "the transfer process died (status %#x); the files port is out of sync",
			   (unsigned int)status);
	close(transfer.result);
	transfer.kind = NONE;
	transfer.skip = 0;
}

static void report(const struct tar_result *result)
{
	struct json_writer *message;

	if (result->error[0] != '\0') {
		send_error(transfer.id, "%s: %s", transfer.kind == PUT ? "put" : "get", result->error);
	} else if (transfer.kind == PUT) {
		send_ready(transfer.id);
	} else {
		message = control_message("got");
		json_add_integer(message, "id", transfer.id);
		json_add_integer(message, "bytes", (int64_t)result->bytes);
		json_add_boolean(message, "truncated", result->truncated);
		control_send();
	}
}
