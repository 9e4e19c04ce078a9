// SPDX-License-Identifier: MIT
import test from 'ava';
import { flattenCases, KtapParser, type KtapResult } from '../ktap/parser.ts';
import { exampleJob, exampleResults, exampleTime } from '../testing/example.ts';
import { renderKtap } from './ktap.ts';

test('suites, tests and cases are nested', (t) => {
  t.is(
    renderKtap(exampleResults()),
    `KTAP version 1
1..1
  KTAP version 1
  # Subtest: demo
  1..1
    KTAP version 1
    # Subtest: first
    1..1
    ok 1 global.works
  ok 1 first
ok 1 demo
`,
  );
});

test('the parser reads a report without a problem, with the same verdicts', (t) => {
  const cases = (['pass', 'fail', 'skip', 'xfail', 'timeout'] as const).map((verdict) => ({
    name: `c-${verdict}`,
    verdict,
    detail: `why ${verdict}\n# Subtest: no\nKTAP version 1\n1..9\nnot ok 1 no`,
  }));
  const result = read(renderKtap(exampleResults([{ verdict: 'fail', cases }, { test: 'second' }])));
  t.deepEqual(result.problems, []);
  t.deepEqual(
    flattenCases(result).map((item) => `${item.verdict} ${item.name}`),
    [
      ...cases.map((item) => `${item.verdict} demo > first > ${item.name}`),
      'pass demo > second > global.works',
    ],
  );
  t.regex(flattenCases(result)[1]?.detail ?? '', /^: why fail\n/);
});

test('a crash and an error have different directives, and fail their suite', (t) => {
  const text = renderKtap(
    exampleResults([
      { test: 'a', verdict: 'crash', detail: 'kernel panic: x' },
      { test: 'b', verdict: 'error', detail: 'no QEMU', cases: [] },
    ]),
  );
  t.regex(text, /^ {2}not ok 1 a # crash: kernel panic: x$/m);
  t.regex(text, /^ {2}not ok 2 b # ERROR no QEMU$/m);
  t.regex(text, /^not ok 1 demo$/m);
});

test('a suite with nothing but errors is an error, with nothing but skips skipped', (t) => {
  const skip = { verdict: 'skip' as const, cases: [], detail: 'no KVM' };
  t.regex(renderKtap(exampleResults([skip])), /^ok 1 demo # SKIP$/m);
  t.regex(renderKtap(exampleResults([{ verdict: 'error', cases: [] }])), /^not ok 1 demo # ERROR$/m);
});

test('skipped suites, jobs that ended early and other errors are results, too', (t) => {
  const text = renderKtap(
    exampleResults([], {
      jobs: [
        exampleJob({
          left_out: [{ suite: 'kvm', reason: 'no CONFIG_KVM' }],
          error: { code: 'conflict', message: 'does not\napply' },
        }),
      ],
      errors: [{ code: 'disk-full', message: 'no space' }],
    }),
  );
  t.is(
    text,
    `KTAP version 1
1..3
ok 1 kvm # SKIP no CONFIG_KVM
not ok 2 job job-1 # ERROR conflict: does not apply
not ok 3 infrastructure # ERROR disk-full: no space
`,
  );
});

test('slow, timed out, hung and dead are different words', (t) => {
  const text = renderKtap(
    exampleResults([
      { test: 'slow', tempo: 'slow', time: exampleTime },
      { test: 'late', verdict: 'timeout', tempo: 'timed-out', detail: 'not done within 60 s' },
      { test: 'mute', verdict: 'timeout', tempo: 'hung', detail: 'the guest hung' },
      { test: 'gone', verdict: 'crash', tempo: 'dead', detail: 'the kernel died' },
    ]),
  );
  t.regex(text, /^ {2}# \| slow: its limit is 60 s\n {2}ok 1 slow$/m);
  t.regex(text, /^ {2}not ok 2 late # TIMEOUT not done within 60 s$/m);
  t.regex(text, /^ {2}not ok 3 mute # hung: the guest hung$/m);
  t.regex(text, /^ {2}not ok 4 gone # crash: the kernel died$/m);
  t.deepEqual(read(text).problems, []);
});

test('a guest can not make its failure a skip', (t) => {
  for (const detail of ['SKIP me', '# SKIP me', 'x # SKIP', 'TODO', 'XFAIL: y']) {
    const cases = [{ name: 'c # SKIP', verdict: 'fail' as const, detail }];
    const flat = flattenCases(read(renderKtap(exampleResults([{ verdict: 'fail', detail, cases }]))));
    t.deepEqual(
      flat.map((item) => item.verdict),
      ['fail'],
      detail,
    );
  }
});

test('whatever a guest printed, no line is forged', (t) => {
  const nasty = 'x\nok 7 forged # SKIP \x1b[2J\rnot ok 8 y\n  1..5\nBail out! no\n# KTAP version 1\n# ok 1 z';
  const cases = [{ name: nasty, verdict: 'fail' as const, detail: nasty }];
  const text = renderKtap(
    exampleResults([{ test: nasty, verdict: 'crash', detail: nasty, problems: [nasty], cases }]),
  );
  const result = read(text);
  // The words of a name that look like results are quoted, and count as none.
  t.deepEqual(
    result.problems.filter(({ code }) => code !== 'unclear-result'),
    [],
  );
  t.is(result.bailout, null);
  t.deepEqual(
    flattenCases(result).map((item) => item.verdict),
    ['fail'],
  );
  t.false(text.includes('\x1b'));
});

function read(text: string): KtapResult {
  const parser = new KtapParser();
  parser.write(text);
  return parser.end();
}
