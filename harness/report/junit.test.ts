// SPDX-License-Identifier: MIT
import test, { type ExecutionContext } from 'ava';
import { exampleJob, exampleResults, exampleTime } from '../testing/example.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { renderJunit } from './junit.ts';

const nastyText =
  'a\0b\x1b[31mred\x1b[0m <b> & "q" \'s\' ]]> \x08\x7f\x85 \ud800 \uffff <![CDATA[ <!-- -- é 🙂\nnext\tcell';

test('a case that passes is a testcase and nothing else', (t) => {
  const xml = renderJunit(exampleResults());
  wellFormed(t, xml);
  t.regex(xml, /<testsuites name="kiln" tests="1" failures="0" errors="0" skipped="0" time="12\.345">/);
  t.regex(xml, /<testcase classname="demo\.first" name="global\.works"\/>/);
});

test('each verdict of a case', (t) => {
  const cases = (['pass', 'fail', 'skip', 'xfail', 'timeout'] as const).map((verdict) => ({
    name: `c-${verdict}`,
    verdict,
    detail: `why ${verdict}\nmore`,
  }));
  const xml = renderJunit(exampleResults([{ verdict: 'fail', cases }]));
  wellFormed(t, xml);
  t.regex(xml, /tests="5" failures="2" errors="0" skipped="1"/);
  t.regex(xml, /name="c-fail">\s*<failure message="why fail" type="fail">why fail\nmore<\/failure>/);
  t.regex(xml, /name="c-timeout">\s*<failure message="why timeout" type="timeout">/);
  t.regex(xml, /name="c-skip">\s*<skipped message="why skip"\/>/);
  t.regex(xml, /name="c-xfail">\s*<system-out>expected failure: why xfail\nmore<\/system-out>/);
});

test('a test whose cases do not explain its verdict has a testcase of its own', (t) => {
  const splats = [
    {
      title: 'KASAN: uaf in f',
      kind: 'kasan' as const,
      phase: 'test' as const,
      task: 'x',
      torn: false,
      lines: ['BUG: …'],
    },
  ];
  const xml = renderJunit(exampleResults([{ verdict: 'crash', detail: 'the kernel panicked', splats }]));
  wellFormed(t, xml);
  t.regex(xml, /tests="2" failures="1"/);
  t.regex(
    xml,
    /classname="demo" name="first" time="0\.250">\s*<failure message="the kernel panicked" type="crash">/,
  );
  t.regex(xml, /test: KASAN: uaf in f\n {2}BUG: …/);
});

test('a test that fails although all its cases pass has a testcase of its own, too', (t) => {
  const problems = ['3 results planned, 1 seen'];
  const xml = renderJunit(exampleResults([{ verdict: 'fail', detail: 'output incomplete', problems }]));
  t.regex(xml, /<failure message="output incomplete" type="fail">.*problem: 3 results planned, 1 seen/s);
});

test('no two testcases have one name', (t) => {
  const one = (name: string) => ({ name, verdict: 'pass' as const, detail: '' });
  const results = exampleResults([
    // Control characters are not shown, and an empty name gets one.
    { suite: 'a', test: 'b.c', cases: [one('opens'), one('opens\x01'), one(''), one('unnamed')] },
    { suite: 'a.b', test: 'c', cases: [one('opens')] },
    { suite: 'a', test: 'b.c', job: 'other', cases: [one('opens')] },
  ]);
  results.jobs.push({ ...exampleJob(), id: 'other' });
  const names = [...renderJunit(results).matchAll(/<testcase (classname=".*?" name=".*?")/g)].map(
    ([, name]) => name,
  );
  t.is(names.length, 6);
  t.deepEqual([...new Set(names)], names);
  t.true(names.includes('classname="other.a.b.c" name="opens"'));
});

test('a test without cases is shown', (t) => {
  for (const verdict of ['pass', 'skip', 'timeout', 'xfail'] as const) {
    t.regex(
      renderJunit(exampleResults([{ verdict, cases: [] }])),
      /<testcase classname="demo" name="first" time/,
    );
  }
});

test('an infrastructure error is an error, never a failure', (t) => {
  const xml = renderJunit(
    exampleResults([{ verdict: 'error', detail: 'QEMU is missing', cases: [], guest: null }], {
      jobs: [exampleJob({ error: { code: 'conflict', message: '0001-x.patch does not apply' } })],
      errors: [{ code: 'disk-full', message: 'no space left' }],
    }),
  );
  wellFormed(t, xml);
  t.regex(xml, /failures="0" errors="3"/);
  t.notRegex(xml, /<failure/);
  t.regex(xml, /<error message="QEMU is missing" type="error">/);
  t.regex(xml, /name="conflict">\s*<error message="0001-x\.patch does not apply" type="conflict">/);
  t.regex(xml, /name="disk-full">\s*<error message="no space left" type="disk-full">/);
});

test('suites that were left out are skipped', (t) => {
  const jobs = [exampleJob({ left_out: [{ suite: 'kvm', reason: 'CONFIG_KVM is not set' }] })];
  const xml = renderJunit(exampleResults([{}], { jobs }));
  wellFormed(t, xml);
  t.regex(xml, /classname="kvm" name="left out">\s*<skipped message="CONFIG_KVM is not set"\/>/);
});

test('a guest that hung differs from a test that timed out, and slow tests are named', (t) => {
  const xml = renderJunit(
    exampleResults([
      { test: 'late', verdict: 'timeout', tempo: 'timed-out', detail: 'not done within 60 s' },
      { test: 'mute', verdict: 'timeout', tempo: 'hung', detail: 'the guest hung' },
      { test: 'slow', tempo: 'slow', time: exampleTime },
    ]),
  );
  wellFormed(t, xml);
  t.regex(xml, /name="late".*>\n.*<failure message="not done within 60 s" type="timeout">/);
  t.regex(xml, /name="mute".*>\n.*<failure message="the guest hung" type="hung">/);
  t.true(xml.includes('<system-out>slow: slow: its limit is 60 s</system-out>'));
});

test('with several jobs a suite has its job’s id', (t) => {
  const jobs = [exampleJob(), exampleJob({ id: 'job-2' })];
  const xml = renderJunit(exampleResults([{}, { job: 'job-2' }], { jobs }));
  t.regex(xml, /<testsuite name="job-1: demo"/);
  t.regex(xml, /<testsuite name="job-2: demo"/);
});

test('whatever a guest printed, the XML is well-formed', (t) => {
  const cases = [
    { name: nastyText, verdict: 'fail' as const, detail: nastyText },
    { name: '', verdict: 'skip' as const, detail: nastyText },
    { name: 'x', verdict: 'xfail' as const, detail: ']]>' },
  ];
  const xml = renderJunit(
    exampleResults([
      {
        suite: nastyText,
        test: nastyText,
        verdict: 'crash',
        detail: nastyText,
        problems: [nastyText],
        cases,
      },
    ]),
  );
  wellFormed(t, xml);
  t.true(xml.includes(']]&gt;'));
  t.true(xml.includes('é 🙂'));
  t.regex(xml, /name="abred &lt;b&gt; &amp; &quot;q&quot;/);
  t.regex(xml, /&#10;next&#9;cell/);
});

test('of kiln ci, each patch is a testsuite of its checks', (t) => {
  const xml = renderJunit(exampleCi());
  wellFormed(t, xml);
  t.regex(
    xml,
    /<testsuite name="patch 3\/3: demo: count the users" tests="8" failures="1" errors="0" skipped="0"/,
  );
  t.regex(xml, /<testcase classname="patch 1\/3" name="apply"\/>/);
  t.regex(
    xml,
    /<testcase classname="patch 3\/3" name="tests">\s*<failure message="2 new failures" type="fail">/,
  );
  t.regex(
    xml,
    /classname="patch 2\/3" name="tags">\s*<skipped message="Fixes: is not checked without --repo"\/>/,
  );
  t.regex(xml, /name="warnings">\s*<system-out>warning: 2 new warnings\ndrivers\/demo\/core\.c:33:6: /);
});

test('of kiln ci, a failure that is not new is skipped, and the base counts for nothing', (t) => {
  const xml = renderJunit(exampleCi());
  t.notRegex(xml, /classname="base\./);
  t.regex(xml, /name="global.close_twice">\s*<failure message="new: 8 of 8 patched, 0 of 8 base, wrong/);
  t.regex(xml, /name="global.sleeps">\s*<skipped message="flaky: 3 of 20 patched, 4 of 20 base"\/>/);
  t.regex(xml, /name="global.old">\s*<skipped message="failing before: 8 of 8 patched, 8 of 8 base"\/>/);
  const failures = xml.match(/<failure/g);
  t.is(failures?.length, 3);
});

test('of kiln ci, a change that no test shows has a testcase; so a new splat beside a failed case', (t) => {
  const xml = renderJunit(exampleCi());
  const [suite] = /<testsuite name="changes".*?<\/testsuite>/s.exec(xml) ?? [''];
  t.regex(suite, /tests="2" failures="1" errors="0" skipped="1"/);
  t.regex(suite, /name="demo\/races: WARNING in demo_put">\s*<failure message="new: /);
  t.regex(suite, /name="demo\/rare">\s*<skipped message="undecided after 60: /);
});

test('of kiln ci, a test that fails without a change stays a failure', (t) => {
  t.is(renderJunit(exampleCi({ changes: [] })).match(/<failure/g)?.length, 4);
});

/** A strict reader of the part of XML 1.0 that is used here. */
function wellFormed(t: ExecutionContext, xml: string): void {
  t.true(xml.isWellFormed());
  t.notRegex(xml, /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
  const open: string[] = [];
  const token = /<\?xml[^?]*\?>|<(\/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(\/?)>|[^<]+/gy;
  let end = 0;
  for (const match of xml.matchAll(token)) {
    end += match[0].length;
    const [whole, closing, name, , empty] = match;
    t.notRegex(whole, /&(?!(?:amp|lt|gt|quot|#10|#9);)|\]\]>/);
    if (name !== undefined && closing === '/') {
      t.is(open.pop(), name);
    } else if (name !== undefined && empty === '') {
      open.push(name);
    }
  }
  t.is(end, xml.length, `not XML: ${xml.slice(end, end + 80)}`);
  t.deepEqual(open, []);
}
