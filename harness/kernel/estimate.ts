// SPDX-License-Identifier: MIT
// What a large build takes of the machine, said before it begins.
import { statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import type { Tree } from '../tree/tree.ts';
import { exists } from '../util/files.ts';
import type { ConfigValues } from './dotConfig.ts';
import { evaluate } from './expression.ts';
import { type Kbuild, readKbuild } from './kbuild.ts';
import { readTexts } from './treeText.ts';

/** `disk`: bytes of the build directory; `memory`: bytes at most at one time. */
export type Estimate = { objects: number; disk: number; memory: number };

const [miB, giB] = [2 ** 20, 2 ** 30];
/** Options that are built in. Kiln's own configurations have at most 800, a distribution's 2,600. */
const large = 1000;

/** Before a first build of a large configuration, say what it takes. Throws infrastructure if the disk has not enough. */
export async function announceLargeBuild(
  { gitDir, commit }: Pick<Tree, 'gitDir' | 'commit'>,
  build: string,
  config: ConfigValues,
  context: Pick<Context, 'note' | 'signal'>,
): Promise<void> {
  const builtIn = [...config.values()].filter((value) => value === 'y').length;
  if (builtIn < large || (await exists(join(build, 'vmlinux')))) return;
  const kbuild = readKbuild(await readTexts(gitDir, commit, ['*Makefile*', '*Kbuild*'], context.signal));
  const estimate = estimateBuild(countObjects(kbuild, config), config, availableParallelism());
  const { bavail, bsize } = await statfs(build);
  const machine = { disk: bavail * bsize, memory: process.availableMemory() };
  requireDisk(estimate, machine.disk, config);
  context.note('info', describeEstimate(estimate, machine, config));
}

/** Objects of vmlinux, composed ones too. Modules do not count; what can't be read does. */
export function countObjects({ objects, conditionOf }: Kbuild, config: ConfigValues): number {
  const lookUp = (name: string) => (/^[ymn]$/.test(name) ? name : (config.get(name) ?? 'n'));
  return objects.filter((object) => (evaluate(conditionOf(object)!, lookUp) ?? 2) === 2).length;
}

/**
 * MiB in the build directory for each object, all links included. Measured on builds of 6.1 to 7.2 with 1,110 to 1,340
 * objects: 0.21 to 0.24, with KASAN 0.37, with reduced debug information 0.37. Full debug information was measured in
 * single objects: 0.3, which are there in an object, in vmlinux.o and, without relocations, in vmlinux.
 */
function perObject(config: ConfigValues): number {
  const code = isSet(config, 'KASAN') ? 0.4 : 0.25;
  if (!isSet(config, 'DEBUG_INFO')) return code;
  return code + (isSet(config, 'DEBUG_INFO_REDUCED') ? 0.15 : 1);
}

/**
 * What a build of so many objects takes with so many jobs. Memory: a KASAN build was seen to take 1.6 GiB with two jobs,
 * and what links debug information has it in memory once or twice.
 */
export function estimateBuild(objects: number, config: ConfigValues, jobs: number): Estimate {
  const disk = objects * perObject(config) * miB;
  return { objects, disk, memory: giB + jobs * 0.3 * giB + disk / 2 };
}

/** Throw infrastructure if not even half of an estimate is free. */
export function requireDisk({ disk }: Estimate, free: number, config: ConfigValues): void {
  if (free >= disk / 2) return;
  throw new KilnError(
    'infrastructure',
    `the build needs about ${inGiB(disk)} of disk, and ${inGiB(free)} are free`,
    {
      hint: [
        'free some disk for the cache (`kiln clean`, or XDG_CACHE_HOME on a larger disk)',
        ...(isSet(config, 'DEBUG_INFO') ? [withoutDebugInfo] : []),
      ].join(', or '),
    },
  );
}

/** One sentence for the user. @param machine free bytes */
export function describeEstimate(
  { objects, disk, memory }: Estimate,
  machine: { disk: number; memory: number },
  config: ConfigValues,
): string {
  const wants = `about ${objects} objects, ${inGiB(disk)} of disk (${inGiB(machine.disk)} free)`;
  const also = `${inGiB(memory)} of memory (${inGiB(machine.memory)} free)`;
  const hint = isSet(config, 'DEBUG_INFO') ? `; ${withoutDebugInfo} takes less` : '';
  return `a large build: ${wants} and ${also}${hint}`;
}

const withoutDebugInfo = '--set DEBUG_INFO_NONE=y';

function isSet(config: ConfigValues, symbol: string): boolean {
  return config.get(symbol) === 'y';
}

function inGiB(bytes: number): string {
  return `${(bytes / giB).toFixed(1)} GiB`;
}
