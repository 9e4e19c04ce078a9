// SPDX-License-Identifier: MIT
// Compiles single objects, and says of each what the compiler said.
import { rm } from 'node:fs/promises';
import type { Context } from '../context.ts';
import { asKilnError } from '../errors.ts';
import { limits } from '../limits.ts';
import { plainFile } from '../sandbox/plain.ts';
import { buildLimits } from '../sandbox/sandbox.ts';
import { isExit } from '../util/exec.ts';
import { type Diagnostic, findDiagnostics } from './diagnostics.ts';
import { kernelMake } from './make.ts';
import type { Build } from './workspace.ts';

export type ObjectResult = { failed: boolean; diagnostics: Diagnostic[] };

export type Compiled = {
  /** By object. Of one that was up to date already, and of one that make has no rule for, there is none. */
  objects: Map<string, ObjectResult>;
  /** Objects that make has no rule for. */
  absent: string[];
  /** Diagnostics of what make built for all of them. */
  others: Diagnostic[];
  /** Why make did not come to the objects; null if it did. One line. */
  trouble: string | null;
};

export type ObjectsOptions = {
  /** More words for make. */
  words: readonly string[];
  /** Compile objects even if they are up to date. */
  anew: boolean;
  /** Of the programs that work on an object, the one that counts, as kbuild names it: `CC`, `CHECK`; null: all. */
  tool: string | null;
};

/**
 * Compile objects, each as far as it can be. Never throws for what a compiler or a Makefile does.
 * @param objects such as `fs/open.o`
 */
export async function compileObjects(
  build: Build,
  objects: readonly string[],
  { words, anew, tool }: ObjectsOptions,
  context: Context,
): Promise<Compiled> {
  if (anew) for (const object of objects) await removeObject(build, object);
  const lines: string[] = [];
  const asked = [...words, '--keep-going', '--output-sync=target', ...objects];
  const options = { inOrder: true, limits: { ...buildLimits, time: limits.objects } };
  let error: unknown = null;
  try {
    await kernelMake(build, asked, context, (line) => lines.push(line), options);
  } catch (thrown) {
    context.signal.throwIfAborted();
    error = thrown;
  }
  const compiled = readOutput(lines, build.seen.source, objects, tool);
  if (error === null) return compiled;
  const isOfMake = isExit(error, 2);
  if (!isOfMake) return { ...compiled, trouble: asKilnError(error).message };
  const isExplained =
    [...compiled.objects.values()].some(({ failed }) => failed) || compiled.absent.length > 0;
  const trouble = compiled.trouble ?? (isExplained ? null : (lines.findLast(isOwn) ?? 'make failed'));
  return { ...compiled, trouble };
}

/** A link there may lead anywhere. */
async function removeObject({ build }: Build, object: string): Promise<void> {
  const path = await plainFile(build, object).catch(() => null);
  if (path !== null) await rm(path);
}

/** Not make's own account of how it ends. */
function isOwn(line: string): boolean {
  return line.trim() !== '' && !/^make(?:\[\d+\])?: /.test(line);
}

/**
 * Read what make printed with --output-sync=target, which keeps the lines of one object together: kbuild's short form
 * of the command, then the compiler's.
 */
export function readOutput(
  lines: readonly string[],
  source: string,
  objects: readonly string[],
  tool: string | null = null,
): Compiled {
  const asked = new Set(objects);
  const groups = new Map<string, string[]>();
  const failed = new Set<string>();
  const absent: string[] = [];
  let trouble: string | null = null;
  /** An object, or what is built for all; null: lines that don't count. */
  let group: string | null = '';
  for (const line of lines) {
    const [, program, path] = /^ {2}([A-Z][A-Z0-9_]+)(?: +\[[A-Z]+\])? +(\S+)$/.exec(line) ?? [];
    if (path !== undefined) {
      group = nameOf(path, source, asked) ?? '';
      if (group !== '' && tool !== null && program !== tool) group = null;
    }
    const missing = /^make(?:\[\d+\])?: \*\*\* No rule to make target '([^']+)'/.exec(line)?.[1];
    const target = /^make(?:\[\d+\])?: \*\*\* \[[^\]]*?([^\]\s:]+)\] (?:Error|Killed|Terminated)/.exec(
      line,
    )?.[1];
    if (target !== undefined && asked.has(target)) failed.add(target);
    else if (missing !== undefined && asked.has(missing)) absent.push(missing);
    else if (target !== undefined && /\/[^/]+\.[^/]+$/.test(target)) trouble ??= `${target} can't be made`;
    const isEnd = missing !== undefined || target !== undefined || /^make(?:\[\d+\])?: /.test(line);
    if (isEnd) group = '';
    else if (group !== null) groups.set(group, [...(groups.get(group) ?? []), line]);
  }
  const diagnose = (name: string) => findDiagnostics(groups.get(name) ?? [], source, new Map());
  const others = diagnose('');
  const first = others.find(({ severity }) => severity === 'error');
  if (first !== undefined) trouble = `${first.file}: ${first.text}`;
  const built = [...new Set([...groups.keys(), ...failed])].filter((name) => asked.has(name));
  const results = built.map((name): [string, ObjectResult] => [
    name,
    { failed: failed.has(name), diagnostics: diagnose(name) },
  ]);
  return { objects: new Map(results), absent, others, trouble };
}

/** The object of a line of kbuild's: `  CC      fs/open.o`, `  CHECK   /kiln/source/fs/open.c`. */
function nameOf(path: string, source: string, asked: ReadonlySet<string>): string | null {
  const inside = path.startsWith(`${source}/`) ? path.slice(source.length + 1) : path;
  const object = inside.replace(/\.[cS]$/, '.o');
  return asked.has(object) ? object : null;
}
