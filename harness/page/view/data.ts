// SPDX-License-Identifier: MIT
import type { PageData } from '../../report/pageData.ts';

/** The data of the page, which are compressed JSON in it. */
export async function readData(): Promise<PageData> {
  const element = document.getElementById('data');
  const packed = Uint8Array.from(atob(element?.textContent ?? ''), (one) => one.charCodeAt(0));
  // The text would stay in memory otherwise.
  element?.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text()) as PageData;
}
