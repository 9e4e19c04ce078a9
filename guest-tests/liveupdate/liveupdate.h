/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of this suite share.
 *
 * Each is one test over several kernels: main() is called anew in each of them,
 * finds in guestmemfs what it left there, and prints a KTAP document of its
 * own.  The memory is the one that "settings" puts on the command line.
 *
 * Functions return a value, or -errno.
 */
#ifndef LIVEUPDATE_H
#define LIVEUPDATE_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kiln.h>

/* Work on a kernel that checks much, under emulation, with a guest in it. */
#define PATIENCE_MS	60000

#include "../include/eventually.h"
#include "../include/file.h"
#include "../include/size.h"

#define GM	"/tmp/gm"

#define BLOCK	(2 * MiB)

/*
 * Mount guestmemfs at GM: formatted in generation 0, and as it was found in
 * those after it.
 */
int mount_gm(void);

/* The number after "liveupdate.<name>=" on the kernel's command line. */
unsigned long knob(const char *name, unsigned long otherwise);

/* Map all of a file, shared; NULL if that fails or it has another size. */
void *map_file(const char *path, size_t size);

uint64_t rdtsc(void);

uint64_t random_number(void);

/*
 * The next kernel and its initramfs: what generation 0 was sent is put into
 * guestmemfs, and found there by those after it, which are sent nothing.
 */
int keep_next_kernel(void);

/* Returns how many were not, and are now. */
int bring_processors_online(void);

/* A good mixture of two numbers. */
uint64_t mix(uint64_t a, uint64_t b);

/* Seconds since the kernel's clock started; when it started process 1. */
double seconds_of_kernel(void);
double seconds_to_init(void);

#endif
