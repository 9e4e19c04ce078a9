// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';

/** A context that is never aborted and shows nothing. @param more replaces what a test looks at */
export function quietContext(cache: string, more: Partial<Context> = {}): Context {
  return { cache, signal: new AbortController().signal, progress: () => {}, note: () => {}, ...more };
}
