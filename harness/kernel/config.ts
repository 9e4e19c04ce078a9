// SPDX-License-Identifier: MIT
// The configuration of a kernel. Kconfig merges the fragments; the result is compared with what they ask for.
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { readIfThere } from '../util/files.ts';
import { explainMissing } from './dependency.ts';
import { type ConfigValues, parseConfig } from './dotConfig.ts';

/** A named piece of kernel configuration. */
export type Fragment = { name: string; text: string };

/** Fragments that every kernel gets, in this order. */
const always = ['base', arch.name];

/** Read the fragments that every kernel gets, then those asked for by name. */
export async function readFragments(dir: string, names: string[]): Promise<Fragment[]> {
  const known = await listFragments(dir);
  for (const name of names) {
    if (!known.includes(name))
      throw new KilnError('usage', `no config fragment "${name}"`, {
        hint: `known: ${known.join(', ') || '(none)'}; add ${join(dir, `${name}.config`)} for a new one`,
      });
  }
  const wanted = [...always, ...new Set(names)];
  return Promise.all(
    wanted.map(async (name) => ({ name, text: await readFile(join(dir, `${name}.config`), 'utf8') })),
  );
}

/** Kernel arguments that the fragments ask for: `<name>.cmdline` beside `<name>.config`, if it exists. */
export async function readBootWords(dir: string, names: string[]): Promise<string> {
  const texts = await Promise.all(
    [...always, ...new Set(names)].map((name) => readIfThere(join(dir, `${name}.cmdline`))),
  );
  const lines = texts.flatMap((text) => (text ?? '').split('\n'));
  return lines.filter((line) => line !== '' && !line.startsWith('#')).join(' ');
}

/** The names that `--config` takes. */
export async function listFragments(dir: string): Promise<string[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith('.config'));
  return files
    .map((name) => basename(name, '.config'))
    .filter((name) => !always.includes(name))
    .sort();
}

/** A suite's `config` as a fragment. Guests load no modules, so `=m` becomes `=y`. */
export function suiteFragment(name: string, config: string): Fragment {
  return { name: `suite ${name}`, text: config.replace(/^(CONFIG_\w+)=m[ \t]*$/gm, '$1=y') };
}

/** Symbols for which two suites ask for different values. `text` is for the user. */
export function findDisagreements(fragments: Fragment[]): { symbol: string; text: string }[] {
  const wanted = new Map<string, [string, string][]>();
  for (const { name, text } of fragments.filter((fragment) => fragment.name.startsWith('suite ')))
    for (const [symbol, value] of parseConfig(text))
      wanted.set(symbol, [...(wanted.get(symbol) ?? []), [name, value]]);
  return [...wanted]
    .filter(([, wishes]) => new Set(wishes.map(([, value]) => value)).size > 1)
    .map(([symbol, wishes]) => ({
      symbol,
      text: wishes.map(([name, value]) => `${name} wants CONFIG_${symbol}=${value}`).join(', '),
    }));
}

export type Missing = { symbol: string; wanted: string; got: string; fragment: string };

/** Every requested symbol that did not get its value. `n` also matches an absent symbol; `m` also matches `y`. */
export function findMissing(fragments: Fragment[], final: ConfigValues): Missing[] {
  const asked = new Map<string, Missing>();
  for (const { name, text } of fragments)
    for (const [symbol, wanted] of parseConfig(text)) {
      const got = final.get(symbol) ?? 'n';
      asked.set(symbol, { symbol, wanted, got, fragment: name });
    }
  return [...asked.values()].filter(({ wanted, got }) => got !== wanted && !(wanted === 'm' && got === 'y'));
}

/** The error for missing symbols, with the unmet dependency of each where the Kconfig files show one. */
export async function missingError(
  missing: Missing[],
  sourceDir: string,
  final: ConfigValues,
): Promise<KilnError> {
  const lines = await Promise.all(
    missing.map(async ({ symbol, wanted, got, fragment }) => {
      const why = await explainMissing(symbol, sourceDir, final);
      return `CONFIG_${symbol}=${wanted} (${fragment}) became ${got}${why ? `: ${why}` : ''}`;
    }),
  );
  return new KilnError(
    'config-missing',
    `the kernel did not take ${lines.length} config symbols:\n  ${lines.join('\n  ')}`,
    {
      hint: 'add what a symbol depends on to the fragment that asks for it, or drop it there',
      details: { symbol: missing.map(({ symbol }) => symbol).join(' ') },
    },
  );
}
