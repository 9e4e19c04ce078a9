/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small virtual machine monitor whose machine can be put away into a
 * struct vm_state, and brought back from it by the next kernel.
 *
 * The machine has one or two processors with their local APICs, an I/O APIC
 * and a pair of PICs in the kernel, and a device of its own that gives serial
 * numbers.  Functions return 0 or -errno.
 */
#ifndef LIVEUPDATE_VMM_H
#define LIVEUPDATE_VMM_H

#include <linux/kvm.h>
#include <pthread.h>

#include "inner.h"
#include "liveupdate.h"

#define VM_STATE_MAGIC		0x657461745356566bUL
#define VM_STATE_VERSION	1
#define VM_MSRS			16
#define VM_CPUID		100

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct kvm_mp_state mp_state;
	struct kvm_lapic_state lapic;
	struct kvm_msr_entry msrs[VM_MSRS];	/* up to the first with index 0 */
	uint64_t tsc_offset;
	uint64_t serial;			/* the device */
};

/* What a generation leaves to the next, in this layout and no other. */
struct vm_state {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint64_t checksum;		/* of all but this word */
	uint32_t generation;		/* that has saved it */
	uint32_t cpus;
	uint64_t memory;
	uint32_t nr_cpuid;
	uint32_t tsc_khz;
	struct kvm_cpuid_entry2 cpuid[VM_CPUID];
	struct kvm_irqchip chips[3];
	struct kvm_clock_data clock;
	uint64_t clock_tsc;		/* when that was the clock */
	uint64_t stopped;		/* TSC after the last instruction */
	struct vcpu_state vcpus[INNER_CPUS];
};

struct vcpu {
	struct vm *vm;
	unsigned int number;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	uint64_t serial;
	uint64_t stopped;		/* TSC when KVM_RUN returned last */
	int err;			/* why it stopped, if nobody asked */
};

struct vm {
	int kvm, fd;
	unsigned int cpus;
	char *memory;
	size_t size;
	volatile bool stopping;
	struct vcpu vcpus[INNER_CPUS];
};

static inline volatile struct inner_cpu *inner_cpu(struct vm *vm, unsigned int i)
{
	return (void *)(vm->memory + INNER_CPU + i * INNER_PAGE);
}

/* Create a machine and the guest in its memory, which is zero so far. */
int vm_create(struct vm *vm, unsigned int cpus, char *memory, size_t size);

/* Start all processors, each in a thread; stop them between instructions. */
void vm_run(struct vm *vm);
int vm_stop(struct vm *vm);

/* Put the stopped machine away. */
int vm_save(struct vm *vm, struct vm_state *state);

/*
 * Is the state one that this program can go on from?  -EPROTONOSUPPORT: has
 * another version; -EBADMSG: damaged; -ESTALE: not saved by the kernel before
 * this one; -EINVAL: of another machine.
 */
int vm_check(const struct vm_state *state, unsigned int cpus, size_t size);

/* Give a state the checksum of what it says now. */
void vm_seal(struct vm_state *state);

/* Create the machine as it was put away. */
int vm_restore(struct vm *vm, const struct vm_state *state, char *memory,
	       size_t size);

/* In kHz. */
unsigned long vm_tsc_rate(struct vm *vm);

/*
 * What the guest's TSC is ahead of ours.  It stays what it was restored to, unless
 * the kernel takes our TSC for unstable: then KVM has the guest's follow the
 * kernel's clock, and moves it now and then.
 */
uint64_t vm_tsc_offset(struct vm *vm, unsigned int cpu);

void vm_destroy(struct vm *vm);

#endif
