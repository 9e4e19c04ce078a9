// SPDX-License-Identifier: MIT
// The addresses of a kernel's text, as its System.map names them, and what stands there, as its vmlinux holds it.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

type Segment = { address: bigint; offset: number; size: bigint };

/** One kernel's functions. Addresses are those of a kernel that was not moved (no KASLR). */
export class Symbols implements AsyncDisposable {
  readonly #addresses: bigint[] = [];
  readonly #names: string[] = [];
  readonly #vmlinux: FileHandle;
  readonly #segments: Segment[];

  /** @param map System.map */
  constructor(map: string, vmlinux: FileHandle, segments: Segment[]) {
    this.#vmlinux = vmlinux;
    this.#segments = segments;
    const first = addressOf(map, '_stext');
    const last = addressOf(map, '_etext');
    for (const [, hex, name] of map.matchAll(/^([0-9a-f]+) [tTwW] (.+)$/gm)) {
      const address = BigInt(`0x${hex}`);
      // Of several names for one place the first does.
      if (address < first || address > last || address === this.#addresses.at(-1)) continue;
      this.#addresses.push(address);
      this.#names.push(name!);
    }
  }

  /** `name+0x12/0x34`; null if that is no place in the kernel's text. */
  find(address: bigint): string | null {
    const next = this.#firstAbove(address);
    const [start, end] = [this.#addresses[next - 1], this.#addresses[next]];
    if (start === undefined || end === undefined) return null;
    return `${this.#names[next - 1]}+0x${(address - start).toString(16)}/0x${(end - start).toString(16)}`;
  }

  #firstAbove(address: bigint): number {
    let [low, high] = [0, this.#addresses.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#addresses[middle]! > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whether a call stands before this place. */
  async followsCall(address: bigint): Promise<boolean> {
    const before = await this.#read(address - 7n, 7);
    if (!before) return false;
    // call rel32; else one through a register or memory, in 2, 3, 6 or 7 bytes.
    return before[2] === 0xe8 || [5, 4, 1, 0].some((at) => isIndirectCall(before, at));
  }

  async #read(address: bigint, length: number): Promise<Buffer | null> {
    const segment = this.#segments.find(
      (one) => address >= one.address && address + BigInt(length) <= one.address + one.size,
    );
    if (!segment) return null;
    const position = segment.offset + Number(address - segment.address);
    const { buffer, bytesRead } = await this.#vmlinux.read(Buffer.alloc(length), 0, length, position);
    return bytesRead === length ? buffer : null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#vmlinux.close();
  }
}

/** @param dir a kernel's, as kernel/ leaves it */
export async function readSymbols(dir: string): Promise<Symbols> {
  const map = await readFile(join(dir, 'System.map'), 'utf8');
  const vmlinux = await open(join(dir, 'vmlinux'), 'r');
  try {
    return new Symbols(map, vmlinux, await readSegments(vmlinux));
  } catch (error) {
    await vmlinux.close();
    throw error;
  }
}

function addressOf(map: string, name: string): bigint {
  const hex = new RegExp(`^([0-9a-f]+) \\S ${name}$`, 'm').exec(map)?.[1];
  if (hex === undefined) throw new Error(`System.map has no ${name}`);
  return BigInt(`0x${hex}`);
}

/** Opcode ff with /2 in the byte behind it. */
function isIndirectCall(code: Buffer, at: number): boolean {
  return code[at] === 0xff && ((code[at + 1]! >> 3) & 7) === 2;
}

/** ELF's program headers of type PT_LOAD: elf(5), 64 bits, little endian. */
async function readSegments(file: FileHandle): Promise<Segment[]> {
  const { buffer: head } = await file.read(Buffer.alloc(64), 0, 64, 0);
  const [start, size, count] = [
    Number(head.readBigUInt64LE(32)),
    head.readUInt16LE(54),
    head.readUInt16LE(56),
  ];
  const { buffer: table } = await file.read(Buffer.alloc(size * count), 0, size * count, start);
  return Array.from({ length: count }, (_, index) => table.subarray(index * size, (index + 1) * size))
    .filter((header) => header.readUInt32LE(0) === 1)
    .map((header) => ({
      offset: Number(header.readBigUInt64LE(8)),
      address: header.readBigUInt64LE(16),
      size: header.readBigUInt64LE(32),
    }));
}
