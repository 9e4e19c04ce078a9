// SPDX-License-Identifier: GPL-2.0
/*
 * Files as the memory of virtual machines.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <sys/ioctl.h>

#include "guestmemfs.h"

#define GUEST_SIZE	(4 * BLOCK)
#define CODE		0x1000
#define CLOCK		0x3000

#ifndef MSR_KVM_SYSTEM_TIME_NEW
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#endif
#ifndef MSR_KVM_STEAL_TIME
#define MSR_KVM_STEAL_TIME 0x4b564d03
#endif

FIXTURE(kvm) {
	int fd;
	int vm;
	int vcpu;
	char *memory;
	struct kvm_run *run;
};

static int set_memory(int vm, char *at, size_t size)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = size,
		.userspace_addr = (unsigned long)at,
	};

	return or_errno(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

/* 32-bit flat code without paging, so that all of the memory is in reach. */
static int flat_mode(int vcpu)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_segment data;
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	data = code;
	data.type = 3;
	data.selector = 16;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.cr0 |= 1;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vcpu, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

static int give_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) +
					  200 * sizeof(cpuid->entries[0]));
	int err;

	cpuid->nent = 200;
	err = or_errno(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid));
	if (!err)
		err = or_errno(ioctl(vcpu, KVM_SET_CPUID2, cpuid));
	free(cpuid);
	return err;
}

FIXTURE_SETUP(kvm)
{
	int kvm = try_open("/dev/kvm", O_RDWR | O_CLOEXEC);

	gm_enter(_metadata);
	if (_metadata->exit_code)
		return;
	if (kvm < 0)
		SKIP(return, "no /dev/kvm: the processor shows no SVM or VMX");
	self->fd = make_sized(FILE_A, GUEST_SIZE);
	ASSERT_LE(0, self->fd);
	self->memory = map_fd(self->fd, GUEST_SIZE, 0);
	ASSERT_NE(NULL, self->memory);
	self->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	ASSERT_EQ(0, set_memory(self->vm, self->memory, GUEST_SIZE));
	self->vcpu = ioctl(self->vm, KVM_CREATE_VCPU, 0);
	ASSERT_LE(0, self->vcpu);
	ASSERT_EQ(0, give_cpuid(kvm, self->vcpu));
	self->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
			 PROT_READ | PROT_WRITE, MAP_SHARED, self->vcpu, 0);
	ASSERT_NE(MAP_FAILED, self->run);
	ASSERT_EQ(0, flat_mode(self->vcpu));
}

FIXTURE_TEARDOWN(kvm)
{
	gm_leave();
}

/* for (edi = from; edi != to; edi += 4096) *edi += 1; then HLT, and again. */
static void load_toucher(char *memory, unsigned int from, unsigned int to)
{
	unsigned char code[] = {
		0xbf, 0, 0, 0, 0,		/* mov $from, %edi */
		0xff, 0x07,			/* incl (%edi) */
		0x81, 0xc7, 0, 0x10, 0, 0,	/* add $4096, %edi */
		0x81, 0xff, 0, 0, 0, 0,		/* cmp $to, %edi */
		0x75, 0xf0,			/* jne to the incl */
		0xf4,				/* hlt */
		0xeb, 0xe8,			/* jmp to the beginning */
	};

	memcpy(code + 1, &from, 4);
	memcpy(code + 15, &to, 4);
	memcpy(memory + CODE, code, sizeof(code));
}

static long set_msr(int vcpu, unsigned int index, unsigned long value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = index, .data = value },
	};

	return or_errno(ioctl(vcpu, KVM_SET_MSRS, &msrs));
}

static long statistic(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%s", name);
	return first_number_in(path);
}

TEST_F(kvm, a_guest_runs_in_a_file)
{
	unsigned int i;

	load_toucher(self->memory, BLOCK, GUEST_SIZE);
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
		ASSERT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
		EXPECT_EQ(i, *(unsigned int *)(self->memory + BLOCK));
		EXPECT_EQ(i, *(unsigned int *)(self->memory + GUEST_SIZE - PAGE));
	}
	EXPECT_EQ(0, *(unsigned int *)(self->memory + BLOCK - PAGE));
}

TEST_F(kvm, a_guest_gets_large_pages)
{
	long before = statistic("pages_2m");

	if (before < 0)
		SKIP(return, "no statistics in debugfs");
	/* The host faults first; then KVM sees the size of the entries. */
	fill(self->memory, GUEST_SIZE, 0);
	load_toucher(self->memory, BLOCK, GUEST_SIZE);
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	EXPECT_LE(before + 3, statistic("pages_2m"));
}

/*
 * KVM writes this page from the host.  If the memory had struct pages but no direct
 * map, this would be an oops.
 */
TEST_F(kvm, the_host_keeps_the_clock_of_a_guest)
{
	struct pvclock {
		unsigned int version, pad;
		unsigned long tsc, system;
		unsigned int mul;
		signed char shift;
		unsigned char flags, pad2[2];
	} *clock = (struct pvclock *)(self->memory + CLOCK);
	unsigned long first;

	load_toucher(self->memory, BLOCK, 2 * BLOCK);
	ASSERT_EQ(1, set_msr(self->vcpu, MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1));
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	EXPECT_NE(0, clock->mul);
	EXPECT_EQ(0, clock->version % 2);
	first = clock->version;
	ASSERT_EQ(1, set_msr(self->vcpu, MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1));
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
	EXPECT_LT(first, clock->version);
}

TEST_F(kvm, the_host_counts_the_stolen_time_of_a_guest)
{
	struct kvm_steal_time *steal = (void *)(self->memory + CLOCK);

	load_toucher(self->memory, BLOCK, 2 * BLOCK);
	steal->version = 1;
	if (set_msr(self->vcpu, MSR_KVM_STEAL_TIME, CLOCK | 1) != 1)
		SKIP(return, "no steal time");
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	EXPECT_EQ(0, steal->version % 2);
	EXPECT_LT(1, steal->version);
}

TEST_F(kvm, a_guest_loses_what_is_cut_off)
{
	load_toucher(self->memory, BLOCK, GUEST_SIZE);
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_HLT, self->run->exit_reason);
	ASSERT_EQ(0, ftruncate(self->fd, 2 * BLOCK));
	/* The first missing block stops the guest. */
	EXPECT_EQ(-1, ioctl(self->vcpu, KVM_RUN, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(2, *(unsigned int *)(self->memory + BLOCK));
	/* Another file owns the blocks now, and the guest must not have touched them. */
	ASSERT_EQ(0, ftruncate(self->fd, GUEST_SIZE));
	EXPECT_TRUE(is_zero(self->memory + 2 * BLOCK, 2 * BLOCK));
}

TEST_F(kvm, a_guest_goes_on_in_another_virtual_machine)
{
	int kvm = try_open("/dev/kvm", O_RDWR), vm, vcpu;
	struct kvm_regs regs;
	struct kvm_run *run;
	char *memory;

	load_toucher(self->memory, BLOCK, GUEST_SIZE);
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_RUN, 0));
	ASSERT_EQ(0, ioctl(self->vcpu, KVM_GET_REGS, &regs));
	close(self->vcpu);
	close(self->vm);
	munmap(self->run, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	munmap(self->memory, GUEST_SIZE);
	close(self->fd);
	EXPECT_TRUE(EVENTUALLY(umount_gm() == 0));
	ASSERT_EQ(0, mount_gm(NULL));

	memory = map_fd(try_open(FILE_A, O_RDWR), GUEST_SIZE, 0);
	ASSERT_NE(NULL, memory);
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_EQ(0, set_memory(vm, memory, GUEST_SIZE));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	ASSERT_EQ(0, flat_mode(vcpu));
	ASSERT_EQ(0, ioctl(vcpu, KVM_SET_REGS, &regs));
	ASSERT_EQ(0, ioctl(vcpu, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_HLT, run->exit_reason);
	EXPECT_EQ(2, *(unsigned int *)(memory + BLOCK));
}

TEST_HARNESS_MAIN
