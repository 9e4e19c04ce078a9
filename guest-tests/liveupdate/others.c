// SPDX-License-Identifier: GPL-2.0
/*
 * Anything outside guestmemfs is lost at kexec: open files with a name in srvfs,
 * and regions of msharefs.  A process that uses them does not disturb kexec, and
 * in the next kernel every access fails cleanly.
 */
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../kselftest.h"
#include "liveupdate.h"

#if __has_include(<linux/msharefs.h>)
#include <linux/msharefs.h>
#endif

#define SRV	"/tmp/srv"
#define MSHARE	"/tmp/mshare"
#define KEPT	GM "/kept"
#define UNIT	(1UL << 39)
#define WORD	0x6b657074UL

static int users_in[2] = { -1, -1 };	/* the users report that they have started */

static void result(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\n", name);
}

static int mount_other(const char *type, const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	return or_errno(mount("none", dir, type, 0, NULL));
}

/* ----- srvfs ----- */

static int publish(const char *path, int fd)
{
	char number[16];
	int control = or_errno(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				    0600));
	int size = snprintf(number, sizeof(number), "%d\n", fd);
	int err;

	if (control < 0)
		return control;
	err = write(control, number, size) == size ? 0 : -errno;
	close(control);
	return err;
}

/* A socket to connect to, with an abstract name, outside any file system. */
static struct sockaddr_un address = {
	.sun_family = AF_UNIX, .sun_path = "\0liveupdate",
};

static const socklen_t address_size = offsetof(struct sockaddr_un, sun_path) +
				      sizeof("\0liveupdate");

static int listen_on(int *fd)
{
	*fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (*fd < 0 || bind(*fd, (void *)&address, address_size) ||
	    listen(*fd, 1))
		return -errno;
	return publish(SRV "/socket", *fd);
}

static int connect_to(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int err = or_errno(connect(fd, (void *)&address, address_size));

	close(fd);
	return err;
}

static void report_in_use(void)
{
	if (write(users_in[1], "u", 1) != 1)
		_exit(1);
}

/* Open the socket through its entry and block in accept() until the kernel ends. */
static void use_socket(void)
{
	int fd = open(SRV "/socket", O_RDWR);

	report_in_use();
	for (;;)
		accept(fd, NULL, NULL);
}

/* Rewrite a word of a guestmemfs file through its entry. */
static void use_file(void)
{
	int fd = open(SRV "/kept", O_RDWR);
	volatile unsigned long *word = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE,
					    MAP_SHARED, fd, 0);

	if (word == MAP_FAILED)
		_exit(1);
	*word = WORD;
	report_in_use();
	for (;;)
		*word = WORD;
}

/* ----- msharefs ----- */

#ifdef MSHAREFS_CREATE_MAPPING
static int make_region(void)
{
	struct mshare_create create = {
		.size = 4 * BLOCK,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		.fd = -1,
	};
	int fd = make_sized(MSHARE "/region", UNIT);

	if (fd < 0)
		return fd;
	return or_errno(ioctl(fd, MSHAREFS_CREATE_MAPPING, &create));
}
#else
static int make_region(void)
{
	return -ENODEV;
}
#endif

/* Write to all pages of the region, which two processes have attached. */
static void use_region(void)
{
	int fd = open(MSHARE "/region", O_RDWR);
	volatile char *at = mmap(NULL, UNIT, PROT_READ | PROT_WRITE, MAP_SHARED,
				 fd, 0);
	size_t i;

	if (at == MAP_FAILED)
		_exit(1);
	at[0] = 1;
	report_in_use();
	for (i = 0; ; i = (i + PAGE) % (4 * BLOCK))
		at[i]++;
}

/* ----- The generations ----- */

static bool start_user(void (*use)(void))
{
	char byte;
	pid_t pid = fork();

	if (!pid) {
		close(users_in[0]);
		use();
	}
	return pid > 0 && read(users_in[0], &byte, 1) == 1;
}

static void first_kernel(void)
{
	int fd = make_sized(KEPT, BLOCK), server;

	if (pipe(users_in))
		ksft_exit_fail_perror("pipe");
	result(fd >= 0 && !publish(SRV "/kept", fd),
	       "a file of guestmemfs has an entry in srvfs");
	result(!listen_on(&server), "a socket has an entry in srvfs");
	result(!connect_to(), "the socket can be connected to");
	result(!make_region(), "there is a region in msharefs");
	result(start_user(use_file), "the file is in use");
	result(start_user(use_socket), "the socket is in use");
	result(start_user(use_region) && start_user(use_region),
	       "the region is in use by two processes");
}

static bool is_gone(const char *path)
{
	return open(path, O_RDWR | O_CLOEXEC) < 0 && errno == ENOENT;
}

static void second_kernel(void)
{
	volatile unsigned long *word = map_file(KEPT, BLOCK);
	int server;

	result(word && *word == WORD, "the file is there, with its contents");
	result(is_gone(SRV "/kept"), "its entry in srvfs is gone");
	result(is_gone(SRV "/socket"), "the entry of the socket is gone");
	result(connect_to() == -ECONNREFUSED, "nobody listens on the socket");
	result(is_gone(MSHARE "/region"), "the region is gone");
	result(!listen_on(&server) && !connect_to(),
	       "the socket can be made anew");
	result(!make_region(), "the region can be made anew");
}

int main(void)
{
	unsigned int generation = kiln_generation();
	int gm = mount_gm(), srv, mshare;

	ksft_print_header();
	srv = mount_other("srvfs", SRV);
	mshare = mount_other("msharefs", MSHARE);
	if (!generation && (gm == -ENODEV || srv == -ENODEV || mshare == -ENODEV))
		ksft_exit_skip("needs guestmemfs, srvfs and msharefs\n");
	ksft_set_plan(8);
	ksft_test_result(!gm && !srv && !mshare, "all are mounted\n");
	if (generation) {
		second_kernel();
		ksft_finished();
	}
	first_kernel();
	ksft_print_cnts();
	if (ksft_get_fail_cnt())
		return KSFT_FAIL;
	kexec_to(1);
}
