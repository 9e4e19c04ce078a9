/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the programs of this suite.
 *
 * Each program is one test over several kernels.  Each kernel calls main() again;
 * it finds in guestmemfs what the previous one left there, and prints its own
 * KTAP document.  "settings" puts the memory range on the command line.
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

/* For a debug kernel under emulation that runs a guest itself. */
#define PATIENCE_MS	60000

#include "../include/eventually.h"
#include "../include/file.h"
#include "../include/size.h"

#define GM	"/tmp/gm"

#define BLOCK	(2 * MiB)

/*
 * Mount guestmemfs at GM.  Generation 0 formats it; later ones mount it as it is.
 */
int mount_gm(void);

/* The number after "liveupdate.<name>=" on the kernel's command line. */
unsigned long knob(const char *name, unsigned long otherwise);

/* Map all of a file, shared; NULL if that fails or it has another size. */
void *map_file(const char *path, size_t size);

uint64_t rdtsc(void);

uint64_t random_number(void);

/*
 * Keep the next kernel and its initramfs: the host sends them to generation 0,
 * which stores them in guestmemfs for the later ones.
 */
int keep_next_kernel(void);

/* Returns how many processors this call brought online. */
int bring_processors_online(void);

/* A hash of two numbers. */
uint64_t mix(uint64_t a, uint64_t b);

/* Seconds since boot; seconds from boot to the start of process 1. */
double seconds_of_kernel(void);
double seconds_to_init(void);

#endif
