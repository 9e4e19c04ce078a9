// SPDX-License-Identifier: GPL-2.0
/*
 * The code of the inner guest.  All of it is in one section that can be copied
 * (inner.h).  So it must not call other code or use constants in memory, and the
 * compiler must not choose vector instructions.
 */
#pragma GCC target("general-regs-only")
#pragma GCC optimize("no-tree-loop-distribute-patterns", "no-jump-tables", \
		     "no-stack-protector")

#include "inner.h"

#define INNER	__attribute__((section("inner_text"), noinline, used))
#define INLINE	__attribute__((always_inline)) static inline

#define MSR_TSC_DEADLINE	0x6e0
#define MSR_X2APIC_EOI		0x80b
#define MSR_X2APIC_SVR		0x80f
#define MSR_X2APIC_ICR		0x830
#define MSR_X2APIC_TIMER	0x832
#define APIC_ENABLED		0x100
#define APIC_TSC_DEADLINE	(2 << 17)

INLINE struct inner_cpu *this_cpu(void)
{
	struct inner_cpu *cpu;

	asm volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

INLINE uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

INLINE void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value),
		     "d"((uint32_t)(value >> 32)) : "memory");
}

INLINE void out(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

INLINE uint32_t in(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* xmm6 holds a pattern in both halves, xmm7 the progress. */
INLINE void set_xmm6(uint64_t value)
{
	asm volatile("movq %0, %%xmm6; punpcklqdq %%xmm6, %%xmm6" : : "r"(value));
}

INLINE void set_xmm7(uint64_t value)
{
	asm volatile("movq %0, %%xmm7" : : "r"(value));
}

INLINE uint64_t get_xmm6(void)
{
	uint64_t low, high;

	asm volatile("movq %%xmm6, %0; movhlps %%xmm6, %%xmm5; movq %%xmm5, %1"
		     : "=r"(low), "=r"(high));
	return low == high ? low : ~low;
}

INLINE uint64_t get_xmm7(void)
{
	uint64_t value;

	asm volatile("movq %%xmm7, %0" : "=r"(value));
	return value;
}

INNER static void report(volatile struct inner_cpu *cpu, uint64_t trouble,
			 uint64_t where, uint64_t found, uint64_t expected)
{
	if (cpu->troubles++)
		return;
	cpu->where = where;
	cpu->found = found;
	cpu->expected = expected;
	cpu->trouble = trouble;
	out(PORT_TROUBLE, trouble);
}

/* The value of another pass means a lost write, or one that was done twice. */
INNER static void report_word(volatile struct inner_cpu *cpu, uint64_t pass,
			      uint64_t index, uint64_t found)
{
	uint64_t trouble = WORD_DAMAGED, other;

	for (other = 0; !cpu->troubles && other < pass + 1000; other++) {
		if (found == inner_word(index, other))
			trouble = other < pass ? WORD_LOST : WORD_REPLAYED;
	}
	report(cpu, trouble, INNER_WORK + index * 8, found,
	       inner_word(index, pass - 1));
}

/* Advance a page from the previous pass to this one.  Returns the sum of its words. */
INLINE uint64_t do_page(volatile struct inner_cpu *cpu, uint64_t pass,
			uint64_t page)
{
	volatile uint64_t *word = (uint64_t *)INNER_WORK + page * INNER_WORDS;
	uint64_t index = page * INNER_WORDS, end = index + INNER_WORDS;
	uint64_t sum = 0;

	for (; index < end; index++, word++) {
		uint64_t found = *word, next = inner_word(index, pass);

		if (found != inner_word(index, pass - 1))
			report_word(cpu, pass, index, found);
		*word = next;
		sum += next;
	}
	return sum;
}

INLINE void check_registers(volatile struct inner_cpu *cpu, uint64_t progress)
{
	if (cpu->progress != progress)
		report(cpu, REGISTERS_OLD, 0, progress, cpu->progress);
	if (get_xmm7() != progress)
		report(cpu, XMM_CHANGED, 7, get_xmm7(), progress);
	if (get_xmm6() != XMM_PATTERN)
		report(cpu, XMM_CHANGED, 6, get_xmm6(), XMM_PATTERN);
}

INLINE void note_progress(volatile struct inner_cpu *cpu, uint64_t progress)
{
	set_xmm7(progress);
	cpu->progress = progress;
}

/* Record the longest time without proof that an instruction was executed. */
INLINE void note_gap(volatile struct inner_cpu *cpu, uint64_t now)
{
	uint64_t last = cpu->tsc > cpu->gap_end ? cpu->tsc : cpu->gap_end;

	if (now > last && now - last > cpu->gap) {
		cpu->gap = now - last;
		cpu->gap_end = now;
	}
}

INLINE void note_time(volatile struct inner_cpu *cpu)
{
	uint64_t now = rdtsc(), before = cpu->tsc;

	if (now < before)
		report(cpu, TIME_WENT_BACK, 0, now, before);
	note_gap(cpu, now);
	cpu->tsc = now;
}

INLINE void take_serial(volatile struct inner_cpu *cpu)
{
	uint64_t serial = in(PORT_SERIAL);

	if (serial != cpu->serial + 1)
		report(cpu, SERIAL_WRONG, 0, serial, cpu->serial + 1);
	cpu->serial = serial;
}

INLINE void start_timer(volatile struct inner_cpu *cpu)
{
	wrmsr(MSR_X2APIC_SVR, APIC_ENABLED | VECTOR_SPURIOUS);
	wrmsr(MSR_X2APIC_TIMER, APIC_TSC_DEADLINE | VECTOR_TICK);
	cpu->first = rdtsc() + cpu->period;
	cpu->deadline = cpu->first;
	wrmsr(MSR_TSC_DEADLINE, cpu->deadline);
	asm volatile("sti" : : : "memory");
}

INNER void inner_main(struct inner_cpu *own)
{
	volatile struct inner_cpu *cpu = own;
	uint64_t pass, page, sum;

	cpu->started++;
	cpu->tsc = rdtsc();
	set_xmm6(XMM_PATTERN);
	note_progress(cpu, PROGRESS(1, cpu->number));
	start_timer(cpu);
	for (pass = 1; ; pass++) {
		sum = 0;
		for (page = cpu->number; page < cpu->pages; page += cpu->cpus) {
			check_registers(cpu, PROGRESS(pass, page));
			sum += do_page(cpu, pass, page);
			note_progress(cpu, PROGRESS(pass, page + cpu->cpus));
			note_time(cpu);
		}
		/* summed is 0 until sum matches it again. */
		cpu->summed = 0;
		cpu->sum = sum;
		cpu->summed = pass;
		note_progress(cpu, PROGRESS(pass + 1, cpu->number));
		take_serial(cpu);
		out(PORT_PASS, pass);
	}
}

/*
 * Send an interrupt only when the other processor has counted the last one, and
 * not before its timer runs: an interrupt to a local APIC that is not yet enabled
 * is lost.
 */
INLINE void interrupt_neighbour(volatile struct inner_cpu *cpu)
{
	uint64_t other = cpu->number ^ 1;
	volatile struct inner_cpu *neighbour =
		(void *)(INNER_CPU + other * INNER_PAGE);

	if (cpu->cpus < 2 || !neighbour->first ||
	    neighbour->ipis_received != cpu->ipis_sent)
		return;
	cpu->ipis_sent++;
	wrmsr(MSR_X2APIC_ICR, other << 32 | VECTOR_IPI);
}

/*
 * The deadline of each tick is one period after the previous one.  So the guest
 * makes up for all ticks that were due while it was stopped.
 */
__attribute__((interrupt))
INNER void inner_tick(void *frame)
{
	volatile struct inner_cpu *cpu = this_cpu();
	uint64_t now = rdtsc();

	/* After kexec, all ticks that were missed come before the next page. */
	note_gap(cpu, now);
	if (now + cpu->period / 2 < cpu->deadline)
		report(cpu, TICK_EARLY, 0, now, cpu->deadline);
	cpu->ticks++;
	cpu->deadline += cpu->period;
	cpu->ticks_done = cpu->ticks;
	wrmsr(MSR_TSC_DEADLINE, cpu->deadline);
	interrupt_neighbour(cpu);
	wrmsr(MSR_X2APIC_EOI, 0);
}

__attribute__((interrupt))
INNER void inner_ipi(void *frame)
{
	volatile struct inner_cpu *cpu = this_cpu();

	cpu->ipis_received++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

__attribute__((interrupt))
INNER void inner_spurious(void *frame)
{
}
