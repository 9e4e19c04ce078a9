/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The metadata of guestmemfs, read directly from memory; see
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

/* Read all metadata; NULL on failure. */
struct metadata *metadata_read(void);

/*
 * Check the metadata.  Returns the number of inconsistencies, and prints a line for
 * each.  Counts what is half done; a mount completes or undoes that.
 */
unsigned int metadata_check(const struct metadata *meta, struct leftovers *left);

/* The number of kernels that have used the metadata. */
uint32_t metadata_generation(const struct metadata *meta);

#endif
