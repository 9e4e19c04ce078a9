// SPDX-License-Identifier: MIT
// Pure: from what was seen of one test in one guest to its verdict. docs/verdicts.md is the table of this file.
import type { Loss, TestRun } from '../channel/session.ts';
import { flattenCases, isFatal, type KtapResult } from '../ktap/parser.ts';
import type { CaseResult, SplatResult, Verdict } from '../schema.ts';
import { printable } from '../util/printable.ts';

/** Everything seen of one test in one guest. */
export type Evidence = {
  /** Why the agent's first word did not come; null if it came. */
  bootLoss: Loss | null;
  /** null if the test was never asked for. */
  run: TestRun | null;
  ktap: KtapResult;
  splats: SplatResult[];
  /** What the test may take, as it is told: `60 s`. */
  limit: string;
  /** Which kernel this was, from 0, and how many the test was to go through. */
  generation: number;
  generations: number;
  /** The guest was asked to power off after the test, and did not. */
  staysOn: boolean;
  /** What went wrong besides: with fetched files, with the log. */
  problems: string[];
};

export type Judgement = { verdict: Verdict; detail: string; cases: CaseResult[]; problems: string[] };

/** The verdict, with one line of why. A kernel's complaint fails a test that reports success. */
export function judge(evidence: Evidence): Judgement {
  const { ktap, run, bootLoss } = evidence;
  const cases = flattenCases(ktap);
  const problems = [...ktap.problems.map(({ message }) => message), ...evidence.problems].map(printable);
  const loss = bootLoss ?? run?.loss ?? null;
  const [verdict, detail] = loss
    ? judgeLoss(loss, evidence.splats, bootLoss ? 'during boot' : 'during the test')
    : withSplats(withGenerations(judgeRun(run!, ktap, cases, evidence.limit), evidence), evidence);
  return { verdict, detail: printable(detail), cases, problems };
}

/** The kernel on which the test asked to go on, from 0; null if it did not. */
export function nextGeneration(run: TestRun | null): number | null {
  if (run?.next) return run.next.generation;
  return run?.end?.how === 'kexec' || run?.end?.how === 'reboot' ? run.end.status : null;
}

/** Worst first: what is certain outweighs what could not be found out. */
const ranks: Verdict[] = ['crash', 'timeout', 'fail', 'error', 'pass', 'xfail', 'skip'];

/** Of parts of one test, the one that decides; the first of those that are equal. */
export function worst<T extends { verdict: Verdict }>(results: readonly T[]): T {
  return results.toSorted((a, b) => ranks.indexOf(a.verdict) - ranks.indexOf(b.verdict))[0]!;
}

/** Whether a verdict keeps a run from exit code 0. */
export function isBad(verdict: Verdict): boolean {
  return verdict === 'fail' || verdict === 'timeout' || verdict === 'crash' || verdict === 'error';
}

type Verdictish = [Verdict, string];

/** The guest is gone or mute. Whose doing it was decides between a verdict and an infrastructure error. */
function judgeLoss(loss: Loss, splats: SplatResult[], when: string): Verdictish {
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
  if (reason === 'guest-reset') return ['crash', `the guest rebooted ${when} without a word of the kernel's`];
  // A fork's memory is a file of the cache's: this is how QEMU learns that there is no room for another page of it.
  if (exit.signal === 'SIGBUS')
    return ['error', `QEMU was killed by SIGBUS ${when}: the file system that holds the cache is full`];
  if (exit.signal) return ['error', `QEMU was killed by ${exit.signal} ${when}`];
  const words = exit.stderr.trim().split('\n').slice(-2).join('; ');
  return ['error', `QEMU ended by itself ${when} with exit code ${exit.code}: ${words || 'it said nothing'}`];
}

/** Splats after which a guest that went away was the kernel's doing. */
const fatalKinds = new Set<SplatResult['kind']>(['panic', 'oops', 'gpf', 'bug', 'kasan', 'hard-lockup']);

/** kselftest's exit codes (tools/testing/selftests/kselftest.h). */
const exitXfail = 2;
const exitSkip = 4;

/** The guest lives: the program's end and its results decide. */
function judgeRun(run: TestRun, ktap: KtapResult, cases: CaseResult[], limit: string): Verdictish {
  if (run.next) return judgeResults(ktap, cases) ?? judgeExit(0, ktap, cases);
  const end = run.end;
  if (!end) return ['error', 'the test has no end'];
  if (end.how === 'timeout') return ['timeout', `not done within ${limit}`];
  if (end.how === 'killed') return ['error', 'the test was told to stop'];
  if (end.how === 'exec') return ['fail', `the test could not be started (errno ${end.status})`];
  if (run.incomplete) return ['error', "the test's output did not come through whole"];
  if (end.how === 'signal') return ['fail', `the test was killed by signal ${end.status}${lastWords(ktap)}`];
  return judgeResults(ktap, cases) ?? judgeExit(end.how === 'exit' ? end.status : 0, ktap, cases);
}

/** null: nothing is wrong with them. */
function judgeResults(ktap: KtapResult, cases: CaseResult[]): Verdictish | null {
  const failed = cases.filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout');
  if (ktap.bailout !== null) return ['fail', `the test bailed out: ${ktap.bailout}`];
  if (failed.length > 0) return ['fail', describeFailed(failed, cases.length)];
  const fatal = saidNothing(ktap) ? undefined : ktap.problems.find(isFatal);
  return fatal ? ['fail', fatal.message] : null;
}

/** A test goes from kernel to kernel, to the last; but it may skip at any. */
function withGenerations([verdict, detail]: Verdictish, evidence: Evidence): Verdictish {
  const { run, generation, generations } = evidence;
  const next = nextGeneration(run);
  const last = generations - 1;
  if (next !== null && (next !== generation + 1 || next > last))
    return ['fail', `it asked for generation ${next} next, of ${generations} (settings: generations=)`];
  if (next === null && generation < last && (verdict === 'pass' || verdict === 'xfail'))
    return ['fail', `it ended before the last of ${generations} generations`];
  return [verdict, detail];
}

/** No KTAP at all: a program of the old kind, whose exit code is its word. */
function saidNothing({ plan, cases, problems }: KtapResult): boolean {
  return plan === null && cases.length === 0 && problems.some(({ code }) => code === 'no-version');
}

function judgeExit(status: number, ktap: KtapResult, cases: CaseResult[]): Verdictish {
  const all = (verdict: CaseResult['verdict']) =>
    cases.length > 0 && cases.every((one) => one.verdict === verdict);
  if (ktap.skipped !== null) return ['skip', ktap.skipped];
  if (status === exitSkip || (status === 0 && all('skip')))
    return ['skip', cases[0]?.detail.split('\n')[0] ?? ''];
  if (status === exitXfail || (status === 0 && all('xfail'))) return ['xfail', ''];
  if (status !== 0)
    return ['fail', `exit code ${status}${cases.length > 0 ? ' though no case failed' : lastWords(ktap)}`];
  return ['pass', ''];
}

function describeFailed(failed: CaseResult[], total: number): string {
  const names = failed.slice(0, 3).map(({ name }) => name);
  return `${failed.length} of ${total} cases failed: ${names.join(', ')}${failed.length > 3 ? ', …' : ''}`;
}

function lastWords(ktap: KtapResult): string {
  const last = ktap.trailing.trim().split('\n').at(-1);
  return last ? `: ${last}` : '';
}

function withSplats([verdict, detail]: Verdictish, evidence: Evidence): Verdictish {
  const { staysOn } = evidence;
  const splats = evidence.splats.filter(({ expected }) => !expected);
  if (verdict === 'error' || verdict === 'timeout') return [verdict, detail];
  if (splats.length > 0) {
    const titles = splats.slice(0, 3).map(({ title }) => title);
    const more = splats.length > 3 ? [`and ${splats.length - 3} more splats`] : [];
    return ['fail', [...titles, ...more, detail].filter(Boolean).join('; ')];
  }
  if (staysOn && verdict !== 'fail') return ['fail', 'the guest did not power off after the test'];
  return [verdict, detail];
}
