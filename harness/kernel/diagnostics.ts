// SPDX-License-Identifier: MIT
// What compilers and linkers say, with the patch that touched the file.
import type { AppliedPatch } from '../tree/tree.ts';
import { printable } from '../util/printable.ts';

/** One complaint. `file` is relative to the tree; `line` is 0 where none is named; `patch` is a file name. */
export type Diagnostic = {
  severity: 'error' | 'warning';
  file: string;
  line: number;
  text: string;
  patch: string | null;
};

/**
 * Find the complaints in a build's output.
 * @param lastPatch for every file the series touches, the last patch to touch it
 */
export function findDiagnostics(
  lines: Iterable<string>,
  sourceDir: string,
  lastPatch: Map<string, AppliedPatch>,
): Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  for (const line of lines) {
    const one = parseLine(line, sourceDir);
    if (!one) continue;
    const patch = lastPatch.get(one.file)?.file ?? null;
    found.set(JSON.stringify(one), { ...one, text: printable(one.text), patch });
  }
  return [...found.values()];
}

function parseLine(line: string, sourceDir: string): Omit<Diagnostic, 'patch'> | undefined {
  const compiler = /^(\S+?):(\d+)(?::\d+)?: (?:fatal )?(error|warning): (.*)$/.exec(line);
  if (compiler)
    return {
      severity: compiler[3] as 'error' | 'warning',
      file: relative(compiler[1]!, sourceDir),
      line: Number(compiler[2]),
      text: compiler[4]!,
    };
  const linker =
    /^(?:\S*ld: )?(\S+?):(?:\(\.[^)]*\)|in function [^:]+): (undefined reference.*|multiple definition.*)$/.exec(
      line,
    );
  if (linker)
    return { severity: 'error', file: objectSource(linker[1]!, sourceDir), line: 0, text: linker[2]! };
  const kconfig = /^(\S*Kconfig\S*):(\d+): (?:error: )?(.*)$/.exec(line);
  if (kconfig && !kconfig[3]!.startsWith('warning'))
    return {
      severity: 'error',
      file: relative(kconfig[1]!, sourceDir),
      line: Number(kconfig[2]),
      text: kconfig[3]!,
    };
  const modpost = /^ERROR: modpost: (.*)$/.exec(line);
  if (modpost) return { severity: 'error', file: '', line: 0, text: modpost[1]! };
  const make = /^make(?:\[\d+\])?: \*\*\* (No rule to make target .*)$/.exec(line);
  if (make) return { severity: 'error', file: '', line: 0, text: make[1]! };
  return undefined;
}

function relative(path: string, sourceDir: string): string {
  if (path.startsWith(`${sourceDir}/`)) return path.slice(sourceDir.length + 1);
  return path.replace(/^(\.\.?\/)+(source\/)?/, '');
}

/** The linker names objects of the build directory, or already the source. */
function objectSource(path: string, sourceDir: string): string {
  return relative(path, sourceDir).replace(/\.o$/, '.c');
}
