// SPDX-License-Identifier: MIT
// Pure: slow, timed out, hung and dead told apart; and what a busy host may have brought about.
import type { Loss, TestRun } from '../channel/session.ts';
import { type Load, missingShare } from '../guest/steal.ts';
import type { CaseResult, SplatResult, TestResult, Verdict } from '../schema.ts';

/**
 * How much longer a guest is given than one that boots within `usualBoot` would be: it is as much slower by itself,
 * emulated on a slow processor or with a kernel that checks much.
 * @param bootMs CLOCK_BOOTTIME at the agent's first word
 */
export function slowness(bootMs: number, { steal, stopped }: Load): number {
  const own = Math.max(0, bootMs - steal - stopped);
  return Math.min(maxSlowness, Math.max(1, Math.round((2 * own) / usualBoot) / 2));
}

/** Milliseconds. Twice what the default kernel takes under emulation (docs/performance.md). */
const usualBoot = 2000;
const maxSlowness = 8;

/** What became of a test in time; undefined: nothing to say. */
export function tempo(
  verdict: Verdict,
  run: TestRun | null,
  loss: Loss | null,
  limitMs: number,
  { steal }: Load,
): TestResult['tempo'] {
  if (verdict === 'error') return undefined;
  if (loss?.why === 'silent' && verdict === 'timeout') return 'hung';
  if (verdict === 'crash') return 'dead';
  if (verdict === 'timeout') return 'timed-out';
  return (run?.end?.duration_ms ?? 0) - steal > limitMs / 2 ? 'slow' : undefined;
}

/** A host that kept so much of its time from a guest may be why its kernel complains of standing still. */
const enough = { share: 0.25, ms: 5000 };

/** What may be of the host's making. */
type Complaints = {
  splats: readonly Pick<SplatResult, 'kind' | 'title'>[];
  cases?: readonly Pick<CaseResult, 'verdict' | 'detail'>[];
};

/**
 * Whether all that is wrong may be: the kernel complains only of processors or tasks that stood still, cases failed only
 * at kselftest_harness.h's own limit, and QEMU has itself stood still for long.
 */
export function mayBeHosts({ splats, cases = [] }: Complaints, load: Load): boolean {
  const failed = cases.filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout');
  const complains = splats.length + failed.length > 0;
  return complains && splats.every(isStall) && failed.every(isLate) && wasKept(load);
}

function isLate({ detail }: Pick<CaseResult, 'detail'>): boolean {
  return /\bTest terminated by timeout$/m.test(detail);
}

function isStall({ kind, title }: Pick<SplatResult, 'kind' | 'title'>): boolean {
  return stalls.has(kind) || /workqueue lockup|clocksource/i.test(title);
}

const stalls = new Set<SplatResult['kind']>(['rcu-stall', 'soft-lockup', 'hard-lockup', 'hung-task']);

function wasKept(load: Load): boolean {
  return load.steal + load.stopped >= enough.ms && missingShare(load) >= enough.share;
}

/** `QEMU had no processor for 12 of 20 s` */
export function describeLoad({ elapsed, steal, stopped }: Load): string {
  const of = `of ${Math.round(elapsed / 1000)} s`;
  return stopped > steal
    ? `QEMU was stopped for ${Math.round(stopped / 1000)} ${of}`
    : `QEMU waited for a processor for ${Math.round(steal / 1000)} ${of}`;
}
