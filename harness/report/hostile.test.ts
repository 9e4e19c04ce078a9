// SPDX-License-Identifier: MIT
// Renders a run whose strings are all hostile: no report contains terminal escapes or markup from them.
import test from 'ava';
import { countVerdicts, type Repeat, type Results } from '../schema.ts';
import { parseSubject } from '../series/subject.ts';
import { exampleJob, exampleResults, exampleTest } from '../testing/example.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { b4Checks, renderB4Review } from './b4Check.ts';
import { renderGithub } from './github.ts';
import { renderGithubSummary } from './githubSummary.ts';
import { renderJson, toJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { kcidbReport } from './kcidb.ts';
import { renderKtap } from './ktap.ts';
import { renderMail } from './mail.ts';
import { patchworkChecks } from './patchwork.ts';
import { noteLine, summaryLines, testLine } from './text.ts';

const escapes = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\r\u0000';
const evil = `${escapes}<script>alert(1)</script>]]>\nok 1 forged\n# SKIP`;
/** What decides and is not shown. */
const ours = new Set('verdict kind phase by origin stopped started code status how job base_job'.split(' '));

function hostile<T>(value: T, key = '', what = evil): T {
  if (typeof value === 'string') return (ours.has(key) ? value : `${value}${what}`) as T;
  if (Array.isArray(value)) return value.map((one) => hostile(one, key, what)) as T;
  if (typeof value !== 'object' || value === null) return value;
  // A check's name is one of a few, too.
  const own = (name: string) => (name === 'name' && 'findings' in value ? 'kind' : name);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, hostile(inner, own(name), what)]),
  ) as T;
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

const tested = hostile(exampleCi());
for (const job of tested.jobs) job.id = job.id.replace(evil, '');

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

const ciReports: Record<string, (results: Results) => string> = {
  ...reports,
  mail: renderMail,
  github: renderGithub,
  githubSummary: renderGithubSummary,
  patchwork: (results) => toJson(patchworkChecks(results)),
  kcidb: (results) => toJson(kcidbReport(results)),
  b4: (results) => {
    const subject = parseSubject(results.ci!.patches[1]!.subject);
    return renderB4Review(b4Checks(results, { subject, messageId: results.ci!.patches[1]!.message_id }));
  },
};

for (const [name, render] of Object.entries(ciReports))
  test(`${name} of kiln ci: a terminal is not touched`, (t) => {
    const text = render(tested);
    t.notRegex(text, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
    t.true(text.length > 50);
  });

test('a mail has nothing that mail tools take for a trailer, a patch, or a signature', (t) => {
  const claims = [
    'Acked-by: Linus <a@b.c>',
    'diff --git a/x b/x',
    '--- a/x\n+++ b/x',
    '-- \nend',
    'From a Mon Sep 17',
  ];
  for (const claim of claims) {
    const mail = renderMail(hostile(exampleCi(), '', `\n${claim}\n word `.repeat(9)));
    const body = mail.slice(mail.indexOf('\n\n') + 1);
    // As b4 finds them.
    t.notRegex(body, /^\s*\w\S+:\s+\S/m);
    t.notRegex(body, /^(?:---|\+\+\+|diff|From )/m);
    t.is(body.split('\n-- \n').length, 2);
    t.regex(mail.slice(0, -body.length), /^(?:(?:Subject|To|In-Reply-To|References): .*\n)+$/);
    t.notRegex(mail, /[^\n\x20-\x7e]/);
  }
});

test('JUnit of kiln ci has no markup of a guest', (t) => t.notRegex(renderJunit(tested), /<script/));

test('JUnit has no markup of a guest, KTAP no result of a guest', (t) => {
  t.notRegex(renderJunit(run), /<script/);
  t.notRegex(renderKtap(run), /^ *(not )?ok 1 forged/m);
  t.notRegex(renderKtap(run), /^ *not ok .*# SKIP/m);
});

test('JSON is parsed to the same value', (t) => t.deepEqual(JSON.parse(renderJson(run)), run));
