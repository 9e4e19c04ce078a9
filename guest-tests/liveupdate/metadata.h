/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guestmemfs' metadata as it lies in memory, read past the file system; see
 * Documentation/filesystems/guestmemfs.rst.
 */
#ifndef LIVEUPDATE_METADATA_H
#define LIVEUPDATE_METADATA_H

#include "liveupdate.h"

struct leftovers {
	unsigned int files;
	unsigned int orphans;		/* inodes to be freed */
	unsigned int blocks;		/* of no file, to be freed */
	unsigned int renames;		/* to be finished */
};

/* Read it all; NULL if that is not possible. */
struct metadata *metadata_read(void);

/*
 * Walk through it.  Returns how much of it makes no sense, with a line for each
 * thing, and counts what is half done, which a mount is to put right.
 */
unsigned int metadata_check(const struct metadata *meta, struct leftovers *left);

/* The number of kernels that have used it. */
uint32_t metadata_generation(const struct metadata *meta);

#endif
