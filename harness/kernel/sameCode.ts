// SPDX-License-Identifier: MIT
// Whether two builds have the same code: a hash of what each linked object puts into memory.
import { createHash, type Hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as arch from '../guest/arch/x86_64.ts';
import { plainFile } from '../sandbox/plain.ts';
import {
  alloc,
  type ElfSymbol,
  local,
  note,
  parseElf,
  type Relocation,
  type Section,
  sectionSymbol,
} from './elf.ts';
import { linkedObjects } from './linked.ts';

/** Object, as `fs/open.o`, or another part of the link → hash. */
export type CodeHashes = Record<string, string>;

/** What differs between two builds; nothing, if all are empty. */
export type CodeDifference = { changed: string[]; added: string[]; removed: string[] };

/** They hold the text of .config, or the kernel itself. */
const derived = new Set(['kernel/configs.o', 'arch/x86/boot/compressed/piggy.o']);

/** Bytes. */
const largestObject = 256 * 2 ** 20;

/**
 * Hash all objects of the build that just ended in this directory, the order in which they are linked, and the linker's
 * script. Later builds change the directory, so that this has to be stored with the kernel. Throws does-not-build if
 * the directory has no build.
 */
export async function hashCode(build: string): Promise<CodeHashes> {
  const { objects, apart } = await linkedObjects(build);
  const hashes: CodeHashes = { 'link order': sha256(objects.join('\n')) };
  const script = await plainFile(build, arch.linkerScript, largestObject);
  hashes[arch.linkerScript] = sha256(await readFile(script));
  for (const object of [...objects, ...apart].filter((path) => !derived.has(path)))
    hashes[object] = hashObject(await readFile(await plainFile(build, object, largestObject)));
  return hashes;
}

/** Compare the hashes of two builds of the same configuration and compiler. */
export function compareCode(base: CodeHashes, patched: CodeHashes): CodeDifference {
  const names = Object.keys(patched).sort();
  return {
    changed: names.filter((name) => base[name] !== undefined && base[name] !== patched[name]),
    added: names.filter((name) => base[name] === undefined),
    removed: Object.keys(base)
      .filter((name) => patched[name] === undefined)
      .sort(),
  };
}

/** Whether a build has no other code than another. */
export function isSameCode({ changed, added, removed }: CodeDifference): boolean {
  return changed.length + added.length + removed.length === 0;
}

/**
 * Hash the sections of an object that are loaded, what they refer to, and the names that others can refer to. Debug
 * information, and the line numbers of WARN() and BUG(), do not count. What is no object is hashed as it is.
 */
export function hashObject(bytes: Buffer): string {
  const elf = parseElf(bytes);
  if (elf === null) return sha256(bytes);
  const hash = createHash('sha256');
  for (const section of elf.sections.filter(isLoaded)) {
    const relocations = elf.relocations.get(section) ?? [];
    hash.update(`\n${section.name} ${section.type} ${section.flags} ${section.size}\n`);
    hash.update(section.name === '__bug_table' ? withoutLines(section, relocations) : section.data);
    for (const relocation of relocations) addRelocation(hash, relocation);
  }
  for (const symbol of elf.symbols.filter(({ binding, section }) => binding !== local && section !== null))
    hash.update(`\n${symbol.name} ${placeOf(symbol)} ${symbol.type} ${symbol.binding} ${symbol.size}`);
  return hash.digest('hex');
}

function isLoaded({ flags, name, type }: Section): boolean {
  const isBuildId = type === note && name.includes('build-id');
  // The linker's script drops .discard sections, which have counters of the compiler's.
  return (flags & alloc) !== 0 && !isBuildId && !name.startsWith('.discard');
}

function addRelocation(hash: Hash, { offset, type, symbol, addend }: Relocation): void {
  hash.update(`${offset} ${type} ${symbol === null ? '' : nameOf(symbol)} ${addend}\n`);
}

/** Local names may have numbers of the compiler's, which depend on what else it has read. */
function nameOf(symbol: ElfSymbol): string {
  const isOwn = symbol.section !== null && (symbol.binding === local || symbol.type === sectionSymbol);
  return isOwn ? placeOf(symbol) : symbol.name;
}

function placeOf({ section, value }: ElfSymbol): string {
  return `${section?.name ?? ''}+${value}`;
}

/**
 * Entries of __bug_table: relative pointers of four bytes, each with a relocation, then the line (2) and flags (2).
 * Which pointers there are depends on the kernel's version.
 */
function withoutLines({ data }: Section, relocations: readonly Relocation[]): Buffer {
  const pointers = [2, 3].find((count) => data.length * count === relocations.length * (4 * count + 4));
  if (pointers === undefined) return data;
  const size = 4 * pointers + 4;
  const copy = Buffer.from(data);
  for (let at = 0; at < copy.length; at += size) copy.writeUInt16LE(0, at + 4 * pointers);
  return copy;
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
