// SPDX-License-Identifier: MIT
// Runs with everything that report.html shows, and the files that their guests left.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Results, TestResult } from '../schema.ts';
import { exampleJob, exampleResults, exampleTest, exampleTime } from './example.ts';
import { exampleSplat } from './exampleCi.ts';

export type ExampleRun = { results: Results; files: Record<string, string> };

/** Write a run into an empty directory, as `kiln test` leaves it. */
export async function writeRun(dir: string, { results, files }: ExampleRun): Promise<void> {
  const all = { ...files, 'results.json': JSON.stringify(results) };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}

const started = Date.parse('2026-01-02T03:04:05.000Z');
const at = (ms: number) => new Date(started + ms).toISOString();

/** A guest of a test that has a directory of its own. */
function guestOf(test: string, from: number, to: number): NonNullable<TestResult['guest']> {
  const dir = `guests/job-1/demo/${test}`;
  return {
    ...exampleTest().guest!,
    ...{ console: `${dir}/console.log`, kmsg: `${dir}/kernel.log`, output: `${dir}/output.log` },
    ...{ origin: 'fork', start_ms: 120, span: { from: at(from), to: at(to) } },
  };
}

function logsOf({ guest }: TestResult, kmsg: string[], output: string): Record<string, string> {
  const boot = Array.from(
    { length: 40 },
    (_, index) => `6,${index},${index * 1000},-,caller=T0;boot line ${index}`,
  );
  const own = kmsg.map((line, index) => `4,${40 + index},${5_000_000 + index},-,caller=T71;${line}`);
  const text = [...boot, ...own, '6,999,6000000,-,caller=T1;after it'].join('\n');
  return {
    [guest!.kmsg]: `${text}\n`,
    [guest!.output]: output,
    [guest!.console]: 'SeaBIOS\n[    0.000000] Linux\n',
  };
}

const lines = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => `\tcode of line ${first + index};`);

/** An assertion that failed, a splat with its stack, a hung guest, a chain of kernels, and tests that did not fail. */
export function exampleRun(): ExampleRun {
  const assertion = exampleTest({
    ...{
      test: 'asserts',
      verdict: 'fail',
      detail: '1 of 2 cases failed: global.closes',
      guest: guestOf('asserts', 3100, 4100),
    },
    cases: [
      { name: 'global.opens', verdict: 'pass', detail: '' },
      {
        ...{
          name: 'global.closes',
          verdict: 'fail',
          detail: 'asserts.c:44:closes:Expected 0 (0) == close(fd) (-1)',
        },
        asserted: [{ file: 'asserts.c', line: 44, source: { first: 41, lines: lines(41, 7) } }],
      },
    ],
    artifacts: ['guests/job-1/demo/asserts/artifacts/core.asserts.71'],
    time: exampleTime,
  });
  const source = {
    ...{ first: 37, lines: lines(37, 7) },
    patches: [null, null, '0003-demo-count.patch', '0003-demo-count.patch', null, null, null],
  };
  const splat = structuredClone(exampleSplat);
  Object.assign(splat.frames![0]!.places[0]!, { source });
  const warns = exampleTest({
    ...{ test: 'warns', verdict: 'fail', detail: 'WARNING in demo_put', guest: guestOf('warns', 3100, 5100) },
    splats: [splat],
  });
  const hangs = exampleTest({
    ...{ test: 'hangs', verdict: 'timeout', tempo: 'hung', detail: 'the guest stopped answering', cases: [] },
    problems: ['CPU 0: in demo_spin+0x5/0x10, called by demo_ioctl+0x1/0x20'],
    guest: { ...guestOf('hangs', 4200, 9000), hang: 'guests/job-1/demo/hangs/hang.txt' },
  });
  const kernel = { release: '6.12.117', boot_ms: 1400, duration_ms: 700, detail: '' };
  const logs = { console: 'g/console.log', kmsg: 'g/kernel.log', output: 'g/output.log' };
  const kexecs = exampleTest({
    ...{
      test: 'kexecs',
      verdict: 'crash',
      detail: 'the kernel of generation 1 did not boot',
      guest: guestOf('kexecs', 5200, 8000),
    },
    generations: [
      { ...kernel, ...logs, generation: 0, by: 'boot', verdict: 'pass', blackout_ms: null },
      {
        ...{ ...kernel, ...logs, generation: 1, by: 'kexec', verdict: 'crash', blackout_ms: 2310 },
        ...{ release: null, boot_ms: null, detail: 'it said nothing for 120 s' },
      },
    ],
  });
  const passes = exampleTest({ test: 'passes', guest: guestOf('passes', 8100, 8900) });
  const skipped = exampleTest({ test: 'skipped', verdict: 'skip', detail: 'there is no /dev/kvm' });
  const stages = [
    { name: 'series', started: at(0), duration_ms: 400, cached: false },
    { name: 'kernel', started: at(400), duration_ms: 2600, cached: false },
    { name: 'tests', started: at(3000), duration_ms: 6000, cached: false },
  ];
  const warnings = [
    { file: 'drivers/demo/core.c', line: 33, text: "unused variable 'n'", patch: '0003-demo-count.patch' },
  ];
  const job = exampleJob({
    stages,
    ...{ compiler: 'gcc (Debian 12.2.0-14) 12.2.0', kernel: { release: '6.12.117', key: '0123', warnings } },
    left_out: [{ suite: 'other', reason: 'its series is not applied' }],
  });
  return {
    results: exampleResults([passes, skipped, assertion, warns, hangs, kexecs], {
      ...{ exit_code: 1, duration_ms: 9100, jobs: [job] },
    }),
    files: {
      ...logsOf(assertion, [], 'not ok 2 global.closes\n'),
      ...logsOf(warns, splat.lines, 'ok 1\n'),
      ...logsOf(hangs, [], ''),
      ...logsOf(kexecs, [], 'to the next kernel\n'),
      ...logsOf(passes, [], 'ok 1\n'),
      'guests/job-1/demo/hangs/hang.txt': 'CPU 0: RIP demo_spin+0x5/0x10\n',
      'guests/job-1/demo/asserts/artifacts/core.asserts.71': 'core',
      'g/kernel.log': '6,1,1,-;kexec\n',
    },
  };
}

/** A run with so many cases, ten in each test; one test of a hundred fails. */
export function manyCases(count: number): ExampleRun {
  const tests = Array.from({ length: count / 10 }, (_, index): TestResult => {
    const isBad = index % 100 === 7;
    const test = `t${index}`;
    return exampleTest({
      ...{
        suite: `suite${Math.floor(index / 50)}`,
        test,
        verdict: isBad ? 'fail' : 'pass',
        guest: guestOf(test, 0, 0),
      },
      detail: isBad ? '1 of 10 cases failed: global.case_3' : '',
      cases: Array.from({ length: 10 }, (__, number) => ({
        ...{
          name: `global.case_${number}_of_${index}`,
          verdict: isBad && number === 3 ? ('fail' as const) : ('pass' as const),
        },
        detail: isBad && number === 3 ? `t${index}.c:${number}:Expected 0 (0) == x (${index})` : '',
      })),
    });
  });
  const failed = tests.filter(({ verdict }) => verdict === 'fail');
  const files = Object.assign({}, ...failed.map((test) => logsOf(test, [], 'not ok 4\n')));
  return { results: exampleResults(tests, { exit_code: 1 }), files };
}

/** Text that becomes markup, a script, an address or a terminal's command where it is not taken for text. */
export const hostileText = [
  '</script><script>document.title="owned"</script>',
  '<img src=x onerror=\'document.title="owned"\'>',
  'javascript:document.title="owned"',
  '"><svg/onload=document.title="owned">',
  '&lt;b&gt; $(owned) {{constructor}}',
  '\u202e\u200b\x1b]0;owned\x07\x00\ufeff',
].join(' ');

/** A run in which every text of a guest is hostile. */
export function hostileRun(): ExampleRun {
  const { results, files } = exampleRun();
  const text = (json: unknown): unknown => {
    if (Array.isArray(json)) return json.map(text);
    if (json === null || typeof json !== 'object') return json;
    return Object.fromEntries(
      Object.entries(json).map(([key, value]) => [
        key,
        isGuests(key, value) ? `${value} ${hostileText}` : text(value),
      ]),
    );
  };
  const hostile = text(results) as Results;
  for (const test of hostile.tests) {
    test.problems.push(hostileText);
    test.artifacts.push(
      `javascript:document.title="owned"`,
      '../../../etc/passwd',
      `a/artifacts/${hostileText}`,
    );
    for (const splat of test.splats) splat.lines.push(hostileText);
  }
  const logs = Object.fromEntries(
    Object.entries(files).map(([path, log]) => [path, `${log}${hostileText}\n`]),
  );
  return { results: hostile, files: logs };
}

function isGuests(key: string, value: unknown): boolean {
  const keys = [
    'suite',
    'test',
    'name',
    'detail',
    'title',
    'task',
    'function',
    'reason',
    'subject',
    'message',
    'reproduce',
  ];
  return typeof value === 'string' && value !== 'tcg' && keys.includes(key);
}
