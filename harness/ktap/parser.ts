// SPDX-License-Identifier: MIT

import { type Line, LineSplitter } from '../util/lines.ts';
import { plural } from '../util/plural.ts';
import { DetailBuffer } from './detail.ts';
import { gluedBailout, gluedResults, shownLines } from './glued.ts';
import {
  type Candidate,
  copy,
  dueNumber,
  hasRoom,
  isDue,
  isFailure,
  isFresh,
  isResult,
  type Level,
  newLevel,
  quoteAround,
} from './level.ts';
import { failureWords, type KtapLine, type Nesting, type ResultSaying, readLine } from './line.ts';
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
  #failures = 0;
  #unlistedFailures = 0;
  /** Failures according to the program's own totals. */
  #counted = 0;
  #gluedPlan: { count: number; line: number; text: string } | null = null;
  #subtest: string | null = null;
  /** kselftest's runner has announced a program, whose result has not come yet. */
  #inRunner = false;
  #seen = { version: false, cut: false, stamped: false };
  /** The outermost level before its first line: only results behind other text have come. */
  #early = newLevel({ width: 0, hashes: 0 }, null, []);

  constructor(limits: KtapLimits = {}) {
    this.#splitter = new LineSplitter(limits.line ?? 16 * 1024, tailSize, 'not ok');
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
    const root = this.#levels[0] ?? this.#early;
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
    const inTail = raw.tail?.split('not ok').length ?? 1;
    if ((raw.watched ?? 0) >= inTail) {
      const message = `line ${this.#lines} was cut, and what was dropped of it holds "not ok"`;
      this.#report('unclear-result', message);
    }
    const lines = shownLines(raw.text);
    // The mark stands for what was dropped, so that the tail is not the beginning of a line.
    const tail = /ok/i.test(raw.tail ?? '') ? shownLines(`…${raw.tail}`) : [];
    for (const text of [...lines, ...tail]) {
      this.#readText(text);
    }
  }

  #readText(stamped: string): void {
    const text = this.#withoutStamp(stamped);
    this.#readTotals(text);
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
        this.#readResult(line, text);
        break;
      case 'bailout':
        this.#result.bailout ??= line.reason;
        break;
      case 'text':
        this.#pending.add(text, this.#levels.at(-1)?.hashes ?? 0);
        this.#inRunner ||= runnerPattern.test(text);
        this.#readGlued(text);
        break;
    }
  }

  /** Finds results that stand behind other text. A line of the kernel's log is none of the program's. */
  #readGlued(text: string): void {
    if (stampPattern.test(text)) {
      return;
    }
    const [prefix = ''] = /^(?:[ \t]|# )*/.exec(text) ?? [];
    const rest = text.slice(prefix.length);
    const hashes = prefix.split('#').length - 1 + (rest.startsWith('#') ? 1 : 0);
    const isComment = hashes > 0 && !this.#levels.some((level) => level.hashes === hashes);
    if (hashes === 0) {
      this.#result.bailout ??= gluedBailout(rest);
      const [, count] = gluedPlan.exec(text) ?? [];
      if (count !== undefined) {
        this.#gluedPlan ??= { count: Number(count), line: this.#lines, text: quoteAround(text, 0) };
      }
    }
    for (const glued of gluedResults(rest)) {
      const width = Math.max(glued.indent, hashes > 0 ? 0 : prefix.length);
      const level = this.#levelOfGlued(hashes - (isComment ? 1 : 0), width, glued.number);
      if (level || this.#levels.length === 0) {
        const isDoubtful = isComment || glued.isQuoted;
        const candidate = { ...glued, text: quoteAround(rest, glued.at), isDoubtful, line: this.#lines };
        this.#addCandidate(level, candidate);
        // What looks like a comment is the output of a program, whose level its first result opens.
        if (isComment && this.#inRunner && isFailure(glued.verdict)) {
          this.#reportCandidate('looks like a failed result', candidate, level);
        }
      }
    }
  }

  /** What the program counted itself, at any level of nesting. */
  #readTotals(text: string): void {
    const totals = stampPattern.test(text) ? null : totalsPattern.exec(text);
    if (totals) {
      this.#counted = Math.max(this.#counted, Number(totals[1]) + Number(totals[2] ?? 0));
    }
  }

  /** The innermost open level at which this number is due, else the one that this width belongs to. */
  #levelOfGlued(hashes: number, width: number, number: number | null): Level | undefined {
    const levels = this.#levels.filter((level) => level.hashes === hashes);
    return (
      levels.findLast((level) => isDue(level, number)) ??
      levels.findLast((level) => level.width <= width) ??
      levels[0]
    );
  }

  #addCandidate(open: Level | undefined, found: Omit<Candidate, 'position'>): void {
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
    const last = this.#levels.at(-1);
    const isChild = this.#levels.at(-2) === level;
    return isChild && last?.plan === last?.count ? this.#takeNested(level.width, isSkipped) : null;
  }

  /** A failure without a number counts where other results have none either. */
  #addNumberless(level: Level | undefined, candidate: Candidate): void {
    if (level && level.numbers.size === 0) {
      this.#acceptCandidate(level, candidate);
    } else {
      this.#reportCandidate('looks like a failed result', candidate, level);
    }
  }

  /**
   * Number `number` is about to get a result: settles the glued results before it. Returns the subtest that one of this
   * number took.
   */
  #settleBefore(level: Level, number: number, name: string): Level | null {
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
  #settleRest(level: Level): void {
    const { glued } = level;
    level.glued = [];
    for (const candidate of glued) {
      this.#settle(level, candidate);
    }
  }

  #settle(level: Level, candidate: Candidate): void {
    const { number, verdict } = candidate;
    const isOther = number !== null && level.numbers.has(number);
    const isTaken = !isOther && isResult(level, candidate, this.#levels.length > 0 || this.#seen.version);
    if (isOther) {
      this.#reportOther(level, candidate, level.numbers.get(number));
    } else if (isTaken) {
      this.#acceptCandidate(level, candidate);
    } else if (isFailure(verdict) || hasRoom(level)) {
      this.#reportCandidate('may hold a result', candidate, level);
    }
    if (candidate.nested && !isTaken) {
      this.#addOrphan(level, candidate.nested);
    }
  }

  #acceptCandidate(level: Level, candidate: Candidate): void {
    const { number, name, verdict, reason, text, nested } = candidate;
    this.#reportCandidate('holds a result behind other text', candidate, level, 'glued-result');
    candidate.detach?.();
    this.#checkNumber(level, number, name);
    const at = candidate.position + level.accepted;
    level.accepted++;
    const parts = [reason, ...(nested?.before ?? []), text];
    const detail = this.#spend(parts.filter((part) => part !== '').join('\n'));
    this.#addCase(
      level,
      { name: name || (nested?.name ?? ''), number, verdict, detail, cases: nested?.cases ?? [] },
      at,
    );
  }

  /** Its number has a result of its own. Two results of one case are never right. */
  #reportOther(level: Level, candidate: Candidate, name?: string): void {
    if (isFailure(candidate.verdict) && !candidate.isDoubtful) {
      const code = candidate.name === name ? 'duplicate-number' : 'unclear-result';
      this.#reportCandidate(
        `looks like another result of number ${candidate.number}`,
        candidate,
        level,
        code,
      );
    }
  }

  #reportCandidate(
    what: string,
    { line, text }: Pick<Candidate, 'line' | 'text'>,
    level?: Level,
    code: KtapProblemCode = 'unclear-result',
  ): void {
    this.#report(code, `line ${line} ${what}: "${text}"`, level);
  }

  /**
   * Removes printk's timestamps: kunit prints its results to the kernel log. If its header has one, all lines
   * do.
   */
  #withoutStamp(text: string): string {
    const stamp = stampPattern.exec(text)?.[0];
    if (stamp === undefined) {
      return text;
    }
    const rest = text.slice(stamp.length);
    this.#seen.stamped ||= !this.#seen.version && readLine(rest).type === 'version';
    return this.#seen.stamped ? rest : text;
  }

  /**
   * Rejects lines that only look like KTAP. A comment may look like a result (`# ok 3 files left`): a line
   * after `# ` counts only if a version line after as many `# ` has opened a level, or if kselftest's runner has
   * announced the program that printed it. A result without a number may be plain text: it counts only at a level that
   * is open, or if it is a failure with a dash.
   */
  #accept(line: KtapLine, text: string): KtapLine {
    if (line.type === 'text' || line.type === 'version' || (line.hashes === 0 && this.#levels.length === 0)) {
      return line;
    }
    const numberless = line.type === 'result' && line.number === null;
    const fits = (level: Level) =>
      level.hashes === line.hashes && (!numberless || level.width === line.width);
    // `Bail out!` after `# ` ended one of the runner's programs; the runner prints a result line for it.
    const isClear = numberless ? failurePattern.test(text) : line.hashes === 0 || this.#beginsProgram(line);
    const accepted = this.#levels.some(fits) || (isClear && (line.hashes === 0 || this.#inRunner));
    if (!accepted && numberless && line.hashes === 0 && isFailure(line.verdict)) {
      this.#reportCandidate('looks like a failed result', { line: this.#lines, text: quoteAround(text, 0) });
    }
    if (!accepted && line.type === 'result' && line.hashes > 0 && isFailure(line.verdict)) {
      this.#noteComment(line, text);
    }
    return accepted && !(line.type === 'bailout' && line.hashes > 0) ? line : { ...plainPattern, text };
  }

  /** A comment with a failure that is due: it is told if no result of that number comes. */
  #noteComment(result: ResultSaying & { hashes: number }, text: string): void {
    const open = this.#levels.length > 0 ? this.#levels : [this.#early];
    const level = open.findLast((one) => one.hashes === result.hashes - 1);
    if (level && result.number === dueNumber(level) && hasRoom(level)) {
      const place = { indent: 0, at: 0, line: this.#lines, position: level.cases.length - level.accepted };
      // So that it never counts.
      const marks = { isPartOfWord: true, isQuoted: false, isDoubtful: true };
      level.glued.push({ ...result, ...place, ...marks, text: quoteAround(text, 0) });
    }
  }

  /**
   * Whether the results of a program that the runner has announced begin with this line. The runner prints `# ` before
   * the program's lines. A program that prints only prose may say `ok 3 files`, but hardly `ok 1` or `not ok`.
   */
  #beginsProgram(line: KtapLine & { hashes: number }): boolean {
    const begins =
      line.type === 'plan' || (line.type === 'result' && (line.number === 1 || isFailure(line.verdict)));
    return this.#inRunner && line.hashes === 1 && begins;
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

  #readResult(line: Nesting & ResultSaying, text: string): void {
    let nested = this.#takeNested(line.width, line.verdict === 'skip');
    const level = this.#open(line);
    this.#inRunner &&= level.hashes > 0;
    if (line.number !== null) {
      const taken = this.#settleBefore(level, line.number, line.name);
      nested ??= taken;
    }
    this.#checkNumber(level, line.number, line.name);
    const detail = [...(nested?.before ?? []), ...this.#pending.take()];
    // kselftest_harness.h has a limit per case and reports it only in a comment.
    const timedOut =
      line.verdict === 'fail' && detail.some((text) => text.endsWith(': Test terminated by timeout'));
    this.#subtest = null;
    this.#addCase(level, {
      name: line.name || (nested?.name ?? ''),
      number: line.number,
      verdict: timedOut ? 'timeout' : line.verdict,
      detail: this.#spend([line.reason, ...detail].filter((part) => part !== '').join('\n')),
      cases: nested?.cases ?? [],
    });
    this.#readGluedTo(level, line, text);
  }

  /** Finds results behind the name of this one, whose line lacks its end. */
  #readGluedTo(level: Level, { number, reason }: ResultSaying, text: string): void {
    if (/\SBail out!/.test(text)) {
      this.#result.bailout ??= gluedBailout(text);
    }
    const owner = level.cases.at(-1);
    let end = Number.POSITIVE_INFINITY;
    for (const glued of number === null ? [] : gluedResults(text.trimStart())) {
      const detach = () => {
        end = Math.min(end, glued.at);
        const alone = readLine(text.trimStart().slice(0, end));
        if (owner && alone.type === 'result') {
          const detail = owner.detail.replace(reason, () => alone.reason);
          Object.assign(owner, { name: alone.name, verdict: alone.verdict, detail });
        }
      };
      const quote = quoteAround(text.trimStart(), glued.at);
      // A name may well say `ok 2`.
      this.#addCandidate(level, { ...glued, text: quote, isDoubtful: true, line: this.#lines, detach });
    }
    const at = text.search(gluedFailure);
    if (at >= 0 && level.glued.length === 0) {
      const found = { line: this.#lines, text: quoteAround(text, at) };
      this.#reportCandidate('may hold another, failed result', found, level);
    }
  }

  /** The level of this nesting, opened if there is none. Levels below it must have been closed. */
  #open(nesting: Nesting): Level {
    const top = this.#levels.at(-1);
    if (top && (top.width >= nesting.width || this.#levels.length >= maxDepth)) {
      return top;
    }
    const before = top ? this.#pending.take() : [];
    const level = newLevel(nesting, this.#subtest, before);
    if (!top) {
      Object.assign(level, { ...this.#early, width: level.width, hashes: level.hashes, name: level.name });
      this.#early = newLevel({ width: 0, hashes: 0 }, null, []);
    }
    this.#subtest = null;
    this.#levels.push(level);
    return level;
  }

  /**
   * Closes the levels below this width. Returns the one whose parent is a result line at this width.
   * @param isSkipped the parent is: kunit's parametrised cases without parameters have nothing but a header
   */
  #takeNested(width: number, isSkipped: boolean): Level | null {
    const outermost = this.#levels.findIndex((level) => level.width > width);
    if (outermost === -1) {
      return null;
    }
    this.#closeBelow(this.#levels[outermost]?.width ?? 0);
    const level = this.#levels.pop() ?? null;
    if (level) {
      this.#checkLevel(level, isSkipped);
    }
    return level;
  }

  /** Closes levels without a parent's result line. Their results become children of a failed parent. */
  #closeBelow(width: number): void {
    while (this.#levels.length > 1 && (this.#levels.at(-1)?.width ?? 0) > width) {
      const level = this.#levels.pop() as Level;
      this.#checkLevel(level);
      this.#addOrphan(this.#levels.at(-1) as Level, level);
    }
  }

  /** Adds a subtest that has no parent's result line. */
  #addOrphan(parent: Level, level: Level): void {
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

  #addCase(level: Level, one: KtapCase, at = level.cases.length): void {
    level.count++;
    this.#cases++;
    this.#failures += isFailure(one.verdict) ? 1 : 0;
    if (this.#cases <= this.#maxCases) {
      level.cases.splice(at, 0, { ...one, name: copy(one.name.slice(0, maxName)) });
    } else if (isFailure(one.verdict)) {
      this.#unlistedFailures++;
    }
  }

  #spend(detail: string): string {
    const affordable = copy(detail.slice(0, this.#budget));
    this.#budget -= affordable.length;
    return affordable;
  }

  #checkNumber(level: Level, number: number | null, name: string): void {
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
      level.numbers.set(number, copy(name.slice(0, maxName)));
    }
  }

  #checkLevel(level: Level, isSkipped = false): void {
    this.#settleRest(level);
    const where = level.name === null ? '' : ` in subtest "${level.name}"`;
    const { line, text } = level.quote ?? {};
    const quote = text && level.count < (level.plan ?? 1) ? `; line ${line} may hold one: "${text}"` : '';
    if (level.plan !== null && level.plan !== level.count) {
      const planned = plural(level.plan, 'result');
      this.#report('plan-mismatch', `${planned} planned, ${level.count} seen${where}${quote}`, level);
    }
    if (level.count === 0 && level.plan !== 0 && !(isSkipped && level.plan === null)) {
      this.#report('no-results', `no result line${where}${quote}`, level);
    }
  }

  #checkRoot(root: Level): void {
    const skipped = this.#result.skipped !== null;
    this.#settleRest(root);
    if (!this.#seen.version) {
      this.#report('no-version', 'no version line');
    }
    // Checked only at the outermost level: subtests may lack a plan, as kunit's parametrised cases do.
    if (root.plan === null) {
      this.#report('no-plan', 'no plan');
      if (this.#gluedPlan && this.#gluedPlan.count !== root.count) {
        const what = `may hold the plan, and ${plural(root.count, 'result')} came`;
        this.#reportCandidate(what, this.#gluedPlan);
      }
    }
    if (this.#counted > this.#failures) {
      const counted = plural(this.#counted, 'failed result');
      this.#report('totals-mismatch', `the totals have ${counted}, ${this.#failures} seen`, root);
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

const plainPattern = { width: 0, hashes: 0, type: 'text' } as const;
const maxDepth = 32;
const maxName = 512;
const maxProblems = 1000;
/** Glued results of one level that are not decided yet. */
const maxCandidates = 50;
/** Bytes of the end of a line that is cut: the next result is glued to it if it lacks its end. */
const tailSize = 4096;
/** printk's time and caller. */
const stampPattern = /^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? /;
/** kselftest's runner begins the output of a program with this. */
const runnerPattern = /^# selftests: \S+: \S/;
/** A failure that follows a word without a space is hardly prose. */
const gluedFailure = new RegExp(
  `[^\\s"'\`]${failureWords}(?:\\s|$)|(?<=[^\\s#]\\s+)${failureWords}(?:\\s+(?:-\\s|\\d)|\\s*$)`,
);
/** A plan at the end of a line that lacked its end, or before a result because it lacks its own. */
const gluedPlan = /(?:[^\d.]1|^1)\.\.(\d{1,9})(?=\s*$|(?:not )?ok\s)/;
/** The end of kselftest.h's and kunit's output: `Totals: pass:1 fail:0 …`, of kselftest.h with `error:0`. */
const totalsPattern = /# Totals: pass:\d+ fail:(\d{1,9})\b(?:.* error:(\d{1,9})\b)?/;
const failurePattern = /^(?:[ \t]|# )*not\s+ok\s+-\s/i;
