// SPDX-License-Identifier: MIT
// A guest that does not go on is asked why, and ended. What the host kept from a guest is not its fault.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { paths } from '../paths.ts';
import { besideDefaults, find, kilnTest } from './kiln.ts';

const fixture = (name: string) => join(paths.root, 'harness', 'fixtures', name);
const scratch = await mkdtemp(join(tmpdir(), 'kiln-hangs-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

test.serial('a guest that says nothing has hung, and tells what it does', async (t) => {
  const started = performance.now();
  await kilnTest(
    ['hangs/starves', ...besideDefaults(fixture('hangs'))],
    async ({ exitCode, results, dir }) => {
      t.is(exitCode, 1);
      const { verdict, tempo, detail, problems, guest, time } = find(results, 'hangs/starves');
      t.deepEqual([verdict, tempo], ['timeout', 'hung']);
      t.regex(detail, /^the guest hung during the test: no answer within \d+ s, last heard \d+ s ago$/);
      const hung = problems.filter((text) => text.startsWith('it hung: '));
      t.is(hung.length, guest!.cpus);
      // Now and then one is in the kernel, for a timer; at times all are.
      const isBusy = /^it hung: CPU \d: running, (in a process, at 0x|interrupts (on|off), in [a-z_])/;
      t.true(
        hung.some((text) => isBusy.test(text)),
        hung.join(),
      );
      const report = await readFile(join(dir, guest!.hang!), 'utf8');
      t.regex(report, /^CPU#1\n/m, 'registers');
      t.regex(report, /sysrq: Show Blocked State/);
      t.regex(report, /sysrq: Show backtrace of all active CPUs/);
      t.regex(report, /sysrq: Show State/);
      t.regex(report, /task:starves +state:R/);
      // What it was asked is no part of what it said.
      t.notRegex(await readFile(join(dir, guest!.console), 'utf8'), /sysrq/);
      t.is(time!.limit_ms, 600_000 * time!.scale);
    },
  );
  t.true(performance.now() - started < 590_000);
});

test.serial('a guest that hangs at boot tells what it does', async (t) => {
  await kilnTest(['hangs_at_boot', ...besideDefaults(fixture('hangs_at_boot'))], async ({ results, dir }) => {
    const { verdict, tempo, detail, problems, guest } = find(results, 'hangs_at_boot/never');
    t.deepEqual([verdict, tempo], ['timeout', 'hung']);
    t.regex(detail, /^the guest hung during boot: no answer within 120 s/);
    t.regex(problems.join('\n'), /it hung: CPU 0: halted, interrupts on, in /);
    const report = await readFile(join(dir, guest!.hang!), 'utf8');
    t.regex(report, /sysrq: Show State/);
    t.regex(report, /default_idle/);
  });
});

test.serial('a QEMU that somebody stops is no hang of its guest', async (t) => {
  const stopped = onceForked((pid) => process.kill(pid, 'SIGSTOP'));
  await kilnTest(
    ['hangs/waits', ...besideDefaults(fixture('hangs'))],
    ({ exitCode, results }) => {
      t.is(exitCode, 69);
      const { verdict, detail, tempo } = find(results, 'hangs/waits');
      t.deepEqual([verdict, tempo], ['error', undefined]);
      t.regex(detail, /^the guest was silent during the test: QEMU was stopped by a signal/);
    },
    { env: { TMPDIR: scratch } },
  );
  t.true(await stopped);
});

test.serial('slow is said of a test that takes more than half its limit', async (t) => {
  await kilnTest(['pace/sleeps', ...besideDefaults(fixture('pace'))], ({ results, stdout }) => {
    const { verdict, tempo } = find(results, 'pace/sleeps');
    t.deepEqual([verdict, tempo], ['pass', 'slow']);
    t.regex(stdout, /PASS +pace\/sleeps .*slow: its limit is 10 s/);
    t.regex(stdout, /1 passed, 0 failed, 1 slow/);
  });
});

test.serial('on a busy host a test has the time that it has on an idle one', async (t) => {
  const spinners = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }),
  );
  try {
    await kilnTest(
      ['pace/computes', ...besideDefaults(fixture('pace'))],
      ({ exitCode, results, stdout }) => {
        const { verdict, time } = find(results, 'pace/computes');
        t.is(verdict, 'pass', stdout);
        t.is(exitCode, 0);
        t.true(time!.lost_ms > 0.5 * time!.elapsed_ms, `only ${time!.lost_ms} ms were lost`);
      },
      { under: ['nice', '-n', '5'] },
    );
  } finally {
    for (const child of spinners) child.kill('SIGKILL');
  }
});

/** Do something to the QEMU in which a test runs, once it does. Returns whether there was one. */
async function onceForked(act: (pid: number) => unknown): Promise<boolean> {
  for (let tries = 0; tries < 3000; tries++) {
    await setTimeout(200);
    const [pid] = forks();
    if (pid === undefined) continue;
    await setTimeout(2500); // it is restored, and the test begins
    await act(pid);
    return true;
  }
  return false;
}

/** Of this file's own runs: their sockets are in its scratch directory. */
function forks(): number[] {
  const all = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return all
    .filter((line) => /^ *\d+ qemu-system/.test(line) && line.includes(scratch) && line.includes('-incoming'))
    .map((line) => Number.parseInt(line, 10));
}
