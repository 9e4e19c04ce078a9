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
 * Undo format=flowed if the patch is whole only then: many mailers say flowed and send the text as it is.
 * @param text in any encoding that keeps ASCII
 */
export function unflow(text: string): string {
  if (hunksAreWhole(text)) return text;
  const unstuffed = text.replace(/^ /gm, '');
  const joined = unstuffed.replace(/(?<!^--) \n/gm, ' ');
  return [unstuffed, joined].find(hunksAreWhole) ?? text;
}
