// SPDX-License-Identifier: MIT
import test from 'ava';
import { countVerdicts, type Repeat } from '../schema.ts';
import { exampleResults, exampleTest, exampleTime } from '../testing/example.ts';
import { percent, repeatProgress, summaryLines, testLine } from './text.ts';

for (const [share, text] of [
  [0, '0'],
  [1, '100'],
  [0.5, '50'],
  [0.07, '7'],
  [0.015, '1.5'],
  [0.0019, '0.2'],
  [0.0004, '0.04'],
  [1.77e-7, '0.00002'],
  [0.9996, '99.96'],
  [1 / 3, '33.3'],
] as const)
  test(`${share} is ${text} %`, (t) => t.is(percent(share), text));

function repeat(more: Partial<Repeat> = {}): Repeat {
  return {
    test: 'demo/first',
    asked: 200,
    verdicts: { ...countVerdicts([]), pass: 197, fail: 2, crash: 1, total: 200 },
    failed: 3,
    of: 200,
    rate: { estimate: 0.015, low: 0.0051, high: 0.0432 },
    reasons: [
      { verdict: 'fail', detail: 'one case\x1b[31m', count: 2, logs: 'guests/7' },
      { verdict: 'crash', detail: 'the kernel died', count: 1, logs: 'guests/9' },
    ],
    other_reasons: 0,
    first_failure: { run: 7, verdict: 'fail', detail: 'one case', logs: 'guests/7' },
    stopped: null,
    again: 'kiln repeat demo/first',
    ...more,
  };
}

test('a repeat has the rate, its confidence, the reasons, the logs and a command line to repeat it', (t) => {
  const failed = { verdict: 'fail' as const, detail: 'one case' };
  const lines = summaryLines(exampleResults([failed], { repeat: repeat() }), 'runs/x');
  t.deepEqual(lines, [
    '',
    'The first failure:',
    'FAIL demo/first: one case',
    '  logs: runs/x/tests/demo/first/',
    '',
    'demo/first: 3 of 200 failed, 1.5 % (95 % confidence: 0.5 to 4.3 %)',
    '197 passed, 3 failed (0 timed out, 1 crashed) in 12 s',
    '     2 × FAIL: one case',
    '     1 × CRASH: the kernel died',
    '         logs: runs/x/guests/9/',
    'again: kiln repeat demo/first',
    'results: runs/x/results.json',
  ]);
});

test('a repeat that came to no result has no rate', (t) => {
  const verdicts = { ...countVerdicts([]), error: 10, total: 10 };
  const nothing = { failed: 0, of: 0, rate: null, reasons: [], first_failure: null };
  const told = (more: Partial<Repeat>) =>
    summaryLines(exampleResults([], { repeat: repeat({ ...nothing, ...more }) }), 'runs/x').join('\n');
  const errors = told({ verdicts, stopped: 'errors', other_reasons: 10 });
  t.regex(errors, /^demo\/first: no run passed or failed$/m);
  t.regex(errors, /^0 passed, 0 failed, 10 infrastructure errors in/m);
  t.regex(errors, /^stopped: too many infrastructure errors in a row$/m);
  t.notRegex(told({ verdicts: countVerdicts([]) }), /failed/);
});

test('progress has the number of errors only if there are any', (t) => {
  const verdicts = { ...countVerdicts([]), pass: 3, total: 3 };
  t.is(repeatProgress({ total: 9, failed: 0, verdicts }), '3 of 9 run, 0 failed');
  const more = { ...verdicts, error: 2, total: 5 };
  t.is(
    repeatProgress({ total: 9, failed: 0, verdicts: more }),
    '5 of 9 run, 0 failed, 2 infrastructure errors',
  );
});

test('slow, timed out, hung and crashed are different words', (t) => {
  const slow = exampleTest({ tempo: 'slow', time: exampleTime, duration_ms: 40_000 });
  t.is(testLine(slow), 'PASS    demo/first (1 case, 40 s, slow: its limit is 60 s)');
  const hung = exampleTest({ verdict: 'timeout', tempo: 'hung', detail: 'the guest hung' });
  t.is(testLine(hung), 'HUNG    demo/first (1 case, 0.3 s): the guest hung');
  const late = exampleTest({ verdict: 'timeout', tempo: 'timed-out', detail: 'not done within 60 s' });
  t.is(testLine(late), 'TIMEOUT demo/first (1 case, 0.3 s): not done within 60 s');
  const dead = exampleTest({ verdict: 'crash', tempo: 'dead', detail: 'the kernel died' });
  const lines = summaryLines(exampleResults([slow, hung, late, dead]), 'runs/x');
  t.true(lines.includes('HUNG demo/first: the guest hung'));
  t.true(
    lines.includes('1 passed, 3 failed (1 timed out, 1 hung, 1 crashed), 1 slow (4 cases) in 12 s'),
    lines.join('\n'),
  );
});

test('a failure shows where its splat was: innermost places, then those in lines of the series', (t) => {
  const place = (name: string, line: number, patch: string | null = null) => ({
    at: `${name}+0x1/0x2`,
    places: [{ function: name, file: 'lib/x.c', line, patch }],
  });
  const splat = {
    title: 'WARNING in inner',
    kind: 'warning' as const,
    phase: 'test' as const,
    task: null,
    torn: false,
    lines: ['WARNING: inner'],
    frames: [
      place('__warn', 9),
      {
        at: 'outer+0x1/0x2',
        places: [...place('inner', 1, '0002-x.patch').places, ...place('outer', 2).places],
      },
      ...[3, 4, 5].map((line) => place(`f${line}`, line)),
      place('late\x1b[31m', 6, '0001-x.patch'),
    ],
  };
  const told = (expected: boolean) =>
    summaryLines(
      exampleResults([{ verdict: 'fail', detail: 'so', splats: [{ ...splat, expected }] }]),
      'runs/x',
    );
  t.deepEqual(told(false).slice(1, 8), [
    'FAIL demo/first: so',
    '  WARNING: inner',
    '    at inner (lib/x.c:1, 0002-x.patch)',
    '    at outer (lib/x.c:2)',
    '    at f3 (lib/x.c:3)',
    '    at f4 (lib/x.c:4)',
    '    at late (lib/x.c:6, 0001-x.patch)',
  ]);
  t.notRegex(told(true).join('\n'), /inner/);
});
