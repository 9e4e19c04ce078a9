// SPDX-License-Identifier: MIT
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from '../errors.ts';
import { currentBundle, readBundle } from '../report/pageBundle.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { buildPage } from './build.ts';

test('a bundle is built once, and again when a source has changed', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const path = join(scratch.path, 'page.json');
  t.true(await buildPage(path));
  t.false(await buildPage(path));
  const bundle = JSON.parse(await readFile(path, 'utf8'));
  t.true(bundle.script.length > 10_000);
  t.false(bundle.script.includes('</script'));
  t.false(bundle.style.includes('</style'));
  t.true('harness/page/view/app.tsx' in bundle.inputs);
  bundle.inputs['harness/page/view/app.tsx'] = 'another';
  await writeFile(path, JSON.stringify(bundle));
  t.is(await currentBundle(path), null);
  t.true(await buildPage(path));
});

test('the bundle is small: it holds no part of Kiln that a page does not need', async (t) => {
  await using scratch = await scratchDirectory(tmpdir());
  const path = join(scratch.path, 'page.json');
  await buildPage(path);
  const { script } = (await currentBundle(path))!;
  t.true(script.length < 200_000, `${script.length} bytes`);
});

test('without a bundle, the error says what to do', async (t) => {
  const error = await t.throwsAsync<KilnError>(readBundle('/nowhere/page.json'));
  t.regex(error!.hint, /^type: make -C .* setup$/);
});
