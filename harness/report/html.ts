// SPDX-License-Identifier: MIT
// report.html: one file with the results, the logs of what failed, and the program that shows them (harness/page/).
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Results } from '../schema.ts';
import { bundlePath, type PageBundle, readBundle } from './pageBundle.ts';
import { gatherPage, type PageData } from './pageData.ts';
import { renderText } from './text.ts';

/** Bytes of the page, about: logs are left out until it is smaller, but never results. */
const mostBytes = 4_500_000;

/**
 * Render the page of a run. Throws KilnError if its program is not built.
 * @param dir the run's directory, which has the logs
 * @param bundle where the program is
 */
export async function renderHtml(results: Results, dir: string, bundle = bundlePath): Promise<string> {
  const program = await readBundle(bundle);
  for (let share = 1; ; share /= 4) {
    const data = await gatherPage(results, dir, share);
    const page = pageOf(data, program, renderText(results, '.'));
    if (page.length <= mostBytes || share < 0.01) return page;
  }
}

/**
 * Pure: the page. All text of a guest is in the compressed data, where it is no markup, or escaped.
 * @param text the same as plain text, for a browser without JavaScript
 */
export function pageOf(data: PageData, { script, style }: PageBundle, text: string): string {
  const packed = gzipSync(JSON.stringify(data), { level: 9 }).toString('base64');
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Kiln: run ${escapeHtml(data.results.id)}</title>
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<noscript><p>This page needs JavaScript. Without it, this is the report:</p><pre>${escapeHtml(text.slice(0, mostText))}</pre></noscript>
<script type="application/gzip" id="data">${packed}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** Characters of the report without JavaScript. */
const mostText = 50_000;

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (one) => entities[one]!);
}
