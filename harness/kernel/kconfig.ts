// SPDX-License-Identifier: MIT
// The Kconfig files of a tree, read as far as needed to tell what an option depends on. Kconfig itself is not run.
import { posix } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { allOf, always, type Expression, parseExpression } from './expression.ts';

export type SymbolType = 'bool' | 'tristate' | 'string' | 'int' | 'hex';

/** One `config` entry; a symbol may have several. */
export type Definition = {
  file: string;
  type: SymbolType | null;
  /** When a config file can set it; null: never, it has no prompt. */
  prompt: Expression | null;
  /** When the menus around it are shown. */
  visible: Expression;
  /** Its own dependencies, and those of the blocks around it. */
  depends: Expression;
  defaults: { value: Expression; text: string; when: Expression }[];
  selects: { symbol: string; when: Expression }[];
  implies: { symbol: string; when: Expression }[];
  choice: Choice | null;
};

export type Choice = {
  members: string[];
  /** When a config file can choose. */
  prompt: Expression;
  depends: Expression;
  defaults: { symbol: string; when: Expression }[];
};

export type Kconfig = {
  /** Symbols of this architecture. */
  symbols: Map<string, Definition[]>;
  /** Who selects a symbol. */
  selectors: Selectors;
  /** Who implies a symbol: it is a default. */
  impliers: Selectors;
  /** Symbols that only files of other architectures define, and one such file. */
  foreign: Map<string, string>;
};

/** Of each symbol, those that turn it on. */
export type Selectors = Map<string, { by: string; when: Expression }[]>;

/** @param files the texts of all Kconfig files of a tree, by path */
export function readKconfig(files: ReadonlyMap<string, string>): Kconfig {
  const symbols = new Map<string, Definition[]>();
  const seen = new Set<string>();
  readFile({ path: 'Kconfig', depends: always, visible: always, choice: null }, { files, symbols, seen });
  const [selectors, impliers] = [collect(symbols, 'selects'), collect(symbols, 'implies')];
  return { symbols, selectors, impliers, foreign: findForeign(files, symbols, seen) };
}

function collect(symbols: Kconfig['symbols'], what: 'selects' | 'implies'): Selectors {
  const selectors: Selectors = new Map();
  for (const [by, definitions] of symbols)
    for (const { symbol, when } of definitions.flatMap((one) => one[what])) {
      const others = selectors.get(symbol);
      if (others === undefined) selectors.set(symbol, [{ by, when }]);
      else others.push({ by, when });
    }
  return selectors;
}

function findForeign(
  files: ReadonlyMap<string, string>,
  symbols: ReadonlyMap<string, unknown>,
  seen: ReadonlySet<string>,
): Map<string, string> {
  const foreign = new Map<string, string>();
  for (const [file, text] of files) {
    if (seen.has(file)) continue;
    for (const [, symbol] of text.matchAll(/^[ \t]*(?:menu)?config[ \t]+(\w+)[ \t]*$/gm))
      if (!symbols.has(symbol!)) foreign.set(symbol!, file);
  }
  return foreign;
}

/** What holds for all entries of a block. */
type Around = { depends: Expression; visible: Expression; choice: Choice | null };
type Reading = {
  files: ReadonlyMap<string, string>;
  symbols: Map<string, Definition[]>;
  seen: Set<string>;
};

/** What the lines below belong to. */
type Entry =
  | { kind: 'symbol'; definition: Definition }
  | { kind: 'menu' | 'choice'; around: Around }
  | { kind: 'other' };

function readFile({ path, ...outer }: Around & { path: string }, reading: Reading): void {
  const text = reading.files.get(path);
  // Each file once: one that sources itself would never end.
  if (text === undefined || reading.seen.has(path)) return;
  reading.seen.add(path);
  const blocks: Around[] = [outer];
  let entry: Entry = { kind: 'other' };
  for (const [keyword, rest] of statements(text)) {
    const around = blocks.at(-1)!;
    if (keyword === 'config' || keyword === 'menuconfig') {
      const definition = newDefinition(path, around);
      const others = reading.symbols.get(rest) ?? [];
      reading.symbols.set(rest, [...others, definition]);
      if (around.choice && !around.choice.members.includes(rest)) around.choice.members.push(rest);
      entry = { kind: 'symbol', definition };
    } else if (keyword === 'if') {
      blocks.push({ ...around, depends: allOf([around.depends, parseExpression(rest)]) });
      entry = { kind: 'other' };
    } else if (keyword === 'menu') {
      blocks.push({ ...around });
      entry = { kind: 'menu', around: blocks.at(-1)! };
    } else if (keyword === 'choice') {
      blocks.push({ ...around, choice: newChoice(around) });
      entry = { kind: 'choice', around: blocks.at(-1)! };
    } else if (/^end(?:if|menu|choice)$/.test(keyword)) {
      if (blocks.length > 1) blocks.pop();
      entry = { kind: 'other' };
    } else if (/^o?r?source$/.test(keyword)) {
      readFile({ ...around, path: sourced(path, keyword, rest) }, reading);
      entry = { kind: 'other' };
    } else if (keyword === 'comment' || keyword === 'mainmenu') entry = { kind: 'other' };
    else readProperty(entry, keyword, rest);
  }
}

function newDefinition(file: string, { depends, visible, choice }: Around): Definition {
  return { file, type: null, prompt: null, visible, depends, defaults: [], selects: [], implies: [], choice };
}

function newChoice({ depends, visible }: Around): Choice {
  return { members: [], prompt: visible, depends, defaults: [] };
}

/** `rsource` and `orsource` are relative to the file. */
function sourced(file: string, keyword: string, rest: string): string {
  const named = /^"(.*)"$/.exec(rest)?.[1] ?? rest;
  return /^o?rsource$/.test(keyword) ? posix.join(posix.dirname(file), named) : named;
}

/** The statements of a file: keyword and rest, without comments and help texts. */
function* statements(text: string): Generator<[string, string]> {
  let help: number | null = null;
  let inHelp = false;
  for (const raw of text.replace(/\\\n/g, ' ').split('\n')) {
    const line = raw.replaceAll('\t', '        ');
    if (line.trim() === '') continue;
    const indent = line.length - line.trimStart().length;
    if (inHelp) {
      // The first line of a help text says how far all of it is indented.
      help ??= indent;
      if (indent >= help && indent > 0) continue;
      [inHelp, help] = [false, null];
    }
    const [, keyword, rest] = /^\s*([\w-]+)\s*(.*?)\s*$/.exec(expandArch(raw)) ?? [];
    if (keyword === undefined || /^(?::|\+)?=/.test(rest!)) continue;
    if (keyword === 'help' || keyword === '---help---') inHelp = true;
    else yield [keyword, rest!.replace(/^"([^"]*)"\s*#.*$/, '"$1"')];
  }
}

function expandArch(line: string): string {
  return line
    .replaceAll('$(SRCARCH)', posix.basename(arch.kconfigDirectory))
    .replaceAll('$(ARCH)', arch.name);
}

function readProperty(entry: Entry, keyword: string, rest: string): void {
  if (entry.kind === 'other') return;
  const condition = keyword === 'depends' ? dependsOn(rest) : null;
  if (entry.kind === 'symbol') {
    const { definition } = entry;
    if (condition) definition.depends = allOf([definition.depends, condition]);
    else readSymbolProperty(definition, keyword, rest);
    return;
  }
  const { around } = entry;
  if (condition) {
    around.depends = allOf([around.depends, condition]);
    if (entry.kind === 'choice') around.choice!.depends = around.depends;
  }
  if (entry.kind === 'menu' && keyword === 'visible')
    around.visible = allOf([around.visible, parseExpression(rest.replace(/^if\s+/, ''))]);
  if (entry.kind !== 'choice') return;
  const choice = around.choice!;
  const [value, when] = splitCondition(rest);
  if (keyword === 'default') choice.defaults.push({ symbol: value, when });
  if (/^["']/.test(rest)) choice.prompt = allOf([choice.prompt, promptCondition(rest)]);
}

/** `on A`, and `on A if B`, which holds without B. */
function dependsOn(rest: string): Expression | null {
  const [, text, condition] = /^on\s+(.+?)(?:\s+if\s+(.+))?$/.exec(rest) ?? [];
  if (text === undefined) return null;
  return parseExpression(condition === undefined ? text : `!(${condition}) || (${text})`);
}

function readSymbolProperty(definition: Definition, keyword: string, rest: string): void {
  const type = /^(?:def_)?(bool|tristate|string|int|hex)$/.exec(keyword)?.[1] as SymbolType | undefined;
  if (type) definition.type = type;
  const [value, when] = splitCondition(rest);
  if (keyword === 'default' || keyword.startsWith('def_'))
    definition.defaults.push({ value: parseExpression(value), text: value, when });
  else if (keyword === 'select') definition.selects.push({ symbol: value, when });
  else if (keyword === 'imply') definition.implies.push({ symbol: value, when });
  else if ((type || keyword === 'prompt') && /^["']/.test(rest)) definition.prompt = promptCondition(rest);
}

function promptCondition(rest: string): Expression {
  const condition = /^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*if\s+(.+)$/.exec(rest)?.[1];
  return condition === undefined ? always : parseExpression(condition);
}

/** `X if Y` */
function splitCondition(rest: string): [string, Expression] {
  const [, value, condition] = /^(.*?)\s+if\s+(.+)$/.exec(rest) ?? [];
  if (value === undefined) return [rest.replace(/\s+#.*$/, ''), always];
  return [value, parseExpression(condition!)];
}
