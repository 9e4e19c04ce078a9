// SPDX-License-Identifier: MIT

/**
 * Removes terminal escapes and control characters from a guest's text, but not line ends and tabs. For
 * everything that Kiln shows; the log files hold the raw bytes.
 */
export function printable(text: string): string {
  return text.replace(carriageReturn, '\n').replace(escapeSequences, '').replace(controlCharacters, '');
}

// A lone CR would let a guest overwrite the beginning of the terminal's line.
const carriageReturn = /\r\n?/g;

// ECMA-48: OSC, DCS, SOS, PM and APC strings up to ST, BEL or the end of the line; CSI sequences; two- and
// three-byte escapes. Each also in its 8-bit form (C1).
const escapeSequences =
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=\n|$|\x1b))|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z\\^-~]?/g;

/**
 * C0 without \t and \n, DEL, C1, marks that reorder or hide text (bidirectional, zero width), lone
 * surrogates.
 */
export const controlCharacters =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
