// SPDX-License-Identifier: MIT
import type { Results, TestResult, Verdict } from '../schema.ts';
import { printable } from '../util/printable.ts';
import { uniqueNames } from '../util/unique.ts';
import { type Group, groupResults } from './groups.ts';
import { caseOf, junitSeconds, type Testcase, testcases } from './junitCase.ts';
import { ciSuites, ciTestcases, withoutBase } from './junitCi.ts';
import { slowText } from './text.ts';

/**
 * JUnit XML, as Jenkins, GitLab and GitHub's reporters read it. A suite is a testsuite, a KTAP case is a testcase. No
 * two testcases have one name, because readers drop the second. A test has its own testcase if its cases do not explain
 * its verdict. An infrastructure error is `<error>`, never `<failure>`; so is a job that ended early, because none of
 * its tests has failed. Of `kiln ci`, each patch is a testsuite of its checks, and a failure that is not new is skipped.
 */
export function renderJunit(results: Results): string {
  const { ci } = results;
  const several = results.jobs.length > 1;
  const names = new Map<string, (name: string) => string>();
  const suites = [
    ...(ci ? ciSuites(results, ci) : []).map((suite) => renderSuite({ ...suite, tests: [] })),
    ...groupResults(ci ? withoutBase(results, ci) : results).map(renderGroup),
  ];
  const sums = sumUp(suites.flatMap((suite) => suite.verdicts));
  const time = junitSeconds(results.duration_ms);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'kiln', ...sums, time })}>`,
    ...suites.map((suite) => suite.xml),
    '</testsuites>',
    '',
  ].join('\n');

  function renderGroup(group: Group) {
    const tests = group.type === 'suite' ? group.tests : [];
    const cases = group.type === 'suite' ? tests.flatMap(casesOf) : [caseOf(group)];
    return renderSuite({ name: group.name, cases, tests });
  }

  function renderSuite(suite: { name: string; cases: Testcase[]; tests: TestResult[] }) {
    const cases = suite.cases.map(named);
    const verdicts = cases.map((item) => item.verdict);
    const about = {
      name: suite.name,
      ...sumUp(verdicts),
      time: junitSeconds(suite.tests.reduce((sum, test) => sum + test.duration_ms, 0)),
      timestamp: results.started,
    };
    const slow = suite.tests.flatMap(slowLine);
    const xml = [
      `  <testsuite${attributes(about)}>`,
      ...cases.map(renderCase),
      ...(slow.length > 0 ? [`    <system-out>${text(slow.join('\n'))}</system-out>`] : []),
      '  </testsuite>',
    ];
    return { verdicts, xml: xml.join('\n') };
  }

  function casesOf(test: TestResult): Testcase[] {
    const suite = several ? `${test.job}.${test.suite}` : test.suite;
    return ci ? ciTestcases(test, suite, ci) : testcases(test, suite);
  }

  /** As the XML shows it, which two names may have in common. */
  function named(one: Testcase): Testcase {
    const unique = names.get(one.classname) ?? uniqueNames();
    names.set(one.classname, unique);
    return { ...one, name: unique(printable(one.name)) };
  }
}

function slowLine(test: TestResult): string[] {
  const slow = slowText(test);
  return slow ? [`${test.test}: ${slow}`] : [];
}

function renderCase({ classname, name, time, verdict, why, body, type, note }: Testcase): string {
  const message = why.split('\n')[0] || verdict;
  const said = note === undefined ? null : `<system-out>${text(note)}</system-out>`;
  const inner = outcome(verdict, message, body, type ?? verdict) ?? said;
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
