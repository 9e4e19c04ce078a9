// SPDX-License-Identifier: MIT
// Pure: the little of SVG that pictures of figures need.

/** Pixels. */
export type Size = { width: number; height: number };

/** A document with a title at its top. */
export function picture({ width, height }: Size, title: string, ...content: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#333">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 24, title, 'middle', 15),
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

export function text(x: number, y: number, words: string, anchor = 'start', fontSize = 12): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${fontSize}">${words}</text>`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
