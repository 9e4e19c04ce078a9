/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that change files all the time, and a model of these files that
 * outlives them and their kernel.
 *
 * Each process has its own files, and a block of guestmemfs for notes about them.
 * Before each operation it notes the intended result, and afterwards that the
 * operation is done.  So the next kernel must find each file as the notes say.
 * The files of an operation that was under way must all be as before it, or all
 * as after it.
 */
#ifndef LIVEUPDATE_CHURN_MODEL_H
#define LIVEUPDATE_CHURN_MODEL_H

#include "liveupdate.h"

#define CHURN_WORKERS	4
#define CHURN_SLOTS	12
#define CHURN_BLOCKS	6

enum churn_operation {
	CHURN_NONE,
	CHURN_CREATE,
	CHURN_RESIZE,
	CHURN_WRITE,
	CHURN_UNLINK,
	CHURN_RENAME,
	CHURN_EXCHANGE,
	CHURN_CHMOD,
	CHURN_OPERATIONS,
};

struct churn_file {
	uint32_t there;
	uint32_t blocks;
	uint32_t mode;
	uint32_t tags[CHURN_BLOCKS];	/* the tag in each block */
};

struct churn_notes {
	uint64_t operations;		/* operations that were finished */
	uint64_t refused;		/* of those, refused because there was no space */
	int64_t err;			/* an error that should not happen */
	uint32_t err_operation;
	/* The operation under way; CHURN_NONE if only files[] matters. */
	uint32_t operation;
	uint32_t slots[2];
	struct churn_file before[2], after[2];
	struct churn_file files[CHURN_SLOTS];
};

extern const char * const churn_names[CHURN_OPERATIONS];

/* Create the notes of all workers, or find those of the previous kernel. */
int churn_begin(void);
int churn_attach(void);

/* Start the processes, which change files until they are killed. */
int churn_start(void);
void churn_kill(void);

/* Wait until each of them has finished so many operations. */
bool churn_has_done(uint64_t operations);

/*
 * Returns how many files are wrong, and prints a line for each.  No process may
 * change them meanwhile.  Notes whether an operation under way was done.
 */
unsigned int churn_verify(void);

/* True if the number of free blocks matches the sizes of the files. */
bool churn_space_adds_up(void);

/* The notes of a worker. */
const struct churn_notes *churn_notes(unsigned int worker);

#endif
