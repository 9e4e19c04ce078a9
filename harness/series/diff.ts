// SPDX-License-Identifier: MIT

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

/** Whether each hunk has as many lines as its header says. */
export function hunksAreWhole(text: string): boolean {
  const lines = text.split('\n');
  let hunks = 0;
  for (let at = 0; at < lines.length; at++) {
    const header = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(lines[at]!);
    if (!header) continue;
    hunks++;
    let [old, fresh] = [Number(header[1] ?? 1), Number(header[2] ?? 1)];
    while (old > 0 || fresh > 0) {
      const line = lines[++at];
      if (line === undefined) return false;
      // Mailers cut the space off an empty line of context; git takes it like that.
      const kind = line === '' ? ' ' : line[0];
      if (kind === ' ') [old, fresh] = [old - 1, fresh - 1];
      else if (kind === '-') old--;
      else if (kind === '+') fresh--;
      else if (kind !== '\\') return false;
    }
    if (old < 0 || fresh < 0) return false;
  }
  return hunks > 0;
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
