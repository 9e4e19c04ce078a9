// SPDX-License-Identifier: MIT
// The cases that were read so far, by levels of nesting; which results in the middle of a line are cases; and what is
// wrong with the output. parser.ts reads the lines.
import { plural } from '../util/plural.ts';
import {
  type Candidate,
  copy,
  dueNumber,
  hasRoom,
  isDue,
  isFailure,
  isResult,
  type Level,
  newLevel,
  quoteAround,
} from './level.ts';
import type { Nesting, ResultSaying } from './line.ts';
import type { KtapCase, KtapProblem, KtapProblemCode } from './result.ts';

/** `cases`: how many are stored. `details`: characters of all diagnostics together. */
type Limits = { cases: number; details: number };

/** Its memory is bounded for any input. */
export class CaseTree {
  /** The open levels, the outermost first. */
  readonly levels: Level[] = [];
  readonly problems: KtapProblem[] = [];
  /** The line that is read, from 1. */
  line = 0;
  hasVersion = false;
  /** The name that was announced for the next level. */
  subtest: string | null = null;
  /** Cases at all levels, those that are not stored among them. */
  cases = 0;
  failures = 0;
  unlistedFailures = 0;
  readonly maxCases: number;
  readonly #takeDetail: () => string[];
  #budget: number;
  /** The outermost level before its first line: only results behind other text have come. */
  #early = newLevel({ width: 0, hashes: 0 }, null, []);

  /** @param takeDetail returns the diagnostics since the last result, which then are forgotten */
  constructor({ cases, details }: Limits, takeDetail: () => string[]) {
    this.maxCases = cases;
    this.#budget = details;
    this.#takeDetail = takeDetail;
  }

  /** The outermost level. */
  get root(): Level {
    return this.levels[0] ?? this.#early;
  }

  /** The level of this nesting, opened if there is none. Levels below it must have been closed. */
  open(nesting: Nesting): Level {
    const top = this.levels.at(-1);
    if (top && (top.width >= nesting.width || this.levels.length >= maxDepth)) {
      return top;
    }
    const before = top ? this.#takeDetail() : [];
    const level = newLevel(nesting, this.subtest, before);
    if (!top) {
      Object.assign(level, { ...this.#early, width: level.width, hashes: level.hashes, name: level.name });
      this.#early = newLevel({ width: 0, hashes: 0 }, null, []);
    }
    this.subtest = null;
    this.levels.push(level);
    return level;
  }

  /**
   * Closes the levels below this width. Returns the one whose parent is a result line at this width.
   * @param isSkipped the parent is: kunit's parametrised cases without parameters have nothing but a header
   */
  takeNested(width: number, isSkipped: boolean): Level | null {
    const outermost = this.levels.findIndex((level) => level.width > width);
    if (outermost === -1) {
      return null;
    }
    this.closeBelow(this.levels[outermost]?.width ?? 0);
    const level = this.levels.pop() ?? null;
    if (level) {
      this.check(level, isSkipped);
    }
    return level;
  }

  /** Closes levels without a parent's result line. Their results become children of a failed parent. */
  closeBelow(width: number): void {
    while (this.levels.length > 1 && (this.levels.at(-1)?.width ?? 0) > width) {
      const level = this.levels.pop() as Level;
      this.check(level);
      this.#addOrphan(this.levels.at(-1) as Level, level);
    }
  }

  /** Adds a subtest that has no parent's result line. */
  #addOrphan(parent: Level, level: Level): void {
    this.report('bad-nesting', `subtest "${level.name ?? ''}" has no result line of its own`, parent);
    // The missing result line has a number too: without this, all later ones would be out of order.
    parent.next++;
    this.addCase(parent, {
      name: level.name ?? '',
      number: null,
      verdict: 'fail',
      detail: this.spend(['no result line: the output ends inside this subtest', ...level.before].join('\n')),
      cases: level.cases,
    });
  }

  /** @param at before which of the level's cases; after all of them by default */
  addCase(level: Level, one: KtapCase, at = level.cases.length): void {
    level.count++;
    this.cases++;
    this.failures += isFailure(one.verdict) ? 1 : 0;
    if (this.cases <= this.maxCases) {
      level.cases.splice(at, 0, { ...one, name: copy(one.name.slice(0, maxName)) });
    } else if (isFailure(one.verdict)) {
      this.unlistedFailures++;
    }
  }

  /** Checks and notes the number of the level's next result; one without a number has the number that is due. */
  checkNumber(level: Level, number: number | null, name: string): void {
    const expected = level.next;
    level.next = (number ?? expected) + 1;
    if (number === null) {
      return;
    }
    if (level.numbers.has(number)) {
      this.report('duplicate-number', `number ${number} has two results`, level);
    } else if (number !== expected) {
      this.report('out-of-order', `number ${number} where ${expected} was due`, level);
    }
    if (level.numbers.size < this.maxCases) {
      level.numbers.set(number, copy(name.slice(0, maxName)));
    }
  }

  /** The level is over: checks whether all of its results came. @param isSkipped as in takeNested() */
  check(level: Level, isSkipped = false): void {
    this.settleRest(level);
    const where = level.name === null ? '' : ` in subtest "${level.name}"`;
    const { line, text } = level.quote ?? {};
    const quote = text && level.count < (level.plan ?? 1) ? `; line ${line} may hold one: "${text}"` : '';
    if (level.plan !== null && level.plan !== level.count) {
      const planned = plural(level.plan, 'result');
      this.report('plan-mismatch', `${planned} planned, ${level.count} seen${where}${quote}`, level);
    }
    if (level.count === 0 && level.plan !== 0 && !(isSkipped && level.plan === null)) {
      this.report('no-results', `no result line${where}${quote}`, level);
    }
  }

  /** As much of this text as the limit of all diagnostics allows. */
  spend(detail: string): string {
    const affordable = copy(detail.slice(0, this.#budget));
    this.#budget -= affordable.length;
    return affordable;
  }

  /** The innermost open level at which this number is due, else the one that this width belongs to. */
  levelOfGlued(hashes: number, width: number, number: number | null): Level | undefined {
    const levels = this.levels.filter((level) => level.hashes === hashes);
    return (
      levels.findLast((level) => isDue(level, number)) ??
      levels.findLast((level) => level.width <= width) ??
      levels[0]
    );
  }

  /** Adds a result from the middle of a line. @param open undefined if there is no level yet */
  addCandidate(open: Level | undefined, found: Omit<Candidate, 'position'>): void {
    const { number, verdict, isDoubtful, detach } = found;
    const level = open ?? this.#early;
    const candidate = { ...found, position: level.cases.length - level.accepted };
    if (number === null) {
      if (isFailure(verdict) && !isDoubtful) {
        this.#addNumberless(open, candidate);
      } else if (!isDoubtful && level.numbers.size === 0) {
        level.quote ??= { line: found.line, text: found.text };
      }
      return;
    }
    // Those that are not due come to nothing if they passed, or in a comment.
    const nested = !isDoubtful && isDue(level, number) ? this.#takeComplete(level, verdict === 'skip') : null;
    if ((isFailure(verdict) && (!isDoubtful || detach)) || number === dueNumber(level)) {
      level.glued.push({ ...candidate, nested });
    }
    if (level.glued.length > maxCandidates) {
      this.#settle(level, level.glued.shift() as Candidate);
    }
  }

  /** Closes the subtest below this level if all of its results have come, so that the next one is its parent's. */
  #takeComplete(level: Level, isSkipped: boolean): Level | null {
    const last = this.levels.at(-1);
    const isChild = this.levels.at(-2) === level;
    return isChild && last?.plan === last?.count ? this.takeNested(level.width, isSkipped) : null;
  }

  /** A failure without a number counts where other results have none either. */
  #addNumberless(level: Level | undefined, candidate: Candidate): void {
    if (level && level.numbers.size === 0) {
      this.#acceptCandidate(level, candidate);
    } else {
      this.quote('looks like a failed result', candidate, level);
    }
  }

  /** A comment with a failure that is due: it is told if no result of that number comes. */
  noteComment(result: ResultSaying & { hashes: number }, text: string): void {
    const open = this.levels.length > 0 ? this.levels : [this.#early];
    const level = open.findLast((one) => one.hashes === result.hashes - 1);
    if (level && result.number === dueNumber(level) && hasRoom(level)) {
      const place = { indent: 0, at: 0, line: this.line, position: level.cases.length - level.accepted };
      // So that it never counts.
      const marks = { isPartOfWord: true, isQuoted: false, isDoubtful: true };
      level.glued.push({ ...result, ...place, ...marks, text: quoteAround(text, 0) });
    }
  }

  /**
   * Number `number` is about to get a result: settles the glued results before it. Returns the subtest that one of this
   * number took.
   */
  settleBefore(level: Level, number: number, name: string): Level | null {
    const same = level.glued.filter((candidate) => candidate.number === number);
    level.glued = level.glued.filter((candidate) => candidate.number !== number);
    for (const candidate of same) {
      this.#reportOther(level, candidate, name);
    }
    let [first] = level.glued;
    while (first && first.number === level.next && number > level.next && !first.isPartOfWord) {
      this.#acceptCandidate(level, first);
      level.glued.shift();
      [first] = level.glued;
    }
    return same.find(({ nested }) => nested)?.nested ?? null;
  }

  /** The level is over: settles the glued results whose number got no other one. */
  settleRest(level: Level): void {
    const { glued } = level;
    level.glued = [];
    for (const candidate of glued) {
      this.#settle(level, candidate);
    }
  }

  #settle(level: Level, candidate: Candidate): void {
    const { number, verdict } = candidate;
    const isOther = number !== null && level.numbers.has(number);
    const isTaken = !isOther && isResult(level, candidate, this.levels.length > 0 || this.hasVersion);
    if (isOther) {
      this.#reportOther(level, candidate, level.numbers.get(number));
    } else if (isTaken) {
      this.#acceptCandidate(level, candidate);
    } else if (isFailure(verdict) || hasRoom(level)) {
      this.quote('may hold a result', candidate, level);
    }
    if (candidate.nested && !isTaken) {
      this.#addOrphan(level, candidate.nested);
    }
  }

  #acceptCandidate(level: Level, candidate: Candidate): void {
    const { number, name, verdict, reason, text, nested } = candidate;
    this.quote('holds a result behind other text', candidate, level, 'glued-result');
    candidate.detach?.();
    this.checkNumber(level, number, name);
    const at = candidate.position + level.accepted;
    level.accepted++;
    const parts = [reason, ...(nested?.before ?? []), text];
    const detail = this.spend(parts.filter((part) => part !== '').join('\n'));
    this.addCase(
      level,
      { name: name || (nested?.name ?? ''), number, verdict, detail, cases: nested?.cases ?? [] },
      at,
    );
  }

  /** Its number has a result of its own. Two results of one case are never right. */
  #reportOther(level: Level, candidate: Candidate, name?: string): void {
    if (isFailure(candidate.verdict) && !candidate.isDoubtful) {
      const code = candidate.name === name ? 'duplicate-number' : 'unclear-result';
      this.quote(`looks like another result of number ${candidate.number}`, candidate, level, code);
    }
  }

  /** Reports a line that holds a result, or may hold one. */
  quote(
    what: string,
    { line, text }: Pick<Candidate, 'line' | 'text'>,
    level?: Level,
    code: KtapProblemCode = 'unclear-result',
  ): void {
    this.report(code, `line ${line} ${what}: "${text}"`, level);
  }

  /** Reports a code once per level, and at most `maxProblems`: a program can repeat a mistake a million times. */
  report(code: KtapProblemCode, message: string, level?: Level): void {
    if (level?.flagged.has(code) || this.problems.length >= maxProblems) {
      return;
    }
    level?.flagged.add(code);
    this.problems.push({ code, line: this.line, message });
  }
}

const maxDepth = 32;
const maxName = 512;
const maxProblems = 1000;
/** Glued results of one level that are not decided yet. */
const maxCandidates = 50;
