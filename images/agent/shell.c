// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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

static void install_applets(void);
_Noreturn static void lead_session(void);
_Noreturn static void become_shell(void);
static void take_terminal(void);
static void reset_signals(void);

void shell_run(void)
{
	pid_t shell, pid;

	close(system_fresh_artifacts());
	install_applets();
	shell = fork();
	if (shell == 0)
		lead_session();
	if (shell < 0)
		fatal("the shell can't be started: %s", strerror(errno));
	do
		pid = waitpid(-1, NULL, __WALL);
	while (pid != shell && (pid > 0 || errno == EINTR));
	power_off();
}

/* Links of all its commands in /bin; where it has none, it says so itself. */
static void install_applets(void)
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

/*
 * The terminal is hung up, and what it has not yet sent is dropped, when its
 * session's leader ends. So that is not the shell: the leader waits for it, and
 * for its last words to be out.
 */
static void lead_session(void)
{
	pid_t shell;

	setsid();
	take_terminal();
	shell = fork();
	if (shell == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		become_shell();
	}
	while (waitpid(shell, NULL, 0) < 0 && errno == EINTR)
		;
	tcdrain(STDOUT_FILENO);
	_exit(0);
}

static void become_shell(void)
{
	/* The minus sign makes it a login shell. */
	char *const argv[] = { "-sh", NULL };
	struct utsname name;

	reset_signals();
	if (chdir("/root") < 0)
		warning("/root: %s", strerror(errno));
	uname(&name);
	printf("Linux %s. The tests are in /tests; \"exit\" powers off.\n", name.release);
	fflush(stdout);
	/* busybox as "-sh" is its shell, with or without the link. */
	execve(BUSYBOX, argv, environment);
	execve(SHELL, argv, environment);
	fatal("there is neither %s nor %s: %s", BUSYBOX, SHELL, strerror(errno));
}

static void take_terminal(void)
{
	const char *size = system_option_value("kiln.winsize");
	struct winsize window = { 0 };
	int tty = open("/dev/ttyS0", O_RDWR);

	/* /dev/console can't be anyone's controlling terminal: no job control. */
	if (tty < 0)
		tty = open("/dev/console", O_RDWR);
	if (tty < 0)
		return;
	ioctl(tty, TIOCSCTTY, 1);
	if (size && sscanf(size, "%hux%hu", &window.ws_row, &window.ws_col) == 2)
		ioctl(tty, TIOCSWINSZ, &window);
	dup2(tty, STDIN_FILENO);
	dup2(tty, STDOUT_FILENO);
	dup2(tty, STDERR_FILENO);
	if (tty > STDERR_FILENO)
		close(tty);
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
