// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual machine continues to run when kexec replaces the kernel under it.
 *
 * The memory of the machine is a file.  Before kexec, the VMM saves the state of
 * KVM and its own in a second file.  The next kernel restores the machine and lets
 * it run, and only then checks it: the guest checks each word that it reads, and
 * the VMM checks all words by a replay of the guest's computation.
 *
 * The benchmark sets these on the command line:
 *
 *   liveupdate.vm=     the memory of the machine in MiB
 *   liveupdate.late=1  load the next kernel after the machine was stopped
 *   liveupdate.keep=1  all generations boot the next kernel that the first one stored
 */
#include "../kselftest.h"
#include "live_vm.h"
#include "vmm.h"

#define RAM	GM "/ram"
#define STATE	GM "/state"

/* The second file, one block: the state and the measurements. */
struct saved {
	struct vm_state state;
	struct vm_state other;		/* for states that must be refused */
	uint64_t saved;			/* TSC when the state was saved */
	uint64_t left;			/* TSC at the call of kexec_to() */
};

/* TSC at the end of each stage of the blackout. */
struct times {
	uint64_t main, mounted, restored, runs;
};

static struct vm vm;
static struct saved *saved;
static char *memory;
static size_t size;
static unsigned int processors;

#define ALL_CPUS(cpu, condition) ({					\
	bool _all = true;						\
	for (unsigned int _i = 0; _i < processors; _i++) {		\
		volatile struct inner_cpu *cpu = inner_cpu(&vm, _i);	\
		_all = (condition) && _all;				\
	}								\
	_all;								\
})

static void result(bool ok, const char *name)
{
	ksft_test_result(ok, "%s\n", name);
}

/* ----- The guest ----- */

static uint64_t host_to_guest(uint64_t tsc, unsigned int cpu)
{
	return tsc + saved->state.vcpus[cpu].tsc_offset;
}

static uint64_t progress(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < processors; i++)
		sum += inner_cpu(&vm, i)->progress;
	return sum;
}

/* Wait for one more complete pass, so that the guest has checked each word. */
static bool guest_runs_pass(void)
{
	uint64_t until[INNER_CPUS];

	for (unsigned int i = 0; i < processors; i++)
		until[i] = PASS(inner_cpu(&vm, i)->progress) + 2;
	return EVENTUALLY_BY(progress(), ALL_CPUS(cpu, cpu->troubles ||
			     PASS(cpu->progress) >= until[cpu->number]));
}

/*
 * True if each tick has moved the deadline by one period.  The guest writes these
 * values in the opposite order, so they are consistent if no tick came between.
 */
static bool deadline_is_right(volatile struct inner_cpu *cpu)
{
	uint64_t ticks, deadline;

	if (!EVENTUALLY((ticks = cpu->ticks_done, deadline = cpu->deadline,
			 cpu->ticks == ticks)))
		return false;
	return deadline == cpu->first + ticks * cpu->period;
}

/* True if all ticks that were due have happened. */
static bool ticks_are_caught_up(void)
{
	uint64_t due[INNER_CPUS];

	for (unsigned int i = 0; i < processors; i++)
		due[i] = inner_cpu(&vm, i)->tsc;
	return EVENTUALLY(ALL_CPUS(cpu, cpu->troubles ||
				   cpu->deadline > due[cpu->number])) &&
	       ALL_CPUS(cpu, deadline_is_right(cpu));
}

/* True if the two processors have interrupted each other, and still do. */
static bool interrupts_get_through(void)
{
	uint64_t sent[INNER_CPUS];

	for (unsigned int i = 0; i < processors; i++)
		sent[i] = inner_cpu(&vm, i)->ipis_sent;
	return EVENTUALLY(ALL_CPUS(cpu, cpu->ipis_sent >
					sent[cpu->number] + 1));
}

static void print_errors(void)
{
	static const char * const words[] = {
		[WORD_LOST] = "lost a write",
		[WORD_REPLAYED] = "saw a write twice",
		[WORD_DAMAGED] = "found a damaged word",
		[REGISTERS_OLD] = "has older registers than memory",
		[XMM_CHANGED] = "has a changed xmm register",
		[TIME_WENT_BACK] = "saw time go back",
		[TICK_EARLY] = "had an early tick",
		[SERIAL_WRONG] = "got a wrong serial number",
	};

	for (unsigned int i = 0; i < processors; i++) {
		volatile struct inner_cpu *cpu = inner_cpu(&vm, i);

		if (!cpu->troubles)
			continue;
		ksft_print_msg("cpu %u %s, %lu times; at %#lx found %#lx expected %#lx\n",
			       i, words[cpu->trouble % 9], cpu->troubles,
			       cpu->where, cpu->found, cpu->expected);
	}
}

/* ----- The replay ----- */

/* Up to some point the words of a page are of this pass, behind it of the previous one. */
static bool page_is_right(uint64_t page, uint64_t pass, bool in_progress)
{
	const uint64_t *word = (const uint64_t *)(memory + INNER_WORK) +
			       page * INNER_WORDS;
	uint64_t index = page * INNER_WORDS, end = index + INNER_WORDS;

	for (; in_progress && index < end; index++, word++) {
		if (*word != inner_word(index, pass + 1))
			break;
	}
	for (; index < end; index++, word++) {
		if (*word != inner_word(index, pass)) {
			ksft_print_msg("word %#lx is %#lx, not %#lx\n",
				       INNER_WORK + index * 8, *word,
				       inner_word(index, pass));
			return false;
		}
	}
	return true;
}

/* The guest must be stopped. */
static bool memory_is_as_computed(void)
{
	uint64_t pages = (size - INNER_WORK) / INNER_PAGE, page;

	for (page = 0; page < pages; page++) {
		unsigned int cpu = page % processors;
		uint64_t progress = inner_cpu(&vm, cpu)->progress;
		bool done = page < NEXT(progress);

		if (!page_is_right(page, PASS(progress) - !done,
				   page == NEXT(progress)))
			return false;
	}
	return true;
}

static bool sums_are_as_computed(void)
{
	uint64_t words = (size - INNER_WORK) / 8, sums[INNER_CPUS] = { };

	for (uint64_t i = 0; i < words; i++) {
		unsigned int cpu = i / INNER_WORDS % processors;

		sums[cpu] += inner_word(i, inner_cpu(&vm, cpu)->summed);
	}
	return ALL_CPUS(cpu, !cpu->summed || cpu->sum == sums[cpu->number]);
}

static bool idle_memory_is_untouched(void)
{
	const uint64_t *idle = (const uint64_t *)(memory + INNER_IDLE);

	for (uint64_t i = 0; i < (INNER_WORK - INNER_IDLE) / 8; i++) {
		if (idle[i] != ~i)
			return false;
	}
	return true;
}

/* ----- States that must not be restored ----- */

static int verdict_on(void (*change)(struct vm_state *state))
{
	saved->other = saved->state;
	saved->other.generation = kiln_generation() - 1;
	change(&saved->other);
	return vm_check(&saved->other, processors, size);
}

static void change_nothing(struct vm_state *state)
{
	vm_seal(state);
}

static void change_version(struct vm_state *state)
{
	state->version++;
	vm_seal(state);
}

static void change_bit(struct vm_state *state)
{
	vm_seal(state);
	state->vcpus[0].regs.rip ^= 1;
}

static void change_generation(struct vm_state *state)
{
	state->generation--;
	vm_seal(state);
}

static void refuse_states(void)
{
	result(!verdict_on(change_nothing), "the state is accepted as it is");
	result(verdict_on(change_version) == -EPROTONOSUPPORT,
	       "the state of another version is refused");
	result(verdict_on(change_bit) == -EBADMSG, "a damaged state is refused");
	result(verdict_on(change_generation) == -ESTALE,
	       "the state of another generation is refused");
}

/* ----- The blackout ----- */

static double ms(uint64_t cycles)
{
	return (double)cycles / vm_tsc_rate(&vm);
}

/* The blackout: from the last instruction of any processor to the first of any. */
static void print_blackout(const struct times *at, uint64_t stopped)
{
	double kernel = seconds_of_kernel() * 1000, init;
	uint64_t started = rdtsc() - (uint64_t)(kernel * vm_tsc_rate(&vm));
	uint64_t first = ~0ull;

	init = seconds_to_init() * 1000;
	for (unsigned int i = 0; i < processors; i++) {
		volatile struct inner_cpu *cpu = inner_cpu(&vm, i);
		uint64_t end = cpu->gap_end - saved->state.vcpus[i].tsc_offset;

		ksft_print_msg("cpu%u_gap_ms %.1f\n", i, ms(cpu->gap));
		if (end < first)
			first = end;
	}
	ksft_print_msg("blackout_ms %.1f\n", ms(first - stopped));
	ksft_print_msg("stage_save_ms %.1f\n", ms(saved->saved - stopped));
	ksft_print_msg("stage_load_ms %.1f\n", ms(saved->left - saved->saved));
	ksft_print_msg("stage_switch_ms %.1f\n", ms(started - saved->left));
	ksft_print_msg("stage_boot_ms %.1f\n", init);
	ksft_print_msg("stage_init_ms %.1f\n", ms(at->main - started) - init);
	ksft_print_msg("stage_mount_ms %.1f\n", ms(at->mounted - at->main));
	ksft_print_msg("stage_restore_ms %.1f\n", ms(at->restored - at->mounted));
	ksft_print_msg("stage_resume_ms %.1f\n", ms(first - at->restored));
}

/* ----- The generations ----- */

static int begin(void)
{
	int err;

	close(make_sized(RAM, size));
	close(make_sized(STATE, BLOCK));
	memory = map_file(RAM, size);
	saved = map_file(STATE, BLOCK);
	if (!memory || !saved)
		return -EIO;
	err = vm_create(&vm, processors, memory, size);
	if (!err)
		vm_run(&vm);
	return err;
}

static int resume(struct times *at)
{
	int err;

	memory = map_file(RAM, size);
	saved = map_file(STATE, BLOCK);
	if (!memory || !saved)
		return -ENOENT;
	err = vm_check(&saved->state, processors, size);
	if (!err)
		err = vm_restore(&vm, &saved->state, memory, size);
	at->restored = rdtsc();
	if (!err)
		vm_run(&vm);
	return err;
}

/* Negative if the guest has recorded a later time since we read the clock. */
static int64_t behind(volatile struct inner_cpu *cpu)
{
	return host_to_guest(rdtsc(), cpu->number) - cpu->tsc;
}

static bool guest_is_running(void)
{
	return EVENTUALLY(ALL_CPUS(cpu, cpu->troubles || (cpu->gap &&
			  behind(cpu) < (int64_t)vm_tsc_rate(&vm) * 1000)));
}

/* A kernel on a busy host may mark the TSC unstable, see vm_tsc_offset(). */
static bool tsc_is_stable(void)
{
	char clock[16] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
		      O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, clock, sizeof(clock) - 1) < 0)
		return false;
	close(fd);
	return !strncmp(clock, "tsc", 3);
}

/*
 * True if the guest's time is ours plus the saved offset.  The recorded time is read
 * first, because the guest can record another one at any moment, and this thread
 * can be preempted at any point.
 */
static bool cpu_time_is_right(volatile struct inner_cpu *cpu)
{
	uint64_t restored = saved->state.vcpus[cpu->number].tsc_offset;
	uint64_t noted = cpu->tsc;
	uint64_t offset = vm_tsc_offset(&vm, cpu->number);

	if (offset != restored)
		ksft_print_msg("KVM has moved the time of cpu %lu by %ld cycles\n",
			       cpu->number, (long)(offset - restored));

	/* The kernel changes its clock source some time after it marked the TSC unstable. */
	return noted <= rdtsc() + offset &&
	       (offset == restored || EVENTUALLY(!tsc_is_stable()));
}

static bool guest_time_is_right(void)
{
	uint64_t before = rdtsc();

	return EVENTUALLY(ALL_CPUS(cpu, cpu->troubles ||
				   cpu->tsc > host_to_guest(before,
							    cpu->number))) &&
	       ALL_CPUS(cpu, cpu_time_is_right(cpu));
}

static void check_running_guest(void)
{
	result(guest_runs_pass(), "the guest passes over all of its memory");
	result(ticks_are_caught_up(), "no tick of the timer is missing");
	if (processors > 1)
		result(interrupts_get_through(),
		       "the processors interrupt each other");
}

static void check_stopped_guest(void)
{
	print_errors();
	result(ALL_CPUS(cpu, !cpu->troubles), "the guest noticed nothing wrong");
	result(ALL_CPUS(cpu, cpu->started == 1), "it was started once");
	/* The processor may have been stopped before it recorded its last number. */
	result(ALL_CPUS(cpu, vm.vcpus[cpu->number].serial - cpu->serial < 2),
	       "it has each serial number");
	result(memory_is_as_computed(), "its memory is as a replay gives it");
	result(sums_are_as_computed(), "its sums are as a replay gives them");
	result(idle_memory_is_untouched(), "its idle memory is untouched");
	for (unsigned int i = 0; i < processors; i++) {
		volatile struct inner_cpu *cpu = inner_cpu(&vm, i);

		ksft_print_msg("cpu %u: pass %lu, %lu ticks, %lu interrupts\n",
			       i, PASS(cpu->progress), cpu->ticks,
			       cpu->ipis_received);
	}
}

static void reset_gaps(void)
{
	for (unsigned int i = 0; i < processors; i++)
		inner_cpu(&vm, i)->gap = inner_cpu(&vm, i)->gap_end = 0;
}

static void load(void)
{
	uint64_t before = rdtsc();
	int err = kexec_load_next();

	if (err)
		ksft_print_msg("it can't be loaded: %s\n", strerror(-err));
	else
		ksft_print_msg("load_ms %.1f\n", ms(rdtsc() - before));
	result(!err, "the next kernel is loaded");
}

static void leave(void)
{
	bool late = knob("late", 0);
	int err;

	if (knob("keep", 0))
		result(!keep_next_kernel(), "the next kernel is kept");
	/* Run again, and load the next kernel meanwhile unless liveupdate.late=1. */
	vm_run(&vm);
	if (!late)
		load();
	result(guest_runs_pass(), "the guest runs until it is put away");
	/* Stop at a random point of a pass. */
	usleep(random_number() % 100000);
	err = vm_stop(&vm);
	reset_gaps();
	if (err || vm_save(&vm, &saved->state))
		exit(KSFT_FAIL);
	saved->saved = rdtsc();
	if (late)
		load();
	saved->left = rdtsc();
	ksft_print_cnts();
	if (ksft_get_fail_cnt())
		exit(KSFT_FAIL);
	kexec_to(kiln_generation() + 1);
}

/* Bring up the processors that maxcpus= excluded, to keep the blackout short. */
static void online_processors(void)
{
	uint64_t before = rdtsc();
	int brought = bring_processors_online();

	if (brought < 0)
		ksft_exit_fail_msg("a processor is not online: %s\n", strerror(-brought));
	if (brought)
		ksft_print_msg("processors_ms %.1f\n", ms(rdtsc() - before));
}

int live_vm(unsigned int cpus)
{
	unsigned int generation = kiln_generation();
	bool last = generation + 1 >= kiln_generations();
	struct times at = { .main = rdtsc() };
	int err = mount_gm();

	at.mounted = rdtsc();
	processors = cpus;
	size = knob("vm", 64) * MiB;
	if (!err)
		err = generation ? resume(&at) : begin();

	ksft_print_header();
	if ((err == -ENODEV || err == -ENOENT) && !generation)
		ksft_exit_skip("no guestmemfs, or no /dev/kvm\n");
	ksft_set_plan(1 + (generation ? 6 : 0) + 8 + (cpus > 1) +
		      (last ? 0 : 2 + !!knob("keep", 0)));
	ksft_test_result(!err, generation ? "the guest is brought back\n" :
					    "the guest is created\n");
	if (err)
		ksft_exit_fail_msg("%s\n", strerror(-err));
	if (generation) {
		result(guest_is_running(), "it goes on");
		result(guest_time_is_right(), "its time has gone on, too");
		print_blackout(&at, saved->state.stopped);
		refuse_states();
	}
	online_processors();
	check_running_guest();
	err = vm_stop(&vm);
	if (err)
		ksft_print_msg("the guest stopped by itself: %d\n", err);
	check_stopped_guest();
	if (!last)
		leave();
	vm_destroy(&vm);
	ksft_finished();
}
