// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "control.h"
#include "kmsg.h"
#include "log.h"
#include "ports.h"
#include "processes.h"
#include "settle.h"
#include "system.h"
#include "test.h"

#define ARGS_MAX JSON_ITEMS
#define TEXT_MAX 65536
/* For the kernel log to become empty: it may be flooded for ever. */
#define DRAIN_MS 2000
/* Without a process and without a record of the kernel log. */
#define QUIET_MS 60
/* For RCU callbacks and work: one of them may never end. */
#define SETTLE_MS 10000
/* For the next killed process to go: giving back much memory takes its time. */
#define EXIT_MS 10000
#define DEPTH_MAX 16
/* The child's exit code where exec failed, as shells have it. */
#define NOT_STARTED 127

static char generation_text[48], generations_text[48];

static char *const environment[] = {
	"PATH=/bin:/sbin:/usr/bin:/usr/sbin",
	"HOME=/root",
	"TERM=linux",
	"KILN_ARTIFACTS=" ARTIFACTS,
	generation_text,
	generations_text,
	NULL,
};

static struct {
	enum {
		IDLE,
		STARTING,	/* the kernel log up to here belongs to others */
		RUNNING,
		ENDING,		/* all is killed; the last processes go */
		SETTLING,	/* what the kernel still does for them comes to its end */
		DRAINING,	/* what they wrote is forwarded */
		LEAVING,	/* the same, but they live on */
		LEFT,		/* the host may send the guest to the next kernel */
	} stage;
	uint64_t deadline;	/* of the stage */
	int64_t id, timeout_ms;
	char *argv[ARGS_MAX + 2];
	const char *cwd;
	pid_t pid;
	int output;		/* the pipe's end, -1 if closed */
	int exec_error;		/* the same: an errno comes if exec fails */
	int artifacts;
	uint64_t started, duration;
	const char *how;
	int status;
	unsigned int leftovers;
	bool all_gone;
	uint64_t gone_ms;		/* since when */
	bool work_wait_started, settled;
	int cgroup;
} test = { .output = -1, .exec_error = -1, .artifacts = -1, .cgroup = -1 };

/* Cgroup and artifacts directory are there for the next test. */
static bool prepared;

static uint64_t output_bytes;

static const char *copy_params(const struct test_params *params);
static void write_log_marker(const char *what);
static void begin(void);
static int spawn(void);
_Noreturn static void exec_test(int cgroup, int output, int error);
static void end_processes(const char *how);
static bool has_no_child(void);
static void settle(void);
static bool has_settled(void);
static void finish(void);
static void send_end(void);
static unsigned int count_files(int parent, const char *name, int depth);
static void close_fd(int *fd);

/*
 * What a test needs is made before it is asked for, and what the last one left is
 * removed no sooner: a guest that is forked for one test then pays for neither.
 */
void test_prepare(void)
{
	if (prepared)
		return;
	cgroup_remove();
	close_fd(&test.cgroup);
	test.cgroup = cgroup_make();
	test.artifacts = system_reset_artifacts();
	prepared = true;
}

const char *test_start(const struct test_params *params)
{
	const char *error;

	if (test.stage != IDLE)
		return "a test is running";
	error = copy_params(params);
	if (error)
		return error;
	write_log_marker("begins");
	test.stage = STARTING;
	test.deadline = now_ms() + DRAIN_MS;
	return NULL;
}

/* The strings lie in the message, which doesn't live long enough. */
static const char *copy_params(const struct test_params *params)
{
	static char text[TEXT_MAX];
	char *at = text, *const end = text + sizeof(text);

	if (params->arg_count > ARGS_MAX)
		return "too many args";
	for (size_t i = 0; i < params->arg_count + 2; i++) {
		const char *from = i == 0 ? params->cwd : i == 1 ? params->path : params->args[i - 2];
		size_t size = strlen(from) + 1;

		if (size > (size_t)(end - at))
			return "too long args";
		memcpy(at, from, size);
		if (i > 0)
			test.argv[i - 1] = at;
		at += size;
	}
	test.argv[params->arg_count + 1] = NULL;
	snprintf(generation_text, sizeof(generation_text), "KILN_GENERATION=%lld", (long long)params->generation);
	snprintf(generations_text, sizeof(generations_text), "KILN_GENERATIONS=%lld", (long long)params->generations);
	test.cwd = text;
	test.id = params->id;
	test.timeout_ms = params->timeout_ms;
	return NULL;
}

/*
 * A record that the kernel left without a newline stays open for a continuation,
 * and /dev/kmsg keeps it back until another one follows. Here one does: what the
 * kernel said before this is in the log before this.
 */
static void write_log_marker(const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), "test %lld %s", (long long)test.id, what);
	kmsg_write(KMSG_DEBUG, text);
}

bool test_kill(void)
{
	switch (test.stage) {
	case IDLE:
		return false;
	case STARTING:
		/* The host pending for a `begin` in any case; then it ends at once. */
		begin();
		if (test.stage == RUNNING)
			end_processes("killed");
		return true;
	case RUNNING:
		end_processes("killed");
		return true;
	case ENDING:
	case SETTLING:
	case DRAINING:
	case LEAVING:
		return true;
	case LEFT:
		return false;
	}
	return false;
}

bool test_is_running(void)
{
	return test.stage != IDLE && test.stage != LEFT;
}

void test_leave(const char *how, int generation)
{
	if (test.stage != RUNNING)
		return;
	test.duration = now_ms() - test.started;
	test.how = how;
	test.status = generation;
	write_log_marker("leaves this kernel");
	test.stage = LEAVING;
	test.deadline = now_ms() + DRAIN_MS;
}

const char *test_leave_method(void)
{
	return test.stage == LEFT ? test.how : NULL;
}

void test_step(void)
{
	bool expired = now_ms() >= test.deadline;

	if (test.stage == STARTING && (kmsg_forward() || expired))
		begin();
	else if (test.stage == RUNNING && expired)
		end_processes("timeout");
	if (test.stage == ENDING && (test.all_gone || now_ms() >= test.deadline))
		settle();
	if (test.stage == SETTLING && has_settled()) {
		write_log_marker("is over");
		test.stage = DRAINING;
		test.deadline = now_ms() + DRAIN_MS;
	}
	if (test.stage == DRAINING) {
		bool output_empty = test_forward_output();
		bool log_empty = kmsg_forward();

		/* The log has had its time; only the host is waited for now. */
		if (now_ms() >= test.deadline)
			test.deadline = NEVER;
		if (output_empty && (log_empty || test.deadline == NEVER))
			finish();
	}
	if (test.stage == LEAVING) {
		bool output_empty = test_forward_output();

		/* Those that live on may print for ever. */
		if ((kmsg_forward() && output_empty) || expired) {
			send_end();
			test.stage = LEFT;
			test.deadline = NEVER;
		}
	}
}

static void begin(void)
{
	struct json_writer *message;
	int error;

	test_prepare();
	prepared = false;
	test.how = NULL;
	test.status = 0;
	test.leftovers = 0;
	test.all_gone = false;
	test.settled = false;

	message = control_message("begin");
	json_add_integer(message, "id", test.id);
	json_add_integer(message, "ktap", (int64_t)output_bytes);
	json_add_integer(message, "kmsg", (int64_t)kmsg_next_seq());
	json_add_integer(message, "taint", (int64_t)system_taint());
	control_send();

	test.started = now_ms();
	test.stage = RUNNING;
	/* No limit can reach beyond the end of time. */
	if (__builtin_add_overflow(test.started, (uint64_t)test.timeout_ms, &test.deadline))
		test.deadline = NEVER;
	error = spawn();
	if (error) {
		test.status = error;
		end_processes("exec");
		/* Nothing was started, so nothing will announce its end. */
		test.all_gone = true;
	}
}

/* Returns 0 or an errno. */
static int spawn(void)
{
	int output[2], error[2];

	if (pipe2(output, O_CLOEXEC) < 0)
		return errno;
	test.output = output[0];
	if (pipe2(error, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(output[1]);
		return errno;
	}
	test.exec_error = error[0];
	/* Only this end: the test's has to be an ordinary, blocking one. */
	fcntl(test.output, F_SETFL, O_NONBLOCK);

	test.pid = fork();
	if (test.pid == 0)
		exec_test(test.cgroup, output[1], error[1]);
	int failed = 0;

	if (test.pid < 0) {
		failed = errno;
		test.pid = 0;
	}
	close_fd(&test.cgroup);
	close(output[1]);
	close(error[1]);
	return failed;
}

static void exec_test(int cgroup, int output, int error)
{
	int adjust = openat(system_proc(), "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	sigset_t none;

	setsid();
	if (cgroup >= 0 && write(cgroup, "0", 1) < 0)
		warning("the test can't enter its cgroup: %s", strerror(errno));
	if (adjust < 0 || write(adjust, "0", 1) < 0)
		warning("the test keeps the agent's oom_score_adj: %s", strerror(errno));
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	/* Handlers become the default by exec, the mask has to be emptied. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(test.cwd) == 0)
		execve(test.argv[0], test.argv, environment);

	int reason = errno;

	if (write(error, &reason, sizeof(reason)) < 0)
		_exit(126);
	_exit(127);
}

bool test_forward_output(void)
{
	while (test.output >= 0) {
		size_t room;
		char *to = queue_free_span(&ktap_port.out, &room);
		ssize_t length;

		if (room == 0)
			return false;
		length = read(test.output, to, room);
		if (length < 0)
			return errno != EINTR;
		if (length == 0) {
			close_fd(&test.output);
			return true;
		}
		queue_commit(&ktap_port.out, (size_t)length);
		output_bytes += (uint64_t)length;
	}
	return true;
}

struct pollfd test_poll(void)
{
	bool room = queue_space(&ktap_port.out) > 0;

	return (struct pollfd){ .fd = room ? test.output : -1, .events = POLLIN };
}

bool test_reaped(pid_t pid, int status)
{
	int reason;

	if (test.stage == ENDING)
		test.deadline = now_ms() + EXIT_MS;
	if (test.stage == IDLE || pid != test.pid)
		return false;
	test.pid = 0;
	if (test.stage != RUNNING)
		return true;
	/* A running test can write into the pipe too, but does not end as a failed exec does. */
	bool not_started = WIFEXITED(status) && WEXITSTATUS(status) == NOT_STARTED;

	if (not_started && read(test.exec_error, &reason, sizeof(reason)) == sizeof(reason) &&
	    reason > 0 && reason < 4096) {
		test.status = reason;
		end_processes("exec");
	} else if (WIFSIGNALED(status)) {
		test.status = WTERMSIG(status);
		end_processes("signal");
	} else {
		test.status = WEXITSTATUS(status);
		end_processes("exit");
	}
	return true;
}

static void end_processes(const char *how)
{
	test.duration = now_ms() - test.started;
	test.how = how;
	test.stage = ENDING;
	test.deadline = now_ms() + EXIT_MS;
	test.leftovers = 0;
	test.all_gone = has_no_child();
	if (test.all_gone)
		return;
	test.leftovers = processes_count(test.pid);
	/* Its cgroup always, for a process that forks and exits in turns is easily
	 * missed in counting; everything only if there is something to kill. */
	cgroup_kill();
	if (test.leftovers > 0 || test.pid > 0 || system_cgroup() < 0)
		processes_kill();
}

/* All orphans become children of PID 1, and nobody else has a parent outside. */
static bool has_no_child(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == ECHILD;
}

void test_all_reaped(void)
{
	test.all_gone = true;
}

static void settle(void)
{
	if (!test.all_gone)
		warning("%u processes are left after SIGKILL", processes_count(0));
	json_add_integer(control_message("settling"), "id", test.id);
	control_send();
	test.gone_ms = now_ms();
	test.work_wait_started = false;
	test.stage = SETTLING;
	settle_start_rcu();
}

/*
 * True if the kernel has nothing more to say about the test: what was queued has
 * run, and the log was quiet for a while, in which delayed work has had its turn.
 */
static bool has_settled(void)
{
	bool pending = settle_is_pending();

	/* What was waited for may have written to the log. */
	test_forward_output();
	kmsg_forward();

	uint64_t now = now_ms();
	uint64_t quiet = later(test.gone_ms, kmsg_last_ms()) + QUIET_MS;
	/* A process that can't be killed is most likely what they wait for. */
	uint64_t limit = test.gone_ms + (test.all_gone ? SETTLE_MS : DRAIN_MS);

	/* The log may be flooded for ever. */
	quiet = earlier(quiet, test.gone_ms + DRAIN_MS);
	test.settled = now >= quiet && !pending;
	if (now >= limit)
		return true;
	if (now >= quiet && !pending && !test.work_wait_started) {
		test.work_wait_started = true;
		settle_start_work();
		test.settled = !settle_is_pending();
	}
	test.deadline = now < quiet ? quiet : limit;
	return test.settled;
}

static void finish(void)
{
	/* What its dead processes had still to say on the console, for ever perhaps. */
	tcflush(STDERR_FILENO, TCOFLUSH);
	send_end();

	close_fd(&test.output);
	close_fd(&test.exec_error);
	close_fd(&test.artifacts);
	test.pid = 0;
	test.stage = IDLE;
}

static void send_end(void)
{
	struct json_writer *message = control_message("end");

	json_add_integer(message, "id", test.id);
	json_add_string(message, "how", test.how);
	json_add_integer(message, "status", test.status);
	json_add_integer(message, "ktap", (int64_t)output_bytes);
	json_add_integer(message, "kmsg", (int64_t)kmsg_next_seq());
	json_add_integer(message, "taint", (int64_t)system_taint());
	json_add_integer(message, "duration_ms", (int64_t)test.duration);
	json_add_integer(message, "leftovers", test.leftovers);
	json_add_boolean(message, "settled", test.settled);
	json_add_integer(message, "artifacts", test.artifacts < 0 ? 0 : count_files(test.artifacts, ".", 0));
	control_send();
}

static unsigned int count_files(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned int count = 0;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type == DT_REG)
			count++;
		if (entry->d_type == DT_DIR && depth < DEPTH_MAX && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			count += count_files(fd, entry->d_name, depth + 1);
	}
	if (dir)
		closedir(dir);
	return count;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

uint64_t test_deadline(void)
{
	return test.stage == IDLE ? NEVER : test.deadline;
}
