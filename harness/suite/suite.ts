// SPDX-License-Identifier: MIT
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { readIfThere, regularFiles } from '../util/files.ts';
import { plural, several } from '../util/plural.ts';
import { readMakefile } from './makefile.ts';
import { parseSettings, parseSettingsFile, type Settings } from './settings.ts';

/** A test program: one C file with a main function. */
export type Program = { name: string; source: string };

/** A program with its own settings, or with those of one of their sections. */
export type Test = {
  /** `program` or `program@section`. */
  name: string;
  program: string;
  settings: Settings;
};

/** A directory of guest tests, laid out like tools/testing/selftests/<area>. */
export type Suite = {
  name: string;
  /** Absolute. */
  dir: string;
  programs: Program[];
  /** For each program a test of its own, followed by one for each section. */
  tests: Test[];
  /** C files without a main function: linked into every test of the suite. */
  helpers: string[];
  /** The text of its `config` file; empty if it has none. */
  config: string;
  /** The text of its Makefile; empty if it has none. */
  makefile: string;
  /** Names of its scripts, which are not run: a guest has no shell. */
  scripts: string[];
};

/** Directories in a suite's that are no part of its programs. */
export const beside = ['bench', 'mutants'];

/** All suites below a directory like guest-tests/, by name. A suite is a directory with at least one test. */
export async function findSuites(dir: string): Promise<Suite[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const suites: Suite[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const path = join(dir, entry.name);
    if (await holdsTest(path)) suites.push(await readSuite(path));
  }
  return suites;
}

/** Read one suite directory; throws bad-input if there is no test in it. */
export async function readSuite(path: string): Promise<Suite> {
  const dir = resolve(path);
  const info = await stat(dir).catch(() => undefined);
  if (!info?.isDirectory())
    throw new KilnError('bad-input', `no directory of tests at ${path}`, {
      hint: 'give a directory laid out like tools/testing/selftests/<area>',
    });
  const name = basename(dir);
  requireTame(name, dir);
  const programs: Program[] = [];
  const helpers: string[] = [];
  for (const file of await cFiles(dir)) {
    const source = join(dir, file);
    requireTame(file.slice(0, -2), source);
    if (hasMain(await readFile(source, 'utf8'))) programs.push({ name: file.slice(0, -2), source });
    else helpers.push(source);
  }
  const scripts = await findScripts(dir);
  if (programs.length === 0)
    throw new KilnError('bad-input', `${dir}: no *.c file with a main function or TEST_HARNESS_MAIN in it`, {
      hint: scripts.length > 0 ? `Kiln does not run scripts, such as ${scripts[0]}` : '',
    });
  return {
    name,
    dir,
    programs,
    tests: await readTests(dir, programs),
    helpers,
    config: (await readIfThere(join(dir, 'config'))) ?? '',
    makefile: (await readIfThere(join(dir, 'Makefile'))) ?? '',
    scripts,
  };
}

/** What Kiln leaves out of a suite: one sentence each, for people. */
export function leftOutOf({ name, scripts, makefile }: Suite): string[] {
  const { ignored } = readMakefile(makefile);
  const what = `${plural(scripts.length, 'script')} ${scripts.length === 1 ? 'is' : 'are'}`;
  return [
    ...(scripts.length > 0
      ? [`${name}: ${what} not run, because a guest has no shell: ${several(scripts)}`]
      : []),
    ...(ignored.length > 0 ? [`${name}: the Makefile has flags that are ignored: ${several(ignored)}`] : []),
  ];
}

async function findScripts(dir: string): Promise<string[]> {
  const names = (await regularFiles(dir)).filter((name) => !name.includes('/') && !/\.[ch]$/.test(name));
  const scripts: string[] = [];
  for (const name of names.sort()) if (await isScript(join(dir, name))) scripts.push(name);
  return scripts;
}

async function isScript(path: string): Promise<boolean> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
  return bytesRead === 2 && buffer.toString() === '#!';
}

/** `settings` applies to all tests of a suite, `<program>.settings` to one program, a section of that to one test. */
async function readTests(dir: string, programs: Program[]): Promise<Test[]> {
  const files = (await regularFiles(dir)).filter((name) => !name.includes('/'));
  for (const file of files.filter((name) => name.endsWith('.settings')))
    if (!programs.some(({ name }) => `${name}.settings` === file))
      throw new KilnError('bad-input', `${join(dir, file)}: there is no test of that name in the suite`);
  const read = async (file: string) => (await readIfThere(join(dir, file))) ?? '';
  const common = parseSettings(await read('settings'), join(dir, 'settings'));
  const tests = programs.map(async ({ name }): Promise<Test[]> => {
    const file = `${name}.settings`;
    const { settings, sections } = parseSettingsFile(await read(file), join(dir, file));
    const own = { ...common, ...settings };
    const inSection = (section: (typeof sections)[number]) => ({
      name: `${name}@${section.name}`,
      program: name,
      settings: { ...own, ...section.settings },
    });
    return [{ name, program: name, settings: own }, ...sections.map(inSection)];
  });
  return (await Promise.all(tests)).flat();
}

/** Names become part of paths, compiler arguments and the initramfs list, none of which is quoted. */
function requireTame(name: string, path: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9._+-]*$/.test(name) && !name.endsWith('.h')) return;
  throw new KilnError(
    'bad-input',
    `${path}: the name of a suite or test is made of letters, digits and . _ + -`,
  );
}

async function cFiles(dir: string): Promise<string[]> {
  return (await regularFiles(dir)).filter((name) => name.endsWith('.c') && !name.includes('/'));
}

async function holdsTest(dir: string): Promise<boolean> {
  for (const file of await cFiles(dir)) if (hasMain(await readFile(join(dir, file), 'utf8'))) return true;
  return false;
}

function hasMain(source: string): boolean {
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"/g, ' ');
  return /^\s*TEST_HARNESS_MAIN\b/m.test(code) || /\bmain\s*\([^;{]*\)\s*\{/.test(code);
}
