/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that change files all the time, and a model of these files that
 * outlives them and their kernel.
 *
 * Each process has files of its own, and a block of guestmemfs in which it
 * notes what they are: before each operation what it is going to do, and
 * afterwards that this is how it is now.  So the next kernel must find each
 * file as the notes say, or, of those that the operation under way is about,
 * all as they were before it or all as they are after it.
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
	uint32_t tags[CHURN_BLOCKS];	/* what is written in each block */
};

struct churn_notes {
	uint64_t operations;		/* that were finished */
	uint64_t refused;		/* of those, for want of space */
	int64_t err;			/* that there should not have been */
	uint32_t err_operation;
	/* Under way; or CHURN_NONE, when files[] is all. */
	uint32_t operation;
	uint32_t slots[2];
	struct churn_file before[2], after[2];
	struct churn_file files[CHURN_SLOTS];
};

extern const char * const churn_names[CHURN_OPERATIONS];

/* Create the notes of all workers; or find those of the kernel before. */
int churn_begin(void);
int churn_attach(void);

/* Start the processes, which change files until they are killed. */
int churn_start(void);
void churn_kill(void);

/* Wait until each of them has finished so many operations. */
bool churn_has_done(uint64_t operations);

/*
 * How many files are not as they must be, each with a line of its own; nobody
 * may be changing them.  What was under way is settled in the notes.
 */
unsigned int churn_verify(void);

/* Are there as many free blocks as the files leave? */
bool churn_space_adds_up(void);

/* The notes of a worker. */
const struct churn_notes *churn_notes(unsigned int worker);

#endif
