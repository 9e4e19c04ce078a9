// SPDX-License-Identifier: MIT
// A kernel that complains at boot may do so under one accelerator only: then a host's KVM, its processor or QEMU may be
// the cause, and not the series.
import type { Context } from '../context.ts';
import { chooseAccelerator } from '../guest/accelerator.ts';
import type { Machine } from '../guest/qemu.ts';
import { paths } from '../paths.ts';

/** The same machine under TCG. */
export async function asEmulated(machine: Machine, context: Context): Promise<Machine> {
  const { cpu, cmdline } = await chooseAccelerator('tcg', paths.images, context);
  return {
    ...machine,
    accelerator: 'tcg',
    cpu,
    cmdline: [machine.cmdline, cmdline].filter(Boolean).join(' '),
  };
}

/**
 * A note, with its level, about what a kernel's boot complains of. It warns if TCG is without.
 * @param kvm titles of splats; at least one
 * @param tcg those of the same kernel under TCG
 */
export function describeDifference(
  kvm: readonly string[],
  tcg: readonly string[],
): ['info' | 'warn', string] {
  const only = kvm.filter((title) => !tcg.includes(title));
  if (only.length === 0)
    return ['info', `the boot complains with TCG, too (${kvm.join('; ')}): KVM is not the cause`];
  const what = only.join('; ');
  return [
    'warn',
    `the boot complains with KVM, and not with TCG (${what}): KVM or the processor of this host may be the cause; compare with --accel tcg`,
  ];
}
