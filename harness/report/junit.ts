// SPDX-License-Identifier: MIT
import type { Results, TestResult, Verdict } from '../schema.ts';
import { printable } from '../util/printable.ts';
import { uniqueNames } from '../util/unique.ts';
import { explain, explainedByCases, type Group, groupResults } from './groups.ts';
import { slowText } from './text.ts';

/**
 * JUnit XML, as Jenkins, GitLab and GitHub's reporters read it. A suite is a testsuite, a KTAP case is a
 * testcase. No two testcases have one name, because readers drop the second. A test has its own testcase if its cases do not explain its verdict. An infrastructure error is
 * `<error>`, never `<failure>`; so is a job that ended early, because none of its tests has failed.
 */
export function renderJunit(results: Results): string {
  const several = results.jobs.length > 1;
  const names = new Map<string, (name: string) => string>();
  const suites = groupResults(results).map(renderGroup);
  const sums = sumUp(suites.flatMap((suite) => suite.verdicts));
  const time = seconds(results.duration_ms);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'kiln', ...sums, time })}>`,
    ...suites.map((suite) => suite.xml),
    '</testsuites>',
    '',
  ].join('\n');

  function renderGroup(group: Group) {
    const cases = (group.type === 'suite' ? group.tests.flatMap(casesOf) : [caseOf(group)]).map(named);
    const verdicts = cases.map((item) => item.verdict);
    const duration =
      group.type === 'suite' ? group.tests.reduce((sum, test) => sum + test.duration_ms, 0) : 0;
    const about = {
      name: group.name,
      ...sumUp(verdicts),
      time: seconds(duration),
      timestamp: results.started,
    };
    const slow = group.type === 'suite' ? group.tests.flatMap(slowLine) : [];
    const xml = [
      `  <testsuite${attributes(about)}>`,
      ...cases.map(renderCase),
      ...(slow.length > 0 ? [`    <system-out>${text(slow.join('\n'))}</system-out>`] : []),
      '  </testsuite>',
    ];
    return { verdicts, xml: xml.join('\n') };
  }

  function casesOf(test: TestResult): Testcase[] {
    return testcases(test, several ? `${test.job}.${test.suite}` : test.suite);
  }

  /** As the XML shows it, which two names may have in common. */
  function named(one: Testcase): Testcase {
    const unique = names.get(one.classname) ?? uniqueNames();
    names.set(one.classname, unique);
    return { ...one, name: unique(printable(one.name)) };
  }
}

type Testcase = {
  classname: string;
  name: string;
  time?: string;
  verdict: Verdict;
  /** Its first line is the message. */
  why: string;
  body: string;
  /** Of a failure or an error, if not the verdict. */
  type?: string;
};

function testcases(test: TestResult, suite: string): Testcase[] {
  const cases = test.cases.map(({ name, verdict, detail }) => ({
    classname: `${suite}.${test.test}`,
    name: name || 'unnamed',
    verdict,
    why: detail,
    body: detail,
  }));
  if (explainedByCases(test)) {
    return cases;
  }
  const own: Testcase = {
    classname: suite,
    name: test.test,
    time: seconds(test.duration_ms),
    verdict: test.verdict,
    why: test.detail,
    body: explain(test),
    type: test.tempo === 'hung' ? 'hung' : test.verdict,
  };
  return [...cases, own];
}

function slowLine(test: TestResult): string[] {
  const slow = slowText(test);
  return slow ? [`${test.test}: ${slow}`] : [];
}

function caseOf(group: Exclude<Group, { type: 'suite' }>): Testcase {
  if (group.type === 'left-out') {
    const { name: classname, reason } = group;
    return { classname, name: 'left out', verdict: 'skip', why: reason, body: reason };
  }
  const { name: classname, code, message } = group;
  return { classname, name: code, verdict: 'error', why: message, body: message, type: code };
}

function renderCase({ classname, name, time, verdict, why, body, type }: Testcase): string {
  const message = why.split('\n')[0] || verdict;
  const inner = outcome(verdict, message, body, type ?? verdict);
  const open = `    <testcase${attributes({ classname, name, ...(time === undefined ? {} : { time }) })}`;
  return inner === null ? `${open}/>` : `${open}>\n      ${inner}\n    </testcase>`;
}

function outcome(verdict: Verdict, message: string, body: string, type: string): string | null {
  switch (verdict) {
    case 'pass':
      return null;
    case 'skip':
      return `<skipped${attributes({ message })}/>`;
    // JUnit has no expected failures. A `<failure>` would break the build.
    case 'xfail':
      return `<system-out>${text(`expected failure: ${body}`)}</system-out>`;
    case 'error':
      return `<error${attributes({ message, type })}>${text(body)}</error>`;
    default:
      return `<failure${attributes({ message, type })}>${text(body)}</failure>`;
  }
}

function sumUp(verdicts: readonly Verdict[]): Record<string, string> {
  const count = (...wanted: Verdict[]) =>
    String(verdicts.filter((verdict) => wanted.includes(verdict)).length);
  return {
    tests: String(verdicts.length),
    failures: count('fail', 'timeout', 'crash'),
    errors: count('error'),
    skipped: count('skip'),
  };
}

function attributes(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${attribute(value)}"`)
    .join('');
}

/** Escapes line ends and tabs, too: a parser would turn them into spaces. */
function attribute(value: string): string {
  return text(value).replace(/"/g, '&quot;').replace(/\n/g, '&#10;').replace(/\t/g, '&#9;');
}

/**
 * Removes control characters, which XML 1.0 can't represent even as escapes. Escapes `>` too, because text
 * must not contain `]]>`.
 */
function text(value: string): string {
  return printable(value)
    .replace(/[\ufffe\uffff]/g, '')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}
