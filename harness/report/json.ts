// SPDX-License-Identifier: MIT
import type { Results } from '../schema.ts';
import { controlCharacters } from '../util/printable.ts';

/** results.json for stdout. */
export function renderJson(results: Results): string {
  return toJson(results);
}

/** JSON in which control characters are escaped for a terminal, which means the same. */
export function toJson(value: unknown): string {
  const escaped = (text: string) => `\\u${text.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `${JSON.stringify(value, null, 2).replace(controlCharacters, escaped)}\n`;
}
