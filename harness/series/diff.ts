// SPDX-License-Identifier: MIT
import { findDamage } from './damage.ts';

/** Whether the text holds a diff at the beginning of a line. `--- X` begins one only if `+++ Y` follows. */
export function holdsDiff(text: string): boolean {
  return /^(?:diff --git \S|GIT binary patch$|--- \S.*\n\+\+\+ \S)/m.test(text);
}

/** The files that the diffs in the text touch, without a/ and b/. */
export function filesOf(text: string): Set<string> {
  const named = text.matchAll(/^(?:---|\+\+\+) (?:[ab]\/)?([^\t\n]+)|^diff --git a\/(.{1,4096}) b\/\2$/gm);
  const files = [...named].map(([, name, whole]) => name ?? whole!);
  return new Set(files.filter((file) => file !== '/dev/null'));
}

/** Whether there are hunks, and each has as many lines as its header says. */
export function hunksAreWhole(text: string): boolean {
  return /^@@ -\d/m.test(text) && findDamage(text) === undefined;
}

/**
 * Undo format=flowed if the patch is whole only then, or if each of its lines that begins with a space has one more:
 * many mailers say flowed and send the text as it is.
 * @param text in any encoding that keeps ASCII
 * @param deleteSpace whether the space at the end of a line goes with the line end
 */
export function unflow(text: string, deleteSpace: boolean): string {
  const unstuffed = text.replace(/^ /gm, '');
  if (hunksAreWhole(text) && !isStuffed(text)) return text;
  const joined = unstuffed.replace(/(?<!^--) \n/gm, deleteSpace ? '' : ' ');
  return [unstuffed, joined].find(hunksAreWhole) ?? text;
}

/** Whether all lines of hunks that are context begin with two spaces. */
function isStuffed(text: string): boolean {
  const from = /^@@ -\d/m.exec(text)?.index ?? text.length;
  const context = text.slice(from).match(/^ .*$/gm) ?? [];
  return context.length > 0 && context.every((line) => line.startsWith('  '));
}

/** Whether behind a diff there is the header of a mail, with another diff behind it. */
export function holdsSeveralMails(text: string): boolean {
  const first = diffStart(text);
  const lines = text.slice(first).split('\n');
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('Subject: ')) continue;
    const isHeader = (at: number) => /^(?:[A-Za-z][A-Za-z0-9-]*:|[ \t]+\S)/.test(lines[at] ?? '');
    let [from, to] = [index, index];
    while (isHeader(from - 1)) from--;
    while (isHeader(to + 1)) to++;
    if (!lines.slice(from, to + 1).some((one) => one.startsWith('From:'))) continue;
    if (holdsDiff(lines.slice(to + 1).join('\n'))) return true;
  }
  return false;
}

/** Where git takes the first diff to begin; the length of the text if there is none. */
export function diffStart(text: string): number {
  return /^(?:diff --git \S|--- \S.*\n\+\+\+ \S|Index: )/m.exec(text)?.index ?? text.length;
}

/** What the diffs in the text change, to compare two of them. */
export function changesIn(text: string): string {
  const lines = text.slice(diffStart(text)).split('\n');
  return lines.filter((line) => /^(?:[-+]|@@ -|diff --git )/.test(line) && !/^-- ?$/.test(line)).join('\n');
}

/** Files of `diff --git`, and lines that their hunks add and remove. */
export function countChanges(diff: string): { files: number; added: number; removed: number } {
  const count = { files: 0, added: 0, removed: 0 };
  const left = { old: 0, new: 0 };
  for (const line of diff.split('\n')) {
    if (left.old > 0 || left.new > 0) {
      if (line.startsWith('+')) count.added++;
      if (line.startsWith('-')) count.removed++;
      if (!/^[+\\]/.test(line)) left.old--;
      if (!/^[-\\]/.test(line)) left.new--;
      continue;
    }
    const [, old, fresh] = /^@@ -\d+(,\d+)? \+\d+(,\d+)? @@/.exec(line) ?? [];
    if (line.startsWith('@@ -')) {
      left.old = Number(old?.slice(1) ?? 1);
      left.new = Number(fresh?.slice(1) ?? 1);
    } else if (line.startsWith('diff --git ')) count.files++;
  }
  return count;
}
