// SPDX-License-Identifier: MIT
// A kernel's System.map: from addresses to names and back. Addresses are those of a kernel without KASLR.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** `size`: the distance to the next symbol of any type, as the kernel prints it. */
export type KernelFunction = { name: string; address: bigint; size: number };

export class SystemMap {
  readonly #functions: KernelFunction[] = [];
  readonly #byName: Map<string, KernelFunction[]>;
  /** `_stext` and `_etext`; null if the map has no such symbols. */
  readonly #text: { first: bigint; last: bigint } | null;

  /** @param map the file's text, sorted by address */
  constructor(map: string) {
    const symbols = map.split('\n').flatMap((line) => {
      const [hex, type, name] = line.split(' ');
      return name ? [{ address: BigInt(`0x${hex}`), type: type!, name }] : [];
    });
    let [start, end] = [symbols.at(-1)?.address ?? 0n, symbols.at(-1)?.address ?? 0n];
    for (const { address, type, name } of symbols.toReversed()) {
      if (address !== start) [start, end] = [address, start];
      if (/^[tTwW]$/.test(type)) this.#functions.push({ name, address, size: Number(end - address) });
    }
    this.#functions.reverse();
    this.#byName = Map.groupBy(this.#functions, ({ name }) => name);
    const [first, last] = ['_stext', '_etext'].map((name) => this.#byName.get(name)?.[0]?.address);
    this.#text = first === undefined || last === undefined ? null : { first, last };
  }

  /** All functions of this name: several files may have a static one. */
  functions(name: string): KernelFunction[] {
    return this.#byName.get(name) ?? [];
  }

  /** `name+0x12/0x34`, as the kernel prints it; null if the address is not in the kernel's text. */
  nameOf(address: bigint): string | null {
    if (this.#text === null || address < this.#text.first || address >= this.#text.last) return null;
    const found = this.#functionAt(address);
    if (found === undefined) return null;
    const offset = address - found.address;
    return offset < found.size ? `${found.name}+0x${offset.toString(16)}/0x${found.size.toString(16)}` : null;
  }

  /** The last function that begins at or before this address; of several aliases the first, as in the kernel. */
  #functionAt(address: bigint): KernelFunction | undefined {
    let [low, high] = [0, this.#functions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#functions[middle]!.address > address) high = middle;
      else low = middle + 1;
    }
    let index = low - 1;
    while (index > 0 && this.#functions[index - 1]!.address === this.#functions[index]!.address) index--;
    return this.#functions[index];
  }
}

const parsed = new Map<string, Promise<SystemMap>>();

/**
 * Each map is parsed once a process: a kernel's directory never changes.
 * @param dir a kernel's, as kernel.ts leaves it
 */
export function readSystemMap(dir: string): Promise<SystemMap> {
  const known = parsed.get(dir);
  if (known) return known;
  const reading = readFile(join(dir, 'System.map'), 'utf8').then((text) => new SystemMap(text));
  parsed.set(dir, reading);
  // After a failure the next call tries again.
  reading.catch(() => parsed.delete(dir));
  return reading;
}
