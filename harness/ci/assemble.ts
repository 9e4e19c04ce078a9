// SPDX-License-Identifier: MIT
// Pure: what the jobs of `kiln ci` found → the `ci` of results.json, and the exit code.
import { exits, type KilnError } from '../errors.ts';
import type { JobOutcome } from '../results/assemble.ts';
import { isBad } from '../results/judge.ts';
import type { BaseChoice, Change, CheckResult, Ci, CiPatch, TouchedFile } from '../schema.ts';
import type { Series } from '../series/series.ts';
import { plural } from '../util/plural.ts';
import { boots, ranNothing } from './changes.ts';
import { inOrder } from './checks/index.ts';
import { findSkipped } from './compare.ts';
import { type CheckName, failedChecks } from './failOn.ts';
import { nameOf } from './failures.ts';
import type { CiOutcome } from './run.ts';
import { withoutTags } from './subject.ts';

/** Everything that is known at the end. */
export type CiFacts = {
  series: Series;
  choice: BaseChoice;
  /** The error of the first patch that does not apply, and its place in the series from 1. */
  conflict: { number: number; error: KilnError } | null;
  /** null: no patch applies, so nothing was built. */
  outcome: CiOutcome | null;
  /** By the number of the patch. */
  checks: ReadonlyMap<number, readonly CheckResult[]>;
  files: ReadonlyMap<number, readonly TouchedFile[]>;
  newLogLines: readonly string[];
  /** The suite of --reproducer. */
  reproducer: string | null;
  /** See failOn.ts. */
  failOn: readonly CheckName[];
};

export function assembleCi(facts: CiFacts): Ci {
  const { series, choice, outcome, newLogLines } = facts;
  const first = series.patches[0];
  const patches = describePatches(facts);
  return {
    series: {
      name: series.name,
      source: series.source,
      subject: withoutTags(series.cover?.subject ?? first?.subject ?? ''),
      revision: series.revision,
      message_id: series.cover?.messageId ?? first?.messageId ?? null,
      from: series.cover?.from ?? null,
    },
    base: choice,
    base_job: outcome?.base.job.id ?? null,
    patches,
    changes: outcome?.changes ?? [],
    new_log_lines: [...newLogLines],
    failures: [...failuresOfRun(facts), ...failedChecks(patches, facts.failOn)],
    not_tested: notTested(facts),
  };
}

function describePatches(facts: CiFacts): CiPatch[] {
  return facts.series.patches.map((_, index) => describePatch(facts, index + 1));
}

function describePatch(facts: CiFacts, number: number): CiPatch {
  const { series, outcome, files } = facts;
  const patch = series.patches[number - 1]!;
  const job = outcome?.steps[number - 1]?.job;
  const commit = job?.series.at(-1)?.patches[number - 1]?.commit ?? null;
  return {
    number,
    file: patch.file,
    subject: withoutTags(patch.subject) || patch.file,
    message_id: patch.messageId,
    job: job?.id ?? null,
    checks: inOrder([
      checkApply(facts, number),
      ...(facts.checks.get(number) ?? []),
      ...(commit === null ? notBuilt(outcome?.steps[number - 1]) : checkStep(outcome!, number)),
    ]),
    files: [...(files.get(number) ?? [])],
  };
}

/** A step whose job ended before it had the tree. */
function notBuilt(step: JobOutcome | undefined): CheckResult[] {
  if (!step) return [];
  const summary = step.error?.message ?? 'the run ended before';
  return [{ name: 'build', status: 'skip', summary, findings: [] }];
}

function checkApply({ conflict }: CiFacts, number: number): CheckResult {
  const name = 'apply';
  if (conflict === null || number < conflict.number)
    return { name, status: 'pass', summary: 'applies', findings: [] };
  if (number > conflict.number)
    return { name, status: 'skip', summary: `patch ${conflict.number} does not apply`, findings: [] };
  const { message, hint } = conflict.error;
  return { name, status: 'fail', summary: message, findings: hint === '' ? [] : [hint] };
}

/** Build, boot and tests of the tree after a patch. */
function checkStep({ steps, base, changes, sameCode }: CiOutcome, number: number): CheckResult[] {
  const step = steps[number - 1]!;
  const { error, tests } = step;
  if (error) {
    const status = error.code === 'does-not-build' || error.code === 'config-missing' ? 'fail' : 'skip';
    const findings = error.details.output ? [error.details.output] : [];
    return [{ name: 'build', status, summary: error.message, findings }];
  }
  const build: CheckResult = { name: 'build', status: 'pass', summary: 'builds', findings: [] };
  if (sameCode.has(number)) {
    const summary = 'no code changed in this configuration';
    return [build, { name: 'tests', status: 'skip', summary, findings: [] }];
  }
  if (tests.length === 0) return [build];
  const isUp = boots(step);
  const isKnown = !ranNothing(step) && boots(base);
  const boot: CheckResult = {
    name: 'boot',
    status: isUp ? 'pass' : isKnown ? 'fail' : 'skip',
    summary: isUp ? 'boots' : (tests[0]?.detail ?? 'does not boot'),
    findings: [],
  };
  const own = changes.filter(({ patch, kind }) => patch === number && kind === 'new-failure');
  const bad = tests.filter(({ verdict }) => isBad(verdict)).length;
  const count = `${tests.length - bad} of ${plural(tests.length, 'test')} pass`;
  return [
    build,
    boot,
    {
      name: 'tests',
      status: own.length > 0 ? 'fail' : 'pass',
      summary: own.length > 0 ? `${count}, ${plural(own.length, 'new failure')}` : count,
      findings: own.map((change) => `${nameOf(change)}: ${change.sentence}`),
    },
  ];
}

/** Why a run fails, one line each; empty if it does not. */
function failuresOfRun({ conflict, outcome, series, reproducer }: CiFacts): string[] {
  const built = outcome?.steps.flatMap(({ error }, index) =>
    error && isOfSeries(error) ? [`patch ${index + 1} (${name(series, index + 1)}): ${error.message}`] : [],
  );
  return [
    ...(conflict ? [conflict.error.message] : []),
    ...(outcome?.base.error ? [] : (built ?? [])),
    ...(outcome ? brokenDebug(outcome).map(({ message }) => onDebug(outcome, message)) : []),
    ...(outcome?.changes ?? []).filter((change) => isFailing(change, reproducer)).map(describe),
    ...(outcome ? notFixed(outcome, reproducer) : []),
  ];
}

/** Why the debug kernel does not build, if only the series keeps it from that, and from no other kernel. */
function brokenDebug({ base, steps, debug }: CiOutcome): KilnError[] {
  if (debug === null || base.error || steps.at(-1)?.error || debug.base.error) return [];
  return debug.whole.error && isOfSeries(debug.whole.error) ? [debug.whole.error] : [];
}

function isOfSeries({ code }: KilnError): boolean {
  return code !== 'interrupted' && code !== 'infrastructure';
}

function onDebug({ debug }: CiOutcome, text: string): string {
  return `the series on ${debug!.config.join(',')}: ${text}`;
}

/** A reproducer is judged by itself. */
function isFailing({ kind, patched, suite }: Change, reproducer: string | null): boolean {
  if (suite === reproducer) return false;
  return kind === 'new-failure' || (kind === 'new-test' && patched.failed > 0);
}

/**
 * Why a series does not fix its reproducer, one line for each test. A test must be fixed on the run's kernel or on the
 * debug kernel, and must not fail with the series on either.
 */
function notFixed({ changes, sameCode, steps }: CiOutcome, reproducer: string | null): string[] {
  if (reproducer === null) return [];
  const own = changes.filter(({ suite }) => suite === reproducer);
  if (own.length === 0) {
    const why = sameCode.has(steps.length)
      ? 'no code changed in this configuration'
      : 'it was not run on both kernels';
    return [`${reproducer}: not known to be fixed: ${why}`];
  }
  return [...Map.groupBy(own, ({ test }) => test)].flatMap(([test, all]) => {
    const after = all.find(({ patched }) => patched.failed > 0);
    if (after) return [`${reproducer}/${test} still fails with the series: ${after.sentence}`];
    if (all.some(({ kind }) => kind === 'fixed')) return [];
    const [first] = all;
    const what = first!.base.failed === 0 ? 'does not fail on the base' : 'is not known to be fixed';
    return [`${reproducer}/${test} ${what}: ${first!.sentence}`];
  });
}

function describe(change: Change): string {
  const patch = change.patch === null ? '' : ` (patch ${change.patch})`;
  return `${nameOf(change)}${patch}: ${change.sentence}`;
}

/** What was not tested, and why. */
function notTested({ conflict, outcome, series }: CiFacts): string[] {
  const total = series.patches.length;
  const after = conflict && conflict.number < total ? rangeOf(conflict.number + 1, total) : null;
  const lines = after === null ? [] : [`${after}: patch ${conflict!.number} does not apply`];
  if (outcome === null) return lines;
  const { base, steps, debug } = outcome;
  if (base.error) lines.push(`the series: the base by itself fails: ${base.error.message}`);
  else if (!boots(base))
    lines.push(
      `the series: the base by itself ${ranNothing(base) ? 'runs no test' : 'does not boot'}: ${base.tests[0]?.detail ?? ''}`,
    );
  const debugJobs = debug ? [debug.base, debug.whole] : [];
  const broken = brokenDebug(outcome);
  for (const { job, error } of debugJobs)
    if (error && !broken.includes(error)) lines.push(onDebug(outcome, `${job.id}: ${error.message}`));
  if (outcome.sameCode.has(steps.length)) lines.push('the series: no code changed in this configuration');
  const all = [base, ...steps, ...debugJobs];
  const errors = all.flatMap(({ tests }) => tests.filter(({ verdict }) => verdict === 'error'));
  const last = steps.at(-1);
  return [
    ...lines,
    ...errors.map(({ job, suite, test, detail }) => `${suite}/${test} on ${job}: ${detail}`),
    ...leftOut(last?.job.left_out.map(({ suite }) => suite) ?? []),
    ...(last ? findSkipped(last.tests, base.tests) : []),
  ];
}

function leftOut(suites: string[]): string[] {
  if (suites.length === 0) return [];
  return [`${plural(suites.length, 'suite')} (${suites.join(', ')}): the tree does not have what they need`];
}

function rangeOf(from: number, to: number): string {
  return from === to ? `patch ${from}` : `patches ${from} to ${to}`;
}

/** A patch that does not apply decides before one that does not build, and that before what the tests say. */
export function exitCodeOf(facts: CiFacts): number {
  const { conflict, outcome, reproducer, failOn } = facts;
  const debug = outcome?.debug ? [outcome.debug.base, outcome.debug.whole] : [];
  const errorsOf = (jobs: readonly (JobOutcome | undefined)[]) =>
    jobs.flatMap((one) => (one?.error ? [one.error] : []));
  const errors = errorsOf([outcome?.base, ...(outcome?.steps ?? [])]);
  if (outcome?.isInterrupted || errors.some(({ code }) => code === 'interrupted')) return exits.interrupted;
  if (conflict) return conflict.error.exitCode;
  if (outcome === null || outcome.base.error || !boots(outcome.base)) return exits.infrastructure;
  const [own] = [...errors.filter(isOfSeries), ...brokenDebug(outcome)];
  if (own) return own.exitCode;
  const isUnfixed = notFixed(outcome, reproducer).length > 0;
  if (failedChecks(describePatches(facts), failOn).length > 0) return exits.testFailed;
  if (isUnfixed || outcome.changes.some((change) => isFailing(change, reproducer))) return exits.testFailed;
  const ends = [...outcome.steps.slice(-1), ...debug];
  const isLost = ends.some(({ tests }) => tests.some(({ verdict }) => verdict === 'error'));
  const isHost = [...errors, ...errorsOf(debug)].some(({ code }) => code === 'infrastructure');
  return isHost || isLost ? exits.infrastructure : exits.ok;
}

function name({ patches }: Series, number: number): string {
  const { subject, file } = patches[number - 1]!;
  return withoutTags(subject) || file;
}
