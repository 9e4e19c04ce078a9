// SPDX-License-Identifier: GPL-2.0
#include <sys/ioctl.h>

#include "vmm.h"

#define PAGE_PRESENT	0x003		/* and writable */
#define PAGE_LARGE	0x080

#define CR0_64BIT	0x80010033	/* PG WP NE ET MP PE */
#define CR4_64BIT	0x00000620	/* PAE OSFXSR OSXMMEXCPT */
#define EFER_64BIT	0x00000500	/* LMA LME */

#define APIC_BASE_BSP	0x100
#define APIC_BASE_X2	0xc00

#define CPUID_1_ECX_X2APIC		(1u << 21)
#define CPUID_1_ECX_TSC_DEADLINE	(1u << 24)

#define MSR_TSC_DEADLINE	0x6e0

/* The deadline is last, because it needs the restored local APIC. */
static const uint32_t saved_msrs[] = {
	0x174, 0x175, 0x176,			/* SYSENTER */
	0x277,					/* PAT */
	0x1a0,					/* MISC_ENABLE */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, /* STAR and so on */
	0xc0000102, 0xc0000103,			/* KERNEL_GS_BASE, TSC_AUX */
	MSR_TSC_DEADLINE,
};

/* ----- The machine ----- */

static int open_machine(struct vm *vm, unsigned int cpus, char *memory,
			size_t size)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};

	memset(vm, 0, sizeof(*vm));
	vm->cpus = cpus;
	vm->memory = memory;
	vm->size = size;
	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		return -errno;
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0 || ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) ||
	    ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	return 0;
}

static int open_vcpu(struct vm *vm, unsigned int number)
{
	struct vcpu *vcpu = &vm->vcpus[number];
	size_t size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->number = number;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, number);
	if (vcpu->fd < 0)
		return -errno;
	/*
	 * KVM uses the TSC rate that the kernel estimated at boot.  If the kernel
	 * has since corrected it by more than a little, KVM's value of the guest's
	 * TSC, and so its timer, is wrong.  0 selects the current rate.
	 */
	if (ioctl(vcpu->fd, KVM_SET_TSC_KHZ, 0))
		return -errno;
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	return vcpu->run == MAP_FAILED ? -errno : 0;
}

void vm_destroy(struct vm *vm)
{
	size_t size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int i;

	for (i = 0; i < vm->cpus; i++) {
		munmap(vm->vcpus[i].run, size);
		close(vm->vcpus[i].fd);
	}
	close(vm->fd);
	close(vm->kvm);
}

unsigned long vm_tsc_rate(struct vm *vm)
{
	int rate = ioctl(vm->vcpus[0].fd, KVM_GET_TSC_KHZ, 0);

	return rate > 0 ? rate : 1;
}

/* ----- The initial state of the guest ----- */

struct gate {
	uint16_t low, selector;
	uint8_t ist, type;
	uint16_t middle;
	uint32_t high, zero;
};

static void put_gate(char *memory, unsigned int vector, uint32_t address)
{
	struct gate *idt = (struct gate *)(memory + INNER_IDT);

	idt[vector] = (struct gate){
		.low = address, .middle = address >> 16, .selector = 8,
		.ist = 1, .type = 0x8e,
	};
}

static void put_page_tables(char *memory)
{
	uint64_t *pml4 = (uint64_t *)(memory + INNER_PML4);
	uint64_t *pdpt = (uint64_t *)(memory + INNER_PDPT);
	uint64_t *pd = (uint64_t *)(memory + INNER_PD);
	uint64_t i;

	pml4[0] = INNER_PDPT | PAGE_PRESENT;
	for (i = 0; i < 4; i++)
		pdpt[i] = (INNER_PD + i * INNER_PAGE) | PAGE_PRESENT;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i * BLOCK | PAGE_PRESENT | PAGE_LARGE;
}

static void put_guest(struct vm *vm)
{
	size_t code = __stop_inner_text - __start_inner_text;
	uint64_t *idle = (uint64_t *)(vm->memory + INNER_IDLE), i;

	put_page_tables(vm->memory);
	if (code > INNER_CODE_SIZE)
		abort();
	memcpy(vm->memory + INNER_CODE, __start_inner_text, code);
	put_gate(vm->memory, VECTOR_TICK, INNER_ADDRESS(inner_tick));
	put_gate(vm->memory, VECTOR_IPI, INNER_ADDRESS(inner_ipi));
	put_gate(vm->memory, VECTOR_SPURIOUS, INNER_ADDRESS(inner_spurious));
	for (i = 0; i < (INNER_WORK - INNER_IDLE) / 8; i++)
		idle[i] = ~i;
}

static void put_cpu(struct vm *vm, unsigned int number, uint64_t period)
{
	uint64_t stack = INNER_STACK + number * 2 * INNER_PAGE;
	char *tss = vm->memory + INNER_TSS + number * INNER_PAGE;
	volatile struct inner_cpu *cpu = inner_cpu(vm, number);

	cpu->self = (void *)(uintptr_t)(INNER_CPU + number * INNER_PAGE);
	cpu->number = number;
	cpu->cpus = vm->cpus;
	cpu->pages = (vm->size - INNER_WORK) / INNER_PAGE;
	cpu->period = period;
	/* The stack for interrupts: IST 1. */
	stack += 2 * INNER_PAGE;
	memcpy(tss + 36, &stack, sizeof(stack));
}

static void set_segments(struct kvm_sregs *sregs, unsigned int number)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1,
		.l = 1, .s = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};

	sregs->cs = code;
	sregs->ds = sregs->es = sregs->ss = sregs->fs = sregs->gs = data;
	sregs->gs.base = INNER_CPU + number * INNER_PAGE;
	sregs->tr = (struct kvm_segment){
		.base = INNER_TSS + number * INNER_PAGE, .limit = 103,
		.selector = 24, .type = 11, .present = 1,
	};
	sregs->gdt = (struct kvm_dtable){ .base = INNER_GDT, .limit = 39 };
	sregs->idt = (struct kvm_dtable){ .base = INNER_IDT, .limit = 4095 };
}

/* Interrupt returns load these from memory. */
static void put_gdt(char *memory)
{
	uint64_t *gdt = (uint64_t *)(memory + INNER_GDT);

	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
}

static int start_vcpu(struct vcpu *vcpu)
{
	uint64_t at = INNER_CPU + vcpu->number * INNER_PAGE;
	struct kvm_regs regs = {
		.rip = INNER_ADDRESS(inner_main), .rflags = 2, .rdi = at,
		.rsp = INNER_STACK + vcpu->number * 2 * INNER_PAGE +
		       INNER_PAGE - 8,
	};
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	set_segments(&sregs, vcpu->number);
	sregs.cr0 = CR0_64BIT;
	sregs.cr3 = INNER_PML4;
	sregs.cr4 = CR4_64BIT;
	sregs.efer = EFER_64BIT;
	sregs.apic_base = 0xfee00000 | APIC_BASE_X2 |
			  (vcpu->number ? 0 : APIC_BASE_BSP);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable))
		return -errno;
	return 0;
}

static int set_cpuid(int vcpu, const struct kvm_cpuid_entry2 *entries,
		     unsigned int number)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[VM_CPUID];
	} cpuid = { .head.nent = number };

	memcpy(cpuid.entries, entries, number * sizeof(*entries));
	return or_errno(ioctl(vcpu, KVM_SET_CPUID2, &cpuid));
}

/* The CPUID that KVM supports, plus the features of its local APIC. */
static int supported_cpuid(int kvm, struct kvm_cpuid_entry2 *entries)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[VM_CPUID];
	} cpuid = { .head.nent = VM_CPUID };
	unsigned int i;

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid))
		return -errno;
	memcpy(entries, cpuid.entries, sizeof(cpuid.entries));
	for (i = 0; i < cpuid.head.nent; i++) {
		if (entries[i].function == 1)
			entries[i].ecx |= CPUID_1_ECX_X2APIC |
					  CPUID_1_ECX_TSC_DEADLINE;
	}
	return cpuid.head.nent;
}

int vm_create(struct vm *vm, unsigned int cpus, char *memory, size_t size)
{
	struct kvm_cpuid_entry2 cpuid[VM_CPUID];
	int err = open_machine(vm, cpus, memory, size), nr_cpuid;
	unsigned int i;

	if (err)
		return err;
	nr_cpuid = supported_cpuid(vm->kvm, cpuid);
	if (nr_cpuid < 0)
		return nr_cpuid;
	put_guest(vm);
	put_gdt(vm->memory);
	for (i = 0; !err && i < cpus; i++) {
		err = open_vcpu(vm, i);
		if (!err)
			err = set_cpuid(vm->vcpus[i].fd, cpuid, nr_cpuid);
		if (!err)
			err = start_vcpu(&vm->vcpus[i]);
		/* 40 ticks a second. */
		if (!err)
			put_cpu(vm, i, vm_tsc_rate(vm) * 25);
	}
	return err;
}

/* ----- Running ----- */

static int handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t *data = (uint32_t *)((char *)run + run->io.data_offset);

	switch (run->io.port) {
	case PORT_SERIAL:
		*data = ++vcpu->serial;
		return 0;
	case PORT_PASS:
	case PORT_TROUBLE:
		return 0;
	}
	return -ENXIO;
}

static void *run_vcpu(void *argument)
{
	struct vcpu *vcpu = argument;

	while (!vcpu->err) {
		int err = or_errno(ioctl(vcpu->fd, KVM_RUN, 0));

		vcpu->stopped = rdtsc();
		/* Only after EINTR no instruction is half done. */
		if (err == -EINTR && vcpu->vm->stopping)
			break;
		if (err && err != -EINTR && err != -EAGAIN)
			vcpu->err = err;
		else if (!err && vcpu->run->exit_reason == KVM_EXIT_IO)
			vcpu->err = handle_io(vcpu);
		else if (!err)
			vcpu->err = -(1000 + (int)vcpu->run->exit_reason);
	}
	return NULL;
}

static void interrupted(int signal)
{
}

void vm_run(struct vm *vm)
{
	struct sigaction action = { .sa_handler = interrupted };
	unsigned int i;

	sigaction(SIGUSR1, &action, NULL);
	vm->stopping = false;
	for (i = 0; i < vm->cpus; i++) {
		vm->vcpus[i].run->immediate_exit = 0;
		if (pthread_create(&vm->vcpus[i].thread, NULL, run_vcpu,
				   &vm->vcpus[i]))
			abort();
	}
}

int vm_stop(struct vm *vm)
{
	int err = 0;
	unsigned int i;

	vm->stopping = true;
	for (i = 0; i < vm->cpus; i++) {
		vm->vcpus[i].run->immediate_exit = 1;
		pthread_kill(vm->vcpus[i].thread, SIGUSR1);
	}
	for (i = 0; i < vm->cpus; i++) {
		pthread_join(vm->vcpus[i].thread, NULL);
		if (!err)
			err = vm->vcpus[i].err;
	}
	return err;
}

/* ----- Saving ----- */

static uint64_t checksum(const struct vm_state *state)
{
	const uint64_t *word = (const uint64_t *)state;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < sizeof(*state) / sizeof(*word); i++) {
		if (word + i != &state->checksum)
			sum = mix(sum, word[i]);
	}
	return sum;
}

void vm_seal(struct vm_state *state)
{
	state->checksum = checksum(state);
}

static int transfer_msr(int vcpu, unsigned long request,
			struct kvm_msr_entry *entry)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = *entry };
	int done = or_errno(ioctl(vcpu, request, &msrs));

	*entry = msrs.entry;
	return done == 1 ? 0 : done < 0 ? done : -EINVAL;
}

static int transfer_tsc_offset(int vcpu, unsigned long request,
			       uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return or_errno(ioctl(vcpu, request, &attr));
}

uint64_t vm_tsc_offset(struct vm *vm, unsigned int cpu)
{
	uint64_t offset = 0;

	transfer_tsc_offset(vm->vcpus[cpu].fd, KVM_GET_DEVICE_ATTR, &offset);
	return offset;
}

static int save_vcpu(struct vcpu *vcpu, struct vcpu_state *state)
{
	unsigned int i, used = 0;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &state->mp_state) ||
	    ioctl(vcpu->fd, KVM_GET_REGS, &state->regs) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &state->sregs) ||
	    ioctl(vcpu->fd, KVM_GET_XCRS, &state->xcrs) ||
	    ioctl(vcpu->fd, KVM_GET_XSAVE, &state->xsave) ||
	    ioctl(vcpu->fd, KVM_GET_LAPIC, &state->lapic) ||
	    ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &state->events) ||
	    ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &state->debugregs))
		return -errno;
	for (i = 0; i < sizeof(saved_msrs) / sizeof(saved_msrs[0]); i++) {
		state->msrs[used].index = saved_msrs[i];
		if (!transfer_msr(vcpu->fd, KVM_GET_MSRS, &state->msrs[used]))
			used++;
	}
	state->msrs[used] = (struct kvm_msr_entry){ };
	state->serial = vcpu->serial;
	return transfer_tsc_offset(vcpu->fd, KVM_GET_DEVICE_ATTR,
				   &state->tsc_offset);
}

static int save_devices(struct vm *vm, struct vm_state *state)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[VM_CPUID];
	} cpuid = { .head.nent = VM_CPUID };
	unsigned int i;

	if (ioctl(vm->vcpus[0].fd, KVM_GET_CPUID2, &cpuid))
		return -errno;
	state->nr_cpuid = cpuid.head.nent;
	memcpy(state->cpuid, cpuid.entries, sizeof(state->cpuid));
	for (i = 0; i < 3; i++) {
		state->chips[i].chip_id = i;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &state->chips[i]))
			return -errno;
	}
	state->clock_tsc = rdtsc();
	return or_errno(ioctl(vm->fd, KVM_GET_CLOCK, &state->clock));
}

int vm_save(struct vm *vm, struct vm_state *state)
{
	unsigned int i;
	int err;

	/* Invalid until it is complete: no state is better than half of one. */
	state->magic = 0;
	memset(state, 0, sizeof(*state));
	state->version = VM_STATE_VERSION;
	state->size = sizeof(*state);
	state->generation = kiln_generation();
	state->cpus = vm->cpus;
	state->memory = vm->size;
	state->tsc_khz = vm_tsc_rate(vm);
	err = save_devices(vm, state);
	for (i = 0; !err && i < vm->cpus; i++) {
		err = save_vcpu(&vm->vcpus[i], &state->vcpus[i]);
		if (state->stopped < vm->vcpus[i].stopped)
			state->stopped = vm->vcpus[i].stopped;
	}
	if (err)
		return err;
	state->magic = VM_STATE_MAGIC;
	vm_seal(state);
	return 0;
}

/* ----- Restoring ----- */

int vm_check(const struct vm_state *state, unsigned int cpus, size_t size)
{
	/* First the fields that determine the layout of the rest. */
	if (state->magic != VM_STATE_MAGIC ||
	    state->version != VM_STATE_VERSION ||
	    state->size != sizeof(*state))
		return -EPROTONOSUPPORT;
	if (state->checksum != checksum(state))
		return -EBADMSG;
	if (state->generation + 1 != kiln_generation())
		return -ESTALE;
	if (state->cpus != cpus || state->memory != size)
		return -EINVAL;
	return 0;
}

static int restore_vcpu(struct vcpu *vcpu, const struct vm_state *from)
{
	struct vcpu_state state = from->vcpus[vcpu->number];
	int err = set_cpuid(vcpu->fd, from->cpuid, from->nr_cpuid);
	unsigned int i;

	vcpu->serial = state.serial;
	if (err)
		return err;
	/* The TSC counts on across kexec; with its offset, so does the guest's. */
	err = transfer_tsc_offset(vcpu->fd, KVM_SET_DEVICE_ATTR,
				  &state.tsc_offset);
	if (err)
		return err;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &state.sregs) ||
	    ioctl(vcpu->fd, KVM_SET_XCRS, &state.xcrs) ||
	    ioctl(vcpu->fd, KVM_SET_XSAVE, &state.xsave) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &state.regs) ||
	    ioctl(vcpu->fd, KVM_SET_LAPIC, &state.lapic))
		return -errno;
	for (i = 0; state.msrs[i].index; i++) {
		err = transfer_msr(vcpu->fd, KVM_SET_MSRS, &state.msrs[i]);
		if (err)
			return err;
	}
	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &state.events) ||
	    ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &state.debugregs) ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &state.mp_state))
		return -errno;
	return 0;
}

/* The guest's clock continues as if it had never stopped. */
static int restore_clock(struct vm *vm, const struct vm_state *state)
{
	uint64_t cycles = rdtsc() - state->clock_tsc;
	struct kvm_clock_data clock = {
		.clock = state->clock.clock + (uint64_t)
			 ((unsigned __int128)cycles * 1000000 / state->tsc_khz),
	};

	return or_errno(ioctl(vm->fd, KVM_SET_CLOCK, &clock));
}

int vm_restore(struct vm *vm, const struct vm_state *state, char *memory,
	       size_t size)
{
	int err = open_machine(vm, state->cpus, memory, size);
	unsigned int i;

	for (i = 0; !err && i < 3; i++)
		err = or_errno(ioctl(vm->fd, KVM_SET_IRQCHIP, &state->chips[i]));
	if (!err)
		err = restore_clock(vm, state);
	for (i = 0; !err && i < vm->cpus; i++) {
		err = open_vcpu(vm, i);
		if (!err)
			err = restore_vcpu(&vm->vcpus[i], state);
	}
	return err;
}
