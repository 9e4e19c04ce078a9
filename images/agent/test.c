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
#include "kiln_request.h"
#include "kmsg.h"
#include "log.h"
#include "ports.h"
#include "processes.h"
#include "settle.h"
#include "system.h"
#include "test.h"

#define ARGS_MAX JSON_ITEMS
#define TEXT_MAX 65536
/* How long the agent waits for an empty kernel log, which may never come: a flood does not end. */
#define DRAIN_MS 2000
/* The kernel has settled after this time without a process and without a log record. */
#define QUIET_MS 60
/* How long the agent waits for RCU callbacks and work, which may never end. */
#define SETTLE_MS 10000
/* How long the next killed process may take to exit: freeing much memory takes time. */
#define EXIT_MS 10000
#define DEPTH_MAX 16
/* The exit code of a child whose exec failed, as in a shell. */
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
		STARTING,	/* forwarding the earlier kernel log */
		RUNNING,
		PREPARING,	/* kiln_ready() was called: forwarding output and log so far */
		WAITING,	/* the host may freeze the guest, or send `proceed` */
		ENDING,		/* all processes are killed; waiting until they are gone */
		SETTLING,	/* waiting for RCU callbacks and work of these processes */
		DRAINING,	/* forwarding output and log of the test */
		LEAVING,	/* the same before kexec, while the processes run on */
		LEFT,		/* the host may send `leave` */
	} stage;
	uint64_t deadline;	/* of the stage */
	int64_t id, timeout_ms;
	bool waits, is_ready;
	/* What `begin` says; a test that proceeds says it again. */
	int64_t first_byte, first_record, first_taint;
	char *argv[ARGS_MAX + 2];
	const char *cwd;
	pid_t pid;
	int output;		/* our end of the output pipe, -1 if closed */
	int exec_error;		/* our end of the pipe for the errno of a failed exec */
	int artifacts;
	uint64_t started, duration;
	const char *how;
	int status;
	unsigned int leftovers;
	bool all_gone;
	uint64_t gone_ms;	/* when SETTLING began (now_ms) */
	bool work_wait_started, settled;
	int cgroup;
} test = { .output = -1, .exec_error = -1, .artifacts = -1, .cgroup = -1 };

/* The cgroup and the artifacts directory for the next test exist. */
static bool prepared;

/* KILN_READY_FILE, or -1. */
static int ready_file = -1;

static uint64_t output_bytes;

static const char *copy_params(const struct test_params *params);
static void write_log_marker(const char *what);
static void begin(void);
static void send_begin(void);
static void set_deadline(void);
static void send_waits(void);
static const char *answer_ready(const char *first, const char *const *args, size_t arg_count);
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
 * Runs before the first `run`, and again only when another test starts. So a guest
 * that is forked for one test spends no time on either the setup or the cleanup.
 */
void test_prepare(void)
{
	if (prepared)
		return;
	cgroup_remove();
	close_fd(&test.cgroup);
	test.cgroup = cgroup_make();
	test.artifacts = system_reset_artifacts();
	close_fd(&ready_file);
	ready_file = open(KILN_READY_FILE, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (ready_file < 0)
		warning("kiln_ready() will not work: %s: %s", KILN_READY_FILE, strerror(errno));
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

/* The strings belong to the message, which the next message overwrites. */
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
	test.waits = params->waits;
	return NULL;
}

/*
 * A record without a newline stays open for a continuation, and /dev/kmsg withholds
 * it until another record follows. This record makes sure that everything the
 * kernel has printed so far can be read.
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
		/* The host waits for `begin` in any case. The test ends at once after it. */
		begin();
		if (test.stage == RUNNING)
			end_processes("killed");
		return true;
	case RUNNING:
	case PREPARING:
	case WAITING:
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

void test_ready(pid_t pid)
{
	const char *error;

	if (test.stage != RUNNING || pid != test.pid)
		return;
	test.is_ready = true;
	if (test.waits) {
		write_log_marker("waits");
		test.stage = PREPARING;
		test.deadline = now_ms() + DRAIN_MS;
		return;
	}
	error = answer_ready(KILN_READY_KEEP, NULL, 0);
	if (error)
		warning("kiln_ready() of the test can't be answered: %s", error);
}

const char *test_proceed(int64_t id, const char *const *args, size_t arg_count, int64_t timeout_ms)
{
	const char *error;

	if (test.stage != WAITING)
		return "no test waits";
	test.id = id;
	test.timeout_ms = timeout_ms;
	test.waits = false;
	write_log_marker("proceeds");
	send_begin();
	set_deadline();
	test.stage = RUNNING;
	error = answer_ready(KILN_READY_REPLACE, args, arg_count);
	if (error)
		end_processes("killed");
	return error;
}

/* Returns NULL or an error message. */
static const char *answer_ready(const char *first, const char *const *args, size_t arg_count)
{
	off_t at = 0;

	if (ready_file < 0 || ftruncate(ready_file, 0) < 0)
		return "there is no file for the arguments";
	for (size_t i = 0; i < arg_count + 1; i++) {
		const char *word = i == 0 ? first : args[i - 1];
		size_t size = strlen(word) + 1;

		if (pwrite(ready_file, word, size, at) != (ssize_t)size)
			return strerror(errno);
		at += (off_t)size;
	}
	if (sigqueue(test.pid, KILN_REQUEST_SIGNAL, (union sigval){ .sival_int = 0 }) < 0)
		return strerror(errno);
	return NULL;
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

		/* The log has had its time. From now on the agent waits only for the host to read. */
		if (now_ms() >= test.deadline)
			test.deadline = NEVER;
		if (output_empty && (log_empty || test.deadline == NEVER))
			finish();
	}
	if (test.stage == PREPARING) {
		bool output_empty = test_forward_output();

		if ((kmsg_forward() && output_empty) || expired) {
			test.stage = WAITING;
			test.deadline = NEVER;
			send_waits();
		}
	}
	if (test.stage == LEAVING) {
		bool output_empty = test_forward_output();

		/* The processes run on and may print for ever, so this stage has a deadline. */
		if ((kmsg_forward() && output_empty) || expired) {
			send_end();
			test.stage = LEFT;
			test.deadline = NEVER;
		}
	}
}

static void begin(void)
{
	int error;

	test_prepare();
	prepared = false;
	test.how = NULL;
	test.status = 0;
	test.leftovers = 0;
	test.all_gone = false;
	test.settled = false;
	test.is_ready = false;
	test.first_byte = (int64_t)output_bytes;
	test.first_record = (int64_t)kmsg_next_seq();
	test.first_taint = (int64_t)system_taint();
	send_begin();
	set_deadline();
	test.stage = RUNNING;
	error = spawn();
	if (error) {
		test.status = error;
		end_processes("exec");
		/* No process was started, so waitpid() will not report an exit. */
		test.all_gone = true;
	}
}

static void send_begin(void)
{
	struct json_writer *message = control_message("begin");

	json_add_integer(message, "id", test.id);
	json_add_integer(message, "ktap", test.first_byte);
	json_add_integer(message, "kmsg", test.first_record);
	json_add_integer(message, "taint", test.first_taint);
	control_send();
}

static void set_deadline(void)
{
	test.started = now_ms();
	/* A timeout of the host may be so long that the sum overflows. */
	if (__builtin_add_overflow(test.started, (uint64_t)test.timeout_ms, &test.deadline))
		test.deadline = NEVER;
}

static void send_waits(void)
{
	struct json_writer *message = control_message("waits");

	json_add_integer(message, "id", test.id);
	json_add_integer(message, "ktap", (int64_t)output_bytes);
	json_add_integer(message, "kmsg", (int64_t)kmsg_next_seq());
	control_send();
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
	/* Only our end: the test expects blocking output. */
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
	/* exec resets the handlers, but not the mask. */
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
	if (test.stage != RUNNING && test.stage != PREPARING && test.stage != WAITING)
		return true;
	/* A test could write to the pipe as well, so the exit code must also be that of a failed exec. */
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
	/* The cgroup is always killed, because the count easily misses a process that
	 * forks and exits in turn. All processes are killed only if there are any. */
	cgroup_kill();
	if (test.leftovers > 0 || test.pid > 0 || system_cgroup() < 0)
		processes_kill();
}

/* Orphans become children of PID 1. So if PID 1 has no child, no process is left. */
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
		warning("processes left after SIGKILL: %u", processes_count(0));
	json_add_integer(control_message("settling"), "id", test.id);
	control_send();
	test.gone_ms = now_ms();
	test.work_wait_started = false;
	test.stage = SETTLING;
	/* rcu_barrier() interrupts every CPU and waits for the answer with preemption
	 * disabled. If a process can't be killed, its CPU may never answer, and the
	 * agent could not run on the CPU that waits. */
	if (test.all_gone)
		settle_start_rcu();
}

/*
 * Returns true if the kernel has settled, or at the limit. It has settled if the
 * queued callbacks and work have run, and the log has been quiet for QUIET_MS, which
 * gives delayed work time to run.
 */
static bool has_settled(void)
{
	bool pending = settle_is_pending();

	/* The callbacks or the work may have written to the log. */
	test_forward_output();
	kmsg_forward();

	uint64_t now = now_ms();
	uint64_t quiet = later(test.gone_ms, kmsg_last_ms()) + QUIET_MS;
	uint64_t limit = test.gone_ms + SETTLE_MS;

	/* A flood of the log may never end. */
	quiet = earlier(quiet, test.gone_ms + DRAIN_MS);
	if (!test.all_gone) {
		test.settled = false;
		test.deadline = quiet;
		return now >= quiet;
	}
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
	/* Drops what the dead processes left in the console's buffer: a stopped console
	 * would never send it. */
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
	json_add_boolean(message, "ready", test.is_ready);
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
