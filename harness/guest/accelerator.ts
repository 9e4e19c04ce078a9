// SPDX-License-Identifier: MIT
// KVM is used only where it has been seen to run code. /dev/kvm may exist, open, and still not run a kernel: QEMU
// then aborts on an MSR or spins for ever.
import { access, constants, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { aside, exists, readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import { hostTsc } from './tsc.ts';

/** `cpu`: QEMU's CPU model for it. `cmdline`: what the kernel has to be told of it. */
export type Accelerator = { name: 'kvm' | 'tcg'; cpu: string; cmdline: string; reason: string };
export type AcceleratorWish = 'auto' | 'kvm' | 'tcg';

export const qemu = 'qemu-system-x86_64';

/** What images/probe reports with: QEMU's exit code is twice the value plus one. */
const proven = 2 * 0x31 + 1;
/** Milliseconds in which the probe's guest must report. Measured: 190 under TCG on a loaded machine. */
const deadline = 2000;

/** Choose by proof. Throws an infrastructure error if KVM is demanded and does not run. */
export async function chooseAccelerator(
  wish: AcceleratorWish,
  imagesDir: string,
  context: Context,
): Promise<Accelerator> {
  if (wish === 'tcg') return tcg('asked for with --accel tcg', imagesDir, context);
  const trouble = await kvmTrouble(imagesDir, context);
  if (trouble === null) return { name: 'kvm', cpu: 'host', cmdline: '', reason: 'KVM ran a guest here' };
  if (wish === 'kvm')
    throw new KilnError('infrastructure', `--accel kvm: ${trouble}`, {
      hint: 'use --accel tcg, or --accel auto to have the best that works',
    });
  return tcg(trouble, imagesDir, context);
}

/**
 * `max` has all that QEMU emulates, AMD's SVM among it. Before 8.0 QEMU computes CMPXCHG16B's flags from the wrong
 * operation: now and then the slab allocator, which uses it, was left with a trap flag set, and the kernel died at
 * boot. guest-tests/boot/processor.c shows it; without the CPU flag the kernel does not use the instruction.
 */
async function tcg(reason: string, imagesDir: string, context: Context): Promise<Accelerator> {
  const major = Number(/version (\d+)\./.exec(await qemuVersion(context.signal))?.[1] ?? 0);
  const tsc = await hostTsc(imagesDir, context);
  const cmdline = tsc === null ? '' : `tsc_early_khz=${tsc}`;
  return { name: 'tcg', cpu: major < 8 ? 'max,-cx16' : 'max', cmdline, reason };
}

/** Why KVM can't be used, or null. The costly half of the answer is remembered until the host reboots. */
async function kvmTrouble(imagesDir: string, context: Context): Promise<string | null> {
  if (!(await exists('/dev/kvm'))) return 'there is no /dev/kvm';
  const open = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!open) return '/dev/kvm may not be opened by this user (is the user in the group kvm?)';
  const [boot, version, source] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    qemuVersion(context.signal),
    readFile(join(imagesDir, 'probe', 'probe.S'), 'utf8'),
  ]);
  const memory = join(context.cache, 'kvm.json');
  const key = contentKey(boot, version, source);
  const remembered = await readCachedJson<{ key: string; trouble: string | null }>(memory);
  if (remembered?.key === key) return remembered.trouble;
  const trouble = await tryKvm(await buildProbe(imagesDir, source, context), context);
  await writeAtomic(memory, JSON.stringify({ key, trouble }));
  return trouble;
}

/** The first line of `qemu-system-x86_64 --version`. */
export async function qemuVersion(signal?: AbortSignal): Promise<string> {
  return (await exec(qemu, ['--version'], { signal })).stdout.split('\n')[0] ?? '';
}

async function buildProbe(imagesDir: string, source: string, context: Context): Promise<string> {
  const elf = join(context.cache, 'probe', `${contentKey(source)}.elf`);
  if (await exists(elf)) return elf;
  await mkdir(join(context.cache, 'probe'), { recursive: true });
  const flags = [
    '-nostdlib',
    '-static',
    '-Wl,-n,-Ttext=0x100000,-e,start,--build-id=none,--no-warn-rwx-segments',
  ];
  const temporary = aside(elf);
  await exec('gcc', [...flags, '-o', temporary, join(imagesDir, 'probe', 'probe.S')], {
    signal: context.signal,
  });
  await rename(temporary, elf);
  return elf;
}

async function tryKvm(elf: string, context: Context): Promise<string | null> {
  const machine = ['-machine', 'q35', '-accel', 'kvm', '-cpu', 'host', '-m', '64M', '-smp', '1'];
  const quiet = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
  const report = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=1', '-kernel', elf];
  try {
    const options = { timeout: deadline, okCodes: [proven], signal: context.signal };
    await exec(qemu, [...machine, ...quiet, ...report], options);
    return null;
  } catch (error) {
    context.signal.throwIfAborted();
    const { message, details } = error as KilnError;
    const said = details?.output?.split('\n').find((line) => /error|failed|assert|could not/i.test(line));
    return `/dev/kvm opens, but a guest does not run on it: ${said?.replace(/^qemu-system-x86_64: /, '') ?? message}`;
  }
}
