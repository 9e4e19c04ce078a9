// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../agent/command_line.h"
#include "../agent/kiln_request.h"
#include "bail_out.h"
#include "kiln.h"

/* The host puts them there before each generation but the last. */
#define NEXT_KERNEL "/run/next/bzImage"
#define NEXT_INITRAMFS "/run/next/initramfs.cpio"
/* COMMAND_LINE_SIZE of x86. */
#define COMMAND_LINE_MAX 2048

static unsigned int number(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? (unsigned int)strtoul(value, NULL, 10) : otherwise;
}

unsigned int kiln_generation(void)
{
	return number("KILN_GENERATION", 0);
}

unsigned int kiln_generations(void)
{
	return number("KILN_GENERATIONS", 1);
}

/* This kernel's, with the next number. Returns its size or a negative errno. */
static int next_command_line(char *line, size_t size, bool for_panic)
{
	char current[COMMAND_LINE_MAX];
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, current, sizeof(current) - 1);

	if (fd >= 0)
		close(fd);
	if (length < 0)
		return -errno;
	current[length] = '\0';
	current[strcspn(current, "\n")] = '\0';
	return command_line_next(line, size, current, kiln_generation() + 1, for_panic);
}

static int load(unsigned long flags)
{
	char line[COMMAND_LINE_MAX];
	int size = next_command_line(line, sizeof(line), flags & KEXEC_FILE_ON_CRASH);
	int kernel, initramfs, result;

	if (size < 0)
		return size;
	kernel = open(NEXT_KERNEL, O_RDONLY | O_CLOEXEC);
	if (kernel < 0)
		return -errno;
	initramfs = open(NEXT_INITRAMFS, O_RDONLY | O_CLOEXEC);
	result = initramfs < 0 ? -1
			       : (int)syscall(SYS_kexec_file_load, kernel, initramfs, (unsigned long)size, line, flags);
	if (result < 0)
		result = -errno;
	close(kernel);
	if (initramfs >= 0)
		close(initramfs);
	return result;
}

int kexec_load_next(void)
{
	return load(0);
}

static void require_next(unsigned int generation)
{
	if (generation != kiln_generation() + 1)
		bail_out("generation %u can't follow %u", generation, kiln_generation());
	if (generation >= kiln_generations())
		bail_out("generation %u is beyond the last, %u (settings: generations=)", generation,
			 kiln_generations() - 1);
}

int kexec_on_panic(unsigned int generation)
{
	require_next(generation);
	return load(KEXEC_FILE_ON_CRASH);
}

static int is_loaded(void)
{
	char loaded = '0';
	int fd = open("/sys/kernel/kexec_loaded", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, &loaded, 1) != 1)
		loaded = '0';
	close(fd);
	return loaded == '1';
}

static void __attribute__((noreturn)) leave(int request)
{
	fflush(NULL);
	if (sigqueue(1, KILN_REQUEST_SIGNAL, (union sigval){ .sival_int = request }) < 0)
		bail_out("the agent can't be told to leave: %s", strerror(errno));
	for (;;)
		pause();
}

void kexec_to(unsigned int generation)
{
	int error;

	require_next(generation);
	error = is_loaded() ? 0 : kexec_load_next();
	if (error)
		bail_out("the next kernel can't be loaded: %s", strerror(-error));
	leave((int)generation);
}

void reboot_to(unsigned int generation)
{
	require_next(generation);
	leave((int)generation | KILN_REQUEST_REBOOT);
}
