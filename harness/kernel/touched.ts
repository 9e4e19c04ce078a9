// SPDX-License-Identifier: MIT
// After a build: which of a patch's files and functions the kernel has.
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { plainFile } from '../sandbox/plain.ts';
import type { TouchedFile } from '../schema.ts';
import { exists } from '../util/files.ts';
import { plural, several } from '../util/plural.ts';
import { type ChangedFile, changedLines, functionsAt, functionsOf } from './changedFunctions.ts';
import { type ConfigValues, parseConfig } from './dotConfig.ts';
import { func, parseElf } from './elf.ts';
import { evaluate } from './expression.ts';
import { guardsOf } from './guards.ts';
import { linkedObjects } from './linked.ts';
import { foreignArch, objectOf, whyNoCode } from './touchedConfig.ts';
import { readTexts } from './treeText.ts';

export type TouchedRequest = {
  /** A repository that has both commits. */
  gitDir: string;
  /** Before the patch. */
  from: string;
  /** With the patch: what was built, or what the rest of the series was applied to. */
  to: string;
  /** The build directory, as the build left it. */
  build: string;
  /** Why files can't be compiled, by path; as configOfTouched() found. */
  reasons: ReadonlyMap<string, string>;
  signal?: AbortSignal;
};

/** Bytes. */
const limits = { command: 16 * 2 ** 20, object: 256 * 2 ** 20, config: 16 * 2 ** 20 };
/** Of the objects that include a header, how many are searched for its functions. */
const mostObjects = 50;

/**
 * What the built kernel has of the files that a patch touches. A function counts as compiled if an object has a symbol
 * of its name, also as a part of it that gcc split off, or if no #if leaves it out of a file that is compiled: gcc
 * inlines functions without a trace. Throws does-not-build if the directory has no build.
 */
export async function touchedFiles(request: TouchedRequest): Promise<TouchedFile[]> {
  const { gitDir, from, to, build, signal } = request;
  const changed = await changedLines(gitDir, from, to, signal);
  const code = changed.map(({ path }) => path).filter((path) => whyNoCode(path) === null);
  const texts =
    code.length === 0
      ? new Map<string, string>()
      : await readTexts(
          gitDir,
          to,
          code.map((path) => `:(literal)${path}`),
          signal,
        );
  const { objects, apart } = await linkedObjects(build);
  const linked = new Set([...objects, ...apart]);
  const readers = await findReaders(
    build,
    linked,
    code.filter((path) => !linked.has(objectOf(path))),
  );
  const config = parseConfig(await readFile(await plainFile(build, '.config', limits.config), 'utf8'));
  const files: TouchedFile[] = [];
  for (const file of changed) {
    const text = texts.get(file.path);
    files.push(
      await describe(
        file,
        text,
        linked.has(objectOf(file.path)),
        readers.get(file.path) ?? [],
        config,
        request,
      ),
    );
  }
  return files;
}

async function describe(
  file: ChangedFile,
  text: string | undefined,
  hasObject: boolean,
  readers: readonly string[],
  config: ConfigValues,
  { build, reasons }: TouchedRequest,
): Promise<TouchedFile> {
  const { path } = file;
  const noCode = whyNoCode(path);
  if (noCode !== null) return { path, compiled: null, reason: noCode, functions: [] };
  const missing = (reason: string) => ({ path, compiled: false, reason, functions: [] });
  if (text === undefined) return missing('the patch removes it, or leaves it empty');
  const objects = hasObject ? [objectOf(path)] : readers;
  if (objects.length === 0)
    return missing(foreignArch(path) ?? reasons.get(path) ?? (await whyNotLinked(build, path)));
  const symbols = await functionSymbols(build, objects.slice(0, mostObjects));
  const guards = guardsOf(text);
  const unclear: string[] = [];
  const all = functionsAt(functionsOf(path, text), file.lines).map(({ name, symbols: names, first }) => {
    const guard = evaluate(guards[first - 1]!, (symbol) => config.get(symbol) ?? 'n');
    const hasSymbol = names.some((one) => symbols.has(one));
    if (guard === null && !hasSymbol) unclear.push(name);
    return { name, compiled: guard !== 0 && (hasSymbol || guard !== null) };
  });
  const functions = oncePerName(all);
  const where = hasObject ? [] : [includedIn(readers)];
  const lost = unclear.filter((name) => functions.some((one) => one.name === name && !one.compiled));
  const note = lost.length === 0 ? [] : [`inlined, or left out by an #if: ${several(lost)}`];
  const said = [...where, ...note].join('; ');
  return { path, compiled: true, reason: said === '' ? null : said, functions };
}

/** An #if and its #else often have a function each of the same name. */
function oncePerName(all: TouchedFile['functions']): TouchedFile['functions'] {
  const compiled = new Set(all.filter((one) => one.compiled).map(({ name }) => name));
  return [...new Set(all.map(({ name }) => name))].map((name) => ({ name, compiled: compiled.has(name) }));
}

function includedIn(objects: readonly string[]): string {
  const others = objects.length - 1;
  return `in ${objects[0]}${others === 0 ? '' : ` and ${plural(others, 'other object')}`}`;
}

async function whyNotLinked(build: string, path: string): Promise<string> {
  if (path.endsWith('.h')) return 'no file that this configuration builds includes it';
  // Left from an earlier build, or a module's.
  const isThere = await exists(join(build, objectOf(path)));
  return isThere ? 'its object is not linked into the kernel' : 'this configuration does not build it';
}

/** Names of the functions in these objects; of those that gcc split or cloned, without its suffixes. */
async function functionSymbols(build: string, objects: readonly string[]): Promise<Set<string>> {
  const names = new Set<string>();
  for (const object of objects) {
    const elf = parseElf(await readFile(await plainFile(build, object, limits.object)));
    for (const { name, type, section } of elf?.symbols ?? [])
      if (section !== null && type === func) names.add(name.replace(/\..*$/, ''));
  }
  return names;
}

/** For each path, the objects whose compiler has read it, by the commands that kbuild recorded. */
async function findReaders(
  build: string,
  objects: ReadonlySet<string>,
  paths: readonly string[],
): Promise<Map<string, string[]>> {
  const readers = new Map<string, string[]>();
  if (paths.length === 0) return readers;
  for (const object of objects) {
    const command = posix.join(posix.dirname(object), `.${posix.basename(object)}.cmd`);
    if (!(await exists(join(build, command)))) continue;
    const text = await readFile(await plainFile(build, command, limits.command), 'utf8');
    for (const path of paths.filter((one) => isRead(text, one)))
      readers.set(path, [...(readers.get(path) ?? []), object]);
  }
  return readers;
}

/** A dependency stands on a line of its own: `  /kiln/source/include/linux/fs.h \`. */
function isRead(command: string, path: string): boolean {
  for (let at = command.indexOf(path); at >= 0; at = command.indexOf(path, at + 1))
    if (
      /[\s/]/.test(command[at - 1] ?? ' ') &&
      /^[ \t]*\\?(?:\n|$)/.test(command.slice(at + path.length, at + path.length + 4))
    )
      return true;
  return false;
}
