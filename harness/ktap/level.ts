// SPDX-License-Identifier: MIT
// Pure: a level of nesting while its results come, and which results in the middle of a line count there.
import type { GluedResult } from './glued.ts';
import type { Nesting } from './line.ts';
import type { KtapCase, KtapProblemCode } from './result.ts';

/** A level of nesting that is open: its parent's result line has not come yet. */
export interface Level extends Nesting {
  name: string | null;
  /** Diagnostics before it was opened; they belong to its parent. */
  before: string[];
  plan: number | null;
  count: number;
  /** The number that is expected next. */
  next: number;
  /** The names of the results that came, by their numbers. */
  numbers: Map<number, string>;
  cases: KtapCase[];
  flagged: Set<KtapProblemCode>;
  /** Results in the middle of a line that may be prose: whether their number gets another result decides. */
  glued: Candidate[];
  /** How many of them turned out to be results. */
  accepted: number;
  /** A line that may hold a passed result without a number: told if results are missing. */
  quote: { line: number; text: string } | null;
}

/** A result in the middle of a line, until it is known whether it is one. */
export type Candidate = GluedResult & {
  line: number;
  text: string;
  /** Prose is more likely: it counts only if it is due, and if its number stays without a result. */
  isDoubtful: boolean;
  /** How many cases are before it, without those that were accepted like this. */
  position: number;
  /** Takes its text out of the name of the result that it is glued to. */
  detach?: () => void;
  /** The subtest that was complete when it came: its own, if it is a result. */
  nested?: Level | null;
};

export function newLevel({ width, hashes }: Nesting, name: string | null, before: string[]): Level {
  return {
    width,
    hashes,
    name,
    before,
    plan: null,
    count: 0,
    next: 1,
    numbers: new Map(),
    cases: [],
    flagged: new Set(),
    glued: [],
    accepted: 0,
    quote: null,
  };
}

/** The line around the place where a result begins in it. */
export function quoteAround(text: string, at: number): string {
  const start = Math.max(0, at - maxQuote.before);
  const end = at + maxQuote.after;
  return copy(`${start > 0 ? '…' : ''}${text.slice(start, end).trim()}${end < text.length ? '…' : ''}`);
}

/** The number that is next after the glued results that follow each other. */
export function dueNumber(level: Pick<Level, 'next' | 'glued'>): number {
  return level.glued.reduce((due, { number }) => (number === due ? due + 1 : due), level.next);
}

/** Whether the level's next result, after the glued ones, has this number. */
export function isDue(level: Level, number: number | null): boolean {
  const due = dueNumber(level);
  return number === due && (level.plan === null || due <= level.plan);
}

/** Whether a glued result is one, if its number has no other result. @param isKtap there is a line of KTAP */
export function isResult(level: Level, candidate: Candidate, isKtap: boolean): boolean {
  const { number, verdict, isDoubtful, isPartOfWord } = candidate;
  const isNext = number === level.next;
  if (isFailure(verdict) && !isDoubtful) return isKtap || isNext;
  return isNext && !isPartOfWord && hasRoom(level);
}

/** Whether the plan has a place for one more result. */
export function hasRoom({ plan, next }: Level): boolean {
  return plan === null || next <= plan;
}

export function isFailure(verdict: KtapCase['verdict']): boolean {
  return verdict === 'fail' || verdict === 'timeout';
}

/** Characters of a line that are quoted before and after the place where a result begins in it. */
const maxQuote = { before: 100, after: 200 };

/** Copies a string: a slice would keep the whole string that it was cut from in memory. */
export function copy(text: string): string {
  return Buffer.from(text).toString();
}

/** Whether nothing but the level's version line has come. */
export function isFresh(level: Level): boolean {
  return level.count === 0 && level.plan === null && level.name === null;
}
