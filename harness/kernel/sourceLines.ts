// SPDX-License-Identifier: MIT
// From `function+offset/size`, as the kernel prints it, to source lines.
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { limits } from '../limits.ts';
import { buildLimits, confined } from '../sandbox/sandbox.ts';
import { exists } from '../util/files.ts';
import type { Kernel } from './kernel.ts';
import { readSystemMap, type SystemMap } from './systemMap.ts';

/** A position in the kernel's code. `isReturn`: it is a return address, and the call before it is meant. */
export type CodePoint = { symbol: string; offset: number; size: number; isReturn: boolean };

/** `file` is relative to the tree. */
export type SourceLine = { function: string; file: string; line: number };

/** Addresses for one call of addr2line. */
const most = 5000;

/**
 * The source lines of each point, the innermost inlined function first. A point that is not found has none; without
 * debug information no point has any.
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
  // In the sandbox: the series controls the debug information, and its parsers have had security holes.
  const reach = { cwd: '/', read: [debug], write: [], env: { LC_ALL: 'C' } };
  const words = known.slice(0, most).map((address) => address.toString(16));
  const args = ['--addresses', '--functions', '--inlines', '--exe', debug, ...words];
  const { stdout } = await confined(
    'addr2line',
    args,
    reach,
    context,
    {},
    { ...buildLimits, time: limits.sourceLines },
  );
  const found = parseSourceLines(stdout);
  return addresses.map((address) => (address === null ? [] : (found.get(address) ?? [])));
}

/** null if there is no such function, or several of this size. */
export function addressOf({ symbol, offset, size, isReturn }: CodePoint, map: SystemMap): bigint | null {
  const all = map.functions(symbol);
  const fitting = all.filter((one) => one.size === size);
  const found = fitting.length === 1 ? fitting[0] : all.length === 1 ? all[0] : undefined;
  return found ? found.address + BigInt(offset) - (isReturn ? 1n : 0n) : null;
}

/** addr2line prints each address, followed by a name and `file:line` for each function there, the innermost first. */
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

/** The build has names like `./././lib/x.c` and `./lib/../include/y.h`. */
function inTree(file: string): string {
  return join('.', file);
}
