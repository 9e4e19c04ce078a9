// SPDX-License-Identifier: MIT
// KVM is used only after it has run a small guest.
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import * as arch from './arch/x86_64.ts';
import { kvmTrouble } from './kvm.ts';
import { qemuMajor } from './qemuVersion.ts';
import { hostTsc } from './tsc.ts';

export type Accelerator = {
  name: 'kvm' | 'tcg';
  /** QEMU's CPU model. */
  cpu: string;
  /** Kernel arguments that this accelerator needs. */
  cmdline: string;
  /** Why it was chosen. */
  reason: string;
  /** What tests need of the processor (needs_cpu=) and it has not; absent: nothing. */
  lacks?: string[];
};
export type AcceleratorChoice = 'auto' | 'kvm' | 'tcg';

/** Choose an accelerator by a test run. Throws an infrastructure error if KVM is demanded and does not run. */
export async function chooseAccelerator(
  choice: AcceleratorChoice,
  imagesDir: string,
  context: Context,
): Promise<Accelerator> {
  if (choice === 'tcg') return tcg('asked for with --accel tcg', imagesDir, context);
  const trouble = await kvmTrouble(imagesDir, choice === 'kvm', context);
  if (trouble === null) return { name: 'kvm', cpu: 'host', cmdline: '', reason: 'KVM ran a guest here' };
  if (choice === 'kvm')
    throw new KilnError('infrastructure', `--accel kvm: ${trouble}`, {
      hint: 'use --accel tcg, or --accel auto to have the best that works',
    });
  return tcg(trouble, imagesDir, context);
}

async function tcg(reason: string, imagesDir: string, context: Context): Promise<Accelerator> {
  const tsc = await hostTsc(imagesDir, context);
  const cmdline = tsc === null ? '' : arch.counterArgument(tsc);
  return { name: 'tcg', cpu: arch.emulatedCpu(await qemuMajor(context.signal)), cmdline, reason };
}
