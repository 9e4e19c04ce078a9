// SPDX-License-Identifier: MIT
// The variables of a kbuild Makefile, each word with the options under which it counts. make is not run.
import { posix } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { allOf, always, anyOf, type Expression, never, not } from './expression.ts';
import { pieces, splitArguments, substitute } from './makeText.ts';

/** A word of a variable, and when it is there. Of conditions that can't be read, both sides count. */
export type Word = { text: string; when: Expression };

type Assignment = { text: string; when: Expression };

/**
 * A block between ifeq and endif, and the conditions of the branches before this one. null: it can't be read, and both
 * branches count.
 */
type Block = { now: Expression | null; before: (Expression | null)[] };

/** Variables that are the same for every build of Kiln's. */
const givens: Record<string, string> = {
  SRCARCH: posix.basename(arch.kconfigDirectory),
  ARCH: arch.name,
  BITS: '64',
  srctree: '',
  objtree: '',
  KBUILD_EXTMOD: '',
};
const given = new RegExp(`\\$[({](${Object.keys(givens).join('|')})[)}]`, 'g');

/** Includes within includes. */
const deepest = 8;

/** A Makefile and what it includes. Paths in the tree are absolute words, as if the tree were at `/`. */
export class Makefile {
  readonly #files: ReadonlyMap<string, string>;
  readonly #variables = new Map<string, Assignment[]>();
  /** Variables that are being expanded. */
  readonly #active = new Set<string>();

  /**
   * @param files the texts of all Makefiles of a tree
   * @param dir where words of this Makefile count from; empty for the tree
   */
  constructor(files: ReadonlyMap<string, string>, dir: string, path: string) {
    this.#files = files;
    for (const name of ['src', 'obj']) this.#variables.set(name, [{ text: `/${dir}`, when: always }]);
    this.#read(path, always, 0);
  }

  /** Names of variables. A `$(CONFIG_…)` in a name became `y`. */
  get names(): ReadonlySet<string> {
    return new Set(this.#variables.keys());
  }

  words(name: string): Word[] {
    if (this.#active.has(name)) return [];
    this.#active.add(name);
    const words = (this.#variables.get(name) ?? []).flatMap(({ text, when }) =>
      this.#expand(text).map((word) => ({ text: word.text, when: allOf([when, word.when]) })),
    );
    this.#active.delete(name);
    return words;
  }

  #read(path: string, when: Expression, depth: number): void {
    const text = this.#files.get(path);
    if (text === undefined || depth > deepest) return;
    const blocks: Block[] = [];
    let [isRule, isDefinition] = [false, false];
    const whole = text.replace(/[ \t]*\\\n[ \t]*/g, ' ').replace(given, (_, name: string) => givens[name]!);
    for (const raw of whole.split('\n')) {
      const line = raw.replace(/(^|[^\\])#.*$/, '$1').trim();
      if (/^define\b/.test(line)) isDefinition = true;
      else if (/^endef\b/.test(line)) isDefinition = false;
      else if (line === '' || isDefinition || (isRule && raw.startsWith('\t'))) continue;
      else if (this.#readCondition(line, blocks)) continue;
      else {
        const here = allOf([when, ...blocks.flatMap(conditionsOf)]);
        const included = /^-?s?include\s+(.+)$/.exec(line)?.[1];
        isRule = false;
        if (included !== undefined)
          for (const file of this.#expand(included))
            this.#read(inTree(file.text, ''), allOf([here, file.when]), depth + 1);
        else isRule = !this.#readAssignment(line, here);
      }
    }
  }

  #readCondition(line: string, blocks: Block[]): boolean {
    const [, isElse, keyword, rest] = /^(else\b)?\s*(ifn?def|ifn?eq|endif)?\b\s*(.*)$/.exec(line) ?? [];
    if (isElse === undefined && keyword === undefined) return false;
    const block = blocks.at(-1);
    if (keyword === 'endif') blocks.pop();
    else if (isElse === undefined) blocks.push({ now: this.#condition(keyword!, rest!), before: [] });
    else if (block !== undefined) {
      block.before.push(block.now);
      block.now = keyword === undefined ? always : this.#condition(keyword, rest!);
    }
    return true;
  }

  #condition(keyword: string, text: string): Expression | null {
    const isPositive = !keyword.startsWith('ifn');
    let condition: Expression | null;
    if (keyword.endsWith('def')) condition = optionIn(`$(${text.trim()})`);
    else {
      const [left, right] = comparedBy(text);
      condition = compareTexts(left, right, this);
    }
    return condition === null || isPositive ? condition : not(condition);
  }

  #readAssignment(line: string, when: Expression): boolean {
    const match =
      /^(?:(?:export|override)\s+)*((?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|[\w.%/-]|\+(?!=))+)\s*(?:\+|:{1,3}|\?|)=\s*(.*)$/.exec(
        line,
      );
    if (match === null) return false;
    const { name, when: named } = this.#readName(match[1]!);
    const assignments = this.#variables.get(name) ?? [];
    assignments.push({ text: match[2]!, when: allOf([when, named]) });
    this.#variables.set(name, assignments);
    return true;
  }

  /** `obj-$(CONFIG_X)` is `obj-y` where X is on. */
  #readName(text: string): { name: string; when: Expression } {
    const conditions: Expression[] = [];
    const name = text.replace(/\$\([^()]*(?:\([^()]*\)[^()]*)*\)/g, (reference) => {
      const option = optionIn(reference);
      const [word] = option === null ? this.#expand(reference) : [];
      conditions.push(option ?? word?.when ?? always);
      return option === null ? (word?.text ?? '') : 'y';
    });
    return { name, when: allOf(conditions) };
  }

  #expand(text: string): Word[] {
    return pieces(text).flatMap((token) => {
      let made: Word[] = [{ text: '', when: always }];
      for (const piece of token) {
        const next = piece.startsWith('$') ? this.#reference(piece) : [{ text: piece, when: always }];
        const isWhole = token.length === 1;
        if (next.length === 0 && !isWhole) continue;
        made = made.flatMap((head) =>
          next.map((tail) => ({ text: head.text + tail.text, when: allOf([head.when, tail.when]) })),
        );
      }
      return made.filter((word) => word.text !== '');
    });
  }

  /** `$(name)`, `$(name:.c=.o)`, `$(function …)` */
  #reference(piece: string): Word[] {
    const inner = piece.slice(2, -1).trim();
    const option = /^CONFIG_\w+$/.test(inner) ? optionIn(piece) : null;
    if (option !== null) return [{ text: 'y', when: option }];
    const [, name, rest] = /^([\w-]+)\s+(.*)$/s.exec(inner) ?? [];
    if (name !== undefined) return this.#call(name, splitArguments(rest!));
    const [, variable, from, to] = /^(.+?):(.*?)=(.*)$/.exec(inner) ?? [];
    if (variable !== undefined) {
      const pattern = from!.includes('%') ? [from!, to!] : [`%${from}`, `%${to}`];
      return this.words(variable).map((word) => ({
        ...word,
        text: substitute(word.text, pattern[0]!, pattern[1]!),
      }));
    }
    const nested = inner.includes('$') ? (this.#expand(inner)[0]?.text ?? '') : inner;
    return this.words(nested);
  }

  #call(name: string, args: string[]): Word[] {
    const [first = '', second = '', third = ''] = args;
    const map = (list: string, change: (text: string) => string) =>
      this.#expand(list).map((word) => ({ ...word, text: change(word.text) }));
    const text = (argument: string) => this.#expand(argument)[0]?.text ?? '';
    switch (name) {
      case 'addprefix':
        return map(second, (word) => text(first) + word);
      case 'addsuffix':
        return map(second, (word) => word + text(first));
      case 'patsubst':
        return map(third, (word) => substitute(word, text(first), text(second)));
      case 'subst':
        return map(third, (word) => word.replaceAll(text(first), text(second)));
      case 'notdir':
        return map(first, (word) => posix.basename(word));
      case 'if': {
        const condition = optionIn(first);
        const when = (words: Word[], extra: Expression) =>
          words.map((word) => ({ ...word, when: allOf([word.when, extra]) }));
        if (condition === null) return [...this.#expand(second), ...this.#expand(third)];
        return [...when(this.#expand(second), condition), ...when(this.#expand(third), not(condition))];
      }
      case 'sort':
      case 'strip':
      case 'abspath':
      case 'realpath':
        return this.#expand(first);
      default:
        return [];
    }
  }
}

function conditionsOf({ now, before }: Block): Expression[] {
  const others = before.filter((one) => one !== null).map(not);
  return now === null ? others : [...others, now];
}

/** The options that a text of make names, joined as its functions say; null if it names none. */
function optionIn(text: string): Expression | null {
  const names = [...text.matchAll(/CONFIG_(\w+)/g)].map(([, name]) => name!);
  if (names.length === 0) return null;
  const symbols = names.map((name): Expression => ({ kind: 'symbol', name }));
  return /\$\((?:and|if)\s/.test(text) ? allOf(symbols) : anyOf(symbols);
}

/** `(a,b)`, `"a" "b"` */
function comparedBy(text: string): [string, string] {
  const inner = /^\((.*)\)$/s.exec(text.trim())?.[1];
  if (inner !== undefined) {
    const [left = '', ...right] = splitArguments(inner);
    return [left.trim(), right.join(',').trim()];
  }
  const [, left = '', right = ''] = /^["'](.*?)["']\s+["'](.*?)["']$/.exec(text.trim()) ?? [];
  return [left, right];
}

function compareTexts(one: string, other: string, makefile: Makefile): Expression | null {
  const [text, constant] = /CONFIG_/.test(one) ? [one, other] : [other, one];
  const names = [...text.matchAll(/CONFIG_(\w+)/g)].map(([, name]) => name!);
  if (names.length === 0) {
    const [a, b] = [one, other].map((side) => constantOf(side));
    return a === null || b === null ? null : a === b ? always : never;
  }
  if (/CONFIG_/.test(constant) || constant.includes('$')) return null;
  const [only] = names;
  if (/^\$\(CONFIG_\w+\)$/.test(text) && constant !== '') {
    const right = { name: constant.replace(/^"(.*)"$/, '$1'), isText: true };
    return constant === 'y'
      ? { kind: 'symbol', name: only! }
      : { kind: 'compare', left: { name: only!, isText: false }, operator: '=', right };
  }
  const isAll = /\$\(and\s/.test(text) || /^y{2,}$/.test(constant);
  const symbols = names.map((name): Expression => ({ kind: 'symbol', name }));
  const condition = isAll ? allOf(symbols) : anyOf(symbols);
  return constant === '' ? not(condition) : condition;

  function constantOf(side: string): string | null {
    if (!side.includes('$')) return side;
    const name = /^\$\((\w+)\)$/.exec(side)?.[1];
    const words = name !== undefined && makefile.names.has(name) ? makefile.words(name) : [];
    return words.length === 1 && words[0]!.when === always ? words[0]!.text : null;
  }
}

/** A word of a Makefile as a path in the tree, without a `/` at its beginning. */
export function inTree(word: string, dir: string): string {
  const path = posix.normalize(word.startsWith('/') ? word : posix.join('/', dir, word));
  return path.replace(/^\/+/, '');
}
