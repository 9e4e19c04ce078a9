// SPDX-License-Identifier: MIT
// The config that sees a patch: options that build the files that it touches.
import { posix } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { Enabler } from './enable.ts';
import { allOf, always, anyOf, asText, type Expression, symbolsOf } from './expression.ts';
import { type Fragment, lastWishes } from './fragment.ts';
import { guardsOf } from './guards.ts';
import { findIncluders } from './includers.ts';
import { readKbuild } from './kbuild.ts';
import { readKconfig } from './kconfig.ts';
import { readTexts } from './treeText.ts';

/** What is asked for so that a file is compiled. */
export type FileWish = {
  /** Relative to the tree. */
  path: string;
  /** Whether it could be part of a kernel; if not, `reason` says what it is. */
  isCode: boolean;
  /** The C file that is to be compiled; for a header, one that includes it. null if there is none. */
  source: string | null;
  /** When it is built, as Kconfig writes it: `NET && E1000`, or `y`; null if nothing builds it. */
  condition: string | null;
  /** Of the options in `condition`, the one by which it becomes part of a module; null if there is none. */
  tristate: string | null;
  /** Options that are set for it, beyond those of the configuration and of the files before. */
  options: string[];
  /** Whether it takes COMPILE_TEST, which allows code for hardware that this machine can't have. */
  needsCompileTest: boolean;
  /** Why it can't be compiled; null if it can. */
  reason: string | null;
};

export type ConfigRequest = {
  /** A repository that has the commit. */
  gitDir: string;
  commit: string;
  /** Touched files, relative to the tree. */
  paths: readonly string[];
  /** The configuration without them. */
  fragments: readonly Fragment[];
  /** As in KernelRequest. */
  defaults: boolean;
  signal?: AbortSignal;
};

/** Of the files that include a header, how many are tried. */
const mostIncluders = 8;

/** Find the options that build the touched files. The fragment's wishes are preferred: Kconfig has the last word. */
export async function configOfTouched(
  request: ConfigRequest,
): Promise<{ fragment: Fragment; files: FileWish[] }> {
  const { gitDir, commit, paths, fragments, defaults, signal } = request;
  const read = async (which: string[]) =>
    which.length === 0 ? new Map<string, string>() : readTexts(gitDir, commit, which, signal);
  const code = paths.filter((path) => whyNoCode(path) === null);
  if (code.length === 0) return { fragment: asFragment(new Map()), files: paths.map(noCode) };
  const kbuild = readKbuild(await read(['*Makefile*', '*Kbuild*']));
  const enabler = new Enabler(readKconfig(await read(['*Kconfig*'])), valuesOf(fragments), defaults);
  const direct = (path: string) => (isSource(path) ? kbuild.conditionOf(objectOf(path)) : null);
  const included = code.filter(
    (path) => direct(path) === null && /\.[chS]$/.test(path) && !foreignArch(path),
  );
  const includers = included.length > 0 ? await findIncluders(gitDir, commit, included, signal) : new Map();
  const candidatesFor = async (path: string): Promise<Candidate[]> => {
    const own = direct(path);
    if (own !== null) return [{ source: path, condition: own }];
    const built = (includers.get(path) ?? []).flatMap((source: string) => {
      const condition = kbuild.conditionOf(objectOf(source));
      return condition === null ? [] : { source, condition };
    });
    const near = nearest(path, built, enabler);
    const texts = await read(near.map(({ source }) => `:(literal)${source}`));
    return near.map((one) => ({
      ...one,
      condition: allOf([one.condition, guardOfInclude(path, texts.get(one.source))]),
    }));
  };
  const files: FileWish[] = [];
  // One after the other: each builds on the options of those before.
  for (const path of paths)
    files.push(code.includes(path) ? enable(enabler, path, await candidatesFor(path)) : noCode(path));
  return { fragment: asFragment(enabler.added), files };
}

/** The #if blocks around the lines that include a file; all of it if no line does so directly. */
function guardOfInclude(path: string, text = ''): Expression {
  const name = posix.basename(path);
  const guards = guardsOf(text);
  const lines = text
    .split('\n')
    .flatMap((line, index) => (/^\s*#\s*include\b/.test(line) && line.includes(name) ? guards[index]! : []));
  return lines.length === 0 ? always : anyOf(lines);
}

type Candidate = { source: string; condition: Expression };

function enable(enabler: Enabler, path: string, candidates: readonly Candidate[]): FileWish {
  const before = new Set(enabler.added.keys());
  const reasons: string[] = [];
  const ways = [false, true].flatMap((allows) => candidates.map((candidate) => ({ ...candidate, allows })));
  for (const { source, condition, allows } of ways) {
    const reason = enabler.enable(condition, allows);
    if (reason !== null) {
      reasons.push(reason);
      continue;
    }
    const options = [...enabler.added.keys()].filter((name) => !before.has(name));
    return {
      path,
      isCode: true,
      source,
      condition: asText(condition),
      tristate: symbolsOf(condition).findLast((name) => enabler.isTristate(name)) ?? null,
      options,
      needsCompileTest: enabler.needsCompileTest(condition),
      reason: null,
    };
  }
  const [first] = candidates;
  return {
    ...noCode(path),
    isCode: true,
    source: first?.source ?? null,
    condition: first === undefined ? null : asText(first.condition),
    reason: reasons.at(-1) ?? foreignArch(path) ?? whyNotBuilt(path),
  };
}

/** Files that are compiled anyway come first, then those near the header. */
function nearest(path: string, candidates: readonly Candidate[], enabler: Enabler): Candidate[] {
  const rank = ({ source, condition }: Candidate) => [
    enabler.holds(condition) ? 0 : 1,
    -nearness(path, source),
    posix.parse(source).name === posix.parse(path).name ? 0 : 1,
  ];
  const ranked = candidates.map((candidate) => ({ candidate, rank: rank(candidate) }));
  ranked.sort((a, b) => a.rank.reduce((sum, value, index) => sum || value - b.rank[index]!, 0));
  return ranked.slice(0, mostIncluders).map(({ candidate }) => candidate);
}

/** How far two files have the same directories; of include/sound/soc.h, sound/ is one, too. */
function nearness(header: string, source: string): number {
  const [one, other] = [header, source].map((path) => posix.dirname(path).split('/'));
  const end = one!.findIndex((part, index) => part !== other![index]);
  const common = end < 0 ? one!.length : end;
  return header.startsWith('include/') ? one!.filter((part) => other!.includes(part)).length : common;
}

function valuesOf(fragments: readonly Fragment[]): Map<string, string> {
  return new Map(lastWishes(fragments).map(({ symbol, value }) => [symbol, value]));
}

function asFragment(added: ReadonlyMap<string, string>): Fragment {
  const wishes = [...added].map(([symbol, value], index) => ({
    symbol,
    value,
    need: 'preferred' as const,
    isAlternative: false,
    line: index + 1,
    block: index + 1,
  }));
  return { name: 'the touched files', wishes };
}

function noCode(path: string): FileWish {
  return {
    path,
    isCode: false,
    source: null,
    condition: null,
    tristate: null,
    options: [],
    needsCompileTest: false,
    reason: whyNoCode(path),
  };
}

function isSource(path: string): boolean {
  return /\.(?:c|S|rs)$/.test(path);
}

/** The object that is made of a file. */
export function objectOf(path: string): string {
  return path.replace(/\.(?:c|S|rs)$/, '.o');
}

const places: [RegExp, string][] = [
  [/^Documentation\//, 'documentation'],
  [/^tools\//, 'a program for user space'],
  [/^(?:scripts|usr)\//, 'a program of the build'],
  [/^arch\/x86\/(?:tools|boot\/tools|boot\/mkcpustr\.c|entry\/vdso\/vdso2c)/, 'a program of the build'],
  [/\.bpf\.c$/, 'a BPF program'],
  [/\.lds\.S$/, 'a linker script'],
  [/(?:^|\/)Kconfig[^/]*$/, 'a Kconfig file'],
  [/(?:^|\/)(?:Makefile|Kbuild)[^/]*$/, 'a Makefile'],
];

/** What a touched file is if it is no code of a kernel; null if it is code. */
export function whyNoCode(path: string): string | null {
  const place = places.find(([pattern]) => pattern.test(path));
  if (place !== undefined) return place[1];
  return isSource(path) || path.endsWith('.h') ? null : 'no code';
}

/** That a file is for another architecture; null if it is not. */
export function foreignArch(path: string): string | null {
  const [, other] = /^arch\/([^/]+)\//.exec(path) ?? [];
  if (other === undefined || path.startsWith(`${arch.kconfigDirectory}/`)) {
    return path.startsWith(`${arch.kconfigDirectory}/um/`)
      ? 'for another architecture (user-mode Linux)'
      : null;
  }
  return `for another architecture (arch/${other})`;
}

function whyNotBuilt(path: string): string {
  if (/_32\.[cSh]$/.test(path)) return `only for 32 bits`;
  return path.endsWith('.h') ? 'no file that is built includes it' : 'no Makefile builds it';
}
