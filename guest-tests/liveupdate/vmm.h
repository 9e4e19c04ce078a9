/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small virtual machine monitor that saves its machine in a struct vm_state,
 * from which the next kernel restores it.
 *
 * The machine has one or two processors with local APICs, an I/O APIC and a pair
 * of PICs, all in the kernel, and a device that returns serial numbers.  Functions
 * return 0 or -errno.
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

/* The state that a generation saves for the next.  Its layout is fixed. */
struct vm_state {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint64_t checksum;		/* of everything except this word */
	uint32_t generation;		/* the generation that has saved it */
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
	int err;			/* why it stopped, unless vm_stop() was called */
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

/* Create a machine, and the guest in its memory, which must be zero. */
int vm_create(struct vm *vm, unsigned int cpus, char *memory, size_t size);

/* Start all processors, each in its own thread; stop them between instructions. */
void vm_run(struct vm *vm);
int vm_stop(struct vm *vm);

/* Save the state of the stopped machine. */
int vm_save(struct vm *vm, struct vm_state *state);

/*
 * Check that this program can continue from the state.  -EPROTONOSUPPORT: another
 * version; -EBADMSG: damaged; -ESTALE: not saved by the previous kernel; -EINVAL:
 * of another machine.
 */
int vm_check(const struct vm_state *state, unsigned int cpus, size_t size);

/* Update the checksum of a state. */
void vm_seal(struct vm_state *state);

/* Create the machine from a saved state. */
int vm_restore(struct vm *vm, const struct vm_state *state, char *memory,
	       size_t size);

/* The TSC rate in kHz. */
unsigned long vm_tsc_rate(struct vm *vm);

/*
 * The guest's TSC minus ours.  It stays as restored, unless the kernel marks our TSC
 * unstable: then KVM makes the guest's TSC follow the kernel's clock, and adjusts
 * it now and then.
 */
uint64_t vm_tsc_offset(struct vm *vm, unsigned int cpu);

void vm_destroy(struct vm *vm);

#endif
