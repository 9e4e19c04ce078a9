// SPDX-License-Identifier: MIT
// `kiln repeat` measures how often a test fails, and keeps a bounded number of logs.
import { execFileSync } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test from 'ava';
import { paths } from '../paths.ts';
import { type Repeat, type Results, readResults } from '../schema.ts';
import { spawn } from '../util/exec.ts';
import { type Called, kiln, start, withTests } from './kiln.ts';

const flaky = join(paths.root, 'harness', 'fixtures', 'flaky');
const scratch = await mkdtemp(join(tmpdir(), 'kiln-repeat-'));
test.after.always(() => rm(scratch, { recursive: true, force: true }));

type Repeated = Called & { out: string; dir: string; results: Results; repeat: Repeat };

async function kilnRepeat(name: string, args: string[], suite = flaky): Promise<Repeated> {
  const out = await mkdtemp(join(scratch, 'runs-'));
  const called = await kiln(['repeat', name, ...args, ...withTests(suite), '--out', out]);
  return { ...called, ...(await left(out)) };
}

async function left(out: string) {
  const dir = join(out, 'latest');
  const results = readResults(await readFile(join(dir, 'results.json'), 'utf8'));
  return { out, dir, results, repeat: results.repeat! };
}

/** The kept directories of guests, named by the number of the attempt. */
async function keptGuests({ dir, results, repeat }: Repeated): Promise<string[]> {
  const parent = join(dir, 'guests', results.jobs[0]!.id, repeat.test);
  return (await readdir(parent).catch(() => [])).toSorted();
}

test.serial(
  'a test that tosses a coin fails about every other time, as forks have different random numbers',
  async (t) => {
    const ran = await kilnRepeat('flaky/coin', ['--times', '40', '--json']);
    t.is(ran.exitCode, 1, ran.stderr);
    const { exit_code, dir, error, duration_ms, ...repeat } = JSON.parse(ran.stdout);
    t.deepEqual(repeat, ran.repeat);
    t.deepEqual([exit_code, error], [1, null]);
    t.true(duration_ms > 0);
    const { verdicts, failed, of, rate, first_failure, reasons } = ran.repeat;
    t.deepEqual([verdicts.total, of, verdicts.error], [40, 40, 0]);
    t.is(verdicts.pass + verdicts.fail, 40);
    // At most one of 40 on either side has a probability below 10^-10.
    t.true(failed > 1 && failed < 39, `${failed} of 40`);
    t.is(rate!.estimate, failed / 40);
    t.true(rate!.low < failed / 40 && failed / 40 < rate!.high);

    t.is(reasons.length, 1);
    t.is(reasons[0]!.count, failed);
    t.regex(first_failure!.detail, /global\.heads/);
    t.deepEqual(await keptGuests(ran), [String(first_failure!.run)]);
    t.regex(await readFile(join(dir, first_failure!.logs!, 'output.log'), 'utf8'), /not ok 1 global\.heads/);
    await t.notThrowsAsync(access(join(dir, first_failure!.logs!, 'console.log')));
    t.is(ran.results.tests.length, 1);

    const report = await kiln(['report', '--out', ran.out]);
    t.is(report.exitCode, 1);
    t.true(report.stdout.includes(`flaky/coin: ${failed} of 40 failed, `), report.stdout);
  },
);

test.serial('each fork draws another number; the lists of reasons and logs are bounded', async (t) => {
  const ran = await kilnRepeat('flaky/draw', ['--times', '13']);
  t.is(ran.exitCode, 1, ran.stderr);
  const { reasons, other_reasons } = ran.repeat;
  t.is(new Set(reasons.map(({ detail }) => detail)).size, 10);
  t.true(reasons.every(({ count, detail }) => count === 1 && /drew [0-9a-f]{16}/.test(detail)));
  t.is(other_reasons, 3);
  t.is((await keptGuests(ran)).length, 10);
  t.regex(ran.stdout, /^flaky\/draw: 13 of 13 failed, 100 % \(95 % confidence: 77\.2 to 100 %\)$/m);
  t.regex(ran.stdout, /^ +3 × other reasons$/m);
});

test.serial(
  '--until-fail starts no attempt after the first failure, and its command line works when pasted',
  async (t) => {
    const ran = await kilnRepeat('flaky/coin', ['--times', '300', '--until-fail', '--jobs', '2']);
    t.is(ran.exitCode, 1, ran.stderr);
    const { verdicts, failed, stopped, first_failure, again } = ran.repeat;
    t.is(stopped, 'failed');
    t.true(failed >= 1 && failed <= 4, 'attempts in progress finish: two run, and two settle');
    t.true(verdicts.total < 60);
    t.true(first_failure!.run <= verdicts.total);
    t.is((await keptGuests(ran)).length, 1);

    t.true(ran.stdout.includes(`again: ${again}`));
    const cwd = await mkdtemp(join(scratch, 'again-'));
    const pasted = again.replace(/^cd \S+/, `cd ${cwd}`);
    const repeated = await spawn('sh', ['-c', pasted], { stdin: 'ignore' });
    t.is(repeated.exitCode, 1, String(repeated.all));
    t.is((await left(join(cwd, 'runs'))).repeat.stopped, 'failed');
  },
);

test.serial('a test that never fails leaves no logs, and has an upper bound of the rate', async (t) => {
  const ran = await kilnRepeat('boot/environment', ['--times', '5']);
  t.is(ran.exitCode, 0, ran.stdout);
  t.regex(ran.stdout, /^boot\/environment: 0 of 5 failed, 0 % \(95 % confidence: 0 to 43\.4 %\)$/m);
  t.deepEqual(await keptGuests(ran), []);
  t.deepEqual([ran.results.tests, ran.repeat.reasons, ran.repeat.first_failure], [[], [], null]);
});

test.serial('repeat also works by case and with booted guests', async (t) => {
  for (const isolation of ['case', 'boot']) {
    const ran = await kilnRepeat('flaky/coin', ['--times', '2', '--isolate', isolation]);
    const { verdicts } = ran.repeat;
    t.is(verdicts.pass + verdicts.fail, 2, ran.stdout);
    t.is((await keptGuests(ran)).length, verdicts.fail > 0 ? 1 : 0);
  }
});

test.serial('a kernel that does not boot ends the repetition', async (t) => {
  const suite = join(scratch, 'unbootable');
  await mkdir(suite);
  await writeFile(join(suite, 'never.c'), 'int main(void) { return 0; }\n');
  await writeFile(join(suite, 'settings'), 'cmdline=rdinit=/nowhere\n');
  const ran = await kilnRepeat('unbootable/never', ['--times', '50', '--jobs', '2'], suite);
  t.is(ran.exitCode, 1, ran.stdout);
  t.is(ran.repeat.stopped, 'no-boot');
  t.true(ran.repeat.failed >= 1 && ran.repeat.failed <= 4, 'attempts in progress finish');
  t.is(ran.repeat.failed, ran.repeat.of);
  t.regex(ran.repeat.first_failure!.detail, /during boot/);
});

test.serial('more or less than one test is a usage error', async (t) => {
  const { exitCode, stderr } = await kiln(['repeat', 'srvfs']);
  t.is(exitCode, 2);
  t.regex(stderr, /one of: srvfs\/.*srvfs\/races/);
  t.is((await kiln(['repeat'])).exitCode, 2);
  t.is((await kiln(['repeat', 'srvfs/races', '--times', '0'])).exitCode, 2);
});

test.serial('Ctrl-C ends the repetition, and the results so far are printed', async (t) => {
  const out = join(scratch, 'interrupted');
  const child = start(['repeat', 'flaky/coin', '--times', '100000', ...withTests(flaky), '--out', out]);
  await new Promise<void>((resolve) => {
    let said = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk;
      if (said.includes('FAIL')) resolve();
    });
    child.then(() => resolve());
  });
  await wait(2000);
  child.kill('SIGINT');
  const { exitCode, stdout } = await child;
  t.is(exitCode, 130, String(stdout));
  t.regex(String(stdout), /^flaky\/coin: \d+ of \d+ failed, /m);
  const { repeat, results } = await left(out);
  t.is(results.exit_code, 130);
  t.is(results.jobs[0]!.error!.code, 'interrupted');
  t.true(repeat.verdicts.total > 0 && repeat.verdicts.total < 100_000);
  t.is(repeat.verdicts.error, 0);
  const guests = await readdir(join(out, 'latest', 'guests', results.jobs[0]!.id, 'flaky', 'coin'));
  t.deepEqual(guests, [String(repeat.first_failure!.run)]);
});

test.serial('a killed QEMU is an error, not a failure, and ten in a row end the repetition', async (t) => {
  const suite = join(scratch, 'endless');
  const [temporary, out] = [join(scratch, 'tmp'), join(scratch, 'killed')];
  await mkdir(suite);
  await mkdir(temporary);
  await writeFile(join(suite, 'endless.c'), '#include <unistd.h>\nint main(void) { for (;;) pause(); }\n');
  const child = start(['repeat', 'endless', '--times', '100', ...withTests(suite), '--out', out], {
    env: { TMPDIR: temporary },
  });
  const killing = setInterval(() => killGuestsOf(temporary), 1000);
  const result = await child.finally(() => clearInterval(killing));
  t.is(result.exitCode, 69, String(result.all));
  const { repeat } = await left(out);
  t.deepEqual([repeat.stopped, repeat.of, repeat.failed, repeat.rate], ['errors', 0, 0, null]);
  t.true(repeat.verdicts.error >= 10 && repeat.verdicts.error < 100);
  t.regex(repeat.reasons[0]!.detail, /QEMU was killed by SIGKILL/);
});

/** QEMU's command line names its sockets. */
function killGuestsOf(directory: string): void {
  for (const line of execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n'))
    try {
      if (line.includes('qemu-system') && line.includes(directory))
        process.kill(Number.parseInt(line, 10), 'SIGKILL');
    } catch {} // the process has exited meanwhile
}
