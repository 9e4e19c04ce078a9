// SPDX-License-Identifier: MIT
// What a run of `kiln ci` found to be different, in the order and the words that its reports share.
import { KilnError } from '../errors.ts';
import type {
  Change,
  CheckResult,
  Ci,
  CiPatch,
  JobResult,
  Results,
  SplatResult,
  TestResult,
} from '../schema.ts';
import { plural } from '../util/plural.ts';
import { oneLine } from './plain.ts';

/** The kinds of changes, the most urgent first. */
export const changeTitles: Record<Change['kind'], string> = {
  'new-failure': 'New failures',
  undecided: 'Undecided',
  fixed: 'Fixed',
  flaky: 'Flaky',
  'failing-before': 'Failing before',
  'new-test': 'New tests',
};

export const changeKinds = Object.keys(changeTitles) as Change['kind'][];

/** `new failure`. */
export function kindWords(kind: Change['kind']): string {
  return kind.replace('-', ' ');
}

/** Throws KilnError if the run was not one of `kiln ci`. */
export function ciOf(results: Results): Ci {
  if (results.ci) return results.ci;
  throw new KilnError(
    'bad-input',
    `the run ${results.id} is not one of "kiln ci", so it has no such report`,
    {
      hint: 'formats for every run: text, ktap, junit, json',
    },
  );
}

/** `suite/test: case`, or the title of the splat instead of the case. In one line. */
export function changeName({ suite, test, case: name, splat }: Change): string {
  const what = splat ?? name;
  return oneLine(`${suite}/${test}${what === null ? '' : `: ${what}`}`);
}

/** `2/3`. */
export function patchNumber(ci: Ci, { number }: Pick<CiPatch, 'number'>): string {
  return `${number}/${ci.patches.length}`;
}

/** `with 2/3 "subject"`, for a change whose first patch is known; empty if it is not. In one line. */
export function sincePatch(ci: Ci, { patch }: Change): string {
  const found = ci.patches.find(({ number }) => number === patch);
  return found ? `first with ${patchNumber(ci, found)} "${oneLine(found.subject)}"` : '';
}

/** `failed in 3 of 40 earlier runs, the last one on 2026-01-02`; empty if no earlier run is known. */
export function pastOf({ past }: Pick<Change, 'past'>): string {
  if (!past || past.runs === 0) return '';
  const last = past.last === null ? '' : `, the last one on ${oneLine(past.last).slice(0, 10)}`;
  return `failed in ${past.failed} of ${plural(past.runs, 'earlier run')}${last}`;
}

/** The worst of its checks, a failed one first; `skip` if none was made. */
export function patchStatus({ checks }: Pick<CiPatch, 'checks'>): CheckResult['status'] {
  const worst = (['fail', 'warn', 'pass'] as const).find((one) =>
    checks.some(({ status }) => status === one),
  );
  // That it applies says little of a patch that was not built.
  const isUnbuilt = checks.some(({ name, status }) => name === 'build' && status === 'skip');
  return worst === undefined || (worst === 'pass' && isUnbuilt) ? 'skip' : worst;
}

/** `2 new failures, 1 flaky`; kinds without any are left out. */
export function countChanges({ changes }: Pick<Ci, 'changes'>): string {
  const counts = changeKinds.map((kind) => {
    const count = changes.filter((one) => one.kind === kind).length;
    if (count === 0) return '';
    const isNoun = kind === 'new-failure' || kind === 'new-test';
    return isNoun ? plural(count, kindWords(kind)) : `${count} ${kindWords(kind)}`;
  });
  return counts.filter((one) => one !== '').join(', ');
}

/** Jobs that ended early, without those whose error is that of a patch's `build`. */
export function otherFailedJobs(results: Results): JobResult[] {
  const told = ciOf(results)
    .patches.filter(({ checks }) => checks.some(({ name, status }) => name === 'build' && status === 'fail'))
    .map(({ job }) => job);
  return results.jobs.filter(({ id, error }) => error !== null && !told.includes(id));
}

/** What ended jobs or the run early, except for errors that the `build` check of a patch has. */
export function earlyEnds(results: Results): { job: string | null; code: string; message: string }[] {
  const jobs = otherFailedJobs(results).map(({ id, error }) => ({
    ...{ job: id, code: error!.code, message: error!.message },
  }));
  return [...jobs, ...results.errors.map(({ code, message }) => ({ job: null, code, message }))];
}

/** The same, one line each. */
export function earlyEndLines(results: Results): string[] {
  return earlyEnds(results).map(({ job, code, message }) =>
    job === null ? `${code}: ${message}` : `job ${job} ended early (${code}): ${message}`,
  );
}

/** The job whose kernel has the most patches; undefined if no patch was built. */
export function patchedJob(results: Results): JobResult | undefined {
  const ids = ciOf(results).patches.map(({ job }) => job);
  const last = ids.findLast((id) => results.jobs.some((job) => job.id === id));
  return results.jobs.find(({ id }) => id === last);
}

/**
 * The run of the change's test that shows it: with the first patch that fails, else with the most patches, else on the
 * base. undefined if there is none.
 */
export function evidenceOf(change: Change, results: Results): TestResult | undefined {
  const ci = ciOf(results);
  const first = ci.patches.find(({ number }) => number === change.patch)?.job;
  const order = [first, ...ci.patches.map(({ job }) => job).toReversed()];
  const rank = ({ job }: TestResult) => (order.includes(job) ? order.indexOf(job) : order.length);
  return results.tests
    .filter((one) => one.suite === change.suite && one.test === change.test && shows(one, change))
    .toSorted((a, b) => rank(a) - rank(b))[0];
}

function shows({ cases, splats, verdict }: TestResult, change: Change): boolean {
  if (change.splat !== null) return splats.some(({ title }) => title === change.splat);
  if (change.case === null) return verdict !== 'pass' && verdict !== 'skip' && verdict !== 'xfail';
  const found = cases.find(({ name }) => name === change.case);
  return found?.verdict === 'fail' || found?.verdict === 'timeout';
}

/** Lines that show a failure: the splat with source lines, or what the test printed. Text of the guest. */
export function excerptOf(change: Change, results: Results): string[] {
  const evidence = evidenceOf(change, results);
  if (!evidence) return [];
  const { cases, problems, splats } = evidence;
  if (change.splat !== null)
    return splats
      .filter(({ title }) => title === change.splat)
      .slice(0, 1)
      .flatMap(decodedLines);
  if (change.case !== null)
    return cases.filter(({ name }) => name === change.case).flatMap(({ detail }) => detail.split('\n'));
  return [...problems, ...splats.filter(({ expected }) => !expected).flatMap(decodedLines)];
}

/** A splat's lines, each frame with its source line; inlined functions get lines of their own before it. */
export function decodedLines({ lines, frames = [] }: SplatResult): string[] {
  const places = new Map(frames.map((frame) => [frame.at, frame.places]));
  return lines.flatMap((line, index) => {
    if (index >= decodedSpan) return [line];
    const { frame, before } = frameIn(line);
    const found = places.get(frame) ?? [];
    if (found.length === 0 || line.includes(`${found[0]!.file}:${found[0]!.line}`)) return [line];
    // A line of registers or of the title has room for one place: where it happened.
    if (before.trim() !== '') return [`${line} ${placeText(found[0]!)}`];
    return [
      ...found.slice(0, -1).map((place) => `${before}${place.function} ${placeText(place)} [inlined]`),
      `${line} ${placeText(found.at(-1)!)}`,
    ];
  });
}

/** Lines that are decoded, and characters of each that are read, at most: a guest can print more. */
const [decodedSpan, frameSpan] = [200, 500];

/** The `function+offset/size` in a line, and what stands before it; empty if there is none, or an uncertain one. */
function frameIn(line: string): { frame: string; before: string } {
  const start = line.slice(0, frameSpan);
  const found = start.includes('+0x') ? /[\w.]{1,200}\+0x[0-9a-f]+\/0x[0-9a-f]+/.exec(start) : null;
  if (!found || /^\s*\?/.test(start)) return { frame: '', before: '' };
  return { frame: found[0], before: start.slice(0, found.index) };
}

type Place = NonNullable<SplatResult['frames']>[number]['places'][number];

function placeText({ file, line, patch }: Place): string {
  return `${file}:${line}${patch === null ? '' : ` (${patch})`}`;
}
