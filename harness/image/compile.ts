// SPDX-License-Identifier: MIT
// Compiles the agent and the test programs: static, with the headers of the tested tree, and reproducible.
import { copyFile, mkdir, readdir, realpath, symlink } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import type { Context } from '../context.ts';
import { asKilnError, KilnError } from '../errors.ts';
import { findHostTrouble, isExplained } from '../kernel/compile.ts';
import { findDiagnostics } from '../kernel/diagnostics.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { ccacheReach } from '../kernel/make.ts';
import { buildLimits, confined, type Reach } from '../sandbox/sandbox.ts';
import { type Flags, readMakefile, treeRoot } from '../suite/makefile.ts';
import type { Suite } from '../suite/suite.ts';
import { allEnded } from '../util/ended.ts';
import { exists, regularFiles } from '../util/files.ts';
import { neighbourFiles, sharedHeaders } from './headers.ts';

/** C files below `dir` that become one output file. */
type Program = {
  name: string;
  dir: string;
  sources: string[];
  output: string;
  flags: string[];
  /** What the suite's Makefile adds. Not for the runtime. */
  own?: Flags;
  runtime?: string[];
  /** Further directories with headers and sources. */
  read: string[];
};

/** Compile the agent from images/agent to `output`. */
export async function compileAgent(
  sourceDir: string,
  output: string,
  scratch: string,
  context: Context,
): Promise<void> {
  const dir = join(scratch, 'agent');
  await copyFiles(sourceDir, dir);
  const sources = (await readdir(dir)).filter((name) => name.endsWith('.c')).sort();
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra'];
  await compileAll([{ name: 'the agent', dir, sources, output, flags, read: [] }], context);
}

/** A program that does not build. `errors`: the compiler's, or the end of its output; a line each. */
export type Broken = { program: string; errors: string[]; hint: string };

/**
 * Compile every program of a suite to `<outputDir>/<program>`; returns those that don't build. The sources are first
 * copied next to the kselftest headers of the tested tree, so that "../kselftest_harness.h" and "kselftest_harness.h"
 * are those of the tree, and next to the headers that suites share ("../include/x.h").
 */
export async function compileSuite(
  suite: Suite,
  kernel: Kernel,
  outputDir: string,
  scratch: string,
  runtimeDir: string,
  context: Context,
): Promise<Broken[]> {
  const root = join(scratch, 'selftests');
  // A suite like filesystems/overlayfs includes "../../kselftest.h".
  const area = join(root, 'suites');
  await mkdir(area, { recursive: true });
  for (const name of await readdir(join(kernel.dir, 'selftests')))
    for (const place of [root, area]) await symlink(join(kernel.dir, 'selftests', name), join(place, name));
  await symlink(join(kernel.dir, 'tree'), join(root, basename(treeRoot)));
  await mkdir(join(area, 'include'), { recursive: true });
  for (const header of await sharedHeaders(suite))
    await copyFile(header, join(area, 'include', basename(header)));
  const flags = [
    '-O2',
    '-D_GNU_SOURCE',
    '-Wall',
    '-I.',
    '-I..',
    '-isystem',
    join(kernel.dir, 'headers', 'include'),
    // For <kiln.h>.
    '-isystem',
    runtimeDir,
  ];
  const runtime = (await regularFiles(runtimeDir)).filter((file) => file.endsWith('.c'));
  const dir = join(area, suite.name);
  await copySuite(suite.dir, dir);
  for (const file of await neighbourFiles(suite)) {
    // Headers of the tested tree come first.
    if (await exists(join(area, file))) continue;
    await mkdir(dirname(join(area, file)), { recursive: true });
    await copyFile(join(dirname(suite.dir), file), join(area, file));
  }
  const { flagsFor } = readMakefile(suite.makefile);
  const helpers = suite.helpers.map((file) => basename(file));
  const programs = suite.programs.map(({ name, source }) => ({
    name: `${suite.name}/${name}`,
    dir,
    sources: [basename(source), ...helpers],
    output: join(outputDir, name),
    flags,
    own: flagsFor(name),
    runtime: runtime.map((file) => join(runtimeDir, file)),
    read: [kernel.dir, dirname(runtimeDir), root],
  }));
  const broken: Broken[] = [];
  const broke = ({ output }: Program, { message, hint }: KilnError) => {
    const [, ...errors] = message.split('\n').map((line) => line.trim());
    broken.push({ program: basename(output), errors: errors.length > 0 ? errors : [message], hint });
  };
  await compileAll(programs, context, broke);
  return broken;
}

/**
 * Links may lead to siblings of the suite, as in a tree of selftests, but no further: the guest could read what they
 * lead to.
 */
async function copySuite(from: string, to: string): Promise<void> {
  const around = dirname(await realpath(from));
  for (const file of await regularFiles(from)) {
    const found = await realpath(join(from, file));
    if (relative(around, found).startsWith('..'))
      throw new KilnError('bad-input', `${join(from, file)} is a link that leads out of ${around}`, {
        hint: 'copy the file into the suite',
        details: { file },
      });
  }
  await copyFiles(from, to);
}

async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const file of await regularFiles(from)) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    await copyFile(join(from, file), join(to, file));
  }
}

/** @param broke called for a program that does not build; without it, that is thrown */
async function compileAll(
  programs: Program[],
  context: Context,
  broke?: (program: Program, error: KilnError) => void,
): Promise<void> {
  const waiting = [...programs];
  let done = 0;
  const worker = async () => {
    for (let program = waiting.shift(); program; program = waiting.shift()) {
      context.progress(`compiling ${program.name}`, done, programs.length);
      await compileOne(program, context).catch((error: unknown) => {
        const isOwn = error instanceof KilnError && error.code === 'does-not-build' && !isExplained(error);
        if (!broke || !isOwn) throw error;
        broke(program, error);
      });
      done++;
    }
  };
  await allEnded(Array.from({ length: availableParallelism() }, worker));
}

/**
 * Compile each file through ccache, then link. Objects are named after the program too: several programs share helpers.
 */
async function compileOne(program: Program, context: Context): Promise<void> {
  const { output, sources, runtime = [], own = { compile: [], link: [], libraries: [] } } = program;
  const compile = async (source: string, flags: string[]) => {
    const object = `${basename(output)}.${basename(source)}.o`;
    await gcc(program, ['ccache', 'gcc', ...flags, '-c', source, '-o', object], context);
    return object;
  };
  const objects = await allEnded([
    ...sources.map((source) => compile(source, [...program.flags, ...own.compile])),
    ...runtime.map((source) => compile(source, program.flags)),
  ]);
  const link = (...more: string[]) => {
    const words = ['-static', '-Wl,--build-id=none', ...more, ...own.link, ...objects, ...own.libraries];
    return gcc(program, ['gcc', ...words, '-o', output], context);
  };
  await link().catch((error: KilnError) => {
    if (!replacesLibc(error)) throw error;
    // As in a dynamic program, its own definition counts.
    return link('-Wl,-z,muldefs');
  });
  await run(program, ['strip', '--strip-debug', output], context);
}

/** Whether the only fault is that the program defines a function of the C library's. */
function replacesLibc({ details }: KilnError): boolean {
  const lines = (details?.output ?? '').split('\n');
  const twice = lines.flatMap((line, index) => (line.includes(': multiple definition of ') ? [index] : []));
  const isFault = (line: string) => /undefined reference|cannot find/.test(line);
  return twice.length > 0 && twice.every((at) => lines[at - 1]?.includes('libc.a(')) && !lines.some(isFault);
}

async function run(
  program: Program,
  [file, ...args]: string[],
  context: Context,
  onLine: (line: string) => void = () => {},
): Promise<void> {
  const { dir, output, read } = program;
  const ccache = await ccacheReach(context);
  const reach: Reach = {
    cwd: dir,
    read: [...read, ...ccache.read],
    write: [dir, dirname(output), ...ccache.write],
    env: { ...ccache.env, LC_ALL: 'C' },
  };
  await confined(file!, args, reach, context, { onLine }, compileLimits);
}

/** Shorter than for a kernel: source code can make a compiler run for ever. */
const compileLimits = { ...buildLimits, time: 600_000 };

/** Not by a signal: a shell and bubblewrap end with 128 and more then, and with 126 or 127 if there is no program. */
function hasExited(error: unknown): boolean {
  const code = (asKilnError(error).cause as { exitCode?: number } | undefined)?.exitCode;
  return code !== undefined && code < 126;
}

async function gcc(program: Program, command: string[], context: Context): Promise<void> {
  const lines: string[] = [];
  try {
    await run(program, command, context, (line) => lines.push(line));
  } catch (cause) {
    context.signal.throwIfAborted();
    if (isExplained(cause)) throw cause;
    // That a program does not build is remembered with the others: it must be the program's own doing.
    const trouble =
      findHostTrouble(lines.join('\n')) ?? (hasExited(cause) ? null : asKilnError(cause).message);
    if (trouble !== null)
      throw new KilnError('infrastructure', `${program.name} was not compiled: ${trouble}`, {
        hint: 'free disk or memory and run again',
        details: { output: lines.slice(-40).join('\n') },
        cause,
      });
    const errors = findDiagnostics(lines, program.dir, new Map()).filter(
      ({ severity }) => severity === 'error',
    );
    // The linker names an object of ours, and no line.
    const shown = errors.map(({ file, line, text }) => (line === 0 ? text : `${file}:${line}: ${text}`));
    const library = lines.map((line) => /cannot find -l(\S+?)(?::|$)/.exec(line)?.[1]).find(Boolean);
    throw new KilnError(
      'does-not-build',
      `${program.name} does not build:\n  ${(shown.length > 0 ? shown : lines.slice(-5)).slice(0, 10).join('\n  ')}`,
      {
        hint: library ? `programs are linked statically: install the package that has lib${library}.a` : '',
        details: { file: errors[0]?.file ?? program.name, output: lines.slice(-40).join('\n') },
        cause,
      },
    );
  }
}
