// SPDX-License-Identifier: MIT
// Finds out why a symbol did not get its value. Reads the Kconfig files, but does not run Kconfig: it is a hint only.
import { join } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { readIfThere } from '../util/files.ts';
import { git } from '../util/git.ts';
import type { ConfigValues } from './dotConfig.ts';
import { evaluate, parseExpression } from './expression.ts';

/** The unmet dependencies of a symbol in the tree at `sourceDir`, as a clause for an error message. */
export async function explainMissing(
  symbol: string,
  sourceDir: string,
  final: ConfigValues,
): Promise<string> {
  const grep = await git(
    sourceDir,
    ['grep', '-lE', `^[[:space:]]*(menu)?config[[:space:]]+${symbol}[[:space:]]*$`, '--', '*Kconfig*'],
    {
      okCodes: [0, 1],
    },
  );
  const files = grep.stdout.split('\n').filter((file) => file !== '' && !isForeign(file));
  if (files.length === 0) return undefinedSymbol;
  const conditions = (await Promise.all(files.map((file) => conditionsIn(file, symbol, sourceDir)))).flat();
  const unmet = conditions.filter((condition) => !isMet(condition, final));
  if (unmet.length > 0) return `depends on ${unmet.join(' && ')}`;
  const symbols = new Set(conditions.flatMap((condition) => condition.match(/\w+/g) ?? []));
  const modules = [...symbols].filter((name) => final.get(name) === 'm');
  if (final.get(symbol) === 'm' && modules.length > 0) return `depends on ${modules.join(' && ')}, =m here`;
  return conditions.length > 0 ? `its conditions (${conditions.join(' && ')}) look met` : 'nothing names why';
}

/** The members of each choice: symbol → a name of the choice. */
export async function findChoices(sourceDir: string): Promise<Map<string, string>> {
  const pattern = '^[[:space:]]*(choice|endchoice|(menu)?config[[:space:]]+[A-Za-z0-9_]+)[[:space:]]*(#.*)?$';
  const grep = await git(sourceDir, ['grep', '-nE', pattern, '--', '*Kconfig*'], { okCodes: [0, 1] });
  const members = new Map<string, string>();
  let choice: string | null = null;
  for (const line of grep.stdout.split('\n')) {
    const [, file, number, keyword, symbol] = /^(.+?):(\d+):\s*(\w+)(?:\s+(\w+))?/.exec(line) ?? [];
    if (file === undefined || isForeign(file)) continue;
    if (keyword === 'choice') choice = `${file}:${number}`;
    else if (keyword === 'endchoice') choice = null;
    else if (choice?.startsWith(`${file}:`)) members.set(symbol!, choice);
  }
  return members;
}

/**
 * Why a config file can't set a symbol: `undefinedSymbol`, `noPrompt`, or '' if it can. Symbols without a prompt get
 * their value from others.
 */
export async function findSettable(sourceDir: string): Promise<(symbol: string) => string> {
  const pattern =
    '^[[:space:]]*((menu)?config[[:space:]]+[A-Za-z0-9_]+|(bool|tristate|string|int|hex|prompt)[[:space:]]*["\'])';
  const grep = await git(sourceDir, ['grep', '-hE', pattern, '--', '*Kconfig*'], { okCodes: [0, 1] });
  const settable = new Map<string, boolean>();
  let symbol = '';
  for (const line of grep.stdout.split('\n')) {
    const next = /^\s*(?:menu)?config\s+(\w+)/.exec(line)?.[1];
    if (next === undefined) settable.set(symbol, true);
    else settable.set(next, settable.get(next) ?? false);
    symbol = next ?? symbol;
  }
  return (name) => {
    if (!settable.has(name)) return undefinedSymbol;
    return settable.get(name) ? '' : noPrompt;
  };
}

/** Whether a Kconfig file is another architecture's. */
function isForeign(file: string): boolean {
  return file.startsWith('arch/') && file !== 'arch/Kconfig' && !file.startsWith(`${arch.kconfigDirectory}/`);
}

/** The symbol's conditions in its file, and those of each `source` line on the way up to the top Kconfig file. */
async function conditionsIn(file: string, symbol: string, sourceDir: string): Promise<string[]> {
  const conditions = dependencies(await text(sourceDir, file), { symbol });
  for (let child = file, depth = 0; depth < 10; depth++) {
    const pattern = `^[[:space:]]*source[[:space:]]+"${child}"`;
    const grep = await git(sourceDir, ['grep', '-lE', pattern, '--', '*Kconfig*'], { okCodes: [0, 1] });
    const parent = grep.stdout.split('\n')[0];
    if (!parent) break;
    conditions.push(...dependencies(await text(sourceDir, parent), { source: child }));
    child = parent;
  }
  return [...new Set(conditions)];
}

async function text(sourceDir: string, file: string): Promise<string> {
  return (await readIfThere(join(sourceDir, file))) ?? '';
}

export const undefinedSymbol = 'no Kconfig file defines it';
export const noPrompt = 'being selected by another symbol (it has no prompt)';

/**
 * The conditions of a symbol, or of a `source` line, in the text of one Kconfig file: its own, and those of the ifs and
 * menus around it.
 */
export function dependencies(kconfig: string, target: { symbol: string } | { source: string }): string[] {
  const around: { keyword: 'if' | 'menu'; conditions: string[] }[] = [];
  const found: string[] = [];
  let entry: 'ours' | 'menu' | 'other' = 'other';
  let help = false;
  for (const line of kconfig.replace(/\\\n/g, ' ').split('\n')) {
    const [, indent, keyword, rest] = /^(\s*)(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    if (keyword === undefined || keyword.startsWith('#')) continue;
    // The members of a choice are often indented.
    if (indent === '' || (/^(menu)?config$/.test(keyword) && /^\w+$/.test(rest!))) {
      help = false;
      entry = 'other';
      if (keyword === 'if') around.push({ keyword, conditions: [rest!] });
      if (keyword === 'menu') around.push({ keyword, conditions: [] });
      if (keyword === 'menu') entry = 'menu';
      if (keyword === 'endif' || keyword === 'endmenu') around.pop();
      const isSymbol = 'symbol' in target && /^(menu)?config$/.test(keyword) && rest === target.symbol;
      const isSource = 'source' in target && keyword === 'source' && rest === `"${target.source}"`;
      if (isSymbol) entry = 'ours';
      if (isSymbol || isSource) found.push(...around.flatMap(({ conditions }) => conditions));
      continue;
    }
    if (help || entry === 'other') continue;
    if (keyword === 'help') help = true;
    const depends = /^on\s+(.+)$/.exec(keyword === 'depends' ? rest! : '')?.[1];
    if (depends && entry === 'ours') found.push(depends);
    if (depends && entry === 'menu') around.at(-1)!.conditions.push(depends);
    if (entry === 'ours' && types.has(keyword)) found.push(...promptCondition(rest!));
  }
  return found;
}

const types = new Set(['bool', 'tristate', 'string', 'int', 'hex']);

/**
 * `bool "Text" if EXPERT` can only be set under its condition. Without a prompt, a config file can't set the symbol.
 */
function promptCondition(rest: string): string[] {
  if (!/^["']/.test(rest)) return [noPrompt];
  const condition = /["']\s+if\s+(.+)$/.exec(rest)?.[1];
  return condition === undefined ? [] : [condition];
}

/** Anything that can't be read counts as met: a wrong hint is worse than none. */
function isMet(condition: string, final: ConfigValues): boolean {
  if (condition === noPrompt) return false;
  if (condition.includes('$(')) return true;
  const lookUp = (symbol: string) => final.get(symbol)?.replace(/^"(.*)"$/, '$1') ?? 'n';
  return evaluate(parseExpression(condition), lookUp) !== 0;
}
