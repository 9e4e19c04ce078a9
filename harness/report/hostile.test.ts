// SPDX-License-Identifier: MIT
// Renders a run whose strings are all hostile: no report contains terminal escapes or markup from them.
import test from 'ava';
import { countVerdicts, type Repeat, type Results } from '../schema.ts';
import { exampleJob, exampleResults, exampleTest } from '../testing/example.ts';
import { renderJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { renderKtap } from './ktap.ts';
import { noteLine, summaryLines, testLine } from './text.ts';

const escapes = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\r\u0000';
const evil = `${escapes}<script>alert(1)</script>]]>\nok 1 forged\n# SKIP`;
/** What decides and is not shown. */
const ours = new Set(['verdict', 'kind', 'phase', 'by', 'origin', 'stopped', 'started', 'code']);

function hostile<T>(value: T, key = ''): T {
  if (typeof value === 'string') return (ours.has(key) ? value : `${value}${evil}`) as T;
  if (Array.isArray(value)) return value.map((one) => hostile(one, key)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, hostile(inner, name)])) as T;
}

const splat = {
  ...{ title: 'WARNING in f', kind: 'warning' as const, phase: 'test' as const, task: 'x', torn: false },
  ...{ lines: ['line'], panic: 'why' },
};
const generation = {
  ...{ generation: 0, release: '6.12', by: 'boot' as const, verdict: 'fail' as const, detail: 'd' },
  ...{ blackout_ms: 1, boot_ms: 1, duration_ms: 1, console: 'c', kmsg: 'k', output: 'o' },
};
const failed = exampleTest({
  ...{ verdict: 'fail', detail: 'it failed', splats: [splat], problems: ['odd'], artifacts: ['file'] },
  ...{ cases: [{ name: 'a case', verdict: 'fail', detail: 'why' }], generations: [generation] },
});
const error = { code: 'infrastructure', message: 'm', hint: 'h', output: 'o', patch: 'p' };
const job = exampleJob({ error, left_out: [{ suite: 's', reason: 'r' }], notes: ['note'] });
const run = hostile(exampleResults([failed], { jobs: [job], errors: [{ code: 'e', message: 'm' }] }));
const repeat: Repeat = {
  ...{ test: 't', asked: 2, verdicts: { ...countVerdicts(['fail', 'pass']) }, failed: 1, of: 2 },
  ...{
    rate: { estimate: 0.5, low: 0.1, high: 0.9 },
    other_reasons: 1,
    stopped: 'failed',
    again: 'kiln repeat',
  },
  reasons: [{ verdict: 'fail', detail: 'd', count: 1, logs: 'guests/1' }],
  first_failure: { run: 1, verdict: 'fail', detail: 'd', logs: 'guests/2' },
};
const repeated = { ...run, repeat: hostile(repeat) };

const reports: Record<string, (results: Results) => string> = {
  text: (results) =>
    [...results.tests.map((test) => testLine(test)), ...summaryLines(results, 'runs/x')].join('\n'),
  junit: renderJunit,
  ktap: renderKtap,
  json: renderJson,
  note: () => noteLine({ level: 'warn', text: evil }),
};

for (const [name, render] of Object.entries(reports))
  for (const results of [run, repeated])
    test(`${name}${results === repeated ? ' of a repeat' : ''}: a terminal is not touched`, (t) => {
      t.notRegex(render(results), /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
    });

test('JUnit has no markup of a guest, KTAP no result of a guest', (t) => {
  t.notRegex(renderJunit(run), /<script/);
  t.notRegex(renderKtap(run), /^ *(not )?ok 1 forged/m);
  t.notRegex(renderKtap(run), /^ *not ok .*# SKIP/m);
});

test('JSON is parsed to the same value', (t) => t.deepEqual(JSON.parse(renderJson(run)), run));
