// SPDX-License-Identifier: MIT
// Errors and warnings in a build's output, each with the last patch to touch the file.
import type { AppliedPatch } from '../tree/tree.ts';
import { printable } from '../util/printable.ts';

/** `file` is relative to the tree; `line` is 0 if unknown; `patch` is a file name. */
export type Diagnostic = {
  severity: 'error' | 'warning';
  file: string;
  line: number;
  text: string;
  patch: string | null;
};

/** `file:line: text (patch)`, without the unknown parts. */
export function formatDiagnostic({ file, line, text, patch }: Diagnostic): string {
  const where = file === '' ? '' : line > 0 ? `${file}:${line}: ` : `${file}: `;
  return `${where}${text}${patch === null ? '' : ` (${patch})`}`;
}

/**
 * Find the diagnostics in a build's output, each once.
 * @param lastPatch for every file the series touches, the last patch to touch it
 */
export function findDiagnostics(
  lines: Iterable<string>,
  sourceDir: string,
  lastPatch: Map<string, AppliedPatch>,
): Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  let object = '';
  for (const line of lines) {
    object = linkedObject(line) ?? object;
    const one = parseLine(line, sourceDir, object);
    if (!one) continue;
    const patch = lastPatch.get(one.file)?.file ?? null;
    found.set(JSON.stringify(one), { ...one, text: printable(one.text), patch });
  }
  return [...found.values()];
}

type Complaint = Omit<Diagnostic, 'patch'>;

function parseLine(line: string, sourceDir: string, object: string): Complaint | undefined {
  return (
    parseCompiler(line, sourceDir) ?? parseLinker(line, sourceDir, object) ?? parseKbuild(line, sourceDir)
  );
}

/** gcc, and the assembler, which writes Error with a capital. */
function parseCompiler(line: string, sourceDir: string): Complaint | undefined {
  const match = /^(\S+?):(\d+)(?::\d+)?: (?:fatal )?(error|warning): (.*)$/i.exec(line);
  if (!match) return undefined;
  const severity = match[3]!.toLowerCase() as Complaint['severity'];
  return { severity, file: relative(match[1]!, sourceDir), line: Number(match[2]), text: match[4]! };
}

/** ld names the object once, in the line before: "ld: fs/srvfs/super.o: in function `f':". */
function linkedObject(line: string): string | undefined {
  return /^(?:\S*ld: )?(\S+\.o): in function /.exec(line)?.[1];
}

/**
 * ld's next line has a section offset, with or without the source's bare name; with debug information, a line number.
 */
function parseLinker(line: string, sourceDir: string, object: string): Complaint | undefined {
  const match =
    /^(?:\S*ld: )?(\S*?):?(?:\(\.[^)]*\)|(?<=:)(\d+)|in function [^:]+): (undefined reference.*|multiple definition.*)$/.exec(
      line,
    );
  if (!match) return undefined;
  const named = match[1]!;
  const file = named.includes('/') || object === '' ? named : object;
  return {
    severity: 'error',
    file: objectSource(file, sourceDir),
    line: Number(match[2] ?? 0),
    text: match[3]!,
  };
}

function parseKbuild(line: string, sourceDir: string): Complaint | undefined {
  const kconfig = /^(\S*Kconfig\S*):(\d+): (?:error: )?(?!warning)(.*)$/.exec(line);
  if (kconfig) {
    const [, file, number, text] = kconfig;
    return { severity: 'error', file: relative(file!, sourceDir), line: Number(number), text: text! };
  }
  const text = /^(?:ERROR: modpost: |make(?:\[\d+\])?: \*\*\* (?=No rule))(.*)$/.exec(line)?.[1];
  return text === undefined ? undefined : { severity: 'error', file: '', line: 0, text };
}

function relative(path: string, sourceDir: string): string {
  if (path.startsWith(`${sourceDir}/`)) return path.slice(sourceDir.length + 1);
  return path.replace(/^(\.\.?\/)+(source\/)?/, '');
}

/** ld names an object of the build directory or, with debug information, the source. */
function objectSource(path: string, sourceDir: string): string {
  return relative(path, sourceDir).replace(/\.o$/, '.c');
}
