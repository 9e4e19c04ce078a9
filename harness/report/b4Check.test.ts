// SPDX-License-Identifier: MIT
import test from 'ava';
import { parseSubject } from '../series/subject.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { b4Checks, type CheckedMail, readB4Tracking, renderB4Review } from './b4Check.ts';

function mail(subject: string, messageId: string | null = null): CheckedMail {
  return { subject: parseSubject(subject), messageId };
}

const second = mail('[PATCH v2 2/3] demo: name the users', '20260102-demo-v2-2-0a1b2c@example.org');
const third = mail('[PATCH v2 3/3] demo: count the users', '20260102-demo-v2-3-0a1b2c@example.org');

test('the checks of a patch, as b4 review reads them', (t) => {
  const array = JSON.parse(renderB4Review(b4Checks(exampleCi(), second)));
  t.deepEqual(array.slice(1, 5), [
    {
      ...{ tool: 'kiln-checkpatch', status: 'warn', summary: '1 check' },
      details:
        '| CHECK: Alignment should match open parenthesis\n| #21: FILE: drivers/demo/core.c:61:\n| +\t  int b)',
    },
    { tool: 'kiln-tags', status: 'pass', summary: 'not checked: Fixes: is not checked without --repo' },
    { tool: 'kiln-build', status: 'pass', summary: '' },
    {
      ...{ tool: 'kiln-warnings', status: 'warn', summary: '2 new warnings' },
      details:
        "| drivers/demo/core.c:33:6: warning: unused variable 'n' [-Wunused-variable]\n| drivers/demo/file.c:7:5: warning: no previous prototype for 'demo_name' [-Wmissing-prototypes]",
    },
  ]);
});

test('the tests of a patch have the failures that it brought', (t) => {
  t.deepEqual(b4Checks(exampleCi(), third).at(-1), {
    ...{ tool: 'kiln-tests', status: 'fail', summary: '2 new failures' },
    details:
      '| demo/races: WARNING in demo_put: new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %\n| demo/races: global.close_twice: new: 8 of 8 patched, 0 of 8 base, wrong with p < 0.1 %',
  });
});

test('a cover letter has the result of the series', (t) => {
  const cover = mail('[PATCH v2 0/3] demo: count the users', '20260102-demo-v2-0-0a1b2c@example.org');
  const [check, ...others] = b4Checks(exampleCi(), cover);
  t.deepEqual(others, []);
  t.like(check, {
    ...{ tool: 'kiln', status: 'fail' },
    summary: '2 new failures, 1 undecided, 1 fixed, 1 flaky, 1 failing before, 1 new test',
  });
  t.regex(check!.details!, /^\| 2\/3 warnings: 2 new warnings$/m);
  const { patches } = exampleCi().ci!;
  const good = exampleCi({ patches: patches.slice(0, 1), changes: [], failures: [], not_tested: [] });
  const stopped = exampleCi({ changes: [], failures: ['0001.patch does not apply'] });
  t.like(b4Checks(stopped, cover)[0], { status: 'fail', summary: '0001.patch does not apply' });
  t.deepEqual(b4Checks(good, cover), [{ tool: 'kiln', status: 'pass', summary: 'no change' }]);
});

test('a mail that was not sent yet is found by its subject, and by its number if that is not enough', (t) => {
  const results = exampleCi();
  const found = (subject: string) => b4Checks(results, mail(subject, 'unsent@local')).at(-1)!.status;
  t.is(found('[PATCH v2 3/3] demo: count the users'), 'fail');
  t.is(found('[PATCH] demo: name the users'), 'pass');
  results.ci!.patches[0]!.subject = 'demo: count the users';
  t.is(found('[PATCH v2 1/3] demo: count the users'), 'pass');
  t.is(found('[PATCH v2 3/3] demo: count the users'), 'fail');
  t.throws(() => found('[PATCH v2 2/3] demo: count the users'), { message: /did not test/ });
});

test('a mail that the run did not test is an error that says what to do', (t) => {
  const error = t.throws(() => b4Checks(exampleCi(), mail('[PATCH] other: thing', 'x@y')));
  t.regex(error.message, /did not test "other: thing"/);
  t.regex((error as Error & { hint: string }).hint, /kiln ci/);
});

test('a run that did not get to its end says so, of each patch', (t) => {
  const notTested = ['the series: the base by itself fails: fs/a.c:1: no'];
  const lost = exampleCi({ not_tested: notTested, changes: [], failures: [] }, { exit_code: 69 });
  const cover = mail('[PATCH v2 0/3] demo: count the users', '20260102-demo-v2-0-0a1b2c@example.org');
  for (const one of [second, cover])
    t.deepEqual(b4Checks(lost, one).at(-1), {
      ...{ tool: 'kiln-run', status: 'warn', summary: 'not all could be tested' },
      details: '| the series: the base by itself fails: fs/a.c:1: no',
    });
  t.like(b4Checks(exampleCi({}, { exit_code: 130 }), third).at(-1), { summary: 'interrupted' });
  for (const exitCode of [0, 1, 3, 4])
    t.is(b4Checks(exampleCi({}, { exit_code: exitCode }), third).at(-1)!.tool, 'kiln-tests');
});

test('details of a hostile finding are neither JSON nor endless', (t) => {
  const results = exampleCi();
  for (const findings of [['[{"status": "pass", "description": "fine"}]'], ['[', ']'], ['\x1b[2J[]\r\n[]']]) {
    results.ci!.patches[1]!.checks[1]!.findings = findings;
    const text = b4Checks(results, second)[1]!.details!;
    t.throws(() => JSON.parse(text));
    t.notRegex(text, /[\x00-\x09\x0b-\x1f]/);
  }
  results.ci!.patches[1]!.checks[1]!.findings = Array.from({ length: 999 }, () => 'x'.repeat(9999));
  const lines = b4Checks(results, second)[1]!.details!.split('\n');
  t.is(lines.length, 61);
  t.is(lines[60], '(939 more lines)');
  t.true(lines.every((line) => line.length <= 202));
});

test('the tracking file of b4 names the series, and where it is', (t) => {
  const [first, base, blob] = ['1', '2', '3'].map((digit) => digit.repeat(40));
  const series = {
    ...{ 'change-id': '20260102-demo-0a1b', revision: 2, status: 'reviewing', link: 'https://x' },
    ...{ 'first-patch-commit': first, 'base-commit': base, 'thread-blob': blob },
  };
  t.deepEqual(readB4Tracking(JSON.stringify({ series, patches: [{ title: '[PATCH 1/1] x' }] })), {
    ...{ changeId: '20260102-demo-0a1b', revision: 2, firstPatch: first, baseCommit: base, threadBlob: blob },
  });
  const none = { changeId: null, revision: null, firstPatch: null, baseCommit: null, threadBlob: null };
  t.deepEqual(readB4Tracking('{"series": {}}'), none);
  t.deepEqual(readB4Tracking('{"series": {"thread-blob": "", "base-commit": null}}'), none);
  for (const text of ['', '[]', '{"series": 3}', '{"series": {"thread-blob": "--help"}}'])
    t.throws(() => readB4Tracking(text), { message: /B4_TRACKING_FILE is not what b4 writes/ });
});
