/* SPDX-License-Identifier: MIT */
/*
 * The smallest guest that proves an accelerator: entered through PVH in 32-bit mode as a kernel is, it does what
 * an ordinary kernel does first (CPUID, control registers, paging, an MSR, long mode) and reports through QEMU's debug-exit port. QEMU then exits with 2 * 0x31 + 1 = 99.
 */
	.section .note.probe, "a"
	.align	4
	.long	4			/* name size */
	.long	4			/* descriptor size */
	.long	18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl	start
start:
	cli
	movl	$0x80000001, %eax	/* is there long mode? */
	cpuid
	btl	$29, %edx
	jnc	fail
	movl	$pml4, %edi		/* identity map the first 2 MiB */
	movl	$pdpt + 3, (%edi)
	movl	$pdpt, %edi
	movl	$pd + 3, (%edi)
	movl	$pd, %edi
	movl	$0x83, (%edi)
	movl	%cr4, %eax
	orl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $long_mode
fail:
	movb	$0x10, %al
	outb	%al, $0xf4
	hlt

	.code64
long_mode:
	movl	$10000000, %ecx		/* long enough for a timer of the host's to come in between */
1:	decl	%ecx
	jnz	1b
	movb	$0x31, %al
	outb	%al, $0xf4
2:	hlt
	jmp	2b

	.data
	.align	8
gdt:
	.quad	0
	.quad	0x00af9a000000ffff	/* 64-bit code */
gdt_pointer:
	.word	15
	.long	gdt
	.bss
	.align	4096
pml4:	.skip	4096
pdpt:	.skip	4096
pd:	.skip	4096
