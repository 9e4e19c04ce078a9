// SPDX-License-Identifier: MIT
// The features of the guests' processor, as QEMU says before there is a guest.
import { KilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { exec } from '../util/exec.ts';
import { plural } from '../util/plural.ts';
import type { Accelerator } from './accelerator.ts';
import * as arch from './arch/x86_64.ts';

type Processor = Pick<Accelerator, 'name' | 'cpu'>;

/**
 * Those of the wanted features that a processor has not; `a|b` is one of the two. Throws bad-input for a name that QEMU
 * does not know: the test would never run.
 */
export async function findLacking(
  processor: Processor,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (wanted.length === 0) return [];
  const features = await featuresOf(processor, signal);
  const unknown = wanted.flatMap((one) => one.split('|')).find((name) => !features.has(name));
  if (unknown !== undefined)
    throw new KilnError('bad-input', `needs_cpu=${unknown}: QEMU knows no such feature of a processor`, {
      hint: `${arch.qemu} -cpu help lists them`,
    });
  return [...new Set(wanted)].filter((one) => !one.split('|').some((name) => features.get(name)));
}

/** For people. @param count how many tests are skipped */
export function describeLacking({ name, cpu }: Processor, lacks: readonly string[], count: number): string {
  const nested = lacks.some((feature) => arch.virtualization.test(feature)) && name === 'kvm';
  const hint = nested ? `; for KVM in guests: ${arch.nestedHint}` : '';
  return `${plural(count, 'test')} skipped: the guests' processor (${cpu}) has no ${lacks.join(', ')}${hint}`;
}

/** Names as QEMU has them, with whether the processor has them. */
async function featuresOf({ name, cpu }: Processor, signal: AbortSignal): Promise<Map<string, boolean>> {
  const { stdout } = await exec(
    arch.qemu,
    [
      '-machine',
      'none',
      '-accel',
      name,
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-qmp',
      'stdio',
    ],
    { signal, timeout: limits.qemu, input: expansionRequest(cpu) },
  );
  return readExpansion(stdout);
}

/** QMP commands that ask for the features of a CPU model, in the form of -cpu. */
export function expansionRequest(cpu: string): string {
  const [model, ...flags] = cpu.split(',');
  const props = Object.fromEntries(flags.map((flag) => [flag.slice(1), flag.startsWith('+')]));
  return [
    { execute: 'qmp_capabilities' },
    {
      execute: 'query-cpu-model-expansion',
      arguments: { type: 'full', model: { name: model, props } },
      id: 'features',
    },
    { execute: 'quit' },
  ]
    .map((command) => `${JSON.stringify(command)}\n`)
    .join('');
}

type Expansion = { id?: string; return?: { model: { props: Record<string, unknown> } } };

/** @param answers QMP's, one a line */
export function readExpansion(answers: string): Map<string, boolean> {
  const answer = answers
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Expansion)
    .find(({ id }) => id === 'features');
  const props = answer?.return?.model.props;
  if (props === undefined)
    throw new KilnError('infrastructure', 'QEMU does not say which features its processor has', {
      details: { output: answers },
    });
  return new Map(
    Object.entries(props).flatMap(([name, has]) => (typeof has === 'boolean' ? [[name, has]] : [])),
  );
}
