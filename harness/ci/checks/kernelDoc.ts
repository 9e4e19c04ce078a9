// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { Context } from '../../context.ts';
import type { CheckResult } from '../../schema.ts';
import type { AppliedPatch } from '../../tree/tree.ts';
import { exists } from '../../util/files.ts';
import { plural } from '../../util/plural.ts';
import { added, shown } from './findings.ts';
import { runScript } from './script.ts';
import type { Source } from './source.ts';

const name = 'kernel-doc';
const script = 'scripts/kernel-doc';

/** The tree's own kernel-doc on the C files that a patch touches: what it warns of after the patch, and not before. */
export async function kernelDoc(
  { commit, files }: AppliedPatch,
  source: Source,
  context: Context,
): Promise<CheckResult> {
  const touched = files.filter((file) => /\.[ch]$/.test(file));
  if (touched.length === 0)
    return { name, status: 'pass', summary: 'the patch touches no C file', findings: [] };
  const before = await warningsAt(`${commit}^`, touched, source, context);
  const after = await warningsAt(commit, touched, source, context);
  for (const one of [before, after])
    if ('trouble' in one) return { name, status: 'skip', summary: one.trouble, findings: [] };
  return compareDocs(before as DocWarning[], after as DocWarning[]);
}

/** Texts without their place: a function with its comment may move. */
export function compareDocs(before: readonly DocWarning[], after: readonly DocWarning[]): CheckResult {
  const fresh = added(before, after, ({ text }) => text);
  const summary = `${fresh.length === 0 ? 'no new warning' : plural(fresh.length, 'new warning')}, ${before.length} before`;
  const findings = shown(fresh.map(({ place, text }) => `${place}: ${text}`));
  return { name, status: fresh.length > 0 ? 'warn' : 'pass', summary, findings };
}

async function warningsAt(
  commit: string,
  touched: string[],
  source: Source,
  context: Context,
): Promise<DocWarning[] | { trouble: string }> {
  const { directory } = source;
  await source.show(commit);
  if (!(await exists(join(directory, script)))) return { trouble: `the tree has no ${script}` };
  const there = await Promise.all(touched.map((file) => exists(join(directory, file))));
  const files = touched.filter((_, index) => there[index]);
  if (files.length === 0) return [];
  const run = await runScript({ file: script, words: ['-none', '-Wall', ...files], directory }, context);
  if ('trouble' in run) return run;
  const failure = /^(?:Traceback |Can't locate |.*Skipping checks$).*/m.exec(run.stderr)?.[0];
  return failure === undefined ? parseKernelDoc(run.stderr) : { trouble: failure };
}

/** `place` is `FILE:LINE`; `text` may have a second line, which quotes the file. */
export type DocWarning = { place: string; text: string };

/** The warnings in what kernel-doc printed to stderr, each once: the one in Python repeats some. */
export function parseKernelDoc(output: string): DocWarning[] {
  const found: DocWarning[] = [];
  for (const line of output.split('\n')) {
    const [, place, text] = perlForm.exec(line) ?? pythonForm.exec(line) ?? [];
    if (place !== undefined && text !== undefined) found.push({ place, text });
    else if (line.trim() !== '' && !/^(?:Error|\d+ warnings)/.test(line)) appendTo(found.at(-1), line);
  }
  return [...new Map(found.map((one) => [`${one.place} ${one.text}`, one])).values()];
}

const perlForm = /^(\S+:\d+): (?:warning|error): (.*)$/;
const pythonForm = /^(?:Warning|Error): (\S+:\d+) (.*)$/;

function appendTo(warning: DocWarning | undefined, line: string): void {
  if (warning) warning.text += `\n${line}`;
}
