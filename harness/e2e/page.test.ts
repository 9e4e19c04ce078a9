// SPDX-License-Identifier: MIT
// report.html in Chromium, as a reader uses it. The runs are made up: a page of a real run is in main.test.ts.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { buildPage } from '../page/build.ts';
import { exampleCi } from '../testing/exampleCi.ts';
import { type ExampleRun, exampleRun, hostileRun, manyCases, writeRun } from '../testing/exampleRun.ts';
import { barriers, keepScreenshot, openReader, type Reader, startBrowser } from './browser.ts';
import { kiln } from './kiln.ts';

const scratch = await mkdtemp(join(tmpdir(), 'kiln-page-'));
let browser: Browser;
const urls: Record<'run' | 'ci' | 'hostile', string> = { run: '', ci: '', hostile: '' };

test.serial.before(async () => {
  browser = await startBrowser();
  await buildPage();
  urls.run = await pageOf('run', exampleRun());
  urls.ci = await pageOf('ci', { results: exampleCi(), files: {} });
  urls.hostile = await pageOf('hostile', hostileRun());
});

test.after.always(async () => {
  await browser?.close();
  await rm(scratch, { recursive: true, force: true });
});

/** The address of the page that `kiln report --html` writes. */
async function pageOf(name: string, run: ExampleRun): Promise<string> {
  const dir = join(scratch, name);
  await writeRun(dir, run);
  const { stdout, stderr } = await kiln(['report', dir, '--html']);
  if (!stdout.includes('report.html')) throw new Error(stderr);
  return String(pathToFileURL(stdout.trim()));
}

/** Open a page; `use` reads it. No page may ask for anything but itself, or have an error. */
async function read(
  url: string,
  use: (page: Page, reader: Reader) => Promise<void>,
  options: Parameters<typeof openReader>[1] = {},
): Promise<{ requests: string[]; errors: string[] }> {
  const reader = await openReader(browser, options);
  try {
    await reader.page.goto(url);
    await reader.page.waitForSelector('h1');
    await use(reader.page, reader);
  } finally {
    await reader.page.context().close();
  }
  return reader;
}

const failure = (page: Page, name: string) =>
  page.locator('details.failure', { has: page.getByText(`demo/${name}`, { exact: true }) });

async function open(page: Page, name: string) {
  const found = failure(page, name);
  if ((await found.getAttribute('open')) === null) await found.locator('summary').first().click();
  // What is in it is made after it has opened.
  await found.locator(':scope > summary + *').waitFor();
  return found;
}

/** What a reader does has an effect a moment later. */
async function becomes<T>(t: ExecutionContext, look: () => Promise<T>, expected: T): Promise<void> {
  const deadline = performance.now() + 30_000;
  let seen = await look();
  while (!isDeepStrictEqual(seen, expected) && performance.now() < deadline) {
    await delay(20);
    seen = await look();
  }
  t.deepEqual(seen, expected);
}

test.serial('it opens from disk, asks for nothing else, and has no error', async (t) => {
  const { requests, errors } = await read(urls.run, async (page) => {
    t.is(await page.title(), 'Kiln: run 2026-01-02T030405-abcd');
  });
  t.deepEqual(requests, [urls.run]);
  t.deepEqual(errors, []);
});

test.serial('the outcome and what was tested are at the top', async (t) => {
  await read(urls.run, async (page) => {
    t.is(
      await page.locator('h1').innerText(),
      'Failed 1 passed, 4 failed (0 timed out, 1 hung, 1 crashed), 1 skipped (6 cases) in 9.1 s',
    );
    t.regex(await page.locator('header').innerText(), /Exit code 1: a test failed, timed out or crashed\./);
    const tested = page.locator('#tested');
    for (const words of [
      ...['debian:linux-source-6.12', 'srvfs: 1 patch', 'base + x86_64', 'gcc (Debian 12.2.0-14) 12.2.0'],
      ...['tcg (/dev/kvm is missing)', '6.12.117', 'other: its series is not applied', '1 compiler warning'],
    ])
      t.true((await tested.innerText()).includes(words), words);
    await tested.getByText('srvfs: 1 patch').click();
    await t.notThrowsAsync(tested.getByText('fs: add srvfs').waitFor());
  });
});

test.serial('kiln ci: checks of each patch, and the states of tests, new failures first', async (t) => {
  await read(urls.ci, async (page) => {
    const tested = await page.locator('#tested').innerText();
    t.regex(tested, /the cover letter names it as its base-commit/);
    t.regex(tested, /2\/3 demo: name the users/);
    const rows = page.locator('table.tests tbody');
    t.regex(await rows.nth(0).innerText(), /demo\/races\s+new failure/);
    t.regex(await rows.nth(2).innerText(), /demo\/timer\s+flaky and 1 more/);
    t.deepEqual(await page.locator('table.tests th.job').allInnerTexts(), ['base', 'patch-3']);
    const races = await open(page, 'races');
    t.regex(await races.innerText(), /first with 3\/3 "demo: count the users"/);
    await races.getByRole('button', { name: 'base PASS' }).click();
    await t.notThrowsAsync(races.getByRole('button', { name: 'base PASS', pressed: true }).waitFor());
  });
});

test.serial('a test opens to its cases, the failed ones first, with links to its logs', async (t) => {
  await read(urls.run, async (page) => {
    await page.getByRole('button', { name: 'demo/asserts' }).click();
    const body = page.locator('table.tests tbody', {
      has: page.getByRole('button', { name: 'demo/asserts' }),
    });
    t.regex(await body.locator('tr.case').nth(0).innerText(), /global\.closes\s+FAIL/);
    t.regex(await body.locator('tr.case').nth(1).innerText(), /global\.opens\s+PASS/);
    await body.getByRole('link', { name: 'kernel' }).click();
    await page.waitForURL(/asserts\/kernel\.log$/);
    t.regex(await page.locator('body').innerText(), /boot line 3/);
  });
});

test.serial('the filter chooses tests, and its state is in the address', async (t) => {
  await read(urls.run, async (page) => {
    const names = () => page.locator('table.tests .opener').allInnerTexts();
    await page.getByLabel('Filter').fill('verdict:fail splat:demo_put');
    await becomes(t, names, ['demo/warns']);
    t.is(await page.locator('.filter .count').innerText(), '1 of 6 tests');
    await t.notThrowsAsync(page.waitForURL(/#q=verdict/));
    const address = page.url();
    await page.goto('about:blank');
    await page.goto(address);
    t.is(await page.getByLabel('Filter').inputValue(), 'verdict:fail splat:demo_put');
    await becomes(t, names, ['demo/warns']);
    t.is(await page.locator('details.failure').count(), 1);
    await page.getByLabel('Filter').fill('-suite:demo');
    await t.notThrowsAsync(page.getByText('The filter shows no test.').waitFor());
    await page.getByLabel('Filter').fill('colour:red');
    const count = page.locator('.filter .count', { hasText: 'colour: no key, searched as text' });
    await t.notThrowsAsync(count.waitFor());
  });
});

test.serial('a failed assertion has its source lines, artifacts and QEMU command', async (t) => {
  await read(urls.run, async (page) => {
    const asserts = await open(page, 'asserts');
    t.true(await asserts.getByText('asserts.c:44:closes:Expected 0 (0) == close(fd) (-1)').isVisible());
    t.regex(await asserts.locator('.excerpt .meant').innerText(), /→ *44\s+code of line 44;/);
    t.is(
      await asserts.getByRole('link', { name: 'core.asserts.71' }).getAttribute('href'),
      './guests/job-1/demo/asserts/artifacts/core.asserts.71',
    );
    await asserts.getByText('QEMU command and times').click();
    await t.notThrowsAsync(asserts.getByText('qemu-system-x86_64 -machine q35').waitFor());
    t.regex(await asserts.innerText(), /forked from a frozen guest, booted in 1\.4 s of guest time/);
  });
});

test.serial(
  'a splat has its stack with the patch that changed it, and the kernel log around it',
  async (t) => {
    await read(urls.run, async (page) => {
      const warns = await open(page, 'warns');
      const first = warns.locator('ol.stack > li').first();
      t.regex(await first.innerText(), /count_down drivers\/demo\/core\.c:40 inlined 0003-demo-count\.patch/);
      t.is(await first.locator('.row.ours').count(), 2);
      t.regex(await first.locator('.row.meant').innerText(), /→\+40/);
      await warns.getByText('Kernel log around it').click();
      const log = warns.getByRole('group', { name: 'Kernel log around it' });
      t.regex((await log.textContent())!, /5\.000002 T71 +warn +WARNING: CPU: 1 PID: 71/);
      t.is(await log.locator('.line.own').count(), 12);
      t.regex((await log.textContent())!, /boot line 39[\s\S]*after it/);
    });
  },
);

test.serial('a hung guest has its state, and a chain of kernels is side by side', async (t) => {
  await read(urls.run, async (page) => {
    const hangs = await open(page, 'hangs');
    t.regex(await hangs.locator('summary').first().innerText(), /HUNG/);
    t.true(await hangs.getByText('CPU 0: RIP demo_spin+0x5/0x10').isVisible());
    t.true(await hangs.getByText('CPU 0: in demo_spin+0x5/0x10, called by').isVisible());
    const kexecs = await open(page, 'kexecs');
    const kernels = await kexecs.locator('table.generations tr').allInnerTexts();
    t.deepEqual(kernels.map((row) => row.split('\t').map((cell) => cell.trim())).slice(0, 6), [
      ['', '0', '1'],
      ['Verdict', 'PASS', 'CRASH'],
      ['Reason', '–', 'it said nothing for 120 s'],
      ['Kernel', '6.12.117', 'did not boot'],
      ['Started by', 'boot', 'kexec'],
      ['Blackout', '–', '2.3 s'],
    ]);
  });
});

test.serial('the line that reproduces a failure is copied', async (t) => {
  await read(urls.run, async (page) => {
    const asserts = await open(page, 'asserts');
    await asserts.getByRole('button', { name: 'Copy: Reproduce' }).click();
    await asserts.getByText('copied').waitFor();
    await page.getByLabel('Filter').focus();
    await page.keyboard.press('Control+V');
    t.is(await page.getByLabel('Filter').inputValue(), 'kiln test demo/first');
  });
});

test.serial('a log is folded and searchable, and each line has an address', async (t) => {
  await read(urls.run, async (page) => {
    const warns = await open(page, 'warns');
    const log = warns.locator('details.logfile', { hasText: 'Kernel log' });
    t.is(await log.locator('.line').count(), 0);
    await log.locator('summary').click();
    await becomes(t, () => log.locator('.line').count(), 53);
    await log.getByRole('searchbox').fill('demo: count');
    await becomes(t, () => log.locator('.line .text').allTextContents(), ['demo: count below 0']);
    await log.locator('.line a').click();
    await t.notThrowsAsync(page.waitForURL(/kernel\.log%3A42$/));
    const address = page.url();
    await page.goto('about:blank');
    await page.goto(address);
    const marked = page.locator('.line.marked');
    await marked.waitFor();
    t.regex((await marked.textContent())!, /42 +5\.000001.*demo: count below 0/);
    await t.notThrowsAsync(() =>
      page.waitForFunction(() => {
        const { top, bottom } = document.querySelector('.line.marked')!.getBoundingClientRect();
        return top > 0 && bottom < innerHeight;
      }),
    );
  });
});

test.serial('logs of tests that pass are linked, and the page says so', async (t) => {
  await read(urls.run, async (page) => {
    t.true(await page.getByText('The logs of tests that pass are linked, not embedded.').isVisible());
    t.false((await page.content()).includes('passes/console.log'));
  });
});

test.serial('the timeline shows when guests ran, and leads to their failures', async (t) => {
  await read(urls.run, async (page) => {
    const timeline = page.locator('#timeline');
    t.deepEqual(await timeline.locator('.lane > .name').allInnerTexts(), ['Stages', 'Slot 1', 'Slot 2', '']);
    t.is(await timeline.locator('.bar').count(), 7);
    t.regex(await timeline.locator('table').innerText(), /building kernels\s+2\.6 s\s+29 %/);
    await timeline.locator('.bar').getByRole('link', { name: 'demo/hangs' }).click();
    await page.locator('[id="failure:demo/hangs"][open]').waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.closest('details')?.id);
    await becomes(t, focused, 'failure:demo/hangs');
  });
});

test.serial('everything can be done with the keyboard alone', async (t) => {
  await read(urls.run, async (page) => {
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        return element.getAttribute('aria-label') ?? element.innerText?.split('\n')[0] ?? element.id;
      });
    const tabTo = async (wanted: RegExp) => {
      for (let press = 0; press < 200; press++) {
        if (wanted.test(await focused())) return;
        await page.keyboard.press('Tab');
      }
      t.fail(`no way to ${wanted}`);
    };
    await page.keyboard.press('/');
    await page.keyboard.type('test:asserts');
    await tabTo(/^FAIL demo\/asserts/);
    await t.notThrowsAsync(page.getByText('Expected 0 (0) == close(fd)').first().waitFor());
    await tabTo(/^Copy: Reproduce/);
    await page.keyboard.press('Enter');
    await page.getByText('copied').waitFor();
    await tabTo(/^asserts\.c, line 44/);
    await tabTo(/^Kernel log/);
    await page.keyboard.press('Enter');
    await tabTo(/^Search in Kernel log/);
    await page.keyboard.type('line 12');
    await tabTo(/^Kernel log$/);
    await tabTo(/^demo\/asserts$/);
    await page.keyboard.press('Enter');
    await t.notThrowsAsync(page.locator('tr.case').first().waitFor());
  });
});

/** Open everything that can be opened. */
async function openAll(page: Page): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await page.evaluate(() => {
      const closed = 'details:not([open]) > summary, .opener[aria-expanded="false"]';
      for (const one of document.querySelectorAll<HTMLElement>(closed)) one.click();
    });
    // What was opened has been made by then.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  }
}

for (const colorScheme of ['light', 'dark'] as const)
  for (const width of [360, 1600])
    test.serial(
      `${colorScheme}, ${width} px wide: nothing is cut off, and axe finds no barrier`,
      async (t) => {
        for (const name of ['run', 'ci'] as const) {
          const options = { colorScheme, viewport: { width, height: 900 } };
          const { errors } = await read(
            urls[name],
            async (page) => {
              await keepScreenshot(page, `${name}-${colorScheme}-${width}`);
              await openAll(page);
              t.is(await page.evaluate(() => document.documentElement.scrollWidth), width, name);
              t.deepEqual(await barriers(page), [], name);
              const [red = 0] = (
                await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
              )
                .match(/\d+/g)!
                .map(Number);
              t.is(red > 128, colorScheme === 'light');
            },
            options,
          );
          t.deepEqual(errors, []);
        }
      },
    );

test.serial('no text of a guest becomes markup, a script or an address', async (t) => {
  const { requests, errors } = await read(urls.hostile, async (page) => {
    await openAll(page);
    t.is(await page.title(), 'Kiln: run 2026-01-02T030405-abcd');
    t.is(await page.locator('#page img, #page svg, #page script, #page b').count(), 0);
    const hrefs = await page
      .locator('a')
      .evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    t.deepEqual(
      hrefs.filter((href) => !href.startsWith('#') && !href.startsWith('./')),
      [],
    );
    t.true((await page.locator('body').innerText()).includes('<img src=x onerror='));
    t.notRegex(await page.locator('body').innerText(), /[\u202e\u200b\x1b\x07]/);
  });
  t.deepEqual(requests, [urls.hostile]);
  t.deepEqual(errors, []);
});

test.serial('the policy stops a script that got into the page all the same', async (t) => {
  await read(urls.run, async (page) => {
    const outcome = await page.evaluate(() => {
      const script = document.createElement('script');
      try {
        script.textContent = 'document.title = "owned"';
        document.body.append(script);
        return document.title;
      } catch (error) {
        return String(error);
      }
    });
    t.regex(outcome, /TrustedScript|Kiln: run/);
    t.not(await page.title(), 'owned');
    await t.throwsAsync(() => page.evaluate(() => fetch('https://example.org/')));
  });
});

test.serial('a damaged page says so', async (t) => {
  const path = join(scratch, 'damaged.html');
  const whole = await readFile(new URL(urls.run), 'utf8');
  await writeFile(path, whole.replace(/(id="data">.{200})[^<]*/, '$1'));
  await read(String(pathToFileURL(path)), async (page) => {
    t.is(await page.locator('h1').innerText(), "This page can't show its data");
    t.regex(await page.locator('body').innerText(), /results\.json/);
  });
});

test.serial('5,000 cases open in 8 times the time of an empty page, and take less than 5 MB', async (t) => {
  const url = await pageOf('5000', manyCases(5000));
  const { size } = await stat(new URL(url));
  t.true(size < 5_000_000, `${size} bytes`);
  const empty = join(scratch, 'empty.html');
  await writeFile(empty, '<!doctype html><title>empty</title><h1>empty</h1><main id="tests"></main>');
  const times = { empty: [] as number[], full: [] as number[] };
  // In one page: the start of a process takes longer than all else. What counts is when the reader sees something.
  const { page } = await openReader(browser);
  const timeOf = async (address: string) => {
    await page.goto(address);
    await page.waitForSelector('#tests', { state: 'attached' });
    return page.evaluate(async () => {
      for (;;) {
        const [paint] = performance.getEntriesByName('first-contentful-paint');
        if (paint) return paint.startTime;
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    });
  };
  await timeOf(url);
  for (let round = 0; round < 5; round++) {
    times.empty.push(await timeOf(String(pathToFileURL(empty))));
    times.full.push(await timeOf(url));
  }
  await page.context().close();
  const median = (all: number[]) => all.toSorted((a, b) => a - b)[2]!;
  t.log(
    `empty ${Math.round(median(times.empty))} ms, 5,000 cases ${Math.round(median(times.full))} ms, ${size} bytes`,
  );
  t.true(median(times.full) <= 8 * median(times.empty), JSON.stringify(times));
});

test.serial('50,000 cases open, and the filter finds one of them', async (t) => {
  const url = await pageOf('50000', manyCases(50_000));
  await read(url, async (page) => {
    t.regex(await page.locator('h1').innerText(), /4950 passed, 50 failed \(50000 cases\)/);
    await page.getByLabel('Filter').fill('case_3_of_4321');
    await page.getByText('1 of 5000 tests').waitFor();
    t.deepEqual(await page.locator('table.tests .opener').allInnerTexts(), ['suite86/t4321']);
  });
});
