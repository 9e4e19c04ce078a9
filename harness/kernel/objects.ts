// SPDX-License-Identifier: MIT
// How many objects a build makes, as far as the Makefiles tell without make.
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { plainFile } from '../sandbox/plain.ts';
import type { ConfigValues } from './dotConfig.ts';

/**
 * Count the objects that become part of vmlinux. Modules do not count, nor what a Makefile takes from variables of its
 * own or from other files.
 */
export async function countObjects(source: string, config: ConfigValues): Promise<number> {
  const seen = new Set<string>();
  const count = async (dir: string): Promise<number> => {
    if (seen.has(dir)) return 0;
    seen.add(dir);
    const { objects, dirs } = readMakefile(await text(source, dir), config);
    const below = await Promise.all(dirs.map((name) => count(normalize(join(dir, name)))));
    return below.reduce((sum, number) => sum + number, objects);
  };
  const counts = await Promise.all(['.', 'lib', ...arch.objectDirectories].map(count));
  return counts.reduce((sum, number) => sum + number);
}

/** kbuild prefers Kbuild to Makefile. */
async function text(source: string, dir: string): Promise<string> {
  for (const name of ['Kbuild', 'Makefile']) {
    const path = await plainFile(source, join(dir, name), largest).catch(() => null);
    if (path !== null) return readFile(path, 'utf8');
  }
  return '';
}

/** Bytes. */
const largest = 2 ** 20;

/** The objects that the Makefile of a directory puts into vmlinux, and the directories that it leads to. */
export function readMakefile(makefile: string, config: ConfigValues): { objects: number; dirs: string[] } {
  const lists = new Map<string, string[]>();
  const taken: boolean[] = [];
  for (const line of makefile.replace(/\\\n/g, ' ').split('\n')) {
    const content = line.replace(/#.*/, '').trim();
    const [keyword = ''] = content.split(/\s/, 1);
    if (keyword === 'else') taken.push(!taken.pop());
    else if (keyword === 'endif') taken.pop();
    else if (/^ifn?(?:eq|def)$/.test(keyword)) taken.push(holds(content, config));
    if (!taken.every(Boolean)) continue;
    const [, name, condition, words] =
      /^([\w-]+)-(y|objs|\$\([^()]*(?:\([^()]*\))?\))\s*(?:[:+]?=)(.*)$/.exec(content) ?? [];
    if (name === undefined || !isOn(condition!, config)) continue;
    lists.set(name, [...(lists.get(name) ?? []), ...words!.trim().split(/\s+/)]);
  }
  const words = [...(lists.get('obj') ?? []), ...(lists.get('lib') ?? [])].map((word) =>
    word.replace('$(SRCARCH)', arch.kconfigDirectory.replace('arch/', '')),
  );
  const parts = (object: string): number => lists.get(object.slice(0, -2))?.length ?? 0;
  const objects = words.filter((word) => word.endsWith('.o'));
  return {
    objects: objects.reduce((sum, object) => sum + 1 + parts(object), 0),
    dirs: words.filter((word) => word.endsWith('/')),
  };
}

/** `y`, `objs`, `$(CONFIG_X)`, `$(subst m,y,$(CONFIG_X))`. */
function isOn(condition: string, config: ConfigValues): boolean {
  const symbol = /CONFIG_(\w+)/.exec(condition)?.[1];
  if (symbol === undefined) return !condition.startsWith('$');
  const value = config.get(symbol);
  return value === 'y' || (value === 'm' && condition.includes('subst m,y'));
}

/** A condition on anything but one symbol counts as met. */
function holds(condition: string, config: ConfigValues): boolean {
  const [, no, symbol] = /^if(n?)def\s+CONFIG_(\w+)$/.exec(condition) ?? [];
  if (symbol !== undefined) return ((config.get(symbol) ?? 'n') !== 'n') === (no === '');
  const [, not, compared, value] = /^if(n?)eq\s*\(\$\(CONFIG_(\w+)\),\s*(\w*)\s*\)$/.exec(condition) ?? [];
  if (compared === undefined) return true;
  const found = config.get(compared) ?? 'n';
  return ((found === 'n' ? '' : found) === value) === (not === '');
}
