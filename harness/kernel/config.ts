// SPDX-License-Identifier: MIT
// The configuration of a kernel. Kconfig merges the fragments; the result is compared with what they wish for.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import type { Suite } from '../suite/suite.ts';
import { exists, readIfThere } from '../util/files.ts';
import { plural, several } from '../util/plural.ts';
import { readConfigFile } from './configFile.ts';
import { explainMissing, findChoices, findSettable, noPrompt, undefinedSymbol } from './dependency.ts';
import type { ConfigValues } from './dotConfig.ts';
import {
  asLine,
  type Fragment,
  lastWishes,
  parseFragment,
  strayError,
  strayWarning,
  type Wish,
} from './fragment.ts';

/** Fragments that every kernel gets, in this order. */
export const always = ['base', arch.name];

/** Whether `--config` names a file and no fragment. */
export function isPath(wanted: string): boolean {
  return wanted.includes('/') || wanted.endsWith('.config');
}

/** Where a fragment is: a name in one of the directories, the first that has it, or a path. */
async function findFragment(dirs: readonly string[], wanted: string): Promise<string> {
  if (isPath(wanted)) {
    if (await exists(wanted)) return wanted;
    throw new KilnError('bad-input', `there is no config fragment at ${wanted}`, {
      hint: `--config names a file, or one of: ${(await listFragments(dirs)).join(', ')}`,
    });
  }
  for (const dir of dirs) {
    const path = join(dir, `${wanted}.config`);
    if (wanted !== '' && (await exists(path))) return path;
  }
  const known = await listFragments(dirs);
  throw new KilnError('usage', `no config fragment "${wanted}"`, {
    hint: `known: ${known.join(', ') || '(none)'}; a path, such as ./${wanted || 'my'}.config, names any other file`,
  });
}

/**
 * Read the fragments that every kernel gets, then those asked for, by name or path.
 * @param dirs where names are looked up
 */
export async function readFragments(dirs: readonly string[], asked: readonly string[]): Promise<Fragment[]> {
  const own = asked.find((name) => always.includes(name));
  if (own !== undefined)
    throw new KilnError('usage', `every kernel has the config fragment "${own}"`, {
      hint: `known: ${(await listFragments(dirs)).join(', ')}`,
    });
  return Promise.all(
    [...always, ...new Set(asked)].map(async (name) => readFragment(name, await findFragment(dirs, name))),
  );
}

async function readFragment(name: string, path: string): Promise<Fragment> {
  const { fragment, strays } = parseFragment(name, await readConfigFile(path));
  if (strays.length > 0) throw strayError(path, strays);
  return fragment;
}

/** Kernel arguments that the fragments ask for: `<name>.cmdline` beside `<name>.config`, if it exists. */
export async function readBootWords(dirs: readonly string[], asked: readonly string[]): Promise<string> {
  const texts = await Promise.all(
    [...always, ...new Set(asked)].map(async (name) =>
      readIfThere((await findFragment(dirs, name)).replace(/(?:\.config)?$/, '.cmdline')),
    ),
  );
  const lines = texts.flatMap((text) => (text ?? '').split('\n'));
  return lines.filter((line) => line !== '' && !line.startsWith('#')).join(' ');
}

/** The names that `--config` takes. */
export async function listFragments(dirs: readonly string[]): Promise<string[]> {
  const files = (await Promise.all(dirs.map((dir) => readdir(dir).catch(() => [])))).flat();
  const names = files.filter((name) => name.endsWith('.config')).map((name) => basename(name, '.config'));
  return [...new Set(names)].filter((name) => !always.includes(name)).sort();
}

const ofSuite = 'suite ';

/**
 * A suite's `config` as a fragment. Throws bad-input if it has lines that are no config lines; for a suite in a kernel's
 * tree, whose author is not at hand, `warning` names them.
 */
export function readSuiteFragment({ name, dir, config }: Pick<Suite, 'name' | 'dir' | 'config'>): {
  fragment: Fragment;
  warning: string | null;
} {
  const { fragment, strays } = parseFragment(`${ofSuite}${name}`, config);
  if (strays.length === 0) return { fragment, warning: null };
  const file = join(dir, 'config');
  if (!isInTree(dir)) throw strayError(file, strays);
  return { fragment, warning: strayWarning(file, strays) };
}

function isInTree(dir: string): boolean {
  return dir.includes('/tools/testing/selftests/');
}

/** `X=value` of the command line, with or without CONFIG_. Throws usage. */
export function readSettings(settings: readonly string[]): Fragment {
  const lines = settings.map((text) => (text.startsWith('CONFIG_') ? text : `CONFIG_${text}`));
  const { fragment, strays } = parseFragment('--set', lines.join('\n'));
  if (strays.length > 0)
    throw new KilnError('usage', `--set ${settings[strays[0]!.line - 1]} is not a config line`, {
      hint: 'for example: --set KSM=y, --set NR_CPUS=8, --set \'CMDLINE="quiet"\'',
    });
  return fragment;
}

/** Symbols for which two suites wish for different values. `text` is for the user. */
export function findDisagreements(fragments: readonly Fragment[]): { symbol: string; text: string }[] {
  const wanted = new Map<string, Map<string, string>>();
  for (const { name, wishes } of fragments.filter((fragment) => fragment.name.startsWith(ofSuite)))
    for (const { symbol, value } of wishes)
      wanted.set(symbol, (wanted.get(symbol) ?? new Map()).set(name, value));
  return [...wanted]
    .filter(([, wishes]) => new Set(wishes.values()).size > 1)
    .map(([symbol, wishes]) => ({
      symbol,
      text: [...wishes].map(([name, value]) => `${name} wants ${asLine({ symbol, value })}`).join(', '),
    }));
}

/** Sentences about wishes of the command line that take the place of a suite's. */
export function findOverruled(ofSuites: readonly Fragment[], asked: readonly Fragment[]): string[] {
  const last = new Map(lastWishes(asked).map((wish) => [wish.symbol, wish]));
  return lastWishes(ofSuites).flatMap((wish) => {
    const other = last.get(wish.symbol);
    if (other === undefined || other.value === wish.value) return [];
    return `${asLine(other)} (${other.fragment}) takes the place of ${asLine(wish)} (${wish.fragment})`;
  });
}

/** A wish that did not come true. */
export type Unmet = Wish & { fragment: string; got: string };

/** Why. `winner`: a symbol of the same choice, for which a later line wishes. */
export type Reason = { why: string; winner: string | null };

/** Of alternatives, none is unmet if one has its value. `n` also matches an absent symbol and the number 0. */
export function findUnmet(fragments: readonly Fragment[], final: ConfigValues): Unmet[] {
  const wishes = lastWishes(fragments);
  const isMet = ({ symbol, value }: Wish) => holds(value, final.get(symbol) ?? 'n');
  const blockOf = (wish: Wish & { fragment: string }) => `${wish.fragment}:${wish.block}`;
  const metBlocks = new Set(wishes.filter((wish) => wish.isAlternative && isMet(wish)).map(blockOf));
  return wishes
    .filter((wish) => !isMet(wish) && !metBlocks.has(blockOf(wish)))
    .map((wish) => ({ ...wish, got: final.get(wish.symbol) ?? 'n' }));
}

function holds(wanted: string, got: string): boolean {
  return got === wanted || (wanted === 'n' && got === '0') || (wanted === 'm' && got === 'y');
}

/** Find out why, by the tree's Kconfig files. Keys are symbols. */
export async function findReasons(
  unmet: readonly Unmet[],
  fragments: readonly Fragment[],
  sourceDir: string,
  final: ConfigValues,
): Promise<Record<string, Reason>> {
  if (unmet.length === 0) return {};
  const choices = await findChoices(sourceDir);
  const wishes = lastWishes(fragments);
  const winnerOf = ({ symbol }: Unmet) => {
    const choice = choices.get(symbol);
    const later = wishes.slice(wishes.findIndex((wish) => wish.symbol === symbol) + 1);
    const winner = later.find(
      (wish) => wish.value === 'y' && final.get(wish.symbol) === 'y' && choices.get(wish.symbol) === choice,
    );
    return choice === undefined ? null : (winner?.symbol ?? null);
  };
  const isOptional = ({ need }: Unmet) => need === 'optional';
  const whyNot = unmet.some(isOptional) ? await findSettable(sourceDir) : () => '';
  const reasons = unmet.map(async (wish): Promise<[string, Reason]> => {
    const winner = winnerOf(wish);
    if (isOptional(wish)) return [wish.symbol, { why: whyNot(wish.symbol), winner }];
    // Nobody is told why a preferred symbol could not be had, and to find out takes a search of the tree each.
    const isTold = winner === null && wish.need === 'needed';
    const why = isTold ? await explainMissing(wish.symbol, sourceDir, final) : '';
    return [wish.symbol, { why, winner }];
  });
  return Object.fromEntries(await Promise.all(reasons));
}

/** Throw config-missing if a wish that is needed did not come true. */
export function requireConfig(unmet: readonly Unmet[], reasons: Record<string, Reason>): void {
  const missing = unmet.filter(
    ({ need, symbol }) =>
      !['preferred', 'optional'].includes(need) && (reasons[symbol]?.winner ?? null) === null,
  );
  if (missing.length === 0) return;
  const lines = missing.map(({ symbol, value, got, fragment, line }) => {
    const why = reasons[symbol]?.why;
    const wanted = got === value ? '' : ` became ${got}`;
    return `CONFIG_${symbol}=${value} (${fragment}, line ${line})${wanted}${why ? `: ${why}` : ''}`;
  });
  const isUndefined = ({ symbol }: Unmet) => reasons[symbol]?.why.startsWith(undefinedSymbol) ?? false;
  const tools = hostTools.filter(({ symbol }) =>
    missing.some((one) => reasons[one.symbol]?.why.includes(symbol)),
  );
  throw new KilnError(
    'config-missing',
    `the kernel did not take ${plural(lines.length, 'config symbol')}:\n  ${several(lines, 50, '\n  ')}`,
    {
      hint: [
        ...tools.map(({ program }) => `install ${program}`),
        ...(missing.some(isUndefined) ? ['check the name of a symbol that no Kconfig file defines'] : []),
        ...(missing.every(isUndefined)
          ? []
          : ['add what a symbol depends on to the fragment that asks for it, or drop it there']),
      ].join('; '),
      details: { symbol: missing.map(({ symbol }) => symbol).join(' ') },
    },
  );
}

/** Symbols by which Kconfig says what it found on the host. */
const hostTools = [
  { symbol: 'PAHOLE_VERSION', program: 'pahole' },
  { symbol: 'RUST_IS_AVAILABLE', program: 'rustc and bindgen' },
];

/** Sentences about wishes that did not come true and need not. */
export function configNotes(
  unmet: readonly Unmet[],
  reasons: Record<string, Reason>,
  fragments: readonly Fragment[],
): string[] {
  const wishes = lastWishes(fragments);
  const gaveWay = unmet.flatMap(({ symbol, value, fragment, need }) => {
    if (need === 'optional') return [];
    const winner = wishes.find((wish) => wish.symbol === reasons[symbol]?.winner);
    if (winner === undefined) return [];
    return `${asLine({ symbol, value })} (${fragment}) gives way to ${asLine(winner)} (${winner.fragment})`;
  });
  const without = unmet
    .filter(({ need, symbol }) => need === 'preferred' && (reasons[symbol]?.winner ?? null) === null)
    .map(asLine);
  const optional = unmet.filter(({ need }) => need === 'optional');
  const isUnknown = ({ symbol }: Unmet) => reasons[symbol]?.why === undefinedSymbol;
  const changed = optional.filter((wish) => !isUnknown(wish) && reasons[wish.symbol]?.why !== noPrompt);
  const lost = [
    { lines: changed, text: 'did not get their value' },
    { lines: optional.filter(isUnknown), text: 'name symbols that this tree does not define' },
  ].flatMap(({ lines, text }) => {
    if (lines.length === 0) return [];
    return `${plural(lines.length, 'line')} of ${lines[0]!.fragment} ${text}: ${several(lines.map(asLine), 30)}`;
  });
  return [
    ...lost,
    ...gaveWay,
    ...(without.length === 0 ? [] : [`cannot be set in this tree: ${several(without, 20)}`]),
  ];
}
