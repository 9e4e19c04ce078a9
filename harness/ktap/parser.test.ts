// SPDX-License-Identifier: MIT
import test from 'ava';
import { goldens, matchesGolden } from '../testing/golden.ts';
import { processorTime } from '../testing/processorTime.ts';
import { flattenCases, isFatal, type KtapLimits, KtapParser, type KtapResult } from './parser.ts';

for (const { name, input } of goldens('ktap', '.ktap')) {
  test(`golden ${name}`, (t) => {
    const result = parse(input);
    matchesGolden(t, 'ktap', name, {
      ...result,
      flat: flattenCases(result).map((item) => `${item.verdict} ${item.name}`),
      fatal: result.problems.some(isFatal),
    });
  });

  test(`golden ${name}, byte by byte`, (t) => {
    const parser = new KtapParser();
    for (const byte of input) {
      parser.write(Uint8Array.of(byte));
    }
    t.deepEqual(parser.end(), parse(input));
  });
}

test('there are golden inputs', (t) => {
  t.true(goldens('ktap', '.ktap').length >= 30);
});

/** What golden inputs come to: their cases, in short, and whether their problems fail a test. */
const outcomes: Record<string, { flat: string[]; fatal?: true }> = {
  'glued-text-not-ok': { flat: ['pass opens', 'fail size is right'] },
  'glued-text-planned': { flat: ['pass opens', 'pass size is right'] },
  'glued-comment': { flat: ['pass opens', 'fail size is right', 'pass closes'] },
  'glued-to-result': { flat: ['pass opens', 'fail size is right', 'skip no device', 'pass closes'] },
  'glued-three-in-a-line': { flat: ['pass a', 'pass b', 'fail c'] },
  'glued-number-twice': { flat: ['pass a', 'pass b'], fatal: true },
  'glued-colon': { flat: ['pass a', 'fail b'] },
  'glued-quoted': { flat: ['pass a', 'pass b'] },
  'glued-nested': { flat: ['pass outer > inner a', 'fail outer > inner b', 'pass outer', 'skip after'] },
  'glued-in-runner': {
    flat: [
      'pass selftests: demo: size > opens',
      'fail selftests: demo: size > size is right',
      'pass selftests: demo: size',
    ],
  },
  'glued-bail-out': { flat: ['pass opens'], fatal: true },
  'glued-prose': { flat: ['pass a', 'pass b', 'pass c'] },
  'glued-no-ktap': { flat: ['pass first', 'fail second'] },
  'glued-without-numbers': { flat: ['pass opens', 'fail size is right'] },
  'glued-behind-long-line': { flat: ['pass a', 'fail b', 'fail c'] },
  'glued-line-of-results': {
    flat: Array.from({ length: 40 }, (_, i) => `${i === 29 ? 'fail' : 'pass'} c${i + 1}`),
  },
  'glued-parent': {
    flat: ['pass first > opens', 'pass second > opens', 'fail second > reads', 'pass third > closes'],
  },
  'glued-parent-own': { flat: ['fail first > opens', 'pass second > opens'] },
  'loose-failures': {
    flat: ['pass opens', 'fail reads', 'pass writes', 'fail closes', 'fail syncs', 'fail maps'],
  },
  'loose-no-space': { flat: ['pass opens', 'fail reads', 'fail writes'] },
  'directives-in-prose': { flat: ['pass opens', 'pass waits', 'fail reads', 'skip maps', 'skip ends'] },
  'totals-lie': { flat: ['pass outer > inner'], fatal: true },
  'totals-error-glued': { flat: ['pass opens', 'skip reads'], fatal: true },
  'totals-innocent': { flat: ['pass opens', 'xfail reads', 'pass writes', 'pass ends'] },
  colour: { flat: ['pass a', 'fail b', 'skip c', 'pass d'] },
  'carriage-returns': { flat: ['pass a', 'fail b', 'pass c'] },
  'kunit-no-parameters': { flat: ['skip widget > params'] },
  'nested-without-numbers': { flat: ['fail outer > inner', 'pass outer'] },
  'nested-in-runner-no-header': {
    flat: [
      'pass selftests: net: a > a',
      'fail selftests: net: a > b',
      'pass selftests: net: a',
      'pass selftests: net: b',
    ],
  },
  'names-twice': {
    flat: ['pass opens', 'fail opens (2)', 'pass opens (2) (2)', 'pass case 4', 'pass case 4 (2)'],
  },
};

for (const { name, input } of goldens('ktap', '.ktap').filter((one) => one.name in outcomes)) {
  test(`results of ${name}`, (t) => {
    const result = parse(input);
    const { flat, fatal = false } = outcomes[name]!;
    t.deepEqual(
      flattenCases(result).map((item) => `${item.verdict} ${item.name}`),
      flat,
    );
    t.is(result.problems.some(isFatal) || result.bailout !== null, fatal);
  });
}

for (const [what, text, message] of [
  [
    'an indented failure without a number',
    'ok 1 a\n    not ok b\nok 2 c\n',
    /^line 2 looks like a failed result/,
  ],
  [
    'a failure behind text of a program that the runner announced',
    '1..1\n# selftests: net: a\n# text not ok 1 b\nok 1 selftests: net: a\n',
    /^line 3 looks like a failed result/,
  ],
  ['a failure behind a result without a number', 'ok anot ok b\n', /^line 1 may hold another, failed result/],
  ['a failure without a number behind a result', 'ok 1 anot ok - b\n', /^line 1 may hold another, failed/],
  [
    'a failure without a number in the name of a result',
    'ok then, not ok - b\n',
    /^line 1 may hold another, failed/,
  ],
  ['a failure in the name of a result without a number', 'ok then, not ok 1 b\n', /^line 1 may hold another/],
  [
    'a comment with the failure that is due',
    'ok 1 a\n# not ok 2 b\n',
    /^line 2 may hold a result: "# not ok 2 b"/,
  ],
  ['a `not` that other bytes cut off', 'ok 1 a\nnot\0ok 2 b\n', /^line 2 may hold a result: "not/],
  [
    'a failure in the middle of a line that is cut',
    `ok 1 a\n${'x'.repeat(50_000)}not ok 2 b${'y'.repeat(50_000)}\n`,
    /^line 2 was cut, and what was dropped of it holds "not ok"$/,
  ],
  [
    'a plan behind other text',
    'text1..3\nok 1 a\nok 2 b\n',
    /^line 1 may hold the plan, and 2 results came: "text1/,
  ],
  ['a plan without its line end', '1..3ok 1 a\nok 2 b\n', /^line 1 may hold the plan, and 2 results came/],
] as const)
  test(`a test that passes tells of ${what}`, (t) => {
    const { problems } = parse(text);
    t.false(problems.some(isFatal));
    t.regex(problems.find(({ code }) => code === 'unclear-result')?.message ?? '', message);
  });

test('results without numbers behind other text: the message quotes a line if too few came', (t) => {
  const [problem] = parse('TAP version 13\n1..3\nok - a\nsize ... ok - b\nwidth ... ok - c\n').problems;
  t.is(problem?.code, 'plan-mismatch');
  t.is(problem?.message, '3 results planned, 1 seen; line 4 may hold one: "size ... ok - b"');
  t.is(
    parse('TAP version 13\nsize ... ok - a\n').problems[1]?.message,
    'no result line; line 2 may hold one: "size ... ok - a"',
  );
  t.deepEqual(parse('TAP version 13\n1..1\nall is ok - so far\nok - a\n').problems, []);
});

test('the end of a word is no result, nor is one that the plan has no place for', (t) => {
  for (const text of [
    'ok 1 a\nit took 2 ms\n',
    'ok 1 a\nstate_ok 2 times\n',
    'ok 1 a\nthe nook 2 is empty\n',
    '1..1\nok 1 a\nthe disk is ok 2 days later\n',
  ])
    t.deepEqual(
      parse(text).cases.map(({ name }) => name),
      ['a'],
      text,
    );
});

test('a program may bail out behind the name of a result', (t) => {
  t.is(parse('1..2\nok 1 opensBail out! no disk\n').bailout, 'no disk');
  t.is(parse('1..1\nok 1 says "Bail out!" to its child\n').bailout, null);
  t.is(parse('1..1\nthe child says "Bail out!" now\nok 1 a\n').bailout, null);
});

test('a failure behind white space of any kind is one', (t) => {
  for (const space of ['\f', '\v', '\u00a0', '\0', ' \f'])
    t.is(parse(`ok 1 a\n${space}not ok 2 b\n`).cases[1]?.verdict, 'fail', JSON.stringify(space));
});

for (const text of [
  `ok 1 a\n${'x'.repeat(50_000)}not ok 2 b\n`,
  'ok 1 it says "not ok"\n',
  'ok 1 a\n# not ok 2 b\nok 2 b\n',
  'ok 1 a\n# not ok 7 b\n',
  'ok 1 a\n# ok 2 b\n',
  '1..1\nok 1 a\n# not ok 2 b\n',
  '1..1\nfrom 1..3\nok 1 a\n',
  'pages 1..2\nok 1 a\nok 2 b\n',
  'version 1.1..3\nok 1 a\n',
  '1..1\n# selftests: net: a\n# text ok 1 b\nok 1 selftests: net: a\n',
])
  test(`nothing is unclear in ${JSON.stringify(text)}`, (t) => {
    t.false(codes(parse(text)).includes('unclear-result'));
  });

test('a long line is cut, noted once, and does not hide the next', (t) => {
  const long = `# ${'x'.repeat(100_000)}\n`;
  const result = parse(`KTAP version 1\n1..2\n${long}${long}ok 1 a\nok 2 ${'y'.repeat(100_000)}\n`);
  t.deepEqual(codes(result), ['line-cut']);
  t.deepEqual(
    result.cases.map((item) => item.verdict),
    ['pass', 'pass'],
  );
  t.true((result.cases[0]?.detail.length ?? 0) <= 8200);
  t.is(result.cases[1]?.name.length, 512);
});

test('too many cases are counted, not stored, and fail the test if one of them failed', (t) => {
  const lines = Array.from({ length: 12 }, (_, i) => `${i === 11 ? 'not ' : ''}ok ${i + 1} c${i + 1}`);
  const result = parse(`KTAP version 1\n1..12\n${lines.join('\n')}\n`, { cases: 10 });
  t.is(result.cases.length, 10);
  t.deepEqual(codes(result), ['unlisted-failures']);
  t.regex(result.problems[0]?.message ?? '', /2 more cases are not listed, 1 of them failed/);
});

test('nested cases count towards the limit', (t) => {
  const result = parse('KTAP version 1\n1..1\n  1..3\n  ok 1 a\n  ok 2 b\n  ok 3 c\nok 1 p\n', { cases: 2 });
  t.deepEqual(codes(result), ['too-many-cases']);
});

test('a case has the first and the last of many diagnostics', (t) => {
  const chatter = Array.from({ length: 1000 }, (_, i) => `# line ${i}`).join('\n');
  const detail =
    parse(`TAP version 13\n1..1\n${chatter}\nnot ok 1 a\n`, { detail: 200 }).cases[0]?.detail ?? '';
  t.true(detail.startsWith('line 0\nline 1\n'));
  t.true(detail.endsWith('line 998\nline 999'));
  t.regex(detail, /\n\[\d+ lines left out\]\n/);
  t.true(detail.length < 250);
});

test('all diagnostics together are bounded', (t) => {
  const one = '# 0123456789\nok 1 a\n';
  const result = parse(one.repeat(100), { details: 55 });
  t.is(result.cases.map((item) => item.detail).join('').length, 55);
});

test('a program that repeats its mistakes can not fill the memory with problems', (t) => {
  t.true(parse('ok 1 a\n'.repeat(5000)).problems.length < 10);
  t.true(parse('  # Subtest: s\n  ok 1 a\nok 1 p\n'.repeat(5000)).problems.length <= 1000);
  t.true(parse('  KTAP version 1\n  1..2\n  ok 1 a\nok 1 p\n'.repeat(5000)).problems.length <= 1000);
});

test('nesting is bounded', (t) => {
  const deep = Array.from(
    { length: 500 },
    (_, i) => `${'  '.repeat(i)}KTAP version 1\n${'  '.repeat(i)}1..1\n`,
  );
  t.notThrows(() => JSON.stringify(flattenCases(parse(deep.join('')))));
});

test('all results may stand behind other text, however many there are', (t) => {
  const lines = Array.from(
    { length: 3000 },
    (_, i) => `case ${i} ... ${i === 2500 ? 'not ' : ''}ok ${i + 1} c${i}`,
  );
  for (const head of ['', 'TAP version 13\n1..3000\n']) {
    const cases = flattenCases(parse(`${head}${lines.join('\n')}\n`));
    t.is(cases.length, 3000);
    t.deepEqual(
      cases.filter(({ verdict }) => verdict !== 'pass').map(({ name }) => name),
      ['c2500'],
    );
    t.is(cases.at(-1)?.name, 'c2999');
  }
});

test('text that is full of what looks like results is read in time', (t) => {
  const parser = new KtapParser();
  const chunk = `${'x ok 5 '.repeat(2000)}\n${'x not ok 5\ny ok 7\n'.repeat(1000)}`;
  const started = processorTime();
  parser.write('1..9\nok 1 a\n');
  for (let i = 0; i < 100; i++) parser.write(chunk);
  t.is(parser.end().lines, 200_102);
  t.true(processorTime() - started < 20_000);
});

test('a parent is listed if it disagrees with its children, else not', (t) => {
  const child = (verdict: string) => `  KTAP version 1\n  1..1\n  ${verdict}\n`;
  const flat = (text: string) => flattenCases(parse(text)).map((item) => `${item.verdict} ${item.name}`);
  t.deepEqual(flat(`${child('ok 1 c')}ok 1 p\n`), ['pass p > c']);
  t.deepEqual(flat(`${child('not ok 1 c')}not ok 1 p\n`), ['fail p > c']);
  t.deepEqual(flat(`${child('ok 1 c')}not ok 1 p\n`), ['pass p > c', 'fail p']);
  t.deepEqual(flat(`${child('not ok 1 c')}ok 1 p\n`), ['fail p > c', 'pass p']);
  t.deepEqual(flat(`${child('not ok 1 c')}not ok 1 p # XFAIL broken\n`), ['fail p > c']);
});

test('random bytes and random lines never throw, and lose no line', (t) => {
  const words = [
    'ok',
    'not ok',
    ' 1',
    ' 2 - x',
    '1..2',
    '# ',
    '  ',
    '\t',
    'KTAP version 1',
    '# Subtest: s',
    '\n',
    '\n',
    '#',
    '# SKIP',
    'Bail out!',
    '\r',
    '\0',
    'é',
  ];
  let state = 12345;
  const random = (n: number) => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * n);
  };
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: 200 }, () => words[random(words.length)]).join('');
    const result = parse(text);
    t.is(result.lines, text.split('\n').length - (text.endsWith('\n') ? 1 : 0));
    t.notThrows(() => flattenCases(result));
  }
});

test('throughput: a flood of results is read in time', (t) => {
  const parser = new KtapParser();
  const chunk = Buffer.from(
    '# some diagnostic text of an ordinary length\nok 1 name of a case # reason\n'.repeat(1000),
  );
  const started = processorTime();
  for (let i = 0; i < 100; i++) {
    parser.write(chunk);
  }
  t.is(parser.end().lines, 200_000);
  // Measured 0.4 s on one slow core; only a quadratic step would come near this.
  t.true(processorTime() - started < 20_000);
});

test('which problems fail a test', (t) => {
  const fatal = [
    'plan-mismatch',
    'totals-mismatch',
    'plan-twice',
    'duplicate-number',
    'unlisted-failures',
    'bad-nesting',
    'no-results',
  ] as const;
  const harmless = [
    'no-version',
    'no-plan',
    'out-of-order',
    'line-cut',
    'too-many-cases',
    'glued-result',
    'unclear-result',
  ] as const;
  t.true(fatal.every((code) => isFatal({ code })));
  t.false(harmless.some((code) => isFatal({ code })));
});

function parse(input: Uint8Array | string, limits?: KtapLimits): KtapResult {
  const parser = new KtapParser(limits);
  parser.write(input);
  return parser.end();
}

function codes(result: KtapResult): string[] {
  return result.problems.map((problem) => problem.code);
}
