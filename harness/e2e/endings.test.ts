// SPDX-License-Identifier: MIT
// However a run ends, it leaves nothing behind, and the next run works.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { readResults } from '../schema.ts';
import type { Child } from '../util/exec.ts';
import { kilnTest, start, untilItPrints, withTests } from './kiln.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-endings-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

const program = `#include <stdio.h>
#include <unistd.h>
int main(void) { puts("at work"); for (;;) pause(); }
`;

type Endless = { child: Child; temporary: string; out: string };

/** A run with one endless test, and with its own directory for temporary files. */
async function startEndless(name: string, ...options: string[]): Promise<Endless> {
  const suite = join(scratch, name, 'endless');
  const [temporary, out] = [join(scratch, name, 'tmp'), join(scratch, name, 'runs')];
  await mkdir(suite, { recursive: true });
  await mkdir(temporary);
  await writeFile(join(suite, 'endless.c'), program);
  const child = start(['test', 'endless', ...withTests(suite), '--out', out, ...options], {
    env: { TMPDIR: temporary },
  });
  let ended = false;
  child.then(() => {
    ended = true;
  });
  await until(() => guestsOf(temporary).length > 0 || ended, 600_000);
  await setTimeout(3000); // into the boot or the test: at any point the end must be clean
  return { child, temporary, out };
}

/** QEMU processes of a run: their command line has sockets in its temporary directory. */
function guestsOf(directory: string): string[] {
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return processes.filter((line) => line.includes('qemu-system') && line.includes(directory));
}

async function until(condition: () => boolean, timeout: number): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not become true');
    await setTimeout(100);
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test.serial(`${signal} ends a run with 130, and its results are written`, async (t) => {
    const endless = await startEndless(signal);
    endless.child.kill(signal);
    await assertInterrupted(t, endless);
  });

test.serial('the deadline ends a run with 130, and its results are written', async (t) => {
  const endless = await startEndless('deadline', '--deadline', '15');
  await assertInterrupted(t, endless);
  t.regex(String((await endless.child).stderr), /not done after 15 s/);
});

async function assertInterrupted(t: ExecutionContext, { child, temporary, out }: Endless): Promise<void> {
  const result = await child;
  t.is(result.exitCode, 130, String(result.all));
  t.deepEqual(guestsOf(temporary), []);
  t.deepEqual(await readdir(temporary), []);
  const results = readResults(await readFile(join(out, 'latest', 'results.json'), 'utf8'));
  t.is(results.exit_code, 130);
  t.is(results.jobs[0]!.error!.code, 'interrupted');
}

test.serial('kill -9 of the harness also ends its guests', async (t) => {
  const { child, temporary } = await startEndless('SIGKILL');
  child.kill('SIGKILL');
  await child;
  await until(() => guestsOf(temporary).length === 0, 60_000);
  t.pass();
});

test.serial('kill -9 of QEMU is an infrastructure error, not a failed test', async (t) => {
  const { child, temporary, out } = await startEndless('QEMU');
  // Wait for the test's own guest: before it, there are the template and a guest that is being forked.
  await untilItPrints(out, 'endless/endless');
  for (const line of guestsOf(temporary)) process.kill(Number(line.trim().split(/\s+/)[0]), 'SIGKILL');
  const result = await child;
  t.is(result.exitCode, 69, String(result.all));
  const results = readResults(await readFile(join(out, 'latest', 'results.json'), 'utf8'));
  t.is(results.tests[0]!.verdict, 'error');
  t.regex(results.tests[0]!.detail, /QEMU was killed by SIGKILL/);
});

test.serial('two runs at once both pass', async (t) => {
  const run = () => kilnTest(['boot'], ({ exitCode, stdout }) => t.is(exitCode, 0, stdout));
  await Promise.all([run(), run()]);
});
