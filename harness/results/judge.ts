// SPDX-License-Identifier: MIT
// Pure: the evidence of one test in one guest → its verdict. docs/verdicts.md documents this file as a table.
import type { Loss, TestRun } from '../channel/session.ts';
import { flattenCases, isFatal, type KtapProblemCode, type KtapResult } from '../ktap/parser.ts';
import type { CaseResult, SplatResult, Verdict } from '../schema.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';

/** Everything known about one test in one guest. */
export type Evidence = {
  /** Why the agent's hello did not come; null if it came. */
  bootLoss: Loss | null;
  /** null if the test was not started. */
  run: TestRun | null;
  ktap: KtapResult;
  splats: SplatResult[];
  /** The test's time limit, as text: `60 s`. */
  limit: string;
  /** The kernel that this is about, from 0, and how many the test goes through. */
  generation: number;
  generations: number;
  /** The guest did not power off when it was asked to. */
  staysOn: boolean;
  /** Further problems: with fetched files, with the log. */
  problems: string[];
};

export type Judgement = { verdict: Verdict; detail: string; cases: CaseResult[]; problems: string[] };

/** Judge a test: the verdict, and one line with the reason. A splat fails a test that reports success. */
export function judge(evidence: Evidence): Judgement {
  const { ktap, run, bootLoss } = evidence;
  const cases = flattenCases(ktap);
  const problems = [...ktap.problems.map(({ message }) => message), ...evidence.problems].map(printable);
  const loss = bootLoss ?? run?.loss ?? null;
  const [verdict, detail] = loss
    ? judgeLoss(loss, evidence.splats, bootLoss ? 'during boot' : 'during the test')
    : withNotices(
        withSplats(withGenerations(judgeRun(run!, ktap, cases, evidence.limit), evidence), evidence),
        evidence,
      );
  return { verdict, detail: printable(detail), cases, problems };
}

/** The generation that the test asked to continue on; null if it did not ask. */
export function nextGeneration(run: TestRun | null): number | null {
  if (run?.next) return run.next.generation;
  return run?.end?.how === 'kexec' || run?.end?.how === 'reboot' ? run.end.status : null;
}

/** The worst first. A failure is worse than an error, because it is certain. */
const ranks: Verdict[] = ['crash', 'timeout', 'fail', 'error', 'pass', 'xfail', 'skip'];

/** The result that decides the verdict of a test with several parts: the first of the worst. */
export function worst<T extends { verdict: Verdict }>(results: readonly T[]): T {
  return results.toSorted((a, b) => ranks.indexOf(a.verdict) - ranks.indexOf(b.verdict))[0]!;
}

/** Whether a verdict prevents exit code 0. */
export function isBad(verdict: Verdict): boolean {
  return verdict === 'fail' || verdict === 'timeout' || verdict === 'crash' || verdict === 'error';
}

/** A verdict and its reason. */
type Reasoned = [Verdict, string];

/**
 * The guest ended or does not answer. If the kernel caused that, the test gets a verdict, else an
 * infrastructure error.
 */
function judgeLoss(loss: Loss, splats: SplatResult[], when: string): Reasoned {
  if (loss.why === 'broken') return ['error', `the channel to the guest broke ${when}: ${loss.detail}`];
  if (loss.why === 'refused') return ['fail', `the kernel did not leave for the next one: ${loss.detail}`];
  const fatal = splats.find(({ kind }) => fatalKinds.has(kind)) ?? splats.find(({ panic }) => panic);
  if (fatal) return ['crash', `the kernel died ${when}: ${fatal.title}`];
  if (loss.why === 'silent') {
    const first = splats[0] ? ` after ${splats[0].title}` : '';
    return ['timeout', `the guest hung ${when}${first}: ${loss.detail}`];
  }
  if (loss.why === 'stuck') return ['error', `the guest was silent ${when}: ${loss.detail}`];
  const { exit } = loss;
  if (exit.events.some(({ event }) => event === 'GUEST_PANICKED'))
    return ['crash', `the kernel panicked ${when}`];
  const reason = exit.events.findLast(({ event }) => event === 'SHUTDOWN')?.data?.reason;
  if (reason === 'guest-shutdown') return ['crash', `the guest powered off ${when}`];
  if (reason === 'guest-reset')
    return ['crash', `the guest rebooted ${when}, and the kernel logged no reason`];
  // A fork's memory is a file in the cache. QEMU gets SIGBUS if a page of it can't be allocated.
  if (exit.signal === 'SIGBUS')
    return ['error', `QEMU was killed by SIGBUS ${when}: the file system that holds the cache is full`];
  if (exit.signal) return ['error', `QEMU was killed by ${exit.signal} ${when}`];
  const stderr = exit.stderr.trim().split('\n').slice(-2).join('; ');
  return [
    'error',
    `QEMU ended by itself ${when} with exit code ${exit.code}: ${stderr || 'it printed nothing'}`,
  ];
}

/** Splats of these kinds explain why a guest ended. */
const fatalKinds = new Set<SplatResult['kind']>(['panic', 'oops', 'gpf', 'bug', 'kasan', 'hard-lockup']);

/** kselftest's exit codes (tools/testing/selftests/kselftest.h). */
const exitXfail = 2;
const exitSkip = 4;

/** The guest still runs: the program's end and its results decide. */
function judgeRun(run: TestRun, ktap: KtapResult, cases: CaseResult[], limit: string): Reasoned {
  if (run.next) return judgeResults(ktap, cases) ?? judgeExit(0, ktap, cases);
  const end = run.end;
  if (!end) return ['error', 'the test has no end'];
  if (end.how === 'timeout') return ['timeout', `not done within ${limit}`];
  if (end.how === 'killed') return ['error', 'the test was told to stop'];
  if (end.how === 'exec') return ['fail', `the test could not be started (errno ${end.status})`];
  if (run.incomplete) return ['error', "the test's output did not come through whole"];
  if (end.how === 'signal') return ['fail', `the test was killed by signal ${end.status}${lastLine(ktap)}`];
  return judgeResults(ktap, cases) ?? judgeExit(end.how === 'exit' ? end.status : 0, ktap, cases);
}

/** null if the results have no failure and no fatal problem. */
function judgeResults(ktap: KtapResult, cases: CaseResult[]): Reasoned | null {
  const failed = cases.filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout');
  if (ktap.bailout !== null) return ['fail', `the test bailed out: ${ktap.bailout}`];
  if (failed.length > 0) return ['fail', describeFailed(failed, cases.length)];
  const fatal = hasNoKtap(ktap) ? undefined : ktap.problems.find(isFatal);
  return fatal ? ['fail', fatal.message] : null;
}

/** A test must go through its kernels in order, to the last one. It may skip on any of them. */
function withGenerations([verdict, detail]: Reasoned, evidence: Evidence): Reasoned {
  const { run, generation, generations } = evidence;
  const next = nextGeneration(run);
  const last = generations - 1;
  if (next !== null && (next !== generation + 1 || next > last))
    return ['fail', `it asked for generation ${next} next, of ${generations} (settings: generations=)`];
  if (next === null && generation < last && (verdict === 'pass' || verdict === 'xfail'))
    return ['fail', `it ended before the last of ${generations} generations`];
  return [verdict, detail];
}

/** Old selftests print no KTAP: their exit code is their result. */
function hasNoKtap({ plan, cases, problems }: KtapResult): boolean {
  const has = (wanted: KtapProblemCode) => problems.some(({ code }) => code === wanted);
  return plan === null && cases.length === 0 && has('no-version') && !has('totals-mismatch');
}

function judgeExit(status: number, ktap: KtapResult, cases: CaseResult[]): Reasoned {
  const all = (verdict: CaseResult['verdict']) =>
    cases.length > 0 && cases.every((one) => one.verdict === verdict);
  if (ktap.skipped !== null)
    return status === 0 || status === exitSkip
      ? ['skip', ktap.skipped]
      : ['fail', `exit code ${status} though the test was skipped`];
  if (status === exitSkip || (status === 0 && all('skip')))
    return ['skip', cases[0]?.detail.split('\n')[0] ?? ''];
  if (status === exitXfail || (status === 0 && all('xfail'))) return ['xfail', ''];
  if (status !== 0)
    return ['fail', `exit code ${status}${cases.length > 0 ? ' though no case failed' : lastLine(ktap)}`];
  return ['pass', ''];
}

function describeFailed(failed: CaseResult[], total: number): string {
  const names = failed.slice(0, 3).map(({ name }) => name);
  return `${failed.length} of ${plural(total, 'case')} failed: ${names.join(', ')}${failed.length > 3 ? ', …' : ''}`;
}

function lastLine(ktap: KtapResult): string {
  const last = ktap.trailing.trim().split('\n').at(-1);
  return last ? `: ${last}` : '';
}

function withSplats([verdict, detail]: Reasoned, evidence: Evidence): Reasoned {
  const { staysOn } = evidence;
  const splats = evidence.splats.filter(({ expected, notice }) => !expected && !notice);
  if (verdict === 'error' || verdict === 'timeout') return [verdict, detail];
  if (splats.length > 0) {
    const titles = splats.slice(0, 3).map(({ title }) => title);
    const more = splats.length > 3 ? [`and ${splats.length - 3} more splats`] : [];
    return ['fail', [...titles, ...more, detail].filter(Boolean).join('; ')];
  }
  if (staysOn && verdict !== 'fail') return ['fail', 'the guest did not power off after the test'];
  return [verdict, detail];
}

/** What fails no test is at least told of one that is well: nobody looks at its log. */
function withNotices([verdict, detail]: Reasoned, { splats, ktap }: Evidence): Reasoned {
  if (isBad(verdict)) return [verdict, detail];
  const notices = splats.filter(({ expected, notice }) => !expected && notice);
  const titles = notices.slice(0, 3).map(({ title }) => title);
  const more = notices.length > 3 ? [`and ${notices.length - 3} more`] : [];
  const logged = notices.length > 0 ? [`the kernel logged: ${[...titles, ...more].join('; ')}`] : [];
  const unclear = ktap.problems.find(({ code }) => code === 'unclear-result');
  return [verdict, [detail, ...logged, unclear?.message].filter(Boolean).join('; ')];
}
