// SPDX-License-Identifier: MIT
// Pure: whether a test was slow, timed out, hung or dead; and whether a busy host may be the cause.
import type { Loss, TestRun } from '../channel/session.ts';
import { type Load, missingShare } from '../guest/steal.ts';
import type { CaseResult, SplatResult, TestResult, Verdict } from '../schema.ts';

/**
 * The factor for the time limits in a guest, from how much longer than `usualBoot` it took to boot. A guest
 * is slow if it is emulated on a slow processor, or if its kernel has many checks.
 * @param bootMs CLOCK_BOOTTIME at the agent's hello
 */
export function slowness(bootMs: number, { steal, stopped }: Load): number {
  const own = Math.max(0, bootMs - steal - stopped);
  return Math.min(maxSlowness, Math.max(1, Math.round((2 * own) / usualBoot) / 2));
}

/** Milliseconds. Twice what the default kernel takes under emulation (docs/performance.md). */
const usualBoot = 2000;
const maxSlowness = 8;

/** Whether the test was slow, timed out, hung or dead; undefined if none of these. */
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

/** A host that takes at least so much time from a guest may be why the guest's kernel reports a stall. */
const enough = { share: 0.25, ms: 5000 };

/** Splats and failed cases that a busy host may have caused. */
type Complaints = {
  splats: readonly Pick<SplatResult, 'kind' | 'title' | 'notice'>[];
  cases?: readonly Pick<CaseResult, 'verdict' | 'detail'>[];
};

/**
 * Whether the host may have caused all complaints: all splats are stalls of processors or tasks, all failed
 * cases reached kselftest_harness.h's own limit, and QEMU did not run for long.
 */
export function mayBeHosts({ splats: all, cases = [] }: Complaints, load: Load): boolean {
  const splats = all.filter(({ notice }) => !notice);
  const failed = cases.filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout');
  const complains = splats.length + failed.length > 0;
  return complains && splats.every(isStall) && failed.every(isLate) && wasKept(load);
}

function isLate({ detail }: Pick<CaseResult, 'detail'>): boolean {
  return /\bTest terminated by timeout$/m.test(detail);
}

function isStall({ kind, title }: Pick<SplatResult, 'kind' | 'title'>): boolean {
  return stalls.has(kind) || /workqueue lockup|CSD lock|clocksource/i.test(title);
}

const stalls = new Set<SplatResult['kind']>(['rcu-stall', 'soft-lockup', 'hard-lockup', 'hung-task']);

function wasKept(load: Load): boolean {
  return load.steal + load.stopped >= enough.ms && missingShare(load) >= enough.share;
}

/** `QEMU waited for a processor for 12 of 20 s` */
export function describeLoad({ elapsed, steal, stopped }: Load): string {
  const of = `of ${Math.round(elapsed / 1000)} s`;
  return stopped > steal
    ? `QEMU was stopped for ${Math.round(stopped / 1000)} ${of}`
    : `QEMU waited for a processor for ${Math.round(steal / 1000)} ${of}`;
}
