// SPDX-License-Identifier: MIT
// Under TCG a guest's time stamp counter is the host's. At boot its kernel measures the counter's rate against emulated
// timers, which come late on a busy host: one kernel took 2,596 MHz for 379, and its time ran seven times too fast. So
// the harness measures the rate and passes it on the kernel's command line.
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { limits } from '../limits.ts';
import { exec } from '../util/exec.ts';
import { aside, readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey } from '../util/hash.ts';
import * as arch from './arch/x86_64.ts';

/**
 * The rate of the host's time stamp counter in kHz, or null if the rate is not constant. Rounded to whole MHz, so that
 * measurements agree and templates can be reused. Cached until the host reboots.
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
  const { stdout } = await exec(program, [], { signal: context.signal, timeout: limits.tsc });
  return Math.round(Number(stdout) / 1000) * 1000;
}
