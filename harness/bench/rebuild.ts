// SPDX-License-Identifier: MIT
// Compares a run with nothing changed, and one with a changed line of the kernel, with a cold build; and a changed line of
// a checkout with make.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Built } from '../job/built.ts';
import { paths } from '../paths.ts';
import type { Results } from '../schema.ts';
import { listSeries } from '../series/series.ts';
import { exec } from '../util/exec.ts';
import { git } from '../util/git.ts';
import { type Figure, figure, ratio } from './statistics.ts';
import { timeKiln } from './timedRun.ts';

/** Milliseconds of host time. */
export type WarmBench = { total_ms: Figure; guests_ms: Figure; overhead_ms: Figure };

/** `kiln test boot` with nothing changed: its time beside that of its guests. */
export async function benchWarm(n: number, signal: AbortSignal): Promise<WarmBench> {
  const total: number[] = [];
  const guests: number[] = [];
  for (let round = 0; round < n; round++) {
    const { results, wall } = await timeKiln(['test', 'boot'], {}, signal);
    if (results.jobs[0]!.stages.some(({ name, cached }) => name !== 'tests' && !cached))
      throw new Error('a stage was rebuilt though nothing changed');
    total.push(wall);
    guests.push(stageTime(results, 'tests'));
  }
  const overhead = total.map((wall, index) => wall - guests[index]!);
  return { total_ms: figure(total), guests_ms: figure(guests), overhead_ms: figure(overhead) };
}

/** `cold_ms`: the kernel stage with an empty cache. `changed_ms`: the whole of `kiln test boot` after the change. */
export type ChangeBench = { cold_ms: number; changed_ms: number; ratio: number };

/** One cold build in a cache of its own, then one line more in one file. Takes as long as that build. */
export async function benchChange(built: Built, signal: AbortSignal): Promise<ChangeBench> {
  const scratch = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    const env = { XDG_CACHE_HOME: join(scratch, 'cache') };
    const base = ['--base', `git:${built.base.gitDir}#${built.base.commit}`];
    const cold = await timeKiln(['test', 'boot', ...base], env, signal);
    const extra = await changeOneLine(join(scratch, 'change'));
    const kept = (await listSeries(paths.patches)).flatMap((name) => ['--series', name]);
    const changed = await timeKiln(['test', 'boot', ...base, ...kept, '--series', extra], env, signal);
    const coldMs = stageTime(cold.results, 'kernel');
    return { cold_ms: coldMs, changed_ms: Math.round(changed.wall), ratio: ratio(changed.wall, coldMs) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * `first_ms`: `kiln test boot --tree DIR` of a checkout that Kiln has not seen; `plain_ms`: make alone, from nothing, without
 * ccache. The others are of the time after a change of one line: `kiln test` to its end, make alone, and the guest.
 */
export type EditBench = {
  first_ms: number;
  plain_ms: number;
  total_ms: Figure;
  make_ms: Figure;
  guest_ms: Figure;
  overhead_ms: Figure;
};

/** A checkout of the base, of which one line changes each time. Makes a whole kernel with make alone, too. */
export async function benchEdit(built: Built, n: number, signal: AbortSignal): Promise<EditBench> {
  const scratch = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const [tree, plain] = [join(scratch, 'linux'), join(scratch, 'build')];
  try {
    await git(scratch, ['clone', '--quiet', '--shared', '--no-checkout', built.base.gitDir, tree], {
      signal,
    });
    await git(tree, ['checkout', '--quiet', '--detach', built.base.commit], { signal });
    const args = ['boot', '--tree', tree];
    const first = await timeKiln(['test', ...args], {}, signal);
    await mkdir(plain);
    await copyFile(join(built.kernel.dir, 'config'), join(plain, '.config'));
    const make = async (target: string) => {
      const started = performance.now();
      const words = ['-C', tree, `O=${plain}`, '-s', '-j', String(availableParallelism()), target];
      await exec('make', words, { signal });
      return performance.now() - started;
    };
    await make('olddefconfig');
    const whole = await make('all');
    const [total, makes, guests]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round < n; round++) {
      const file = join(tree, 'init', 'version.c');
      await writeFile(file, `${await readFile(file, 'utf8')}int kiln_bench_line_${round};\n`);
      makes.push(await make('all'));
      const { results, wall } = await timeKiln(['test', ...args], {}, signal);
      if (results.jobs[0]!.stages.some(({ name, cached }) => name === 'kernel' && cached))
        throw new Error('the kernel was not built although a line changed');
      total.push(wall);
      guests.push(stageTime(results, 'tests'));
    }
    const overhead = total.map((wall, index) => wall - makes[index]! - guests[index]!);
    return {
      first_ms: Math.round(first.wall),
      plain_ms: Math.round(whole),
      total_ms: figure(total),
      make_ms: figure(makes),
      guest_ms: figure(guests),
      overhead_ms: figure(overhead),
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function stageTime(results: Results, name: string): number {
  return results.jobs[0]!.stages.find((stage) => stage.name === name)?.duration_ms ?? 0;
}

/** A line that no configuration leaves out, in a file that nothing includes. */
async function changeOneLine(dir: string): Promise<string> {
  await mkdir(dir);
  const patch = `From: Kiln <kiln@localhost>
Subject: [PATCH] init: one line more

For the bench.
---
diff --git a/init/version.c b/init/version.c
--- a/init/version.c
+++ b/init/version.c
@@ -1,3 +1,4 @@
 // SPDX-License-Identifier: GPL-2.0-only
+int kiln_bench_line;
 /*
  *  linux/init/version.c
`;
  await writeFile(join(dir, '0001-one-line-more.patch'), patch);
  return dir;
}
