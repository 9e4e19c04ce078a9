// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "log.h"
#include "shell.h"
#include "system.h"

#define BUSYBOX "/bin/busybox"
#define SHELL "/bin/sh"

static char *const environment[] = {
	"PATH=/bin:/sbin:/usr/bin:/usr/sbin",
	"HOME=/root",
	"TERM=linux",
	"PS1=guest# ",
	"KILN_ARTIFACTS=" ARTIFACTS,
	NULL,
};

/* The leader of the shell's session; 0 if there is none. */
static pid_t leader;
/* The console; -1 before its first use. */
static int console = -1;

static void start_leader(void);
_Noreturn static void run_session_leader(void);
static void reset_agent_attributes(void);
_Noreturn static void exec_shell(void);
static void acquire_terminal(void);
static void set_window(int tty, unsigned short rows, unsigned short columns);
static int open_console(int flags);

/* busybox creates a link in /bin for each of its commands, and reports its errors itself. */
void shell_prepare(void)
{
	char *const argv[] = { BUSYBOX, "--install", "-s", "/bin", NULL };
	pid_t pid;

	if (access(BUSYBOX, X_OK) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		execve(BUSYBOX, argv, environment);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void shell_run(void)
{
	pid_t pid;

	start_leader();
	if (leader < 0)
		fatal("the shell can't be started: %s", strerror(errno));
	do
		pid = waitpid(-1, NULL, __WALL);
	while (pid != leader && (pid > 0 || errno == EINTR));
	power_off();
}

const char *shell_start(void)
{
	if (leader > 0)
		return "a shell is already running";
	if (access(BUSYBOX, X_OK) < 0 && access(SHELL, X_OK) < 0)
		return "there is neither " BUSYBOX " nor " SHELL;
	start_leader();
	return leader < 0 ? "no process could be started" : NULL;
}

bool shell_is_running(void)
{
	return leader > 0;
}

const char *shell_set_window(int64_t rows, int64_t columns)
{
	if (rows < 0 || rows > USHRT_MAX || columns < 0 || columns > USHRT_MAX)
		return "a window has 0 to 65535 rows and columns";
	/* Kept open: a terminal loses its size when no process has it open. */
	if (console < 0)
		console = open_console(O_NOCTTY | O_CLOEXEC);
	if (console < 0)
		return "there is no console";
	set_window(console, (unsigned short)rows, (unsigned short)columns);
	return NULL;
}

void shell_reaped(pid_t pid)
{
	if (leader > 0 && pid == leader)
		power_off();
}

static void start_leader(void)
{
	close(system_reset_artifacts());
	leader = fork();
	if (leader == 0)
		run_session_leader();
}

/*
 * When the session leader exits, the kernel hangs up the terminal and drops its
 * pending output. So the shell is not the leader: the leader waits until the shell
 * has exited and the terminal has sent its output.
 */
static void run_session_leader(void)
{
	pid_t shell;

	setsid();
	reset_agent_attributes();
	acquire_terminal();
	/* Otherwise tcsetpgrp() and tcdrain() stop the process that is in the background. */
	signal(SIGTTOU, SIG_IGN);
	shell = fork();
	if (shell == 0) {
		setpgid(0, 0);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		exec_shell();
	}
	while (waitpid(shell, NULL, 0) < 0 && errno == EINTR)
		;
	tcdrain(STDOUT_FILENO);
	_exit(0);
}

/* The user's processes must not inherit the agent's oom_score_adj and signal mask. */
static void reset_agent_attributes(void)
{
	int adjust = openat(system_proc(), "self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	sigset_t none;

	if (adjust < 0 || write(adjust, "0", 1) < 0)
		warning("the shell keeps the agent's oom_score_adj: %s", strerror(errno));
	if (adjust >= 0)
		close(adjust);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void exec_shell(void)
{
	/* The minus sign makes it a login shell. */
	char *const argv[] = { "-sh", NULL };
	struct utsname name;

	if (chdir("/root") < 0)
		warning("/root: %s", strerror(errno));
	uname(&name);
	printf("Linux %s. The tests are in /tests; \"exit\" powers off.\n", name.release);
	fflush(stdout);
	/* Called as "-sh", busybox is a shell even if /bin/sh does not exist. */
	execve(BUSYBOX, argv, environment);
	execve(SHELL, argv, environment);
	fatal("there is neither %s nor %s: %s", BUSYBOX, SHELL, strerror(errno));
}

static void acquire_terminal(void)
{
	const char *size = system_option_value("kiln.winsize");
	unsigned short rows, columns;
	int tty = open_console(0);

	if (tty < 0)
		return;
	ioctl(tty, TIOCSCTTY, 1);
	if (size && sscanf(size, "%hux%hu", &rows, &columns) == 2)
		set_window(tty, rows, columns);
	dup2(tty, STDIN_FILENO);
	dup2(tty, STDOUT_FILENO);
	dup2(tty, STDERR_FILENO);
	if (tty > STDERR_FILENO)
		close(tty);
}

/* The kernel sends SIGWINCH to the foreground process group. */
static void set_window(int tty, unsigned short rows, unsigned short columns)
{
	const struct winsize window = { .ws_row = rows, .ws_col = columns };

	ioctl(tty, TIOCSWINSZ, &window);
}

static int open_console(int flags)
{
	int tty = open("/dev/ttyS0", O_RDWR | flags);

	/* The fallback has no job control: /dev/console can't be a controlling terminal. */
	return tty < 0 ? open("/dev/console", O_RDWR | flags) : tty;
}
