// SPDX-License-Identifier: MIT
// Reads relocatable objects of 64-bit machines. They come from untrusted builds: every number in them is checked.

export type Section = {
  name: string;
  type: number;
  /** sh_flags, all that is needed is in the lower 32 bits. */
  flags: number;
  size: number;
  /** Empty if the section has no bytes in the file (.bss). */
  data: Buffer;
};

export type ElfSymbol = {
  name: string;
  /** STT_ and STB_ numbers. */
  type: number;
  binding: number;
  /** Where it is defined; null if elsewhere, or at no section. */
  section: Section | null;
  value: bigint;
  size: bigint;
};

/** `symbol` is null if the object has no such symbol. */
export type Relocation = { offset: bigint; type: number; addend: bigint; symbol: ElfSymbol | null };

export type Elf = {
  sections: Section[];
  symbols: ElfSymbol[];
  relocations: Map<Section, Relocation[]>;
};

export const alloc = 0x2;
export const note = 7;
export const func = 2;
export const sectionSymbol = 3;
export const local = 0;
const [symbolTable, withAddend, withoutBytes] = [2, 4, 8];
const sizes = { header: 64, section: 64, symbol: 24, relocation: 24 };

/** null if it is no such object, or damaged. */
export function parseElf(bytes: Buffer): Elf | null {
  try {
    return parse(bytes);
  } catch (error) {
    // Node's error for a position outside of the file.
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function parse(bytes: Buffer): Elf | null {
  // 64 bits, little endian, relocatable.
  if (bytes.length < sizes.header || bytes.readUInt32BE(0) !== 0x7f454c46) return null;
  if (bytes[4] !== 2 || bytes[5] !== 1 || bytes.readUInt16LE(16) !== 1) return null;
  const table = Number(bytes.readBigUInt64LE(40));
  const header = (index: number) =>
    bytes.subarray(table + index * sizes.section, table + (index + 1) * sizes.section);
  // More than 65,279 sections: the first header has the count and the index of the names.
  const count = bytes.readUInt16LE(60) || Number(header(0).readBigUInt64LE(32));
  const namesAt = bytes.readUInt16LE(62) === 0xffff ? header(0).readUInt32LE(40) : bytes.readUInt16LE(62);
  if (table + count * sizes.section > bytes.length || namesAt >= count) return null;
  const raw = Array.from({ length: count }, (_, index) => header(index));
  const dataOf = (one: Buffer) => {
    if (one.readUInt32LE(4) === withoutBytes) return bytes.subarray(0, 0);
    const [start, size] = [Number(one.readBigUInt64LE(24)), Number(one.readBigUInt64LE(32))];
    if (start + size > bytes.length) throw new RangeError('a section ends behind the file');
    return bytes.subarray(start, start + size);
  };
  const names = dataOf(raw[namesAt]!);
  const sections = raw.map(
    (one): Section => ({
      name: textAt(names, one.readUInt32LE(0)),
      type: one.readUInt32LE(4),
      flags: one.readUInt32LE(8),
      size: Number(one.readBigUInt64LE(32)),
      data: dataOf(one),
    }),
  );
  const tableAt = sections.findIndex(({ type }) => type === symbolTable);
  const symbols = tableAt < 0 ? [] : readSymbols(sections, tableAt, raw[tableAt]!.readUInt32LE(40));
  const relocations = new Map<Section, Relocation[]>();
  for (const [index, section] of sections.entries()) {
    const target = section.type === withAddend ? sections[raw[index]!.readUInt32LE(44)] : undefined;
    if (target !== undefined) relocations.set(target, readRelocations(section.data, symbols));
  }
  return { sections, symbols, relocations };
}

function readSymbols(sections: readonly Section[], tableAt: number, namesAt: number): ElfSymbol[] {
  const { data } = sections[tableAt]!;
  const names = sections[namesAt]?.data ?? Buffer.alloc(0);
  return Array.from({ length: Math.floor(data.length / sizes.symbol) }, (_, index) => {
    const at = index * sizes.symbol;
    const where = data.readUInt16LE(at + 6);
    return {
      name: textAt(names, data.readUInt32LE(at)),
      type: data[at + 4]! & 0xf,
      binding: data[at + 4]! >> 4,
      section: where === 0 ? null : (sections[where] ?? null),
      value: data.readBigUInt64LE(at + 8),
      size: data.readBigUInt64LE(at + 16),
    };
  });
}

function readRelocations(data: Buffer, symbols: readonly ElfSymbol[]): Relocation[] {
  return Array.from({ length: Math.floor(data.length / sizes.relocation) }, (_, index) => {
    const at = index * sizes.relocation;
    return {
      offset: data.readBigUInt64LE(at),
      type: data.readUInt32LE(at + 8),
      symbol: symbols[data.readUInt32LE(at + 12)] ?? null,
      addend: data.readBigInt64LE(at + 16),
    };
  });
}

function textAt(names: Buffer, at: number): string {
  const end = names.indexOf(0, at);
  return end < 0 ? '' : names.toString('latin1', at, end);
}
