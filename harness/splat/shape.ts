// SPDX-License-Identifier: MIT
// Pure: what the lines of a report look like, and which lines may follow it.
import * as arch from '../guest/arch/x86_64.ts';
import type { SplatKind } from '../schema.ts';
import type { Begun } from './patterns.ts';

export const cutHere = /^-+\[ cut here \]-+$/;
export const rulePattern = /^={20,}$/;
export const endTrace = /^---\[ end trace /;
/** What ends a report, or the machine, and so a call trace as well. */
export const endPattern = /^---\[ end |^={20,}$|^Kernel panic - not syncing: /;
export const endPanic = /^---\[ end Kernel panic /;
/** kmemleak's pr_fmt prefixes every line of its reports. */
export const kmemleakIndent = /^kmemleak: (?= |unreferenced object)/;
export const stackPattern = /^Call Trace:|^ {2}backtrace/;
export const taskEnd = ' </TASK>';
/** The parts of a call trace are in tags. */
export const stackStart = /^ <[#\w]+>$/;
export const stackEnd = /^ <\/[#\w]+>$/;
/** A line that nothing but a call trace has. */
export const frameLine = new RegExp(
  `^ +(?:\\[<[0-9a-f]+>\\] )?(?:\\? )?[A-Za-z_][\\w.]*\\+0x[0-9a-f]+/0x[0-9a-f]+|^ </?[#\\w]+>$|^${arch.logInstruction}`,
);
export const registersPattern = new RegExp(`^${arch.logRegisters}`);
/** Another dump begins. */
export const headPattern = /^(?:Call Trace:|CPU: \d|task:|NMI backtrace for|Modules linked in:|Showing |=|-)/;
/** The exception handler's line after `BUG: …` or `kernel BUG at`. */
export const diePattern = /^Oops: |\[#\d+\]/;
/** What follows the line of a checker of data. */
export const outcomePattern = /^WARNING: |^kernel BUG at /;

/** A line of a call trace. Frames are indented; registers at an exception entry stand between them. */
export const framePattern = new RegExp(`^[ \\t]|^${arch.logRegisters}`);
/** Lines that only a splat has. */
export const evidencePattern = new RegExp(
  `^[ \\t]|^$|^${arch.logRegisters}|^(?:CPU: |Hardware name: |Call Trace:|Modules linked in:|Oops: |task:|rcu: |NMI backtrace|-> #|---|===|Kernel )` +
    // SLUB shows the whole object.
    '|^(?:Object|Redzone|Padding|Bytes b4|Slab|Allocated in|Freed in) ',
);

/** Printed by add_taint(), after the report that caused it. */
const lockdepOff = /^Disabling lock debugging due to kernel taint$/;
/** Lines that may follow a splat: the registers again, all locks, stacks of other CPUs. */
export const afterPatterns: Partial<Record<SplatKind, RegExp>> = {
  kasan: lockdepOff,
  'bad-page': lockdepOff,
  taint: lockdepOff,
  oops: new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  gpf: new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  bug: new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  'list-corruption': new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  // Since 6.15 with the task that holds the lock, and its stack.
  'hung-task':
    /^ |^task:|^Call Trace:|^Showing all locks|^\d+ locks? held by |^INFO: lockdep is turned off|^INFO: task .* blocked on an? |^Future hung task/,
  'rcu-stall': evidencePattern,
  'hard-lockup': evidencePattern,
  'soft-lockup': /^NMI backtrace for cpu|^Sending NMI from CPU/,
  other:
    /^unregister_netdevice: waiting for |^ref_tracker: |^handlers:|^\[<.*>\] |^Disabling IRQ #|^Mem-Info:|^Dazed and confused|^FIX \S+: |^Disabling lock debugging/,
  kmemleak: /^kmemleak: \d+ new suspected/,
};

/** Kinds whose report has the stacks of other CPUs, which print them themselves. */
export const showsOtherCpus = new Set<SplatKind>(['hard-lockup', 'soft-lockup', 'rcu-stall']);

/** Levels up to this are told: emergency, alert and critical. */
export const highestAlert = 2;
/** What a machine says when it is told to end, or in a report that is stored already. */
export const harmlessAlert =
  /^reboot: |^Kernel Offset: |^Rebooting in |^---\[ end |^Disabling IRQ #|^(?:smpboot: )?Shutting down cpus with NMI/;
/** Kinds that have a one-line pattern which is a mere summary after a full report. */
export const summedUp = new Set<SplatKind>(['rcu-stall', 'kmemleak']);

/** Kinds after which the kernel kills the task. */
export const diesPattern = new Set<SplatKind>(['oops', 'gpf', 'bug', 'list-corruption']);
const fatalCodes =
  /^Fatal exception|^Aiee, killing interrupt handler|^Attempted to kill the idle task|panic_on_oops/;
/** Messages of the panics that a kind of splat can cause, besides `… set ...`. */
export const causePatterns: Partial<Record<SplatKind, RegExp>> = {
  oops: fatalCodes,
  gpf: fatalCodes,
  bug: fatalCodes,
  'list-corruption': fatalCodes,
  'soft-lockup': /^softlockup: hung tasks/,
  'hard-lockup': /^Hard LOCKUP/,
  'hung-task': /^hung_task: blocked tasks/,
  'rcu-stall': /^RCU Stall/,
};

/** Whether a line in a call trace is a part of it, or what follows it. @param inTask a part in tags is open */
export function isOfStack(inTask: boolean, line: string): boolean {
  return framePattern.test(line) || endPattern.test(line) || (!inTask && evidencePattern.test(line));
}

/** Whether this line of a report is another CPU's. Of some kinds all lines are known, and they are those of one CPU. */
export function isForeign(
  { pattern, lines, match }: Begun & { lines: readonly string[] },
  line: string,
): boolean {
  if (pattern.kind === 'hung-task') {
    return !hungBody.test(line);
  }
  if (!diesWithRegisters.has(pattern.kind)) {
    return false;
  }
  // A WARN() may have any text before the CPU's line.
  const first = lines.find((one) => cpuPattern.test(one));
  if (first === undefined) {
    return false;
  }
  const own = pidOf(match.input) ?? pidOf(first);
  return cpuPattern.test(line) ? pidOf(line) !== own : !bodyPattern.test(line);
}

const diesWithRegisters = new Set<SplatKind>(['oops', 'gpf', 'bug', 'warning', 'soft-lockup']);
export const cpuPattern = /^CPU: \d+ .*\bPID: \d+ /;
const hungBody = /^ {2}|^ <|^ [\w?]|^"echo 0 |^task:|^Call Trace:|^\t/;
/** Lines of an exception's report from the CPU's line on, besides evidence. */
const bodyPattern = new RegExp(
  [
    evidencePattern.source,
    '^(?:Tainted|Workqueue|Sched_ext|KASAN|note|BUG|WARNING|#PF|PGD|Unloaded tainted modules|irq event stamp): ?',
    '^(?:hard|soft)irqs last |^Dumping ftrace|^\\(',
  ].join('|'),
);

function pidOf(line: string): string | null {
  return /\bPID: (\d+)\b/.exec(line)?.[1] ?? /, CPU#\d+: .*\/(\d+)$/.exec(line)?.[1] ?? null;
}

export function panicMessage(line: string): string | null {
  return /^Kernel panic - not syncing: (.*)$/.exec(line)?.[1] ?? null;
}

export function taskOf(all: readonly string[]): string | null {
  // The line of a WARN() tells whose CPU line is its own, where two CPUs print at once.
  const pid = pidOf(all.find((line) => outcomePattern.test(line)) ?? '');
  const others = (line: string) => pid !== null && cpuPattern.test(line) && pidOf(line) !== pid;
  const lines = all.some((line) => cpuPattern.test(line) && !others(line))
    ? all.filter((line) => !others(line))
    : all;
  for (const line of lines) {
    const found =
      /^CPU: .*\bComm: (.+?) (?:Not tainted|Tainted:|Kdump:)/.exec(line) ??
      /^WARNING: .*, CPU#\d+: (.*)\/\d+$/.exec(line) ??
      /\bby task (.+)\/\d+(?: |$)/.exec(line) ??
      /^(\S.*)\/\d+ is (?:trying to|leaving the kernel|freeing memory)/.exec(line) ??
      /^ {2}comm "(.*)", pid \d/.exec(line);
    if (found) {
      return found[1] ?? null;
    }
  }
  return null;
}
