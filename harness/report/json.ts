// SPDX-License-Identifier: MIT
import type { Results } from '../schema.ts';
import { controlCharacters } from '../util/printable.ts';

/** results.json for stdout: control characters are escaped for a terminal, which means the same in JSON. */
export function renderJson(results: Results): string {
  const escaped = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${JSON.stringify(results, null, 2).replace(controlCharacters, escaped)}\n`;
}
