// SPDX-License-Identifier: MIT
// The code of the kernel that a guest runs: System.map has the names, vmlinux the instructions.
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { readSystemMap, type SystemMap } from '../kernel/systemMap.ts';
import * as arch from './arch/x86_64.ts';

type Segment = { address: bigint; offset: number; size: bigint };

/** One kernel's code. Disposing closes its vmlinux. */
export class KernelText implements AsyncDisposable {
  readonly #map: SystemMap;
  readonly #vmlinux: FileHandle;
  readonly #segments: Segment[];

  constructor(map: SystemMap, vmlinux: FileHandle, segments: Segment[]) {
    this.#map = map;
    this.#vmlinux = vmlinux;
    this.#segments = segments;
  }

  /** `name+0x12/0x34`; null if the address is not in the kernel's text. */
  nameOf(address: bigint): string | null {
    return this.#map.nameOf(address);
  }

  /** Whether the instruction before this address is a call, so that it can be a return address. */
  async followsCall(address: bigint): Promise<boolean> {
    const before = await this.#read(address - BigInt(arch.longestCall), arch.longestCall);
    return before !== null && arch.endsWithCall(before);
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
export async function openKernelText(dir: string): Promise<KernelText> {
  const map = await readSystemMap(dir);
  const vmlinux = await open(join(dir, 'vmlinux'), 'r');
  try {
    return new KernelText(map, vmlinux, await readSegments(vmlinux));
  } catch (error) {
    await vmlinux.close();
    throw error;
  }
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
