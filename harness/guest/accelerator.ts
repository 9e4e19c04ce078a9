// SPDX-License-Identifier: MIT
// KVM is used only after it has run a small guest. /dev/kvm may exist and open, and still run no kernel: QEMU then
// aborts on an MSR or spins for ever.
import { access, constants, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { exec } from '../util/exec.ts';
import { aside, exists, readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import * as arch from './arch/x86_64.ts';
import { hostTsc } from './tsc.ts';

/** `cpu`: QEMU's CPU model. `cmdline`: kernel arguments that this accelerator needs. `reason`: why it was chosen. */
export type Accelerator = { name: 'kvm' | 'tcg'; cpu: string; cmdline: string; reason: string };
export type AcceleratorChoice = 'auto' | 'kvm' | 'tcg';

/** Choose an accelerator by a test run. Throws an infrastructure error if KVM is demanded and does not run. */
export async function chooseAccelerator(
  choice: AcceleratorChoice,
  imagesDir: string,
  context: Context,
): Promise<Accelerator> {
  if (choice === 'tcg') return tcg('asked for with --accel tcg', imagesDir, context);
  const trouble = await kvmTrouble(imagesDir, context);
  if (trouble === null) return { name: 'kvm', cpu: 'host', cmdline: '', reason: 'KVM ran a guest here' };
  if (choice === 'kvm')
    throw new KilnError('infrastructure', `--accel kvm: ${trouble}`, {
      hint: 'use --accel tcg, or --accel auto to have the best that works',
    });
  return tcg(trouble, imagesDir, context);
}

async function tcg(reason: string, imagesDir: string, context: Context): Promise<Accelerator> {
  const major = Number(/version (\d+)\./.exec(await qemuVersion(context.signal))?.[1] ?? 0);
  const tsc = await hostTsc(imagesDir, context);
  const cmdline = tsc === null ? '' : arch.counterArgument(tsc);
  return { name: 'tcg', cpu: arch.emulatedCpu(major), cmdline, reason };
}

/** Why KVM can't be used, or null. The result of the test run is cached until the host reboots or QEMU changes. */
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

/** The first line of `qemu-system-… --version`. */
export async function qemuVersion(signal?: AbortSignal): Promise<string> {
  return (await exec(arch.qemu, ['--version'], { signal })).stdout.split('\n')[0] ?? '';
}

async function buildProbe(imagesDir: string, source: string, context: Context): Promise<string> {
  const elf = join(context.cache, 'probe', `${contentKey(source)}.elf`);
  if (await exists(elf)) return elf;
  await mkdir(join(context.cache, 'probe'), { recursive: true });
  const temporary = aside(elf);
  await exec('gcc', [...arch.probe.flags, '-o', temporary, join(imagesDir, 'probe', 'probe.S')], {
    signal: context.signal,
  });
  await rename(temporary, elf);
  return elf;
}

async function tryKvm(elf: string, context: Context): Promise<string | null> {
  const machine = ['-machine', arch.probe.machine, '-accel', 'kvm', '-cpu', 'host', '-m', '64M', '-smp', '1'];
  const quiet = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
  const report = ['-device', arch.probe.device, '-kernel', elf];
  try {
    const options = { timeout: limits.kvm, okCodes: [arch.probe.proven], signal: context.signal };
    await exec(arch.qemu, [...machine, ...quiet, ...report], options);
    return null;
  } catch (error) {
    context.signal.throwIfAborted();
    const { message, details } = error as KilnError;
    const said = details?.output?.split('\n').find((line) => /error|failed|assert|could not/i.test(line));
    return `/dev/kvm opens, but a guest does not run on it: ${said?.replace(`${arch.qemu}: `, '') ?? message}`;
  }
}
