// SPDX-License-Identifier: MIT
// Debian's Chromium, as a reader uses it.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { paths } from '../paths.ts';

const program = '/usr/bin/chromium';

/** Start Chromium; an error says which package has it. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(program))
    throw new Error(
      `there is no ${program}, in which these tests read report.html; type: sudo apt-get install -y --no-install-recommends chromium`,
    );
  // Chromium's own sandbox refuses root.
  return chromium.launch({ executablePath: program, chromiumSandbox: process.getuid?.() !== 0 });
}

/** A page of the browser, in which every address that it asks for and every error is noted. */
export type Reader = { page: Page; requests: string[]; errors: string[] };

export async function openReader(browser: Browser, options: BrowserContextOptions = {}): Promise<Reader> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const [requests, errors]: [string[], string[]] = [[], []];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('dialog', (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { page, requests, errors };
}

const axe: { source: string } = createRequire(import.meta.url)('axe-core');

/** What axe finds to be a serious barrier, as `rule: element`. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    type Found = { id: string; impact: string | null; nodes: { html: string; failureSummary?: string }[] };
    const { axe } = globalThis as unknown as { axe: { run: () => Promise<{ violations: Found[] }> } };
    return (await axe.run()).violations;
  });
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    );
}

/** Keep a screenshot; returns its path. Git ignores the directory. */
export async function keepScreenshot(page: Page, name: string): Promise<string> {
  const dir = join(paths.root, 'runs', 'screenshots');
  await mkdir(dir, { recursive: true });
  const path = join(dir, `${name}.png`);
  await page.screenshot({ path });
  return path;
}
