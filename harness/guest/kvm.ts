// SPDX-License-Identifier: MIT
// Whether KVM runs a guest here. /dev/kvm may exist and open, and still run no kernel: QEMU then aborts on an MSR or
// spins for ever.
import { access, constants, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { limits } from '../limits.ts';
import { describeEnd, exec, spawn } from '../util/exec.ts';
import { aside, exists, readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import * as arch from './arch/x86_64.ts';
import { qemuVersion } from './qemuVersion.ts';
import { countdown, processOf, runOut, StealClock } from './steal.ts';

/** What the test run of a small guest says. `late`: it did not end in time. */
export type Probed = { works: true } | { works: false; late: boolean; text: string };

/** Why KVM can't be used, or null. @param isDemanded by --accel kvm */
export async function kvmTrouble(
  imagesDir: string,
  isDemanded: boolean,
  context: Context,
): Promise<string | null> {
  if (!(await exists('/dev/kvm'))) return 'there is no /dev/kvm';
  const open = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!open) return '/dev/kvm may not be opened by this user (is the user in the group kvm?)';
  const [boot, version, source] = await Promise.all([
    bootId(),
    qemuVersion(context.signal),
    readFile(join(imagesDir, 'probe', 'probe.S'), 'utf8'),
  ]);
  const memory = join(context.cache, 'kvm.json');
  const key = contentKey('2', boot, version, source);
  const probed = await probeUnlessKnown(memory, key, isDemanded, async () =>
    runProbe(await buildProbe(imagesDir, source, context), context.signal),
  );
  return probed.works ? null : probed.text;
}

/**
 * That KVM works is remembered until the host reboots or QEMU changes. That it does not is tried again each time, because
 * the reason may pass and QEMU says so at once; only a guest that did not end in time is remembered, unless KVM is
 * demanded.
 * @param memory a file
 * @param key of the host's boot, QEMU and the small guest
 */
export async function probeUnlessKnown(
  memory: string,
  key: string,
  isDemanded: boolean,
  run: () => Promise<Probed>,
): Promise<Probed> {
  const known = await readCachedJson<{ key: string; probed: Probed }>(memory);
  if (known?.key === key && (known.probed.works || !isDemanded)) return known.probed;
  const probed = await run();
  if (probed.works || probed.late) await writeAtomic(memory, JSON.stringify({ key, probed }));
  return probed;
}

/** Changes with each boot of the host. */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
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

/** Time in which the host does not run QEMU does not count. @param timeout milliseconds */
export async function runProbe(
  elf: string,
  signal: AbortSignal,
  timeout: number = limits.kvm,
  qemu: string = arch.qemu,
): Promise<Probed> {
  const machine = ['-machine', arch.probe.machine, '-accel', 'kvm', '-cpu', 'host', '-m', '64M', '-smp', '1'];
  const quiet = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
  const report = ['-device', arch.probe.device, '-kernel', elf];
  signal.throwIfAborted();
  const child = spawn(qemu, [...machine, ...quiet, ...report], { stdin: 'ignore', cancelSignal: signal });
  const ended = new AbortController();
  void child.finally(() => ended.abort());
  using clock = new StealClock(processOf(child.pid ?? 0));
  await runOut(countdown(timeout, clock), ended.signal);
  const late = !ended.signal.aborted;
  if (late) child.kill('SIGKILL');
  const result = await child;
  signal.throwIfAborted();
  if (result.exitCode === arch.probe.proven) return { works: true };
  const text = late
    ? `a guest did not end in ${timeout / 1000} s`
    : describeRefusal(String(result.stderr ?? ''), describeEnd(result));
  return { works: false, late, text: `/dev/kvm opens, but a guest does not run on it: ${text}` };
}

/** What QEMU says of itself, or how it ended. */
function describeRefusal(stderr: string, end: string): string {
  const said = stderr.split('\n').find((line) => /error|failed|assert|could not|busy/i.test(line));
  if (said && /busy/i.test(said)) return 'another hypervisor uses the processor (Device or resource busy)';
  return said?.replace(`${arch.qemu}: `, '') ?? `${arch.qemu} ${end}`;
}
