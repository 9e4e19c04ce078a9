/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inner guest: the code that runs in the virtual machine across kexec, and
 * the data that it shares with the VMM.
 *
 * Each processor works on its own pages, pass after pass.  A word has one right
 * value in each pass.  The guest checks it before it writes the value of the next
 * pass.  Meanwhile a timer ticks and the processors interrupt each other.
 */
#ifndef LIVEUPDATE_INNER_H
#define LIVEUPDATE_INNER_H

#include <stdint.h>

/* The memory map of the inner guest, which runs in 64-bit mode, 1:1 mapped. */
#define INNER_PML4	0x01000
#define INNER_PDPT	0x02000
#define INNER_PD	0x03000		/* four pages: 4 GiB */
#define INNER_GDT	0x08000
#define INNER_IDT	0x09000
#define INNER_CODE	0x10000
#define INNER_CODE_SIZE	0x10000
#define INNER_CPU	0x20000		/* struct inner_cpu, one page each */
#define INNER_TSS	0x30000		/* one page each */
#define INNER_STACK	0x40000		/* two pages each, half for interrupts */
#define INNER_IDLE	0x60000		/* filled by the VMM and never used */
#define INNER_WORK	0x100000	/* up to the end of the memory */

#define INNER_PAGE	4096
#define INNER_WORDS	(INNER_PAGE / 8)
#define INNER_CPUS	2

#define PORT_PASS	0x10	/* out: the pass that is finished */
#define PORT_SERIAL	0x14	/* in: consecutive numbers, each given once */
#define PORT_TROUBLE	0x18	/* out: see struct inner_cpu */

#define VECTOR_TICK	0x20
#define VECTOR_IPI	0x21
#define VECTOR_SPURIOUS	0xff

#define XMM_PATTERN	0x6b696c6e2d786d6dUL

enum inner_trouble {
	NO_TROUBLE,
	WORD_LOST,	/* the value of an earlier pass: a lost write */
	WORD_REPLAYED,	/* the value of a later pass: a write done twice */
	WORD_DAMAGED,	/* a value of no pass */
	REGISTERS_OLD,	/* progress in registers and in memory differ */
	XMM_CHANGED,
	TIME_WENT_BACK,
	TICK_EARLY,
	SERIAL_WRONG,
};

struct inner_cpu {
	struct inner_cpu *self;		/* where gs points to */
	/* Written by the VMM before the start. */
	uint64_t number, cpus, pages;
	uint64_t period;		/* of the tick, in TSC cycles */
	/* Written by the guest. */
	uint64_t started;		/* how often */
	uint64_t progress;		/* PROGRESS(pass, page to be done next) */
	uint64_t summed;		/* the last pass that was finished, ... */
	uint64_t sum;			/* ... and the sum of its words */
	uint64_t tsc;			/* after the page that was done last */
	uint64_t gap, gap_end;		/* the longest time without an instruction */
	uint64_t first, deadline;	/* of the first tick, of the next one */
	uint64_t ticks;
	uint64_t ticks_done;		/* including those whose deadline has passed */
	uint64_t ipis_sent, ipis_received;
	uint64_t serial;
	uint64_t troubles;		/* the number of errors; the others describe the first */
	uint64_t trouble, where, found, expected;
};

#define PROGRESS(pass, page)	((uint64_t)(pass) << 32 | (page))
#define PASS(progress)		((progress) >> 32)
#define NEXT(progress)		((progress) & 0xffffffff)

/* The right value of a word after a pass; 0 before the first. */
__attribute__((always_inline))
static inline uint64_t inner_word(uint64_t index, uint64_t pass)
{
	uint64_t value = index * 0x9e3779b97f4a7c15 + pass * 0xbf58476d1ce4e5b9;

	return pass ? value ^ value >> 29 : 0;
}

/*
 * The code is position independent and calls nothing outside its section.  The VMM
 * copies it to INNER_CODE once, when it creates the guest.
 */
extern const char __start_inner_text[], __stop_inner_text[];

void inner_main(struct inner_cpu *cpu);
void inner_tick(void *frame);
void inner_ipi(void *frame);
void inner_spurious(void *frame);

#define INNER_ADDRESS(function) \
	(INNER_CODE + ((const char *)(function) - __start_inner_text))

#endif
