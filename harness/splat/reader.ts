// SPDX-License-Identifier: MIT
import * as arch from '../guest/arch/x86_64.ts';
import type { SplatKind } from '../schema.ts';
import { matchPattern, panicReason, type SplatPattern } from './patterns.ts';

/** A BUG, WARNING, Oops, or other report of an error by the kernel. */
export type Splat = {
  /** Has no addresses, pids, offsets, CPU numbers or times, so that the same bug has the same title in every run. */
  title: string;
  kind: SplatKind;
  /** Command name of the task it happened in, if the log says so. */
  task: string | null;
  /** The log's lines, without time and level; at most 500. */
  lines: string[];
  /** Its end or its stack is missing: the machine died or records were lost. */
  torn: boolean;
  /** Sequence number of the record it begins with; null for a console. */
  seq: number | null;
  /** What the kernel panicked with because of this splat; null if it did not. */
  panic: string | null;
};

/** `order`: the number of the line with which it began. */
export type Found = {
  splat: Splat;
  order: number;
};

/** A splat whose end has not been read yet. */
type Open = {
  pattern: SplatPattern;
  match: RegExpExecArray;
  lines: string[];
  seq: number | null;
  order: number;
  /** The current line is in its call trace. */
  inStack: boolean;
  /** Its end has been seen. */
  complete: boolean;
  /** Records were lost while it was printed. */
  lost: boolean;
  panic: string | null;
  /** Lines at its end that don't look like a part of it. */
  quiet: number;
};

/** The last splat that has ended. Following lines may still belong to it. */
type Recent = {
  splat: Splat;
  /** Lines read since then that did not belong to it. */
  since: number;
};

/** Reads the lines of one caller in order, and adds the splats to `found`. */
export class SplatReader {
  readonly #found: Found[];
  #open: Open | null = null;
  #recent: Recent | null = null;
  /** Lines since a `cut here` or a rule, until the line that tells the kind of splat. */
  #preamble: Pick<Open, 'lines' | 'seq' | 'order'> | null = null;

  constructor(found: Found[]) {
    this.#found = found;
  }

  read(raw: string, seq: number | null, order: number): void {
    const line = raw.replace(kmemleakIndent, '');
    const begun = matchPattern(line);
    if (begun && !this.#belongs(begun.pattern, line)) {
      this.#begin(begun.pattern, begun.match, line, seq, order);
    } else if ((cutHere.test(line) && !this.#awaitsCut()) || bootPattern.test(line)) {
      this.end();
      this.#recent = null;
      this.#preamble = cutHere.test(line) ? { lines: [line], seq, order } : null;
    } else if (this.#open) {
      this.#continue(this.#open, line, seq, order);
    } else if (this.#preamble) {
      this.#preamble.lines.push(line);
      if (this.#preamble.lines.length > maxPreamble || rulePattern.test(this.#preamble.lines[0] ?? '')) {
        this.#dropPreamble();
      }
    } else if (!this.#follows(line) && rulePattern.test(line)) {
      this.#preamble = { lines: [line], seq, order };
    }
  }

  lostRecords(): void {
    if (this.#open) {
      this.#open.lost = true;
    }
  }

  end(): void {
    this.#close();
    this.#dropPreamble();
  }

  #begin(
    pattern: SplatPattern,
    match: RegExpExecArray,
    line: string,
    seq: number | null,
    order: number,
  ): void {
    this.#close();
    const before = this.#preamble ?? { lines: [], seq, order };
    this.#preamble = null;
    this.#recent = null;
    this.#open = {
      ...before,
      pattern,
      match,
      lines: [...before.lines, line],
      inStack: false,
      complete: pattern.end === 'line',
      lost: false,
      panic: null,
      quiet: 0,
    };
    if (pattern.end === 'line') {
      this.#close();
    }
  }

  /** Whether this line, which could begin a splat, belongs to the previous one or is its consequence. */
  #belongs(pattern: SplatPattern, line: string): boolean {
    if (pattern.kind === 'panic') {
      return this.#isConsequence(panicMessage(line) ?? '');
    }
    const kind = this.#open?.pattern.kind ?? this.#recent?.splat.kind;
    if (pattern.end === 'line' && pattern.kind === kind && summedUp.has(kind)) {
      return true;
    }
    if (this.#open === null) {
      return false;
    }
    // One cause is reported twice: by the checker that noticed it, then by WARN(), BUG() or the exception handler.
    const { lines, pattern: first } = this.#open;
    const isOutcome = outcomePattern.test(line) && !lines.some((seen) => outcomePattern.test(seen));
    const isDie = diePattern.test(line) && !lines.some((seen) => diePattern.test(seen));
    return (
      (first.announces === true && (isOutcome || isDie)) ||
      (diesPattern.has(first.kind) && isDie) ||
      (first.kind === 'kmemleak' &&
        pattern.kind === 'kmemleak' &&
        lines.length === 1 &&
        lines[0] === 'BUG: memory leak')
    );
  }

  /** Whether a panic is a consequence of the last splat. */
  #isConsequence(message: string): boolean {
    const kind = this.#open?.pattern.kind ?? this.#recent?.splat.kind;
    const panicked = this.#open?.panic ?? this.#recent?.splat.panic ?? null;
    if (kind === undefined || panicked !== null || kind === 'panic') {
      return false;
    }
    // The panic interrupts the splat, so that is most likely its cause.
    if (this.#open && this.#open.pattern.end !== 'maybe') {
      return true;
    }
    // An oops kills the task that it happened in: init is killed only by its own.
    const inInit = this.#recent?.splat.lines.some((line) => /^CPU: .* PID: 1 /.test(line)) ?? false;
    if (message.startsWith('Attempted to kill init!')) {
      return inInit && diesPattern.has(kind);
    }
    return / set(?: \.\.\.)?$/.test(message) || (causePatterns[kind]?.test(message) ?? false);
  }

  /** Checkers of data print their own line before the `cut here` of the BUG(). */
  #awaitsCut(): boolean {
    return this.#open?.pattern.announces === true && this.#open.lines.length === 1;
  }

  #continue(open: Open, line: string, seq: number | null, order: number): void {
    const panic = open.pattern.kind === 'panic' ? null : panicMessage(line);
    if (panic !== null) {
      open.panic = panicReason(panic);
      open.complete = true;
      open.inStack = false;
    }
    const wasInStack = open.inStack;
    const last = this.#isLast(open, line);
    if (last && wasInStack && line !== taskEnd) {
      // The first line after the frames is not part of the splat.
      this.#close();
      this.read(line, seq, order);
      return;
    }
    open.lines.push(line);
    open.quiet = evidencePattern.test(line) ? 0 : open.quiet + 1;
    const tooQuiet = open.quiet > (open.pattern.end === 'maybe' ? maxUnsure : maxQuiet);
    if (last || tooQuiet || open.lines.length >= maxLines) {
      this.#close();
    }
  }

  /** Whether the splat ends with this line. Updates `open`. */
  #isLast(open: Open, line: string): boolean {
    const stackOver = open.inStack && (line === taskEnd || !framePattern.test(line));
    open.inStack = stackPattern.test(line) || (open.inStack && !stackOver);
    switch (open.panic === null ? open.pattern.end : 'panic') {
      case 'marker':
        open.complete ||= endTrace.test(line);
        return endTrace.test(line);
      case 'rule':
        open.complete ||= rulePattern.test(line);
        return rulePattern.test(line);
      case 'panic':
        open.complete ||= /^CPU: |^Kernel Offset: |^Rebooting in /.test(line) || endPanic.test(line);
        return endPanic.test(line);
      default:
        open.complete ||= stackOver;
        return stackOver;
    }
  }

  #close(): void {
    const open = this.#open;
    if (open === null) {
      return;
    }
    this.#open = null;
    const { pattern, match, lines } = open;
    lines.splice(lines.length - open.quiet);
    const unsure = pattern.end === 'maybe' && !lines.some((line) => line.startsWith('Call Trace:'));
    const splat: Splat = {
      title: pattern.title(match, lines),
      kind: pattern.kind,
      task: match.groups?.task ?? taskOf(lines),
      lines,
      torn: open.lost || !(open.complete || unsure),
      seq: open.seq,
      panic: open.panic,
    };
    this.#found.push({ splat, order: open.order });
    this.#recent = { splat, since: 0 };
  }

  /** Adds a line to the splat that has ended, if it belongs to that. Returns whether it did. */
  #follows(line: string): boolean {
    const recent = this.#recent;
    if (recent === null) {
      return false;
    }
    const { splat } = recent;
    const panic = panicMessage(line);
    if (panic !== null) {
      splat.panic = panicReason(panic);
    }
    const belongs = splat.panic !== null || afterPatterns[splat.kind]?.test(line) === true;
    if (belongs) {
      splat.lines.push(line);
    }
    recent.since = belongs ? 0 : recent.since + 1;
    if (recent.since > maxSince || splat.lines.length >= maxLines || endPanic.test(line)) {
      this.#recent = null;
    }
    return belongs;
  }

  /** After a `cut here` without a report the machine has died. A rule by itself means nothing. */
  #dropPreamble(): void {
    const preamble = this.#preamble;
    this.#preamble = null;
    if (preamble === null || !cutHere.test(preamble.lines[0] ?? '')) {
      return;
    }
    const { lines, seq, order } = preamble;
    const title = 'cut here: the report is missing';
    this.#found.push({
      splat: { title, kind: 'other', task: null, lines, torn: true, seq, panic: null },
      order,
    });
  }
}

const cutHere = /^-+\[ cut here \]-+$/;
const rulePattern = /^={20,}$/;
const endTrace = /^---\[ end trace /;
const endPanic = /^---\[ end Kernel panic /;
const bootPattern = /^Linux version \d/;
/** kmemleak's pr_fmt prefixes every line of its reports. */
const kmemleakIndent = /^kmemleak: (?= |unreferenced object)/;
const stackPattern = /^Call Trace:|^ {2}backtrace/;
const taskEnd = ' </TASK>';

/** The exception handler's line after `BUG: …` or `kernel BUG at`. */
const diePattern = /^Oops: |\[#\d+\]/;
/** What follows the line of a checker of data. */
const outcomePattern = /^WARNING: |^kernel BUG at /;

/** A line of a call trace. Frames are indented; registers at an exception entry stand between them. */
const framePattern = new RegExp(`^[ \\t]|^${arch.logRegisters}`);
/** Lines that only a splat has. */
const evidencePattern = new RegExp(
  `^[ \\t]|^$|^${arch.logRegisters}|^(?:CPU: |Hardware name: |Call Trace:|Modules linked in:|Oops: |task:|rcu: |NMI backtrace|-> #|---|===|Kernel )`,
);

/** Printed by add_taint(), after the report that caused it. */
const lockdepOff = /^Disabling lock debugging due to kernel taint$/;
/** Lines that may follow a splat: the registers again, all locks, stacks of other CPUs. */
const afterPatterns: Partial<Record<SplatKind, RegExp>> = {
  kasan: lockdepOff,
  'bad-page': lockdepOff,
  taint: lockdepOff,
  oops: new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  gpf: new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  bug: new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  'list-corruption': new RegExp(`^${arch.logRegisters}|^note: |^Modules linked in:`),
  'hung-task': /^Showing all locks|^\d+ locks? held by |^ #\d+: |^INFO: lockdep is turned off/,
  'rcu-stall': evidencePattern,
  'hard-lockup': evidencePattern,
  kmemleak: /^kmemleak: \d+ new suspected/,
};

/** Kinds that have a one-line pattern which is a mere summary after a full report. */
const summedUp = new Set<SplatKind>(['rcu-stall', 'kmemleak']);

/** Kinds after which the kernel kills the task. */
const diesPattern = new Set<SplatKind>(['oops', 'gpf', 'bug', 'list-corruption']);
const fatalCodes =
  /^Fatal exception|^Aiee, killing interrupt handler|^Attempted to kill the idle task|panic_on_oops/;
/** Messages of the panics that a kind of splat can cause, besides `… set ...`. */
const causePatterns: Partial<Record<SplatKind, RegExp>> = {
  oops: fatalCodes,
  gpf: fatalCodes,
  bug: fatalCodes,
  'list-corruption': fatalCodes,
  'soft-lockup': /^softlockup: hung tasks/,
  'hard-lockup': /^Hard LOCKUP/,
  'hung-task': /^hung_task: blocked tasks/,
  'rcu-stall': /^RCU Stall/,
};

/** Lines recorded of one splat. Lockdep's longest reports have about 300. */
const maxLines = 500;
/** Lines between `cut here` and the WARNING or BUG line: a WARN()'s text may have several. */
const maxPreamble = 12;
/** After this many lines without any sign of a splat it counts as torn. */
const maxQuiet = 40;
const maxUnsure = 8;
/** Lines after a splat within which a panic may still be its consequence. */
const maxSince = 30;

function panicMessage(line: string): string | null {
  return /^Kernel panic - not syncing: (.*)$/.exec(line)?.[1] ?? null;
}

function taskOf(lines: readonly string[]): string | null {
  for (const line of lines) {
    const found =
      /^CPU: .*\bComm: (.+?) (?:Not tainted|Tainted:|Kdump:)/.exec(line) ??
      /\bby task (.+)\/\d+(?: |$)/.exec(line) ??
      /^(\S.*)\/\d+ is (?:trying to|leaving the kernel|freeing memory)/.exec(line) ??
      /^ {2}comm "(.*)", pid \d/.exec(line);
    if (found) {
      return found[1] ?? null;
    }
  }
  return null;
}
