// SPDX-License-Identifier: MIT
// C for the guest: static, against the tested tree's own headers, the same bytes from the same sources.
import { copyFile, mkdir, readdir, symlink } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { KilnError } from '../errors.ts';
import { findDiagnostics } from '../kernel/diagnostics.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { ccacheEnvironment } from '../kernel/make.ts';
import type { Suite } from '../suite/suite.ts';
import type { Context } from '../util/context.ts';
import { allEnded } from '../util/ended.ts';
import { exec } from '../util/exec.ts';
import { regularFiles } from '../util/files.ts';

/** A program to make: one output file from C files, all below `dir`. */
type Program = { name: string; dir: string; sources: string[]; output: string; flags: string[] };

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
  await compileAll([{ name: 'the agent', dir, sources, output, flags }], context);
}

/**
 * Compile every test of the suites to `<outputDir>/<suite>/<test>`. The sources are copied beside the tree's
 * kselftest headers first, so that "../kselftest_harness.h" and "kselftest_harness.h" are the tested tree's.
 */
export async function compileSuites(
  suites: Suite[],
  kernel: Kernel,
  outputDir: string,
  scratch: string,
  runtimeDir: string,
  context: Context,
): Promise<void> {
  const area = join(scratch, 'selftests');
  await mkdir(area, { recursive: true });
  for (const name of await readdir(join(kernel.dir, 'selftests')))
    await symlink(join(kernel.dir, 'selftests', name), join(area, name));
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
  const programs: Program[] = [];
  for (const suite of suites) {
    const dir = join(area, suite.name);
    await copyFiles(suite.dir, dir);
    await mkdir(join(outputDir, suite.name), { recursive: true });
    const helpers = suite.helpers.map((file) => basename(file));
    for (const test of suite.programs)
      programs.push({
        name: `${suite.name}/${test.name}`,
        dir,
        sources: [basename(test.source), ...helpers, ...runtime.map((file) => join(runtimeDir, file))],
        output: join(outputDir, suite.name, test.name),
        flags,
      });
  }
  await compileAll(programs, context);
}

async function copyFiles(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const file of await regularFiles(from)) {
    await mkdir(dirname(join(to, file)), { recursive: true });
    await copyFile(join(from, file), join(to, file));
  }
}

async function compileAll(programs: Program[], context: Context): Promise<void> {
  const waiting = [...programs];
  let done = 0;
  const worker = async () => {
    for (let program = waiting.shift(); program; program = waiting.shift()) {
      context.progress(`compiling ${program.name}`, done, programs.length);
      await compileOne(program, context);
      done++;
    }
  };
  await allEnded(Array.from({ length: availableParallelism() }, worker));
}

/** Object by object through ccache, then one link. Objects have the program's name in theirs: helpers are shared. */
async function compileOne(program: Program, context: Context): Promise<void> {
  const { dir, flags, output } = program;
  const objects = await allEnded(
    program.sources.map(async (source) => {
      const object = `${basename(output)}.${basename(source)}.o`;
      await gcc(program, ['ccache', 'gcc', ...flags, '-c', source, '-o', object], context);
      return object;
    }),
  );
  await gcc(program, ['gcc', '-static', '-Wl,--build-id=none', ...objects, '-o', output], context);
  await exec('strip', ['--strip-debug', output], { cwd: dir, signal: context.signal });
}

async function gcc(program: Program, command: string[], context: Context): Promise<void> {
  const lines: string[] = [];
  try {
    await exec(command[0]!, command.slice(1), {
      cwd: program.dir,
      env: { ...ccacheEnvironment(context), LC_ALL: 'C' },
      signal: context.signal,
      onLine: (line) => lines.push(line),
    });
  } catch (cause) {
    context.signal.throwIfAborted();
    const errors = findDiagnostics(lines, program.dir, new Map()).filter(
      ({ severity }) => severity === 'error',
    );
    const shown = errors.map(({ file, line, text }) => `${file}:${line}: ${text}`);
    throw new KilnError(
      'does-not-build',
      `${program.name} does not build:\n  ${(shown.length > 0 ? shown : lines.slice(-5)).slice(0, 10).join('\n  ')}`,
      { details: { file: errors[0]?.file ?? program.name, output: lines.slice(-40).join('\n') }, cause },
    );
  }
}
