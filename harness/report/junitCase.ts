// SPDX-License-Identifier: MIT
import type { TestResult, Verdict } from '../schema.ts';
import { explain, explainedByCases, type Group } from './groups.ts';

/** A testcase of JUnit. */
export type Testcase = {
  classname: string;
  name: string;
  time?: string;
  verdict: Verdict;
  /** Its first line is the message. */
  why: string;
  body: string;
  /** Of a failure or an error, if not the verdict. */
  type?: string;
  /** Of a pass. */
  note?: string;
};

/** The testcases of a test: its cases, and itself if they do not explain its verdict. */
export function testcases(test: TestResult, suite: string): Testcase[] {
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
    time: junitSeconds(test.duration_ms),
    verdict: test.verdict,
    why: test.detail,
    body: explain(test),
    type: test.tempo === 'hung' ? 'hung' : test.verdict,
  };
  return [...cases, own];
}

/** The one testcase of a group that is no suite. */
export function caseOf(group: Exclude<Group, { type: 'suite' }>): Testcase {
  if (group.type === 'left-out') {
    const { name: classname, reason } = group;
    return { classname, name: 'left out', verdict: 'skip', why: reason, body: reason };
  }
  const { name: classname, code, message } = group;
  return { classname, name: code, verdict: 'error', why: message, body: message, type: code };
}

/** Seconds, as JUnit has times. */
export function junitSeconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}
