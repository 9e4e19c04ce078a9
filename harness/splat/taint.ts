// SPDX-License-Identifier: MIT
// Pure: the flags of /proc/sys/kernel/tainted, and which of them no splat explains.
import type { SplatKind, SplatResult } from '../schema.ts';

/** `setWith`: the kinds of splats with which the kernel sets this flag. */
type Flag = { letter: string; meaning: string; setWith?: SplatKind[] };

/** By bit; Documentation/admin-guide/tainted-kernels.rst. */
const flags: Flag[] = [
  { letter: 'P', meaning: 'proprietary module' },
  { letter: 'F', meaning: 'module loaded by force' },
  { letter: 'S', meaning: 'system out of its specification' },
  { letter: 'R', meaning: 'module unloaded by force' },
  { letter: 'M', meaning: 'machine check' },
  { letter: 'B', meaning: 'bad page', setWith: ['kasan', 'kfence', 'kmsan', 'bad-page', 'other'] },
  { letter: 'U', meaning: 'user space asked for it' },
  { letter: 'D', meaning: 'oops', setWith: ['oops', 'gpf', 'bug', 'list-corruption', 'other'] },
  { letter: 'A', meaning: 'ACPI table overridden' },
  {
    letter: 'W',
    meaning: 'warning',
    setWith: ['warning', 'refcount', 'list-corruption', 'lockdep', 'sleep-in-atomic', 'other'],
  },
  { letter: 'C', meaning: 'staging driver' },
  { letter: 'I', meaning: 'workaround for firmware' },
  { letter: 'O', meaning: 'out-of-tree module' },
  { letter: 'E', meaning: 'unsigned module' },
  { letter: 'L', meaning: 'soft lockup', setWith: ['soft-lockup'] },
  { letter: 'K', meaning: 'live patch' },
  { letter: 'X', meaning: 'auxiliary, of a distribution' },
  { letter: 'T', meaning: 'randomized structures' },
  { letter: 'N', meaning: 'in-kernel test' },
  { letter: 'J', meaning: 'mutating command of fwctl' },
];

/** The title is the same whether the flag was found in the log or in the mask. */
export function taintTitle(letter: string): string {
  return titleOf(flags.find((flag) => flag.letter === letter)!);
}

/**
 * A splat for each flag that was set between two readings of the mask and that no splat explains: neither the line that
 * the kernel prints for some flags, nor the splat with which it sets others.
 */
export function unexplainedTaint(before: number, after: number, splats: SplatResult[]): SplatResult[] {
  const came = setBits(after).filter((bit) => !setBits(before).includes(bit));
  return came
    .map((bit): Flag => flags[bit] ?? { letter: `bit ${bit}`, meaning: 'unknown to Kiln' })
    .filter((flag) => !splats.some((splat) => explains(splat, flag)))
    .map((flag) => ({
      title: titleOf(flag),
      kind: 'taint',
      phase: 'test',
      task: null,
      torn: false,
      lines: [`/proc/sys/kernel/tainted: ${before} when the test began, ${after} at its end`],
      panic: null,
    }));
}

function explains({ kind, title }: SplatResult, flag: Flag): boolean {
  return title === titleOf(flag) || flag.setWith?.includes(kind) === true;
}

function titleOf({ letter, meaning }: Flag): string {
  return `kernel tainted: ${letter}, ${meaning}`;
}

/** Without `&`, which is limited to 32 bits. */
function setBits(mask: number): number[] {
  return Array.from({ length: 53 }, (_, bit) => bit).filter((bit) => Math.floor(mask / 2 ** bit) % 2 === 1);
}
