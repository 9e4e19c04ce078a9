// SPDX-License-Identifier: MIT
// Under TCG a guest's time stamp counter is the host's. Its kernel measures it at boot against emulated timers, which
// come late on a busy host: one was seen to take 2,596 MHz for 379, which makes its time run seven times too fast. So
// it is told.
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { exec } from '../util/exec.ts';
import { aside, readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import * as arch from './arch/x86_64.ts';

/**
 * What the host's time stamp counter counts, in kHz, rounded to whole MHz so that it stays the same; null if it has
 * none that always counts at the same rate. The answer is remembered until the host reboots.
 */
export async function hostTsc(imagesDir: string, context: Context): Promise<number | null> {
  if (process.arch !== arch.hostName) return null;
  const [boot, cpuinfo, source] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readFile('/proc/cpuinfo', 'utf8'),
    readFile(join(imagesDir, 'probe', 'tsc.c'), 'utf8'),
  ]);
  if (!arch.hasSteadyCounter(cpuinfo)) return null;
  const memory = join(context.cache, 'tsc.json');
  const key = contentKey(boot, source);
  const remembered = await readCachedJson<{ key: string; khz: number }>(memory);
  if (remembered?.key === key) return remembered.khz;
  const khz = await measure(join(imagesDir, 'probe', 'tsc.c'), context);
  await writeAtomic(memory, JSON.stringify({ key, khz }));
  return khz;
}

async function measure(source: string, context: Context): Promise<number> {
  const program = join(context.cache, 'probe', 'tsc');
  await mkdir(join(context.cache, 'probe'), { recursive: true });
  const temporary = aside(program);
  await exec('gcc', ['-O2', '-o', temporary, source], { signal: context.signal });
  await rename(temporary, program);
  const { stdout } = await exec(program, [], { signal: context.signal, timeout: 20_000 });
  return Math.round(Number(stdout) / 1000) * 1000;
}
