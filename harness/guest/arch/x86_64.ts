// SPDX-License-Identifier: MIT
// What the harness knows of x86-64, besides the exceptions in splat/patterns.ts. A second architecture is a file beside
// this one with the same exports, and a choice between the two. docs/design.md lists what else it needs.

// What is built.

/** kbuild's ARCH, and the name of the config fragment that every kernel gets. */
export const name = 'x86_64';
/** The symbol, without CONFIG_, that every configuration for it has. */
export const kconfigSymbol = 'X86_64';
/** Kconfig files below arch/ that count: these, and those of arch/Kconfig. */
export const kconfigDirectory = 'arch/x86';
/** make's target, and the file's name in a kernel's directory: what a boot loader and kexec load. */
export const image = 'bzImage';
/** Where make leaves it in the build directory. */
export const imagePath = 'arch/x86/boot/bzImage';
/** Directories that make enters by rules of their own: what they link becomes part of the image, or data of vmlinux. */
export const imageDirectories = [
  'arch/x86/boot',
  'arch/x86/boot/compressed',
  'arch/x86/realmode/rm',
  'arch/x86/entry/vdso',
  'arch/x86/purgatory',
];
/** The script by which vmlinux is linked, in the build directory. */
export const linkerScript = 'arch/x86/kernel/vmlinux.lds';
/** The file that QEMU boots: it enters vmlinux by its PVH note, without unpacking anything. */
export const bootFile = 'vmlinux';
/** Bytes: the kernel's COMMAND_LINE_SIZE. */
export const commandLineSize = 2048;

// What a guest runs on.

export const qemu = 'qemu-system-x86_64';
/** Debian's packages. */
export const packages = { qemu: 'qemu-system-x86', libc: 'libc6-dev' };
/** A file of the static C library that guests' programs are linked with. */
export const staticLibc = '/usr/lib/x86_64-linux-gnu/libc.a';

/** For -machine. */
export const machine = 'q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off';
/** The device that tells QEMU of a panic. */
export const panicDevice = 'pvpanic';

/** The kernel's name for QEMU's first serial line. */
export const consoleDevice = 'ttyS0';
/**
 * On a busy host an emulated timer comes so late that the kernel's check of it at boot panics ("IO-APIC + timer
 * doesn't work!"). Under KVM the kernel leaves the check out by itself.
 */
export const timerArgument = 'no_timer_check';

/**
 * QEMU's CPU model for emulation: `max` has all that QEMU emulates, AMD's SVM among it. Before 8.0 QEMU computes the
 * flags of CMPXCHG16B from the wrong operation. Now and then the slab allocator, which uses it, was left with a trap
 * flag set, and the kernel died at boot. Without the CPU flag the kernel does not use the instruction.
 * guest-tests/boot/processor.c shows the fault.
 */
export function emulatedCpu(qemuMajor: number): string {
  return qemuMajor < 8 ? 'max,-cx16' : 'max';
}

/**
 * QEMU's CPU model for an emulated machine that runs KVM itself. With five levels of page tables KVM's own would need
 * them, too. With XSAVE, KVM's guests warn at boot that its size is wrong: QEMU does not tell KVM when a guest sets XCR0.
 * What is encoded for XSAVE goes with it.
 */
export function kvmCapableCpu(qemuMajor: number): string {
  const without = 'la57 xsave xsaveopt xgetbv1 avx avx2 fma f16c vaes vpclmulqdq pku mpx';
  return [emulatedCpu(qemuMajor), ...without.split(' ').map((flag) => `-${flag}`)].join(',');
}

/** Names of features, in `needs_cpu=`, without which a guest has no KVM. */
export const virtualization = /\b(?:svm|vmx)\b/;
/** How a host gives them to guests under KVM. */
export const nestedHint = 'load kvm_intel or kvm_amd with nested=1';

// The host's counter, which an emulated guest has for its own.

/** Node's name of a host that has such a counter. */
export const hostName = 'x64';

/** Whether the time stamp counter always counts at the same rate. @param cpuinfo the host's /proc/cpuinfo */
export function hasSteadyCounter(cpuinfo: string): boolean {
  return /^flags\b.*\bconstant_tsc\b/m.test(cpuinfo);
}

/**
 * Tells the kernel the counter's rate, and not to compare it with emulated timers later: on a busy host the kernel would
 * take it for unstable.
 */
export function counterArgument(khz: number): string {
  return `tsc_early_khz=${khz} tsc=nowatchdog`;
}

/** images/probe/probe.S, a guest of a few instructions that reports through a device of QEMU's. */
export const probe = {
  flags: ['-nostdlib', '-static', '-Wl,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments'],
  machine: 'q35',
  device: 'isa-debug-exit,iobase=0xf4,iosize=1',
  /** QEMU's exit code for the value that the guest writes: twice the value, plus one. */
  proven: 2 * 0x31 + 1,
};

// What a processor does.

/** One processor's registers, as far as they are read. */
export type Registers = {
  instruction: bigint;
  stack: bigint;
  /** From 0, the kernel's, to 3, a process's. */
  privilege: number;
  halted: boolean;
  interrupts: boolean;
};

/** One processor's part of QEMU's `info registers`; null if it is none. */
export function readRegisters(text: string): Registers | null {
  const field = (register: string) => new RegExp(`\\b${register}=\\s*([0-9a-f]+)`, 'i').exec(text)?.[1];
  const [instruction, stack] = [field('RIP'), field('RSP')];
  if (instruction === undefined || stack === undefined) return null;
  return {
    instruction: BigInt(`0x${instruction}`),
    stack: BigInt(`0x${stack}`),
    privilege: Number(field('CPL') ?? 0),
    halted: field('HLT') === '1',
    interrupts: (Number.parseInt(field('RFL') ?? '0', 16) & interruptFlag) !== 0,
  };
}

const interruptFlag = 0x200;

/** `info registers` without floating point and vectors, which the kernel hardly uses. */
export function withoutVectors(registers: string): string {
  return registers.replaceAll(/^(?:FCW|FPR|XMM|YMM|ZMM|Opmask).*\n?/gm, '');
}

/** THREAD_SIZE: stacks lie at multiples of it. With KASAN they are twice as large. */
export const stackSize = 16_384n;

/** Bytes of the longest call instruction. */
export const longestCall = 7;

/** Whether code ends with a call. @param code the `longestCall` bytes before an address */
export function endsWithCall(code: Buffer): boolean {
  // call rel32; else one through a register or memory, in 2, 3, 6 or 7 bytes.
  return code[2] === 0xe8 || [5, 4, 1, 0].some((at) => isIndirectCall(code, at));
}

/** Opcode ff with /2 in the byte behind it. */
function isIndirectCall(code: Buffer, at: number): boolean {
  return code[at] === 0xff && ((code[at + 1]! >> 3) & 7) === 2;
}

// What the kernel's log says of it. All are sources of regular expressions.

/** Before the place in the kernel's code where a processor was. */
export const logInstruction = 'RIP: 0010:';
/** Begins a line of show_regs(). */
export const logRegisters = '(?:RIP|RSP|R[A-Z0-9]{2}|Code|[C-G]S|CR\\d|DR\\d|EFLAGS|PKRU|ORIG_RAX): ?';
/** Functions that take exceptions, interrupts and faults: never the ones to blame. */
export const exceptionFunctions =
  'asm_\\w+|exc_\\w+|sysvec_\\w+|__sysvec_\\w+|page_fault_oops|do_(?:user_addr_fault|error_trap|trap\\w*|int3\\w*)|kernelmode_fixup_or_oops|bad_area\\w*|nmi\\w*|default_do_nmi|end_repeat_nmi';
