// SPDX-License-Identifier: MIT
// The lines that all reports for people share.
import type { StageName } from '../events.ts';
import { isBad } from '../results/judge.ts';
import { isFailure } from '../results/tally.ts';
import type { Ci, Counts, Repeat, Results, TestResult } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import { bisectLines } from './bisectText.ts';
import { otherFailedJobs } from './changes.ts';
import { ciCounts, ciLines } from './ciText.ts';
import { splatPlaces } from './places.ts';

export const stageTitles: Record<StageName, string> = {
  base: 'Get the kernel source',
  series: 'Apply the series',
  config: 'Choose config and accelerator',
  checks: 'Check the patch',
  kernel: 'Build the kernel',
  comparison: 'Compare with its parent',
  elsewhere: 'Compile touched files elsewhere',
  image: 'Build the tests',
  tests: 'Run the tests',
  replays: 'Run again what failed',
};

export function noteLine({ level, text }: { level: 'info' | 'warn'; text: string }): string {
  return `${level === 'warn' ? 'warning' : 'note'}: ${printable(text)}`;
}

/** A finished run, as `kiln report` prints it. */
export function renderText(results: Results, dir: string): string {
  const several = results.jobs.length > 1;
  // `kiln ci` and `kiln bisect` run a test on several kernels; their summaries say what differs.
  const lines = results.ci || results.bisect ? [] : results.tests.map((test) => testLine(test, several));
  return `${[...lines, ...summaryLines(results, dir)].join('\n')}\n`;
}

/**
 * A test's line: verdict, name, number of cases (and kernels), guest time, and the reason.
 * @param several the run has several jobs: the line has the job's id
 */
export function testLine(result: TestResult, several = false): string {
  const { cases, duration_ms, detail, generations } = result;
  const slow = slowText(result);
  const kernels = generations ? ` on ${plural(generations.length, 'kernel')}` : '';
  const count = cases.length > 0 ? `${plural(cases.length, 'case')}${kernels}, ` : '';
  const why = detail === '' ? '' : `: ${printable(detail)}`;
  const time = [seconds(duration_ms), ...(slow ? [slow] : [])].join(', ');
  return `${label(result).padEnd(7)} ${printable(testName(result, several))} (${count}${time})${why}`;
}

/** `suite/test`, after the job's id if the run has several jobs. */
function testName({ job, suite, test }: TestResult, several: boolean): string {
  return several ? `${job}: ${suite}/${test}` : `${suite}/${test}`;
}

/** The verdict in capitals; HUNG instead of TIMEOUT if the guest stopped answering. */
export function label({ verdict, tempo }: Pick<TestResult, 'verdict' | 'tempo'>): string {
  return (tempo === 'hung' ? tempo : verdict).toUpperCase();
}

/** `slow: its limit is 60 s`; null if the test was not slow. */
export function slowText({ tempo, time }: Pick<TestResult, 'tempo' | 'time'>): string | null {
  return tempo === 'slow' && time ? `slow: its limit is ${seconds(time.limit_ms)}` : null;
}

/**
 * The lines of a failed test: its failed cases, its splats, the path of its logs, and how to run it again.
 */
export function failureLines(result: TestResult, dir: string, several = false): string[] {
  const bad = result.cases.filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout');
  return [
    printable(`${label(result)} ${testName(result, several)}: ${result.detail}`),
    ...bad
      .slice(0, 10)
      .flatMap(({ name, detail }) => [`  not ok ${printable(name)}`, ...indent(detail, 4, 6)]),
    ...(bad.length > 10 ? [`  … and ${bad.length - 10} more`] : []),
    ...result.splats
      .filter(({ expected }) => !expected)
      .toSorted((a, b) => Number(a.notice ?? false) - Number(b.notice ?? false))
      .slice(0, 3)
      .flatMap((splat) => [
        ...indent(splat.lines.join('\n'), 2, 12),
        ...splatPlaces(splat).map((place) => `    ${printable(place)}`),
      ]),
    ...result.problems.slice(0, 5).map((problem) => `  note: ${printable(problem)}`),
    ...(result.guest ? [`  logs: ${dir}/${result.guest.console.replace(/\/[^/]*$/, '/')}`] : []),
    ...(result.reproduce ? [`  again: ${result.reproduce}`] : []),
  ];
}

function indent(text: string, by: number, most: number): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const shown = lines.slice(0, most).map((line) => `${' '.repeat(by)}${printable(line)}`);
  return lines.length > most ? [...shown, `${' '.repeat(by)}… (${lines.length - most} more lines)`] : shown;
}

/**
 * The last lines of a run. All text may come from a guest, or from a results.json that another user wrote.
 */
export function summaryLines(results: Results, dir: string): string[] {
  const { repeat, ci, bisect } = results;
  if (bisect) return bisectLines(results, bisect, dir, seconds(results.duration_ms)).map(printable);
  if (repeat) return repeatLines(results, repeat, dir).map(printable);
  return (ci ? ciRunLines(results, ci, dir) : runLines(results, dir)).map(printable);
}

/** The last lines of `kiln ci`. */
function ciRunLines(results: Results, ci: Ci, dir: string): string[] {
  return [
    ...ciLines(results, ci, dir),
    ...jobErrors(otherFailedJobs(results), true).flatMap((text) => [text, '']),
    `${ciCounts(ci)} in ${seconds(results.duration_ms)}`,
    `results: ${dir}/results.json, report: ${dir}/report.txt`,
  ];
}

function runLines(results: Results, dir: string): string[] {
  const { summary, jobs } = results;
  const failures = results.tests.filter(({ verdict }) => isBad(verdict));
  const errors = jobErrors(jobs);
  const leftOut = jobs.flatMap(({ left_out }) => left_out.map(({ suite }) => suite));
  const distinct = [...new Set(leftOut)];
  return [
    ...failures.flatMap((result) => ['', ...failureLines(result, dir, jobs.length > 1)]),
    ...errors.flatMap((text) => ['', text]),
    '',
    ...(distinct.length > 0 ? [`left out: ${distinct.join(', ')} (their series is not applied)`] : []),
    `${counts(summary, results.tests)} (${plural(summary.cases.total, 'case')}) in ${seconds(results.duration_ms)}`,
    `results: ${dir}/results.json`,
  ];
}

/** The last lines of `kiln repeat`. */
function repeatLines({ tests, jobs, duration_ms }: Results, repeat: Repeat, dir: string): string[] {
  const { verdicts, reasons, other_reasons, first_failure, stopped, again } = repeat;
  const first = tests.find(({ verdict }) => isFailure(verdict));
  const errors = jobErrors(jobs);
  return [
    ...(first ? ['', 'The first failure:', ...failureLines({ ...first, reproduce: null }, dir)] : []),
    ...errors.flatMap((text) => ['', text]),
    '',
    ...(verdicts.total > 0 ? [rateLine(repeat), `${counts(verdicts)} in ${seconds(duration_ms)}`] : []),
    ...(stopped ? [stopReasons[stopped]] : []),
    ...reasons.flatMap(({ verdict, detail, count, logs }) => [
      `${String(count).padStart(6)} × ${verdict.toUpperCase()}${detail ? `: ${printable(detail)}` : ''}`,
      ...(logs && logs !== first_failure?.logs ? [`         logs: ${dir}/${logs}/`] : []),
    ]),
    ...(other_reasons > 0 ? [`${String(other_reasons).padStart(6)} × other reasons`] : []),
    `again: ${again}`,
    `results: ${dir}/results.json`,
  ];
}

const stopReasons: Record<NonNullable<Repeat['stopped']>, string> = {
  failed: 'stopped at the first failure, which makes the rate look higher than it is',
  'no-boot': 'stopped: the guest to fork from did not boot',
  errors: 'stopped: too many infrastructure errors in a row',
};

/** `srvfs/races: 3 of 200 failed, 1.5 % (95 % confidence: 0.5 to 4.3 %)` */
function rateLine({ test, failed, of, rate }: Repeat): string {
  if (!rate) return `${printable(test)}: no run passed or failed`;
  const { estimate, low, high } = rate;
  const interval = `95 % confidence: ${percent(low)} to ${percent(high)} %`;
  return `${printable(test)}: ${failed} of ${of} failed, ${percent(estimate)} % (${interval})`;
}

/** One decimal, or so many that a value near 0 or 100 is not rounded to it. @param share from 0 to 1 */
export function percent(share: number): string {
  const value = 100 * share;
  const toNoneOrAll = Math.min(value, 100 - value);
  const decimals = toNoneOrAll > 0 ? Math.max(1, Math.ceil(-Math.log10(toNoneOrAll))) : 0;
  return String(Number(value.toFixed(decimals)));
}

/** `120 of 200 run, 2 failed, 1 infrastructure errors` */
export function repeatProgress(event: { total: number; failed: number; verdicts: Counts }): string {
  const { total, failed, verdicts } = event;
  const errors = verdicts.error > 0 ? `, ${verdicts.error} infrastructure errors` : '';
  return `${verdicts.total} of ${total} run, ${failed} failed${errors}`;
}

/** The errors that ended jobs early, after the jobs' ids if there are several. */
function jobErrors(jobs: Results['jobs'], isNamed = jobs.length > 1): string[] {
  return jobs.flatMap(({ id, error }) => {
    if (!error) return [];
    return [isNamed ? `job ${id}: ${errorText(error)}` : errorText(error)];
  });
}

function errorText(error: Record<string, unknown>): string {
  if (error.code === 'interrupted') return 'interrupted: the results so far are in results.json';
  const hint = error.hint ? `\n  ${String(error.hint)}` : '';
  // The message of an infrastructure error rarely shows the cause; the program's output does.
  const output =
    error.code === 'infrastructure' && error.output ? `\n${printable(String(error.output))}` : '';
  return `${String(error.code)}: ${printable(String(error.message))}${output.replaceAll('\n', '\n  ')}${hint}`;
}

/** `7 passed, 0 failed, 1 skipped`. Only the first two are shown if they are 0. */
export function counts(summary: Counts, tests: readonly Pick<TestResult, 'tempo'>[] = []): string {
  const hung = tests.filter(({ tempo }) => tempo === 'hung').length;
  const slow = tests.filter(({ tempo }) => tempo === 'slow').length;
  const failed = summary.fail + summary.timeout + summary.crash;
  const rest: [number, string][] = [
    [summary.skip, 'skipped'],
    [summary.xfail, 'expected to fail'],
    [summary.error, 'infrastructure errors'],
    [slow, 'slow'],
  ];
  const late = [`${summary.timeout - hung} timed out`, ...(hung > 0 ? [`${hung} hung`] : [])].join(', ');
  const kinds = failed > summary.fail ? ` (${late}, ${summary.crash} crashed)` : '';
  const more = rest.filter(([count]) => count > 0).map(([count, word]) => `, ${count} ${word}`);
  return `${summary.pass} passed, ${failed} failed${kinds}${more.join('')}`;
}

/** `, 120 of 1900 (6 %)`, or less if less is known. */
export function portion(done?: number, total?: number): string {
  if (done === undefined) return '';
  return total === undefined
    ? `, ${done} done`
    : `, ${done} of ${total} (${Math.floor((100 * done) / total)} %)`;
}

export function seconds(ms: number): string {
  return ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
