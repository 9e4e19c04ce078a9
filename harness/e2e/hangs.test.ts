// SPDX-License-Identifier: MIT
// Kiln collects the state of a hung guest, then ends it. Time that the host takes from a guest does not count.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { assertExpected, fixture, readCanaries } from './canaries.ts';
import { find, kilnTest, untilItPrints, withTests } from './kiln.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-hangs-'));
const all = await readCanaries('hangs', 'hangs_at_boot');
// ava takes hooks and tests only after the last await of a file.
test.after.always(() => rm(scratch, { recursive: true, force: true }));
const expected = (name: string) => all.find((canary) => canary.name === name)!;

// The tests of hangs run concurrently, so that together they wait no longer than one.

test('hangs/starves: a silent guest has hung, and its state is collected', async (t) => {
  await kilnTest(['hangs/starves', ...withTests(fixture('hangs'))], async ({ exitCode, results, dir }) => {
    t.is(exitCode, 1);
    assertExpected(t, results, expected('hangs/starves'));
    const { tempo, detail, problems, guest, time } = find(results, 'hangs/starves');
    t.is(tempo, 'hung');
    t.regex(detail, /^the guest hung during the test: no answer within \d+ s, last heard \d+ s ago$/);
    const hung = problems.filter((text) => text.startsWith('it hung: '));
    t.is(hung.length, guest!.cpus);
    // A CPU can be in the kernel for a timer interrupt; at times all are.
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
    // The answers to sysrq are not part of the console log.
    t.notRegex(await readFile(join(dir, guest!.console), 'utf8'), /sysrq/);
    t.is(time!.limit_ms, 600_000 * time!.scale);
    t.true(time!.elapsed_ms - time!.lost_ms < 590_000);
  });
});

test('hangs_at_boot/never: the state of a guest that hangs at boot is collected', async (t) => {
  await kilnTest(['hangs_at_boot', ...withTests(fixture('hangs_at_boot'))], async ({ results, dir }) => {
    assertExpected(t, results, expected('hangs_at_boot/never'));
    const { tempo, detail, problems, guest } = find(results, 'hangs_at_boot/never');
    t.is(tempo, 'hung');
    t.regex(detail, /^the guest hung during boot: no answer within 120 s/);
    t.regex(problems.join('\n'), /it hung: CPU 0: halted, interrupts on, in /);
    const report = await readFile(join(dir, guest!.hang!), 'utf8');
    t.regex(report, /sysrq: Show State/);
    t.regex(report, /default_idle/);
  });
});

test('hangs/waits: a stopped QEMU is not a hung guest', async (t) => {
  const meanwhile = async (out: string) => {
    await untilItPrints(out, 'hangs/waits');
    const pids = forks();
    t.is(pids.length, 1);
    process.kill(pids[0]!, 'SIGSTOP');
  };
  await kilnTest(
    ['hangs/waits', ...withTests(fixture('hangs'))],
    ({ exitCode, results }) => {
      t.is(exitCode, 69);
      assertExpected(t, results, expected('hangs/waits'));
      const { detail, tempo } = find(results, 'hangs/waits');
      t.is(tempo, undefined);
      t.regex(detail, /^the guest was silent during the test: QEMU was stopped by a signal/);
    },
    { env: { TMPDIR: scratch }, meanwhile },
  );
});

test.serial('a test that takes more than half its limit is reported as slow', async (t) => {
  await kilnTest(['pace/sleeps', ...withTests(fixture('pace'))], ({ results, stdout }) => {
    const { verdict, tempo } = find(results, 'pace/sleeps');
    t.deepEqual([verdict, tempo], ['pass', 'slow']);
    t.regex(stdout, /PASS +pace\/sleeps .*slow: its limit is 10 s/);
    t.regex(stdout, /1 passed, 0 failed, 1 slow/);
  });
});

test.serial('a test has as much time on a busy host as on an idle one', async (t) => {
  const spinners = Array.from({ length: 2 * availableParallelism() }, () =>
    spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }),
  );
  try {
    await kilnTest(
      ['pace/computes', ...withTests(fixture('pace'))],
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

/** The forks of the run whose temporary files, and so its guests' sockets, are in our scratch directory. */
function forks(): number[] {
  const all = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return all
    .filter((line) => /^ *\d+ qemu-system/.test(line) && line.includes(scratch) && line.includes('-incoming'))
    .map((line) => Number.parseInt(line, 10));
}
