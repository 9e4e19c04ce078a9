// SPDX-License-Identifier: MIT
import type { SplatKind } from '../schema.ts';
import { type Begun, matchPattern, panicReason, type SplatPattern, stable } from './patterns.ts';
import {
  afterPatterns,
  causePatterns,
  cpuPattern,
  cutHere,
  diePattern,
  diesPattern,
  endPanic,
  endPattern,
  endTrace,
  evidencePattern,
  frameLine,
  framePattern,
  harmlessAlert,
  headPattern,
  highestAlert,
  isForeign,
  isOfStack,
  kmemleakIndent,
  outcomePattern,
  panicMessage,
  registersPattern,
  rulePattern,
  showsOtherCpus,
  stackEnd,
  stackPattern,
  stackStart,
  summedUp,
  taskEnd,
  taskOf,
} from './shape.ts';

/** A BUG, WARNING, Oops, or other report of an error by the kernel. */
export type Splat = {
  /** Has no addresses, pids, offsets, CPU numbers or times, so that the same bug has the same title in every run. */
  title: string;
  kind: SplatKind;
  /** Command name of the task it happened in, if the log says so. */
  task: string | null;
  /** The log's lines, without time and level; at most 500. */
  lines: string[];
  /**
   * Its end or its stack is missing, because the machine died or records were lost; or lines of another CPU stood in
   * it.
   */
  torn: boolean;
  /** Sequence number of the record it begins with; null for a console. */
  seq: number | null;
  /** What the kernel panicked with because of this splat; null if it did not. */
  panic: string | null;
  /** By itself no reason to fail a test. */
  notice?: true;
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
  /** The trace has said where it begins, so that it says where it ends. */
  inTask: boolean;
  /** Its end has been seen. */
  complete: boolean;
  /** Records were lost while it was printed, or others were printed in its middle. */
  damaged: boolean;
  panic: string | null;
  /** Lines at its end that don't look like a part of it. */
  quiet: number;
  /** Lines since its call trace was interrupted: others', if the trace goes on. */
  interruption: RawLine[];
};

type RawLine = { line: string; seq: number | null; order: number; level: number };

type Preamble = Pick<Open, 'lines' | 'seq' | 'order'>;

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
  #preamble: Preamble | null = null;
  /** A second `cut here` before the first one's report: two CPUs report at once. */
  #secondCut: Preamble | null = null;
  /** Lines of a high level that belong to no splat so far; the next one may be their cause. */
  #alert: Preamble | null = null;

  constructor(found: Found[]) {
    this.#found = found;
  }

  /** @param level printk's, from 0; 7 if it is not known */
  read(raw: string, seq: number | null, order: number, level = 7): void {
    const line = raw.replace(kmemleakIndent, '');
    const match = matchPattern(line);
    const begun = match && !this.#isText(match) ? match : null;
    if (
      this.#open &&
      this.#open.interruption.length > 0 &&
      !this.#resumes(this.#open, line, begun !== null)
    ) {
      const { interruption } = this.#open;
      if (begun === null && !headPattern.test(line) && interruption.length < maxInterruption) {
        interruption.push({ line, seq, order, level });
        return;
      }
      this.#close();
    }
    if (begun && !this.#belongs(begun, line)) {
      const open = this.#open;
      if (begun.pattern.end === 'line' && open && !open.complete && open.pattern.end !== 'maybe') {
        open.damaged = true;
        this.#found.push({ splat: splatOfLine(begun, line, seq), order });
        return;
      }
      this.#begin(begun.pattern, begun.match, line, seq, order);
    } else if (cutHere.test(line) && !this.#awaitsCut()) {
      this.#cut(line, seq, order);
    } else if (this.#open) {
      this.#continue(this.#open, line, seq, order, level);
    } else if (this.#preamble) {
      this.#preamble.lines.push(line);
      if (this.#preamble.lines.length > maxPreamble || rulePattern.test(this.#preamble.lines[0] ?? '')) {
        this.#dropPreamble();
      }
    } else if (!this.#follows(line)) {
      this.#readOther(line, seq, order, level);
    }
  }

  /** Whether a report of a stuck CPU waits for that CPU's own lines, which have another caller. */
  get awaitsOtherCpu(): boolean {
    const kind = this.#open?.pattern.kind ?? this.#recent?.splat.kind;
    return kind !== undefined && showsOtherCpus.has(kind);
  }

  /** Whether a line of another CPU belongs to the report of that CPU's stack. */
  takes(line: string): boolean {
    return evidencePattern.test(line) && matchPattern(line) === null;
  }

  /** Whether no splat is open. */
  get isIdle(): boolean {
    return this.#open === null && this.#preamble === null;
  }

  lostRecords(): void {
    if (this.#open) {
      this.#open.damaged = true;
    }
  }

  end(): void {
    this.#close();
    this.#dropPreamble();
    this.#dropAlert();
  }

  /** A line outside of all splats. */
  #readOther(line: string, seq: number | null, order: number, level: number): void {
    if (rulePattern.test(line)) {
      this.#dropAlert();
      this.#preamble = { lines: [line], seq, order };
    } else if (level > highestAlert || line.trim() === '' || harmlessAlert.test(line)) {
      this.#dropAlert();
    } else {
      this.#alert ??= { lines: [], seq, order };
      if (this.#alert.lines.length < maxAlert) {
        this.#alert.lines.push(line);
      }
    }
  }

  #cut(line: string, seq: number | null, order: number): void {
    this.#close();
    this.#recent = null;
    if (this.#secondCut === null && this.#preamble?.lines.some((before) => cutHere.test(before))) {
      this.#secondCut = { lines: [line], seq, order };
      return;
    }
    this.#dropPreamble();
    const before = this.#takeAlert(order) ?? { lines: [], seq, order };
    this.#preamble = { ...before, lines: [...before.lines, line] };
  }

  /** The lines of a high level just before this one: they tell the cause of what it begins. */
  #takeAlert(order: number): Preamble | null {
    if (this.#alert && order - this.#alert.order > maxAlert) {
      this.#dropAlert();
    }
    const alert = this.#alert;
    this.#alert = null;
    return alert;
  }

  #begin(
    pattern: SplatPattern,
    match: RegExpExecArray,
    line: string,
    seq: number | null,
    order: number,
  ): void {
    if (this.#isNamedBy(pattern)) {
      const open = this.#open as Open;
      this.#open = { ...open, pattern, match, lines: [...open.lines, line] };
      return;
    }
    this.#close();
    const alert = this.#takeAlert(order);
    const before = this.#preamble ?? alert ?? { lines: [], seq, order };
    this.#preamble = this.#secondCut;
    this.#secondCut = null;
    this.#recent = null;
    this.#open = {
      ...before,
      pattern,
      match,
      lines: [...before.lines, line],
      inStack: false,
      inTask: false,
      complete: pattern.end === 'line',
      damaged: false,
      panic: null,
      quiet: 0,
      interruption: [],
    };
    if (pattern.end === 'line') {
      this.#close();
    }
  }

  /** Since 6.18 the text of a WARN() may follow its first line: that of a checker says more. */
  #isNamedBy(pattern: SplatPattern): boolean {
    return pattern.announces === true && this.#lacksText();
  }

  /** Whether the first line of a WARN() was the last one, but for its text. */
  #lacksText(): boolean {
    const { pattern, lines = [] } = this.#open ?? {};
    const hasBody = lines.some((line) => cpuPattern.test(line));
    return pattern?.kind === 'warning' && pattern.announces !== true && !hasBody;
  }

  /** Whether this line is the text of a WARN(), which may be anything. */
  #isText({ pattern }: Begun): boolean {
    const isCut = this.#open === null && this.#preamble?.lines.some((line) => cutHere.test(line));
    return pattern.mayBeText === true && (isCut === true || this.#lacksText());
  }

  /** Whether this line, which could begin a splat, belongs to the previous one or is its consequence. */
  #belongs({ pattern, match }: Begun, line: string): boolean {
    if (pattern.kind === 'panic') {
      return this.#isConsequence(panicMessage(line) ?? '');
    }
    const kind = this.#open?.pattern.kind ?? this.#recent?.splat.kind;
    if (pattern.end === 'line' && pattern.kind === kind && summedUp.has(kind)) {
      return true;
    }
    // The victim's line ends the report of an invoked killer.
    if (this.#open?.pattern.end === 'verdict' && pattern.kind === this.#open.pattern.kind) {
      return this.#open.pattern.last?.test(line) === true;
    }
    if (this.#open === null && pattern.repeats === true) {
      return this.#recent?.splat.title === pattern.title(match, [line]);
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
        lines.length <= maxUnsure &&
        lines[0] === 'BUG: memory leak')
    );
  }

  /** Whether a panic is a consequence of the last splat. */
  #isConsequence(message: string): boolean {
    const kind = this.#open?.pattern.kind ?? this.#recent?.splat.kind;
    const panicked = this.#open?.panic ?? this.#recent?.splat.panic ?? null;
    if (kind === undefined || panicked !== null || kind === 'panic' || kind === 'oom') {
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
    if (this.#open?.pattern.announces !== true) {
      return false;
    }
    const { lines, quiet } = this.#open;
    return quiet <= maxUnsure && !lines.some((line) => cutHere.test(line) || outcomePattern.test(line));
  }

  #continue(open: Open, line: string, seq: number | null, order: number, level: number): void {
    const panic = open.pattern.kind === 'panic' ? null : panicMessage(line);
    if (panic !== null) {
      open.panic = panicReason(panic);
      open.complete = true;
      open.inStack = false;
      open.inTask = false;
    }
    const mayGoOn = open.panic === null && open.pattern.end !== 'panic' && open.pattern.end !== 'verdict';
    if (open.inStack && mayGoOn && !isOfStack(open.inTask, line)) {
      open.interruption.push({ line, seq, order, level });
      return;
    }
    const wasInStack = open.inStack;
    const last = this.#isLast(open, line);
    if (last && wasInStack && line !== taskEnd) {
      // The first line after the frames is not part of the splat.
      this.#close();
      this.read(line, seq, order, level);
      return;
    }
    if (open.lines.length < maxLines) {
      open.lines.push(line);
    }
    open.damaged ||= isForeign(open, line);
    open.quiet = evidencePattern.test(line) ? 0 : open.quiet + 1;
    const tooQuiet = open.quiet > (open.pattern.end === 'maybe' ? maxUnsure : maxQuiet);
    const hasNoEnd = tooQuiet || open.lines.length >= maxLines;
    if (last || (hasNoEnd && open.pattern.end !== 'verdict')) {
      this.#close();
    }
  }

  /** Whether a call trace goes on with this line, after lines that did not look like it. */
  #resumes(open: Open, line: string, begins: boolean): boolean {
    const goesOn =
      !begins &&
      (frameLine.test(line) || (open.inTask && (endPattern.test(line) || registersPattern.test(line))));
    if (goesOn) {
      open.interruption = [];
      open.damaged = true;
    }
    return goesOn;
  }

  /** Whether the splat ends with this line. Updates `open`. */
  #isLast(open: Open, line: string): boolean {
    const stackOver = open.inStack && (line === taskEnd || !framePattern.test(line));
    open.inStack = stackPattern.test(line) || (open.inStack && !stackOver);
    open.inTask = open.inStack && (stackStart.test(line) || (open.inTask && !stackEnd.test(line)));
    const hasMarker = open.pattern.announces === true && open.lines.some((one) => outcomePattern.test(one));
    const end = hasMarker ? 'marker' : open.pattern.end;
    switch (open.panic === null ? end : 'panic') {
      case 'marker':
        open.complete ||= endTrace.test(line);
        return endTrace.test(line);
      case 'rule':
        open.complete ||= rulePattern.test(line);
        return rulePattern.test(line);
      case 'verdict':
        open.complete ||= open.pattern.last?.test(line) === true;
        return open.complete;
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
    // The trace had no more frames, so that it was over.
    open.complete ||= open.interruption.length > 0 && pattern.end === 'stack' && !open.inTask;
    if (pattern.end !== 'verdict') {
      lines.splice(lines.length - open.quiet);
    }
    const unsure = pattern.end === 'maybe' && !lines.some((line) => line.startsWith('Call Trace:'));
    const splat: Splat = {
      title: pattern.title(match, lines),
      kind: pattern.kind,
      task: pattern.task?.(lines) ?? match.groups?.task ?? taskOf(lines),
      lines,
      torn: open.damaged || !(open.complete || unsure),
      seq: open.seq,
      panic: open.panic,
      ...(pattern.notice ? { notice: true } : {}),
    };
    if (!pattern.isInnocent?.(lines)) {
      this.#found.push({ splat, order: open.order });
      this.#recent = { splat, since: 0 };
    }
    for (const { line, seq, order, level } of open.interruption) {
      this.read(line, seq, order, level);
    }
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
    for (const preamble of [this.#preamble, this.#secondCut]) {
      if (preamble?.lines.some((line) => cutHere.test(line))) {
        const { lines, seq, order } = preamble;
        const title = 'cut here: the report is missing';
        const splat: Splat = { title, kind: 'other', task: null, lines, torn: true, seq, panic: null };
        this.#found.push({ splat, order });
      }
    }
    this.#preamble = null;
    this.#secondCut = null;
  }

  /** No splat followed: the lines of a high level are told by themselves. */
  #dropAlert(): void {
    if (this.#alert) {
      const { lines, seq, order } = this.#alert;
      const title = stable(lines[0] ?? '').slice(0, maxTitle);
      const splat: Splat = {
        title,
        kind: 'other',
        task: null,
        lines,
        torn: false,
        seq,
        panic: null,
        notice: true,
      };
      this.#found.push({ splat, order });
    }
    this.#alert = null;
  }
}

/** Lines recorded of one splat. Lockdep's longest reports have about 300. */
const maxLines = 500;
/** Lines between `cut here` and the WARNING or BUG line: a WARN()'s text may have several. */
const maxPreamble = 12;
/** After this many lines without any sign of a splat it counts as torn. */
const maxQuiet = 40;
const maxUnsure = 8;
/** Lines after a splat within which a panic may still be its consequence. */
const maxSince = 30;

/** Lines of one notice, and lines of the log between it and what it may tell the cause of. */
const maxAlert = 20;
const maxTitle = 200;

/** Lines of others within a call trace. */
const maxInterruption = 8;

/** A report of one line. It may stand in the middle of another CPU's, which goes on. */
function splatOfLine({ pattern, match }: Begun, line: string, seq: number | null): Splat {
  return {
    title: pattern.title(match, [line]),
    kind: pattern.kind,
    task: match.groups?.task ?? null,
    lines: [line],
    torn: false,
    seq,
    panic: null,
    ...(pattern.notice ? { notice: true } : {}),
  };
}
