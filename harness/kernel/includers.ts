// SPDX-License-Identifier: MIT
// Which C files include a header.
import { posix } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { git } from '../util/git.ts';

/** Where `<linux/x.h>` is looked for. */
const roots = [
  'include/',
  'include/uapi/',
  `${arch.kconfigDirectory}/include/`,
  `${arch.kconfigDirectory}/include/uapi/`,
];
/** A header may be included by headers alone: how far up, and how many of them at once. */
const limits = { levels: 3, headers: 30 };

/**
 * For each of these headers the C and assembler files that include it, some by way of other headers. One search of the
 * tree for all of them takes seconds.
 */
export async function findIncluders(
  gitDir: string,
  commit: string,
  headers: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, string[]>> {
  const found = new Map(headers.map((header) => [header, new Set<string>()]));
  const searched = new Set(headers);
  /** Headers to look for → those of `headers` that they include. */
  let wanted = new Map(headers.map((header) => [header, [header]]));
  for (let level = 0; level < limits.levels && wanted.size > 0; level++) {
    const next = new Map<string, string[]>();
    for (const { file, header } of await searchIncludes(gitDir, commit, [...wanted.keys()], signal))
      for (const origin of wanted.get(header)!)
        if (/\.[cS]$/.test(file)) found.get(origin)!.add(file);
        else if (!searched.has(file) || next.has(file)) {
          next.set(file, [...new Set([...(next.get(file) ?? []), origin])]);
          searched.add(file);
        }
    const open = [...next].map(([file, origins]): [string, string[]] => [
      file,
      origins.filter((origin) => found.get(origin)!.size === 0),
    ]);
    wanted = new Map(open.filter(([, origins]) => origins.length > 0).slice(0, limits.headers));
  }
  return new Map([...found].map(([header, files]) => [header, [...files].sort()]));
}

async function searchIncludes(
  gitDir: string,
  commit: string,
  headers: readonly string[],
  signal?: AbortSignal,
): Promise<{ file: string; header: string }[]> {
  const names = [...new Set(headers.map((header) => posix.basename(header)))].map((name) =>
    name.replace(/[.+*?^$()[\]{}|\\]/g, '\\$&'),
  );
  const pattern = `^[[:space:]]*#[[:space:]]*include[[:space:]]+["<]([^">]*/)?(${names.join('|')})[">]`;
  const ask = ['grep', '-E', '--full-name', '--null', pattern, commit, '--', ...pathspecs(headers)];
  const { stdout } = await git(gitDir, ask, { okCodes: [0, 1], signal });
  return stdout.split('\n').flatMap((line) => {
    const [place, text] = line.split('\0', 2);
    const [, quote, name] = /include\s+(["<])([^">]+)/.exec(text ?? '') ?? [];
    if (name === undefined) return [];
    const file = place!.slice(commit.length + 1);
    return headers
      .filter((header) => isIncluded(header, file, name, quote === '"'))
      .map((header) => ({ file, header }));
  });
}

/** A header of a driver is looked for near it, others in the whole tree. */
function pathspecs(headers: readonly string[]): string[] {
  const isGlobal = headers.some((header) => roots.some((root) => header.startsWith(root)));
  const near = headers.map((header) => header.split('/').slice(0, -1).slice(0, 2).join('/'));
  const dirs = isGlobal || near.includes('') ? [''] : [...new Set(near)].map((dir) => `${dir}/`);
  const specs = dirs.flatMap((dir) => ['c', 'S', 'h'].map((end) => `:(glob)${dir}**/*.${end}`));
  const others = ['tools', 'scripts', 'Documentation'].map((dir) => `:(exclude)${dir}`);
  const foreign = isGlobal ? [':(exclude,glob)arch/[!x]*/**'] : [];
  return [...specs, ...others, ...foreign];
}

/** By the path that the line names. -I of a Makefile is not read: the end of the path has to do, within a subsystem. */
function isIncluded(header: string, file: string, name: string, isQuoted: boolean): boolean {
  if (file === header) return false;
  if (isQuoted && posix.join(posix.dirname(file), name) === header) return true;
  if (roots.some((root) => header === root + name)) return true;
  const isGlobal = roots.some((root) => header.startsWith(root));
  return !isGlobal && header.endsWith(`/${name}`) && subsystem(file) === subsystem(header);
}

function subsystem(path: string): string {
  return path.split('/').slice(0, 2).join('/');
}
