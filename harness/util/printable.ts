// SPDX-License-Identifier: MIT

/**
 * Makes text from a guest safe to show: terminal escapes and control characters are gone, line ends and tabs
 * stay. For anything that a person reads; the evidence files keep the raw bytes.
 */
export function printable(text: string): string {
  return text.replace(CARRIAGE_RETURN, '\n').replace(ESCAPE, '').replace(CONTROL, '');
}

// A lone CR would let a guest overwrite what stands before it on the terminal's line.
const CARRIAGE_RETURN = /\r\n?/g;

// ECMA-48: OSC, DCS, SOS, PM and APC strings up to ST or BEL (or to the line's end, if never ended), CSI
// sequences, two- and three-byte escapes; each also in the 8-bit form (C1).
const ESCAPE =
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=\n|$|\x1b))|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z\\^-~]?/g;

/** C0 without \t and \n, DEL, C1, and the marks that reorder or hide text (bidirectional controls, zero widths). */
export const CONTROL =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
