// SPDX-License-Identifier: MIT

import { type Line, LineSplitter } from '../util/lines.ts';
import { plural } from '../util/plural.ts';
import { CaseTree } from './caseTree.ts';
import { DetailBuffer } from './detail.ts';
import { gluedBailout, gluedResults, shownLines } from './glued.ts';
import { isFailure, isFresh, type Level, quoteAround } from './level.ts';
import { failureWords, type KtapLine, type Nesting, type ResultSaying, readLine } from './line.ts';
import type { KtapResult } from './result.ts';

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
  readonly #pending: DetailBuffer;
  readonly #tree: CaseTree;
  readonly #result = { skipped: null as string | null, bailout: null as string | null };
  /** Failures according to the program's own totals. */
  #counted = 0;
  #gluedPlan: { count: number; line: number; text: string } | null = null;
  /** kselftest's runner has announced a program, whose result has not come yet. */
  #inRunner = false;
  #seen = { cut: false, stamped: false };

  constructor({ line = 16 * 1024, cases = 100_000, detail = 8 * 1024, details = 2 ** 24 }: KtapLimits = {}) {
    this.#splitter = new LineSplitter(line, tailSize, 'not ok');
    this.#pending = new DetailBuffer(detail);
    this.#tree = new CaseTree({ cases, details }, () => this.#pending.take());
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
    this.#tree.closeBelow(this.#tree.root.width);
    const { root } = this.#tree;
    this.#checkRoot(root);
    return {
      cases: root.cases,
      plan: root.plan,
      ...this.#result,
      problems: this.#tree.problems,
      trailing: this.#pending.takeTrailing().join('\n'),
      lines: this.#tree.line,
    };
  }

  #readLine(raw: Line): void {
    this.#tree.line++;
    if (raw.cut && !this.#seen.cut) {
      this.#seen.cut = true;
      this.#tree.report('line-cut', 'a line was longer than the limit and has been cut');
    }
    const inTail = raw.tail?.split('not ok').length ?? 1;
    if ((raw.watched ?? 0) >= inTail) {
      const message = `line ${this.#tree.line} was cut, and what was dropped of it holds "not ok"`;
      this.#tree.report('unclear-result', message);
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
        this.#pending.add(text, this.#tree.levels.at(-1)?.hashes ?? 0);
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
    const isComment = hashes > 0 && !this.#tree.levels.some((level) => level.hashes === hashes);
    if (hashes === 0) {
      this.#result.bailout ??= gluedBailout(rest);
      const [, count] = gluedPlan.exec(text) ?? [];
      if (count !== undefined) {
        this.#gluedPlan ??= { count: Number(count), line: this.#tree.line, text: quoteAround(text, 0) };
      }
    }
    for (const glued of gluedResults(rest)) {
      const width = Math.max(glued.indent, hashes > 0 ? 0 : prefix.length);
      const level = this.#tree.levelOfGlued(hashes - (isComment ? 1 : 0), width, glued.number);
      if (level || this.#tree.levels.length === 0) {
        const isDoubtful = isComment || glued.isQuoted;
        const candidate = { ...glued, text: quoteAround(rest, glued.at), isDoubtful, line: this.#tree.line };
        this.#tree.addCandidate(level, candidate);
        // What looks like a comment is the output of a program, whose level its first result opens.
        if (isComment && this.#inRunner && isFailure(glued.verdict)) {
          this.#tree.quote('looks like a failed result', candidate, level);
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
    this.#seen.stamped ||= !this.#tree.hasVersion && readLine(rest).type === 'version';
    return this.#seen.stamped ? rest : text;
  }

  /**
   * Rejects lines that only look like KTAP. A comment may look like a result (`# ok 3 files left`): a line
   * after `# ` counts only if a version line after as many `# ` has opened a level, or if kselftest's runner has
   * announced the program that printed it. A result without a number may be plain text: it counts only at a level that
   * is open, or if it is a failure with a dash.
   */
  #accept(line: KtapLine, text: string): KtapLine {
    if (
      line.type === 'text' ||
      line.type === 'version' ||
      (line.hashes === 0 && this.#tree.levels.length === 0)
    ) {
      return line;
    }
    const numberless = line.type === 'result' && line.number === null;
    const fits = (level: Level) =>
      level.hashes === line.hashes && (!numberless || level.width === line.width);
    // `Bail out!` after `# ` ended one of the runner's programs; the runner prints a result line for it.
    const isClear = numberless ? failurePattern.test(text) : line.hashes === 0 || this.#beginsProgram(line);
    const accepted = this.#tree.levels.some(fits) || (isClear && (line.hashes === 0 || this.#inRunner));
    if (!accepted && numberless && line.hashes === 0 && isFailure(line.verdict)) {
      this.#tree.quote('looks like a failed result', { line: this.#tree.line, text: quoteAround(text, 0) });
    }
    if (!accepted && line.type === 'result' && line.hashes > 0 && isFailure(line.verdict)) {
      this.#tree.noteComment(line, text);
    }
    return accepted && !(line.type === 'bailout' && line.hashes > 0) ? line : { ...plainPattern, text };
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
    this.#tree.hasVersion = true;
    this.#tree.closeBelow(line.width);
    const top = this.#tree.levels.at(-1);
    if (top && top.width === line.width && this.#tree.levels.length > 1 && !isFresh(top)) {
      this.#tree.closeBelow(line.width - 1);
    }
    this.#tree.open(line);
  }

  #openSubtest(line: Nesting, name: string): void {
    const top = this.#tree.levels.at(-1);
    if (line.width > (top?.width ?? 0)) {
      this.#tree.subtest = name;
      this.#tree.open(line);
    } else if (top && top.width === line.width && this.#tree.levels.length > 1 && isFresh(top)) {
      top.name = name;
    } else {
      // TAP 14 announces a subtest before its indentation begins.
      this.#tree.subtest = name;
    }
  }

  #readPlan(line: Nesting, count: number, skip: string | null): void {
    this.#tree.closeBelow(line.width);
    const level = this.#tree.open(line);
    if (level.plan !== null) {
      this.#tree.report('plan-twice', `a second plan 1..${count} after 1..${level.plan}`, level);
      return;
    }
    level.plan = count;
    if (count === 0 && skip !== null && this.#tree.levels.length === 1) {
      this.#result.skipped = skip;
    }
  }

  #readResult(line: Nesting & ResultSaying, text: string): void {
    let nested = this.#tree.takeNested(line.width, line.verdict === 'skip');
    const level = this.#tree.open(line);
    this.#inRunner &&= level.hashes > 0;
    if (line.number !== null) {
      const taken = this.#tree.settleBefore(level, line.number, line.name);
      nested ??= taken;
    }
    this.#tree.checkNumber(level, line.number, line.name);
    const detail = [...(nested?.before ?? []), ...this.#pending.take()];
    // kselftest_harness.h has a limit per case and reports it only in a comment.
    const timedOut =
      line.verdict === 'fail' && detail.some((text) => text.endsWith(': Test terminated by timeout'));
    this.#tree.subtest = null;
    this.#tree.addCase(level, {
      name: line.name || (nested?.name ?? ''),
      number: line.number,
      verdict: timedOut ? 'timeout' : line.verdict,
      detail: this.#tree.spend([line.reason, ...detail].filter((part) => part !== '').join('\n')),
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
      this.#tree.addCandidate(level, {
        ...glued,
        text: quote,
        isDoubtful: true,
        line: this.#tree.line,
        detach,
      });
    }
    const at = text.search(gluedFailure);
    if (at >= 0 && level.glued.length === 0) {
      const found = { line: this.#tree.line, text: quoteAround(text, at) };
      this.#tree.quote('may hold another, failed result', found, level);
    }
  }

  #checkRoot(root: Level): void {
    const skipped = this.#result.skipped !== null;
    this.#tree.settleRest(root);
    if (!this.#tree.hasVersion) {
      this.#tree.report('no-version', 'no version line');
    }
    // Checked only at the outermost level: subtests may lack a plan, as kunit's parametrised cases do.
    if (root.plan === null) {
      this.#tree.report('no-plan', 'no plan');
      if (this.#gluedPlan && this.#gluedPlan.count !== root.count) {
        const what = `may hold the plan, and ${plural(root.count, 'result')} came`;
        this.#tree.quote(what, this.#gluedPlan);
      }
    }
    if (this.#counted > this.#tree.failures) {
      const counted = plural(this.#counted, 'failed result');
      this.#tree.report('totals-mismatch', `the totals have ${counted}, ${this.#tree.failures} seen`, root);
    }
    if (this.#tree.cases > this.#tree.maxCases) {
      const more = this.#tree.cases - this.#tree.maxCases;
      const failed = this.#tree.unlistedFailures;
      this.#tree.report(
        failed > 0 ? 'unlisted-failures' : 'too-many-cases',
        `${more} more cases are not listed, ${failed} of them failed`,
      );
    }
    this.#tree.check(root);
    if (root.count === 0 && root.plan === 0 && !skipped) {
      this.#tree.report('no-results', 'the plan is 1..0, without a reason to skip', root);
    }
  }
}

const plainPattern = { width: 0, hashes: 0, type: 'text' } as const;
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
