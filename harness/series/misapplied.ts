// SPDX-License-Identifier: MIT
// Patches that git would apply without an error, but not as their authors meant: damaged ones, and ones for other files.
import { KilnError } from '../errors.ts';
import { plural } from '../util/plural.ts';
import { describeDamage, findDamage } from './damage.ts';
import { countChanges, diffStart } from './diff.ts';
import { lineInMail, namePatch, type Patch } from './patch.ts';
import type { Range } from './range.ts';

/** Warnings about patches that came as text, and the refusal of one that git would apply to other files. */
export function findMisapplied({ patches, range }: { patches: Patch[]; range: Range | null }): {
  warnings: string[];
  refusal: KilnError | undefined;
} {
  if (range !== null) return { warnings: [], refusal: undefined };
  const found = patches.map(inspect);
  return {
    warnings: found.flatMap(({ warnings }) => warnings),
    refusal: found.find(({ refusal }) => refusal !== undefined)?.refusal,
  };
}

function inspect(patch: Patch): { warnings: string[]; refusal: KilnError | undefined } {
  const text = patch.content.toString('utf8').replaceAll('\r\n', '\n');
  const diff = text.slice(diffStart(text));
  const damage = findDamage(diff);
  const warning =
    damage === undefined
      ? compareStat(text, diff)
      : `may be damaged: ${describeDamage(damage, lineInMail(patch, diff, damage.line))}`;
  return {
    warnings: warning === undefined ? [] : [`${namePatch(patch)} ${warning}`],
    refusal: refuseNames(patch, diff) ?? refuseModes(patch, diff),
  };
}

/** git takes the first part off each name: `diff --git lib/x.c lib/x.c` would change x.c. */
function refuseNames(patch: Patch, diff: string): KilnError | undefined {
  const line = /^diff --git "?(?![ab]\/)(\S.*) "?\1$/m.exec(diff)?.[0];
  if (line === undefined) return undefined;
  return new KilnError(
    'bad-input',
    `${namePatch(patch)} has names of files without a/ and b/ before them: ${line}`,
    {
      hint: 'make it with git format-patch --src-prefix=a/ --dst-prefix=b/ (diff.noprefix or format.noprefix is set where it was made)',
      details: { patch: patch.file },
    },
  );
}

/** git makes a tree that it can't read of a file that is a directory. */
function refuseModes(patch: Patch, diff: string): KilnError | undefined {
  const mode = /^(?:new file mode|new mode) (?!1[026]0)(\d+)$/m.exec(diff)?.[1];
  if (mode === undefined) return undefined;
  return new KilnError('bad-input', `${namePatch(patch)} has the mode ${mode}, which no file has`, {
    hint: 'correct the patch: git has 100644, 100755, 120000 and 160000',
    details: { patch: patch.file },
  });
}

/** A diffstat that fits no diff of the patch: a part of it is lost, or there is a diff in its message. */
function compareStat(text: string, diff: string): string | undefined {
  const pattern =
    /\n(?: \S.* \| .*\n)+ (\d+) files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?\n/g;
  const stats = [...text.matchAll(pattern)].map(([, files, added = 0, removed = 0]) =>
    [files, added, removed].map(Number),
  );
  const { files, added, removed } = countChanges(diff);
  if (files === 0 || stats.length === 0) return undefined;
  if (stats.some((stat) => stat[0] === files && stat[1] === added && stat[2] === removed)) return undefined;
  const tell = ([count, plus, minus]: number[]) =>
    `${plural(count!, 'file')} with ${plural(plus!, 'line')} added and ${minus} removed`;
  return `has a diff that is not that of its diffstat: ${tell([files, added, removed])}, not ${tell(stats.at(-1)!)}`;
}
