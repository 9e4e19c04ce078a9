// SPDX-License-Identifier: MIT

import { type Line, LineSplitter } from '../util/lines.ts';
import { plural } from '../util/plural.ts';
import { DetailBuffer } from './detail.ts';
import { type KtapLine, type Nesting, type ResultSaying, readLine } from './line.ts';
import type { KtapCase, KtapProblem, KtapProblemCode, KtapResult } from './result.ts';

export type { KtapCase, KtapProblem, KtapProblemCode, KtapResult } from './result.ts';
export { flattenCases, isFatal } from './result.ts';

export type KtapLimits = {
  /** Bytes of one line; the rest is dropped. Default: 16 KiB. */
  line?: number;
  /** Cases that are stored, at all depths together; further ones are only counted. Default: 100,000. */
  cases?: number;
  /** Characters of one case's diagnostics. Default: 8 Ki. */
  detail?: number;
  /** Characters of all diagnostics together; further ones are dropped. Default: 16 Mi. */
  details?: number;
};

/**
 * A streaming parser for KTAP and for the TAP that kernel tests print. Its memory is bounded for any input.
 *
 * A result line closes the level nested below it: `ok 1 suite` follows the indented results of that suite.
 */
export class KtapParser {
  readonly #splitter: LineSplitter;
  readonly #maxCases: number;
  readonly #pending: DetailBuffer;
  readonly #problems: KtapProblem[] = [];
  readonly #result = { skipped: null as string | null, bailout: null as string | null };
  #budget: number;
  #levels: Level[] = [];
  #lines = 0;
  #cases = 0;
  #unlistedFailures = 0;
  #subtest: string | null = null;
  #seen = { version: false, cut: false, stamped: false };

  constructor(limits: KtapLimits = {}) {
    this.#splitter = new LineSplitter(limits.line ?? 16 * 1024);
    this.#maxCases = limits.cases ?? 100_000;
    this.#pending = new DetailBuffer(limits.detail ?? 8 * 1024);
    this.#budget = limits.details ?? 16 * 1024 * 1024;
  }

  /** Parse the next bytes. A chunk may end anywhere. */
  write(chunk: Uint8Array | string): void {
    for (const line of this.#splitter.write(chunk)) {
      this.#readLine(line);
    }
  }

  /** Finish: parse a last line without its end. To be called once. */
  end(): KtapResult {
    for (const line of this.#splitter.end()) {
      this.#readLine(line);
    }
    this.#closeBelow(this.#levels[0]?.width ?? 0);
    const root = this.#levels[0] ?? newLevel({ width: 0, hashes: 0 }, null, []);
    this.#checkRoot(root);
    return {
      cases: root.cases,
      plan: root.plan,
      ...this.#result,
      problems: this.#problems,
      trailing: this.#pending.takeTrailing().join('\n'),
      lines: this.#lines,
    };
  }

  #readLine(raw: Line): void {
    this.#lines++;
    if (raw.cut && !this.#seen.cut) {
      this.#seen.cut = true;
      this.#report('line-cut', 'a line was longer than the limit and has been cut');
    }
    const text = this.#withoutStamp(raw.text);
    const line = this.#accept(readLine(text), text);
    switch (line.type) {
      case 'version':
        this.#openVersion(line);
        break;
      case 'plan':
        this.#readPlan(line, line.count, line.skip);
        break;
      case 'subtest':
        this.#openSubtest(line, line.name);
        break;
      case 'result':
        this.#readResult(line);
        break;
      case 'bailout':
        this.#result.bailout ??= line.reason;
        break;
      case 'text':
        this.#pending.add(text, this.#levels.at(-1)?.hashes ?? 0);
        break;
    }
  }

  /**
   * Removes printk's timestamps: kunit prints its results to the kernel log. If its header has one, all lines
   * do.
   */
  #withoutStamp(text: string): string {
    const stamp = /^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? /.exec(text)?.[0];
    if (stamp === undefined) {
      return text;
    }
    const rest = text.slice(stamp.length);
    this.#seen.stamped ||= !this.#seen.version && readLine(rest).type === 'version';
    return this.#seen.stamped ? rest : text;
  }

  /**
   * Rejects lines that only look like KTAP. A comment may look like a result (`# ok 3 files left`): a line
   * after `# ` counts only if a version line after as many `# ` has opened a level. A result without a number
   * may be plain text: it counts only at a level that is open.
   */
  #accept(line: KtapLine, text: string): KtapLine {
    if (line.type === 'text' || line.type === 'version' || (line.hashes === 0 && this.#levels.length === 0)) {
      return line;
    }
    const numberless = line.type === 'result' && line.number === null;
    const fits = (level: Level) =>
      level.hashes === line.hashes && (!numberless || level.width === line.width);
    // `Bail out!` after `# ` ended one of the runner's programs; the runner prints a result line for it.
    const accepted = line.hashes === 0 ? !numberless || this.#levels.some(fits) : this.#levels.some(fits);
    return accepted && !(line.type === 'bailout' && line.hashes > 0) ? line : { ...plainPattern, text };
  }

  #openVersion(line: Nesting): void {
    this.#seen.version = true;
    this.#closeBelow(line.width);
    const top = this.#levels.at(-1);
    if (top && top.width === line.width && this.#levels.length > 1 && !isFresh(top)) {
      this.#closeBelow(line.width - 1);
    }
    this.#open(line);
  }

  #openSubtest(line: Nesting, name: string): void {
    const top = this.#levels.at(-1);
    if (line.width > (top?.width ?? 0)) {
      this.#subtest = name;
      this.#open(line);
    } else if (top && top.width === line.width && this.#levels.length > 1 && isFresh(top)) {
      top.name = name;
    } else {
      // TAP 14 announces a subtest before its indentation begins.
      this.#subtest = name;
    }
  }

  #readPlan(line: Nesting, count: number, skip: string | null): void {
    this.#closeBelow(line.width);
    const level = this.#open(line);
    if (level.plan !== null) {
      this.#report('plan-twice', `a second plan 1..${count} after 1..${level.plan}`, level);
      return;
    }
    level.plan = count;
    if (count === 0 && skip !== null && this.#levels.length === 1) {
      this.#result.skipped = skip;
    }
  }

  #readResult(line: Nesting & ResultSaying): void {
    const nested = this.#takeNested(line.width);
    const level = this.#open(line);
    this.#checkNumber(level, line.number);
    const detail = [...(nested?.before ?? []), ...this.#pending.take()];
    // kselftest_harness.h has a limit per case and reports it only in a comment.
    const timedOut =
      line.verdict === 'fail' && detail.some((text) => text.endsWith(': Test terminated by timeout'));
    this.#subtest = null;
    this.#addCase(level, {
      name: line.name || (nested?.name ?? ''),
      number: line.number,
      verdict: timedOut ? 'timeout' : line.verdict,
      detail: this.#spend([line.reason, ...detail].filter((text) => text !== '').join('\n')),
      cases: nested?.cases ?? [],
    });
  }

  /** The level of this nesting, opened if there is none. Levels below it must have been closed. */
  #open(nesting: Nesting): Level {
    const top = this.#levels.at(-1);
    if (top && (top.width >= nesting.width || this.#levels.length >= maxDepth)) {
      return top;
    }
    const before = top ? this.#pending.take() : [];
    const level = newLevel(nesting, this.#subtest, before);
    this.#subtest = null;
    this.#levels.push(level);
    return level;
  }

  /** Closes the levels below this width. Returns the one whose parent is a result line at this width. */
  #takeNested(width: number): Level | null {
    const outermost = this.#levels.findIndex((level) => level.width > width);
    if (outermost === -1) {
      return null;
    }
    this.#closeBelow(this.#levels[outermost]?.width ?? 0);
    const level = this.#levels.pop() ?? null;
    if (level) {
      this.#checkLevel(level);
    }
    return level;
  }

  /** Closes levels without a parent's result line. Their results become children of a failed parent. */
  #closeBelow(width: number): void {
    while (this.#levels.length > 1 && (this.#levels.at(-1)?.width ?? 0) > width) {
      const level = this.#levels.pop() as Level;
      this.#checkLevel(level);
      const parent = this.#levels.at(-1) as Level;
      this.#report('bad-nesting', `subtest "${level.name ?? ''}" has no result line of its own`, parent);
      // The missing result line has a number too: without this, all later ones would be out of order.
      parent.next++;
      this.#addCase(parent, {
        name: level.name ?? '',
        number: null,
        verdict: 'fail',
        detail: this.#spend(
          ['no result line: the output ends inside this subtest', ...level.before].join('\n'),
        ),
        cases: level.cases,
      });
    }
  }

  #addCase(level: Level, one: KtapCase): void {
    level.count++;
    this.#cases++;
    if (this.#cases <= this.#maxCases) {
      level.cases.push({ ...one, name: copy(one.name.slice(0, maxName)) });
    } else if (one.verdict === 'fail' || one.verdict === 'timeout') {
      this.#unlistedFailures++;
    }
  }

  #spend(detail: string): string {
    const affordable = copy(detail.slice(0, this.#budget));
    this.#budget -= affordable.length;
    return affordable;
  }

  #checkNumber(level: Level, number: number | null): void {
    const expected = level.next;
    level.next = (number ?? expected) + 1;
    if (number === null) {
      return;
    }
    if (level.numbers.has(number)) {
      this.#report('duplicate-number', `number ${number} has two results`, level);
    } else if (number !== expected) {
      this.#report('out-of-order', `number ${number} where ${expected} was due`, level);
    }
    if (level.numbers.size < this.#maxCases) {
      level.numbers.add(number);
    }
  }

  #checkLevel(level: Level): void {
    const where = level.name === null ? '' : ` in subtest "${level.name}"`;
    if (level.plan !== null && level.plan !== level.count) {
      this.#report(
        'plan-mismatch',
        `${plural(level.plan, 'result')} planned, ${level.count} seen${where}`,
        level,
      );
    }
    if (level.count === 0 && level.plan !== 0) {
      this.#report('no-results', `no result line${where}`, level);
    }
  }

  #checkRoot(root: Level): void {
    const skipped = this.#result.skipped !== null;
    if (!this.#seen.version) {
      this.#report('no-version', 'no version line');
    }
    // Checked only at the outermost level: subtests may lack a plan, as kunit's parametrised cases do.
    if (root.plan === null) {
      this.#report('no-plan', 'no plan');
    }
    if (this.#cases > this.#maxCases) {
      const more = this.#cases - this.#maxCases;
      const failed = this.#unlistedFailures;
      this.#report(
        failed > 0 ? 'unlisted-failures' : 'too-many-cases',
        `${more} more cases are not listed, ${failed} of them failed`,
      );
    }
    this.#checkLevel(root);
    if (root.count === 0 && root.plan === 0 && !skipped) {
      this.#report('no-results', 'the plan is 1..0, without a reason to skip', root);
    }
  }

  /**
   * Reports a code once per level, and at most MAX_PROBLEMS: a program can repeat a mistake a million times.
   */
  #report(code: KtapProblemCode, message: string, level?: Level): void {
    if (level?.flagged.has(code) || this.#problems.length >= maxProblems) {
      return;
    }
    level?.flagged.add(code);
    this.#problems.push({ code, line: this.#lines, message });
  }
}

/** A level of nesting that is open: its parent's result line has not come yet. */
interface Level extends Nesting {
  name: string | null;
  /** Diagnostics before it was opened; they belong to its parent. */
  before: string[];
  plan: number | null;
  count: number;
  /** The number that is expected next. */
  next: number;
  numbers: Set<number>;
  cases: KtapCase[];
  flagged: Set<KtapProblemCode>;
}

const plainPattern = { width: 0, hashes: 0, type: 'text' } as const;
const maxDepth = 32;
const maxName = 512;
const maxProblems = 1000;

function newLevel({ width, hashes }: Nesting, name: string | null, before: string[]): Level {
  return {
    width,
    hashes,
    name,
    before,
    plan: null,
    count: 0,
    next: 1,
    numbers: new Set(),
    cases: [],
    flagged: new Set(),
  };
}

/** Copies a string: a slice would keep the whole string that it was cut from in memory. */
function copy(text: string): string {
  return Buffer.from(text).toString();
}

/** Whether nothing but the level's version line has come. */
function isFresh(level: Level): boolean {
  return level.count === 0 && level.plan === null && level.name === null;
}
