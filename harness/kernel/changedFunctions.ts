// SPDX-License-Identifier: MIT
// Which functions a patch changes, by the text of the files: the kernel's style has a function's braces in column 0.
import { git } from '../util/git.ts';

/** Lines count from 1. A line that was removed counts as the one before it, plus a half. */
export type ChangedFile = { path: string; lines: number[] };

/** The files that differ between two commits, and the lines of the second that do. A renamed file counts twice. */
export async function changedLines(
  gitDir: string,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<ChangedFile[]> {
  const diff = ['diff', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
  const names = (await git(gitDir, [...diff, '--name-only', '-z', from, to], { signal })).stdout;
  const { stdout } = await git(gitDir, [...diff, '--unified=0', from, to], { signal });
  const lines = parseHunks(stdout);
  return names
    .split('\0')
    .filter((path) => path !== '')
    .map((path) => ({ path, lines: lines.get(path) ?? [] }));
}

/** The changed lines of each file that has any. @param diff git's, without context lines */
export function parseHunks(diff: string): Map<string, number[]> {
  const files = new Map<string, number[]>();
  let lines: number[] = [];
  /** Lines of the hunk that are still to come. */
  let rest = 0;
  for (const line of diff.split('\n')) {
    if (rest > 0 && /^[-+]/.test(line)) {
      rest--;
      continue;
    }
    if (line.startsWith('+++ ')) {
      lines = [];
      const name = /^\+\+\+ b\/(.*?)\t?$/.exec(line)?.[1];
      if (name !== undefined) files.set(name, lines);
    }
    const [, removed = '1', at, added = '1'] = /^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line) ?? [];
    if (at === undefined) continue;
    rest = Number(removed) + Number(added);
    if (added === '0') lines.push(Number(at) + 0.5);
    for (let index = 0; index < Number(added); index++) lines.push(Number(at) + index);
  }
  return files;
}

/** `symbols`: names under which its object may have it. */
export type SourceFunction = { name: string; symbols: string[]; first: number; last: number };

/** The functions of a C or assembler file that has the kernel's style. */
export function functionsOf(path: string, text: string): SourceFunction[] {
  return path.endsWith('.S') ? assemblerFunctions(text) : cFunctions(text);
}

function cFunctions(text: string): SourceFunction[] {
  const functions: SourceFunction[] = [];
  let head: { first: number; text: string } | null = null;
  let current: SourceFunction | null = null;
  for (const [index, line] of text.split('\n').entries()) {
    const at = index + 1;
    if (current !== null) {
      if (!line.startsWith('}')) continue;
      functions.push({ ...current, last: at });
      [current, head] = [null, null];
      continue;
    }
    if (/^[A-Za-z_]/.test(line) && !isContinued(head?.text)) head = { first: at, text: '' };
    else if (/^(?:[#}/]|$)/.test(line) && !line.startsWith('/*')) head = null;
    if (head === null) continue;
    head.text += ` ${line}`;
    if (/\{\s*(?:\/\*.*)?$/.test(line)) {
      const named = nameOf(head.text);
      if (named !== null) current = { ...named, first: head.first, last: at };
      head = null;
    } else if (/[;}]\s*$/.test(line) && isBalanced(head.text)) head = null;
  }
  return functions;
}

/** Whether a head goes on with the next line in column 0: a return type on a line of its own. */
function isContinued(head: string | undefined): boolean {
  return head !== undefined && (!isBalanced(head) || !head.replace(attributes, ' ').includes('('));
}

function isBalanced(text: string): boolean {
  return text.split('(').length === text.split(')').length;
}

const attributes =
  /\b__(?:attribute__|aligned|printf|scanf|section|acquires|releases|must_hold|cond_acquires|counted_by|nonstring|no_sanitize|context__|nonnull|alloc_size|assume_aligned)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)/g;

function nameOf(head: string): Pick<SourceFunction, 'name' | 'symbols'> | null {
  const text = head.replace(attributes, ' ').replace(/\/\*.*?\*\//g, ' ');
  const before = text.slice(0, text.indexOf('('));
  if (!text.includes('(') || /[={]/.test(before) || /^\s*(?:typedef|enum)\b/.test(text)) return null;
  const [, name, first] = /(\w+)\s*\(\s*(\w*)/.exec(text) ?? [];
  if (name === undefined) return null;
  const compat = /^COMPAT_SYSCALL_DEFINE/.test(name) ? 'compat_' : '';
  if (/^(?:COMPAT_)?SYSCALL_DEFINE[0-9x]$/.test(name))
    return {
      name: `sys_${first}`,
      symbols: ['__do_', '__se_', '__x64_', '__ia32_', ''].map((start) => `${start}${compat}sys_${first}`),
    };
  // A macro that defines a function, such as BPF_CALL_1(name, …).
  const isMacro = /^[A-Z][A-Z0-9_]+$/.test(name) && first !== '';
  return isMacro ? { name: first!, symbols: [first!, `____${first}`] } : { name, symbols: [name] };
}

function assemblerFunctions(text: string): SourceFunction[] {
  const functions: SourceFunction[] = [];
  const open = new Map<string, number>();
  for (const [index, line] of text.split('\n').entries()) {
    const [, kind, name] = /^\s*SYM_(?:TYPED_)?(?:FUNC|CODE)_(START|END)\w*\((\w+)\)/.exec(line) ?? [];
    if (name === undefined) continue;
    const first = open.get(name);
    if (kind === 'START') open.set(name, index + 1);
    else if (first !== undefined) functions.push({ name, symbols: [name], first, last: index + 1 });
  }
  return functions;
}

/** The functions that have one of these lines, in the order of the file. */
export function functionsAt(
  functions: readonly SourceFunction[],
  lines: readonly number[],
): SourceFunction[] {
  return functions.filter(({ first, last }) => lines.some((line) => line >= first && line <= last));
}
