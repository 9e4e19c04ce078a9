// SPDX-License-Identifier: MIT
// From `function+offset/size`, as the kernel prints it, to source lines.
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { buildLimits, confined } from '../sandbox/sandbox.ts';
import { exists } from '../util/files.ts';
import type { Kernel } from './kernel.ts';
import { readSystemMap, type SystemMap } from './systemMap.ts';

/** A point in the kernel's code. `isReturn`: the call before it is meant. */
export type CodePoint = { symbol: string; offset: number; size: number; isReturn: boolean };

/** A source line; `file` as the tree names it. */
export type SourceLine = { function: string; file: string; line: number };

/** Milliseconds; addr2line reads the debug information of the whole kernel first. */
const patience = 120_000;
/** Addresses looked up, on one command line. */
const most = 5000;

/**
 * For each point its line, after the lines of the functions that are inlined there, the innermost first; none for a
 * point that is not found, and for all if the kernel was built without debug information.
 */
export async function findSourceLines(
  kernel: Pick<Kernel, 'dir'>,
  points: CodePoint[],
  context: Pick<Context, 'signal' | 'sandbox'>,
): Promise<SourceLine[][]> {
  const debug = join(kernel.dir, 'vmlinux.debug');
  if (points.length === 0 || !(await exists(debug))) return points.map(() => []);
  const map = await readSystemMap(kernel.dir);
  const addresses = points.map((point) => addressOf(point, map));
  const known = [...new Set(addresses.filter((address) => address !== null))];
  // The debug information was made by what the series brings, and programs that read such have had their holes.
  const reach = { cwd: '/', read: [debug], write: [], env: { LC_ALL: 'C' } };
  const words = known.slice(0, most).map((address) => address.toString(16));
  const args = ['--addresses', '--functions', '--inlines', '--exe', debug, ...words];
  const { stdout } = await confined(
    'addr2line',
    args,
    reach,
    context,
    {},
    { ...buildLimits, time: patience },
  );
  const found = parseSourceLines(stdout);
  return addresses.map((address) => (address === null ? [] : (found.get(address) ?? [])));
}

/** null if there is no such function, or several that its size does not tell apart. */
export function addressOf({ symbol, offset, size, isReturn }: CodePoint, map: SystemMap): bigint | null {
  const all = map.functions(symbol);
  const fitting = all.filter((one) => one.size === size);
  const found = fitting.length === 1 ? fitting[0] : all.length === 1 ? all[0] : undefined;
  return found ? found.address + BigInt(offset) - (isReturn ? 1n : 0n) : null;
}

/** An address, then for each function there, the innermost first, its name and `file:line`. */
export function parseSourceLines(output: string): Map<bigint, SourceLine[]> {
  const found = new Map<bigint, SourceLine[]>();
  let current: SourceLine[] = [];
  let name = '';
  for (const line of output.split('\n')) {
    if (/^0x[0-9a-f]+$/.test(line)) {
      current = [];
      found.set(BigInt(line), current);
      continue;
    }
    const at = /^(.*):(\d+|\?)(?: \(discriminator \d+\))?$/.exec(line);
    if (!at) name = line;
    else if (at[2] !== '?' && at[2] !== '0')
      current.push({ function: name, file: inTree(at[1]!), line: Number(at[2]) });
  }
  return found;
}

/** What the build calls `./././lib/x.c`, or from a directory below `./lib/../include/y.h`. */
function inTree(file: string): string {
  return join('.', file);
}
