// SPDX-License-Identifier: MIT
// Tests that misbehave on purpose, and the exact verdict of each.
import { lstat, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { spawn } from '../util/exec.ts';
import { assertExpected, canaries, fixture, readCanaries, verdictsOf } from './canaries.ts';
import { find, sharedRun, verdicts, withTests } from './kiln.ts';

const suites = [...canaries, 'tainted'];
const all = await readCanaries(...suites);
/** The working directory of a pasted reproduce line, where it leaves its run directory. */
const cwd = await mkdtemp(join(tmpdir(), 'kiln-reproduce-'));
test.after.always(() => rm(cwd, { recursive: true, force: true }));
const shared = sharedRun([...suites, ...withTests(...suites.map(fixture))], { cwd });

for (const canary of all) test(canary.name, (t) => assertExpected(t, shared.ran.results, canary));

test('there are only the expected verdicts, and the exit code is that of failures', (t) => {
  t.deepEqual(verdicts(shared.ran.results), verdictsOf(all));
  t.is(shared.ran.exitCode, 1);
});

test('the details, splats and problems of each misbehaviour', async (t) => {
  const { results, dir, stdout } = shared.ran;
  const of = (name: string) => find(results, `canaries/${name}`);
  t.regex(of('panic').detail, /the kernel died during the test: .*sysrq/i);
  t.is(of('panic').splats.length, 1);
  t.regex(of('power_off').detail, /powered off/);
  t.regex(of('reboot').detail, /rebooted/);
  t.regex(of('segfault').detail, /signal 11/);
  t.deepEqual(
    of('out_of_memory').splats.map(({ kind }) => kind),
    ['oom'],
  );
  t.is(of('out_of_memory').cases[0]!.verdict, 'pass');
  const splatsOf = (name: string) => of(name).splats.map(({ title, expected }) => ({ title, expected }));
  const title = 'Out of memory: Killed process out_of_memory';
  t.deepEqual(splatsOf('out_of_memory'), [{ title, expected: false }]);
  t.deepEqual(splatsOf('out_of_memory@expected'), [{ title, expected: true }]);
  t.regex(of('out_of_memory@another-expected').detail, /^no splat came that matches \^WARNING/);
  t.deepEqual(
    of('taint').splats.map(({ kind, title: words, expected }) => ({ kind, title: words, expected })),
    [{ kind: 'taint', title: 'kernel tainted: U, user space asked for it', expected: false }],
  );
  t.true(of('taint@expected').splats[0]!.expected);
  t.regex(of('memory_hog').detail, /^Out of memory: .*; the test was killed by signal 9/);

  t.deepEqual(
    of('nested_failure').cases.map(({ name, verdict }) => `${verdict} ${name}`),
    ['pass outer > inner_good', 'fail outer > inner_bad', 'pass outer'],
  );
  t.regex(of('close_output').detail, /2 results planned, 1 seen/);
  t.regex(of('no_plan').problems.join(), /no plan/);
  t.regex(of('kill_agent').detail, /the kernel died during the test: .*Attempted to kill init/);
  t.regex(of('confuse_agent').problems.join(), /the agent in the guest gave up: signal 11 \(Segm/);
  t.notRegex(of('power_off').problems.join(), /gave up/);
  t.true(of('clock').duration_ms < 60_000);
  t.is(of('fill_tmpfs').artifacts.length, 1);
  t.regex(find(results, 'limits/fork_bomb').problems.join(), /killed \d+ processes that outlived/);
  t.regex(find(results, 'limits/unplug_ports').detail, /the guest hung during the test/);
  t.regex(of('bad_exit').detail, /exit code 1 though no case failed/);
  t.deepEqual(
    of('fail').cases.map(({ verdict }) => verdict),
    ['pass', 'fail'],
  );
  t.regex(of('fail').cases[1]!.detail, /expected 1, got 2/);
  t.regex(of('outlived').problems.join(), /killed 1 process that outlived/);
  t.is(of('outlived').cases.length, 1);
  t.deepEqual(of('forged_log').splats, []);

  // A flood of output is read to its end, and its log has a bounded size.
  t.is(of('flood').cases[0]!.name, 'the last word');
  const log = join(dir, of('flood').guest!.output);
  t.true((await stat(log)).size < 10_000_000);
  t.regex(await readFile(log, 'utf8'), /\[kiln: \d+ bytes left out here\]/);

  // Artifacts include files, but no links.
  t.deepEqual(
    of('artifacts').artifacts.map((path) => path.split('/').slice(-2).join('/')),
    ['deep/kept.txt'],
  );
  t.is(await readFile(join(dir, of('artifacts').artifacts[0]!), 'utf8'), 'kept\n');
  await t.throwsAsync(lstat(join(dir, of('artifacts').artifacts[0]!, '..', '..', 'link')));

  // Control characters from a guest do not reach a terminal.
  t.notRegex(stdout, /\u001b/);
  t.notRegex(await readFile(join(dir, 'junit.xml'), 'utf8'), /\u001b/);

  for (const one of results.tests)
    t.is(one.reproduce !== null, ['fail', 'crash', 'timeout'].includes(one.verdict), one.test);
});

test('a taint belongs to the test that caused it, not to the next one in the same guest', (t) => {
  const { results } = shared.ran;
  t.is(find(results, 'tainted/a_taints').detail, 'kernel tainted: U, user space asked for it');
  t.deepEqual(find(results, 'tainted/b_finds_it').splats, []);
});

test('the reproduce line of a failure works when pasted', async (t) => {
  const { reproduce } = find(shared.ran.results, 'canaries/fail');
  const again = await spawn('sh', ['-c', reproduce!], { stdin: 'ignore' });
  t.is(again.exitCode, 1, String(again.all));
  t.regex(String(again.stdout), /FAIL +canaries\/fail/);
});
